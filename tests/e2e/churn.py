#!/usr/bin/env python3
"""Churn: each second a node is killed, hung, restarted, sold or added; then calm, and everything must be
right again. Prints `ok churn` or `not ok churn: why`, and before it one JSON line with what happened.

    churn.py                                  60 s with 9 nodes
    churn.py --seconds 1800 --nodes 30        the full run
    churn.py --seed N                         the same choices again (processes have their own time)

With a build of a sanitizer (NFTMESH_BUILD, and NFTMESH_E2E_SCALE for its slowness) the nodes' output is
searched for reports, and memory, which such a build spends otherwise, is not judged."""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import signal
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import APP_ID, World, expect, main, test  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402

REPORTS = ("WARNING: ThreadSanitizer", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
           "runtime error:", "assertion", "Assertion", "panic:")
CALM_S = 90  # for tables to be right; what it took is printed
NOISE_KIB = 1024  # malloc's own: an arena more or less
MEMBER_KIB = 8  # what a member may cost that was added while we looked


def is_sanitized():
    with open(mesh.NFTMESH, "rb") as f:
        binary = f.read()
    return b"__tsan_init" in binary or b"__asan_init" in binary


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


class Churn(World):
    """A crowd: seats by the hundred, and agents of several processes, which have a bound each."""

    AGENTS = 60

    def __init__(self, directory):
        super().__init__(directory)
        for i in range(1, 2 * OPTIONS.nodes // self.AGENTS + 1):
            names = [f"vm{i}-{k}" for k in range(self.AGENTS)]
            more = mesh.AgentHost(directory, names, os.path.join(directory, "kms.key"), APP_ID,
                                  label=f"agents{i}")
            self.host.agents.update(more.agents)
            self.free += names
        self.contract, _ = self.chain.deploy(self.host.kms_root(), [APP_ID], max_nodes=9000)
        self.lock = threading.Lock()
        self.count = 0
        self.random = random.Random(OPTIONS.seed)

    def join(self, bootstrap):
        """One more member, up; its agent may have been another's before."""
        with self.lock:
            self.count += 1
            name, agent = f"n{self.count}", self.host.agents[self.free.pop(0)]
        node = mesh.Node(name, self.dir, agent, self.contract, [self.chain.url],
                         [self.mesh_url(bootstrap)] if bootstrap else [], start=False)
        node.wallet = mesh.Wallet(self.chain, os.path.join(self.dir, name + ".wallet"))
        node.token = self.mint(node.wallet.address)
        node.start()
        with self.lock:
            self.nodes.append(node)
        wait_for(lambda: f"{name} asks for a seat: {node.text()[-600:]}",
                 lambda: node.events("no_seat"), 120)
        node.register(node.wallet, node.token)
        wait_for(lambda: f"{name} is up: {node.text()[-600:]}", lambda: node.events("up"), 120)
        node.is_hung = node.is_dead = node.is_sold = False
        return node

    def mint(self, to):
        """The owner's transactions one after the other, each with a nonce of its own; blocks hold many."""
        data = "0x" + self.chain.selector("mintNodeAccess(address)") + mesh.pad32(to).hex()
        with self.lock:
            digest = self.chain.rpc.call("eth_sendTransaction", {
                "from": self.chain.owner, "to": self.contract, "data": data, "gas": hex(12_000_000)})
        receipt = wait_for("the seat is minted",
                           lambda: self.chain.rpc.call("eth_getTransactionReceipt", digest), 60)
        return next(int(log["topics"][3], 16) for log in receipt["logs"]
                    if log["topics"][0] == mesh.TRANSFER)

    def sell(self, node):
        seller = self.chain.as_wallet(node.wallet.address)
        self.chain.contract_call(self.contract, "burn(uint256)", node.token, sender=seller)


class Show:
    """What happens, second for second."""

    def __init__(self, w, nodes):
        self.w, self.nodes, self.random = w, list(nodes), w.random
        self.kept = self.nodes[:2]  # never killed nor sold: their memory is looked at
        self.due = []  # (when, action, node)
        self.did = collections.Counter()
        self.adding = None
        self.errors = []

    def able(self, but=()):
        return [n for n in self.nodes if not (n.is_hung or n.is_dead or n.is_sold) and n not in but]

    def kill(self, node, now):
        node.kill()
        node.is_dead = True
        self.due.append((now + self.random.uniform(2, 10), self.restart, node))

    def restart(self, node, now):
        node.start()
        node.is_dead = False

    def hang(self, node, now):
        node.signal(signal.SIGSTOP)
        node.is_hung = True
        self.due.append((now + self.random.uniform(2, 12), self.wake, node))

    def wake(self, node, now):
        node.signal(signal.SIGCONT)
        node.is_hung = False

    def sell(self, node, now):
        node.is_sold = True
        self.w.sell(node)
        self.due.append((now + 5, self.retire, node))

    def retire(self, node, now):
        node.kill()
        self.nodes.remove(node)
        self.w.free.append(os.path.basename(node.agent.socket)[:-5])

    def add(self, now):
        def run():
            try:
                self.nodes.append(self.w.join(self.kept[0]))
            except Exception as e:  # noqa: BLE001 - told at the end
                self.errors.append(f"adding: {e}")
        self.adding = threading.Thread(target=run, daemon=True)
        self.adding.start()

    def look_for_crashes(self):
        for n in self.nodes:
            if not n.is_dead and not n.alive():
                raise Failed(f"{n.short} ended by itself with {n.p.returncode}: {n.text()[-1500:]}")

    def turn(self, now):
        """One thing each second; what was begun earlier comes to its end besides."""
        for item in [d for d in self.due if d[0] <= now]:
            self.due.remove(item)
            item[1](item[2], now)
            self.did[item[1].__name__] += 1
        able = self.able(self.kept)
        hung = sum(n.is_hung for n in self.nodes)
        choices = ["hang"] if hung < max(1, OPTIONS.nodes // 5) else []
        if len(able) > OPTIONS.nodes // 2:
            choices += ["kill", "kill"]
        if len(able) > OPTIONS.nodes // 2 and len(self.nodes) >= OPTIONS.nodes:
            choices.append("sell")
        if len(self.nodes) < OPTIONS.nodes and not (self.adding and self.adding.is_alive()):
            choices += ["add", "add"]
        if not choices:
            return
        what = self.random.choice(choices)
        self.did[what] += 1
        if what == "add":
            self.add(now)
        else:
            getattr(self, what)(self.random.choice(self.able() if what == "hang" else able), now)

    def calm(self):
        for _, action, node in sorted(self.due, key=lambda d: d[0]):  # who is added may need who hangs
            action(node, time.monotonic())
            self.did[action.__name__] += 1
        self.due = []
        if self.adding:
            self.adding.join(240 * mesh.SCALE)


def tables_are_right(nodes):
    names = {n.short for n in nodes}
    return all(n.names() == names for n in nodes)


def differences(nodes):
    names = {n.short for n in nodes}
    return {n.short: {"missing": sorted(names - n.names()), "extra": sorted(n.names() - names)}
            for n in nodes if n.names() != names}


def judge_memory(samples, known):
    """Second half against the first, each with its own spread; and members added meanwhile."""
    told = {}
    for name, values in samples.items():
        first, last = values[len(values) // 3:2 * len(values) // 3], values[2 * len(values) // 3:]
        if len(first) < 3 or len(last) < 3:
            continue
        spread = max(first) - min(first)
        grown = max(0, known[name][-1] - known[name][len(values) // 3])
        bound = statistics.median(first) + 2 * spread + NOISE_KIB + MEMBER_KIB * grown
        told[name] = {"kib_before": statistics.median(first), "kib_after": statistics.median(last),
                      "kib_bound": bound}
        expect(f"memory of {name} is flat: {told[name]}", statistics.median(last) <= bound)
    return told


@test
def churn(w):
    first = w.join(None)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        others = list(pool.map(lambda _: w.join(first), range(OPTIONS.nodes - 1)))
    nodes = [first, *others]
    wait_for(lambda: f"all tables full: {differences(nodes)}", lambda: tables_are_right(nodes), 120)
    formed = max(n.metric("nftmesh_peer_budget_peak_permille") for n in nodes)

    show, samples, known = Show(w, nodes), collections.defaultdict(list), collections.defaultdict(list)
    began = time.monotonic()
    next_turn = next_sample = began
    while time.monotonic() < began + OPTIONS.seconds:
        now = time.monotonic()
        if now >= next_turn:
            next_turn += 1
            show.look_for_crashes()
            show.turn(now)
        if now >= next_sample:
            next_sample += max(1, OPTIONS.seconds / 120)
            for n in show.kept:
                if not n.is_hung:
                    samples[n.short].append(pss_kib(n.p.pid))
                    known[n.short].append(len(n.members()))
        time.sleep(max(0, min(next_turn, next_sample) - time.monotonic()))
    show.calm()
    expect(f"nodes could be added: {show.errors}", not show.errors)
    calm = time.monotonic()
    wait_for(lambda: f"tables are right again: {differences(show.nodes)}",
             lambda: tables_are_right(show.nodes), CALM_S)
    took = time.monotonic() - calm
    show.look_for_crashes()
    for n in w.nodes:
        text = n.text()
        found = next((r for r in REPORTS if r in text), None)
        expect(f"{n.short} reports: {text[text.find(found or ''):][:6000]}", found is None)
    told = {"seconds": OPTIONS.seconds, "nodes": OPTIONS.nodes, "seed": OPTIONS.seed, **show.did,
            "right_after_s": round(took, 1), "budget_peak_permille": {
                "formed": formed, "end": max(n.metric("nftmesh_peer_budget_peak_permille")
                                             for n in show.nodes)},
            "over_budget": sum(n.metric("nftmesh_peer_over_budget_total") or 0 for n in show.nodes)}
    if not is_sanitized():
        told["memory"] = judge_memory(samples, known)
    print(json.dumps(told), flush=True)
    expect("nobody was over the budget", told["over_budget"] == 0)
    expect(f"all of it happened: {show.did}", all(show.did[k] for k in ("kill", "hang", "restart")))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--nodes", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    OPTIONS = parser.parse_args()
    sys.argv = sys.argv[:1]
    os.environ.setdefault("TSAN_OPTIONS", f"suppressions={mesh.ROOT}/tests/tsan.supp")
    sys.exit(main(Churn))
