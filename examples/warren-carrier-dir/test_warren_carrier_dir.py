"""The carrier keeps the contract that warren's own are held to."""

from pathlib import Path

import pytest
from warren_carrier_dir import DirectoryCarrier

from warren.testing.carrier import CARRIER_CHECKS, Check


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_it_keeps_the_contract(check: Check, tmp_path: Path) -> None:
    await check(lambda: DirectoryCarrier(tmp_path))
