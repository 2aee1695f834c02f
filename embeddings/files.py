"""Files made by us: written whole or not at all, and used again only when they are what was written.

Everything is written in one way: by one process at a time (`holding` the folder), under another name, and renamed
once it is on disk (`replacing`). What a killed process left is removed by the next one that writes there.

A kept file is two: the bytes, and beside them a JSON recipe that names what they were made from and their SHA-256.
The recipe is written last; the bytes are read whole, and used only when the recipe is the expected one and agrees
with them. Files too large to be read at every start are `intact`: their hashes are checked once, and a marker holds
how they stood on disk.
"""
from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from embeddings.errors import WeightsError

CHUNK = 1 << 20
PART = ".sanad-part"
"""How the name of a file ends that is not finished."""
PATIENCE = 1.0
"""Seconds to wait for another process before saying so."""

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, bytes or items done, in all)."""

log = logging.getLogger("sanad")


@contextmanager
def writing(folder: Path, size: int = 0) -> Iterator[None]:
    """Hold the folder; turn a full disk or a missing permission below it into a WeightsError."""
    try:
        with holding(folder):
            yield
    except OSError as exc:
        raise WeightsError(
            f"Can't write to {folder}: {exc.strerror or exc}. "
            + (f"Have {size / 1e6:,.0f} MB free there, or point" if size > 1e6 else "Point")
            + " SANAD_CACHE at a folder that can be written to."
        ) from exc


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Make the folder, and be the only one that writes to it; another process waits. Raises OSError.

    A process that dies holds nothing. What it has left half written is removed.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".sanad.lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        log.warning("Another process is writing to %s; waiting for it.", folder)
        lock.acquire()
    try:
        _sweep(folder)
        yield
    finally:
        with suppress(OSError):
            _sweep(folder)
            os.unlink(lock.lock_file)  # still locked: who waits for it finds it gone, and makes another
        lock.release()


@contextmanager
def replacing(target: Path, *, private: bool = False) -> Iterator[IO[bytes]]:
    """A file to write in a folder that is held (see `holding`, which removes it on any error); it takes the target's name once
    closed and on disk. A private one is readable to its owner alone.
    """
    part = unfinished(target)
    part.touch(0o600 if private else 0o666, exist_ok=False)
    with part.open("wb") as handle:
        yield handle
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(part, target)
    sync(target.parent)


def unfinished(target: Path) -> Path:
    """A new name beside the target, for what is to take its name."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART}")


def sync(folder: Path) -> None:
    """Have a folder's names on the disk itself, where the system can do that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def keep(path: Path, data: bytes, recipe: Mapping[str, object], *, limit: int | None = None) -> None:
    """Write the bytes and, last, their recipe. Where that can't be done, only says so: they are made again when needed.

    With a `limit`, the folder's least recently used files of the same suffix go until they fit in so many bytes.
    """
    signed = path.with_suffix(".json")
    try:
        with writing(path.parent, len(data)):
            signed.unlink(missing_ok=True)  # from here to the new one, the bytes are nobody's
            if limit is not None:
                _make_room(path, limit - len(data))
            with replacing(path, private=True) as out:
                out.write(data)
            with replacing(signed, private=True) as out:
                out.write(_signed(recipe, data))
    except WeightsError as exc:
        log.warning("%s is not kept and will be made again. %s", path.name, exc)


def kept(path: Path, recipe: Mapping[str, object]) -> bytes | None:
    """The bytes, or None when there are none made by this recipe, whole and unchanged."""
    try:
        signed, data = path.with_suffix(".json").read_bytes(), path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("The kept file %s can't be read: %s. It is made again.", path, exc.strerror or exc)
        return None
    if signed != _signed(recipe, data):
        log.warning("The kept file %s is damaged, or from another version. It is made again.", path)
        return None
    log.debug("kept file used: %s", path)
    with suppress(OSError):  # a folder that is only read keeps no times
        os.utime(path)  # the time of its last use
    return data


def intact(hashes: Mapping[Path, str], marker: Path, progress: Progress | None = None) -> bool:
    """Whether the files have these SHA-256 hashes: read from their first byte to their last, unless they are `marked`."""
    try:
        marks = _marks(hashes)  # before they are read: a file that is written to meanwhile will show it
    except OSError:
        return False
    if marked(hashes, marker):
        return True
    if not whole(hashes, progress):
        return False
    with suppress(WeightsError), writing(marker.parent), replacing(marker) as out:
        out.write(marks)
    return True


def marked(hashes: Mapping[Path, str], marker: Path) -> bool:
    """Whether the marker says of these files, as they stand on disk now, that they have these hashes."""
    try:
        return marker.read_bytes() == _marks(hashes)
    except OSError:
        return False


def mark(hashes: Mapping[Path, str], marker: Path) -> None:
    """Write the marker of files that are known to have these hashes."""
    with replacing(marker) as out:
        out.write(_marks(hashes))


def whole(hashes: Mapping[Path, str], progress: Progress | None = None) -> bool:
    """Whether the files are there and have these SHA-256 hashes, all of them read."""
    try:
        return bool(hashes) and all(hashed(path, progress) == sha256 for path, sha256 in hashes.items())
    except OSError:
        return False


def hashed(path: Path, progress: Progress | None = None) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(f"checking {path.name}", done, size)
    return digest.hexdigest()


def stamped(path: Path) -> str:
    """A SHA-256 that changes with a file, or with any file of a folder, though none of them is read: of their names, sizes
    and times of change. Of what is neither, of its name alone."""
    files = sorted(file for file in (path, *path.rglob("*")) if file.is_file())
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([str(path), stats]).encode("utf-8", "replace")).hexdigest()


def _signed(recipe: Mapping[str, object], data: bytes) -> bytes:
    return json.dumps({**recipe, "sha256": hashlib.sha256(data).hexdigest()}, indent=1).encode()


def _marks(hashes: Mapping[Path, str]) -> bytes:
    # The change time can't be set back by a program, so a file written to since the check shows it.
    stats = [(path.name, sha256, path.stat()) for path, sha256 in hashes.items()]
    return json.dumps([[name, sha256, s.st_size, s.st_ino, s.st_ctime_ns] for name, sha256, s in stats]).encode()


def _make_room(path: Path, room: int) -> None:
    others = [(file.stat(), file) for file in path.parent.glob(f"*{path.suffix}") if file != path]
    for stat, file in sorted(others, key=lambda other: -other[0].st_mtime):
        room -= stat.st_size
        if room < 0:
            file.with_suffix(".json").unlink(missing_ok=True)
            file.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    for left in folder.glob(f".*{PART}"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
