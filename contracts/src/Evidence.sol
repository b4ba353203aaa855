// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Vote} from "./Statements.sol";

/// Two votes that nobody signs who keeps the rules. The pairs, all of one epoch:
///
///   CAND s h1    CAND s h2        NOTAR s h1   NOTAR s h2       FINAL s h1   FINAL s h2
///   FINAL s h1   NOTAR s h2       FINAL s      SKIP first <= s <= last
library Evidence {
    uint8 internal constant CAND = 1;
    uint8 internal constant NOTAR = 2;
    uint8 internal constant FINAL = 3;
    uint8 internal constant SKIP = 4;

    error VoteMalformed(uint8 kind);
    error VotesAgree();

    /// The slot about which the two contradict each other, in either order. Reverts when they do not.
    function slotOf(Vote memory a, Vote memory b) internal pure returns (uint64) {
        if (a.kind > b.kind) return slotOf(b, a);
        _requireForm(a);
        _requireForm(b);
        if (!_contradict(a, b)) revert VotesAgree();
        return a.first; /* of a FINAL and a SKIP the FINAL's */
    }

    /// a.kind is not above b.kind.
    function _contradict(Vote memory a, Vote memory b) private pure returns (bool) {
        if (a.epochId != b.epochId) return false;
        if (b.kind == SKIP) return a.kind == FINAL && b.first <= a.first && a.first <= b.last;
        bool kinds = a.kind == b.kind || (a.kind == NOTAR && b.kind == FINAL);
        return kinds && a.first == b.first && a.hash != b.hash;
    }

    function _requireForm(Vote memory v) private pure {
        bool good = v.kind == SKIP
            ? v.first <= v.last && v.hash == bytes32(0)
            : v.kind >= CAND && v.kind <= FINAL && v.first == v.last;
        if (!good) revert VoteMalformed(v.kind);
    }
}
