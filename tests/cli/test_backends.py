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


def test_check_tells_of_each_url_and_fails_where_one_does(capsys: pytest.CaptureFixture[str]) -> None:
    dead = "grpc://127.0.0.1:9?insecure=true"
    assert run(["backends", "--check", "--timeout", "0.5", "inprocess:here", dead]) == 1
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [["inprocess:here", "works"], ["grpc://127.0.0.1:9", "fails"]]
    assert "connection refused" in lines[1][2]


def test_check_succeeds_where_all_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WARREN_SIGNALING", "inprocess:one inprocess:other")
    assert run(["backends", "--check", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["url"], row["works"], row["trouble"]) for row in rows] == [
        ("inprocess:one", True, None),
        ("inprocess:other", True, None),
    ]


@pytest.mark.parametrize("arguments", [["--check"], ["inprocess:here"]])
def test_check_and_urls_belong_together(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WARREN_SIGNALING", raising=False)
    assert run(["backends", *arguments]) == 2
    assert "check" in capsys.readouterr().err
