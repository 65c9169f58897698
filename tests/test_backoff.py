import random
from itertools import islice

from warren.backoff import Backoff


def test_delays_grow_by_the_factor_up_to_the_limit() -> None:
    delays = Backoff(first=1.0, factor=2.0, limit=5.0).delays(random.Random(1))
    assert list(islice(delays, 5)) == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_jitter_stays_within_its_share_and_the_limit() -> None:
    plan = Backoff(first=0.5, factor=1.5, limit=60.0, jitter=0.5)
    for seed in range(50):
        expected = 0.5
        for delay in islice(plan.delays(random.Random(seed)), 30):
            assert expected * 0.5 <= delay <= min(expected * 1.5, 60.0)
            expected = min(expected * 1.5, 60.0)


def test_one_seed_gives_the_same_delays() -> None:
    plan = Backoff(first=0.5, factor=1.5, limit=60.0, jitter=0.5)
    assert list(islice(plan.delays(random.Random(7)), 9)) == list(islice(plan.delays(random.Random(7)), 9))


def test_each_run_begins_from_the_start() -> None:
    plan = Backoff(first=1.0, factor=3.0, limit=100.0)
    first = plan.delays(random.Random(1))
    assert list(islice(first, 3)) == [1.0, 3.0, 9.0]
    assert next(plan.delays(random.Random(1))) == 1.0
