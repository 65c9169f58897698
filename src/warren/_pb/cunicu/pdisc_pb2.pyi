from warren._pb.cunicu import common_pb2 as _common_pb2
from warren._pb.cunicu import core_pb2 as _core_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PeerDescriptionChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ADD: _ClassVar[PeerDescriptionChange]
    REMOVE: _ClassVar[PeerDescriptionChange]
    UPDATE: _ClassVar[PeerDescriptionChange]
ADD: PeerDescriptionChange
REMOVE: PeerDescriptionChange
UPDATE: PeerDescriptionChange

class PeerAddresses(_message.Message):
    __slots__ = ("addresses",)
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedCompositeFieldContainer[_core_pb2.IPAddress]
    def __init__(self, addresses: _Optional[_Iterable[_Union[_core_pb2.IPAddress, _Mapping]]] = ...) -> None: ...

class PeerDescription(_message.Message):
    __slots__ = ("change", "name", "public_key", "public_key_new", "allowed_ips", "build_info", "hosts")
    class HostsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PeerAddresses
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PeerAddresses, _Mapping]] = ...) -> None: ...
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_NEW_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IPS_FIELD_NUMBER: _ClassVar[int]
    BUILD_INFO_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    change: PeerDescriptionChange
    name: str
    public_key: bytes
    public_key_new: bytes
    allowed_ips: _containers.RepeatedScalarFieldContainer[str]
    build_info: _common_pb2.BuildInfo
    hosts: _containers.MessageMap[str, PeerAddresses]
    def __init__(self, change: _Optional[_Union[PeerDescriptionChange, str]] = ..., name: _Optional[str] = ..., public_key: _Optional[bytes] = ..., public_key_new: _Optional[bytes] = ..., allowed_ips: _Optional[_Iterable[str]] = ..., build_info: _Optional[_Union[_common_pb2.BuildInfo, _Mapping]] = ..., hosts: _Optional[_Mapping[str, PeerAddresses]] = ...) -> None: ...
