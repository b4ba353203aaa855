"""libnftmesh as Python sees it: found, declared, and its structures made into values. Calls block:
_direct.py runs them where they may."""

from __future__ import annotations

import ctypes
import os
import sysconfig
import threading
from typing import Iterator, Optional

from .errors import NftmeshConfigError, NftmeshError, error_of
from .peers import ListState, Peer, Peers, PeerState

SONAME = "libnftmesh.so.0"
PEER_STATES = (PeerState.UNKNOWN, PeerState.VERIFIED, PeerState.ALIVE, PeerState.SUSPECT,
               PeerState.FAILED, PeerState.LEFT)
LIST_FRESH = 1
INFO_BYTES = 4096


class Options(ctypes.Structure):
    """nftmesh_options_t; what is left zero comes from the environment."""

    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_char_p)
        for name in ("node", "rpc", "dstack", "data_dir", "kms_root", "app_id", "finality",
                     "wallet_key", "wallet_key_file", "tls_ca", "token")
    ] + [
        (name, ctypes.c_uint32)
        for name in ("rpc_agree", "timeout_ms", "register_timeout_ms", "stale_ms")
    ] + [("dev", ctypes.c_int), ("dial_allow", ctypes.c_char_p),
         ("wallet_password_file", ctypes.c_char_p)]


class CPeer(ctypes.Structure):
    """nftmesh_peer_t."""

    _fields_ = [(name, ctypes.c_char_p)
                for name in ("url", "mesh_url", "name", "node", "owner", "instance", "token",
                             "reason", "explanation")
                ] + [("state", ctypes.c_int), ("weight", ctypes.c_uint32),
                     ("verified_block", ctypes.c_uint64), ("age_ms", ctypes.c_uint64),
                     ("rtt_ms", ctypes.c_double), ("reserved", ctypes.c_void_p * 4)]


class CPeers(ctypes.Structure):
    """nftmesh_peers_t."""

    _fields_ = [("n", ctypes.c_size_t), ("peer", ctypes.POINTER(CPeer)), ("state", ctypes.c_int),
                ("block", ctypes.c_uint64), ("age_ms", ctypes.c_uint64), ("why", ctypes.c_char_p),
                ("reserved", ctypes.c_void_p * 4)]


CHANGE_FN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(CPeers))
_SIGNATURES = {
    "nftmesh_strerror": (ctypes.c_char_p, [ctypes.c_int]),
    "nftmesh_error": (ctypes.c_char_p, []),
    "nftmesh_last_status": (ctypes.c_int, []),
    "nftmesh_version": (ctypes.c_char_p, []),
    "nftmesh_open": (ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p,
                                       ctypes.POINTER(Options)]),
    "nftmesh_close": (None, [ctypes.c_void_p]),
    "nftmesh_instance_id": (ctypes.c_char_p, [ctypes.c_void_p]),
    "nftmesh_chain_id": (ctypes.c_uint64, [ctypes.c_void_p]),
    "nftmesh_register": (ctypes.c_int, [ctypes.c_void_p]),
    "nftmesh_registered": (ctypes.c_int, [ctypes.c_void_p]),
    "nftmesh_info": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
    "nftmesh_peers": (ctypes.POINTER(CPeers), [ctypes.c_void_p]),
    "nftmesh_peers_free": (None, [ctypes.POINTER(CPeers)]),
    "nftmesh_monitor": (ctypes.c_int, [ctypes.c_void_p, CHANGE_FN, ctypes.c_void_p]),
    "nftmesh_fd": (ctypes.c_int, [ctypes.c_void_p]),
    "nftmesh_dispatch": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
}


def _candidates() -> Iterator[str]:
    """Where the library may be: beside an installed package, in a build tree, or wherever the
    loader looks."""
    here = os.path.dirname(os.path.realpath(__file__))
    # PREFIX/lib when installed to PREFIX/lib/python3/dist-packages/nftmesh; in the project's own
    # tree, where this is sdk/python/nftmesh, its top.
    above = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    yield os.path.join(above, SONAME)
    yield os.path.join(above, sysconfig.get_config_var("MULTIARCH") or "", SONAME)
    yield os.path.join(above, "build", SONAME)
    yield SONAME


def find() -> str:
    """The library's path: NFTMESH_LIBRARY, else the first there is."""
    told = os.environ.get("NFTMESH_LIBRARY")
    if told:
        return told
    return next(path for path in _candidates() if path == SONAME or os.path.exists(path))


_lock = threading.Lock()
_loaded: Optional[ctypes.CDLL] = None


def load() -> ctypes.CDLL:
    """The library, loaded once a process. NftmeshConfigError when there is none, or a foreign one.
    """
    global _loaded
    with _lock:
        if _loaded is not None:
            return _loaded
        path = find()
        try:
            lib = ctypes.CDLL(path)
            for name, (result, arguments) in _SIGNATURES.items():
                function = getattr(lib, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError) as e:
            raise NftmeshConfigError(
                f"libnftmesh cannot be loaded ({e}): install it (cmake --install), name it with "
                "NFTMESH_LIBRARY, or ask a running node with NFTMESH_HTTP") from None
        _loaded = lib
        return lib


def text(raw: Optional[bytes]) -> str:
    return raw.decode("utf-8", "replace") if raw else ""


def last_error(lib: ctypes.CDLL, status: Optional[int] = None) -> NftmeshError:
    """What this thread's last call left behind, as an exception."""
    if status is None:
        status = lib.nftmesh_last_status()
    return error_of(status, text(lib.nftmesh_error()) or text(lib.nftmesh_strerror(status)))


def _peer(c: CPeer) -> Peer:
    known = 0 <= c.state < len(PEER_STATES)
    return Peer(url=text(c.url), node=text(c.node), owner=text(c.owner), instance=text(c.instance),
                token=int(c.token or b"0"), weight=c.weight,
                state=PEER_STATES[c.state] if known else PeerState.UNKNOWN,
                verified_block=c.verified_block, age_s=c.age_ms / 1000, reason=text(c.reason),
                explanation=text(c.explanation), name=text(c.name), mesh_url=text(c.mesh_url),
                rtt_ms=c.rtt_ms if c.rtt_ms >= 0 else None)


def peers_of(c: CPeers) -> Peers:
    """A copy that owes the library nothing."""
    fresh = c.state == LIST_FRESH
    return Peers(peers=tuple(_peer(c.peer[i]) for i in range(c.n)),
                 state=ListState.FRESH if fresh else ListState.STALE, block=c.block,
                 age_s=c.age_ms / 1000, why=text(c.why))
