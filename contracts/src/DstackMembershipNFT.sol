// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {BootPolicy} from "./BootPolicy.sol";
import {Cluster} from "./Cluster.sol";
import {Evidence} from "./Evidence.sol";
import {IAppAuth, IAppAuthBasicManagement} from "./IAppAuth.sol";
import {Secp256k1} from "./Secp256k1.sol";
import {Seat, Seats} from "./Seats.sol";
import {Chain, ChainVerdict, SignatureChain} from "./SignatureChain.sol";
import {Binding, Endpoint, Renewal, Statements, Vote} from "./Statements.sol";
import {UrlPolicy} from "./UrlPolicy.sol";

/// One seat as a reader sees it. Times are block times in seconds.
struct Member {
    uint256 tokenId;
    address owner; // now
    address boundBy; // who owned the token when it was registered; zero: not registered
    address instance; // zero: none bound
    bytes nodeKey; // 33 bytes, or empty: not registered
    bytes proofKey;
    bytes20 appId;
    uint64 rootEpoch;
    uint64 expiresAt;
    uint64 suspendedUntil; // its own, or that of the seat it gave weight to
    bool active; // registered and not deactivated; says nothing of expiry and suspension
    uint32 weight; // 1 and the tokens that stand behind this one; 0: stands behind another
    uint64 nonce;
    string url;
}

/// One token is one seat of a mesh. A seat is registered for one instance with a node key and an app proof key, by a
/// statement that both keys and the owner signed; whoever reads the contract admits the holders of these keys.
///
/// Everything stored about a seat is under a signature or was read from the chain. A seat that changes hands, also
/// there and back in one transaction, starts again with nothing.
contract DstackMembershipNFT is ERC721, BootPolicy, UrlPolicy, Seats {
    bytes internal constant PURPOSE = "nftmesh-node-v1";
    uint256 internal constant PAGE_MAX = 32;
    uint256 internal constant DEADLINE_AHEAD_MAX = 7 days;
    uint256 internal constant EXPIRY_AHEAD_MAX = 400 days;

    uint256 private _lastTokenId;
    mapping(address wallet => uint256) private _mintedBy; // by itself, in public minting
    mapping(bytes32 fault => bool) private _knownFaults;

    event InstanceRegistered(uint256 indexed tokenId, address indexed instance);
    event InstanceDeactivated(uint256 indexed tokenId, address indexed instance);
    event PeerRegistered(
        uint256 indexed tokenId,
        address indexed instance,
        address indexed boundBy,
        bytes nodeKey,
        bytes proofKey,
        bytes20 appId,
        uint64 rootEpoch,
        uint64 expiresAt,
        string connectionUrl
    );
    event RegistrationRenewed(uint256 indexed tokenId, uint64 expiresAt);
    event EndpointChanged(uint256 indexed tokenId, string connectionUrl);
    event StatementsCancelled(uint256 indexed tokenId, uint64 nonce);
    event WeightBound(uint256 indexed tokenId, uint256 indexed primary, address indexed instance);
    event WeightUnbound(uint256 indexed tokenId);
    event EvidenceAccepted(uint256 indexed tokenId, address indexed signer, bytes32 epochId, uint64 slot);

    error MintingPrivate();
    error MintToOther(address to);
    error MintPrice(uint256 sent, uint256 price);
    error MintLimit(uint256 perWallet);
    error ClusterFull(uint256 maxNodes);
    error NotTokenOwner(uint256 tokenId, address caller);
    error OwnerDiffers(uint256 tokenId, address stated);
    error OwnerSignature();
    error InstanceZero();
    error InstanceTaken(address instance, uint256 tokenId);
    error InstanceNotBound(uint256 tokenId);
    error InstanceDiffers(address bound, address stated);
    error NonceDiffers(uint64 expected, uint64 stated);
    error DeadlinePassed(uint64 deadline);
    error DeadlineTooFar(uint64 deadline);
    error ExpiryPassed(uint64 expiresAt);
    error ExpiryTooFar(uint64 expiresAt);
    error NodeKeyInvalid();
    error ProofKeyInvalid();
    error NodeSignature();
    error ProofSignature();
    error ChainEncoding();
    error ChainAppSignature();
    error ChainKmsRoot();
    error AppIdNotAllowed(bytes20 appId);
    error NodeKeyTaken(uint256 tokenId);
    error NodeKeyDiffers(uint256 tokenId);
    error NotRegistered(uint256 tokenId);
    error InstanceUnknown(address instance);
    error WeightOfItself(uint256 tokenId);
    error StandsAsWeight(uint256 tokenId, uint256 primary);
    error StandsBehindNone(uint256 tokenId);
    error Suspended(uint256 tokenId, uint64 until);
    error EvidenceSigners();
    error EvidenceSignerUnknown(address signer);
    error EvidenceKnown();
    error PageTooLong(uint256 limit);
    error RegisterPeerReplaced(string use);

    constructor(
        string memory name_,
        string memory symbol_,
        address kmsRoot,
        bytes20[] memory appIds_,
        uint256 maxNodes_
    ) ERC721(name_, symbol_) Cluster(kmsRoot, appIds_, maxNodes_) {}

    /* ---- seats come and go ---- */

    /// The contract's owner mints to anybody, free; others to themselves only, when minting is public, at the exact
    /// price, up to the limit. Counted is what a wallet minted, not what it holds: gifts do not use it up.
    function mintNodeAccess(address to) external payable returns (uint256 tokenId) {
        uint256 price = 0;
        if (msg.sender != owner()) {
            if (!publicMinting) revert MintingPrivate();
            if (to != msg.sender) revert MintToOther(to);
            if (++_mintedBy[msg.sender] > mintLimit && mintLimit != 0) revert MintLimit(mintLimit);
            price = mintPrice;
        }
        if (msg.value != price) revert MintPrice(msg.value, price);
        if (_tokens.length >= maxNodes) revert ClusterFull(maxNodes);
        tokenId = ++_lastTokenId;
        _safeMint(to, tokenId);
    }

    /// Ends the seat and frees its place. The number is never used again.
    function burn(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        _burn(tokenId);
    }

    /// Every way in which a token moves comes through here.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from == address(0)) _list(tokenId);
        else _clear(tokenId);
        if (to == address(0)) _delist(tokenId);
        _roll();
    }

    /// Whoever has the token now starts with nothing but its suspension.
    function _clear(uint256 tokenId) private {
        Seat storage seat = _seats[tokenId];
        _detach(seat);
        if (!_releaseInstance(tokenId, seat)) _advance(seat);
    }

    /* ---- what the owner does with a seat ---- */

    /// Bind an instance to the token, before the machine boots. The same instance again changes nothing; another one
    /// ends the registration. A binding takes nothing from anybody: what others have bound, and not registered, can be
    /// bound again, and belongs to who registers it.
    function registerInstance(uint256 tokenId, address instance) external {
        _requireCallerOwns(tokenId);
        if (instance == address(0)) revert InstanceZero();
        Seat storage seat = _seats[tokenId];
        if (seat.instance == instance) return;
        _requireFree(tokenId, instance);
        _requireNotWeight(tokenId, seat);
        _requireNotSuspended(tokenId, seat);
        _detach(seat);
        _releaseInstance(tokenId, seat);
        seat.instance = instance;
        Claims storage claims = _claims[instance];
        claims.count += 1;
        if (claims.primary == 0) claims.primary = uint64(tokenId);
        _roll();
        emit InstanceRegistered(tokenId, instance);
    }

    /// Put a node on the seat. Sent by anybody: the statement is the owner's, the node key's and the app proof key's.
    ///
    /// nodeXY, proofXY   the two keys as X || Y, which the contract holds against their compressed forms
    /// sigN, sigD        over the Binding, by the node key and the app proof key
    /// sigOwner          the same by the owner (or for an EIP-1271 wallet what it accepts); unread when the owner sends
    function register(
        Binding memory b,
        bytes calldata nodeXY,
        bytes calldata proofXY,
        Chain calldata c,
        bytes calldata sigN,
        bytes calldata sigD,
        bytes calldata sigOwner
    ) external {
        bytes32 digest = Statements.digest(Statements.hash(b));
        address owner_ = _requireOwned(b.tokenId);
        if (owner_ != b.owner) revert OwnerDiffers(b.tokenId, b.owner);
        _requireOwnerSays(owner_, digest, sigOwner);

        Seat storage seat = _seats[b.tokenId];
        _requireNotWeight(b.tokenId, seat);
        _requireNotSuspended(b.tokenId, seat);
        if (seat.instance == address(0)) revert InstanceNotBound(b.tokenId);
        if (seat.instance != b.instance) revert InstanceDiffers(seat.instance, b.instance);
        _requireFresh(seat, b.nonce, b.deadline);
        _requireExpiry(b.expiresAt);
        _requireUrl(b.url);
        _requireKeys(b, nodeXY, proofXY, digest, sigN, sigD);
        _requireChain(b.proofKey, proofXY, c);

        address nodeSigner = Secp256k1.addressOf(nodeXY);
        uint256 holder = nodeSignerToToken[nodeSigner];
        if (holder != 0 && holder != b.tokenId) revert NodeKeyTaken(holder);
        _requireFree(b.tokenId, b.instance);
        _claims[b.instance].primary = uint64(b.tokenId);
        _store(seat, b, c.appId, nodeSigner);
    }

    /// Move the registration's end. Sent by the owner, or by anybody with the owner's signature.
    function renew(Renewal memory r, bytes calldata sigOwner) external {
        address owner_ = _requireOwned(r.tokenId);
        _requireOwnerSays(owner_, Statements.digest(Statements.hash(r)), sigOwner);
        Seat storage seat = _requireActive(r.tokenId, r.nodeKey);
        _requireFresh(seat, r.nonce, r.deadline);
        _requireExpiry(r.expiresAt);

        _advance(seat);
        seat.expiresAt = r.expiresAt;
        _roll();
        emit RegistrationRenewed(r.tokenId, r.expiresAt);
    }

    /// Change the URL. Sent by the owner, or by anybody with the node key's signature.
    function setEndpoint(Endpoint memory e, bytes calldata sigN) external {
        address owner_ = _requireOwned(e.tokenId);
        Seat storage seat = _requireActive(e.tokenId, e.nodeKey);
        if (msg.sender != owner_) {
            bytes32 digest = Statements.digest(Statements.hash(e));
            if (Secp256k1.recover(digest, sigN) != seat.nodeSigner) revert NodeSignature();
        }
        _requireFresh(seat, e.nonce, e.deadline);
        _requireUrl(e.url);

        _setUrl(seat, e.url);
        emit EndpointChanged(e.tokenId, e.url);
    }

    /// Make every statement that was signed for this token and not yet used worthless.
    function cancel(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        Seat storage seat = _seats[tokenId];
        _advance(seat);
        _roll();
        emit StatementsCancelled(tokenId, seat.nonce);
    }

    /// Take the node off the mesh. The keys stay readable and reserved; a new Binding brings it back.
    function deactivateInstance(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        Seat storage seat = _seats[tokenId];
        if (!seat.active) revert NotRegistered(tokenId);
        seat.active = false;
        _advance(seat);
        _roll();
        emit InstanceDeactivated(tokenId, seat.instance);
    }

    /// Put a token's weight behind the seat that an instance of the same owner's is bound to. The token gives up an
    /// instance of its own; it loses its standing when it moves, and when the seat in front releases the instance.
    function bindWeight(uint256 tokenId, address instance) external {
        _requireCallerOwns(tokenId);
        uint256 primary = instanceToToken(instance);
        if (primary == 0) revert InstanceUnknown(instance);
        if (primary == tokenId) revert WeightOfItself(tokenId);
        _requireCallerOwns(primary);
        Seat storage seat = _seats[tokenId];
        _requireNotWeight(tokenId, seat);
        _requireNotSuspended(tokenId, seat);
        _requireNotSuspended(primary, _seats[primary]);
        _releaseInstance(tokenId, seat);
        _attach(seat, primary);
        _roll();
        emit WeightBound(tokenId, primary, instance);
    }

    function unbindWeight(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        Seat storage seat = _seats[tokenId];
        if (_primaryOf(seat) == 0) revert StandsBehindNone(tokenId);
        _detach(seat);
        _roll();
        emit WeightUnbound(tokenId);
    }

    /// The prototype's way in, which looked at neither the sender nor the keys.
    function registerPeer(
        string calldata,
        bytes calldata,
        bytes calldata,
        bytes calldata,
        bytes calldata,
        string calldata,
        string calldata,
        bytes32
    ) external pure {
        revert RegisterPeerReplaced("register");
    }

    /* ---- what anybody may do ---- */

    /// Suspend the seat of a node that signed two votes which contradict each other. Nothing else suspends, and nobody
    /// lifts it. It stays through a sale: else a sale to oneself would be the way out.
    function submitEvidence(Vote memory a, bytes calldata sigA, Vote memory b, bytes calldata sigB) external {
        uint64 slot = Evidence.slotOf(a, b);
        address signer = Secp256k1.recover(Statements.digest(Statements.hash(a)), sigA);
        if (signer != Secp256k1.recover(Statements.digest(Statements.hash(b)), sigB)) revert EvidenceSigners();
        uint256 tokenId = nodeSignerToToken[signer]; /* none when nobody signed */
        if (tokenId == 0) revert EvidenceSignerUnknown(signer);
        /* the sum tells the pairs of kinds apart, in either order */
        bytes32 fault = keccak256(abi.encode(signer, a.epochId, uint256(a.kind) + b.kind, slot));
        if (_knownFaults[fault]) revert EvidenceKnown();
        _knownFaults[fault] = true;
        _suspend(tokenId);
        _roll();
        emit EvidenceAccepted(tokenId, signer, a.epochId, slot);
    }

    /* ---- reading ---- */

    /// With membersPage() all that a node needs; read at one block, named by its number and its parent's hash.
    function clusterState()
        external
        view
        returns (
            address kmsRoot,
            uint64 epoch,
            bytes20[] memory allowedAppIds,
            uint256 seatCount,
            bytes32 revision_,
            uint256 blockNumber,
            bytes32 parentHash
        )
    {
        return (
            kmsRootAddress, rootEpoch, appIds(), _tokens.length, revision, block.number, blockhash(block.number - 1)
        );
    }

    /// Seats offset .. offset + limit - 1 of all that exist, registered or not; short or empty at the end.
    function membersPage(uint256 offset, uint256 limit) external view returns (Member[] memory page) {
        if (limit > PAGE_MAX) revert PageTooLong(limit);
        uint256 count = _tokens.length;
        if (offset >= count) return page;
        page = new Member[](count - offset < limit ? count - offset : limit);
        for (uint256 i = 0; i < page.length; i++) {
            page[i] = _member(_tokens[offset + i]);
        }
    }

    function getInstanceInfo(uint256 tokenId) external view returns (Member memory) {
        _requireOwned(tokenId);
        return _member(tokenId);
    }

    /// URLs of the active seats. All of them at once: for people; nodes read pages.
    function getPeerEndpoints() external view returns (string[] memory urls) {
        uint256[] memory active = _activeTokens();
        urls = new string[](active.length);
        for (uint256 i = 0; i < active.length; i++) {
            urls[i] = _seats[active[i]].url;
        }
    }

    function getActiveInstances() external view returns (address[] memory instances) {
        uint256[] memory active = _activeTokens();
        instances = new address[](active.length);
        for (uint256 i = 0; i < active.length; i++) {
            instances[i] = _seats[active[i]].instance;
        }
    }

    function activeInstances(address instance) external view returns (bool) {
        return _counts(_seats[instanceToToken(instance)]);
    }

    function instanceToConnectionUrl(address instance) external view returns (string memory) {
        return _seats[instanceToToken(instance)].url;
    }

    function tokenToInstance(uint256 tokenId) external view returns (address) {
        return _seats[tokenId].instance;
    }

    /// The lowest token that a wallet owns now, 0 for none. Found by looking at all of them: for people.
    function walletToTokenId(address wallet) external view returns (uint256 lowest) {
        for (uint256 i = 0; i < _tokens.length; i++) {
            uint256 tokenId = _tokens[i];
            if (_ownerOf(tokenId) == wallet && (lowest == 0 || tokenId < lowest)) lowest = tokenId;
        }
    }

    /// The token behind which this one stands as weight; 0: none.
    function weightBehind(uint256 tokenId) external view returns (uint256 primary) {
        return _primaryOf(_seats[tokenId]);
    }

    function nonceOf(uint256 tokenId) external view returns (uint64) {
        return _seats[tokenId].nonce;
    }

    function totalSupply() external view returns (uint256) {
        return _tokens.length;
    }

    /// None: and so without what the library's version writes numbers with.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        return "";
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IAppAuth).interfaceId || interfaceId == type(IAppAuthBasicManagement).interfaceId
            || super.supportsInterface(interfaceId);
    }

    /* ---- checks, each with its error ---- */

    function _requireCallerOwns(uint256 tokenId) private view {
        if (_requireOwned(tokenId) != msg.sender) revert NotTokenOwner(tokenId, msg.sender);
    }

    function _requireOwnerSays(address owner_, bytes32 digest, bytes calldata sigOwner) private view {
        if (msg.sender == owner_) return;
        if (Secp256k1.recover(digest, sigOwner) == owner_) return;
        if (owner_.code.length == 0) revert OwnerSignature();
        if (!SignatureChecker.isValidERC1271SignatureNow(owner_, digest, sigOwner)) revert OwnerSignature();
    }

    function _requireFresh(Seat storage seat, uint64 nonce, uint64 deadline) private view {
        if (nonce != seat.nonce) revert NonceDiffers(seat.nonce, nonce);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        if (deadline > block.timestamp + DEADLINE_AHEAD_MAX) revert DeadlineTooFar(deadline);
    }

    function _requireExpiry(uint64 expiresAt) private view {
        if (expiresAt <= block.timestamp) revert ExpiryPassed(expiresAt);
        if (expiresAt > block.timestamp + EXPIRY_AHEAD_MAX) revert ExpiryTooFar(expiresAt);
    }

    /// No other token is registered for the instance.
    function _requireFree(uint256 tokenId, address instance) private view {
        uint256 primary = instanceToToken(instance);
        if (primary != tokenId && _seats[primary].nodePrefix != 0) revert InstanceTaken(instance, primary);
    }

    function _requireNotWeight(uint256 tokenId, Seat storage seat) private view {
        uint256 primary = _primaryOf(seat);
        if (primary != 0) revert StandsAsWeight(tokenId, primary);
    }

    function _requireNotSuspended(uint256 tokenId, Seat storage seat) private view {
        uint64 until = _suspendedUntil(seat);
        if (until > block.timestamp) revert Suspended(tokenId, until);
    }

    /// The node key signs too: without it a member could put another node's public key on its own seat, and the
    /// victim's registration would be refused for good.
    function _requireKeys(
        Binding memory b,
        bytes calldata nodeXY,
        bytes calldata proofXY,
        bytes32 digest,
        bytes calldata sigN,
        bytes calldata sigD
    ) private pure {
        if (!Secp256k1.isKey(b.nodeKey, nodeXY)) revert NodeKeyInvalid();
        if (!Secp256k1.isKey(b.proofKey, proofXY)) revert ProofKeyInvalid();
        if (Secp256k1.recover(digest, sigN) != Secp256k1.addressOf(nodeXY)) revert NodeSignature();
        if (Secp256k1.recover(digest, sigD) != Secp256k1.addressOf(proofXY)) revert ProofSignature();
    }

    function _requireChain(bytes memory proofKey, bytes calldata proofXY, Chain calldata c) private view {
        ChainVerdict verdict = SignatureChain.verify(PURPOSE, kmsRootAddress, proofKey, proofXY, c);
        if (verdict == ChainVerdict.AppSignature) revert ChainAppSignature();
        if (verdict == ChainVerdict.KmsRoot) revert ChainKmsRoot();
        if (verdict != ChainVerdict.Accept) revert ChainEncoding();
        if (!isAppIdAllowed(c.appId)) revert AppIdNotAllowed(c.appId);
    }

    function _requireActive(uint256 tokenId, bytes memory nodeKey) private view returns (Seat storage seat) {
        seat = _seats[tokenId];
        if (!seat.active) revert NotRegistered(tokenId);
        if (keccak256(nodeKey) != keccak256(_key(seat.nodePrefix, seat.nodeX))) revert NodeKeyDiffers(tokenId);
    }

    /* ---- storage ---- */

    /// The last thing that changes in a call.
    function _setUrl(Seat storage seat, string memory url) private {
        _advance(seat);
        seat.url = url;
        _roll();
    }

    function _store(Seat storage seat, Binding memory b, bytes20 appId, address nodeSigner) private {
        delete nodeSignerToToken[seat.nodeSigner];
        nodeSignerToToken[nodeSigner] = b.tokenId;
        seat.active = true;
        seat.nodePrefix = uint8(b.nodeKey[0]);
        seat.nodeX = _x(b.nodeKey);
        seat.proofPrefix = uint8(b.proofKey[0]);
        seat.proofX = _x(b.proofKey);
        seat.nodeSigner = nodeSigner;
        seat.boundBy = b.owner;
        seat.appId = appId;
        seat.rootEpoch = rootEpoch;
        seat.expiresAt = b.expiresAt;
        _setUrl(seat, b.url);
        emit PeerRegistered(b.tokenId, b.instance, b.owner, b.nodeKey, b.proofKey, appId, rootEpoch, b.expiresAt, b.url);
    }

    function _member(uint256 tokenId) private view returns (Member memory m) {
        Seat storage seat = _seats[tokenId];
        m.tokenId = tokenId;
        m.owner = _ownerOf(tokenId);
        m.boundBy = seat.boundBy;
        m.instance = seat.instance;
        m.nodeKey = _key(seat.nodePrefix, seat.nodeX);
        m.proofKey = _key(seat.proofPrefix, seat.proofX);
        m.appId = seat.appId;
        m.rootEpoch = seat.rootEpoch;
        m.expiresAt = seat.expiresAt;
        m.suspendedUntil = _suspendedUntil(seat);
        m.active = seat.active;
        m.weight = _primaryOf(seat) == 0 ? 1 + seat.attached : 0;
        m.nonce = seat.nonce;
        m.url = seat.url;
    }

    function _x(bytes memory key) private pure returns (bytes32 x) {
        assembly ("memory-safe") {
            x := mload(add(key, 33))
        }
    }

    function _key(uint8 prefix, bytes32 x) private pure returns (bytes memory) {
        return prefix == 0 ? bytes("") : abi.encodePacked(prefix, x);
    }

    function _hasSeat(address instance) internal view override returns (bool) {
        return _claims[instance].count != 0;
    }

    function _isSeatOut(address instance) internal view override returns (bool) {
        return _isOut(_seats[instanceToToken(instance)]);
    }
}
