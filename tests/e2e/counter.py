#!/usr/bin/env python3
"""End-to-end tests of examples/counter: four nodes with a counter server each, of which one dies while a
client counts. Prints `ok NAME` or `not ok NAME: why` for each case, and exits 1 when one failed.
Usage: counter.py [NAME..]"""
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import World, expect, main, test, together  # noqa: E402
from mesh import wait_for  # noqa: E402

COUNTER = os.path.join(mesh.ROOT, "examples", "counter", "counter.py")
# Equal at all nodes; short, so that another leads soon, and longer than the second between heartbeats.
QUICK = ["--epoch-gap", "1s", "--skip-after", "2s", "--lease", "2s"]
BEFORE, AFTER = 15, 10  # increments before the leader's end and after it


class Server(mesh.Process):
    """A counter beside a node."""

    def __init__(self, w, node):
        self.node, self.port = node, mesh.free_port()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("NFTMESH_", "PORT"))}
        super().__init__([sys.executable, "-B", COUNTER, "--node", f"unix:{node.control}", "--port",
                          str(self.port)], f"counter {node.short}", env=env,
                         log_path=os.path.join(w.dir, f"counter-{node.short}.log"))
        wait_for(lambda: f"{self.name} answers: {self.text()}",
                 lambda: self.ask("GET", "/wallet-info")[0] == 200)

    def ask(self, method, route, body=None, headers=None, timeout_s=20):
        """(HTTP status, JSON)."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s * mesh.SCALE)
        try:
            c.request(method, route, body if body is None or isinstance(body, bytes)
                      else json.dumps(body), headers or {})
            r = c.getresponse()
            return r.status, json.loads(r.read())
        except ValueError as e:  # cut off in the middle of its JSON
            raise http.client.HTTPException(str(e)) from None
        finally:
            c.close()

    def get(self, route):
        status, answer = self.ask("GET", route)
        expect(f"{self.name} {route}: {status} {answer}", status == 200)
        return answer

    def increment(self, request=None, **more):
        return self.ask("POST", "/increment", {} if request is None else {"request_id": request}, **more)


class CounterWorld(World):
    """One cluster, and what the cases before have counted."""

    AGENTS = 4

    def __init__(self, directory):
        super().__init__(directory)
        self.servers = []

    def begin(self):
        """Four nodes that are up and agree on who leads, made by the first case."""
        if not self.servers:
            for name in ("c1", "c2", "c3", "c4"):
                self.node(name, bootstrap=[self.mesh_url(n) for n in self.nodes[:1]], extra=QUICK)
            together(*self.nodes)
            self.servers = [Server(self, n) for n in self.nodes]
        wait_for(lambda: "all are in one epoch: " + repr([n.get("/v1/epoch") for n in self.nodes]),
                 self.in_one_epoch, 60)
        self.led()

    def clear(self):
        """They are for the next case, too."""

    def in_one_epoch(self):
        seen = [n.get("/v1/epoch") or {} for n in self.nodes]
        return (len({e.get("id") for e in seen}) == 1 and
                all(len(e.get("members", [])) == len(self.nodes) for e in seen))

    def alive(self):
        return [s for s in self.servers if s.alive()]

    def led(self):
        """Who leads, once all agree that one does and it may act."""
        def one():
            seen = [s.get("/status") for s in self.alive()]
            leading = [s for s, a in zip(self.alive(), seen) if a["is_leader"]]
            return (len(leading) == 1 and {a["current_leader"] for a in seen} ==
                    {leading[0].node.agent.instance} and leading[0])
        return wait_for(lambda: "one leads: " + repr([s.get("/status") for s in self.alive()]), one, 60)

    def all_show(self, value):
        wait_for(lambda: f"all show {value}: {[s.get('/counter') for s in self.alive()]}",
                 lambda: all(s.get("/counter")["value"] == value for s in self.alive()), 20)


def follower(w):
    leading = w.led()
    return leading, next(s for s in w.alive() if s is not leading)


@test
def the_leader_counts_and_all_see_it(w):
    leading = w.led()
    before = leading.get("/counter")["value"]
    for i in range(3):
        status, answer = leading.increment()
        expect(f"{status} {answer}", status == 200 and answer["success"] is True and
               answer["new_value"] == before + i + 1 and answer["operation_id"])
    w.all_show(before + 3)
    counters = [s.get("/counter") for s in w.servers]
    expect(f"{counters}", [c["instance_id"] for c in counters] ==
           [s.node.agent.instance for s in w.servers] and
           [c["is_leader"] for c in counters] == [s is leading for s in w.servers])
    for s in w.servers:  # the number and its line are two entries
        wait_for(lambda s=s: f"{s.name} has the line: {s.get('/log')}", lambda s=s: [
            o["new_value"] for o in s.get("/log")["operations"]][-1:] == [before + 3], 20)
        log = s.get("/log")
        last = log["operations"][-1]
        expect(f"{log}", log["total_operations"] == before + 3 and last["new_value"] == before + 3 and
               last["operation"] == "increment" and last["leader"] == leading.node.agent.instance and
               abs(last["timestamp"] - time.time()) < 600)


@test
def what_the_page_lists_is_told(w):
    leading, other = follower(w)
    wait_for("a heartbeat was seen", lambda: other.get("/status")["last_leader_heartbeat"])
    status = other.get("/status")
    expect(f"{status}", status == {
        "instance_id": other.node.agent.instance, "host_key_address": status["host_key_address"],
        "is_leader": False, "counter_value": other.get("/counter")["value"], "total_active_nodes": 4,
        "required_votes": 3, "current_leader": leading.node.agent.instance,
        "last_leader_heartbeat": status["last_leader_heartbeat"], "token_id": other.node.token})
    expect(f"{status}", status["host_key_address"].lower() == other.node.wallet.address)
    members = other.get("/members")
    expect(f"{members}", members == {"total_active": 4, "active_instances":
                                     sorted(n.agent.instance for n in w.nodes)})
    health = other.get("/health")
    expect(f"{health}", health["status"] == "healthy" and
           health["instance_id"] == other.node.agent.instance)
    wallet = other.get("/wallet-info")
    expect(f"{wallet}", wallet == {"host_key_address": status["host_key_address"],
                                   "instance_id": other.node.agent.instance,
                                   "socket": other.node.control})


@test
def a_follower_refuses_and_says_who_leads(w):
    leading, other = follower(w)
    before = leading.get("/counter")["value"]
    status, answer = other.increment("not-here")
    expect(f"{status} {answer}", status == 403 and leading.node.short in answer["error"] and
           answer["leader"] == {"name": leading.node.short, "node": leading.node.key(),
                                "token": leading.node.token,
                                "instance_id": leading.node.agent.instance})
    status, answer = leading.increment("not-here")
    expect(f"what was refused was not counted: {answer}", status == 200 and
           answer["new_value"] == before + 1 and answer["repeated"] is False)


@test
def a_request_asked_again_gives_the_first_result(w):
    leading = w.led()
    first = leading.increment("twice")[1]
    second = leading.increment()[1]
    again = leading.ask("POST", "/increment", None, {"Idempotency-Key": '"twice"'})
    expect(f"{first} {second} {again}", second["new_value"] == first["new_value"] + 1 and
           again == (200, {**first, "repeated": True}))
    w.all_show(second["new_value"])
    # Of one that gave up waiting nobody knows what became of it; asked again, it is counted once.
    with socket.create_connection(("127.0.0.1", leading.port)) as hasty:
        hasty.sendall(b'POST /increment HTTP/1.1\r\nContent-Length: 23\r\n\r\n{"request_id": "hasty"}')
    values = {leading.increment("hasty")[1]["new_value"] for _ in range(2)}
    expect(f"{values}", values == {second["new_value"] + 1})
    w.all_show(second["new_value"] + 1)


@test
def what_is_no_request_is_refused(w):
    leading = w.led()
    before = leading.get("/counter")["value"]
    for status, body, headers in (
            (400, b"x", {}), (400, b"[]", {}), (400, b"[" * 4000, {}), (400, {"request_id": 7}, {}),
            (400, {"request_id": [1]}, {}), (400, {"request_id": ""}, {}),
            (400, {"request_id": "a b"}, {}), (400, {"request_id": "a" * 57}, {}),
            (400, {"request_id": "a"}, {"Idempotency-Key": "b"}), (413, b" " * 4097, {}),
            (411, b"0\r\n\r\n", {"Transfer-Encoding": "chunked", "Content-Length": "5"})):
        found = leading.ask("POST", "/increment", body, headers)
        expect(f"{str(body)[:60]} {headers}: {found}", found[0] == status and found[1]["error"])
    for status, method, route in ((404, "GET", "/nowhere"), (404, "POST", "/nowhere"),
                                  (405, "GET", "/increment"), (405, "POST", "/counter")):
        found = leading.ask(method, route)
        expect(f"{method} {route}: {found}", found[0] == status and found[1]["error"])
    # It is for this machine, unless it is told otherwise.
    listening = {line.split()[1] for line in open("/proc/net/tcp").read().splitlines()[1:]
                 if line.split()[3] == "0A"}
    expect("loopback", f"0100007F:{leading.port:04X}" in listening and
           f"00000000:{leading.port:04X}" not in listening)
    # A body that does not come holds nobody else up.
    with socket.create_connection(("127.0.0.1", leading.port)) as silent:
        silent.sendall(b"POST /increment HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
        expect("others are served", leading.get("/counter")["value"] == before)


class Client(threading.Thread):
    """Counts one after the other, each until it is acknowledged: asks whoever leads, with the same
    request id, however often it takes."""

    def __init__(self, w):
        super().__init__(daemon=True)
        self.w, self.acknowledged, self.retried, self.stopping = w, [], 0, False
        self.start()

    def run(self):
        at, number = 0, 0
        while not self.stopping:
            request, asked = f"client-{number}", 0
            while not self.stopping:
                asked += 1
                server = self.w.servers[at % len(self.w.servers)]
                status, answer = 0, {}
                try:
                    status, answer = server.increment(request, timeout_s=2)
                except (OSError, http.client.HTTPException):
                    pass
                if status == 200:
                    self.acknowledged.append((request, answer["new_value"]))
                    break
                names = [s.node.short for s in self.w.servers]
                leader = (answer.get("leader") or {}).get("name")
                at = names.index(leader) if leader in names else at + 1
                time.sleep(0.05)
            self.retried += asked > 1
            number += 1


@test
def a_leader_dies_and_no_increment_is_lost_or_counted_twice(w):
    leading = w.led()
    before = leading.get("/counter")["value"]
    client = Client(w)
    try:
        wait_for(lambda: f"it counts: {client.acknowledged}",
                 lambda: len(client.acknowledged) >= BEFORE, 30)
        leading.node.signal(signal.SIGKILL)
        leading.kill()
        leading.node.kill()
        began, had = time.monotonic(), len(client.acknowledged)
        wait_for(lambda: f"another leads and counts on: {client.acknowledged[had:]}",
                 lambda: len(client.acknowledged) > had, 60)
        print(f"  counting goes on after {time.monotonic() - began:.1f} s")
        wait_for(lambda: f"it counts on: {client.acknowledged}",
                 lambda: len(client.acknowledged) >= had + AFTER, 30)
    finally:
        client.stopping = True
        client.join(20)
    expect("the client has ended, and had to ask again", not client.is_alive() and client.retried > 0)
    values = [value for _, value in client.acknowledged]
    expect(f"strictly ordered: {values}", values == sorted(set(values)))
    # Each was counted once: the one that stopping left alone may have been, or not.
    after = max(s.get("/counter")["value"] for s in w.alive())
    expect(f"{after} of {before} and {len(values)}",
           before + len(values) <= after <= before + len(values) + 1)
    expect(f"none between them: {values}", values == list(range(before + 1, before + len(values) + 1)))
    second = w.led()
    expect("another leads", second is not leading)
    w.all_show(after)
    # Whatever the one that died had acknowledged, the new leader gives the same answer to.
    for request, value in client.acknowledged[::5] + client.acknowledged[:1]:
        status, answer = second.increment(request)
        expect(f"{request}: {answer}", status == 200 and answer["new_value"] == value and
               answer["repeated"] is True)
    w.all_show(after)


if __name__ == "__main__":
    sys.exit(main(CounterWorld))
