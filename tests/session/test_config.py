import pytest

from warren.errors import ConfigurationError
from warren.session.config import Config


@pytest.mark.parametrize("port", [0, 1, 65535, (0, 0), (40000, 40010), (7, 7)])
def test_a_port_or_a_range_of_ports_can_be_asked_for(port: int | tuple[int, int]) -> None:
    assert Config(port=port).port == port


@pytest.mark.parametrize("port", [-1, 65536, (0, 10), (20, 10), (1, 70000)])
def test_what_is_no_range_of_ports_is_refused(port: int | tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="is no range of UDP ports"):
        Config(port=port)


def test_an_unknown_policy_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ConfigurationError, match="'none'; there are all, no-private, relay-only"):
        Config(candidates="none")  # type: ignore[arg-type]  # what a user may type


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"exclude_networks: .*10\.0\.0\.1/8"):
        Config(exclude_networks=["10.0.0.1/8"])
