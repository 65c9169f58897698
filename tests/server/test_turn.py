import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from tests.server.keys import key
from warren.errors import ConfigurationError
from warren.server.turn import PERIOD, TurnRelays, read_relay_secret

SECRET = b"north-and-south-and-east"
URLS = ("turn:turn.example.org:3478", "turns:turn.example.org:5349?transport=tcp")
NOW = 1_800_000_100.0
RELAYS = TurnRelays(URLS, SECRET)


def test_each_server_is_given_with_credentials() -> None:
    found = RELAYS.credentials(key(1), NOW)
    assert [relay.url for relay in found] == list(URLS)
    assert len({(relay.username, relay.password, relay.expires) for relay in found}) == 1


def test_credentials_are_those_of_the_shared_secret_scheme() -> None:
    relay, _ = RELAYS.credentials(key(1), NOW)
    expires, _, name = relay.username.partition(":")
    expected = hmac.new(SECRET, relay.username.encode(), hashlib.sha1).digest()
    assert int(expires) == relay.expires
    assert name
    assert relay.password == base64.b64encode(expected).decode()


@pytest.mark.parametrize("offset", [0, 1, PERIOD - 1])
def test_credentials_are_good_for_more_than_half_an_hour_and_an_hour_at_most(offset: int) -> None:
    now = 1_000_000 * PERIOD + offset
    relay, _ = RELAYS.credentials(key(1), now)
    assert 1800 < relay.expires - now <= 3600


def test_asking_again_gives_nothing_new_within_half_an_hour() -> None:
    begin = 1_000_000 * PERIOD
    found = {RELAYS.credentials(key(1), begin + offset)[0].username for offset in range(0, PERIOD, 60)}
    assert len(found) == 1


def test_two_keys_have_two_names_and_neither_shows_the_key() -> None:
    one, other = (RELAYS.credentials(key(number), NOW)[0].username for number in (1, 2))
    assert one != other
    assert str(key(1))[:12] not in one


def test_who_a_name_is_only_the_operator_can_tell() -> None:
    stranger = TurnRelays(URLS, b"another secret of theirs")
    assert RELAYS.credentials(key(1), NOW)[0].username != stranger.credentials(key(1), NOW)[0].username


@pytest.mark.parametrize(
    "url",
    [
        "",
        "turn:",
        "stun:host:3478",
        "turn://host:3478",
        "turn:user:password@host:3478",
        "turn:host:3478?transport=sctp",
        "turn:ho st",
        "turn:2001:db8::1:3478",
    ],
)
def test_what_is_no_turn_server_is_refused_and_no_password_is_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write turn:HOST:PORT") as caught:
        TurnRelays([url], SECRET)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["turn:host", "turns:host", "turn:[2001:db8::1]:3478", "turn:192.0.2.1:3478?transport=udp"]
)
def test_a_turn_server_can_be_named_in_all_ways_of_the_rfc(url: str) -> None:
    assert TurnRelays([url], SECRET).credentials(key(1), NOW)[0].url == url


def test_the_secret_does_not_show() -> None:
    assert "north" not in repr(RELAYS)
    assert RELAYS.credentials(key(1), NOW)[0].password not in repr(RELAYS.credentials(key(1), NOW))


# Its file


def write(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_the_secret_is_a_line_of_a_file(tmp_path: Path) -> None:
    assert read_relay_secret(write(tmp_path / "secret", SECRET + b"\n")) == SECRET


@pytest.mark.parametrize("data", [b"", b"\n", b"too short", b"two lines of text\nin one file\n"])
def test_a_file_without_such_a_line_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(
        ConfigurationError, match="holds no secret: expected one line of 16 letters"
    ) as caught:
        read_relay_secret(write(tmp_path / "secret", data))
    assert "two lines" not in str(caught.value)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_relay_secret(write(tmp_path / "secret", SECRET, 0o640))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no relay secret file .*nothing: put"):
        read_relay_secret(tmp_path / "nothing")
