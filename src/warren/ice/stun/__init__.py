"""STUN messages (RFC 8489) as ICE uses them: parse, verify, build."""

from warren.ice.stun.build import binding_request, build, error, server_request, success
from warren.ice.stun.format import Attribute, Class, Method, StunError, is_stun
from warren.ice.stun.integrity import Key, prepare_key
from warren.ice.stun.message import Stun, parse, verify

__all__ = [
    "Attribute",
    "Class",
    "Key",
    "Method",
    "Stun",
    "StunError",
    "binding_request",
    "build",
    "error",
    "is_stun",
    "parse",
    "prepare_key",
    "server_request",
    "success",
    "verify",
]
