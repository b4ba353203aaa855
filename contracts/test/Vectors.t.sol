// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT} from "../src/DstackMembershipNFT.sol";
import {Evidence} from "../src/Evidence.sol";
import {Secp256k1} from "../src/Secp256k1.sol";
import {Chain, ChainVerdict, SignatureChain} from "../src/SignatureChain.sol";
import {Binding, Endpoint, Renewal, Statements, Vote} from "../src/Statements.sol";
import {VM} from "./Vm.sol";

/// The contract with its digests in sight.
contract DigestHarness is DstackMembershipNFT {
    constructor(address kmsRoot) DstackMembershipNFT("seats", "SEAT", kmsRoot, new bytes20[](0), 100) {}

    function domainSeparator() external view returns (bytes32) {
        return Statements.domain();
    }

    function digest(Binding calldata b) external view returns (bytes32) {
        return Statements.digest(Statements.hash(b));
    }

    function digest(Renewal calldata r) external view returns (bytes32) {
        return Statements.digest(Statements.hash(r));
    }

    function digest(Endpoint calldata e) external view returns (bytes32) {
        return Statements.digest(Statements.hash(e));
    }

    function digest(Vote calldata v) external view returns (bytes32) {
        return Statements.digest(Statements.hash(v));
    }

    function recover(bytes32 digest_, bytes calldata sig) external pure returns (address) {
        return Secp256k1.recover(digest_, sig);
    }
}

/// The checks of keys, signatures and chains in sight, with the purpose as an argument.
contract ChainHarness {
    function verify(
        bytes calldata purpose,
        address kmsRoot,
        bytes calldata derivedKey,
        bytes calldata derivedXY,
        Chain calldata c
    ) external pure returns (ChainVerdict) {
        return SignatureChain.verify(purpose, kmsRoot, derivedKey, derivedXY, c);
    }

    function isKey(bytes calldata key, bytes calldata xy) external pure returns (bool) {
        return Secp256k1.isKey(key, xy);
    }

    function recover(bytes32 digest, bytes calldata sig) external pure returns (address) {
        return Secp256k1.recover(digest, sig);
    }
}

/// Reading of vectors, and what a caller prepares off chain: X || Y of a key, Ethereum's form of a signature.
abstract contract VectorReader {
    uint256 internal constant P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f;

    /// Bytes from hex without 0x.
    function hexAt(string memory json, string memory key) internal pure returns (bytes memory) {
        return VM.parseBytes(string.concat("0x", VM.parseJsonString(json, key)));
    }

    function item(string memory list, uint256 i, string memory field) internal pure returns (string memory) {
        return string.concat(list, "[", VM.toString(i), "]", field);
    }

    /// Recovery id 0 or 1 becomes 27 or 28; any other last byte is moved by 27 too, and stays wrong.
    function ethereumForm(bytes memory sig) internal pure returns (bytes memory) {
        if (sig.length != 65) return sig;
        unchecked {
            sig[64] = bytes1(uint8(sig[64]) + 27);
        }
        return sig;
    }

    /// The vote at a place of votes.json, and its signature.
    function voteAt(string memory votes, uint256 i) internal pure returns (Vote memory v, bytes memory sig) {
        string memory m = item(".votes", i, ".message");
        v = Vote({
            epochId: VM.parseJsonBytes32(votes, string.concat(m, ".epochId")),
            kind: uint8(VM.parseJsonUint(votes, string.concat(m, ".kind"))),
            first: uint64(VM.parseJsonUint(votes, string.concat(m, ".first"))),
            last: uint64(VM.parseJsonUint(votes, string.concat(m, ".last"))),
            hash: VM.parseJsonBytes32(votes, string.concat(m, ".hash"))
        });
        sig = ethereumForm(hexAt(votes, item(".votes", i, ".signature")));
    }

    /// X || Y of a compressed key. A key with no point gives a pair that is none, another length is left as it is.
    function xyOf(bytes memory key) internal view returns (bytes memory) {
        if (key.length != 33) return key;
        uint256 x;
        assembly ("memory-safe") {
            x := mload(add(key, 33))
        }
        uint256 square = addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
        (bool ok, bytes memory root) = address(5).staticcall(abi.encode(32, 32, 32, square, (P + 1) / 4, P));
        require(ok, "modexp");
        uint256 y = abi.decode(root, (uint256));
        if ((y & 1 == 1) != (key[0] == 0x03)) y = P - y;
        return abi.encode(x, y);
    }
}

contract Eip712VectorsTest is VectorReader {
    address private constant DEPLOYER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    address private constant CONTRACT = 0x5FbDB2315678afecb367f032d93F642f64180aa3;

    string private json;
    DigestHarness private seats;

    function setUp() public {
        json = VM.readFile("vectors/eip712.json");
        VM.prank(DEPLOYER); /* its first contract has the vectors' address */
        seats = new DigestHarness(0x9Ad9076Ef654fAe9EA83e2369c49B21227ffA12c);
        require(address(seats) == CONTRACT, "address");
    }

    function caseOf(string memory name) private view returns (string memory) {
        for (uint256 i = 0;; i++) {
            string memory key = item(".cases", i, "");
            string memory found = VM.parseJsonString(json, string.concat(key, ".name"));
            if (keccak256(bytes(found)) == keccak256(bytes(name))) return key;
        }
        revert("no such case");
    }

    function number(string memory key) private view returns (uint64) {
        return uint64(VM.parseJsonUint(json, key));
    }

    function bindingAt(string memory key) private view returns (Binding memory b) {
        string memory m = string.concat(key, ".message");
        b.tokenId = number(string.concat(m, ".tokenId"));
        b.owner = VM.parseJsonAddress(json, string.concat(m, ".owner"));
        b.instance = VM.parseJsonAddress(json, string.concat(m, ".instance"));
        b.nodeKey = VM.parseJsonBytes(json, string.concat(m, ".nodeKey"));
        b.proofKey = VM.parseJsonBytes(json, string.concat(m, ".proofKey"));
        b.url = VM.parseJsonString(json, string.concat(m, ".url"));
        b.nonce = number(string.concat(m, ".nonce"));
        b.expiresAt = number(string.concat(m, ".expiresAt"));
        b.deadline = number(string.concat(m, ".deadline"));
    }

    function mustBe(bytes32 digest, string memory key) private view {
        require(digest == VM.parseJsonBytes32(json, string.concat(key, ".digest")), "digest");
    }

    function test_TheTypeHashesAreTheVectors() public view {
        require(Statements.BINDING_TYPEHASH == VM.parseJsonBytes32(json, ".types.Binding.type_hash"), "Binding");
        require(Statements.RENEWAL_TYPEHASH == VM.parseJsonBytes32(json, ".types.Renewal.type_hash"), "Renewal");
        require(Statements.ENDPOINT_TYPEHASH == VM.parseJsonBytes32(json, ".types.Endpoint.type_hash"), "Endpoint");
    }

    function test_TheBindingsDigestIsTheVectors() public view {
        string memory key = caseOf("Binding");
        mustBe(seats.digest(bindingAt(key)), key);
        require(seats.domainSeparator() == VM.parseJsonBytes32(json, string.concat(key, ".domain_separator")), "domain");
    }

    function test_TheRenewalsDigestIsTheVectors() public view {
        string memory key = caseOf("Renewal");
        string memory m = string.concat(key, ".message");
        Renewal memory r = Renewal({
            tokenId: number(string.concat(m, ".tokenId")),
            nodeKey: VM.parseJsonBytes(json, string.concat(m, ".nodeKey")),
            nonce: number(string.concat(m, ".nonce")),
            expiresAt: number(string.concat(m, ".expiresAt")),
            deadline: number(string.concat(m, ".deadline"))
        });
        mustBe(seats.digest(r), key);
    }

    function test_TheEndpointsDigestIsTheVectors() public view {
        string memory key = caseOf("Endpoint");
        string memory m = string.concat(key, ".message");
        Endpoint memory e = Endpoint({
            tokenId: number(string.concat(m, ".tokenId")),
            nodeKey: VM.parseJsonBytes(json, string.concat(m, ".nodeKey")),
            url: VM.parseJsonString(json, string.concat(m, ".url")),
            nonce: number(string.concat(m, ".nonce")),
            deadline: number(string.concat(m, ".deadline"))
        });
        mustBe(seats.digest(e), key);
    }

    function test_TheVotesDigestsAreTheVectors() public view {
        string memory votes = VM.readFile("vectors/votes.json");
        require(Statements.VOTE_TYPEHASH == VM.parseJsonBytes32(votes, ".type_hash"), "Vote");
        for (uint256 i = 0; i < 8; i++) {
            (Vote memory v, bytes memory sig) = voteAt(votes, i);
            bytes32 digest = seats.digest(v);
            require(digest == VM.parseJsonBytes32(votes, item(".votes", i, ".digest")), "digest");
            require(seats.recover(digest, sig) == VM.parseJsonAddress(votes, ".signer"), "signer");
        }
    }

    function test_AnotherChainHasAnotherDigest() public {
        string memory key = caseOf("Binding-other-chain");
        VM.chainId(VM.parseJsonUint(json, string.concat(key, ".domain.chainId")));
        mustBe(seats.digest(bindingAt(key)), key);
    }

    function test_AnotherContractHasAnotherDigest() public {
        string memory key = caseOf("Binding-other-contract");
        address other = VM.parseJsonAddress(json, string.concat(key, ".domain.verifyingContract"));
        require(other != CONTRACT, "the same");
        VM.etch(other, address(seats).code);
        mustBe(DigestHarness(other).digest(bindingAt(key)), key);
    }
}

contract ChainVectorsTest is VectorReader {
    string private json;
    ChainHarness private harness;

    function setUp() public {
        json = VM.readFile("vectors/signature-chain.json");
        harness = new ChainHarness();
    }

    /// What the contract is given when a caller has this chain. The app id goes into its word as it is, left-aligned.
    function callOf(string memory input, bytes memory purpose) private view returns (bytes memory data) {
        Chain memory c;
        c.appXY = xyOf(hexAt(json, string.concat(input, ".app_public_key")));
        c.appSig = ethereumForm(hexAt(json, string.concat(input, ".app_signature")));
        c.kmsSig = ethereumForm(hexAt(json, string.concat(input, ".kms_signature")));
        bytes memory derived = hexAt(json, string.concat(input, ".derived_public_key"));
        address root = VM.parseJsonAddress(json, string.concat(input, ".kms_root_address"));
        data = abi.encodeCall(harness.verify, (purpose, root, derived, xyOf(derived), c));
        bytes memory appId = hexAt(json, string.concat(input, ".app_id"));
        require(appId.length <= 32, "app id");
        bytes32 word = bytes32(bytes.concat(appId, new bytes(32 - appId.length)));
        assembly ("memory-safe") {
            let args := add(data, 36)
            let chain := add(args, mload(add(args, 128)))
            mstore(add(chain, 32), word)
        }
    }

    function accepted(bytes memory data) private view returns (bool) {
        (bool ok, bytes memory answer) = address(harness).staticcall(data);
        return ok && abi.decode(answer, (ChainVerdict)) == ChainVerdict.Accept;
    }

    function equalAt(string memory input, string memory a, string memory b) private view returns (bool) {
        return keccak256(hexAt(json, string.concat(input, a))) == keccak256(hexAt(json, string.concat(input, b)));
    }

    function test_EveryVerifyCaseHasTheVectorsVerdict() public view {
        uint256 count = 0;
        uint256 accepts = 0;
        for (; VM.keyExistsJson(json, item(".verify_cases", count, "")); count++) {
            string memory input = item(".verify_cases", count, ".input");
            bytes memory purpose = bytes(VM.parseJsonString(json, string.concat(input, ".purpose")));
            bool verdict = accepted(callOf(input, purpose)) && equalAt(input, ".app_id", ".allowed_app_id");
            string memory expected = VM.parseJsonString(json, item(".verify_cases", count, ".expect"));
            string memory name = VM.parseJsonString(json, item(".verify_cases", count, ".name"));
            require(verdict == (keccak256(bytes(expected)) == keccak256("accept")), name);
            if (verdict) accepts++;
        }
        require(count == 40 && accepts == 1, "not the vectors that this test was written for");
    }

    /// The same signature without 27 added is refused, and the valid chain is none under the product's purpose.
    function test_TheValidCaseIsRefusedInOtherForms() public view {
        string memory input = ".verify_cases[0].input";
        require(accepted(callOf(input, "mesh-peer-v1")), "the valid case");
        require(!accepted(callOf(input, "nftmesh-node-v1")), "another purpose");
        bytes memory derived = hexAt(json, string.concat(input, ".derived_public_key"));
        Chain memory c;
        c.appXY = xyOf(hexAt(json, string.concat(input, ".app_public_key")));
        c.appId = bytes20(hexAt(json, string.concat(input, ".app_id")));
        c.appSig = hexAt(json, string.concat(input, ".app_signature"));
        c.kmsSig = hexAt(json, string.concat(input, ".kms_signature"));
        address root = VM.parseJsonAddress(json, string.concat(input, ".kms_root_address"));
        require(harness.verify("mesh-peer-v1", root, derived, xyOf(derived), c) == ChainVerdict.Encoding, "v 0 or 1");
        c.appSig = ethereumForm(c.appSig);
        require(harness.verify("mesh-peer-v1", root, derived, xyOf(derived), c) == ChainVerdict.Encoding, "v 0 or 1");
        c.kmsSig = ethereumForm(c.kmsSig);
        require(harness.verify("mesh-peer-v1", root, derived, xyOf(derived), c) == ChainVerdict.Accept, "27 or 28");
    }

    /// A root of zero is nobody's, though ecrecover of garbage is zero too.
    function test_ARootOfZeroAcceptsNobody() public view {
        string memory input = ".verify_cases[0].input";
        bytes memory derived = hexAt(json, string.concat(input, ".derived_public_key"));
        Chain memory c;
        c.appXY = xyOf(hexAt(json, string.concat(input, ".app_public_key")));
        c.appId = bytes20(hexAt(json, string.concat(input, ".app_id")));
        c.appSig = ethereumForm(hexAt(json, string.concat(input, ".app_signature")));
        c.kmsSig = abi.encodePacked(bytes32(uint256(5)), bytes32(uint256(1)), uint8(27)); /* no point has x = 5 */
        ChainVerdict verdict = harness.verify("mesh-peer-v1", address(0), derived, xyOf(derived), c);
        require(verdict == ChainVerdict.KmsRoot, "accepted");
    }

    /// DStack's own chains, of the two simulator releases and of a known root: each secp256k1 key is accepted under its
    /// purpose, each Ed25519 key refused.
    function test_DStacksChainsAreAccepted() public view {
        uint256 accepts = group(".official[0]") + group(".official[1]") + group(".synthetic");
        require(accepts == 30, "not the vectors that this test was written for");
    }

    function group(string memory key) private view returns (uint256 accepts) {
        string memory list = string.concat(key, ".examples");
        for (uint256 i = 0; VM.keyExistsJson(json, item(list, i, "")); i++) {
            string memory example = item(list, i, "");
            bytes memory purpose = bytes(VM.parseJsonString(json, string.concat(example, ".purpose")));
            string memory algorithm = VM.parseJsonString(json, string.concat(example, ".algorithm"));
            bool isSecp = keccak256(bytes(algorithm)) == keccak256("secp256k1");
            require(accepted(callOf(example, purpose)) == isSecp, example);
            if (isSecp) accepts++;
        }
    }
}

contract Secp256k1VectorsTest is VectorReader {
    string private json;
    ChainHarness private harness;

    function setUp() public {
        json = VM.readFile("vectors/secp256k1.json");
        harness = new ChainHarness();
    }

    function test_EveryKeyIsItsPoint() public view {
        uint256 i = 0;
        for (; VM.keyExistsJson(json, item(".keys", i, "")); i++) {
            bytes memory key = hexAt(json, item(".keys", i, ".public_key_compressed"));
            bytes memory uncompressed = hexAt(json, item(".keys", i, ".public_key_uncompressed"));
            bytes memory xy = xyOf(key);
            require(keccak256(bytes.concat(hex"04", xy)) == keccak256(uncompressed), "the test's own decompression");
            require(harness.isKey(key, xy), "refused");
            key[0] = key[0] == 0x02 ? bytes1(0x03) : bytes1(0x02);
            require(!harness.isKey(key, xy), "the other half");
        }
        require(i == 14, "count");
    }

    function test_EverySignatureRecoversInOneForm() public view {
        uint256 i = 0;
        for (; VM.keyExistsJson(json, item(".signatures", i, "")); i++) {
            bytes32 digest = bytes32(hexAt(json, item(".signatures", i, ".digest")));
            bytes memory sig = hexAt(json, item(".signatures", i, ".signature_rsv"));
            require(harness.recover(digest, sig) == address(0), "v 0 or 1");
            address signer = VM.parseJsonAddress(json, item(".signatures", i, ".address"));
            require(harness.recover(digest, ethereumForm(sig)) == signer, "refused");
            bytes memory high = hexAt(json, item(".signatures", i, ".high_s_form"));
            require(harness.recover(digest, ethereumForm(high)) == address(0), "high s");
        }
        require(i == 12, "count");
    }

    function test_NoInvalidKeyIsAPoint() public view {
        uint256 i = 0;
        for (; VM.keyExistsJson(json, item(".invalid.public_keys", i, "")); i++) {
            bytes memory key = hexAt(json, item(".invalid.public_keys", i, ".hex"));
            require(!harness.isKey(key, xyOf(key)), VM.parseJsonString(json, item(".invalid.public_keys", i, ".why")));
        }
        require(i == 5, "count");
    }

    /// x or y moved up by p names the same residue: one encoding of each point only. Small ones alone have the room.
    function test_CoordinatesAreBelowP() public view {
        bytes memory key = abi.encodePacked(hex"02", uint256(1));
        bytes memory xy = xyOf(key);
        require(harness.isKey(key, xy), "x = 1 has a point");
        bytes memory moved = abi.encodePacked(P + 1, bytes32(slice(xy, 32)));
        require(!harness.isKey(abi.encodePacked(hex"02", P + 1), moved), "x = p + 1");
        bytes32 x = 0x1fe1e5ef3fceb5c135ab7741333ce5a6e80d68167653f6b2b24bcbcfaaaff507;
        require(harness.isKey(abi.encodePacked(hex"03", x), abi.encodePacked(x, uint256(1))), "y = 1 is of a point");
        require(!harness.isKey(abi.encodePacked(hex"02", x), abi.encodePacked(x, P + 1)), "y = p + 1, which is even");
    }

    function slice(bytes memory data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), at))
        }
    }
}

/// vectors/register-example.json against the contract itself: the deployment, the calls in order, what they return.
contract ExampleTest is VectorReader {
    address private constant OWNER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    address private constant OTHER = 0x70997970C51812dc3A010C7d01b50e0d17dc79C8;
    address private constant CONTRACT = 0x5FbDB2315678afecb367f032d93F642f64180aa3;

    string private json;

    function setUp() public {
        json = VM.readFile("vectors/register-example.json");
        VM.roll(1000);
        VM.warp(1_789_999_000);
        bytes memory args = VM.parseJsonBytes(json, ".constructor_arguments.data");
        bytes memory code = bytes.concat(type(DstackMembershipNFT).creationCode, args);
        address deployed;
        VM.prank(OWNER);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 32), mload(code))
        }
        require(deployed == CONTRACT, "address");
    }

    /// The nth example of a function, by its name.
    function example(string memory name, uint256 nth) private view returns (string memory) {
        bytes memory start = bytes.concat(bytes(name), "(");
        for (uint256 i = 0;; i++) {
            bytes memory signature = bytes(VM.parseJsonString(json, item(".calls", i, ".function")));
            if (!startsWith(signature, start)) continue;
            if (nth == 0) return item(".calls", i, "");
            nth--;
        }
        revert("no such example");
    }

    function startsWith(bytes memory text, bytes memory start) private pure returns (bool) {
        if (text.length < start.length) return false;
        for (uint256 i = 0; i < start.length; i++) {
            if (text[i] != start[i]) return false;
        }
        return true;
    }

    function call(address from, string memory name, uint256 nth) private returns (bytes memory) {
        bytes memory data = VM.parseJsonBytes(json, string.concat(example(name, nth), ".calldata"));
        VM.prank(from);
        (bool ok, bytes memory answer) = CONTRACT.call(data);
        require(ok, name);
        return answer;
    }

    function callAndCompare(address from, string memory name, uint256 nth) private {
        bytes memory answer = call(from, name, nth);
        bytes memory expected = VM.parseJsonBytes(json, string.concat(example(name, nth), ".returndata"));
        require(keccak256(answer) == keccak256(expected), name);
    }

    /// Six seats, the last one bound; then the example's, which is the seventh.
    function prepare() private {
        DstackMembershipNFT seats = DstackMembershipNFT(CONTRACT);
        call(OWNER, "addBaseDomain", 0);
        for (uint256 i = 0; i < 6; i++) {
            VM.prank(OWNER);
            seats.mintNodeAccess(OTHER);
        }
        VM.prank(OTHER);
        seats.registerInstance(6, 0x8899aAbBccDdEeFF00112233445566778899aAbb);
        callAndCompare(OWNER, "mintNodeAccess", 0);
        call(OWNER, "registerInstance", 0);
    }

    function test_TheExampleRunsAndAnswersAsWritten() public {
        prepare();
        call(OTHER, "register", 0); /* with the owner's signature: anybody sends it */
        callAndCompare(OTHER, "getPeerEndpoints", 0);
        call(OTHER, "submitEvidence", 0);
        callAndCompare(OTHER, "getPeerEndpoints", 1); /* the page below shows the suspended seat all the same */
        callAndCompare(OTHER, "membersPage", 0);
        callAndCompare(OTHER, "membersPage", 1);
        callAndCompare(OTHER, "ownerOf", 0);
        callAndCompare(OTHER, "nonceOf", 0);
        callAndCompare(OTHER, "rootEpochOf", 0);
        callAndCompare(OTHER, "instanceToToken", 0);
        callAndCompare(OTHER, "tokenToInstance", 0);
        callAndCompare(OTHER, "totalSupply", 0);
        compareState();

        VM.warp(1_799_999_000);
        call(OTHER, "renew", 0);
        call(OTHER, "setEndpoint", 0);
        call(OWNER, "deactivateInstance", 0);
        call(OWNER, "cancel", 0);
        call(OWNER, "transferFrom", 0);
        call(OTHER, "burn", 0);
        require(DstackMembershipNFT(CONTRACT).nonceOf(7) == 7, "nonce");
    }

    /// Each pair of votes is evidence, or none, as its file says.
    function test_ThePairsAreEvidenceAsWritten() public {
        prepare();
        call(OTHER, "register", 0);
        string memory votes = VM.readFile("vectors/votes.json");
        for (uint256 i = 0; i < 5; i++) {
            string memory pair = item(".evidence", i, "");
            (bool ok,) =
                CONTRACT.call(submission(votes, string.concat(pair, ".votes[0]"), string.concat(pair, ".votes[1]")));
            require(ok, pair);
            require(
                DstackMembershipNFT(CONTRACT).getInstanceInfo(7).suspendedUntil == 1_789_999_000 + (7 days << i), pair
            );
        }
        for (uint256 i = 0; i < 7; i++) {
            string memory pair = item(".no_evidence", i, "");
            (bool ok, bytes memory error) =
                CONTRACT.call(submission(votes, string.concat(pair, "[0]"), string.concat(pair, "[1]")));
            require(!ok && bytes4(error) == Evidence.VotesAgree.selector, pair);
        }
    }

    function submission(string memory votes, string memory first, string memory second)
        private
        pure
        returns (bytes memory)
    {
        (Vote memory a, bytes memory sigA) = voteAt(votes, VM.parseJsonUint(votes, first));
        (Vote memory b, bytes memory sigB) = voteAt(votes, VM.parseJsonUint(votes, second));
        return abi.encodeCall(DstackMembershipNFT.submitEvidence, (a, sigA, b, sigB));
    }

    function test_TheOwnersOwnRegistrationRuns() public {
        prepare();
        call(OWNER, "register", 1);
        require(DstackMembershipNFT(CONTRACT).getInstanceInfo(7).active, "not active");
    }

    /// All but the revision and the parent's hash, which the example makes up.
    function compareState() private {
        bytes memory answer = call(OTHER, "clusterState", 0);
        bytes memory expected = VM.parseJsonBytes(json, string.concat(example("clusterState", 0), ".returndata"));
        assembly ("memory-safe") {
            mstore(add(answer, 160), mload(add(expected, 160)))
            mstore(add(answer, 224), mload(add(expected, 224)))
        }
        require(keccak256(answer) == keccak256(expected), "clusterState");
    }

    function test_TheRevertsAreTheContracts() public {
        prepare();
        call(OWNER, "register", 0);
        bytes memory again = VM.parseJsonBytes(json, string.concat(example("register", 0), ".calldata"));
        mustRevert(OTHER, again, "NonceDiffers(uint64,uint64)");
        mustRevert(OTHER, abi.encodeCall(DstackMembershipNFT.cancel, (7)), "NotTokenOwner(uint256,address)");
        mustRevert(OTHER, abi.encodeWithSignature("ownerOf(uint256)", 8), "ERC721NonexistentToken(uint256)");
    }

    function mustRevert(address from, bytes memory data, string memory error) private {
        VM.prank(from);
        (bool ok, bytes memory answer) = CONTRACT.call(data);
        require(!ok, error);
        for (uint256 i = 0;; i++) {
            string memory name = VM.parseJsonString(json, item(".reverts", i, ".error"));
            if (keccak256(bytes(name)) != keccak256(bytes(error))) continue;
            require(keccak256(answer) == keccak256(VM.parseJsonBytes(json, item(".reverts", i, ".data"))), error);
            return;
        }
    }
}
