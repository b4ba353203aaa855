// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

/// What owners and nodes sign for the contract: EIP-712, domain (`nftmesh`, `1`, chain id, contract).
/// The field order is the type string's and the ABI's; every statement names its token and that token's nonce.

/// Token, owner, instance and both keys belong together. One digest with three signers: the node key, the app proof
/// key, and the owner unless the owner sends the transaction.
struct Binding {
    uint256 tokenId;
    address owner;
    address instance;
    bytes nodeKey; // 33 bytes, compressed SEC1
    bytes proofKey; // 33 bytes, compressed SEC1
    string url;
    uint64 nonce;
    uint64 expiresAt; // seconds, block time
    uint64 deadline; // seconds, block time: the last moment at which the statement may be used
}

/// The owner keeps a registration alive.
struct Renewal {
    uint256 tokenId;
    bytes nodeKey;
    uint64 nonce;
    uint64 expiresAt;
    uint64 deadline;
}

/// The node moves.
struct Endpoint {
    uint256 tokenId;
    bytes nodeKey;
    string url;
    uint64 nonce;
    uint64 deadline;
}

/// What a member signs in the cluster's consensus. Two that contradict each other are evidence, see Evidence.sol.
struct Vote {
    bytes32 epochId;
    uint8 kind; // 1 CAND, 2 NOTAR, 3 FINAL, 4 SKIP
    uint64 first; // the slot; of a SKIP the first of those it covers
    uint64 last; // the same slot; of a SKIP the last
    bytes32 hash; // of the candidate; of a SKIP zero
}

library Statements {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant BINDING_TYPEHASH = keccak256(
        "Binding(uint256 tokenId,address owner,address instance,bytes nodeKey,bytes proofKey,string url,uint64 nonce,uint64 expiresAt,uint64 deadline)"
    );
    bytes32 internal constant RENEWAL_TYPEHASH =
        keccak256("Renewal(uint256 tokenId,bytes nodeKey,uint64 nonce,uint64 expiresAt,uint64 deadline)");
    bytes32 internal constant ENDPOINT_TYPEHASH =
        keccak256("Endpoint(uint256 tokenId,bytes nodeKey,string url,uint64 nonce,uint64 deadline)");
    bytes32 internal constant VOTE_TYPEHASH =
        keccak256("Vote(bytes32 epochId,uint8 kind,uint64 first,uint64 last,bytes32 hash)");

    /// What is signed: the statement's hash in the domain of this contract on this chain.
    function digest(bytes32 statement) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain(), statement));
    }

    function domain() internal view returns (bytes32) {
        return
            keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("nftmesh"), keccak256("1"), block.chainid, address(this)));
    }

    function hash(Binding memory b) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                BINDING_TYPEHASH,
                b.tokenId,
                b.owner,
                b.instance,
                keccak256(b.nodeKey),
                keccak256(b.proofKey),
                keccak256(bytes(b.url)),
                b.nonce,
                b.expiresAt,
                b.deadline
            )
        );
    }

    function hash(Renewal memory r) internal pure returns (bytes32) {
        return
            keccak256(abi.encode(RENEWAL_TYPEHASH, r.tokenId, keccak256(r.nodeKey), r.nonce, r.expiresAt, r.deadline));
    }

    function hash(Endpoint memory e) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(ENDPOINT_TYPEHASH, e.tokenId, keccak256(e.nodeKey), keccak256(bytes(e.url)), e.nonce, e.deadline)
        );
    }

    function hash(Vote memory v) internal pure returns (bytes32) {
        return keccak256(abi.encode(VOTE_TYPEHASH, v));
    }
}
