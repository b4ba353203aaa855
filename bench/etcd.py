"""etcd (Debian package `etcd-server`) beside us: members with their defaults, spoken to by their HTTP
gateway. Standard library only.
"""
import base64
import os
import re
import shutil
import subprocess

import electing
from benchlib import CannotRun
from mesh import Process, free_port, wait_for

BACK_ENTRIES = 20  # a member that was away is so close behind the others


def need_etcd():
    if not shutil.which("etcd"):
        raise CannotRun("etcd is missing (Debian: etcd-server), and our figures stand beside its")


def version():
    if not shutil.which("etcd"):
        return "?"
    out = subprocess.run(["etcd", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"etcd Version: (\S+)", out)
    return found.group(1) if found else "?"


class Side:
    """Five members or so, as bench/leader runs them (electing.Side has the same methods)."""
    name = "etcd"
    settle_s = 1  # a member that was restarted votes at once

    def __init__(self, directory, count):
        self.directory, self.count = directory, count
        self.names = [f"etcd{i}" for i in range(count)]
        self.peers = [f"http://127.0.0.1:{free_port()}" for _ in self.names]
        self.ports = [free_port() for _ in self.names]
        self.ids = {}
        self.processes = [None] * count

    def argv(self, i):
        client = f"http://127.0.0.1:{self.ports[i]}"
        everybody = ",".join(f"{n}={p}" for n, p in zip(self.names, self.peers))
        return ["etcd", "--name", self.names[i],
                "--data-dir", os.path.join(self.directory, self.names[i]),
                "--listen-peer-urls", self.peers[i],
                "--initial-advertise-peer-urls", self.peers[i],
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--initial-cluster", everybody]

    def start_all(self):
        for i in range(self.count):
            self.start(i)
        wait_for("etcd has a leader, and all follow it", lambda: self.are_well(), 60, 0.1)
        for i, said in enumerate(self.statuses()):
            self.ids[i] = said["header"]["member_id"]

    def start(self, i):
        self.processes[i] = Process(self.argv(i), self.names[i], log_path=os.path.join(
            self.directory, f"{self.names[i]}.log"))

    def kill(self, i):
        self.processes[i].kill()

    def address(self, i):
        return ("127.0.0.1", self.ports[i])

    @staticmethod
    def write(key, value):
        """(path, body) of a put."""
        coded = (base64.b64encode(text.encode()).decode() for text in (key, value))
        return "/v3/kv/put", dict(zip(("key", "value"), coded))

    # ---- who leads ----

    ASK = ("POST", "/v3/maintenance/status", {})

    def leads(self, i, said):
        """Does this answer of member i to ASK say that it leads?"""
        return said.get("leader", "0") == said.get("header", {}).get("member_id")

    def statuses(self):
        return [electing.ask(self.address(i), *self.ASK) for i in range(self.count)]

    def are_well(self):
        """All answer, follow one leader, and have what the others have."""
        found = self.statuses()
        applied = [int(s.get("raftAppliedIndex", 0)) for s in found]
        return (len({s.get("leader", "0") for s in found}) == 1 and found[0].get("leader", "0") != "0"
                and min(applied) >= max(applied) - BACK_ENTRIES)

    def transfer(self, leader, to):
        """What is asked of the leader."""
        return "/v3/maintenance/transfer-leadership", {"targetID": self.ids[to]}
