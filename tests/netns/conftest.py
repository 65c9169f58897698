"""What tests in network namespaces are given."""

from collections.abc import Iterator

import pytest

from warren.cli.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab
