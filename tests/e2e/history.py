#!/usr/bin/env python3
"""A counter through a storm: leaders and members are killed and hung at random while a client counts, with
real signatures and real disks; then the history is checked. Prints one JSON line with what happened, and
`ok history` or `not ok history: why`.

    history.py                                60 s with 7 nodes
    history.py --kills 200                    until so many were killed
    history.py --seed N                       the same choices again (processes have their own time)

The client asks for one more at a time, each with a name of its own, and asks again, of whoever is there,
until it is told. So the k-th request is told the number k, whoever tells it: anything else was lost, or
counted twice, or counted out of order."""
import argparse
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import World, expect, main, test, together  # noqa: E402
from mesh import wait_for  # noqa: E402

SETTINGS = ["--epoch-gap", "1s", "--lease", "1500ms", "--skip-after", "1500ms"]
ASK_S = 4   # then somebody else is asked
CALM_S = 90


class Client(threading.Thread):
    """Counts, and keeps what it is told: [(request, value)]."""

    def __init__(self, nodes, rng):
        super().__init__(daemon=True)
        self.nodes, self.rng, self.told, self.wrong = nodes, rng, [], []
        self.is_over = threading.Event()
        self.asked = 0

    def ask(self, node, request):
        body = {"op": "add", "key": "n", "amount": 1, "request": request}
        try:
            status, raw = mesh.unix_request(node.control, "POST", "/v1/kv/change", body, timeout=ASK_S)
            return json.loads(raw)["value"] if status == 200 else None
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return None

    def run(self):
        while not self.is_over.is_set():
            number = len(self.told) + 1
            value = self.ask(self.rng.choice(self.nodes), f"r{number}")
            self.asked += 1
            if value is None:
                time.sleep(0.05)
                continue
            self.told.append((number, value))
            if value != number:
                self.wrong.append((number, value))


class Storm:
    """At most two of seven are away at a time, so that the others can go on."""

    def __init__(self, nodes, rng):
        self.nodes, self.rng = nodes, rng
        self.away = {}  # node -> (when it is back, how)
        self.counts = {"kill": 0, "kill_leader": 0, "hang": 0}

    def back(self, node, how):
        if how == "kill":
            node.start()
        else:
            node.signal(signal.SIGCONT)
        del self.away[node]

    def leader(self):
        for n in self.nodes:
            if n not in self.away and (n.get("/v1/leader") or {}).get("lease"):
                return n
        return None

    def step(self):
        now = time.monotonic()
        for node, (at, how) in list(self.away.items()):
            if now >= at:
                self.back(node, how)
        if len(self.away) >= (len(self.nodes) - 1) // 3:
            return
        victim = self.leader() if self.rng.random() < 0.5 else None
        is_leader = victim is not None
        victim = victim or self.rng.choice([n for n in self.nodes if n not in self.away])
        how = "hang" if self.rng.random() < 0.3 else "kill"
        self.counts[how] += 1
        self.counts["kill_leader"] += is_leader and how == "kill"
        if how == "kill":
            victim.kill()
        else:
            victim.signal(signal.SIGSTOP)
        self.away[victim] = (now + self.rng.uniform(0.5, 4), how)

    def calm(self):
        for node, (_, how) in list(self.away.items()):
            self.back(node, how)


def tokens_in_order(nodes):
    """The fencing tokens of all who came to lead, in the order of time; of all that ran."""
    leases = []
    for n in nodes:
        with open(os.path.join(n.dir, "node.log"), errors="replace") as f:
            leases += [json.loads(line) for line in f if '"ev":"lease"' in line and line.endswith("}\n")]
    return [e["fencing_token"] for e in sorted(leases, key=lambda e: e["ts"])]


@test
def history(w):
    rng = random.Random(OPTIONS.seed)
    nodes = []
    for i in range(OPTIONS.nodes):
        nodes.append(w.node(f"h{i + 1}", bootstrap=[w.mesh_url(nodes[0])] if nodes else [],
                            extra=SETTINGS))
    together(*nodes)
    wait_for("all vote", lambda: all(len((n.get("/v1/epoch") or {}).get("members", [])) == len(nodes)
                                     for n in nodes), 120)
    client, storm = Client(nodes, random.Random(OPTIONS.seed + 1)), Storm(nodes, rng)
    client.start()
    end = time.monotonic() + OPTIONS.seconds
    while (storm.counts["kill"] < OPTIONS.kills) if OPTIONS.kills else time.monotonic() < end:
        storm.step()
        time.sleep(rng.uniform(0.3, 1.2))
        if client.wrong:
            break
    storm.calm()
    before = len(client.told)
    wait_for(lambda: f"it counts in calm: {len(client.told)}", lambda: len(client.told) > before + 5, CALM_S)
    client.is_over.set()
    client.join()
    value = lambda n: (n.get("/v1/kv?key=n") or {}).get("value")
    last = len(client.told)
    wait_for(lambda: f"all have the same: {[value(n) for n in nodes]}",
             lambda: len({value(n) for n in nodes}) == 1 and value(nodes[0]) is not None, CALM_S)
    total = int(value(nodes[0]))
    tokens = tokens_in_order(nodes)
    print(json.dumps({"nodes": len(nodes), "seed": OPTIONS.seed, **storm.counts, "asked": client.asked,
                      "acknowledged": last, "counted": total, "leases": len(tokens)}), flush=True)
    expect(f"told in order, each once: {client.wrong[:5]}", not client.wrong)
    expect(f"{total} were counted, {last} were told", total in (last, last + 1))
    expect(f"tokens grow from leader to leader: {tokens}", tokens == sorted(tokens))
    expect("something happened", storm.counts["kill"] > 0 and last > 20)
    expect("nobody was accused", not any(n.events("equivocation") for n in nodes))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--kills", type=int, default=0)
    p.add_argument("--nodes", type=int, default=7)
    p.add_argument("--seed", type=int, default=1)
    OPTIONS, rest = p.parse_known_args()
    sys.argv = sys.argv[:1] + rest
    sys.exit(main(World))
