"""Who are my peers? The Python side of nftmesh: standard library only.

    from nftmesh import DStackP2PSDK

    sdk = DStackP2PSDK(contract_address, connection_url, rpc_url)
    await sdk.register()
    peers = await sdk.get_peers()

docs/sdk.md tells the rest."""

from .errors import (NftmeshAgentError, NftmeshChainError, NftmeshConfigError, NftmeshError,
                     NftmeshNodeError, NftmeshNotRegistered, NftmeshRefused, NftmeshTimeout,
                     NftmeshUnknown, NftmeshUnsupported, NftmeshWalletError, Status)
from .leader import Leader, Lease
from .peers import ListState, Peer, Peers, PeerState
from .sdk import DStackP2PSDK

__all__ = [
    "DStackP2PSDK", "Leader", "Lease", "ListState", "NftmeshAgentError", "NftmeshChainError",
    "NftmeshConfigError", "NftmeshError", "NftmeshNodeError", "NftmeshNotRegistered",
    "NftmeshRefused", "NftmeshTimeout", "NftmeshUnknown", "NftmeshUnsupported",
    "NftmeshWalletError", "Peer", "Peers", "PeerState", "Status"
]
__version__ = "0.1.0"
