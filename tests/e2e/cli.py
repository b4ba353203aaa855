#!/usr/bin/env python3
"""End-to-end tests of the command line: a test network made, started, asked, changed and stopped by
`nftmesh` alone. Prints `ok NAME` or `not ok NAME: why` for each, and exits 1 when one failed."""
import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402
from mesh import wait_for  # noqa: E402

NODES = 3


class Net:
    """A test network in a directory of its own; the tests run in their order, on one network."""

    def __init__(self, directory):
        self.dir = os.path.join(directory, "net")
        self.directory = directory
        self.port = None

    def end(self):
        self.script("stop.sh")

    def make(self):
        # Ports in a row, of which none is taken now.
        while True:
            base = mesh.free_port()
            with contextlib.suppress(OSError):
                for port in range(base, base + 2 * NODES + 1):
                    mesh.socket.create_server(("127.0.0.1", port)).close()
                break
        self.port = base
        return mesh.run("testnet", "--nodes", NODES, "--out", self.dir, "--base-port", base,
                        "--artifact", mesh.ARTIFACT, "--anvil", mesh.ANVIL)

    def script(self, name, timeout=150):
        p = subprocess.run([os.path.join(self.dir, name)], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=timeout * mesh.SCALE)
        expect(f"{name} exits {p.returncode}: {p.stderr[-600:]}", p.returncode == 0)
        return p.stdout + p.stderr

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def data(self, n):
        return self.path(f"node{n}", "data")

    def conf(self, n):
        return self.path(f"node{n}", "node.conf")

    def ask(self, n, verb, *args, check=True):
        """The verb's JSON of node n."""
        out = mesh.run(verb, *args, "--data-dir", self.data(n), "--format", "json", check=check)
        return json.loads(out[1])

    def states(self, n):
        return {m["name"]: m["state"] for m in self.ask(n, "members")["members"]}

    def pids(self):
        with open(self.path("pids")) as f:
            return {name: int(pid) for pid, name in (line.split() for line in f)}


def address(path, directory):
    """A new wallet's address."""
    return json.loads(mesh.run("keygen", "--out", os.path.join(directory, path), "--format",
                               "json")[1])["address"]


@test
def a_test_network_is_made_and_starts(net):
    net.make()
    text = net.script("start.sh")
    expect(f"all are ready: {text}", "all are ready" in text)
    everybody = {f"node{n}": "alive" for n in range(1, NODES + 1)}
    for n in range(1, NODES + 1):
        wait_for(lambda: f"node{n} sees {net.states(n)}", lambda: net.states(n) == everybody)


@test
def a_second_start_is_refused(net):
    p = subprocess.run([net.path("start.sh")], capture_output=True, text=True,
                       timeout=60 * mesh.SCALE)
    expect(f"exit {p.returncode}", p.returncode == 1)
    expect(p.stderr, "stop.sh first" in p.stderr)
    expect("the first one goes on", mesh.run("wait", "--ready", "--timeout", "10s", "--data-dir",
                                             net.data(1))[0] == 0)


@test
def every_asking_verb_answers(net):
    key = net.ask(2, "status")["node"]
    for verb in (["status"], ["members"], ["members", "--detailed"], ["peers"], ["why", "node2"],
                 ["verify", key[:10]], ["events"], ["trust", "show"]):
        status, out, err = mesh.run(*verb, "--data-dir", net.data(1))
        expect(f"{verb}: {err}", out and not err)
        json_out = mesh.run(*verb, "--data-dir", net.data(1), "--format", "json")[1]
        for line in json_out.splitlines():
            json.loads(line)
    wait_for(lambda: f"{net.ask(1, 'status')}", lambda: net.ask(1, "status")["ready"])
    expect("its token", net.ask(1, "status")["token"] == 1)
    expect("all checks of a member stand",
           mesh.run("verify", "node2", "--data-dir", net.data(1))[1].count("[+]") == 17)


@test
def the_socket_is_found_by_every_way(net):
    env = {"NFTMESH_SOCKET": os.path.join(net.data(2), "control.sock")}
    name = lambda out: json.loads(out[1])["name"]
    expect("environment", name(mesh.run("status", "--format", "json", env=env)) == "node2")
    expect("flag before environment",
           name(mesh.run("status", "--format", "json", "--data-dir", net.data(3), env=env)) ==
           "node3")
    expect("configuration file",
           name(mesh.run("status", "--format", "json", "--config", net.conf(1))) == "node1")


@test
def an_event_reaches_another_nodes_stream(net):
    follow = mesh.Process([mesh.NFTMESH, "events", "--follow", "--last", "0", "--format", "json",
                           "--data-dir", net.data(3)], "events")
    # The stream is open once an event that is asked for again and again comes through.
    def heard():
        mesh.run("event", "hello", "world", "--data-dir", net.data(1))
        return any(e.get("ev") == "msg" and e.get("name") == "hello" and
                   bytes.fromhex(e["payload"]) == b"world"
                   for e in (json.loads(line) for _, line in list(follow.lines)))
    wait_for("node3 hears hello", heard, poll_s=0.2)
    follow.kill()


@test
def tags_are_seen_by_others(net):
    mesh.run("tags", "--set", "zone=eu", "--set", "gone=1", "--data-dir", net.data(1))
    mesh.run("tags", "--delete", "gone", "--data-dir", net.data(1))
    tags = lambda: {m["name"]: m["tags"] for m in net.ask(3, "members")["members"]}
    wait_for(lambda: f"node3 sees {tags()}", lambda: tags()["node1"] == {"zone": "eu"})


@test
def join_takes_a_members_address(net):
    key = net.ask(2, "status")["node"]
    out = mesh.run("join", f"mesh://{key}@127.0.0.1:{net.port + 3}", "--data-dir", net.data(1),
                   check=False)
    expect(f"join: {out}", out[0] == 0)
    out = mesh.run("join", "tcp://127.0.0.1:1", "--data-dir", net.data(1), check=False)
    expect(f"nonsense: {out}", out[0] == 1 and out[2].count("\n") == 1)


@test
def registering_again_sends_nothing(net):
    # The address is the one that the node itself found in its settings.
    out = json.loads(mesh.run("register", "--config", net.conf(2), "--format", "json")[1])
    expect(f"{out}", out == {"stands": True})
    out = json.loads(mesh.run("register", "--config", net.conf(2), "--dry-run", "--format", "json",
                              "--url", f"tcp://127.0.0.1:{net.port}")[1])
    expect(f"another address is a new registration: {out}", out["dry_run"] and out["token"] == 2)


@test
def a_dry_run_tells_the_cost_and_changes_nothing(net):
    out = json.loads(mesh.run("deactivate", "--token", 2, "--config", net.conf(2), "--dry-run",
                              "--format", "json")[1])
    expect(f"{out}", out["dry_run"] and out["tx"] is None and out["gas_used"] > 21000 and
           int(out["max_cost_wei"]) > 0)
    text = mesh.run("deactivate", "--token", 2, "--config", net.conf(2), "--dry-run")[1]
    expect(text, "nothing was sent" in text)
    time_of_a_block = net.ask(1, "status")["block"]["number"]
    wait_for("two more blocks",
             lambda: net.ask(1, "status")["block"]["number"] >= time_of_a_block + 2)
    wait_for(lambda: f"node2 is still a member: {net.states(1)}",
             lambda: net.states(1)["node2"] == "alive")


@test
def what_the_contract_refuses_is_told_in_its_words(net):
    # node1's wallet does not own token 2, and may not mint.
    for verb, words in ((["deactivate", "--token", 2], "contract refuses"),
                        (["transfer", "--token", 2, "--to", "0x" + "11" * 20], "contract refuses"),
                        (["mint", "--to", "0x" + "11" * 20], "MintingPrivate"),
                        (["register", "--token", 2, "--url", "tcp://127.0.0.1:1"], "not to this")):
        status, out, err = mesh.run(*verb, "--config", net.conf(1), check=False)
        expect(f"{verb}: {status} {err}", status != 0 and words in err and err.count("\n") == 1)
        expect(f"{verb}: {out}", not out)
    status, _, err = mesh.run("register", "--token", 99, "--config", net.conf(1), check=False)
    expect(err, status == 1 and "mint a seat first" in err)


@test
def deactivated_leaves_the_mesh_and_register_brings_it_back(net):
    out = json.loads(mesh.run("deactivate", "--token", 2, "--config", net.conf(2), "--format",
                              "json")[1])
    expect(f"{out}", out["token"] == 2 and out["block"] > 0 and out["gas_used"] > 21000)
    wait_for(lambda: f"node1 sees {net.states(1)}",
             lambda: net.states(1).get("node2") != "alive", 60)
    wait_for("why says it",
             lambda: "inactive" in mesh.run("why", "node2", "--data-dir", net.data(1),
                                            check=False)[1] or "inactive" in
             mesh.run("events", "--data-dir", net.data(1))[1])
    mesh.run("register", "--token", 2, "--config", net.conf(2))
    mesh.run("wait", "--ready", "--registered", "--timeout", "60s", "--data-dir", net.data(2))
    wait_for(lambda: f"node1 sees {net.states(1)}",
             lambda: net.states(1).get("node2") == "alive", 60)


@test
def a_sold_seat_is_nobodys_node(net):
    buyer = address("buyer.wallet", net.directory)
    mesh.run("transfer", "--token", 3, "--to", buyer, "--config", net.conf(3))
    wait_for(lambda: f"node1 sees {net.states(1)}",
             lambda: net.states(1).get("node3") != "alive", 60)
    # Each node learns of the sale at its own reference: node3 may be a moment behind node1.
    wait_for("node3 says that it has no seat",
             lambda: mesh.run("wait", "--registered", "--timeout", "1s", "--data-dir", net.data(3),
                              check=False)[0] == 3, 30)


@test
def the_owner_mints_and_names_the_token(net):
    to = address("third.wallet", net.directory)
    out = json.loads(mesh.run("mint", "--to", to, "--config", net.conf(1), "--wallet-key-file",
                              net.path("owner.wallet"), "--format", "json")[1])
    expect(f"{out}", out["token"] == NODES + 1 and out["tx"].startswith("0x"))


@test
def a_wallet_file_that_others_can_read_is_refused(net):
    path = os.path.join(net.directory, "loose.wallet")
    shutil.copy(net.path("owner.wallet"), path)
    os.chmod(path, 0o644)
    status, out, err = mesh.run("mint", "--config", net.conf(1), "--wallet-key-file", path,
                                check=False)
    expect(f"{status} {err}", status != 0 and path in err and not out)


@test
def no_key_is_in_argv_or_logs(net):
    keys = []
    for base, _, files in os.walk(net.dir):
        for name in files:
            path = os.path.join(base, name)
            if name.endswith("wallet") or name == "kms.key":
                expect(f"mode of {path}", stat.S_IMODE(os.stat(path).st_mode) == 0o600)
                keys.append(open(path).read().strip())
    expect("keys were found", len(keys) == NODES + 2)
    for pid in net.pids().values():
        with contextlib.suppress(OSError):
            words = open(f"/proc/{pid}/cmdline").read()
            expect(f"argv of {pid}", not any(key in words for key in keys))
    for name in os.listdir(net.path("logs")):
        text = open(net.path("logs", name), errors="replace").read()
        expect(f"log {name}", not any(key in text for key in keys))


@test
def leave_is_a_goodbye(net):
    pid = net.pids()["node2"]
    mesh.run("leave", "--data-dir", net.data(2))
    wait_for("node2's process ends", lambda: not os.path.exists(f"/proc/{pid}/exe") or
             open(f"/proc/{pid}/stat").read().split()[2] == "Z", 30)
    wait_for(lambda: f"node1 sees {net.states(1)}", lambda: net.states(1)["node2"] == "left")
    status, _, err = mesh.run("members", "--data-dir", net.data(2), check=False)
    expect(err, status == 1 and "no node runs here" in err)


@test
def stop_ends_everything_and_start_begins_anew(net):
    pids = net.pids()
    net.script("stop.sh")
    for name, pid in pids.items():
        expect(f"{name} is gone", not os.path.exists(f"/proc/{pid}") or
               open(f"/proc/{pid}/comm").read().strip() not in ("nftmesh", "anvil"))
    expect("pids is gone", not os.path.exists(net.path("pids")))
    net.script("stop.sh")
    net.script("start.sh")
    wait_for(lambda: f"node3 sees {net.states(3)}",
             lambda: set(net.states(3).values()) == {"alive"} and len(net.states(3)) == NODES)
    net.script("stop.sh")


@test
def a_start_that_fails_leaves_nothing(net):
    env = {**os.environ, "ANVIL": "/bin/false"}
    text = open(net.path("start.sh")).read()
    quick = net.path("start-quick.sh")
    with open(quick, "w") as f:
        f.write(text.replace("i < 300", "i < 10"))
    os.chmod(quick, 0o700)
    p = subprocess.run([quick], capture_output=True, text=True,
                       timeout=60 * mesh.SCALE, env=env)
    expect(f"exit {p.returncode}: {p.stderr[-300:]}", p.returncode != 0)
    expect(p.stderr, "the chain answers" in p.stderr)
    expect("pids is gone", not os.path.exists(net.path("pids")))


Net.ALWAYS = a_test_network_is_made_and_starts  # all others look at it

if __name__ == "__main__":
    sys.exit(main(Net))
