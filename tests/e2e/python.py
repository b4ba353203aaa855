#!/usr/bin/env python3
"""End-to-end tests of the Python module: applications as separate processes, on a real chain, with a
node and without one. Prints `ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed.
Usage: python.py [NAME..]"""
import asyncio
import contextlib
import http.server
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import APP_ID, World, expect, main, test, together  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
PACKAGE = os.path.join(mesh.ROOT, "sdk", "python")
LIBRARY = os.path.join(mesh.BUILD, "libnftmesh.so.0")
sys.path.insert(0, PACKAGE)
import nftmesh  # noqa: E402

PROTOTYPE_APP = os.path.join(HERE, "prototype_app.py")
HELLO = os.path.join(mesh.ROOT, "examples", "hello_p2p.py")
SETTINGS = ("NFTMESH_", "PRIVATE_KEY", "RPC_URL", "DSTACK_SOCKET", "CONTRACT_ADDRESS",
            "CONNECTION_URL", "PORT", "HOST")


class PythonWorld(World):
    """With applications and their servers, and a contract of its own for each case."""

    def __init__(self, directory):
        super().__init__(directory)
        os.environ["NFTMESH_LIBRARY"] = LIBRARY
        logging.getLogger("nftmesh").addHandler(logging.NullHandler())  # last_error says the same
        self.apps, self.instances, self.servers = [], [], []

    def begin(self):
        self.contract, _ = self.chain.deploy(self.host.kms_root(), [APP_ID], max_nodes=200)

    def clear(self):
        for app in self.apps:
            if app.alive():
                app.kill()
        self.apps.clear()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        self.servers.clear()
        super().clear()
        self.free += [os.path.basename(i.agent.socket)[:-5] for i in self.instances]
        self.instances.clear()


class App(mesh.Process):
    """A Python application with an environment of its own."""

    def __init__(self, w, name, argv, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
        super().__init__([sys.executable, "-B", *argv], name,
                         env={**clean, "PYTHONPATH": PACKAGE, "HOME": w.dir,
                              **({"NFTMESH_LIBRARY": LIBRARY} if "PYTHONPATH" not in env else {}),
                              **env},
                         log_path=os.path.join(w.dir, name + ".log"))
        w.apps.append(self)

    def said(self, key):
        """What it said of key, in order; lines that are no JSON are its log."""
        found = []
        for _, line in list(self.lines):
            with contextlib.suppress(ValueError):
                found += [v for k, v in json.loads(line).items() if k == key]
        return found

    def first(self, key, deadline_s=60):
        wait_for(lambda: f"{self.name} says {key}: {self.text()[-900:]}",
                 lambda: self.said(key) or not self.alive(), deadline_s)
        expect(f"{self.name} says {key}: {self.text()[-900:]}", self.said(key))
        return self.said(key)[0]

    def comes(self, key, value, deadline_s=60):
        """Waits until what it said last of key is value; lists in any order."""
        as_set = lambda v: sorted(v) if isinstance(v, list) else v
        wait_for(lambda: f"{self.name}: {key} is {value}, not {self.said(key)}: "
                         f"{self.text()[-600:]}",
                 lambda: self.said(key) and as_set(self.said(key)[-1]) == as_set(value),
                 deadline_s)


def prototype_app(w, name, url, **env):
    return App(w, name, [PROTOTYPE_APP], CONTRACT_ADDRESS=w.contract, CONNECTION_URL=url, **env)


def app_url():
    return f"http://127.0.0.1:{mesh.free_port()}"


def node_with_app(w, name, **more):
    """A node whose application is reached at node.app_url."""
    url = app_url()
    node = w.node(name, extra=["--app-url", url], **more)
    node.app_url = url
    return node


def surface(node):
    return f"http://127.0.0.1:{node.http_port}"


def get(url):
    with urllib.request.urlopen(url, timeout=10 * mesh.SCALE) as r:
        return json.loads(r.read())


# ---- with a node -------------------------------------------------------------------------------------

@test
def the_prototypes_usage_runs_with_a_node(w):
    a = node_with_app(w, "pa")
    b = node_with_app(w, "pb", bootstrap=[w.mesh_url(a)])
    together(a, b)
    app = prototype_app(w, "app", a.app_url, NFTMESH_HTTP=surface(a))
    said = {k: app.first(k) for k in ("success", "registered", "instance_id", "contract_address",
                                      "connection_url", "rpc_url")}
    expect(f"{said}", said == {"success": True, "registered": True,
                               "instance_id": a.agent.instance, "contract_address": w.contract,
                               "connection_url": a.app_url, "rpc_url": "http://localhost:8545"})
    expect(f"{app.said('peers')}", app.first("peers") == [b.app_url])
    app.comes("changed", [b.app_url])
    c = node_with_app(w, "pc", bootstrap=[w.mesh_url(a)])
    app.comes("changed", [b.app_url, c.app_url])
    c.kill()
    app.comes("changed", [b.app_url])


@test
def a_node_that_is_away_is_told_as_unknown_and_not_as_a_change(w):
    a = node_with_app(w, "qa")
    b = node_with_app(w, "qb", bootstrap=[w.mesh_url(a)])
    together(a, b)
    app = prototype_app(w, "watch", a.app_url, NFTMESH_HTTP="unix:" + a.control)
    app.comes("changed", [b.app_url])
    a.kill()
    late = prototype_app(w, "late", a.app_url, NFTMESH_HTTP="unix:" + a.control)
    expect(f"{late.text()}", late.first("success") is False)
    expect(f"{late.text()}", late.first("exception") == "NftmeshUnknown")
    a.start()
    together(a, b)
    late.comes("changed", [b.app_url])
    c = node_with_app(w, "qc", bootstrap=[w.mesh_url(a)])
    app.comes("changed", [b.app_url, c.app_url])
    expect(f"{app.said('changed')}", app.said("changed") == [[b.app_url]] + app.said("changed")[-1:])


@test
def the_hello_example_greets_by_its_node(w):
    nodes = [node_with_app(w, "ha")]
    nodes.append(node_with_app(w, "hb", bootstrap=[w.mesh_url(nodes[0])]))
    together(*nodes)
    apps = [hello(w, f"hello-{n.short}", n.app_url, NFTMESH_HTTP=surface(n)) for n in nodes]
    greeted(apps, nodes)


def hello(w, name, url, **env):
    app = App(w, name, [HELLO, w.contract, "--port", url.rsplit(":", 1)[1], "--host", "127.0.0.1"],
              CONNECTION_URL=url, **env)
    app.url = url
    return app


def greeted(apps, instances, deadline_s=120):
    """Each has an answer of every other one, and names the instance that answered. One that was not
    there yet when it was greeted greets in its turn."""
    ids = {app.url: i.agent.instance for app, i in zip(apps, instances)}

    def all_greeted():
        return all(f"hello from peer '{ids[other.url]}'" in app.text() or
                   f"answers: Hello from {ids[other.url]}!" in app.text()
                   for app in apps for other in apps if other is not app)
    wait_for(lambda: "all greet: " + "\n".join(app.text()[-700:] for app in apps), all_greeted,
             deadline_s)
    for app in apps:
        info = get(app.url + "/info")
        expect(f"{info}", info["instance_id"] == ids[app.url] and info["registered"] is True)
        others = sorted(other.url for other in apps if other is not app)
        wait_for(lambda app=app: f"/peers is {others}, not {get(app.url + '/peers')}",
                 lambda app=app, others=others: sorted(get(app.url + "/peers")["peers"]) == others)


@test
def an_application_has_its_node_register(w):
    """By the control socket, and over TCP with the operator's token; without it, it only tells."""
    token_file = os.path.join(w.dir, "http.token")
    with open(token_file, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
        f.write("a-token-of-the-operators\n")
    for name, by in (("socket", "unix"), ("tcp", "http")):
        url = app_url()
        wallet = mesh.Wallet(w.chain, os.path.join(w.dir, name + ".wallet"))
        node = w.node(name, seat=False, extra=["--app-url", url, "--wallet-key-file", wallet.path,
                                               "--http-token-file", token_file])
        node.wallet = wallet
        wait_for(lambda: f"it asks for a seat: {node.text()[-600:]}", lambda: node.events("no_seat"),
                 60)
        address = "unix:" + node.control if by == "unix" else surface(node)
        early = prototype_app(w, name + "-early", url, NFTMESH_HTTP=surface(node))
        expect(f"{early.text()}", early.first("success") is False)
        expect(f"{early.text()}", early.first("exception") == "NftmeshUnknown")
        w.chain.contract_call(w.contract, "mintNodeAccess(address)", wallet.address)
        node.token = max(w.chain.seats(w.contract))
        app = prototype_app(w, name + "-app", url, NFTMESH_HTTP=address,
                            NFTMESH_HTTP_TOKEN_FILE=token_file if by == "http" else "")
        expect(f"{app.text()}", app.first("success") is True)
        seat = w.chain.seats(w.contract)[node.token]
        expect(f"on chain: {seat}", seat["node_key"] == node.key())


@test
def a_node_says_who_leads(w):
    quick = ["--epoch-gap", "1s"]
    a = w.node("la", extra=quick)
    b = w.node("lb", bootstrap=[w.mesh_url(a)], extra=quick)
    together(a, b)
    with contextlib.ExitStack() as stack:
        def sdk(**env):
            with environment(**env):
                return stack.enter_context(nftmesh.DStackP2PSDK(w.contract, app_url()))
        by = {a: sdk(NFTMESH_HTTP=surface(a)), b: sdk(NFTMESH_HTTP="unix:" + b.control)}

        def led():
            """Who may act, once both name it and both vote."""
            with contextlib.suppress(nftmesh.NftmeshUnknown):
                leaders = [asyncio.run(s.leader()) for s in by.values()]
                leases = {n: asyncio.run(s.is_leader()) for n, s in by.items()}
                held = [n for n, lease in leases.items() if lease]
                if (len(held) == 1 and {x.node for x in leaders} == {held[0].key()} and
                        len((held[0].get("/v1/epoch") or {}).get("members", [])) == 2):
                    return held[0], leases[held[0]], asyncio.run(by[held[0]].leader())
            return None
        node, lease, leader = wait_for(lambda: f"one leads: {a.get('/v1/leader')} {b.get('/v1/leader')}",
                                       led, 60)
        expect(f"{leader} {lease}", leader.is_self and leader.name == node.short and
               leader.token == node.token and leader.fencing_token == lease.fencing_token and
               0 < lease.remaining_s <= 3)
        other = a if node is b else b
        node.kill()
        wait_for("its lease is over by our clock alone", lambda: not lease, 10)
        e = raised(nftmesh.NftmeshUnknown, by[node].is_leader())
        expect(f"{e!r}", isinstance(e.__cause__, nftmesh.NftmeshNodeError))
        wait_for("one of two is no quorum", lambda: not asyncio.run(by[other].is_leader()), 30)
        raised(nftmesh.NftmeshUnsupported, sdk().leader())
        raised(nftmesh.NftmeshUnsupported, sdk().is_leader())


# ---- without a node ----------------------------------------------------------------------------------

class Instance:
    """A guest agent and a wallet with a seat of its own; applications of it need no node."""

    def __init__(self, w, name, seat=True):
        self.short, self.url = name, app_url()
        self.agent = w.host.agents[w.free.pop(0)]
        w.instances.append(self)
        self.wallet = mesh.Wallet(w.chain, os.path.join(w.dir, name + ".wallet"))
        with open(self.wallet.path, encoding="ascii") as f:
            key = f.read().strip()
        self.token = None
        if seat:
            w.chain.contract_call(w.contract, "mintNodeAccess(address)", self.wallet.address)
            self.token = max(w.chain.seats(w.contract))
        self.env = {"PRIVATE_KEY": key, "RPC_URL": w.chain.url, "DSTACK_SOCKET": self.agent.socket,
                    "NFTMESH_DATA_DIR": os.path.join(w.dir, name + ".data"), "NFTMESH_DEV": "1"}

    def hello(self, w, **env):
        return hello(w, self.short, self.url, **{**self.env, **env})


def registered(w, *instances):
    """Their hello examples, once all stand on chain."""
    apps = [i.hello(w) for i in instances]
    for app in apps:
        wait_for(lambda app=app: f"{app.name} is registered: {app.text()[-900:]}",
                 lambda app=app: "registered as" in app.text() or not app.alive(), 90)
        expect(f"{app.name} runs: {app.text()[-900:]}", app.alive())
    return apps


@contextlib.contextmanager
def environment(**env):
    """This process as an application's."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(SETTINGS) and name != "NFTMESH_LIBRARY":
            del os.environ[name]
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def raised(kind, awaitable):
    """The exception of this kind that it ends with."""
    try:
        result = asyncio.run(awaitable)
    except kind as e:
        return e
    raise Failed(f"{result} instead of {kind.__name__}")


def sell(w, instance):
    to = "0x" + "5e" * 20
    owner = w.chain.as_wallet(instance.wallet.address)
    w.chain.contract_call(w.contract, "transferFrom(address,address,uint256)",
                          instance.wallet.address, to, instance.token, sender=owner)


@test
def the_prototypes_usage_runs_without_a_node(w):
    a, b, c = Instance(w, "a"), Instance(w, "b"), Instance(w, "c")
    registered(w, b)
    app = prototype_app(w, "a", a.url, **a.env)
    said = {k: app.first(k, 90) for k in ("success", "registered", "instance_id",
                                          "contract_address", "connection_url", "rpc_url")}
    expect(f"{said} {app.text()}",
           said == {"success": True, "registered": True, "instance_id": a.agent.instance,
                    "contract_address": w.contract, "connection_url": a.url,
                    "rpc_url": w.chain.url})
    expect(f"{app.said('peers')}", app.first("peers") == [b.url])
    expect(f"{app.text()}", app.first("answer") == f"Hello from {b.agent.instance}!")
    app.comes("changed", [b.url])
    registered(w, c)
    app.comes("changed", [b.url, c.url])
    sell(w, b)
    app.comes("changed", [c.url])
    expect(f"{app.said('changed')}", len(app.said("changed")) == 3)


@test
def the_hello_examples_greet_each_other_without_nodes(w):
    instances = [Instance(w, name) for name in ("one", "two", "three")]
    greeted(registered(w, *instances), instances)


@test
def the_examples_in_c_and_python_find_each_other(w):
    """Installed, the one compiled and linked as its user does, the other in a clean directory."""
    prefix, program = os.path.join(w.dir, "usr"), os.path.join(w.dir, "peers")
    installed(prefix, program)
    libraries = found_in(prefix, "libnftmesh.so.0")
    c, python = Instance(w, "inc"), Instance(w, "inpython")
    packages = os.path.join(prefix, "lib", "python3", "dist-packages")
    greeter = python.hello(w, PYTHONPATH=packages)
    peers = mesh.Process([program, f"{mesh.CHAIN_ID}:{w.contract}", c.url], "peers",
                         env={**c.env, "LD_LIBRARY_PATH": libraries, "HOME": w.dir})
    w.apps.append(peers)
    wait_for(lambda: f"C sees Python's: {peers.text()[-900:]}",
             lambda: f"verified {python.url}" in peers.text(), 120)
    wait_for(lambda: f"Python sees C's: {greeter.text()[-900:]}",
             lambda: f"1 peers: {c.url}" in greeter.text(), 120)


def installed(prefix, program):
    """Below prefix, and peers.c compiled as its user does it."""
    for argv in (["cmake", "--install", mesh.BUILD, "--prefix", prefix],
                 ["sh", "-c", "cc -Wall -Werror -o $1 $2 $(pkg-config --cflags --libs nftmesh)", "sh",
                  program, os.path.join(mesh.ROOT, "examples", "peers.c")]):
        p = subprocess.run(argv, capture_output=True, text=True, timeout=60 * mesh.SCALE,
                           env={**os.environ, "PKG_CONFIG_PATH": found_in(prefix, "nftmesh.pc")})
        expect(f"{argv[0]}: {p.stderr[-600:]}", p.returncode == 0)


def found_in(prefix, name):
    """The directory below that has a file of this name; prefix itself before there is one."""
    return next((d for d, _, files in os.walk(prefix) if name in files), prefix)


@test
def an_outage_of_the_chain_is_told_as_unknown_and_not_as_a_change(w):
    a, b, *others = [Instance(w, name) for name in ("oa", "ob", "oc", "od")]
    urls = [i.url for i in others]
    proxy = mesh.Proxy(w.chain)
    try:
        registered(w, b, *others)
        proxy.mode = "down"
        app = prototype_app(w, "oa", a.url, **{**a.env, "RPC_URL": proxy.url})
        expect(f"{app.text()}", app.first("success", 90) is False)
        expect(f"{app.text()}", app.first("exception") == "NftmeshUnknown")
        expect(f"{app.text()}", not app.said("peers") and not app.said("changed"))
        proxy.mode = "honest"
        app.comes("changed", [b.url, *urls])
        proxy.mode = "down"
        asked = proxy.requests
        wait_for("it goes on asking", lambda: proxy.requests >= asked + 3, 60)
        proxy.mode = "honest"
        asked = proxy.requests
        wait_for("it is answered again", lambda: proxy.requests >= asked + 3, 60)
        expect(f"{app.said('changed')}", len(app.said("changed")) == 1)
        sell(w, b)
        app.comes("changed", urls)
    finally:
        proxy.close()


@test
def what_is_wrong_is_said_and_nothing_is_sent(w):
    """No key, no agent, no seat, no contract there, another chain: False, with the error behind it."""
    i = Instance(w, "wrong", seat=False)
    nowhere = "0x" + "77" * 20
    nonce = lambda: w.chain.rpc.call("eth_getTransactionCount", i.wallet.address, "latest")
    before = nonce()
    for what, kind, contract, env, socket in (
            ("no key", nftmesh.NftmeshWalletError, w.contract, {"PRIVATE_KEY": ""}, None),
            ("no agent", nftmesh.NftmeshAgentError, w.contract, {}, "/nowhere/dstack.sock"),
            ("no seat", nftmesh.NftmeshError, w.contract, {}, None),
            ("no contract", nftmesh.NftmeshError, nowhere, {}, None),
            ("another chain", nftmesh.NftmeshError, "1337:" + w.contract, {}, None),
            ("no address", nftmesh.NftmeshConfigError, "0x1234", {}, None)):
        with environment(**{**i.env, **env}), nftmesh.DStackP2PSDK(
                contract, i.url, w.chain.url, socket or i.agent.socket) as sdk:
            sdk.agent_tries = 1
            expect(f"{what}: False", asyncio.run(sdk.register()) is False)
            expect(f"{what}: {sdk.last_error!r}",
                   isinstance(sdk.last_error, kind) and len(str(sdk.last_error)) > 10 and
                   i.env["PRIVATE_KEY"] not in str(sdk.last_error))
    expect("nothing was sent", nonce() == before)
    for contract in (nowhere, "1337:" + w.contract):
        with environment(**i.env), nftmesh.DStackP2PSDK(contract, i.url, w.chain.url,
                                                        i.agent.socket) as sdk:
            e = raised(nftmesh.NftmeshUnknown, sdk.get_peers())
            expect(f"{contract}: {e}", len(str(e)) > 10 and e.peers is None)


@test
def a_keystore_opened_by_its_passwords_file_registers(w):
    i = Instance(w, "keystore", seat=False)
    path, password = os.path.join(w.dir, "owner.json"), os.path.join(w.dir, "owner.password")
    with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("correct horse\n")
    made = mesh.run("keygen", "--keystore", "--password-file", password, "--out", path, "--format", "json")
    owner = json.loads(made[1])["address"].lower()
    w.chain.fund(owner)
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", owner)
    env = {k: v for k, v in i.env.items() if k != "PRIVATE_KEY"} | {"NFTMESH_WALLET_KEY_FILE": path}
    for more, expected in (({}, False), ({"NFTMESH_WALLET_PASSWORD_FILE": password}, True)):
        with environment(**env, **more), nftmesh.DStackP2PSDK(w.contract, i.url, w.chain.url,
                                                              i.agent.socket) as sdk:
            expect(f"{more}: {sdk.last_error!r}", asyncio.run(sdk.register()) is expected)
            expect(f"{sdk.last_error!r}", expected or "password" in str(sdk.last_error))
    seat, = w.chain.seats(w.contract).values()
    expect(f"{seat}", seat["owner"] == owner and seat["node_key"])


@test
def objects_do_not_disturb_each_other_and_leave_nothing(w):
    a, b = Instance(w, "la"), Instance(w, "lb")
    registered(w, b)
    other, _ = w.chain.deploy(w.host.kms_root(), [APP_ID])

    def sdk(contract):
        return nftmesh.DStackP2PSDK(contract, a.url, w.chain.url, a.agent.socket)

    async def both():
        async with sdk(w.contract) as one, sdk(other) as two:
            return await asyncio.gather(one.get_peers(), two.get_peers())

    async def monitored():
        async with sdk(w.contract) as one:
            told = []
            task = asyncio.ensure_future(one.monitor_peers(told.append))
            while not told:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])
            return told[0]
    counts = lambda: (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")))

    def asked():
        """While anvil mines, a call by the last block's hash may be answered of the next one, and is refused."""
        for _ in range(3):
            try:
                return asyncio.run(asyncio.wait_for(both(), 60 * mesh.SCALE))
            except nftmesh.NftmeshUnknown as e:
                if "another block" not in f"{e} {e.__cause__}":
                    raise
        return asyncio.run(asyncio.wait_for(both(), 60 * mesh.SCALE))
    with environment(**a.env):
        found = asked()
        expect(f"{found}", found == [[b.url], []])
        before = counts()
        for _ in range(25):
            expect("both", asked() == [[b.url], []])
            expect("the monitor", asyncio.run(asyncio.wait_for(monitored(), 60 * mesh.SCALE)) == [b.url])
        # A call's thread may be about to end; the reader of a child's output is no thread of ours.
        wait_for(lambda: f"descriptors and threads: {before} before, {counts()} after 75 objects",
                 lambda: all(now <= then for now, then in zip(counts(), before)))


# ---- the prototype's contract, which stores no keys ----------------------------------------------------

class Keyless:
    """For its time the tests' contract is the prototype's."""

    def __init__(self, w):
        self.w, self.seats, self.bound = w, w.chain.deploy_prototype(w.host.kms_root()), 0
        w.contract = self.seats.address

    def instance(self, name):
        instance = Instance(self.w, name, seat=False)
        instance.token = self.seats.mint(instance.wallet.address)
        return instance

    def bind(self, owner, url, bundle):
        """An instance of nobody's at this address: the contract takes any, with a copied chain."""
        self.bound += 1
        name, proof = f"{self.bound:040x}", bundle[350:]
        self.seats.register_instance(owner, name)
        self.seats.register_peer(owner, name, url,
                                 (proof[1:34], proof[54:87], proof[87:152], proof[152:217]),
                                 proof[34:54].hex(), mesh.PURPOSE)

    def node(self, name):
        """A node with a seat that has no address yet."""
        node = self.w.node(name, seat=False, extra=["--app-url", app_url()])
        node.app_url = node.argv[node.argv.index("--app-url") + 1]
        node.wallet = mesh.Wallet(self.w.chain, os.path.join(self.w.dir, name + ".wallet"))
        self.seats.mint(node.wallet.address)
        wait_for(lambda: f"{name} has its keys: {node.text()[-600:]}",
                 lambda: node.status().get("block") and node.status().get("node"), 60)
        self.register(node)
        wait_for(lambda: f"{name} is in: {node.text()[-600:]}", lambda: node.events("up"), 60)
        return node

    def register(self, node, *more):
        mesh.run("register", "--data-dir", node.dir, "--dstack", node.agent.socket, "--contract",
                 self.w.contract, "--chain-id", str(mesh.CHAIN_ID), "--rpc", self.w.chain.url,
                 "--wallet-key-file", node.wallet.path, "--dev", *more)

    def wallet(self, name):
        return mesh.Wallet(self.w.chain, os.path.join(self.w.dir, name + ".wallet")).address


class Served:
    """An HTTP server of somebody's: path -> body, or a status. What was asked of it is in asked."""

    def __init__(self, w, answers, url=None):
        self.asked = []
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                served.asked.append(self.path)
                answer = answers.get(self.path, 404)
                answer = answer() if callable(answer) else answer
                body = answer if isinstance(answer, bytes) else b""
                self.send_response(200 if body else answer)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        at = ("127.0.0.1", int(url.rsplit(":", 1)[1]) if url else 0)
        self.server = http.server.ThreadingHTTPServer(at, Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        w.servers.append(self.server)


@test
def the_prototypes_contract_without_nodes(w):
    """They find each other by what they serve at /info; one sells its seat and is gone."""
    k = Keyless(w)
    instances = a, b, c = [k.instance(name) for name in ("ka", "kb", "kd")]
    apps = registered(w, *instances)
    greeted(apps, instances)
    info = get(a.url + "/info")
    expect(f"{info}", len(info["bundle"]) == 2 * 567 and info["chain_id"] == mesh.CHAIN_ID and
           info["contract_address"].lower() == w.contract)
    sent = lambda i: w.chain.rpc.call("eth_getTransactionCount", i.wallet.address, "latest")
    before = sent(a)
    with environment(**a.env), nftmesh.DStackP2PSDK(w.contract, a.url, w.chain.url,
                                                    a.agent.socket) as sdk:
        expect(f"again: {sdk.last_error}", asyncio.run(sdk.register()) is True)
        expect("nothing is sent, and the owner's word is the same",
               sent(a) == before and asyncio.run(sdk.info())["bundle"] == info["bundle"])
    buyer = k.wallet("buyer")
    k.seats.transfer(a.wallet.address, buyer, a.token)
    wait_for(lambda: f"b knows of the sale: {get(b.url + '/peers')}",
             lambda: get(b.url + "/peers")["peers"] == [c.url], 60)
    k.seats.transfer(buyer, a.wallet.address, a.token)
    apps[0].kill()
    told = Served(w, {"/info": json.dumps(info).encode()}, a.url)
    with environment(**b.env), nftmesh.DStackP2PSDK(w.contract, b.url, w.chain.url,
                                                    b.agent.socket) as sdk:
        def bought_back():
            peers = asyncio.run(sdk.peers())
            return [p for p in peers if p.owner.lower() == a.wallet.address.lower()]
        wait_for("it is a's again", bought_back, 60)
        peer = bought_back()[0]
        expect(f"bought back, the old word does not count: {peer}",
               not peer.usable and peer.reason == "owner_changed" and
               "no transfer after" in peer.explanation)
        expect(f"asked once: {told.asked}", told.asked == ["/info"])


@test
def c_and_python_on_the_prototypes_contract(w):
    """What the C example prints is served for it; and who asks a node has it all from the node."""
    k = Keyless(w)
    python, c = k.instance("kp"), k.instance("kc")
    prefix, program = os.path.join(w.dir, "usr"), os.path.join(w.dir, "peers")
    installed(prefix, program)
    printed = []

    def info():
        """As its server would: the application knows it before its address is on the chain."""
        line = next(l for _, l in list(printed[0].lines) if "to be served" in l)
        return line.partition("/info: ")[2].encode()
    Served(w, {"/info": info}, c.url)
    peers = mesh.Process([program, f"{mesh.CHAIN_ID}:{w.contract}", c.url], "peers",
                         env={**c.env, "LD_LIBRARY_PATH": found_in(prefix, "libnftmesh.so.0"),
                              "HOME": w.dir})
    printed.append(peers)
    w.apps.append(peers)
    # Who asks in vain asks again after minutes only: so it prints before anybody asks.
    wait_for(lambda: f"C prints what to serve: {peers.text()[-900:]}",
             lambda: "to be served" in peers.text() or not peers.alive(), 90)
    expect(f"C runs: {peers.text()[-900:]}", peers.alive())
    greeter, = registered(w, python)
    wait_for(lambda: f"C sees Python's: {peers.text()[-900:]}",
             lambda: f"verified {python.url}" in peers.text(), 120)
    wait_for(lambda: f"Python sees C's: {greeter.text()[-900:]}",
             lambda: f"1 peers: {c.url}" in greeter.text(), 120)
    node = k.node("kn")
    asked = hello(w, "by-node", node.app_url, NFTMESH_HTTP="unix:" + node.control)
    wait_for(lambda: f"registered: {asked.text()[-600:]}",
             lambda: "registered as" in asked.text(), 60)
    own = lambda: get(node.app_url + "/info")
    wait_for(lambda: f"the node's own: {own()}", lambda: len(own().get("bundle", "")) == 2 * 567 and
             own().get("record") and own().get("record_sig"), 30)
    k.register(node, "--url", node.app_url)
    wait_for(lambda: f"Python sees the node's: {greeter.text()[-600:]}",
             lambda: f"2 peers: " in greeter.text() and node.app_url in greeter.text(), 60)


@test
def what_strangers_serve_gives_nobody_a_seat(w):
    """Each seat's address is another lie; one of them is honest, and only that one counts."""
    k = Keyless(w)
    honest = k.instance("honest")
    registered(w, honest)
    true = bytes.fromhex(get(honest.url + "/info")["bundle"])
    forged = bytearray(true)
    forged[200] ^= 1  # a byte of the node key
    body = lambda bundle: json.dumps({"bundle": bundle}).encode()
    lies = {"another": (body(true.hex()), "one of another seat"),
            "junk": (b"<html>", "no JSON object"), "none": (b"{}", "no bundle"),
            "cut": (body(true.hex()[:-2]), "in hex"),
            "huge": (b'{"x":"' + b"y" * 70000 + b'"}', "above 65536 bytes"),
            "moved": (302, "status 302"), "error": (500, "status 500")}
    served, tokens = [], {}
    for name, (answer, why) in lies.items():
        owner = k.wallet(name)
        tokens[k.seats.mint(owner)] = why
        served.append(Served(w, {"/info": answer}))
        k.bind(owner, served[-1].url, true)
    owner = k.wallet("forger")
    token = k.seats.mint(owner)
    forged[2:34] = mesh.pad32(token)
    forged[34:54] = bytes.fromhex(owner[2:])
    served.append(Served(w, {"/info": body(forged.hex())}))
    tokens[token] = "A signature by the seat's owner"
    k.bind(owner, served[-1].url, true)
    owner = k.wallet("mesh")
    tokens[k.seats.mint(owner)] = "only a node can ask"
    k.bind(owner, "tcp://127.0.0.1:1", true)
    reader = k.instance("reader")
    with environment(**reader.env), nftmesh.DStackP2PSDK(w.contract, reader.url, w.chain.url,
                                                         reader.agent.socket) as sdk:
        height = w.chain.height()
        wait_for("the chain is read", lambda: asyncio.run(sdk.peers()).block >= height, 60)
        peers = {p.token: p for p in asyncio.run(sdk.peers())}
        expect(f"{sdk.last_error}", [p.url for p in peers.values() if p.usable] == [honest.url])
        for token, why in tokens.items():
            expect(f"{why!r}: {peers[token]}", why.lower() in peers[token].explanation.lower())
        expect("get_peers", asyncio.run(sdk.get_peers()) == [honest.url])
    # By the honest one's application and by us: once each, and no redirect was followed.
    wait_for(lambda: f"both ask all: {[s.asked for s in served]}",
             lambda: all(len(s.asked) >= 2 for s in served), 60)
    expect(f"{[s.asked for s in served]}", all(s.asked == ["/info"] * 2 for s in served))


# ---- the end -----------------------------------------------------------------------------------------

@test
def an_interrupt_ends_an_application_at_once(w):
    a = node_with_app(w, "ia")
    app = hello(w, "interrupted", a.app_url, NFTMESH_HTTP=surface(a))
    wait_for(lambda: f"it is registered: {app.text()}", lambda: "0 peers" in app.text())
    app.signal(signal.SIGINT)
    app.p.wait(20 * mesh.SCALE)  # what it waits for by itself takes minutes
    expect(f"{app.p.returncode}: {app.text()}",
           app.p.returncode == 0 and "Traceback" not in app.text())


if __name__ == "__main__":
    sys.exit(main(PythonWorld))
