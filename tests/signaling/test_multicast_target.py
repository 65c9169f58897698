import pytest

from warren.errors import ConfigurationError
from warren.signaling.multicast_target import MulticastTarget
from warren.signaling.url import BackendUrl


def parse(text: str) -> MulticastTarget:
    return MulticastTarget.parse(BackendUrl.parse(text))


def test_group_and_port_are_enough() -> None:
    assert parse("multicast://239.1.2.3:9999") == MulticastTarget(
        group="239.1.2.3", port=9999, interface=None, loopback=True, ttl=1
    )


def test_ipv6_group_stands_in_brackets() -> None:
    target = parse("multicast://[FF02::239:1]:9999")
    assert (target.group, target.ipv6, str(target)) == ("ff02::239:1", True, "multicast://[ff02::239:1]:9999")


def test_options_are_read() -> None:
    target = parse("multicast://239.1.2.3:9999?interface=eth0&loopback=false&ttl=0")
    assert (target.interface, target.loopback, target.ttl) == ("eth0", False, 0)
    assert parse("multicast://239.1.2.3:9999?loopback=true&ttl=255").ttl == 255


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("multicast://192.0.2.1:9999", r"192\.0\.2\.1 is no multicast group; use one of your own, like 239"),
        ("multicast://[fe80::1]:9999", "is no multicast group"),
        ("multicast://group.example:9999", "is no multicast group"),
        ("multicast://239.1.2.3", "lacks a host or a port"),
        ("multicast:", "lacks a host or a port"),
        ("multicast://239.1.2.3:0", "port must be a number"),
        ("multicast://239.1.2.3:1?ttl=256", r"\?ttl= must be a number from 0 to 255"),
        ("multicast://239.1.2.3:1?ttl=-1", r"\?ttl= must be a number from 0 to 255"),
        ("multicast://239.1.2.3:1?ttl=", r"\?ttl= must be a number from 0 to 255"),
        ("multicast://239.1.2.3:1?loopback=perhaps", r"\?loopback= must be true or false"),
        ("multicast://239.1.2.3:1?interface=", r"\?interface= names none"),
        ("multicast://239.1.2.3:1?hops=1", r"multicast knows \?interface=, \?loopback=, \?ttl="),
    ],
)
def test_what_is_wrong_is_said(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse(url)
