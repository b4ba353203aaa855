"""A cluster of real processes in a network namespace of its own: what they say of each other, when,
and what it costs them. Standard library only.

Member i lives at 127.10.0.x (one half) or 127.10.1.x (the other), as a user of its own, whose
connections leave from that address, too: so the packets of the mesh are those to 127.10.0.0/16,
whoever dialled, and two rules part the halves. Control, chain and guest agents are elsewhere on
loopback: neither counted, nor lossy, nor parted.
"""
import collections
import os
import random
import selectors
import shutil
import signal
import subprocess
import threading
import time

from benchlib import CannotRun
from mesh import Failed

MESH_NET = "127.10.0.0/16"
HALVES = ("127.10.0", "127.10.1")
USER_FIRST = 20001
ACK_BYTES = 52  # IP, TCP, time stamps: a packet that carries nothing
FORM_S = 120    # bound of a cluster's coming about
STEADY_S = 1
START_MAX = 20  # at the same time: how fast two cores start processes is not the question

now = time.monotonic


def address_of(index):
    return f"{HALVES[index % 2]}.{index // 2 + 1}"


def user_of(index):
    return USER_FIRST + index


# ---- the network ---------------------------------------------------------------------------------

class Net:
    """What passes between members: counted on arrival, and dropped there when it shall be."""

    def __init__(self, addresses):
        for tool in ("iptables", "ethtool"):
            if not shutil.which(tool):
                raise CannotRun(f"needs `{tool}` (Debian: {tool})")
        self.iptables = shutil.which("iptables-legacy") or "iptables"
        # Segmentation is done by the card elsewhere and would hide packets here.
        subprocess.run(["ethtool", "-K", "lo", "tso", "off", "gso", "off", "gro", "off"],
                       capture_output=True)
        self.run("ip", "link", "set", "lo", "mtu", "1500")
        # Who dials a member does so from its own address: each user has a table that says so.
        self.run("ip", "rule", "add", "pref", "1000", "lookup", "local")
        self.run("ip", "rule", "del", "pref", "0")
        for i, address in enumerate(addresses):
            user = str(user_of(i))
            self.run("ip", "rule", "add", "pref", "100", "uidrange", f"{user}-{user}", "lookup",
                     user)
            self.run("ip", "route", "add", "local", MESH_NET, "dev", "lo", "src", address, "table",
                     user)
        for chain in ("PARTED", "LOSSY", "ACKS", "OTHERS"):
            self.run(self.iptables, "-N", chain)
        self.rule("INPUT", "!", "-d", MESH_NET, "-j", "ACCEPT")
        self.rule("INPUT", "-j", "PARTED")
        self.rule("INPUT", "-p", "tcp", "-m", "length", "--length", f"0:{ACK_BYTES}", "-j", "ACKS")
        self.rule("INPUT", "-m", "length", "--length", f"{ACK_BYTES + 1}:65535", "-j", "OTHERS")
        self.rule("INPUT", "-j", "LOSSY")

    @staticmethod
    def run(*argv):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            raise CannotRun(f"{' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def rule(self, chain, *what):
        self.run(self.iptables, "-A", chain, *what)

    def count(self):
        """{"acks": (packets, IP bytes), "others": ..}, all members together."""
        found = {}
        for line in self.run(self.iptables, "-L", "INPUT", "-v", "-n", "-x").splitlines():
            words = line.split()
            if len(words) > 2 and words[2] in ("ACKS", "OTHERS"):
                found[words[2].lower()] = (int(words[0]), int(words[1]))
        return found

    def lose(self, percent):
        self.run(self.iptables, "-F", "LOSSY")
        if percent:
            self.rule("LOSSY", "-m", "statistic", "--mode", "random", "--probability",
                      f"{percent / 100:.4f}", "-j", "DROP")

    def part(self, is_parted):
        self.run(self.iptables, "-F", "PARTED")
        if is_parted:
            for a, b in (HALVES, HALVES[::-1]):
                self.rule("PARTED", "-s", f"{a}.0/24", "-d", f"{b}.0/24", "-j", "DROP")


# ---- what they say -------------------------------------------------------------------------------

Heard = collections.namedtuple("Heard", "at index kind name")


class Feed(threading.Thread):
    """Reads everybody's lines, stamps each when it arrives, and keeps the tables that they tell."""

    def __init__(self, heard, directory):
        super().__init__(daemon=True)
        self.heard_in, self.directory = heard, directory
        self.events, self.tables = [], collections.defaultdict(set)
        self.changed_at = 0.0  # of any table
        self.lock = threading.Condition()
        self.selector = selectors.DefaultSelector()
        self.wake_read, self.wake_write = os.pipe()
        self.selector.register(self.wake_read, selectors.EVENT_READ)
        self.start()

    def follow(self, process, index, name):
        os.set_blocking(process.stdout.fileno(), False)
        log = open(os.path.join(self.directory, f"{name}.log"), "ab", buffering=0)
        with self.lock:
            self.tables[index] = set()
        self.selector.register(process.stdout, selectors.EVENT_READ, [index, b"", log])
        os.write(self.wake_write, b"x")

    def run(self):
        while True:
            batch = []
            for key, _ in self.selector.select():
                if key.data is None:
                    os.read(self.wake_read, 4096)
                else:
                    batch += self.read(key)
            if batch:
                with self.lock:
                    for event in batch:
                        self.take(event)
                    self.lock.notify_all()

    def read(self, key):
        index, rest, log = key.data
        try:
            data = os.read(key.fd, 1 << 16)
        except BlockingIOError:
            return []
        at = now()
        if not data:
            self.selector.unregister(key.fileobj)
            log.close()
            return []
        log.write(data)
        *lines, key.data[1] = (rest + data).split(b"\n")
        found = [self.heard_in(line.decode("utf-8", "replace")) for line in lines]
        return [Heard(at, index, *what) for what in found if what]

    def take(self, event):
        self.events.append(event)
        table = self.tables[event.index]
        if event.kind == "up":
            table.add(event.name)
        elif event.kind in ("down", "left"):
            table.discard(event.name)
        else:
            return
        self.changed_at = event.at

    def mark(self):
        return len(self.events)

    def since(self, mark, *kinds):
        with self.lock:
            return [e for e in self.events[mark:] if e.kind in kinds]

    def wait(self, condition, seconds):
        """condition(), asked after each line that says something: its first true value, or None."""
        end = now() + seconds
        with self.lock:
            while True:
                value = condition()
                if value:
                    return value
                left = end - now()
                if left <= 0:
                    return None
                self.lock.wait(left)


# ---- the members ---------------------------------------------------------------------------------

class Fleet:
    """side: how to start one and what to tell it (ours.Side, serf.Side)."""

    def __init__(self, make_side, directory, count, seed=1):
        self.names = [f"m{i:03d}" for i in range(count)]
        self.addresses = [address_of(i) for i in range(count)]
        self.directory = directory
        os.chmod(directory, 0o711)
        self.net = Net(self.addresses)
        self.side = make_side(directory, self.names, self.addresses)
        self.feed = Feed(self.side.heard, directory)
        self.random = random.Random(seed)
        self.processes = {}
        self.is_quiet = False  # has it been made so since it was formed?
        for i, name in enumerate(self.names):
            self.own(os.path.join(directory, name), user_of(i))

    @staticmethod
    def own(path, user):
        """A member's files are its user's."""
        os.makedirs(path, exist_ok=True)
        os.chown(path, user, user)
        for base, folders, files in os.walk(path):
            for one in folders + files:
                os.chown(os.path.join(base, one), user, user)

    def pids(self):
        return [p.pid for p in self.processes.values()]

    def start(self, index, seed=None):
        user = user_of(index)
        process = subprocess.Popen(self.side.argv(index, seed), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, user=user,
                                   group=user, extra_groups=[], start_new_session=True,
                                   cwd=os.path.join(self.directory, self.names[index]))
        self.processes[index] = process
        self.feed.follow(process, index, self.names[index])

    def signal(self, index, number):
        os.kill(self.processes[index].pid, number)

    def kill(self, index):
        """When it was."""
        self.side.close(index)
        at = now()
        self.signal(index, signal.SIGKILL)
        self.processes.pop(index).wait()
        return at

    def kill_all(self):
        self.is_quiet = False
        for index in list(self.processes):
            self.kill(index)

    def stand(self, indices):
        """Starts these; each alone, and ready to be told to join."""
        for first in range(0, len(indices), START_MAX):
            some = indices[first:first + START_MAX]
            for i in some:
                self.start(i)
            for i in some:
                self.side.stands(i)

    def right(self):
        """Is every table what is true?"""
        truth = {self.names[i] for i in self.processes}
        return all(self.feed.tables[i] == truth for i in self.processes)

    def wait_right(self, seconds):
        """When the last table became right: since when it has been, or None."""
        return self.feed.wait(lambda: self.right() and (self.feed.changed_at or now()), seconds)

    def heal(self, since, seconds):
        """How long after since every table became right, and was so for a second; None: never."""
        end = now() + seconds
        while now() < end:
            at = self.wait_right(end - now())
            time.sleep(STEADY_S)
            if at is not None and self.right() and self.feed.changed_at <= at:
                return max(0.0, at - since)
        return None

    def form(self, count):
        """count members, each of which stands and is told of one: (last join, all tables full)."""
        self.kill_all()
        self.stand(range(count))
        last = now()
        for i in range(1, count):
            last = now()
            self.side.join(i, 0)
        return last, self.wait_full()

    def form_started(self, count):
        """count members, started with the address of one: (last start, all tables full)."""
        self.kill_all()
        self.stand([0])
        last = now()
        for i in range(1, count):
            last = now()
            self.start(i, 0)
        full = self.wait_full()
        for i in range(1, count):
            self.side.stands(i)
        return last, full

    def wait_full(self):
        full = self.wait_right(FORM_S)
        if full is None:
            raise Failed(f"tables are not full after {FORM_S} s: "
                         f"{sorted(len(self.feed.tables[i]) for i in self.processes)}")
        return full

    def verify(self):
        """Do they say the same when asked?"""
        truth = {self.names[i] for i in self.processes}
        return all(self.side.table(i) == truth for i in self.processes)

    def back(self, index):
        """Starts it again and joins it by any member; all tables right, or Failed."""
        self.stand([index])
        self.side.join(index, self.random.choice([i for i in self.processes if i != index]))
        if self.wait_right(FORM_S) is None:
            raise Failed(f"{self.names[index]} is not back within {FORM_S} s")

    def others(self, *indices):
        return [i for i in self.processes if i not in indices]

    def victim(self):
        """Anyone but the seed."""
        return self.random.choice(self.others(0))
