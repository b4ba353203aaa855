#!/usr/bin/env python3
"""End-to-end tests of the cluster's consensus (docs/consensus.md): who leads, what all share, and what
becomes of both when processes die. Prints `ok NAME` or `not ok NAME: why` for each case, and exits 1
when one failed. Usage: leader.py [NAME..]"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import APP_ID, World, expect, main, test, together  # noqa: E402
from cluster import QUICK, ask, cluster, epoch, kv, leader, led, refused, value, write  # noqa: E402
from mesh import wait_for  # noqa: E402


@test
def one_leads_itself_and_another_joins_it(w):
    a = w.node("alone", extra=QUICK)
    expect("it leads itself", led(a) is a)
    view = leader(a)
    expect(f"{view}", view["lease"] and view["lease_remaining_ms"] > 0 and view["bft"] is False and
           view["fencing_token"] >= 0)
    kv(a, "put", "colour", "blue")
    b = w.node("second", bootstrap=[w.mesh_url(a)], extra=QUICK)
    together(a, b)
    led(a, b)
    wait_for(lambda: f"the newcomer has what was there: {value(b, 'colour')}",
             lambda: value(b, "colour") == "blue", 30)
    expect("one epoch more", epoch(b)["number"] == 1)


def registered(w, name, other):
    """A node that has a seat and does not run yet."""
    node = w.node(name, bootstrap=[w.mesh_url(other)], extra=QUICK, seat=False, start=False)
    node.wallet = mesh.Wallet(w.chain, os.path.join(w.dir, name + ".wallet"))
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", node.wallet.address)
    node.token = max(w.chain.seats(w.contract))
    node.register(node.wallet, node.token)
    return node


@test
def seats_are_registered_before_their_nodes_run(w):
    a = w.node("first", extra=QUICK)
    led(a)
    late = [registered(w, name, a) for name in ("second", "third", "fourth")]
    wait_for(lambda: f"three are waited for: {a.get('/v1/quorum')}",
             lambda: a.get("/v1/quorum")["awaited"] == [n.token for n in late], 60)
    height = a.block()
    wait_for("some more blocks", lambda: a.block() >= height + 5, 60)
    expect("it leads as before", leader(a)["lease"] and epoch(a)["number"] == 0)
    expect("who is waited for is shown", "the next epoch waits for the nodes of the seats " +
           ", ".join(str(n.token) for n in late) in ask(a, "quorum"))
    kv(a, "put", "colour", "blue")
    for node in late:
        node.start()
    together(a, *late)
    led(a, *late)
    expect("nobody is waited for", a.get("/v1/quorum")["awaited"] == [])
    wait_for("they have what was there", lambda: value(late[2], "colour") == "blue", 30)


@test
def five_elect_and_lose_no_write(w):
    nodes = cluster(w, "n1", "n2", "n3", "n4", "n5")
    first = led(*nodes)
    out = kv(nodes[0], "put", "colour", "green")
    expect(out, "done: final in epoch" in out)
    for n in nodes:
        wait_for(lambda: f"{n.short}: {value(n, 'colour')}", lambda: value(n, "colour") == "green", 30)
    # A request that is asked again, of another member, is done once.
    status, one = write(nodes[1], op="add", key="visits", request="r-1")
    status, two = write(nodes[2], op="add", key="visits", request="r-1")
    expect(f"{one} {two}", one["value"] == 1 and two["value"] == 1 and two["result"] == "repeated")
    # The leader dies: another one leads, and what was told stays.
    first = led(*nodes)  # a window may have ended meanwhile
    token = leader(first)["fencing_token"]
    first.kill()
    rest = [n for n in nodes if n is not first]
    began = time.monotonic()
    second = led(*rest, members=5)
    print(f"  another leads after {time.monotonic() - began:.1f} s")
    expect("another", second is not first)
    view = leader(second)
    expect(f"{view}", view["fencing_token"] > token)
    status, three = write(rest[0], op="add", key="visits", request="r-2")
    expect(f"{three}", status == 200 and three["value"] == 2)
    first.start()
    led(*nodes)
    wait_for(lambda: f"it catches up: {value(first, 'visits')}",
             lambda: value(first, "visits") == "2", 60)


@test
def a_lead_is_handed_on_and_shown(w):
    nodes = cluster(w, "p1", "p2", "p3", "p4")
    first = led(*nodes)
    out = ask(first, "leader", "show")
    expect(out, f"{first.short} (this node)" in out and "fencing token" in out)
    shown = json.loads(ask(first, "leader", "schedule", "--format", "json"))
    expect(f"{shown}", shown["windows"][0]["name"] == first.short and len(shown["windows"]) == 20)
    follower = next(n for n in nodes if n is not first)
    expect("only who leads", "does not lead" in refused(follower, "leader", "transfer"))
    ask(first, "leader", "transfer")
    wait_for("another leads", lambda: leader(nodes[0]).get("leader") and
             leader(nodes[0])["leader"]["name"] == shown["windows"][1]["name"], 30)
    second = led(*nodes)
    wait_for("lease lost is told", lambda: first.events("lease_lost"), 30)
    wait_for("lease is told", lambda: second.events("lease"), 30)
    heard = "weight 4 of 4 is heard, 3 is needed: there is a quorum"
    wait_for(lambda: ask(first, "quorum"), lambda: heard in ask(first, "quorum"), 30)
    out = ask(first, "epoch", "show")
    expect(out, "p4" in out and "closed by slot" in out)
    follower = next(n for n in nodes if n not in (first, second))
    ask(follower, "wait", "--leader")
    expect("metrics", second.metric("nftmesh_is_leader") == 1 and
           follower.metric("nftmesh_is_leader") == 0 and
           follower.metric("nftmesh_voting_weight") == 4 and
           follower.metric("nftmesh_leader_changes_total") >= 1)
    second.stop()  # who leaves hands it on first
    expect("lease lost, and not just ended", second.events("lease_lost"))
    led(*[n for n in nodes if n is not second], members=4)


@test
def without_a_quorum_nobody_leads(w):
    nodes = cluster(w, "q1", "q2", "q3", "q4")
    for n in nodes[2:]:
        n.kill()
    rest = nodes[:2]
    wait_for("no lease", lambda: not any(leader(n)["lease"] for n in rest), 60)
    wait_for("the absent are named", lambda: f"{nodes[2].token}, {nodes[3].token}" in
             rest[0].request("GET", "/readyz?verbose")[1] or
             f"{nodes[3].token}, {nodes[2].token}" in rest[0].request("GET", "/readyz?verbose")[1], 60)
    out = ask(rest[0], "quorum")
    expect(out, "NO QUORUM" in out)
    status, answer = rest[0].request("POST", "/v1/kv/change", {"op": "put", "key": "a", "value": "b"})
    expect(f"{status} {answer}", status == 504)
    nodes[2].start()
    led(*nodes[:3], members=4)
    wait_for("it was kept and is done now", lambda: value(nodes[2], "a") == "b", 60)


@test
def a_seat_that_is_sold_has_no_vote(w):
    nodes = cluster(w, "s1", "s2", "s3", "s4", "s5")
    seller = w.chain.as_wallet(nodes[4].wallet.address)
    w.chain.contract_call(w.contract, "burn(uint256)", nodes[4].token, sender=seller)
    del nodes[4].token
    led(*nodes[:4], members=4)
    expect("it is out", all(m["name"] != "s5" for m in epoch(nodes[0])["members"]))


def sell(w, nodes):
    for n in nodes:
        w.chain.contract_call(w.contract, "burn(uint256)", n.token, sender=w.chain.as_wallet(n.wallet.address))
        del n.token


def sold(node):
    """Whose seats are gone, in the epoch as this node knows it, and heard of."""
    return sum(m["sold"] and m["heard"] for m in epoch(node).get("members", []))


@test
def a_third_is_sold_at_once(w):
    """No quorum is left without the sellers: out of every table at once, they vote until the epoch ends."""
    # An end of an epoch that comes to nothing, on a busy machine, is tried again after twice the gap.
    nodes = cluster(w, "t1", "t2", "t3", "t4", "t5", "t6", "t7", gap=["--epoch-gap", "60s"], deadline=300)
    rest, sellers = nodes[:4], nodes[4:]
    status, answer = write(rest[0], op="add", key="n", request="before")
    expect(f"{answer}", answer.get("value") == 1)
    number, keys = epoch(rest[0])["number"], {n.key() for n in sellers}
    sell(w, sellers)
    for n in rest:
        wait_for(lambda: f"the sellers are in no table of {n.short}: {sorted(n.names())}",
                 lambda n=n: n.names(None) == n.names("alive") == {r.short for r in rest}, 30)
        links = n.get("/v1/peers")["peers"]
        expect(f"nor among the peers: {links}", not keys & {p["node"] for p in links})
    expect(f"between the stages: {epoch(rest[1])}", epoch(rest[1])["number"] == number)
    for n in rest:
        wait_for(lambda: f"{n.short} hears their votes: {epoch(n)}", lambda n=n: sold(n) == 3, 20)
    out = ask(rest[1], "quorum")
    expect(out, out.count("sold, votes until the next epoch") == 3 and "there is a quorum" in out)
    expect("the gauge", rest[1].metric("nftmesh_voting_weight_sold") == 3)
    wait_for(lambda: f"one that stays leads: {leader(rest[1])}", lambda: leader(rest[1])["leader"] and
             leader(rest[1])["leader"]["node"] not in keys, 30)
    # Each reads the chain when it does; until then what it asks for is done.
    wait_for("a seller knows it too", lambda: "[-]seat" in sellers[0].request("GET", "/readyz")[1], 30)
    status, answer = write(sellers[0], op="put", key="a", value="b")
    expect(f"who is out asks for nothing: {status} {answer}", status == 409)
    # They come again to one that was away, too.
    rest[0].kill()
    rest[0].start()
    wait_for(lambda: f"their votes are heard again: {epoch(rest[0])}",
             lambda: sold(rest[0]) == 3 or epoch(rest[0]).get("number", 0) > number, 60)
    expect("in the same epoch", epoch(rest[0])["number"] == number)
    led(*rest, members=4, deadline=240)
    status, answer = write(rest[0], op="add", key="n", request="after")
    expect(f"{answer}", answer.get("value") == 2)
    for n in rest:
        expect("nobody was accused", not n.events("equivocation"))
        expect("the gauge", n.metric("nftmesh_voting_weight_sold") == 0)
    def is_quiet():
        heard = [n.metric("nftmesh_consensus_received_total") for n in sellers]
        time.sleep(3)
        return heard == [n.metric("nftmesh_consensus_received_total") for n in sellers]
    wait_for("their sessions end", is_quiet, 120)


@test
def all_restart_with_what_they_knew(w):
    nodes = cluster(w, "r1", "r2", "r3", "r4")
    kv(nodes[1], "put", "kept", "yes")
    number = epoch(nodes[0])["number"]
    for n in nodes:
        n.kill()
    for n in nodes:
        n.start()
    together(*nodes)
    led(*nodes)
    expect("no new cluster", epoch(nodes[0])["number"] >= number)
    for n in nodes:
        wait_for("the value is there", lambda: value(n, "kept") == "yes", 60)
    expect("nobody was accused", not any(n.events("equivocation") for n in nodes))


@test
def a_member_is_voted_out_of_the_lead(w):
    nodes = cluster(w, "c1", "c2", "c3", "c4")
    nodes[3].kill()
    for n in nodes[:3]:
        wait_for("it is known to be dead", lambda: "c4" in n.names("failed"), 60)
    number = epoch(nodes[1])["number"]
    ask(nodes[0], "challenge", "open", "c4", "--note", "gone since Monday")
    wait_for(lambda: "those who hold it dead vote by themselves: " +
             repr(nodes[1].get("/v1/challenges")),
             lambda: [c["verdict"] for c in nodes[1].get("/v1/challenges")["challenges"]] == ["upheld"]
             or epoch(nodes[1])["number"] > number, 60)
    wait_for(lambda: f"benched: {epoch(nodes[1])['members']}",
             lambda: [m["standing"] for m in epoch(nodes[1])["members"] if m["name"] == "c4"]
             == ["benched"], 60)
    expect("its weight stays", epoch(nodes[1])["members"][0]["weight"] == 1)


@test
def leadership_goes_on_without_the_chain(w):
    proxies = [mesh.Proxy(w.chain) for _ in range(3)]
    try:
        nodes = cluster(w, "o1", "o2", "o3", "o4", rpcs=[p.url for p in proxies])
        for p in proxies:
            p.mode = "down"
        wait_for("the endpoints are missed", lambda: "rpc_unreachable" in
                 nodes[0].request("GET", "/readyz?verbose")[1], 60)
        first = led(*nodes)
        first.kill()
        rest = [n for n in nodes if n is not first]
        second = led(*rest, members=4)
        status, answer = write(rest[0], op="add", key="n", request="without")
        expect(f"{answer}", status == 200 and answer["value"] == 1 and second is not first)
    finally:
        for p in proxies:
            p.close()


@test
def old_weights_decide_nothing(w):
    """The orderly end of --rpc-grace: all stay connected, nobody leads, and it goes on where it was."""
    proxies = [mesh.Proxy(w.chain) for _ in range(3)]
    try:
        nodes = cluster(w, "g1", "g2", "g3", rpcs=[p.url for p in proxies], options=["--rpc-grace", "5s"])
        expect("kept", write(nodes[0], op="put", key="a", value="1")[0] == 200)
        token = leader(nodes[0])["fencing_token"]
        for p in proxies:
            p.mode = "down"
        for n in nodes:
            wait_for(f"{n.short} abstains", lambda n=n: n.events("abstains") and
                     "--rpc-grace" in (leader(n).get("why") or ""), 90)
        views = [leader(n) for n in nodes]
        expect(f"nobody may act: {views}", not any(v["lease"] or v["signs"] for v in views))
        wait_for("and it says so", lambda: "neither votes nor leads" in
                 nodes[0].request("GET", "/readyz?verbose")[1], 30)
        wait_for("the gauge, too", lambda: nodes[0].metric("nftmesh_consensus_abstains") == 1, 30)
        expect("members stay", nodes[0].request("GET", "/v1/peers")[1].count('"up"') == 2)
        status, answer = write(nodes[0], op="put", key="a", value="2")
        expect(f"nothing is decided: {status} {answer}", status == 504)
        for p in proxies:
            p.mode = "honest"
        led(*nodes)
        wait_for("what was asked is done now", lambda: value(nodes[1], "a") == "2", 60)
        expect("tokens only grow", leader(nodes[0])["fencing_token"] >= token)
        wait_for("the gauge follows", lambda: nodes[0].metric("nftmesh_consensus_abstains") == 0, 30)
    finally:
        for p in proxies:
            p.close()


@test
def who_votes_twice_is_suspended(w):
    nodes = cluster(w, "e1", "e2", "e3", "e4", "e5")
    liar, others = nodes[4], nodes[:4]
    key, keys = liar.key(), mesh.keys_of(liar, APP_ID)
    liar.kill()
    led(*others, members=5)
    mesh.vote_twice(others[0], key, keys, w.chain, w.host.kms_root())
    line = wait_for("it is proved", lambda: others[0].events("equivocation"), 30)[0]
    expect(f"{line}", line["peer"] == key and line["fault"] == "E2")
    for n in others:  # also those that have not seen the votes
        wait_for(lambda: f"suspended: {n.get('/v1/evidence')}",
                 lambda: [s["node"] for s in n.get("/v1/evidence")["suspended"]] == [key], 60)
    wait_for(lambda: f"no weight: {epoch(others[1])}",
             lambda: [m["weight"] for m in epoch(others[1])["members"] if m["node"] == key] == [0], 60)
    # Anybody may show it to the contract, which suspends the seat for all.
    proof = json.loads(ask(others[0], "evidence", "export"))[0]
    mesh.submit_evidence(w.chain, w.contract, proof)
    wait_for("out of membership", lambda: all("e5" not in {m["name"] for m in n.members()}
                                              for n in others), 60)
    led(*others, members=4)


@test
def who_takes_no_part_says_so(w):
    a = w.node("silent", extra=["--consensus", "off"])
    status, answer = a.request("GET", "/v1/leader")
    expect(f"{status} {answer}", status == 404 and "--consensus off" in answer)
    expect("the verb, too", "--consensus off" in refused(a, "leader", "show"))


if __name__ == "__main__":
    sys.exit(main(World))
