"""What each browser tab has to itself: its articles and its conversation, kept in memory under the tab's secret token."""
from __future__ import annotations

import re
import sys
import threading
import time
import traceback
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

SESSIONS = 64
ARTICLES = 20
TURNS = 200
"""Sessions kept in all; articles and turns kept in each. The least recently used session and the oldest article go."""

TOKEN = re.compile(r"[0-9a-f]{32,128}")
BEAT = 0.1
"""Seconds between two looks at a growing answer."""


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
        self._running: object | None = None
        self._at = 0

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
        Raises QuestionError for an empty or too long question, and while another one is being answered.
        """
        question = checked(question.encode("utf-8", "replace").decode())
        with self._lock:
            if self._running:
                raise QuestionError("Another question is being answered. Wait for it, or stop it.")
            if at is None or not 0 <= at < len(self.exchanges):
                at = len(self.exchanges)
            if at >= TURNS:
                raise QuestionError(f"A conversation has at most {TURNS} turns. Clear it to go on.")
            if at < len(self.exchanges):
                self.show(self.exchanges[at].article.hash)
            article, before, after = self.article, self.exchanges[:at], self.exchanges[at + 1 :] if keep else ()
            history = [
                Turn(e.answer.question, e.answer.text) for e in before if e.state == "done" and e.article.hash == article.hash
            ]
            answer = Answer(question, language=language or detect_language(question), stage="searching")
            self.exchanges = (*before, Exchange(question, article, answer), *after)
            self._running, self._at = object(), at
            settings = {"evidence": evidence} if evidence else {}
            work = [self._running, self.exchanges[at], history, language, settings]
        threading.Thread(target=self._answer, args=work, daemon=True).start()
        return at

    def turn(self, at: int) -> Exchange | None:
        """A turn as it stands now; None when it was cleared."""
        with self._lock:
            if not 0 <= at < len(self.exchanges):
                return None
            exchange = self.exchanges[at]
        step = None if exchange.over else self.library.opening(exchange.article)
        return replace(exchange, waits=step) if isinstance(step, tuple) else exchange

    def follow(self, at: int | None = None) -> Iterator[tuple[int, Exchange]]:
        """A turn and its number each time it has changed, until it is over, at most ten times a second.

        Without a number, the turn that is being answered, if there is one.
        """
        if at is None:
            at = self._at if self._running else -1
        seen = None
        while (now := self.turn(at)) and not (seen and seen.over):
            if now != seen:
                yield at, now
            seen = now
            time.sleep(0 if now.over else BEAT)

    def stop(self) -> None:
        """End the answer that is being made; the model is free for others at its next word."""
        if self._running:
            self._put(self._running, state="stopped")

    def clear(self) -> None:
        """Forget the conversation; the articles stay."""
        with self._lock:
            self._running, self.exchanges = None, ()

    def _answer(
        self, running: object, exchange: Exchange, history: list[Turn], language: str | None, settings: dict[str, Any]
    ) -> None:
        try:
            chat = self.library.chat(exchange.article).using(**settings)
            if not self._put(running):
                return
            with closing(chat.stream(exchange.asked, history=history, language=language)) as answers:  # type: ignore[type-var]
                for answer in answers:
                    if not self._put(running, answer=answer, state=answer.stage):
                        return
        except SanadError as exc:
            self._put(running, state="failed", note=str(exc))
        except Exception as exc:  # whatever it is, the page says so and the server's log holds it
            traceback.print_exc(file=sys.stderr)
            self._put(running, state="failed", note=f"The answer could not be made: {type(exc).__name__}. Ask again.")

    def _put(self, running: object, **changes: Any) -> bool:
        """Change the turn that is being answered; False when it is that one no longer."""
        with self._lock:
            if self._running is not running:
                return False
            changed = replace(self.exchanges[self._at], **changes)
            if changed.over:
                self._running = None
            self.exchanges = (*self.exchanges[: self._at], changed, *self.exchanges[self._at + 1 :])
            return True


class Sessions:
    """Sessions by token. A token is a secret of the tab that made it: 32 hexadecimal digits at least."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def get(self, token: object) -> Session:
        """The session of a token, a new one for a new token. Raises SanadError when it is none."""
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            raise SanadError("This tab has no session. Load the page again.")
        with self._lock:
            session = self._kept.setdefault(token, Session(self.library))
            self._kept.move_to_end(token)
            while len(self._kept) > SESSIONS:
                self._kept.popitem(last=False)
            return session
