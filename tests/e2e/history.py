#!/usr/bin/env python3
"""A counter through a storm: real nodes with real signatures are killed, hung, parted and out of room on
their disks, leaders as often as others, while clients count; then the history is checked. Prints one JSON
line with what happened, and `ok history` or `not ok history: why`.

    history.py                                60 s with 7 nodes
    history.py --kills 200                    until so many were killed
    history.py --seed N                       the same choices again (processes have their own time)

Each client asks for one more at a time, by a name of its own, and asks again, of whoever is there, until it
is told. What they are told must be the history of one counter (history_check.py): each acknowledged
increment is in it exactly once, in order. As root the nodes have network namespaces and file systems of
their own; elsewhere the nearest thing that anybody may have, and the line says which (parted.py)."""
import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
import parted  # noqa: E402
from cases import World, expect, main, test, together  # noqa: E402
from history_check import Increment, Lease, complaints, lease_complaints  # noqa: E402
from mesh import Failed, wait_for  # noqa: E402

SETTINGS = ["--epoch-gap", "1s", "--lease", "1500ms", "--skip-after", "1500ms"]
ASK_S = 1          # then somebody else is asked
SAYS_S = 10        # until a node without room on its disk has said so, as a rule
CALM_S = 90
AGAIN = 40         # requests that are asked again at the end,
REMEMBERED = 1500  # of the last ones: the cluster remembers 2,048
CRASHED = ("AddressSanitizer", "runtime error:", "Assertion")


class PartedWorld(World):
    """Nodes whose network can be parted, and whose disks can be full."""

    AGENTS = 12

    def __init__(self, directory):
        self.net, self.disks = parted.network(), {}
        super().__init__(directory, host=self.net.HOST)
        self.net.nodes = self.nodes

    def voter(self, name):
        data = os.path.join(self.dir, name)
        os.makedirs(data, mode=0o700)
        disk = parted.disk(data)  # before anything is in it
        node = self.node(name, [self.net.rpc(self.chain)], [self.mesh_url(n) for n in self.nodes[:1]],
                         extra=SETTINGS, log_path=os.path.join(self.dir, f"{name}.log"), **self.net.place())
        self.disks[node] = disk
        return node

    def mesh_url(self, node):
        return f"mesh://{node.key()}@{node.advertise.split('://')[1]}"

    def clear(self):
        super().clear()
        for node, disk in self.disks.items():
            with contextlib.suppress(Failed):
                disk.close()
            shutil.rmtree(node.dir, ignore_errors=True)


def add(node, request):
    """(value, was it known), or None: nobody knows what became of it."""
    body = {"op": "add", "key": "n", "amount": 1, "request": request}
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
        status, raw = mesh.unix_request(node.control, "POST", "/v1/kv/change", body, timeout=ASK_S)
        if status == 200:
            answer = json.loads(raw)
            return answer["value"], answer["result"] == "repeated"
    return None


class Client(threading.Thread):
    """Counts, and keeps what it asked for and was told."""

    def __init__(self, name, nodes, rng):
        super().__init__(daemon=True)
        self.client, self.nodes, self.rng = name, nodes, rng
        self.told, self.asked, self.is_over = [], 0, threading.Event()

    def one(self):
        request, sent = f"{self.client}-{len(self.told) + 1}", time.monotonic()
        while True:
            self.asked += 1
            answer = add(self.rng.choice(self.nodes), request)
            if answer is not None:
                self.told.append(Increment(request, sent, time.monotonic(), answer[0]))
                return
            time.sleep(0.05)

    def run(self):
        while not self.is_over.is_set():
            self.one()


class Storm:
    """At most so many are away at a time that the others can go on, but for a split, in which no side
    can. Each fault comes once before any comes twice."""

    ODDS = {"kill": 45, "hang": 18, "part": 20, "full": 10, "split": 7}

    def __init__(self, w, rng):
        self.w, self.nodes, self.rng = w, w.nodes, rng
        self.away = {}      # node -> (when it is back, what brings it back)
        self.islands = []   # [nodes] that hear nobody else
        self.first = list(self.ODDS)
        self.counts = dict.fromkeys([*self.ODDS, "kill_leader", "part_leader", "full_leader", "full_with_room"], 0)

    # What befalls a node. Each returns what brings it back, and that whether it has done so.

    def kill(self, node):
        node.kill()
        return lambda: node.start()

    def hang(self, node):
        node.signal(signal.SIGSTOP)
        return lambda: node.signal(signal.SIGCONT) or True

    def part(self, *nodes):
        self.islands.append(nodes)
        self.draw()

        def back():
            if nodes in self.islands:
                self.islands.remove(nodes)
                self.draw()
            return True
        return back

    def draw(self):
        self.w.net.part([{self.nodes.index(n) for n in island} for island in self.islands])

    def full(self, node):
        """It says so, and what to do about it; it lives, is a member, and signs nothing, also when there is
        room again. Then its operator starts it again. Or it goes on voting in the room that its vote log has: it
        is written over in turns."""
        self.w.disks[node].fill(node)
        before, until = stored(node), time.monotonic() + SAYS_S * mesh.SCALE

        def back():
            self.alive(node)
            if not node.events("store_failed") and time.monotonic() < until:
                return False
            wait_for(lambda: f"{node.short} stores its votes, or says that it cannot: {before}, {stored(node)}",
                     lambda: node.events("store_failed") or stored(node) > before + 10, CALM_S)
            self.w.disks[node].free(node)
            if not node.events("store_failed"):
                self.counts["full_with_room"] += 1
                return True
            said = lambda: node.request("GET", "/readyz?verbose")[1]
            wait_for(lambda: f"it tells why: {said()}", lambda: "signs nothing until it is started again" in said()
                     and "make room" in said(), 10)
            view = node.get("/v1/leader") or {}
            expect(f"it neither votes nor leads: {view}", view.get("signs") is False and view["lease"] is False)
            expect(f"{node.short} ends in order", node.stop() == 0)
            return node.start()
        return back

    def alive(self, node):
        expect(f"{node.short} has not ended by itself: {node.text()[-600:]}", node.alive())

    def leader(self):
        return next((n for n in self.here() if (n.get("/v1/leader") or {}).get("lease")), None)

    def here(self):
        return [n for n in self.nodes if n not in self.away]

    def victims(self, kind, room):
        """Whom it befalls, the leader among them in every second case; nobody when there is no room."""
        here = self.here()
        if kind == "full":  # only who votes has something to write
            here = [n for n in here if (n.get("/v1/leader") or {}).get("signs")]
        count = {"part": self.rng.randint(1, room), "split": 3}.get(kind, 1)
        if not here or (kind == "split" and self.away):
            return [], None
        leader = self.leader() if self.rng.random() < 0.5 else None
        found = [leader] if leader in here else []
        found += self.rng.sample([n for n in here if n is not leader], count - len(found))
        return found, leader

    def step(self):
        now = time.monotonic()
        for node, (at, back) in list(self.away.items()):
            if now >= at and back():
                del self.away[node]
        for node in self.here():
            self.alive(node)
        room = (len(self.nodes) - 1) // 3 - len(self.away)
        if room <= 0:
            return
        kind = self.first[0] if self.first else self.rng.choices(*zip(*self.ODDS.items()))[0]
        victims, leader = self.victims(kind, room)
        if not victims:
            return
        self.first = self.first[1:]
        self.counts[kind] += 1
        if leader in victims and f"{kind}_leader" in self.counts:
            self.counts[f"{kind}_leader"] += 1
        back = getattr(self, "part" if kind == "split" else kind)(*victims)
        until = now + self.rng.uniform(0.5, 4)
        self.away.update({node: (until, back) for node in victims})

    def calm(self):
        wait_for("all are back", lambda: all(back() and self.away.pop(node) for node, (_, back)
                                             in list(self.away.items())), CALM_S)


def stored(node):
    """How many operations its vote log has acknowledged (node/consensus_files.h)."""
    path = next(os.path.join(node.dir, name) for name in os.listdir(node.dir) if name.endswith(".db-mark"))
    with open(path, "rb") as f:
        return int.from_bytes(f.read(8), "big")


def lines_of(nodes, *words):
    """The lines with one of these words in all logs, of all that ran."""
    for n in nodes:
        with open(n.node_log, errors="replace") as f:
            yield from ((n, line) for line in f if any(word in line for word in words))


def leases(nodes):
    for n, line in lines_of(nodes, '"ev":"lease"'):
        with contextlib.suppress(ValueError):  # cut off by its end
            e = json.loads(line)
            yield Lease(e["ts"], n.short, e["fencing_token"])


def storm_over(w, storm, clients):
    """The time of the storm; Failed when a node does what it may not."""
    end = time.monotonic() + OPTIONS.seconds
    while (storm.counts["kill"] < OPTIONS.kills) if OPTIONS.kills else time.monotonic() < end:
        storm.step()
        time.sleep(storm.rng.uniform(0.3, 1.2))
    storm.calm()
    wait_for("all vote again", lambda: all((n.get("/v1/leader") or {}).get("signs") for n in w.nodes), CALM_S)
    before = [len(c.told) for c in clients]
    wait_for(lambda: f"all count in calm: {[len(c.told) for c in clients]}",
             lambda: all(len(c.told) > b + 2 for c, b in zip(clients, before)), CALM_S)


def asked_again(nodes, told, rng):
    """What some of the last requests are told now, by anybody."""
    last = sorted(told, key=lambda i: i.told)[-REMEMBERED:]
    again = {}
    for i in rng.sample(last, min(AGAIN, len(last))):
        again[i.request] = wait_for(f"{i.request} is told again", lambda: add(rng.choice(nodes), i.request), CALM_S)
    return again


@test
def history(w):
    rng, began = random.Random(OPTIONS.seed), time.monotonic()
    print(f"  {w.net.how}; {parted.disk_how()}" +
          (f" (no namespaces: {parted.why_not()})" if parted.why_not() else ""), flush=True)
    nodes = [w.voter(f"h{i + 1}") for i in range(OPTIONS.nodes)]
    together(*nodes)
    wait_for("all vote", lambda: all(len((n.get("/v1/epoch") or {}).get("members", [])) == len(nodes)
                                     for n in nodes), 120)
    clients = [Client(f"c{i + 1}", nodes, random.Random(OPTIONS.seed + 1 + i)) for i in range(OPTIONS.clients)]
    storm, began = Storm(w, rng), time.monotonic()
    for c in clients:
        c.start()
    storm_over(w, storm, clients)
    took = time.monotonic() - began
    for c in clients:
        c.is_over.set()
    for c in clients:
        c.join(CALM_S * mesh.SCALE)
        expect(f"{c.client} is told in calm", not c.is_alive())
    told = [i for c in clients for i in c.told]
    again = asked_again(nodes, told, rng)
    value = lambda n: (n.get("/v1/kv?key=n") or {}).get("value")
    wait_for(lambda: f"all have the same: {[value(n) for n in nodes]}",
             lambda: len({value(n) for n in nodes}) == 1 and value(nodes[0]) is not None, CALM_S)
    total, leads = int(value(nodes[0])), list(leases(nodes))
    w.net.part([])
    print(json.dumps({
        "nodes": len(nodes), "clients": len(clients), "seed": OPTIONS.seed, "seconds": round(took),
        "network": w.net.how, w.net.what: w.net.held, "disks": parted.disk_how(), **storm.counts,
        "asked": sum(c.asked for c in clients), "acknowledged": len(told), "counted": total,
        "asked again at the end": len(again), "leases": len(leads),
        "longest wait, s": round(max(i.told - i.sent for i in told), 1)}), flush=True)
    print("  storm: {kill} killed, {hang} hung, {part} cut off, {split} split, {full} disks full".format(
        **storm.counts) + f"; {len(told)} acknowledged, {total} counted; {w.net.how}", flush=True)
    wrong = complaints(told, total, again) + list(lease_complaints(leads))
    expect(f"the history is that of one counter: {wrong[:5]}", not wrong)
    expect(f"each fault came, and they counted: {storm.counts}",
           all(storm.counts[kind] for kind in storm.ODDS) and w.net.held > 0 and len(told) > 20 and
           storm.counts["full"] > storm.counts["full_with_room"])
    bad = [line for _, line in lines_of(nodes, '"ev":"equivocation"', *CRASHED)]
    expect(f"nobody was accused, and nothing crashed: {bad[:3]}", not bad)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--kills", type=int, default=0)
    p.add_argument("--nodes", type=int, default=7)
    p.add_argument("--clients", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    OPTIONS, rest = p.parse_known_args()
    parted.enter()
    sys.argv = sys.argv[:1] + rest
    sys.exit(main(PartedWorld))
