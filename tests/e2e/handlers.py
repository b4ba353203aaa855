#!/usr/bin/env python3
"""Event handlers (docs/handlers.md): what a command is told, and what is refused. Prints `ok NAME` or
`not ok NAME: why` for each case, and exits 1 when one failed. Usage: handlers.py [NAME..]"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import World, expect, main, test, together  # noqa: E402
from mesh import wait_for  # noqa: E402

SCRIPT = r"""#!/bin/sh
# One block a run: the event, the variables that a handler has, standard input.
{
    echo "== $SERF_EVENT"
    env | sed 's/^/env /'
    ls /proc/self/fd | sed 's/^/fd /'
    sed 's/^/in /'
} > "$0.$$"
mv "$0.$$" "$0.out.$$"
"""


class Told:
    """A script, and what it was told."""

    def __init__(self, directory, name):
        self.dir, self.name = directory, name
        self.path = os.path.join(directory, name)
        with open(self.path, "w") as f:
            f.write(SCRIPT)
        os.chmod(self.path, 0o755)

    def runs(self, event):
        found = []
        for file in os.listdir(self.dir):
            if not file.startswith(self.name + ".out."):
                continue
            lines = open(os.path.join(self.dir, file)).read().splitlines()
            if lines and lines[0] == f"== {event}":
                found.append({
                    "env": dict(x[4:].split("=", 1) for x in lines if x.startswith("env ") and "=" in x),
                    "fds": [x[3:] for x in lines if x.startswith("fd ")],
                    "in": [x[3:] for x in lines if x.startswith("in ")]})
        return found

    def of(self, event, name):
        """The run that was told of that member: (its environment, the line's fields)."""
        for run in self.runs(event):
            for line in run["in"]:
                if line.split("\t")[0] == name:
                    return run, line.split("\t")
        return None


@test
def a_handler_is_told_of_members_and_events(w):
    told = Told(w.dir, "told")
    secret = "11" * 32
    os.environ.update(PRIVATE_KEY_OF_TESTS=secret, NFTMESH_WALLET_PASSWORD=secret, HANDLER_HINT="kept")
    try:
        a = w.node("hears", extra=["--on-event", told.path, "--tag", "role=web", "--tag", "zone=a.1"])
    finally:
        for name in ("PRIVATE_KEY_OF_TESTS", "NFTMESH_WALLET_PASSWORD", "HANDLER_HINT"):
            os.environ.pop(name)
    b = w.node("comes", bootstrap=[w.mesh_url(a)], extra=["--tag", "role=db", "--tag", "x=1"])
    together(a, b)
    key = b.key()

    run, fields = wait_for("told of itself", lambda: told.of("member-join", "hears"), 30)
    expect(f"{fields}", fields == ["hears", "127.0.0.1", "web", "role=web,zone=a.1"])
    run, fields = wait_for("told of b", lambda: told.of("member-join", "comes"), 30)
    expect(f"{fields}", fields == ["comes", "127.0.0.1", "db", "role=db,x=1"])
    env = run["env"]
    expect(f"{env}", env["NFTMESH_EVENT"] == "member-join" and env["SERF_SELF_NAME"] == "hears" and
           env["SERF_SELF_ROLE"] == "web" and env["SERF_TAG_ZONE"] == "a.1" and
           env["NFTMESH_TAG_ZONE"] == "a.1" and key in env["NFTMESH_MEMBER_NODES"].split() and
           env["HANDLER_HINT"] == "kept" and env["NFTMESH_SOCKET"] == a.control)
    expect("no secret", secret not in repr(env) and "NFTMESH_WALLET_PASSWORD" not in env)
    expect(f"nothing of ours is open: {run['fds']}", len(run["fds"]) <= 4)  # ls opens the folder

    mesh.run("tags", "--set", "x=2", "--data-dir", b.dir)
    _, fields = wait_for("told of b's new tag", lambda: told.of("member-update", "comes"), 30)
    expect(f"{fields}", fields[3] == "role=db,x=2")

    mesh.run("event", "deploy-now", "two words\nand a $(touch evil)", "--data-dir", b.dir)
    run = wait_for("told of the event", lambda: told.runs("user"), 30)[0]
    expect(f"{run}", run["env"]["SERF_USER_EVENT"] == "deploy-now" and
           run["env"]["NFTMESH_USER_NODE"] == key and int(run["env"]["SERF_USER_LTIME"]) > 0 and
           run["in"] == ["two words", "and a $(touch evil)"])

    b.kill()
    wait_for("told that b failed", lambda: told.of("member-failed", "comes"), 60)
    b.start()
    together(a, b)
    b.stop()
    wait_for("told that b left", lambda: told.of("member-leave", "comes"), 60)
    wait_for("all are counted", lambda: a.metric("nftmesh_event_handlers_total", result="ok") >= 6, 30)
    expect("none was lost", not a.metric("nftmesh_event_handlers_total", result="dropped"))


@test
def an_evicted_member_is_reaped(w):
    told = Told(w.dir, "reaped")
    a = w.node("reaper", extra=["--on-event", f"member-reap={told.path}"])
    b = w.node("sold", bootstrap=[w.mesh_url(a)])
    together(a, b)
    seller = w.chain.as_wallet(b.wallet.address)
    w.chain.contract_call(w.contract, "burn(uint256)", b.token, sender=seller)
    del b.token
    _, fields = wait_for("told of the reaped", lambda: told.of("member-reap", "sold"), 60)
    expect(f"{fields}", fields[1] == "127.0.0.1")
    expect("of nothing else", not told.runs("member-join"))


@test
def a_handler_chooses_its_events_from_a_file(w):
    one, other = Told(w.dir, "chosen"), Told(w.dir, "unchosen")
    config = os.path.join(w.dir, "handlers.conf")
    with open(config, "w") as f:
        f.write(f'on_event = {{"user:deploy={one.path}", "user:other,member-leave={other.path}"}}\n')
    a = w.node("chooser", extra=["--config", config])
    mesh.run("event", "deploy", "x", "--data-dir", a.dir)
    wait_for("told of deploy", lambda: one.runs("user"), 30)
    expect("the other is not", not other.runs("user") and not one.runs("member-join"))


@test
def a_handler_that_fails_or_is_missing_is_told_in_the_log(w):
    a = w.node("unlucky", extra=["--on-event", "user:bad=/does/not/exist", "--on-event",
                                 "user:bad=echo first line; echo second >&2; exit 3"])
    mesh.run("event", "bad", "--data-dir", a.dir)
    failed = wait_for("both failures", lambda: len(a.events("handler_failed")) == 2 and
                      a.events("handler_failed"), 30)
    expect(f"{failed}", {e["msg"] for e in failed} == {"ended with status 127", "ended with status 3"})
    output = [e["msg"] for e in a.events("handler_output")]
    expect(f"{output}", "first line" in output and "second" in output)
    wait_for("counted", lambda: a.metric("nftmesh_event_handlers_total", result="failed") == 2, 30)


@test
def a_handler_that_hangs_fills_its_queue_and_ends_with_the_node(w):
    pid = os.path.join(w.dir, "pid")
    a = w.node("slow", extra=["--on-event", f"user=echo $$ > {pid}; sleep 600", "--on-event",
                              "user=cat > /dev/null"])
    for i in range(70):
        mesh.run("event", f"e{i}", "--data-dir", a.dir)
    wait_for("dropped", lambda: a.metric("nftmesh_event_handlers_total", result="dropped"), 60)
    wait_for("the other handler goes on",
             lambda: a.metric("nftmesh_event_handlers_total", result="ok") == 70, 60)
    expect("dropped at the hanging one alone",
           a.metric("nftmesh_event_handlers_total", result="dropped") == 70 - 65)
    expect("one line for all", len(a.events("handler_dropped")) == 1)
    began = time.monotonic()
    shell = int(open(pid).read())
    expect("exit 0", a.stop(30) == 0)
    wait_for("the command is gone", lambda: not os.path.exists(f"/proc/{shell}"), 30)
    expect(f"and soon: {time.monotonic() - began:.0f} s", time.monotonic() - began < 60 * mesh.SCALE)


@test
def the_example_takes_no_members_word_for_more_than_a_name(w):
    text = open(os.path.join(mesh.ROOT, "docs", "handlers.md")).read()
    hosts, script = os.path.join(w.dir, "hosts"), os.path.join(w.dir, "hosts.sh")
    with open(script, "w") as f:
        f.write(text.split("```sh\n")[1].split("```")[0].replace("/run/app/hosts", hosts))

    def told(event, *lines):
        subprocess.run(["/bin/sh", script], input="".join(x + "\n" for x in lines), text=True, check=True,
                       env={"PATH": os.environ["PATH"], "NFTMESH_EVENT": event})
        return open(hosts).read().splitlines()

    good = ["10.0.0.1 alice", "fd00::2 bob", "10.0.0.4 1e3"]
    expect("joined", told("member-join", "alice\t10.0.0.1\t\t", "bob\tfd00::2\tdb\trole=db",
                          "1e3\t10.0.0.4\t\t") == good)
    evil = [".*\t6.6.6.6\t\t", "a b\t6.6.6.6\t\t", "x\\n6.6.6.6 bank\t6.6.6.6\t\t", "eve\t\t6.6.6.6\t",
            "-e\t6.6.6.6 bank\t\t", "$(id)\t6.6.6.6\t\t", "caf\u00e9\t6.6.6.6\t\t", "\t6.6.6.6\t\t", ""]
    expect("nothing of it is written", told("member-join", *evil) == good)
    expect("nothing is taken away", told("member-failed", *evil, "alic.\t1.1.1.1\t\t",
                                         "1000\t1.1.1.1\t\t", "ali\t1.1.1.1\t\t") == good)
    expect("an update moves it", told("member-update", "alice\t10.0.0.9\t\t")[-1] == "10.0.0.9 alice")
    expect("gone", told("member-failed", "alice\t10.0.0.9\t\t", "1e3\tx\t\t") == good[1:2])


@test
def a_bad_setting_is_refused_at_start(w):
    needed = ["node", "--check-config", "--chain-id", mesh.CHAIN_ID, "--contract", w.contract, "--rpc",
              w.chain.url, "--dev"]
    for spec, why in (("member-gone=/bin/x", "member-gone"), ("member-join=", "no command"),
                      ("user:=x", "without a name"), ("A=b command", "*=COMMAND")):
        code, _, err = mesh.run(*needed, "--on-event", spec, check=False)
        expect(f"{spec}: {code} {err}",
               code == 2 and "--on-event" in err and why in err and len(err.splitlines()) == 1)
    code, _, err = mesh.run(*needed, *["--on-event", "x"] * 17, check=False)
    expect(f"too many: {err}", code == 2 and "at most 16" in err)
    code, out, _ = mesh.run(*needed, "--on-event", "user,member-join=/bin/x y")
    expect(f"shown: {out}", "on_event = {'user,member-join=/bin/x y'}" in out)
    code, out, _ = mesh.run(*needed, env={"NFTMESH_ON_EVENT": "/bin/x"})
    expect("not from the environment", "/bin/x" not in out)


if __name__ == "__main__":
    sys.exit(main(World))
