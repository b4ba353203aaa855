#!/usr/bin/env python3
"""End-to-end tests of libnftmesh: installed, linked by a program, with a chain and guest agents, with
nodes and without. Prints `ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed.
Usage: sdk.py [NAME..]"""
import concurrent.futures
import ctypes
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402
from mesh import wait_for  # noqa: E402

APP_ID = "6e66746d6573682d73646b2d6170702d30303031"


def run(*argv, env=None, timeout=60):
    p = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       env=env, timeout=timeout * mesh.SCALE)
    return p.returncode, p.stdout, p.stderr


class World:
    """A chain, a contract, agents, and the library as it is installed."""

    AGENTS = 12

    def __init__(self, directory):
        self.dir = directory
        self.chain = mesh.Chain(log_path=os.path.join(directory, "anvil.log"), prompt=True)
        names = [f"vm{i}" for i in range(self.AGENTS)]
        self.host = mesh.AgentHost(directory, names, os.path.join(directory, "kms.key"), APP_ID)
        self.free = list(names)
        self.contract = None
        self.programs = []
        self.prefix = os.path.join(directory, "usr")
        self.example = os.path.join(directory, "peers")
        self.install()

    def begin(self):
        """A contract of its own for each test, and agents enough."""
        if len(self.free) <= 4:
            self.free = list(self.host.agents)
        self.contract, _ = self.chain.deploy(self.host.kms_root(), [APP_ID])

    def install(self):
        if os.path.exists(self.example):
            return
        code, _, err = run("cmake", "--install", mesh.BUILD, "--prefix", self.prefix)
        expect(f"cmake --install: {err[-400:]}", code == 0)
        self.compile("cc", os.path.join(mesh.ROOT, "examples/peers.c"), "-o", self.example)

    def flags(self, *what):
        found = [d for d, _, files in os.walk(self.prefix) if "nftmesh.pc" in files]
        expect("one nftmesh.pc is installed", len(found) == 1)
        env = dict(os.environ, PKG_CONFIG_PATH=found[0])
        code, out, err = run("pkg-config", *what, "nftmesh", env=env)
        expect(f"pkg-config: {err}", code == 0)
        return out.split()

    def libdir(self):
        return next(f[2:] for f in self.flags("--libs") if f.startswith("-L"))

    def compile(self, compiler, source, *more):
        code, _, err = run(compiler, "-Wall", "-Wextra", "-Werror", source, *more,
                           *self.flags("--cflags", "--libs"))
        expect(f"{compiler} {source}: {err[-600:]}", code == 0)

    def wallet(self, name):
        wallet = mesh.Wallet(self.chain, os.path.join(self.dir, name + ".wallet"))
        self.chain.contract_call(self.contract, "mintNodeAccess(address)", wallet.address)
        return wallet

    def env(self, agent=None, wallet=None, rpc=None, node=None, name="x"):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith("NFTMESH_") and k not in ("PRIVATE_KEY", "RPC_URL")}
        env.update(NFTMESH_DEV="1", RPC_URL=rpc or self.chain.url, LD_LIBRARY_PATH=self.libdir(),
                   XDG_STATE_HOME=os.path.join(self.dir, "state", name))
        if agent:
            env["DSTACK_SOCKET"] = agent.socket
        if wallet:
            env["PRIVATE_KEY"] = open(wallet.path).read().strip()
        if node:
            env["NFTMESH_HTTP"] = node
        return env

    def program(self, name, url=None, wallet=None, agent=None, rpc=None, node=None):
        """examples/peers.c, running."""
        agent = agent or self.host.agents[self.free.pop(0)]
        argv = [self.example, f"anvil:{self.contract}"] + ([url] if url else [])
        p = mesh.Process(argv, name, env=self.env(agent, wallet, rpc, node, name),
                         log_path=os.path.join(self.dir, name + ".log"))
        p.agent = agent
        self.programs.append(p)
        return p

    def node(self, name, bootstrap=(), extra=()):
        agent = self.host.agents[self.free.pop(0)]
        node = mesh.Node(name, self.dir, agent, self.contract, [self.chain.url], bootstrap,
                         extra=("--app-url", f"http://{name}.example", *extra))
        self.programs.append(node)
        wallet = self.wallet(name)
        token = max(self.chain.seats(self.contract))
        wait_for(lambda: f"{name} asks for a seat: {node.text()[-600:]}",
                 lambda: node.status().get("node") and node.events("no_seat"), 60)
        node.register(wallet, token)
        wait_for(lambda: f"{name} is up: {node.text()[-600:]}", lambda: node.events("up"), 60)
        return node

    def clear(self):
        for p in self.programs:
            if p.alive():
                p.kill()
        self.programs.clear()


def lists(program):
    """What the example has printed: (header line, {url: state}) for each list that is whole. Its lines
    come one by one, and the header says how many there will be."""
    found, missing = [], 0
    for line in program.text().splitlines():
        header = re.match(r"(\d+) peers at block", line)
        if header:
            found.append((line, {}))
            missing = int(header[1])
        elif found and line.startswith("  token "):
            words = line.split()
            found[-1][1][words[5] if len(words) > 5 else ""] = words[4]
            missing -= 1
    return found[:-1] if missing > 0 else found


def sees(program, wanted, deadline=40):
    """Waits until the newest list is fresh and exactly this: {url: state}."""
    def now():
        known = lists(program)
        return known and known[-1][1] == wanted and "as they were" not in known[-1][0]
    wait_for(lambda: f"{program.name} sees {wanted}: {program.text()[-800:]}", now, deadline)


# ---- as it is installed ----------------------------------------------------------------------

@test
def the_header_is_for_every_c_and_cxx(w):
    source = os.path.join(w.dir, "header.c")
    with open(source, "w") as f:
        f.write("#include <nftmesh.h>\n"
                "int main(void) { nftmesh_options_t o = NFTMESH_OPTIONS_INIT; nftmesh_close(0);\n"
                "return o.size == sizeof o && nftmesh_version()[0] == '0' ? 0 : 1; }\n")
    strict = ["-pedantic-errors", "-Wstrict-prototypes"]
    for compiler, how in (("gcc", ["-std=c99", *strict]), ("clang-14", ["-std=c99", *strict]),
                          ("gcc", ["-std=c17", *strict]), ("g++", ["-x", "c++", "-std=c++98", "-pedantic-errors"]),
                          ("g++", ["-x", "c++", "-std=c++20", "-pedantic-errors"])):
        out = os.path.join(w.dir, "header")
        w.compile(compiler, *how, source, "-o", out) if how[0] != "-x" else \
            w.compile(compiler, *how, source, "-x", "none", "-o", out)
        code, _, err = run(out, env=w.env())
        expect(f"{compiler} {how}: exit {code} {err}", code == 0)


@test
def the_library_shows_its_own_names_only(w):
    code, out, err = run("nm", "-D", "--defined-only", os.path.join(w.libdir(), "libnftmesh.so"))
    expect(err, code == 0)
    names = [line.split()[-1] for line in out.splitlines()]
    own = [n for n in names if n.startswith("nftmesh_") and n.endswith("@@NFTMESH_0")]
    expect(f"nothing else: {sorted(set(names) - set(own))}", set(names) - set(own) == {"NFTMESH_0"})
    header = open(os.path.join(mesh.ROOT, "sdk/nftmesh.h")).read()
    declared = set(re.findall(r"NFTMESH_API [^;]*?(nftmesh_\w+)\(", header))
    expect(f"as the header says: {declared ^ {n.split('@')[0] for n in own}}",
           declared == {n.split("@")[0] for n in own})
    code, out, _ = run("readelf", "-d", os.path.join(w.libdir(), "libnftmesh.so"))
    expect("its name is libnftmesh.so.0", "[libnftmesh.so.0]" in out)
    for heavy in ("microhttpd", "confuse", "libnng"):
        expect(f"an application does not load {heavy}", heavy not in out)


# ---- without a node --------------------------------------------------------------------------

@test
def two_programs_find_each_other(w):
    a = w.program("a", "http://a.example", w.wallet("a"))
    sees(a, {})
    b = w.program("b", "http://b.example", w.wallet("b"))
    sees(b, {"http://a.example": "verified"})
    sees(a, {"http://b.example": "verified"})
    # One that is stale, since no block came for a while, says the list before it again.
    counts = [len(peers) for header, peers in lists(a) if "as they were" not in header]
    once = [n for i, n in enumerate(counts) if i == 0 or n != counts[i - 1]]
    expect(f"an empty list came first, then lists of one: {counts}", once == [0, 1])
    # Who does not register is a reader: it sees both, and nobody sees it.
    reader = w.program("reader")
    sees(reader, {"http://a.example": "verified", "http://b.example": "verified"})


@test
def registering_again_costs_nothing(w):
    wallet, agent = w.wallet("again"), w.host.agents[w.free.pop(0)]
    sees(w.program("again", "http://again.example", wallet, agent), {})
    count = lambda: int(w.chain.rpc.call("eth_getTransactionCount", wallet.address, "latest"), 16)
    sent = count()
    w.clear()
    sees(w.program("again", "http://again.example", wallet, agent), {})
    expect("no transaction the second time", count() == sent and sent > 0)
    w.clear()
    sees(w.program("again", "http://other.example", wallet, agent), {})
    expect("another URL is put on the chain", count() > sent)


@test
def a_sold_seat_is_told_and_counts_no_more(w):
    a = w.program("seller", "http://seller.example", w.wallet("seller"))
    sees(a, {})
    b = w.program("watcher", "http://watcher.example", w.wallet("watcher"))
    sees(b, {"http://seller.example": "verified"})
    # A third one: the loss of more than a third is believed late, on one endpoint's word.
    third = {"http://third.example": "verified"}
    w.program("third", "http://third.example", w.wallet("third"))
    sees(b, {"http://seller.example": "verified", **third})
    owner = next(s["owner"] for s in w.chain.seats(w.contract).values())
    token = min(w.chain.seats(w.contract))
    w.chain.contract_call(w.contract, "transferFrom(address,address,uint256)", owner, w.chain.owner,
                          token, sender=w.chain.as_wallet(owner))
    wait_for(lambda: f"the watcher is told: {b.text()[-600:]}",
             lambda: "http://seller.example" not in lists(b)[-1][1] or
             lists(b)[-1][1]["http://seller.example"] != "verified", 40)


@test
def an_outage_is_a_stale_list_never_an_empty_one(w):
    proxy = mesh.Proxy(w.chain)
    sees(w.program("stays", "http://stays.example", w.wallet("stays")), {})
    p = w.program("outage", rpc=proxy.url)
    sees(p, {"http://stays.example": "verified"})
    proxy.mode = "down"
    wait_for(lambda: f"told that it is stale: {p.text()[-600:]}",
             lambda: "as they were" in lists(p)[-1][0], 60)
    expect("with the last list", lists(p)[-1][1] == {"http://stays.example": "verified"})
    proxy.mode = "honest"
    sees(p, {"http://stays.example": "verified"}, 60)
    expect("no list was ever empty", all(peers for _, peers in lists(p)))


def fails(w, wanted, *args, **env):
    """The example ends with this in its sentence."""
    full = w.env(w.host.agents[w.free[0]])
    full.update(env)
    code, out, err = run(w.example, *args, env={k: v for k, v in full.items() if v is not None})
    expect(f"exit {code}, {wanted!r} in {err!r} {out!r}", code in (1, 2) and wanted in err)
    expect(f"one line, printable: {err!r}", err.count("\n") == 1 and err.strip().isprintable())


def all_fail(calls):
    """fails() with each of these at once: some take the library's whole deadline."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(fails, *args, **env) for args, env in calls]:
            done.result()


@test
def what_is_wrong_is_said(w):
    ours = f"anvil:{w.contract}"
    nobody = "0x00000000000000000000000000000000000000aa"
    fails(w, "Couldn't connect", ours, RPC_URL=f"http://127.0.0.1:{mesh.free_port()}")
    fails(w, "RPC_URL", ours, RPC_URL=None)
    fails(w, "CONTRACT_ADDRESS", CONTRACT_ADDRESS=None)
    fails(w, "chain", f"base:{w.contract}", NFTMESH_DEV=None)
    fails(w, "NFTMESH_DEV", f"base:{w.contract}")
    fails(w, "contract", f"anvil:{nobody}")
    fails(w, "names a chain", f"bass:{w.contract}")
    fails(w, "EIP-55", "anvil:0x5FbDB2315678afecb367f032d93F642f64180aa4")
    for root in PUBLIC_ROOTS:
        public, _ = w.chain.deploy(root, [APP_ID])
        fails(w, "whose private key is public", f"anvil:{public}", NFTMESH_DEV=None)
    key = open(w.wallet("poor").path).read().strip()
    fails(w, "url", ours, PRIVATE_KEY=key)
    fails(w, "guest agent", ours, "http://x.example", PRIVATE_KEY=key, DSTACK_SOCKET=w.dir + "/none.sock")
    fails(w, "simulator", ours, "http://x.example", PRIVATE_KEY=key, NFTMESH_DEV=None)
    other = mesh.Wallet(w.chain, os.path.join(w.dir, "other.wallet"))
    fails(w, "seat", ours, "http://x.example", PRIVATE_KEY=open(other.path).read().strip())
    fails(w, "PRIVATE_KEY", ours, "http://x.example", PRIVATE_KEY="12")


PUBLIC_ROOTS = ("0x8f2cf602c9695b23130367ed78d8f557554de7c5",
                "0xa7f6043c29f9cc1d9d6acf554c53e0c6792aaeaf",
                "0x9ad9076ef654fae9ea83e2369c49b21227ffa12c")


@test
def registering_meets_its_deadline(w):
    """Endpoints that take a connection and say nothing, and a second for the whole call."""
    sys.path.insert(0, os.path.join(mesh.ROOT, "sdk", "python"))
    from nftmesh import _library
    lib = _library.load()
    silent = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    urls = ",".join(f"http://127.0.0.1:{s.getsockname()[1]}" for s in silent)
    told = {"rpc": urls, "dstack": w.host.agents[w.free[0]].socket, "data_dir": w.dir + "/deadline",
            "wallet_key": "11" * 32}
    options = _library.Options(size=ctypes.sizeof(_library.Options), timeout_ms=300, dev=1,
                               register_timeout_ms=1000, **{k: v.encode() for k, v in told.items()})
    handle = lib.nftmesh_open(f"anvil:{w.contract}".encode(), b"http://x.example", ctypes.byref(options))
    expect(lib.nftmesh_error(), handle)
    began = time.monotonic()
    status = lib.nftmesh_register(handle)
    took, said = time.monotonic() - began, lib.nftmesh_error().decode()
    lib.nftmesh_close(handle)
    for s in silent:
        s.close()
    expect(f"status {status}: {said}", status == 7 and "in time" in said)
    expect(f"{took:.1f} s", took < 5)


@test
def hostile_endpoints_give_no_list(w):
    sees(w.program("real", "http://real.example", w.wallet("real")), {})
    liars = []
    for mode in ("junk", "deep", "wrong_types", "truncated_abi", "absurd_offsets", "wrong_chain"):
        liars.append(mesh.Proxy(w.chain))
        liars[-1].mode = mode
    all_fail([((w, "peers: ", f"anvil:{w.contract}"), {"RPC_URL": p.url}) for p in liars])
    # One of three lies: the others are believed.
    proxy = mesh.Proxy(w.chain)
    proxy.mode = "missing_member"
    honest = [mesh.Proxy(w.chain) for _ in range(2)]
    p = w.program("three", rpc=",".join(x.url for x in (proxy, *honest)))
    sees(p, {"http://real.example": "verified"})


@test
def a_bare_address_takes_the_chain_of_the_endpoints(w):
    sees(w.program("known", "http://known.example", w.wallet("known")), {})
    agent = w.host.agents[w.free.pop(0)]
    p = mesh.Process([w.example, w.contract], "bare", env=w.env(agent, name="bare"),
                     log_path=os.path.join(w.dir, "bare.log"))
    w.programs.append(p)
    sees(p, {"http://known.example": "verified"})


# ---- with a node -----------------------------------------------------------------------------

@test
def a_node_is_asked_and_tells_at_once(w):
    one = w.node("one")
    two = w.node("two", bootstrap=[f"mesh://{one.key()}@{one.listen.split('://')[1]}"])
    wait_for("both are together", lambda: one.names() == {"one", "two"} == two.names(), 60)
    by_tcp = w.program("tcp", node=f"http://127.0.0.1:{one.http_port}", rpc="http://127.0.0.1:1")
    by_unix = w.program("unix", node=f"unix:{one.control}", rpc="http://127.0.0.1:1")
    for p in (by_tcp, by_unix):
        sees(p, {"http://two.example": "alive"})
    two.kill()
    for p in (by_tcp, by_unix):
        wait_for(lambda: f"{p.name} is told: {p.text()[-400:]}",
                 lambda: lists(p)[-1][1] == {"http://two.example": "failed"}, 60)
    one.kill()
    for p in (by_tcp, by_unix):
        wait_for(lambda: f"{p.name} is stale: {p.text()[-400:]}",
                 lambda: "as they were" in lists(p)[-1][0], 40)
        expect("and not empty", lists(p)[-1][1])
    two.start()
    one.start()
    for p in (by_tcp, by_unix):
        sees(p, {"http://two.example": "alive"}, 90)


def leads(w, source, name, node):
    """tests/e2e/leads.c, running: what it said last is program.now()."""
    p = mesh.Process([source, f"anvil:{w.contract}"], name, env=w.env(node=node, name=name),
                     log_path=os.path.join(w.dir, name + ".log"))
    p.now = lambda: [re.match(r"leads (?P<leads>\d) status (?P<status>\d+) fencing (?P<fencing>\d+) sane 1 "
                              r"leader (?P<node>\S+) (?P<name>\S+) token (?P<token>\S+) why ", line).groupdict()
                     for _, line in list(p.lines)][-1]
    w.programs.append(p)
    wait_for(lambda: f"{name} says something: {p.text()}", lambda: p.lines or not p.alive(), 30)
    return p


@test
def a_program_knows_who_leads_and_whether_it_may(w):
    quick = ["--epoch-gap", "1s"]
    one = w.node("left", extra=quick)
    two = w.node("right", [f"mesh://{one.key()}@{one.listen.split('://')[1]}"], extra=quick)
    nodes = {"left": one, "right": two}
    program = os.path.join(w.dir, "leads")
    w.compile("cc", os.path.join(mesh.ROOT, "tests/e2e/leads.c"), "-o", program)
    p = {"left": leads(w, program, "by-tcp", f"http://127.0.0.1:{one.http_port}"),
         "right": leads(w, program, "by-unix", f"unix:{two.control}")}

    def led():
        """The one that may act, once both name it, with a token that its node gave."""
        for name, node in nodes.items():
            told = node.get("/v1/leader") or {}
            if told.get("lease") and all(q.now()["name"] == name and q.now()["node"] == node.key()
                                         for q in p.values()):
                mine, others = p[name].now(), p["left" if name == "right" else "right"].now()
                if (mine["leads"] == "1" and int(mine["fencing"]) == told["fencing_token"] and
                        others["leads"] == "0" and others["status"] == "0" and others["fencing"] == "0" and
                        mine["token"] == others["token"] == str(told["leader"]["token"]) and
                        len((node.get("/v1/epoch") or {}).get("members", [])) == 2):
                    return name, told["fencing_token"]
        return None
    said = lambda: repr({n: (q.text()[-300:], nodes[n].get("/v1/leader")) for n, q in p.items()})
    first, token = wait_for(said, led, 60)
    mesh.run("leader", "transfer", "--data-dir", nodes[first].dir)

    def led_anew():
        """The next lead may be the same member's; it is another one all the same."""
        now = led()
        return now if now and now[1] > token else None
    second, _ = wait_for(said, led_anew, 60)
    # Its node dies: its program knows nothing any more, and the other one may not act by itself.
    other = "left" if second == "right" else "right"
    nodes[second].kill()
    wait_for(said, lambda: p[second].now()["leads"] == "0" and p[second].now()["status"] == "9" and
             p[second].now()["node"] == "-", 30)
    wait_for(said, lambda: p[other].now()["leads"] == "0", 30)
    # Without a node nobody knows.
    alone = leads(w, program, "alone", None)
    wait_for(lambda: alone.text(), lambda: alone.lines and alone.now()["status"] == "13" and
             alone.now()["leads"] == "0" and "NFTMESH_HTTP" in alone.text(), 20)


@test
def a_node_of_another_mesh_is_refused(w):
    one = w.node("lone")
    here = w.contract
    w.begin()
    fails(w, "another mesh", f"anvil:{w.contract}", NFTMESH_HTTP=f"unix:{one.control}")
    fails(w, "another mesh", f"base:{here}", NFTMESH_HTTP=f"unix:{one.control}", NFTMESH_DEV=None)
    fails(w, "node", f"anvil:{here}", NFTMESH_HTTP=w.chain.url)


if __name__ == "__main__":
    sys.exit(main(World))
