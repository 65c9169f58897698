import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.targets import TARGETS
from tests.needs import needs


@pytest.mark.parametrize("name", list(TARGETS))
def test_kept_inputs_and_their_mutations_break_no_parser(name: str) -> None:
    target = TARGETS[name]
    for data in mutations(target.seeds(), 3000, seed=20260101):
        target.run(data)


@needs("atheris")
def test_what_reaches_new_code_can_be_kept(tmp_path: Path) -> None:
    found, kept = tmp_path / "found", tmp_path / "kept"
    found.mkdir()
    kept.mkdir()
    for number, seed in enumerate(TARGETS["url"].seeds()[:2]):
        (found / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.guided", "url", "-merge=1", str(kept), str(found)]
    subprocess.run(command, capture_output=True, check=True)
    assert any(kept.iterdir())
