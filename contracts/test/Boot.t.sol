// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {IAppAuth, IAppAuthBasicManagement} from "../src/IAppAuth.sol";
import {Base} from "./Base.sol";
import {VM, Vm} from "./Vm.sol";

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

    /// The published topics, nothing else indexed: the events' own declaration would agree with itself.
    function test_TheManagementsEventsAreDStacks() public {
        string memory published = VM.readFile("vectors/events.json");
        bytes[6] memory calls = [
            abi.encodeCall(seats.addComposeHash, (COMPOSE)),
            abi.encodeCall(seats.removeComposeHash, (COMPOSE)),
            abi.encodeCall(seats.addDevice, (DEVICE)),
            abi.encodeCall(seats.removeDevice, (DEVICE)),
            abi.encodeCall(seats.setAllowAnyDevice, (true)),
            abi.encodeCall(seats.setRequireTcbUpToDate, (true))
        ];
        bytes32 yes = bytes32(uint256(1));
        bytes32[6] memory values = [COMPOSE, COMPOSE, DEVICE, DEVICE, yes, yes];
        VM.recordLogs();
        for (uint256 i = 0; i < calls.length; i++) {
            act(address(this), calls[i]);
        }
        Vm.Log[] memory logs = VM.getRecordedLogs();
        require(logs.length == calls.length, "an event each");
        for (uint256 i = 0; i < calls.length; i++) {
            string memory at = string.concat(".topics_dstack[", VM.toString(i), "].topic0");
            require(logs[i].topics.length == 1 && logs[i].topics[0] == VM.parseJsonBytes32(published, at), at);
            require(same(logs[i].data, abi.encode(values[i])), at);
        }
    }

    /// A question as it is published, byte for byte, and the answers as they are.
    function test_TheKmsOwnCallIsAnswered() public {
        string memory published = VM.readFile("vectors/abi.json");
        bytes memory call = VM.parseJsonBytes(published, ".calls[16].calldata");
        seats.addAppId(bytes20(0xD5649bAae7750726d34053680aa1DbF478E6833e));
        seats.setAllowAnyDevice(true);
        boundSeat(bob, 0xd61c8d4e7E2768f900F6e13c6FD356897FDFfbC5);
        mustAnswer(call, VM.parseJsonBytes(published, ".returns[12].returndata"));
        seats.addComposeHash(0x68b93c6f2ccdfc89ab6701f1db8b69fa0ad8ab64a6e8ad622576f25970c97c7f);
        mustAnswer(call, VM.parseJsonBytes(published, ".returns[11].returndata"));
        call = VM.parseJsonBytes(published, ".calls[17].calldata"); /* the same machine, out of date, with advisories */
        mustAnswer(call, abi.encode(false, "TCB status is not up to date"));
    }

    function mustAnswer(bytes memory call, bytes memory expected) private view {
        (bool ok, bytes memory said) = address(seats).staticcall(call);
        require(ok && same(said, expected), "another answer");
    }
}
