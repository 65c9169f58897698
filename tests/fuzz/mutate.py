"""Mutations of kept inputs, drawn from a seed: for every test run, and where no fuzzer is installed."""

import random
from collections.abc import Iterator, Sequence

__all__ = ["mutations"]


def mutations(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield the seeds themselves, then `count` inputs with one to four mutations each."""
    yield from seeds
    dice = random.Random(seed)
    for _ in range(count):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randint(1, 4)):
            dice.choice(_MUTATIONS)(data, dice, seeds)
        yield bytes(data)


def _flip(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _set(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def _cut(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    start = dice.randint(0, len(data))
    del data[start : dice.randint(start, len(data))]


def _repeat(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    start = dice.randint(0, len(data))
    data[start:start] = data[start : start + dice.randint(0, 32)] * dice.randint(1, 4)


def _insert(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    at = dice.randint(0, len(data))
    data[at:at] = dice.randbytes(dice.randint(1, 8))


def _splice(data: bytearray, dice: random.Random, seeds: Sequence[bytes]) -> None:
    other = dice.choice(seeds)
    data[dice.randint(0, len(data)) :] = other[dice.randint(0, len(other)) :]


_MUTATIONS = (_flip, _set, _cut, _repeat, _insert, _splice)
