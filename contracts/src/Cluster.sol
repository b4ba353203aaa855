// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// What the cluster's owner decides: the KMS root, the allowed apps, how seats are minted; and the revision, which
/// tells readers whether anything that they read has changed.
abstract contract Cluster is Ownable2Step {
    uint256 internal constant APP_IDS_MAX = 64;

    address public kmsRootAddress;
    /// Number of the root now; each registration carries the one it was made under.
    uint64 public rootEpoch;
    /// A hash over the history of everything that clusterState() and membersPage() show. A counter would be the
    /// same in two branches of a reorganisation.
    bytes32 public revision;
    uint256 public maxNodes;
    uint256 public mintPrice;
    bool public publicMinting;
    /// How many tokens one wallet may mint for itself; 0: no limit.
    uint256 public mintLimit = 1;

    /// Zero: this address never was a root. Epochs begin at 1.
    mapping(address root => uint64) public rootEpochOf;
    bytes20[] private _appIds;
    mapping(bytes20 appId => uint256) private _appIdPlace; // index + 1

    event KmsRootAddressUpdated(address indexed oldAddress, address indexed newAddress);
    event AppIdAdded(bytes20 appId);
    event AppIdRemoved(bytes20 appId);
    event ClusterConfigUpdated(uint256 maxNodes, bool publicMinting, uint256 mintPrice);
    event MintLimitSet(uint256 perWallet);
    event Withdrawn(address indexed to, uint256 amount);

    error KmsRootZero();
    error KmsRootPublic(address root);
    error KmsRootUsedBefore(address root, uint64 epoch);
    error AppIdZero();
    error AppIdKnown(bytes20 appId);
    error AppIdUnknown(bytes20 appId);
    error TooManyAppIds();
    error WithdrawToZero();
    error WithdrawFailed(address to, uint256 amount);

    constructor(address kmsRoot, bytes20[] memory appIds_, uint256 maxNodes_) Ownable(msg.sender) {
        _setKmsRoot(kmsRoot);
        for (uint256 i = 0; i < appIds_.length; i++) {
            _addAppId(appIds_[i]);
        }
        _setConfig(maxNodes_, false, 0);
        revision = keccak256(abi.encode(kmsRoot, appIds_, maxNodes_));
    }

    /// Registrations made under the old root keep its epoch: a reader who trusts that root still counts them, a
    /// reader who trusts the new one does not. A root that was set before cannot come back.
    function setKmsRootAddress(address newRoot) external onlyOwner {
        _setKmsRoot(newRoot);
    }

    function addAppId(bytes20 appId) external onlyOwner {
        _addAppId(appId);
    }

    function removeAppId(bytes20 appId) external onlyOwner {
        uint256 place = _appIdPlace[appId];
        if (place == 0) revert AppIdUnknown(appId);
        bytes20 last = _appIds[_appIds.length - 1];
        _appIds[place - 1] = last;
        _appIdPlace[last] = place;
        _appIds.pop();
        delete _appIdPlace[appId];
        _roll();
        emit AppIdRemoved(appId);
    }

    function setClusterConfig(uint256 maxNodes_, bool publicMinting_, uint256 mintPrice_) external onlyOwner {
        _setConfig(maxNodes_, publicMinting_, mintPrice_);
    }

    function setMintLimit(uint256 perWallet) external onlyOwner {
        mintLimit = perWallet;
        emit MintLimitSet(perWallet);
    }

    function withdraw(address payable to) external onlyOwner {
        if (to == address(0)) revert WithdrawToZero();
        uint256 amount = address(this).balance;
        emit Withdrawn(to, amount);
        (bool sent,) = to.call{value: amount}("");
        if (!sent) revert WithdrawFailed(to, amount);
    }

    function appIds() public view returns (bytes20[] memory) {
        return _appIds;
    }

    function isAppIdAllowed(bytes20 appId) public view returns (bool) {
        return _appIdPlace[appId] != 0;
    }

    /// What a call changes follows from what it was given, its block's time, and what was before.
    function _roll() internal {
        revision = keccak256(abi.encodePacked(revision, keccak256(abi.encodePacked(msg.data, block.timestamp))));
    }

    function _setKmsRoot(address newRoot) private {
        if (newRoot == address(0)) revert KmsRootZero();
        if (_isPublicRoot(newRoot) && !_isDevelopmentChain()) revert KmsRootPublic(newRoot);
        if (rootEpochOf[newRoot] != 0) revert KmsRootUsedBefore(newRoot, rootEpochOf[newRoot]);
        emit KmsRootAddressUpdated(kmsRootAddress, newRoot);
        rootEpoch += 1;
        rootEpochOf[newRoot] = rootEpoch;
        kmsRootAddress = newRoot;
        _roll();
    }

    function _addAppId(bytes20 appId) private {
        if (appId == bytes20(0)) revert AppIdZero();
        if (_appIdPlace[appId] != 0) revert AppIdKnown(appId);
        if (_appIds.length == APP_IDS_MAX) revert TooManyAppIds();
        _appIds.push(appId);
        _appIdPlace[appId] = _appIds.length;
        _roll();
        emit AppIdAdded(appId);
    }

    function _setConfig(uint256 maxNodes_, bool publicMinting_, uint256 mintPrice_) private {
        maxNodes = maxNodes_;
        publicMinting = publicMinting_;
        mintPrice = mintPrice_;
        _roll();
        emit ClusterConfigUpdated(maxNodes_, publicMinting_, mintPrice_);
    }

    /// Roots whose private keys anybody can read: two of the DStack simulator's releases, and our test vectors'.
    function _isPublicRoot(address root) private pure returns (bool) {
        return root == 0x8f2cF602C9695b23130367ed78d8F557554de7C5 || root == 0xA7F6043C29f9cc1d9D6aCF554c53E0c6792AaEAf
            || root == 0x9Ad9076Ef654fAe9EA83e2369c49B21227ffA12c;
    }

    function _isDevelopmentChain() internal view returns (bool) {
        return block.chainid == 31337 || block.chainid == 1337;
    }
}
