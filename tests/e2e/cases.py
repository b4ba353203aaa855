"""What every file of end-to-end tests is made of: cases that run in their order in one world, each of
which prints `ok NAME` or `not ok NAME: why`; and the world that most of them live in."""
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

import mesh
from mesh import Failed, wait_for

APP_ID = "6e66746d6573682d7465737473206170702d3031"
CASES = []


class Skipped(Exception):
    """This machine lacks what a case is about: it has neither passed nor failed."""


def test(function):
    CASES.append(function)
    return function


def expect(what, condition):
    if not condition:
        raise Failed(what)


def together(*nodes, deadline=60):
    names = {n.short for n in nodes}
    wait_for(lambda: "all tables full: " + repr({n.short: sorted(n.names()) for n in nodes}),
             lambda: all(n.names() == names for n in nodes), deadline)


class CutProxy(mesh.Proxy):
    """Answers until the n-th transaction: that one is passed on or not, and then all is silent."""

    def __init__(self, chain, at, passes):
        super().__init__(chain)
        self.at, self.passes, self.count = at, passes, 0
        self.silent = threading.Event()

    def answer(self, body):
        if self.silent.is_set():
            return None
        if b"eth_sendRawTransaction" in body:
            self.count += 1
            if self.count == self.at:
                if self.passes:
                    super().answer(body)
                self.silent.set()
                return None
        return super().answer(body)


class World:
    """A chain, a contract and agents; nodes come and go with each case."""

    AGENTS = 24

    def __init__(self, directory, **chain):
        self.dir = directory
        self.chain = mesh.Chain(log_path=os.path.join(directory, "anvil.log"), prompt=True, **chain)
        names = [f"vm{i}" for i in range(self.AGENTS)]
        self.host = mesh.AgentHost(directory, names, os.path.join(directory, "kms.key"), APP_ID)
        self.contract, _ = self.chain.deploy(self.host.kms_root(), [APP_ID], max_nodes=200)
        self.free = list(names)
        self.nodes = []

    def node(self, name, rpcs=None, bootstrap=(), extra=(), seat=True, **more):
        """A node with a seat of its own, up."""
        agent = self.host.agents[self.free.pop(0)]
        node = mesh.Node(name, self.dir, agent, self.contract, rpcs or [self.chain.url], bootstrap,
                         extra=extra, **more)
        self.nodes.append(node)
        if seat:
            self.seat(node)
            wait_for(lambda: f"{name} is up: {node.text()[-600:]}", lambda: node.events("up"), 60)
        return node

    def seat(self, node):
        node.wallet = mesh.Wallet(self.chain, os.path.join(self.dir, node.short + ".wallet"))
        self.chain.contract_call(self.contract, "mintNodeAccess(address)", node.wallet.address)
        node.token = max(self.chain.seats(self.contract))
        wait_for(lambda: f"{node.short} asks for a seat: {node.text()[-600:]}",
                 lambda: node.status().get("node") and node.events("no_seat"), 60)
        node.register(node.wallet, node.token)

    def mesh_url(self, node):
        return f"mesh://{node.key()}@{node.listen.split('://')[1]}"

    def pair(self, a, b, **more):
        first = self.node(a, **more)
        second = self.node(b, bootstrap=[self.mesh_url(first)], **more)
        together(first, second)
        return first, second

    def clear(self):
        """Ends the nodes of a test, and takes their seats away, so that nobody dials them."""
        for n in self.nodes:
            if n.alive():
                n.signal(signal.SIGCONT)
                n.kill()
        for n in self.nodes:
            if hasattr(n, "token"):
                with contextlib.suppress(Failed):
                    seller = self.chain.as_wallet(n.wallet.address)
                    self.chain.contract_call(self.contract, "burn(uint256)", n.token, sender=seller)
        for n in self.nodes:
            name = os.path.basename(n.agent.socket)[:-5]
            if name not in self.free:
                self.free.append(name)
        for n in self.nodes:
            shutil.rmtree(n.dir, ignore_errors=True)
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.dir, n.short + ".wallet"))
        self.nodes = []


def one(w, function, name):
    """Did it pass? What is skipped has not failed, and prints no `ok`."""
    began = time.monotonic()
    try:
        getattr(w, "begin", lambda: None)()
        function(w)
        print(f"ok {name} # {time.monotonic() - began:.1f} s", flush=True)
        return True
    except Skipped as e:
        print(f"skip {name}: {e}", flush=True)
        return True
    except Exception as e:  # noqa: BLE001 - one case's end is not the others'
        print(f"not ok {name}: {e}", flush=True)
        if not isinstance(e, Failed):
            traceback.print_exc(file=sys.stdout)
        for n in getattr(w, "nodes", ()):
            print(f"  last of {n.short}: " + "\n    ".join(n.text().splitlines()[-5:]))
        return False
    finally:
        getattr(w, "clear", lambda: None)()


def main(world, label=""):
    """Runs the cases named on the command line, or all, in world(directory), whose begin() and clear()
    are called around each and whose end() after the last, where it has them; its case ALWAYS runs
    whatever was named. Returns the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored, by children too
    wanted, failed, w = sys.argv[1:], 0, None
    unknown = set(wanted) - {f.__name__ for f in CASES}
    if unknown:
        print(f"no such case: {' '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    directory = tempfile.mkdtemp(prefix="nm-e2e-")  # short: sockets' paths are
    try:
        w = world(directory)
        for function in CASES:
            if not wanted or function.__name__ in wanted or function is getattr(world, "ALWAYS", None):
                failed += not one(w, function, label + function.__name__)
    finally:
        with contextlib.suppress(Exception):
            getattr(w, "end", lambda: None)()
        mesh.stop_all()
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0
