// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Endpoint, Renewal, Vote} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {VM, Vm} from "./Vm.sol";
import {PrototypeMembership} from "./prototype/PrototypeMembership.sol";

/// What the calls cost as transactions: with the 21,000 of each, its calldata and its refunds, every slot cold; reads
/// cost execution alone. Beside them the same on the prototype's contract, measured on the fixture, and what the
/// prototype's own notes say. scripts/gas prints the rows; the bounds are wide, they catch a loop and not an optimiser.
contract GasTest is Base {
    event log(string row); // forge prints it with -vv

    uint256 private constant PEERS = 300;
    bytes32 private constant CHAIN_APP_ID = bytes32(APP_ID);

    PrototypeMembership private prototype;

    function setUp() public override {
        super.setUp();
        prototype = new PrototypeMembership(VM.addr(KMS_ROOT));
    }

    /// Gas of the last call, as a transaction of its own.
    function used() private view returns (uint256) {
        return VM.lastCallGas().gasTotalUsed;
    }

    function commas(uint256 n) private pure returns (string memory) {
        if (n < 1000) return VM.toString(n);
        string memory rest = VM.toString(1000 + n % 1000);
        return string.concat(commas(n / 1000), ",", string(bytesFrom(rest, 1)));
    }

    function bytesFrom(string memory text, uint256 from) private pure returns (bytes memory part) {
        part = new bytes(bytes(text).length - from);
        for (uint256 i = 0; i < part.length; i++) {
            part[i] = bytes(text)[from + i];
        }
    }

    /// 0 stands for a call that the other contract has not, an empty text for a note that there is not.
    function row(string memory name, uint256 ours, uint256 most, uint256 theirs, string memory notes) private {
        require(ours <= most, name);
        string memory beside = theirs == 0 ? "" : commas(theirs);
        emit log(string.concat("| ", name, " | ", commas(ours), " | ", beside, " | ", notes, " |"));
    }

    function prototypePeer(string memory id, uint256 proof, string memory url, address from) private {
        bytes memory derived = keyOf(proof);
        bytes memory app = keyOf(APP);
        bytes memory appSig = appSignature(APP, "mesh", derived);
        bytes memory kmsSig = kmsSignature(KMS_ROOT, APP_ID, app);
        VM.prank(from);
        prototype.registerPeer(id, derived, app, appSig, kmsSig, url, "mesh", CHAIN_APP_ID);
    }

    /// EIP-170's bound: every chain refuses more.
    function test_TheCodeFitsAChain() public view {
        require(address(seats).code.length <= 24_576, VM.toString(address(seats).code.length));
    }

    /// forge-config: default.isolate = true
    function test_WhatCallsCost() public {
        string memory proto = "00000000000000000000000000000000000050a1";
        prototype.mintNodeAccess(alice, proto);
        uint256 theirs = used();
        uint256 id = seats.mintNodeAccess(alice);
        row("`mintNodeAccess`, the first", used(), 260_000, theirs, "");
        prototype.mintNodeAccess(bob, "");
        theirs = used();
        uint256 other = seats.mintNodeAccess(bob);
        row("`mintNodeAccess`, the next", used(), 200_000, theirs, "109,000");

        VM.prank(alice);
        prototype.registerInstance(proto);
        theirs = used();
        VM.prank(alice);
        seats.registerInstance(id, INSTANCE);
        row("`registerInstance`", used(), 120_000, theirs, "");

        prototypePeer(proto, PROOF, URL, alice);
        theirs = used();
        Registration memory r = registrationOf(id, ALICE, NODE, PROOF);
        VM.prank(alice);
        seats.register(r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, "");
        row("`register` by the owner; `registerPeer`", used(), 420_000, theirs, "");

        VM.prank(bob);
        seats.registerInstance(other, EVE_INSTANCE);
        r = registrationOf(other, BOB, EVE_NODE, EVE_PROOF);
        VM.prank(eve);
        seats.register(r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, r.sigOwner);
        row("`register` by anybody, with the owner's signature", used(), 430_000, 0, "");

        calls(id, proto);
    }

    function calls(uint256 id, string memory proto) private {
        Renewal memory n = renewalOf(id, NODE);
        VM.prank(alice);
        seats.renew(n, "");
        row("`renew`", used(), 90_000, 0, "");

        prototypePeer(proto, PROOF, "tcp://there.example:7946", alice);
        uint256 theirs = used();
        Endpoint memory e = endpointOf(id, NODE, "tcp://there.example:7946");
        bytes memory sig = sign(NODE, digestOf(e));
        seats.setEndpoint(e, sig);
        row("`setEndpoint` by the node; `registerPeer` again", used(), 110_000, theirs, "");

        uint256 more = seats.mintNodeAccess(alice);
        VM.prank(alice);
        seats.bindWeight(more, INSTANCE);
        row("`bindWeight`", used(), 150_000, 0, "");

        (Vote memory a, Vote memory b) = evidence("epoch", 7);
        bytes memory sigA = sign(EVE_NODE, digestOf(a));
        bytes memory sigB = sign(EVE_NODE, digestOf(b));
        seats.submitEvidence(a, sigA, b, sigB);
        row("`submitEvidence`", used(), 200_000, 0, "");

        VM.prank(alice);
        prototype.deactivateInstance(proto);
        theirs = used();
        VM.prank(alice);
        seats.deactivateInstance(id);
        row("`deactivateInstance`", used(), 80_000, theirs, "");

        VM.prank(alice);
        prototype.transferFrom(alice, eve, 1);
        theirs = used();
        VM.prank(alice);
        seats.transferFrom(alice, eve, id);
        row("`transferFrom` of a registered seat", used(), 170_000, theirs, "");
        VM.prank(eve);
        seats.burn(id);
        row("`burn`", used(), 120_000, 0, "");
        emit log("| a vote of confidence | not on chain |  | 479,000 |");
        emit log("| an election of a leader | not on chain |  | 569,000 |");
    }

    /// forge-config: default.isolate = true
    function test_WhatReadsCost() public {
        seats.setClusterConfig(PEERS, false, 0);
        prototype.setClusterConfig(PEERS, false, 0);
        for (uint256 i = 0; i < PEERS; i++) {
            address wallet = VM.addr(0x20000 + i);
            uint256 id = boundSeat(wallet, address(uint160(0x10000 + i)));
            send(registrationOf(id, 0x20000 + i, 0x10000 + i, PROOF), wallet);
            string memory text = string.concat("0000000000000000000000000000000000", VM.toString(100_000 + i));
            prototype.mintNodeAccess(wallet, "");
            VM.prank(wallet);
            prototype.registerInstance(text);
            prototypePeer(text, PROOF, URL, wallet);
        }
        prototype.getPeerEndpoints();
        uint256 theirs = used();
        seats.getPeerEndpoints();
        row("`getPeerEndpoints`, 300 peers: read", used(), 5_000_000, theirs, "1,100,000");
        seats.membersPage(0, 32);
        row("`membersPage`, 32 seats with all that a node needs: read", used(), 1_600_000, 0, "");
        seats.clusterState();
        row("`clusterState`: read", used(), 80_000, 0, "");
    }
}
