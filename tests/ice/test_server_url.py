import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ice.server_url import StunUrl


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
