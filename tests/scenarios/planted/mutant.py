"""A mutant: one bug that a maintainer could make, as a change of the text of one file."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import warren

__all__ = ["Mutant", "StaleMutantError"]

PACKAGE: Final = Path(warren.__file__).parent


class StaleMutantError(Exception):
    """The text to be changed is not in the source any more, or not just once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug to be planted; what it breaks is its name."""

    name: str
    file: str
    """Below `src/warren`."""
    old: str
    new: str
    other: tuple[tuple[str, str, str], ...] = ()
    """More such changes, where the sound code is secured twice: (file, old, new)."""

    def changed(self, package: Path = PACKAGE) -> dict[str, str]:
        """Give the new text of each file that it changes.

        Raises:
            StaleMutantError: the source is not what the mutant was made for.
        """
        texts: dict[str, str] = {}
        for file, old, new in ((self.file, self.old, self.new), *self.other):
            text = texts.get(file) or (package / file).read_text(encoding="utf-8")
            if (count := text.count(old)) != 1:
                raise StaleMutantError(f"{self.name}: {file} has {count} times, not once: {old!r}")
            texts[file] = text.replace(old, new)
        return texts

    def plant(self, folder: Path) -> None:
        """Copy the package into a folder and plant the bug there; the checkout stays as it is."""
        copy = folder / PACKAGE.name
        shutil.copytree(PACKAGE, copy)
        for file, text in self.changed().items():
            (copy / file).write_text(text, encoding="utf-8")
