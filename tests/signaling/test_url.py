from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import ConfigurationError
from warren.signaling.url import BackendUrl

SECRET = "hunter2"


def read(text: str) -> None:
    """Read all that a URL may say."""
    url = BackendUrl.parse(text)
    url.flag("insecure")
    url.host_and_port()


def parse(text: str) -> BackendUrl:
    return BackendUrl.parse(text)


@pytest.mark.parametrize(
    ("text", "scheme", "authority", "path", "options"),
    [
        ("grpc://host:443", "grpc", "host:443", "", {}),
        ("GRPC://host:443/", "grpc", "host:443", "/", {}),
        ("grpc://[::1]:1?insecure=true", "grpc", "[::1]:1", "", {"insecure": "true"}),
        ("inprocess:", "inprocess", "", "", {}),
        ("inprocess:name", "inprocess", "", "name", {}),
        ("k8s:///etc/kube?namespace=a&context=b", "k8s", "", "/etc/kube", {"namespace": "a", "context": "b"}),
        ("k8s:?namespace=a", "k8s", "", "", {"namespace": "a"}),
        ("multicast://239.1.2.3:9?loopback=", "multicast", "239.1.2.3:9", "", {"loopback": ""}),
        ("nats://a:1,b:2?prefix=x%20y", "nats", "a:1,b:2", "", {"prefix": "x y"}),
        ("grpc://h:1?skip_verify", "grpc", "h:1", "", {"skip_verify": ""}),
    ],
)
def test_url_is_taken_apart(
    text: str, scheme: str, authority: str, path: str, options: dict[str, str]
) -> None:
    url = parse(text)
    assert (url.scheme, url.authority, url.path, dict(url.options)) == (scheme, authority, path, options)


@pytest.mark.parametrize("text", ["", "host", "//host:1", "grpc//host", "1grpc:x", "grpc://h:1#x", ":x"])
def test_what_is_no_url_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write it like grpc://host:port"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["grpc://h:1?a=\n", "grpc://h h:1", "grpc://h:1?a=\x1b[31m", "x:" + "y" * 2048]
)
def test_what_does_not_belong_on_a_terminal_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^a backend URL is at most 2048 printable characters"):
        parse(text)


def test_option_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        parse("grpc://h:1?pin=a&pin=b")


@pytest.mark.parametrize(
    "text",
    [
        f"grpc://user:{SECRET}@host:1",
        f"grpc://host:1?password={SECRET}",
        f"nats://{SECRET}@host:1/?token={SECRET}",
    ],
)
def test_url_prints_no_secret(text: str) -> None:
    url = parse(text)
    assert SECRET not in str(url) + repr(url)
    assert "host:1" in str(url)


@pytest.mark.parametrize(
    "text",
    [
        f"user:{SECRET}@host",
        f"//user:{SECRET}@host:1",
        f"grpc://user:{SECRET}@host:1",
        f"grpc://host:1?{SECRET}=1&{SECRET}=2",
        f"grpc://host?pin={SECRET}",
        f"grpc://h:1?insecure={SECRET}",
        f"grpc://h:1?a={SECRET} ",
        f"/x?pin={SECRET}",
    ],
)
def test_no_error_shows_a_secret(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("TRUE", True), ("false", False)])
def test_flag_is_read(text: str, value: bool) -> None:
    assert parse(f"grpc://h:1?insecure={text}").flag("insecure") is value


def test_flag_that_is_not_given_is_false() -> None:
    assert parse("grpc://h:1").flag("insecure") is False


def test_flag_that_is_neither_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"\?insecure= must be true or false"):
        parse("grpc://h:1?insecure=yes").flag("insecure")


def test_unknown_options_are_named_beside_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown option 'b', 'c'; grpc knows \?a=, \?d="):
        parse("grpc://h:1?a=1&b=2&c=3").refuse_options_but("a", "d")


def test_known_options_are_let_through() -> None:
    parse("grpc://h:1?a=1").refuse_options_but("a")


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("Signal.Example.org:443", "signal.example.org", 443),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        ("[2001:DB8:0::1]:1", "2001:db8::1", 1),
        ("bücher.example:1", "xn--bcher-kva.example", 1),
        ("a_b:1", "a_b", 1),
    ],
)
def test_host_and_port_are_read(authority: str, host: str, port: int) -> None:
    assert parse(f"grpc://{authority}").host_and_port() == (host, port)


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ("//host", "lacks a host or a port: write grpc://host:port"),
        ("//:1", "lacks a host or a port"),
        ("", "lacks a host or a port"),
        ("//[::1]", "lacks a host or a port"),
        ("//host:", "port must be a number"),
        ("//host:0", "port must be a number"),
        ("//host:65536", "port must be a number"),
        ("//host:http", "port must be a number"),
        ("//host:\u0661", "port must be a number"),
        ("//::1:1", "write an IPv6 address in brackets"),
        ("//[::g]:1", "no IPv6 address"),
        ("//-host:1", "no host name"),
        ("//ho%st:1", "no host name"),
        ("//" + "ü" * 70 + ":1", "no host name"),
        ("//" + "a." * 140 + ":1", "no host name"),
        ("//user@host:1", "do not belong there"),
        ("//host:1/path", "no place for a path"),
    ],
)
def test_authority_that_is_no_host_and_port_is_refused(rest: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        parse(f"grpc:{rest}").host_and_port()


@given(st.text() | st.text(alphabet="grpcinos:/?#[]@%&=.-1a\n\u0661", max_size=40))
def test_nothing_but_a_configuration_error_comes_out(text: str) -> None:
    with suppress(ConfigurationError):
        read(text)
