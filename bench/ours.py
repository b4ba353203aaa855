"""Our side of a benchmark: a local chain, a contract with a registered seat for each node, guest
agents, and nodes that can be started and stopped together.
"""
import collections
import concurrent.futures
import json
import os

import mesh
from mesh import wait_for

BLOCK_S = 12  # between blocks, as on Ethereum
# Above so many nodes, this: else the chain, telling all of them all seats at each block on the same
# cores, would cost more than all that they do.
LARGE, LARGE_BLOCK_S = 100, 60
LINKS_S = 400  # until two hundred are all linked to each other
AGENTS_MAX = 64  # sockets of one `nftmesh simulator`
APP_ID = "6e66746d6573682d62656e63682d617070303031"  # "nftmesh-bench-app001"


class Cluster:
    """count nodes with registered seats; none is started yet.

    endpoints  how many RPC endpoints each node asks; each counts its requests. 0: the chain itself.
    apart      the last node asks endpoints of its own, so that its requests are not the others'.
    listen     where each listens and is dialled, as tcp://host:port; None: any ports of 127.0.0.1.
    is_listed  its address stands in the registry, where the others find it by themselves. Without,
               nobody is found but through a member, as with serf.
    consensus  they elect a leader. Not by default: the goals of membership are those of the mesh alone.
    extra      more options of each.
    """

    def __init__(self, directory, count, endpoints=3, apart=False, names=None, listen=None,
                 is_listed=True, consensus=False, extra=()):
        self.nodes, self.wallets = [], []
        self.names = names or [f"node{i:02d}" for i in range(count)]
        self.chain = mesh.Chain(log_path=os.path.join(directory, "anvil.log"))
        self.chain.rpc.call("evm_setAutomine", True)  # no registration waits for a block
        self.proxies = [mesh.Proxy(self.chain) for _ in range(endpoints)]
        others = [mesh.Proxy(self.chain) for _ in range(endpoints)] if apart else self.proxies
        agents, kms_root = self.start_agents(directory)
        self.contract, _ = self.chain.deploy(kms_root, [APP_ID], max_nodes=count)
        for i, name in enumerate(self.names):
            proxies = others if i == count - 1 else self.proxies
            rpcs = [p.url for p in proxies] or [self.chain.url]
            wallet = mesh.Wallet(self.chain, os.path.join(directory, f"{name}.wallet"))
            self.chain.contract_call(self.contract, "mintNodeAccess(address)", wallet.address)
            self.wallets.append(wallet)
            self.nodes.append(mesh.Node(name, directory, agents[name], self.contract, rpcs,
                                        start=False, listen=listen and listen[i],
                                        extra=["--consensus", "on" if consensus else "off", *extra]))
            if not is_listed:
                self.nodes[-1].advertise = ""  # what register() says; argv has the real one
        self.plain_argv = [list(node.argv) for node in self.nodes]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.register, range(count)))
        self.mine_every(1)

    def start_agents(self, directory):
        """({name: guest agent}, the address of their KMS root), so many to a process as it takes."""
        agents, key = {}, os.path.join(directory, "kms.key")
        for i in range(0, len(self.names), AGENTS_MAX):
            host = mesh.AgentHost(directory, self.names[i:i + AGENTS_MAX], key, APP_ID, f"agents{i}")
            agents.update(host.agents)
        return agents, host.kms_root()

    def register(self, index):
        self.nodes[index].register(self.wallets[index], index + 1)

    def start(self, index, bootstrap=()):
        node = self.nodes[index]
        node.argv = list(self.plain_argv[index])
        for url in bootstrap:
            node.argv += ["--bootstrap", url]
        return node.start()

    def url(self, index):
        """mesh:// of a running node."""
        node = self.nodes[index]
        key = wait_for(lambda: f"{node.short} knows its key: {node.text()[-400:]}",
                       lambda: set(node.key() or "0") - {"0"} and node.key(), 30)
        return f"mesh://{key}@{node.listen.removeprefix('tcp://')}"

    def start_seed(self):
        """The first node, alone and up; its URL."""
        seed = self.start(0)
        wait_for(lambda: f"the seed is up: {seed.text()[-600:]}", lambda: seed.events("up"), 60)
        return self.url(0)

    def running(self):
        return [n for n in self.nodes if hasattr(n, "p") and n.alive()]

    def all_full(self, count):
        """A suspect is in the table: serf counts it as alive, too."""
        return all(len(n.names("alive") | n.names("suspect")) == count for n in self.running())

    def start_all(self, count):
        """count nodes by one seed, until every table is full."""
        seed = self.start_seed()
        for i in range(1, count):
            self.start(i, [seed])
        wait_for(lambda: "tables full: " + repr([len(n.names()) for n in self.running()]),
                 lambda: self.all_full(count), 90, 0.1)
        return self.nodes[:count]

    def kill_nodes(self):
        for node in self.running():
            node.kill()

    def requests(self):
        """All that were made of the shared endpoints."""
        return sum(p.requests for p in self.proxies)

    def block_time(self, seconds, nodes=None):
        """A block every so often. Nodes poll by the block time that they have seen, so blocks of
        that distance by their own time come fast until everybody has seen enough of them."""
        nodes = nodes or self.running()
        self.mine_every(1)
        self.chain.rpc.call("anvil_setBlockTimestampInterval", seconds)
        seen = self.chain.height() + 12
        wait_for(f"everybody's reference passes block {seen}",
                 lambda: all(n.status().get("block", {}).get("number", 0) > seen
                             for n in nodes), 60, 0.2)
        self.mine_every(seconds)

    def mine_every(self, seconds):
        """0: no block from now on."""
        self.chain.rpc.call("evm_setIntervalMining", seconds)


def version():
    return mesh.run("--version")[1].strip()


class Side:
    """A cluster as a fleet runs it: what to start, what to tell it, what its lines mean. Its nodes are
    in the registry without an address: they stand alone until they are told to join."""
    name = "ours"
    KINDS = {"up": "up", "refute": "refute", "down": "down", "removed": "down", "left": "left",
             "suspect": "suspect", "msg": "msg"}

    def __init__(self, directory, names, addresses, consensus=False):
        self.cluster = Cluster(directory, len(names), endpoints=0, names=names, is_listed=False,
                               listen=[f"tcp://{address}:7946" for address in addresses],
                               consensus=consensus)
        self.cluster.mine_every(BLOCK_S if len(names) <= LARGE else LARGE_BLOCK_S)
        self.nodes, self.is_electing = self.cluster.nodes, consensus
        self.urls = {}

    def argv(self, index, seed=None):
        return self.nodes[index].argv + (["--bootstrap", self.url(seed)] if seed is not None else [])

    def url(self, index):
        if index not in self.urls:  # the key of a seat does not change with a restart
            self.urls[index] = self.cluster.url(index)
        return self.urls[index]

    def stands(self, index):
        """Waits until it is in its own table: it has found its seat, and can be told to join."""
        node = self.nodes[index]
        wait_for(f"{node.short} stands", lambda: node.short in node.names(), 60)

    def command(self, index, path, body):
        """What is wrong with it, or None."""
        code, text = self.nodes[index].request("POST", path, body)
        return None if code == 200 else f"{self.nodes[index].short}: {path}: {code} {text}"

    def join(self, index, seed, url=None):
        """Again when it was refused: a member that is busy says so."""
        said = []

        def joined():
            said[:] = [self.command(index, "/v1/join", {"url": url or self.url(seed)})]
            return said[0] is None
        wait_for(lambda: said[0], joined, 60, 0.2)

    def event(self, index, name, payload):
        wrong = self.command(index, "/v1/event", {"name": name, "payload": payload.hex()})
        if wrong:
            raise mesh.Failed(wrong)

    def table(self, index):
        return {m["name"] for m in self.nodes[index].members()
                if m["state"] in ("alive", "suspect")}

    def close(self, index):
        """There is nothing open to a node."""

    def quiet(self, indices):
        """Lets them see how far apart blocks are: they poll no more often than that is worth."""
        self.cluster.block_time(BLOCK_S, [self.nodes[i] for i in indices])
        if self.is_electing:
            wait_for("all follow one leader", lambda: self.is_led(indices), 90, 0.2)

    def is_led(self, indices):
        leaders = [((self.nodes[i].get("/v1/leader") or {}).get("leader") or {}).get("node")
                   for i in indices]
        return leaders[0] is not None and len(set(leaders)) == 1

    def linked(self, indices):
        """Waits until the full mesh is made: links beyond the first few are made without haste."""
        def peers(i):
            found = [line for line in self.nodes[i].request("GET", "/metrics")[1].splitlines()
                     if line.startswith("nftmesh_peers ")]
            return float(found[0].split()[1]) if found else 0
        wait_for("all links are made", lambda: all(peers(i) >= len(indices) - 1 for i in indices),
                 LINKS_S, 2)

    def frames(self, indices):
        """Frames that these have received so far, by type; and "bytes", of all of them."""
        found = collections.Counter()
        for i in indices:
            for line in self.nodes[i].request("GET", "/metrics")[1].splitlines():
                name, _, value = line.rpartition(" ")
                if name == "nftmesh_peer_received_bytes_total":
                    found["bytes"] += int(value)
                elif name.startswith("nftmesh_gossip_messages_total{") and "_received" in name:
                    found[name.split('"')[1].removesuffix("_received")] += int(value)
        return found

    @classmethod
    def heard(cls, line):
        """(kind, name) of a line that says what changed, or None. A suspect is still in the table,
        as with serf."""
        if line.startswith("{"):
            try:
                said = json.loads(line)
            except ValueError:
                return None
            kind = cls.KINDS.get(said.get("ev"))
            return (kind, said.get("name", "")) if kind else None
        return None
