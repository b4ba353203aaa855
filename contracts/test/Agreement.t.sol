// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Chain, ChainVerdict, SignatureChain} from "../src/SignatureChain.sol";
import {VM} from "./Vm.sol";

/// The contract's check with the verifier's constants as arguments.
contract SignatureChainHarness {
    function verify(
        bytes calldata purpose,
        address kmsRoot,
        bytes calldata derivedKey,
        bytes calldata derivedXY,
        Chain calldata c
    ) external pure returns (ChainVerdict) {
        return SignatureChain.verify(purpose, kmsRoot, derivedKey, derivedXY, c);
    }
}

/// A node's check of a signature chain (attest/sigchain.c) and the contract's give one verdict. The chains and the
/// node's verdicts are in a file that nftmesh-chain-mutations writes, whose format its source describes:
///
///     build/tests/nftmesh-chain-mutations 1 5000 contracts/generated/chain-mutations.bin
contract AgreementTest {
    event log_named_uint(string key, uint256 val); // forge prints it with -vv

    string private constant FILE = "generated/chain-mutations.bin";
    uint256 private constant VERDICTS = 11;
    uint256 private constant PUBLISHED = 41; // 40 cases, and the valid one under our purpose

    /* enum attest_verdict */
    uint8 private constant C_ACCEPT = 1;
    uint8 private constant C_PURPOSE = 3;
    uint8 private constant C_APP_SIGNATURE = 8;
    uint8 private constant C_KMS_ROOT = 9;
    uint8 private constant C_APP_ID = 10;

    SignatureChainHarness private harness = new SignatureChainHarness();

    struct Record {
        uint8 verdict;
        string what;
        bytes purpose;
        address root;
        bytes20 allowed;
        bytes derivedKey;
        bytes derivedXY;
        bytes appId;
        Chain chain;
        bytes published;
    }

    function field(bytes memory file, uint256 at) private pure returns (bytes memory data, uint256 next) {
        uint256 length = uint256(uint8(file[at])) << 8 | uint8(file[at + 1]);
        next = at + 2 + length;
        require(next <= file.length, "the file is cut short");
        data = new bytes(length);
        assembly ("memory-safe") {
            mcopy(add(data, 32), add(add(file, 34), at), length)
        }
    }

    function record(bytes memory file, uint256 at) private pure returns (Record memory r, uint256) {
        bytes memory data;
        r.verdict = uint8(file[at++]);
        (data, at) = field(file, at);
        r.what = string(data);
        (r.purpose, at) = field(file, at);
        (data, at) = field(file, at);
        r.root = address(bytes20(data));
        (data, at) = field(file, at);
        r.allowed = bytes20(data);
        (r.derivedKey, at) = field(file, at);
        (r.derivedXY, at) = field(file, at);
        (r.chain.appXY, at) = field(file, at);
        (r.appId, at) = field(file, at);
        (r.chain.appSig, at) = field(file, at);
        (r.chain.kmsSig, at) = field(file, at);
        (r.published, at) = field(file, at);
        return (r, at);
    }

    /// What a registration with this chain would come to. Of an app id that is not 20 bytes a caller has no bytes20.
    function verdictOf(Record memory r) private view returns (ChainVerdict verdict, bool allowed) {
        if (r.appId.length != 20) return (ChainVerdict.Encoding, false);
        r.chain.appId = bytes20(r.appId);
        verdict = harness.verify(r.purpose, r.root, r.derivedKey, r.derivedXY, r.chain);
        allowed = r.chain.appId == r.allowed;
    }

    /// The node's verdict in the contract's words: the node says more precisely what is wrong with an encoding.
    function inOurWords(uint8 verdict) private pure returns (ChainVerdict) {
        require(verdict != 0 && verdict != C_PURPOSE && verdict < VERDICTS, "a verdict that is none");
        if (verdict == C_ACCEPT || verdict == C_APP_ID) return ChainVerdict.Accept;
        if (verdict == C_APP_SIGNATURE) return ChainVerdict.AppSignature;
        if (verdict == C_KMS_ROOT) return ChainVerdict.KmsRoot;
        return ChainVerdict.Encoding;
    }

    function compare(Record memory r, uint256 i) private view {
        (ChainVerdict verdict, bool allowed) = verdictOf(r);
        bool accept = verdict == ChainVerdict.Accept && allowed;
        string memory where = string.concat("record ", VM.toString(i), ": ", r.what);
        require(accept == (r.verdict == C_ACCEPT), string.concat("one accepts: ", where));
        require(verdict == inOurWords(r.verdict), string.concat("for another reason: ", where));
        require(
            r.published.length == 0 || accept == (r.published[0] == 0x01), string.concat("not as published: ", where)
        );
    }

    function test_TheNodesCheckAndTheContractsAgree() public {
        VM.skip(!VM.exists(FILE), "generated/chain-mutations.bin is not made: see above");
        bytes memory file = VM.readFileBinary(FILE);
        uint256 count = uint32(bytes4(file));
        uint256[VERDICTS] memory verdicts;
        uint256 published = 0;
        uint256 at = 4;
        for (uint256 i = 0; i < count; i++) {
            uint256 free;
            assembly ("memory-safe") {
                free := mload(0x40)
            }
            Record memory r;
            (r, at) = record(file, at);
            compare(r, i);
            verdicts[r.verdict]++;
            if (r.published.length != 0) published++;
            /* nothing of a record is kept: without this, memory becomes too dear */
            assembly ("memory-safe") {
                mstore(0x40, free)
            }
        }
        require(at == file.length, "more than its count");
        require(published == PUBLISHED && count >= PUBLISHED + 5000, "too few");
        for (uint8 v = C_ACCEPT; v < VERDICTS; v++) {
            require(v == C_PURPOSE || verdicts[v] >= count / 100, "hardly ever this verdict: a test of little");
        }
        emit log_named_uint("chains on which both agree", count);
        emit log_named_uint("accepted by both", verdicts[C_ACCEPT]);
    }
}
