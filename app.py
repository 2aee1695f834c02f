"""The chat page: a conversation, and beside it the sentences it rests on. `python app.py` starts it."""
from __future__ import annotations

import html
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from rag import Answer, Chat, SanadError, Turn

EXAMPLES = [
    "Why did Moscow refuse US base access?",
    "لماذا رفضت موسكو الطلب الأمريكي؟",
    "Сколько выделил Европейский союз?",
    "Combien l'Union européenne a-t-elle alloué ?",
]
RTL = {"ar", "fa", "he"}
STAGES = {"searching": "Searching the article …", "choosing": "Choosing the evidence …", "writing": "Writing …"}
CSS = """
.message, .message *, textarea, .example * { unicode-bidi: plaintext; text-align: start !important }
#evidence blockquote { border: 0; border-inline-start: 3px solid var(--primary-300); line-height: 1.7 }
#evidence blockquote { margin: 0 0 1.2em; padding: 0 .9em }
#evidence mark { background: #ffe9a8; color: #1f1f1f; border-radius: 3px; padding: .1em .15em }
#evidence .weak { border-inline-start: 3px solid #b45309; padding-inline-start: .6em; margin: .4em 0 }
#evidence .where { color: var(--body-text-color-subdued); font-size: .85em; margin: .4em 0 }
footer { display: none !important }
"""


def evidence(chat: Chat, answer: Answer, asked: str = "") -> str:
    """The cited sentences in their paragraphs' direction, marked between their neighbours, as HTML; before them, how a
    follow-up was understood, and a warning where support is weak."""
    sentences = chat.article.sentences
    direction = "rtl" if chat.article.language in RTL else "ltr"
    blocks = []
    for c in answer.citations:
        around = [s for s in sentences[max(0, c.sentence - 1) : c.sentence + 2] if s.paragraph == sentences[c.sentence].paragraph]
        text = " ".join(
            f"<mark>{html.escape(s.text)}</mark>" if s.index == c.sentence else html.escape(s.text) for s in around
        )
        blocks.append(
            f'<p class="where"><b>[{c.number}]</b> characters {c.start}–{c.end} · support {c.support:.2f}</p>'
            f'<blockquote dir="{direction}">{text}</blockquote>'
        )
    notes = []
    if answer.question != asked.strip():
        notes.append(f'<p class="where">Understood as: <bdi>{html.escape(answer.question)}</bdi></p>')
    if any(claim.weak for claim in answer.claims):
        notes.append('<p class="weak">Weakly supported: compare the answer with the sentences below.</p>')
    if answer.text and not blocks:
        notes.append("<p>Nothing in the article answers this; nothing is cited.</p>")
    return "".join(notes + blocks) or "<p>The sentences an answer rests on appear here, each between its neighbours.</p>"


def build_app(chat: Chat) -> Any:
    """The page as Gradio blocks over one Chat."""
    import gradio as gr

    def reply(message: str, history: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        shown = evidence(chat, Answer(""))
        try:
            for answer in chat.stream(message, history=_turns(history)):
                if answer.stage == "done":
                    shown = evidence(chat, answer, message)
                yield answer.text or STAGES[answer.stage], shown
        except SanadError as exc:
            yield str(exc), shown

    with gr.Blocks(title="Sanad", analytics_enabled=False) as page:
        gr.HTML(
            f'<h2>Sanad</h2><p>Questions to <b><bdi>{html.escape(chat.article.title)}</bdi></b>, in any language. '
            "Every answer shows the sentences it rests on.</p>"
        )
        beside = gr.HTML(evidence(chat, Answer("")), elem_id="evidence", render=False)
        with gr.Row():
            with gr.Column(scale=3, min_width=360):
                gr.ChatInterface(
                    reply,
                    chatbot=_plain(gr.Chatbot(render_markdown=False, show_label=False, height="65vh", buttons=["copy"])),
                    textbox=gr.Textbox(placeholder="Ask something", show_label=False, submit_btn=True, stop_btn=True),
                    additional_outputs=[beside],
                    examples=EXAMPLES,
                    cache_examples=False,
                    flagging_mode="never",
                    api_name="ask",
                )
            with gr.Column(scale=2, min_width=320):
                beside.render()
    return page


def launch(chat: Chat, host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until it is interrupted."""
    import gradio as gr

    fonts = ["system-ui", "Segoe UI", "Noto Sans", "Noto Sans Arabic", "sans-serif"]
    theme = gr.themes.Soft(primary_hue="amber", font=fonts, font_mono=["ui-monospace", "monospace"])
    build_app(chat).launch(server_name=host, server_port=port, theme=theme, css=CSS, footer_links=[], show_error=True)


def _plain(chatbot: Any) -> Any:
    """A chatbot that shows what an article or a question holds as it is: no HTML, no image from elsewhere.

    The methods of the object are changed: Gradio takes a subclass for a component that brings its own front end.
    """
    receive, show = chatbot.preprocess, chatbot.postprocess
    chatbot.preprocess = lambda payload: receive(_each_text(payload, html.unescape))
    chatbot.postprocess = lambda value: _each_text(show(value), html.escape)
    return chatbot


def _each_text(messages: Any, change: Callable[[str], str]) -> Any:
    for message in messages.root if messages else ():
        for part in message.content:
            if part.type == "text":
                part.text = change(part.text)
    return messages


def _turns(history: list[dict[str, Any]]) -> list[Turn]:
    """The conversation so far, as pairs of a question and its answer."""
    texts = [(m["role"], _text(m["content"])) for m in history]
    return [Turn(a, b) for (role, a), (other, b) in pairwise(texts) if (role, other) == ("user", "assistant")]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if isinstance(part, dict))


def main() -> None:
    """Start the page: the same as `sanad serve`."""
    from rag.__main__ import app

    app(["serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
