// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// The contract of the prototype, as deployed on Base: its functions, events, error texts and storage slots, and its
/// flaws, which are the point of it. A node must run beside such a contract and believe none of it that it can check
/// itself. Never deploy this for anything but a test.
///
/// Written from what is known of the deployed one: selectors, topics, slots (PrototypeMembership.t.sol holds it to
/// them) and how each attack on it went. The number of a flaw is that of Flaws.t.sol.
contract PrototypeMembership is ERC721, Ownable {
    struct AppBootInfo {
        string instanceId;
        bytes32 imageHash;
        uint256 timestamp;
    }

    /* slots 0 to 6: ERC721 (_owners 2, _balances 3) and Ownable (_owner 6); 7 to 18 in this order */
    uint256 private _tokenIdCounter;
    mapping(address wallet => uint256 tokenId) public walletToTokenId;
    mapping(string instanceId => uint256 tokenId) public instanceToToken;
    mapping(uint256 tokenId => string instanceId) public tokenToInstance;
    mapping(string instanceId => bool active) public activeInstances;
    mapping(string instanceId => string url) public instanceToConnectionUrl;
    uint256 public maxNodes = 100;
    bool public publicMinting;
    uint256 public mintPrice;
    bool public devMode = true;
    mapping(string domain => bool allowed) public allowedBaseDomains;
    address public kmsRootAddress;

    event InstanceRegistered(string indexed instanceId, uint256 indexed tokenId);
    event InstanceDeactivated(string indexed instanceId);
    event PeerRegistered(string indexed instanceId, string connectionUrl);
    event ClusterConfigUpdated(uint256 maxNodes, bool publicMinting, uint256 mintPrice);
    event BaseDomainAdded(string indexed baseDomain);
    event BaseDomainRemoved(string indexed baseDomain); // flaw 16: nothing removes one
    event KmsRootAddressUpdated(address indexed oldAddress, address indexed newAddress);

    /// Flaw 6: the root may be zero.
    constructor(address kmsRoot) ERC721("DStack Cluster NFT", "DSTACK") Ownable(msg.sender) {
        kmsRootAddress = kmsRoot;
    }

    /* ---- seats ---- */

    /// Flaws 12, 18, 19: anybody mints onto anybody, ether stays here, the string means nothing.
    function mintNodeAccess(address to, string memory) external payable returns (uint256 tokenId) {
        require(_tokenIdCounter < maxNodes, "Max nodes reached");
        if (publicMinting) require(msg.value >= mintPrice, "Insufficient payment");
        else require(msg.sender == owner(), "Only owner can mint");
        tokenId = ++_tokenIdCounter;
        _mint(to, tokenId);
    }

    /// Flaws 11 and 13: one token a wallet, forgotten with any token that leaves; the instance stays with the token.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0)) delete walletToTokenId[from];
        if (to != address(0)) walletToTokenId[to] = tokenId;
    }

    /// Flaws 10 and 14: the id may be empty, and is the first caller's.
    function registerInstance(string calldata instanceId) external {
        require(instanceToToken[instanceId] == 0, "Instance already registered");
        uint256 tokenId = walletToTokenId[msg.sender];
        require(tokenId != 0, "Must own NFT");
        require(bytes(tokenToInstance[tokenId]).length == 0, "Token already has instance");
        instanceToToken[instanceId] = tokenId;
        tokenToInstance[tokenId] = instanceId;
        activeInstances[instanceId] = true;
        emit InstanceRegistered(instanceId, tokenId);
    }

    /// Flaws 2 to 5, 9, 17: whoever shows any chain under the root sets any instance's URL, of any length.
    function registerPeer(
        string calldata instanceId,
        bytes calldata derivedPublicKey,
        bytes calldata appPublicKey,
        bytes calldata appSignature,
        bytes calldata kmsSignature,
        string calldata connectionUrl,
        string calldata purpose,
        bytes32 appId
    ) external {
        require(activeInstances[instanceId], "Instance not active");
        require(instanceToToken[instanceId] != 0, "Instance not registered");
        _requireChain(purpose, derivedPublicKey, appPublicKey, appSignature, kmsSignature, appId);
        /* flaw 15: any domain passes, allowed or not */
        require(devMode || _isHttps(bytes(connectionUrl)), "Must be HTTPS URL in production");
        instanceToConnectionUrl[instanceId] = connectionUrl;
        emit PeerRegistered(instanceId, connectionUrl);
    }

    function deactivateInstance(string calldata instanceId) external {
        uint256 tokenId = instanceToToken[instanceId];
        require(tokenId != 0, "Instance not registered");
        require(walletToTokenId[msg.sender] == tokenId, "Must own instance");
        delete instanceToToken[instanceId];
        delete tokenToInstance[tokenId];
        delete activeInstances[instanceId];
        delete instanceToConnectionUrl[instanceId];
        emit InstanceDeactivated(instanceId);
    }

    /* ---- the owner's settings ---- */

    function setClusterConfig(uint256 maxNodes_, bool publicMinting_, uint256 mintPrice_) external onlyOwner {
        (maxNodes, publicMinting, mintPrice) = (maxNodes_, publicMinting_, mintPrice_);
        emit ClusterConfigUpdated(maxNodes_, publicMinting_, mintPrice_);
    }

    function setDevMode(bool on) external onlyOwner {
        devMode = on;
    }

    function addBaseDomain(string calldata domain) external onlyOwner {
        allowedBaseDomains[domain] = true;
        emit BaseDomainAdded(domain);
    }

    /// Flaw 21: at once, and what was registered under the old root stays.
    function setKmsRootAddress(address kmsRoot) external onlyOwner {
        require(kmsRoot != address(0), "Invalid KMS root address");
        emit KmsRootAddressUpdated(kmsRootAddress, kmsRoot);
        kmsRootAddress = kmsRoot;
    }

    /* ---- reading ---- */

    function totalSupply() external view returns (uint256) {
        return _tokenIdCounter;
    }

    function getInstanceInfo(string calldata instanceId)
        external
        view
        returns (uint256 tokenId, bool active, address ownerAddr)
    {
        tokenId = instanceToToken[instanceId];
        active = activeInstances[instanceId];
        if (tokenId != 0) ownerAddr = ownerOf(tokenId);
    }

    /// Flaw 10: a token without an instance has the empty one, and this asks only whether that is active.
    function getActiveInstances() external view returns (string[] memory instances) {
        uint256 count = 0;
        instances = new string[](_tokenIdCounter);
        for (uint256 id = 1; id <= _tokenIdCounter; id++) {
            if (activeInstances[tokenToInstance[id]]) instances[count++] = tokenToInstance[id];
        }
        _cut(instances, count);
    }

    function getPeerEndpoints() external view returns (string[] memory urls) {
        uint256 count = 0;
        urls = new string[](_tokenIdCounter);
        for (uint256 id = 1; id <= _tokenIdCounter; id++) {
            string memory instanceId = tokenToInstance[id];
            if (!activeInstances[instanceId]) continue;
            string memory url = instanceToConnectionUrl[instanceId];
            if (bytes(url).length != 0) urls[count++] = url;
        }
        _cut(urls, count);
    }

    /// Flaw 20: not what a KMS calls.
    function isAppAllowed(AppBootInfo calldata info) external view returns (bool) {
        return activeInstances[info.instanceId];
    }

    /* ---- the signature chain ---- */

    /// Flaw 1: nobody asks whether the app signature is by appPublicKey. Flaw 7: 12 bytes of appId mean nothing.
    function _requireChain(
        string calldata purpose,
        bytes calldata derivedPublicKey,
        bytes calldata appPublicKey,
        bytes calldata appSignature,
        bytes calldata kmsSignature,
        bytes32 appId
    ) private view {
        bytes32 digest = keccak256(abi.encodePacked(purpose, ":", _hex(derivedPublicKey)));
        require(_recover(digest, appSignature) != address(0), "Invalid app key signature");
        digest = keccak256(abi.encodePacked("dstack-kms-issued:", bytes20(appId), appPublicKey));
        require(_recover(digest, kmsSignature) == kmsRootAddress, "Invalid KMS signature");
    }

    /// Flaw 8: any s, and v in two forms.
    function _recover(bytes32 digest, bytes calldata sig) private pure returns (address) {
        require(sig.length == 65, "Invalid signature length");
        uint8 v = uint8(sig[64]);
        return ecrecover(digest, v < 27 ? v + 27 : v, bytes32(sig[:32]), bytes32(sig[32:64]));
    }

    function _hex(bytes calldata data) private pure returns (bytes memory text) {
        bytes16 digits = "0123456789abcdef";
        text = new bytes(2 * data.length);
        for (uint256 i = 0; i < data.length; i++) {
            text[2 * i] = digits[uint8(data[i]) >> 4];
            text[2 * i + 1] = digits[uint8(data[i]) & 15];
        }
    }

    function _isHttps(bytes calldata url) private pure returns (bool) {
        return url.length >= 8 && bytes8(url[:8]) == "https://";
    }

    function _cut(string[] memory list, uint256 count) private pure {
        assembly ("memory-safe") {
            mstore(list, count)
        }
    }
}
