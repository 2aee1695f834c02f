"""What can be set. Only entry points read the environment; everything else is handed a `Config`."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import SanadError, WeightsError


def _cache() -> Path:
    from platformdirs import user_cache_path

    try:
        return user_cache_path("sanad", appauthor=False)
    except RuntimeError as exc:
        raise WeightsError("There is no home folder to keep weights and indexes in. Point SANAD_CACHE at a folder.") from exc


def processors() -> int:
    """How many processors this process may use: not all of the machine's in a container or a batch job that has some of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


@dataclass(frozen=True)
class Config:
    """Settings of one `Chat`.

    `model`: "default", "small", the path of a GGUF file, or hf:REPO:FILE. `encoder`: "default", or a folder or
    hub name that sentence-transformers loads. `calibration`: a file that `sanad calibrate` made for other weights
    than the default ones. `threads`: as many as there are physical cores is best; by default the `processors`.
    `candidates`: sentences the model chooses from. `evidence`: how many of these it may choose. `hits`: sentences listed as
    retrieved. `max_tokens`: of an answer in English, at most; in a language that takes more (see
    `rag.evidence.tokens_each`), up to twice as many.
    `cache` holds the weights and, with `keep`, an index and a reading of every article. Paths may be strings or Path objects, and
    begin with ~. Raises SanadError for a number that is not a whole one from 1 up.
    """

    model: str = "default"
    encoder: str = "default"
    calibration: Path | None = None
    threads: int = field(default_factory=processors)
    cache: Path = field(default_factory=_cache)
    keep: bool = True
    hits: int = 8
    candidates: int = 3
    evidence: int = 3
    max_tokens: int = 64

    def __post_init__(self) -> None:
        for name in ("model", "encoder"):  # a name, or a path that is used like one
            object.__setattr__(self, name, os.path.expanduser(getattr(self, name)))
        for name in ("calibration", "cache"):
            if (path := getattr(self, name)) is not None:
                try:
                    object.__setattr__(self, name, Path(path).expanduser())
                except RuntimeError as exc:
                    raise SanadError(f"There is no home folder that ~ in {path} could stand for. Give a whole path.") from exc
        for name in ("threads", "hits", "candidates", "evidence", "max_tokens"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise SanadError(f"The setting {name} is {value!r}. Give a whole number, 1 or more.")

    @classmethod
    def from_environment(cls, **given: Any) -> Config:
        """Settings from SANAD_MODEL, _ENCODER, _CALIBRATION, _THREADS and _CACHE; `given` ones win, None is not given.

        Raises SanadError when SANAD_THREADS is no number of processors.
        """
        kinds: dict[str, Callable[[str], Any]] = {
            "model": str, "encoder": str, "calibration": Path, "threads": _threads, "cache": Path,
        }  # fmt: skip
        values = {name: os.environ.get(f"SANAD_{name.upper()}") for name in kinds}
        given = {name: value for name, value in given.items() if value is not None}
        return cls(**{name: kinds[name](value) for name, value in values.items() if value and name not in given}, **given)


def _threads(value: str) -> int:
    if not (value.isdecimal() and int(value)):
        raise SanadError(f"SANAD_THREADS is {value!r}, which is no number of processors. Give 1 or more, or unset it.")
    return int(value)
