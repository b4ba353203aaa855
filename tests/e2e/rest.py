#!/usr/bin/env python3
"""End-to-end tests of the HTTP routes: what the prototype's users call, field for field, against a
real chain; the routes that make transactions; and the warnings before a registration ends. Prints
`ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed. Usage: rest.py [NAME..]"""
import contextlib
import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import World, expect, main, test  # noqa: E402
from mesh import wait_for  # noqa: E402

TOKEN = "e2e-token-0123456789"
DAY = 86400


def ask(node, method, path, body=None, token=None, timeout=90, **headers):
    """(status, parsed body) of one request to --http."""
    c = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=timeout * mesh.SCALE)
    try:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        c.request(method, path, None if body is None else json.dumps(body), headers)
        answer = c.getresponse()
        raw = answer.read()
        with contextlib.suppress(ValueError):
            return answer.status, json.loads(raw)
        return answer.status, raw.decode()
    finally:
        c.close()


def fields(what, got, **types):
    expect(f"{what}: {sorted(types)} and not {sorted(got)}", set(got) == set(types))
    for key, kind in types.items():
        expect(f"{what}.{key} is {got[key]!r}", kind is None and got[key] is None or
               kind is not None and isinstance(got[key], kind) and
               (kind is bool or not isinstance(got[key], bool)))


def described(node, schema, got):
    """What was answered has the fields that /openapi.json says, all of them and no others."""
    spec = ask(node, "GET", "/openapi.json")[1]["components"]["schemas"][schema]
    expect(f"{schema}: {sorted(spec['properties'])} and not {sorted(got)}",
           set(got) == set(spec["properties"]) == set(spec["required"]))


def secret(world, name, text):
    path = os.path.join(world.dir, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text + "\n")
    return path


class SilentProxy(mesh.Proxy):
    """Once told to, takes what a wallet asks first, and says nothing."""

    def __init__(self, chain):
        super().__init__(chain)
        self.is_silent, self.asked, self.end = False, threading.Event(), threading.Event()

    def answer(self, body):
        if not self.is_silent or b"eth_getCode" not in body:
            return super().answer(body)
        self.asked.set()
        self.end.wait(60)
        return None


def writer(world, name, wallet=True, seat=False, **more):
    """A node with the writing routes over TCP, and a wallet with ether."""
    extra = ["--http-token-file", secret(world, "token", TOKEN)]
    key = None
    if wallet:
        key = mesh.Wallet(world.chain, os.path.join(world.dir, name + ".node-wallet"))
        extra += ["--wallet-key-file", key.path]
    node = world.node(name, extra=extra, seat=seat, **more)
    node.own_wallet = key
    wait_for(lambda: f"{name} has read the chain: {node.text()[-500:]}",
             lambda: node.status().get("block") and node.status().get("node"), 60)
    return node


# ---- reading -----------------------------------------------------------------------------------------

@test
def reading_routes_field_for_field(w):
    node = w.node("reader", extra=["--app-url", "https://app.example"])
    instance = node.status()["instance"]
    status, got = ask(node, "GET", "/")
    expect(status, status == 200)
    fields("/", got, message=str, version=str, endpoints=dict)
    fields("/health", ask(node, "GET", "/health")[1], status=str, timestamp=float,
           sdk_initialized=bool)
    wait_for("healthy", lambda: ask(node, "GET", "/health")[1]["sdk_initialized"] is True)
    wait_for("its seat stands", node.ready)
    status, got = ask(node, "GET", "/peers")
    fields("/peers", got, peers=list, count=int, timestamp=float, instance_id=str)
    expect(got, status == 200 and got["peers"] == ["https://app.example"] and got["count"] == 1)
    expect(f"seconds since 1970: {got}", abs(got["timestamp"] - time.time()) < 60)
    status, got = ask(node, "GET", "/info")
    fields("/info", got, instance_id=str, connection_url=str, contract_address=str, rpc_url=str,
           registered=bool, timestamp=float, chain_id=int, node=str, url=str, record=str,
           record_sig=str)
    expect(got, got["instance_id"] == instance and got["registered"] is True and
           got["contract_address"].lower() == w.contract and got["rpc_url"] == w.chain.url)
    expect("its record says who it is", got["node"] in got["record"])


@test
def contract_info_is_what_the_contract_says(w):
    node = w.node("asker")
    status, got = ask(node, "GET", "/contract-info")
    expect(got, status == 200)
    fields("/contract-info", got, contract_address=str, chain_id=int, kind=str, owner=str,
           kms_root_address=str, max_nodes=int, total_supply=int, public_minting=bool,
           mint_price=int, dev_mode=bool, block=int)
    described(node, "ContractInfo", got)
    supply = int(w.chain.read(w.contract, "totalSupply()"), 16)
    expect(got, got["owner"].lower() == w.chain.owner.lower() and got["kind"] == "nftmesh" and
           got["kms_root_address"].lower() == w.host.kms_root() and got["max_nodes"] == 200 and
           got["total_supply"] == supply and got["public_minting"] is False and
           got["mint_price"] == 0 and got["chain_id"] == mesh.CHAIN_ID)
    w.chain.contract_call(w.contract, "setClusterConfig(uint256,bool,uint256)", 150, 1, 5)
    try:
        wait_for("a later block says so", lambda: (lambda a: a[0] == 200 and a[1]["max_nodes"] == 150
                 and a[1]["public_minting"] is True and a[1]["mint_price"] == 5)(
                     ask(node, "GET", "/contract-info")))
    finally:
        w.chain.contract_call(w.contract, "setClusterConfig(uint256,bool,uint256)", 200, 0, 0)


@test
def what_is_unknown_is_never_invented(w):
    proxy = mesh.Proxy(w.chain)
    proxy.mode = "down"
    node = w.node("blind", rpcs=[proxy.url + "/key-in-the-path"], seat=False)
    try:
        wait_for(lambda: f"it answers: {node.text()[-400:]}", lambda: node.status().get("node"), 60)
        for path in ("/peers", "/contract-info"):
            status, got = ask(node, "GET", path)
            expect(f"{path}: {status} {got}", status == 503 and "chain" in got["detail"] and
                   "peers" not in got)
        expect("not initialised", ask(node, "GET", "/health")[1]["sdk_initialized"] is False)
        expect("no path of the RPC URL", ask(node, "GET", "/info")[1]["rpc_url"] == proxy.url)
        proxy.mode = "honest"
        wait_for("peers, when they are known", lambda: ask(node, "GET", "/peers")[0] == 200, 60)
        proxy.mode = "down"  # what was not asked for before cannot be read now
        status, got = ask(node, "GET", "/contract-info")
        expect(f"null, and why: {status} {got}", status == 503 and got["detail"] and
               got["owner"] is None and got["max_nodes"] is None and got["block"] > 0)
        proxy.mode = "honest"
        wait_for("read again", lambda: ask(node, "GET", "/contract-info")[0] == 200, 60)
    finally:
        proxy.close()


@test
def the_page_and_its_description(w):
    node = w.node("page", seat=False)
    wait_for("it answers", lambda: node.status().get("node"), 60)
    status, page = ask(node, "GET", "/docs")
    expect(status, status == 200 and "/openapi.json" in page and "://" not in page)
    status, spec = ask(node, "GET", "/openapi.json")
    routes = json.loads(node.request("GET", "/")[1])["endpoints"]
    expect("every route, and none besides", status == 200 and
           {p: next(iter(m)).upper() for p, m in spec["paths"].items()} == routes)


# ---- writing -------------------------------------------------------------------------------------------

@test
def writing_is_refused_without_token_key_or_with_an_origin(w):
    plain = w.node("plain", seat=False)
    wait_for("it answers", lambda: plain.status().get("node"), 60)
    expect("no token: no such route", ask(plain, "POST", "/register", {}, token=TOKEN)[0] == 404)
    node = writer(w, "keyless", wallet=False)
    for path in ("/register", "/register-instance", "/register-peer", "/mint-nft"):
        expect("401", ask(node, "POST", path, {})[0] == 401)
        expect("401", ask(node, "POST", path, {}, token=TOKEN + "x")[0] == 401)
        expect("403", ask(node, "POST", path, {}, token=TOKEN, Origin="http://localhost")[0] == 403)
        status, got = ask(node, "POST", path, {}, token=TOKEN)
        expect(f"{status} {got}", status == 400 and "no wallet key" in got["detail"] and
               set(got) == {"detail"})


@test
def mint_and_register_over_http(w):
    node = writer(w, "rest")
    status, got = ask(node, "POST", "/mint-nft", {}, token=TOKEN)
    expect(f"minting is closed, in the contract's words: {status} {got}",
           status == 500 and "contract" in got["detail"])
    w.chain.contract_call(w.contract, "setClusterConfig(uint256,bool,uint256)", 200, 1, 7)
    try:
        status, got = ask(node, "POST", "/mint-nft", None, token=TOKEN)
    finally:
        w.chain.contract_call(w.contract, "setClusterConfig(uint256,bool,uint256)", 200, 0, 0)
    expect(f"{status} {got}", status == 200)
    fields("/mint-nft", got, status=str, message=str, owner_address=str, token_id=int,
           instance_id=str, timestamp=float)
    described(node, "Minted", got)
    instance = node.status()["instance"]
    seat = w.chain.seats(w.contract)[got["token_id"]]
    expect(f"{got} {seat}", got["status"] == "success" and got["instance_id"] == instance and
           got["owner_address"].lower() == node.own_wallet.address == seat["owner"])
    status, done = ask(node, "POST", "/register", {}, token=TOKEN)
    expect(f"{status} {done}", status == 200)
    fields("/register", done, status=str, message=str, instance_id=str, timestamp=float)
    described(node, "Registered", done)
    expect("it stands on chain", w.chain.seats(w.contract)[got["token_id"]]["node_key"]
           == node.key())
    wait_for("up", lambda: node.events("up"), 60)
    node.token, node.wallet = got["token_id"], node.own_wallet
    before = int(w.chain.rpc.call("eth_getTransactionCount", node.own_wallet.address, "latest"), 16)
    for path in ("/register", "/register-instance", "/register-peer"):
        status, done = ask(node, "POST", path, {}, token=TOKEN)
        expect(f"{path}: {status} {done}", status == 200 and done["status"] == "success")
    status, raw = node.request("POST", "/v1/register", {"token": got["token_id"]})
    rich = json.loads(raw)
    fields("/v1/register", rich, status=str, message=str, owner_address=str, token_id=int,
           instance_id=str, stood_already=bool, tx=None, block=None, timestamp=float)
    described(node, "WalletDone", rich)
    expect(rich, status == 200 and rich["stood_already"] is True)
    after = int(w.chain.rpc.call("eth_getTransactionCount", node.own_wallet.address, "latest"), 16)
    expect("what stands is not paid for twice", before == after)
    for body in ({"token": -1}, {"url": "x"}, {"key": "0x01"}, []):
        status, said = ask(node, "POST", "/register", body, token=TOKEN)
        expect(f"{body}: {status} {said}", status == 400 and said["detail"])
    expect("the log tells", any(e.get("state") == "done" for e in node.events("wallet")))
    with open(node.own_wallet.path) as f:
        key = f.read().strip().removeprefix("0x")
    expect("no key in the log", key not in node.text())


@test
def one_at_a_time_and_a_stop_gives_up_the_wait(w):
    node = writer(w, "waits")
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", node.own_wallet.address)
    node.token, node.wallet = max(w.chain.seats(w.contract)), node.own_wallet
    answers = []
    w.chain.rpc.call("evm_setIntervalMining", 0)  # nothing is mined from here on
    try:
        first = threading.Thread(
            target=lambda: answers.append(ask(node, "POST", "/register", {}, token=TOKEN)))
        first.start()
        wait_for("it is sent", lambda: int(w.chain.rpc.call(
            "eth_getTransactionCount", node.own_wallet.address, "pending"), 16) > 0, 60)
        wallet = node.status()["wallet"]
        expect(f"progress is visible: {wallet}", wallet["busy"] is True and
               wallet["what"] == "register" and wallet["since"] > 0)
        status, said = ask(node, "POST", "/mint-nft", {}, token=TOKEN)
        expect(f"{status} {said}", status == 409 and "busy" in said["detail"])
        expect("reading goes on", ask(node, "GET", "/livez")[0] == 200)
        expect("the first waits", not answers)
        expect("exit 0", node.stop(40) == 0)  # a receipt would be waited for much longer
        first.join(10)
    finally:
        w.chain.rpc.call("evm_setIntervalMining", 1)
    expect(f"no success is told of: {answers}", not answers or answers[0][0] != 200)
    node.lines.clear()
    node.start()
    wait_for("it is back", lambda: node.status().get("block") and node.status().get("node"), 60)
    status, done = ask(node, "POST", "/register", {}, token=TOKEN)
    expect(f"the same again completes it: {status} {done}", status == 200)
    expect("it stands", w.chain.seats(w.contract)[node.token]["node_key"] == node.key())


@test
def a_stop_gives_up_the_first_question_too(w):
    proxy = SilentProxy(w.chain)
    node = writer(w, "unanswered", rpcs=[proxy.url])
    proxy.is_silent = True
    answers = []
    asking = threading.Thread(target=lambda: answers.append(
        ask(node, "POST", "/mint-nft", {}, token=TOKEN)))
    asking.start()
    try:
        expect("the wallet asks", proxy.asked.wait(30 * mesh.SCALE))
        expect("exit 0", node.stop(30) == 0)
        last = node.events("wallet")[-1]
        expect(f"the endpoint was not waited for: {last}", "given up" in last["msg"])
    finally:
        proxy.end.set()
        asking.join(30)
        proxy.close()
    expect(f"{answers}", answers and answers[0][0] == 503)


@test
def the_prototypes_contract(w):
    old = w.chain.deploy_prototype(w.host.kms_root())
    ours, w.contract = w.contract, old.address
    try:
        node = writer(w, "older")
        status, got = ask(node, "GET", "/contract-info")
        expect(f"{status} {got}", status == 200 and got["kind"] == "prototype" and
               got["owner"].lower() == w.chain.owner.lower() and got["total_supply"] == 0 and
               isinstance(got["dev_mode"], bool) and
               got["contract_address"].lower() == old.address.lower())
        expect("told in the status", node.status()["contract_kind"] == "prototype")
        status, got = ask(node, "POST", "/mint-nft", {}, token=TOKEN)
        expect(f"only its owner: {status} {got}", status == 500 and "owner" in got["detail"])
        old.send(old.owner, "setClusterConfig(uint256,bool,uint256)", 100, 1, 9)
        status, got = ask(node, "POST", "/mint-nft", {}, token=TOKEN)
        expect(f"{status} {got}", status == 200 and got["token_id"] == 1 and
               got["owner_address"].lower() == node.own_wallet.address)
        expect("at its exact price",
               int(w.chain.rpc.call("eth_getBalance", old.address, "latest"), 16) == 9)
        wait_for("a later block says so", lambda:
                 ask(node, "GET", "/contract-info")[1].get("total_supply") == 1)
        status, done = ask(node, "POST", "/register", {}, token=TOKEN)
        expect(f"{status} {done}", status == 200)
        described(node, "Registered", done)
        wait_for(lambda: f"it has its seat: {node.text()[-500:]}",
                 lambda: node.status().get("token") == 1, 60)
        instance = node.status()["instance"]
        expect("with its address", old.is_active(instance) and old.url(instance) == node.advertise)
        sent = lambda: w.chain.rpc.call("eth_getTransactionCount", node.own_wallet.address, "latest")
        before = sent()
        status, done = ask(node, "POST", "/register", {}, token=TOKEN)
        expect(f"{status} {done}", status == 200 and sent() == before)
    finally:
        w.contract = ours


# ---- the end of a registration: last, since it moves the chain's time ---------------------------------

def jump(w, seconds):
    w.chain.rpc.call("evm_increaseTime", seconds)
    w.chain.rpc.call("evm_mine")


@test
def warns_before_a_registration_ends(w):
    node = w.node("ends")
    ends = wait_for("its seat has an end", lambda: node.status().get("registration_expires_at"))

    def left(seconds):
        """Moves the chain's time to so many seconds before the end."""
        now = int(w.chain.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        jump(w, ends - now - seconds)

    expect(f"far off: {node.status()['warnings']}",
           not any("ends in" in x for x in node.status()["warnings"]))
    expect(f"{ends}", node.status()["registration_ends_in_days"] > 300)
    for days, nth in ((14, 1), (3, 2), (1, 3)):
        left(days * DAY - 60)
        wait_for(lambda: f"warns at {days}: {node.text()[-400:]}",
                 lambda nth=nth: len(node.events("expiry")) == nth, 40)
        told = node.events("expiry")[-1]
        expect(told, "nftmesh register" in told["msg"] and told["level"] == "warn" and
               told["expires_at"] == ends)
    status = wait_for("the status follows the line in the log",
                      lambda: (s := node.status()) and s["registration_ends_in_days"] < 1 and s)
    expect(status["registration_ends_in_days"], 0.5 < status["registration_ends_in_days"])
    expect(status["warnings"], any("ends in 23 hours" in x for x in status["warnings"]))
    code, ready = node.request("GET", "/readyz?verbose")
    expect(f"{code} {ready}", code == 200 and "[!]this node's registration ends" in ready)
    seconds = node.metric("nftmesh_registration_expires_seconds")
    expect(seconds, DAY / 2 < seconds < DAY)
    shown = mesh.run("status", "--data-dir", node.dir)[1]
    expect(shown, "warning: this node's registration ends" in shown and "nftmesh register" in shown)
    expect("once a level", len(node.events("expiry")) == 3)
    node.stop()
    node.lines.clear()
    node.start()
    wait_for("once after a start", lambda: len(node.events("expiry")) == 1, 60)
    wait_for("up again", lambda: node.events("up"), 60)
    # What it says is what it takes, and the address stays.
    command = node.events("expiry")[-1]["msg"].split("`")[1].split()
    known = {"URL": w.chain.url, "FILE": node.wallet.path}
    done = json.loads(mesh.run(*[known.get(x, x) for x in command[1:]], "--format", "json")[1])
    expect(f"{done}", command[0] == "nftmesh" and [s["step"] for s in done["steps"]] == ["renew"])
    wait_for("renewed", lambda: node.status().get("registration_ends_in_days", 0) > 300, 40)
    expect("no warning is left", not any("ends in" in x for x in node.status()["warnings"]))
    left_s = node.status()["registration_expires_at"]
    jump(w, left_s - int(w.chain.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
         + 5)
    wait_for("not ready once it has ended", lambda: not node.ready(), 40)
    wait_for("and says so", lambda: any("has ended" in x for x in node.status()["warnings"]), 40)


if __name__ == "__main__":
    sys.exit(main(World))
