"""What all tests of signaling need."""

import pytest


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach loopback directly, whatever proxy the machine uses for the rest of the world."""
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1,localhost")
