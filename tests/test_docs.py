"""Tests of the documentation: what is written from the code is current, what is written by hand true."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import warren
from tools import file_map, reference, state_diagram
from warren.cli.commands import COMMANDS, SUBCOMMANDS, run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BY_HAND = [page for page in PAGES if page.name not in ("reference.md", "files.md", "state-diagram.md")]

# What may stand before a command, such as a variable or `sudo`, is not looked at.
PROGRAM = re.compile(r"(?:^|[\s|(])(warren|make)(?=\s)(.*)")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """Yield the code blocks of a page that are in one of these languages."""
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        if language in languages:
            yield text


def commands(page: Path) -> Iterator[str]:
    """Yield what a page tells the reader to type: lines after `$`, continued by a backslash."""
    for block in blocks(page, "console"):
        yield from re.findall(r"^\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE)


def calls(page: Path, program: str) -> Iterator[list[str]]:
    """Yield the words after the name of a program, in commands and in code within a sentence."""
    sentences = re.findall(r"`([^`\n]+)`", page.read_text())
    for text in (*commands(page), *sentences):
        for part in re.split(r"[|;]|&&|<", text):
            if (found := PROGRAM.search(part)) and found[1] == program:
                yield shlex.split(found[2], comments=True)


@pytest.mark.parametrize("tool", [reference, file_map, state_diagram], ids=lambda tool: str(tool.PAGE))
def test_what_is_written_from_the_code_is_current(tool: object) -> None:
    assert isinstance(tool, type(reference))
    assert (ROOT / tool.PAGE).read_text(encoding="utf-8") == tool.page(), "stale: run `make reference`"


def test_every_folder_of_the_package_is_in_the_map_of_files() -> None:
    folders = {file.parent.relative_to(file_map.SOURCE).as_posix() for file in file_map.SOURCE.rglob("*.py")}
    assert {folder for folder in folders if not folder.startswith("_pb")} == set(file_map.FOLDERS)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", BY_HAND, ids=named)
def test_files_that_are_named_exist(page: Path) -> None:
    names = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", page.read_text())
    roots = (ROOT, ROOT / "src" / "warren")
    assert [name for name in names if not any((root / name).exists() for root in roots)] == []


@pytest.mark.parametrize("page", BY_HAND, ids=named)
def test_options_that_are_named_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = []
    for name, *words in (call for call in calls(page, "warren") if call):
        if name.startswith("-"):
            continue
        assert name in COMMANDS, f"there is no `warren {name}`"
        path = [name, *words[:1]] if name in SUBCOMMANDS else [name]
        assert run([*path, "--help"]) == 0
        known = re.findall(r"(?<!\S)--?[a-z][\w-]*", capsys.readouterr().out)
        options = [re.sub(r"=.*|(?<=^-[a-z])\d+$", "", word) for word in words if re.match(r"--?[a-z]", word)]
        unknown += [f"warren {name} {option}" for option in options if option not in known]
    assert unknown == []


@pytest.mark.parametrize("page", BY_HAND, ids=named)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    known = re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {target for line in known for target in line.split()}
    wanted = {word for call in calls(page, "make") for word in call if re.fullmatch(r"[a-z-]+", word)}
    assert wanted <= targets


@pytest.mark.parametrize("page", BY_HAND, ids=named)
def test_python_on_a_page_is_python_and_uses_public_names(page: Path) -> None:
    used = set()
    for block in blocks(page, "python"):
        # Parts of programs may await, too.
        tree = compile(block, named(page), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "warren"
            ):
                used.add(node.attr)
    assert used <= {*warren.__all__, "signaling"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_that_shows_how_to_send_says_that_it_is_not_encrypted(page: Path) -> None:
    text = " ".join(page.read_text().split())
    if re.search(r"\.send\(|\$ .*warren connect|### warren connect", text):
        assert re.search(r"neither encrypted nor authenticated|not encrypted", text, re.IGNORECASE)
