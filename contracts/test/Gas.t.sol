// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Endpoint, Renewal} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {VM} from "./Vm.sol";

/// What the calls cost, as forge measures them: execution, without the 21,000 and the calldata of a transaction.
/// Printed with -vv. The bounds are wide: they catch a loop, not an optimiser.
contract GasTest is Base {
    event log_named_uint(string key, uint256 val); // forge prints it

    uint256 private mark;

    function begin() private {
        VM.cool(address(seats)); /* a transaction finds no slot warm */
        mark = gasleft();
    }

    function begin(address from) private {
        VM.cool(address(seats));
        VM.prank(from);
        mark = gasleft();
    }

    function end(string memory name, uint256 most) private {
        uint256 used = mark - gasleft();
        emit log_named_uint(name, used);
        require(used <= most, name);
    }

    function test_WhatTheCallsCost() public {
        begin();
        uint256 id = seats.mintNodeAccess(alice);
        end("mintNodeAccess", 200_000);

        begin(alice);
        seats.registerInstance(id, INSTANCE);
        end("registerInstance", 100_000);

        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        begin(alice);
        seats.register(r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, "");
        end("register, sent by the owner", 350_000);

        Renewal memory n = renewalOf(id, NODE);
        begin(alice);
        seats.renew(n, "");
        end("renew", 60_000);

        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:7946");
        bytes memory sig = sign(NODE, digestOf(e));
        begin();
        seats.setEndpoint(e, sig);
        end("setEndpoint, sent by the node", 70_000);

        begin(alice);
        seats.transferFrom(alice, bob, id);
        end("transferFrom of a registered seat", 150_000);
    }

    function test_WhatReadingCosts() public {
        for (uint256 i = 0; i < 300; i++) {
            if (i == 100) seats.setClusterConfig(300, false, 0);
            uint256 id = boundSeat(alice, address(uint160(0x10000 + i)));
            send(registrationOf(id, ALICE, 0x10000 + i, PROOF), alice);
        }
        begin();
        seats.clusterState();
        end("clusterState", 50_000);
        begin();
        seats.membersPage(0, 32);
        end("membersPage of 32", 1_500_000);
        begin();
        seats.getPeerEndpoints();
        end("getPeerEndpoints, 300 peers", 5_000_000);
    }
}
