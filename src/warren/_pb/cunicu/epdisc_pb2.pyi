from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CandidateType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANDIDATE_TYPE_UNSPECIFIED: _ClassVar[CandidateType]
    HOST: _ClassVar[CandidateType]
    SERVER_REFLEXIVE: _ClassVar[CandidateType]
    PEER_REFLEXIVE: _ClassVar[CandidateType]
    RELAY: _ClassVar[CandidateType]

class NetworkType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NETWORK_TYPE_UNSPECIFIED: _ClassVar[NetworkType]
    UDP4: _ClassVar[NetworkType]
    UDP6: _ClassVar[NetworkType]
    TCP4: _ClassVar[NetworkType]
    TCP6: _ClassVar[NetworkType]

class TCPType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TCP_TYPE_UNSPECIFIED: _ClassVar[TCPType]
    ACTIVE: _ClassVar[TCPType]
    PASSIVE: _ClassVar[TCPType]
    SIMULTANEOUS_OPEN: _ClassVar[TCPType]

class RelayProtocol(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RELAY_PROTOCOL_UNSPECIFIED: _ClassVar[RelayProtocol]
    UDP: _ClassVar[RelayProtocol]
    TCP: _ClassVar[RelayProtocol]
    TLS: _ClassVar[RelayProtocol]
    DTLS: _ClassVar[RelayProtocol]
CANDIDATE_TYPE_UNSPECIFIED: CandidateType
HOST: CandidateType
SERVER_REFLEXIVE: CandidateType
PEER_REFLEXIVE: CandidateType
RELAY: CandidateType
NETWORK_TYPE_UNSPECIFIED: NetworkType
UDP4: NetworkType
UDP6: NetworkType
TCP4: NetworkType
TCP6: NetworkType
TCP_TYPE_UNSPECIFIED: TCPType
ACTIVE: TCPType
PASSIVE: TCPType
SIMULTANEOUS_OPEN: TCPType
RELAY_PROTOCOL_UNSPECIFIED: RelayProtocol
UDP: RelayProtocol
TCP: RelayProtocol
TLS: RelayProtocol
DTLS: RelayProtocol

class Credentials(_message.Message):
    __slots__ = ("ufrag", "pwd", "need_creds")
    UFRAG_FIELD_NUMBER: _ClassVar[int]
    PWD_FIELD_NUMBER: _ClassVar[int]
    NEED_CREDS_FIELD_NUMBER: _ClassVar[int]
    ufrag: str
    pwd: str
    need_creds: bool
    def __init__(self, ufrag: _Optional[str] = ..., pwd: _Optional[str] = ..., need_creds: _Optional[bool] = ...) -> None: ...

class RelatedAddress(_message.Message):
    __slots__ = ("address", "port")
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    address: str
    port: int
    def __init__(self, address: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("type", "network_type", "tcp_type", "foundation", "component", "priority", "address", "port", "related_address", "relay_protocol")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_TYPE_FIELD_NUMBER: _ClassVar[int]
    TCP_TYPE_FIELD_NUMBER: _ClassVar[int]
    FOUNDATION_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    RELATED_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RELAY_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    type: CandidateType
    network_type: NetworkType
    tcp_type: TCPType
    foundation: str
    component: int
    priority: int
    address: str
    port: int
    related_address: RelatedAddress
    relay_protocol: RelayProtocol
    def __init__(self, type: _Optional[_Union[CandidateType, str]] = ..., network_type: _Optional[_Union[NetworkType, str]] = ..., tcp_type: _Optional[_Union[TCPType, str]] = ..., foundation: _Optional[str] = ..., component: _Optional[int] = ..., priority: _Optional[int] = ..., address: _Optional[str] = ..., port: _Optional[int] = ..., related_address: _Optional[_Union[RelatedAddress, _Mapping]] = ..., relay_protocol: _Optional[_Union[RelayProtocol, str]] = ...) -> None: ...
