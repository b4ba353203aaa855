"""Without a node: the library asks guest agent and chain. Its calls wait, so each runs on a thread
of its own that ends with it; the event loop never waits, and a cancelled call holds nothing up."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import threading
from typing import Any, AsyncGenerator, Callable, Dict, Iterator, Optional, Set, Tuple, TypeVar

from . import _library
from .errors import NftmeshAgentError, NftmeshConfigError, NftmeshUnsupported, Status
from .leader import Leader, Lease
from .peers import Peers

SOCKET_DEFAULT = "./simulator/dstack.sock"
SOCKETS = ("/var/run/dstack.sock", SOCKET_DEFAULT, "/app/simulator/dstack.sock",
           "/tmp/dstack.sock")

NO_LEADER = "a list taken from the chain knows no leader: ask a node, set NFTMESH_HTTP"
T = TypeVar("T")
# Contract and endpoints -> chain id: an endpoint that later names another chain is not followed.
_chain_ids: Dict[Tuple[str, str], int] = {}


async def in_thread(function: Callable[[], T]) -> T:
    """function's result, computed on a daemon thread: neither cancelling the caller nor ending the
    process waits for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: Any, error: Optional[BaseException]) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)

    def run() -> None:
        value, error = None, None
        try:
            value = function()
        except Exception as e:  # noqa: BLE001 - it is the caller's, on the other thread
            error = e
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="nftmesh-call", daemon=True).start()
    return await future


class Direct:
    """A handle of the library, opened by the first call that needs it."""

    def __init__(self, contract: str, url: str, rpc: str, socket: str) -> None:
        self._contract, self._url, self._rpc, self._socket = contract, url, rpc, socket
        self._lock = threading.Lock()  # guards the four below
        self._lib: Optional[ctypes.CDLL] = None
        self._handle: Optional[int] = None
        self._uses = 0  # calls and monitors that need the handle open
        self._closed = False
        # The event loop's own: monitors that wait for a change, and what was told last.
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._waiting: Set[asyncio.Event] = set()
        self._latest: Optional[Peers] = None
        self._on_change = _library.CHANGE_FN(self._changed)  # kept: the library calls it

    # ---- the handle ----

    def agent_socket(self) -> Optional[bytes]:
        """The socket to ask, or None for the library's own search. A path that somebody chose is
        taken as it is."""
        if self._socket != SOCKET_DEFAULT:
            return os.fsencode(self._socket)
        told = os.environ.get("DSTACK_SOCKET") or os.environ.get("NFTMESH_DSTACK")
        if not told and os.path.exists(SOCKET_DEFAULT):
            return os.fsencode(SOCKET_DEFAULT)
        return None

    def require_agent(self) -> None:
        """NftmeshAgentError while there is no socket at all."""
        told = self.agent_socket()
        named = os.environ.get("DSTACK_SOCKET") or os.environ.get("NFTMESH_DSTACK")
        paths = [os.fsdecode(told)] if told else [named] if named else list(SOCKETS)
        if not any(os.path.exists(path) for path in paths):
            raise NftmeshAgentError("no guest agent: tried " + ", ".join(paths) +
                                    "; mount its socket, or name it with dstack_socket")

    def _open(self) -> int:
        """The handle; the lock is held."""
        if self._closed:
            raise NftmeshConfigError("this DStackP2PSDK is closed")
        if self._handle is not None:
            return self._handle
        lib = _library.load()
        options = _library.Options(size=ctypes.sizeof(_library.Options),
                                   rpc=_encode(self._rpc, "rpc_url"), dstack=self.agent_socket())
        key = (self._contract.lower(), self._rpc)
        chain = os.environ.get("NFTMESH_CHAIN_ID") or _chain_ids.get(key)
        mesh = self._contract if ":" in self._contract or not chain else f"{chain}:{self._contract}"
        handle = lib.nftmesh_open(_encode(mesh, "contract_address"),
                                  _encode(self._url, "connection_url"), ctypes.byref(options))
        if not handle:
            raise _library.last_error(lib)
        _chain_ids[key] = lib.nftmesh_chain_id(handle)
        self._lib, self._handle = lib, handle
        return handle

    def _ensure_open(self) -> None:
        with self._use():
            pass

    @contextlib.contextmanager
    def _use(self) -> Iterator[Tuple[ctypes.CDLL, int]]:
        """The library and the handle, which stays open meanwhile."""
        with self._lock:
            handle = self._open()
            self._uses += 1
        assert self._lib is not None
        try:
            yield self._lib, handle
        finally:
            with self._lock:
                self._uses -= 1
            self._close_unused()

    def _close_unused(self) -> None:
        with self._lock:
            if not self._closed or self._uses > 0 or self._handle is None:
                return
            handle, self._handle = self._handle, None
        assert self._lib is not None
        self._lib.nftmesh_close(handle)

    def close(self) -> None:
        """No new calls; the handle goes with the last that runs. Monitors end with an error."""
        with self._lock:
            self._closed = True
            loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake)
        self._close_unused()

    # ---- calls ----

    async def instance_id(self) -> str:
        def call() -> str:
            with self._use() as (lib, handle):
                value = lib.nftmesh_instance_id(handle)
                if value is None:
                    raise _library.last_error(lib)
                return _library.text(value)
        return await in_thread(call)

    async def register(self) -> None:
        """Returns when the registration stands on chain; else raises."""
        def call() -> None:
            with self._use() as (lib, handle):
                status = lib.nftmesh_register(handle)
                if status != Status.OK:
                    raise _library.last_error(lib, status)
        await in_thread(call)

    async def info(self) -> Dict[str, Any]:
        """What the library gives to be served; it does not wait."""
        def call() -> Dict[str, Any]:
            with self._use() as (lib, handle):
                out = ctypes.create_string_buffer(_library.INFO_BYTES)
                status = lib.nftmesh_info(handle, out)
                if status != Status.OK:
                    raise _library.last_error(lib, status)
                found: Dict[str, Any] = json.loads(out.value)
                return found
        return await in_thread(call)

    async def peers(self) -> Peers:
        def call() -> Peers:
            with self._use() as (lib, handle):
                given = lib.nftmesh_peers(handle)
                if not given:
                    raise _library.last_error(lib)
                try:
                    return _library.peers_of(given.contents)
                finally:
                    lib.nftmesh_peers_free(given)
        return await in_thread(call)

    async def leader(self) -> Leader:
        raise NftmeshUnsupported(NO_LEADER)

    async def is_leader(self) -> Lease:
        raise NftmeshUnsupported(NO_LEADER)

    # ---- changes ----

    async def changes(self) -> AsyncGenerator[Peers, None]:
        """The list as it is known first, then after each change; ends only by being closed."""
        await in_thread(self._ensure_open)
        with self._use():
            event = asyncio.Event()
            self._subscribe(event)
            try:
                while True:
                    await event.wait()
                    event.clear()
                    if self._closed:
                        raise NftmeshConfigError("this DStackP2PSDK was closed")
                    if self._latest is not None:
                        yield self._latest
            finally:
                self._unsubscribe(event)

    def _subscribe(self, event: asyncio.Event) -> None:
        assert self._lib is not None
        loop = asyncio.get_running_loop()
        if self._waiting and self._loop is not loop:
            raise NftmeshConfigError("another event loop monitors with this DStackP2PSDK: make one "
                                     "for each loop")
        if not self._waiting:
            self._loop, self._latest = loop, None
            status = self._lib.nftmesh_monitor(self._handle, self._on_change, None)
            if status != Status.OK:
                raise _library.last_error(self._lib, status)
            loop.add_reader(self._lib.nftmesh_fd(self._handle), self._dispatch)
        self._waiting.add(event)
        if self._latest is not None:
            event.set()

    def _unsubscribe(self, event: asyncio.Event) -> None:
        assert self._lib is not None and self._loop is not None
        self._waiting.discard(event)
        if not self._waiting:
            self._loop.remove_reader(self._lib.nftmesh_fd(self._handle))
            self._lib.nftmesh_monitor(self._handle, _library.CHANGE_FN(), None)
            self._loop = None

    def _dispatch(self) -> None:
        """The descriptor is readable: runs the callback, on this thread, without waiting."""
        assert self._lib is not None
        self._lib.nftmesh_dispatch(self._handle, 0)

    def _changed(self, _ctx: int, _handle: int, peers: Any) -> None:
        self._latest = _library.peers_of(peers.contents)
        self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()


def _encode(value: str, what: str) -> Optional[bytes]:
    if not isinstance(value, str) or "\0" in value:
        raise NftmeshConfigError(f"{what} is not a text")
    return value.encode() or None
