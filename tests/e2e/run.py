#!/usr/bin/env python3
"""End-to-end tests: real processes, a real chain, real links on loopback. Prints `ok NAME` or
`not ok NAME: why` for each, and exits 1 when one failed. Usage: run.py [NAME..]"""
import contextlib
import http.server
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import Skipped, World, expect, main, test, together  # noqa: E402
from mesh import wait_for  # noqa: E402

# ---- the official guest-agent client ---------------------------------------------------------------

@test
def official_dstack_client(w):
    p = subprocess.run(["node", os.path.join(mesh.ROOT, "tests/npm/dstack-client.mjs")],
                       capture_output=True, text=True, timeout=120 * mesh.SCALE,
                       env={**os.environ, "NFTMESH_BUILD": mesh.BUILD})
    passed = [line for line in p.stdout.splitlines() if line.startswith("ok ")]
    for line in passed:
        print(line.replace("ok ", "ok official_dstack_client: ", 1))
    expect(p.stdout[-800:] + p.stderr[-800:], p.returncode == 0 and len(passed) > 5)


# ---- seats -------------------------------------------------------------------------------------------

@test
def without_a_seat_it_names_the_command_and_stops(w):
    agent = w.host.agents[w.free[0]]
    node = mesh.Node("seatless", w.dir, agent, w.contract, [w.chain.url], start=False)
    node.argv.remove("--wait")
    node.start()
    wait_for(lambda: f"it stops: {node.text()}", lambda: not node.alive(), 30)
    expect(f"exit 3, not {node.p.returncode}", node.p.returncode == 3)
    fatal = node.events("fatal")
    expect(f"names the command: {fatal}", fatal and "nftmesh register --data-dir" in fatal[0]["msg"])


@test
def registering_without_a_node_running_needs_dev_for_the_simulator(w):
    agent = w.host.agents[w.free.pop(0)]
    node = mesh.Node("offline", w.dir, agent, w.contract, [w.chain.url], start=False)
    node.wallet = mesh.Wallet(w.chain, os.path.join(w.dir, "offline.wallet"))
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", node.wallet.address)
    node.token = max(w.chain.seats(w.contract))
    argv = ["register", "--data-dir", node.dir, "--dstack", agent.socket, "--contract", w.contract,
            "--chain-id", mesh.CHAIN_ID, "--rpc", w.chain.url, "--token", node.token, "--url",
            node.listen, "--wallet-key-file", node.wallet.path]
    code, _, err = mesh.run(*argv, check=False)
    expect(f"refused, naming --dev: {code} {err}",
           code == 1 and "--dev" in err and len(err.splitlines()) == 1)
    expect("nothing was sent", not w.chain.seats(w.contract)[node.token]["node_key"])
    mesh.run(*argv, "--dev")
    node.start()
    w.nodes.append(node)
    wait_for(lambda: f"the keys made offline are the node's: {node.text()[-600:]}",
             lambda: node.events("up"), 30)


@test
def register_twice_is_success(w):
    node = w.node("twice")
    nonce = w.chain.rpc.call("eth_getTransactionCount", node.wallet.address, "latest")
    _, out, _ = node.register(node.wallet, node.token)
    expect(out, "stands already" in out)
    expect("no second transaction",
           nonce == w.chain.rpc.call("eth_getTransactionCount", node.wallet.address, "latest"))


@test
def deactivated_is_evicted_and_registering_brings_it_back(w):
    # Three, so that the loss of one is not more than a third on one endpoint's word.
    a, b = w.pair("staying", "leaver")
    together(a, b, w.node("third", bootstrap=[w.mesh_url(a)]))
    key, since = b.key(), time.time()
    mesh.run("deactivate", "--token", b.token, "--rpc", w.chain.url, "--chain-id", mesh.CHAIN_ID,
             "--contract", w.contract, "--wallet-key-file", b.wallet.path)
    line = wait_for("a evicts b", lambda: a.events("evicted", since), 30)[0]
    expect(f"reason inactive: {line}", line["reason"] == "inactive" and line["peer"] == key)
    wait_for("b knows", lambda: "[-]seat" in b.request("GET", "/readyz")[1], 30)
    why = lambda: json.dumps(a.get(f"/v1/why?id={key[:16]}"))
    wait_for(lambda: f"why explains: {why()}", lambda: "Check 12" in why())
    b.register(b.wallet, b.token)
    wait_for("b is back", lambda: b.ready() and "leaver" in a.names(), 60)


@test
def another_finality_is_refused_by_name(w):
    a = w.node("finality-a")
    since = time.time()
    b = w.node("finality-b", bootstrap=[w.mesh_url(a)], extra=["--finality", "latest:1"])
    line = wait_for("a refuses", lambda: [e for e in a.events("refused", since)
                                          if e["reason"] == "settings_differ"], 30)[0]
    expect(f"names both values: {line}", "finality" in json.dumps(line))
    # It may have seen its seat before the other did, and been told of that first.
    wait_for(lambda: f"b is told which setting: {b.events('refused_by', since)}", lambda: any(
        "finality" in e.get("text", "") for e in b.events("refused_by", since)), 30)


# ---- copies and restarts ---------------------------------------------------------------------------------

def copy_of(w, node, name):
    """A second process on a copy of the data directory, with the same agent."""
    twin = mesh.Node(name, w.dir, node.agent, w.contract, [w.chain.url], start=False)
    for file in ("seed", "incarnation", "pins"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(os.path.join(node.dir, file), twin.dir)
    w.nodes.append(twin)
    return twin


@test
def of_two_live_copies_the_younger_exits(w):
    a, b = w.pair("original-a", "original-b")
    twin = copy_of(w, b, "copy-of-b")
    twin.argv += ["--bootstrap", w.mesh_url(a)]
    twin.start()
    wait_for(lambda: f"the copy exits: {twin.text()[-800:]}", lambda: not twin.alive(), 60)
    expect(f"exit 1, not {twin.p.returncode}", twin.p.returncode == 1)
    expect("it says why", any("node key" in e["msg"] for e in twin.events("fatal")))
    expect("the older one stays", b.alive())
    together(a, b)


@test
def a_restart_after_a_stop_without_fin_is_no_copy(w):
    a, b = w.pair("keeper", "stopped")
    b.signal(signal.SIGSTOP)
    again = copy_of(w, b, "started-again")
    again.argv += ["--bootstrap", w.mesh_url(a)]
    again.start()
    wait_for(lambda: f"the restarted one is in: {again.text()[-800:]}",
             lambda: "started-again" in a.names(), 60)
    expect("it runs", again.alive())


@test
def a_locked_data_dir_is_refused(w):
    a = w.node("locked")
    code, _, err = mesh.run(*a.argv[1:], check=False, timeout=20)
    expect(f"names the lock: {err}", code != 0 and "locked" in err)


# ---- bootstraps that lie -------------------------------------------------------------------------------------

class InfoServer:
    """Answers /info with whatever it is told."""

    def __init__(self, body):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(server.body)

        self.body = body
        self.port = mesh.free_port()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.port}"


def info_of(node):
    """What a node says of itself to joiners: its record shows a moment after its log says `up`."""
    def with_record():
        text = node.request("GET", "/info")[1]
        return text.encode() if "record_sig" in text else None
    return wait_for(f"{node.short} shows its record", with_record)


@test
def a_bootstrap_with_a_foreign_key_lists_and_loses_nobody(w):
    a, b = w.pair("boot-a", "boot-b")
    stranger = w.node("boot-stranger")
    foreign = InfoServer(info_of(stranger))
    stranger.kill()
    owner = w.chain.as_wallet(stranger.wallet.address)
    w.chain.contract_call(w.contract, "burn(uint256)", stranger.token, sender=owner)
    del stranger.token
    key = json.loads(foreign.body)["node"]
    wait_for("the stranger's seat is gone", lambda: "boot-stranger" not in
             {m["name"] for m in a.members()}, 30)
    since = time.time()
    joiner = w.node("boot-c", bootstrap=[foreign.url])
    refused = wait_for("bootstrap_not_a_member",
                       lambda: [e for e in joiner.events("refused", since)
                                if e["reason"] == "bootstrap_not_a_member"], 30)[0]
    expect(f"about that key: {refused}", refused["peer"] == key)
    together(a, b, joiner)  # the registry finds the others all the same


@test
def a_bootstrap_with_anothers_key_lists_and_loses_nobody(w):
    a, b = w.pair("other-a", "other-b")
    liar = InfoServer(info_of(b))  # says it is b
    joiner = w.node("other-c", bootstrap=[liar.url])
    together(a, b, joiner)


@test
def a_bootstrap_that_talks_nonsense_is_named(w):
    a = w.node("nonsense-a")
    for body in (b"<html>", b"{}", b'{"record":"00","record_sig":"00"}', b"[" * 60_000):
        code, _, err = mesh.run("join", InfoServer(body).url, "--data-dir", a.dir, check=False)
        expect(f"{body[:20]}: {err}", code == 1 and "/info" in err and len(err.splitlines()) == 1)


# ---- RPC endpoints that lie -------------------------------------------------------------------------------------

def hostile(mode):
    def run(w):
        proxies = [mesh.Proxy(w.chain) for _ in range(3)]
        proxies[1].mode = mode
        a, b = w.pair(f"{mode.replace('_', '-')}-a", f"{mode.replace('_', '-')}-b",
                      rpcs=[p.url for p in proxies])
        rpc = wait_for("the endpoint's error shows", lambda: [
            r for r in a.status().get("rpc", []) if r["endpoint"].endswith(str(proxies[1].port)) and
            (r.get("last_error") or r.get("state") != "ok")], 30)
        expect(f"{rpc}", rpc)
        wait_for(lambda: f"both stay: {a.names()} {b.names()}",
                 lambda: a.names() == b.names() == {a.short, b.short} and a.ready() and b.ready())
        gone = a.events("evicted") + b.events("evicted")
        expect(f"nobody was dropped: {gone}", not gone)
    run.__name__ = f"a_hostile_endpoint_{mode}_is_passed_over"
    return run


for hostile_mode in ("junk", "huge", "deep", "wrong_types", "wrong_chain", "truncated_abi",
                     "absurd_offsets", "down"):
    test(hostile(hostile_mode))


@test
def an_rpc_of_another_chain_alone_is_fatal_to_nothing(w):
    proxy = mesh.Proxy(w.chain)
    proxy.mode = "wrong_chain"
    node = w.node("wrongchain", rpcs=[proxy.url], seat=False)
    wait_for("it says so", lambda: [e for e in node.events("endpoint_bad")
                                    if "chain" in e["msg"]], 30)
    expect("and waits", node.alive() and not node.ready())


# ---- transports ------------------------------------------------------------------------------------------------

def linked(w, host):
    """A node behind WebSockets and one behind TCP, which find each other."""
    a = w.node("ws-a", listen=f"ws://{host}:{mesh.free_port()}")
    b = w.node("ws-b", listen=f"tcp://{host}:{mesh.free_port()}")
    together(a, b)
    wait_for(lambda: f"one link: {a.get('/v1/peers')}", lambda: '"up"' in json.dumps(a.get("/v1/peers")))


@test
def websockets(w):
    linked(w, "127.0.0.1")


@test
def ipv6(w):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as e:
        raise Skipped(f"this machine has no ::1 ({e.strerror})") from None
    linked(w, "[::1]")


class TlsTerminator:
    """TLS in front of a plain port, as a reverse proxy would be."""

    def __init__(self, directory, target_port):
        key, cert = os.path.join(directory, "tls.key"), os.path.join(directory, "tls.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                        "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        self.ca, self.port, self.target, self.names = cert, mesh.free_port(), target_port, []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.sni_callback = lambda s, name, c: self.names.append(name)
        listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self.serve, args=(listener, context), daemon=True).start()

    def serve(self, listener, context):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=self.carry, args=(client, context), daemon=True).start()

    def carry(self, client, context):
        with contextlib.suppress(OSError):
            inside = context.wrap_socket(client, server_side=True)
            outside = socket.create_connection(("127.0.0.1", self.target))
            for one, other in ((inside, outside), (outside, inside)):
                threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.close()


@test
def wss_through_a_tls_terminator(w):
    port = mesh.free_port()
    tls = TlsTerminator(w.dir, port)
    behind = w.node("tls-a", listen=f"ws://127.0.0.1:{port}",
                    advertise=f"wss://localhost:{tls.port}")
    dialler = w.node("tls-b", bootstrap=[f"mesh+wss://{behind.key()}@localhost:{tls.port}"],
                     extra=["--tls-ca", tls.ca])
    together(behind, dialler)
    expect(f"the name was asked for: {tls.names}", "localhost" in tls.names)


# ---- events, secrets, ends ------------------------------------------------------------------------------------------

@test
def a_user_event_reaches_each_once(w):
    a, b = w.pair("event-a", "event-b")
    c = w.node("event-c")
    together(a, b, c)
    since = time.time()
    mesh.run("event", "deploy", "hello mesh", "--data-dir", a.dir)
    for n in (a, b, c):
        wait_for(f"{n.short} hears it", lambda n=n: n.events("msg", since), 30)
    mesh.run("event", "second", "--data-dir", b.dir)
    for n in (a, b, c):
        wait_for(f"{n.short} hears the second", lambda n=n: len(n.events("msg", since)) >= 2, 30)
        names = [e["name"] for e in n.events("msg", since)]
        expect(f"{n.short} heard {names}", sorted(names) == ["deploy", "second"])
        payload = next(e for e in n.events("msg", since) if e["name"] == "deploy")["payload"]
        expect(payload, bytes.fromhex(payload) == b"hello mesh")


@test
def no_secret_in_argv_or_log(w):
    node = w.node("secretive")
    seed = open(os.path.join(node.dir, "seed"), "rb").read().hex()
    wallet = open(node.wallet.path).read().strip()
    key = node.agent.get_key(mesh.proof_path(w.contract, node.agent.instance))["key"]
    argv = open(f"/proc/{node.p.pid}/cmdline").read()
    surfaces = "".join(node.request("GET", url)[1] for url in
                       ("/v1/status", "/v1/members", "/v1/peers", "/info", "/metrics"))
    for name, secret in (("seed", seed), ("wallet", wallet), ("proof key", key)):
        expect(f"{name} shows", secret not in node.text() + argv + surfaces)
    modes = {f: oct(os.stat(os.path.join(node.dir, f)).st_mode & 0o777)
             for f in ("seed", "control.sock")}
    expect(f"modes {modes}", set(modes.values()) == {"0o600"})
    limits = open(f"/proc/{node.p.pid}/limits").read()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    expect(f"nor in a core: {core}", core.split()[4:6] == ["0", "0"])


@test
def sigterm_leaves_and_others_say_left(w):
    a, b = w.pair("goodbye-a", "goodbye-b")
    key, since = b.key(), time.time()
    code = b.stop()
    expect(f"exit 0, not {code}", code == 0)
    wait_for("a says left", lambda: [e for e in a.events("left", since) if e["peer"] == key], 30)
    # Before the goodbye a suspicion may be about a late probe; after it nobody asks any more.
    said = next(i for i, e in enumerate(a.events(since=since)) if e["ev"] == "left")
    after = [e for e in a.events(since=since)[said:] if e["ev"] == "suspect" and e["peer"] == key]
    expect(f"nobody suspected: {after}", not after and not a.events("down", since))
    b.start()
    together(a, b)


@test
def four_of_five_killed_at_once(w):
    first = w.node("mass-0")
    others = [w.node(f"mass-{i}", bootstrap=[w.mesh_url(first)]) for i in range(1, 5)]
    together(first, *others)
    for n in others:
        n.kill()
    wait_for("the survivor calls all four failed",
             lambda: len(first.members("failed")) == 4, 60)
    for n in others:
        n.start()
    together(first, *others)


@test
def metrics_and_health(w):
    a, b = w.pair("health-a", "health-b")
    text = a.request("GET", "/metrics")[1]
    for name in ("nftmesh_build_info", "nftmesh_members", "nftmesh_admissions_total",
                 "nftmesh_handshakes_total", "nftmesh_rpc_requests_total",
                 "nftmesh_chain_ref_block", "process_resident_memory_bytes"):
        expect(f"{name} is there", f"\n{name}" in "\n" + text)
    wait_for("two alive", lambda: a.metric("nftmesh_members", status="alive") == 2)
    expect("livez", a.request("GET", "/livez")[0] == 200)
    wait_for(lambda: f"ready: {a.request('GET', '/readyz?verbose')}", a.ready)
    ready = a.request("GET", "/readyz?verbose")[1]
    expect(ready, "[+]seat ok" in ready and "dev" in ready)
    b.kill()
    wait_for("the gauge follows", lambda: a.metric("nftmesh_members", status="failed") == 1, 30)


# ---- the endpoints and strangers ----------------------------------------------------------------------

@test
def members_find_each_other_again_while_the_endpoints_are_silent(w):
    """What a silent endpoint stops is admission: who was in before comes back, for --rpc-grace."""
    a, b = w.pair("stays", "stunned")
    wait_for("they are linked", lambda: '"up"' in a.request("GET", "/v1/peers")[1])
    silent = time.time()
    w.chain.signal(signal.SIGSTOP)
    try:
        for n in (a, b):
            wait_for(f"{n.short} misses the chain", lambda n=n: n.events("rpc_lost", silent), 40)
        b.signal(signal.SIGSTOP)
        wait_for("its link is given up", lambda: '"up"' not in a.request("GET", "/v1/peers")[1], 60)
        b.signal(signal.SIGCONT)
        wait_for("they are linked again", lambda: '"up"' in a.request("GET", "/v1/peers")[1], 40)
        together(a, b)
        expect("the chain is still silent", not a.events("rpc_back", silent))
    finally:
        w.chain.signal(signal.SIGCONT)
    wait_for("the chain is back", lambda: a.events("rpc_back", silent), 40)


def junk(node):
    """An act 1 that no key made, on a connection of its own."""
    host, port = node.listen.split("://")[1].split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 2) as s:
        s.sendall(b"\0SP\0\0\x30\0\0" + (54).to_bytes(8, "big") + b"\x80\0\0\1" +
                  b"\0\x02" + secrets.token_bytes(48))
        s.settimeout(2)
        while s.recv(64):
            pass


@test
def strangers_fill_neither_log_nor_memory_of_refusals(w):
    node = w.node("patient")

    def flood():
        junk(node)
        return node.events("refused_more")
    said = wait_for("says how many it did not show", flood, 60, poll_s=0)
    shown = len(node.events("refused"))
    expect(f"no line for each: {shown} lines", 20 <= shown < 60)
    expect(f"a count instead: {said}", "counted and not shown" in said[0]["msg"])


if __name__ == "__main__":
    sys.exit(main(World))
