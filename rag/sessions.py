"""What each browser tab has to itself: its articles and its conversation, kept in memory under the tab's secret token."""
from __future__ import annotations

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from rag.article import Article, detect_language
from rag.chat import checked
from rag.datatypes import Answer, Turn
from rag.errors import ArticleError, QuestionError, SanadError
from rag.library import Library, Step
from rag.log import log
from rag.queue import Place

SESSIONS = 64
ARTICLES = 20
TURNS = 200
"""Sessions kept in all; articles and turns kept in each. The least recently used session and the oldest article go; not a
session that waits for an answer, of which there are fewer."""

TOKEN = re.compile(r"[0-9a-f]{32,128}")
BEAT, PULSE = 0.1, 5.0
"""Seconds between two looks at a growing answer, and after which one is shown again though it has not changed: only when it is
sent something does Gradio let go of a tab that was closed."""
AWAY = 30.0
"""Seconds without a look after which a question is dropped, because its tab was closed; a reload takes less."""
PER_MINUTE = 20
"""Questions and translations a session may ask for in a minute. That keeps one tab from taking all places; a program can make
itself as many sessions as it likes, and what it meets is the end of the queue."""


@dataclass(frozen=True)
class Exchange:
    """A question as it was asked, the article it was asked, and the answer as far as it has come.

    `state` is the answer's stage, "stopped" or "failed"; `note` says why it failed; `waits` is what it waits for.
    """

    asked: str
    article: Article
    answer: Answer
    state: str = "searching"
    note: str = ""
    waits: Step | None = None

    @property
    def over(self) -> bool:
        return self.state in ("done", "stopped", "failed")


class Session:
    """One tab's articles and conversation. Questions are answered in a thread of their own, which outlives the request."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.article = library.articles[0]
        self.own: tuple[Article, ...] = ()
        self.exchanges: tuple[Exchange, ...] = ()
        self._lock = threading.RLock()
        self._running: Place | None = None
        self._at = 0
        self._looked = 0.0
        self._asked: list[float] = []

    @property
    def busy(self) -> bool:
        """Whether a question is being answered, or waits for it."""
        return self._running is not None

    @property
    def answering(self) -> str | None:
        """The question that is being answered, or waits for it."""
        with self._lock:
            return self.exchanges[self._at].asked if self._running else None

    @property
    def articles(self) -> tuple[Article, ...]:
        return self.library.articles + self.own

    def add(self, article: Article) -> None:
        """Show an article of the user's own from now on."""
        with self._lock:
            if article.hash not in {one.hash for one in self.articles}:
                self.own = (*self.own, article)[-ARTICLES:]
        self.show(article.hash)

    def show(self, key: str) -> None:
        """Show the article of this hash, or that of a turn. Raises ArticleError when the session has none."""
        known = {one.hash: one for one in (*(e.article for e in self.exchanges), *self.articles)}
        if key not in known:
            raise ArticleError("This article is no longer kept. Add it again.")
        self.article = known[key]
        self.library.prepare(self.article)

    def ask(
        self,
        question: str,
        *,
        language: str | None = None,
        evidence: int | None = None,
        at: int | None = None,
        keep: bool = False,
    ) -> int:
        """Begin to answer a question to the article on show; comes back with the number of its turn.

        `at` puts it in the place of an earlier turn, about that turn's article; the later turns go unless `keep`.
        Raises QuestionError for an empty or too long question, while another one is being answered, and when too many wait.
        """
        question = checked(question.encode("utf-8", "replace").decode())
        with self._lock:
            if self._running:
                raise QuestionError("Another question is being answered. Wait for it, or stop it.")
            if at is None or not 0 <= at < len(self.exchanges):
                at = len(self.exchanges)
            if at >= TURNS:
                raise QuestionError(f"A conversation has at most {TURNS} turns. Clear it to go on.")
            article = self.exchanges[at].article if at < len(self.exchanges) else self.article
            before, after = self.exchanges[:at], self.exchanges[at + 1 :] if keep else ()
            history = [
                Turn(e.answer.question, e.answer.text) for e in before if e.state == "done" and e.article.hash == article.hash
            ]
            answer = Answer(question, language=language or detect_language(question, article.language), stage="searching")
            place = self._admitted(article)
            self.article, self.exchanges = article, (*before, Exchange(question, article, answer), *after)
            self._running, self._at, self._looked = place, at, time.monotonic()
            settings = {"evidence": evidence} if evidence else {}
            work = (place, self.exchanges[at], history, language, settings)
        try:
            threading.Thread(target=self._answer, args=work, daemon=True).start()
            threading.Thread(target=self._watch, args=[place], daemon=True).start()
        except RuntimeError as exc:
            self._put(place, state="failed", note=f"The answer could not be made: {exc}. Ask again.")
        return at

    def translate(self, at: int, number: int) -> str:
        """A machine translation of a sentence that a turn cites, into the language of its answer, when its turn comes.

        Raises QuestionError when there is no such citation, and when too many wait.
        """
        exchange = self.turn(at)
        cited = [c.sentence for c in exchange.answer.citations if c.number == number] if exchange else []
        if not exchange or not cited:
            raise QuestionError("This citation is no longer kept. Load the page again.")
        with self.library.turn(exchange.article, self._admitted(exchange.article)) as chat:
            return chat.translate(cited[0], exchange.answer.language)

    def turn(self, at: int) -> Exchange | None:
        """A turn as it stands now, with what it waits for: its article, or so many before it. None when it was cleared."""
        with self._lock:
            if not 0 <= at < len(self.exchanges):
                return None
            exchange, place, self._looked = self.exchanges[at], self._running, time.monotonic()
        if exchange.over or not place:
            return exchange
        step, ahead = self.library.opening(exchange.article), place.ahead
        if isinstance(step, tuple):
            return replace(exchange, waits=step)
        return replace(exchange, waits=(f"{ahead} before you", 0, 0)) if ahead else exchange

    def follow(self, at: int | None = None) -> Iterator[tuple[int, Exchange]]:
        """A turn and its number each time it has changed, until it is over: every PULSE seconds at least, every BEAT at most.

        Without a number, the turn that is being answered, if there is one.
        """
        if at is None:
            at = self._at if self._running else -1
        seen, shown = None, 0.0
        while now := self.turn(at):
            if now != seen or time.monotonic() - shown > PULSE:
                yield at, now
                seen, shown = now, time.monotonic()
            if now.over:
                return
            time.sleep(BEAT)

    def stop(self) -> None:
        """End the answer that is being made, or waits: its place is free at once, the model at its next word."""
        if place := self._running:
            self._put(place, state="stopped")

    def clear(self) -> None:
        """Forget the conversation; the articles stay."""
        with self._lock:
            if self._running:
                self._running.leave()
            self._running, self.exchanges = None, ()

    def _admitted(self, article: Article) -> Place:
        """A place in the queue. Raises QuestionError when it is full, or the session has asked for too many."""
        with self._lock:
            now = time.monotonic()
            self._asked = [at for at in self._asked if now - at < 60]
            if len(self._asked) >= PER_MINUTE:
                wait = math.ceil(60 - (now - self._asked[0]))
                raise QuestionError(f"A tab may ask {PER_MINUTE} times a minute. Ask again in {wait} seconds.")
            place = self.library.join(article)
            self._asked.append(now)
            return place

    def _answer(
        self, place: Place, exchange: Exchange, history: list[Turn], language: str | None, settings: dict[str, Any]
    ) -> None:
        try:
            with self.library.turn(exchange.article, place) as chat:
                answers = chat.using(**settings).stream(exchange.asked, history=history, language=language)
                with closing(answers):  # type: ignore[type-var]
                    for answer in answers:
                        if not self._put(place, answer=answer, state=answer.stage):
                            return
        except SanadError as exc:
            self._put(place, state="failed", note=str(exc))
        except Exception as exc:  # whatever it is, the page says so and the server's log holds it
            log.exception("a question was not answered")
            self._put(place, state="failed", note=f"The answer could not be made: {type(exc).__name__}. Ask again.")

    def _watch(self, place: Place) -> None:
        """Drop the question once nobody looks at it."""
        while self._running is place:
            if time.monotonic() - self._looked > AWAY:
                self._put(place, state="stopped", note="(the page was closed)")
            time.sleep(BEAT)

    def _put(self, place: Place, **changes: Any) -> bool:
        """Change the turn that is being answered; False when it is that one no longer."""
        with self._lock:
            if self._running is not place:
                return False
            changed = replace(self.exchanges[self._at], **changes)
            if changed.over:
                self._running = None
                place.leave()
            self.exchanges = (*self.exchanges[: self._at], changed, *self.exchanges[self._at + 1 :])
            return True


class Sessions:
    """Sessions by token. A token is a secret of the tab that made it: 32 hexadecimal digits at least."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def get(self, token: object, *, new: bool = True) -> Session:
        """The session of a token, a `new` one for a new token. Raises SanadError when it is none, or no longer kept."""
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise SanadError("This tab has no session. Load the page again.")
        with self._lock:
            if not new and token not in self._kept:  # too many tabs were opened since, or the server was started anew
                raise SanadError("This tab's articles and answers are no longer kept. Copy what you need; load the page again.")
            session = self._kept.setdefault(token, Session(self.library))
            self._kept.move_to_end(token)
            while len(self._kept) > SESSIONS:
                del self._kept[next(other for other, one in self._kept.items() if not one.busy)]
            return session
