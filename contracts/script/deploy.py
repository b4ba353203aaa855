"""Deploys the contract by forge: checks first, shows what it would send, sends when told to, and looks
at what stands on chain afterwards. Standard library only."""
import argparse
import getpass
import json
import os
import re
import stat
import subprocess
import sys
import urllib.error
import urllib.request

CONTRACTS = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
ROOT = os.path.dirname(CONTRACTS)
FORGE = os.path.join(CONTRACTS, "node_modules/@foundry-rs/forge-linux-amd64/bin/forge")

# preset: chain id, what it is called, an endpoint when none is given
PRESETS = {
    "anvil": (31337, "a local anvil", "http://127.0.0.1:8545"),
    "base": (8453, "Base", None),
    "base-sepolia": (84532, "Base Sepolia", None),
    "ethereum": (1, "Ethereum", None),
    "sepolia": (11155111, "Sepolia", None),
}
# Their private keys are in public repositories: everybody makes valid chains under them.
PUBLIC_ROOTS = {
    "0x8f2cf602c9695b23130367ed78d8f557554de7c5": "of the DStack simulator up to 0.5.5",
    "0xa7f6043c29f9cc1d9d6acf554c53e0c6792aaeaf": "of the DStack simulator since 0.5.6",
    "0x9ad9076ef654fae9ea83e2369c49b21227ffa12c": "of the test vectors",
}
EXAMPLES = """examples:
  scripts/deploy anvil --kms-root 0x9Ad9..A12c --app-id d29c..6dec --max-nodes 10 --base-domain 127.0.0.1
  scripts/deploy base --kms-root 0x.. --app-id HEX --max-nodes 20 --base-domain nodes.example.org \\
      --rpc https://rpc.example --wallet-key-file owner.wallet                 # shows gas and cost
  ... the same with --broadcast                                              # sends

The deployer becomes the contract's owner; transferOwnership() hands it on, acceptOwnership() takes it.
The key comes from --wallet-key-fd, --wallet-key-file (mode 0600) or the environment variable
PRIVATE_KEY, in this order and never from the command line: 64 hex digits, or from the first two also a
v3 keystore as `nftmesh keygen --keystore` writes it. A keystore's password comes from
--wallet-password-file (mode 0600), NFTMESH_WALLET_PASSWORD, or the terminal; forge opens it. On anvil
without a key the chain's first account pays; elsewhere a dry run without one still shows gas and cost."""
KEY_BYTES_MAX = 64 * 1024


class Refused(Exception):
    """What is wrong and what to do next, in a sentence or two."""


def parse(argv):
    p = argparse.ArgumentParser(
        prog="scripts/deploy", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Deploys the membership contract. On anvil it sends; on any other chain it only\n"
                    "shows what it would send, unless --broadcast is given.",
        epilog="presets:\n" + "".join(f"  {name:13} {text}, chain id {chain}\n"
                                      for name, (chain, text, _) in PRESETS.items()) + "\n" + EXAMPLES)
    p.add_argument("preset", choices=PRESETS, metavar="PRESET", help="the chain: see below")
    p.add_argument("--kms-root", required=True, metavar="0x..", help="address of the KMS root that nodes trust")
    p.add_argument("--app-id", required=True, action="append", metavar="HEX",
                   help="allowed app id, 20 bytes of hex; again for more")
    p.add_argument("--max-nodes", required=True, type=int, metavar="N", help="greatest number of seats")
    p.add_argument("--name", default="nftmesh seats", help="the token's name (default: %(default)s)")
    p.add_argument("--symbol", default="SEAT", help="the token's symbol (default: %(default)s)")
    p.add_argument("--base-domain", action="append", default=[], metavar="DOMAIN",
                   help="nodes may register URLs under it; again for more; without any, no URL can be registered")
    p.add_argument("--rpc", metavar="URL", help="an endpoint of the chain; or the environment variable RPC_URL")
    p.add_argument("--wallet-key-file", metavar="FILE", help="the deployer's key or keystore, mode 0600")
    p.add_argument("--wallet-key-fd", type=int, metavar="N", help="the same from an inherited descriptor")
    p.add_argument("--wallet-password-file", metavar="FILE", help="the keystore's password, mode 0600")
    p.add_argument("--max-fee-gwei", type=float, metavar="G", help="send nothing while gas costs more than this")
    p.add_argument("--broadcast", action="store_true", help="send the transactions")
    p.add_argument("--dry-run", action="store_true", help="send nothing, on anvil too")
    p.add_argument("--format", choices=("text", "json"), default="text")
    return p.parse_args(argv)


# ---- what is given -------------------------------------------------------------------------------

def address_of(text, option):
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise Refused(f"{option} {text}: not an address (0x and 40 hex digits)")
    return text.lower()


def check_arguments(a):
    root = address_of(a.kms_root, "--kms-root")
    if int(root, 16) == 0:
        raise Refused("--kms-root is zero: then anything would pass as signed by it")
    if root in PUBLIC_ROOTS and a.preset != "anvil":
        raise Refused(f"--kms-root {a.kms_root} is {PUBLIC_ROOTS[root]}: its private key is public and anybody "
                      "could join. Give the root of the KMS that your nodes use")
    apps = [text.lower().removeprefix("0x") for text in a.app_id]
    for app in apps:
        if not re.fullmatch(r"[0-9a-f]{40}", app) or int(app, 16) == 0:
            raise Refused(f"--app-id {app}: not an app id (40 hex digits, not zero)")
    if len(set(apps)) != len(apps):
        raise Refused("--app-id: the same one twice")
    if a.max_nodes < 1:
        raise Refused("--max-nodes: at least 1")
    for domain in a.base_domain:
        labels = domain.split(".")
        if len(domain) > 253 or not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", x) for x in labels):
            raise Refused(f"--base-domain {domain}: a host name in lower case, without scheme, port or path")
    return root, apps


class Key:
    """The deployer's key for forge, by what its environment and descriptors hold: nothing of it is printed, an
    argument, or a file on disk. secrets are what an error of forge's must not repeat."""

    def __init__(self, source, digits=None, keystore=None, password=None):
        self.source, self.is_keystore = source, keystore is not None
        self.env, self.arguments, self.fds, self.secrets = {}, [], (), [digits or password]
        if digits:
            self.env["PRIVATE_KEY"] = "0x" + digits
        else:
            self.fds = (in_memory(keystore), in_memory(password))
            self.arguments = ["--keystore", f"/dev/fd/{self.fds[0]}", "--password-file", f"/dev/fd/{self.fds[1]}"]


def in_memory(text):
    """A descriptor of a file that is in no file system: forge wants a regular one, and reads it at each run."""
    fd = os.memfd_create("nftmesh-deploy")
    with os.fdopen(os.dup(fd), "w", encoding="utf-8") as f:
        f.write(text)
    return fd


def secret_text(f, source, path=None):
    """What a file of mode 0600, or a descriptor, has to say; stripped."""
    if path and stat.S_IMODE(os.fstat(f.fileno()).st_mode) & 0o077:
        raise Refused(f"{source}: others can read it; chmod 600 {path}")
    text = f.read(KEY_BYTES_MAX + 1)
    if len(text) > KEY_BYTES_MAX:
        raise Refused(f"{source}: longer than {KEY_BYTES_MAX // 1024} KiB")
    return text.strip()


def secret_of(source, path=None, fd=None):
    try:
        with open(path if fd is None else fd, encoding="utf-8", errors="replace") as f:
            return secret_text(f, source, path)
    except (OSError, ValueError) as e:
        raise Refused(f"{source}: {getattr(e, 'strerror', None) or e}") from None


def password_of(a, source):
    if a.wallet_password_file:
        path = a.wallet_password_file
        return secret_of(f"--wallet-password-file {path}", path)
    if os.environ.get("NFTMESH_WALLET_PASSWORD"):
        return os.environ["NFTMESH_WALLET_PASSWORD"]
    if not sys.stdin.isatty():
        raise Refused(f"{source} is a keystore: its password by --wallet-password-file FILE, "
                      "NFTMESH_WALLET_PASSWORD, or at a terminal")
    return getpass.getpass(f"password of {source}: ")


def key_of(a):
    """The deployer's Key, or None."""
    if a.wallet_key_fd is not None:
        source = f"--wallet-key-fd {a.wallet_key_fd}"
        text = secret_of(source, fd=a.wallet_key_fd)
    elif a.wallet_key_file:
        source = f"--wallet-key-file {a.wallet_key_file}"
        text = secret_of(source, a.wallet_key_file)
    elif os.environ.get("PRIVATE_KEY"):
        text, source = os.environ["PRIVATE_KEY"].strip(), "PRIVATE_KEY"
    else:
        return None
    if text.startswith("{") and source != "PRIVATE_KEY":
        return Key(source, keystore=text, password=password_of(a, source))
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        either = "" if source == "PRIVATE_KEY" else ", or a v3 keystore"
        raise Refused(f"{source}: not a private key (64 hex digits{either})")
    return Key(source, digits=digits)


# ---- the endpoint --------------------------------------------------------------------------------

class Rpc:
    def __init__(self, url):
        self.url = url
        self.shown = re.sub(r"^(\w+://)(?:[^@/]*@)?([^/?#]*).*", r"\1\2", url)  # no user, path, query

    def __call__(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                told = json.loads(answer.read(1 << 20))
            if "error" in told:
                raise Refused(f"{self.shown}: {method}: {told['error'].get('message')}")
            result = told["result"]
            if result is not None and not isinstance(result, (str, list)):
                raise ValueError("an answer of another form")
            return result
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            why = getattr(e, "reason", None) or e
            raise Refused(f"{self.shown} does not answer {method}: {why}. Give another with --rpc") from None


def endpoint(a, chain_id):
    url = a.rpc or os.environ.get("RPC_URL") or PRESETS[a.preset][2]
    if not url:
        raise Refused(f"{a.preset} needs an endpoint: --rpc URL, or RPC_URL in the environment")
    rpc = Rpc(url)
    found = number(rpc, "eth_chainId")
    if found != chain_id:
        known = next((f" ({name})" for name, p in PRESETS.items() if p[0] == found), "")
        raise Refused(f"{rpc.shown} is an endpoint of chain {found}{known}, and {a.preset} is {chain_id}: "
                      "give the preset that you mean, or another --rpc")
    return rpc


def number(rpc, method, *params):
    """The answer of a method that answers with a number."""
    result = rpc(method, *params)
    if not isinstance(result, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", result):
        raise Refused(f"{rpc.shown}: {method}: no number. Give another with --rpc")
    return int(result, 16)


def ether(wei):
    return f"{wei / 10**18:.6f} ether"


# ---- forge ---------------------------------------------------------------------------------------

def forge(rpc, key, *argv):
    """One run of script/Deploy.s.sol; its standard output. The endpoint goes by the environment, and a key as it says."""
    hidden = ("PRIVATE_KEY", "NFTMESH_WALLET_PASSWORD", "ETH_KEYSTORE", "ETH_KEYSTORE_ACCOUNT", "ETH_PASSWORD")
    env = {**{k: v for k, v in os.environ.items() if k not in hidden}, "FOUNDRY_ETH_RPC_URL": rpc.url}
    env.update(key.env if key else {})
    p = subprocess.run([FORGE, "script", "--root", "contracts", "contracts/script/Deploy.s.sol:Deploy",
                        "--non-interactive", *argv, *(key.arguments if key else [])], cwd=ROOT, env=env,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, pass_fds=key.fds if key else ())
    if p.returncode != 0:
        lines = [x.strip() for x in (p.stderr + p.stdout).splitlines() if "Error" in x or "rror:" in x]
        said = "; ".join(dict.fromkeys(lines)) or p.stderr.strip()[-400:]
        for secret in key.secrets if key else ():
            said = said.replace(secret, "..") if secret else said
        raise Refused("forge: " + said)
    return p.stdout


def run_arguments(a, sender, root, apps, key):
    quoted = "[" + ",".join(json.dumps(d) for d in a.base_domain) + "]"
    ids = "[" + ",".join("0x" + app for app in apps) + "]"
    argv = ["--sig", "run(address,string,string,address,bytes20[],uint256,string[])",
            sender, a.name, a.symbol, root, ids, str(a.max_nodes), quoted, "--sender", sender]
    return argv if key else argv + ["--unlocked"]


def record(chain_id, *kind):
    """What forge wrote about its last run."""
    path = os.path.join(CONTRACTS, "broadcast/Deploy.s.sol", str(chain_id), *kind, "run-latest.json")
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def sender_of(rpc, key):
    if not key:
        return None
    try:
        return re.search(r"0x[0-9a-fA-F]{40}", forge(rpc, key, "--sig", "whoami()")).group(0).lower()
    except Refused as e:
        if not key.is_keystore:
            raise
        raise Refused(f"{key.source}: the keystore does not open: another password, or no v3 keystore ({e})") from None


# ---- the whole -----------------------------------------------------------------------------------

def plan(a, rpc, chain_id, sender, root, apps, key):
    """The transactions as forge simulates them on the chain's state: gas and what it costs now."""
    forge(rpc, key, *run_arguments(a, sender, root, apps, key))
    transactions = record(chain_id, "dry-run")["transactions"]
    gas = sum(int(t["transaction"]["gas"], 16) for t in transactions)
    price = number(rpc, "eth_gasPrice")
    return {"transactions": len(transactions), "gas": gas, "gas_price_wei": price, "cost_wei": gas * price}


def check_funds(a, rpc, sender, planned):
    price, cost = planned["gas_price_wei"], planned["cost_wei"]
    if a.max_fee_gwei is not None and price > a.max_fee_gwei * 10**9:
        raise Refused(f"gas costs {price / 10**9:g} gwei, above --max-fee-gwei {a.max_fee_gwei:g}: nothing was sent")
    balance = number(rpc, "eth_getBalance", sender, "latest")
    if balance < cost:
        raise Refused(f"{sender} has {ether(balance)}, {ether(cost - balance)} less than the {ether(cost)} "
                      "that this costs: nothing was sent")


def send(a, rpc, chain_id, sender, root, apps, key):
    """Sends, and believes only what the chain shows: (address, block)."""
    try:
        forge(rpc, key, *run_arguments(a, sender, root, apps, key), "--broadcast", "--slow")
    except Refused as e:
        raise Refused(f"{e}. What was sent until then is in contracts/broadcast/Deploy.s.sol/{chain_id}; "
                      "a contract that came to stand lacks base domains: add them, or deploy anew") from None
    receipts = record(chain_id)["receipts"]
    made = next((r for r in receipts if r.get("contractAddress")), None)
    if made is None or any(int(r["status"], 16) != 1 for r in receipts):
        raise Refused("a transaction failed: look at contracts/broadcast/Deploy.s.sol before trying again")
    contract = made["contractAddress"].lower()
    if rpc("eth_getCode", contract, "latest") in ("0x", "", None):
        raise Refused(f"{rpc.shown} shows no code at {contract} after the deployment: "
                      "do not use it; ask another endpoint whether the transaction stands")
    if not rpc("eth_call", {"to": contract, "data": "0xda61992b"}, "latest").endswith(root[2:]):
        raise Refused(f"the contract at {contract} does not name {root} as its KMS root: do not use it")
    return contract, int(made["blockNumber"], 16)


def operators_line(a, out):
    apps = " ".join(f"--app-id {app}" for app in out["app_ids"])
    dev = " --dev" if out["kms_root"] in PUBLIC_ROOTS else ""
    return (f"nftmesh node --chain-id {out['chain_id']} --contract {out['contract'] or 'CONTRACT'} "
            f"--kms-root {out['kms_root']} {apps} --rpc URL{dev}")


def report(a, out):
    if a.format == "json":
        print(json.dumps(out))
        return
    rows = [("contract", out["contract"] or "not deployed: a dry run"), ("chain id", out["chain_id"]),
            ("block", out["block"]), ("owner", out["owner"]), ("KMS root", out["kms_root"]),
            ("app ids", ", ".join(out["app_ids"])), ("max nodes", out["max_nodes"]),
            ("base domains", ", ".join(out["base_domains"]) or "none: no URL can be registered until addBaseDomain()"),
            ("transactions", out["transactions"]),
            ("gas", f"{out['gas']:,} at {out['gas_price_wei'] / 10**9:g} gwei: {ether(out['cost_wei'])} at most")]
    for name, value in rows:
        if value is not None:
            print(f"{name:13} {value}")
    if out["contract"]:
        print("\nTo every operator, to be pinned in the measured compose file:")
    else:
        print("\nNothing was sent; --broadcast sends. Operators will be given:")
    print("  " + out["operators"])


def main(argv):
    a = parse(argv)
    chain_id = PRESETS[a.preset][0]
    root, apps = check_arguments(a)
    key = key_of(a)
    rpc = endpoint(a, chain_id)
    sends = not a.dry_run and (a.broadcast or a.preset == "anvil")
    sender = sender_of(rpc, key)
    if not sender:
        accounts = rpc("eth_accounts") if a.preset == "anvil" else []
        if sends and not accounts:
            raise Refused("whose transactions? --wallet-key-file FILE, or PRIVATE_KEY in the environment")
        sender = accounts[0].lower() if accounts else "0x" + "1" * 40
    out = {"preset": a.preset, "chain_id": chain_id, "contract": None, "block": None,
           "owner": sender if key or sends else None, "kms_root": root, "app_ids": apps,
           "max_nodes": a.max_nodes, "base_domains": a.base_domain, "sent": False,
           **plan(a, rpc, chain_id, sender, root, apps, key)}
    if sends:
        check_funds(a, rpc, sender, out)
        out["contract"], out["block"] = send(a, rpc, chain_id, sender, root, apps, key)
        out["sent"] = True
    out["operators"] = operators_line(a, out)
    report(a, out)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as refused:
        print(f"scripts/deploy: {refused}", file=sys.stderr)
        sys.exit(1)
