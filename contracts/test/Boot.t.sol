// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAppAuth, IAppAuthBasicManagement} from "../src/IAppAuth.sol";
import {Base} from "./Base.sol";
import {VM} from "./Vm.sol";

/// What DStack's KMS asks at boot. Alice's seat is registered; nobody has Eve's instance yet.
contract BootTest is Base {
    bytes32 private constant COMPOSE = bytes32(uint256(0xC0));
    bytes32 private constant DEVICE = bytes32(uint256(0xD0));

    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = aliceSeat();
    }

    function question(address instance) private view returns (IAppAuth.AppBootInfo memory info) {
        info = bootInfo(instance);
        info.composeHash = COMPOSE;
        info.deviceId = DEVICE;
    }

    function must(IAppAuth.AppBootInfo memory info, string memory expected) private view {
        (bool allowed, string memory reason) = seats.isAppAllowed(info);
        require(allowed == (bytes(expected).length == 0) && same(reason, expected), reason);
    }

    /// Bind the instance, boot, register: a seat is enough to boot, before there are keys.
    function test_ABoundInstanceWithAllowedMeasurementsBoots() public {
        seats.addComposeHash(COMPOSE);
        seats.addDevice(DEVICE);
        IAppAuth.AppBootInfo memory info = question(EVE_INSTANCE);
        must(info, "Instance has no seat");
        uint256 bound = boundSeat(bob, EVE_INSTANCE);
        must(info, "");
        info.appId = address(APP_ID);
        must(info, "");
        VM.prank(bob);
        seats.burn(bound);
        must(info, "Instance has no seat");
    }

    function test_EachRefusalHasItsReasonInDStacksOrder() public {
        IAppAuth.AppBootInfo memory info = question(EVE_INSTANCE);
        info.appId = eve;
        info.tcbStatus = "OutOfDate";
        info.instanceId = address(0);
        must(info, "App id not allowed");
        info.appId = address(seats);
        must(info, "TCB status is not up to date");
        seats.setRequireTcbUpToDate(false);
        must(info, "Compose hash not allowed");
        seats.addComposeHash(COMPOSE);
        must(info, "Device not allowed");
        seats.setAllowAnyDevice(true);
        must(info, "Instance id missing");
        info.instanceId = EVE_INSTANCE;
        must(info, "Instance has no seat");
        boundSeat(bob, EVE_INSTANCE);
        must(info, "");
        seats.setAllowAnyDevice(false);
        must(info, "Device not allowed");
        seats.addDevice(DEVICE);
        must(info, "");
        seats.removeDevice(DEVICE);
        must(info, "Device not allowed");
        seats.removeComposeHash(COMPOSE);
        must(info, "Compose hash not allowed");
        seats.setRequireTcbUpToDate(true);
        must(info, "TCB status is not up to date");
    }

    /// A seat that is out says so, and what is bound and not registered is not out. Deactivated and at its end it is as
    /// if bound only: what brings it back is a new Binding, for which its machine must boot.
    function test_AMachineWhoseSeatIsOutDoesNotBoot() public {
        seats.addComposeHash(COMPOSE);
        seats.addDevice(DEVICE);
        IAppAuth.AppBootInfo memory info = question(INSTANCE);
        must(info, "");
        suspend(NODE, 5);
        must(info, "Seat is expired or suspended");
        VM.warp(NOW + 7 days - 1);
        must(info, "Seat is expired or suspended");
        VM.warp(NOW + 7 days);
        must(info, "");
        VM.warp(NOW + 90 days - 1);
        must(info, "");
        VM.warp(NOW + 90 days);
        must(info, "Seat is expired or suspended");
        VM.prank(alice);
        seats.deactivateInstance(id);
        must(info, "");
        VM.prank(alice);
        seats.burn(id);
        must(info, "Instance has no seat");
    }

    function act(address from, bytes memory data) private {
        VM.prank(from);
        (bool ok,) = address(seats).call(data);
        require(ok, "not done");
    }

    /// To a KMS a revert is a failure of the backend: it tries again, or asks somebody else. So there is an answer,
    /// whatever the question and whatever the state of the seat, and a reason if and only if it is no.
    function testFuzz_TheBootPolicyNeverReverts(IAppAuth.AppBootInfo memory info, uint256 what, uint64 time) public {
        info.instanceId = [INSTANCE, INSTANCE, INSTANCE, EVE_INSTANCE, EVE_INSTANCE, info.instanceId][what % 6];
        if (what % 6 == 1) suspend(NODE, 5);
        if (what % 6 == 2) act(alice, abi.encodeCall(seats.deactivateInstance, (id)));
        uint256 first = boundSeat(eve, EVE_INSTANCE);
        boundSeat(bob, EVE_INSTANCE);
        if (what % 6 == 4) act(eve, abi.encodeCall(seats.burn, (first))); /* no token is the primary */
        VM.warp(what & 16 == 0 ? time : NOW + time % 100 days);
        if (what & 32 == 0) info.appId = what & 64 == 0 ? address(seats) : address(APP_ID);
        if (what & 128 == 0) info.tcbStatus = "UpToDate";
        if (what & 256 == 0) seats.addComposeHash(info.composeHash);
        if (what & 512 == 0) seats.addDevice(info.deviceId);
        if (what & 1024 == 0) seats.setAllowAnyDevice(true);
        if (what & 2048 == 0) seats.setRequireTcbUpToDate(false);

        (bool ok, bytes memory said) = address(seats).staticcall(abi.encodeCall(seats.isAppAllowed, (info)));
        require(ok, "reverted");
        (bool allowed, string memory reason) = abi.decode(said, (bool, string));
        require(allowed == (bytes(reason).length == 0), "no without a reason, or yes with one");
    }

    function test_TheManagementsEventsAreDStacks() public {
        VM.expectEmit(true, true, true, true, address(seats));
        emit IAppAuthBasicManagement.ComposeHashAdded(COMPOSE);
        seats.addComposeHash(COMPOSE);
        VM.expectEmit(true, true, true, true, address(seats));
        emit IAppAuthBasicManagement.ComposeHashRemoved(COMPOSE);
        seats.removeComposeHash(COMPOSE);
        VM.expectEmit(true, true, true, true, address(seats));
        emit IAppAuthBasicManagement.DeviceAdded(DEVICE);
        seats.addDevice(DEVICE);
        VM.expectEmit(true, true, true, true, address(seats));
        emit IAppAuthBasicManagement.DeviceRemoved(DEVICE);
        seats.removeDevice(DEVICE);
    }
}
