"""STUN messages (RFC 8489) as ICE and TURN use them: parse, verify, build."""

from warren.ice.stun.address import read_address, write_xor_address
from warren.ice.stun.build import binding_request, build, check_attributes, error, server_request, success
from warren.ice.stun.format import Attribute, Class, Method, StunError, fingerprint_of, is_stun
from warren.ice.stun.integrity import Key, Sha256Key, prepare_key
from warren.ice.stun.message import Stun, parse, verify
from warren.ice.stun.template import Template

__all__ = [
    "Attribute",
    "Class",
    "Key",
    "Method",
    "Sha256Key",
    "Stun",
    "StunError",
    "Template",
    "binding_request",
    "build",
    "check_attributes",
    "error",
    "fingerprint_of",
    "is_stun",
    "parse",
    "prepare_key",
    "read_address",
    "server_request",
    "success",
    "verify",
    "write_xor_address",
]
