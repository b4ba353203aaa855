// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Evidence} from "../src/Evidence.sol";
import {Seats} from "../src/Seats.sol";
import {Renewal, Vote} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {VM} from "./Vm.sol";

/// Two votes that contradict each other suspend a seat; nothing else does, and nothing shakes it off.
contract EvidenceTest is Base {
    uint8 private constant CAND = 1;
    uint8 private constant NOTAR = 2;
    uint8 private constant FINAL = 3;
    uint8 private constant SKIP = 4;
    bytes32 private constant EPOCH = "epoch";

    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = aliceSeat();
    }

    function vote(uint8 kind, uint64 first, uint64 last, uint256 hash) private pure returns (Vote memory) {
        return Vote({epochId: EPOCH, kind: kind, first: first, last: last, hash: bytes32(hash)});
    }

    function show(Vote memory a, Vote memory b) private {
        submit(a, sign(NODE, digestOf(a)), b, sign(NODE, digestOf(b)));
    }

    function refusePair(Vote memory a, Vote memory b, bytes memory error) private {
        bytes memory sigA = sign(NODE, digestOf(a));
        bytes memory sigB = sign(NODE, digestOf(b));
        VM.expectRevert(error);
        submit(a, sigA, b, sigB);
        VM.expectRevert(error);
        submit(b, sigB, a, sigA);
    }

    function refuseKind(Vote memory v) private {
        refusePair(v, vote(NOTAR, 5, 5, 1), abi.encodeWithSelector(Evidence.VoteMalformed.selector, v.kind));
    }

    function until(uint256 tokenId) private view returns (uint64) {
        return member(tokenId).suspendedUntil;
    }

    /* ---- which pairs ---- */

    function test_EachOfTheFivePairsSuspends() public {
        Vote[5] memory a = [
            vote(CAND, 1, 1, 1), vote(NOTAR, 2, 2, 1), vote(FINAL, 3, 3, 1), vote(FINAL, 4, 4, 1), vote(FINAL, 5, 5, 1)
        ];
        Vote[5] memory b = [
            vote(CAND, 1, 1, 2), vote(NOTAR, 2, 2, 2), vote(SKIP, 3, 9, 0), vote(FINAL, 4, 4, 2), vote(NOTAR, 5, 5, 2)
        ];
        for (uint256 i = 0; i < a.length; i++) {
            VM.expectEmit(true, true, true, true, address(seats));
            emit DstackMembershipNFT.EvidenceAccepted(id, VM.addr(NODE), EPOCH, uint64(i + 1));
            if (i % 2 == 0) show(a[i], b[i]);
            else show(b[i], a[i]);
        }
        require(until(id) == NOW + 112 days, "five offences");
    }

    function test_ASkipCoversItsEnds() public {
        show(vote(FINAL, 5, 5, 1), vote(SKIP, 5, 5, 0));
        show(vote(FINAL, 6, 6, 1), vote(SKIP, 3, 6, 0));
        bytes memory agree = abi.encodePacked(Evidence.VotesAgree.selector);
        refusePair(vote(FINAL, 7, 7, 1), vote(SKIP, 8, 9, 0), agree);
        refusePair(vote(FINAL, 7, 7, 1), vote(SKIP, 5, 6, 0), agree);
    }

    function test_WhatAnHonestNodeSignsIsNoEvidence() public {
        bytes memory agree = abi.encodePacked(Evidence.VotesAgree.selector);
        refusePair(vote(NOTAR, 5, 5, 1), vote(NOTAR, 5, 5, 1), agree);
        refusePair(vote(NOTAR, 5, 5, 1), vote(NOTAR, 6, 6, 2), agree);
        refusePair(vote(CAND, 5, 5, 1), vote(NOTAR, 5, 5, 2), agree);
        refusePair(vote(CAND, 5, 5, 1), vote(FINAL, 5, 5, 2), agree);
        refusePair(vote(CAND, 5, 5, 1), vote(SKIP, 5, 9, 0), agree);
        refusePair(vote(NOTAR, 5, 5, 1), vote(SKIP, 5, 9, 0), agree);
        refusePair(vote(NOTAR, 5, 5, 1), vote(FINAL, 5, 5, 1), agree);
        refusePair(vote(NOTAR, 6, 6, 1), vote(FINAL, 5, 5, 2), agree);
        refusePair(vote(SKIP, 5, 9, 0), vote(SKIP, 6, 9, 0), agree);
        Vote memory other = vote(NOTAR, 5, 5, 2);
        other.epochId = "another epoch";
        refusePair(vote(NOTAR, 5, 5, 1), other, agree);
        require(until(id) == 0, "suspended");
    }

    function test_VotesHaveTheirForm() public {
        refuseKind(vote(0, 5, 5, 1));
        refuseKind(vote(5, 5, 5, 1));
        refuseKind(vote(255, 5, 5, 1));
        refuseKind(vote(CAND, 5, 6, 2));
        refuseKind(vote(NOTAR, 5, 6, 2));
        refuseKind(vote(FINAL, 6, 5, 2));
        refuseKind(vote(SKIP, 6, 5, 0));
        refuseKind(vote(SKIP, 5, 6, 1));
    }

    /// Whatever two votes are, the contract and a plain reading of the rules say the same.
    function testFuzz_TheRulesAreThese(uint8 kinds, uint8 slots, uint8 hashes, bool sameEpoch) public {
        Vote memory a = vote(kinds % 4 + 1, slots % 4, slots % 4, hashes % 2 + 1);
        Vote memory b = vote(kinds / 4 % 4 + 1, slots / 4 % 4, slots / 4 % 4, hashes / 2 % 2 + 1);
        if (a.kind == SKIP) (a.hash, a.last) = (bytes32(0), a.first + slots / 16 % 3);
        if (b.kind == SKIP) (b.hash, b.last) = (bytes32(0), b.first + slots / 64 % 3);
        if (!sameEpoch) b.epochId = "another epoch";
        bool evident = sameEpoch && (breaks(a, b) || breaks(b, a));
        bytes memory data =
            abi.encodeCall(seats.submitEvidence, (a, sign(NODE, digestOf(a)), b, sign(NODE, digestOf(b))));
        (bool ok,) = address(seats).call(data);
        require(ok == evident && (until(id) != 0) == evident, "another verdict");
    }

    function breaks(Vote memory a, Vote memory b) private pure returns (bool) {
        if (a.kind == FINAL && b.kind == SKIP) return b.first <= a.first && a.first <= b.last;
        if (a.kind == SKIP || b.kind == SKIP || a.first != b.first || a.hash == b.hash) return false;
        return a.kind == b.kind || (a.kind == FINAL && b.kind == NOTAR);
    }

    /* ---- whose ---- */

    function test_BothVotesAreOfOneSeatsNodeKey() public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        bytes memory sigA = sign(NODE, digestOf(a));
        bytes memory sigB = sign(EVE_NODE, digestOf(b));
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, sigA, b, sigB);
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, sigA, b, sigA);
        sigA = sign(EVE_NODE, digestOf(a));
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.EvidenceSignerUnknown.selector, VM.addr(EVE_NODE)));
        submit(a, sigA, b, sigB);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.EvidenceSignerUnknown.selector, address(0)));
        submit(a, "", b, "");
        /* nor do the owner and the app proof key stand for the node */
        (sigA, sigB) = (sign(ALICE, digestOf(a)), sign(ALICE, digestOf(b)));
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.EvidenceSignerUnknown.selector, alice));
        submit(a, sigA, b, sigB);
    }

    /// Votes of another mesh are none here.
    function test_VotesAreOfThisContractAndChain() public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        (bytes memory sigA, bytes memory sigB) = (sign(NODE, digestOf(a)), sign(NODE, digestOf(b)));
        VM.chainId(1);
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, sigA, b, sigB);
        VM.chainId(31337);
        seats = newSeats();
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, sigA, b, sigB);
    }

    /* ---- how long ---- */

    function test_TheSameFaultCountsOnce() public {
        show(vote(NOTAR, 5, 5, 1), vote(NOTAR, 5, 5, 2));
        bytes memory known = abi.encodePacked(DstackMembershipNFT.EvidenceKnown.selector);
        refusePair(vote(NOTAR, 5, 5, 1), vote(NOTAR, 5, 5, 2), known);
        refusePair(vote(NOTAR, 5, 5, 1), vote(NOTAR, 5, 5, 3), known);
        require(until(id) == NOW + 7 days, "longer");
        show(vote(FINAL, 5, 5, 1), vote(SKIP, 4, 9, 0));
        refusePair(vote(FINAL, 5, 5, 1), vote(SKIP, 5, 9, 0), known);
        require(until(id) == NOW + 14 days, "another fault does not count");
    }

    function test_EachFurtherFaultDoublesUpToAYear() public {
        uint64[8] memory lengths = [uint64(7 days), 14 days, 28 days, 56 days, 112 days, 224 days, 365 days, 365 days];
        for (uint64 i = 0; i < lengths.length; i++) {
            VM.expectEmit(true, true, true, true, address(seats));
            emit Seats.SeatSuspended(id, uint64(NOW) + lengths[i]);
            suspend(NODE, i);
            require(until(id) == NOW + lengths[i], "length");
        }
    }

    /* ---- any other bytes ---- */

    /// One byte of either vote's signature another one: then it is another's, or nobody's.
    function testFuzz_NoOtherByteInTheSignaturesOfEvidence(bool first, uint8 place, uint8 value) public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        bytes memory sigA = sign(NODE, digestOf(a));
        bytes memory sigB = sign(NODE, digestOf(b));
        bytes memory sig = first ? sigA : sigB;
        if (sig[place % 65] == bytes1(value)) return;
        sig[place % 65] = bytes1(value);
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, sigA, b, sigB);
    }

    function testFuzz_NoOtherSignatureIsEvidence(bool first, bytes calldata sig) public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        bytes memory good = sign(NODE, digestOf(first ? b : a));
        VM.expectRevert(DstackMembershipNFT.EvidenceSigners.selector);
        submit(a, first ? sig : good, b, first ? good : sig);
    }

    /// Nor the same bytes for both, of whatever form: it suspends nobody.
    function testFuzz_NobodysSignaturesSuspendNobody(bytes calldata sig) public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        VM.expectRevert();
        submit(a, sig, b, sig);
        require(until(id) == 0, "suspended");
    }

    /// A vote that the node did not sign, in any field of it, is not its fault.
    function testFuzz_TheNodeSignsTheWholeVote(uint8 which, uint64 slot, bytes32 value) public {
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        bytes memory sigA = sign(NODE, digestOf(a));
        bytes memory sigB = sign(NODE, digestOf(b));
        bytes32 signed = digestOf(b);
        if (which % 4 == 0) b.epochId = value;
        if (which % 4 == 1) b.kind = uint8(slot);
        if (which % 4 == 2) (b.first, b.last) = (slot, slot);
        if (which % 4 == 3) b.hash = value;
        if (digestOf(b) == signed) return;
        VM.expectRevert();
        submit(a, sigA, b, sigB);
        require(until(id) == 0, "suspended");
    }

    /* ---- it stays ---- */

    function refuseRegistration(uint256 tokenId, uint256 owner_, uint256 node, uint64 end) private {
        Registration memory r = registrationOf(tokenId, owner_, node, PROOF);
        refuse(r, VM.addr(owner_), abi.encodeWithSelector(DstackMembershipNFT.Suspended.selector, tokenId, end));
    }

    function refuseBinding(uint256 tokenId, address owner_, uint64 end) private {
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.Suspended.selector, tokenId, end));
        VM.prank(owner_);
        seats.registerInstance(tokenId, EVE_INSTANCE);
    }

    function test_ASuspendedSeatIsNotRegisteredAnew() public {
        bytes32 revision = seats.revision();
        suspend(NODE, 5);
        uint64 end = uint64(NOW + 7 days);
        require(seats.revision() != revision && until(id) == end && member(id).active, "shown");
        refuseRegistration(id, ALICE, EVE_NODE, end);
        VM.warp(end - 1);
        refuseRegistration(id, ALICE, EVE_NODE, end);
        Registration memory r = registrationOf(id, ALICE, EVE_NODE, PROOF);
        VM.warp(end);
        r.b.deadline = end;
        signBinding(r, ALICE, EVE_NODE, PROOF);
        send(r, alice);
    }

    function test_ASuspensionGoesWithASale() public {
        suspend(NODE, 5);
        VM.prank(alice);
        seats.transferFrom(alice, bob, id);
        require(until(id) == NOW + 7 days, "sold away");
        refuseBinding(id, bob, uint64(NOW + 7 days));
        refuseRegistration(id, BOB, EVE_NODE, uint64(NOW + 7 days));
    }

    /// A seat that is suspended counts nowhere, and its machine does not boot: not for its owner, who may renew it or
    /// take it off and on again, and not under another instance.
    function test_ASuspendedSeatIsInNoListAndDoesNotBoot() public {
        allowMeasurements();
        mustCount(true);
        suspend(NODE, 5);
        mustCount(false);
        uint64 end = uint64(NOW + 7 days);
        refuseBinding(id, alice, end);
        Renewal memory r = renewalOf(id, NODE);
        VM.prank(alice);
        seats.renew(r, "");
        mustCount(false);
        Member memory m = seats.membersPage(0, 1)[0];
        require(m.active && m.suspendedUntil == end && m.expiresAt == r.expiresAt, "gone from the page");
        VM.warp(end - 1);
        mustCount(false);
        VM.warp(end);
        mustCount(true);
        suspend(NODE, 6);
        VM.prank(alice);
        seats.deactivateInstance(id);
        require(!boots(INSTANCE), "deactivated it boots");
    }

    /// A binding that suspended machines do not get: not that of who comes second to an instance either.
    function test_WhoOnlyBindsASuspendedInstanceTakesNobodyDown() public {
        allowMeasurements();
        suspend(NODE, 5);
        VM.prank(alice);
        seats.transferFrom(alice, eve, id);
        refuseBinding(id, eve, uint64(NOW + 7 days));
        boundSeat(bob, EVE_INSTANCE);
        require(boots(EVE_INSTANCE), "a suspended token keeps another's machine down");
    }

    /// The seller's key is not the buyer's: what it signs from now on is nobody's fault here.
    function test_AKeyThatLeftItsSeatSuspendsNobody() public {
        VM.prank(alice);
        seats.transferFrom(alice, bob, id);
        (Vote memory a, Vote memory b) = evidence(EPOCH, 5);
        (bytes memory sigA, bytes memory sigB) = (sign(NODE, digestOf(a)), sign(NODE, digestOf(b)));
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.EvidenceSignerUnknown.selector, VM.addr(NODE)));
        submit(a, sigA, b, sigB);
    }

    /* ---- weight ---- */

    function weight() private returns (uint256 tokenId) {
        tokenId = seats.mintNodeAccess(alice);
        VM.prank(alice);
        seats.bindWeight(tokenId, INSTANCE);
    }

    function mustBeTied(uint256 tokenId) private {
        uint64 end = uint64(NOW + 7 days);
        require(until(tokenId) == end, "shaken off");
        address owner_ = seats.ownerOf(tokenId);
        refuseBinding(tokenId, owner_, end);
        refuseRegistration(tokenId, owner_ == alice ? ALICE : BOB, EVE_NODE, end);
        boundSeat(owner_, EVE_INSTANCE);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.Suspended.selector, tokenId, end));
        VM.prank(owner_);
        seats.bindWeight(tokenId, EVE_INSTANCE);
    }

    function test_AWeightIsSuspendedWithItsSeat() public {
        uint256 w = weight();
        suspend(NODE, 5);
        require(until(w) == NOW + 7 days && seats.weightBehind(w) == id, "not with its seat");
        VM.prank(alice);
        seats.unbindWeight(w);
        mustBeTied(w);
    }

    function test_AWeightThatIsSoldIsSuspendedStill() public {
        uint256 w = weight();
        suspend(NODE, 5);
        VM.prank(alice);
        seats.transferFrom(alice, bob, w);
        mustBeTied(w);
    }

    function test_AWeightWhoseSeatIsGoneIsSuspendedStill() public {
        uint256 w = weight();
        suspend(NODE, 5);
        VM.prank(alice);
        seats.burn(id);
        mustBeTied(w);
    }

    /// What the seat in front does after the standing ended is not this token's fault.
    function test_AFormerWeightIsNotSuspendedForLaterFaults() public {
        uint256 gone = weight();
        uint256 left = weight();
        VM.prank(alice);
        seats.unbindWeight(left);
        VM.prank(alice);
        seats.transferFrom(alice, bob, id);
        VM.prank(bob);
        seats.registerInstance(id, EVE_INSTANCE);
        send(registrationOf(id, BOB, EVE_NODE, EVE_PROOF), bob);
        suspend(EVE_NODE, 5);
        require(until(id) == NOW + 7 days && until(gone) == 0 && until(left) == 0, "for another's fault");
    }

    function test_NoWeightIsBoundToASuspendedSeat() public {
        uint256 w = seats.mintNodeAccess(alice);
        suspend(NODE, 5);
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.Suspended.selector, id, uint64(NOW + 7 days)));
        VM.prank(alice);
        seats.bindWeight(w, INSTANCE);
    }

    function test_ALongerSuspensionOfItsOwnStands() public {
        uint256 w = boundSeat(alice, EVE_INSTANCE);
        send(registrationOf(w, ALICE, EVE_NODE, EVE_PROOF), alice);
        suspend(EVE_NODE, 1);
        suspend(EVE_NODE, 2);
        require(until(w) == NOW + 14 days, "own");
        VM.warp(NOW + 14 days);
        VM.prank(alice);
        seats.bindWeight(w, INSTANCE);
        require(until(w) == NOW + 14 days, "what was");
        suspend(NODE, 5);
        require(until(w) == NOW + 21 days && until(id) == NOW + 21 days, "the seat's");
    }
}
