"""What `make install` installs, in the versions that are installed here: `python -m tests.lock` prints the lock file."""
from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rag.doctor import needed, version

ROOT = Path(__file__).parents[1]
FILE = ROOT / "requirements.lock"
HEAD = "# Every distribution that is installed, in one version: made by `make lock`, and what `make install` keeps to.\n"
MACHINE = re.compile("nvidia-|cuda-|triton|audioop-lts|colorama|pywin32")
"""Left out: torch asks for these on some machines only, Gradio from Python 3.13 on, others on Windows."""


def pins() -> list[str]:
    """The requirements in pyproject.toml, of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]


def locked() -> dict[str, str]:
    """The lock file: name to version."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)  # type: ignore[arg-type]


def found() -> Iterator[tuple[str, str]]:
    """What is needed, and its version here."""
    for name in sorted(needed(pins())):
        if (here := version(name)) and not MACHINE.match(name):
            yield name, here


if __name__ == "__main__":
    print(HEAD + "\n".join(f"{name}=={here}" for name, here in found()))
