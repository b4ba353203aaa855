// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// Where does a URL lead? One reading of scheme://host[:port][/..], so strict that no other reader finds another host:
/// no user, no escapes, no upper case, no brackets. What stands behind the first slash cannot move the host.
library Url {
    uint256 internal constant HOST_BYTES_MAX = 253;

    error UrlScheme();
    error UrlHost(string host);
    error UrlPort();

    /// Sets of characters, a bit each.
    uint256 private constant DIGITS = (2 ** 10 - 1) << 0x30;
    uint256 private constant LABEL = DIGITS | (2 ** 26 - 1) << 0x61 | 1 << 0x2d; // a-z and -
    uint256 private constant SCHEME = LABEL | 1 << 0x2b | 1 << 0x2e; // + and .
    uint256 private constant HOST = LABEL | 1 << 0x2e;

    /// The host of a URL, one that isHost() accepts.
    function hostOf(bytes memory url) internal pure returns (bytes memory host) {
        uint256 from = _skip(url, 0, SCHEME);
        if (from == 0 || !_is(url, from, ":") || !_is(url, from + 1, "/") || !_is(url, from + 2, "/")) {
            revert UrlScheme();
        }
        from += 3;
        uint256 end = _skip(url, from, HOST);
        host = new bytes(end - from);
        for (uint256 i = 0; i < host.length; i++) {
            host[i] = url[from + i];
        }
        if (!isHost(host)) revert UrlHost(string(host));
        if (_is(url, end, ":")) {
            from = end + 1;
            end = _skip(url, from, DIGITS);
            if (end == from || end > from + 5) revert UrlPort();
        }
        if (end < url.length && !_is(url, end, "/")) revert UrlHost(string(url));
    }

    /// Labels of [a-z0-9-], none empty, joined by dots; an IPv4 address is one too.
    function isHost(bytes memory host) internal pure returns (bool) {
        if (host.length > HOST_BYTES_MAX) return false;
        uint256 at = 0;
        while (true) {
            uint256 end = _skip(host, at, LABEL);
            if (end == at) return false;
            if (end == host.length) return true;
            if (!_is(host, end, ".")) return false;
            at = end + 1;
        }
        return false;
    }

    /// Behind the characters of the set, from at on.
    function _skip(bytes memory text, uint256 at, uint256 set) private pure returns (uint256) {
        while (at < text.length && (set >> uint8(text[at])) & 1 != 0) {
            at++;
        }
        return at;
    }

    function _is(bytes memory text, uint256 at, bytes1 c) private pure returns (bool) {
        return at < text.length && text[at] == c;
    }
}
