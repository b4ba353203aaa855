"""An application as it was written for the prototype's SDK: only the import has changed. Prints what
it learns, a JSON object a line, for the test that runs it."""
import asyncio
import json
import os
import urllib.request

from nftmesh import DStackP2PSDK  # was: from dstack_cluster import DStackP2PSDK


def say(**what):
    print(json.dumps(what), flush=True)


async def on_peers_changed(peers):
    say(changed=peers)


async def main():
    contract_address = os.environ["CONTRACT_ADDRESS"]
    connection_url = os.environ["CONNECTION_URL"]
    rpc_url = os.environ.get("RPC_URL", "http://localhost:8545")
    dstack_socket = os.environ.get("DSTACK_SOCKET", "./simulator/dstack.sock")

    sdk = DStackP2PSDK(contract_address, connection_url, rpc_url, dstack_socket)
    success = await sdk.register()
    say(success=success, registered=sdk.registered, instance_id=sdk.instance_id,
        contract_address=sdk.contract_address, connection_url=sdk.connection_url,
        rpc_url=sdk.rpc_url)
    try:
        peers = await sdk.get_peers()
        say(peers=peers)
        for url in peers:
            try:
                with urllib.request.urlopen(f"{url}/hello?from={sdk.instance_id}", timeout=5) as r:
                    say(hello=url, answer=json.loads(r.read())["message"])
            except OSError as e:
                say(hello=url, error=str(e))
    except Exception as e:
        say(exception=type(e).__name__, text=str(e))
    await sdk.monitor_peers(on_peers_changed)


asyncio.run(main())
