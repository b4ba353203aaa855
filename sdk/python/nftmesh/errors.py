"""What can go wrong, as exceptions: each with a status (an enum, for programs) and one sentence (for
people) that says what was wrong and what to do about it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Dict, Optional, Type

if TYPE_CHECKING:
    from .peers import Peers


class Status(enum.IntEnum):
    """The numbers of nftmesh_status_t in nftmesh.h."""

    OK = 0
    UNKNOWN = 1
    CONFIG = 2
    AGENT = 3
    CHAIN = 4
    WALLET = 5
    REFUSED = 6
    TIMEOUT = 7
    NOT_REGISTERED = 8
    NODE = 9
    BUSY = 10
    MEMORY = 11
    STORE = 12
    UNSUPPORTED = 13


class NftmeshError(Exception):
    """The base of all that this package raises; .status and .message."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class _OfOneStatus(NftmeshError):
    STATUS = Status.UNKNOWN

    def __init__(self, message: str) -> None:
        super().__init__(self.STATUS, message)


class NftmeshUnknown(_OfOneStatus):
    """Who the peers are cannot be told now: not the same as that there are none.

    .peers is the last list there was, marked stale, or None when there never was one; __cause__ is
    the error behind it where there is a closer one."""

    STATUS = Status.UNKNOWN

    def __init__(self, message: str, peers: Optional[Peers] = None) -> None:
        super().__init__(message)
        self.peers = peers


class NftmeshConfigError(_OfOneStatus, ValueError):
    """An argument or an environment variable is wrong, or the library is missing."""

    STATUS = Status.CONFIG


class NftmeshAgentError(_OfOneStatus):
    """The guest agent is not there, or answers what cannot be."""

    STATUS = Status.AGENT


class NftmeshChainError(_OfOneStatus):
    """Wrong chain, no contract there, endpoints that disagree or are dead."""

    STATUS = Status.CHAIN


class NftmeshWalletError(_OfOneStatus):
    """No wallet key, not the token's owner, or not enough funds."""

    STATUS = Status.WALLET


class NftmeshRefused(_OfOneStatus):
    """The contract, the node or a pin says no."""

    STATUS = Status.REFUSED


class NftmeshTimeout(_OfOneStatus, TimeoutError):
    """The deadline passed; what was begun may still come about."""

    STATUS = Status.TIMEOUT


class NftmeshNotRegistered(_OfOneStatus):
    """This instance has no seat that counts."""

    STATUS = Status.NOT_REGISTERED


class NftmeshNodeError(_OfOneStatus):
    """The node at NFTMESH_HTTP is away, or is none."""

    STATUS = Status.NODE


class NftmeshUnsupported(_OfOneStatus):
    """Not with this contract, or not with this node."""

    STATUS = Status.UNSUPPORTED


_CLASSES: Dict[Status, Type[_OfOneStatus]] = {
    cls.STATUS: cls
    for cls in (NftmeshUnknown, NftmeshConfigError, NftmeshAgentError, NftmeshChainError,
                NftmeshWalletError, NftmeshRefused, NftmeshTimeout, NftmeshNotRegistered,
                NftmeshNodeError, NftmeshUnsupported)
}


def error_of(status: int, message: str) -> NftmeshError:
    """The exception for a status of the library; a number of a newer one is an unknown."""
    try:
        known = Status(status)
    except ValueError:
        known = Status.UNKNOWN
    cls = _CLASSES.get(known)
    return cls(message) if cls is not None else NftmeshError(known, message)
