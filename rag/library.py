"""The articles that are served to everyone, and the chats over them: each opened once, the last used ones kept."""
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from embeddings.weights import Progress
from rag.article import Article
from rag.chat import Chat
from rag.config import Config
from rag.errors import ArticleError

KEPT = 8
"""Chats kept open; one holds the sentences' vectors and the article as the model has read it, some 50 MB."""

Step = tuple[str, int, int]
"""What is being done, how much of it is done, and how much there is in all; 0 in all where that is not known."""


class Library:
    """Articles and the chats over them; they share a Config, and so one encoder and one model. Safe between threads.

    `articles` are the bundled one where none is given. `open_chat(article, config=…, progress=…)` opens a chat.
    """

    def __init__(
        self,
        articles: Sequence[Article] = (),
        *,
        config: Config | None = None,
        open_chat: Callable[..., Chat] = Chat,
    ) -> None:
        self.articles = tuple(articles) or (Article.default(),)
        self.config = config or Config()
        self._open_chat = open_chat
        self._lock = threading.Lock()
        self._openings: OrderedDict[Article, _Opening] = OrderedDict()

    def chat(self, article: Article, progress: Progress | None = None) -> Chat:
        """The chat over an article, opened when it is first asked for. Raises SanadError when it can't be."""
        opening, new = self._claim(article)
        if new:
            self._open(opening, progress)
        return opening.result()

    def prepare(self, article: Article) -> None:
        """Begin to open the chat over an article, in the background."""
        opening, new = self._claim(article)
        if new:
            threading.Thread(target=self._open, args=[opening], daemon=True).start()

    def warm(self) -> None:
        """Begin to load the encoder, the model and the first article, in the background."""
        self.prepare(self.articles[0])

    def opening(self, article: Article) -> Step | BaseException | None:
        """How far the chat over an article is opened, the error that ended it, or None: open, or not asked for."""
        with self._lock:
            opening = self._openings.get(article)
        if not opening:
            return None
        return opening.exception() if opening.done() else opening.step

    def find(self, prefix: str = "") -> Article:
        """The article served whose hash begins so, the first one for "". Raises ArticleError unless it is one."""
        found = [article for article in self.articles if article.hash.startswith(prefix)]
        if not prefix or len(found) == 1:
            return found[0]
        hashes = ", ".join(article.hash[:12] for article in found or self.articles)
        raise ArticleError(f"The hash of {len(found) or 'no'} articles begins with {prefix!r}. Give more of one of: {hashes}.")

    def _claim(self, article: Article) -> tuple[_Opening, bool]:
        """The opening of an article's chat, and whether it is the caller's to do."""
        with self._lock:
            opening = self._openings.get(article)
            new = opening is None or (opening.done() and opening.exception() is not None)
            if opening is None or new:
                opening = self._openings[article] = _Opening(article)
            self._openings.move_to_end(article)
            done = [other for other, one in self._openings.items() if one.done()]
            for other in done[: max(0, len(self._openings) - KEPT)]:
                del self._openings[other]
            return opening, new

    def _open(self, opening: _Opening, progress: Progress | None = None) -> None:
        def report(what: str, done: int, total: int) -> None:
            opening.step = (what, done, total)
            if progress:
                progress(what, done, total)

        try:
            opening.set_result(self._open_chat(opening.article, config=self.config, progress=report))
        except BaseException as exc:
            opening.set_exception(exc)


class _Opening(Future[Chat]):
    """A chat that is being opened, is open, or could not be opened."""

    def __init__(self, article: Article) -> None:
        super().__init__()
        self.article = article
        self.step: Step = ("opening the article", 0, 0)
