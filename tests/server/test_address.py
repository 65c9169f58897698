import socket

import pytest

from warren.errors import ConfigurationError, WarrenError
from warren.server.address import ListenAddress


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::]:443", "::", 443),
        ("localhost:0", "localhost", 0),
        ("signal.example.org:65535", "signal.example.org", 65535),
    ],
)
def test_a_host_and_a_port_are_read(text: str, host: str, port: int) -> None:
    assert ListenAddress.parse(text) == ListenAddress(host, port)


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "[::1]:0", "localhost:1"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(ListenAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        ":443",
        "h:",
        "h:http",
        "::1:443",
        "h:65536",
        "h:-1",
        "h:\N{SUPERSCRIPT ONE}",
        "grpc://h:1",
        "a b:1",
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match="write HOST:PORT, such as"):
        ListenAddress.parse(text)


def test_a_name_becomes_the_addresses_that_this_machine_has() -> None:
    assert ListenAddress("127.0.0.1", 0) in ListenAddress("localhost", 0).resolve()


def test_a_port_in_use_is_refused_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WarrenError, match="another program listens there"):
            ListenAddress("127.0.0.1", port).resolve()


def test_an_address_of_another_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(WarrenError, match="this machine does not have that address"):
        ListenAddress("192.0.2.1", 8080).resolve()


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(WarrenError, match=r"cannot listen at nowhere\.invalid:80: "):
        ListenAddress("nowhere.invalid", 80).resolve()
