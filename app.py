"""The chat page: a conversation, and beside it the sentences it rests on. `python app.py` starts it."""
from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from rag import Answer, Chat, Config, SanadError, Turn

EXAMPLES = [
    "Why did Moscow refuse US base access?",
    "لماذا رفضت موسكو الطلب الأمريكي؟",
    "Сколько выделил Европейский союз?",
    "Combien l'Union européenne a-t-elle alloué ?",
]
RTL = {"ar", "fa", "he"}


def evidence(chat: Chat, answer: Answer) -> str:
    """The cited sentences in their paragraphs' direction, marked between their neighbours, as HTML."""
    sentences = chat.article.sentences
    direction = "rtl" if chat.article.language in RTL else "ltr"
    blocks = []
    for c in answer.citations:
        around = sentences[max(0, c.sentence - 1) : c.sentence + 2]
        text = " ".join(
            f"<mark>{html.escape(s.text)}</mark>" if s.index == c.sentence else html.escape(s.text) for s in around
        )
        blocks.append(
            f'<p><b>[{c.number}]</b> <small>characters {c.start}–{c.end}, support {c.support:.2f}</small></p>'
            f'<blockquote dir="{direction}">{text}</blockquote>'
        )
    return "".join(blocks) or "<p>The sentences an answer rests on appear here.</p>"


def build_app(chat: Chat) -> Any:
    """The page as Gradio blocks over one Chat."""
    import gradio as gr

    def reply(message: str, history: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        try:
            for answer in chat.stream(message, history=_turns(history)):
                yield html.escape(answer.text) or f"… {answer.stage}", evidence(chat, answer)
        except SanadError as exc:
            yield html.escape(str(exc)), ""

    with gr.Blocks(title="Sanad", analytics_enabled=False) as page:
        gr.Markdown(f"# Sanad\n{chat.article.title}")
        with gr.Row():
            beside = gr.HTML(evidence(chat, Answer("")), render=False)
            with gr.Column(scale=3):
                gr.ChatInterface(reply, additional_outputs=[beside], examples=EXAMPLES, cache_examples=False)
            with gr.Column(scale=2):
                beside.render()
    return page


def _turns(history: list[dict[str, Any]]) -> list[Turn]:
    """The conversation so far, as pairs of a question and its answer."""
    texts = [(m["role"], _text(m["content"])) for m in history]
    return [Turn(a, b) for (role, a), (other, b) in pairwise(texts) if (role, other) == ("user", "assistant")]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if isinstance(part, dict))


def main(host: str = "127.0.0.1", port: int = 7860) -> None:
    """Load the models and start the page."""
    chat = Chat.open(config=Config.from_environment())
    build_app(chat).launch(server_name=host, server_port=port)


if __name__ == "__main__":
    main()
