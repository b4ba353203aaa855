"""Who leads the mesh, and whether this instance may act as the leader, as values."""

from __future__ import annotations

import dataclasses
import time
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Leader:
    """Whose turn it is. That says whom to turn to: whether it may act, only itself can tell."""

    node: str  #: its node key, 66 hex digits
    name: str  #: what its node calls itself; "" when not known
    token: Optional[int]  #: its seat; None when the chain shows none any more
    fencing_token: int  #: of its lead; it only grows from one lead to the next
    epoch: int  #: grows whenever the members that vote change
    is_self: bool  #: it is the node that was asked


@dataclasses.dataclass(frozen=True)
class Lease:
    """May this instance act as the leader? True as long as it may, by this process's clock: look at
    it right before acting, and ask again for a renewed one.

    A process that was held up in between does not know that its time is over. Send fencing_token
    along with all that others are told to do; they refuse one lower than the highest they saw."""

    fencing_token: Optional[int] = None  #: None: this instance is not the leader
    until: float = 0.0  #: of time.monotonic()

    @property
    def remaining_s(self) -> float:
        """How long it still lasts, from now; 0.0 when there is none, or when it is over."""
        if self.fencing_token is None:
            return 0.0
        return max(0.0, self.until - time.monotonic())

    def __bool__(self) -> bool:
        return self.remaining_s > 0
