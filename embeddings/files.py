"""Files made by us: written whole or not at all, and used again only with the recipe that made them.

A kept file is two: the bytes, and beside them a JSON recipe that names what they were made from and their
SHA-256. The recipe is written last; the bytes are used only when the recipe is the expected one and agrees
with them.
"""
from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from embeddings.errors import WeightsError


@contextmanager
def writing(folder: Path, size: int = 0) -> Iterator[None]:
    """Make the folder; turn a full disk or a missing permission below it into a WeightsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as exc:
        raise WeightsError(
            f"Can't write to {folder}: {exc.strerror or exc}. "
            f"Up to {size / 1e9:.1f} GB are needed; free some space or point SANAD_CACHE at another folder."
        ) from exc


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes the target's name once closed and on disk, and vanishes on any error."""
    handle = tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False)
    try:
        with handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(handle.name, target)
    except BaseException:
        Path(handle.name).unlink(missing_ok=True)
        raise


def keep(path: Path, data: bytes, recipe: Mapping[str, object], *, limit: int | None = None) -> None:
    """Write the bytes and, last, their recipe. Raises WeightsError when the disk is full or read-only.

    With a `limit`, the folder's least recently used files of the same suffix go until they fit in so many bytes.
    """
    with writing(path.parent, len(data)):
        if limit is not None:
            _make_room(path, limit - len(data))
        with replacing(path) as out:
            out.write(data)
        with replacing(path.with_suffix(".json")) as out:
            out.write(json.dumps(_signed(recipe, data), indent=1).encode())


def kept(path: Path, recipe: Mapping[str, object]) -> bytes | None:
    """The bytes, or None when there are none made by this recipe, whole and unchanged."""
    try:
        signed = json.loads(path.with_suffix(".json").read_text("utf-8"))
        data = path.read_bytes()
        if signed != _signed(recipe, data):
            return None
        os.utime(path)  # the time of its last use
    except (OSError, ValueError):
        return None
    return data


def _signed(recipe: Mapping[str, object], data: bytes) -> dict[str, object]:
    return {**recipe, "sha256": hashlib.sha256(data).hexdigest()}


def _make_room(path: Path, room: int) -> None:
    others = [(file.stat(), file) for file in path.parent.glob(f"*{path.suffix}") if file != path]
    for stat, file in sorted(others, key=lambda other: -other[0].st_mtime):
        room -= stat.st_size
        if room < 0:
            file.with_suffix(".json").unlink(missing_ok=True)
            file.unlink(missing_ok=True)
