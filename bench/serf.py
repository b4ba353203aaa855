"""HashiCorp serf (Debian package `serf`) beside us: agents, and the little of their RPC that a
benchmark needs, in a msgpack of its own. Standard library only.
"""
import os
import re
import socket
import struct

from benchlib import CannotRun
from mesh import Failed, Process, free_port, wait_for


def pack(value):
    if value is False or value is True:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, str):
        raw = value.encode()
        return b"\xda" + struct.pack(">H", len(raw)) + raw
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(pack(v) for v in value)
    if isinstance(value, dict):
        return b"\xde" + struct.pack(">H", len(value)) + b"".join(
            pack(k) + pack(v) for k, v in value.items())
    raise TypeError(type(value))


class Unpacker:
    FIXED = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i",
             0xd3: ">q", 0xca: ">f", 0xcb: ">d"}

    def __init__(self, file):
        self.file = file

    def take(self, count):
        raw = self.file.read(count)
        if len(raw) < count:
            raise EOFError("serf closed its RPC connection")
        return raw

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, count):
        return self.take(count).decode("utf-8", "replace")

    def array(self, count):
        return [self.one() for _ in range(count)]

    def map(self, count):
        return {self.one(): self.one() for _ in range(count)}

    def one(self):
        c = self.take(1)[0]
        if c < 0x80 or c >= 0xe0:
            return c if c < 0x80 else c - 256
        if c < 0xc0:
            return (self.map if c < 0x90 else self.array if c < 0xa0 else self.text)(
                c & (15 if c < 0xa0 else 31))
        if c in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[c]
        if c in self.FIXED:
            return self.number(self.FIXED[c])
        if c in (0xc4, 0xd9, 0xc5, 0xda):
            return self.text(self.number(">B" if c in (0xc4, 0xd9) else ">H"))
        if c in (0xdc, 0xdd, 0xde, 0xdf):
            count = self.number(">H" if c in (0xdc, 0xde) else ">I")
            return self.array(count) if c in (0xdc, 0xdd) else self.map(count)
        raise ValueError(f"msgpack byte 0x{c:02x}")


class Rpc:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=15)
        self.unpacker = Unpacker(self.sock.makefile("rb"))
        self.seq = 0
        self.call("handshake", {"Version": 1})

    def call(self, command, body=None, has_reply=False):
        self.seq += 1
        message = pack({"Command": command, "Seq": self.seq})
        self.sock.sendall(message + (pack(body) if body is not None else b""))
        head = self.unpacker.one()
        reply = self.unpacker.one() if has_reply else None
        if head.get("Error"):
            raise Failed(f"serf {command}: {head['Error']}")
        return reply

    def close(self):
        self.sock.close()


class Agent(Process):
    """One agent with its default (LAN) profile, on loopback."""

    def __init__(self, name, directory, seed=None):
        self.port, self.rpc_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        argv = ["serf", "agent", f"-node={name}", f"-bind={self.address}",
                f"-rpc-addr=127.0.0.1:{self.rpc_port}", "-log-level=info"]
        if seed:
            argv.append(f"-join={seed.address}")
        super().__init__(argv, f"serf {name}", log_path=os.path.join(directory, f"serf-{name}.log"))

    def rpc(self):
        def connect():
            try:
                return Rpc(self.rpc_port)
            except (OSError, EOFError):
                if not self.alive():
                    raise CannotRun(f"{self.name} has ended: {self.text()[-300:]}") from None
                return None
        return wait_for(f"{self.name} answers", connect, 30)

    def join(self, seed):
        rpc = self.rpc()
        rpc.call("join", {"Existing": [seed.address], "Replay": False}, has_reply=True)
        rpc.close()

    def alive_names(self):
        rpc = self.rpc()
        members = rpc.call("members", has_reply=True)["Members"]
        rpc.close()
        return {m["Name"] for m in members if m["Status"] == "alive"}

    def joins(self):
        """name -> when this agent's own table got it: the line that serf logs at once."""
        seen = {}
        for at, line in list(self.lines):
            _, found, name = line.partition("serf: EventMemberJoin: ")
            if found:
                seen.setdefault(name.split()[0], at)
        return seen


class Side:
    """Agents as a fleet runs them: what to start, what to tell them, what their lines mean.

    A line is serf's own table, before it tells applications a second later. key: base64 of 32 bytes,
    with which all packets are encrypted (AES).
    """
    RULES = [(re.compile(pattern), kind) for pattern, kind in (
        (r"serf: EventMemberJoin: (\S+)", "up"), (r"serf: EventMemberFailed: (\S+)", "down"),
        (r"serf: EventMemberLeave: (\S+)", "left"),
        (r"memberlist: Suspect (\S+) has failed", "suspect"),
        (r"agent: Received event: user-event: (\S+)", "msg"))]

    def __init__(self, directory, names, addresses, key=None):
        self.name = "serf-aes" if key else "serf"
        self.names, self.addresses, self.key = names, addresses, key
        self.rpc_ports = [free_port() for _ in names]
        self.rpcs = {}

    def address(self, index):
        return f"{self.addresses[index]}:7946"

    def argv(self, index, seed=None):
        address = self.address(index)
        argv = ["serf", "agent", f"-node={self.names[index]}", f"-bind={address}",
                f"-advertise={address}", f"-rpc-addr=127.0.0.1:{self.rpc_ports[index]}",
                "-log-level=info"]
        argv += [f"-encrypt={self.key}"] if self.key else []
        return argv + ([f"-join={self.address(seed)}"] if seed is not None else [])

    def stands(self, index):
        def connect():
            try:
                return Rpc(self.rpc_ports[index])
            except (OSError, EOFError):
                return None
        self.rpcs[index] = wait_for(f"{self.names[index]} answers", connect, 30)

    def linked(self, indices):
        """It keeps no links."""

    def join(self, index, seed):
        self.rpcs[index].call("join", {"Existing": [self.address(seed)], "Replay": False},
                              has_reply=True)

    def event(self, index, name, payload):
        self.rpcs[index].call("event", {"Name": name, "Payload": payload.decode("latin-1"),
                                        "Coalesce": False})

    def table(self, index):
        members = self.rpcs[index].call("members", has_reply=True)["Members"]
        return {m["Name"] for m in members if m["Status"] == "alive"}

    def close(self, index):
        if index in self.rpcs:
            self.rpcs.pop(index).close()

    def quiet(self, indices):
        """serf has no chain."""

    def frames(self, indices):
        """serf does not count them."""
        return {}

    @classmethod
    def heard(cls, line):
        """(kind, name) of a line that says what changed, or None. A suspect is still in the table."""
        for rule, kind in cls.RULES:
            found = rule.search(line)
            if found:
                return kind, found.group(1).rstrip(":")
        return None


def start(directory, count, prefix="serf"):
    """Agents that all know each other."""
    agents = [Agent(f"{prefix}{i:02d}", directory) for i in range(count)]
    agents[0].rpc().close()  # it listens
    for a in agents[1:]:
        a.join(agents[0])
    wait_for("serf agents know each other",
             lambda: all(len(a.alive_names()) == count for a in agents), 60, 0.2)
    return agents


def version():
    import subprocess
    out = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "serf"], capture_output=True,
                         text=True).stdout.strip()
    return out or "?"


