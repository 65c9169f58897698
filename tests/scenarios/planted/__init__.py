"""Bugs to be planted into copies of warren: what the simulation must find, all of it."""

from typing import Final

from tests.scenarios.planted.cunicu import CUNICU
from tests.scenarios.planted.ice import ICE
from tests.scenarios.planted.mutant import Mutant, StaleMutantError
from tests.scenarios.planted.node import NODE
from tests.scenarios.planted.session import SESSION
from tests.scenarios.planted.signaling import SIGNALING
from tests.scenarios.planted.villain import VILLAIN

__all__ = ["MUTANTS", "Mutant", "StaleMutantError"]

MUTANTS: Final[tuple[Mutant, ...]] = (*SESSION, *CUNICU, *ICE, *SIGNALING, *NODE, *VILLAIN)
