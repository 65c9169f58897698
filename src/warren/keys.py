"""Keys: Curve25519 as WireGuard uses it, 32 bytes, written as base64."""

import base64
import binascii
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import nacl.bindings
import nacl.utils

from warren.errors import ConfigurationError

__all__ = ["KeyPair", "PrivateKey", "PublicKey", "PublicKeyPair", "read_secret_file"]

SIZE = 32
_PRIME = 2**255 - 19

# The points whose order divides 8, in canonical form: a Diffie-Hellman with them gives nothing secret
# (RFC 7748, 6.1 and 7).
_LOW_ORDER = frozenset(
    value.to_bytes(SIZE, "little")
    for value in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _PRIME - 1,
    )
)


@dataclass(frozen=True, slots=True, order=True)
class PublicKey:
    """A canonical public key; equal, ordered and hashed by its 32 bytes (big-endian order).

    Raises:
        ValueError: not 32 bytes, the top bit set, not below 2^255 - 19, or of low order.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != SIZE:
            raise ValueError(f"a public key has 32 bytes, not {len(self.raw)}")
        if self.raw[31] & 0x80:
            raise ValueError("not a canonical public key: its top bit is set")
        if self.raw[31] == 0x7F and int.from_bytes(self.raw, "little") >= _PRIME:
            raise ValueError("not a canonical public key: it is not below 2^255 - 19")
        if self.raw in _LOW_ORDER:
            raise ValueError("not a usable public key: it is of low order")

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """Read standard base64 with padding, 44 characters.

        Raises:
            ValueError: it is not that, or the key is not canonical.
        """
        return cls(_decode(text, "public"))

    def __bytes__(self) -> bytes:
        return self.raw

    def __str__(self) -> str:
        return base64.b64encode(self.raw).decode()

    def __repr__(self) -> str:
        return f"PublicKey.parse({str(self)!r})"


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key; it never shows in a repr.

    Raises:
        ValueError: not 32 bytes.
    """

    raw: bytes = field(repr=False)
    public: PublicKey = field(init=False, repr=True, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != SIZE:
            raise ValueError(f"a private key has 32 bytes, not {len(self.raw)}")
        # Every scalar is clamped on use (RFC 7748, 5), so no private key has a public key of low order.
        object.__setattr__(self, "public", PublicKey(nacl.bindings.crypto_scalarmult_base(self.raw)))

    @classmethod
    def generate(cls) -> "PrivateKey":
        """Draw a new key, clamped as `wg genkey` does it."""
        raw = bytearray(nacl.utils.random(SIZE))
        raw[0] &= 248
        raw[31] = raw[31] & 127 | 64
        return cls(bytes(raw))

    @classmethod
    def parse(cls, text: str) -> "PrivateKey":
        """Read standard base64 with padding, 44 characters.

        Raises:
            ValueError: it is not that.
        """
        return cls(_decode(text, "private"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PrivateKey":
        """Read a key file: one line of base64.

        Raises:
            ConfigurationError: there is none, it cannot be read, is malformed, or others may read it.
        """
        file = Path(path)
        content = read_secret_file(file, "key", f"make one with `warren genkey --out {file}`")
        try:
            return cls.parse(content.decode("ascii").strip())
        except ValueError:
            raise ConfigurationError(
                f"key file {file} holds no private key: "
                "expected one line of 44 base64 characters, as `warren genkey` writes it"
            ) from None

    def encode(self) -> str:
        """Write the secret itself as base64: for key files, never for logs."""
        return base64.b64encode(self.raw).decode()

    def agree(self, public: PublicKey) -> bytes:
        """X25519 (RFC 7748): 32 bytes known to the two holders of the private keys only."""
        return nacl.bindings.crypto_scalarmult(self.raw, public.raw)


@dataclass(frozen=True, slots=True)
class PublicKeyPair:
    """Whose message it is: ours the receiving key, theirs the sender's, None for anyone."""

    ours: PublicKey
    theirs: PublicKey | None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Our private key and the peer's public key, None for anyone."""

    ours: PrivateKey
    theirs: PublicKey | None

    @property
    def public(self) -> PublicKeyPair:
        """The same without the secret."""
        return PublicKeyPair(self.ours.public, self.theirs)


def read_secret_file(file: Path, kind: str, advice: str) -> bytes:
    """Read a file that only its owner may be able to read, of at most 4 KiB.

    Args:
        file: which one.
        kind: what to call it.
        advice: what to do where there is none.

    Raises:
        ConfigurationError: there is none, it cannot be read, or others may read it.
    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(4096)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {kind} file {file}: {advice}") from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {kind} file {file}: {error.strerror}; name a file that this user can read"
        ) from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise ConfigurationError(f"{kind} file {file} can be read by others: run chmod 600 {file}")
    return content


def _decode(text: str, kind: str) -> bytes:
    # The message never quotes the text: somebody may have given a private key where a public one belongs.
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(text) != 44 or len(raw) != SIZE or base64.b64encode(raw).decode() != text:
        raise ValueError(f"not a {kind} key: expected 44 characters of base64, as WireGuard writes them")
    return raw
