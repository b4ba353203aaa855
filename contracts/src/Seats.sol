// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.30;

import {Cluster} from "./Cluster.sol";

/// What is kept of a seat, packed; a compressed key is its prefix and x. All that a reader needs of a registered seat
/// stands in the first seven words.
struct Seat {
    address instance;
    uint64 nonce;
    bool active;
    uint8 nodePrefix; // 2 or 3; 0: not registered
    uint8 proofPrefix;
    address boundBy;
    uint64 expiresAt;
    uint32 place; // index in _tokens + 1
    bytes20 appId;
    uint64 rootEpoch;
    uint32 generation; // grows whenever the instance is released: weight bound before counts no more
    address nodeSigner; // the node key's address
    uint64 suspendedUntil;
    uint32 attached; // tokens that stand behind this one, of this generation
    bytes32 nodeX;
    bytes32 proofX;
    string url;
    uint64 behind; // the token this one stands behind as weight, if that one's generation is still the one below; or 0
    uint32 behindGeneration;
    uint8 offences; // evidence accepted so far
}

/// The seats as they are stored, and the four things that must always happen whole: listing, releasing an instance,
/// standing behind a seat, suspension.
///
/// Weight without loops: a token that stands behind another remembers the other's generation, and the other counts.
/// A release ends the generation and the count, and with them every token's standing, untouched.
abstract contract Seats is Cluster {
    uint256 private constant SUSPENSION_FIRST = 7 days;
    uint256 private constant SUSPENSION_MOST = 365 days;

    mapping(uint256 tokenId => Seat) internal _seats;
    uint256[] internal _tokens;

    /// Several tokens may be bound to an instance: nothing on chain knows whose it is before its machine has signed.
    struct Claims {
        uint64 primary; // the token that is registered for it, else the first that was bound; 0: none
        uint32 count; // tokens that are bound to it
    }

    mapping(address instance => Claims) internal _claims;
    /// The token whose seat a node key stands on, by the key's address; 0: none.
    mapping(address nodeSigner => uint256) public nodeSignerToToken;
    /// How long those are suspended who stood behind a seat in the generation in which it was.
    mapping(uint256 tokenId => mapping(uint32 generation => uint64)) private _suspendedIn;

    event InstanceReleased(uint256 indexed tokenId, address indexed instance);
    event RegistrationCleared(uint256 indexed tokenId);
    event SeatSuspended(uint256 indexed tokenId, uint64 until);

    /* ---- the list of tokens that exist ---- */

    function _list(uint256 tokenId) internal {
        _tokens.push(tokenId);
        _seats[tokenId].place = uint32(_tokens.length);
    }

    function _delist(uint256 tokenId) internal {
        uint32 place = _seats[tokenId].place;
        uint256 last = _tokens[_tokens.length - 1];
        _tokens[place - 1] = last;
        _seats[last].place = place;
        _tokens.pop();
        delete _seats[tokenId].place;
    }

    /// Those whose seats count now.
    function _activeTokens() internal view returns (uint256[] memory active) {
        uint256 count = 0;
        active = _tokens;
        for (uint256 i = 0; i < active.length; i++) {
            if (_counts(_seats[active[i]])) active[count++] = active[i];
        }
        assembly ("memory-safe") {
            mstore(active, count) /* cut it short */
        }
    }

    /// Registered, not deactivated, not at its end, not suspended; as of this block's time, as a node judges by the
    /// time of the block that it refers to.
    function _counts(Seat storage seat) internal view returns (bool) {
        return seat.active && !_isOut(seat);
    }

    /// At the end of its registration, or suspended. To a seat with an instance: that one's suspension is its own,
    /// for it gave up its place behind another one before, and none is bound while another's lasts.
    function _isOut(Seat storage seat) internal view returns (bool) {
        return (seat.active && seat.expiresAt <= block.timestamp) || seat.suspendedUntil > block.timestamp;
    }

    /* ---- an instance and what was registered for it ---- */

    /// The token by which an instance is known; 0: none.
    function instanceToToken(address instance) public view returns (uint256) {
        return _claims[instance].primary;
    }

    /// Unbind the instance, clear the registration made for it, and end the standing of all weight behind it.
    function _releaseInstance(uint256 tokenId, Seat storage seat) internal returns (bool wasRegistered) {
        if (seat.instance == address(0)) return false;
        wasRegistered = seat.nodePrefix != 0;
        if (wasRegistered) {
            delete nodeSignerToToken[seat.nodeSigner];
            delete seat.active;
            delete seat.nodePrefix;
            delete seat.nodeX;
            delete seat.proofPrefix;
            delete seat.proofX;
            delete seat.nodeSigner;
            delete seat.boundBy;
            delete seat.appId;
            delete seat.rootEpoch;
            delete seat.expiresAt;
            delete seat.url;
            _advance(seat);
            emit RegistrationCleared(tokenId);
        }
        emit InstanceReleased(tokenId, seat.instance);
        Claims storage claims = _claims[seat.instance];
        claims.count -= 1;
        if (claims.primary == tokenId) delete claims.primary;
        delete seat.instance;
        delete seat.attached;
        unchecked {
            seat.generation += 1;
        }
    }

    /// Every statement that was signed before is worthless from here on.
    function _advance(Seat storage seat) internal {
        unchecked {
            seat.nonce += 1;
        }
    }

    /* ---- weight ---- */

    /// The token that this one stands behind; 0: none.
    function _primaryOf(Seat storage seat) internal view returns (uint256) {
        return _seats[seat.behind].generation == seat.behindGeneration ? seat.behind : 0;
    }

    function _attach(Seat storage seat, uint256 primary) internal {
        Seat storage front = _seats[primary];
        front.attached += 1;
        seat.behind = uint64(primary);
        seat.behindGeneration = front.generation;
    }

    /// Leave the token in front, if there is or was one; a suspension from then comes along.
    function _detach(Seat storage seat) internal {
        if (seat.behind == 0) return;
        seat.suspendedUntil = _suspendedUntil(seat);
        if (_primaryOf(seat) != 0) _seats[seat.behind].attached -= 1;
        delete seat.behind;
        delete seat.behindGeneration;
    }

    /* ---- suspension ---- */

    /// Its own, or that of the seat that it gave weight to when that one broke the rules: whichever is longer.
    function _suspendedUntil(Seat storage seat) internal view returns (uint64) {
        uint64 inherited = _suspendedIn[seat.behind][seat.behindGeneration];
        return inherited > seat.suspendedUntil ? inherited : seat.suspendedUntil;
    }

    /// 7 days, and twice as long each further time, up to a year; never shorter than it was.
    function _suspend(uint256 tokenId) internal {
        Seat storage seat = _seats[tokenId];
        uint256 length = SUSPENSION_FIRST << seat.offences;
        if (length > SUSPENSION_MOST) length = SUSPENSION_MOST;
        else seat.offences += 1;
        uint64 until = uint64(block.timestamp + length);
        if (until < seat.suspendedUntil) until = seat.suspendedUntil;
        seat.suspendedUntil = until;
        _suspendedIn[tokenId][seat.generation] = until;
        emit SeatSuspended(tokenId, until);
    }
}
