import pytest

from tests.fuzz.mutate import mutations
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", list(TARGETS))
def test_kept_inputs_and_their_mutations_break_no_parser(name: str) -> None:
    target = TARGETS[name]
    for data in mutations(target.seeds(), 3000, seed=20260101):
        target.run(data)
