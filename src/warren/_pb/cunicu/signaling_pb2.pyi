from warren._pb.cunicu import common_pb2 as _common_pb2
from warren._pb.cunicu import epdisc_pb2 as _epdisc_pb2
from warren._pb.cunicu import pdisc_pb2 as _pdisc_pb2
from warren._pb.cunicu import pske_pb2 as _pske_pb2
from warren._pb.warren.v1 import relay_pb2 as _relay_pb2
from warren._pb.warren.v1 import session_pb2 as _session_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackendType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MULTI: _ClassVar[BackendType]
    GRPC: _ClassVar[BackendType]
    INPROCESS: _ClassVar[BackendType]
    MCAST: _ClassVar[BackendType]
    KUBERNETES: _ClassVar[BackendType]
    NATS: _ClassVar[BackendType]
MULTI: BackendType
GRPC: BackendType
INPROCESS: BackendType
MCAST: BackendType
KUBERNETES: BackendType
NATS: BackendType

class EncryptedMessage(_message.Message):
    __slots__ = ("body", "nonce")
    BODY_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    nonce: bytes
    def __init__(self, body: _Optional[bytes] = ..., nonce: _Optional[bytes] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("sender", "recipient", "contents", "ack")
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    sender: bytes
    recipient: bytes
    contents: EncryptedMessage
    ack: _relay_pb2.SubscribeAck
    def __init__(self, sender: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., contents: _Optional[_Union[EncryptedMessage, _Mapping]] = ..., ack: _Optional[_Union[_relay_pb2.SubscribeAck, _Mapping]] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("credentials", "candidate", "peer", "pske", "session", "padding")
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    PSKE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PADDING_FIELD_NUMBER: _ClassVar[int]
    credentials: _epdisc_pb2.Credentials
    candidate: _epdisc_pb2.Candidate
    peer: _pdisc_pb2.PeerDescription
    pske: _pske_pb2.PresharedKeyEstablishment
    session: _session_pb2.SessionDescription
    padding: bytes
    def __init__(self, credentials: _Optional[_Union[_epdisc_pb2.Credentials, _Mapping]] = ..., candidate: _Optional[_Union[_epdisc_pb2.Candidate, _Mapping]] = ..., peer: _Optional[_Union[_pdisc_pb2.PeerDescription, _Mapping]] = ..., pske: _Optional[_Union[_pske_pb2.PresharedKeyEstablishment, _Mapping]] = ..., session: _Optional[_Union[_session_pb2.SessionDescription, _Mapping]] = ..., padding: _Optional[bytes] = ...) -> None: ...

class SubscribeParams(_message.Message):
    __slots__ = ("key", "proof")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    proof: _relay_pb2.SubscribeProof
    def __init__(self, key: _Optional[bytes] = ..., proof: _Optional[_Union[_relay_pb2.SubscribeProof, _Mapping]] = ...) -> None: ...

class RelayInfo(_message.Message):
    __slots__ = ("url", "username", "password", "expires")
    URL_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    url: str
    username: str
    password: str
    expires: _common_pb2.Timestamp
    def __init__(self, url: _Optional[str] = ..., username: _Optional[str] = ..., password: _Optional[str] = ..., expires: _Optional[_Union[_common_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetRelaysParams(_message.Message):
    __slots__ = ("public_key",)
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    def __init__(self, public_key: _Optional[bytes] = ...) -> None: ...

class GetRelaysResp(_message.Message):
    __slots__ = ("relays",)
    RELAYS_FIELD_NUMBER: _ClassVar[int]
    relays: _containers.RepeatedCompositeFieldContainer[RelayInfo]
    def __init__(self, relays: _Optional[_Iterable[_Union[RelayInfo, _Mapping]]] = ...) -> None: ...
