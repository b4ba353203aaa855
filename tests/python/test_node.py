"""The module with a node: live membership, an outage that is told as one, registering as far as the
surface allows, and answers that are none. The node is a server that says what a test tells it."""
import asyncio
import contextlib
import json
import os
import tempfile
import time
import unittest
from unittest import mock

import nftmesh
from helpers import CONTRACT, CleanEnvironment, ended, files_and_threads, until
from nftmesh import DStackP2PSDK, ListState, PeerState, _http

INSTANCE = "33" * 20
URL = "https://me.example"


def member(token, app_url, state="alive", **more):
    return {"name": f"n{token}", "node": "02" + "aa" * 32, "instance": "44" * 20, "token": token,
            "owner": "0x" + "55" * 20, "url": f"tcp://10.0.0.{token}:9470", "app_url": app_url,
            "state": state, "weight": 2, "verified_block": 90, "rtt_ms": 0.4, "self": False, **more}


class FakeNode:
    """What a node's surface answers; `raw` takes the place of every answer."""

    def __init__(self):
        self.checks = {name: (True, None) for name in ("seat", "chain", "joined")}
        self.block = {"number": 100, "hash": "0x", "time": int(time.time()) - 500}
        self.contract, self.app_url, self.members = CONTRACT, URL, []
        self.raw = None
        self.posted, self.post_status, self.post_answer = [], 200, {"status": "success"}
        self.after_post = lambda: None
        self.streams, self.requests, self.server = [], 0, None
        self.started = 0
        self.on_request = lambda path: None
        self.leader, self.leader_status, self.leader_after_s = {}, 200, 0
        self.late = 0  # answers of /v1/leader that are still to come

    async def listen(self, path=None):
        if path:
            self.server = await asyncio.start_unix_server(self.serve, path)
            return f"unix:{path}"
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", getattr(self, "port", 0))
        self.port = self.server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self.port}"

    async def away(self):
        self.server.close()
        for stream in self.streams:
            stream.close()
        self.streams.clear()
        await self.server.wait_closed()

    def event(self, text=b"event: member\ndata: {}\n\n"):
        for stream in self.streams:
            stream.write(b"%x\r\n%s\r\n" % (len(text), text))

    def status(self):
        return {"instance": INSTANCE, "chain_id": 31337, "contract": self.contract,
                "app_url": self.app_url,
                "started": self.started, "block": self.block, "token": 1,
                "checks": [{"name": n, "ok": ok, "reason": why}
                           for n, (ok, why) in self.checks.items()]}

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests += 1
            self.on_request(head.split(" ")[1])
            method, path, _ = head.split(" ", 2)
            if self.raw is not None:
                writer.write(self.raw)
            elif path == "/v1/events":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                             b"9\r\n: hello\n\n\r\n")
                self.streams.append(writer)
                return
            elif method == "POST":
                size = int(head.lower().split("content-length: ")[1].split("\r")[0])
                self.posted.append((path, head, await reader.readexactly(size)))
                self.after_post()
                self.answer(writer, self.post_answer, self.post_status)
            elif path == "/v1/leader":
                self.late += 1
                await asyncio.sleep(self.leader_after_s)
                self.late -= 1
                self.answer(writer, self.leader, self.leader_status)
            else:
                mine = member(1, URL, self=True)
                self.answer(writer, {"/v1/status": self.status, "/info": lambda: self.info,
                                     "/v1/members": lambda: {"members": [mine, *self.members],
                                                              "block": self.block},
                                     }[path]())
            await writer.drain()
        writer.close()

    @staticmethod
    def answer(writer, value, status=200):
        body = json.dumps(value).encode()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)


class WithNode(CleanEnvironment):
    async def asyncSetUp(self):
        self.node = FakeNode()
        os.environ["NFTMESH_HTTP"] = await self.node.listen()
        self.addAsyncCleanup(self.node.away)

    def sdk(self, contract=CONTRACT):
        sdk = DStackP2PSDK(contract, URL)
        self.addCleanup(sdk.close)
        return sdk


class Serving(WithNode):
    async def test_of_the_nodes_info_what_an_application_may_serve(self):
        self.node.info = {"bundle": "ab", "record": "cd", "record_sig": 7, "url": "tcp://x:1"}
        found = await self.sdk().info()
        self.assertEqual(found, {"instance_id": self.node.status()["instance"],
                                 "chain_id": self.node.status()["chain_id"],
                                 "contract_address": CONTRACT, "bundle": "ab", "record": "cd"})
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await self.sdk("0x" + "12" * 20).info()


class Leading(WithNode):
    WHO = {"name": "n2", "node": "02" + "aa" * 32, "token": 7}

    def says(self, /, after_s=0, status=200, **more):
        """It leads and may act for a minute, but for what a case changes; ... leaves a word out."""
        said = {"leader": self.WHO, "self": True, "lease": True, "lease_remaining_ms": 60000,
                "fencing_token": 8589934598, "epoch": 2, **more}
        self.node.leader = {k: v for k, v in said.items() if v is not ...}
        self.node.leader_status, self.node.leader_after_s = status, after_s

    async def test_who_leads_and_for_how_long_it_may(self):
        sdk = self.sdk()
        self.says()
        self.assertEqual(await sdk.leader(),
                         nftmesh.Leader(node="02" + "aa" * 32, name="n2", token=7,
                                        fencing_token=8589934598, epoch=2, is_self=True))
        lease = await sdk.is_leader()
        self.assertTrue(lease)
        self.assertEqual(lease.fencing_token, 8589934598)
        self.assertTrue(50 < lease.remaining_s < 60)
        # Another one leads, and nothing of what was said before is left.
        self.says(self=False, lease=False, lease_remaining_ms=None)
        lease = await sdk.is_leader()
        self.assertFalse(lease)
        self.assertEqual((lease.fencing_token, lease.remaining_s), (None, 0.0))
        self.assertFalse((await sdk.leader()).is_self)
        # It leads, and may not act: before its first heartbeat and after its last.
        self.says(lease=False, lease_remaining_ms=None)
        self.assertFalse(await sdk.is_leader())
        self.assertTrue((await sdk.leader()).is_self)

    async def test_nobody_leads_is_unknown_and_not_empty(self):
        self.says(leader=None, self=False, lease=False, lease_remaining_ms=None,
                  fencing_token=None, epoch=None)
        with self.assertRaisesRegex(nftmesh.NftmeshUnknown, "nobody leads"):
            await self.sdk().leader()
        self.assertFalse(await self.sdk().is_leader())

    async def test_a_lease_is_over_by_our_own_clock(self):
        self.says(lease_remaining_ms=300)
        lease = await self.sdk().is_leader()
        self.assertTrue(lease)
        await until(lambda: not lease)
        self.assertEqual(lease.remaining_s, 0.0)

    async def test_what_a_lease_lost_on_the_way_is_taken_off(self):
        self.says(after_s=0.4, lease_remaining_ms=30000)
        self.assertLessEqual((await self.sdk().is_leader()).remaining_s, 29.6)
        for left_ms, after_s in ((400, 0.4), (0, 0), (1, 0)):
            self.says(after_s=after_s, lease_remaining_ms=left_ms)
            with self.assertRaisesRegex(nftmesh.NftmeshUnknown, "was over"):
                await self.sdk().is_leader()

    async def test_a_token_may_be_large_or_none(self):
        for token, found in ((None, None), ("18446744073709551616", 1 << 64), (0, 0)):
            self.says(leader={**self.WHO, "token": token, "name": 7})
            leader = await self.sdk().leader()
            self.assertEqual((leader.token, leader.name), (found, ""))

    async def test_what_contradicts_itself_makes_nobody_the_leader(self):
        who = self.WHO
        for more in ({"leader": None}, {"leader": None, "self": False}, {"self": False},
                     {"leader": ...}, {"self": ...}, {"lease": ...}, {"lease_remaining_ms": ...},
                     {"lease_remaining_ms": None}, {"fencing_token": ...}, {"fencing_token": None},
                     {"epoch": ...}, {"epoch": None}, {"self": 1}, {"lease": 1},
                     {"lease": "true"}, {"lease_remaining_ms": "9"}, {"lease_remaining_ms": 9.5},
                     {"lease_remaining_ms": True}, {"lease_remaining_ms": -1},
                     {"lease_remaining_ms": 60001}, {"lease_remaining_ms": 1 << 200},
                     {"fencing_token": "1"}, {"fencing_token": True}, {"fencing_token": -1},
                     {"fencing_token": 1 << 63}, {"fencing_token": 1.0}, {"epoch": -1},
                     {"epoch": []}, {"leader": 7}, {"leader": []}, {"leader": {}},
                     {"leader": {**who, "node": "02aa"}}, {"leader": {**who, "node": None}},
                     {"leader": {**who, "node": "02" + "AA" * 32}},
                     {"leader": {**who, "node": "02" + "aa" * 32 + "\n"}},
                     {"leader": {"name": "n", "node": who["node"]}},
                     {"leader": {**who, "token": -1}}, {"leader": {**who, "token": "x"}},
                     {"leader": {**who, "token": True}}, {"leader": {**who, "token": "9" * 78}}):
            with self.subTest(repr(more)):
                self.says(**more)
                with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
                    await self.sdk().is_leader()
                self.assertIsInstance(caught.exception.__cause__, nftmesh.NftmeshNodeError)

    async def test_a_node_that_cannot_say(self):
        for status, kind, behind in ((404, nftmesh.NftmeshUnsupported, type(None)),
                                     (503, nftmesh.NftmeshUnknown, type(None)),
                                     (504, nftmesh.NftmeshUnknown, type(None)),
                                     (403, nftmesh.NftmeshUnknown, nftmesh.NftmeshRefused),
                                     (500, nftmesh.NftmeshUnknown, nftmesh.NftmeshNodeError)):
            for call in (self.sdk().leader, self.sdk().is_leader):
                with self.subTest(status=status, call=call.__name__):
                    self.says(status=status, detail="the reason")
                    with self.assertRaisesRegex(kind, "the reason") as caught:
                        await call()
                    self.assertIsInstance(caught.exception.__cause__, behind)

    async def test_a_node_that_is_away_silent_or_no_node(self):
        for call in (self.sdk().leader, self.sdk().is_leader):
            for raw in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"lease\":true",
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"):
                self.node.raw = raw
                with self.assertRaises(nftmesh.NftmeshUnknown):
                    await call()
            self.node.raw = None
            with mock.patch("nftmesh._node.TIMEOUT_S", 0.1):
                self.says(after_s=0.5)
                with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
                    await call()
            await until(lambda: self.node.late == 0)
            self.assertIsInstance(caught.exception.__cause__, nftmesh.NftmeshTimeout)
        await self.node.away()
        for call in (self.sdk().leader, self.sdk().is_leader):
            with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
                await call()
            self.assertIsInstance(caught.exception.__cause__, nftmesh.NftmeshNodeError)

    async def test_another_contracts_leader_is_none_of_ours(self):
        self.says()
        sdk = self.sdk("0x" + "12" * 20)
        for call in (sdk.leader, sdk.is_leader):
            with self.assertRaises(nftmesh.NftmeshConfigError):
                await call()

    async def test_a_closed_object_is_not_the_leader(self):
        self.says()
        sdk = self.sdk()
        sdk.close()
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await sdk.is_leader()


class Listing(WithNode):
    async def test_members_become_peers(self):
        self.node.members = [member(3, "http://c"), member(2, "http://b", rtt_ms=None)]
        peers = await self.sdk().peers()
        self.assertEqual([p.token for p in peers], [2, 3])
        b = peers[0]
        self.assertEqual((b.url, b.mesh_url, b.node, b.owner, b.weight, b.state, b.verified_block),
                         ("http://b", "tcp://10.0.0.2:9470", "02" + "aa" * 32, "0x" + "55" * 20, 2,
                          PeerState.ALIVE, 90))
        self.assertEqual((b.rtt_ms, peers[1].rtt_ms, b.instance, b.name),
                         (None, 0.4, "44" * 20, "n2"))
        self.assertEqual((peers.state, peers.block, peers.age_s), (ListState.FRESH, 100, 0.0))

    async def test_alive_and_suspect_are_given_and_oneself_is_not(self):
        self.node.members = [member(2, "http://b"), member(3, "http://c", "suspect"),
                             member(4, "http://d", "failed"), member(5, "http://e", "left"),
                             member(6, ""), member(7, "http://g", "new state of a newer node")]
        sdk = self.sdk()
        self.assertEqual(await sdk.get_peers(), ["http://b", "http://c"])
        self.assertEqual([p.state.value for p in await sdk.peers()],
                         ["alive", "suspect", "failed", "left", "alive", "unknown"])

    async def test_no_members_is_an_empty_list(self):
        self.assertEqual(await self.sdk().get_peers(), [])

    async def test_a_node_that_has_not_read_the_chain_knows_nothing(self):
        self.node.block = None
        self.node.checks["chain"] = (False, "rpc_unreachable: no agreed answer yet")
        for call in (self.sdk().get_peers, self.sdk().peers):
            with self.assertRaisesRegex(nftmesh.NftmeshUnknown, "rpc_unreachable"):
                await call()

    async def test_a_node_outside_of_the_mesh_knows_nothing(self):
        self.node.members = [member(2, "http://b")]
        for name in ("seat", "joined"):
            self.node.checks[name] = (False, "the reason")
            with self.assertRaisesRegex(nftmesh.NftmeshUnknown, "the reason"):
                await self.sdk().peers()
            self.node.checks[name] = (True, None)
        del self.node.checks["joined"]
        with self.assertRaises(nftmesh.NftmeshUnknown):
            await self.sdk().peers()

    async def test_a_node_that_changes_between_two_questions_is_not_believed(self):
        """Each of these would make the empty table of a node that has just started a fresh list."""
        def starts(path):
            if path == "/v1/members":
                self.node.started, self.node.members = 1, []

        def joins(path):
            if path == "/v1/status":
                joined = self.node.requests > 1
                self.node.checks["joined"] = (joined, "nobody has answered")

        def loses_the_chain(path):
            self.node.block = {"number": 1} if path == "/v1/status" else None
        for change in (starts, joins, loses_the_chain):
            with self.subTest(change.__name__):
                sdk = self.sdk()
                self.node.on_request, self.node.members = lambda path: None, [member(2, "http://b")]
                self.assertEqual(await sdk.get_peers(), ["http://b"])
                self.node.requests, self.node.members = 0, []
                self.node.on_request = change
                with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
                    await sdk.get_peers()
                self.assertEqual(caught.exception.peers.urls(), ["http://b"])

    async def test_a_node_cut_off_from_the_chain_gives_a_stale_list(self):
        self.node.members = [member(2, "http://b")]
        self.node.checks["chain"] = (False, "rpc_unreachable: for 90 s")
        sdk = self.sdk()
        peers = await sdk.peers()
        self.assertEqual((peers.state, peers.urls(), peers.why),
                         (ListState.STALE, ["http://b"], "rpc_unreachable: for 90 s"))
        self.assertGreater(peers.age_s, 400)
        with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
            await sdk.get_peers()
        self.assertEqual(caught.exception.peers.urls(), ["http://b"])

    async def test_a_node_that_is_away_leaves_the_last_list_and_is_never_empty(self):
        await self.node.away()
        for call in (self.sdk().get_peers, self.sdk().peers):
            with self.assertRaises(nftmesh.NftmeshUnknown) as caught:
                await call()
            self.assertIsInstance(caught.exception.__cause__, nftmesh.NftmeshNodeError)
        await self.node.listen()
        self.node.members = [member(2, "http://b")]
        sdk = self.sdk()
        self.assertEqual(await sdk.get_peers(), ["http://b"])
        await self.node.away()
        peers = await sdk.peers()
        self.assertEqual((peers.state, peers.urls()), (ListState.STALE, ["http://b"]))
        with self.assertRaises(nftmesh.NftmeshUnknown):
            await sdk.get_peers()

    async def test_a_node_of_another_contract_is_refused(self):
        self.node.contract = "0x" + "cd" * 20
        with self.assertRaisesRegex(nftmesh.NftmeshConfigError, "is of contract 0xcdcd"):
            await self.sdk().get_peers()
        self.node.contract = CONTRACT.upper().replace("0X", "0x")
        await self.sdk("base:" + CONTRACT).get_peers()

    async def test_no_library_is_needed(self):
        os.environ["NFTMESH_LIBRARY"] = "/nowhere"
        with mock.patch("nftmesh._library._loaded", None):
            self.assertEqual(await self.sdk().get_peers(), [])

    async def test_addresses(self):
        for text in ("127.0.0.1:9464", "http://127.0.0.1:9464", "http://127.0.0.1:9464/",
                     "http://[::1]:9464", "unix:/a b/c.sock", "unix:///a/c.sock"):
            os.environ["NFTMESH_HTTP"] = text
            self.sdk()
        self.assertEqual(_http.Address("unix:///a/c.sock").path, "/a/c.sock")
        self.assertEqual(_http.Address("http://[::1]:9464").host, "::1")
        for text in ("https://a:1", "a", "http://a", "a:0", "a:65536", "a:x", ":1", "unix:",
                     "http://a@b:1", "http://a/b:1", "http://a b:1", "ftp://a:1"):
            os.environ["NFTMESH_HTTP"] = text
            with self.assertRaises(nftmesh.NftmeshConfigError, msg=text):
                self.sdk()


class Hostile(WithNode):
    """Whatever answers: unknown, with a sentence; never empty, and no other exception."""

    OK = b"HTTP/1.1 200 OK\r\n"
    LIES = {
        "nothing": b"",
        "no http": b"SSH-2.0-OpenSSH_9.2\r\n",
        "half a head": OK + b"Content-Le",
        "no colon": OK + b"Content-Length 5\r\n\r\n",
        "many headers": OK + b"A: b\r\n" * 100 + b"\r\n",
        "a long line": OK + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        "a status that is none": b"HTTP/1.1 2x0 OK\r\n\r\n",
        "a length that is none": OK + b"Content-Length: +5\r\n\r\nhello",
        "a negative length": OK + b"Content-Length: -1\r\n\r\n",
        "a huge length": OK + b"Content-Length: 99999999999\r\n\r\n",
        "a short body": OK + b"Content-Length: 50\r\n\r\n{}",
        "a huge chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n{}",
        "a chunk that is none": OK + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\n{}",
        "half a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n50\r\n{}",
        "not json": OK + b"\r\n<html>",
        "not an object": OK + b"\r\n[]",
        "deep json": OK + b"\r\n" + b"[" * 100_000,
        "not utf-8": OK + b"\r\n{\"a\":\"\xff\"}",
        "an error": b"HTTP/1.1 503 x\r\n\r\n{\"detail\":\"starting\"}",
        "no detail": b"HTTP/1.1 404 x\r\n\r\n{\"detail\":[1]}",
    }

    async def test_answers_that_are_none(self):
        sdk = self.sdk()
        for name, raw in self.LIES.items():
            with self.subTest(name):
                self.node.raw = raw
                with self.assertRaises(nftmesh.NftmeshUnknown):
                    await sdk.get_peers()
                with self.assertLogs("nftmesh"):
                    self.assertIs(await sdk.register(), False)
                self.assertIsInstance(sdk.last_error, nftmesh.NftmeshNodeError)

    async def test_members_of_wrong_types(self):
        self.node.members = [5, None, {"self": False}, {"self": "no"},
                             member([], {}, [], weight=-1, rtt_ms="x", verified_block=True),
                             member("9" * 79, "http://z"), member("12", "http://y")]
        peers = await self.sdk().peers()
        self.assertEqual(sorted(p.token for p in peers), [0, 0, 0, 12])
        self.assertEqual(peers.urls(), ["http://z", "http://y"])

    async def test_a_node_that_never_answers_meets_the_deadline(self):
        async def silent(reader, writer):
            await reader.read()
            writer.close()
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        os.environ["NFTMESH_HTTP"] = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        with mock.patch("nftmesh._node.TIMEOUT_S", 0.05), \
                self.assertRaises(nftmesh.NftmeshUnknown) as caught:
            await self.sdk().get_peers()
        self.assertIsInstance(caught.exception.__cause__, (nftmesh.NftmeshTimeout,
                                                           nftmesh.NftmeshNodeError))
        server.close()


class Wire(unittest.IsolatedAsyncioTestCase):
    """The client by itself, on bytes in memory."""

    @staticmethod
    async def read(raw):
        reader = asyncio.StreamReader(limit=_http.LINE_BYTES_MAX)
        reader.feed_data(raw)
        reader.feed_eof()
        return await (await _http._head(reader)).read()

    async def test_bodies_of_every_form(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for raw in (b"Content-Length: 5\r\n\r\nhello and more", b"\r\nhello",
                    b"content-length:5\r\n\r\nhello",
                    b"Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"):
            self.assertEqual(await self.read(head + raw), b"hello", raw)

    async def test_lengths_that_a_laxer_reader_would_take(self):
        for length in (b"+5", b"-5", b" 5_0", b"5 5", b"0x5", b"", b"\xb2", b"5" * 13):
            with self.assertRaisesRegex(_http.HttpError, "not a number", msg=length):
                await self.read(b"HTTP/1.1 200 OK\r\nContent-Length: " + length +
                                b"\r\n\r\n" + b"x" * 55)
        for length in (b"0x5", b"+5", b"-1", b""):
            with self.assertRaisesRegex(_http.HttpError, "not a number", msg=length):
                await self.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + length +
                                b"\r\nhello\r\n0\r\n\r\n")

    async def test_what_is_too_large_is_refused_before_it_is_read(self):
        for head in (b"Content-Length: 67108865\r\n\r\n",
                     b"Transfer-Encoding: chunked\r\n\r\n4000001\r\n"):
            with self.assertRaisesRegex(_http.HttpError, "too large"):
                await self.read(b"HTTP/1.1 200 OK\r\n" + head)
        with mock.patch("nftmesh._http.ANSWER_BYTES_MAX", 250), \
                self.assertRaisesRegex(_http.HttpError, "too large"):
            await self.read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                            (b"40\r\n" + b"x" * 64 + b"\r\n") * 4 + b"0\r\n\r\n")

    async def test_a_line_of_a_stream_is_bounded(self):
        reader = asyncio.StreamReader()
        reader.feed_data(b"x" * (3 * _http.LINE_BYTES_MAX))
        reader.feed_eof()
        with self.assertRaisesRegex(_http.HttpError, "too long"):
            async for _ in _http.Answer(reader, 200, {}).lines():
                pass

    async def test_a_deadline_is_not_a_cancellation_and_keeps_none_from_others(self):
        with self.assertRaises(asyncio.TimeoutError):
            async with _http.Deadline(0.001):
                await asyncio.Event().wait()

        async def under_a_deadline():
            async with _http.Deadline(60):
                await asyncio.Event().wait()
        task = asyncio.ensure_future(under_a_deadline())
        await asyncio.sleep(0)
        await ended(task)


class Registering(WithNode):
    async def on_socket(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        unix = FakeNode()
        os.environ["NFTMESH_HTTP"] = await unix.listen(os.path.join(directory.name, "control"))
        self.addAsyncCleanup(unix.away)
        return unix

    async def test_a_seat_that_stands_is_true_and_nothing_is_sent(self):
        sdk = self.sdk()
        self.assertIs(await sdk.register(), True)
        self.assertEqual((sdk.instance_id, sdk.registered, self.node.posted), (INSTANCE, True, []))

    async def test_over_tcp_without_a_token_it_only_tells(self):
        self.node.checks["seat"] = (False, "run nftmesh register --token 7")
        sdk = self.sdk()
        with self.assertLogs("nftmesh"):
            self.assertIs(await sdk.register(), False)
        self.assertIsInstance(sdk.last_error, nftmesh.NftmeshNotRegistered)
        self.assertIn("nftmesh register --token 7", str(sdk.last_error))
        self.assertEqual(self.node.posted, [])

    async def test_by_the_control_socket_the_node_registers_and_sees_it(self):
        node = await self.on_socket()
        node.checks["seat"] = (False, "no_seat")
        sdk = self.sdk()
        task = asyncio.ensure_future(sdk.register())
        await until(lambda: node.streams)
        self.assertEqual([(path, body) for path, _, body in node.posted], [("/v1/register", b"{}")])
        await until(lambda: node.requests >= 5)
        self.assertFalse(task.done())  # success was said; the node does not see it yet
        node.checks["seat"] = (True, None)
        node.event()
        self.assertIs(await task, True)

    async def test_over_tcp_with_a_token(self):
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("a-token-of-the-operator\n")
            f.flush()
            os.environ["NFTMESH_HTTP_TOKEN_FILE"] = f.name
            self.node.checks["seat"] = (False, "no_seat")
            self.node.after_post = lambda: self.node.checks.update(seat=(True, None))
            self.assertIs(await self.sdk().register(), True)
        path, head, _ = self.node.posted[0]
        self.assertEqual(path, "/register")
        self.assertIn("Authorization: Bearer a-token-of-the-operator\r\n", head)
        sdk = self.sdk()
        self.node.checks["seat"] = (False, "no_seat")
        with self.assertLogs("nftmesh"):
            self.assertIs(await sdk.register(), False)  # the file is gone
        self.assertIsInstance(sdk.last_error, nftmesh.NftmeshConfigError)

    async def test_a_refusal_is_its_own_error(self):
        node = await self.on_socket()
        node.checks["seat"] = (False, "no_seat")
        for status, kind in ((400, nftmesh.NftmeshWalletError), (401, nftmesh.NftmeshRefused),
                             (403, nftmesh.NftmeshRefused), (404, nftmesh.NftmeshUnsupported),
                             (501, nftmesh.NftmeshUnsupported), (409, nftmesh.NftmeshError),
                             (504, nftmesh.NftmeshTimeout), (500, nftmesh.NftmeshNotRegistered)):
            node.post_status, node.post_answer = status, {"detail": "the node's reason"}
            sdk = self.sdk()
            with self.assertLogs("nftmesh"):
                self.assertIs(await sdk.register(), False)
            self.assertIs(type(sdk.last_error), kind)
            self.assertIn("the node's reason", str(sdk.last_error))

    async def test_another_url_than_peers_are_told_is_warned_of(self):
        self.node.app_url = "https://old.example"
        with self.assertLogs("nftmesh", "WARNING") as logs:
            self.assertIs(await self.sdk().register(), True)
        self.assertIn("--app-url " + URL, logs.output[0])


class Monitoring(WithNode):
    async def start(self, sdk):
        told = []

        async def keep(urls):
            told.append(urls)
        task = asyncio.ensure_future(sdk.monitor_peers(keep))
        self.addAsyncCleanup(asyncio.wait, [task])
        self.addCleanup(task.cancel)
        return told, task

    async def test_an_event_tells_of_a_change(self):
        self.node.members = [member(2, "http://b")]
        told, task = await self.start(self.sdk())
        await until(lambda: told and self.node.streams)
        self.node.members.append(member(3, "http://c"))
        self.node.event()
        await until(lambda: len(told) == 2)
        self.node.members.clear()
        self.node.event()
        await until(lambda: len(told) == 3)
        self.assertEqual(told, [["http://b"], ["http://b", "http://c"], []])
        await ended(task)

    async def test_a_table_that_lags_behind_its_event_is_read_again(self):
        self.node.members = [member(2, "http://b")]
        told, task = await self.start(self.sdk())
        await until(lambda: told and self.node.streams)
        await asyncio.sleep(0)
        before = self.node.requests
        self.node.event()
        await until(lambda: self.node.requests >= before + 3)  # it was read at once
        self.node.members = [member(3, "http://c")]
        await until(lambda: len(told) == 2)
        self.assertEqual(told[1], ["http://c"])
        await ended(task)

    async def test_a_restarted_node_is_no_empty_list(self):
        self.node.members = [member(2, "http://b")]
        told, task = await self.start(self.sdk())
        await until(lambda: told and self.node.streams)
        await self.node.away()
        self.node.block, self.node.members = None, []
        await self.node.listen()
        await until(lambda: self.node.streams)
        for step in ({"block": {"number": 101, "time": 1},
                      "checks": {**self.node.checks, "joined": (False, "nobody has answered")}},
                     {"checks": {**self.node.checks, "joined": (True, None)},
                      "members": [member(3, "http://c")]}):
            before = self.node.requests
            self.node.event()
            await until(lambda: self.node.requests >= before + 6)
            for name, value in step.items():
                setattr(self.node, name, value)
        self.node.event()
        await until(lambda: len(told) == 2)
        self.assertEqual(told, [["http://b"], ["http://c"]])
        await ended(task)

    async def test_nothing_is_told_while_the_node_cannot_confirm(self):
        self.node.members = [member(2, "http://b")]
        told, task = await self.start(self.sdk())
        await until(lambda: told and self.node.streams)
        self.node.checks["chain"] = (False, "rpc_unreachable")
        self.node.members = []
        before = self.node.requests
        self.node.event()
        await until(lambda: self.node.requests >= before + 6)
        self.assertEqual(told, [["http://b"]])
        await ended(task)

    async def test_a_silent_stream_is_left(self):
        with mock.patch("nftmesh._node.EVENTS_SILENT_S", 0.05):
            told, task = await self.start(self.sdk())
            await until(lambda: len(self.node.streams) >= 2)
            await ended(task)

    async def test_a_wrong_contract_ends_it(self):
        self.node.contract = "0x" + "cd" * 20
        _, task = await self.start(self.sdk())
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await task

    async def test_cancelled_monitors_leave_no_thread_and_no_descriptor(self):
        self.node.members = [member(2, "http://b")]

        async def once():
            with self.sdk() as sdk:
                told, task = await self.start(sdk)
                await until(lambda: told)
                await ended(task)
            for stream in self.node.streams:
                stream.close()
            self.node.streams.clear()
        await once()
        before = files_and_threads()
        for _ in range(50):
            await once()
        await until(lambda: files_and_threads()[0] <= before[0])
        self.assertLessEqual(files_and_threads()[1], before[1])

    async def test_closing_ends_it_with_an_error(self):
        sdk = self.sdk()
        self.node.members = [member(2, "http://b")]
        told, task = await self.start(sdk)
        await until(lambda: told)
        sdk.close()
        self.node.event()
        with self.assertRaises(nftmesh.NftmeshConfigError):
            await task


if __name__ == "__main__":
    unittest.main()
