#!/usr/bin/env python3
"""End-to-end tests of the verbs that go to the contract: what a wallet pays for, what it is told,
and what stands on the chain when a command is cut off anywhere. Prints `ok NAME` or `not ok NAME:
why` for each, and exits 1 when one failed. Usage: seats.py [NAME..]"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import CutProxy, expect, main, test  # noqa: E402
from mesh import CHAIN_ID, wait_for  # noqa: E402
from seat_world import APP_ID, PRICE, World  # noqa: E402

OTHER_APP = "bb" * 20
# anvil's first account, which everybody has.
ANVIL_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


def start(w, *args, wallet, rpc):
    """The command, running."""
    argv = [mesh.NFTMESH, *[str(a) for a in args], *[str(a) for a in w.chain_options(rpc)],
            "--wallet-key-file", wallet.path]
    return mesh.Process(argv, "nftmesh")


# ---- registering -----------------------------------------------------------------------------

@test
def a_plan_is_printed_and_then_done(w):
    wallet, vm = w.wallet(), w.machine()
    token = w.mint(wallet)
    _, out, _ = w.run("register", *vm.options(), wallet=wallet)
    expect(out, f"plan for token {token}: 2 transactions" in out)
    expect(out, "1. registerInstance: no instance is bound" in out and "2. register: " in out)
    expect(out, out.count("mined in block") == 2 and f"registered token {token}: " in out)
    seat = w.seat(token)
    expect(f"{seat}", seat["active"] and seat["url"] == vm.url and
           seat["instance"] == vm.agent.instance)
    expect("two transactions", w.sent(wallet) == 2)
    _, out, _ = w.run("register", *vm.options(), wallet=wallet)
    expect(out, "stands already" in out and w.sent(wallet) == 2)


@test
def only_what_differs_is_changed(w):
    wallet, vm = w.wallet(), w.machine()
    token = w.mint(wallet)
    w.run("register", *vm.options(), "--expires", "100d", wallet=wallet)
    before = w.seat(token)
    out = w.json("register", *vm.options("tcp://127.0.0.1:9999"), "--expires", "100d",
                 wallet=wallet)
    expect(f"{out}", [s["step"] for s in out["steps"]] == ["setEndpoint"])
    seat = w.seat(token)
    expect(f"the address alone: {seat}", seat["url"] == "tcp://127.0.0.1:9999" and
           {**seat, "url": 0, "nonce": 0} == {**before, "url": 0, "nonce": 0})
    out = w.json("register", *vm.options("tcp://127.0.0.1:9999"), "--expires", "300d",
                 wallet=wallet)
    expect(f"{out}", [s["step"] for s in out["steps"]] == ["renew"])
    expect("renewed", w.seat(token)["expires_at"] > w.now() + 299 * 86400)
    out = w.json("register", *vm.options(), "--expires", "400d", wallet=wallet)
    expect(f"more than half is left: {out}", [s["step"] for s in out["steps"]] == ["setEndpoint"])
    w.run("deactivate", "--token", token, wallet=wallet)
    out = w.json("register", *vm.options(), "--expires", "400d", wallet=wallet)
    expect(f"{out}", [s["step"] for s in out["steps"]] == ["register"])


@test
def an_address_that_nobody_names_stays(w):
    wallet, vm = w.wallet(), w.machine()
    token = w.mint(wallet)
    w.run("register", *vm.options(), wallet=wallet)
    unnamed = vm.options()[:-2]
    _, out, _ = w.run("register", *unnamed, wallet=wallet)
    expect(out, "stands already" in out and w.seat(token)["url"] == vm.url)
    w.run("deactivate", "--token", token, wallet=wallet)
    w.run("register", *unnamed, wallet=wallet)
    expect("with its address", w.seat(token)["active"] and w.seat(token)["url"] == vm.url)
    w.refused("endpoint", *unnamed, wallet=wallet, words="--url is needed", code=2)


@test
def a_dry_run_shows_the_whole_plan(w):
    wallet, vm = w.wallet(), w.machine()
    _, out, _ = w.run("register", *vm.options(), "--mint", "--dry-run", wallet=wallet)
    for words in ("would send 1. mintNodeAccess(", "with 0.01 ether", "would send 2. registerInst",
                  "would send 3. register", "gwei", "ether in all; nothing was sent"):
        expect(f"{words} in {out}", words in out)
    out = w.json("register", *vm.options(), "--mint", "--dry-run", wallet=wallet)
    expect(f"{out}", [s["step"] for s in out["steps"]] == ["mint", "registerInstance", "register"])
    expect("only the first can be estimated",
           [s["estimated"] for s in out["steps"]] == [True, False, False])
    expect("nothing was sent", w.sent(wallet) == 0 and not w.tokens(wallet))
    # What was guessed is above what it takes.
    done = w.json("register", *vm.options(), "--mint", wallet=wallet)
    for guessed, real in zip(out["steps"], done["steps"]):
        expect(f"{guessed['gas_used']} >= {real['gas_used']}",
               guessed["gas_used"] >= real["gas_used"])


@test
def what_the_contract_would_refuse_costs_nothing(w):
    wallet, vm = w.wallet(), w.machine()
    token = w.mint(wallet)
    strange, _ = w.chain.deploy(w.host.kms_root(), [OTHER_APP])
    root = "0x" + "ab" * 20
    foreign, _ = w.chain.deploy(root, [APP_ID])
    strict, _ = w.chain.deploy(w.host.kms_root(), [APP_ID])
    w.chain.contract_call(strict, "setDevMode(bool)", 0)
    for contract, words in ((strange, "does not allow app"), (foreign, "KMS root"),
                            (strict, "no address at \"127.0.0.1\"")):
        w.chain.contract_call(contract, "mintNodeAccess(address)", wallet.address)
        w.refused("register", *vm.options(), wallet=wallet, contract=contract,
                  words=[words, "nothing was sent"])
    allow = "addBaseDomain(string)"
    w.chain.send(w.chain.owner, strict, "0x" + w.chain.selector(allow) +
                 mesh.abi_arguments(allow, "mesh.example").hex())
    for url in ("https://Node.mesh.example", "tcp://node_1.mesh.example:7946", "tcp://[::1]:7946"):
        w.refused("register", *vm.options(url), wallet=wallet, contract=strict,
                  words=["no address of the form of " + url, "nothing was sent"])
    expect("nothing was sent", w.sent(wallet) == 0)
    other = w.wallet()
    w.refused("register", *vm.options(), "--token", token, wallet=other, words="not to this wallet")
    w.refused("register", *vm.options(), wallet=other, words="no free seat")
    w.refused("register", *vm.options(), "--token", 4711, wallet=other, words="no such token")


# ---- an owner elsewhere ----------------------------------------------------------------------

def statement_of(w, vm, owner, *args):
    path = os.path.join(w.dir, "statement.json")
    status, out, err = w.run("register", *vm.options(), "--print", "--owner", owner, *args)
    with open(path, "w") as f:
        f.write(out)
    return path, json.loads(out), err


def signature_file(w, text):
    path = os.path.join(w.dir, "signature.hex")
    with open(path, "w") as f:
        f.write(text + "\n")
    return path


def bind_as(w, owner, token, vm):
    w.chain.contract_call(w.contract, "registerInstance(uint256,address)", token,
                          vm.agent.instance, sender=w.chain.as_wallet(owner))


@test
def an_owner_signs_elsewhere_and_anybody_sends(w):
    # An account of anvil's own: it signs typed data as a wallet does.
    owner = w.chain.rpc.call("eth_accounts")[1]
    payer, vm = w.wallet(), w.machine()
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", owner)
    token = max(w.chain.seats(w.contract))
    path, typed, err = statement_of(w, vm, owner)
    expect(f"the owner is told what only it can send: {err}",
           "registerInstance(token" in err and "0x" in err)
    bind_as(w, owner, token, vm)
    path, typed, err = statement_of(w, vm, owner)
    expect(f"nothing else is needed now: {err}", err == "")
    expect(f"{typed['primaryType']}", typed["primaryType"] == "Binding")
    sig = w.chain.rpc.call("eth_signTypedData_v4", owner,
                           {k: typed[k] for k in ("types", "primaryType", "domain", "message")})
    # Another's signature, half of one, another file: each refused before anything is paid.
    other = w.chain.rpc.call("eth_signTypedData_v4", w.chain.rpc.call("eth_accounts")[2],
                             {k: typed[k] for k in ("types", "primaryType", "domain", "message")})
    for text, words, code in ((other, "the signature is not of", 1),
                              (sig[:-4], "the signature is not of", 1),
                              ("0xzz", "not a signature in hex", 2)):
        w.refused("register", "--statement", path, "--owner-signature-file",
                  signature_file(w, text), wallet=payer, words=words, code=code)
    expect("nothing was sent", w.sent(payer) == 0)
    args = ["register", "--statement", path, "--owner-signature-file", signature_file(w, sig)]
    out = w.json(*args, wallet=payer)
    expect(f"{out}", out["token"] == token)
    seat = w.seat(token)
    expect(f"{seat}", seat["active"] and seat["owner"] == owner.lower() and seat["url"] == vm.url)
    expect("again is success, and free", w.json(*args, wallet=payer) == {"stands": True} and
           w.sent(payer) == 1)
    # A renewal is a statement of its own.
    w.chain.rpc.call("evm_increaseTime", 250 * 86400)
    w.chain.rpc.call("evm_mine")
    path, typed, _ = statement_of(w, vm, owner)
    expect(f"{typed['primaryType']}", typed["primaryType"] == "Renewal")
    sig = w.chain.rpc.call("eth_signTypedData_v4", owner,
                           {k: typed[k] for k in ("types", "primaryType", "domain", "message")})
    w.run("register", "--statement", path, "--owner-signature-file", signature_file(w, sig),
          wallet=payer)
    expect("renewed", w.seat(token)["expires_at"] > w.now() + 364 * 86400)
    w.refused("register", *vm.options(), "--print", "--owner", owner, words="nothing to sign")


# isValidSignature says yes to what begins with 42, and every other call gets its own selector back:
# so the contract also takes tokens.
EIP1271_WALLET = ("0x60003560e01c80631626ba7e1460643560f81c60421415166027576"
                  "0e01b60005260206000f35b600060005260206000f3")


@test
def a_contract_owns_a_seat(w):
    owner, payer, vm = "0x" + "c0de" * 10, w.wallet(), w.machine()
    w.chain.rpc.call("anvil_setCode", owner, EIP1271_WALLET)
    w.chain.fund(owner)
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", owner)
    token = max(w.chain.seats(w.contract))
    bind_as(w, owner, token, vm)
    path, _, _ = statement_of(w, vm, owner)
    w.refused("register", "--statement", path, "--owner-signature-file",
              signature_file(w, "0x41" + "00" * 700), wallet=payer, words="OwnerSignature")
    expect("nothing was sent", w.sent(payer) == 0)
    w.run("register", "--statement", path, "--owner-signature-file",
          signature_file(w, "0x42" + "00" * 700), wallet=payer)
    seat = w.seat(token)
    expect(f"{seat}", seat["active"] and seat["owner"] == owner)
    w.refused("register", "--statement", path, "--owner-signature-file",
              signature_file(w, "0x" + "42" * 4097), wallet=payer, words="1 to 4096", code=2)


@test
def a_statement_of_another_mesh_is_refused(w):
    owner, vm, payer = w.wallet(), w.machine(), w.wallet()
    token = w.mint(owner)
    bind_as(w, owner.address, token, vm)
    path, typed, _ = statement_of(w, vm, owner.address)
    typed["domain"]["chainId"] = 1
    with open(path, "w") as f:
        json.dump(typed, f)
    sig = signature_file(w, "0x" + "11" * 65)
    w.refused("register", "--statement", path, "--owner-signature-file", sig, wallet=payer,
              words="another mesh")
    typed["message"].pop("nonce")
    with open(path, "w") as f:
        json.dump(typed, f)
    w.refused("register", "--statement", path, "--owner-signature-file", sig, wallet=payer,
              words="message.nonce is missing", code=2)


# ---- the other verbs -------------------------------------------------------------------------

@test
def minting_pays_the_exact_price(w):
    wallet = w.wallet()
    before = int(w.chain.rpc.call("eth_getBalance", w.contract, "latest"), 16)
    out = w.json("mint", wallet=wallet)
    expect(f"{out}", out["value_wei"] == PRICE or int(out["value_wei"]) == PRICE)
    expect("paid once", int(w.chain.rpc.call("eth_getBalance", w.contract, "latest"), 16) ==
           before + PRICE)
    expect("the token is named", w.tokens(wallet) == [out["token"]])
    w.configure(500, False, PRICE)
    w.refused("mint", wallet=wallet, words=["not open to the public", "(MintingPrivate)"])
    w.configure(len(w.chain.seats(w.contract)), True, PRICE)
    w.refused("mint", wallet=wallet, words=["are taken", "(ClusterFull)"])
    w.configure(500, True, PRICE)
    w.refused("mint", "--to", "0x" + "11" * 20, wallet=wallet, words="(MintToOther)")


@test
def renew_endpoint_cancel_burn_weight(w):
    wallet, vm, stranger = w.wallet(), w.machine(), w.wallet()
    token, second = w.mint(wallet), w.mint(wallet)
    w.refused("renew", "--token", token, wallet=wallet, words="nftmesh register")
    w.run("register", *vm.options(), "--token", token, "--expires", "10d", wallet=wallet)
    w.run("renew", "--token", token, "--expires", "200d", wallet=wallet)
    expect("renewed", w.seat(token)["expires_at"] > w.now() + 199 * 86400)
    w.refused("renew", "--token", token, wallet=stranger, words="(OwnerSignature)")
    # The node's own signature is enough for the address: a stranger pays.
    out = w.json("endpoint", *vm.options("tcp://127.0.0.1:7777"), wallet=stranger)
    expect(f"{out}", out["token"] == token and w.seat(token)["url"] == "tcp://127.0.0.1:7777")
    expect("once", w.json("endpoint", *vm.options("tcp://127.0.0.1:7777"), wallet=stranger) ==
           {"stands": True})
    nonce = w.seat(token)["nonce"]
    w.run("cancel", "--token", token, wallet=wallet)
    expect("cancelled", w.seat(token)["nonce"] == nonce + 1)
    w.run("weight", "--token", second, "--behind", "0x" + vm.agent.instance, wallet=wallet)
    expect("weight 2", w.seat(token)["weight"] == 2)
    w.refused("weight", "--token", second, wallet=wallet, words="either --behind", code=2)
    w.run("weight", "--token", second, "--remove", wallet=wallet)
    expect("weight 1", w.seat(token)["weight"] == 1)
    w.refused("burn", "--token", second, wallet=stranger, words="(NotTokenOwner)")
    w.run("burn", "--token", second, wallet=wallet)
    expect("burned", w.tokens(wallet) == [token])
    w.refused("burn", "--token", second, wallet=wallet, words="no token")
    for verb in ("renew", "cancel", "burn", "deactivate", "transfer", "weight", "mint", "endpoint",
                 "register", "deploy"):
        out = mesh.run(verb, "--help")[1]
        expect(f"{verb} --help shows an example: {out}", "Example" in out and
               f"nftmesh {verb}" in out)


@test
def deploy_status_says_what_stands_there(w):
    out = w.json("deploy", "status")
    for key, value in (("contract", w.contract), ("owner", w.chain.owner.lower()),
                       ("kms_root", w.host.kms_root())):
        expect(f"{key}: {out}", out[key].lower() == value)
    expect(f"{out}", out["kind"] == "nftmesh" and out["chain_id"] == CHAIN_ID and
           out["root_epoch"] == 1 and out["app_ids"] == [APP_ID] and out["max_nodes"] == 500 and
           out["public_minting"] is True and out["mint_price"] in (PRICE, str(PRICE)) and
           out["dev_mode"] is True and out["base_domains"] == [] and out["block"] > 0 and
           len(out["code_hash"]) == 66)
    text = w.run("deploy", "status")[1]
    expect(text, "public, for 0.01 ether" in text and "devMode" in text)
    w.refused("deploy", "status", contract="0x" + "11" * 20, words="no contract at this address")
    nothing = "0x" + "dead" * 10
    w.chain.rpc.call("anvil_setCode", nothing, "0x00")
    w.refused("deploy", "status", contract=nothing, words="none of a mesh")


class BusyProxy(mesh.Proxy):
    """Passes all on but calls of one function, to which it says that it is busy."""

    def __init__(self, chain, signature):
        super().__init__(chain)
        self.selector = chain.selector(signature).encode()

    def answer(self, body):
        if self.selector not in body:
            return super().answer(body)
        asked = json.loads(body)
        busy = lambda q: {"jsonrpc": "2.0", "id": q["id"],
                          "error": {"code": -32005, "message": "rate limit exceeded"}}
        return json.dumps([busy(q) for q in asked] if isinstance(asked, list)
                          else busy(asked)).encode()


@test
def a_busy_endpoint_makes_no_other_contract(w):
    wallet, vm = w.wallet(), w.machine()
    w.mint(wallet)
    for signature in ("clusterState()", "mintPrice()", "baseDomains()"):
        proxy = BusyProxy(w.chain, signature)
        w.refused("deploy", "status", rpc=proxy.url, words="rate limit exceeded")
        proxy.close()
    proxy = BusyProxy(w.chain, "clusterState()")
    w.refused("mint", wallet=wallet, rpc=proxy.url, words="rate limit exceeded")
    w.refused("register", *vm.options(), wallet=wallet, rpc=proxy.url, words="rate limit exceeded")
    proxy.close()
    expect("nothing was sent", w.sent(wallet) == 0)


@test
def the_prototypes_contract_is_told_apart(w):
    old, wallet = w.chain.deploy_prototype(w.host.kms_root()), w.wallet()
    out = w.json("deploy", "status", contract=old.address)
    expect(f"{out}", out["kind"] == "prototype" and out["kms_root"].lower() == w.host.kms_root() and
           out["app_ids"] is None and out["root_epoch"] is None and out["base_domains"] is None)
    owner = os.path.join(w.dir, "prototype-owner.wallet")
    with open(os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(ANVIL_KEY)
    before = out["seats"]
    mesh.run("mint", "--to", wallet.address, *w.chain_options(contract=old.address),
             "--wallet-key-file", owner)
    expect("minted", w.json("deploy", "status", contract=old.address)["seats"] == before + 1)


# ---- bad input and a bad chain ----------------------------------------------------------------

@test
def each_trouble_has_its_own_words(w):
    poor, wallet = w.wallet(ether=0.0001), w.wallet()
    w.refused("mint", wallet=poor, words=["ether are missing", "has 0.0001, ", "nothing was sent"])
    status, _, err = mesh.run("mint", "--rpc", w.chain.url, "--chain-id", 1, "--contract",
                              w.contract, "--wallet-key-file", wallet.path, check=False)
    expect(err, status == 1 and "chain 31337, not --chain-id 1" in err)
    w.refused("mint", wallet=wallet, contract="0x" + "12" * 20, words="no contract at this address")
    w.chain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(10 * 10**9))
    wait_for("a dearer block", lambda: int(w.chain.rpc.call(
        "eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) > 8 * 10**9)
    w.refused("mint", "--max-fee-gwei", 1, wallet=wallet, words=["above --max-fee-gwei 1:",
                                                                "nothing was sent"])
    expect("nothing was sent", w.sent(wallet) == 0 and w.sent(poor) == 0)
    w.chain.rpc.call("anvil_setNextBlockBaseFeePerGas", hex(10**9))


class RevertingProxy(mesh.Proxy):
    """What was mined is shown as reverted."""

    def bend(self, method, asked, told, result):
        if method == "eth_getTransactionReceipt" and result:
            told["result"] = {**result, "status": "0x0"}


class TakenProxy(mesh.Proxy):
    """Its pool has another transaction with the nonce, as dear as ours."""

    def answer(self, body):
        if b"eth_sendRawTransaction" not in body:
            return super().answer(body)
        return json.dumps({"jsonrpc": "2.0", "id": json.loads(body)["id"], "error": {
            "code": -32000, "message": "replacement transaction underpriced"}}).encode()


@test
def a_revert_in_a_block_is_no_success(w):
    wallet, proxy = w.wallet(), RevertingProxy(w.chain)
    proxy.mode = "reverted"
    w.refused("mint", wallet=wallet, rpc=proxy.url, words=["was mined in block", "and reverted"])
    expect("sent once", w.sent(wallet) == 1)
    proxy.close()


@test
def a_nonce_that_another_has_is_told(w):
    wallet, proxy = w.wallet(), TakenProxy(w.chain)
    w.refused("mint", wallet=wallet, rpc=proxy.url,
              words=["another transaction of this wallet has nonce 0", "try again"])
    expect("nothing was sent", w.sent(wallet) == 0 and not w.tokens(wallet))
    proxy.close()


# ---- transactions that wait for their block: last, since the chain is slow from here on ------

def cut(at, passes):
    def run(w):
        w.slow()
        wallet, vm = w.wallet(), w.machine()
        proxy = CutProxy(w.chain, at, passes)
        p = start(w, "register", *vm.options(), "--mint", wallet=wallet, rpc=proxy.url)
        wait_for("the endpoint falls silent", proxy.silent.wait, 60)
        p.kill()
        proxy.close()
        out = w.json("register", *vm.options(), "--mint", wallet=wallet)
        token, = w.tokens(wallet)
        seat = w.seat(token)
        expect(f"{seat}", seat["active"] and seat["url"] == vm.url)
        expect(f"{w.sent(wallet)} transactions, each step paid for once: {out}",
               w.sent(wallet) == 3)
        left = 3 - (at - 1) - (1 if passes else 0)
        expect(f"{left} steps were left: {out}", len(out.get("steps", [])) == left)
    when = "after" if passes else "before"
    run.__name__ = f"killed_{when}_transaction_{at}_and_completed"
    return run


for cut_at in (1, 2, 3):
    for cut_passes in (False, True):
        test(cut(cut_at, cut_passes))


def cut_verb(verb, passes):
    def run(w):
        w.slow()
        wallet, vm, buyer = w.wallet(), w.machine(), w.wallet()
        token = w.mint(wallet)
        w.run("register", *vm.options(), wallet=wallet)
        sent = w.sent(wallet)
        args = [verb, "--token", token] + (["--to", buyer.address] if verb == "transfer" else [])
        proxy = CutProxy(w.chain, 1, passes)
        p = start(w, *args, wallet=wallet, rpc=proxy.url)
        wait_for("the endpoint falls silent", proxy.silent.wait, 60)
        p.kill()
        proxy.close()
        out = w.json(*args, wallet=wallet)
        expect(f"{out}", out == {"stands": True} if passes else out["token"] == token)
        expect(f"{w.sent(wallet)} transactions, {sent} before", w.sent(wallet) == sent + 1)
        seat = w.seat(token)
        expect(f"{seat}", not seat["active"] and
               seat["owner"] == (buyer if verb == "transfer" else wallet).address)
    run.__name__ = f"{verb}_killed_{'after' if passes else 'before'}_its_transaction_and_completed"
    return run


def cut_mint(passes):
    def run(w):
        w.slow()
        wallet = w.wallet()
        proxy = CutProxy(w.chain, 1, passes)
        p = start(w, "mint", "--once", wallet=wallet, rpc=proxy.url)
        wait_for("the endpoint falls silent", proxy.silent.wait, 60)
        p.kill()
        proxy.close()
        out = w.json("mint", "--once", wallet=wallet)
        expect(f"{out}", out == {"stands": True} if passes else [out["token"]] == w.tokens(wallet))
        expect(f"{w.sent(wallet)} transactions", w.sent(wallet) == 1 and len(w.tokens(wallet)) == 1)
        w.json("mint", wallet=wallet)
        expect("without it one more", len(w.tokens(wallet)) == 2)
    run.__name__ = f"mint_once_killed_{'after' if passes else 'before'}_its_transaction_and_completed"
    return run


for cut_passes in (False, True):
    test(cut_mint(cut_passes))

for cut_of in ("deactivate", "transfer"):
    for cut_passes in (False, True):
        test(cut_verb(cut_of, cut_passes))


@test
def a_node_registers_itself(w):
    """--register: killed after the first of two transactions and started again, killed once more."""
    w.slow()
    wallet, vm = w.wallet(), w.machine()
    token, proxy = w.mint(wallet), CutProxy(w.chain, 1, True)
    node = mesh.Node("own", w.dir, vm.agent, w.contract, [proxy.url], start=False,
                     extra=["--register", "--wallet-key-file", wallet.path])
    node.start()
    wait_for(lambda: f"the endpoint falls silent: {node.text()}", proxy.silent.wait, 60)
    node.kill()
    proxy.close()
    wait_for("bound", lambda: w.seat(token)["instance"] == vm.agent.instance)
    expect("and no more", not w.seat(token)["active"])
    node.argv[node.argv.index(proxy.url)] = w.chain.url
    stands = "--register: this node's seat stands already"
    # The second time it is killed while it is up, and leaves its control socket behind.
    stop = lambda: node.stop(30)
    for said, end in (("--register: registered", stop), (stands, node.kill), (stands, stop)):
        node.start()
        wait_for(lambda: f"it is up: {node.text()[-900:]}", lambda: node.events("up"), 60)
        expect(f"{said} in {node.text()[:600]}", said in node.text())
        expect(f"{w.seat(token)}", w.seat(token)["active"] and w.seat(token)["url"] == node.advertise)
        expect(f"{w.sent(wallet)} transactions in all", w.sent(wallet) == 2)
        expect("exit 0", end() in (0, None))


@test
def two_at_once_with_one_wallet(w):
    w.slow()
    wallet, vms = w.wallet(), [w.machine(), w.machine()]
    tokens = [w.mint(wallet), w.mint(wallet)]
    # Two machines, one wallet, and the first machine twice.
    runs = [start(w, "register", *vm.options(), "--token", token, wallet=wallet, rpc=w.chain.url)
            for vm, token in ((vms[0], tokens[0]), (vms[1], tokens[1]))]
    for p in runs:
        wait_for(lambda p=p: f"ends: {p.text()}", lambda p=p: not p.alive(), 90)
        expect(f"ends well: {p.text()}", p.p.returncode == 0)
    for vm, token in zip(vms, tokens):
        seat = w.seat(token)
        expect(f"{seat}", seat["active"] and seat["url"] == vm.url)
    vm, token = w.machine(), w.mint(wallet)
    runs = [start(w, "register", *vm.options(), "--token", token, wallet=wallet, rpc=w.chain.url)
            for _ in range(2)]
    for p in runs:
        wait_for(lambda p=p: f"ends: {p.text()}", lambda p=p: not p.alive(), 90)
        expect(f"ends well, or says what stands: {p.text()}", p.p.returncode == 0 or
               "locked" in p.text())
    expect("registered", w.seat(token)["active"])


@test
def two_machines_mint_at_once_with_one_wallet(w):
    w.slow()
    wallet, vms = w.wallet(), [w.machine(), w.machine()]
    runs = [start(w, "register", *vm.options(), "--mint", wallet=wallet, rpc=w.chain.url)
            for vm in vms]
    for p in runs:
        wait_for(lambda p=p: f"ends: {p.text()}", lambda p=p: not p.alive(), 120)
        expect(f"ends well: {p.text()}", p.p.returncode == 0)
    seats = [w.seat(t) for t in w.tokens(wallet)]
    expect(f"a seat each: {seats}", sorted(s["url"] for s in seats) == sorted(v.url for v in vms) and
           all(s["active"] for s in seats))
    expect(f"{w.sent(wallet)} transactions", w.sent(wallet) == 6)


@test
def a_receipt_that_never_comes_and_one_that_does(w):
    wallet = w.wallet()
    w.chain.rpc.call("evm_setIntervalMining", 0)
    try:
        err = w.refused("mint", "--receipt-timeout", "2s", wallet=wallet,
                        words=["no receipt of transaction 0x", "may still be mined"])
        p = start(w, "mint", "--receipt-timeout", "24s", wallet=wallet, rpc=w.chain.url)
        wait_for(lambda: f"it is replaced: {p.text()}", lambda: "replaced by 0x" in p.text(), 30)
    finally:
        w.chain.rpc.call("evm_setIntervalMining", 1)
    wait_for("it ends", lambda: not p.alive(), 30)
    expect(f"{p.text()} after {err}", p.p.returncode == 0)
    wait_for(lambda: f"one token each: {w.tokens(wallet)} with {w.sent(wallet)} transactions",
             lambda: len(w.tokens(wallet)) == 2 and w.sent(wallet) == 2, 10)


@test
def confirmations_are_awaited(w):
    w.slow()
    wallet = w.wallet()
    before = w.chain.height()
    out = w.json("mint", "--confirmations", 3, wallet=wallet)
    expect(f"{out} and height {w.chain.height()}", w.chain.height() >= out["block"] + 2 and
           out["block"] > before)


if __name__ == "__main__":
    sys.exit(main(World))
