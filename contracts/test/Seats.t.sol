// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {Cluster} from "../src/Cluster.sol";
import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {IAppAuth} from "../src/IAppAuth.sol";
import {Endpoint, Renewal} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {UrlPolicy} from "../src/UrlPolicy.sol";
import {VM} from "./Vm.sol";

/// A wallet that sells a seat and buys it back within one transaction.
contract Juggler {
    function thereAndBack(DstackMembershipNFT seats, uint256 tokenId, address seller) external {
        seats.transferFrom(seller, address(this), tokenId);
        seats.transferFrom(address(this), seller, tokenId);
    }
}

/// A seat's life besides register(): minting, binding, renewal, moves, sales, suspension, reading.
contract SeatsTest is Base {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = aliceSeat();
    }

    function refuseCall(address from, bytes memory data, bytes memory error) private {
        VM.expectRevert(error);
        VM.prank(from);
        (bool ok,) = address(seats).call(data);
        ok; /* expectRevert has looked at it */
    }

    function notOwner(address caller) private view returns (bytes memory) {
        return abi.encodeWithSelector(DstackMembershipNFT.NotTokenOwner.selector, id, caller);
    }

    /* ---- minting and burning ---- */

    function test_TokensAreNumberedFromOneAndNeverAgain() public {
        require(id == 1, "first");
        VM.prank(alice);
        seats.burn(id);
        require(seats.mintNodeAccess(alice) == 2, "second");
        require(seats.totalSupply() == 1, "supply");
    }

    function test_TheMintPriceIsExact() public {
        seats.setClusterConfig(100, true, 3);
        VM.deal(eve, 10);
        refuseMint(2);
        refuseMint(4);
        VM.prank(eve);
        require(seats.ownerOf(seats.mintNodeAccess{value: 3}(eve)) == eve, "not minted");
    }

    /// What others give counts for nothing, and what is sold or burnt stays counted.
    function test_AWalletMintsSoManyForItself() public {
        require(seats.mintLimit() == 1, "from the start");
        seats.setClusterConfig(100, true, 0);
        seats.mintNodeAccess(eve);
        mintAs(eve, 0);
        mintAs(eve, 1);
        VM.expectEmit(true, true, true, true, address(seats));
        emit Cluster.MintLimitSet(2);
        seats.setMintLimit(2);
        mintAs(eve, 0);
        mintAs(eve, 2);
        seats.setMintLimit(0);
        mintAs(eve, 0);
        mintAs(eve, 0);
        for (uint256 i = 0; i < 3; i++) {
            seats.mintNodeAccess(address(0xBEEF)); /* the contract's owner has no limit */
        }
    }

    function mintAs(address wallet, uint256 limit) private {
        if (limit != 0) VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintLimit.selector, limit));
        VM.prank(wallet);
        seats.mintNodeAccess(wallet);
    }

    function refuseMint(uint256 value) private {
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.MintPrice.selector, value, 3));
        VM.prank(eve);
        seats.mintNodeAccess{value: value}(eve);
    }

    function test_ABurntSeatIsGone() public {
        uint64 nonce = seats.nonceOf(id);
        VM.prank(alice);
        seats.burn(id);
        require(seats.nonceOf(id) == nonce + 1 && seats.tokenToInstance(id) == address(0), "left");
        require(seats.nodeSignerToToken(VM.addr(NODE)) == 0 && seats.instanceToToken(INSTANCE) == 0, "reserved");
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id));
        seats.getInstanceInfo(id);
        VM.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id));
        VM.prank(alice);
        seats.burn(id);
    }

    /* ---- binding ---- */

    function test_OnlyTheOwnerActsOnASeat() public {
        refuseCall(eve, abi.encodeCall(seats.registerInstance, (id, EVE_INSTANCE)), notOwner(eve));
        refuseCall(eve, abi.encodeCall(seats.cancel, (id)), notOwner(eve));
        refuseCall(eve, abi.encodeCall(seats.deactivateInstance, (id)), notOwner(eve));
        refuseCall(eve, abi.encodeCall(seats.burn, (id)), notOwner(eve));
        /* nor does the contract's owner */
        refuseCall(address(this), abi.encodeCall(seats.registerInstance, (id, EVE_INSTANCE)), notOwner(address(this)));
        refuseCall(address(this), abi.encodeCall(seats.burn, (id)), notOwner(address(this)));
    }

    function test_AnInstanceIsBoundOnce() public {
        uint256 other = seats.mintNodeAccess(eve);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.InstanceTaken.selector, INSTANCE, id));
        VM.prank(eve);
        seats.registerInstance(other, INSTANCE);
    }

    /// Who only bound it has taken nothing: it belongs to who registers it, and the other is told by an error.
    function test_ABindingTakesNothingFromAnybody() public {
        uint256 first = boundSeat(bob, EVE_INSTANCE);
        uint256 second = boundSeat(eve, EVE_INSTANCE);
        require(seats.instanceToToken(EVE_INSTANCE) == first, "the first is not the primary");
        require(seats.tokenToInstance(second) == EVE_INSTANCE, "the second is not bound");
        send(registrationOf(second, EVE, EVE_NODE, EVE_PROOF), eve);
        require(seats.instanceToToken(EVE_INSTANCE) == second, "not who registered");
        require(seats.tokenToInstance(first) == EVE_INSTANCE && seats.nonceOf(first) == 0, "another's seat changed");
        refuse(
            registrationOf(first, BOB, 0x3003, PROOF),
            bob,
            abi.encodeWithSelector(DstackMembershipNFT.InstanceTaken.selector, EVE_INSTANCE, second)
        );
        /* deactivated it is kept; released it is free */
        VM.prank(eve);
        seats.deactivateInstance(second);
        refuse(
            registrationOf(first, BOB, 0x3003, PROOF),
            bob,
            abi.encodeWithSelector(DstackMembershipNFT.InstanceTaken.selector, EVE_INSTANCE, second)
        );
        VM.prank(eve);
        seats.burn(second);
        send(registrationOf(first, BOB, 0x3003, PROOF), bob);
        require(seats.instanceToToken(EVE_INSTANCE) == first && seats.activeInstances(EVE_INSTANCE), "not free");
    }

    /// As long as any token is bound to it an instance may boot, whoever else comes and goes.
    function test_AnInstanceKeepsItsSeatWhenAnotherLeaves() public {
        uint256 first = boundSeat(eve, EVE_INSTANCE);
        uint256 second = boundSeat(bob, EVE_INSTANCE);
        allowMeasurements();
        require(boots(EVE_INSTANCE), "two");
        VM.prank(eve);
        seats.registerInstance(first, address(0x5fff));
        require(boots(EVE_INSTANCE), "one");
        VM.prank(bob);
        seats.transferFrom(bob, eve, second);
        require(!boots(EVE_INSTANCE), "none");
    }

    function test_TheSameInstanceAgainChangesNothing() public {
        bytes32 revision = seats.revision();
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);
        require(seats.revision() == revision && member(id).active && seats.nonceOf(id) == 1, "something changed");
    }

    function test_AnotherInstanceEndsTheRegistration() public {
        Registration memory unused = registrationOf(id, ALICE, NODE, PROOF);
        VM.prank(alice);
        seats.registerInstance(id, EVE_INSTANCE);
        require(seats.instanceToToken(INSTANCE) == 0 && seats.instanceToToken(EVE_INSTANCE) == id, "binding");
        require(seats.nonceOf(id) == 2 && seats.nodeSignerToToken(VM.addr(NODE)) == 0, "nonce or key");
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);
        require(seats.nonceOf(id) == 2, "a binding without registration moved the nonce");
        refuse(unused, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 1));
        Member memory m = member(id);
        require(!m.active && m.boundBy == address(0) && m.nodeKey.length == 0 && bytes(m.url).length == 0, "left");
    }

    /* ---- renewal ---- */

    function renew(Renewal memory r, address from, bytes memory sig) private {
        VM.prank(from);
        seats.renew(r, sig);
    }

    function refuseRenewal(Renewal memory r, address from, bytes memory sig, bytes memory error) private {
        VM.expectRevert(error);
        renew(r, from, sig);
    }

    function test_TheOwnerOrItsSignatureRenews() public {
        Renewal memory r = renewalOf(id, NODE);
        renew(r, alice, "");
        require(member(id).expiresAt == NOW + 200 days && seats.nonceOf(id) == 2, "by the owner");
        r = renewalOf(id, NODE);
        r.expiresAt = uint64(NOW + 400 days);
        renew(r, eve, sign(ALICE, digestOf(r)));
        require(member(id).expiresAt == NOW + 400 days && seats.nonceOf(id) == 3, "by a signature");
        require(same(member(id).url, URL), "the url moved");
    }

    function test_ARenewalIsChecked() public {
        Renewal memory r = renewalOf(id, NODE);
        bytes memory noSignature = abi.encodePacked(DstackMembershipNFT.OwnerSignature.selector);
        refuseRenewal(r, eve, "", noSignature);
        refuseRenewal(r, eve, sign(NODE, digestOf(r)), noSignature);
        refuseRenewal(r, eve, sign(PROOF, digestOf(r)), noSignature);
        r.nodeKey = keyOf(EVE_NODE);
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.NodeKeyDiffers.selector, id));
        r = renewalOf(id, NODE);
        r.nonce = 0;
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 0));
        r = renewalOf(id, NODE);
        r.deadline = uint64(NOW - 1);
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.DeadlinePassed.selector, NOW - 1));
        r.deadline = uint64(NOW + 7 days + 1);
        bytes memory tooFar = abi.encodeWithSelector(DstackMembershipNFT.DeadlineTooFar.selector, NOW + 7 days + 1);
        refuseRenewal(r, alice, "", tooFar);
        r = renewalOf(id, NODE);
        r.expiresAt = uint64(NOW);
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.ExpiryPassed.selector, NOW));
        r.expiresAt = uint64(NOW + 401 days);
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.ExpiryTooFar.selector, NOW + 401 days));
        r = renewalOf(id, NODE);
        r.tokenId = 99;
        refuseRenewal(r, alice, "", abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
    }

    function test_ARenewalIsGoodOnce() public {
        Renewal memory r = renewalOf(id, NODE);
        bytes memory sig = sign(ALICE, digestOf(r));
        renew(r, eve, sig);
        refuseRenewal(r, eve, sig, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 1));
    }

    function test_NothingIsRenewedOnASeatThatIsNotActive() public {
        Renewal memory r = renewalOf(id, NODE);
        VM.prank(alice);
        seats.deactivateInstance(id);
        r.nonce = seats.nonceOf(id);
        refuseRenewal(r, alice, "", abi.encodeWithSelector(DstackMembershipNFT.NotRegistered.selector, id));
    }

    /// The owner's signature, one byte of it another one.
    function testFuzz_NoOtherByteInTheSignatureOfARenewal(uint8 place, uint8 value) public {
        Renewal memory r = renewalOf(id, NODE);
        bytes memory sig = sign(ALICE, digestOf(r));
        if (sig[place % 65] == bytes1(value)) return;
        sig[place % 65] = bytes1(value);
        refuseRenewal(r, eve, sig, abi.encodePacked(DstackMembershipNFT.OwnerSignature.selector));
    }

    function testFuzz_NoOtherSignatureRenews(bytes calldata sig) public {
        Renewal memory r = renewalOf(id, NODE);
        refuseRenewal(r, eve, sig, abi.encodePacked(DstackMembershipNFT.OwnerSignature.selector));
    }

    /// A signature is for the statement as it was signed, whichever field of it is another one.
    function testFuzz_TheOwnerSignsTheWholeRenewal(uint8 which, uint64 value, bytes calldata key) public {
        Renewal memory r = renewalOf(id, NODE);
        bytes32 signed = digestOf(r);
        if (which % 4 == 0) r.nonce = value;
        if (which % 4 == 1) r.expiresAt = value;
        if (which % 4 == 2) r.deadline = value;
        if (which % 4 == 3) r.nodeKey = key;
        if (digestOf(r) == signed) return;
        refuseRenewal(r, eve, sign(ALICE, signed), abi.encodePacked(DstackMembershipNFT.OwnerSignature.selector));
    }

    /* ---- the endpoint ---- */

    function move(Endpoint memory e, address from, bytes memory sig) private {
        VM.prank(from);
        seats.setEndpoint(e, sig);
    }

    function refuseMove(Endpoint memory e, address from, bytes memory sig, bytes memory error) private {
        VM.expectRevert(error);
        move(e, from, sig);
    }

    function test_TheNodeOrTheOwnerMoves() public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        move(e, eve, sign(NODE, digestOf(e)));
        require(same(member(id).url, "tcp://there.example:1") && seats.nonceOf(id) == 2, "by the node");
        e = endpointOf(id, NODE, longUrl(256));
        move(e, alice, "");
        require(same(seats.instanceToConnectionUrl(INSTANCE), longUrl(256)) && seats.nonceOf(id) == 3, "by the owner");
        require(member(id).expiresAt == NOW + 90 days, "the expiry moved");
    }

    function test_AMoveIsChecked() public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes memory noSignature = abi.encodePacked(DstackMembershipNFT.NodeSignature.selector);
        refuseMove(e, eve, "", noSignature);
        refuseMove(e, eve, sign(PROOF, digestOf(e)), noSignature);
        refuseMove(e, eve, sign(ALICE, digestOf(e)), noSignature);
        e.nodeKey = keyOf(EVE_NODE);
        refuseMove(e, alice, "", abi.encodeWithSelector(DstackMembershipNFT.NodeKeyDiffers.selector, id));
        e = endpointOf(id, NODE, "");
        e.nonce = 2;
        refuseMove(e, alice, "", abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 1, 2));
        e = endpointOf(id, NODE, "");
        e.deadline = uint64(NOW - 1);
        refuseMove(e, alice, "", abi.encodeWithSelector(DstackMembershipNFT.DeadlinePassed.selector, NOW - 1));
        e.deadline = uint64(NOW + 8 days);
        refuseMove(e, alice, "", abi.encodeWithSelector(DstackMembershipNFT.DeadlineTooFar.selector, NOW + 8 days));
        e = endpointOf(id, NODE, longUrl(257));
        refuseMove(e, alice, "", abi.encodeWithSelector(UrlPolicy.UrlTooLong.selector, 257));
        e.tokenId = 99;
        refuseMove(e, alice, "", abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 99));
    }

    function test_AnEndpointIsGoodOnce() public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes memory sig = sign(NODE, digestOf(e));
        move(e, eve, sig);
        refuseMove(e, eve, sig, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 1));
    }

    function test_NothingMovesOnASeatThatIsNotActive() public {
        VM.prank(alice);
        seats.deactivateInstance(id);
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes memory error = abi.encodeWithSelector(DstackMembershipNFT.NotRegistered.selector, id);
        refuseMove(e, eve, sign(NODE, digestOf(e)), error);
        refuseMove(e, alice, "", error);
    }

    function testFuzz_NoOtherByteInTheSignatureOfAMove(uint8 place, uint8 value) public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes memory sig = sign(NODE, digestOf(e));
        if (sig[place % 65] == bytes1(value)) return;
        sig[place % 65] = bytes1(value);
        refuseMove(e, eve, sig, abi.encodePacked(DstackMembershipNFT.NodeSignature.selector));
    }

    function testFuzz_NoOtherSignatureMoves(bytes calldata sig) public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        refuseMove(e, eve, sig, abi.encodePacked(DstackMembershipNFT.NodeSignature.selector));
    }

    function testFuzz_TheNodeSignsTheWholeMove(uint8 which, uint64 value, string calldata url) public {
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes32 signed = digestOf(e);
        if (which % 3 == 0) e.nonce = value;
        if (which % 3 == 1) e.deadline = value;
        if (which % 3 == 2) e.url = url;
        if (digestOf(e) == signed) return;
        refuseMove(e, eve, sign(NODE, signed), abi.encodePacked(DstackMembershipNFT.NodeSignature.selector));
    }

    /// A statement of one kind is none of another, though the nonce and the signer fit.
    function test_KindsDoNotMix() public {
        Endpoint memory e = endpointOf(id, NODE, "");
        Renewal memory r = renewalOf(id, NODE);
        refuseMove(e, eve, sign(NODE, digestOf(r)), abi.encodePacked(DstackMembershipNFT.NodeSignature.selector));
        refuseRenewal(r, eve, sign(ALICE, digestOf(e)), abi.encodePacked(DstackMembershipNFT.OwnerSignature.selector));
    }

    /* ---- cancelling, deactivation ---- */

    function test_CancelVoidsWhatWasSigned() public {
        Registration memory r = registrationOf(id, ALICE, EVE_NODE, EVE_PROOF);
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:1");
        bytes memory sig = sign(NODE, digestOf(e));
        VM.prank(alice);
        seats.cancel(id);
        bytes memory error = abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 1);
        refuse(r, eve, error);
        refuseMove(e, eve, sig, error);
        require(member(id).active, "cancel took the registration");
    }

    function test_ADeactivatedSeatIsNotListedAndComesBackWithANewBinding() public {
        Registration memory before = registrationOf(id, ALICE, NODE, PROOF);
        VM.prank(alice);
        seats.deactivateInstance(id);
        Member memory m = member(id);
        require(!m.active && m.boundBy == alice && same(m.nodeKey, keyOf(NODE)) && m.nonce == 2, "member");
        require(seats.getPeerEndpoints().length == 0 && seats.getActiveInstances().length == 0, "listed");
        require(!seats.activeInstances(INSTANCE), "active");
        refuseCall(
            alice,
            abi.encodeCall(seats.deactivateInstance, (id)),
            abi.encodeWithSelector(DstackMembershipNFT.NotRegistered.selector, id)
        );
        refuse(before, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 2, 1));
        send(registrationOf(id, ALICE, NODE, PROOF), eve);
        require(member(id).active && seats.activeInstances(INSTANCE), "not back");
    }

    function test_ASeatThatWasNeverRegisteredIsNotDeactivated() public {
        uint256 other = boundSeat(bob, EVE_INSTANCE);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.NotRegistered.selector, other));
        VM.prank(bob);
        seats.deactivateInstance(other);
    }

    /* ---- sales ---- */

    function test_ASaleClearsTheSeat() public {
        VM.prank(alice);
        seats.safeTransferFrom(alice, bob, id);
        mustBeClear(id);
        require(seats.nonceOf(id) == 2 && member(id).owner == bob, "nonce or owner");
        require(seats.nodeSignerToToken(VM.addr(NODE)) == 0, "the key stays reserved");
        uint256 other = boundSeat(alice, INSTANCE);
        send(registrationOf(other, ALICE, NODE, PROOF), alice);
    }

    function test_ThereAndBackInOneTransactionClearsTheSeat() public {
        Juggler juggler = new Juggler();
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        VM.prank(alice);
        seats.approve(address(juggler), id);
        juggler.thereAndBack(seats, id, alice);
        require(seats.ownerOf(id) == alice && seats.nonceOf(id) == 3, "owner or nonce");
        mustBeClear(id);
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);
        refuse(r, eve, abi.encodeWithSelector(DstackMembershipNFT.NonceDiffers.selector, 3, 1));
    }

    function test_ATransferToOneselfClearsTheSeat() public {
        VM.prank(alice);
        seats.transferFrom(alice, alice, id);
        mustBeClear(id);
        require(seats.nonceOf(id) == 2 && seats.totalSupply() == 1, "nonce or supply");
    }

    function test_ABindingWithoutRegistrationIsClearedToo() public {
        uint256 other = boundSeat(eve, EVE_INSTANCE);
        VM.prank(eve);
        seats.transferFrom(eve, bob, other);
        require(seats.instanceToToken(EVE_INSTANCE) == 0 && seats.tokenToInstance(other) == address(0), "bound");
        require(seats.nonceOf(other) == 1, "nonce");
    }

    /* ---- reading ---- */

    function test_PagesAreShortAtTheEndAndEmptyBehindIt() public {
        for (uint256 i = 0; i < 39; i++) {
            seats.mintNodeAccess(bob);
        }
        Member[] memory page = seats.membersPage(0, 32);
        require(page.length == 32 && page[0].tokenId == 1 && page[31].tokenId == 32, "first");
        require(page[0].active && !page[1].active && page[1].nodeKey.length == 0 && page[1].weight == 1, "values");
        page = seats.membersPage(32, 32);
        require(page.length == 8 && page[7].tokenId == 40, "second");
        require(seats.membersPage(40, 32).length == 0 && seats.membersPage(39, 0).length == 0, "empty");
        require(seats.membersPage(type(uint256).max, 32).length == 0, "far behind");
    }

    function test_ABurntSeatsPlaceIsTakenByTheLast() public {
        seats.mintNodeAccess(bob);
        seats.mintNodeAccess(bob);
        VM.prank(alice);
        seats.burn(id);
        Member[] memory page = seats.membersPage(0, 32);
        require(page.length == 2 && page[0].tokenId == 3 && page[1].tokenId == 2, "order");
        VM.prank(bob);
        seats.burn(3);
        page = seats.membersPage(0, 32);
        require(page.length == 1 && page[0].tokenId == 2, "second burn");
    }

    function test_TheListsShowActiveSeatsOnly() public {
        uint256 other = boundSeat(bob, EVE_INSTANCE);
        require(seats.getPeerEndpoints().length == 1, "a bound seat is listed");
        Registration memory r = registrationOf(other, BOB, EVE_NODE, EVE_PROOF);
        r.b.url = "tcp://bob.example:1";
        signBinding(r, BOB, EVE_NODE, EVE_PROOF);
        send(r, bob);
        string[] memory urls = seats.getPeerEndpoints();
        address[] memory instances = seats.getActiveInstances();
        require(urls.length == 2 && same(urls[0], URL) && same(urls[1], "tcp://bob.example:1"), "urls");
        require(instances.length == 2 && instances[0] == INSTANCE && instances[1] == EVE_INSTANCE, "instances");
        require(seats.activeInstances(EVE_INSTANCE) && seats.tokenToInstance(other) == EVE_INSTANCE, "views");
    }

    function test_TheStateNamesItsBlock() public {
        VM.roll(2000);
        (
            address root,
            uint64 epoch,
            bytes20[] memory apps,
            uint256 count,
            bytes32 revision,
            uint256 number,
            bytes32 parent
        ) = seats.clusterState();
        require(root == VM.addr(KMS_ROOT) && epoch == 1 && apps.length == 1 && apps[0] == APP_ID, "config");
        require(count == 1 && revision == seats.revision() && number == 2000, "count, revision, number");
        require(parent == blockhash(1999), "parent");
    }

    function test_UnknownNumbersReadAsNothing() public view {
        require(seats.nonceOf(99) == 0 && seats.tokenToInstance(99) == address(0), "token");
        require(!seats.activeInstances(address(99)) && seats.instanceToToken(address(99)) == 0, "instance");
        require(bytes(seats.instanceToConnectionUrl(address(99))).length == 0, "url");
    }

    function test_AWalletsLowestTokenIsFound() public {
        require(seats.walletToTokenId(alice) == id && seats.walletToTokenId(bob) == 0, "first");
        uint256 second = seats.mintNodeAccess(bob);
        uint256 third = seats.mintNodeAccess(alice);
        require(seats.walletToTokenId(alice) == id && seats.walletToTokenId(bob) == second, "second");
        VM.prank(alice);
        seats.burn(id); /* the list's order changes */
        require(seats.walletToTokenId(alice) == third, "third");
        VM.prank(bob);
        seats.transferFrom(bob, alice, second);
        require(seats.walletToTokenId(alice) == second && seats.walletToTokenId(bob) == 0, "moved");
        require(seats.walletToTokenId(address(0)) == 0, "nobody");
    }

    function test_ThePrototypesRegisterPeerNamesItsSuccessor() public {
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.RegisterPeerReplaced.selector, "register"));
        seats.registerPeer("id", "", "", "", "", URL, "ethereum", bytes32(0));
    }

    function test_TheInterfacesAreNamed() public view {
        bytes4[5] memory ids = [bytes4(0x01ffc9a7), 0x80ac58cd, 0x5b5e139f, 0x1e079198, 0x8fd37527];
        for (uint256 i = 0; i < ids.length; i++) {
            require(seats.supportsInterface(ids[i]), "missing");
        }
        require(!seats.supportsInterface(0xffffffff) && !seats.supportsInterface(0x780e9d63), "too many");
    }
}
