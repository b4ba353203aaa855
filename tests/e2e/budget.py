#!/usr/bin/env python3
"""Bounds of a node: a member over its budget (docs/decisions/0019), whose link is slowed down, then
closed, while nobody else feels it; and descriptors. Prints `ok NAME` or `not ok NAME: why`, and exits 1 when one failed. Usage: budget.py [NAME..]"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import APP_ID, World, expect, main, test, together  # noqa: E402
from mesh import wait_for  # noqa: E402

QUICK = ["--epoch-gap", "1s"]


def insider(w, a, is_sold):
    """A member's own keys, with its node stopped: what the impostor needs to be that member. Sold: its
    seat is gone, and its vote is not."""
    node = w.node("insider", extra=QUICK)
    keys = mesh.keys_of(node, APP_ID)
    if is_sold:
        wait_for(lambda: f"it votes: {a.get('/v1/epoch')}",
                 lambda: len((a.get("/v1/epoch") or {}).get("members", [])) == 3, 60)
    node.kill()
    if is_sold:
        w.chain.contract_call(w.contract, "burn(uint256)", node.token, sender=w.chain.as_wallet(node.wallet.address))
        del node.token
        wait_for("it is in no table", lambda: "insider" not in {m["name"] for m in a.members()}, 30)
    return keys


def flood(w, target, keys, kind):
    """Starts the impostor that floods the target once it is up."""
    return mesh.member_liar(target, keys, w.chain, w.host.kms_root(), flood=kind)


def over_budget(w, kind, what, is_sold=False):
    a, b = w.pair(f"{kind}-a", f"{kind}-b", extra=QUICK)
    keys, height = insider(w, a, is_sold), w.chain.height()
    wait_for("a judges by a block that has the insider's seat",
             lambda: a.metric("nftmesh_chain_ref_block") >= height, 30)
    since, began = time.time(), time.monotonic()
    p = flood(w, a, keys, kind)
    try:
        wait_for("its link rests", lambda: a.metric("nftmesh_peer_over_budget_total", what="rests"), 60)
        line = wait_for("and is closed", lambda: [e for e in a.events("refused", since)
                                                  if e["reason"] == "over_budget"], 90)[0]
        expect(f"says of what: {line}", what in line["expected"])
        expect("not at once", time.monotonic() - began > 25)
        out, _ = p.communicate(timeout=30 * mesh.SCALE)
    finally:
        p.kill()
    ended = json.loads(out.splitlines()[-1])
    expect(f"told why: {ended}", ended["outcome"] == "ended" and ended["code"] == 5)
    why = a.get(f"/v1/why?id={line['peer'][:16]}")
    expect(f"why has it: {why}", "over_budget" in json.dumps(why))
    again = flood(w, a, keys, kind)
    out, _ = again.communicate(timeout=30 * mesh.SCALE)
    told = json.loads(out.splitlines()[-1])
    expect(f"no link for a while: {told}", told["outcome"] == "refused" and told["code"] == 5)
    expect("counted", a.metric("nftmesh_peer_over_budget_total", what="closed") == 1 and
           a.metric("nftmesh_peer_over_budget_total", what="refused") >= 1)
    others = [e for e in a.events("suspect", since) + b.events("suspect", since)
              if e["peer"] in (a.key(), b.key())]
    expect(f"a and b have not felt it: {others}", not others and a.ready() and b.ready())
    expect("b's budget is whole", b.metric("nftmesh_peer_budget_peak_permille") < 500)
    together(a, b)


@test
def a_member_that_floods_is_slowed_and_then_closed(w):
    over_budget(w, "bytes", "bytes")


@test
def a_member_that_forges_is_slowed_and_then_closed(w):
    over_budget(w, "forgeries", "statements")


@test
def who_is_sold_and_floods_is_slowed_and_then_closed(w):
    """Nothing that it says of membership is read; and that costs it as much as anybody."""
    over_budget(w, "bytes", "bytes", is_sold=True)


@test
def too_few_descriptors_for_the_links_are_named(w):
    node = w.node("narrow", start=False, seat=False, extra=["--links-max", "500"])
    node.argv = ["/bin/sh", "-c", 'ulimit -n 700; exec "$@"', "sh", *node.argv]
    node.start()
    line = wait_for("it says so", lambda: node.events("descriptors"), 30)[0]
    expect(f"both figures: {line}", "700 descriptors" in line["msg"] and "--links-max 500" in line["msg"])
    wait_for("status says so too", lambda: "--links-max 500" in json.dumps(node.status()), 30)
    wide = w.node("wide", seat=False)
    wait_for("it answers", lambda: wide.status().get("node"), 30)
    expect("nothing to say", not wide.events("descriptors"))
    argv = [word for word in node.argv[5:] if word not in ("--links-max", "500")]
    for value in ("7", "4096", "many"):
        code, _, err = mesh.run(*argv, "--check-config", "--links-max", value, check=False)
        expect(f"{value} is refused: {err}", code == 2 and "--links-max" in err)


if __name__ == "__main__":
    sys.exit(main(World))
