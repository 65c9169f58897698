"""Candidates that came before the credentials they belong to."""

from tests.ice.link import HOST, candidate
from warren.messages import Candidate
from warren.session.waiting import MAX_WAITING, Waiting


def at(port: int, index: int = 0) -> Candidate:
    return candidate(HOST, "198.51.100.2", port, index)


def test_candidates_wait_the_oldest_first() -> None:
    waiting = Waiting()
    assert waiting.keep(at(2), 0.0)
    assert waiting.keep(at(1), 1.0)
    assert waiting.fresh(1.0) == (at(2), at(1))


def test_candidate_waits_for_10_s() -> None:
    waiting = Waiting()
    waiting.keep(at(1), 0.0)
    assert waiting.fresh(10.0) == (at(1),)
    assert waiting.fresh(10.001) == ()


def test_candidate_that_comes_again_waits_anew_and_once() -> None:
    waiting = Waiting()
    waiting.keep(at(1), 0.0)
    waiting.keep(at(2), 1.0)
    waiting.keep(at(1, index=5), 2.0)
    assert waiting.fresh(2.0) == (at(2), at(1, index=5))


def test_32_candidates_of_two_generations_wait_and_the_oldest_goes_for_the_next() -> None:
    waiting = Waiting()
    assert MAX_WAITING == 64
    assert all(waiting.keep(at(port), 0.0) for port in range(1, 65))
    assert not waiting.keep(at(65), 0.0)
    assert waiting.fresh(0.0) == tuple(at(port) for port in range(2, 66))


def test_candidate_that_comes_again_pushes_nobody_out() -> None:
    waiting = Waiting()
    for port in range(1, 65):
        waiting.keep(at(port), 0.0)
    assert waiting.keep(at(30), 0.0)
    assert len(waiting.fresh(0.0)) == 64


def test_all_can_be_forgotten() -> None:
    waiting = Waiting()
    waiting.keep(at(1), 0.0)
    waiting.forget()
    assert waiting.fresh(0.0) == ()
