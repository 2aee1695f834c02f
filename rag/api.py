"""The page's public endpoints, tools of an MCP server too: about the articles served to everyone."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rag.chat import checked
from rag.errors import SanadError
from rag.library import Library


def endpoints(library: Library) -> list[Callable[..., Any]]:
    """The functions that are served: ask, search and articles; each is described to clients by its own docstring."""

    def ask(question: str, article: str = "", language: str = "") -> dict:
        """Answer a question about an article, with the sentences the answer rests on.

        Parameters:
            question: The question, in any language.
            article: The hash of the article, or a beginning of it that no other has; the first article without.
            language: ISO 639-1 code of the answer's language; the question's without.

        Returns:
            text with markers [n], answered (whether the article answers), confidence, weak (its wording is likely wrong)
            claims, citations with their quotes and character positions, hits (the sentences retrieved)
        """

        def answer() -> dict:
            asked, found = checked(question), library.find(article)
            with library.turn(found, library.join(found)) as chat:  # no session, so no limit but the queue's
                return chat.ask(asked, language=language or None).to_dict()

        return _answered(answer)

    def search(question: str, article: str = "") -> list[dict]:
        """Find the sentences of an article nearest to a question, best first, without writing an answer.

        Parameters:
            question: The question, in any language.
            article: The hash of the article, or a beginning of it that no other has; the first article without.

        Returns:
            Sentences with their text, character positions, score and rank.
        """

        def found() -> list[dict]:
            chat = library.chat(library.find(article))
            hits = chat.retriever.search(checked(question), library.config.hits)
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


def _answered(answer: Callable[[], Any]) -> Any:
    """An error of ours as one that Gradio's clients are told."""
    import gradio as gr

    try:
        return answer()
    except SanadError as exc:
        raise gr.Error(str(exc), print_exception=False) from exc
