"""What all tests of signaling need."""

import pytest


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach loopback directly, whatever proxy the machine uses for the rest of the world."""
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
