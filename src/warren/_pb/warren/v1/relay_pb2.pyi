from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ChallengeParams(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    def __init__(self, key: _Optional[bytes] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ("server_key", "challenge", "ttl_ms")
    SERVER_KEY_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    TTL_MS_FIELD_NUMBER: _ClassVar[int]
    server_key: bytes
    challenge: bytes
    ttl_ms: int
    def __init__(self, server_key: _Optional[bytes] = ..., challenge: _Optional[bytes] = ..., ttl_ms: _Optional[int] = ...) -> None: ...

class SubscribeProof(_message.Message):
    __slots__ = ("version", "server_key", "challenge", "session", "authority", "mac")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_KEY_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    AUTHORITY_FIELD_NUMBER: _ClassVar[int]
    MAC_FIELD_NUMBER: _ClassVar[int]
    version: int
    server_key: bytes
    challenge: bytes
    session: bytes
    authority: str
    mac: bytes
    def __init__(self, version: _Optional[int] = ..., server_key: _Optional[bytes] = ..., challenge: _Optional[bytes] = ..., session: _Optional[bytes] = ..., authority: _Optional[str] = ..., mac: _Optional[bytes] = ...) -> None: ...

class SubscribeAck(_message.Message):
    __slots__ = ("authenticated", "token", "token_expires_ms")
    AUTHENTICATED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    authenticated: bool
    token: bytes
    token_expires_ms: int
    def __init__(self, authenticated: _Optional[bool] = ..., token: _Optional[bytes] = ..., token_expires_ms: _Optional[int] = ...) -> None: ...
