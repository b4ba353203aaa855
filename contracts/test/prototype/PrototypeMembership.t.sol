// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {VM} from "../Vm.sol";
import {PrototypeMembership} from "./PrototypeMembership.sol";

/// The fixture is the prototype's contract as its users and a storage proof see it, and has its flaws.
contract PrototypeMembershipTest {
    address private constant ALICE = address(0xA11CE);
    address private constant BOB = address(0xB0B);
    address private constant EVE = address(0xE5E);
    string private constant ID = "c52576d8089b7b89edef22555fa4c0996fa50a78";
    string private constant URL = "https://alice.example/";
    string private constant EVIL = "https://evil.example/";

    string private chains = VM.readFile("vectors/signature-chain.json");
    PrototypeMembership private seats;

    function setUp() public {
        seats = newSeats();
    }

    function newSeats() private returns (PrototypeMembership) {
        return new PrototypeMembership(VM.parseJsonAddress(chains, ".synthetic.kms_root_address"));
    }

    function hexAt(string memory key) private view returns (bytes memory) {
        return VM.parseBytes(string.concat("0x", VM.parseJsonString(chains, key)));
    }

    function inputOf(string memory name) private view returns (string memory) {
        for (uint256 i = 0;; i++) {
            string memory at = string.concat(".verify_cases[", VM.toString(i), "]");
            string memory found = VM.parseJsonString(chains, string.concat(at, ".name"));
            if (keccak256(bytes(found)) == keccak256(bytes(name))) return string.concat(at, ".input.");
        }
        revert("no such case");
    }

    /// registerPeer() with the chain of one of the vectors' cases.
    function registerPeer(string memory name, address from, string memory id, string memory url) private {
        string memory at = inputOf(name);
        bytes memory derived = hexAt(string.concat(at, "derived_public_key"));
        bytes memory app = hexAt(string.concat(at, "app_public_key"));
        bytes memory appSig = hexAt(string.concat(at, "app_signature"));
        bytes memory kmsSig = hexAt(string.concat(at, "kms_signature"));
        bytes32 appId = bytes32(hexAt(string.concat(at, "app_id")));
        VM.prank(from);
        seats.registerPeer(id, derived, app, appSig, kmsSig, url, "mesh-peer-v1", appId);
    }

    function seatOf(address wallet, string memory id) private returns (uint256 tokenId) {
        tokenId = seats.mintNodeAccess(wallet, "");
        VM.prank(wallet);
        seats.registerInstance(id);
    }

    function same(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }

    /* ---- as its users know it ---- */

    function compares(bytes4 selector) private view returns (bool) {
        bytes memory code = address(seats).code;
        for (uint256 i = 0; i + 5 <= code.length; i++) {
            if (code[i] != 0x63) continue; // PUSH4
            bytes32 next;
            assembly ("memory-safe") {
                next := mload(add(add(code, 33), i))
            }
            if (bytes4(next) == selector) return true;
        }
        return false;
    }

    function test_ItHasThePrototypesFunctions() public view {
        string memory abi_ = VM.readFile("vectors/abi.json");
        for (uint256 i = 0; i < 31; i++) {
            string memory at = string.concat(".selectors_seed[", VM.toString(i), "]");
            string memory signature = VM.parseJsonString(abi_, string.concat(at, ".signature"));
            bytes4 selector = bytes4(VM.parseJsonBytes(abi_, string.concat(at, ".selector")));
            require(selector == bytes4(keccak256(bytes(signature))), "the vector's selector");
            /* its users asked for this one; its contract, whose slots have no room for an index, never had it */
            bool absent = same(signature, "tokenOfOwnerByIndex(address,uint256)");
            require(compares(selector) != absent, signature);
        }
        require(!VM.keyExistsJson(abi_, ".selectors_seed[31]"), "one more");
        require(
            seats.isAppAllowed.selector == bytes4(VM.parseJsonBytes(abi_, ".seed_isAppAllowed_selector.selector")),
            "isAppAllowed"
        );
    }

    function test_ItHasThePrototypesEvents() public view {
        bytes32[10] memory topics = [
            PrototypeMembership.InstanceRegistered.selector,
            PrototypeMembership.InstanceDeactivated.selector,
            PrototypeMembership.PeerRegistered.selector,
            PrototypeMembership.ClusterConfigUpdated.selector,
            PrototypeMembership.BaseDomainAdded.selector,
            PrototypeMembership.BaseDomainRemoved.selector,
            PrototypeMembership.KmsRootAddressUpdated.selector,
            IERC721.Transfer.selector,
            IERC721.Approval.selector,
            Ownable.OwnershipTransferred.selector
        ];
        string memory events = VM.readFile("vectors/events.json");
        for (uint256 i = 0; i < topics.length; i++) {
            string memory at = string.concat(".topics_seed[", VM.toString(i), "].topic0");
            require(topics[i] == VM.parseJsonBytes32(events, at), at);
        }
        require(!VM.keyExistsJson(events, ".topics_seed[10]"), "one more");
    }

    /* ---- as a storage proof sees it ---- */

    function slotOf(string memory key, uint256 map) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(key, map));
    }

    function stored(bytes32 slot) private view returns (uint256) {
        return uint256(VM.load(address(seats), slot));
    }

    function stored(uint256 slot) private view returns (uint256) {
        return stored(bytes32(slot));
    }

    function test_ItsFieldsStandInThePrototypesSlots() public {
        uint256 id = seatOf(ALICE, ID);
        registerPeer("valid", ALICE, ID, URL);
        seats.setClusterConfig(7, true, 5);
        seats.addBaseDomain("dstack.example");

        require(stored(keccak256(abi.encode(id, 2))) == uint160(ALICE), "_owners 2");
        require(stored(keccak256(abi.encode(ALICE, 3))) == 1, "_balances 3");
        require(stored(6) == uint160(address(this)), "_owner 6");
        require(stored(7) == 1, "_tokenIdCounter 7");
        require(stored(keccak256(abi.encode(ALICE, 8))) == id, "walletToTokenId 8");
        require(stored(slotOf(ID, 9)) == id, "instanceToToken 9");
        /* a string of 32 bytes and more: 2 * length + 1, its bytes from keccak256(slot) on */
        bytes32 instance = keccak256(abi.encode(id, 10));
        require(stored(instance) == 2 * bytes(ID).length + 1, "tokenToInstance 10");
        require(VM.load(address(seats), keccak256(abi.encode(instance))) == bytes32(bytes(ID)), "its text");
        require(stored(slotOf(ID, 11)) == 1, "activeInstances 11");
        require(stored(slotOf(ID, 12)) & 0xff == 2 * bytes(URL).length, "instanceToConnectionUrl 12");
        require(stored(13) == 7 && stored(14) == 1 && stored(15) == 5 && stored(16) == 1, "maxNodes 13 to devMode 16");
        require(stored(slotOf("dstack.example", 17)) == 1, "allowedBaseDomains 17");
        require(stored(18) == uint160(seats.kmsRootAddress()), "kmsRootAddress 18");
    }

    /* ---- its flaws ---- */

    function test_Flaw01_AnAppSignatureByAnybodyPasses() public {
        seatOf(ALICE, ID);
        registerPeer("app-key-not-matching", ALICE, ID, URL);
        require(same(seats.instanceToConnectionUrl(ID), URL), "refused");
        VM.expectRevert("Invalid KMS signature");
        this.tryPeer("rogue-kms-root");
    }

    function tryPeer(string calldata name) external {
        registerPeer(name, ALICE, ID, URL);
    }

    function test_Flaw02_AStrangerSetsTheUrl() public {
        seatOf(ALICE, ID);
        registerPeer("valid", ALICE, ID, URL);
        registerPeer("valid", EVE, ID, EVIL);
        string[] memory urls = seats.getPeerEndpoints();
        require(urls.length == 1 && same(urls[0], EVIL), "Eve has not the traffic");
    }

    function test_Flaw03_OneChainRegistersAnybodyAnywhere() public {
        seatOf(ALICE, ID);
        registerPeer("valid", ALICE, ID, URL);
        seatOf(EVE, "eve");
        registerPeer("valid", EVE, "eve", EVIL);
        require(seats.getPeerEndpoints().length == 2, "not for another seat");
        seats = newSeats();
        VM.chainId(1);
        seatOf(EVE, "eve");
        registerPeer("valid", EVE, "eve", EVIL);
        require(seats.getPeerEndpoints().length == 1, "not on another chain");
    }

    function test_Flaw11_AGiftMasksASeat() public {
        uint256 id = seatOf(ALICE, ID);
        uint256 gift = seatOf(EVE, "eve");
        VM.prank(EVE);
        seats.transferFrom(EVE, ALICE, gift);
        require(seats.walletToTokenId(ALICE) == gift && seats.ownerOf(id) == ALICE, "not masked");
        VM.expectRevert("Must own instance");
        VM.prank(ALICE);
        seats.deactivateInstance(ID);
        /* and giving the gift away leaves Alice with a seat and without an entry */
        VM.prank(ALICE);
        seats.transferFrom(ALICE, BOB, gift);
        require(seats.walletToTokenId(ALICE) == 0 && seats.balanceOf(ALICE) == 1, "an entry is left");
    }

    function test_Flaw13_TheSellerStays() public {
        uint256 id = seatOf(ALICE, ID);
        registerPeer("valid", ALICE, ID, URL);
        VM.prank(ALICE);
        seats.transferFrom(ALICE, BOB, id);
        registerPeer("valid", ALICE, ID, EVIL);
        require(seats.activeInstances(ID) && same(seats.getPeerEndpoints()[0], EVIL), "the seller is gone");
        (uint256 token, bool active, address owner) = seats.getInstanceInfo(ID);
        require(token == id && active && owner == BOB, "getInstanceInfo");
        VM.expectRevert("Token already has instance");
        VM.prank(BOB);
        seats.registerInstance("bob");
    }
}
