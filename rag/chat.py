"""The path of one question, top to bottom: search, choose the evidence, write from it, cite it."""
from __future__ import annotations

import re
import reprlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import prompts
from embeddings.encoder import Encoder
from embeddings.weights import Progress
from rag.article import Article, detect_language
from rag.calibration import Calibration
from rag.citations import cite
from rag.config import Config
from rag.datatypes import Answer, Hit, Timings, Turn
from rag.decoding import unasked
from rag.errors import QuestionError, SanadError
from rag.evidence import ENGLISH, HITS, Evidence, choose_evidence, of_byline, of_whole
from rag.followup import standalone
from rag.loading import load_calibration, load_encoder, load_model
from rag.log import recorded
from rag.models import ChatModel
from rag.numbers import in_thousands
from rag.reader import Reader
from rag.retriever import Retriever

MAX_QUESTION = 2_000
_OPENING = threading.Lock()
"""Who asks an article that another thread opens already waits for it: `lru_cache` would have both open it."""


class Chat:
    """Questions to one article. Encoder and model are loaded once per process and shared.

    Any object that fits `embeddings.encoder.Encoder` or `rag.models.ChatModel` can be passed in place of the default ones, with
    a `rag.calibration.Calibration` for them; without it confidence and support are guesses, and a warning says so. The
    smallest ones are in `rag.testing`. Without a `config` it is that of the environment.
    """

    def __init__(
        self,
        article: Article,
        *,
        config: Config | None = None,
        encoder: Encoder | None = None,
        model: ChatModel | None = None,
        calibration: Calibration | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.article = article
        self.config = config or Config.from_environment()
        self.model = model or load_model(self.config, progress)  # first: that a file is not there is told at once
        self.encoder = encoder or load_encoder(self.config, progress)
        self.calibration = calibration or load_calibration(self.config, own=bool(encoder or model))
        cache = self.config.cache if self.config.keep else None
        self.retriever = Retriever(article, self.encoder, cache=cache, progress=progress)
        self.reader = Reader(article, self.model, cache=cache, progress=progress)

    @classmethod
    def open(
        cls,
        article: Article | str | Path | None = None,
        *,
        config: Config | None = None,
        encoder: Encoder | None = None,
        model: ChatModel | None = None,
        calibration: Calibration | None = None,
        progress: Progress | None = None,
    ) -> Chat:
        """A Chat over an article, the file of one (see `Article.open`), or the bundled article. Raises ArticleError when the
        file can't be read, WeightsError and ModelError when the models can't be loaded."""
        if not isinstance(article, Article):
            article = Article.default() if article is None else Article.open(article)
        return cls(article, config=config, encoder=encoder, model=model, calibration=calibration, progress=progress)

    def ask(self, question: str, *, history: Sequence[Turn] = (), language: str | None = None) -> Answer:
        """The whole answer. `history` are the turns before, the last one last: Turn(answer.question, answer.text). Raises
        QuestionError for a question that is empty or too long, a history of anything else, and a language that is not known."""
        *_, answer = self.stream(question, history=history, language=language)
        return answer

    def stream(self, question: str, *, history: Sequence[Turn] = (), language: str | None = None) -> Iterator[Answer]:
        """Growing answers; the last is the answer. `language` fixes its language, else it is the question's.

        Raises as `ask` does, when the first one is asked for. Until the last one is read, or the iterator is closed, questions
        on other threads wait.
        """
        clock, config, model = Stopwatch(), self.config, self.model
        asked = checked(question)
        question = self._standalone(asked, history)
        code = known(language) if language else self._language(asked, history)
        answer = Answer(question, language=code, stage="searching")
        yield answer

        hits = self.search(question)
        answer = replace(answer, hits=hits[: config.hits], stage="choosing", timings=clock.lap("search"))
        yield answer

        evidence = self.evidence(question, hits)
        clock.tokens_in += len(evidence.looks) * model.count(question)
        words = prompts.language(code)
        answer = replace(answer, confidence=round(evidence.confidence, 4), timings=clock.lap("choose"))
        if not evidence.chosen:
            yield recorded(replace(answer, text=words.abstention, stage="done"), self.article)
            return

        text, write = "", prompts.fill("write", question=question, language=words.name)
        source = " ".join(self.article.sentences[i].text for i in evidence.chosen)
        answer = replace(answer, answered=True, stage="writing")
        clock.tokens_in += model.count(write)
        reply = model.stream(
            evidence.reading,
            [evidence.places[i] for i in evidence.chosen],
            write,
            script=words.script,
            quoted=" ".join([question, source, *in_thousands(source, self.article.language)]),
            max_tokens=round(config.max_tokens * min(max(evidence.tokens / ENGLISH, 1), 2)),
            question=question,
        )
        for piece in unasked(reply, question):
            text += piece
            clock.word()
            yield replace(answer, text=text)

        clock.tokens_out += model.count(text)
        marked, claims, citations = cite(self.article, evidence, text, code, self.calibration)
        done = replace(answer, text=marked, claims=claims, citations=citations, stage="done", timings=clock.lap("write"))
        yield recorded(done, self.article)

    def translate(self, sentence: int, language: str) -> str:
        """A machine translation of one sentence of the article, by its index, by the chat model: to be read beside it, not
        quoted. Raises QuestionError for a language that is not known, IndexError for a sentence that is not there."""
        text, words = self.article.sentences[sentence].text, prompts.language(known(language))
        prompt = prompts.fill("translate", language=words.name, sentence=text)
        reading, most = self.model.read("", []), 2 * self.model.count(text)
        pieces = self.model.stream(reading, [], prompt, script=words.script, quoted=text, max_tokens=most)
        return "".join(pieces).strip()

    def using(self, **settings: Any) -> Chat:
        """The same chat with other settings of its Config: `chat.using(evidence=2)`. Nothing is loaded or read again, so that
        only numbers of sentences and tokens can be others. Raises SanadError for what was settled when it was opened."""
        other = copy(self)
        other.config = replace(self.config, **settings)
        if settled := sorted(settings.keys() - {"hits", "candidates", "evidence", "max_tokens"}):
            raise SanadError(f"An open chat keeps its {' and '.join(settled)}. Open another: Chat(article, config=Config(…)).")
        return other

    def search(self, question: str) -> tuple[Hit, ...]:
        """The sentences nearest to a question, best first: as many as are listed, and as the choice is made from."""
        return self.retriever.search(question, max(self.config.hits, self.config.candidates, HITS))

    def evidence(self, question: str, hits: Sequence[Hit]) -> Evidence:
        """The sentences to cite for a question, of its hits; the last step before a word is written."""
        return choose_evidence(
            self.model,
            self.reader,
            question,
            hits,
            self.calibration,
            same_language=self._language(question) == self.article.language,
            candidates=self.config.candidates,
            most=self.config.evidence,
        )

    def _language(self, question: str, history: Sequence[Turn] = ()) -> str:
        """The language of a question: of two that are as likely, the article's or the last question's; of "2022?", the last's."""
        before = [detect_language(turn.question) for turn in history[-1:]]
        told = any(map(str.isalpha, question)) or not before
        return detect_language(question, self.article.language, *before) if told else before[0]

    def _standalone(self, question: str, history: Sequence[Turn]) -> str:
        """The question as it stands alone: one that goes on from others gets what it leaves out from the last turn."""
        if strange := [turn for turn in history if not isinstance(turn, Turn)]:
            raise QuestionError(f"The history holds {reprlib.repr(strange[0])}. Give turns: Turn(answer.question, answer.text).")
        if not history or of_whole(question) or of_byline(question):
            return question
        return standalone(self.model, question, history[-1], prompts.language(self._language(question, history)))


class Stopwatch:
    """Makes the `Timings` of a question while it is answered."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}
        self.tokens_in = self.tokens_out = 0

    def word(self) -> None:
        self._seconds.setdefault("first_word", time.perf_counter() - self._began)

    def lap(self, stage: str) -> Timings:
        now = time.perf_counter()
        self._seconds[stage], self._last = now - self._last, now
        seconds: dict[str, Any] = {k: round(v, 4) for k, v in self._seconds.items()}
        total = round(now - self._began, 4)
        return Timings(**seconds, total=total, tokens_in=self.tokens_in, tokens_out=self.tokens_out)


def ask(question: str, *, article: Article | str | Path | None = None, language: str | None = None) -> Answer:
    """The answer to a question about an article, the bundled one unless another or the file of one is given.

    The settings are those of the environment. The last eight articles asked stay open; a file that has changed is read again.
    Raises QuestionError as `Chat.ask` does, ArticleError when the file can't be read, WeightsError and ModelError when the
    models can't be loaded.
    """
    changed = None
    if isinstance(article, str | Path):
        article = Path(article)
        with suppress(OSError, ValueError):  # told when it is opened
            changed = article.stat().st_mtime_ns
    with _OPENING:
        chat = _shared(article, changed, Config.from_environment())
    return chat.ask(question, language=language)


def checked(question: str) -> str:
    r"""The question without the space around it. Raises QuestionError when nothing is left of it, or too much.

    >>> checked(" Who came?\n")
    'Who came?'
    """
    if not isinstance(question, str):
        raise QuestionError(f"The question is {question!r}, not a text. Ask something about the article.")
    question = question.strip()
    if not question:
        raise QuestionError("The question is empty. Ask something about the article.")
    if not any(map(str.isalnum, question)):
        raise QuestionError(f"The question {question[:40]!r} has no word. Ask something about the article.")
    if len(question) > MAX_QUESTION:
        raise QuestionError(f"The question has {len(question):,} characters; at most {MAX_QUESTION:,} are read. Shorten it.")
    return question


def known(language: str) -> str:
    """The code of a language that answers can be in. Raises QuestionError for another.

    >>> known("fr"), known("pt-BR"), known("ZH")
    ('fr', 'pt', 'zh')
    """
    code = re.split("[-_]", str(language).strip().lower())[0]
    if code not in prompts.languages():
        raise QuestionError(f"No answer can be in the language {language!r}. Give one of {', '.join(prompts.languages())}.")
    return code


@lru_cache(maxsize=8)
def _shared(article: Article | Path | None, changed: int | None, config: Config) -> Chat:
    """The chat over an article with some settings; a file that has changed since is another one."""
    return Chat.open(article, config=config)
