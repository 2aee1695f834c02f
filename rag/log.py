"""What the program tells on stderr: warnings always, debug lines when asked, and of every question served a line of JSON.

The logger is "sanad", for this package and `embeddings` alike; who imports them sets it up as any other.
"""
from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.article import Article
    from rag.datatypes import Answer

log = logging.getLogger("sanad")


def recorded(answer: Answer, article: Article) -> Answer:
    """The answer, when it has been told that a question has its whole answer: `Chat` calls it once for each."""
    log.info("answered", extra={"answer": answer, "article": article})
    return answer


def tell(*, verbose: bool = False, questions: bool = False, text: bool = False) -> None:
    """From now on tell on stderr: warnings, `questions` as lines of JSON, with their text or without; all when `verbose`."""
    handler = _Stderr()
    handler.setFormatter(_Lines(text=text))
    log.handlers = [handler]
    log.propagate = False  # a library that logs to the root logger sets that up: all would be told twice
    log.setLevel(logging.DEBUG if verbose else logging.INFO if questions else logging.WARNING)


def line(answer: Answer, article: Article, *, text: bool = False) -> dict[str, Any]:
    """What is told of a question: an id of its own, when, to which article, how it went; what was said only with `text`."""
    seconds = asdict(answer.timings)
    tokens = {name: seconds.pop(name) for name in ("tokens_in", "tokens_out")}
    said = {"question": answer.question, "answer": answer.text} if text else {}
    return {
        "id": secrets.token_hex(6),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "article": article.hash[:12],
        "answered": answer.answered,
        "confidence": answer.confidence,
        "language": answer.language,
        "citations": len(answer.citations),
        "seconds": seconds,
        **tokens,
        **said,
    }


def one_line(text: str) -> str:
    """A text in one line of signs that show: what a file name or a title holds is no command to a terminal.

    >>> one_line("a \\x1b[31mred\\nname")
    'a [31mred name'
    """
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


class _Lines(logging.Formatter):
    """A record in one line, whatever it holds; a traceback after it, where it has one."""

    def __init__(self, *, text: bool) -> None:
        super().__init__("sanad: %(message)s")
        self._text = text

    def formatMessage(self, record: logging.LogRecord) -> str:
        if answer := getattr(record, "answer", None):
            return json.dumps(line(answer, record.article, text=self._text))  # type: ignore[attr-defined]
        return one_line(super().formatMessage(record))


class _Stderr(logging.Handler):
    """What is stderr when the record comes: progress bars put themselves before it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            print(self.format(record), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)
