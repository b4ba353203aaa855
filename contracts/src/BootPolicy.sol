// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Cluster} from "./Cluster.sol";
import {IAppAuth, IAppAuthBasicManagement} from "./IAppAuth.sol";

/// DStack's boot policy: the measurements that the owner allows, and then a seat. Mappings only, nothing here reverts:
/// to a KMS a revert reads as a failure of the backend, not as a refusal.
abstract contract BootPolicy is Cluster, IAppAuth, IAppAuthBasicManagement {
    mapping(bytes32 composeHash => bool) public allowedComposeHashes;
    mapping(bytes32 deviceId => bool) public allowedDeviceIds;
    bool public allowAnyDevice;
    bool public requireTcbUpToDate = true;

    event AllowAnyDeviceSet(bool allowAny);
    event RequireTcbUpToDateSet(bool required);

    /// The policy of the app whose id is this contract, and of the apps on the list. The order of the first three
    /// reasons and their words are those of DStack's own app contract.
    function isAppAllowed(AppBootInfo calldata bootInfo) external view returns (bool, string memory) {
        if (bootInfo.appId != address(this) && !isAppIdAllowed(bytes20(bootInfo.appId))) {
            return (false, "App id not allowed");
        }
        if (requireTcbUpToDate && keccak256(bytes(bootInfo.tcbStatus)) != keccak256("UpToDate")) {
            return (false, "TCB status is not up to date");
        }
        if (!allowedComposeHashes[bootInfo.composeHash]) return (false, "Compose hash not allowed");
        if (!allowAnyDevice && !allowedDeviceIds[bootInfo.deviceId]) return (false, "Device not allowed");
        if (bootInfo.instanceId == address(0)) return (false, "Instance id missing");
        if (!_hasSeat(bootInfo.instanceId)) return (false, "Instance has no seat");
        if (_isSeatOut(bootInfo.instanceId)) return (false, "Seat is expired or suspended");
        return (true, "");
    }

    function addComposeHash(bytes32 composeHash) external onlyOwner {
        allowedComposeHashes[composeHash] = true;
        emit ComposeHashAdded(composeHash);
    }

    function removeComposeHash(bytes32 composeHash) external onlyOwner {
        allowedComposeHashes[composeHash] = false;
        emit ComposeHashRemoved(composeHash);
    }

    function addDevice(bytes32 deviceId) external onlyOwner {
        allowedDeviceIds[deviceId] = true;
        emit DeviceAdded(deviceId);
    }

    function removeDevice(bytes32 deviceId) external onlyOwner {
        allowedDeviceIds[deviceId] = false;
        emit DeviceRemoved(deviceId);
    }

    function setAllowAnyDevice(bool allowAny) external onlyOwner {
        allowAnyDevice = allowAny;
        emit AllowAnyDeviceSet(allowAny);
    }

    function setRequireTcbUpToDate(bool required) external onlyOwner {
        requireTcbUpToDate = required;
        emit RequireTcbUpToDateSet(required);
    }

    /// Is the instance bound to a token by the wallet that owns it now?
    function _hasSeat(address instance) internal view virtual returns (bool);

    /// Has the seat that is registered for it expired, or is it suspended? What is bound only is neither.
    function _isSeatOut(address instance) internal view virtual returns (bool);
}
