"""What a `nats://` URL asks for: servers, why we may trust them, and what we show them."""

import ipaddress
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import nkeys
from nats.aio.client import RawCredentials

from warren.errors import ConfigurationError
from warren.signaling.url import BackendUrl

__all__ = ["PREFIX", "NatsServer", "NatsTarget"]

PREFIX: Final = "warren.v1"
MAX_SERVERS: Final = 16

OPTIONS: Final = ("prefix", "tls", "ca", "cert", "key", "token", "creds", "nkey")

# Tokens of a subject without wildcards; a subject is to stay well below what a server takes as one line.
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MAX_PREFIX: Final = 128
_EXAMPLE: Final = "nats://host:port[,host:port]"
# The client library would read on for ever in a file that lacks the first of these.
_CREDS: Final = re.compile(
    r"BEGIN NATS USER JWT-*\r?\n[\w.-]+\r?\n.*BEGIN USER NKEY SEED-*\r?\n(SU\w+)", re.S
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NatsServer:
    """One server of a list."""

    host: str
    """A name or an IP literal."""
    port: int

    @property
    def local(self) -> bool:
        """Whether nobody can stand between it and us."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"nats://[{self.host}]:{self.port}" if ":" in self.host else f"nats://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsTarget:
    """NATS servers that are one to us, in the order in which they are tried; files are read at each dialling.

    Without any option on TLS it is used where the server demands it, as NATS clients do.
    """

    servers: tuple[NatsServer, ...]
    prefix: str = PREFIX
    tls: bool | None = None
    """True insists on it; False sends even secrets in plaintext where the server does not demand it."""
    ca: str | None = None
    """File of the certificates to trust; None for the system's."""
    cert: str | None = None
    """File of our own certificate, and perhaps its key."""
    key: str | None = None
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    creds: str | None = None
    """File of a user's JWT and nkey seed."""
    nkey: str | None = None
    """File of an nkey seed."""

    @classmethod
    def parse(cls, url: BackendUrl) -> "NatsTarget":
        """Read the URL and the files that it names.

        Raises:
            ConfigurationError: the URL is wrong or a file is not what it should be; the text says what to do.
        """
        url.refuse_options_but(*OPTIONS)
        userinfo, _, places = url.authority.rpartition("@")
        user, colon, password = userinfo.partition(":")
        if "@" in userinfo:
            raise ConfigurationError(f"{url}: write the user once, before the first host: {_EXAMPLE}")
        files = {
            name: url.options[name] for name in ("ca", "cert", "key", "creds", "nkey") if name in url.options
        }
        target = cls(
            servers=_servers(url, places),
            prefix=_prefix(url),
            tls=url.flag("tls") if "tls" in url.options else None,
            user=unquote(user) if colon else "",
            password=unquote(password),
            # As NATS has it, a lone word before the host is a token.
            token=url.options.get("token", "" if colon else unquote(user)),
            **files,
        )
        if sum((bool(userinfo), *(name in url.options for name in ("token", "creds", "nkey")))) > 1:
            raise ConfigurationError(
                f"{url}: only one of user:password@, ?token=, ?creds= and ?nkey= can be meant"
            )
        target._check(url)
        return target

    @property
    def shown(self) -> str:
        """What we show a server to be let in, in words; empty for nothing."""
        kinds = {
            "the user and password": self.user,
            "the token": self.token,
            "the credentials of ?creds=": self.creds,
            "the nkey of ?nkey=": self.nkey,
        }
        return next((kind for kind, value in kinds.items() if value), "")

    @property
    def insists(self) -> bool:
        """Whether nothing may be said without TLS."""
        return self.tls is True or self.ca is not None or self.cert is not None

    @property
    def tells_secrets(self) -> bool:
        """Whether it says what a listener could use; keys of NATS only sign."""
        return bool(self.password or self.token)

    def context(self) -> ssl.SSLContext | None:
        """Make what TLS needs, of certificates as they now are; None leaves that to the client library.

        Raises:
            ConfigurationError: a file is not what it should be.
        """
        if not self.insists:
            return None
        context = _use(
            "ca", self.ca, lambda: ssl.create_default_context(cafile=self.ca), "certificate in PEM"
        )
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if (cert := self.cert) is not None:
            # Without a password given OpenSSL would ask for one on the terminal.
            load = partial(context.load_cert_chain, cert, self.key, password="")
            _use("cert", cert, load, "certificate with its key in PEM; is the key in ?key=?")
        return context

    def credentials(self) -> dict[str, Any]:
        """Read what is shown to a server, as arguments of the client library.

        Raises:
            ConfigurationError: a file is not what it should be.
        """
        if (creds := self.creds) is not None:
            return {
                "user_credentials": _use(
                    "creds", creds, lambda: _read_creds(creds), "user JWT with its nkey seed"
                )
            }
        if (nkey := self.nkey) is not None:
            return {
                "nkeys_seed_str": _use(
                    "nkey", nkey, lambda: _read_seed(Path(nkey).read_text()), "nkey seed of a user"
                )
            }
        shown = {"user": self.user, "password": self.password, "token": self.token}
        return {name: value for name, value in shown.items() if value}

    def _check(self, url: BackendUrl) -> None:
        if self.tls is False and self.insists:
            raise ConfigurationError(f"{url}: ?tls=false does not go with ?ca= or ?cert=")
        if self.key is not None and self.cert is None:
            raise ConfigurationError(f"{url}: ?key= needs ?cert=, the certificate that it is for")
        try:
            self.context()
            self.credentials()
        except ConfigurationError as error:
            raise ConfigurationError(f"{url}: {error}") from error


def _servers(url: BackendUrl, places: str) -> tuple[NatsServer, ...]:
    listed = places.split(",")
    if len(listed) > MAX_SERVERS:
        raise ConfigurationError(f"{url} names more than {MAX_SERVERS} servers")
    return tuple(
        NatsServer(*replace(url, authority=place).host_and_port()) for place in dict.fromkeys(listed)
    )


def _prefix(url: BackendUrl) -> str:
    prefix = url.options.get("prefix", PREFIX)
    if len(prefix) > _MAX_PREFIX or not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"{url}: ?prefix= must be words of letters, digits, - and _ with dots between, like {PREFIX}"
        )
    return prefix


def _read_creds(path: str) -> RawCredentials:
    text = Path(path).read_text("ascii")
    if (found := _CREDS.search(text)) is None:
        raise ValueError
    _read_seed(found[1])
    return RawCredentials(text)


def _read_seed(text: str) -> str:
    seed = text.strip()
    if not seed.startswith("SU"):
        raise ValueError
    nkeys.from_seed(bytearray(seed.encode())).wipe()
    return seed


def _use(option: str, path: str | None, read: Callable[[], T], what: str) -> T:
    try:
        return read()
    except (
        Exception
    ) as error:  # Of the system, OpenSSL, a codec or the key library; none may show the content.
        reason = f"it holds no {what}"
        if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
            reason = error.strerror or reason
        raise ConfigurationError(f"cannot use ?{option}={path}: {reason}") from None
