// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Endpoint, Renewal, Vote} from "../src/Statements.sol";
import {Base, Registration} from "./Base.sol";
import {VM} from "./Vm.sol";

/// Four wallets that do everything that can be done with seats, in any order, sharing a few instances and node keys so
/// that they meet. Each action is tried with real signatures; what the contract refuses is no success. After each
/// action: what readers see has changed only together with the revision, and nonces have not gone back.
contract Handler is Base {
    uint256 internal constant ACTORS = 4;
    uint256 public constant INSTANCES = 8;
    uint256 internal constant NODES = 5;
    uint256 public constant ACTIONS = 13;

    uint256[ACTIONS] public successes;
    uint256 public refusals;
    uint256 public calls;
    uint256 public lastToken;
    string public broken;
    mapping(uint256 tokenId => uint64) private _nonces;
    bytes32 private _seen;
    bytes32 private _seenRevision;

    constructor() {
        VM.warp(NOW);
        seats = newSeats();
        for (uint256 i = 0; i < ACTORS; i++) {
            mintTo(i);
        }
        look();
    }

    function contractUnderTest() external view returns (DstackMembershipNFT) {
        return seats;
    }

    /* ---- the wallets' actions ---- */

    function mint(uint256 seed) external {
        act(0, address(this), abi.encodeCall(seats.mintNodeAccess, (VM.addr(actor(seed)))));
        lastToken = lastToken + successNow;
        look();
    }

    function burn(uint256 seed) external {
        if (seats.totalSupply() < 4) return;
        (uint256 id, uint256 owner_) = seat(seed);
        act(1, VM.addr(owner_), abi.encodeCall(seats.burn, (id)));
        look();
    }

    function transfer(uint256 seed, uint256 to) external {
        (uint256 id, uint256 owner_) = seat(seed);
        uint64 nonce = seats.nonceOf(id);
        address buyer = VM.addr(actor(to));
        act(2, VM.addr(owner_), abi.encodeCall(seats.transferFrom, (VM.addr(owner_), buyer, id)));
        Member memory m = member(id);
        bool clear = m.boundBy == address(0) && m.instance == address(0) && m.nodeKey.length == 0 && !m.active;
        if (!clear || m.nonce <= nonce) broken = "a moved token has a registration";
        look();
    }

    /// Half of the tries are for a free instance, so that some succeed however full the cluster is.
    function registerInstance(uint256 seed, uint256 instance) external {
        (uint256 id, uint256 owner_) = seat(seed);
        address wanted = address(uint160(0x5000 + instance / 2 % INSTANCES));
        if (instance % 2 == 0 && freeInstance() != address(0)) wanted = freeInstance();
        act(3, VM.addr(owner_), abi.encodeCall(seats.registerInstance, (id, wanted)));
        look();
    }

    function register(uint256 seed, uint256 node, uint256 sender) external {
        (uint256 id, uint256 owner_) = seat(seed);
        bindIfNot(id, owner_);
        Registration memory r = registrationOf(id, owner_, 0x3000 + node % NODES, PROOF);
        bytes memory data = abi.encodeCall(seats.register, (r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, r.sigOwner));
        act(4, VM.addr(actor(sender)), data);
        if (successNow == 1) act(5, VM.addr(owner_), data); /* again: never */
        look();
    }

    function renew(uint256 seed, uint64 ahead) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        Renewal memory r =
            Renewal(id, member(id).nodeKey, seats.nonceOf(id), uint64(NOW + 1 + ahead % 400 days), uint64(NOW));
        act(6, address(this), abi.encodeCall(seats.renew, (r, sign(owner_, digestOf(r)))));
        look();
    }

    function setEndpoint(uint256 seed, uint8 length) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        Endpoint memory e = Endpoint(id, member(id).nodeKey, longUrl(length), seats.nonceOf(id), uint64(NOW));
        act(7, VM.addr(owner_), abi.encodeCall(seats.setEndpoint, (e, "")));
        look();
    }

    function cancel(uint256 seed) external {
        (uint256 id, uint256 owner_) = seat(seed);
        act(8, VM.addr(owner_), abi.encodeCall(seats.cancel, (id)));
        look();
    }

    function deactivate(uint256 seed) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        act(9, VM.addr(owner_), abi.encodeCall(seats.deactivateInstance, (id)));
        look();
    }

    /// A stranger tries what only the owner may: never.
    function trespass(uint256 seed, uint256 what) external {
        (uint256 id,) = seat(seed);
        bytes[5] memory tries = [
            abi.encodeCall(seats.cancel, (id)),
            abi.encodeCall(seats.deactivateInstance, (id)),
            abi.encodeCall(seats.burn, (id)),
            abi.encodeCall(seats.registerInstance, (id, address(0x5fff))),
            abi.encodeCall(seats.transferFrom, (seats.ownerOf(id), eve, id))
        ];
        act(10, address(0xE7E), tries[what % 5]);
        look();
    }

    /// A node that is on a seat votes twice; anybody shows it.
    function offend(uint256 seed, uint64 slot) external {
        (Vote memory a, Vote memory b) = evidence("epoch", slot % 4);
        uint256 node = 0x3000 + seed % NODES;
        bytes memory data = abi.encodeCall(seats.submitEvidence, (a, sign(node, digestOf(a)), b, sign(node, digestOf(b))));
        act(11, eve, data);
        look();
    }

    /* ---- the contract owner's ---- */

    function reconfigure(uint256 seed) external {
        bytes20 app = bytes20(uint160(0xB00 + seed % 3));
        bool known = seats.isAppIdAllowed(app);
        act(12, address(this), known ? abi.encodeCall(seats.removeAppId, (app)) : abi.encodeCall(seats.addAppId, (app)));
        look();
    }

    /* ---- how ---- */

    uint256 private successNow;

    function act(uint256 action, address from, bytes memory data) private {
        VM.prank(from);
        (bool ok,) = address(seats).call(data);
        successNow = ok ? 1 : 0;
        if (ok) successes[action]++;
        else refusals++;
    }

    function mintTo(uint256 seed) private {
        seats.mintNodeAccess(VM.addr(actor(seed)));
        lastToken++;
    }

    function bindIfNot(uint256 id, uint256 owner_) private {
        address instance = freeInstance();
        if (seats.tokenToInstance(id) != address(0) || instance == address(0)) return;
        VM.prank(VM.addr(owner_));
        seats.registerInstance(id, instance);
    }

    function freeInstance() private view returns (address) {
        for (uint160 i = 0; i < INSTANCES; i++) {
            if (seats.instanceToToken(address(0x5000 + i)) == 0) return address(0x5000 + i);
        }
        return address(0);
    }

    function actor(uint256 seed) private pure returns (uint256) {
        return 0x2000 + seed % ACTORS;
    }

    /// Some seat, and the key of its owner.
    function seat(uint256 seed) private view returns (uint256 id, uint256 owner_) {
        Member memory m = seats.membersPage(seed % seats.totalSupply(), 1)[0];
        for (uint256 i = 0; i < ACTORS; i++) {
            if (VM.addr(actor(i)) == m.owner) return (m.tokenId, actor(i));
        }
        revert("a stranger owns a seat");
    }

    /// The same, and an active one if there is any.
    function activeSeat(uint256 seed) private view returns (uint256 id, uint256 owner_) {
        uint256 count = seats.totalSupply();
        for (uint256 i = 0; i < count; i++) {
            (id, owner_) = seat(seed % count + i);
            if (member(id).active) break;
        }
    }

    /// Everything that readers see, all pages of it.
    function view_() private view returns (bytes32 digest) {
        (address root, uint64 epoch, bytes20[] memory apps, uint256 count,,,) = seats.clusterState();
        digest = keccak256(abi.encode(root, epoch, apps, count));
        for (uint256 offset = 0; offset < count; offset += 32) {
            digest = keccak256(abi.encode(digest, seats.membersPage(offset, 32)));
        }
    }

    function look() private {
        calls++;
        bytes32 now_ = view_();
        if (now_ != _seen && seats.revision() == _seenRevision) broken = "the view changed without the revision";
        (_seen, _seenRevision) = (now_, seats.revision());
        for (uint256 id = 1; id <= lastToken; id++) {
            if (seats.nonceOf(id) < _nonces[id]) broken = "a nonce went back";
            _nonces[id] = seats.nonceOf(id);
        }
    }
}

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
        bytes4[12] memory actions = [
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
            Handler.reconfigure.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        /* half of the draws register, so that there is something to lose */
        targets[0].selectors = new bytes4[](16);
        for (uint256 i = 0; i < 16; i++) {
            targets[0].selectors[i] = i < 12 ? actions[i] : Handler.register.selector;
        }
    }

    /// No run passes because nothing happened in it. Two actions must never succeed. A shrunk or a replayed failure is
    /// shorter than a run of foundry.toml's depth: there it is enough that the invariants hold.
    function afterInvariant() public view {
        if (handler.calls() < RUN_CALLS_MIN) return;
        for (uint256 action = 0; action < handler.ACTIONS(); action++) {
            bool never = action == 5 || action == 10;
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

    function all() private view returns (Member[] memory members) {
        uint256 count = seats.totalSupply();
        members = new Member[](count);
        for (uint256 i = 0; i < count; i++) {
            members[i] = seats.membersPage(i, 1)[0];
        }
    }

    function invariant_OneTokenAnInstance() public view {
        Member[] memory members = all();
        for (uint256 i = 0; i < members.length; i++) {
            address instance = members[i].instance;
            if (instance == address(0)) continue;
            require(seats.instanceToToken(instance) == members[i].tokenId, "index");
            for (uint256 k = 0; k < i; k++) {
                require(members[k].instance != instance, "two tokens, one instance");
            }
        }
        for (uint160 i = 0; i < handler.INSTANCES(); i++) {
            uint256 id = seats.instanceToToken(address(0x5000 + i));
            require(id == 0 || seats.tokenToInstance(id) == address(0x5000 + i), "an index without a binding");
        }
    }

    function invariant_ANodeKeyStandsOnOneSeat() public view {
        Member[] memory members = all();
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
    }

    function invariant_TheListIsTheTokensThatExist() public view {
        Member[] memory members = all();
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
    function invariant_ARegistrationIsItsOwners() public view {
        Member[] memory members = all();
        uint256 active = 0;
        for (uint256 i = 0; i < members.length; i++) {
            Member memory m = members[i];
            bool registered = m.boundBy != address(0);
            require(!registered || (m.boundBy == m.owner && m.instance != address(0)), "another's");
            require(registered == (m.nodeKey.length == 33) && registered == (m.proofKey.length == 33), "keys");
            require(registered || !m.active, "active without registration");
            require(seats.activeInstances(m.instance) == m.active || m.instance == address(0), "active by instance");
            if (m.active) active++;
        }
        require(seats.getPeerEndpoints().length == active && seats.getActiveInstances().length == active, "lists");
    }
}
