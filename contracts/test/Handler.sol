// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {DstackMembershipNFT, Member} from "../src/DstackMembershipNFT.sol";
import {Endpoint, Renewal, Vote} from "../src/Statements.sol";
import {Registration} from "./Base.sol";
import {Model} from "./Model.sol";
import {VM} from "./Vm.sol";

/// Four wallets that do everything that can be done with seats, in any order, sharing a few instances and node keys so
/// that they meet. Each action is tried with real signatures; what the contract refuses is no success. After each
/// action: what readers see has changed only together with the revision, nonces have not gone back, and no row has
/// changed but those of the one who acted, but for suspensions by evidence.
contract Handler is Model {
    enum Action {
        Mint,
        Burn,
        Transfer,
        RegisterInstance,
        Register,
        RegisterAgain, // never
        Renew,
        SetEndpoint,
        Cancel,
        Deactivate,
        Trespass, // never
        Offend,
        Reconfigure,
        Rotate,
        Configure,
        BindWeight,
        UnbindWeight,
        Expire, // time passes, and a seat that counted counts no more
        Serve // time passes, and a suspended one counts again
    }

    uint256 internal constant ACTORS = 4;
    uint256 public constant INSTANCES = 8;
    uint256 internal constant NODES = 5;
    uint256 internal constant TOKENS_MOST = 10;
    uint256 internal constant STRANGER = 0x2fff;
    uint256 internal constant ROTATED_ROOTS = 0x1100;
    uint256 public constant ACTIONS = 19;

    uint256[ACTIONS] public successes;
    uint256 public refusals;
    uint256 public calls;
    uint256 public lastToken;
    string public broken;
    uint256 private kmsRoot = KMS_ROOT; // whose chains are shown
    uint256 private actedAt;
    mapping(uint256 tokenId => uint64) private _nonces;
    mapping(uint256 tokenId => bytes32) private _rows; // as they were before the action
    mapping(uint256 tokenId => address) private _owners;
    mapping(uint256 tokenId => uint64) private _suspended;
    bytes32 private _seen;
    bytes32 private _seenRevision;

    constructor() {
        VM.warp(NOW);
        seats = newSeats();
        allowMeasurements();
        for (uint256 i = 0; i < ACTORS; i++) {
            mintTo(i);
        }
        look(Action.Mint, address(0));
    }

    function contractUnderTest() external view returns (DstackMembershipNFT) {
        return seats;
    }

    function time() external view returns (uint256) {
        return clock;
    }

    function rootNow() external view returns (address root, uint64 epoch_) {
        return (VM.addr(kmsRoot), epoch);
    }

    function bootsNow(address instance) external view returns (bool) {
        return boots(instance);
    }

    /* ---- the wallets' actions ---- */

    function mint(uint256 seed) external {
        if (seats.totalSupply() >= TOKENS_MOST) return;
        act(Action.Mint, address(this), abi.encodeCall(seats.mintNodeAccess, (VM.addr(actor(seed)))));
        lastToken = lastToken + successNow;
    }

    function burn(uint256 seed) external {
        if (seats.totalSupply() < 4) return;
        (uint256 id, uint256 owner_) = seat(seed);
        act(Action.Burn, VM.addr(owner_), abi.encodeCall(seats.burn, (id)));
        if (successNow == 1) modelBurn(id);
    }

    function transfer(uint256 seed, uint256 to) external {
        (uint256 id, uint256 owner_) = seat(seed);
        uint64 nonce = seats.nonceOf(id);
        address buyer = VM.addr(actor(to));
        act(Action.Transfer, VM.addr(owner_), abi.encodeCall(seats.transferFrom, (VM.addr(owner_), buyer, id)));
        if (successNow == 1) modelClear(id);
        Member memory m = member(id);
        bool clear = m.boundBy == address(0) && m.instance == address(0) && m.nodeKey.length == 0 && !m.active;
        if (!clear || m.nonce <= nonce) broken = "a moved token has a registration";
    }

    /// Half of the tries are for a free instance, so that some succeed however full the cluster is.
    function registerInstance(uint256 seed, uint256 instance) external {
        (uint256 id, uint256 owner_) = seat(seed);
        address wanted = address(uint160(0x5000 + instance / 2 % INSTANCES));
        if (instance % 2 == 0 && freeInstance() != address(0)) wanted = freeInstance();
        bindTo(id, owner_, wanted);
    }

    function register(uint256 seed, uint256 node, uint256 sender, uint256 ahead) external {
        (uint256 id, uint256 owner_) = seat(seed);
        registerOn(id, owner_, node, sender, ahead);
    }

    function registerOn(uint256 id, uint256 owner_, uint256 node, uint256 sender, uint256 ahead) private {
        bindIfNot(id, owner_);
        node = 0x3000 + node % NODES;
        Registration memory r = registrationOf(id, owner_, node, PROOF);
        r.c = chainOf(kmsRoot, APP, APP_ID, PROOF);
        r.b.expiresAt = uint64(clock + 1 + ahead % 400 days);
        signBinding(r, owner_, node, PROOF);
        bytes memory data = abi.encodeCall(seats.register, (r.b, r.nodeXY, r.proofXY, r.c, r.sigN, r.sigD, r.sigOwner));
        act(Action.Register, VM.addr(owner_), VM.addr(actor(sender)), data);
        if (successNow == 0) return;
        modelRegister(r.b, node);
        act(Action.RegisterAgain, VM.addr(owner_), data); /* again: never */
    }

    /// Where no seat counts, one that can is registered for long, so that there is something to end.
    function countSome(uint256 seed) private {
        uint256 count = seats.totalSupply();
        uint256 id;
        uint256 owner_;
        for (uint256 i = 0; i < count; i++) {
            (id, owner_) = seat(i);
            if (counts(id)) return;
        }
        for (uint256 i = 0; i < count + NODES; i++) {
            (id, owner_) = seat(seed % count + i);
            uint256 node = (seed % NODES + i) % NODES;
            uint256 holder = modelSeatOf(0x3000 + node, lastToken);
            for (uint256 k = 0; holder != 0 && id != holder; k++) {
                (id, owner_) = seat(k); /* a key that stands on a seat is registered there again */
            }
            registerOn(id, owner_, node, seed, 399 days);
            if (counts(id)) return;
        }
    }

    function renew(uint256 seed, uint64 ahead) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        Renewal memory r =
            Renewal(id, member(id).nodeKey, seats.nonceOf(id), uint64(clock + 1 + ahead % 400 days), uint64(clock));
        bytes memory data = abi.encodeCall(seats.renew, (r, sign(owner_, digestOf(r))));
        act(Action.Renew, VM.addr(owner_), address(this), data);
        if (successNow == 1) modelRenew(id, r.expiresAt);
    }

    function setEndpoint(uint256 seed, uint8 length) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        Endpoint memory e = Endpoint(id, member(id).nodeKey, longUrl(length), seats.nonceOf(id), uint64(clock));
        act(Action.SetEndpoint, VM.addr(owner_), abi.encodeCall(seats.setEndpoint, (e, "")));
        if (successNow == 1) modelMove(id, e.url);
    }

    function cancel(uint256 seed) external {
        (uint256 id, uint256 owner_) = seat(seed);
        act(Action.Cancel, VM.addr(owner_), abi.encodeCall(seats.cancel, (id)));
    }

    function deactivate(uint256 seed) external {
        (uint256 id, uint256 owner_) = activeSeat(seed);
        act(Action.Deactivate, VM.addr(owner_), abi.encodeCall(seats.deactivateInstance, (id)));
        if (successNow == 1) modelDeactivate(id);
    }

    /// The token goes behind another seat of its owner's, if there is one.
    function bindWeight(uint256 seed, uint256 to) external {
        (uint256 id, uint256 owner_) = seat(seed);
        bindBehind(id, owner_, to);
    }

    /// Some token that stands behind another; where none does, the first that can goes there before.
    function unbindWeight(uint256 seed) external {
        uint256 id = weighing(seed);
        uint256 count = seats.totalSupply();
        for (uint256 i = 0; i < count && id == 0; i++) {
            (uint256 other, uint256 owner_) = seat(seed % count + i);
            bindBehind(other, owner_, seed % count);
            if (successNow == 1) id = other;
        }
        if (id == 0) (id,) = seat(seed);
        act(Action.UnbindWeight, seats.ownerOf(id), abi.encodeCall(seats.unbindWeight, (id)));
    }

    function bindBehind(uint256 id, uint256 owner_, uint256 to) private {
        uint256 count = seats.totalSupply();
        address instance = address(uint160(0x5000 + to % INSTANCES));
        for (uint256 i = 0; i < count; i++) {
            Member memory m = seats.membersPage((to % count + i) % count, 1)[0];
            bool front = m.owner == VM.addr(owner_) && m.tokenId != id && seats.instanceToToken(m.instance) == m.tokenId;
            if (front) instance = m.instance;
            if (front) break;
        }
        act(Action.BindWeight, VM.addr(owner_), abi.encodeCall(seats.bindWeight, (id, instance)));
        if (successNow == 1) modelClear(id);
    }

    function weighing(uint256 seed) private view returns (uint256) {
        uint256 count = seats.totalSupply();
        for (uint256 i = 0; i < count; i++) {
            uint256 id = seats.membersPage((seed % count + i) % count, 1)[0].tokenId;
            if (seats.weightBehind(id) != 0) return id;
        }
        return 0;
    }

    /// A stranger, or the contract's owner, tries what only the seat's owner may: never.
    function trespass(uint256 seed, uint256 what) external {
        (uint256 id, uint256 owner_) = seat(seed);
        (Vote memory a, Vote memory b) = evidence("epoch", uint64(seed % 4));
        Renewal memory n = Renewal(id, member(id).nodeKey, seats.nonceOf(id), uint64(clock + 1), uint64(clock));
        Endpoint memory e = Endpoint(id, member(id).nodeKey, "", seats.nonceOf(id), uint64(clock));
        bytes memory no = sign(STRANGER, digestOf(a));
        bytes[10] memory tries = [
            abi.encodeCall(seats.cancel, (id)),
            abi.encodeCall(seats.deactivateInstance, (id)),
            abi.encodeCall(seats.burn, (id)),
            abi.encodeCall(seats.registerInstance, (id, address(0x5fff))),
            abi.encodeCall(seats.transferFrom, (seats.ownerOf(id), eve, id)),
            abi.encodeCall(seats.bindWeight, (id, INSTANCE)),
            abi.encodeCall(seats.unbindWeight, (id)),
            abi.encodeCall(seats.renew, (n, sign(STRANGER, digestOf(n)))),
            abi.encodeCall(seats.setEndpoint, (e, sign(owner_, digestOf(e)))),
            abi.encodeCall(seats.submitEvidence, (a, no, b, no))
        ];
        act(Action.Trespass, address(0), seed % 2 == 0 ? VM.addr(STRANGER) : address(this), tries[what % 10]);
    }

    /// A node that is on a seat votes twice; anybody shows it.
    function offend(uint256 seed, uint64 slot) external {
        showVotesOf(0x3000 + seed % NODES, slot % 4);
    }

    function showVotesOf(uint256 node, uint64 slot) private {
        (Vote memory a, Vote memory b) = evidence(bytes32(clock), slot);
        bytes memory data =
            abi.encodeCall(seats.submitEvidence, (a, sign(node, digestOf(a)), b, sign(node, digestOf(b))));
        act(Action.Offend, address(0), eve, data);
        if (successNow == 1) modelSuspend(modelSeatOf(node, lastToken), actedAt);
    }

    /* ---- the contract owner's ---- */

    /// The apps, the root, or how many seats there may be: nothing of it takes a seat away.
    function reconfigure(uint256 seed, uint256 what) external {
        if (what % 3 == 0) changeApps(seed);
        if (what % 3 == 1) rotate(seed);
        if (what % 3 == 2) configure(seed);
    }

    function changeApps(uint256 seed) private {
        bytes20 app = bytes20(uint160(0xB00 + seed % 3));
        bool known = seats.isAppIdAllowed(app);
        act(
            Action.Reconfigure,
            address(0),
            address(this),
            known ? abi.encodeCall(seats.removeAppId, (app)) : abi.encodeCall(seats.addAppId, (app))
        );
    }

    /// A new root, or one that was: never.
    function rotate(uint256 seed) private {
        uint256 root = ROTATED_ROOTS + (seed % 4 == 0 ? seed % epoch : epoch);
        act(Action.Rotate, address(0), address(this), abi.encodeCall(seats.setKmsRootAddress, (VM.addr(root))));
        if (successNow == 1) (kmsRoot, epoch) = (root, epoch + 1);
    }

    function configure(uint256 seed) private {
        uint256 most = 2 + seed % (2 * TOKENS_MOST);
        bytes memory data = abi.encodeCall(seats.setClusterConfig, (most, seed % 2 == 0, seed));
        act(Action.Configure, address(0), address(this), data);
    }

    /* ---- time ---- */

    /// To the end of some registration that counts, or at times to the second before; or to the end of a suspension that
    /// ends before the registration does, where need be of one that begins now.
    function letTimePass(uint256 seed, bool before) external {
        bool expiry = seed % 2 == 0;
        before = before && seed % 8 == 0;
        countSome(seed);
        if (!expiry) suspendSome(seed);
        uint256 count = seats.totalSupply();
        for (uint256 i = 0; i < count; i++) {
            Member memory m = seats.membersPage((seed % count + i) % count, 1)[0];
            uint256 end = expiry ? m.expiresAt : m.suspendedUntil;
            if (!m.active || counts(m.tokenId) != expiry || end <= clock || end > m.expiresAt) continue;
            clock = before && expiry ? end - 1 : end;
            if (counts(m.tokenId) != expiry) successes[uint256(expiry ? Action.Expire : Action.Serve)]++;
            break;
        }
        VM.warp(clock);
        look(expiry ? Action.Expire : Action.Serve, address(0));
    }

    function suspendSome(uint256 seed) private {
        uint256 count = seats.totalSupply();
        for (uint256 i = 0; i < count; i++) {
            uint256 id = seats.membersPage((seed % count + i) % count, 1)[0].tokenId;
            if (!counts(id)) continue;
            showVotesOf(this.expected(id).node, 0);
            return;
        }
    }

    /* ---- how ---- */

    uint256 private successNow;

    /// What a wallet does itself, with what is its own.
    function act(Action action, address from, bytes memory data) private {
        act(action, from, from, data);
    }

    /// A call, sent by anybody; whose rows may change by it. Half a day goes by after each.
    function act(Action action, address whose, address from, bytes memory data) private {
        VM.warp(clock);
        actedAt = clock;
        VM.prank(from);
        (bool ok,) = address(seats).call(data);
        successNow = ok ? 1 : 0;
        if (ok) successes[uint256(action)]++;
        else refusals++;
        calls++;
        look(action, whose);
        clock += 12 hours;
    }

    /// What readers see has changed only together with the revision; of the rows, only those of the one who acts have,
    /// but for suspensions, which only grow, and only by evidence.
    function look(Action action, address whose) private {
        Member[] memory page = seats.membersPage(0, 32);
        for (uint256 i = 0; i < page.length; i++) {
            Member memory m = page[i];
            uint256 id = m.tokenId;
            (uint64 until, uint64 before) = (m.suspendedUntil, _suspended[id]);
            if (m.nonce < _nonces[id]) broken = "a nonce went back";
            if (until < before && before > clock) broken = "a suspension was shaken off";
            if (until > before && until > clock && action != Action.Offend) broken = "a suspension without evidence";
            m.suspendedUntil = 0;
            bytes32 row = keccak256(abi.encode(m, seats.weightBehind(id)));
            bool others = _owners[id] != address(0) && _owners[id] != whose;
            if (others && row != _rows[id]) broken = "another's row has changed";
            m.suspendedUntil = until;
            (_rows[id], _owners[id], _suspended[id], _nonces[id]) = (row, m.owner, until, m.nonce);
        }
        (address root, uint64 epoch, bytes20[] memory apps, uint256 count, bytes32 revision,,) = seats.clusterState();
        bytes32 now_ = keccak256(abi.encode(root, epoch, apps, count, page));
        if (now_ != _seen && revision == _seenRevision) broken = "the view changed without the revision";
        (_seen, _seenRevision) = (now_, revision);
    }

    function mintTo(uint256 seed) private {
        seats.mintNodeAccess(VM.addr(actor(seed)));
        lastToken++;
    }

    function bindIfNot(uint256 id, uint256 owner_) private {
        address instance = freeInstance();
        if (seats.tokenToInstance(id) != address(0) || instance == address(0) || seats.weightBehind(id) != 0) return;
        bindTo(id, owner_, instance);
    }

    function bindTo(uint256 id, uint256 owner_, address instance) private {
        act(Action.RegisterInstance, VM.addr(owner_), abi.encodeCall(seats.registerInstance, (id, instance)));
        if (successNow == 1) modelBind(id, instance);
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
}
