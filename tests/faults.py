"""What the tests of faults need: every kind of start that writes files, small, and ways to hinder it.

A job is one start of the program, given a folder to write to: it gives back the bytes it would work with. Jobs run in
processes forked from one that has everything imported, so that a process to kill costs milliseconds.
"""
from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import faiss
import filelock  # noqa: F401  forked processes have it
import numpy as np
import safetensors.torch  # noqa: F401

from embeddings import encoder, weights
from embeddings.errors import SanadError
from embeddings.files import PART, Progress, holding, keep, kept, log
from embeddings.index import VectorIndex
from embeddings.weights import Weights, ensure
from rag import Article, Chat, Config, report
from rag.__main__ import app
from rag.library import Library
from rag.reader import Reader
from rag.retriever import Retriever
from rag.testing import CALIBRATION, WordEncoder, WordModel

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", "tests.faults"])
PATIENCE = 300
UNKNOWN = 54_321
"""A user of whom the system knows no home."""
VOCABULARY, HIDDEN = 40_000, 32
RANDOM = np.random.default_rng(6)
TEXT = "Foxes sleep under oak trees during winter. Badgers build deep tunnels near rivers."
QUOTES = ("Foxes sleep under oak trees during winter.",)


def tiny_encoder() -> bytes:
    """A file as `embeddings.e5.read` takes it: embeddings of 32 numbers, quantized, and no layers."""
    blocks = np.zeros(VOCABULARY, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    blocks["scale"], blocks["nibbles"] = 0.5, RANDOM.integers(0, 256, (VOCABULARY, 16))
    floats = RANDOM.random((2, 8 * HIDDEN), np.float32)
    tensors = {"emb.word": (1, VOCABULARY * HIDDEN, blocks.tobytes())}
    tensors |= {name: (0, 8 * HIDDEN, row.tobytes()) for name, row in zip(("emb.pos", "emb.type"), floats, strict=True)}
    head = b"E5S1".ljust(8, b"\0") + struct.pack("<7ifi", HIDDEN, 0, 1, HIDDEN, VOCABULARY, 8, 8, 1e-12, 32)
    head += struct.pack("<5iQ", 0, 0, 0, 0, 0, 0) + bytes(4) + bytes(8) + struct.pack("<i", len(tensors))
    entries, data = b"", b""
    start = len(head) + sum(2 + len(name) + 21 for name in tensors)
    for name, (quantized, number, raw) in tensors.items():
        place = struct.pack("<BIQQ", quantized, number, start + len(data), len(raw))
        entries += struct.pack("<H", len(name)) + name.encode() + place
        data += raw
    return head + entries + data


PARTS = {
    "chat.gguf": [RANDOM.bytes(3_000_000), RANDOM.bytes(2_000_000)],
    "encoder.bin": [tiny_encoder()],
}


def made_up(name: str) -> Weights:
    data = b"".join(PARTS[name])
    parts = tuple((f"{name.partition('.')[0]}-part{n}", "1.0", f"{name}.{n}") for n in range(len(PARTS[name])))
    return Weights(name, len(data), hashlib.sha256(data).hexdigest(), parts)


CHAT, ENCODER = map(made_up, PARTS)
ROWS = np.zeros((100_000, 64), np.float32)
ARTICLE, ENGLISH = Article.default(), Article.from_text(TEXT)


class WideModel(WordModel):
    """A model whose readings are as large as real ones: a kill can come while one is written."""

    def read(self, instructions, pieces, progress=None):
        reading = super().read(instructions, pieces, progress)
        return type(reading)(reading.instructions, reading.spans, reading.state.ljust(4_000_000))


def install(site: Path) -> Path:
    """Packages with the made-up weights, in a folder of packages."""
    for made in (CHAT, ENCODER):
        for (name, version, file), data in zip(made.parts, PARTS[made.name], strict=True):
            info = site / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir(parents=True, exist_ok=True)
            (site / file).write_bytes(data)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return site


if "SANAD_TEST_SITE" not in os.environ:  # those that are forked have it from the first
    os.environ["SANAD_TEST_SITE"] = tempfile.mkdtemp(prefix="sanad-site-")
    install(Path(os.environ["SANAD_TEST_SITE"])).chmod(0o755)
    atexit.register(shutil.rmtree, os.environ["SANAD_TEST_SITE"])


@contextmanager
def installed() -> Iterator[None]:
    """The made-up weights as installed packages, in the place of the default ones."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(sys, "path", [os.environ["SANAD_TEST_SITE"], *sys.path]))
        for module, name, made in ((weights, "CHAT", CHAT), (encoder, "ENCODER", ENCODER)):
            stack.enter_context(patch.object(module, name, made))
        yield


Job = Callable[..., dict[str, bytes]]


def assembling(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    with installed():
        return contents(ensure(CHAT, folder / "weights", progress))


def converting(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    with installed():
        return contents(encoder.default_folder(folder, progress))


def indexing(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    index = Retriever(ARTICLE, WordEncoder(), cache=folder, progress=progress)._index
    return {"index": faiss.serialize_index(index._index).tobytes()}


def reading(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    read, _ = Reader(ARTICLE, WideModel(), cache=folder, progress=progress).reading([0])
    return {"reading": read.to_bytes()}


def reporting(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    """Writes over what stood there, as `sanad evaluate --out` does; the curve is not drawn, which takes most of its time."""
    with patch.object(report, "draw", lambda curve, file: file.write(PARTS["chat.gguf"][1])):
        report.save(folder / "figures", {"curve": {}, "figures": {"coverage": 0.5}}, ())
    return contents(folder / "figures")


def calibrating(folder: Path, progress: Progress | None = None) -> dict[str, bytes]:
    report.write(folder / "calibration.json", json.dumps({"weights": [0.5] * 200_000}))
    return contents(folder / "calibration.json")


JOBS: dict[str, Job] = {job.__name__: job for job in (assembling, converting, indexing, reading, reporting, calibrating)}


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file of a folder."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if path.is_dir() else [path]
    return {file.name if file == path else file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def killed(job: Job, folder: Path, after: float) -> bool:
    """Whether the job, started in a process of its own and killed after so many seconds, was still at it."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_announced, args=[theirs, job, folder])
    process.start()
    ours.recv()
    time.sleep(after)
    process.kill()
    process.join()
    return process.exitcode == -9


def killed_at(job: Job, folder: Path, line: int) -> bool:
    """Whether the job came to so many different lines of the files that write, and died of a kill before the last one."""
    process = CONTEXT.Process(target=_counted, args=[job, folder, line])
    process.start()
    process.join()
    return process.exitcode == -9


def apart(function: Callable, *arguments: object) -> object:
    """What a function gives in a process of its own, or raises there."""
    with ProcessPoolExecutor(1, mp_context=CONTEXT) as pool:
        return pool.submit(function, *arguments).result(PATIENCE)


def unprivileged(job: Callable[[Path], object], folder: Path, home: str | None = None) -> object:
    """What a job gives to a user who may do nothing and whose home, if any, is this one."""
    for name in ("HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as elsewhere:  # what is imported at the last moment, imported before
        os.environ["HOME"] = elsewhere
        job(Path(elsewhere) / "cache")
        del os.environ["HOME"]
    if home:
        os.environ["HOME"] = home
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(UNKNOWN)
        os.setuid(UNKNOWN)
    return job(folder)


def within(limit: int, size: int, job: Callable[[Path], object], folder: Path) -> object:
    """What a job gives under a limit of this process, such as resource.RLIMIT_FSIZE."""
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (size, before[1]))
    try:
        return job(folder)
    finally:
        resource.setrlimit(limit, before)  # the result has to be sent


def cramped(job: Callable[[Path], object], folder: Path) -> object:
    """What a job gives where no two megabytes of memory are left."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

    def filled(folder: Path) -> object:
        ballast = []
        with suppress(MemoryError):
            while True:
                ballast.append(bytearray(1 << 20))
        ballast.pop()
        return job(folder)

    return within(resource.RLIMIT_AS, taken, filled, folder)


def answering(folder: Path | None = None) -> tuple[str, ...]:
    """The quotes of an answer made by the fakes, with this cache or the usual one."""
    config = Config(cache=folder) if folder else Config()
    chat = Chat(ENGLISH, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION, config=config)
    return tuple(citation.quote for citation in chat.ask("Where do foxes sleep during winter?").citations)


def roaming(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """The same with the usual cache, from within a folder: the quotes, and what lies in the folder after it."""
    os.chdir(folder if folder.is_dir() else folder.parent)
    return answering(), os.listdir()


def at_home(folder: Path) -> Path:
    """Assemble the weights in the usual cache."""
    with installed():
        return ensure(CHAT, Config().cache / "weights")


def building(folder: Path) -> VectorIndex:
    return VectorIndex.build(ROWS)


def quarrelling(path: Path, own: bytes, times: int) -> set[bytes]:
    """What was found kept between so many times of keeping these bytes, by the recipe that others keep theirs by."""
    found = set()
    for _ in range(times):
        keep(path, own, {"of": "all"})
        found.add(kept(path, {"of": "all"}) or b"")
    return found


def holding_on(folder: Path, connection: Connection) -> None:
    """Hold a folder until killed."""
    with holding(folder):
        connection.send("holding")
        time.sleep(PATIENCE)


def _announced(connection: Connection, job: Job, folder: Path) -> None:
    connection.send("begun")
    job(folder)


def _counted(job: Job, folder: Path, line: int) -> None:
    seen = set()
    ours = {str(Path(weights.__file__).with_name(name)) for name in ("files.py", "weights.py", "encoder.py", "e5.py")}

    def trace(frame, event, argument):
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(seen) == line:
                os.kill(os.getpid(), 9)
        return trace

    sys.settrace(trace)
    job(folder)


def offline() -> None:
    """Have a new network namespace's loopback, and make sure that there is nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with socket.socket() as outwards, suppress(OSError):
        outwards.connect(("192.0.2.1", 80))
        raise AssertionError("there is a way out")


def ask(question: str) -> None:
    """`sanad ask` with no network."""
    offline()
    app(["ask", question, "--json"])


def serve(question: str) -> None:
    """The page and its endpoints with no network, asked from within."""
    offline()
    from gradio_client import Client

    from app import launch

    fakes = partial(Chat, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION)
    page = launch(Library([ENGLISH], config=Config(keep=False), open_chat=fakes), port=0, wait=False)  # type: ignore[arg-type]
    with urllib.request.urlopen(str(page.local_url)) as response:
        html = response.read().decode()
    answer = Client(str(page.local_url), verbose=False).predict(question, api_name="/ask")
    found = {"page": "see the exact sentence every answer rests on" in html}
    print(json.dumps(found | {"quotes": [citation["quote"] for citation in answer["citations"]]}))
    page.close()


def disk(folder: Path) -> list[dict[str, object]]:
    """What each job gives on this disk while it is full, once it has room, and when it is only read."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)

    def outcomes() -> dict[str, object]:
        said.clear()
        found: dict[str, object] = {"answering": answering(cache)}
        for name, job in JOBS.items():
            try:
                found[name] = "right" if job(cache) == right[name] else "wrong"
            except SanadError as exc:
                found[name] = str(exc)
        return found | {"left": [str(file) for file in cache.rglob(f".*{PART}")], "said": said[:]}

    cache = folder / "cache"
    with tempfile.TemporaryDirectory() as elsewhere:
        right = {name: job(Path(elsewhere) / "cache") for name, job in JOBS.items()}
    with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    full = outcomes()
    (folder / "filler").unlink()
    roomy = outcomes()
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    return [full, roomy, outcomes()]


if __name__ == "__main__":
    {"disk": lambda folder: print(json.dumps(disk(Path(folder)))), "ask": ask, "serve": serve}[sys.argv[1]](sys.argv[2])
