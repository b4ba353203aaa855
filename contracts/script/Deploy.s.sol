// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT} from "../src/DstackMembershipNFT.sol";
import {VM} from "../test/Vm.sol";

/// Deploy the contract, hand out seats, bind instances; README.md has the commands. Forge shows what would be sent
/// and sends it with --broadcast.
contract Deploy {
    function run(
        string calldata name,
        string calldata symbol,
        address kmsRoot,
        bytes20[] calldata appIds,
        uint256 maxNodes
    ) external returns (DstackMembershipNFT seats) {
        VM.startBroadcast();
        seats = new DstackMembershipNFT(name, symbol, kmsRoot, appIds, maxNodes);
        VM.stopBroadcast();
    }

    function mint(DstackMembershipNFT seats, address to) external returns (uint256 tokenId) {
        VM.startBroadcast();
        tokenId = seats.mintNodeAccess(to);
        VM.stopBroadcast();
    }

    function bind(DstackMembershipNFT seats, uint256 tokenId, address instance) external {
        VM.startBroadcast();
        seats.registerInstance(tokenId, instance);
        VM.stopBroadcast();
    }
}
