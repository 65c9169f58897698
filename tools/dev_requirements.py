"""Print the requirements of the dev group of pyproject.toml, one a line, for any pip."""

import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    print("\n".join(project["dependency-groups"]["dev"]))
