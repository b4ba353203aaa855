#!/usr/bin/env python3
"""The prototype's contract, which stores no keys, end to end: owners authorise their nodes' keys, and
exactly those are admitted, whatever happens on the contract. Prints `ok NAME` or `not ok NAME: why`
for each, and exits 1 when one failed. Usage: prototype.py [NAME..]"""
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402

APP_ID = "6e66746d6573682d70726f746f747970652d3031"
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def expect(what, condition):
    if not condition:
        raise Failed(what)


def together(*nodes, deadline=60):
    names = {n.short for n in nodes}
    wait_for(lambda: "all tables full: " + repr({n.short: sorted(n.names()) for n in nodes}),
             lambda: all(n.names() == names for n in nodes), deadline)


class World:
    """A chain with the prototype's contract and agents; nodes come and go with each test."""

    AGENTS = 16

    def __init__(self, directory):
        self.dir = directory
        self.chain = mesh.Chain(log_path=os.path.join(directory, "anvil.log"))
        self.names = [f"vm{i}" for i in range(self.AGENTS)]
        self.host = mesh.AgentHost(directory, self.names, os.path.join(directory, "kms.key"), APP_ID)
        self.seats = self.chain.deploy_prototype(self.host.kms_root())
        self.nodes, self.used = [], 0

    def agent(self):
        self.used += 1
        return self.host.agents[self.names[(self.used - 1) % self.AGENTS]]

    def wallet(self, name):
        return mesh.Wallet(self.chain, os.path.join(self.dir, f"{name}.{self.used}.wallet"))

    def node(self, name, bootstrap=(), agent=None, extra=(), rpcs=None):
        n = mesh.Node(name, self.dir, agent or self.agent(), self.seats.address,
                      rpcs or [self.chain.url], bootstrap, extra=extra)
        self.nodes.append(n)
        wait_for(lambda: f"{name} has its keys: {n.text()[-600:]}", lambda: n.status().get("block") and
                 n.status().get("node"), 60)
        return n

    def command(self, verb, node, wallet, *more, check=True):
        return mesh.run(verb, "--rpc", self.chain.url, "--chain-id", str(mesh.CHAIN_ID), "--contract",
                        self.seats.address, "--data-dir", node.dir, "--dstack", node.agent.socket,
                        "--dev", *(("--wallet-key-file", wallet.path) if wallet else ()), *more,
                        check=check)

    def seated(self, name, bootstrap=(), **more):
        """A node with a seat, registered and authorised by its owner, up."""
        n = self.node(name, bootstrap, **more)
        n.wallet = self.wallet(name)
        n.token = self.seats.mint(n.wallet.address)
        self.command("register", n, n.wallet, "--url", n.advertise)
        self.is_up(n)
        return n

    def is_up(self, n):
        wait_for(lambda: f"{n.short} has its seat: {n.text()[-900:]}",
                 lambda: n.status().get("token") == n.token, 60)

    def mesh_url(self, n):
        return f"mesh://{n.key()}@{n.listen.split('://')[1]}"

    def three(self):
        a = self.seated("a")
        b = self.seated("b", [self.mesh_url(a)])
        c = self.seated("c", [self.mesh_url(a)])
        together(a, b, c)
        return a, b, c

    def is_out(self, n, others, reason=None):
        """Nobody has it in its table any more, and no session to it is up."""
        gone = lambda: all(n.short not in o.names() for o in others)
        wait_for(lambda: f"{n.short} is out: " + repr({o.short: sorted(o.names()) for o in others}),
                 gone, 60)

    def clear(self):
        for n in self.nodes:
            if n.alive():
                n.signal(signal.SIGCONT)
                n.kill()
            shutil.rmtree(n.dir, ignore_errors=True)
        for n in self.nodes:
            instance = n.agent.instance
            with contextlib.suppress(Failed):
                if self.seats.is_active(instance):
                    token = int.from_bytes(self.seats.read("instanceToToken(string)", instance), "big")
                    self.seats.deactivate_instance(self.seats.owner_of(token), instance)
        self.nodes = []


# ---- a cluster ----------------------------------------------------------------------------------

@test
def three_nodes_by_authorisations(w):
    """One authorised by register, one by authorize at the running node, one offline."""
    a = w.seated("a")
    b = w.node("b", [w.mesh_url(a)])
    b.wallet = w.wallet("b")
    b.token = w.seats.mint(b.wallet.address)
    w.seats.register_instance(b.wallet.address, b.agent.instance)
    refused = w.command("authorize", a, b.wallet, "--token", b.token, check=False)
    expect(f"another machine's instance is refused: {refused}",
           refused[0] == 2 and "another machine's seat" in refused[2])
    wait_for("b sees its instance", lambda: b.status()["block"]["number"] >= w.chain.height() - 1)
    out = json.loads(w.command("authorize", b, b.wallet, "--token", b.token, "--format", "json")[1])
    expect(f"the node takes it: {out}", out["verdict"] in ("accepted", "waiting"))
    w.is_up(b)
    c = w.node("c", [w.mesh_url(a)])
    c.wallet = w.wallet("c")
    c.token = w.seats.mint(c.wallet.address)
    w.seats.register_instance(c.wallet.address, c.agent.instance)
    c.stop()
    out = json.loads(w.command("authorize", c, c.wallet, "--token", c.token, "--format", "json")[1])
    expect(f"it is stored: {out}", out["verdict"] == "stored")
    c.start()
    w.is_up(c)
    together(a, b, c)
    for n in (a, b, c):
        expect(f"the kind is shown: {n.status()['contract_kind']}",
               n.status()["contract_kind"] == "prototype")
        expect("and said", any("prototype" in e.get("msg", "") for e in n.events("contract_kind")))
    info = json.loads(a.request("GET", "/info")[1])
    expect(f"/info shows the bundle: {sorted(info)}", len(info.get("bundle", "")) == 2 * 567)
    again = w.command("register", a, a.wallet, "--url", a.advertise)[1]
    expect(f"registering again does nothing: {again}", "stands already" in again)


def main():
    wanted = sys.argv[1:]
    directory = tempfile.mkdtemp(prefix="nftmesh-prototype-")
    failed = 0
    w = World(directory)
    try:
        for function in TESTS:
            name = function.__name__
            if wanted and name not in wanted:
                continue
            began = time.monotonic()
            try:
                function(w)
                print(f"ok prototype {name} # {time.monotonic() - began:.1f} s", flush=True)
            except Exception as e:  # noqa: BLE001 - one test's end is not the others'
                failed += 1
                print(f"not ok prototype {name}: {e}", flush=True)
                if not isinstance(e, Failed):
                    traceback.print_exc(file=sys.stdout)
                for n in w.nodes:
                    print(f"  last of {n.short}: " + "\n    ".join(n.text().splitlines()[-6:]))
            w.clear()
    finally:
        mesh.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
