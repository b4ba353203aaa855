"""The prototype's class: the same names, types and defaults, over a node or over the library."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
from types import TracebackType
from typing import Any, Awaitable, Callable, Dict, List, Optional, Type, TypeVar, Union

from ._direct import SOCKET_DEFAULT, Direct, in_thread
from ._node import Node
from .errors import (NftmeshAgentError, NftmeshConfigError, NftmeshError, NftmeshUnknown,
                     NftmeshUnsupported)
from .leader import Leader, Lease
from .peers import Peers

logger = logging.getLogger("nftmesh")

MONITOR_RETRY_S = 10.0
T = TypeVar("T")


class _NotTold(Exception):
    """A monitor's callback raised."""


class DStackP2PSDK:
    """One instance's place in a cluster.

        sdk = DStackP2PSDK("0x33e0..39a3", "https://me.example", "https://rpc.example")
        await sdk.register()
        peers = await sdk.get_peers()

    contract_address  0x and 40 hex digits; NAME:0x.. or CHAINID:0x.. also says which chain. Without
                      it the chain id is NFTMESH_CHAIN_ID, else what the endpoints agree on when
                      first asked, from then on for this process.
    connection_url    where others reach this application.
    rpc_url           one endpoint, or several separated by commas or spaces: a majority must agree.
    dstack_socket     the guest agent's. Left at its default, the first there is of DSTACK_SOCKET,
                      ./simulator/dstack.sock, /var/run/dstack.sock, /app/simulator/dstack.sock and
                      /tmp/dstack.sock is taken.

    With NFTMESH_HTTP in the environment (http://127.0.0.1:9464, or unix:PATH of a control socket) a
    running node is asked instead of chain and agent. The wallet's key for registering is
    PRIVATE_KEY, never an argument. Making the object asks nobody; nothing that waits holds up the
    event loop. close(), `with` or `async with` give everything back."""

    agent_tries = 30  #: how often register() looks for the guest agent ..
    agent_pause_s = 2.0  #: .. and the pause between

    def __init__(self, contract_address: str, connection_url: str,
                 rpc_url: str = "http://localhost:8545",
                 dstack_socket: str = SOCKET_DEFAULT) -> None:
        self.contract_address = contract_address
        self.connection_url = connection_url
        self.rpc_url = rpc_url
        self.dstack_socket = dstack_socket
        #: 40 hex digits, known after register() or register_instance().
        self.instance_id: Optional[str] = None
        #: Did the last registration stand on chain?
        self.registered = False
        #: Why the last register() was False.
        self.last_error: Optional[NftmeshError] = None
        self._backend: Union[Node, Direct]
        node = os.environ.get("NFTMESH_HTTP")
        if node:
            self._backend = Node(node, contract_address, connection_url)
        else:
            self._backend = Direct(contract_address, connection_url, rpc_url, dstack_socket)

    # ---- registering ----

    async def register(self) -> bool:
        """Makes this instance a member: True when its registration stands on the chain. Does what
        is missing only; a second call costs nothing. False: the reason is logged, and in
        last_error."""
        try:
            await self._with_agent()
            await self._backend.register()
        except NftmeshError as e:
            logger.error("Registration failed: %s", e)
            self.registered, self.last_error = False, e
            return False
        self.registered, self.last_error = True, None
        return True

    async def register_instance(self) -> bool:
        """The first half of what the prototype did in two transactions. Registering is one step
        now: this is register(), and so is register_peer(); whichever comes second finds that it
        stands and sends nothing."""
        return await self.register()

    async def register_peer(self) -> bool:
        """The second half: see register_instance()."""
        return await self.register()

    async def _with_agent(self) -> None:
        """Learns the instance id, from an agent that may still be starting."""
        for left in range(self.agent_tries - 1, -1, -1):
            try:
                self._backend.require_agent()
                self.instance_id = await self._backend.instance_id()
                return
            except NftmeshAgentError as e:
                if left == 0:
                    raise
                logger.info("guest agent not ready, %d more tries: %s", left, e)
            await asyncio.sleep(self.agent_pause_s)

    async def info(self) -> Dict[str, Any]:
        """What this application serves in the JSON object at <connection_url>/info, so that others
        can verify it without asking a node: instance_id, chain_id, contract_address, and where the
        contract stores no keys (the prototype's) bundle, its owner's authorisation of this
        instance's keys. It is public and may change: ask for it with each request. NftmeshUnknown
        while it is not known, NftmeshNotRegistered while there is no authorisation."""
        return await self._backend.info()

    # ---- peers ----

    async def get_peers(self) -> List[str]:
        """The others' URLs: those that count, this instance not among them. An empty list means
        that there are none. NftmeshUnknown when that cannot be told now; its .peers is then the
        last list there was."""
        peers = await self.peers()
        if not peers.fresh:
            raise NftmeshUnknown(f"the peers cannot be confirmed: {peers.why}", peers)
        return peers.urls()

    async def peers(self) -> Peers:
        """All that is known of the others: also those on chain that do not count, with the reason;
        as of which block, how old, and whether it could be confirmed just now. NftmeshUnknown when
        nothing was ever known."""
        try:
            return await self._backend.peers()
        except (NftmeshConfigError, NftmeshUnknown):
            raise
        except NftmeshError as e:
            raise NftmeshUnknown(e.message) from e

    async def monitor_peers(self, callback: Callable[[List[str]], Any]) -> None:
        """Awaits callback(urls) with the first peers there are, and at each change from then on.
        Does not return; cancel it to end it. An outage is no change: while nothing can be confirmed
        the callback is not called. One that raises is logged, and told again with the next change,
        or after ten seconds."""
        told: List[str] = []
        while True:
            changes = self._backend.changes()
            try:
                async for peers in changes:
                    if peers.fresh and peers.urls() != told:
                        await self._tell(callback, peers.urls())
                        told = peers.urls()
            except _NotTold:
                pass
            except NftmeshConfigError:
                raise
            except NftmeshError as e:
                logger.error("Monitor peers error: %s", e)
            finally:
                await changes.aclose()
            await asyncio.sleep(MONITOR_RETRY_S)

    @staticmethod
    async def _tell(callback: Callable[[List[str]], Any], urls: List[str]) -> None:
        try:
            result = callback(urls)
            if inspect.isawaitable(result):
                await result
        except Exception as e:
            logger.exception("the callback of monitor_peers() failed; told again in %.0f s",
                             MONITOR_RETRY_S)
            raise _NotTold from e

    # ---- who leads ----

    async def leader(self) -> Leader:
        """Whose turn it is to lead, as the node knows it now. NftmeshUnknown when nobody does, as
        far as it knows, or when it cannot be asked; NftmeshUnsupported without a node (NFTMESH_HTTP)
        and with one that takes no part in consensus."""
        return await self._of_node(self._backend.leader())

    async def is_leader(self) -> Lease:
        """May this instance act as the leader now?

            lease = await sdk.is_leader()
            if lease:  # true for lease.remaining_s seconds
                act(lease.fencing_token)

        What cannot be told is raised, as by leader(), and is no reason to act."""
        return await self._of_node(self._backend.is_leader())

    @staticmethod
    async def _of_node(call: Awaitable[T]) -> T:
        try:
            return await call
        except (NftmeshConfigError, NftmeshUnknown, NftmeshUnsupported):
            raise
        except NftmeshError as e:
            raise NftmeshUnknown(e.message) from e

    # ---- the end ----

    def close(self) -> None:
        """Gives everything back. Calls that still run end by themselves, monitors with an
        NftmeshConfigError; later calls are refused. May be called twice."""
        self._backend.close()

    def __enter__(self) -> "DStackP2PSDK":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    async def __aenter__(self) -> "DStackP2PSDK":
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await in_thread(self.close)  # it waits for the library's thread

    def __del__(self) -> None:
        # Not all attributes are there when the constructor raised.
        with contextlib.suppress(Exception):
            self._backend.close()
