"""Real parts for end-to-end tests and the demo: a local chain (anvil), the compiled contract, guest
agents, nodes, an RPC proxy that can lie, and a client for each. Standard library only.

Every wait is for a condition with a deadline; nothing here sleeps for a fixed time and hopes.
"""
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("NFTMESH_BUILD", os.path.join(ROOT, "build"))
NFTMESH = os.path.join(BUILD, "nftmesh")
IMPOSTOR = os.path.join(BUILD, "nftmesh-impostor")
ANVIL = os.path.join(ROOT, "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
ARTIFACT = os.path.join(ROOT, "contracts/out/DstackMembershipNFT.sol/DstackMembershipNFT.json")
PROTOTYPE = os.path.join(ROOT, "contracts/out/PrototypeMembership.sol/PrototypeMembership.json")
PURPOSE = "nftmesh-node-v1"
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # its topic
CHAIN_ID = 31337
PAGE = 32  # seats in an answer of the contract
# Deadlines in the files are an idle machine's, and a wait that succeeds does not take longer for a
# longer one: twice that on any, more for a slower machine or a sanitizer.
SCALE = float(os.environ.get("NFTMESH_E2E_SCALE", "2"))


class Failed(Exception):
    """A condition that did not come true, said in one line."""


def wait_for(what, condition, deadline_s=30.0, poll_s=0.02):
    """Returns the first true value of condition(); raises Failed(what) at the deadline. A question that
    nobody answers (a node that starts, a machine that is busy) has no answer yet, and is asked again."""
    end = time.monotonic() + deadline_s * SCALE
    while True:
        silence = ""
        try:
            value = condition()
            if value:
                return value
        except (OSError, http.client.HTTPException) as e:
            silence = f" ({e!r})"
        if time.monotonic() > end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                what = what() if callable(what) else what
            raise Failed(f"not within {deadline_s * SCALE:.0f} s{silence}: {what}")
        time.sleep(poll_s)


# Another run at the same time has another first port; 6,000 from there on below the ephemeral range
# (32768 on most machines), so that no dialer takes one.
_first_port = int(os.environ.get("NFTMESH_TEST_PORT", "20000"))
_ports = iter(random.sample(range(_first_port, _first_port + 6000), 4000))


def free_port():
    """A loopback port nobody listens on."""
    while True:
        port = next(_ports)
        with contextlib.closing(socket.socket()) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                return port


# ---- processes ---------------------------------------------------------------------------------

_running = []


class Process:
    """A child in its own process group, its standard error kept line by line."""
    p, lines = None, ()  # not started yet

    def __init__(self, argv, name, env=None, log_path=None):
        self.name = name
        self.lines = []
        self._drained = False
        self.log_path = log_path
        self._log = open(log_path, "ab", buffering=0) if log_path else None
        self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=env, start_new_session=True)
        _running.append(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self.p.stdout:
            self.lines.append((time.time(), raw.decode("utf-8", "replace").rstrip("\n")))
            if self._log:
                self._log.write(raw)

    def text(self):
        return "\n".join(line for _, line in list(self.lines))

    def alive(self):
        if self.p is None:
            return False
        if self.p.poll() is None:
            return True
        self._drain()
        return False

    def _drain(self):
        """Once it has ended its last words are read, too; a child of its own may keep the pipe open."""
        if not self._drained:
            self._reader.join(2)
            self._drained = True

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.p.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.p.wait()
        self._drain()

    def stop(self, deadline_s=10):
        """SIGTERM, then its exit status; Failed when it does not end."""
        self.signal(signal.SIGTERM)
        try:
            self.p.wait(deadline_s * SCALE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.name} did not end within {deadline_s} s of SIGTERM") from None
        self._drain()
        return self.p.returncode


def stop_all():
    """Ends every child of ours; the last resort of each test."""
    for p in reversed(_running):
        if p.alive():
            p.signal(signal.SIGCONT)
            p.signal(signal.SIGKILL)
    for p in _running:
        with contextlib.suppress(Exception):
            p.p.wait(5)
    _running.clear()


# ---- the chain ---------------------------------------------------------------------------------

def pad32(value):
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    raw = bytes.fromhex(value[2:] if value.startswith("0x") else value)
    return raw.rjust(32, b"\0")


def abi_dynamic(data):
    """bytes or string: length and right-padded content."""
    return len(data).to_bytes(32, "big") + data + b"\0" * (-len(data) % 32)


def abi_arguments(signature, *values):
    """The arguments of f(types): int or hex for a word, str for string, bytes for bytes."""
    types = signature[signature.index("(") + 1:-1].split(",") if values else []
    assert len(types) == len(values), signature
    head, tail = b"", b""
    for kind, value in zip(types, values):
        if kind in ("string", "bytes"):
            head += pad32(32 * len(types) + len(tail))
            tail += abi_dynamic(value.encode() if kind == "string" else value)
        elif kind == "bytes32":
            head += bytes.fromhex(value.removeprefix("0x")).ljust(32, b"\0")
        else:
            head += pad32(int(value) if isinstance(value, bool) else value)
    return head + tail


def height_of(receipt):
    return int(receipt["blockNumber"], 16)


class Rpc:
    def __init__(self, url):
        self.url = url
        self.host, port = url.split("//")[1].split(":")
        self.port = int(port)

    def call(self, method, *params, timeout=30):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        c = http.client.HTTPConnection(self.host, self.port, timeout=timeout * SCALE)
        try:
            c.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(c.getresponse().read())
        finally:
            c.close()
        if "error" in answer:
            raise Failed(f"{method}: {answer['error'].get('message')}")
        return answer["result"]


class Chain(Process):
    """anvil with a block each second, and what the tests do as wallets of it. prompt: a transaction has
    a block of its own at once; not for what is about transactions that wait. host: where it listens."""

    def __init__(self, block_time=1, log_path=None, port=None, chain_id=CHAIN_ID, prompt=False,
                 host="127.0.0.1"):
        self.port = port or free_port()
        self.id = chain_id
        self.url = f"http://127.0.0.1:{self.port}"
        self.rpc = Rpc(self.url)
        super().__init__([ANVIL, "--host", host, "--port", str(self.port), "--block-time",
                          str(block_time), "--chain-id", str(chain_id),
                          "--slots-in-an-epoch", "1", "--accounts", "3", "--silent",
                          *(["--mixed-mining"] if prompt else [])],
                         "anvil", log_path=log_path)
        wait_for("anvil answers", self._answers)
        self.owner = self.rpc.call("eth_accounts")[0]
        self.artifact = json.load(open(ARTIFACT))

    def _answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return self.rpc.call("eth_chainId") == hex(self.id)
        return False

    def height(self):
        return int(self.rpc.call("eth_blockNumber"), 16)

    def selector(self, signature):
        return self.artifact["methodIdentifiers"][signature]

    def send(self, sender, to, data):
        """One transaction from an unlocked or impersonated account; its receipt, or Failed."""
        tx = {"from": sender, "data": data, "gas": hex(12_000_000)}
        if to:
            tx["to"] = to
        digest = self.rpc.call("eth_sendTransaction", tx)
        receipt = wait_for(f"receipt of {digest}",
                           lambda: self.rpc.call("eth_getTransactionReceipt", digest), 30)
        if receipt["status"] != "0x1":
            raise Failed(f"reverted: {data[:10]} from {sender}")
        return receipt

    def fund(self, address, ether=100):
        self.rpc.call("anvil_setBalance", address, hex(ether * 10**18))

    def as_wallet(self, address):
        self.rpc.call("anvil_impersonateAccount", address)
        return address

    def deploy(self, kms_root, app_ids, max_nodes=100):
        """The compiled contract, taking any URL: (address, block)."""
        ids = b"".join(bytes.fromhex(a).ljust(32, b"\0") for a in app_ids)
        name, symbol = abi_dynamic(b"nftmesh seats"), abi_dynamic(b"SEAT")
        apps = len(app_ids).to_bytes(32, "big") + ids
        head = 5 * 32
        args = (pad32(head) + pad32(head + len(name)) + pad32(kms_root) +
                pad32(head + len(name) + len(symbol)) + pad32(max_nodes) + name + symbol + apps)
        receipt = self.send(self.owner, None, self.artifact["bytecode"]["object"] + args.hex())
        contract = receipt["contractAddress"].lower()
        self.contract_call(contract, "setDevMode(bool)", 1)  # URLs are on loopback here
        return contract, height_of(receipt)

    def deploy_prototype(self, kms_root):
        """The prototype's contract, flaws included."""
        return Prototype(self, kms_root)

    def contract_call(self, contract, signature, *words, sender=None):
        data = "0x" + self.selector(signature) + b"".join(pad32(w) for w in words).hex()
        return self.send(sender or self.owner, contract, data)

    def seats(self, contract):
        """What membersPage says of all seats: token -> {node_key, proof_key, owner}."""
        found, count = {}, PAGE
        while count == PAGE:
            raw = bytes.fromhex(self.read(contract, "membersPage(uint256,uint256)", len(found), PAGE)[2:])
            word = lambda at: int.from_bytes(raw[at:at + 32], "big")
            count = word(32)
            for i in range(count):
                at = 64 + word(64 + 32 * i)
                blob = lambda field: (lambda p: raw[p + 32:p + 32 + word(p)].hex())(at + word(at + 32 * field))
                found[word(at)] = {"owner": "0x" + raw[at + 44:at + 64].hex(), "node_key": blob(4),
                                   "proof_key": blob(5)}
        return found

    def read(self, contract, signature, *words):
        data = "0x" + self.selector(signature) + b"".join(pad32(w) for w in words).hex()
        return self.rpc.call("eth_call", {"to": contract, "data": data}, "latest")


class Prototype:
    """The prototype's contract on a chain of ours (contracts/test/prototype), and what wallets do there.

    A sender that is not the chain's owner is a funded address; its key is not needed.
    """

    def __init__(self, chain, kms_root):
        self.chain, self.owner = chain, chain.owner
        artifact = json.load(open(PROTOTYPE))
        self.selectors = artifact["methodIdentifiers"]
        receipt = chain.send(self.owner, None, artifact["bytecode"]["object"] + pad32(kms_root).hex())
        self.address, self.block = receipt["contractAddress"].lower(), height_of(receipt)

    def data(self, signature, *values):
        return "0x" + self.selectors[signature] + abi_arguments(signature, *values).hex()

    def send(self, sender, signature, *values):
        """The height that has the transaction; Failed when it reverts."""
        return height_of(self.chain.send(self.chain.as_wallet(sender), self.address, self.data(signature, *values)))

    def read(self, signature, *values):
        """An answer's bytes."""
        call = {"to": self.address, "data": self.data(signature, *values)}
        return bytes.fromhex(self.chain.rpc.call("eth_call", call, "latest")[2:])

    def mint(self, to):
        """A seat for an address: its token id."""
        self.send(self.owner, "mintNodeAccess(address,string)", to, "")
        return int.from_bytes(self.read("walletToTokenId(address)", to), "big")

    def register_instance(self, sender, instance):
        return self.send(sender, "registerInstance(string)", instance)

    def register_peer(self, sender, instance, url, chain, app_id, purpose):
        """chain: (derived key, app key, app signature, KMS signature), each bytes."""
        return self.send(sender, "registerPeer(string,bytes,bytes,bytes,bytes,string,string,bytes32)",
                         instance, *chain, url, purpose, app_id)

    def deactivate_instance(self, sender, instance):
        return self.send(sender, "deactivateInstance(string)", instance)

    def transfer(self, sender, to, token):
        return self.send(sender, "transferFrom(address,address,uint256)", sender, to, token)

    def set_kms_root(self, root):
        return self.send(self.owner, "setKmsRootAddress(address)", root)

    def owner_of(self, token):
        return "0x" + self.read("ownerOf(uint256)", token)[12:].hex()

    def is_active(self, instance):
        return self.read("activeInstances(string)", instance)[31] == 1

    def url(self, instance):
        answer = self.read("instanceToConnectionUrl(string)", instance)
        return answer[64:64 + int.from_bytes(answer[32:64], "big")].decode()


class Proxy:
    """An RPC endpoint of its own in front of a chain, which can be told to lie or to be gone.

    mode: honest | down | wrong_owner (each seat's owner is another's) | missing_member (fewer
    seats) | old_block (a head 10 blocks back) | ahead (a head that does not exist) | junk | huge |
    deep (nesting) | wrong_types | wrong_chain | truncated_abi | absurd_offsets | hidden_logs (nothing
    was ever logged) | invented_logs (token 0 moves in each range's last block).
    """

    def __init__(self, chain):
        self.chain, self.mode, self.requests, self.lies = chain, "honest", 0, 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = proxy.answer(body)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass

        self.port = free_port()
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body):
        self.requests += 1
        if self.mode == "down":
            return None
        if self.mode == "junk":
            return b"<html>502</html>"
        if self.mode == "huge":
            return b'{"jsonrpc":"2.0","id":1,"result":"' + b"a" * 100_000_000 + b'"}'
        if self.mode == "deep":
            return b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 1_000_000
        c = http.client.HTTPConnection("127.0.0.1", self.chain.port, timeout=10 * SCALE)
        try:
            c.request("POST", "/", body, {"Content-Type": "application/json"})
            raw = c.getresponse().read()
        except OSError:
            return None
        finally:
            c.close()
        if self.mode == "honest":
            return raw
        asked, told = json.loads(body), json.loads(raw)
        pairs = zip(asked, told) if isinstance(asked, list) else [(asked, told)]
        by_id = {q["id"]: q for q, _ in pairs} if isinstance(asked, list) else {asked["id"]: asked}
        for t in told if isinstance(told, list) else [told]:
            self.lie(by_id[t["id"]], t)
        return json.dumps(told).encode()

    def lie(self, asked, told):
        if "result" not in told:
            return
        method, result = asked["method"], told["result"]
        self.bend(method, asked, told, result)
        if told["result"] != result:
            self.lies += 1

    def bend(self, method, asked, told, result):
        if method == "eth_call" and isinstance(result, str) and len(result) > 66:
            call = asked["params"][0]
            data = call.get("data") or call.get("input") or ""
            pages = data.startswith("0x" + self.chain.selector("membersPage(uint256,uint256)"))
            if self.mode == "wrong_owner" and pages:
                owners = {self.owner_word(result, i) for i in range(self.count(result))}
                for word in owners:
                    told["result"] = told["result"].replace(word, "0" * 24 + "de" * 20)
            if self.mode == "missing_member" and pages and self.count(result) > 0:
                head = result[2:66] + (self.count(result) - 1).to_bytes(32, "big").hex()
                told["result"] = "0x" + head + result[2 + 128:]
        if self.mode == "old_block" and method == "eth_blockNumber":
            told["result"] = hex(max(0, int(result, 16) - 10))
        if self.mode == "old_block" and method == "eth_getBlockByNumber" and result:
            told["result"] = dict(result, number=hex(max(0, int(result["number"], 16) - 10)))
        if self.mode == "hidden_logs":
            told["result"] = {"eth_getLogs": [], "eth_getTransactionReceipt": None}.get(method, result)
        if self.mode == "invented_logs" and method == "eth_getLogs":
            f = asked["params"][0]
            told["result"] = result + [{
                "address": f["address"], "data": "0x", "blockNumber": f["toBlock"], "removed": False,
                "blockHash": "0x" + "ab" * 32, "transactionHash": "0x" + "cd" * 32, "logIndex": "0x0",
                "transactionIndex": "0x0", "topics": [TRANSFER] + ["0x" + "00" * 32] * 3}]
        if self.mode == "wrong_types":
            told["result"] = {"a": [1.5, None, True]} if isinstance(result, str) else "0x"
        if self.mode == "wrong_chain" and method == "eth_chainId":
            told["result"] = "0x2105"
        if method == "eth_call" and isinstance(result, str):
            if self.mode == "truncated_abi":
                told["result"] = result[:len(result) // 2 // 2 * 2]
            if self.mode == "absurd_offsets":
                told["result"] = "0x" + "ff" * ((len(result) - 2) // 2)
        if self.mode == "ahead" and method == "eth_blockNumber":
            told["result"] = hex(int(result, 16) + 1000)

    @staticmethod
    def count(result):
        return int(result[2 + 64:2 + 128], 16)

    @staticmethod
    def owner_word(result, index):
        base = 2 + 128
        start = base + 2 * int(result[base + 64 * index:base + 64 * (index + 1)], 16)
        return result[start + 64:start + 128]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# ---- guest agents and wallets -------------------------------------------------------------------

class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def unix_request(path, method, url, body=None, timeout=20):
    c = UnixHttp(path, timeout * SCALE)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        c.request(method, url, None if body is None else json.dumps(body), headers)
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def run(*argv, check=True, env=None, timeout=60):
    """One nftmesh command: (exit status, stdout, stderr)."""
    p = subprocess.run([NFTMESH, *[str(a) for a in argv]], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=timeout * SCALE,
                       env={**os.environ, **(env or {})}, start_new_session=True)  # no terminal to ask on
    if check and p.returncode != 0:
        raise Failed(f"nftmesh {' '.join(str(a) for a in argv[:3])}: {p.stderr.strip()[-400:]}")
    return p.returncode, p.stdout, p.stderr


class Wallet:
    """A key file made by `nftmesh keygen`, with some ether."""

    def __init__(self, chain, path):
        self.path = path
        out = json.loads(run("keygen", "--out", path, "--format", "json")[1])
        self.address = out["address"].lower()
        chain.fund(self.address)


class AgentHost(Process):
    """One `nftmesh simulator` process that serves an instance on a socket for each name."""

    def __init__(self, directory, names, kms_key, app_id, label="agents"):
        self.kms_key = kms_key
        sockets = [os.path.join(directory, f"{name}.sock") for name in names]
        argv = [NFTMESH, "simulator", "--app-id", app_id, "--kms-key", kms_key]
        for path in sockets:
            argv += ["--socket", path]
        super().__init__(argv, label, log_path=os.path.join(directory, f"{label}.log"))
        self.agents = {}
        for name, path in zip(names, sockets):
            self.agents[name] = Agent(path)
            wait_for(lambda: f"{label} answers on {path}: {self.text()}", self.agents[name].answers)
            self.agents[name].read()

    def kms_root(self):
        """The root's address, as the simulator prints it."""
        said = wait_for("the simulator prints its root", lambda: [line for _, line in list(self.lines)
                                                                  if "KMS root" in line])
        return said[0].split()[2].lower()


class Agent:
    """One instance's socket."""

    def __init__(self, path):
        self.socket = path
        self.app_id = self.instance = None

    def answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return unix_request(self.socket, "POST", "/Info", {})[0] == 200
        return False

    def read(self):
        info = json.loads(unix_request(self.socket, "POST", "/Info", {})[1])
        self.app_id, self.instance = info["app_id"], info["instance_id"]
        return info

    def get_key(self, path, purpose=PURPOSE):
        return json.loads(unix_request(self.socket, "POST", "/GetKey",
                                       {"path": path, "purpose": purpose,
                                        "algorithm": "secp256k1"})[1])


def proof_path(contract, instance, chain_id=CHAIN_ID):
    return f"nftmesh/{chain_id}/{contract}/{instance}"


def hkdf(ikm, salt, info, length=32):
    prk = hmac.new(salt, ikm, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()[:length]


# ---- nodes ---------------------------------------------------------------------------------------

class Node(Process):
    """One nftmesh node and what its operator can ask of it. prefix: a command that runs it and leaves it
    its process."""

    def __init__(self, name, directory, agent, contract, rpcs, bootstrap=(), listen=None, extra=(),
                 http_port=None, start=True, advertise=None, log_path=None, prefix=()):
        self.dir = os.path.join(directory, name)
        os.makedirs(self.dir, mode=0o700, exist_ok=True)
        self.agent, self.contract, self.short = agent, contract, name
        self.listen = listen or f"tcp://127.0.0.1:{free_port()}"
        self.advertise = advertise or self.listen
        self.http_port = http_port or free_port()
        self.control = os.path.join(self.dir, "control.sock")
        self.node_log, self.prefix = log_path or os.path.join(self.dir, "node.log"), list(prefix)
        self.argv = [NFTMESH, "node", "--name", name, "--contract", contract,
                     "--chain-id", str(CHAIN_ID), "--dstack", agent.socket,
                     "--listen", self.listen, "--advertise", self.advertise,
                     "--http", f"127.0.0.1:{self.http_port}", "--data-dir", self.dir,
                     "--log-format", "json", "--dev", "--wait"]
        for url in rpcs:
            self.argv += ["--rpc", url]
        for url in bootstrap:
            self.argv += ["--bootstrap", url]
        self.argv += list(extra)
        if start:
            self.start()

    def start(self):
        super().__init__(self.prefix + self.argv, f"node {self.short}", log_path=self.node_log)
        return self

    # What the log says, as events: dicts with a wall-clock `at` of the line's arrival.
    def events(self, ev=None, since=0.0):
        found = []
        for at, line in list(self.lines):
            if at < since or not line.startswith("{"):
                continue
            with contextlib.suppress(ValueError):
                e = json.loads(line)
                late = e.get("ts", at) + 0.001 <= since  # happened before, and was read after
                if not late and (ev is None or e.get("ev") == ev):
                    e["at"] = at
                    found.append(e)
        return found

    def request(self, method, url, body=None):
        status, raw = unix_request(self.control, method, url, body)
        return status, raw.decode()

    def get(self, url):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return json.loads(self.request("GET", url)[1])
        return None

    def status(self):
        return self.get("/v1/status") or {}

    def block(self):
        """The number of its reference block; 0 while it has none, or does not say."""
        return (self.status().get("block") or {"number": 0})["number"]

    def reaches(self, height, deadline_s=60):
        """Waits until the node judges by a block of at least this height."""
        wait_for(lambda: f"{self.short} reads block {height}: it is at {self.block()}",
                 lambda: self.block() >= height, deadline_s)

    def members(self, state=None):
        answer = self.get("/v1/members") or {}
        members = answer.get("members", []) if isinstance(answer, dict) else answer
        return [m for m in members if state is None or m["state"] == state]

    def names(self, state="alive"):
        return {m["name"] for m in self.members(state)}

    def key(self):
        return self.status().get("node")

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz")[0] == 200
        return False

    def metric(self, name, **labels):
        """The sum of a metric's samples whose labels include these."""
        total, seen = 0.0, False
        for line in self.request("GET", "/metrics")[1].splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            head, _, value = line.rpartition(" ")
            bare, _, rest = head.partition("{")
            if bare != name or not all(f'{k}="{v}"' in rest for k, v in labels.items()):
                continue
            total, seen = total + float(value), True
        return total if seen else None

    def register(self, wallet, token, *extra):
        """`nftmesh register`: binds the instance and registers this node's keys for a seat."""
        url = ["--url", self.advertise] if self.advertise else []
        return run("register", "--data-dir", self.dir, "--dstack", self.agent.socket,
                   "--contract", self.contract, "--chain-id", CHAIN_ID, "--rpc", self.argv_rpc(),
                   "--token", token, *url, "--wallet-key-file", wallet.path, "--dev", *extra)

    def argv_rpc(self):
        return self.argv[self.argv.index("--rpc") + 1]


def impostor(target, contract, chain_id=CHAIN_ID, **lies):
    """Runs the liar against a node; what came of it, as a dict."""
    status = target.status()
    told = {"url": target.listen, "target": status["node"], "chain_id": chain_id,
            "contract": contract, "settings": status["settings"], **lies}
    p = subprocess.run([IMPOSTOR], input=json.dumps(told), capture_output=True, text=True,
                       timeout=30 * SCALE)
    if p.returncode not in (0, 1) or not p.stdout.strip():
        raise Failed(f"impostor: {p.stderr.strip() or p.returncode}")
    return json.loads(p.stdout.strip().splitlines()[-1])


def keys_of(node, app_id):
    """A member's own keys: what the liar needs to be that member, while its node is stopped."""
    key = node.agent.get_key(proof_path(node.contract, node.agent.instance))
    with open(os.path.join(node.dir, "seed"), "rb") as f:
        seed = f.read()
    priv = hkdf(bytes.fromhex(key["key"]) + seed, b"nftmesh", b"node-key-v1")
    return {"node_priv": priv.hex(), "proof_priv": key["key"], "app_sig": key["signature_chain"][0],
            "kms_sig": key["signature_chain"][1], "app_id": app_id, "instance": node.agent.instance,
            "token": node.token}


def member_liar(target, keys, chain, kms_root, **lies):
    """Starts the liar with a member's keys: it joins the target, and then does what it is told."""
    status, seat = target.status(), chain.seats(target.contract)[target.token]
    told = {"url": target.listen, "target": status["node"], "chain_id": CHAIN_ID,
            "contract": target.contract, "settings": status["settings"], "kms_root": kms_root, **keys,
            "seat": {"token": target.token, "owner": seat["owner"], "node_key": seat["node_key"],
                     "proof_key": seat["proof_key"], "instance": target.agent.instance}, **lies}
    p = subprocess.Popen([IMPOSTOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    p.stdin.write(json.dumps(told))
    p.stdin.close()
    p.stdin = None  # communicate() would flush it
    return p


def vote_twice(target, key, keys, chain, kms_root):
    """The member with this node key gives two NOTARs for one slot, a while ahead."""
    epoch, leader = target.get("/v1/epoch"), target.get("/v1/leader")
    voter = [m["node"] for m in epoch["members"]].index(key)
    p = member_liar(target, keys, chain, kms_root, flood="votes",
                    votes={"epoch_id": epoch["id"], "voter": voter, "slot": leader["slot"] + 100})
    try:
        out, _ = p.communicate(timeout=30 * SCALE)
    finally:
        p.kill()
    if "voted" not in out:
        raise Failed(f"the liar did not get to vote: {out.strip()}")


def submit_evidence(chain, contract, proof):
    """Two votes of `nftmesh evidence export`, for anybody to send."""
    def words(vote):
        return (bytes.fromhex(vote["epoch_id"]) + pad32(vote["kind"]) + pad32(vote["first"]) +
                pad32(vote["last"]) + bytes.fromhex(vote["hash"]))

    def signature(vote):
        raw = bytes.fromhex(vote["signature"])
        return abi_dynamic(raw[:64] + bytes([raw[64] + 27]))
    a, b = proof["a"], proof["b"]
    head = words(a) + pad32(12 * 32) + words(b) + pad32(12 * 32 + len(signature(a)))
    vote = "(bytes32,uint8,uint64,uint64,bytes32)"
    name = f"submitEvidence({vote},bytes,{vote},bytes)"
    data = "0x" + chain.selector(name) + (head + signature(a) + signature(b)).hex()
    return chain.send(chain.owner, contract, data)
