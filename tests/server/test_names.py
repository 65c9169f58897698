from pathlib import Path

import pytest
import trustme

from tests.server.certificates import issue
from warren.errors import ConfigurationError
from warren.server.names import ServerNames


@pytest.mark.parametrize("authority", ["signal.example.org:443", "signal.example.org:8443"])
def test_a_given_host_is_ours_at_any_port(authority: str) -> None:
    assert authority in ServerNames(["Signal.Example.org"])


def test_a_given_host_and_port_is_ours_at_that_port_only() -> None:
    names = ServerNames(["signal.example.org:443"])
    assert "signal.example.org:443" in names
    assert "signal.example.org:444" not in names


@pytest.mark.parametrize("given", ["2001:db8::1", "[2001:db8::1]", "[2001:db8:0::1]:443"])
def test_an_ipv6_address_is_compared_as_an_address(given: str) -> None:
    assert "[2001:DB8:0:0::1]:443" in ServerNames([given])


@pytest.mark.parametrize("given", ["", "a b", "grpc://host", "host:port", "user@host", "[::1", "host?x=1"])
def test_what_is_no_name_is_refused_with_what_to_write(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write HOST or HOST:PORT"):
        ServerNames([given])


def test_without_anything_nothing_is_ours() -> None:
    assert "localhost:443" not in ServerNames()


@pytest.mark.parametrize("authority", ["", "host", "host:", ":443", "host:99999", "\0:1", "[::1:443"])
def test_what_is_no_authority_is_not_ours(authority: str) -> None:
    assert authority not in ServerNames(["host"])


# Where it listens


def test_the_address_that_it_listens_at_is_ours_with_its_port() -> None:
    names = ServerNames()
    names.listening("192.0.2.1", ["192.0.2.1"], 8080)
    assert "192.0.2.1:8080" in names
    assert "192.0.2.1:8081" not in names
    assert "localhost:8080" not in names


def test_the_name_that_it_listens_at_is_ours_and_so_are_its_addresses() -> None:
    names = ServerNames()
    names.listening("Signal.example.org", ["192.0.2.1", "2001:db8::1"], 8080)
    assert "signal.example.org:8080" in names
    assert "192.0.2.1:8080" in names
    assert "[2001:db8::1]:8080" in names


def test_loopback_is_localhost_too() -> None:
    names = ServerNames()
    names.listening("127.0.0.1", ["127.0.0.1"], 8080)
    assert "localhost:8080" in names


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_unspecified_address_is_all_that_this_machine_has_and_not_itself(host: str) -> None:
    names = ServerNames()
    names.listening(host, [host], 8080)
    assert "127.0.0.1:8080" in names
    assert "localhost:8080" in names
    assert "0.0.0.0:8080" not in names
    assert "[::]:8080" not in names
    assert "192.0.2.1:8080" not in names


# Its certificate


def test_the_names_of_the_certificate_are_ours_until_it_is_replaced(tmp_path: Path) -> None:
    names, authority = ServerNames(), trustme.CA()
    names.certify(issue(authority, tmp_path, "old.example.org").load())
    assert "old.example.org:443" in names
    names.certify(issue(authority, tmp_path, "new.example.org", "*.a.example.org", "192.0.2.1").load())
    assert "old.example.org:443" not in names
    assert "new.example.org:443" in names
    assert "b.a.example.org:443" in names
    assert "c.b.a.example.org:443" not in names
    assert "192.0.2.1:443" in names
