"""Peers and lists of them, as values."""

from __future__ import annotations

import dataclasses
import enum
from typing import Iterator, List, Optional, Tuple


class PeerState(str, enum.Enum):
    """What is known of a peer; the last four only a node can tell."""

    UNKNOWN = "unknown"  #: listed on chain but does not count: Peer.reason says why
    VERIFIED = "verified"  #: its seat counts; nobody was asked whether it runs
    ALIVE = "alive"
    SUSPECT = "suspect"  #: does not answer, and has a moment left to
    FAILED = "failed"  #: has a seat, does not answer
    LEFT = "left"  #: has a seat, said goodbye


class ListState(str, enum.Enum):
    """How good a list is."""

    FRESH = "fresh"
    STALE = "stale"  #: was true Peers.age_s ago; cannot be confirmed now


_USABLE = (PeerState.VERIFIED, PeerState.ALIVE, PeerState.SUSPECT)


@dataclasses.dataclass(frozen=True)
class Peer:
    """One other instance of the cluster."""

    url: str  #: of the application behind it; "" when it has none
    node: str  #: its node key, 66 hex digits; "" when none is known
    owner: str  #: the wallet that owns its seat, 0x..
    instance: str  #: 40 hex digits
    token: int  #: its seat
    weight: int  #: tokens behind it
    state: PeerState
    verified_block: int  #: block at which it was last judged
    age_s: float  #: since that was last confirmed
    reason: str = ""  #: one word, when it does not count
    explanation: str = ""  #: the same as a sentence
    name: str = ""  #: what its node calls itself; "" without a node
    mesh_url: str = ""  #: of its node; "" when not known
    rtt_ms: Optional[float] = None  #: None: not measured

    @property
    def usable(self) -> bool:
        """May the application talk to it? Verified, alive or suspect."""
        return self.state in _USABLE


@dataclasses.dataclass(frozen=True)
class Peers:
    """All of them at one moment, sorted by token; this instance is not among them."""

    peers: Tuple[Peer, ...]
    state: ListState
    block: int  #: the list is as of this block
    age_s: float  #: since it was last confirmed
    why: str = ""  #: stale: what is wrong, one line

    def __iter__(self) -> Iterator[Peer]:
        return iter(self.peers)

    def __len__(self) -> int:
        return len(self.peers)

    def __getitem__(self, index: int) -> Peer:
        return self.peers[index]

    @property
    def fresh(self) -> bool:
        return self.state is ListState.FRESH

    def urls(self) -> List[str]:
        """Where the usable ones are reached: what get_peers() gives."""
        return [peer.url for peer in self.peers if peer.usable and peer.url]
