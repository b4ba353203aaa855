// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// Public keys and signatures as bytes from a stranger: one encoding of each is accepted, everything else is refused.
library Secp256k1 {
    uint256 internal constant P = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f;
    uint256 internal constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
    uint256 internal constant HALF_N = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// Is xy a point (X || Y, 64 bytes, both below p, y^2 = x^3 + 7)?
    function isPoint(bytes calldata xy) internal pure returns (bool) {
        if (xy.length != 64) return false;
        uint256 x = _word(xy, 0);
        uint256 y = _word(xy, 32);
        if (x >= P || y >= P) return false;
        return mulmod(y, y, P) == addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
    }

    /// Is key (33 bytes) the compressed form of the point xy? False also when xy is no point.
    function isKey(bytes memory key, bytes calldata xy) internal pure returns (bool) {
        return isPoint(xy) && keccak256(key) == keccak256(compress(xy));
    }

    /// The compressed form of a point that isPoint() accepted.
    function compress(bytes calldata xy) internal pure returns (bytes memory) {
        bytes1 prefix = uint8(xy[63]) & 1 == 0 ? bytes1(0x02) : bytes1(0x03);
        return abi.encodePacked(prefix, _word(xy, 0));
    }

    /// The Ethereum address of a point that isPoint() accepted.
    function addressOf(bytes calldata xy) internal pure returns (address) {
        return address(uint160(uint256(keccak256(xy))));
    }

    /// Is this r || s || v, 65 bytes, 1 <= r < n, 1 <= s <= n/2, v 27 or 28?
    function isSignature(bytes calldata sig) internal pure returns (bool) {
        if (sig.length != 65) return false;
        uint256 r = _word(sig, 0);
        uint256 s = _word(sig, 32);
        if (r == 0 || r >= N || s == 0 || s > HALF_N) return false;
        return uint8(sig[64]) == 27 || uint8(sig[64]) == 28;
    }

    /// Who signed the digest; zero when nobody did. Compare with something that cannot be zero.
    function recover(bytes32 digest, bytes calldata sig) internal pure returns (address) {
        if (!isSignature(sig)) return address(0);
        return ecrecover(digest, uint8(sig[64]), bytes32(_word(sig, 0)), bytes32(_word(sig, 32)));
    }

    /// The 32 bytes from at on, of data whose length is known to reach so far.
    function _word(bytes calldata data, uint256 at) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, at))
        }
    }
}
