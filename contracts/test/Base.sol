// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {IAppAuth} from "../src/IAppAuth.sol";
import {Chain} from "../src/SignatureChain.sol";
import {Binding, Endpoint, Renewal, Vote} from "../src/Statements.sol";
import {VM, Vm} from "./Vm.sol";

/// All arguments of register().
struct Registration {
    Binding b;
    bytes nodeXY;
    bytes proofXY;
    Chain c;
    bytes sigN;
    bytes sigD;
    bytes sigOwner;
}

/// What the tests share: a KMS with an allowed app, wallets, a node's two keys, and statements signed as a node and a
/// wallet would sign them. Hashes are computed here by themselves, not by the code under test.
abstract contract Base {
    uint256 internal constant NOW = 1_789_500_000;

    uint256 internal constant KMS_ROOT = 0x1001;
    uint256 internal constant APP = 0x1002;
    bytes20 internal constant APP_ID = bytes20(uint160(0xA11));

    uint256 internal constant ALICE = 0x2001;
    uint256 internal constant BOB = 0x2002;
    uint256 internal constant EVE = 0x2003;

    uint256 internal constant NODE = 0x3001;
    uint256 internal constant PROOF = 0x4001;
    uint256 internal constant EVE_NODE = 0x3002;
    uint256 internal constant EVE_PROOF = 0x4002;

    address internal constant INSTANCE = address(0x5001);
    address internal constant EVE_INSTANCE = address(0x5002);
    string internal constant URL = "tcp://node.example:7946";

    address internal alice = VM.addr(ALICE);
    address internal bob = VM.addr(BOB);
    address internal eve = VM.addr(EVE);
    DstackMembershipNFT internal seats;
    uint256 internal clock = NOW; // what statements are made by

    /// The test contract owns the contract; block time is NOW.
    function setUp() public virtual {
        VM.warp(NOW);
        VM.roll(1000);
        seats = newSeats();
    }

    function newSeats() internal returns (DstackMembershipNFT) {
        bytes20[] memory appIds = new bytes20[](1);
        appIds[0] = APP_ID;
        DstackMembershipNFT made = new DstackMembershipNFT("seats", "SEAT", VM.addr(KMS_ROOT), appIds, 100);
        made.addBaseDomain("example");
        return made;
    }

    /* ---- keys ---- */

    function xyOf(uint256 key) internal returns (bytes memory) {
        Vm.Wallet memory w = VM.createWallet(key);
        return abi.encodePacked(w.publicKeyX, w.publicKeyY);
    }

    function keyOf(uint256 key) internal returns (bytes memory) {
        Vm.Wallet memory w = VM.createWallet(key);
        return abi.encodePacked(w.publicKeyY & 1 == 0 ? bytes1(0x02) : bytes1(0x03), w.publicKeyX);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /* ---- the KMS and the app ---- */

    function appSignature(uint256 appKey, string memory purpose, bytes memory derived)
        internal
        pure
        returns (bytes memory)
    {
        return sign(appKey, keccak256(abi.encodePacked(purpose, ":", hexOf(derived))));
    }

    function kmsSignature(uint256 root, bytes20 appId, bytes memory appPublic) internal pure returns (bytes memory) {
        return sign(root, keccak256(abi.encodePacked("dstack-kms-issued:", appId, appPublic)));
    }

    function chainOf(uint256 root, uint256 appKey, bytes20 appId, uint256 derived) internal returns (Chain memory) {
        return Chain({
            appXY: xyOf(appKey),
            appId: appId,
            appSig: appSignature(appKey, "nftmesh-node-v1", keyOf(derived)),
            kmsSig: kmsSignature(root, appId, keyOf(appKey))
        });
    }

    function hexOf(bytes memory data) internal pure returns (string memory) {
        bytes memory digits = "0123456789abcdef";
        bytes memory text = new bytes(2 * data.length);
        for (uint256 i = 0; i < data.length; i++) {
            text[2 * i] = digits[uint8(data[i]) / 16];
            text[2 * i + 1] = digits[uint8(data[i]) % 16];
        }
        return string(text);
    }

    /* ---- statements ---- */

    function typed(address contract_, uint256 chainId, bytes32 structHash) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("nftmesh"),
                keccak256("1"),
                chainId,
                contract_
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function structHashOf(Binding memory b) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Binding(uint256 tokenId,address owner,address instance,bytes nodeKey,bytes proofKey,string url,uint64 nonce,uint64 expiresAt,uint64 deadline)"
        );
        bytes32 keys = keccak256(b.nodeKey);
        return keccak256(
            abi.encode(
                typeHash,
                b.tokenId,
                b.owner,
                b.instance,
                keys,
                keccak256(b.proofKey),
                keccak256(bytes(b.url)),
                b.nonce,
                b.expiresAt,
                b.deadline
            )
        );
    }

    function digestOf(Binding memory b) internal view returns (bytes32) {
        return typed(address(seats), block.chainid, structHashOf(b));
    }

    function digestOf(Renewal memory r) internal view returns (bytes32) {
        bytes32 typeHash =
            keccak256("Renewal(uint256 tokenId,bytes nodeKey,uint64 nonce,uint64 expiresAt,uint64 deadline)");
        return typed(
            address(seats),
            block.chainid,
            keccak256(abi.encode(typeHash, r.tokenId, keccak256(r.nodeKey), r.nonce, r.expiresAt, r.deadline))
        );
    }

    function digestOf(Endpoint memory e) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Endpoint(uint256 tokenId,bytes nodeKey,string url,uint64 nonce,uint64 deadline)");
        bytes32 url = keccak256(bytes(e.url));
        return typed(
            address(seats),
            block.chainid,
            keccak256(abi.encode(typeHash, e.tokenId, keccak256(e.nodeKey), url, e.nonce, e.deadline))
        );
    }

    function digestOf(Vote memory v) internal view returns (bytes32) {
        bytes32 typeHash = keccak256("Vote(bytes32 epochId,uint8 kind,uint64 first,uint64 last,bytes32 hash)");
        return typed(
            address(seats), block.chainid, keccak256(abi.encode(typeHash, v.epochId, v.kind, v.first, v.last, v.hash))
        );
    }

    function bindingOf(uint256 tokenId, uint256 node, uint256 proof) internal returns (Binding memory) {
        return Binding({
            tokenId: tokenId,
            owner: seats.ownerOf(tokenId),
            instance: seats.tokenToInstance(tokenId),
            nodeKey: keyOf(node),
            proofKey: keyOf(proof),
            url: URL,
            nonce: seats.nonceOf(tokenId),
            expiresAt: uint64(clock + 90 days),
            deadline: uint64(clock + 1 days)
        });
    }

    function renewalOf(uint256 tokenId, uint256 node) internal returns (Renewal memory) {
        return Renewal({
            tokenId: tokenId,
            nodeKey: keyOf(node),
            nonce: seats.nonceOf(tokenId),
            expiresAt: uint64(clock + 200 days),
            deadline: uint64(clock + 1 days)
        });
    }

    function endpointOf(uint256 tokenId, uint256 node, string memory url) internal returns (Endpoint memory) {
        return Endpoint({
            tokenId: tokenId,
            nodeKey: keyOf(node),
            url: url,
            nonce: seats.nonceOf(tokenId),
            deadline: uint64(clock + 1 days)
        });
    }

    /// A registration that the contract accepts from anybody, if the instance is bound.
    function registrationOf(uint256 tokenId, uint256 owner_, uint256 node, uint256 proof)
        internal
        returns (Registration memory r)
    {
        r.b = bindingOf(tokenId, node, proof);
        r.nodeXY = xyOf(node);
        r.proofXY = xyOf(proof);
        r.c = chainOf(KMS_ROOT, APP, APP_ID, proof);
        signBinding(r, owner_, node, proof);
    }

    function signBinding(Registration memory r, uint256 owner_, uint256 node, uint256 proof) internal view {
        bytes32 digest = digestOf(r.b);
        r.sigN = sign(node, digest);
        r.sigD = sign(proof, digest);
        r.sigOwner = sign(owner_, digest);
    }

    /// Two NOTARs of one slot, for different candidates.
    function evidence(bytes32 epochId, uint64 slot) internal pure returns (Vote memory a, Vote memory b) {
        a = Vote({epochId: epochId, kind: 2, first: slot, last: slot, hash: bytes32(uint256(1))});
        b = Vote({epochId: epochId, kind: 2, first: slot, last: slot, hash: bytes32(uint256(2))});
    }

    /* ---- steps ---- */

    function send(Registration memory r, address from) internal {
        VM.prank(from);
        seats.register(r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, r.sigOwner);
    }

    function refuse(Registration memory r, address from, bytes memory error) internal {
        VM.expectRevert(error);
        send(r, from);
    }

    /// A seat of the owner with the instance bound to it.
    function boundSeat(address owner_, address instance) internal returns (uint256 tokenId) {
        tokenId = seats.mintNodeAccess(owner_);
        VM.prank(owner_);
        seats.registerInstance(tokenId, instance);
    }

    /// Alice's seat, registered with NODE and PROOF.
    function aliceSeat() internal returns (uint256 tokenId) {
        tokenId = boundSeat(alice, INSTANCE);
        send(registrationOf(tokenId, ALICE, NODE, PROOF), alice);
    }

    /// The holder of a node key votes twice, and Eve shows it.
    function suspend(uint256 node, uint64 slot) internal {
        (Vote memory a, Vote memory b) = evidence("epoch", slot);
        submit(a, sign(node, digestOf(a)), b, sign(node, digestOf(b)));
    }

    function submit(Vote memory a, bytes memory sigA, Vote memory b, bytes memory sigB) internal {
        VM.prank(eve);
        seats.submitEvidence(a, sigA, b, sigB);
    }

    function member(uint256 tokenId) internal view returns (Member memory) {
        return seats.getInstanceInfo(tokenId);
    }

    /// What a KMS asks of a machine whose measurements are all allowed, once allowMeasurements() was called.
    function bootInfo(address instance) internal view returns (IAppAuth.AppBootInfo memory info) {
        info.appId = address(seats);
        info.instanceId = instance;
        info.tcbStatus = "UpToDate";
    }

    function allowMeasurements() internal {
        seats.addComposeHash(bytes32(0));
        seats.setAllowAnyDevice(true);
    }

    function boots(address instance) internal view returns (bool allowed) {
        (allowed,) = seats.isAppAllowed(bootInfo(instance));
    }

    /// Alice's seat, the only one that is registered: in every list, or in none; its machine boots, or does not.
    function mustCount(bool counts) internal view {
        string[] memory urls = seats.getPeerEndpoints();
        address[] memory instances = seats.getActiveInstances();
        require(urls.length == (counts ? 1 : 0) && instances.length == urls.length, counts ? "not listed" : "listed");
        require(!counts || (same(urls[0], URL) && instances[0] == INSTANCE), "another is listed");
        require(seats.activeInstances(INSTANCE) == counts, counts ? "not active" : "active");
        require(boots(INSTANCE) == counts, counts ? "does not boot" : "boots");
    }

    function mustBeClear(uint256 tokenId) internal view {
        Member memory m = member(tokenId);
        require(!m.active && m.boundBy == address(0) && m.instance == address(0), "a registration is left");
        require(m.nodeKey.length == 0 && m.proofKey.length == 0, "keys are left");
        require(m.appId == bytes20(0) && m.rootEpoch == 0 && m.expiresAt == 0, "values are left");
        require(bytes(m.url).length == 0, "the url is left");
    }

    function same(bytes memory a, bytes memory b) internal pure returns (bool) {
        return keccak256(a) == keccak256(b);
    }

    function same(string memory a, string memory b) internal pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    /// An allowed URL of so many bytes; below 19 it is too short to be one.
    function longUrl(uint256 length) internal pure returns (string memory) {
        bytes memory text = new bytes(length);
        bytes memory start = "tcp://node.example/";
        for (uint256 i = 0; i < length; i++) {
            text[i] = i < start.length ? start[i] : bytes1("x");
        }
        return string(text);
    }
}
