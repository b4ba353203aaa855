"""With a node: its HTTP surface or control socket tells who is there, the moment it changes. Needs
no library: an application's container beside a node's needs nothing but Python."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import re
import time
from typing import Any, AsyncGenerator, AsyncIterator, Dict, Optional, Tuple, TypeVar

from . import _http
from .errors import (NftmeshConfigError, NftmeshError, NftmeshNodeError, NftmeshNotRegistered,
                     NftmeshTimeout, NftmeshUnknown, Status, error_of)
from .leader import Leader, Lease
from .peers import ListState, Peer, Peers, PeerState

logger = logging.getLogger("nftmesh")

TIMEOUT_S = 10.0
REGISTER_TIMEOUT_S = 300.0
EVENTS_SILENT_S = 40.0  # a node writes at least each 15 s into a stream
EVENT_SETTLE_S = 0.25  # an event is told before the table shows it
RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0
LEASE_MS_MAX = 60000  # a node takes no longer one for its --lease
WHOLE_S = 0.001  # the node reads its clock in whole milliseconds
NODE_KEY = re.compile("[0-9a-f]{66}")
T = TypeVar("T")
TRANSPORT_ERRORS = (OSError, asyncio.TimeoutError, _http.HttpError)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    """A number, or a decimal text for large ones; what is neither counts as 0."""
    if isinstance(value, str) and 0 < len(value) <= 78 and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _number(value: Any, highest: int = (1 << 63) - 1) -> Optional[int]:
    """An integer from 0 to highest; None for all else. True and False are integers to Python."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= highest else None


def _leader(answer: Dict[str, Any]) -> Optional[Leader]:
    """Who leads, or None when nobody does. ValueError says what is missing."""
    who, is_self = answer.get("leader"), answer.get("self")
    if "leader" not in answer:
        raise ValueError("no leader")
    if not isinstance(is_self, bool):
        raise ValueError("self is neither true nor false")
    if who is None:
        if is_self:
            raise ValueError("it leads, and nobody does")
        return None
    fencing, epoch = _number(answer.get("fencing_token")), _number(answer.get("epoch"))
    if not isinstance(who, dict) or not NODE_KEY.fullmatch(_text(who.get("node"))):
        raise ValueError("a leader without a node key")
    token = who.get("token", -1)
    if isinstance(token, str) and re.fullmatch("[0-9]{1,78}", token):
        token = int(token)
    if token is not None and _number(token, (1 << 256) - 1) is None:
        raise ValueError("a leader without a token")
    if fencing is None or epoch is None:
        raise ValueError("a leader without fencing token and epoch")
    return Leader(node=who["node"], name=_text(who.get("name")), token=token, fencing_token=fencing,
                  epoch=epoch, is_self=is_self)


def _lease(answer: Dict[str, Any], sent: float) -> Lease:
    """The node's lease. sent: when it was asked for, of time.monotonic(): the node looked at it at
    some time since, so at the worst right then. What contradicts itself is a ValueError."""
    leader, held = _leader(answer), answer.get("lease")
    if not isinstance(held, bool):
        raise ValueError("lease is neither true nor false")
    if not held:
        return Lease()
    if leader is None or not leader.is_self:
        raise ValueError("a lease, and it does not lead")
    left_ms = _number(answer.get("lease_remaining_ms"), LEASE_MS_MAX)
    if left_ms is None:
        raise ValueError("a lease without its time")
    return Lease(leader.fencing_token, sent + left_ms / 1000 - WHOLE_S)


def _peer(member: Dict[str, Any], age_s: float) -> Peer:
    try:
        state = PeerState(_text(member.get("state")))
    except ValueError:
        state = PeerState.UNKNOWN
    rtt = member.get("rtt_ms")
    return Peer(url=_text(member.get("app_url")), mesh_url=_text(member.get("url")),
                name=_text(member.get("name")), node=_text(member.get("node")),
                owner=_text(member.get("owner")), instance=_text(member.get("instance")),
                token=_count(member.get("token")), weight=_count(member.get("weight")),
                state=state, verified_block=_count(member.get("verified_block")), age_s=age_s,
                rtt_ms=float(rtt) if isinstance(rtt, (int, float)) else None)


class Node:
    """A running node, asked anew by each call."""

    def __init__(self, address: str, contract: str, url: str) -> None:
        self._contract, self._url, self._closed = contract, url, False
        self._last: Optional[Peers] = None
        self._last_s = 0.0  # monotonic
        try:
            self._address = _http.Address(address)
        except ValueError as e:
            raise NftmeshConfigError(f"NFTMESH_HTTP: {e}") from None

    def close(self) -> None:
        self._closed = True

    def require_agent(self) -> None:
        """The node has asked it already."""

    # ---- asking ----

    async def _ask(self, method: str, path: str, body: Optional[bytes] = None,
                   headers: Optional[Dict[str, str]] = None,
                   timeout_s: Optional[float] = None) -> Tuple[int, Dict[str, Any]]:
        """Status and JSON object of an answer; NftmeshNodeError when there is none."""
        timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        if self._closed:
            raise NftmeshConfigError("this DStackP2PSDK is closed")
        try:
            async with _http.Deadline(timeout_s):
                status, raw = await _http.request(self._address, method, path, body, headers,
                                                  timeout_s)
            answer = json.loads(raw)
        except asyncio.TimeoutError:
            raise NftmeshTimeout(f"the node at {self._address.text} did not answer {path} within "
                                 f"{timeout_s:.0f} s") from None
        except (OSError, _http.HttpError) as e:
            raise NftmeshNodeError(f"the node at {self._address.text} does not answer: {e}; is it "
                                   "running, with --http?") from None
        except (ValueError, RecursionError):
            raise NftmeshNodeError(f"what answers at {self._address.text} is not a node of "
                                   f"nftmesh: {path} is not JSON") from None
        if not isinstance(answer, dict):
            raise NftmeshNodeError(f"what answers at {self._address.text} is not a node of nftmesh")
        return status, answer

    async def _get(self, path: str) -> Dict[str, Any]:
        status, answer = await self._ask("GET", path)
        if status != 200:
            raise NftmeshNodeError(f"the node answers {path} with {status}: "
                                   f"{_text(answer.get('detail'))}")
        return answer

    async def _status(self) -> Dict[str, Any]:
        """/v1/status of a node of our contract."""
        status = await self._get("/v1/status")
        theirs = _text(status.get("contract"))
        ours = self._contract.rpartition(":")[2]
        if theirs.lower() != ours.lower():
            raise NftmeshConfigError(f"the node at {self._address.text} is of contract {theirs}, "
                                     f"not of {ours}: correct contract_address or NFTMESH_HTTP")
        return status

    # ---- who we are ----

    async def instance_id(self) -> str:
        return _text((await self._status()).get("instance"))

    async def register(self) -> None:
        """Returns when the node's registration stands; by its control socket, or with the token of
        its --http-token-file, it is asked to register where it does not."""
        status = await self._status()
        if not _check(status, "seat")[0]:
            await self._order_registration(_check(status, "seat")[1])
            await self._await_seat()
        app_url = _text(status.get("app_url"))
        if self._url and self._url.rstrip("/") != app_url.rstrip("/"):
            logger.warning("peers are told %s, not %s: start the node with --app-url %s",
                           app_url or "no URL", self._url, self._url)

    async def _order_registration(self, why: str) -> None:
        headers, path = {}, "/v1/register"
        if self._address.path is None:
            token = _http_token()
            if token is None:
                raise NftmeshNotRegistered(f"the node has no seat: {why}. Over TCP it registers "
                                           "only with NFTMESH_HTTP_TOKEN_FILE; or run nftmesh "
                                           "register")
            headers, path = {"Authorization": f"Bearer {token}"}, "/register"
        code, answer = await self._ask("POST", path, b"{}", headers, REGISTER_TIMEOUT_S)
        if code in (200, 202):
            return
        detail = _text(answer.get("detail")) or why
        kind = {400: Status.WALLET, 401: Status.REFUSED, 403: Status.REFUSED,
                404: Status.UNSUPPORTED, 405: Status.UNSUPPORTED, 409: Status.BUSY,
                501: Status.UNSUPPORTED, 504: Status.TIMEOUT}.get(code, Status.NOT_REGISTERED)
        raise error_of(kind, f"the node does not register: {detail}")

    async def _await_seat(self) -> None:
        """The node itself sees its registration at its next reference block."""
        end = time.monotonic() + REGISTER_TIMEOUT_S
        async with _closing(self._signals()) as signals:
            async for _ in signals:
                stands, why = _check(await self._status(), "seat")
                if stands:
                    return
                if time.monotonic() > end:
                    raise NftmeshTimeout("the node was told to register, and still has no seat: " +
                                         why)

    async def info(self) -> Dict[str, Any]:
        """Of the node's own /info, what stands for the application too."""
        status, found = await self._status(), await self._get("/info")
        theirs = {"instance_id": _text(status.get("instance")), "chain_id": status.get("chain_id"),
                  "contract_address": _text(status.get("contract"))}
        return {**theirs, **{k: v for k, v in found.items()
                             if k in ("bundle", "record", "record_sig") and isinstance(v, str)}}

    # ---- who leads ----

    async def _ask_leader(self) -> Dict[str, Any]:
        code, answer = await self._ask("GET", "/v1/leader")
        if code == 200:
            return answer
        kind = {401: Status.REFUSED, 403: Status.REFUSED, 404: Status.UNSUPPORTED,
                501: Status.UNSUPPORTED, 503: Status.UNKNOWN,
                504: Status.UNKNOWN}.get(code, Status.NODE)
        raise error_of(kind, f"the node at {self._address.text} cannot say who leads: HTTP status "
                             f"{code} {_text(answer.get('detail'))}")

    def _no_node(self, error: Exception) -> NftmeshNodeError:
        return NftmeshNodeError(f"the node at {self._address.text} answers something else than a "
                                f"node: {error}")

    async def leader(self) -> Leader:
        await self._status()
        answer = await self._ask_leader()
        try:
            leader = _leader(answer)
        except ValueError as e:
            raise self._no_node(e) from None
        if leader is None:
            raise NftmeshUnknown(f"nobody leads, as far as the node at {self._address.text} knows")
        return leader

    async def is_leader(self) -> Lease:
        await self._status()
        sent = time.monotonic()
        answer = await self._ask_leader()
        try:
            lease = _lease(answer, sent)
        except ValueError as e:
            raise self._no_node(e) from None
        if lease.fencing_token is not None and not lease:
            raise NftmeshUnknown(f"the lease that the node at {self._address.text} told of was over "
                                 "when its answer came: ask again")
        return lease

    # ---- peers ----

    async def peers(self) -> Peers:
        # What is said of the table must have been true before and after it was read, of one process:
        # a node that starts, or joins, in between has a table that is not the cluster's yet.
        try:
            before = await self._status()
            table = await self._get("/v1/members")
            status = await self._status()
        except (NftmeshNodeError, NftmeshTimeout) as e:
            return self._without_answer(e)
        members, block = table.get("members"), table.get("block")
        if not isinstance(block, dict) or not isinstance(members, list):
            return self._without_answer(NftmeshUnknown("the node has not read the chain yet: " +
                                                       _check(status, "chain")[1]))
        if before.get("started") != status.get("started"):
            return self._without_answer(NftmeshUnknown("the node was started anew just now"))
        for said, name in itertools.product((before, status), ("seat", "joined")):
            stands, why = _check(said, name)
            if not stands:
                return self._without_answer(NftmeshUnknown(f"the node is not in the mesh: {why}"))
        confirmed, why = _check(status, "chain")
        age_s = 0.0 if confirmed else max(0.0, time.time() - _count(block.get("time")))
        found = [_peer(m, age_s) for m in members if isinstance(m, dict) and m.get("self") is False]
        peers = Peers(peers=tuple(sorted(found, key=lambda peer: peer.token)),
                      state=ListState.FRESH if confirmed else ListState.STALE,
                      block=_count(block.get("number")), age_s=age_s, why=why)
        self._last, self._last_s = peers, time.monotonic()
        return peers

    def _without_answer(self, error: NftmeshError) -> Peers:
        """The last list as a stale one; the error where there never was one."""
        if self._last is None:
            raise error
        return Peers(self._last.peers, ListState.STALE, self._last.block,
                     self._last.age_s + time.monotonic() - self._last_s, error.message)

    # ---- changes ----

    async def changes(self) -> AsyncGenerator[Peers, None]:
        """The list as it is known first, then whenever it may have changed; ends only by being
        closed. While the node is away, the last list as a stale one."""
        async with _closing(self._signals()) as signals:
            async for _ in signals:
                with contextlib.suppress(NftmeshUnknown, NftmeshNodeError, NftmeshTimeout):
                    yield await self.peers()

    async def _signals(self) -> AsyncGenerator[None, None]:
        """Now, and after each event of the node; reconnects with growing pauses."""
        pause_s = RETRY_S_MIN
        while True:
            try:
                async with _http.exchange(self._address, "GET", "/v1/events",
                                          timeout_s=TIMEOUT_S) as answer:
                    if answer.status != 200:
                        raise _http.HttpError(f"/v1/events answers {answer.status}")
                    pause_s = RETRY_S_MIN
                    async with _closing(self._bursts(answer)) as bursts:
                        async for _ in bursts:
                            yield
            except TRANSPORT_ERRORS as e:
                logger.info("the events of the node at %s end: %s", self._address.text,
                            e or type(e).__name__)
            if self._closed:
                raise NftmeshConfigError("this DStackP2PSDK was closed")
            yield
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _bursts(self, answer: _http.Answer) -> AsyncGenerator[None, None]:
        """Once at first; then at an event, and once more when the table has had time to show it."""
        heard = asyncio.Event()

        async def read() -> None:
            async for _ in answer.lines():
                heard.set()
            raise _http.HttpError("the node ended them")
        reader = asyncio.ensure_future(read())
        reader.add_done_callback(lambda _: heard.set())
        try:
            yield
            while not reader.done():
                async with _http.Deadline(EVENTS_SILENT_S):
                    await heard.wait()
                heard.clear()
                yield
                await asyncio.sleep(EVENT_SETTLE_S)
                yield
            reader.result()
        finally:
            reader.cancel()
            await asyncio.wait([reader])


@contextlib.asynccontextmanager
async def _closing(generator: AsyncGenerator[T, None]) -> AsyncIterator[AsyncGenerator[T, None]]:
    """Ends a generator where its user ends, and not when it is collected."""
    try:
        yield generator
    finally:
        await generator.aclose()


def _check(status: Dict[str, Any], name: str) -> Tuple[bool, str]:
    """One of the node's own checks: does it stand, and else why not."""
    checks = status.get("checks")
    for check in checks if isinstance(checks, list) else []:
        if isinstance(check, dict) and check.get("name") == name:
            return check.get("ok") is True, _text(check.get("reason"))
    return False, "the node is starting"


def _http_token() -> Optional[str]:
    path = os.environ.get("NFTMESH_HTTP_TOKEN_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="ascii") as f:
            return f.read(4096).strip()
    except (OSError, ValueError) as e:
        raise NftmeshConfigError(f"NFTMESH_HTTP_TOKEN_FILE: {e}") from None
