"""What `bench/leader` does to five members that elect a leader, ours or etcd's: the client that writes
all the time, whoever asks who leads, and one function a row, which gives its samples. Standard library
only.
"""
import contextlib
import http.client
import json
import os
import random
import selectors
import socket
import threading
import time

import benchlib
import lead_plan
import mesh
import ours
from mesh import Failed, wait_for

WRITE_EVERY_S = 0.02
WRITE_TIMEOUT_S = 1.0  # of one attempt; the next one begins meanwhile
WRITE_KEYS = 16
WATCH_EVERY_S = 0.02
FAIL_S = 60            # bound of one failover or transfer
BACK_S = 90            # and of a member's coming back
BACK_SLOTS = 20        # it is so close behind the others then
SETTLE_S = 10          # of quiet, before idle nodes are measured
BLOCK_BYTES = 4096

now = time.monotonic


def connection(address, timeout=2.0):
    """address: a socket's path, or (host, port)."""
    if isinstance(address, str):
        return mesh.UnixHttp(address, timeout)
    return http.client.HTTPConnection(*address, timeout=timeout)


def said_on(line, method, path, body=None):
    """(status, JSON) of one question on a connection that is kept."""
    data = None if body is None else json.dumps(body)
    line.request(method, path, data, {"Content-Type": "application/json"} if data else {})
    answer = line.getresponse()
    text = answer.read()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, {}


def ask(address, method, path, body=None):
    """The JSON of an answer; {} when nobody gives one."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        with contextlib.closing(connection(address)) as line:
            return said_on(line, method, path, body)[1]
    return {}


def sample(figure, value, **more):
    return {"figure": figure, "value": value, **more}


# ---- the client ----------------------------------------------------------------------------------

class Writer(threading.Thread):
    """Sends a write every so often to the next of the members that it may use, whatever became of the
    ones before, and keeps when each was sent and acknowledged."""

    def __init__(self, side, members):
        super().__init__(daemon=True)
        self.side, self.members = side, list(members)
        self.acks, self.refused, self.count = [], 0, 0
        self.selector = selectors.DefaultSelector()
        self.is_ended = False
        self.start()

    def allow(self, members):
        self.members = list(members)

    def run(self):
        due = now()
        while not self.is_ended:
            if now() >= due:
                self.send()
                due = max(due + WRITE_EVERY_S, now())
            for key, _ in self.selector.select(max(0.0, due - now())):
                self.read(key)
            late = now() - WRITE_TIMEOUT_S
            for key in [k for k in self.selector.get_map().values() if k.data < late]:
                self.drop(key)

    def send(self):
        self.count += 1
        member = self.members[self.count % len(self.members)]
        address = self.side.address(member)
        path, body = self.side.write(f"bench{self.count % WRITE_KEYS}", str(self.count))
        text = json.dumps(body)
        s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        s.settimeout(0.1)  # on loopback at once, or not at all
        sent = now()
        try:
            s.connect(address)
            s.sendall((f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                       f"{text}").encode())
        except OSError:
            self.refused += 1
            s.close()
            return
        s.setblocking(False)
        self.selector.register(s, selectors.EVENT_READ, sent)

    def read(self, key):
        """Its first line says all."""
        at = now()
        try:
            head = key.fileobj.recv(4096)
        except OSError:
            head = b""
        if head.split(b" ", 2)[1:2] == [b"200"]:
            self.acks.append((key.data, at))
        else:
            self.refused += 1
        self.drop(key)

    def drop(self, key):
        self.selector.unregister(key.fileobj)
        key.fileobj.close()

    def first(self, since):
        """When the first write that was sent after this was acknowledged."""
        def found():
            return min((at for sent, at in self.acks[-500:] if sent >= since), default=None)
        return wait_for(f"a write is acknowledged: {self.refused} were refused of {self.count}", found,
                        FAIL_S / mesh.SCALE, 0.005)

    def end(self):
        self.is_ended = True
        self.join()


class Watch:
    """Asks each of our nodes all the time whether it may act as leader."""

    def __init__(self, side):
        self.side, self.answers, self.asked, self.is_ended = side, [], 0, False
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
                        for i in range(side.count)]
        for t in self.threads:
            t.start()

    def run(self, member):
        line = connection(self.side.address(member), 1.0)
        while not self.is_ended:
            sent = now()
            try:
                _, said = said_on(line, "GET", "/v1/leader")
                self.asked += 1
                if said.get("lease"):
                    self.answers.append(lead_plan.Answer(member, sent, now(), said["fencing_token"],
                                                         said["lease_remaining_ms"]))
            except (OSError, http.client.HTTPException):
                line.close()  # it is dead; the next question opens it again
            time.sleep(WATCH_EVERY_S)
        line.close()

    def take(self):
        """The claims since the last time."""
        taken, self.answers = self.answers, []
        return taken

    def end(self):
        self.is_ended = True
        for t in self.threads:
            t.join()


# ---- our side ------------------------------------------------------------------------------------

class Side:
    """Our nodes as bench/leader runs them (etcd.Side has the same methods)."""
    name = "ours"
    ASK = ("GET", "/v1/leader", None)

    def __init__(self, directory, count, extra=(), settle_s=3.5, consensus=True):
        """settle_s: a member that was restarted gives no vote for the time of a lease (L2)."""
        self.cluster = ours.Cluster(directory, count, endpoints=0, consensus=consensus,
                                    extra=["--epoch-gap", "1s", *extra])
        self.nodes, self.count = self.cluster.nodes, count
        self.settle_s, self.is_electing = settle_s, consensus

    def start_all(self):
        self.cluster.start_all(self.count)
        if self.is_electing:
            wait_for(lambda: f"one epoch of all: {[e.get('number') for e in self.epochs()]}",
                     self.is_one_epoch, 90, 0.2)
        self.cluster.block_time(ours.BLOCK_S)

    def epochs(self):
        return [ask(n.control, "GET", "/v1/epoch") for n in self.nodes]

    def is_one_epoch(self):
        found = self.epochs()
        return len({e.get("id") for e in found}) == 1 and all(
            len(e.get("members", ())) == self.count for e in found)

    def start(self, i):
        self.cluster.start(i)

    def kill(self, i):
        self.nodes[i].kill()

    def address(self, i):
        return self.nodes[i].control

    @staticmethod
    def write(key, value):
        return "/v1/kv/change", {"op": "put", "key": key, "value": value}

    @staticmethod
    def leads(_i, said):
        return said.get("lease") is True

    def are_well(self):
        """All follow one leader, which may act, have what the others have, and hear each other."""
        found = [ask(n.control, *self.ASK) for n in self.nodes]
        finals = [f.get("final_slot") for f in found]
        if (any(f is None for f in finals) or min(finals) < max(finals) - BACK_SLOTS or
                len({(f.get("leader") or {}).get("node") for f in found}) != 1 or
                sum(f["lease"] for f in found) != 1 or not all(f["signs"] for f in found)):
            return False
        quorums = [ask(n.control, "GET", "/v1/quorum") for n in self.nodes]
        return all(q.get("present", 0) == q.get("total") for q in quorums)

    @staticmethod
    def transfer(_leader, _to):
        return "/v1/leader/transfer", {}


# ---- rows ----------------------------------------------------------------------------------------

def leader_of(side):
    """The one that leads, once exactly one does."""
    def found():
        leading = [i for i in range(side.count) if side.leads(i, ask(side.address(i), *side.ASK))]
        return [leading[0]] if len(leading) == 1 else None
    return wait_for("one leads", found, FAIL_S)[0]


def well(side):
    def state():
        return json.dumps([ask(side.address(i), *side.ASK) for i in range(side.count)])
    wait_for(lambda: f"all are well: {state()}", side.are_well, BACK_S, 0.1)


def failovers(side, runs, figure, say):
    """The leader is killed while a client writes, comes back, and so on. Samples as they come."""
    writer = Writer(side, range(side.count))
    watch = Watch(side) if side.name == "ours" else None
    try:
        well(side)
        time.sleep(side.settle_s)
        for run in range(runs):
            time.sleep(random.uniform(0.1, 1.1))  # at any time of what they do each second
            leader = leader_of(side)
            writer.allow(i for i in range(side.count) if i != leader)
            began = now()
            side.kill(leader)
            yield sample(figure, writer.first(began) - began, run=run, sent=writer.count,
                         refused=writer.refused)
            if watch:
                time.sleep(0.2)
                asked, claims = watch.asked, watch.take()
                yield sample("two_leases", lead_plan.overlaps(claims), run=run, asked=asked,
                             of=figure)
            side.start(leader)
            well(side)
            writer.allow(range(side.count))
            time.sleep(side.settle_s)
            say(f"{side.name} {figure} {run + 1}/{runs}")
    finally:
        writer.end()
        if watch:
            watch.end()


def transfers(side, runs):
    """The lead is handed on, on request, in quiet."""
    well(side)
    for run in range(runs):
        time.sleep(random.uniform(0.5, 1.5))
        leader = leader_of(side)
        others = [i for i in range(side.count) if i != leader]
        path, body = side.transfer(leader, others[run % len(others)])
        lines = {i: connection(side.address(i)) for i in others}
        for i in others:  # they are open when the clock starts
            said_on(lines[i], *side.ASK)
        asking = threading.Thread(target=ask, args=(side.address(leader), "POST", path, body))
        began, value = now(), None
        asking.start()
        while value is None:
            for i in others:
                if side.leads(i, said_on(lines[i], *side.ASK)[1]):
                    value = (now() - began) * 1000
                    break
            if now() - began > FAIL_S:
                raise Failed(f"nobody leads {FAIL_S} s after a transfer")
            time.sleep(0.0005)
        asking.join()
        for line in lines.values():
            line.close()
        yield sample("transfer_ms", value, run=run)
        well(side)


def puts(side, times, figure, gap_s=0.0):
    """One after the other, of a member that does not lead, on a connection that is kept."""
    leader = leader_of(side)
    member = next(i for i in range(side.count) if i != leader)
    with contextlib.closing(connection(side.address(member), 10.0)) as line:
        for i in range(times + 1):
            path, body = side.write(f"bench{i % WRITE_KEYS}", str(i))
            began = now()
            status, said = said_on(line, "POST", path, body)
            took = (now() - began) * 1000
            if status != 200:
                raise Failed(f"put: {status} {said}")
            if i > 0:  # the first opens the connection
                yield sample(figure, took)
            time.sleep(gap_s * random.uniform(0.8, 1.2))


def fdatasyncs(directory, times):
    """What one durable write takes where the members keep theirs: over what is there already, as both
    logs do (etcd's is laid out beforehand, SQLite's begins again), which is less than at a file's end."""
    with open(os.path.join(directory, "durable"), "wb", buffering=0) as f:
        f.write(bytes(BLOCK_BYTES * times))
        os.fsync(f.fileno())
        f.seek(0)
        for _ in range(times):
            block = os.urandom(BLOCK_BYTES)
            began = now()
            f.write(block)
            os.fdatasync(f.fileno())
            yield sample("fdatasync_ms", (now() - began) * 1000)


def idle(side, windows, seconds):
    """CPU of a node in which nothing happens."""
    if side.is_electing:
        well(side)
    time.sleep(SETTLE_S)
    pids = [n.p.pid for n in side.nodes]
    for _ in range(windows):
        before, began = benchlib.by_thread(pids), now()
        time.sleep(seconds)
        after, each = benchlib.by_thread(pids), (now() - began) * len(pids)
        yield sample("idle_cpu_percent", sum(end[0] - before[name][0]
                                             for name, end in after.items()) / 1e7 / each)

