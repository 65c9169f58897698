import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ice.server_url import StunUrl, TurnUrl


def test_port_is_3478_unless_given() -> None:
    assert StunUrl.parse("stun:stun.example.org") == StunUrl("stun.example.org", 3478)


def test_host_and_port_are_read() -> None:
    assert StunUrl.parse("stun:192.0.2.1:19302") == StunUrl("192.0.2.1", 19302)


def test_ipv6_stands_in_brackets() -> None:
    url = StunUrl.parse("STUN:[2001:DB8::1]:5349")
    assert (url.host, url.port, str(url)) == ("2001:db8::1", 5349, "stun:[2001:db8::1]:5349")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stun.example.org", "expected stun:HOST"),
        ("turn:example.org", "expected stun:HOST"),
        ("stun:", "expected stun:HOST"),
        ("stun://example.org", "expected stun:HOST"),
        ("stun:2001:db8::1", "brackets"),
        ("stun:[::zz]", "brackets"),
        ("stun:[1:2:3:4:5:6:7:8:9]", "not an IPv6 address"),
        ("stun:host:0", "not a port"),
        ("stun:host:65536", "not a port"),
        ("stun:user@host", "expected stun:HOST"),
        ("stun:host?transport=tcp", "expected stun:HOST"),
        ("stun:" + "a" * 400, "expected stun:HOST"),
    ],
)
def test_anything_else_is_refused_with_what_is_expected(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="stun:") as caught:
        StunUrl.parse(text)
    assert says in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        url = StunUrl.parse("stun:" + text)
    except ValueError:
        return
    assert StunUrl.parse(str(url)) == url


# TURN


def test_user_and_password_are_percent_encoded() -> None:
    url = TurnUrl.parse("turn:a%40b:p%3A%20w%C3%A9@turn.example.org:3479")
    assert (url.username, url.password) == ("a@b", "p: w\u00e9")
    assert (url.host, url.port, url.transport, url.tls) == ("turn.example.org", 3479, "udp", False)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("turn:u:p@h", "turn:h:3478?transport=udp"),
        ("turn:u:p@h?transport=tcp", "turn:h:3478?transport=tcp"),
        ("TURN:u:p@h?transport=udp", "turn:h:3478?transport=udp"),
        ("turns:u:p@h", "turns:h:5349?transport=tcp"),
        ("turns:u:p@[2001:DB8::1]:443?transport=tcp", "turns:[2001:db8::1]:443?transport=tcp"),
        ("turn:h", "turn:h:3478?transport=udp"),
    ],
)
def test_who_we_are_is_not_shown(text: str, shown: str) -> None:
    assert str(TurnUrl.parse(text)) == shown


def test_user_and_password_do_not_print() -> None:
    url = TurnUrl.parse("turn:ann:s3cret@h")
    assert "ann" not in repr(url)
    assert "s3cret" not in repr(url)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stun:h", "expected turn:"),
        ("turn", "expected turn:"),
        ("ann:s3cret@h", "expected turn:"),
        ("turn:ann:s3cret@", "turn:: expected turn:"),
        ("turn:ann:s3cret@h:0", "turn:h:0: 0 is not a port"),
        ("turn:ann@h", "USER:PASSWORD"),
        ("turn::s3cret@h", "USER:PASSWORD"),
        ("turn:ann:@h", "USER:PASSWORD"),
        ("turn:ann:%ff@h", "percent-encoded UTF-8"),
        ("turn:ann:s3cret@h?transport=sctp", "expected turn:"),
        ("turn:ann:s3cret@h?", "expected turn:"),
        ("turns:ann:s3cret@h?transport=udp", "TLS over UDP"),
        ("turn:ann:s3cret", "the URL of a TURN server"),
        ("turn:ann:s3cret@[::zz]", "brackets"),
        ("turn:ann:s3cret@[1:2:3:4:5:6:7:8:9]", "not an IPv6 address"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        TurnUrl.parse(text)
    assert "s3cret" not in str(caught.value)
    assert "ann" not in str(caught.value)


@given(st.text(max_size=40), st.sampled_from(["turn:", "turns:", ""]))
def test_any_turn_url_is_read_or_refused(text: str, scheme: str) -> None:
    try:
        url = TurnUrl.parse(scheme + text)
    except ValueError:
        return
    assert TurnUrl.parse(str(url)).host == url.host
