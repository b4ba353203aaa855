"""The world of the commands that go to the contract: wallets and machines as needed, no node."""
import json
import os

import mesh
from cases import expect
from mesh import CHAIN_ID

APP_ID = "aa" * 20
PRICE = 10**16


class World:
    """A chain, a contract with public minting, guest agents; wallets and machines as needed."""

    def __init__(self, directory):
        self.dir = directory
        self.chain = mesh.Chain(log_path=os.path.join(directory, "anvil.log"), prompt=True)
        names = [f"vm{i}" for i in range(40)]
        kms = os.path.join(directory, "kms.key")
        self.host = mesh.AgentHost(directory, names, kms, APP_ID)
        self.contract, _ = self.chain.deploy(self.host.kms_root(), [APP_ID], max_nodes=500)
        self.configure(500, True, PRICE)
        self.chain.contract_call(self.contract, "setMintLimit(uint256)", 0)
        self.free, self.wallets = list(names), 0

    def slow(self):
        """From here on a transaction is pending until the next second's block."""
        self.chain.rpc.call("evm_setIntervalMining", 1)

    def configure(self, seats, public, price):
        self.chain.contract_call(self.contract, "setClusterConfig(uint256,bool,uint256)", seats,
                                 int(public), price)

    def wallet(self, ether=100):
        self.wallets += 1
        wallet = mesh.Wallet(self.chain, os.path.join(self.dir, f"w{self.wallets}.wallet"))
        self.chain.rpc.call("anvil_setBalance", wallet.address, hex(int(ether * 10**18)))
        return wallet

    def machine(self):
        name = self.free.pop(0)
        directory = os.path.join(self.dir, name + ".data")
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return Machine(self.host.agents[name], directory)

    def mint(self, wallet):
        self.chain.contract_call(self.contract, "mintNodeAccess(address)", wallet.address)
        return max(self.chain.seats(self.contract))

    def seat(self, token):
        """getInstanceInfo as the fields that the tests look at."""
        raw = bytes.fromhex(self.chain.read(self.contract, "getInstanceInfo(uint256)", token)[2:])
        raw = raw[32:]
        word = lambda i: int.from_bytes(raw[32 * i:32 * i + 32], "big")
        blob = lambda i: raw[word(i) + 32:word(i) + 32 + int.from_bytes(
            raw[word(i):word(i) + 32], "big")]
        return {"owner": "0x" + raw[44:64].hex(), "instance": raw[108:128].hex(),
                "node_key": blob(4).hex(), "expires_at": word(8), "active": bool(word(10)),
                "weight": word(11), "nonce": word(12), "url": blob(13).decode()}

    def sent(self, wallet):
        return int(self.chain.rpc.call("eth_getTransactionCount", wallet.address, "pending"), 16)

    def tokens(self, wallet):
        return sorted(t for t, s in self.chain.seats(self.contract).items()
                      if s["owner"] == wallet.address)

    def now(self):
        return int(self.chain.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def chain_options(self, rpc=None, contract=None):
        return ["--rpc", rpc or self.chain.url, "--chain-id", CHAIN_ID, "--contract",
                contract or self.contract]

    def run(self, verb, *args, wallet=None, rpc=None, check=True, contract=None, **more):
        key = ["--wallet-key-file", wallet.path] if wallet else []
        return mesh.run(verb, *args, *self.chain_options(rpc, contract), *key, check=check, **more)

    def json(self, verb, *args, **more):
        return json.loads(self.run(verb, *args, "--format", "json", **more)[1])

    def refused(self, *args, words, code=1, **more):
        """One line on standard error with these words, this exit code, nothing on standard output
        but the plan."""
        status, out, err = self.run(*args, check=False, **more)
        expect(f"exit {code}, not {status}: {err}", status == code)
        for word in [words] if isinstance(words, str) else words:
            expect(f"\"{word}\" in: {err}", word in err)
        expect(f"one line: {err}", err.count("\n") == 1)
        return err


class Machine:
    """A VM: its agent and data directory; no node runs on it."""

    def __init__(self, agent, directory):
        self.agent, self.dir = agent, directory
        self.url = f"tcp://127.0.0.1:{mesh.free_port()}"

    def options(self, url=None):
        return ["--data-dir", self.dir, "--dstack", self.agent.socket, "--dev", "--url",
                url or self.url]
