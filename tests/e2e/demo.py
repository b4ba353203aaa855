#!/usr/bin/env python3
"""The demo: a mesh on a local chain, told as a story. scripts/demo runs it.

With --check nobody watches: it fails on the first thing that does not happen, and its last line is
one JSON object with what was measured. Every figure comes from the nodes' own logs and answers.
"""
import argparse
import concurrent.futures
import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402

NAMES = ["alice", "bob", "carol", "dave", "erin"]
APP_ID = "6e66746d6573682d64656d6f2d6170702d303031"  # "nftmesh-demo-app-001"
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def title(text):
    print(f"\n{BOLD}{text}{PLAIN}", flush=True)


def say(text):
    print(f"  {text}", flush=True)


def quote(text):
    for line in text.rstrip().splitlines():
        print(f"    {DIM}{line}{PLAIN}", flush=True)


# The chain has a block a second: changes of seats may take effect on votes as often.
SETTINGS = ["--epoch-gap", "1s"]


class Story:
    def __init__(self, directory, count):
        self.dir, self.count = directory, count
        self.names = NAMES + [f"node{i:02d}" for i in range(len(NAMES) + 1, count + 1)]
        self.nodes, self.wallets, self.tokens = {}, {}, {}
        self.result = {"ok": False, "nodes": count}

    # ---- the stage -----------------------------------------------------------------------------

    def stage(self):
        title("A local chain, a contract, seats, and a guest agent for each machine")
        self.chain = mesh.Chain(log_path=self.path("anvil.log"), prompt=True)
        self.proxies = [mesh.Proxy(self.chain) for _ in range(3)]
        self.rpcs = [p.url for p in self.proxies]
        self.hosts = mesh.AgentHost(self.dir, self.names + ["sibling"], self.path("kms.key"),
                                    APP_ID)
        self.contract, block = self.chain.deploy(self.hosts.kms_root(), [APP_ID])
        say(f"chain {mesh.CHAIN_ID} at {self.chain.url}; three RPC endpoints in front of it")
        say(f"contract {self.contract} (block {block}), KMS root {self.hosts.kms_root()}")

    def path(self, name):
        return os.path.join(self.dir, name)

    def seat(self, name, token):
        """A wallet and a seat for it; minted by the contract's owner."""
        self.wallets[name] = mesh.Wallet(self.chain, self.path(f"{name}.wallet"))
        self.chain.contract_call(self.contract, "mintNodeAccess(address)",
                                 self.wallets[name].address)
        self.tokens[name] = token

    def start(self, name, bootstrap=(), extra=(), agent=None, contract=None):
        node = mesh.Node(name, self.dir, agent or self.hosts.agents[name],
                         contract or self.contract, self.rpcs, bootstrap, extra=[*SETTINGS, *extra])
        self.nodes[name] = node
        return node

    def register(self, name):
        node = self.nodes[name]
        wait_for(lambda: f"{name} asks for a seat: {node.text()[-400:]}",
                 lambda: node.status().get("node") and node.events("no_seat"), 60)
        return node.register(self.wallets[name], self.tokens[name])[1]

    def all_see(self, names=None):
        """Everybody's table is everybody."""
        names = set(names or self.nodes)
        return all(self.nodes[n].names() == names for n in names)

    def table(self, name):
        quote(mesh.run("members", "--data-dir", self.nodes[name].dir)[1])

    def joined_ms(self, names, last):
        """From the last one's own `up` to the last of all `up` lines."""
        began = self.nodes[last].events("up")[0]["ts"]
        ends = [e["ts"] for n in names for e in self.nodes[n].events("up")]
        return round((max(ends) - began) * 1000)

    # ---- the story -----------------------------------------------------------------------------

    def form(self):
        title(f"{self.count} nodes find each other")
        for i, name in enumerate(self.names):
            self.seat(name, i + 1)
        alice = self.start("alice", extra=["--bootstrap-http", f"127.0.0.1:{mesh.free_port()}"])
        quote(self.register("alice"))
        wait_for("alice is up, alone", lambda: alice.events("up"))
        say("alice is the first: she found nobody and is a mesh of one")
        info_port = alice.argv[alice.argv.index("--bootstrap-http") + 1]
        mesh_url = f"mesh://{alice.key()}@{alice.listen.removeprefix('tcp://')}"
        self.start("bob", [mesh_url], extra=["--on-event", "user:deploy=echo \"$NFTMESH_USER_EVENT "
                                             f"$(cat)\" > {self.path('handled')}"])
        self.start("carol", [f"http://{info_port}"])
        late = "erin"
        for name in self.names[3:]:
            if name != late:
                self.start(name)
        others = [n for n in self.nodes if n != "alice"]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.register, others))
        wait_for(lambda: "tables full: " + repr({n: sorted(x.names()) for n, x in
                                                 self.nodes.items()}), self.all_see, 60)
        last = max(self.nodes, key=lambda n: self.nodes[n].events("up")[0]["ts"])
        self.result["join_ms"] = self.joined_ms(list(self.nodes), last)
        say(f"bob by {mesh_url[:28]}.., carol by http://{info_port}, the rest by the registry")
        say(f"last one up -> everybody listed by everybody: {self.result['join_ms']} ms")
        self.table("alice")

    def event(self):
        title("alice tells everybody something, and bob has a script for it")
        alice, began = self.nodes["alice"], time.time()
        mesh.run("event", "deploy", "v2.1", "--data-dir", alice.dir)
        sent = wait_for("alice has sent it", lambda: alice.events("msg", began))[0]
        at = self.everybody_logs("msg", alice.key(), began, list(self.nodes))
        self.result["event_ms"] = round((at - sent["ts"]) * 1000)
        say(f"everybody had it after {self.result['event_ms']} ms")

        def handled():
            with contextlib.suppress(OSError), open(self.path("handled"), encoding="utf-8") as f:
                return f.read()
            return None
        say(f"bob's script ran: {wait_for('the script has run', handled).strip()}")

    def application(self):
        """Three lines, asked of a node and, by a machine that runs none, of the chain."""
        title("An application asks who its peers are: three lines, with a node and without")
        code = ("import asyncio, os\n"
                "from nftmesh import DStackP2PSDK\n"
                "sdk = DStackP2PSDK(os.environ['CONTRACT'], 'http://localhost:8080',\n"
                "                   rpc_url=os.environ['RPC_URL'])\n"
                "peers = asyncio.run(sdk.peers())\n"
                "print(f'{len(peers)} peers at block {peers.block}, {peers.state.value}')\n"
                "for p in peers: print(f'  token {p.token}  weight {p.weight}  {p.state.value:9}"
                "{p.url or p.mesh_url}')\n")
        alice = self.nodes["alice"]
        counts = {}
        for how, told in (("with_node", {"NFTMESH_HTTP": f"unix:{alice.control}"}),
                          ("without_node", {"DSTACK_SOCKET": self.hosts.agents["sibling"].socket,
                                            "NFTMESH_DATA_DIR": self.path("application"),
                                            "NFTMESH_DEV": "1"})):
            env = {**os.environ, "PYTHONPATH": os.path.join(mesh.ROOT, "sdk", "python"),
                   "CONTRACT": self.contract, "RPC_URL": " ".join(self.rpcs), **told}
            done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True,
                                  text=True, timeout=60 * mesh.SCALE)
            if done.returncode != 0:
                raise Failed(f"the SDK, {how}: {done.stderr.strip()}")
            say("asking alice's node:" if how == "with_node" else
                "asking the chain, each seat verified in the application:")
            quote(done.stdout)
            counts[how] = sum(line.startswith("  token") for line in done.stdout.splitlines())
        expected = {"with_node": self.count - 1 - 1, "without_node": self.count - 1}
        if counts != expected:  # erin has a seat and no node yet; a node does not count itself
            raise Failed(f"the SDK sees {counts}, not {expected}")
        self.result["sdk_peers"] = counts

    def more_weight(self):
        """One more token behind a seat: the weight with which its node will vote."""
        title("bob puts a second seat behind his own")
        bob, wallet = self.nodes["bob"], self.wallets["bob"]
        token = self.next_token()
        self.chain.contract_call(self.contract, "mintNodeAccess(address)", wallet.address)
        quote(mesh.run("weight", "--token", token, "--behind", "0x" + bob.status()["instance"],
                       "--contract", self.contract, "--chain-id", mesh.CHAIN_ID, "--rpc",
                       self.rpcs[0], "--wallet-key-file", wallet.path)[1])
        others = [n for n in self.nodes.values() if n.alive() and n is not bob]
        weights = lambda: [m["weight"] for n in others for m in n.members() if m["name"] == "bob"]
        wait_for("bob weighs 2 in every table", lambda: weights() == [2] * len(others))
        say("bob weighs 2 in every table")
        self.result["weight"] = 2
        voter = lambda: next(m for m in self.epoch("alice")["members"] if m["name"] == "bob")
        wait_for(lambda: f"and with 2 he votes: {self.epoch('alice')}", lambda: voter()["weight"] == 2,
                 60)
        windows = [w["name"] for w in self.nodes["alice"].get("/v1/schedule")["windows"]]
        say(f"of the next {len(windows)} windows bob leads {windows.count('bob')}, alice "
            f"{windows.count('alice')}, dave {windows.count('dave')}")
        for name in ("frank", "insider"):
            self.give_up(name)
        self.led(list(self.nodes), len(self.nodes))
        say("two seats whose nodes are gone are given up: they count as absent no more")

    def flood(self):
        """Junk, half-open and reset connections on alice's port while erin joins through it."""
        title("500 junk, 500 half-open and 500 connect-FIN-reset connections, while erin joins")
        port = int(self.nodes["alice"].listen.rsplit(":", 1)[1])
        began, open_sockets = time.time(), []

        def connect():
            s = socket.socket()
            s.settimeout(2)
            with contextlib.suppress(OSError):
                s.connect(("127.0.0.1", port))
                return s
            s.close()
            return None

        def attack():
            for i in range(500):
                s = connect()
                if s:
                    with contextlib.suppress(OSError):
                        s.send(secrets.token_bytes(64) if i % 2 else b"GET / HTTP/1.1\r\n\r\n")
                    s.close()
                s = connect()
                if s:
                    open_sockets.append(s)
                s = connect()
                if s:
                    with contextlib.suppress(OSError):
                        s.shutdown(socket.SHUT_WR)
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.close()

        attacker = threading.Thread(target=attack)
        attacker.start()
        self.start("erin", [f"mesh://{self.nodes['alice'].key()}@127.0.0.1:{port}"])
        self.register("erin")
        wait_for(lambda: "erin joined under attack: " + repr({n: sorted(x.names()) for n, x in
                                                            self.nodes.items()}),
                 self.all_see, 60)
        attacker.join()
        for s in open_sockets:
            s.close()
        took = self.joined_ms(list(self.nodes), "erin")
        # A late probe on a busy machine is a suspicion, and refuted: all are alive everywhere again.
        wait_for("all are alive in every table", self.all_see, 60)
        down = [e for n in self.nodes.values() for e in n.events("down", since=began)]
        if down:
            raise Failed(f"the flood made somebody be taken for dead: {down[0]}")
        # The listener still takes a newcomer: what one connect-FIN-reset ends in a bare nng 1.5.2.
        probe = self.lie("no_seat", self.nodes["alice"])
        if probe["outcome"] != "refused":
            raise Failed(f"after the flood the port answers {probe}")
        self.result["refused"]["junk"] = 1
        say(f"erin joined in {took} ms; nobody was lost; the port still answers")

    def lie(self, kind, target):
        """One impostor; what it was told."""
        agents = self.hosts.agents
        sibling = agents["sibling"]
        own = sibling.get_key(mesh.proof_path(self.contract, sibling.instance))
        lies = {"node_priv": secrets.token_hex(32), "proof_priv": own["key"],
                "app_sig": own["signature_chain"][0], "kms_sig": own["signature_chain"][1],
                "app_id": APP_ID, "token": 99, "instance": sibling.instance}
        contract = self.contract
        if kind == "derived_by_sibling":
            # Any machine of the app derives any path: alice's proof key, complete with its chain.
            path = mesh.proof_path(self.contract, agents["alice"].instance)
            key = sibling.get_key(path)
            lies |= {"proof_priv": key["key"], "app_sig": key["signature_chain"][0],
                     "kms_sig": key["signature_chain"][1], "instance": agents["alice"].instance,
                     "token": self.tokens["alice"]}
        if kind in ("foreign_kms_root", "stolen_chain"):
            lies |= self.insider
        if kind == "foreign_kms_root":
            lies["foreign_kms"] = secrets.token_hex(32)
        if kind == "stolen_chain":
            # bob's public chain, from the calldata of his registration; his key is not in it.
            key = agents["bob"].get_key(mesh.proof_path(self.contract, agents["bob"].instance))
            lies |= {"proof_key": self.chain.seats(self.contract)[self.tokens["bob"]]["proof_key"],
                     "app_sig": key["signature_chain"][0], "kms_sig": key["signature_chain"][1]}
        if kind == "not_this_mesh":
            contract = self.other_contract
        return mesh.impostor(target, contract, **lies)

    def make_insider(self):
        """Somebody with a seat and a registered node key of his own, who will lie in HELLO."""
        agent = self.hosts.agents["sibling"]
        self.seat("insider", len(self.names) + 1)
        node = mesh.Node("insider", self.dir, agent, self.contract, self.rpcs, extra=SETTINGS)
        self.nodes["insider"] = node
        self.register("insider")
        wait_for("the insider's registration stands",
                 lambda: self.chain.seats(self.contract)[self.tokens["insider"]]["node_key"])
        height = self.chain.height()
        wait_for("alice judges by it", lambda: (self.nodes["alice"].status().get("block") or {})
                 .get("number", 0) >= height)
        del self.nodes["insider"]
        node.stop()
        with open(os.path.join(node.dir, "seed"), "rb") as f:
            seed = f.read()
        key = agent.get_key(mesh.proof_path(self.contract, agent.instance))
        priv = mesh.hkdf(bytes.fromhex(key["key"]) + seed, b"nftmesh", b"node-key-v1")
        self.insider = {"node_priv": priv.hex(), "proof_priv": key["key"],
                        "app_sig": key["signature_chain"][0], "kms_sig": key["signature_chain"][1],
                        "instance": agent.instance, "token": self.tokens["insider"]}

    def impostors(self):
        title("Impostors knock")
        self.make_insider()
        self.other_contract, _ = self.chain.deploy(self.hosts.kms_root(), [APP_ID])
        expected = {"no_seat": ("no_seat", "a key that stands on no seat"),
                    "foreign_kms_root": ("chain_kms_root", "a seat, but a chain from another root"),
                    "stolen_chain": ("proof_key_differs", "bob's public chain, without his keys"),
                    "derived_by_sibling": ("no_seat", "alice's proof key, derived by a sibling"),
                    "not_this_mesh": ("not_this_mesh", "a node of another contract")}
        self.result["refused"] = {}
        alice = self.nodes["alice"]
        for kind, (reason, text) in expected.items():
            began = time.time()
            outcome = self.lie(kind, alice)
            if outcome["outcome"] == "let_in":
                raise Failed(f"{kind} was let in")
            line = wait_for(f"alice says why she refused {kind}",
                            lambda: [e for e in alice.events("refused", since=began)
                                     if e["reason"] == reason])
            self.result["refused"][kind] = len(line)
            told = f"code {outcome['code']}" if outcome["outcome"] == "refused" else "nothing"
            say(f"{text}: alice logs {reason}; the impostor is told {told}")
        wait_for(lambda: "no impostor has changed a table: " + repr({n: sorted(x.names()) for n, x in
                                                                     self.nodes.items()}), self.all_see)

    def lying_rpc(self):
        title("One of the three RPC endpoints lies")
        began = time.time()
        liar = self.proxies[2]
        for mode in ("wrong_owner", "missing_member", "old_block"):
            liar.mode, liar.lies = mode, 0
            # A change on chain, so that everybody reads all pages again, and the liar lies.
            receipt = self.chain.contract_call(self.contract, "mintNodeAccess(address)",
                                               self.chain.owner)
            block = int(receipt["blockNumber"], 16)
            wait_for(f"everybody's reference passes block {block}",
                     lambda: all(n.block() > block + 1 for n in self.nodes.values()), 60)
            if liar.lies == 0:
                raise Failed(f"the liar was not asked ({mode})")
            say(f"{mode}: lied {liar.lies} times")
        liar.mode = "honest"
        # What a table owes to the chain; a late probe is not an endpoint's lie.
        wait_for("all see the same members as before", self.all_see, 60)
        changed = [e for n in self.nodes.values() for e in n.events("evicted", since=began)]
        self.result["lying_rpc_changed"] = len(changed)
        if changed:
            raise Failed(f"a lying endpoint changed membership: {changed[0]}")
        say("nobody was admitted or dropped because of it")

    def everybody_logs(self, ev, about, since, names, deadline=60):
        """The latest time at which these nodes logged ev about a key."""
        def seen():
            at = []
            for n in names:
                lines = [e for e in self.nodes[n].events(ev, since) if e.get("peer") == about]
                if not lines:
                    return None
                at.append(lines[0]["ts"])
            return max(at)
        return wait_for(lambda: f"{ev} about {about[:8]} in the logs of {names}", seen, deadline)

    def kill_and_return(self):
        title("dave is killed (kill -9), and comes back")
        dave = self.nodes["dave"]
        key, others = dave.key(), [n for n in self.nodes if n != "dave"]
        began = time.time()
        dave.kill()
        at = self.everybody_logs("down", key, began, others)
        self.result["failed_detect_ms"] = round((at - began) * 1000)
        say(f"everybody marked dave failed after {self.result['failed_detect_ms']} ms")
        self.table("alice")
        began = time.time()
        dave.start()
        wait_for("dave is back in every table", self.all_see, 60)
        at = self.everybody_logs("up", key, began, others)
        self.result["rejoin_ms"] = round((at - began) * 1000)
        say(f"started again, and back in every table after {self.result['rejoin_ms']} ms")

    def new_root(self):
        title("The contract's owner names another KMS root")
        frank_host = mesh.AgentHost(self.dir, ["frank"], self.path("kms2.key"), APP_ID, "agents2")
        root2 = frank_host.kms_root()
        self.chain.contract_call(self.contract, "setKmsRootAddress(address)", root2)
        self.seat("frank", self.next_token())
        frank = self.start("frank", agent=frank_host.agents["frank"],
                           extra=["--kms-root", root2, "--kms-root", self.hosts.kms_root()])
        members = [n for n in self.nodes if n != "frank"]
        began = time.time()
        self.register("frank")
        key = frank.key()
        refused = wait_for("somebody refuses frank with root_epoch",
                           lambda: [e for n in members
                                    for e in self.nodes[n].events("refused", since=began)
                                    if e["reason"] == "root_epoch" and e.get("peer") == key])
        if any("frank" in self.nodes[n].names() for n in members):
            raise Failed("frank was admitted under a root that nobody pinned")

        def unready():
            status, text = self.nodes["alice"].request("GET", "/readyz?verbose")
            return text if status != 200 and "kms_root_changed" in text else None
        ready = wait_for("/readyz says that the root changed", unready)
        dropped = [e for n in members for e in self.nodes[n].events("evicted", since=began)]
        if dropped:
            raise Failed(f"the new root dropped a member: {dropped[0]}")
        self.result["root_pin_held"] = True
        say(f"{refused[0]['reason']}: frank, whose chain is under the new root, is refused; the "
            "members stay")
        quote("\n".join(line for line in ready.splitlines() if line.startswith("[-]")))
        for n in members:
            mesh.run("trust", "accept", "--data-dir", self.nodes[n].dir)
        wait_for("frank is admitted once the operators accept the root", self.all_see, 60)
        say("`nftmesh trust accept` on each member: frank is admitted, nobody was lost")

    def next_token(self):
        return max(self.chain.seats(self.contract)) + 1

    def leave(self):
        title("frank leaves gracefully")
        key, others = self.nodes["frank"].key(), [n for n in self.nodes if n != "frank"]
        began = time.time()
        mesh.run("leave", "--data-dir", self.nodes["frank"].dir)
        at = self.everybody_logs("left", key, began, others)
        self.result["left_ms"] = round((at - began) * 1000)
        self.nodes.pop("frank").p.wait(30 * mesh.SCALE)
        say(f"everybody knew after {self.result['left_ms']} ms")

    def outage(self):
        title("The RPC endpoints stop; erin restarts meanwhile")
        erin = self.nodes["erin"]
        others = [n for n in self.nodes if n != "erin"]
        erin.stop()
        key = self.keys["erin"]
        self.everybody_logs("left", key, 0, others)
        began = time.time()
        for p in self.proxies:
            p.mode = "down"

        def reason():
            status, text = self.nodes["alice"].request("GET", "/readyz?verbose")
            return status == 503 and next((line for line in text.splitlines()
                                           if "rpc_unreachable" in line), None)
        why = wait_for("alice's /readyz names the endpoints", reason, 60)
        quote(why)
        erin.start()
        wait_for("erin waits for the chain", lambda: erin.get("/v1/status"), 60)
        wait_for("the others see each other",
                 lambda: all(self.nodes[n].names() >= set(others) for n in others), 60)
        dropped = [e for n in others for e in self.nodes[n].events("evicted", since=began)]
        if dropped:
            raise Failed(f"somebody was dropped by the outage: {dropped}")
        back = time.time()
        for p in self.proxies:
            p.mode = "honest"
        at = self.everybody_logs("up", key, back, others)
        self.result["rpc_outage"] = {"dropped": 0, "ready_reason": why.split()[1].rstrip(":"),
                                     "admitted_after_ms": round((at - back) * 1000)}
        wait_for("alice is ready again", self.nodes["alice"].ready, 30)
        say(f"nobody was dropped; {self.result['rpc_outage']['admitted_after_ms']} ms after the "
            "endpoints came back erin was admitted everywhere")

    # ---- who leads -----------------------------------------------------------------------------

    def leader(self, name):
        return self.nodes[name].get("/v1/leader") or {}

    def epoch(self, name):
        return self.nodes[name].get("/v1/epoch") or {}

    def led(self, names, members):
        """All of these are in one epoch of so many members, and one of them may act: its name."""
        def agreed():
            leading = [n for n in names if self.leader(n).get("lease") is True]
            epochs = {self.epoch(n).get("id") for n in names}
            sizes = {len(self.epoch(n).get("members", [])) for n in names}
            return len(epochs) == 1 and sizes == {members} and len(leading) == 1 and leading[0]
        return wait_for(lambda: "one of them leads: " +
                        repr([(n, self.leader(n), self.epoch(n).get("number")) for n in names]),
                        agreed, 90)

    def add_one(self, name, request):
        """One more, asked of this node; the number then, or None when nobody says."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            status, text = self.nodes[name].request(
                "POST", "/v1/kv/change",
                {"op": "add", "key": "counter", "amount": 1, "request": request})
            return json.loads(text)["value"] if status == 200 else None
        return None

    def lead(self):
        title("They elect a leader, and share a counter")
        names = list(self.nodes)
        self.led(names, len(names))
        quote(mesh.run("leader", "show", "--data-dir", self.nodes[names[0]].dir)[1])
        quote(mesh.run("quorum", "--data-dir", self.nodes[names[0]].dir)[1])
        counted = [self.add_one(n, f"r-{i}") for i, n in enumerate(names)]
        say(f"each of them adds one to a counter: {counted}")
        first = self.led(names, len(names))  # a window may have ended meanwhile
        other = next(n for n in names if n != first)
        say(f"{first} leads and is killed (kill -9); {other} goes on asking for one more")
        rest, began = [n for n in names if n != first], time.time()
        self.nodes[first].kill()
        asked = 0
        while (value := self.add_one(other, "r-during")) is None:
            asked += 1
            if time.time() > began + 60 * mesh.SCALE:
                raise Failed("nobody counts any more")
        again = self.add_one(rest[-1], "r-during")
        second = self.led(rest, len(names))
        at = min(e["ts"] for n in rest for e in self.nodes[n].events("lease", since=began))
        failover_ms = round((at - began) * 1000)
        say(f"{second} leads after {failover_ms} ms; the same request, asked of two members, was "
            f"counted once: {value}, {again}")
        quote(next(json.dumps({k: e[k] for k in ("ev", "name", "epoch", "window", "fencing_token")})
                   for e in reversed(self.nodes[rest[0]].events("leader"))))
        self.nodes[first].start()
        wait_for(f"{first} is back in every table", self.all_see, 60)
        self.led(names, len(names))
        seen = lambda: [(self.nodes[n].get("/v1/kv?key=counter") or {}).get("value") for n in names]
        total = str(len(names) + 1)
        wait_for(lambda: f"everybody counts the same: {seen()}", lambda: set(seen()) == {total}, 60)
        say(f"back again, {first} has the same {total} as everybody; none was lost, none twice")
        self.result["leader"] = {
            "failover_ms": failover_ms,
            "counter_ok": sorted(counted) == list(range(1, len(names) + 1)) and value == again ==
            len(names) + 1}
        if not self.result["leader"]["counter_ok"]:
            raise Failed(f"the counter: {counted}, {value}, {again}")

    def give_up(self, name):
        """A seat that nobody uses any more goes back, and does not count as absent."""
        seller = self.chain.as_wallet(self.wallets[name].address)
        self.chain.contract_call(self.contract, "burn(uint256)", self.tokens[name], sender=seller)

    def equivocate(self):
        title("dave's keys are used to vote twice")
        names = [n for n in self.nodes if n != "carol"]
        self.led(names, len(names))
        dave, rest = self.nodes.pop("dave"), [n for n in names if n != "dave"]
        dave.token = self.tokens["dave"]
        self.nodes["alice"].token = self.tokens["alice"]
        key, keys, began = dave.key(), mesh.keys_of(dave, APP_ID), time.time()
        dave.kill()
        self.led(rest, len(names))
        mesh.vote_twice(self.nodes["alice"], key, keys, self.chain, self.hosts.kms_root())
        wait_for("alice has proved it", lambda: self.nodes["alice"].events("equivocation", began), 30)
        quote(mesh.run("evidence", "list", "--data-dir", self.nodes["alice"].dir)[1])
        weight = lambda n: [m["weight"] for m in self.epoch(n)["members"] if m["node"] == key]
        wait_for(lambda: f"dave votes no more: {[weight(n) for n in rest]}",
                 lambda: all(weight(n) == [0] for n in rest), 60)
        say(f"from epoch {self.epoch('alice')['number']} on dave's vote weighs nothing, with everybody")
        proof = json.loads(mesh.run("evidence", "export", "--data-dir", self.nodes["alice"].dir)[1])[0]
        mesh.submit_evidence(self.chain, self.contract, proof)
        wait_for("dave is in nobody's table", lambda: all(key not in {m["node"] for m in
                 self.nodes[n].members()} for n in rest), 60)
        say("the contract takes the two votes, and suspends the seat: dave is out of every table")
        self.result["leader"]["equivocator_suspended"] = True

    def sale(self):
        title("carol's seat is sold")
        key, others = self.keys["carol"], [n for n in self.nodes if n != "carol"]
        seller = self.chain.as_wallet(self.wallets["carol"].address)
        buyer = self.wallets["insider"].address
        began = time.time()
        receipt = self.chain.contract_call(
            self.contract, "transferFrom(address,address,uint256)", seller, buyer,
            self.tokens["carol"], sender=seller)
        block = int(receipt["blockNumber"], 16)
        mined = int(self.chain.rpc.call("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)
        at = self.everybody_logs("evicted", key, began, others)
        blocks = max(e["block"] for n in others for e in self.nodes[n].events("evicted", began)
                     if e.get("peer") == key)
        wait_for("carol is in nobody's table", lambda: all("carol" not in
                 {m["name"] for m in self.nodes[n].members()} for n in others))
        self.result["evicted"] = {"blocks": blocks - block,
                                  "ms": max(0, round((at - mined) * 1000))}
        say(f"sold in block {block}; dropped everywhere {self.result['evicted']['blocks']} blocks "
            f"and {self.result['evicted']['ms']} ms after that block's time")
        quote(mesh.run("why", key[:12], "--data-dir", self.nodes["alice"].dir)[1])
        self.table("alice")

    def remember_keys(self):
        self.keys = {n: x.key() for n, x in self.nodes.items()}

    def tell(self):
        self.stage()
        self.form()
        self.remember_keys()
        self.event()
        self.lead()
        self.application()
        self.impostors_and_flood()
        self.lying_rpc()
        self.kill_and_return()
        self.new_root()
        self.leave()
        self.outage()
        self.more_weight()
        self.sale()
        self.equivocate()
        self.result["ok"] = True

    def impostors_and_flood(self):
        self.impostors()
        self.flood()
        self.remember_keys()

    def stay(self):
        alice = self.nodes["alice"]
        title("The mesh stays up until Ctrl-C. Try, in another terminal:")
        for verb in ("members", "status", "peers", "events --follow", "why carol",
                     "event hello world", "leader show", "quorum", "kv put colour blue"):
            say(f"build/nftmesh {verb} --data-dir {alice.dir}")
        say(f"curl http://127.0.0.1:{alice.http_port}/metrics")
        with contextlib.suppress(KeyboardInterrupt):
            while all(n.alive() for n in self.nodes.values()):
                time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="no person: check, measure, end")
    parser.add_argument("--nodes", type=int, default=5, metavar="N", help="5 to 50 (default 5)")
    parser.add_argument("--keep", action="store_true", help="keep the directory with all logs")
    args = parser.parse_args()
    if not 5 <= args.nodes <= 50:
        parser.error("--nodes: 5 to 50")
    directory = tempfile.mkdtemp(prefix="nftmesh-demo-")
    story = Story(directory, args.nodes)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    try:
        story.tell()
        say(f"{DIM}told in {time.monotonic() - began:.0f} s{PLAIN}")
        if not args.check:
            story.stay()
    except KeyboardInterrupt:
        story.result["error"] = "interrupted"
    except Exception as e:  # noqa: BLE001 - whatever it was, say it, stop everything, exit 1
        story.result["error"] = str(e) if isinstance(e, Failed) else repr(e)
        print(f"\ndemo: {story.result['error']}\n  logs: {directory}", file=sys.stderr)
        args.keep = True
        if not isinstance(e, Failed):
            import traceback
            traceback.print_exc()
    finally:
        mesh.stop_all()
        if not args.keep:
            shutil.rmtree(directory, ignore_errors=True)
    if args.check:
        print(json.dumps(story.result, separators=(",", ":")))
    return 0 if story.result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
