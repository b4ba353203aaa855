// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {Cluster} from "../src/Cluster.sol";
import {DstackMembershipNFT} from "../src/DstackMembershipNFT.sol";
import {Base} from "./Base.sol";
import {VM} from "./Vm.sol";

/// What the contract's owner decides.
contract ClusterTest is Base {
    bytes32 private constant COMPOSE = bytes32(uint256(0xC0));
    bytes32 private constant DEVICE = bytes32(uint256(0xD0));

    /* ---- root and epoch ---- */

    function test_EpochsBeginAtOneAndGrow() public {
        require(seats.rootEpochOf(VM.addr(KMS_ROOT)) == 1 && seats.rootEpochOf(alice) == 0, "first");
        VM.expectEmit(true, true, true, true, address(seats));
        emit Cluster.KmsRootAddressUpdated(VM.addr(KMS_ROOT), alice);
        seats.setKmsRootAddress(alice);
        require(seats.kmsRootAddress() == alice && seats.rootEpochOf(alice) == 2 && seats.rootEpoch() == 2, "second");
        require(seats.rootEpochOf(VM.addr(KMS_ROOT)) == 1, "the old one is forgotten");
    }

    function test_ARootThatWasSetDoesNotComeBack() public {
        VM.expectRevert(abi.encodeWithSelector(Cluster.KmsRootUsedBefore.selector, VM.addr(KMS_ROOT), 1));
        seats.setKmsRootAddress(VM.addr(KMS_ROOT));
        seats.setKmsRootAddress(alice);
        VM.expectRevert(abi.encodeWithSelector(Cluster.KmsRootUsedBefore.selector, VM.addr(KMS_ROOT), 1));
        seats.setKmsRootAddress(VM.addr(KMS_ROOT));
    }

    /* ---- app ids ---- */

    function test_AppIdsAreASet() public {
        bytes20 b = bytes20(uint160(0xB));
        bytes20 c = bytes20(uint160(0xC));
        seats.addAppId(b);
        seats.addAppId(c);
        seats.removeAppId(APP_ID);
        bytes20[] memory ids = seats.appIds();
        require(ids.length == 2 && ids[0] == c && ids[1] == b, "list");
        require(!seats.isAppIdAllowed(APP_ID) && seats.isAppIdAllowed(b) && seats.isAppIdAllowed(c), "set");
        seats.removeAppId(b);
        seats.removeAppId(c);
        require(seats.appIds().length == 0 && !seats.isAppIdAllowed(c), "empty");
        seats.addAppId(APP_ID);
        require(seats.isAppIdAllowed(APP_ID), "not again");
    }

    function test_AppIdsAreRefusedByName() public {
        VM.expectRevert(Cluster.AppIdZero.selector);
        seats.addAppId(bytes20(0));
        VM.expectRevert(abi.encodeWithSelector(Cluster.AppIdKnown.selector, APP_ID));
        seats.addAppId(APP_ID);
        VM.expectRevert(abi.encodeWithSelector(Cluster.AppIdUnknown.selector, bytes20(uint160(0xB))));
        seats.removeAppId(bytes20(uint160(0xB)));
    }

    function test_SixtyFourAppIdsAtMost() public {
        for (uint160 i = 1; i < 64; i++) {
            seats.addAppId(bytes20(i));
        }
        VM.expectRevert(Cluster.TooManyAppIds.selector);
        seats.addAppId(bytes20(uint160(64)));
        require(seats.appIds().length == 64, "length");
    }

    function test_TheConstructorChecksAppIdsToo() public {
        bytes20[] memory twice = new bytes20[](2);
        (twice[0], twice[1]) = (APP_ID, APP_ID);
        VM.expectRevert(abi.encodeWithSelector(Cluster.AppIdKnown.selector, APP_ID));
        new DstackMembershipNFT("seats", "SEAT", alice, twice, 100);
    }

    /* ---- who decides ---- */

    function test_OnlyTheOwnerDecides() public {
        bytes[15] memory calls = [
            abi.encodeCall(seats.setKmsRootAddress, (eve)),
            abi.encodeCall(seats.addAppId, (bytes20(eve))),
            abi.encodeCall(seats.removeAppId, (APP_ID)),
            abi.encodeCall(seats.setClusterConfig, (1, true, 0)),
            abi.encodeCall(seats.withdraw, (payable(eve))),
            abi.encodeCall(seats.setMintLimit, (0)),
            abi.encodeCall(seats.setDevMode, (true)),
            abi.encodeCall(seats.addBaseDomain, ("evil.org")),
            abi.encodeCall(seats.removeBaseDomain, ("example")),
            abi.encodeCall(seats.addComposeHash, (COMPOSE)),
            abi.encodeCall(seats.removeComposeHash, (COMPOSE)),
            abi.encodeCall(seats.addDevice, (DEVICE)),
            abi.encodeCall(seats.removeDevice, (DEVICE)),
            abi.encodeCall(seats.setAllowAnyDevice, (true)),
            abi.encodeCall(seats.setRequireTcbUpToDate, (false))
        ];
        for (uint256 i = 0; i < calls.length; i++) {
            VM.prank(eve);
            (bool ok, bytes memory error) = address(seats).call(calls[i]);
            require(!ok, "accepted");
            require(same(error, abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, eve)), "reason");
        }
    }

    function test_TheConfigurationIsShown() public {
        VM.expectEmit(true, true, true, true, address(seats));
        emit Cluster.ClusterConfigUpdated(7, true, 5);
        seats.setClusterConfig(7, true, 5);
        require(seats.maxNodes() == 7 && seats.publicMinting() && seats.mintPrice() == 5, "config");
    }

    function test_AWithdrawalThatFailsIsRefused() public {
        VM.deal(address(seats), 5);
        VM.expectRevert(Cluster.WithdrawToZero.selector);
        seats.withdraw(payable(address(0)));
        VM.expectRevert(abi.encodeWithSelector(Cluster.WithdrawFailed.selector, address(this), 5));
        seats.withdraw(payable(address(this))); /* takes no ether */
    }

    /* ---- the revision ---- */

    function test_TheRevisionIsARunningHash() public {
        bytes32 before = seats.revision();
        seats.addAppId(bytes20(uint160(0xB)));
        bytes memory call = abi.encodeCall(seats.addAppId, (bytes20(uint160(0xB))));
        bytes32 change = keccak256(abi.encodePacked(call, block.timestamp));
        require(seats.revision() == keccak256(abi.encodePacked(before, change)), "not the hash of before and change");
    }

    /// Each single change is a change of the revision; there and back is not where it began.
    function test_TheRevisionNeverComesBack() public {
        uint256 id = aliceSeat();
        bytes32[9] memory seen;
        seen[0] = seats.revision();
        suspend(NODE, 1);
        seen[1] = seats.revision();
        suspend(NODE, 2);
        seen[2] = seats.revision();
        seats.addAppId(bytes20(uint160(0xB)));
        seen[3] = seats.revision();
        seats.removeAppId(bytes20(uint160(0xB)));
        seen[4] = seats.revision();
        seats.setClusterConfig(100, false, 0);
        seen[5] = seats.revision();
        seats.setKmsRootAddress(alice);
        seen[6] = seats.revision();
        VM.prank(alice);
        seats.cancel(id);
        seen[7] = seats.revision();
        VM.warp(NOW + 14 days); /* none is bound while it is suspended */
        VM.prank(alice);
        seats.registerInstance(id, EVE_INSTANCE);
        seen[8] = seats.revision();
        for (uint256 i = 0; i < seen.length; i++) {
            for (uint256 k = 0; k < i; k++) {
                require(seen[i] != seen[k], "the same revision twice");
            }
        }
    }
}
