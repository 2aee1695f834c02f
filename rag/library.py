"""The articles that are served to everyone, and the chats over them: each opened once, the last used ones kept."""
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, cast

from embeddings.weights import Progress
from rag.article import Article
from rag.chat import Chat
from rag.config import Config
from rag.errors import ArticleError
from rag.models import ChatModel
from rag.queue import Place, Queue

KEPT = 8
"""Chats kept open; one holds the sentences' vectors and the article as the model has read it, some 50 MB."""

OPENED, COMING = 2, 32
"""Articles that are opened at a time, as each takes all processors and the model for seconds, and may be coming in all."""

Step = tuple[str, int, int]
"""What is being done, how much of it is done, and how much there is in all; 0 in all where that is not known."""


class Library:
    """Articles and the chats over them; they share a Config, and so one encoder and one model. Safe between threads.

    `articles` are the bundled one where none is given; of two with the same text the last. `open_chat(article, config=…,
    progress=…)` opens a chat. Whatever uses the model for a question or a translation waits in the `queue` for its `turn`.
    """

    def __init__(
        self,
        articles: Sequence[Article] = (),
        *,
        config: Config | None = None,
        open_chat: Callable[..., Chat] = Chat,
        queue: Queue | None = None,
    ) -> None:
        self.articles = tuple({article.hash: article for article in articles}.values()) or (Article.default(),)
        self.config = config or Config.from_environment()
        self.queue = queue or Queue()
        self._open_chat = open_chat
        self._lock = threading.Lock()
        self._openings: OrderedDict[object, _Opening] = OrderedDict()
        self._places = threading.Semaphore(OPENED)

    def chat(self, article: Article, progress: Progress | None = None) -> Chat:
        """The chat over an article, opened when it is first asked for. Raises SanadError when it can't be."""
        opening, new = self._claim(article)
        if new:
            self._open(opening, progress)
        return opening.result()

    def join(self, article: Article) -> Place:
        """A place in the queue, for one question or translation; until the article is open, others pass."""
        self.prepare(article)
        return self.queue.join(lambda: not isinstance(self.opening(article), tuple))

    @contextmanager
    def turn(self, article: Article, place: Place) -> Iterator[Chat]:
        """The chat over an article, from when the turn of its place comes until the end of the block.

        A reply that takes too long, or whose place is left, ends at its next word. Raises SanadError for these, and for an
        article that can't be opened.
        """
        with place.turn():
            if isinstance(failed := self.opening(article), BaseException):
                raise failed
            chat = copy(self.chat(article))  # not before: of those who wait, each would keep one in memory
            chat.model = cast(ChatModel, _Watched(chat.model, place.check))
            yield chat

    def prepare(self, article: Article) -> None:
        """Have the chat over an article opened in the background, in its turn. Raises ArticleError when too many wait."""
        opening, new = self._claim(article, COMING)
        if new:
            try:
                threading.Thread(target=self._open_in_turn, args=[opening], daemon=True).start()
            except RuntimeError as exc:  # no room for another thread
                opening.set_exception(exc)

    def warm(self) -> None:
        """Begin to load the encoder, the model and the first article, in the background."""
        self.prepare(self.articles[0])

    def opening(self, article: Article) -> Step | BaseException | None:
        """How far the chat over an article is opened, the error that ended it, or None: open, or not asked for."""
        with self._lock:
            opening = self._openings.get(_key(article))
        if not opening:
            return None
        return opening.exception() if opening.done() else opening.step

    def find(self, prefix: str | None = None) -> Article:
        """The article served whose hash begins so, the first one for none. Raises ArticleError unless it is one."""
        if not prefix:
            return self.articles[0]
        found = [article for article in self.articles if article.hash.startswith(str(prefix))]
        if len(found) == 1:
            return found[0]
        hashes = ", ".join(article.hash[:12] for article in found or self.articles)
        raise ArticleError(f"The hash of {len(found) or 'no'} articles begins with {prefix!r}. Give more of one of: {hashes}.")

    def _claim(self, article: Article, most: int | None = None) -> tuple[_Opening, bool]:
        """The opening of an article and whether it is the caller's to do. Raises ArticleError when `most` wait already."""
        key = _key(article)
        with self._lock:
            opening = self._openings.get(key)
            new = opening is None or (opening.done() and opening.exception() is not None)
            if opening is None or new:
                if most is not None and sum(not one.done() for one in self._openings.values()) >= most:
                    raise ArticleError(f"Busy: {most} articles are being opened already. Try again in a minute.")
                opening = self._openings[key] = _Opening(article)
            self._openings.move_to_end(key)
            done = [other for other, one in self._openings.items() if one.done()]
            for other in done[:-KEPT]:
                del self._openings[other]
            return opening, new

    def _open_in_turn(self, opening: _Opening) -> None:
        with self._places:
            self._open(opening)

    def _open(self, opening: _Opening, progress: Progress | None = None) -> None:
        def report(what: str, done: int, total: int) -> None:
            opening.step = (what, done, total)
            if progress:
                progress(what, done, total)

        # What a tab brings stays in memory: nothing of it is written to disk.
        config = replace(self.config, keep=self.config.keep and opening.article in self.articles)
        try:
            opening.set_result(self._open_chat(opening.article, config=config, progress=report))
        except BaseException as exc:
            opening.set_exception(exc)
        self.queue.wake()


class _Opening(Future[Chat]):
    """A chat that is being opened, is open, or could not be opened."""

    def __init__(self, article: Article) -> None:
        super().__init__()
        self.article = article
        self.step: Step = ("opening the article", 0, 0)


class _Watched:
    """A chat model that calls `check` before every word of a reply: what it raises ends the reply."""

    def __init__(self, model: ChatModel, check: Callable[[], None]) -> None:
        self._model, self._check = model, check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def stream(self, *given: Any, **options: Any) -> Iterator[str]:
        with closing(self._model.stream(*given, **options)) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                self._check()
                yield piece


def _key(article: Article) -> object:
    """What two articles share whose chats are the same; not the article, whose hash is made of all its sentences each time."""
    return article.hash, article.title, article.source, article.pages
