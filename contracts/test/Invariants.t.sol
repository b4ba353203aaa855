// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Handler} from "./Handler.sol";
import {Expected} from "./Model.sol";
import {VM} from "./Vm.sol";

contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant RUN_CALLS_MIN = 250;

    Handler private handler;
    DstackMembershipNFT private seats;

    function setUp() public {
        handler = new Handler();
        seats = handler.contractUnderTest();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[15] memory actions = [
            Handler.mint.selector,
            Handler.burn.selector,
            Handler.transfer.selector,
            Handler.registerInstance.selector,
            Handler.register.selector,
            Handler.renew.selector,
            Handler.setEndpoint.selector,
            Handler.cancel.selector,
            Handler.deactivate.selector,
            Handler.trespass.selector,
            Handler.offend.selector,
            Handler.reconfigure.selector,
            Handler.bindWeight.selector,
            Handler.unbindWeight.selector,
            Handler.letTimePass.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        /* a third of the draws register, so that there is something to lose; and time is what takes most of it */
        targets[0].selectors = new bytes4[](24);
        for (uint256 i = 0; i < 23; i++) {
            targets[0].selectors[i] = i < 15 ? actions[i] : Handler.register.selector;
        }
        targets[0].selectors[23] = Handler.letTimePass.selector;
    }

    /// No run passes because nothing happened in it. Two actions must never succeed. A shrunk or a replayed failure is
    /// shorter than a run of foundry.toml's depth: there it is enough that the invariants hold.
    function afterInvariant() public view {
        if (handler.calls() < RUN_CALLS_MIN) return;
        for (uint256 action = 0; action < handler.ACTIONS(); action++) {
            bool never = action == uint256(Handler.Action.RegisterAgain) || action == uint256(Handler.Action.Trespass);
            string memory name = string.concat("action ", VM.toString(action));
            require(
                (handler.successes(action) == 0) == never,
                string.concat(name, never ? ": a trespass" : " never succeeded")
            );
        }
        require(handler.refusals() > 0, "nothing was ever refused");
    }

    /// Views change only with the revision, nonces only grow, a moved token is clear.
    function invariant_WhatTheHandlerSawIsWhole() public view {
        require(bytes(handler.broken()).length == 0, handler.broken());
    }

    /// One run for all of them: each would be a run of its own.
    function invariant_SeatsAndWeightAndListsFitTogether() public {
        VM.warp(handler.time());
        Member[] memory members = all();
        anInstanceHasOnePrimaryToken(members);
        weightIsTokensOfOneOwner(members);
        aNodeKeyStandsOnOneSeat(members);
        theListIsTheTokensThatExist(members);
        aRegistrationIsItsOwners(members);
        aSeatIsWhatWasDoneToIt(members);
        theListsHoldWhatCountsNow(members);
        theMachinesOfThoseBoot(members);
    }

    function all() private view returns (Member[] memory members) {
        require(seats.totalSupply() <= 32, "more than a page");
        return seats.membersPage(0, 32);
    }

    function registered(Member memory m) private pure returns (bool) {
        return m.boundBy != address(0);
    }

    /// However many are bound to it: the token that registered, and no other one.
    function anInstanceHasOnePrimaryToken(Member[] memory members) private view {
        for (uint256 i = 0; i < members.length; i++) {
            if (!registered(members[i])) continue;
            address instance = members[i].instance;
            require(seats.instanceToToken(instance) == members[i].tokenId, "registered, and not the primary");
            for (uint256 k = 0; k < i; k++) {
                require(!registered(members[k]) || members[k].instance != instance, "two registered, one instance");
            }
        }
        for (uint160 i = 0; i < handler.INSTANCES(); i++) {
            uint256 id = seats.instanceToToken(address(0x5000 + i));
            require(id == 0 || seats.tokenToInstance(id) == address(0x5000 + i), "an index without a binding");
        }
    }

    /// A token stands behind one seat at most, of the same owner; each counts once and somewhere.
    function weightIsTokensOfOneOwner(Member[] memory members) private view {
        uint256 sum = 0;
        uint256[] memory behind = new uint256[](members.length);
        for (uint256 i = 0; i < members.length; i++) {
            behind[i] = seats.weightBehind(members[i].tokenId);
        }
        for (uint256 i = 0; i < members.length; i++) {
            Member memory m = members[i];
            uint256 weight = behind[i] == 0 ? 1 : 0;
            for (uint256 k = 0; k < members.length; k++) {
                if (behind[k] != m.tokenId) continue;
                require(members[k].owner == m.owner && m.instance != address(0), "behind another's, or behind none");
                require(members[k].instance == address(0) && !registered(members[k]), "a weight with an instance");
                weight++;
            }
            require(m.weight == weight, "another weight");
            sum += weight;
        }
        require(sum == members.length, "a token counts twice or nowhere");
    }

    function aNodeKeyStandsOnOneSeat(Member[] memory members) private view {
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i].nodeKey.length == 0) continue;
            for (uint256 k = 0; k < i; k++) {
                require(keccak256(members[k].nodeKey) != keccak256(members[i].nodeKey), "two seats, one node key");
            }
        }
        for (uint256 i = 0; i < 5; i++) {
            uint256 id = seats.nodeSignerToToken(VM.addr(0x3000 + i));
            require(id == 0 || seats.getInstanceInfo(id).nodeKey.length == 33, "a key reserved by no seat");
        }
        for (uint256 i = 0; i < members.length; i++) {
            if (!registered(members[i])) continue;
            address signer = VM.addr(handler.expected(members[i].tokenId).node);
            require(seats.nodeSignerToToken(signer) == members[i].tokenId, "a seat's key is free for others");
        }
    }

    function theListIsTheTokensThatExist(Member[] memory members) private view {
        uint256 exist = 0;
        for (uint256 id = 1; id <= handler.lastToken(); id++) {
            uint256 listed = 0;
            for (uint256 i = 0; i < members.length; i++) {
                if (members[i].tokenId == id) listed++;
            }
            (bool ok,) = address(seats).staticcall(abi.encodeCall(seats.ownerOf, (id)));
            require(listed == (ok ? 1 : 0), "listed and existing differ");
            exist += listed;
        }
        require(exist == members.length, "the list holds something else");
    }

    /// Registered means: by the wallet that owns it now, for the instance it is bound to, with both keys.
    function aRegistrationIsItsOwners(Member[] memory members) private pure {
        for (uint256 i = 0; i < members.length; i++) {
            Member memory m = members[i];
            bool here = registered(m);
            require(!here || (m.boundBy == m.owner && m.instance != address(0)), "another's");
            require(here == (m.nodeKey.length == 33) && here == (m.proofKey.length == 33), "keys");
            require(here || !m.active, "active without registration");
        }
    }

    /// The page shows a seat as the calls left it, also when it has ended or is suspended, and no call of the contract's
    /// owner shows in it.
    function aSeatIsWhatWasDoneToIt(Member[] memory members) private view {
        for (uint256 i = 0; i < members.length; i++) {
            Member memory m = members[i];
            Expected memory e = handler.expected(m.tokenId);
            require(m.instance == e.instance && registered(m) == e.registered && m.active == e.active, "another seat");
            require(m.rootEpoch == e.rootEpoch && m.expiresAt == e.expiresAt, "another epoch or end");
            require(keccak256(bytes(m.url)) == keccak256(bytes(e.url)), "another url");
            /* one that is served may have been another's, whom it stood behind */
            bool served = m.suspendedUntil <= block.timestamp && e.suspendedUntil <= block.timestamp;
            require(!e.registered || served || m.suspendedUntil == e.suspendedUntil, "another suspension");
        }
        (address root, uint64 epoch,,,,,) = seats.clusterState();
        (address expectedRoot, uint64 expectedEpoch) = handler.rootNow();
        require(root == expectedRoot && epoch == expectedEpoch, "another root");
    }

    /// In the order of the list of tokens: every seat that counts, with its url and instance, and nothing else.
    function theListsHoldWhatCountsNow(Member[] memory members) private view {
        string[] memory urls = seats.getPeerEndpoints();
        address[] memory instances = seats.getActiveInstances();
        uint256 n = 0;
        for (uint256 i = 0; i < members.length; i++) {
            if (!handler.counts(members[i].tokenId)) continue;
            require(n < urls.length && n < instances.length, "one is not listed");
            Expected memory e = handler.expected(members[i].tokenId);
            require(keccak256(bytes(urls[n])) == keccak256(bytes(e.url)), "another url is listed");
            require(instances[n] == e.instance, "another instance is listed");
            n++;
        }
        require(n == urls.length && n == instances.length, "one is listed that does not count");
    }

    /// An instance is active by the seat that counts, and its machine boots when a token is bound to it and none that is
    /// registered for it is out.
    function theMachinesOfThoseBoot(Member[] memory members) private view {
        uint256 instances = handler.INSTANCES();
        bool[] memory active = new bool[](instances);
        bool[] memory bound = new bool[](instances);
        bool[] memory down = new bool[](instances);
        for (uint256 k = 0; k < members.length; k++) {
            uint256 id = members[k].tokenId;
            if (members[k].instance == address(0)) continue; /* the model agrees: aSeatIsWhatWasDoneToIt */
            uint256 i = uint160(members[k].instance) - 0x5000;
            bound[i] = true;
            if (handler.counts(id)) active[i] = true;
            if (handler.keepsDown(id)) down[i] = true;
        }
        for (uint256 i = 0; i < instances; i++) {
            address instance = address(uint160(0x5000 + i));
            require(seats.activeInstances(instance) == active[i], "active by instance");
            require(handler.bootsNow(instance) == (bound[i] && !down[i]), "boots");
        }
    }
}
