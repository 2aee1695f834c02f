"""The chat page: a conversation, and beside it the article with the sentences it rests on. `python app.py` starts it.

Everything shown is rendered by `rag.render`; `rag/data/page.js` puts it in place and ties answers to the article. A tab
and the server speak through events, each with a call {token, …} that names the tab's session, and are private but for
the three of `rag.api`. Nothing is loaded from elsewhere, and no file is served but the page's own.
"""
from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib import resources, util
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import prompts
from rag import Article, SanadError, render
from rag.api import endpoints
from rag.documents import KINDS
from rag.guard import Access, Guard
from rag.log import one_line
from rag.page import EXPORTS, Page, choices
from rag.sessions import SESSIONS

if TYPE_CHECKING:
    import gradio as gr

    from rag.library import Library

EXAMPLES = [
    "لماذا رفضت موسكو الطلب الأمريكي؟",
    "Why did Moscow refuse US base access?",
    "Combien l'Union européenne a-t-elle alloué ?",
    "Почему Москва отказалась предоставить США базы?",
]
SUFFIXES = [*KINDS]
UPLOAD = "21mb"
THREADS = 4 * SESSIONS
"""Each tab that waits for an article, an answer or a translation holds one; without one left, the page does not open."""
MCP = 'Run: pip install "sanad-rag[mcp]"'
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


def launch(
    library: Library, access: Access | None = None, port: int = 7860, *, mcp: bool = False, wait: bool = True
) -> gr.Blocks:
    """Serve the page while the models are loaded, to those whom `access` admits: without, to this machine alone.

    It ends, and the program with it, when it is interrupted (SIGINT, or SystemExit as the command line makes of SIGTERM);
    without `wait`, comes back with the running page. Port 0 is a free one. With `mcp` the endpoints are tools of a Model
    Context Protocol server as well. Raises SanadError when the port is taken, or the package mcp is missing or another
    one than Gradio works with.
    """
    access = access or Access()
    if mcp and not util.find_spec("mcp"):
        raise SanadError(f"--mcp needs the package mcp, which is not installed. {MCP}")
    blocks, warming = build_app(library), Event()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    def health() -> dict[str, Any]:
        step = library.opening(library.articles[0])
        if isinstance(step, BaseException):
            return {"status": "failed"}
        return {"status": "loading", "step": step and step[0]} if step or not warming.is_set() else {"status": "ok"}

    # A web page elsewhere could have its own name lead here; this machine is asked for by these.
    address = f"[{access.host}]" if ":" in access.host else access.host
    hosts = ["127.0.0.1", "localhost", address] if access.local else ["*"]
    secret = secrets.token_urlsafe() if access.logins and mcp else ""
    if secret:
        access = replace(access, logins=(*access.logins, sha256(f"mcp:{secret}".encode()).digest()))
    guard = Middleware(Guard, access=access, health=health, uploads=Path(_folder()))
    try:
        blocks.launch(
            server_name=address,
            server_port=_port(access.host, port),
            share=False,
            ssr_mode=False,
            num_workers=0,  # whatever the environment says: other processes would not have the guard
            mcp_server=mcp,
            app_kwargs={"middleware": [guard, Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]},
            favicon_path=str(resources.files("rag").joinpath("data/icon.svg")),
            theme=_theme(),
            css=_data("page.css"),
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            max_file_size=UPLOAD,
            max_threads=THREADS,
            show_error=False,  # but for what is raised for users to read
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as exc:
        cause = exc.strerror or "it is taken"  # by a server to this machine; Gradio says what to do in terms of its own
        raise SanadError(f"Can't serve on {access.host}, port {port}: {cause}. Give another --port or --host.") from exc
    if blocks.mcp_error:
        blocks.close()
        raise SanadError(f"{blocks.mcp_error}. {MCP}")
    if server := blocks.mcp_server_obj:
        server.postprocess_output_data = _told  # type: ignore[method-assign]
        if secret:  # it asks the page, as one of its users
            server._local_url = str(blocks.local_url).replace("//", f"//mcp:{secret}@", 1)
    library.warm()  # not before: what it imports would hold up the page
    warming.set()
    if wait:
        titles = ", ".join(article.title for article in library.articles)
        print(one_line(f"Sanad is at {blocks.local_url} for {access} (Ctrl-C ends it): {titles}"), flush=True)
        _serve(blocks)
    return blocks


def _serve(blocks: gr.Blocks) -> NoReturn:
    """Serve until interrupted, then end: the port is free, the uploads are gone, the exit code is 0."""
    with suppress(KeyboardInterrupt, SystemExit):
        while blocks.is_running:
            time.sleep(0.2)
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)
    blocks.close(verbose=False)
    shutil.rmtree(_folder(), ignore_errors=True)
    sys.stdout.flush()
    # Not by the interpreter's own end: torch aborts when a thread of it, with an answer or a model on the way, outlives that.
    os._exit(0)


def build_app(library: Library) -> gr.Blocks:
    """The page as Gradio blocks; nothing heavy is loaded for it. `launch` adds its look and its guard."""
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": _folder()}
    import gradio as gr
    from gradio import processing_utils

    # Gradio would fetch what an address in place of an uploaded file names.
    processing_utils.async_ssrf_protected_download = _refused
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
        for endpoint in endpoints(library):  # before the events, so that these names are theirs
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
        with gr.Row(elem_id="box"):
            _html(EDITING, "edited")
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
    languages = [(f"{language.own} ({code})", code) for code, language in prompts.languages().items()]
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        parts.language = gr.Dropdown(
            [("Automatic: the question's", "auto"), *languages], value="auto", label="Language of the answer", elem_id="language"
        )
        parts.evidence = gr.Slider(
            1, config.candidates, value=config.evidence, step=1, label="Sentences to cite, at most", elem_id="evidence"
        )
        _html(render.facts({"Model": config.model, "Encoder": config.encoder, "Threads": str(config.threads)}), "machine")


def _beside(library: Library, parts: SimpleNamespace) -> None:
    """The article, and how to show another."""
    import gradio as gr

    first = library.articles[0]
    listed = choices(library.articles)
    parts.articles = gr.Dropdown(listed, value=first.hash, label="Article", show_label=False, elem_id="articles")
    parts.about = _html(render.about(first), "about")
    with gr.Accordion("Add an article", open=False, elem_id="add") as parts.add:
        parts.upload = gr.File(file_types=SUFFIXES, label="A file: .txt .md .html .pdf .docx", elem_id="upload", height=120)
        parts.paste = gr.Textbox(label="Or a text", lines=4, max_lines=8, elem_id="paste")
        parts.paste_add = gr.Button("Add the text", elem_id="paste-add", size="sm")
    parts.article = _html(
        render.article(first), "article", "const shown = () => window.sanad?.shown(); watch('value', shown); shown()"
    )


def _wire(page: Page, parts: SimpleNamespace) -> None:
    """The events: what triggers each, what it is given after the call, what it changes."""
    import gradio as gr

    view = [parts.conversation, parts.article, parts.about, parts.articles]

    def on(
        triggers: list[Any], does: Callable[..., Any], inputs: list[Any], outputs: list[Any], js: str = "call", **more: Any
    ) -> Any:
        named = f"(...values) => sanad.{js}(values)"
        return gr.on(triggers, does, [parts.call, *inputs], outputs, js=named, **QUIET, **more)

    def then(event: Any, does: Callable[..., Any], outputs: Any) -> None:
        event.success(does, parts.call, outputs, js="(...values) => sanad.call(values)", **QUIET)

    restored = parts.conversation.restore(page.restore, parts.call, view, js="(...values) => sanad.call(values)", **QUIET)
    then(restored, page.follow, parts.conversation)
    on(
        [parts.ask.click, parts.question.submit, parts.conversation.submit],
        page.ask,
        [parts.question, parts.language, parts.evidence],
        [parts.conversation, parts.question, *view[1:]],
        js="ask",
        trigger_mode="multiple",  # also while another is answered: it is refused, not kept for the next one
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


def _told(data: list[Any], root_url: str) -> list[Any]:
    """What a tool of the MCP server came to, as JSON; Gradio would write it as Python does, True and None and all."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in data]


async def _refused(url: str, cache_dir: str) -> str:
    raise SanadError("A file is uploaded, not named by an address.")


def _port(host: str, port: int) -> int:
    """The port, a free one for 0. Raises OSError, which says why, when it can't be had: Gradio would call it taken."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        if os.name == "posix":  # elsewhere it would let two have one port
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # which a server that has just ended held
        tried.bind((host, port))
        return int(tried.getsockname()[1])


def main() -> None:
    """Start the page: the same as `sanad serve`."""
    from rag.__main__ import app

    app(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
