// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Base, Registration} from "./Base.sol";
import {VM} from "./Vm.sol";

/// Several tokens of one owner behind one instance.
contract WeightTest is Base {
    uint256 private primary;
    uint256 private second;
    uint256 private third;

    function setUp() public override {
        super.setUp();
        primary = aliceSeat();
        second = seats.mintNodeAccess(alice);
        third = seats.mintNodeAccess(alice);
    }

    function bind(address from, uint256 tokenId, address instance) private {
        VM.prank(from);
        seats.bindWeight(tokenId, instance);
    }

    function refuseBind(address from, uint256 tokenId, address instance, bytes memory error) private {
        VM.expectRevert(error);
        bind(from, tokenId, instance);
    }

    function mustWeigh(uint256 a, uint256 b, uint256 c) private view {
        require(member(primary).weight == a, "the primary's weight");
        require(member(second).weight == b && member(third).weight == c, "the others' weight");
    }

    function test_BoundTokensCountAtTheInstancesSeat() public {
        mustWeigh(1, 1, 1);
        bytes32 revision = seats.revision();
        bind(alice, second, INSTANCE);
        mustWeigh(2, 0, 1);
        require(seats.revision() != revision && seats.weightBehind(second) == primary, "revision or standing");
        bind(alice, third, INSTANCE);
        mustWeigh(3, 0, 0);
        require(member(primary).active && seats.nonceOf(primary) == 1, "the seat itself changed");
        VM.prank(alice);
        seats.unbindWeight(second);
        mustWeigh(2, 1, 0);
        require(seats.weightBehind(second) == 0 && seats.weightBehind(primary) == 0, "standing");
    }

    function test_TheEventsNameBothTokens() public {
        VM.expectEmit(true, true, true, true, address(seats));
        emit DstackMembershipNFT.WeightBound(second, primary, INSTANCE);
        bind(alice, second, INSTANCE);
        VM.expectEmit(true, true, true, true, address(seats));
        emit DstackMembershipNFT.WeightUnbound(second);
        VM.prank(alice);
        seats.unbindWeight(second);
    }

    /* ---- who may ---- */

    function test_OnlyTheOwnerOfBothBinds() public {
        uint256 bobs = seats.mintNodeAccess(bob);
        bytes4 notOwner = DstackMembershipNFT.NotTokenOwner.selector;
        refuseBind(eve, second, INSTANCE, abi.encodeWithSelector(notOwner, second, eve));
        refuseBind(bob, bobs, INSTANCE, abi.encodeWithSelector(notOwner, primary, bob));
        refuseBind(address(this), second, INSTANCE, abi.encodeWithSelector(notOwner, second, address(this)));
        bind(alice, second, INSTANCE);
        VM.expectRevert(abi.encodeWithSelector(notOwner, second, eve));
        VM.prank(eve);
        seats.unbindWeight(second);
    }

    function test_WhatCannotStandDoesNot() public {
        refuseBind(
            alice,
            second,
            EVE_INSTANCE,
            abi.encodeWithSelector(DstackMembershipNFT.InstanceUnknown.selector, EVE_INSTANCE)
        );
        refuseBind(
            alice, second, address(0), abi.encodeWithSelector(DstackMembershipNFT.InstanceUnknown.selector, address(0))
        );
        refuseBind(
            alice, primary, INSTANCE, abi.encodeWithSelector(DstackMembershipNFT.WeightOfItself.selector, primary)
        );
        VM.expectRevert(abi.encodeWithSelector(DstackMembershipNFT.StandsBehindNone.selector, second));
        VM.prank(alice);
        seats.unbindWeight(second);
    }

    function test_AWeightIsNoSeat() public {
        bind(alice, second, INSTANCE);
        bytes memory error = abi.encodeWithSelector(DstackMembershipNFT.StandsAsWeight.selector, second, primary);
        refuseBind(alice, second, INSTANCE, error);
        VM.expectRevert(error);
        VM.prank(alice);
        seats.registerInstance(second, EVE_INSTANCE);
        Registration memory r = registrationOf(second, ALICE, EVE_NODE, EVE_PROOF);
        r.b.instance = EVE_INSTANCE;
        signBinding(r, ALICE, EVE_NODE, EVE_PROOF);
        refuse(r, alice, error);
        Member memory m = member(second);
        require(m.instance == address(0) && m.boundBy == address(0) && !m.active, "a seat of its own");
    }

    /// A token that had an instance of its own gives it up, and with it its registration and the weight behind it.
    function test_ASeatThatBecomesWeightIsASeatNoMore() public {
        VM.prank(alice);
        seats.registerInstance(second, EVE_INSTANCE);
        send(registrationOf(second, ALICE, EVE_NODE, EVE_PROOF), alice);
        bind(alice, third, EVE_INSTANCE);
        mustWeigh(1, 2, 0);
        uint64 nonce = seats.nonceOf(second);
        bind(alice, second, INSTANCE);
        mustBeClear(second);
        mustWeigh(2, 0, 1);
        require(seats.weightBehind(third) == 0 && seats.nonceOf(second) == nonce + 1, "standing or nonce");
        require(seats.instanceToToken(EVE_INSTANCE) == 0, "its instance is still bound");
    }

    /* ---- what ends it ---- */

    function test_AWeightThatMovesOrBurnsCountsNowhere() public {
        bind(alice, second, INSTANCE);
        bind(alice, third, INSTANCE);
        VM.prank(alice);
        seats.transferFrom(alice, bob, second);
        mustWeigh(2, 1, 0);
        require(seats.weightBehind(second) == 0, "it stands for its seller");
        VM.prank(alice);
        seats.burn(third);
        require(member(primary).weight == 1 && seats.weightBehind(third) == 0, "a burnt token counts");
    }

    function test_AWeightThatGoesThereAndBackStandsNoMore() public {
        bind(alice, second, INSTANCE);
        VM.prank(alice);
        seats.transferFrom(alice, alice, second);
        mustWeigh(1, 1, 1);
    }

    /// All at once, however many they are, and none of them is touched.
    function test_WhatEndsTheSeatInFrontEndsTheStanding() public {
        bind(alice, second, INSTANCE);
        bind(alice, third, INSTANCE);
        VM.prank(alice);
        seats.transferFrom(alice, bob, primary);
        mustWeigh(1, 1, 1);
        VM.prank(bob);
        seats.transferFrom(bob, alice, primary);
        mustWeigh(1, 1, 1);
        VM.prank(alice);
        seats.registerInstance(primary, INSTANCE);
        mustWeigh(1, 1, 1);
        bind(alice, second, INSTANCE);
        mustWeigh(2, 0, 1);
        VM.prank(alice);
        seats.registerInstance(primary, EVE_INSTANCE);
        mustWeigh(1, 1, 1);
        bind(alice, third, EVE_INSTANCE);
        VM.prank(alice);
        seats.burn(primary);
        require(member(second).weight == 1 && member(third).weight == 1, "behind a burnt token");
        require(seats.weightBehind(third) == 0, "standing");
    }

    /// Leaving a seat whose generation has ended takes nothing from the new one.
    function test_AnEndedStandingIsNotCountedOffAgain() public {
        bind(alice, second, INSTANCE);
        VM.prank(alice);
        seats.registerInstance(primary, EVE_INSTANCE);
        bind(alice, third, EVE_INSTANCE);
        mustWeigh(2, 1, 0);
        VM.prank(alice);
        seats.transferFrom(alice, bob, second);
        mustWeigh(2, 1, 0);
    }

    function test_ADeactivatedSeatKeepsItsWeight() public {
        bind(alice, second, INSTANCE);
        VM.prank(alice);
        seats.deactivateInstance(primary);
        mustWeigh(2, 0, 1);
        require(!member(primary).active, "active");
    }
}
