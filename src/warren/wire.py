"""Values to protobuf bytes and back: the only hand-written code that knows generated messages.

Decoding raises `WireError` and nothing else. What a peer may know and we do not (candidates that cannot be
used, kinds of changes) is left out; anything else that is malformed drops the whole message.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from google.protobuf.message import DecodeError

from warren._pb.cunicu import common_pb2, epdisc_pb2, pdisc_pb2, signaling_pb2
from warren._pb.warren.v1 import relay_pb2, session_pb2
from warren.keys import PublicKey
from warren.messages import (
    BuildInfo,
    Candidate,
    CandidateType,
    Challenge,
    Credentials,
    Message,
    NetworkType,
    PeerChange,
    PeerDescription,
    PresharedKeyEstablishment,
    RelayInfo,
    RelayProtocol,
    SessionDescription,
    SubscribeAck,
    SubscribeParams,
    SubscribeProof,
    TCPType,
)

__all__ = [
    "PADDING_STEP",
    "WireError",
    "decode_ack",
    "decode_build_info",
    "decode_challenge",
    "decode_challenge_params",
    "decode_envelope",
    "decode_message",
    "decode_relays",
    "decode_relays_params",
    "decode_subscribe_params",
    "encode_ack",
    "encode_build_info",
    "encode_challenge",
    "encode_challenge_params",
    "encode_envelope",
    "encode_message",
    "encode_relays",
    "encode_relays_params",
    "encode_subscribe_params",
]

PADDING_STEP: Final = 256
_PADDING_TAG_SIZE: Final = 2  # The tag of field 101.
_MAX_CANDIDATES: Final = 32
_MAX_TOKEN: Final = 1024
_CHALLENGE_SIZE: Final = 64
_MAX_RELAYS: Final = 16


class WireError(ValueError):
    """These bytes are not what they should be; `reason` is one word for the counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"malformed: {reason}")
        self.reason = reason


# Messages


def encode_message(message: Message) -> bytes:
    """Serialize a message, padded to a multiple of 256 bytes."""
    pb = signaling_pb2.Message()
    if message.credentials is not None:
        _write_credentials(message.credentials, pb.credentials)
    if message.candidate is not None:
        _write_candidate(message.candidate, pb.candidate)
    if message.peer is not None:
        _write_peer(message.peer, pb.peer)
    if message.pske is not None:
        pb.pske.public_key = message.pske.public_key
        pb.pske.cipher_text = message.pske.cipher_text
        pb.pske.SetInParent()
    if message.session is not None:
        _write_session(message.session, pb.session)
    return _pad(pb.SerializeToString(deterministic=True))


def decode_message(data: bytes) -> Message:
    """Read a message.

    Raises:
        WireError: `protobuf`, `credentials` or `session`, whichever part is malformed.
    """
    pb = signaling_pb2.Message()
    _parse(pb, data)
    return Message(
        credentials=_read_credentials(pb.credentials) if pb.HasField("credentials") else None,
        candidate=_read_candidate(pb.candidate) if pb.HasField("candidate") else None,
        peer=_read_peer(pb.peer) if pb.HasField("peer") else None,
        pske=PresharedKeyEstablishment(pb.pske.public_key, pb.pske.cipher_text)
        if pb.HasField("pske")
        else None,
        session=_read_session(pb.session) if pb.HasField("session") else None,
    )


def _pad(data: bytes) -> bytes:
    missing = -len(data) % PADDING_STEP
    if missing == 0:
        return data
    # The field's own tag and length count too; where they make a size unreachable, the next step is taken.
    while True:
        for length_size in (1, 2):
            size = missing - _PADDING_TAG_SIZE - length_size
            if size >= 0 and (size < 128) == (length_size == 1):
                prefix = bytes((size,)) if length_size == 1 else bytes((size & 0x7F | 0x80, size >> 7))
                return data + _PADDING_TAG + prefix + bytes(size)
        missing += PADDING_STEP


_PADDING_TAG: Final = bytes(((101 << 3 | 2) & 0x7F | 0x80, (101 << 3 | 2) >> 7))


def _write_credentials(value: Credentials, pb: epdisc_pb2.Credentials) -> None:
    pb.ufrag, pb.pwd, pb.need_creds = value.ufrag, value.pwd, value.need_creds
    pb.SetInParent()


def _read_credentials(pb: epdisc_pb2.Credentials) -> Credentials:
    try:
        return Credentials(pb.ufrag, pb.pwd, pb.need_creds)
    except ValueError:
        raise WireError("credentials") from None


def _write_candidate(value: Candidate, pb: epdisc_pb2.Candidate) -> None:
    pb.type = int(value.type)  # type: ignore[assignment]  # generated enums are their own types
    pb.network_type = int(value.network)  # type: ignore[assignment]  # likewise
    pb.tcp_type = int(value.tcp_type)  # type: ignore[assignment]  # likewise
    pb.relay_protocol = int(value.relay_protocol)  # type: ignore[assignment]  # likewise
    pb.foundation = value.foundation
    pb.component = value.component
    # int32 on the wire: the upper half of the unsigned range is written as negative numbers.
    pb.priority = value.priority - 2**32 if value.priority >= 2**31 else value.priority
    pb.address = value.address
    pb.port = value.port
    if value.related is not None:
        pb.related_address.address, pb.related_address.port = value.related


def _read_candidate(pb: epdisc_pb2.Candidate) -> Candidate | None:
    if "%" in pb.address:
        return None  # A zone names an interface of its sender's; here it would choose one of ours.
    try:
        candidate = Candidate(
            type=CandidateType(pb.type),
            network=NetworkType(pb.network_type),
            address=pb.address,
            port=pb.port,
            priority=pb.priority & 0xFFFFFFFF,
            foundation=pb.foundation,
            component=pb.component,
            tcp_type=TCPType(pb.tcp_type),
            relay_protocol=_relay_protocol(pb.relay_protocol),
        )
    except ValueError:
        return None
    return _with_related(candidate, pb.related_address) if pb.HasField("related_address") else candidate


def _with_related(candidate: Candidate, pb: epdisc_pb2.RelatedAddress) -> Candidate:
    try:
        return candidate if "%" in pb.address else replace(candidate, related=(pb.address, pb.port))
    except ValueError:
        return candidate  # Information only (RFC 8445, 5.1.1): no reason to lose the candidate.


def _relay_protocol(number: int) -> RelayProtocol:
    # A Go peer says -1 for "unknown", and what later versions add is information only.
    return RelayProtocol(number) if 0 <= number <= RelayProtocol.DTLS else RelayProtocol.UNSPECIFIED


def _read_candidates(pbs: Iterable[epdisc_pb2.Candidate]) -> tuple[Candidate, ...]:
    found: list[Candidate] = []
    for pb in pbs:
        if len(found) == _MAX_CANDIDATES:
            break
        if (candidate := _read_candidate(pb)) is not None:
            found.append(candidate)
    return tuple(found)


def _write_session(value: SessionDescription, pb: session_pb2.SessionDescription) -> None:
    pb.version = value.version
    pb.sender, pb.recipient = value.sender.raw, value.recipient.raw
    pb.session_id, pb.peer_session_id = value.session_id, value.peer_session_id
    for candidate in value.candidates:
        _write_candidate(candidate, pb.candidates.add())
    pb.end_of_candidates = value.end_of_candidates
    pb.revision, pb.peer_revision = value.revision, value.peer_revision
    pb.wants_answer = value.wants_answer


def _read_session(pb: session_pb2.SessionDescription) -> SessionDescription:
    if pb.version < 1:
        raise WireError("session")
    try:
        return SessionDescription(
            version=1,  # A higher version is read as 1: what it adds, we skip.
            sender=PublicKey(pb.sender),
            recipient=PublicKey(pb.recipient),
            session_id=pb.session_id,
            peer_session_id=pb.peer_session_id,
            candidates=_read_candidates(pb.candidates),
            end_of_candidates=pb.end_of_candidates,
            revision=pb.revision,
            peer_revision=pb.peer_revision,
            wants_answer=pb.wants_answer,
        )
    except ValueError:
        raise WireError("session") from None


def _write_peer(value: PeerDescription, pb: pdisc_pb2.PeerDescription) -> None:
    pb.change = int(value.change)  # type: ignore[assignment]  # generated enums are their own types
    pb.name = value.name
    pb.public_key, pb.public_key_new = value.public_key, value.public_key_new
    pb.allowed_ips.extend(value.allowed_ips)
    if value.build_info is not None:
        _write_build_info(value.build_info, pb.build_info)
    for host, addresses in value.hosts.items():
        entry = pb.hosts[host]
        for address in addresses:
            entry.addresses.add().addr = address
    pb.SetInParent()


def _read_peer(pb: pdisc_pb2.PeerDescription) -> PeerDescription | None:
    if not PeerChange.ADD <= pb.change <= PeerChange.UPDATE:
        return None
    return PeerDescription(
        change=PeerChange(pb.change),
        name=pb.name,
        public_key=pb.public_key,
        public_key_new=pb.public_key_new,
        allowed_ips=tuple(pb.allowed_ips),
        build_info=_read_build_info(pb.build_info) if pb.HasField("build_info") else None,
        hosts={
            host: tuple(address.addr for address in pb.hosts[host].addresses) for host in sorted(pb.hosts)
        },
    )


# Envelopes


def encode_envelope(sender: bytes, recipient: bytes, body: bytes, nonce: bytes) -> bytes:
    """Serialize an envelope."""
    pb = signaling_pb2.Envelope(sender=sender, recipient=recipient)
    pb.contents.body, pb.contents.nonce = body, nonce
    return pb.SerializeToString(deterministic=True)


def decode_envelope(data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Read an envelope's (sender, recipient, body, nonce) as they stand; absent ones are empty.

    Raises:
        WireError: `protobuf`.
    """
    pb = signaling_pb2.Envelope()
    _parse(pb, data)
    return pb.sender, pb.recipient, pb.contents.body, pb.contents.nonce


# What the server is asked and says


def encode_subscribe_params(key: PublicKey, proof: SubscribeProof | None = None) -> bytes:
    """Serialize what a subscriber asks for."""
    pb = signaling_pb2.SubscribeParams(key=key.raw)
    if proof is not None:
        pb.proof.version, pb.proof.server_key, pb.proof.challenge = (
            proof.version,
            proof.server_key,
            proof.challenge,
        )
        pb.proof.session, pb.proof.authority, pb.proof.mac = proof.session, proof.authority, proof.mac
        pb.proof.SetInParent()
    return pb.SerializeToString(deterministic=True)


def decode_subscribe_params(data: bytes) -> SubscribeParams:
    """Read which key a subscriber asks for, and how it proves to hold it: the proof is not looked into.

    Raises:
        WireError: `protobuf` or `key`.
    """
    pb = signaling_pb2.SubscribeParams()
    _parse(pb, data)
    return SubscribeParams(_read_key(pb.key), _read_proof(pb.proof) if pb.HasField("proof") else None)


def _read_proof(pb: relay_pb2.SubscribeProof) -> SubscribeProof:
    return SubscribeProof(
        version=pb.version,
        server_key=pb.server_key,
        challenge=pb.challenge,
        session=pb.session,
        authority=pb.authority,
        mac=pb.mac,
    )


def _read_key(raw: bytes) -> PublicKey:
    try:
        return PublicKey(raw)
    except ValueError:
        raise WireError("key") from None


def encode_ack(ack: SubscribeAck) -> bytes:
    """Serialize the first envelope of a subscription that was proven."""
    pb = signaling_pb2.Envelope()
    pb.ack.authenticated, pb.ack.token = ack.authenticated, ack.token
    pb.ack.token_expires_ms = ack.token_expires_ms
    pb.ack.SetInParent()
    return pb.SerializeToString(deterministic=True)


def decode_ack(data: bytes) -> SubscribeAck | None:
    """Read the first envelope of a subscription: what it confirms, or None where it says nothing of that.

    Raises:
        WireError: `protobuf`, or `token` where that is larger than any metadata could carry.
    """
    pb = signaling_pb2.Envelope()
    _parse(pb, data)
    if not pb.HasField("ack"):
        return None
    if len(pb.ack.token) > _MAX_TOKEN:
        raise WireError("token")
    return SubscribeAck(
        authenticated=pb.ack.authenticated,
        token=pb.ack.token,
        token_expires_ms=pb.ack.token_expires_ms,
    )


def encode_challenge_params(key: PublicKey) -> bytes:
    """Serialize for which key a challenge is wanted."""
    return relay_pb2.ChallengeParams(key=key.raw).SerializeToString(deterministic=True)


def decode_challenge_params(data: bytes) -> PublicKey:
    """Read for which key a challenge is wanted.

    Raises:
        WireError: `protobuf` or `key`.
    """
    pb = relay_pb2.ChallengeParams()
    _parse(pb, data)
    return _read_key(pb.key)


def encode_challenge(value: Challenge) -> bytes:
    """Serialize a challenge."""
    pb = relay_pb2.Challenge(server_key=value.server_key.raw, challenge=value.challenge, ttl_ms=value.ttl_ms)
    return pb.SerializeToString(deterministic=True)


def decode_challenge(data: bytes) -> Challenge:
    """Read a challenge.

    Raises:
        WireError: `protobuf`, `key` where that of the server is not canonical, or `challenge`.
    """
    pb = relay_pb2.Challenge()
    _parse(pb, data)
    if len(pb.challenge) != _CHALLENGE_SIZE:
        raise WireError("challenge")
    return Challenge(server_key=_read_key(pb.server_key), challenge=pb.challenge, ttl_ms=pb.ttl_ms)


def encode_build_info(value: BuildInfo) -> bytes:
    """Serialize what a program says of its own making."""
    pb = common_pb2.BuildInfo()
    _write_build_info(value, pb)
    return pb.SerializeToString(deterministic=True)


def decode_build_info(data: bytes) -> BuildInfo:
    """Read what a program says of its own making.

    Raises:
        WireError: `protobuf`.
    """
    pb = common_pb2.BuildInfo()
    _parse(pb, data)
    return _read_build_info(pb)


def _write_build_info(value: BuildInfo, pb: common_pb2.BuildInfo) -> None:
    pb.version, pb.commit, pb.tag, pb.branch = value.version, value.commit, value.tag, value.branch
    pb.built_by, pb.os, pb.arch, pb.dirty = value.built_by, value.os, value.arch, value.dirty
    if value.date:
        pb.date.seconds = value.date
    pb.SetInParent()


def _read_build_info(pb: common_pb2.BuildInfo) -> BuildInfo:
    return BuildInfo(
        version=pb.version,
        date=pb.date.seconds,
        commit=pb.commit,
        tag=pb.tag,
        branch=pb.branch,
        built_by=pb.built_by,
        os=pb.os,
        arch=pb.arch,
        dirty=pb.dirty,
    )


def encode_relays_params(key: PublicKey) -> bytes:
    """Serialize for which key relay credentials are wanted."""
    return signaling_pb2.GetRelaysParams(public_key=key.raw).SerializeToString(deterministic=True)


def decode_relays_params(data: bytes) -> PublicKey:
    """Read for which key relay credentials are wanted.

    Raises:
        WireError: `protobuf` or `key`.
    """
    pb = signaling_pb2.GetRelaysParams()
    _parse(pb, data)
    return _read_key(pb.public_key)


def encode_relays(relays: Iterable[RelayInfo]) -> bytes:
    """Serialize the answer to GetRelays."""
    pb = signaling_pb2.GetRelaysResp()
    for relay in relays:
        entry = pb.relays.add(url=relay.url, username=relay.username, password=relay.password)
        if relay.expires:
            entry.expires.seconds = relay.expires
    return pb.SerializeToString(deterministic=True)


def decode_relays(data: bytes) -> tuple[RelayInfo, ...]:
    """Read the answer to GetRelays.

    Raises:
        WireError: `protobuf`.
    """
    pb = signaling_pb2.GetRelaysResp()
    _parse(pb, data)
    return tuple(
        RelayInfo(entry.url, entry.username, entry.password, entry.expires.seconds)
        for entry in pb.relays[:_MAX_RELAYS]
    )


_Parsed = (
    signaling_pb2.Message
    | signaling_pb2.Envelope
    | signaling_pb2.SubscribeParams
    | signaling_pb2.GetRelaysParams
    | signaling_pb2.GetRelaysResp
    | common_pb2.BuildInfo
    | relay_pb2.ChallengeParams
    | relay_pb2.Challenge
)


def _parse(pb: _Parsed, data: bytes) -> None:
    try:
        pb.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError):  # The latter where protobuf runs without its C library.
        raise WireError("protobuf") from None
