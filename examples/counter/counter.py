#!/usr/bin/env python3
"""A counter that a whole cluster shares: one of these beside each node, and only the leader's counts.

    python3 examples/counter/counter.py --node unix:net/node1/data/control.sock --port 8081

Routes: GET /counter /log /status /members /health /wallet-info, POST /increment. The README beside
this file says what each answers."""

import argparse
import asyncio
import concurrent.futures
import http.client
import http.server
import json
import logging
import os
import re
import socket
import sys
import threading
import time
import urllib.parse
import uuid

try:
    from nftmesh import DStackP2PSDK, NftmeshError, NftmeshUnsupported
except ModuleNotFoundError:  # not installed: this is the project's own tree
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../sdk/python"))
    from nftmesh import DStackP2PSDK, NftmeshError, NftmeshUnsupported

logger = logging.getLogger("counter")

KEY = "counter"  # of the shared log: its value is the counter's
LINES = 20  # operations that /log shows
NODE_TIMEOUT_S = 15
NODE_BYTES_MAX = 16 << 20  # of an answer of the node
BODY_BYTES_MAX = 4096  # of a request
REQUEST_ID = re.compile("[!-~]{1,56}")  # the node takes 64, of which KEY needs some
HEARTBEAT_S = 1.0


class Refusal(Exception):
    """An answer that says no: its HTTP status and its JSON."""

    def __init__(self, status, error, **more):
        super().__init__(error)
        self.status, self.answer = status, {"error": error, **more}


# ---- the node beside us --------------------------------------------------------------------------

class ControlSocket(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=NODE_TIMEOUT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    def __init__(self, path):
        self.path = path

    def ask(self, method, route, body=None):
        """(HTTP status, JSON object) of its answer; 503 when it has none."""
        connection = ControlSocket(self.path)
        try:
            connection.request(method, route, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            raw = answer.read(NODE_BYTES_MAX)
            found = json.loads(raw)
            if not isinstance(found, dict):
                raise ValueError("no object")
            return answer.status, found
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as e:
            raise Refusal(503, f"the node at {self.path} does not answer: {e!r}") from None
        finally:
            connection.close()

    def get(self, route):
        status, answer = self.ask("GET", route)
        if status != 200:
            raise Refusal(503, f"the node cannot tell {route}: {answer.get('detail')}")
        return answer

    def value(self, key):
        """What the log says of a key as a text, or None. Of a node that takes part: one that does
        not says 404 to all."""
        status, answer = self.ask("GET", "/v1/kv?" + urllib.parse.urlencode({"key": key}))
        if status not in (200, 404):
            raise Refusal(503, f"the node does not know the log: {answer.get('detail')}")
        return answer.get("value") if status == 200 else None

    def change(self, **change):
        return self.ask("POST", "/v1/kv/change", change)


# ---- the counter ---------------------------------------------------------------------------------

class Counter:
    def __init__(self, path):
        self.node = Node(path)
        self.sdk = None
        self.loop = asyncio.new_event_loop()  # the SDK's, which the server's threads ask
        self.heartbeat = None  # when the log was last seen to move
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        """A leader's heartbeats move the log, increments or not."""
        last = None
        while True:
            try:
                leader = self.node.get("/v1/leader")
                now = leader.get("epoch"), leader.get("final_slot")
                if last not in (None, now):
                    self.heartbeat = time.time()
                last = now
            except Refusal as e:
                logger.debug("%s", e)
            time.sleep(HEARTBEAT_S)

    def of_sdk(self, name):
        """What an awaitable of the SDK gives. It is made when the node has said its contract."""
        if self.sdk is None:
            self.sdk = DStackP2PSDK(self.node.get("/v1/status").get("contract") or "", "")
        call = asyncio.run_coroutine_threadsafe(getattr(self.sdk, name)(), self.loop)
        try:
            return call.result(2 * NODE_TIMEOUT_S)
        except concurrent.futures.TimeoutError:
            call.cancel()
            raise Refusal(503, f"the node at {self.node.path} does not say who leads") from None

    def lease(self):
        """True for as long as this instance may act as the leader."""
        try:
            return self.of_sdk("is_leader")
        except NftmeshUnsupported as e:
            raise Refusal(501, f"nothing is counted beside this node: {e}") from None
        except NftmeshError as e:
            raise Refusal(503, f"whether this node leads cannot be told: {e}") from None

    def leader(self):
        """Who leads, of the SDK; None when nobody does, or when it cannot be told."""
        try:
            return self.of_sdk("leader")
        except NftmeshError as e:
            logger.info("%s", e)
            return None

    def shown(self, leader):
        """The same for people, and for clients that look for it."""
        return {"name": leader.name, "node": leader.node, "token": leader.token,
                "instance_id": self.instances().get(leader.node)}

    def instances(self, *states):
        """Node key -> instance id of the members in these states, or of all."""
        return {m.get("node"): m.get("instance") for m in self.node.get("/v1/members")["members"]
                if not states or m.get("state") in states}

    def number(self):
        try:
            return int(self.node.value(KEY) or 0)
        except ValueError:
            raise Refusal(503, f"somebody has put a text under {KEY!r} in the log") from None

    def me(self):
        return self.node.get("/v1/status").get("instance")

    # ---- counting ----

    def increment(self, request_id):
        """Counts one, once for each request id, whoever led when it was asked for first."""
        operation = request_id or uuid.uuid4().hex
        if not self.lease():
            leader = self.leader()
            if leader is None or leader.is_self:  # between two leads, or before its first heartbeat
                raise Refusal(503, "nobody may lead at the moment: ask again")
            raise Refusal(403, f"not the leader: {leader.name or leader.node} is",
                          leader=self.shown(leader))
        # The lead may end from here on. That does no harm: the log has one order whoever leads, and
        # what is final in it has been counted.
        try:
            status, answer = self.node.change(op="add", key=KEY, amount=1,
                                              request=f"{KEY}/{operation}")
        except Refusal as e:
            raise Refusal(503, f"{e}; it may still be counted: ask again with this request id",
                          operation_id=operation) from None
        if status in (503, 504):
            raise Refusal(504, f"not final in time ({answer.get('detail')}); it may still be counted: "
                               "ask again with this request id", operation_id=operation)
        if status != 200 or not isinstance(answer.get("value"), int):
            raise Refusal(409, f"not counted: {answer.get('detail')}", operation_id=operation)
        self.note(answer["value"])
        return {"success": True, "new_value": answer["value"], "operation_id": operation,
                "repeated": answer.get("result") == "repeated"}

    def note(self, value):
        """A line for /log, if it has none. It is a comfort: the counter is right without it."""
        key = f"{KEY}.log/{value % LINES}"
        try:
            line = self.line(self.node.value(key))
            if line is None or line["new_value"] < value:
                self.node.change(op="put", key=key, value=json.dumps(
                    {"timestamp": time.time(), "operation": "increment", "new_value": value,
                     "leader": self.me()}))
        except Refusal as e:
            logger.info("no line for %d: %s", value, e)

    @staticmethod
    def line(text):
        """A line of the log as it was noted; None when it is none of ours."""
        try:
            line = json.loads(text or "null")
        except ValueError:
            return None
        return line if isinstance(line, dict) and isinstance(line.get("new_value"), int) else None

    # ---- routes ----

    def get_counter(self):
        try:
            leads = bool(self.lease())
        except Refusal as e:
            if e.status == 501:
                raise
            logger.info("%s", e)
            leads = None  # not known is not no
        return {"value": self.number(), "instance_id": self.me(), "is_leader": leads}

    def get_log(self):
        keys = self.node.get("/v1/kv")["keys"]
        lines = [self.line(k.get("value")) for k in keys
                 if str(k.get("key")).startswith(f"{KEY}.log/")]
        return {"operations": sorted(filter(None, lines), key=lambda line: line["new_value"]),
                "total_operations": self.number()}

    def get_status(self):
        counter, leader = self.get_counter(), self.leader()
        status = self.node.get("/v1/status")
        return {"instance_id": status.get("instance"), "host_key_address": status.get("owner"),
                "is_leader": counter["is_leader"], "counter_value": counter["value"],
                "total_active_nodes": len(self.instances("alive")),
                "required_votes": self.node.get("/v1/quorum").get("needed"),
                "current_leader": leader and self.shown(leader)["instance_id"],
                "last_leader_heartbeat": self.heartbeat, "token_id": status.get("token")}

    def get_members(self):
        active = sorted(filter(None, self.instances("alive").values()))
        return {"active_instances": active, "total_active": len(active)}

    def get_health(self):
        status = self.node.get("/v1/status")
        found = {"status": "healthy", "instance_id": status.get("instance"), "timestamp": time.time()}
        if status.get("ready") is not True:
            raise Refusal(503, f"the node is not ready: {status.get('advice') or 'it is starting'}",
                          **{**found, "status": "unhealthy"})
        return found

    def get_wallet_info(self):
        status = self.node.get("/v1/status")
        return {"host_key_address": status.get("owner"), "instance_id": status.get("instance"),
                "socket": self.node.path}


# ---- the server ----------------------------------------------------------------------------------

class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 10  # s that a client may be silent
    server_version = "nftmesh-counter"
    counter = None

    def do_GET(self):
        routes = {"/counter": self.counter.get_counter, "/log": self.counter.get_log,
                  "/status": self.counter.get_status, "/members": self.counter.get_members,
                  "/health": self.counter.get_health, "/wallet-info": self.counter.get_wallet_info}
        self.run(routes, "/increment", "POST")

    def do_POST(self):
        self.run({"/increment": lambda: self.counter.increment(self.request_id())}, "/counter", "GET")

    def run(self, routes, elsewhere, method):
        path = urllib.parse.urlsplit(self.path).path
        try:
            if path not in routes:
                raise (Refusal(405, f"{path} takes {method} only") if path == elsewhere
                       else Refusal(404, "no such route"))
            self.answer(200, routes[path]())
        except Refusal as e:
            self.answer(e.status, e.answer)
        except OSError as e:
            logger.debug("the client went: %r", e)
            self.close_connection = True
        except Exception:
            logger.exception("%s %s", self.command, path)
            self.answer(500, {"error": "the counter failed: see its log"})

    def request_id(self):
        """Of the header or of the body; None when there is none."""
        header, body = self.headers.get("Idempotency-Key"), self.body()
        if header is not None:
            header = header.strip().strip('"')
        given = [x for x in (header, body.get("request_id")) if x is not None]
        if not all(isinstance(x, str) and REQUEST_ID.fullmatch(x) for x in given):
            raise Refusal(400, "a request id is 1 to 56 printable characters without blanks")
        if len(set(given)) > 1:
            raise Refusal(400, "Idempotency-Key and request_id are not the same")
        return given[0] if given else None

    def body(self):
        """The JSON object of the request; none counts as an empty one."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise Refusal(411, "a body needs its Content-Length")
        if not re.fullmatch("[0-9]{1,9}", length):
            raise Refusal(400, "Content-Length is not a number")
        if int(length) > BODY_BYTES_MAX:
            raise Refusal(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        raw = self.rfile.read(int(length))
        try:
            body = json.loads(raw) if raw else {}
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or len(raw) != int(length):
            raise Refusal(400, "the body is no JSON object")
        return body

    def answer(self, status, value):
        raw = json.dumps(value).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except OSError as e:
            logger.debug("the client went: %r", e)
            self.close_connection = True

    def log_message(self, text, *values):
        logger.debug("%s " + text, self.address_string(), *values)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--node", default=os.environ.get("NFTMESH_HTTP"),
                        help="unix:PATH of the node's control.sock; default: $NFTMESH_HTTP")
    parser.add_argument("--host", default="127.0.0.1", help="who may reach it: 127.0.0.1, this machine")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8080")))
    parser.add_argument("--verbose", "-v", action="store_true")
    args = parser.parse_args()
    if not args.node or not args.node.startswith("unix:"):
        parser.error("which node? Give --node unix:PATH with the path of its control.sock")
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.INFO,
                        format="%(asctime)s %(levelname)s %(message)s")
    os.environ["NFTMESH_HTTP"] = args.node  # the SDK asks the same one
    path = args.node[len("unix:"):]
    Handler.counter = Counter(path[2:] if path.startswith("///") else path)
    try:
        server = Server((args.host, args.port), Handler)
    except OSError as e:
        parser.error(f"cannot serve on {args.host} port {args.port}: {e.strerror}")
    logger.info("counting on http://%s:%d beside %s", args.host, args.port, args.node)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
