// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT} from "../src/DstackMembershipNFT.sol";
import {VM} from "../test/Vm.sol";

/// What scripts/deploy has forge simulate and send. A key comes from the environment (PRIVATE_KEY) or from a keystore
/// that forge has opened; without one the transactions are `sender`'s, for a node that signs for it or to see what they
/// cost.
contract Deploy {
    function run(
        address sender,
        string calldata name,
        string calldata symbol,
        address kmsRoot,
        bytes20[] calldata appIds,
        uint256 maxNodes,
        string[] calldata baseDomains
    ) external returns (DstackMembershipNFT seats) {
        uint256 key = VM.envOr("PRIVATE_KEY", uint256(0));
        if (key != 0) VM.startBroadcast(key);
        else VM.startBroadcast(sender);
        seats = new DstackMembershipNFT(name, symbol, kmsRoot, appIds, maxNodes);
        for (uint256 i = 0; i < baseDomains.length; i++) {
            seats.addBaseDomain(baseDomains[i]);
        }
        VM.stopBroadcast();
    }

    /// Whose key is in the environment, or else in the keystore.
    function whoami() external view returns (address) {
        uint256 key = VM.envOr("PRIVATE_KEY", uint256(0));
        return key != 0 ? VM.addr(key) : VM.getWallets()[0];
    }
}
