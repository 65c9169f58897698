from warren._pb.cunicu import epdisc_pb2 as _epdisc_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SessionDescription(_message.Message):
    __slots__ = ("version", "sender", "recipient", "session_id", "peer_session_id", "candidates", "end_of_candidates", "revision", "peer_revision", "wants_answer")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PEER_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    END_OF_CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PEER_REVISION_FIELD_NUMBER: _ClassVar[int]
    WANTS_ANSWER_FIELD_NUMBER: _ClassVar[int]
    version: int
    sender: bytes
    recipient: bytes
    session_id: int
    peer_session_id: int
    candidates: _containers.RepeatedCompositeFieldContainer[_epdisc_pb2.Candidate]
    end_of_candidates: bool
    revision: int
    peer_revision: int
    wants_answer: bool
    def __init__(self, version: _Optional[int] = ..., sender: _Optional[bytes] = ..., recipient: _Optional[bytes] = ..., session_id: _Optional[int] = ..., peer_session_id: _Optional[int] = ..., candidates: _Optional[_Iterable[_Union[_epdisc_pb2.Candidate, _Mapping]]] = ..., end_of_candidates: _Optional[bool] = ..., revision: _Optional[int] = ..., peer_revision: _Optional[int] = ..., wants_answer: _Optional[bool] = ...) -> None: ...
