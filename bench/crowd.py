"""Strangers at the doors of a cluster of ours: joins that are forged, and joins that were somebody
else's, sent again byte by byte. build/nftmesh-flood makes them; here is what it needs for that.
"""
import json
import os
import socket
import subprocess
import threading

import mesh

FLOOD = os.path.join(mesh.BUILD, "nftmesh-flood")
PORT = 7946
LISTENER = "127.20.0.1"


class Tap:
    """One connection's way to a member; keeps what the dialler sent."""

    def __init__(self, host):
        self.sent, self.target = b"", (host, PORT)
        self.listener = socket.create_server((LISTENER, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        here, _ = self.listener.accept()
        there = socket.create_connection(self.target)
        threading.Thread(target=self.copy, args=(there, here), daemon=True).start()
        self.copy(here, there, True)

    def copy(self, source, sink, keeps=False):
        try:
            while data := source.recv(65536):
                if keeps:
                    self.sent += data
                sink.sendall(data)
        except OSError:
            pass  # one end is gone
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def record_join(fleet):
    """A member leaves and joins again through a tap: all that it sent to the seed until it was in."""
    index = fleet.victim()
    fleet.kill(index)
    mesh.wait_for("its death is known", fleet.right, 60)
    tap = Tap(fleet.addresses[0])
    fleet.stand([index])
    url = fleet.side.cluster.url(0).replace(f"{fleet.addresses[0]}:{PORT}", f"{LISTENER}:{tap.port}")
    fleet.side.join(index, 0, url)
    sent = tap.sent
    tap.close()
    fleet.kill(index)
    mesh.wait_for("its death is known", fleet.right, 60)
    fleet.back(index)
    return sent


class Flood:
    """count joins at rate a second, over all members, half of them replayed."""

    def __init__(self, fleet, replay, rate, count):
        keys = {i: fleet.side.cluster.url(i).split("//")[1].split("@")[0] for i in fleet.processes}
        orders = {"chain_id": mesh.CHAIN_ID, "contract": fleet.side.cluster.contract, "rate": rate,
                  "count": count, "replay": replay.hex(),
                  "targets": [{"host": fleet.addresses[i], "port": PORT, "key": key}
                              for i, key in keys.items()]}
        self.p = subprocess.Popen([FLOOD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.p.stdin.write(json.dumps(orders))
        self.p.stdin.close()

    def running(self):
        return self.p.poll() is None

    def result(self):
        said = self.p.stdout.read()
        if self.p.wait() != 0:
            raise mesh.Failed("nftmesh-flood has failed")
        return json.loads(said)
