#!/usr/bin/env python3
"""Holds docs/contract.md against a contract on a chain: every slot of its storage table, read by
eth_getStorageAt after real registrations, its table of errors and the calls it names. Prints `ok NAME`
or `not ok NAME: why` for each, and exits 1 when one failed."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402

PAGE = os.path.join(mesh.ROOT, "docs/contract.md")
ABI = os.path.join(mesh.ROOT, "contracts/abi/DstackMembershipNFT.json")
APP_ID = "6e66746d6573682d7465737473206170702d3033"
OTHER_APP_ID = "11" * 20
SHORT_URL = "tcp://127.0.0.1:7946"
LONG_URL = "tcp://a-host-with-a-name-of-some-length.nodes.example.org:7946"


def rows(text, header):
    """The cells of the table whose header begins like this."""
    lines = text[text.index(header):].splitlines()[2:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


class World:
    """Five seats, of which the second is burned: the first and the fourth are registered, the third
    gives the first its weight, the fifth is as minted. The first had another instance before, and the
    KMS root was rotated after the registrations."""

    def __init__(self, directory):
        self.page = open(PAGE, encoding="utf-8").read()
        self.chain = mesh.Chain(prompt=True)
        host = mesh.AgentHost(directory, ["vm1", "vm4"], os.path.join(directory, "kms.key"), APP_ID)
        self.roots = [host.kms_root(), "0x" + "52" * 20]
        self.contract, _ = self.chain.deploy(self.roots[0], [OTHER_APP_ID, APP_ID], max_nodes=10)
        self.owner = mesh.Wallet(self.chain, os.path.join(directory, "owner.wallet"))
        for _ in range(5):
            self.chain.contract_call(self.contract, "mintNodeAccess(address)", self.owner.address)
        self.call("registerInstance(uint256,address)", 1, "0x" + "77" * 20)
        self.call("burn(uint256)", 2)
        for token, name, url in ((1, "vm1", SHORT_URL), (4, "vm4", LONG_URL)):
            mesh.run("register", "--data-dir", os.path.join(directory, name), "--dstack",
                     host.agents[name].socket, "--contract", self.contract, "--chain-id", mesh.CHAIN_ID,
                     "--rpc", self.chain.url, "--token", token, "--url", url, "--wallet-key-file",
                     self.owner.path, "--dev")
        self.call("bindWeight(uint256,address)", 3, self.members()[1]["instance"])
        self.chain.contract_call(self.contract, "setKmsRootAddress(address)", self.roots[1])

    def call(self, signature, *words):
        sender = self.chain.as_wallet(self.owner.address)
        return self.chain.contract_call(self.contract, signature, *words, sender=sender)

    def read(self, signature, *values):
        """The answer's words as numbers."""
        data = "0x" + self.chain.selector(signature) + mesh.abi_arguments(signature, *values).hex()
        raw = bytes.fromhex(self.chain.rpc.call("eth_call", {"to": self.contract, "data": data}, "latest")[2:])
        return [int.from_bytes(raw[i:i + 32], "big") for i in range(0, len(raw), 32)]

    def members(self):
        """What membersPage says, by token."""
        words = self.read("membersPage(uint256,uint256)", 0, 32)
        found = {}
        for i in range(words[1]):
            m = words[2 + words[2 + i] // 32:]
            text = lambda field: b"".join(w.to_bytes(32, "big") for w in m[m[field] // 32 + 1:])[:m[m[field] // 32]]
            found[m[0]] = {
                "owner": m[1], "boundBy": m[2], "instance": "0x" + m[3].to_bytes(20, "big").hex(),
                "nodeKey": text(4), "proofKey": text(5), "appId": m[6] >> 96, "rootEpoch": m[7],
                "expiresAt": m[8], "suspendedUntil": m[9], "active": m[10], "weight": m[11],
                "nonce": m[12], "url": text(13)}
        return found

    # ---- the page's own words ----

    def keccak(self, data):
        return int(self.chain.rpc.call("web3_sha3", "0x" + data.hex()), 16)

    def slot(self, expression, **names):
        """The number of a slot as the page writes it."""
        def entry(slot, key):
            key = key if isinstance(key, bytes) else key.to_bytes(32, "big")
            return self.keccak(key + slot.to_bytes(32, "big"))

        def items(slot):
            return self.keccak(slot.to_bytes(32, "big"))

        expect(f"not a slot: {expression}", re.fullmatch(r"[a-z_0-9(), +]+", expression))
        if "token" in names:
            names["seat"] = entry(23, names["token"])
        return eval(expression, {"__builtins__": {}}, {"map": entry, "items": items, **names})  # noqa: S307

    def layout(self):
        """field -> (slot, right, bytes), as on the page."""
        found = {}
        for field, slot, right, size in rows(self.page, "| field | slot |"):
            expect(f"{field} twice", field not in found)
            found[field] = (slot.strip("`"), int(right), int(size))
        return found

    def stored(self, where, **names):
        """A field's value in storage."""
        slot, right, size = where
        word = int(self.chain.rpc.call("eth_getStorageAt", self.contract,
                                       hex(self.slot(slot, **names)), "latest"), 16)
        return word >> (8 * right) & ((1 << (8 * size)) - 1)

    def store(self, where, value, **names):
        slot, right, size = where
        number = self.slot(slot, **names)
        word = int(self.chain.rpc.call("eth_getStorageAt", self.contract, hex(number), "latest"), 16)
        mask = ((1 << (8 * size)) - 1) << (8 * right)
        word = word & ~mask | value << (8 * right)
        self.chain.rpc.call("anvil_setStorageAt", self.contract, hex(number), f"0x{word:064x}")
        self.chain.rpc.call("evm_mine")

    def text(self, number):
        """A string at a slot, short or long."""
        at = lambda n: bytes.fromhex(self.chain.rpc.call("eth_getStorageAt", self.contract, hex(n),
                                                         "latest")[2:].rjust(64, "0"))
        word = at(number)
        if word[31] % 2 == 0:
            return word[:word[31] // 2]
        size = (int.from_bytes(word, "big") - 1) // 2
        first = self.slot("items(s)", s=number)
        return b"".join(at(first + i) for i in range(size // 32 + 1))[:size]


def of_the_cluster(w):
    """field -> list of (names for its slot, expected value)."""
    state = w.read("clusterState()")
    apps = [word >> 96 for word in w.read("appIds()")[2:]]
    tokens = list(w.members())
    expect(f"tokens {tokens}", tokens == [1, 5, 3, 4] and len(apps) == 2 and state[1] == 2)
    padded = lambda app: app.to_bytes(20, "big") + bytes(12)
    root = lambda i: int(w.roots[i], 16)
    return {
        "`owner()`": [({}, int(w.chain.owner, 16))],
        "`kmsRootAddress`": [({}, state[0])],
        "`rootEpoch`": [({}, state[1])],
        "`revision`": [({}, state[4])],
        "`rootEpochOf(root)`": [({"root": root(i)}, i + 1) for i in range(2)] + [({"root": 1}, 0)],
        "number of app ids": [({}, 2)],
        "app id i": [({"i": i}, app) for i, app in enumerate(apps)],
        "place of an app id in the list, from 1; 0: not allowed":
            [({"app_id": padded(app)}, i + 1) for i, app in enumerate(apps)] + [({"app_id": padded(1)}, 0)],
        "number of seats": [({}, len(tokens))],
        "token i": [({"i": i}, token) for i, token in enumerate(tokens)],
        "place of the token in the list, from 1": [({"token": t}, i + 1) for i, t in enumerate(tokens)],
    }


def of_the_seats(w):
    members = w.members()
    address = lambda m: int(w.chain.rpc.call("web3_sha3", "0x" + xy(m["nodeKey"]).hex())[-40:], 16)
    each = lambda value: [({"token": t}, value(m)) for t, m in members.items()]
    registered = {t: m for t, m in members.items() if m["nodeKey"]}
    bound = {t: m for t, m in members.items() if int(m["instance"], 16)}
    expect(f"registered {list(registered)}", list(registered) == [1, 4] == list(bound))
    expect("what was registered", all(m["active"] and m["boundBy"] == m["owner"] and m["rootEpoch"] == 1
                                      for m in registered.values()))
    word = lambda key: int.from_bytes(key[1:], "big")
    return {
        "`ownerOf(token)`": each(lambda m: m["owner"]) + [({"token": 2}, 0)],
        "`instanceToToken(instance)`": [({"instance": int(m["instance"], 16)}, t) for t, m in bound.items()],
        "how many tokens are bound to an instance": [({"instance": int(m["instance"], 16)}, 1) for m in bound.values()],
        "`nodeSignerToToken(signer)`": [({"signer": address(m)}, t) for t, m in registered.items()],
        "address of the node key": [({"token": t}, address(m)) for t, m in registered.items()],
        "`instance`": each(lambda m: int(m["instance"], 16)),
        "`nonce`": each(lambda m: m["nonce"]),
        "`active`": each(lambda m: m["active"]),
        "first byte of `nodeKey`, 0: none": each(lambda m: (m["nodeKey"] or b"\0")[0]),
        "first byte of `proofKey`": each(lambda m: (m["proofKey"] or b"\0")[0]),
        "the other 32 bytes of `nodeKey`": each(lambda m: word(m["nodeKey"])),
        "the other 32 bytes of `proofKey`": each(lambda m: word(m["proofKey"])),
        "`boundBy`": each(lambda m: m["boundBy"]),
        "`expiresAt`": each(lambda m: m["expiresAt"]),
        "`appId`": each(lambda m: m["appId"]),
        "`rootEpoch` of the registration": each(lambda m: m["rootEpoch"]),
        "tokens behind it": [({"token": t}, int(t == 1)) for t in members],
        "token in front": [({"token": t}, int(t == 3)) for t in members],
        # the first seat's instance was replaced once, and the third stands behind what came of it
        "generation": [({"token": t}, int(t == 1)) for t in members],
        "generation of the token in front, then": [({"token": t}, int(t == 3)) for t in members],
    }


def xy(key):
    """X || Y of a compressed key."""
    p = 2**256 - 2**32 - 977
    x = int.from_bytes(key[1:], "big")
    y = pow(x**3 + 7, (p + 1) // 4, p)
    return key[1:] + (y if y % 2 == key[0] % 2 else p - y).to_bytes(32, "big")


# What is tried in ways of its own below.
WRITTEN = {"`suspendedUntil`, its own", "suspension of who stood behind a token in a generation"}
TEXT = "`url`: length and text"


@test
def every_field_stands_where_the_page_says(w):
    layout, expected = w.layout(), {**of_the_cluster(w), **of_the_seats(w)}
    expect(f"the page's fields and the test's: {set(layout) ^ set(expected)}",
           set(layout) == set(expected) | WRITTEN | {TEXT})
    for field, cases in expected.items():
        expect(f"{field}: nothing compared", cases)
        for names, value in cases:
            found = w.stored(layout[field], **names)
            expect(f"{field} {names}: {found:#x} is stored, {value:#x} was read", found == value)


@test
def a_url_is_read_from_its_slots(w):
    layout, members = w.layout(), w.members()
    expect("both lengths", (members[1]["url"], members[4]["url"]) == (SHORT_URL.encode(), LONG_URL.encode()))
    for token, m in members.items():
        found = w.text(w.slot(layout[TEXT][0], token=token))
        expect(f"token {token}: {found}", found == m["url"])


@test
def weight_follows_from_the_slots(w):
    layout = w.layout()
    value = lambda field, token: w.stored(layout[field], token=token)
    for token, m in w.members().items():
        front = value("token in front", token)
        behind = front and value("generation of the token in front, then", token) == value("generation", front)
        weight = 0 if behind else 1 + value("tokens behind it", token)
        expect(f"token {token}: {weight}, read {m['weight']}", weight == m["weight"])
    expect("the test's own", [m["weight"] for m in w.members().values()] == [2, 1, 0, 1])


@test
def a_suspension_that_is_written_there_is_read(w):
    layout = w.layout()
    before = w.members()
    expect("somebody is suspended", all(m["suspendedUntil"] == 0 for m in before.values()))
    w.store(layout["`suspendedUntil`, its own"], 1_900_000_000, token=4)
    w.store(layout["suspension of who stood behind a token in a generation"], 1_900_000_001,
            token=1, generation=1)
    after = w.members()
    expect(f"{after}", {t: m["suspendedUntil"] for t, m in after.items()} == {1: 0, 5: 0, 3: 1_900_000_001,
                                                                           4: 1_900_000_000})
    expect("something else changed", {t: {**m, "suspendedUntil": 0} for t, m in after.items()} == before)


@test
def the_page_names_every_error_and_call(w):
    abi = json.load(open(ABI, encoding="utf-8"))
    abi = abi if isinstance(abi, list) else abi["abi"]
    errors = {e["name"] for e in abi if e["type"] == "error"}
    named = {name for cells in rows(w.page, "| error | what to do |") for name in re.findall(r"`(\w+)`", cells[0])}
    expect(f"the page's errors and the contract's: {errors ^ named}", errors == named)
    for f in abi:
        if f["type"] == "function" and f["stateMutability"] in ("payable", "nonpayable"):
            expect(f"the page does not name {f['name']}", re.search(rf"`{f['name']}\b", w.page))


if __name__ == "__main__":
    sys.exit(main(World, "contract_"))
