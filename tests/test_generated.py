"""Needs grpcio-tools, which the development requirements install."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_generated_code_is_what_the_proto_files_give(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "generate_proto.py"), str(tmp_path)]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert names
    committed = ROOT / "src" / "warren" / "_pb"
    stale = [name for name in names if (committed / name).read_text() != (tmp_path / name).read_text()]
    assert stale == [], "run make proto"
    extra = {
        str(path.relative_to(committed))
        for path in committed.rglob("*_pb2.py*")
        if path.suffix in (".py", ".pyi")
    }
    assert extra == set(names)
