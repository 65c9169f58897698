"""Needs grpcio-tools, which the development requirements install."""

import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from warren._pb.cunicu import common_pb2, core_pb2, epdisc_pb2, pdisc_pb2, pske_pb2, signaling_pb2
from warren._pb.warren.v1 import relay_pb2, session_pb2

FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (
        common_pb2,
        core_pb2,
        epdisc_pb2,
        pdisc_pb2,
        pske_pb2,
        signaling_pb2,
        relay_pb2,
        session_pb2,
    )
)

MESSAGES = """
cunicu.BuildInfo: version 1 string, date 2 cunicu.Timestamp, commit 3 string, tag 4 string, branch 5 string, \
built_by 6 string, os 7 string, arch 8 string, dirty 9 bool
cunicu.Empty:
cunicu.Timestamp: seconds 1 int32, nanos 2 int32
cunicu.core.IPAddress: addr 1 bytes
cunicu.epdisc.Candidate: type 1 cunicu.epdisc.CandidateType, network_type 2 cunicu.epdisc.NetworkType, \
tcp_type 3 cunicu.epdisc.TCPType, foundation 4 string, component 5 int32, priority 6 int32, \
address 7 string, port 8 int32, related_address 9 cunicu.epdisc.RelatedAddress, \
relay_protocol 10 cunicu.epdisc.RelayProtocol
cunicu.epdisc.Credentials: ufrag 1 string, pwd 2 string, need_creds 3 bool
cunicu.epdisc.RelatedAddress: address 1 string, port 2 int32
cunicu.pdisc.PeerAddresses: addresses 1 repeated cunicu.core.IPAddress
cunicu.pdisc.PeerDescription: change 1 cunicu.pdisc.PeerDescriptionChange, name 2 string, \
public_key 3 bytes, public_key_new 4 bytes, allowed_ips 5 repeated string, build_info 6 cunicu.BuildInfo, \
hosts 7 repeated cunicu.pdisc.PeerDescription.HostsEntry
cunicu.pske.PresharedKeyEstablishment: public_key 1 bytes, cipher_text 2 bytes
cunicu.signaling.EncryptedMessage: body 1 bytes, nonce 2 bytes
cunicu.signaling.Envelope: sender 1 bytes, recipient 2 bytes, contents 3 cunicu.signaling.EncryptedMessage, \
ack 100 warren.v1.SubscribeAck
cunicu.signaling.GetRelaysParams: public_key 1 bytes
cunicu.signaling.GetRelaysResp: relays 1 repeated cunicu.signaling.RelayInfo
cunicu.signaling.Message: credentials 1 cunicu.epdisc.Credentials, candidate 2 cunicu.epdisc.Candidate, \
peer 3 cunicu.pdisc.PeerDescription, pske 4 cunicu.pske.PresharedKeyEstablishment, \
session 100 warren.v1.SessionDescription, padding 101 bytes
cunicu.signaling.RelayInfo: url 1 string, username 2 string, password 3 string, expires 4 cunicu.Timestamp
cunicu.signaling.SubscribeParams: key 1 bytes, proof 100 warren.v1.SubscribeProof
warren.v1.Challenge: server_key 1 bytes, challenge 2 bytes, ttl_ms 3 uint32
warren.v1.ChallengeParams: key 1 bytes
warren.v1.SessionDescription: version 1 uint32, sender 2 bytes, recipient 3 bytes, session_id 4 fixed64, \
peer_session_id 5 fixed64, candidates 6 repeated cunicu.epdisc.Candidate, end_of_candidates 7 bool, \
revision 8 uint32, peer_revision 9 uint32, wants_answer 10 bool
warren.v1.SubscribeAck: authenticated 1 bool, token 2 bytes, token_expires_ms 3 uint64
warren.v1.SubscribeProof: version 1 uint32, server_key 2 bytes, challenge 3 bytes, session 4 bytes, \
authority 5 string, mac 6 bytes
"""

ENUMS = """
cunicu.epdisc.CandidateType: 0 CANDIDATE_TYPE_UNSPECIFIED, 1 HOST, 2 SERVER_REFLEXIVE, \
3 PEER_REFLEXIVE, 4 RELAY
cunicu.epdisc.NetworkType: 0 NETWORK_TYPE_UNSPECIFIED, 1 UDP4, 2 UDP6, 3 TCP4, 4 TCP6
cunicu.epdisc.RelayProtocol: 0 RELAY_PROTOCOL_UNSPECIFIED, 1 UDP, 2 TCP, 3 TLS, 4 DTLS
cunicu.epdisc.TCPType: 0 TCP_TYPE_UNSPECIFIED, 1 ACTIVE, 2 PASSIVE, 3 SIMULTANEOUS_OPEN
cunicu.pdisc.PeerDescriptionChange: 0 ADD, 1 REMOVE, 2 UPDATE
cunicu.signaling.BackendType: 0 MULTI, 1 GRPC, 2 INPROCESS, 3 MCAST, 100 KUBERNETES, 101 NATS
"""

METHODS = """
cunicu.signaling.RelayRegistry.GetRelays: cunicu.signaling.GetRelaysParams -> cunicu.signaling.GetRelaysResp
cunicu.signaling.Signaling.GetBuildInfo: cunicu.Empty -> cunicu.BuildInfo
cunicu.signaling.Signaling.Publish: cunicu.signaling.Envelope -> cunicu.Empty
cunicu.signaling.Signaling.Subscribe: cunicu.signaling.SubscribeParams -> stream cunicu.signaling.Envelope
warren.v1.Relay.GetChallenge: warren.v1.ChallengeParams -> warren.v1.Challenge
"""

SCALARS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_FIXED64: "fixed64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}

ROOT = Path(__file__).parents[1]


def test_generated_code_is_what_the_proto_files_give(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_proto.py"), str(tmp_path)]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert names
    committed = ROOT / "src" / "warren" / "_pb"
    stale = [name for name in names if (committed / name).read_text() != (tmp_path / name).read_text()]
    assert stale == [], "run make proto"
    extra = {
        str(path.relative_to(committed))
        for path in committed.rglob("*_pb2.py*")
        if path.suffix in (".py", ".pyi")
    }
    assert extra == set(names)


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def written(message: Descriptor) -> str:
    return f"{message.full_name}: {', '.join(map(field_written, message.fields))}".strip()


def field_written(field: FieldDescriptor) -> str:
    kind = field.message_type or field.enum_type
    name = SCALARS[field.type] if kind is None else kind.full_name
    return f"{field.name} {field.number} {'repeated ' * field.is_repeated}{name}"


def test_messages_have_the_fields_of_the_protocol() -> None:
    found = [written(message) for file in FILES for message in file.message_types_by_name.values()]
    assert sorted(found) == lines(MESSAGES)


def test_enums_have_the_values_of_the_protocol() -> None:
    found = [
        f"{enum.full_name}: {', '.join(f'{value.number} {value.name}' for value in enum.values)}"
        for file in FILES
        for enum in file.enum_types_by_name.values()
    ]
    assert sorted(found) == lines(ENUMS)


def test_methods_have_the_names_and_shapes_of_the_protocol() -> None:
    found = [
        f"{method.full_name}: {method.input_type.full_name} -> "
        f"{'stream ' * method.server_streaming}{method.output_type.full_name}"
        for file in FILES
        for service in file.services_by_name.values()
        for method in service.methods
    ]
    assert sorted(found) == lines(METHODS)
