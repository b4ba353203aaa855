"""A network between nodes that can be parted, and disks that can be full: the kernel's own where this
process may have them, and otherwise the nearest thing that anybody may. Standard library only.

    Namespaces  each node has a network namespace of its own, with an address on one bridge; whom it
                shall not hear it drops by address on arrival (iptables)
    Proxies     in front of each node stands a proxy of ours, which holds back every byte between two
                that shall not hear each other, as TCP does with packets that get lost
    Tmpfs       a node's data directory is a small file system of its own, and is filled up
    Limit       a node may write no byte more to any file (RLIMIT_FSIZE)
"""
import contextlib
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

import mesh

INSIDE = "NFTMESH_PARTED_BY"  # which iptables works in there
WHY_NOT = "NFTMESH_PARTED_WHY_NOT"
NET = "10.99.0"
PORT = 9470
DISK_MIB = 48


# ---- what this machine lets us do ---------------------------------------------------------------

def run(*argv, text=None):
    """What it prints; Failed with what it says when it fails."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    if done.returncode:
        raise mesh.Failed(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def trial(flags, filters):
    """Why all that is needed inside does not work with these commands; "" when it does."""
    for tool in ("unshare", "nsenter", "ip", f"{filters}-restore"):
        if not shutil.which(tool):
            return f"no `{tool}`"
    try:
        run("unshare", *flags, "sh", "-c",
            "ip link set lo up && ip link add name n0 type veth peer name eth0 && "
            f"ip link add name br0 type bridge && {filters}-restore && mount -t tmpfs none /mnt",
            text="*filter\n-A INPUT -s 10.0.0.1 -j DROP\nCOMMIT\n")
    except mesh.Failed as e:
        return str(e).rsplit(": ", 1)[-1] or "not allowed"
    return ""


def enter():
    """Runs this program again in a network, mount and process namespace that dies with it, where that is
    allowed; else returns, and why_not() says why."""
    if INSIDE in os.environ or WHY_NOT in os.environ:
        return
    flags = ["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "--"]
    if os.geteuid() != 0:
        flags.insert(0, "-r")
    why = {}
    for filters in ("iptables", "iptables-legacy"):  # a kernel may have either
        why[filters] = trial(flags, filters)
        if not why[filters]:
            env = dict(os.environ, PYTHONUNBUFFERED="1", **{INSIDE: filters})
            os.execvpe("unshare", ["unshare", *flags, sys.executable, *sys.argv], env)
    os.environ[WHY_NOT] = why["iptables"]


def is_inside():
    return INSIDE in os.environ


def iptables(what):
    """iptables-restore or iptables-save."""
    return f"{os.environ[INSIDE]}-{what}"


def why_not():
    return os.environ.get(WHY_NOT, "")


def network():
    return Namespaces() if is_inside() else Proxies()


def disk(directory):
    return Tmpfs(directory) if is_inside() else Limit()


def disk_how():
    return (Tmpfs if is_inside() else Limit).how


# ---- networks -----------------------------------------------------------------------------------

class Network:
    """nodes: their mesh.Node, by index, as they come. islands: [{index}]: who is in one hears nobody
    outside; all others are one land."""

    def __init__(self):
        self.nodes, self.islands, self.held = [], [], 0

    def hears(self, a, b):
        island = lambda i: next((n for n, members in enumerate(self.islands) if i in members), None)
        return island(a) == island(b)

    def part(self, islands):
        self.islands = [set(i) for i in islands if i]


class Namespaces(Network):
    how = "iptables in network namespaces"
    what = "packets dropped"
    HOST = "0.0.0.0"  # where the chain listens: all nodes reach it, whoever is parted
    CHAIN = f"{NET}.254"

    def __init__(self):
        super().__init__()
        self.places = []  # the process that keeps a namespace
        for argv in (("link", "set", "lo", "up"), ("link", "add", "name", "br0", "type", "bridge"),
                     ("addr", "add", f"{self.CHAIN}/24", "dev", "br0"), ("link", "set", "br0", "up")):
            run("ip", *argv)

    def into(self, index):
        return ["nsenter", "-t", str(self.places[index].p.pid), "-n", "--"]

    def place(self):
        """What makes mesh.Node one more node of this network."""
        index = len(self.places)
        keeper = mesh.Process(["unshare", "-n", "--", "sleep", "infinity"], f"namespace {index}")
        self.places.append(keeper)
        pid, ours = str(keeper.p.pid), os.readlink("/proc/self/ns/net")
        mesh.wait_for("a namespace", lambda: os.readlink(f"/proc/{pid}/ns/net") != ours)
        run("ip", "link", "add", "name", f"n{index}", "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "link", "set", f"n{index}", "master", "br0", "up")
        for argv in (("link", "set", "lo", "up"), ("addr", "add", f"{NET}.{index + 1}/24", "dev", "eth0"),
                     ("link", "set", "eth0", "up")):
            run(*self.into(index), "ip", *argv)
        return {"listen": f"tcp://{NET}.{index + 1}:{PORT}", "prefix": self.into(index)}

    def rpc(self, chain):
        return f"http://{self.CHAIN}:{chain.port}"

    def part(self, islands):
        super().part(islands)
        for a in range(len(self.places)):
            deaf = [b for b in range(len(self.places)) if not self.hears(a, b)]
            self.held += self.dropped(a)
            rules = "".join(f"-A INPUT -s {NET}.{b + 1} -j DROP\n" for b in deaf)
            run(*self.into(a), iptables("restore"), text=f"*filter\n{rules}COMMIT\n")

    def dropped(self, index):
        """Since the rules were made."""
        lines = run(*self.into(index), iptables("save"), "-c").splitlines()
        return sum(int(line[1:line.index(":")]) for line in lines if line.endswith("-j DROP"))


class Proxies(Network):
    how = "a proxy in front of each node"
    what = "reads held back"
    HOST = "127.0.0.1"

    def place(self):
        target, listener = mesh.free_port(), socket.create_server(("127.0.0.1", mesh.free_port()), backlog=64)
        index, port = len(self.nodes), listener.getsockname()[1]
        threading.Thread(target=self.serve, args=(listener, index, port, target), daemon=True).start()
        return {"listen": f"tcp://127.0.0.1:{target}", "advertise": f"tcp://127.0.0.1:{port}"}

    def rpc(self, chain):
        return chain.url

    def dialler(self, remote, port):
        """The index of the node whose socket this is, by its process; None when it is gone already."""
        ends = f"0100007F:{remote:04X} 0100007F:{port:04X}".split()
        with open("/proc/net/tcp") as f:
            inode = next((w[9] for w in map(str.split, f) if w[1:3] == ends), None)
        for index, node in enumerate(self.nodes):
            with contextlib.suppress(OSError):
                folder = f"/proc/{node.p.pid}/fd"
                if any(os.readlink(f"{folder}/{fd}") == f"socket:[{inode}]" for fd in os.listdir(folder)):
                    return index
        return None

    def serve(self, listener, index, port, target):
        while True:
            near, (_, remote) = listener.accept()
            threading.Thread(target=self.carry, args=(near, remote, index, port, target), daemon=True).start()

    def carry(self, near, remote, index, port, target):
        with near, contextlib.suppress(OSError):
            dialler = self.dialler(remote, port)
            if dialler is None:
                return
            self.hold(dialler, index)
            with socket.create_connection(("127.0.0.1", target), 5) as far:
                far.settimeout(None)
                self.pump(near, far, dialler, index)

    def pump(self, near, far, a, b):
        while True:
            for source in select.select([near, far], [], [])[0]:
                data = source.recv(1 << 16)
                self.hold(a, b)
                if not data:
                    return
                (far if source is near else near).sendall(data)

    def hold(self, a, b):
        self.held += not self.hears(a, b)
        while not self.hears(a, b):
            time.sleep(0.02)


# ---- disks --------------------------------------------------------------------------------------

class Tmpfs:
    how = "a small file system that is filled up"

    def __init__(self, directory):
        self.directory = directory
        self.ballast = os.path.join(directory, "ballast")
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "none", directory)

    def fill(self, _node):
        with open(self.ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"\0" * (1 << 16)):
                pass
        with open(self.ballast, "ab", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(b"\0" * 512):  # the last page, too
                pass

    def free(self, _node):
        os.unlink(self.ballast)

    def close(self):
        run("umount", "-l", self.directory)


class Limit:
    how = "a limit on file sizes (RLIMIT_FSIZE)"

    def fill(self, node):
        self.set(node, 0)

    def free(self, node):
        self.set(node, resource.RLIM_INFINITY)

    @staticmethod
    def set(node, size):
        hard = resource.prlimit(node.p.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(node.p.pid, resource.RLIMIT_FSIZE, (size if hard < 0 else min(size, hard), hard))

    def close(self):
        pass
