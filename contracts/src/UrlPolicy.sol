// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Cluster} from "./Cluster.sol";
import {Url} from "./Url.sol";

/// Which URLs a seat may show: none, or one whose host the cluster's owner has allowed. Without any allowed domain no
/// host is. On a development chain the rule can be switched off.
abstract contract UrlPolicy is Cluster {
    uint256 internal constant URL_BYTES_MAX = 256;
    uint256 internal constant BASE_DOMAINS_MAX = 64;

    /// Any URL is allowed. Never so on a chain with something to lose.
    bool public devMode;

    bytes32[] private _domains; // hashes
    mapping(bytes32 domainHash => uint256) private _domainPlace; // index + 1
    mapping(bytes32 domainHash => string) private _domainText;

    event DevModeSet(bool devMode);
    event BaseDomainAdded(string baseDomain);
    event BaseDomainRemoved(string baseDomain);

    error DevModeChain(uint256 chainId);
    error BaseDomainInvalid(string baseDomain);
    error BaseDomainKnown(string baseDomain);
    error BaseDomainUnknown(string baseDomain);
    error TooManyBaseDomains();
    error UrlTooLong(uint256 length);
    error DomainNotAllowed(string host);

    function setDevMode(bool devMode_) external onlyOwner {
        if (devMode_ && !_isDevelopmentChain()) revert DevModeChain(block.chainid);
        devMode = devMode_;
        emit DevModeSet(devMode_);
    }

    /// Allow a domain and everything under it, by whole labels: `example.com` allows `a.example.com`, and not
    /// `notexample.com`. URLs that stand are not looked at again.
    function addBaseDomain(string memory domain) external onlyOwner {
        if (!Url.isHost(bytes(domain))) revert BaseDomainInvalid(domain);
        bytes32 hash = keccak256(bytes(domain));
        if (_domainPlace[hash] != 0) revert BaseDomainKnown(domain);
        if (_domains.length == BASE_DOMAINS_MAX) revert TooManyBaseDomains();
        _domains.push(hash);
        _domainPlace[hash] = _domains.length;
        _domainText[hash] = domain;
        emit BaseDomainAdded(domain);
    }

    function removeBaseDomain(string memory domain) external onlyOwner {
        bytes32 hash = keccak256(bytes(domain));
        uint256 place = _domainPlace[hash];
        if (place == 0) revert BaseDomainUnknown(domain);
        bytes32 last = _domains[_domains.length - 1];
        _domains[place - 1] = last;
        _domainPlace[last] = place;
        _domains.pop();
        delete _domainPlace[hash];
        delete _domainText[hash];
        emit BaseDomainRemoved(domain);
    }

    /// Is this domain on the list? Not: is it under one that is.
    function allowedBaseDomains(string memory domain) external view returns (bool) {
        return _domainPlace[keccak256(bytes(domain))] != 0;
    }

    function baseDomains() external view returns (string[] memory domains) {
        domains = new string[](_domains.length);
        for (uint256 i = 0; i < domains.length; i++) {
            domains[i] = _domainText[_domains[i]];
        }
    }

    function _requireUrl(string memory url) internal view {
        if (bytes(url).length > URL_BYTES_MAX) revert UrlTooLong(bytes(url).length);
        if (devMode || bytes(url).length == 0) return;
        bytes memory host = Url.hostOf(bytes(url));
        if (!_isUnderBaseDomain(host)) revert DomainNotAllowed(string(host));
    }

    /// The host itself, and what is left of it behind each of its dots.
    function _isUnderBaseDomain(bytes memory host) private view returns (bool) {
        for (uint256 i = 0; i < host.length; i++) {
            if (i != 0 && host[i - 1] != ".") continue;
            bytes32 hash;
            assembly ("memory-safe") {
                hash := keccak256(add(add(host, 32), i), sub(mload(host), i))
            }
            if (_domainPlace[hash] != 0) return true;
        }
        return false;
    }
}
