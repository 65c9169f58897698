"""Every planted bug still fits the source; `make mutants` sees that each is found."""

import ast
from pathlib import Path

import pytest

from tests.scenarios.planted import MUTANTS, Mutant, StaleMutantError


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_fits_the_source_and_is_still_a_program(mutant: Mutant) -> None:
    for file, text in mutant.changed().items():
        ast.parse(text, file)


def test_a_bug_whose_place_is_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.py").write_text("nothing of that kind\n")
    with pytest.raises(StaleMutantError, match=r"keys\.py has 0 times"):
        Mutant("away", "keys.py", "a place that is gone", "").changed(tmp_path)


def test_no_two_bugs_share_a_name() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_there_are_at_least_forty() -> None:
    assert len(MUTANTS) >= 40


def test_planting_leaves_the_checkout_alone(tmp_path: Path) -> None:
    mutant = MUTANTS[0]
    before = mutant.changed()
    mutant.plant(tmp_path)
    assert mutant.changed() == before
    assert (tmp_path / "warren" / mutant.file).read_text() == before[mutant.file]
