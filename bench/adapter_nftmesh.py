"""Our nodes for a harness that measures meshes of any kind of agent (`mesh_bench.py --adapter`).

All through the surfaces that everybody has: flags, HTTP on the control socket, and the lines of
--log-format json. setup() starts a chain, a contract with a registered seat for each node, and guest
agents. The seats stand in the registry without an address, so a node that has been started stands
alone until it is told to join: nodes would find each other there by themselves. That is as with serf,
and so is what joining means: one address, of a member.
"""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
for _path in (HERE, os.path.join(HERE, "..", "tests", "e2e")):
    if _path not in sys.path:
        sys.path.append(_path)  # behind the harness's own

from adapter_base import DOWN, LEFT, MSG, REFUTE, SUSPECT, UP, Adapter as Base  # noqa: E402
import mesh  # noqa: E402
import ours  # noqa: E402

KINDS = {"up": UP, "down": DOWN, "left": LEFT, "suspect": SUSPECT, "refute": REFUTE, "msg": MSG}


class Adapter(Base):
    name = "nftmesh"

    def __init__(self, binary=None, extra=()):
        super().__init__(os.path.abspath(binary) if binary else mesh.NFTMESH, extra)
        mesh.NFTMESH = self.binary
        self.cluster = None

    def version(self):
        return mesh.run("--version")[1].strip()

    def setup(self, agents, workdir):
        self.cluster = ours.Cluster(workdir, len(agents), endpoints=0,
                                    names=[a.name for a in agents],
                                    listen=[f"tcp://{a.addr}:{a.port}" for a in agents],
                                    is_listed=False)

    def teardown(self):
        mesh.stop_all()

    def argv(self, agent):
        return self.cluster.nodes[agent.index].argv + self.extra

    def connect(self, agent):
        """Its control socket answers, and it is in its own table: it has found its seat."""
        node = self.cluster.nodes[agent.index]
        mesh.wait_for(f"{agent.name} stands", lambda: agent.name in node.names(), 60)

    def join(self, agent, seed):
        url = self.cluster.url(seed.index)
        code, text = self.cluster.nodes[agent.index].request("POST", "/v1/join", {"url": url})
        if code != 200:
            raise RuntimeError(f"{agent.name} joins {url}: {code} {text}")
        return json.loads(text)

    def members(self, agent):
        return {m["name"]: "alive" if m["state"] == "suspect" else m["state"]
                for m in self.cluster.nodes[agent.index].members()}

    def user_event(self, agent, name, payload=b""):
        body = {"name": name, "payload": payload.hex()}
        code, text = self.cluster.nodes[agent.index].request("POST", "/v1/event", body)
        if code != 200:
            raise RuntimeError(f"{agent.name} sends {name}: {code} {text}")

    def parse(self, line):
        if not line.startswith("{"):
            return None
        try:
            said = json.loads(line)
        except ValueError:
            return None
        kind = KINDS.get(said.get("ev"))
        return (kind, said.get("name", "")) if kind else None
