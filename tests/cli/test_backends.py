"""Tests of `warren backends`."""

import json

import pytest

from warren.cli.commands import run
from warren.signaling import registry


def test_every_backend_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backends"]) == 0
    words = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert words == [[name, "ready", scheme.example] for name, scheme in registry.SCHEMES.items()]


def test_what_is_missing_comes_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = registry.BackendInfo(
        scheme="pigeon", type=None, example="pigeon:loft", summary="birds", missing="no birds; buy some"
    )
    monkeypatch.setattr("warren.cli.backends.list_backends", lambda: (lacking,))
    assert run(["backends"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["pigeon", "missing", "pigeon:loft", "birds"],
        ["no", "birds;", "buy", "some"],
    ]


def test_json_has_the_same_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backends", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["scheme"]: row["available"] for row in rows} == dict.fromkeys(registry.SCHEMES, True)
