from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PresharedKeyEstablishment(_message.Message):
    __slots__ = ("public_key", "cipher_text")
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    CIPHER_TEXT_FIELD_NUMBER: _ClassVar[int]
    public_key: bytes
    cipher_text: bytes
    def __init__(self, public_key: _Optional[bytes] = ..., cipher_text: _Optional[bytes] = ...) -> None: ...
