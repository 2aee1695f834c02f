"""The chat page: a conversation, and beside it the article with the sentences it rests on. `python app.py` starts it.

Everything shown is rendered by `rag.render`; `rag/data/page.js` puts it in place and ties answers to the article. A tab
and the server speak through events, each with a call {token, …} that names the tab's session, and are private but for
the three of `_api`. Nothing is loaded from elsewhere, and no file is served but the page's own.
"""
from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib import resources, util
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from rag import Article, ArticleError, QuestionError, SanadError, render
from rag.sessions import BEAT, Session, Sessions

if TYPE_CHECKING:
    import gradio as gr

    from rag.library import Library

EXAMPLES = [
    "لماذا رفضت موسكو الطلب الأمريكي؟",
    "Why did Moscow refuse US base access?",
    "Combien l'Union européenne a-t-elle alloué ?",
    "Почему Москва отказалась предоставить США базы?",
]
SUFFIXES = [".txt", ".md", ".html", ".pdf", ".docx"]
UPLOAD = "21mb"
EXPORTS = {"md": "text/markdown", "json": "application/json", "html": "text/html"}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
HEAD = """
<header><h1>Sanad <span lang="ar">سند</span></h1>
<p>Ask an article, and see the exact sentence every answer rests on.</p></header>
<div id="notice" role="alert" hidden><p id="notice-text"></p><button data-act="dismiss" aria-label="Close">×</button></div>
<p id="said" role="status"></p>
<button id="back" hidden>Back to the answer</button>
"""
CONVERSATION = """
<p class="intro">Ask about the article. Each number in an answer leads to the sentence it rests on; what the article does not say,
is not answered.</p>
<div class="turns"></div>
"""
EDITING = """
<p id="editing" hidden>Sending replaces this question and the turns after it. <button data-act="keep">Leave it</button></p>
"""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What a browser may load and send: with this server alone. Gradio's own front end needs inline scripts and eval."""
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]


class Page:
    """What the page's events do, from a call and values to what is shown.

    The conversation is given {"turns": HTML of those that changed, "count": turns in all, "notice": an error to the user}.
    """

    def __init__(self, library: Library) -> None:
        self.library, self.sessions = library, Sessions(library)
        self._beats = count()

    def restore(self, call: dict[str, Any]) -> tuple[Any, ...]:
        """All of the tab's session: its conversation, its article and the articles it can show."""
        session = self._session(call)
        turns = [render.turn(exchange, at) for at in range(len(session.exchanges)) if (exchange := session.turn(at))]
        return self._said(session, turns), *self._shown(session)

    def follow(self, call: dict[str, Any]) -> Iterator[Any]:
        """The turn that is being answered, while it grows."""
        session = self._session(call)
        for at, exchange in session.follow():
            yield self._said(session, [render.turn(exchange, at)])

    def ask(self, call: dict[str, Any], question: str, language: str, evidence: float) -> Iterator[tuple[Any, ...]]:
        """A new turn, or one in the place of another; the box is emptied when the question came from it."""
        import gradio as gr

        session, shown = self._session(call), [gr.skip()] * 3
        before = session.article
        try:
            place = call.get("at")
            asked = session.ask(
                call.get("question", question),
                language=None if language == "auto" else language,
                evidence=int(evidence),
                at=place if isinstance(place, int) else None,
                keep=bool(call.get("keep")),
            )
        except SanadError as exc:
            yield self._said(session, notice=str(exc)), gr.skip(), *shown
            return
        if session.article != before:
            shown = list(self._shown(session))
        box: Any = gr.skip() if "question" in call else ""
        for at, exchange in session.follow(asked):
            yield self._said(session, [render.turn(exchange, at)]), box, *shown
            box, shown = gr.skip(), [gr.skip()] * 3

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
        seen: Any = self
        while (step := self.library.opening(article)) is not seen:
            yield render.loading(step)
            seen = step
            while isinstance(step, tuple) and self.library.opening(article) is step:
                time.sleep(2 * BEAT)

    def translate(self, call: dict[str, Any]) -> dict[str, str]:
        """A machine translation of a cited sentence, into the language of its answer."""

        def translation() -> dict[str, str]:
            exchange = self._session(call).exchanges[int(call["turn"])]
            sentence = next(c.sentence for c in exchange.answer.citations if c.number == call["number"])
            return {"text": self.library.chat(exchange.article).translate(sentence, exchange.answer.language)}

        return _or_error(translation)

    def export(self, call: dict[str, Any]) -> dict[str, str]:
        """The conversation about the article on show, as a file of the kind asked for: its name, type and text."""
        return _or_error(lambda: _file(self.library, self._session(call), str(call["kind"])))

    def _session(self, call: dict[str, Any]) -> Session:
        return self.sessions.get(call.get("token"))

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

    def _said(self, session: Session, turns: Sequence[str] = (), notice: str = "") -> dict[str, Any]:
        # Numbered: a component takes no notice of a value that it already has.
        return {"turns": list(turns), "count": len(session.exchanges), "notice": notice, "beat": next(self._beats)}

    def _shown(self, session: Session) -> tuple[Any, ...]:
        import gradio as gr

        listed = dict.fromkeys((*session.articles, session.article))
        return (
            render.article(session.article),
            render.about(session.article),
            gr.Dropdown(choices=[(one.title, one.hash) for one in listed], value=session.article.hash),
        )


def launch(library: Library, host: str = "127.0.0.1", port: int = 7860, *, mcp: bool = False, wait: bool = True) -> gr.Blocks:
    """Serve the page while the models are loaded, until it is interrupted; without `wait`, comes back with the running page.

    Port 0 is a free one. With `mcp` the endpoints are tools of a Model Context Protocol server as well.
    Raises SanadError when the port is taken, or the package mcp is missing or another one than Gradio works with.
    """
    if mcp and not util.find_spec("mcp"):
        raise SanadError("--mcp needs the package mcp, which is not installed. Run: pip install 'mcp<2'")
    blocks = build_app(library)
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # A web page elsewhere could have its own name lead here; this machine is asked for by these.
    hosts = ["127.0.0.1", "localhost"] if host in ("127.0.0.1", "localhost") else ["*"]
    try:
        blocks.launch(
            server_name=host,
            server_port=port or _free(host),
            share=False,
            ssr_mode=False,
            mcp_server=mcp,
            app_kwargs={"middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(Guard)]},
            favicon_path=str(resources.files("rag").joinpath("data/icon.svg")),
            theme=_theme(),
            css=_data("page.css"),
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            max_file_size=UPLOAD,
            show_error=True,
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as exc:
        raise SanadError(f"Can't serve on {host}, port {port}: {exc}. Give another one with --port.") from exc
    if mcp and blocks.mcp_error:
        blocks.close()
        raise SanadError(f"{blocks.mcp_error}. Run: pip install 'mcp<2'")
    library.warm()  # not before: what it imports would hold up the page
    if wait:
        print(f"Sanad is at {blocks.local_url} (Ctrl-C ends it)", flush=True)
        blocks.block_thread()
    return blocks


class Guard:
    """ASGI middleware: the page may load and send nothing elsewhere, names no other host, and serves no file."""

    HIDDEN = re.compile("/gradio_api/(file|proxy|stream)[=/]")
    ELSEWHERE = re.compile(rb'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>|https://github\.com/gradio-app/[^"]*')

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self.HIDDEN.match(scope["path"]):
            scope = {**scope, "path": "/404", "raw_path": b"/404"}
        index, start = scope["path"] == "/", dict[str, Any]()

        async def guarded(message: Scope) -> None:
            if message["type"] == "http.response.start":
                start.update(message, headers=[*message["headers"], *HEADERS])
                if not index:
                    await send(start)
            elif index:
                body = self.ELSEWHERE.sub(b"", message["body"])
                headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
                await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
                await send({**message, "body": body})
            else:
                await send(message)

        await self.app(scope, receive, guarded)


def build_app(library: Library) -> gr.Blocks:
    """The page as Gradio blocks; nothing heavy is loaded for it. `launch` adds its look and its guard."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": _folder()}
    import gradio as gr

    page, parts = Page(library), SimpleNamespace()
    with gr.Blocks(title="Sanad", analytics_enabled=False, fill_width=True, delete_cache=(600, 600)) as blocks:
        parts.call = gr.JSON(visible=False)
        _html(HEAD, "head")
        parts.loading = _html("", "loading")
        with gr.Row(elem_id="layout"):
            with gr.Column(elem_id="talk", scale=6, min_width=320):
                _talk(page, parts)
            with gr.Column(elem_id="beside", scale=5, min_width=320):
                _beside(library, parts)
        for endpoint in _api(library):  # before the events, so that these names are theirs
            gr.api(endpoint, concurrency_limit=None)
        blocks.load(page.loading, None, parts.loading, **QUIET)
        _wire(page, parts)
    return blocks


def _talk(page: Page, parts: SimpleNamespace) -> None:
    """The conversation, and below it where a question is written."""
    import gradio as gr

    def translate(call: dict[str, Any]) -> dict[str, str]:  # Gradio marks these, which a method does not allow
        return page.translate(call)

    def export(call: dict[str, Any]) -> dict[str, str]:
        return page.export(call)

    first = page.library.articles[0]
    parts.conversation = gr.HTML(
        html_template=CONVERSATION,
        js_on_load=_data("page.js"),
        apply_default_css=False,
        server_functions=[translate, export],
        elem_id="conversation",
    )
    if first == Article.default():
        _html(render.examples(EXAMPLES, first.hash), "examples")
    with gr.Column(elem_id="composer"):
        _html(EDITING, "edited")
        with gr.Row(elem_id="box"):
            parts.question = gr.Textbox(
                elem_id="question", label="Question", show_label=False, container=False, autofocus=True, lines=1, max_lines=6,
                placeholder="Ask in any language",
            )  # fmt: skip
            parts.ask = gr.Button("Ask", elem_id="ask", variant="primary", scale=0, min_width=80)
            parts.stop = gr.Button("Stop", elem_id="stop", scale=0, min_width=80)
        with gr.Row(elem_id="tools"):
            _settings(page.library, parts)
            for kind in EXPORTS:
                gr.DownloadButton(f"Save .{kind}", elem_id=f"export-{kind}", size="sm", scale=0, min_width=0)
            parts.clear = gr.Button("Clear", elem_id="clear", size="sm", scale=0, min_width=0)


def _settings(library: Library, parts: SimpleNamespace) -> None:
    import gradio as gr

    config = library.config
    languages = [("Automatic: the question's", "auto"), *((f"{name} ({code})", code) for code, name in render.LANGUAGES.items())]
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        parts.language = gr.Dropdown(languages, value="auto", label="Language of the answer", elem_id="language")
        parts.evidence = gr.Slider(1, 5, value=config.evidence, step=1, label="Sentences to cite, at most", elem_id="evidence")
        _html(render.facts({"Model": config.model, "Encoder": config.encoder, "Threads": str(config.threads)}), "machine")


def _beside(library: Library, parts: SimpleNamespace) -> None:
    """The article, and how to show another."""
    import gradio as gr

    first = library.articles[0]
    choices = [(article.title, article.hash) for article in library.articles]
    parts.articles = gr.Dropdown(choices, value=first.hash, label="Article", show_label=False, elem_id="articles")
    parts.about = _html(render.about(first), "about")
    with gr.Accordion("Add an article", open=False, elem_id="add") as parts.add:
        parts.upload = gr.File(file_types=SUFFIXES, label=f"A file: {' '.join(SUFFIXES)}", elem_id="upload", height=120)
        parts.paste = gr.Textbox(label="Or a text", lines=4, max_lines=8, elem_id="paste")
        parts.paste_add = gr.Button("Add the text", elem_id="paste-add", size="sm")
    parts.article = _html(
        render.article(first), "article", "const shown = () => window.sanad?.shown(); watch('value', shown); shown()"
    )


def _wire(page: Page, parts: SimpleNamespace) -> None:
    """The events: what triggers each, what it is given after the call, what it changes."""
    import gradio as gr

    view = [parts.conversation, parts.article, parts.about, parts.articles]

    def on(triggers: list[Any], does: Callable[..., Any], inputs: list[Any], outputs: list[Any], js: str = "call") -> Any:
        named = f"(...values) => sanad.{js}(values)"
        return gr.on(triggers, does, [parts.call, *inputs], outputs, js=named, **QUIET)

    def then(event: Any, does: Callable[..., Any], outputs: Any) -> None:
        event.then(does, parts.call, outputs, js="(...values) => sanad.call(values)", **QUIET)

    restored = parts.conversation.restore(page.restore, parts.call, view, js="(...values) => sanad.call(values)", **QUIET)
    then(restored, page.follow, parts.conversation)
    on(
        [parts.ask.click, parts.question.submit, parts.conversation.submit],
        page.ask,
        [parts.question, parts.language, parts.evidence],
        [parts.conversation, parts.question, *view[1:]],
        js="ask",
    )
    on([parts.stop.click], page.stop, [], [])
    on([parts.clear.click], page.clear, [], [parts.conversation])
    for event in (
        on([parts.articles.input, parts.conversation.select], page.show, [parts.articles], view, js="show"),
        on([parts.upload.upload], page.add_file, [parts.upload], [*view, parts.add, parts.upload, parts.loading]),
        on([parts.paste_add.click], page.add_text, [parts.paste], [*view, parts.add, parts.paste]),
    ):
        then(event, page.loading, parts.loading)


def _html(value: str, name: str, script: str | None = None) -> gr.HTML:
    import gradio as gr

    return gr.HTML(value, elem_id=name, js_on_load=script, apply_default_css=False)


def _api(library: Library) -> list[Callable[..., Any]]:
    """The public endpoints, tools of an MCP server too: about the articles served to everyone."""

    def ask(question: str, article: str = "", language: str = "") -> dict:
        """Answer a question about an article, with the sentences the answer rests on.

        Parameters:
            question: The question, in any language.
            article: The hash of the article, or a beginning of it that no other has; the first article without.
            language: ISO 639-1 code of the answer's language; the question's without.

        Returns:
            The answer: its text with markers [n], whether the article answers, confidence, claims, citations with their
            quotes and character positions, and the sentences retrieved.
        """
        return _answered(lambda: library.chat(library.find(article)).ask(question, language=language or None).to_dict())

    def search(question: str, article: str = "") -> list[dict]:
        """Find the sentences of an article nearest to a question, best first, without writing an answer.

        Parameters:
            question: The question, in any language.
            article: The hash of the article, or a beginning of it that no other has; the first article without.

        Returns:
            Sentences with their text, character positions, score and rank.
        """

        def found() -> list[dict]:
            if not question.strip():
                raise QuestionError("The question is empty. Ask something about the article.")
            chat = library.chat(library.find(article))
            hits = chat.retriever.search(question, library.config.hits)
            return [{**asdict(hit), "text": chat.article.text[hit.start : hit.end]} for hit in hits]

        return _answered(found)

    def articles() -> list[dict]:
        """List the articles that can be asked: title, author, language, hash, number of sentences and of characters."""
        return [
            {
                "title": one.title,
                "author": one.author,
                "language": one.language,
                "hash": one.hash,
                "sentences": len(one.sentences),
                "characters": len(one.text),
            }
            for one in library.articles
        ]

    return [ask, search, articles]


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


def _answered(answer: Callable[[], Any]) -> Any:
    """An error of ours as one that Gradio's clients are told."""
    import gradio as gr

    try:
        return answer()
    except SanadError as exc:
        raise gr.Error(str(exc), print_exception=False) from exc


def _or_error(answer: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return answer()
    except SanadError as exc:
        return {"error": str(exc)}


def _file(library: Library, session: Session, kind: str) -> dict[str, str]:
    from rag import export

    turns = [e for e in session.exchanges if e.state in ("done", "stopped") and e.article.hash == session.article.hash]
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
    return {"name": f"sanad-{session.article.hash[:8]}.{kind}", "type": EXPORTS[kind], "text": write(conversation)}


def _theme() -> Any:
    """Paper, ink and one accent, named in page.css; fonts of the system."""
    import gradio as gr

    fonts = ["system-ui", "Segoe UI", "Noto Sans", "Noto Sans Arabic", "sans-serif"]
    return gr.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"])


def _data(name: str) -> str:
    return resources.files("rag").joinpath("data", name).read_text("utf-8")


@cache
def _folder() -> str:
    """A folder for uploads until they are read, gone when the program ends."""
    folder = tempfile.mkdtemp(prefix="sanad-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _free(host: str) -> int:
    with socket.socket() as taken:
        taken.bind((host, 0))
        return int(taken.getsockname()[1])


def main() -> None:
    """Start the page: the same as `sanad serve`."""
    from rag.__main__ import app

    app(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
