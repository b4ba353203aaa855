#!/usr/bin/env python3
"""End-to-end tests of members whose votes are lost, damaged, or cannot be stored (docs/consensus.md). Prints
`ok NAME` or `not ok NAME: why` for each case, and exits 1 when one failed. Usage: votes.py [NAME..]"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import parted  # noqa: E402
from cases import World, expect, main, test, together  # noqa: E402
from cluster import QUICK, ask, cluster, epoch, kv, leader, led, value, write  # noqa: E402
from mesh import wait_for  # noqa: E402


@test
def whose_votes_are_damaged_is_a_member_and_no_voter(w):
    nodes = cluster(w, "d1", "d2", "d3", "d4")
    broken = nodes[3]
    broken.kill()
    path = votes_of(broken)
    for part in (path, path + "-wal"):  # which may hold these pages, too
        with open(part, "r+b") as f:
            f.write(b"damaged" * 1000)
    broken.start()
    together(*nodes)
    led(*nodes[:3], members=4)
    expect("it says so", broken.events("votes_lost"))
    status, answer = broken.request("GET", "/v1/leader")
    expect(f"{status} {answer}", status == 503 and path in answer and "move these files away" in answer)
    expect("to whoever asks whether it is ready, too", "takes no part in consensus" in
           broken.request("GET", "/readyz?verbose")[1])
    expect("and the gauge", broken.metric("nftmesh_consensus_mute") == 1)
    with open(path, "rb") as f:
        expect("the file is as it was", f.read(7) == b"damaged")
    # What the sentence says: without the file it is one whose votes are lost.
    broken.kill()
    for suffix in ("", "-wal", "-mark"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
    broken.start()
    together(*nodes)
    votes_lost(w, nodes, broken, "and it has voted before")


def votes_of(node):
    return next(os.path.join(node.dir, f) for f in os.listdir(node.dir)
                if f.startswith("votes-") and f.endswith(".db"))


def votes_lost(w, nodes, broken, why):
    """A member that follows and does not vote, until the seats change; then it does, and is needed."""
    wait_for(lambda: f"it says until when: {broken.events('votes_lost')}",
             lambda: any("block" in e for e in broken.events("votes_lost")), 30)
    said = broken.events("votes_lost")[-1]
    expect(f"{said}", why in said["msg"] and f"made of a block above {said['block']}" in said["msg"])
    led(*nodes)
    view = leader(broken)
    expect(f"{view}", view["signs"] is False and view["why"] == said["msg"])
    expect("the block is not below the epoch's", said["block"] >= epoch(broken)["block"]["number"])
    wait_for("to whoever asks whether it is ready, too", lambda: said["msg"] in
             broken.request("GET", "/readyz?verbose")[1], 30)
    expect("and the gauge", broken.metric("nftmesh_consensus_votes_lost") == 1)
    out = ask(broken, "leader", "show")
    expect(out, f"this node votes for nothing: {said['msg']}" in out)
    kv(nodes[0], "put", "while", why[:20])
    wait_for("it follows the log", lambda: value(broken, "while") == why[:20], 30)
    expect("it is asked as any other", write(broken, op="add", key="asked", request=why[:20])[0] == 200)
    # It is silent: without one of the others nothing has a quorum.
    number, others = epoch(broken)["number"], [n for n in nodes if n is not broken]
    others[0].kill()
    status, answer = others[1].request("POST", "/v1/kv/change", {"op": "put", "key": "a", "value": why[:9]})
    expect(f"its vote is not there: {status} {answer}", status == 504)
    others[0].start()
    together(*nodes)
    led(*nodes)
    expect("still", leader(broken)["signs"] is False and epoch(broken)["number"] == number)
    fifth = w.node(nodes[0].short + "-5", bootstrap=[w.mesh_url(others[0])], extra=QUICK)
    together(*nodes, fifth)
    led(*nodes, fifth)
    wait_for(lambda: f"it votes again: {leader(broken)}", lambda: leader(broken)["signs"], 60)
    wait_for("it says so", lambda: broken.events("votes_again"), 30)
    wait_for("and why not is over", lambda: leader(broken)["why"] is None and
             broken.metric("nftmesh_consensus_votes_lost") == 0, 30)
    expect("of a block above", epoch(broken)["block"]["number"] > said["block"])
    fifth.kill()  # four of five are a quorum with it, and none without it
    expect("its vote is there", write(others[1], op="put", key="a", value="with it")[0] == 200)
    expect("nobody was accused", not any(n.events("equivocation") for n in nodes))
    expect("of anything", all(not n.get("/v1/evidence")["evidence"] for n in nodes))


@test
def a_log_that_was_deleted_is_missed(w):
    nodes = cluster(w, "l1", "l2", "l3", "l4")
    expect("kept", write(nodes[0], op="put", key="a", value="1")[0] == 200)
    broken = nodes[3]
    broken.kill()
    os.unlink(votes_of(broken))
    broken.start()
    together(*nodes)
    votes_lost(w, nodes, broken, "and it has voted before")
    broken.kill()  # what has been said once is not said again
    broken.start()
    wait_for(lambda: f"it votes: {leader(broken)}", lambda: leader(broken).get("signs"), 60)
    expect("nothing is lost any more", not broken.events("votes_lost"))


@test
def a_wiped_directory_is_told_by_the_others(w):
    nodes = cluster(w, "w1", "w2", "w3", "w4")
    expect("kept", write(nodes[0], op="put", key="a", value="1")[0] == 200)
    broken = nodes[3]
    wait_for(lambda: f"it votes: {leader(broken)}", lambda: leader(broken).get("signs"), 30)
    at = leader(broken)["final_slot"] or 0
    wait_for("and has voted", lambda: (leader(broken).get("final_slot") or 0) >= at + 3, 30)
    broken.kill()
    for name in os.listdir(broken.dir):  # the seed is in a backup: it is the same key
        if name not in ("seed", "node.log"):
            os.unlink(os.path.join(broken.dir, name))
    broken.start()
    together(*nodes)
    wait_for("the others show it", lambda: broken.events("copy"), 30)
    votes_lost(w, nodes, broken, "others hold votes of this node's key")


@test
def a_full_disk_takes_the_vote_and_not_the_seat(w):
    nodes = cluster(w, "f1", "f2", "f3", "f4")
    full = led(*nodes)
    rest = [n for n in nodes if n is not full]
    disk = parted.Limit()
    disk.fill(full)
    line = wait_for("it says so", lambda: full.events("store_failed"), 30)[0]
    expect(f"what is full, and what to do: {line}", full.dir in line["msg"] and "make room" in line["msg"] and
           "start again" in line["msg"])
    second = led(*rest, members=4)
    status, answer = write(rest[0], op="put", key="colour", value="red")
    expect(f"{status} {answer}", status == 200 and second is not full)
    wait_for("it follows", lambda: value(full, "colour") == "red", 30)
    together(*nodes)
    # Room alone does not help: what it was about to say when the disk was full, nobody knows.
    disk.free(full)
    nodes.append(w.node("f5", bootstrap=[w.mesh_url(second)], extra=QUICK))
    together(*nodes)
    wait_for(lambda: f"another epoch: {epoch(full)}", lambda: len(epoch(full).get("members", [])) == 5, 60)
    led(*rest, nodes[4], members=5)
    view = leader(full)
    expect(f"it has no vote in that either: {view}", view["signs"] is False and view["lease"] is False)
    expect("the gauge", full.metric("nftmesh_consensus_mute") == 1)
    for verb in (["leader", "show"], ["status"]):
        out = ask(full, *verb)
        expect(out, "signs nothing until it is started again" in out and "make room" in out)
    expect("it ends in order", full.stop() == 0)
    full.start()
    led(*nodes)
    wait_for(lambda: f"it votes: {leader(full)}", lambda: leader(full).get("signs") is True, 30)
    expect("no word of it any more", "signs nothing" not in ask(full, "status"))
    expect("nobody was accused", not any(n.events("equivocation") for n in nodes))


@test
def without_room_it_does_not_start_and_says_why(w):
    a = w.node("room", extra=QUICK)
    expect("it ends in order", a.stop() == 0)
    a.prefix = ["prlimit", "--fsize=0", "--"]
    a.start()
    wait_for("it ends", lambda: not a.alive(), 30)
    expect(f"{a.p.returncode} {a.text()}", a.p.wait() == 1 and a.dir in a.text() and "make room" in a.text())


if __name__ == "__main__":
    sys.exit(main(World))
