// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Secp256k1} from "./Secp256k1.sol";

/// What a DStack KMS and its app key say about a derived key, as bytes from a stranger.
struct Chain {
    bytes appXY; // the app public key, X || Y
    bytes20 appId;
    bytes appSig; // by the app key, over the derived key
    bytes kmsSig; // by the KMS root, over app id and app key
}

enum ChainVerdict {
    Undecided, // zero never means yes
    Accept,
    Encoding, // a length, a point, a signature's form, or bytes behind the app id
    AppSignature, // the app signature is not by the app key that was given
    KmsRoot // the KMS signature is not by the trusted root
}

/// Does this derived key descend from the KMS root we trust?
///
///   app key = recover(appSig, keccak256(purpose ":" hex(derived key)))                  lower-case hex, no 0x
///   root    = recover(kmsSig, keccak256("dstack-kms-issued:" app id, app key))          raw bytes
///
/// The app key of the first line is the one that the second line signs: comparing them is what joins the two. The
/// purpose is the verifier's own constant and never comes from the caller of the contract.
library SignatureChain {
    function verify(
        bytes memory purpose,
        address kmsRoot,
        bytes memory derivedKey,
        bytes calldata derivedXY,
        Chain calldata c
    ) internal pure returns (ChainVerdict) {
        if (!Secp256k1.isKey(derivedKey, derivedXY) || !Secp256k1.isPoint(c.appXY) || !_isAppId(c)) {
            return ChainVerdict.Encoding;
        }
        if (!Secp256k1.isSignature(c.appSig) || !Secp256k1.isSignature(c.kmsSig)) return ChainVerdict.Encoding;

        bytes32 appDigest = keccak256(abi.encodePacked(purpose, ":", hexLower(derivedKey)));
        if (Secp256k1.recover(appDigest, c.appSig) != Secp256k1.addressOf(c.appXY)) return ChainVerdict.AppSignature;

        bytes32 kmsDigest = keccak256(abi.encodePacked("dstack-kms-issued:", c.appId, Secp256k1.compress(c.appXY)));
        address root = Secp256k1.recover(kmsDigest, c.kmsSig);
        /* a root that is zero would equal the recovery of garbage */
        if (root == address(0) || root != kmsRoot) return ChainVerdict.KmsRoot;
        return ChainVerdict.Accept;
    }

    /// Is the app id's word 20 bytes and zeros? Read as it came: to read c.appId would end the call without a word.
    function _isAppId(Chain calldata c) private pure returns (bool is20) {
        assembly ("memory-safe") {
            is20 := iszero(shl(160, calldataload(add(c, 32))))
        }
    }

    function hexLower(bytes memory data) internal pure returns (bytes memory text) {
        bytes16 digits = "0123456789abcdef";
        text = new bytes(2 * data.length);
        for (uint256 i = 0; i < data.length; i++) {
            text[2 * i] = digits[uint8(data[i]) >> 4];
            text[2 * i + 1] = digits[uint8(data[i]) & 15];
        }
    }
}
