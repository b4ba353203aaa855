// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Base, Registration} from "./Base.sol";
import {UrlPolicy} from "../src/UrlPolicy.sol";
import {VM} from "./Vm.sol";

/// A wallet that is a contract: it says yes to what its one key signed, in its own form (the signature, twice).
contract ContractWallet {
    address private immutable _signer;
    bool private immutable _lies;

    constructor(address signer, bool lies) {
        _signer = signer;
        _lies = lies;
    }

    function isValidSignature(bytes32 digest, bytes calldata doubled) external view returns (bytes4) {
        if (_lies) return 0xffffffff;
        bytes32 r = bytes32(doubled[:32]);
        bytes32 s = bytes32(doubled[32:64]);
        require(keccak256(doubled[:65]) == keccak256(doubled[65:]), "form");
        return ecrecover(digest, uint8(doubled[64]), r, s) == _signer ? this.isValidSignature.selector : bytes4(0);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC721Received.selector;
    }
}

/// Each check of register() refuses what it is there for, and the checks come in their order.
contract RegisterTest is Base {
    uint256 private tokenId;
    Registration private stored;

    function setUp() public override {
        super.setUp();
        tokenId = boundSeat(alice, INSTANCE);
        stored = registrationOf(tokenId, ALICE, NODE, PROOF);
    }

    function resign(Registration memory r) private view {
        signBinding(r, ALICE, NODE, PROOF);
    }

    function only(bytes4 selector) private pure returns (bytes memory) {
        return abi.encodePacked(selector);
    }

    /* ---- what is accepted ---- */

    function test_OwnerSendsWithoutASignatureOfIts() public {
        Registration memory r = stored;
        r.sigOwner = "";
        send(r, alice);
        require(member(tokenId).active, "not active");
    }

    function test_AnybodySendsWithTheOwnersSignature() public {
        send(stored, eve);
        Member memory m = member(tokenId);
        require(m.active && m.tokenId == tokenId && m.owner == alice && m.boundBy == alice, "owner");
        require(m.instance == INSTANCE && same(m.nodeKey, keyOf(NODE)) && same(m.proofKey, keyOf(PROOF)), "keys");
        require(m.appId == APP_ID && m.rootEpoch == 1 && m.expiresAt == NOW + 90 days, "values");
        require(m.suspendedUntil == 0 && m.weight == 1 && m.nonce == 1 && same(m.url, URL), "rest");
        require(seats.nodeSignerToToken(VM.addr(NODE)) == tokenId, "key index");
    }

    function test_TheEventCarriesWhatIsStored() public {
        VM.expectEmit(true, true, true, true, address(seats));
        emit DstackMembershipNFT.PeerRegistered(
            tokenId, INSTANCE, alice, keyOf(NODE), keyOf(PROOF), APP_ID, 1, uint64(NOW + 90 days), URL
        );
        send(stored, alice);
    }

    function test_AContractWalletAnswersByEip1271() public {
        ContractWallet wallet = new ContractWallet(bob, false);
        uint256 id = seats.mintNodeAccess(address(wallet));
        VM.prank(address(wallet));
        seats.registerInstance(id, address(0x77));
        Registration memory r = registrationOf(id, BOB, EVE_NODE, EVE_PROOF);
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector)); /* the wallet reverts on this form */
        r.sigOwner = abi.encodePacked(r.sigOwner, r.sigOwner);
        send(r, eve);
        require(member(id).boundBy == address(wallet), "not registered");
    }

    function test_AContractWalletThatSaysNoIsRefused() public {
        ContractWallet wallet = new ContractWallet(bob, true);
        uint256 id = seats.mintNodeAccess(address(wallet));
        VM.prank(address(wallet));
        seats.registerInstance(id, address(0x77));
        Registration memory r = registrationOf(id, BOB, EVE_NODE, EVE_PROOF);
        r.sigOwner = abi.encodePacked(r.sigOwner, r.sigOwner);
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
    }

    /// A wallet with delegated code (EIP-7702) still signs with its key.
    function test_AWalletWithCodeMayStillSignAsAKey() public {
        VM.etch(alice, address(new ContractWallet(bob, true)).code);
        send(stored, eve);
    }

    function test_TheLimitsThemselvesAreAccepted() public {
        Registration memory r = stored;
        r.b.deadline = uint64(NOW);
        r.b.expiresAt = uint64(NOW + 400 days);
        r.b.url = longUrl(256);
        resign(r);
        send(r, eve);
        r = registrationOf(tokenId, ALICE, NODE, PROOF);
        r.b.deadline = uint64(NOW + 7 days);
        r.b.expiresAt = uint64(NOW + 1);
        r.b.url = "";
        resign(r);
        send(r, eve);
    }

    /* ---- each check, in order ---- */

    function test_TheTokenMustExist() public {
        Registration memory r = stored;
        r.b.tokenId = 99;
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
    }

    function test_TheOwnerMustBeTheOneNamed() public {
        Registration memory r = stored;
        r.b.owner = bob;
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.OwnerDiffers.selector, tokenId, bob));
    }

    function test_AnotherSenderNeedsTheOwnersSignature() public {
        Registration memory r = stored;
        r.sigOwner = "";
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        r.sigOwner = sign(EVE, digestOf(r.b));
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
    }

    function test_TheInstanceMustBeBound() public {
        uint256 id = seats.mintNodeAccess(alice);
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.InstanceNotBound.selector, id));
    }

    function test_TheInstanceMustBeTheBoundOne() public {
        Registration memory r = stored;
        r.b.instance = EVE_INSTANCE;
        resign(r);
        bytes memory error =
            abi.encodeWithSelector(DstackMembershipNFT.InstanceDiffers.selector, INSTANCE, EVE_INSTANCE);
        refuse(r, alice, error);
    }

    function test_TheNonceMustBeTheTokens() public {
        Registration memory r = stored;
        r.b.nonce = 1;
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 0, 1));
    }

    function test_TheDeadlineMustNotHavePassed() public {
        Registration memory r = stored;
        r.b.deadline = uint64(NOW - 1);
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.DeadlinePassed.selector, NOW - 1));
    }

    function test_TheDeadlineMustBeNear() public {
        Registration memory r = stored;
        r.b.deadline = uint64(NOW + 7 days + 1);
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.DeadlineTooFar.selector, NOW + 7 days + 1));
    }

    function test_TheExpiryMustBeAhead() public {
        Registration memory r = stored;
        r.b.expiresAt = uint64(NOW);
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.ExpiryPassed.selector, NOW));
    }

    function test_TheExpiryMustBeNear() public {
        Registration memory r = stored;
        r.b.expiresAt = uint64(NOW + 400 days + 1);
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.ExpiryTooFar.selector, NOW + 400 days + 1));
        r.b.expiresAt = type(uint64).max;
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.ExpiryTooFar.selector, type(uint64).max));
    }

    function test_TheUrlMustBeShort() public {
        Registration memory r = stored;
        r.b.url = longUrl(257);
        resign(r);
        refuse(r, alice, abi.encodeWithSelector(UrlPolicy.UrlTooLong.selector, 257));
    }

    /// The forms of a key that are no key, for either of the two.
    function badKeys(bytes memory key, bytes memory xy) private pure returns (bytes[2][9] memory bad) {
        bytes memory prefix = abi.encodePacked(key);
        prefix[0] = key[0] == 0x02 ? bytes1(0x03) : bytes1(0x02);
        bytes memory offCurve = abi.encodePacked(xy);
        offCurve[62] = ~offCurve[62]; /* parity stays */
        bytes memory zeroPrefix = abi.encodePacked(key);
        zeroPrefix[0] = 0x00;
        bytes memory otherX = abi.encodePacked(key);
        otherX[32] = ~otherX[32];
        bad[0] = [prefix, xy];
        bad[1] = [key, offCurve];
        bad[2] = [zeroPrefix, xy];
        bad[3] = [otherX, xy];
        bad[4] = [abi.encodePacked(hex"04", xy), xy];
        bad[5] = [abi.encodePacked(key, hex"00"), xy];
        bad[6] = [key, abi.encodePacked(xy, hex"00")];
        bad[7] = [bytes(""), bytes("")];
        bad[8] = [abi.encodePacked(hex"02", bytes32(0)), new bytes(64)];
    }

    function test_TheNodeKeyMustBeAKey() public {
        bytes[2][9] memory bad = badKeys(keyOf(NODE), xyOf(NODE));
        for (uint256 i = 0; i < bad.length; i++) {
            Registration memory r = registrationOf(tokenId, ALICE, NODE, PROOF);
            (r.b.nodeKey, r.nodeXY) = (bad[i][0], bad[i][1]);
            resign(r);
            refuse(r, alice, only(DstackMembershipNFT.NodeKeyInvalid.selector));
        }
    }

    function test_TheProofKeyMustBeAKey() public {
        bytes[2][9] memory bad = badKeys(keyOf(PROOF), xyOf(PROOF));
        for (uint256 i = 0; i < bad.length; i++) {
            Registration memory r = registrationOf(tokenId, ALICE, NODE, PROOF);
            (r.b.proofKey, r.proofXY) = (bad[i][0], bad[i][1]);
            resign(r);
            refuse(r, alice, only(DstackMembershipNFT.ProofKeyInvalid.selector));
        }
    }

    function test_TheNodeKeyMustHaveSigned() public {
        Registration memory r = stored;
        r.sigN = r.sigD;
        refuse(r, alice, only(DstackMembershipNFT.NodeSignature.selector));
        r.sigN = sign(EVE_NODE, digestOf(r.b));
        refuse(r, alice, only(DstackMembershipNFT.NodeSignature.selector));
    }

    function test_TheProofKeyMustHaveSigned() public {
        Registration memory r = stored;
        r.sigD = r.sigN;
        refuse(r, alice, only(DstackMembershipNFT.ProofSignature.selector));
        r.sigD = sign(EVE_PROOF, digestOf(r.b));
        refuse(r, alice, only(DstackMembershipNFT.ProofSignature.selector));
    }

    function test_TheChainsPartsMustBeWellFormed() public {
        bytes memory error = only(DstackMembershipNFT.ChainEncoding.selector);
        Registration memory r = stored;
        r.c.appXY[63] = ~r.c.appXY[63];
        refuse(r, alice, error);
        r = stored;
        r.c.appXY = keyOf(APP);
        refuse(r, alice, error);
        r = stored;
        r.c.appSig[64] = bytes1(uint8(r.c.appSig[64]) - 27);
        refuse(r, alice, error);
        r = stored;
        r.c.kmsSig[64] = bytes1(uint8(r.c.kmsSig[64]) - 27);
        refuse(r, alice, error);
    }

    function test_TheAppKeyMustHaveSigned() public {
        Registration memory r = stored;
        r.c.appSig = r.c.kmsSig;
        refuse(r, alice, only(DstackMembershipNFT.ChainAppSignature.selector));
    }

    function test_TheKmsRootMustHaveSigned() public {
        Registration memory r = stored;
        r.c = chainOf(0x1bad, APP, APP_ID, PROOF);
        refuse(r, alice, only(DstackMembershipNFT.ChainKmsRoot.selector));
    }

    function test_TheAppMustBeAllowed() public {
        Registration memory r = stored;
        bytes20 other = bytes20(uint160(0xBAD));
        r.c = chainOf(KMS_ROOT, APP, other, PROOF);
        refuse(r, alice, abi.encodeWithSelector(DstackMembershipNFT.AppIdNotAllowed.selector, other));
        seats.removeAppId(APP_ID);
        refuse(stored, alice, abi.encodeWithSelector(DstackMembershipNFT.AppIdNotAllowed.selector, APP_ID));
    }

    function test_TheNodeKeyMustStandOnNoOtherSeat() public {
        send(stored, alice);
        uint256 id = boundSeat(bob, EVE_INSTANCE);
        Registration memory r = registrationOf(id, BOB, NODE, PROOF);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.NodeKeyTaken.selector, tokenId));
        VM.prank(alice);
        seats.deactivateInstance(tokenId);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.NodeKeyTaken.selector, tokenId));
    }

    /// A call that is wrong in everything is refused for the first thing; mended one by one, for the next.
    function test_TheChecksComeInTheirOrder() public {
        send(stored, alice);
        uint256 id = seats.mintNodeAccess(bob);
        Registration memory r = registrationOf(tokenId, EVE, NODE, PROOF);
        r.b.tokenId = 99;
        r.b.owner = eve;
        r.b.nonce = 5;
        r.b.deadline = uint64(NOW - 1);
        r.b.expiresAt = uint64(NOW);
        r.b.url = longUrl(257);
        r.b.instance = INSTANCE;
        r.nodeXY = xyOf(EVE_NODE);
        r.proofXY = xyOf(EVE_PROOF);
        r.c = chainOf(0x1bad, APP, bytes20(uint160(0xBAD)), EVE_PROOF);
        r.c.appXY[63] = ~r.c.appXY[63];
        r.sigN = r.sigD = r.sigOwner = "";

        refuse(r, eve, abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
        r.b.tokenId = id;
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.OwnerDiffers.selector, id, eve));
        r.b.owner = bob;
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.InstanceNotBound.selector, id));
        VM.prank(bob);
        seats.registerInstance(id, EVE_INSTANCE);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.InstanceDiffers.selector, EVE_INSTANCE, INSTANCE));
        r.b.instance = EVE_INSTANCE;
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 0, 5));
        r.b.nonce = 0;
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.DeadlinePassed.selector, NOW - 1));
        r.b.deadline = uint64(NOW + 1 days);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.ExpiryPassed.selector, NOW));
        r.b.expiresAt = uint64(NOW + 1 days);
        refuse(r, bob, abi.encodeWithSelector(UrlPolicy.UrlTooLong.selector, 257));
        r.b.url = URL;
        refuse(r, bob, only(DstackMembershipNFT.NodeKeyInvalid.selector));
        r.nodeXY = xyOf(NODE);
        refuse(r, bob, only(DstackMembershipNFT.ProofKeyInvalid.selector));
        r.proofXY = xyOf(PROOF);
        refuse(r, bob, only(DstackMembershipNFT.NodeSignature.selector));
        r.sigN = sign(NODE, digestOf(r.b));
        refuse(r, bob, only(DstackMembershipNFT.ProofSignature.selector));
        r.sigD = sign(PROOF, digestOf(r.b));
        refuse(r, bob, only(DstackMembershipNFT.ChainEncoding.selector));
        r.c.appXY[63] = ~r.c.appXY[63];
        refuse(r, bob, only(DstackMembershipNFT.ChainAppSignature.selector));
        r.c.appSig = appSignature(APP, "nftmesh-node-v1", keyOf(PROOF));
        refuse(r, bob, only(DstackMembershipNFT.ChainKmsRoot.selector));
        r.c = chainOf(KMS_ROOT, APP, bytes20(uint160(0xBAD)), PROOF);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.AppIdNotAllowed.selector, bytes20(uint160(0xBAD))));
        r.c = chainOf(KMS_ROOT, APP, APP_ID, PROOF);
        refuse(r, bob, abi.encodeWithSelector(DstackMembershipNFT.NodeKeyTaken.selector, tokenId));
        VM.prank(alice);
        seats.burn(tokenId);
        send(r, bob);
    }

    /* ---- copies ---- */

    function test_ARegistrationIsGoodOnce() public {
        send(stored, alice);
        refuse(stored, alice, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 0));
        refuse(stored, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 0));
    }

    /// Whoever sends first can only send the same thing; the second comes too late and finds its own values.
    function test_AFrontRunnerCanOnlySubmitTheSameThing() public {
        Registration memory r = stored;
        r.b.url = "tcp://evil.example:7946";
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        send(stored, eve);
        refuse(stored, alice, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 0));
        Member memory m = member(tokenId);
        require(m.active && m.boundBy == alice && same(m.nodeKey, keyOf(NODE)) && same(m.url, URL), "other values");
    }

    /// Eve puts Alice's public node key, read in the mempool, on a seat of her own: her machine can derive every app
    /// proof key, but it does not hold Alice's node key.
    function test_AnothersNodeKeyCannotBeTaken() public {
        uint256 id = boundSeat(eve, EVE_INSTANCE);
        Registration memory r = registrationOf(id, EVE, NODE, EVE_PROOF);
        r.sigN = stored.sigN;
        refuse(r, eve, only(DstackMembershipNFT.NodeSignature.selector));
        r.sigN = sign(EVE_PROOF, digestOf(r.b));
        refuse(r, eve, only(DstackMembershipNFT.NodeSignature.selector));
        send(stored, alice);
    }

    function test_ABindingOfAnotherContractIsRefused() public {
        DstackMembershipNFT first = seats;
        seats = newSeats();
        uint256 id = boundSeat(alice, INSTANCE);
        require(id == tokenId && address(first) != address(seats), "not comparable");
        refuse(stored, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        refuse(stored, alice, only(DstackMembershipNFT.NodeSignature.selector));
    }

    function test_ABindingOfAnotherChainIsRefused() public {
        VM.chainId(8453);
        refuse(stored, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        refuse(stored, alice, only(DstackMembershipNFT.NodeSignature.selector));
    }

    /// The parts of two registrations, each signed by everybody, do not make a third.
    function test_PartsOfTwoRegistrationsDoNotMix() public {
        Registration memory other = registrationOf(tokenId, ALICE, EVE_NODE, EVE_PROOF);
        Registration memory r = stored;
        (r.b.nodeKey, r.nodeXY, r.sigN) = (other.b.nodeKey, other.nodeXY, other.sigN);
        refuse(r, eve, only(DstackMembershipNFT.OwnerSignature.selector));
        refuse(r, alice, only(DstackMembershipNFT.NodeSignature.selector));
        r = stored;
        r.c = other.c;
        refuse(r, eve, only(DstackMembershipNFT.ChainAppSignature.selector));
    }

    function test_SoldAndBoughtBackIsNotTheSameSeat() public {
        VM.prank(alice);
        seats.transferFrom(alice, bob, tokenId);
        VM.prank(bob);
        seats.transferFrom(bob, alice, tokenId);
        mustBeClear(tokenId);
        refuse(stored, eve, abi.encodeWithSelector(DstackMembershipNFT.InstanceNotBound.selector, tokenId));
        VM.prank(alice);
        seats.registerInstance(tokenId, INSTANCE);
        refuse(stored, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 0));
    }

    /* ---- keys change ---- */

    function test_ANewNodeKeyFreesTheOldOne() public {
        send(stored, alice);
        send(registrationOf(tokenId, ALICE, EVE_NODE, PROOF), alice);
        require(seats.nodeSignerToToken(VM.addr(NODE)) == 0, "old key still reserved");
        require(seats.nodeSignerToToken(VM.addr(EVE_NODE)) == tokenId, "new key not reserved");
        uint256 id = boundSeat(bob, EVE_INSTANCE);
        send(registrationOf(id, BOB, NODE, PROOF), bob);
        require(same(member(tokenId).nodeKey, keyOf(EVE_NODE)) && same(member(id).nodeKey, keyOf(NODE)), "keys");
    }

    /// A seat that was cleared has no key left: what is registered there next frees nobody's.
    function test_AClearedSeatFreesNoOthersKey() public {
        send(stored, alice);
        VM.prank(alice);
        seats.transferFrom(alice, alice, tokenId);
        uint256 id = boundSeat(bob, EVE_INSTANCE);
        send(registrationOf(id, BOB, NODE, PROOF), bob);
        VM.prank(alice);
        seats.registerInstance(tokenId, INSTANCE);
        send(registrationOf(tokenId, ALICE, EVE_NODE, EVE_PROOF), alice);
        require(seats.nodeSignerToToken(VM.addr(NODE)) == id, "another's key is free");
    }

    function test_TheSameNodeKeyMayRegisterAgain() public {
        send(stored, alice);
        send(registrationOf(tokenId, ALICE, NODE, EVE_PROOF), alice);
        require(same(member(tokenId).proofKey, keyOf(EVE_PROOF)) && member(tokenId).nonce == 2, "not replaced");
        require(seats.nodeSignerToToken(VM.addr(NODE)) == tokenId, "key lost");
    }

    /// Any machine of an app derives the same app proof key: two seats may show one.
    function test_TwoSeatsMayShareAnAppProofKey() public {
        send(stored, alice);
        uint256 id = boundSeat(bob, EVE_INSTANCE);
        send(registrationOf(id, BOB, EVE_NODE, PROOF), bob);
    }

    /* ---- any other bytes ---- */

    /// Nothing but the exact signatures is accepted, whatever one byte of them becomes.
    function testFuzz_NoOtherByteInASignature(uint8 which, uint8 place, uint8 value) public {
        Registration memory r = stored;
        bytes memory sig = [r.sigN, r.sigD, r.c.appSig, r.c.kmsSig, r.sigOwner][which % 5];
        uint256 at = place % 65;
        if (sig[at] == bytes1(value)) return;
        sig[at] = bytes1(value);
        VM.expectRevert();
        send(r, eve);
    }

    function testFuzz_NoOtherSignature(uint8 which, bytes calldata sig) public {
        Registration memory r = stored;
        if (which % 5 == 0) r.sigN = sig;
        if (which % 5 == 1) r.sigD = sig;
        if (which % 5 == 2) r.c.appSig = sig;
        if (which % 5 == 3) r.c.kmsSig = sig;
        if (which % 5 == 4) r.sigOwner = sig;
        VM.expectRevert();
        send(r, eve);
    }

    function testFuzz_NoOtherByteInAKey(uint8 which, uint8 place, uint8 value) public {
        Registration memory r = stored;
        bytes memory key = [r.nodeXY, r.proofXY, r.c.appXY, r.b.nodeKey, r.b.proofKey][which % 5];
        uint256 at = place % key.length;
        if (key[at] == bytes1(value)) return;
        key[at] = bytes1(value);
        VM.expectRevert();
        send(r, alice);
    }

    function testFuzz_AnyKeysRegister(uint128 node, uint128 proof) public {
        if (node == 0 || proof == 0) return;
        send(registrationOf(tokenId, ALICE, node, proof), eve);
        require(same(member(tokenId).nodeKey, keyOf(node)) && same(member(tokenId).proofKey, keyOf(proof)), "keys");
    }
}
