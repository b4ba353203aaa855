#!/usr/bin/env python3
"""End-to-end tests of where a wallet's key comes from: files, keystores, descriptors, the environment,
and a person at a terminal. Prints `ok NAME` or `not ok NAME: why` for each, and exits 1 when one
failed. Usage: keys.py [NAME..]"""
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import mesh  # noqa: E402
from cases import expect, main, test  # noqa: E402
from mesh import wait_for  # noqa: E402
from seat_world import World  # noqa: E402

PASSWORD = "correct horse"


def keystore_of(w):
    """A wallet in a keystore, and its password's file; one for all cases, since it takes its time."""
    if hasattr(w, "keystore"):
        return w.keystore
    path = os.path.join(w.dir, f"ks{w.wallets}.json")
    w.wallets += 1
    password = path + ".password"
    with open(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(PASSWORD + "\n")
    out = mesh.run("keygen", "--keystore", "--password-file", password, "--out", path, "--format",
                   "json")
    address = json.loads(out[1])["address"].lower()
    w.chain.fund(address)
    w.keystore = path, password, address
    return w.keystore


@test
def a_key_comes_from_each_place_but_argv(w):
    path, password, address = keystore_of(w)
    expect("a keystore", json.load(open(path))["version"] == 3)
    args = ["mint", "--dry-run", "--format", "json", *w.chain_options()]
    out = mesh.run(*args, "--wallet-key-file", path, "--wallet-password-file", password)
    expect(f"{out}", address in out[1].lower())
    out = mesh.run(*args, "--wallet-key-file", path, env={"NFTMESH_WALLET_PASSWORD": PASSWORD})
    expect(f"{out}", address in out[1].lower())
    for env, words in (({"NFTMESH_WALLET_PASSWORD": "wrong"}, "password does not open"),
                       ({}, "terminal")):
        # In a session of its own, there is no terminal to ask on.
        p = subprocess.run([mesh.NFTMESH, *[str(a) for a in args], "--wallet-key-file", path],
                           capture_output=True, text=True, timeout=60 * mesh.SCALE, stdin=subprocess.DEVNULL,
                           env={**os.environ, **env}, start_new_session=True)
        expect(f"{p.returncode} {p.stderr}", p.returncode == 2 and words in p.stderr)
        expect("no secret in it", PASSWORD not in p.stderr and "wrong" not in p.stderr)
    wallet = w.wallet()
    key = open(wallet.path).read().strip()
    out = mesh.run(*args, env={"PRIVATE_KEY": key})
    expect(f"{out}", wallet.address in out[1].lower())
    read, write = os.pipe()
    os.write(write, key.encode())
    os.close(write)
    p = subprocess.run([mesh.NFTMESH, *[str(a) for a in args], "--wallet-key-fd", str(read)],
                       capture_output=True, text=True, timeout=60 * mesh.SCALE, pass_fds=(read,))
    os.close(read)
    expect(f"{p.stderr}", p.returncode == 0 and wallet.address in p.stdout.lower())
    w.refused("mint", words="a wallet key is needed", code=2)
    out = mesh.run(*args, "--wallet-key-file", wallet.path, "--wallet-key", key, check=False)
    expect("there is no such option", out[0] == 2)


def at_the_prompt(w, *key, verb=("mint", "--dry-run")):
    """A command on a terminal of its own that asks for a secret: (process, both ends of the terminal,
    does it echo?)."""
    master, slave = pty.openpty()

    def own_terminal():
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore some
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    p = subprocess.Popen([mesh.NFTMESH, *verb, *map(str, w.chain_options()), *key], stdin=slave,
                         stdout=slave, stderr=slave, preexec_fn=own_terminal)
    echoes = lambda: bool(termios.tcgetattr(slave)[3] & termios.ECHO)
    wait_for("it asks", lambda: not echoes())
    return p, master, slave, echoes


def shown_until(master, words):
    """What the terminal shows, up to these words."""
    shown = b""

    def seen():
        nonlocal shown
        if select.select([master], [], [], 0)[0]:
            shown += os.read(master, 4096)
        return words.encode() in shown
    wait_for(lambda: f"\"{words}\" in {shown}", seen)
    return shown.decode()


@test
def a_key_is_asked_for_where_nothing_else_has_it(w):
    wallet = w.wallet()
    key = open(wallet.path).read().strip()
    p, master, slave, echoes = at_the_prompt(w)
    try:
        os.write(master, key.encode() + b"\n")
        text = shown_until(master, "nothing was sent")
        expect(text, "Private key of the wallet" in text and key not in text)
        expect("it echoes again, and ended well", echoes() and p.wait(30 * mesh.SCALE) == 0)
    finally:
        p.kill()
        p.wait()
        os.close(master)
        os.close(slave)


@test
def a_node_that_registers_itself_asks_for_the_password(w):
    path, _, address = keystore_of(w)
    vm = w.machine()
    w.chain.contract_call(w.contract, "mintNodeAccess(address)", address)
    token = max(w.chain.seats(w.contract))
    p, master, slave, _ = at_the_prompt(w, "--wallet-key-file", path, verb=(
        "node", "--register", "--dev", "--wait", "--dstack", vm.agent.socket, "--data-dir", vm.dir,
        "--listen", vm.url, "--advertise", vm.url))
    try:
        os.write(master, PASSWORD.encode() + b"\n")
        text = shown_until(master, "--register: registered")
        expect(text, "Password of the wallet's keystore" in text and PASSWORD not in text)
        expect("on the chain", w.seat(token)["active"])
    finally:
        p.kill()
        p.wait()
        os.close(master)
        os.close(slave)


@test
def a_signal_at_the_prompt_leaves_the_terminal_as_it_was(w):
    path, _, _ = keystore_of(w)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        p, master, slave, echoes = at_the_prompt(w, "--wallet-key-file", path)
        try:
            p.send_signal(number)
            wait_for(f"signal {number}: it echoes again", echoes)
            if number != signal.SIGTSTP:
                expect(f"it ended by it: {p.wait(30 * mesh.SCALE)}", p.returncode == -number)
        finally:
            p.kill()
            p.wait()
            os.close(master)
            os.close(slave)


if __name__ == "__main__":
    sys.exit(main(World))
