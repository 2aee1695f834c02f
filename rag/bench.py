"""How fast it is, beside bare loops over the same weights, on the machine at hand. `sanad bench` prints it.

Each figure is the median of some repeats within one run. Where there is something to compare with, the two are
measured in turns, so that a busy machine slows both.
"""
from __future__ import annotations

import ctypes
import io
import json
import mmap
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import prompts
from embeddings.weights import Progress
from rag.article import Article
from rag.chat import Chat
from rag.config import Config
from rag.datatypes import Answer
from rag.errors import SanadError
from rag.log import log
from rag.models import LlamaCppModel
from rag.report import GREY, INK, peak, write

if TYPE_CHECKING:
    import numpy as np

QUESTIONS = (
    "Why did Moscow refuse US base access?",
    "How much did the EU allocate?",
    "Who fears chaos in Afghanistan?",
    "لماذا رفضت موسكو الطلب الأمريكي؟",
    "كم خصص الاتحاد الأوروبي؟",
    "Combien l'Union européenne a-t-elle alloué ?",
    "Сколько денег выделил Европейский союз?",
)
PARAGRAPHS = (1, 10, 100, 1000)
KEPT = (1, 2, 4, 8)
STORY = "Tell a long story about the sea."
FIRST_WORD = """
import sys
from rag import Chat, Config
model, encoder, calibration, threads, question = sys.argv[1:]
config = Config.from_environment(model=model, encoder=encoder, calibration=calibration or None, threads=int(threads))
next(answer for answer in Chat.open(config=config).stream(question) if answer.text)
print("word", flush=True)
"""


@dataclass(frozen=True)
class Measure:
    """One figure: what was measured, how much, in which unit; `beside` is the figure of what it is compared with."""

    group: str
    name: str
    value: float
    unit: str
    beside: float | None = None
    against: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times what it is compared with."""
        return self.value / self.beside if self.beside else None

    def __str__(self) -> str:
        beside = f"   {self.ratio:.2f} × {self.against}" if self.ratio else ""
        return f"{self.group + ': ' + self.name:64} {self.value:9,.2f} {self.unit}{beside}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


def bench(config: Config, *, repeats: int = 3, grow: bool = True, progress: Progress | None = None) -> Iterator[Measure]:
    """The measures, each as soon as it is made; `grow` adds those over longer and over more articles."""
    yield from _start(config, repeats)
    began = time.perf_counter()
    chat = Chat.open(config=config, progress=progress)
    yield Measure("start", "models loaded and article opened", time.perf_counter() - began, "s")
    yield from _questions(chat, repeats)
    yield from _model(chat, repeats)
    yield from _encoder(chat, config, repeats)
    if grow:
        yield from _longer(config, repeats, progress)
        yield from _more(config)


def save(folder: Path, measures: Sequence[Measure], settings: dict[str, Any]) -> None:
    """Write bench.json and, where articles of several lengths were measured, first-word.png."""
    found = [measure.to_dict() for measure in measures]
    write(folder / "bench.json", json.dumps({"settings": settings, "measures": found}, ensure_ascii=False, indent=1) + "\n")
    if any("paragraphs," in measure.group for measure in measures):
        curve = io.BytesIO()
        draw(measures, curve)
        write(folder / "first-word.png", curve.getvalue())


def draw(measures: Sequence[Measure], file: IO[bytes]) -> None:
    """Seconds to the first word, and to open an article the first time, against its length, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    for name, colour, label in (("first word", INK, "to the first word"), ("opened the first time", GREY, "to open it, once")):
        grown = [m for m in measures if m.name == name and "paragraphs," in m.group]
        points = [(int(m.group.partition(" ")[0].replace(",", "")), m.value) for m in grown]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, lw=2, ms=5, label=label)
    axes.set(xscale="log", yscale="log", xlabel="paragraphs of the article, four sentences each", ylabel="seconds")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e8eb", lw=0.8)
    axes.legend(frameon=False)
    figure.savefig(file, format="png", metadata={"Software": None})


def _start(config: Config, repeats: int) -> Iterator[Measure]:
    """A new process asks the bundled article; whatever it keeps is there from the second time on."""
    settings = [config.model, config.encoder, str(config.calibration or ""), str(config.threads)]
    command = [sys.executable, "-c", FIRST_WORD, *settings, QUESTIONS[0]]
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            if process.stdout.readline() != b"word\n":
                *_, last = process.communicate()[1].decode(errors="replace").splitlines() or [""]
                raise SanadError(f"A new process gave no word. It ended with: {last}")
            times.append(time.perf_counter() - began)
    yield Measure("start", "new process to the first word", statistics.median(times[1:]), "s")


def _questions(chat: Chat, repeats: int) -> Iterator[Measure]:
    """The first question of a process, then all of them, warm; and what the process held until then."""
    yield Measure("question", "first word, first question of a process", _first_word(chat.ask(QUESTIONS[0])), "s")
    answers = [chat.ask(question) for _ in range(repeats) for question in QUESTIONS]
    yield Measure("memory", "most held, one article", peak() or 0, "MB")
    stages: dict[str, Callable[[Answer], float]] = {
        "search": lambda answer: answer.timings.search,
        "choice of evidence": lambda answer: answer.timings.choose,
        "wording's prefill": lambda answer: answer.timings.first_word - answer.timings.search - answer.timings.choose,
        "first word": lambda answer: answer.timings.first_word,
        "whole answer": lambda answer: answer.timings.total,
    }
    answered = [answer for answer in answers if answer.answered]
    if not answered:
        log.warning("Not one question was answered, so that answers are not measured. These weights need their --calibration.")
        return
    anew = statistics.median(_anew(chat, answer) for answer in answered[: len(QUESTIONS)])
    for name, seconds in stages.items():
        beside = (anew, "the same prompt from nothing") if name == "wording's prefill" else ()
        yield Measure("question", name, statistics.median(map(seconds, answered)), "s", *beside)


def _first_word(answer: Answer) -> float:
    return answer.timings.first_word or answer.timings.total


def _anew(chat: Chat, answer: Answer) -> float:
    """Seconds to evaluate the evidence of an answer and the prompt it was written by, nothing kept."""
    sentences = [chat.article.sentences[c.sentence].text for c in answer.citations]
    language = prompts.language(answer.language).name
    prompt = prompts.fill("write", question=answer.question, language=language)
    began = time.perf_counter()
    chat.model.read(prompts.fill("read"), [*sentences, prompt])
    return time.perf_counter() - began


def _model(chat: Chat, repeats: int) -> Iterator[Measure]:
    """Tokens a second, beside llama.cpp alone: one context, one sequence, the likeliest token each time."""
    model = chat.model
    if not isinstance(model, LlamaCppModel):
        return
    pieces = [s.text for s in chat.article.sentences[:10]]
    tokens, bare = model.count("".join(pieces)), _Bare(model)
    read, wrote, bare_read, bare_wrote = list[float](), list[float](), list[float](), list[float]()
    for _ in range(repeats):
        began = time.perf_counter()
        reading = model.read("", pieces)
        read.append(tokens / (time.perf_counter() - began))
        bare_read.append(bare.prefill(tokens))
        times = []
        for piece in model.stream(reading, [0, 1], STORY, script=("LATIN",), quoted="", max_tokens=48):
            if piece != "…":  # it is no token: it comes with the last one
                times.append(time.perf_counter())
        wrote.append((len(times) - 1) / (times[-1] - times[0]))
        bare_wrote.append(bare.decode(48))
    for name, ours, theirs in (("prefill", read, bare_read), ("decode", wrote, bare_wrote)):
        yield Measure("model", name, statistics.median(ours), "tokens/s", statistics.median(theirs), "llama.cpp alone")


class _Bare:
    """llama.cpp on weights that are loaded already, in a context of its own, and nothing else."""

    def __init__(self, model: LlamaCppModel) -> None:
        self._api = api = model._api
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 1024
        params.n_threads = params.n_threads_batch = model.threads
        params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self._context = api.llama_init_from_model(model._model, params)
        self._vocabulary, self._tokens = model._vocabulary, model._tokens(STORY * 100)

    def prefill(self, count: int) -> float:
        self._api.llama_memory_clear(self._api.llama_get_memory(self._context), True)
        tokens = (ctypes.c_int32 * count)(*self._tokens[:count])
        began = time.perf_counter()
        self._api.llama_decode(self._context, self._api.llama_batch_get_one(tokens, count))
        self._logits()
        return count / (time.perf_counter() - began)

    def decode(self, count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            token = (ctypes.c_int32 * 1)(int(self._logits().argmax()))
            self._api.llama_decode(self._context, self._api.llama_batch_get_one(token, 1))
        return count / (time.perf_counter() - began)

    def _logits(self) -> np.ndarray:
        import numpy as np

        size = self._api.llama_vocab_n_tokens(self._vocabulary)
        return np.ctypeslib.as_array(self._api.llama_get_logits_ith(self._context, -1), (size,))

    def __del__(self) -> None:
        self._api.llama_free(self._context)


def _encoder(chat: Chat, config: Config, repeats: int) -> Iterator[Measure]:
    """Sentences a second, beside sentence-transformers as it comes: float32, in the order given."""
    import torch

    from embeddings.encoder import default_folder, loaded

    name = str(default_folder(config.cache)) if config.encoder == "default" else config.encoder
    plain = loaded(name, torch.float32)
    texts = [s.text for s in chat.article.sentences] * 3
    ours, theirs = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        chat.encoder.passages(texts)
        ours.append(len(texts) / (time.perf_counter() - began))
        began = time.perf_counter()
        plain.encode([f"passage: {text}" for text in texts], show_progress_bar=False)
        theirs.append(len(texts) / (time.perf_counter() - began))
    yield Measure("encoder", "sentences", statistics.median(ours), "1/s", statistics.median(theirs), "plain encode, float32")


def _longer(config: Config, repeats: int, progress: Progress | None) -> Iterator[Measure]:
    """Articles of more and more paragraphs, nothing of them kept from another run."""
    for paragraphs in PARAGRAPHS:
        article = _written(paragraphs)
        began = time.perf_counter()
        chat = Chat(article, config=replace(config, keep=False), progress=progress)
        group = f"{paragraphs:,} paragraphs, {len(article.sentences):,} sentences"
        yield Measure(group, "opened the first time", time.perf_counter() - began, "s")
        answers = [chat.ask(question) for question in QUESTIONS[:repeats]]
        yield Measure(group, "search", 1000 * statistics.median(a.timings.search for a in answers), "ms")
        yield Measure(group, "first word", statistics.median(map(_first_word, answers)), "s")
        yield Measure("memory", f"held with {group}", _held(), "MB")


def _more(config: Config) -> Iterator[Measure]:
    """Articles kept at once, each read by the model."""
    chats = list[Chat]()
    for kept in KEPT:
        while len(chats) < kept:
            article = _written(10, first=10_000 * (len(chats) + 1))
            chats.append(Chat(article, config=replace(config, keep=False)))
        yield Measure("memory", f"held with {kept} articles of 10 paragraphs kept", _held(), "MB")


def _written(paragraphs: int, first: int = 1) -> Article:
    """An article of so many paragraphs: the bundled one's sentences in turn, each with a number of its own."""
    sentences = Article.default().sentences
    numbered: Sequence[str] = [f"{first + n}: {sentences[n % len(sentences)].text}" for n in range(4 * paragraphs)]
    return Article.from_text("\n\n".join(" ".join(numbered[at : at + 4]) for at in range(0, len(numbered), 4)))


def _held() -> float:
    """The memory this process holds, in MB; the most it has held where the system does not say."""
    try:
        with open("/proc/self/statm") as pages:
            return round(int(pages.read().split()[1]) * mmap.PAGESIZE / 1024**2)
    except OSError:
        return peak() or 0
