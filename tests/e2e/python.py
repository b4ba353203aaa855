#!/usr/bin/env python3
"""End-to-end tests of the Python module: applications as separate processes, on a real chain, with a
node and without one. Prints `ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed.
Usage: python.py [NAME..]"""
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402
from run import World, expect, together  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
PACKAGE = os.path.join(mesh.ROOT, "sdk", "python")
PROTOTYPE_APP = os.path.join(HERE, "prototype_app.py")
HELLO = os.path.join(mesh.ROOT, "examples", "hello_p2p.py")
SETTINGS = ("NFTMESH_", "PRIVATE_KEY", "RPC_URL", "DSTACK_SOCKET", "CONTRACT_ADDRESS",
            "CONNECTION_URL", "PORT", "HOST")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


class App(mesh.Process):
    """A Python application with an environment of its own."""

    def __init__(self, w, name, argv, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
        super().__init__([sys.executable, "-B", *argv], name,
                         env={**clean, "PYTHONPATH": PACKAGE, **env},
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
    with urllib.request.urlopen(url, timeout=10) as r:
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
        expect(f"{info}", info["instance_id"] == ids[app.url] and info["registered"] is True and
               info["peers_count"] == len(apps) - 1)
        found = get(app.url + "/peers")["peers"]
        expect(f"{found}", sorted(found) == sorted(other.url for other in apps if other is not app))


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


# ---- the end -----------------------------------------------------------------------------------------

@test
def an_interrupt_ends_an_application_at_once(w):
    a = node_with_app(w, "ia")
    app = hello(w, "interrupted", a.app_url, NFTMESH_HTTP=surface(a))
    wait_for(lambda: f"it is registered: {app.text()}", lambda: "0 peers" in app.text())
    began = time.monotonic()
    app.signal(signal.SIGINT)
    app.p.wait(20 * mesh.SCALE)
    expect(f"{app.p.returncode}: {app.text()}",
           app.p.returncode == 0 and "Traceback" not in app.text() and
           time.monotonic() - began < 10 * mesh.SCALE)


def main():
    wanted = sys.argv[1:]
    directory = tempfile.mkdtemp(prefix="nm-py-")
    failed = 0
    w = World(directory)
    w.apps = []
    try:
        for function in TESTS:
            name = function.__name__
            if wanted and name not in wanted:
                continue
            began = time.monotonic()
            try:
                function(w)
                print(f"ok {name} # {time.monotonic() - began:.1f} s", flush=True)
            except Exception as e:  # noqa: BLE001 - one test's end is not the others'
                failed += 1
                print(f"not ok {name}: {e}", flush=True)
                if not isinstance(e, Failed):
                    traceback.print_exc(file=sys.stdout)
            for app in w.apps:
                if app.alive():
                    app.kill()
            w.apps.clear()
            w.clear()
    finally:
        mesh.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
