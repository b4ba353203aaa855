#!/usr/bin/env python3
"""End-to-end tests of scripts/deploy: what it sends, what it only shows, and what it refuses. Prints
`ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402

DEPLOY = os.path.join(mesh.ROOT, "scripts/deploy")
PUBLIC_ROOT = "0x9Ad9076Ef654fAe9EA83e2369c49B21227ffA12c"
ROOT = "0x52d3CF51c8A37A2CCfC79bBb98c7810d7Dd4CE51"
APP = "d29cae79ce98ec8e230cffe386ba1c8987626dec"
BASE_SEPOLIA = 84532
CHAIN_IDS = {"anvil": 31337, "base": 8453, "base-sepolia": BASE_SEPOLIA, "ethereum": 1, "sepolia": 11155111}


class NoCode(mesh.Proxy):
    """An endpoint that shows no code anywhere."""

    def bend(self, method, asked, told, result):
        if method == "eth_getCode":
            told["result"] = "0x"


class World:
    """An anvil as it is, one that says that it is Base Sepolia, and a wallet with ether on both."""

    def __init__(self, directory):
        self.dir = directory
        self.anvil = mesh.Chain()
        self.base = mesh.Chain(chain_id=BASE_SEPOLIA)
        self.wallet = mesh.Wallet(self.anvil, os.path.join(directory, "owner.wallet"))
        self.base.fund(self.wallet.address)
        self.password = os.path.join(directory, "password")
        self.keystore = os.path.join(directory, "keystore.json")
        with open(self.password, "w", encoding="ascii") as f:
            f.write("a long password\n")
        os.chmod(self.password, 0o600)
        out = mesh.run("keygen", "--keystore", "--password-file", self.password, "--out", self.keystore,
                       "--format", "json")[1]
        self.keystore_owner = json.loads(out)["address"].lower()
        self.base.fund(self.keystore_owner)

    def deploy(self, preset, *args, chain=None, url=None, root=ROOT, app=APP, nodes=10, env=None, key=None):
        """(exit status, stdout, stderr) of one call with the ordinary arguments and these."""
        argv = [DEPLOY, preset, "--kms-root", root, "--app-id", app, "--max-nodes", str(nodes), *args]
        if chain or url:
            argv += ["--rpc", url or chain.url]
        foreign = ("PRIVATE_KEY", "RPC_URL", "NFTMESH_WALLET_PASSWORD")
        env = {**{k: v for k, v in os.environ.items() if k not in foreign}, **(env or {})}
        fds = ()
        if key:
            with open(key, encoding="ascii") as f:
                fds = (os.dup(f.fileno()),)
            argv += ["--wallet-key-fd", str(fds[0])]
        try:
            p = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env,
                               timeout=300 * mesh.SCALE, pass_fds=fds)
        finally:
            for fd in fds:
                os.close(fd)
        return p.returncode, p.stdout, p.stderr

    def deployed(self, *args, **more):
        status, out, err = self.deploy(*args, "--format", "json", **more)
        expect(f"exit {status}: {err}", status == 0)
        return json.loads(out)

    def refused(self, why, *args, sent_on=None, **more):
        """Exit 1, one line that says why, and not a transaction."""
        chains = (self.anvil, self.base)
        before = [c.rpc.call("eth_getTransactionCount", a, "latest") for c in chains
                  for a in (c.owner, self.wallet.address)]
        status, out, err = self.deploy(*args, **more)
        expect(f"exit {status}: {out}{err}", status == 1 and not out)
        expect(f"says {err}", why in err and err.strip().count("\n") == 0 and "Traceback" not in err)
        after = [c.rpc.call("eth_getTransactionCount", a, "latest") for c in chains
                 for a in (c.owner, self.wallet.address)]
        expect(f"it sent something: {before} {after}", before == after)

    def word(self, chain, contract, signature, *values):
        data = "0x" + chain.selector(signature) + mesh.abi_arguments(signature, *values).hex()
        return chain.rpc.call("eth_call", {"to": contract, "data": data}, "latest")


@test
def on_anvil_it_deploys_and_says_what_operators_need(w):
    out = w.deployed("anvil", "--base-domain", "127.0.0.1", "--base-domain", "nodes.example.org",
                     "--name", "it's, \"our\" mesh", chain=w.anvil, root=PUBLIC_ROOT)
    contract = out["contract"]
    expect(f"{out}", out["sent"] and out["chain_id"] == 31337 and out["block"] > 0)
    expect("code", len(w.anvil.rpc.call("eth_getCode", contract, "latest")) > 1000)
    root = w.word(w.anvil, contract, "kmsRootAddress()")
    expect(f"root {root}", root[-40:] == out["kms_root"][2:] == PUBLIC_ROOT[2:].lower())
    expect("owner", w.word(w.anvil, contract, "owner()")[-40:] == out["owner"][2:] == w.anvil.owner[2:].lower())
    expect("max", int(w.word(w.anvil, contract, "maxNodes()"), 16) == 10)
    app = w.word(w.anvil, contract, "isAppIdAllowed(bytes20)", "0x" + APP + "00" * 12)
    expect("app id", int(app, 16) == 1)
    for domain in ("127.0.0.1", "nodes.example.org"):
        allowed = w.word(w.anvil, contract, "allowedBaseDomains(string)", domain)
        expect(f"{domain} is allowed", int(allowed, 16) == 1)
    # The line is one that a node takes, but for the endpoint.
    argv = out["operators"].replace("--rpc URL", "--rpc " + w.anvil.url).split()
    expect(f"{argv}", argv[:2] == ["nftmesh", "node"])
    mesh.run(*argv[1:], "--check-config", "--dstack", os.path.join(w.dir, "none.sock"),
             "--data-dir", os.path.join(w.dir, "data"))


@test
def the_text_shows_the_same(w):
    status, out, err = w.deploy("anvil", chain=w.anvil)
    expect(f"exit {status}: {err}", status == 0)
    contract = re.search(r"contract +(0x[0-9a-f]{40})\n", out).group(1)
    for what in ("chain id      31337", f"KMS root      {ROOT.lower()}", APP, "no URL can be registered",
                 f"--contract {contract} "):
        expect(f"{what} in {out}", what in out)


@test
def anywhere_else_it_only_shows(w):
    before = w.base.rpc.call("eth_getTransactionCount", w.wallet.address, "latest")
    for args in ([], ["--wallet-key-file", w.wallet.path]):
        out = w.deployed("base-sepolia", *args, chain=w.base)
        expect(f"{out}", not out["sent"] and out["contract"] is None and out["gas"] > 1_000_000)
        expect(f"{out}", out["cost_wei"] == out["gas"] * out["gas_price_wei"])
    expect("sent", before == w.base.rpc.call("eth_getTransactionCount", w.wallet.address, "latest"))
    out = w.deployed("anvil", "--dry-run", chain=w.anvil)
    expect(f"{out}", not out["sent"] and out["contract"] is None)


@test
def broadcast_sends_with_the_wallets_key(w):
    out = w.deployed("base-sepolia", "--broadcast", "--wallet-key-file", w.wallet.path, chain=w.base)
    expect(f"{out}", out["sent"] and out["owner"] == w.wallet.address)
    owner = w.word(w.base, out["contract"], "owner()")
    expect(f"owner {owner}", owner[-40:] == w.wallet.address[2:])
    # Forge keeps a record of what it sent: the key is not in it.
    key = open(w.wallet.path).read().strip()
    with open(os.path.join(mesh.ROOT, f"contracts/broadcast/Deploy.s.sol/{BASE_SEPOLIA}/run-latest.json")) as f:
        expect("the key is on disk", key not in f.read())
    out = w.deployed("base-sepolia", "--broadcast", chain=w.base, env={"PRIVATE_KEY": "0x" + key})
    expect(f"{out}", out["owner"] == w.wallet.address)


@test
def a_keystore_pays_and_a_descriptor_brings_a_key(w):
    by_file = ["--wallet-password-file", w.password]
    out = w.deployed("base-sepolia", "--broadcast", "--wallet-key-file", w.keystore, *by_file, chain=w.base)
    expect(f"{out}", out["sent"] and out["owner"] == w.keystore_owner)
    owner = w.word(w.base, out["contract"], "owner()")
    expect(f"owner {owner}", owner[-40:] == w.keystore_owner[2:])
    with open(os.path.join(mesh.ROOT, f"contracts/broadcast/Deploy.s.sol/{BASE_SEPOLIA}/run-latest.json")) as f:
        expect("the password is on disk", "a long password" not in f.read())
    out = w.deployed("base-sepolia", chain=w.base, key=w.keystore,
                     env={"NFTMESH_WALLET_PASSWORD": "a long password"})
    expect(f"a keystore by a descriptor: {out}", out["owner"] == w.keystore_owner and not out["sent"])
    out = w.deployed("base-sepolia", chain=w.base, key=w.wallet.path, env={"PRIVATE_KEY": "12"})
    expect(f"digits by a descriptor, before the environment: {out}", out["owner"] == w.wallet.address)


@test
def a_keystore_that_does_not_open_sends_nothing(w):
    def refused(why, *args, **more):
        w.refused(why, "base-sepolia", "--broadcast", "--wallet-key-file", w.keystore, *args, chain=w.base, **more)
    refused("the keystore does not open", env={"NFTMESH_WALLET_PASSWORD": "another password"})
    refused("is a keystore: its password by --wallet-password-file")
    os.chmod(w.password, 0o644)
    try:
        refused(f"chmod 600 {w.password}", "--wallet-password-file", w.password)
    finally:
        os.chmod(w.password, 0o600)
    w.refused("--wallet-key-fd 99: Bad file descriptor", "base-sepolia", "--wallet-key-fd", "99", chain=w.base)
    with open(w.keystore, encoding="ascii") as f:
        w.refused("PRIVATE_KEY: not a private key (64 hex digits)", "base-sepolia", chain=w.base,
                  env={"PRIVATE_KEY": f.read()})


@test
def each_preset_is_its_chains(w):
    """On an endpoint of its chain it shows what it would send; one of any other chain it refuses."""
    chains = {"anvil": w.anvil, "base-sepolia": w.base}
    others = [mesh.Chain(chain_id=CHAIN_IDS[name]) for name in CHAIN_IDS if name not in chains]
    chains.update(zip([name for name in CHAIN_IDS if name not in chains], others))
    try:
        for preset, chain_id in CHAIN_IDS.items():
            dry = ["--dry-run"] if preset == "anvil" else []
            before = chains[preset].rpc.call("eth_getTransactionCount", chains[preset].owner, "latest")
            out = w.deployed(preset, *dry, chain=chains[preset])
            expect(f"{preset}: {out}", out["chain_id"] == chain_id and out["contract"] is None and not out["sent"])
            expect(f"{preset}: {out}", f"--chain-id {chain_id} " in out["operators"] and out["gas"] > 1_000_000)
            after = chains[preset].rpc.call("eth_getTransactionCount", chains[preset].owner, "latest")
            expect(f"{preset} sent something: {before} {after}", before == after)
            other = next(name for name in CHAIN_IDS if name != preset)
            w.refused(f"is an endpoint of chain {CHAIN_IDS[other]} ({other}), and {preset} is {chain_id}",
                      preset, chain=chains[other])
    finally:
        for chain in others:
            chain.stop()


@test
def a_root_with_a_public_key_is_for_anvil_only(w):
    for root in (PUBLIC_ROOT, "0x8f2cF602C9695b23130367ed78d8F557554de7C5",
                 "0xA7F6043C29f9cc1d9D6aCF554c53E0c6792AaEAf".lower()):
        w.refused("its private key is public", "base-sepolia", chain=w.base, root=root)
    w.refused("--kms-root is zero", "anvil", chain=w.anvil, root="0x" + "0" * 40)


@test
def arguments_that_mean_nothing_are_named(w):
    w.refused("--kms-root 0x12: not an address", "anvil", chain=w.anvil, root="0x12")
    w.refused("--app-id", "anvil", chain=w.anvil, app="12")
    w.refused("--app-id: the same one twice", "anvil", "--app-id", "0x" + APP.upper(), chain=w.anvil)
    w.refused("--max-nodes: at least 1", "anvil", chain=w.anvil, nodes=0)
    for domain in ("", ".example.org", "Example.org", "https://example.org", "example.org:1", "a..b"):
        w.refused(f"--base-domain {domain}:", "anvil", "--base-domain", domain, chain=w.anvil)


@test
def the_endpoint_must_be_of_the_presets_chain(w):
    w.refused("is an endpoint of chain 84532 (base-sepolia), and anvil is 31337", "anvil", chain=w.base)
    w.refused("is an endpoint of chain 31337 (anvil), and base is 8453", "base", chain=w.anvil)
    w.refused("base needs an endpoint: --rpc URL", "base")
    w.refused("http://127.0.0.1:1 does not answer eth_chainId", "anvil", url="http://127.0.0.1:1/secret-key")
    proxy = mesh.Proxy(w.anvil)
    for mode in ("wrong_types", "junk", "down"):
        proxy.mode = mode
        w.refused("eth_chainId", "anvil", url=proxy.url)
    proxy.close()


@test
def a_key_must_be_ones_own_and_have_funds(w):
    w.refused("whose transactions?", "base-sepolia", "--broadcast", chain=w.base)
    os.chmod(w.wallet.path, 0o640)
    try:
        w.refused("others can read it; chmod 600", "anvil", "--wallet-key-file", w.wallet.path, chain=w.anvil)
    finally:
        os.chmod(w.wallet.path, 0o600)
    w.refused("none: No such file", "anvil", "--wallet-key-file", os.path.join(w.dir, "none"), chain=w.anvil)
    w.refused("PRIVATE_KEY: not a private key", "anvil", chain=w.anvil, env={"PRIVATE_KEY": "12"})
    poor = mesh.Wallet(w.anvil, os.path.join(w.dir, "poor.wallet"))
    w.anvil.fund(poor.address, 0)
    w.refused("has 0.000000 ether, 0.", "anvil", "--wallet-key-file", poor.path, chain=w.anvil)
    w.refused("above --max-fee-gwei 0.001: nothing was sent", "anvil", "--max-fee-gwei", "0.001", chain=w.anvil)


@test
def a_contract_without_code_is_an_error(w):
    proxy = NoCode(w.anvil)
    proxy.mode = "no_code"
    try:
        status, out, err = w.deploy("anvil", url=proxy.url)
        expect(f"exit {status}: {out}{err}", status == 1 and "shows no code at 0x" in err)
    finally:
        proxy.close()


if __name__ == "__main__":
    sys.exit(main(World, "deploy_"))
