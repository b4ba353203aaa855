"""Nodes that elect: what the cases of leader.py and votes.py share."""
import json

import mesh
from cases import expect, together
from mesh import wait_for

QUICK = ["--epoch-gap", "1s"]


def cluster(w, *names, options=None, gap=QUICK, deadline=90, **more):
    """Nodes that are all in one epoch, with a leader."""
    nodes = []
    for name in names:
        nodes.append(w.node(name, bootstrap=[w.mesh_url(nodes[0])] if nodes else [],
                            extra=gap + (options or []), **more))
    together(*nodes)
    led(*nodes, deadline=deadline)
    return nodes


def leader(node):
    return node.get("/v1/leader") or {}


def epoch(node):
    return node.get("/v1/epoch") or {}


def led(*nodes, members=None, deadline=90):
    """All are in one epoch of so many members, and one of them leads and may act."""
    members = members or len(nodes)

    def agreed():
        views = [leader(n) for n in nodes]
        epochs = [epoch(n) for n in nodes]
        return (all(v.get("leader") for v in views) and
                len({v["leader"]["node"] for v in views}) == 1 and
                len({e.get("id") for e in epochs}) == 1 and
                all(len(e.get("members", [])) == members for e in epochs) and
                sum(v["lease"] for v in views) == 1 and
                next((n for n, v in zip(nodes, views) if v["self"]), None))
    return wait_for(lambda: "one leader: " + json.dumps([[leader(n), epoch(n).get("number"),
                                                          len(epoch(n).get("members", []))] for n in nodes]),
                    agreed, deadline)


def ask(node, *args):
    """What a verb prints."""
    return mesh.run(*args, "--data-dir", node.dir)[1]


def refused(node, *args):
    code, _, err = mesh.run(*args, "--data-dir", node.dir, check=False)
    expect(f"{args}: {code} {err}", code == 1)
    return err


def kv(node, *args):
    return ask(node, "kv", *args)


def value(node, key):
    return (node.get(f"/v1/kv?key={key}") or {}).get("value")


def write(node, **body):
    status, text = node.request("POST", "/v1/kv/change", body)
    return status, json.loads(text)
