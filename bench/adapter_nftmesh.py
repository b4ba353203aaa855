"""Our nodes for a harness that measures meshes of any kind of agent (`mesh_bench.py --adapter`).

All through the surfaces that everybody has: flags, HTTP on the control socket, and the lines of
--log-format json. setup() starts a chain, a contract with a registered seat for each node, and guest
agents. The seats stand in the registry without an address, so a node that has been started stands
alone until it is told to join: nodes would find each other there by themselves. That is as with serf,
and so is what joining means: one address, of a member.
"""
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
for _path in (HERE, os.path.join(HERE, "..", "tests", "e2e")):
    if _path not in sys.path:
        sys.path.append(_path)  # behind the harness's own

from adapter_base import Adapter as Base  # noqa: E402
import mesh  # noqa: E402
import ours  # noqa: E402


class Adapter(Base):
    name = "nftmesh"

    def __init__(self, binary=None, extra=()):
        super().__init__(os.path.abspath(binary or mesh.NFTMESH), extra)
        mesh.NFTMESH = self.binary
        self.side = None

    def version(self):
        return ours.version()

    def setup(self, agents, workdir):
        self.side = ours.Side(workdir, [a.name for a in agents], [a.addr for a in agents])

    def teardown(self):
        mesh.stop_all()

    def argv(self, agent):
        return self.side.argv(agent.index) + self.extra

    def connect(self, agent):
        """Its control socket answers. It may not have found its seat yet: a member that comes back is
        dialled by the others as soon as it listens, and then what is to be timed is over."""
        node = self.side.nodes[agent.index]
        mesh.wait_for(f"{agent.name} answers", node.status, 60)

    def join(self, agent, seed):
        self.side.stands(agent.index)
        self.side.join(agent.index, seed.index)

    def members(self, agent):
        """A suspect is alive, as with serf."""
        return {m["name"]: "alive" if m["state"] == "suspect" else m["state"]
                for m in self.side.nodes[agent.index].members()}

    def user_event(self, agent, name, payload=b""):
        self.side.event(agent.index, name, payload)

    def parse(self, line):
        return self.side.heard(line)  # its words are the harness's
