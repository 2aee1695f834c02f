"""What the page's events do, from a call {token, …}, which names the tab's session, and values to what is shown."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from rag import render
from rag.article import Article
from rag.errors import ArticleError, SanadError
from rag.library import Library
from rag.sessions import BEAT, Exchange, Session, Sessions

EXPORTS = {"md": "text/markdown", "json": "application/json", "html": "text/html"}


class Page:
    """The events of the page.

    The conversation is given {"turns": HTML of those that changed, "count": turns in all, "notice": an error to the user, or
    None for the one that is shown already, if any}.
    """

    def __init__(self, library: Library) -> None:
        self.library, self.sessions = library, Sessions(library)
        self._beats = count()

    def restore(self, call: dict[str, Any]) -> tuple[Any, ...]:
        """All of the tab's session: its conversation, its article and the articles it can show."""
        session = self._session(call)
        turns = [_turn(session, at, exchange) for at in range(len(session.exchanges)) if (exchange := session.turn(at))]
        return self._said(session, turns), *self._shown(session)

    def follow(self, call: dict[str, Any]) -> Iterator[Any]:
        """The turn that is being answered, while it grows."""
        session = self._session(call)
        for at, exchange in session.follow():
            yield self._said(session, [_turn(session, at, exchange)], notice=None)

    def ask(self, call: dict[str, Any], question: str, language: str, evidence: float) -> Iterator[tuple[Any, ...]]:
        """A new turn, or one in the place of another; the box is emptied when the question came from it."""
        import gradio as gr

        session, shown = self._session(call), [gr.skip()] * 3
        place, question = call.get("at"), call.get("question", question)
        try:
            _show(session, call)
            before = session.article
            asked = session.ask(
                question,
                language=None if language == "auto" else language,
                evidence=int(evidence),
                at=place if isinstance(place, int) else None,
                keep=bool(call.get("keep")),
            )
        except SanadError as exc:
            now = session.answering
            twice = now is not None and str(question).strip() in ("", now)  # Enter was pressed so
            yield self._said(session, notice=None if twice else str(exc)), gr.skip(), *shown
            return
        if session.article != before:
            shown = list(self._shown(session))
        box: Any = gr.skip() if "question" in call else ""
        notice: str | None = ""
        for at, exchange in session.follow(asked):
            yield self._said(session, [_turn(session, at, exchange)], notice), box, *shown
            box, shown, notice = gr.skip(), [gr.skip()] * 3, None

    def stop(self, call: dict[str, Any]) -> None:
        self._session(call).stop()

    def clear(self, call: dict[str, Any]) -> Any:
        session = self._session(call)
        session.clear()
        return self._said(session)

    def show(self, call: dict[str, Any], key: str) -> tuple[Any, ...]:
        """Another article."""
        return self._changed(call, lambda session: session.show(key))

    def add_file(self, call: dict[str, Any], path: str) -> Iterator[tuple[Any, ...]]:
        """An uploaded file as an article of the tab's own; the file is deleted as soon as it is read."""
        import gradio as gr

        self._session(call)  # before anything is said to be read
        file = Path(path)
        yield *[gr.skip()] * 5, None, render.loading((f"reading {file.name}", 0, 0))
        added = self._added(call, lambda session: session.add(Article.from_bytes(_taken(file), file.name)))
        yield *added, None, ""

    def add_text(self, call: dict[str, Any], text: str) -> tuple[Any, ...]:
        """A pasted text as an article of the tab's own."""
        shown = self._added(call, lambda session: session.add(Article.from_text(text.encode("utf-8", "replace").decode())))
        return *shown, text if shown[0]["notice"] else ""

    def loading(self, call: dict[str, Any] | None = None) -> Iterator[str]:
        """How far the tab's article is opened, until it is; without a call, the first one."""
        article = self._session(call).article if call else self.library.articles[0]
        seen: Any = object()
        while (step := self.library.opening(article)) is not seen:
            yield render.loading(step)
            seen = step
            while isinstance(step, tuple) and self.library.opening(article) is step:
                time.sleep(2 * BEAT)

    def translate(self, call: dict[str, Any]) -> dict[str, str]:
        """A machine translation of a cited sentence, into the language of its answer."""
        at, number = (value if isinstance(value := call.get(name), int) else -1 for name in ("turn", "number"))
        return _or_error(lambda: {"text": self._kept(call).translate(at, number)})

    def export(self, call: dict[str, Any]) -> dict[str, str]:
        """The conversation about the article on show, as a file of the kind asked for: its name, type and text, and a notice
        that names the other articles where the conversation is about some."""

        def saved() -> dict[str, str]:
            session = self._kept(call)
            _show(session, call)
            return _file(self.library, session, str(call["kind"]))

        return _or_error(saved)

    def _kept(self, call: dict[str, Any]) -> Session:
        """The tab's session, a new one unless the tab shows one already. Raises SanadError when it is no longer kept."""
        call = call if isinstance(call, dict) else {}
        return self.sessions.get(call.get("token"), new=not call.get("restored"))

    def _session(self, call: dict[str, Any]) -> Session:
        import gradio as gr

        try:
            return self._kept(call)
        except SanadError as exc:
            raise gr.Error(str(exc), print_exception=False) from exc

    def _changed(self, call: dict[str, Any], change: Callable[[Session], None]) -> tuple[Any, ...]:
        session, notice = self._session(call), ""
        try:
            change(session)
        except SanadError as exc:
            notice = str(exc)
        return self._said(session, notice=notice), *self._shown(session)

    def _added(self, call: dict[str, Any], add: Callable[[Session], None]) -> tuple[Any, ...]:
        """The session with one more article; what takes articles is closed again, unless there was an error."""
        import gradio as gr

        shown = self._changed(call, add)
        return *shown, gr.Accordion(open=bool(shown[0]["notice"]))

    def _said(self, session: Session, turns: Sequence[str] = (), notice: str | None = "") -> dict[str, Any]:
        # Numbered: a component takes no notice of a value that it already has.
        return {"turns": list(turns), "count": len(session.exchanges), "notice": notice, "beat": next(self._beats)}

    def _shown(self, session: Session) -> tuple[Any, ...]:
        import gradio as gr

        listed = dict.fromkeys((*session.articles, session.article))
        return (
            render.article(session.article),
            render.about(session.article),
            gr.Dropdown(choices=choices(listed), value=session.article.hash),
        )


def choices(articles: Iterable[Article]) -> list[tuple[str, str]]:
    """The articles to choose from, title and hash; where one has the title of others before it, as a corrected text has, it is
    numbered.

    >>> [title for title, _ in choices(Article.from_text(text, title="News") for text in ("It rains.", "It rained."))]
    ['News', 'News (2)']
    """
    listed, titles = [], Counter[str]()
    for article in articles:
        titles[article.title] += 1
        number = titles[article.title]
        listed.append((article.title + f" ({number})" * (number > 1), article.hash))
    return listed


def _show(session: Session, call: dict[str, Any]) -> None:
    """Have the session at the article that the tab shows: its duplicate shares the session, and may show another."""
    if "article" in call:
        session.show(str(call["article"]))


def _turn(session: Session, at: int, exchange: Exchange) -> str:
    """A turn as HTML, with its article's title where the turn before it is about another."""
    before = session.exchanges[:at][-1:]
    return render.turn(exchange, at, titled=any(one.article.hash != exchange.article.hash for one in before))


def _taken(file: Path) -> bytes:
    """What an uploaded file holds; it is deleted."""
    try:
        return file.read_bytes()
    except OSError as exc:
        raise ArticleError(f"{file.name} did not arrive whole. Add it again.") from exc
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
            file.parent.rmdir()


def _or_error(answer: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return answer()
    except SanadError as exc:
        return {"error": str(exc)}


def _file(library: Library, session: Session, kind: str) -> dict[str, str]:
    from rag import export

    answered = [e for e in session.exchanges if e.state in ("done", "stopped")]
    turns = [e for e in answered if e.article.hash == session.article.hash]
    if not turns:
        raise SanadError("There is no answer about this article yet. Ask something, then export it.")
    chat = library.chat(session.article)
    conversation = export.Conversation(
        article=session.article,
        answers=tuple(e.answer for e in turns),
        asked=tuple(e.asked for e in turns),
        model=library.config.model,
        model_hash=chat.model.fingerprint,
        encoder=library.config.encoder,
        encoder_hash=chat.encoder.fingerprint,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    write = {"md": export.to_markdown, "json": export.to_json, "html": export.to_html}[kind]
    others = "; ".join(dict.fromkeys(e.article.title for e in answered if e not in turns))
    notice = f"Only the answers about this article are saved. Show the other articles to save theirs: {others}" if others else ""
    name = f"sanad-{session.article.hash[:8]}.{kind}"
    return {"name": name, "type": EXPORTS[kind], "text": write(conversation), "notice": notice}
