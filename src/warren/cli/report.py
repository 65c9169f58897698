"""What happens, as a line for people and as a JSON object for programs: functions without effects."""

from collections.abc import Mapping
from typing import Any

from warren.keys import PublicKey
from warren.messages import Candidate
from warren.session.outputs import Path, StateChanged

__all__ = [
    "candidate_object",
    "milliseconds",
    "path_object",
    "path_text",
    "path_words",
    "short",
    "stamp",
    "state_object",
    "state_text",
]

Object = dict[str, object]


def short(peer: PublicKey) -> str:
    """Abbreviate a key for the eye; nothing may be decided by it."""
    return f"{str(peer)[:8]}…"


def state_object(peer: PublicKey, change: StateChanged, *, opened_at: float, time: float) -> Object:
    """Describe a state change.

    Args:
        opened_at: when the session was opened, on the clock of `change.time`.
        time: when the change was, in seconds since 1970.
    """
    return {
        "event": "state",
        "peer": str(peer),
        "from": change.old.name,
        "to": change.new.name,
        "reason": change.reason,
        "generation": change.generation,
        "elapsed": round(change.time - opened_at, 6),
        "time": round(time, 6),
    }


def path_object(peer: PublicKey, path: Path) -> Object:
    """Describe a path."""
    return {
        "event": "path",
        "peer": str(peer),
        "local": candidate_object(path.local),
        "remote": candidate_object(path.remote),
        "relayed": path.relayed,
        "rtt": round(path.rtt, 6),
    }


def candidate_object(candidate: Candidate) -> Object:
    """Describe one end of a path."""
    return {
        "type": candidate.type.word,
        "address": candidate.address,
        "port": candidate.port,
        "transport": candidate.network.protocol,
    }


def state_text(change: StateChanged, *, opened_at: float) -> str:
    """Write a state change as one line."""
    return f"{stamp(change.time - opened_at)}  {change.new.name:<12}  {change.reason}"


def path_text(peer: PublicKey, path: Path, *, elapsed: float) -> str:
    """Write a path as one line."""
    return f"{stamp(elapsed)}  {'path':<12}  {path_words(path_object(peer, path))}"


def path_words(values: Mapping[str, Any]) -> str:
    """Say which way data takes, in words, as a path object describes it."""
    ends = f"{_end(values['local'])} -> {_end(values['remote'])}"
    return f"{ends}, {'relayed' if values['relayed'] else 'direct'}, round trip {milliseconds(values['rtt'])}"


def milliseconds(seconds: float) -> str:
    """Write a short time."""
    return f"{seconds * 1000:.1f} ms"


def stamp(seconds: float) -> str:
    """Write how long after the beginning something was."""
    return f"{seconds:8.3f} s"


def _end(values: Mapping[str, Any]) -> str:
    address = f"[{values['address']}]" if ":" in values["address"] else values["address"]
    transport = " tcp" if values["transport"] == "tcp" else ""
    return f"{values['type']} {address}:{values['port']}{transport}"
