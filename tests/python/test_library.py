"""The module over the library: what is asked of it, what is made of its answers, and that nothing
waits, leaks or is mistaken for an empty list. The library is fake_nftmesh.c: it is built against the
real header and does what a test tells it."""
import asyncio
import ctypes
import gc
import os
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import nftmesh
from helpers import CONTRACT, CleanEnvironment, ended, files_and_threads, until
from nftmesh import DStackP2PSDK, ListState, PeerState, Status, _direct, _library

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
URL = "https://me.example"
UNKNOWN_PEER, VERIFIED, FAILED = 0, 1, 4
FRESH, STALE = 1, 2


def fake():
    lib = _library.load()
    lib.fake_opened.restype = ctypes.c_char_p
    lib.fake_layout.restype = ctypes.c_size_t
    return lib


class WithLibrary(CleanEnvironment):
    def setUp(self):
        super().setUp()
        self.lib = fake()
        self.lib.fake_reset()
        _direct._chain_ids.clear()
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.socket = os.path.join(self.directory.name, "agent.sock")
        with open(self.socket, "w"):
            pass

    def sdk(self, **more):
        sdk = DStackP2PSDK(CONTRACT, URL, **{"dstack_socket": self.socket, **more})
        self.addCleanup(sdk.close)
        return sdk

    def says(self, urls, state=FRESH, peer_state=VERIFIED):
        self.lib.fake_list(state, urls.encode(), peer_state)

    def answers(self, call, status, sentence=b"because"):
        self.lib.fake_answer(call.encode(), int(status), sentence)

    def opened(self):
        return dict(word.split("=", 1) for word in self.lib.fake_opened().decode().split())


class Shapes(WithLibrary):
    def test_structures_are_as_the_compiler_has_them(self):
        for name, cls in (("options", _library.Options), ("peer", _library.CPeer),
                          ("peers", _library.CPeers)):
            self.assertEqual(self.lib.fake_layout(name.encode()), ctypes.sizeof(cls), name)
            compared = 0
            for field, *_ in cls._fields_:
                offset = self.lib.fake_layout(f"{name}.{field}".encode())
                if offset == ctypes.c_size_t(-1).value:
                    continue
                self.assertEqual(offset, getattr(cls, field).offset, f"{name}.{field}")
                compared += 1
            self.assertGreaterEqual(compared, 6, name)

    def test_statuses_and_states_are_the_headers(self):
        with open(os.path.join(ROOT, "sdk", "nftmesh.h"), encoding="ascii") as f:
            header = f.read()
        statuses = re.findall(r"NFTMESH_(?:ERR_)?([A-Z_]+) = (\d+)", header.split("_status_t;")[0])
        self.assertEqual({name: int(value) for name, value in statuses},
                         {s.name: s.value for s in Status})
        states = re.findall(r"NFTMESH_PEER_([A-Z]+) = (\d)", header)
        self.assertEqual([_library.PEER_STATES[int(n)].name for _, n in states],
                         [name for name, _ in states])
        self.assertEqual(re.findall(r"NFTMESH_LIST_FRESH = (\d)", header),
                         [str(_library.LIST_FRESH)])

    def test_every_status_becomes_an_exception_with_its_sentence(self):
        for status in Status:
            e = nftmesh.errors.error_of(status, "a sentence")
            self.assertIsInstance(e, nftmesh.NftmeshError)
            self.assertEqual((e.status, e.message, str(e)), (status, "a sentence", "a sentence"))
        self.assertEqual(nftmesh.errors.error_of(4711, "x").status, Status.UNKNOWN)


class Leading(WithLibrary):
    async def test_the_chain_knows_no_leader(self):
        for call in (self.sdk().leader, self.sdk().is_leader):
            with self.assertRaisesRegex(nftmesh.NftmeshUnsupported, "NFTMESH_HTTP"):
                await call()


class Opening(WithLibrary):
    async def test_making_the_object_asks_nobody(self):
        sdk = DStackP2PSDK(CONTRACT, URL)
        self.assertEqual((sdk.contract_address, sdk.connection_url, sdk.rpc_url),
                         (CONTRACT, URL, "http://localhost:8545"))
        self.assertEqual((sdk.instance_id, sdk.registered, sdk.last_error), (None, False, None))
        self.assertEqual(self.lib.fake_count(b"opened"), 0)

    async def test_arguments_may_be_positional_or_named(self):
        for sdk in (DStackP2PSDK(CONTRACT, URL, "http://a", self.socket),
                    DStackP2PSDK(contract_address=CONTRACT, connection_url=URL, rpc_url="http://a",
                                 dstack_socket=self.socket)):
            with sdk:
                await sdk.get_peers()
            told = self.opened()
            self.assertEqual((told["url"], told["rpc"], told["dstack"], told["key"]),
                             (URL, "http://a", self.socket, "-"))
            self.assertEqual(int(told["size"]), ctypes.sizeof(_library.Options))

    async def test_the_chain_id_is_asked_once_a_process(self):
        await self.sdk().get_peers()
        self.assertEqual(self.opened()["mesh"], CONTRACT)
        await self.sdk().get_peers()
        self.assertEqual(self.opened()["mesh"], "31337:" + CONTRACT)
        await self.sdk(rpc_url="http://other").get_peers()
        self.assertEqual(self.opened()["mesh"], CONTRACT)

    async def test_the_environment_or_the_address_may_name_the_chain(self):
        os.environ["NFTMESH_CHAIN_ID"] = "8453"
        await self.sdk().get_peers()
        self.assertEqual(self.opened()["mesh"], "8453:" + CONTRACT)
        sdk = DStackP2PSDK("base:" + CONTRACT, URL)
        self.addCleanup(sdk.close)
        await sdk.get_peers()
        self.assertEqual(self.opened()["mesh"], "base:" + CONTRACT)

    async def test_the_wallets_key_is_left_to_the_library(self):
        """Which takes PRIVATE_KEY or a file, with 0x or without, and zeroes its copy."""
        os.environ["PRIVATE_KEY"] = "0x" + "12" * 32
        await self.sdk().get_peers()
        self.assertEqual(self.opened()["key"], "-")

    async def test_the_default_socket_gives_way_to_what_there_is(self):
        await self.sdk(dstack_socket=_direct.SOCKET_DEFAULT).get_peers()
        self.assertEqual(self.opened()["dstack"], "-")
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.directory.name)
        os.mkdir("simulator")
        os.rename(self.socket, "simulator/dstack.sock")
        await self.sdk(dstack_socket=_direct.SOCKET_DEFAULT).get_peers()
        self.assertEqual(self.opened()["dstack"], _direct.SOCKET_DEFAULT)
        os.environ["DSTACK_SOCKET"] = "/somewhere"
        await self.sdk(dstack_socket=_direct.SOCKET_DEFAULT).get_peers()
        self.assertEqual(self.opened()["dstack"], "-")

    async def test_an_open_that_fails_is_told_and_tried_again(self):
        sdk = self.sdk()
        self.answers("open", Status.CHAIN, b"no endpoint answers")
        with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
            await sdk.get_peers()
        self.assertIsInstance(caught.exception.__cause__, nftmesh.NftmeshChainError)
        self.assertIsNone(caught.exception.peers)
        self.answers("open", Status.OK)
        self.assertEqual(await sdk.get_peers(), [])

    async def test_a_wrong_argument_is_no_unknown(self):
        self.answers("open", Status.CONFIG, b"contract_address: ..")
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await self.sdk().get_peers()
        for bad in (None, 5, "0x\0"):
            with self.assertRaises(nftmesh.NftmeshConfigError):
                await DStackP2PSDK(CONTRACT, bad).get_peers()

    def test_a_missing_library_says_what_to_do(self):
        for path in ("/nowhere/libnftmesh.so", "libc.so.6"):
            p = subprocess.run([sys.executable, "-c", "import nftmesh, asyncio\n"
                                "asyncio.run(nftmesh.DStackP2PSDK('0x', '').get_peers())"],
                               env={"NFTMESH_LIBRARY": path,
                                    "PYTHONPATH": os.path.join(ROOT, "sdk", "python")},
                               capture_output=True, text=True, check=False)
            last = p.stderr.strip().splitlines()[-1]
            self.assertIn("NftmeshConfigError", last)
            self.assertIn("NFTMESH_LIBRARY", last)


class Registering(WithLibrary):
    async def test_true_only_when_the_library_says_that_it_stands(self):
        sdk = self.sdk()
        for call in (sdk.register, sdk.register_instance, sdk.register_peer):
            self.answers("register", Status.OK)
            self.assertIs(await call(), True)
            self.assertEqual((sdk.registered, sdk.instance_id, sdk.last_error),
                             (True, "11" * 20, None))
            for status in list(Status)[1:]:
                self.answers("register", status, b"the reason")
                with self.assertLogs("nftmesh", "ERROR") as logs:
                    self.assertIs(await call(), False)
                self.assertFalse(sdk.registered)
                self.assertEqual((sdk.last_error.status, str(sdk.last_error)),
                                 (status, "the reason"))
                self.assertIn("the reason", logs.output[0])

    async def test_no_agent_is_waited_for_and_then_told(self):
        sdk = self.sdk(dstack_socket="/nowhere/dstack.sock")
        sdk.agent_tries, sdk.agent_pause_s = 3, 0.001
        with self.assertLogs("nftmesh") as logs:
            self.assertIs(await sdk.register(), False)
        self.assertIsInstance(sdk.last_error, nftmesh.NftmeshAgentError)
        self.assertIn("/nowhere/dstack.sock", str(sdk.last_error))
        self.assertEqual(sum("more tries" in line for line in logs.output), 2)

    async def test_an_agent_that_comes_late_is_found(self):
        late = os.path.join(self.directory.name, "late.sock")
        sdk = self.sdk(dstack_socket=late)
        sdk.agent_pause_s = 0.01
        with self.assertLogs("nftmesh") as logs:
            task = asyncio.ensure_future(sdk.register())
            await until(lambda: logs.output)
            os.rename(self.socket, late)
            self.assertIs(await task, True)

    async def test_the_loop_turns_while_a_call_waits(self):
        sdk = self.sdk()
        self.lib.fake_hold(1)
        self.addCleanup(self.lib.fake_hold, 0)
        task = asyncio.ensure_future(sdk.register())
        await until(lambda: self.lib.fake_count(b"held") == 1)
        self.assertEqual(await sdk.get_peers(), [])
        self.assertFalse(task.done())
        self.lib.fake_hold(0)
        self.assertIs(await task, True)

    async def test_a_cancelled_call_holds_nobody_up_and_close_waits_for_it(self):
        sdk = self.sdk()
        self.lib.fake_hold(1)
        self.addCleanup(self.lib.fake_hold, 0)
        task = asyncio.ensure_future(sdk.register())
        await until(lambda: self.lib.fake_count(b"held") == 1)
        await ended(task)
        sdk.close()
        self.assertEqual(self.lib.fake_count(b"closed"), 0)  # a thread is still inside
        self.lib.fake_hold(0)
        await until(lambda: self.lib.fake_count(b"closed") == 1)


class Serving(WithLibrary):
    async def test_what_is_to_be_served_is_the_librarys(self):
        found = await self.sdk().info()
        self.assertEqual(len(found["bundle"]) + len('{"bundle":""}') + 1, _library.INFO_BYTES)
        self.answers("register", Status.NOT_REGISTERED)
        with self.assertRaises(nftmesh.NftmeshNotRegistered):
            await self.sdk().info()

    async def test_its_bound_is_the_headers(self):
        with open(os.path.join(ROOT, "sdk", "nftmesh.h"), encoding="ascii") as f:
            self.assertIn(f"#define NFTMESH_INFO_BYTES {_library.INFO_BYTES}\n", f.read())


class Listing(WithLibrary):
    async def test_the_rich_form(self):
        self.says("http://a http://b")
        peers = await self.sdk().peers()
        self.assertEqual((len(peers), peers.state, peers.fresh, peers.block, peers.age_s),
                         (2, ListState.FRESH, True, 78, 0.25))
        a = peers[0]
        self.assertEqual((a.url, a.node, a.owner, a.weight, a.state, a.verified_block, a.age_s),
                         ("http://a", "02aa", "0xOwner", 1, PeerState.VERIFIED, 77, 1.5))
        self.assertEqual((a.token, a.rtt_ms, a.usable), (2**256 - 1, None, True))
        self.assertEqual([p.url for p in peers], ["http://a", "http://b"])
        self.assertEqual(self.lib.fake_count(b"given"), self.lib.fake_count(b"freed"))

    async def test_only_those_that_count_are_given(self):
        self.says("http://a", peer_state=UNKNOWN_PEER)
        sdk = self.sdk()
        self.assertEqual(await sdk.get_peers(), [])
        self.assertEqual([(p.reason, p.usable) for p in await sdk.peers()], [("expired", False)])
        self.says("http://a", peer_state=FAILED)
        self.assertEqual(await sdk.get_peers(), [])
        self.says("http://a", peer_state=99)
        self.assertEqual((await sdk.peers())[0].state, PeerState.UNKNOWN)

    async def test_what_cannot_be_confirmed_is_not_given_as_if_it_were(self):
        sdk = self.sdk()
        self.says("http://a", state=STALE)
        with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
            await sdk.get_peers()
        self.assertEqual(caught.exception.peers.urls(), ["http://a"])
        self.assertIn("no endpoint answers", str(caught.exception))
        self.assertEqual((await sdk.peers()).state, ListState.STALE)

    async def test_every_failure_is_unknown_and_never_empty(self):
        sdk = self.sdk()
        for status in list(Status)[1:]:
            self.answers("peers", status)
            for call in (sdk.get_peers, sdk.peers):
                expected = (nftmesh.NftmeshConfigError if status == Status.CONFIG else
                            nftmesh.NftmeshUnknown)
                with self.assertRaises(expected):
                    await call()


class Monitoring(WithLibrary):
    async def start(self, sdk, callback=None):
        told = []

        async def keep(urls):
            told.append(urls)
        task = asyncio.ensure_future(sdk.monitor_peers(callback or keep))
        self.addAsyncCleanup(asyncio.wait, [task])
        self.addCleanup(task.cancel)
        return told, task

    async def test_first_peers_then_each_change(self):
        self.says("http://a")
        told, task = await self.start(self.sdk())
        await until(lambda: told == [["http://a"]])
        self.says("http://a http://b")
        await until(lambda: len(told) == 2)
        self.says("")
        await until(lambda: len(told) == 3)
        self.assertEqual(told, [["http://a"], ["http://a", "http://b"], []])
        await ended(task)

    async def test_an_outage_is_no_change(self):
        self.says("http://a")
        sdk = self.sdk()
        told, task = await self.start(sdk)
        await until(lambda: told)
        self.says("", state=STALE)
        await until(lambda: sdk._backend._latest.state is ListState.STALE)
        self.says("http://a")
        await until(lambda: sdk._backend._latest.state is ListState.FRESH)
        self.says("http://b")
        await until(lambda: len(told) == 2)
        self.assertEqual(told, [["http://a"], ["http://b"]])
        await ended(task)

    async def test_a_cancelled_monitor_leaves_nothing(self):
        sdk = self.sdk()
        self.says("http://a")
        told, task = await self.start(sdk)
        await until(lambda: told)
        fd = self.lib.nftmesh_fd(sdk._backend._handle)
        await ended(task)
        self.assertFalse(asyncio.get_running_loop().remove_reader(fd))
        self.says("http://b")
        self.assertEqual(await sdk.get_peers(), ["http://b"])
        sdk.close()
        self.assertEqual(self.lib.fake_count(b"closed"), 1)
        self.assertEqual(told, [["http://a"]])

    async def test_two_monitors_of_one_object_both_hear(self):
        sdk = self.sdk()
        self.says("http://a")
        first, one = await self.start(sdk)
        await until(lambda: first)
        second, two = await self.start(sdk)
        await until(lambda: second)
        await ended(one)
        self.says("http://b")
        await until(lambda: len(second) == 2)
        self.assertEqual((first, second), ([["http://a"]], [["http://a"], ["http://b"]]))
        await ended(two)

    async def test_a_callback_that_raises_is_told_again(self):
        calls = []

        def awkward(urls):  # not a coroutine either
            calls.append(urls)
            if len(calls) == 1:
                raise RuntimeError("the application's own")
        self.says("http://a")
        with mock.patch("nftmesh.sdk.MONITOR_RETRY_S", 0.01), self.assertLogs("nftmesh") as logs:
            _, task = await self.start(self.sdk(), awkward)
            await until(lambda: len(calls) == 2)
            await ended(task)
        self.assertEqual(calls, [["http://a"]] * 2)
        self.assertIn("the application's own", "".join(logs.output))

    async def test_closing_ends_a_monitor_with_an_error(self):
        sdk = self.sdk()
        self.says("http://a")
        told, task = await self.start(sdk)
        await until(lambda: told)
        sdk.close()
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await task
        self.assertEqual(self.lib.fake_count(b"closed"), 1)
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await sdk.get_peers()

    async def test_a_monitor_begins_when_the_chain_comes_back(self):
        sdk = self.sdk()
        self.says("http://a")
        self.answers("open", Status.CHAIN)
        with mock.patch("nftmesh.sdk.MONITOR_RETRY_S", 0.01), self.assertLogs("nftmesh") as logs:
            told, task = await self.start(sdk)
            await until(lambda: logs.output)
            self.assertEqual(told, [])
            self.answers("open", Status.OK)
            await until(lambda: told)
        self.assertEqual(told, [["http://a"]])
        await ended(task)

    async def test_a_wrong_argument_ends_it(self):
        self.answers("open", Status.CONFIG)
        _, task = await self.start(self.sdk())
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await task


class Leaving(WithLibrary):
    def test_fifty_times_open_and_close_leave_no_thread_and_no_descriptor(self):
        async def once(how):
            if how == "with":
                with self.sdk() as sdk:
                    await sdk.register()
            elif how == "async with":
                async with self.sdk() as sdk:
                    await sdk.get_peers()
            else:
                sdk = DStackP2PSDK(CONTRACT, URL, dstack_socket=self.socket)
                task = asyncio.ensure_future(sdk.monitor_peers(lambda urls: None))
                await until(lambda: sdk._backend._waiting)
                await ended(task)
                del sdk, task
                gc.collect()
        asyncio.run(once("with"))
        before = files_and_threads()
        for i in range(51):
            asyncio.run(once(("with", "async with", "forgotten")[i % 3]))
        self.assertEqual(self.lib.fake_count(b"opened"), self.lib.fake_count(b"closed"))
        fds, threads = files_and_threads()
        self.assertLessEqual(fds, before[0])
        self.assertLessEqual(threads, before[1] + 1)  # a call's thread may be just about to end

    async def test_two_objects_have_nothing_to_do_with_each_other(self):
        one, two = self.sdk(), self.sdk()
        await one.get_peers()
        await two.get_peers()
        one.close()
        one.close()
        self.assertEqual(await two.get_peers(), [])
        self.assertEqual((self.lib.fake_count(b"opened"), self.lib.fake_count(b"closed")), (2, 1))


if __name__ == "__main__":
    unittest.main()
