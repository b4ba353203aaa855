// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Binding} from "../src/Statements.sol";
import {Base} from "./Base.sol";

/// What must stand on a seat, as far as it concerns who is listed and who boots.
struct Expected {
    address instance; // zero: none bound
    bool registered;
    bool active;
    uint64 rootEpoch;
    uint64 expiresAt;
    uint64 suspendedUntil; // its own
    uint8 offences;
    uint256 node; // the node key's private key
    string url;
}

/// The seats as they must be, by what succeeded so far and by nothing that the contract says. What a call does to a
/// seat is written here once more, in the plainest way; time is `clock`.
abstract contract Model is Base {
    mapping(uint256 tokenId => Expected) private _expected;
    uint64 internal epoch = 1;

    function expected(uint256 tokenId) external view returns (Expected memory) {
        return _expected[tokenId];
    }

    /// Is it in the lists?
    function counts(uint256 tokenId) public view returns (bool) {
        Expected storage e = _expected[tokenId];
        return e.active && clock < e.expiresAt && clock >= e.suspendedUntil;
    }

    /// Does it keep the machine that it is registered for from booting?
    function keepsDown(uint256 tokenId) external view returns (bool) {
        Expected storage e = _expected[tokenId];
        return e.registered && (clock < e.suspendedUntil || (e.active && clock >= e.expiresAt));
    }

    function modelBurn(uint256 tokenId) internal {
        delete _expected[tokenId];
    }

    /// Moved, or put behind another: nothing is left but its past.
    function modelClear(uint256 tokenId) internal {
        (uint64 until, uint8 offences) = (_expected[tokenId].suspendedUntil, _expected[tokenId].offences);
        delete _expected[tokenId];
        (_expected[tokenId].suspendedUntil, _expected[tokenId].offences) = (until, offences);
    }

    function modelBind(uint256 tokenId, address instance) internal {
        if (_expected[tokenId].instance == instance) return;
        modelClear(tokenId);
        _expected[tokenId].instance = instance;
    }

    function modelRegister(Binding memory b, uint256 node) internal {
        Expected storage e = _expected[b.tokenId];
        (e.registered, e.active) = (true, true);
        (e.rootEpoch, e.expiresAt) = (epoch, b.expiresAt);
        (e.node, e.url) = (node, b.url);
    }

    function modelRenew(uint256 tokenId, uint64 expiresAt) internal {
        _expected[tokenId].expiresAt = expiresAt;
    }

    function modelMove(uint256 tokenId, string memory url) internal {
        _expected[tokenId].url = url;
    }

    function modelDeactivate(uint256 tokenId) internal {
        _expected[tokenId].active = false;
    }

    /// The first offence costs 7 days, each further one twice as long, at most a year.
    function modelSuspend(uint256 tokenId, uint256 time) internal {
        Expected storage e = _expected[tokenId];
        uint256 length = 7 days;
        for (uint256 i = 0; i < e.offences; i++) {
            length *= 2;
        }
        if (length > 365 days) length = 365 days;
        else e.offences++;
        if (time + length > e.suspendedUntil) e.suspendedUntil = uint64(time + length);
    }

    /// The seat that a node key stands on, of those up to the last; 0: none.
    function modelSeatOf(uint256 node, uint256 lastToken) internal view returns (uint256 tokenId) {
        for (uint256 i = 1; i <= lastToken; i++) {
            if (_expected[i].registered && _expected[i].node == node) tokenId = i;
        }
    }
}
