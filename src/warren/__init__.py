"""A working path between two peers that know each other's WireGuard public key, whatever NATs lie between."""

from warren.aio.calls import Calls, anyone
from warren.aio.node import Node
from warren.aio.session import Session, Stats
from warren.aio.stats import NodeStats
from warren.errors import ConfigurationError, NotConnected, SignalingError, WarrenError
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.session.config import Config
from warren.session.outputs import Path, PathChanged, StateChanged
from warren.session.state import State

__version__ = "0.1.0"

__all__ = [
    "Calls",
    "Config",
    "ConfigurationError",
    "KeyPair",
    "Node",
    "NodeStats",
    "NotConnected",
    "Path",
    "PathChanged",
    "PrivateKey",
    "PublicKey",
    "PublicKeyPair",
    "Session",
    "SignalingError",
    "State",
    "StateChanged",
    "Stats",
    "WarrenError",
    "anyone",
]
