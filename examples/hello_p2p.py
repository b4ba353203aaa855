#!/usr/bin/env python3
"""Hello, peers: each instance serves HTTP, registers, and greets every peer that it learns of.

    python3 examples/hello_p2p.py 0x33e0..39a3 --port 8080

The environment says the rest: PRIVATE_KEY (the wallet that owns a seat), RPC_URL, DSTACK_SOCKET,
CONNECTION_URL (http://localhost:PORT if not set); or NFTMESH_HTTP, to ask a running node instead of
chain and guest agent. Routes: /hello?from=ID, /info, /peers."""

import argparse
import asyncio
import concurrent.futures
import http.server
import json
import logging
import os
import sys
import threading
import time
import urllib.parse
import urllib.request

try:
    from nftmesh import DStackP2PSDK, NftmeshError, NftmeshUnknown
except ModuleNotFoundError:  # not installed: this is the project's own tree
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../sdk/python"))
    from nftmesh import DStackP2PSDK, NftmeshError, NftmeshUnknown

logger = logging.getLogger("hello_p2p")


class HelloP2PApp:
    def __init__(self, contract_address, port, connection_url, **more):
        self.port = port
        self.peers = []
        self.peer_info = {}  # URL -> what it answered, and when
        self.loop = None
        self.sdk = DStackP2PSDK(contract_address, connection_url, **more)

    # ---- what peers ask of us ----

    def answer(self, path):
        """The JSON of a route, or None."""
        url = urllib.parse.urlsplit(path)
        if url.path == "/hello":
            query = urllib.parse.parse_qs(url.query)
            logger.info("hello from peer %r", query.get("from", ["unknown"])[0])
            return {"message": f"Hello from {self.sdk.instance_id}!", "timestamp": time.time(),
                    "peers_known": len(self.peers)}
        if url.path == "/info":
            return {**self.proof(), "instance_id": self.sdk.instance_id,
                    "connection_url": self.sdk.connection_url, "registered": self.sdk.registered,
                    "peers_count": len(self.peers), "timestamp": time.time()}
        if url.path == "/peers":
            return {"peers": self.peers, "peer_info": self.peer_info}
        return None

    def proof(self):
        """By which others verify us where the contract stores no keys; the server's threads ask."""
        try:
            return asyncio.run_coroutine_threadsafe(self.sdk.info(), self.loop).result(4)
        except (NftmeshError, concurrent.futures.TimeoutError) as e:
            logger.debug("nothing to show at /info: %s", e)
            return {}

    def start_server(self, host):
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self):
                found = app.answer(self.path)
                body = json.dumps(found if found is not None else {"detail": "no such route"})
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, text, *values):
                logger.debug("%s " + text, self.address_string(), *values)

        server = http.server.ThreadingHTTPServer((host, self.port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        logger.info("serving on port %d", self.port)

    # ---- what we ask of peers ----

    async def on_peers(self, urls):
        """Told by monitor_peers(): once at first, then at each change."""
        new = [url for url in urls if url not in self.peers]
        logger.info("%d peers: %s", len(urls), " ".join(urls) or "none")
        self.peers = urls
        await asyncio.gather(*[self.greet(url) for url in new])

    async def greet(self, url):
        base = url if url.startswith("http") else f"http://{url}"
        hello = f"{base.rstrip('/')}/hello?from={self.sdk.instance_id}"

        def get():
            with urllib.request.urlopen(hello, timeout=5) as response:
                return json.loads(response.read(65536))
        try:
            answer = await asyncio.get_running_loop().run_in_executor(None, get)
            self.peer_info[url] = {"last_contact": time.time(), "response": answer}
            logger.info("%s answers: %s", url, answer.get("message"))
        except (OSError, ValueError, AttributeError) as e:
            logger.warning("%s could not be greeted: %s", url, e)

    # ---- the three lines, and the fourth ----

    async def run(self, host):
        self.loop = asyncio.get_running_loop()
        self.start_server(host)
        if not await self.sdk.register():
            logger.error("not registered: %s", self.sdk.last_error)
            return 1
        logger.info("registered as %s", self.sdk.instance_id)
        try:
            logger.info("at first there are %d peers", len(await self.sdk.get_peers()))
        except NftmeshUnknown as e:
            logger.warning("who the peers are cannot be told yet: %s", e)
        await self.sdk.monitor_peers(self.on_peers)


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contract_address", nargs="?", default=os.environ.get("CONTRACT_ADDRESS"),
                        help="0x.. or base:0x..; default: $CONTRACT_ADDRESS")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8080")))
    parser.add_argument("--host", default=os.environ.get("HOST", "0.0.0.0"))
    parser.add_argument("--verbose", "-v", action="store_true")
    args = parser.parse_args()
    if not args.contract_address:
        parser.error("which contract? Give its address, or set CONTRACT_ADDRESS")
    logging.basicConfig(level=logging.DEBUG if args.verbose else logging.INFO,
                        format="%(asctime)s %(levelname)s %(message)s")
    more = {name: os.environ[variable] for name, variable in
            (("rpc_url", "RPC_URL"), ("dstack_socket", "DSTACK_SOCKET")) if os.environ.get(variable)}
    url = os.environ.get("CONNECTION_URL") or f"http://localhost:{args.port}"
    return await HelloP2PApp(args.contract_address, args.port, url, **more).run(args.host)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        pass
