// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {BootPolicy} from "./BootPolicy.sol";
import {Cluster} from "./Cluster.sol";
import {IAppAuth, IAppAuthBasicManagement} from "./IAppAuth.sol";
import {Secp256k1} from "./Secp256k1.sol";
import {Chain, ChainVerdict, SignatureChain} from "./SignatureChain.sol";
import {Binding, Endpoint, Renewal, Statements} from "./Statements.sol";

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
    uint64 suspendedUntil;
    bool active; // registered and not deactivated; says nothing of expiry and suspension
    uint32 weight;
    uint64 nonce;
    string url;
}

/// One token is one seat of a mesh. A seat is registered for one instance with a node key and an app proof key, by a
/// statement that both keys and the owner signed; whoever reads the contract admits the holders of these keys.
///
/// Everything stored about a seat is under a signature or was read from the chain. A seat that changes hands, also
/// there and back in one transaction, starts again with nothing.
contract DstackMembershipNFT is ERC721, EIP712, BootPolicy {
    bytes public constant PURPOSE = "nftmesh-node-v1";
    uint256 public constant URL_BYTES_MAX = 256;
    uint256 public constant PAGE_MAX = 32;
    uint256 public constant DEADLINE_AHEAD_MAX = 7 days;
    uint256 public constant EXPIRY_AHEAD_MAX = 400 days;
    uint32 private constant WEIGHT = 1; // one token, one seat, one vote

    /// What is kept of a seat, packed; a compressed key is its prefix and x.
    struct Seat {
        address instance;
        uint64 nonce;
        bool active;
        uint8 nodePrefix; // 2 or 3; 0: not registered
        uint8 proofPrefix;
        address boundBy;
        uint64 expiresAt;
        uint32 place; // index in _tokens + 1
        bytes20 appId;
        uint64 rootEpoch;
        address nodeSigner; // the node key's address
        uint64 suspendedUntil;
        bytes32 nodeX;
        bytes32 proofX;
        string url;
    }

    mapping(uint256 tokenId => Seat) private _seats;
    uint256[] private _tokens;
    uint256 private _lastTokenId;

    /// The token an instance is bound to; 0: none.
    mapping(address instance => uint256) public instanceToToken;
    /// The token whose seat a node key stands on, by the key's address; 0: none.
    mapping(address nodeSigner => uint256) public nodeSignerToToken;

    event InstanceRegistered(uint256 indexed tokenId, address indexed instance);
    event InstanceReleased(uint256 indexed tokenId, address indexed instance);
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
    event RegistrationCleared(uint256 indexed tokenId);
    event RegistrationRenewed(uint256 indexed tokenId, uint64 expiresAt);
    event EndpointChanged(uint256 indexed tokenId, string connectionUrl);
    event StatementsCancelled(uint256 indexed tokenId, uint64 nonce);
    event SeatSuspended(uint256 indexed tokenId, uint64 until);

    error MintingPrivate();
    error MintToOther(address to);
    error MintPrice(uint256 sent, uint256 price);
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
    error UrlTooLong(uint256 length);
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
    error PageTooLong(uint256 limit);

    constructor(
        string memory name_,
        string memory symbol_,
        address kmsRoot,
        bytes20[] memory appIds_,
        uint256 maxNodes_
    ) ERC721(name_, symbol_) EIP712("nftmesh", "1") Cluster(kmsRoot, appIds_, maxNodes_) {}

    /* ---- seats come and go ---- */

    /// The contract's owner mints to anybody, free; others to themselves only, when minting is public, at the exact price.
    function mintNodeAccess(address to) external payable returns (uint256 tokenId) {
        uint256 price = 0;
        if (msg.sender != owner()) {
            if (!publicMinting) revert MintingPrivate();
            if (to != msg.sender) revert MintToOther(to);
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
        if (from == address(0)) {
            _tokens.push(tokenId);
            _seats[tokenId].place = uint32(_tokens.length);
        } else {
            Seat storage seat = _seats[tokenId];
            _releaseInstance(tokenId, seat);
            seat.nonce += 1;
        }
        if (to == address(0)) {
            delete _seats[tokenId].suspendedUntil;
            _delist(tokenId);
        }
        _roll(abi.encode("transfer", tokenId, from, to));
    }

    function _delist(uint256 tokenId) private {
        uint32 place = _seats[tokenId].place;
        uint256 last = _tokens[_tokens.length - 1];
        _tokens[place - 1] = last;
        _seats[last].place = place;
        _tokens.pop();
        delete _seats[tokenId].place;
    }

    /* ---- what the owner does with a seat ---- */

    /// Bind an instance to the token, before the machine boots. The same instance again changes nothing; another one
    /// ends the registration.
    function registerInstance(uint256 tokenId, address instance) external {
        _requireCallerOwns(tokenId);
        if (instance == address(0)) revert InstanceZero();
        uint256 holder = instanceToToken[instance];
        if (holder == tokenId) return;
        if (holder != 0) revert InstanceTaken(instance, holder);
        Seat storage seat = _seats[tokenId];
        if (_releaseInstance(tokenId, seat)) seat.nonce += 1;
        seat.instance = instance;
        instanceToToken[instance] = tokenId;
        _roll(abi.encode("registerInstance", tokenId, instance));
        emit InstanceRegistered(tokenId, instance);
    }

    /// Put a node on the seat. Sent by anybody: the statement is the owner's, the node key's and the app proof key's.
    ///
    /// nodeXY, proofXY   the two keys as X || Y, which the contract holds against their compressed forms
    /// sigN, sigD        over the Binding, by the node key and the app proof key
    /// sigOwner          the same by the owner (or for an EIP-1271 wallet what it accepts); unread when the owner sends
    function register(
        Binding calldata b,
        bytes calldata nodeXY,
        bytes calldata proofXY,
        Chain calldata c,
        bytes calldata sigN,
        bytes calldata sigD,
        bytes calldata sigOwner
    ) external {
        bytes32 digest = _hashTypedDataV4(Statements.hash(b));
        address owner_ = _requireOwned(b.tokenId);
        if (owner_ != b.owner) revert OwnerDiffers(b.tokenId, b.owner);
        _requireOwnerSays(owner_, digest, sigOwner);

        Seat storage seat = _seats[b.tokenId];
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
        _store(seat, b, c.appId, nodeSigner);
    }

    /// Move the registration's end. Sent by the owner, or by anybody with the owner's signature.
    function renew(Renewal calldata r, bytes calldata sigOwner) external {
        address owner_ = _requireOwned(r.tokenId);
        _requireOwnerSays(owner_, _hashTypedDataV4(Statements.hash(r)), sigOwner);
        Seat storage seat = _requireActive(r.tokenId, r.nodeKey);
        _requireFresh(seat, r.nonce, r.deadline);
        _requireExpiry(r.expiresAt);

        seat.nonce += 1;
        seat.expiresAt = r.expiresAt;
        _roll(abi.encode("renew", r.tokenId, r.expiresAt));
        emit RegistrationRenewed(r.tokenId, r.expiresAt);
    }

    /// Change the URL. Sent by the owner, or by anybody with the node key's signature.
    function setEndpoint(Endpoint calldata e, bytes calldata sigN) external {
        address owner_ = _requireOwned(e.tokenId);
        Seat storage seat = _requireActive(e.tokenId, e.nodeKey);
        if (msg.sender != owner_) {
            bytes32 digest = _hashTypedDataV4(Statements.hash(e));
            if (Secp256k1.recover(digest, sigN) != seat.nodeSigner) revert NodeSignature();
        }
        _requireFresh(seat, e.nonce, e.deadline);
        _requireUrl(e.url);

        seat.nonce += 1;
        seat.url = e.url;
        _roll(abi.encode("setEndpoint", e.tokenId, e.url));
        emit EndpointChanged(e.tokenId, e.url);
    }

    /// Make every statement that was signed for this token and not yet used worthless.
    function cancel(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        uint64 nonce = ++_seats[tokenId].nonce;
        _roll(abi.encode("cancel", tokenId));
        emit StatementsCancelled(tokenId, nonce);
    }

    /// Take the node off the mesh. The keys stay readable and reserved; a new Binding brings it back.
    function deactivateInstance(uint256 tokenId) external {
        _requireCallerOwns(tokenId);
        Seat storage seat = _seats[tokenId];
        if (!seat.active) revert NotRegistered(tokenId);
        seat.active = false;
        seat.nonce += 1;
        _roll(abi.encode("deactivateInstance", tokenId));
        emit InstanceDeactivated(tokenId, seat.instance);
    }

    /// The contract's owner takes a seat's vote and place until a time; 0 gives it back. It stays through a sale:
    /// else a sale to oneself would be the way out.
    function suspend(uint256 tokenId, uint64 until) external onlyOwner {
        _requireOwned(tokenId);
        _seats[tokenId].suspendedUntil = until;
        _roll(abi.encode("suspend", tokenId, until));
        emit SeatSuspended(tokenId, until);
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
        return _seats[instanceToToken[instance]].active;
    }

    function instanceToConnectionUrl(address instance) external view returns (string memory) {
        return _seats[instanceToToken[instance]].url;
    }

    function tokenToInstance(uint256 tokenId) external view returns (address) {
        return _seats[tokenId].instance;
    }

    function nonceOf(uint256 tokenId) external view returns (uint64) {
        return _seats[tokenId].nonce;
    }

    function totalSupply() external view returns (uint256) {
        return _tokens.length;
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

    function _requireUrl(string calldata url) private pure {
        if (bytes(url).length > URL_BYTES_MAX) revert UrlTooLong(bytes(url).length);
    }

    /// The node key signs too: without it a member could put another node's public key on its own seat, and the
    /// victim's registration would be refused for good.
    function _requireKeys(
        Binding calldata b,
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

    function _requireChain(bytes calldata proofKey, bytes calldata proofXY, Chain calldata c) private view {
        ChainVerdict verdict = SignatureChain.verify(PURPOSE, kmsRootAddress, proofKey, proofXY, c);
        if (verdict == ChainVerdict.AppSignature) revert ChainAppSignature();
        if (verdict == ChainVerdict.KmsRoot) revert ChainKmsRoot();
        if (verdict != ChainVerdict.Accept) revert ChainEncoding();
        if (!isAppIdAllowed(c.appId)) revert AppIdNotAllowed(c.appId);
    }

    function _requireActive(uint256 tokenId, bytes calldata nodeKey) private view returns (Seat storage seat) {
        seat = _seats[tokenId];
        if (!seat.active) revert NotRegistered(tokenId);
        if (keccak256(nodeKey) != keccak256(_key(seat.nodePrefix, seat.nodeX))) revert NodeKeyDiffers(tokenId);
    }

    /* ---- storage ---- */

    function _store(Seat storage seat, Binding calldata b, bytes20 appId, address nodeSigner) private {
        delete nodeSignerToToken[seat.nodeSigner];
        nodeSignerToToken[nodeSigner] = b.tokenId;
        seat.nonce += 1;
        seat.active = true;
        seat.nodePrefix = uint8(b.nodeKey[0]);
        seat.nodeX = bytes32(b.nodeKey[1:]);
        seat.proofPrefix = uint8(b.proofKey[0]);
        seat.proofX = bytes32(b.proofKey[1:]);
        seat.nodeSigner = nodeSigner;
        seat.boundBy = b.owner;
        seat.appId = appId;
        seat.rootEpoch = rootEpoch;
        seat.expiresAt = b.expiresAt;
        seat.url = b.url;
        _roll(abi.encode("register", b, appId, rootEpoch));
        emit PeerRegistered(b.tokenId, b.instance, b.owner, b.nodeKey, b.proofKey, appId, rootEpoch, b.expiresAt, b.url);
    }

    /// Unbind the instance and clear the registration made for it. True when there was one.
    function _releaseInstance(uint256 tokenId, Seat storage seat) private returns (bool wasRegistered) {
        if (seat.instance == address(0)) return false;
        wasRegistered = seat.nodePrefix != 0;
        if (wasRegistered) {
            delete nodeSignerToToken[seat.nodeSigner];
            delete seat.active;
            delete seat.nodePrefix;
            delete seat.nodeX;
            delete seat.proofPrefix;
            delete seat.proofX;
            delete seat.nodeSigner;
            delete seat.boundBy;
            delete seat.appId;
            delete seat.rootEpoch;
            delete seat.expiresAt;
            delete seat.url;
            emit RegistrationCleared(tokenId);
        }
        emit InstanceReleased(tokenId, seat.instance);
        delete instanceToToken[seat.instance];
        delete seat.instance;
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
        m.suspendedUntil = seat.suspendedUntil;
        m.active = seat.active;
        m.weight = WEIGHT;
        m.nonce = seat.nonce;
        m.url = seat.url;
    }

    function _activeTokens() private view returns (uint256[] memory active) {
        uint256 count = 0;
        uint256[] memory all = _tokens;
        for (uint256 i = 0; i < all.length; i++) {
            if (_seats[all[i]].active) all[count++] = all[i];
        }
        active = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            active[i] = all[i];
        }
    }

    function _key(uint8 prefix, bytes32 x) private pure returns (bytes memory) {
        return prefix == 0 ? bytes("") : abi.encodePacked(prefix, x);
    }

    function _hasSeat(address instance) internal view override returns (bool) {
        return instanceToToken[instance] != 0;
    }
}
