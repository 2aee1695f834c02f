"""Sanad: questions to an article, answered with the sentences the answers rest on."""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag.article import Article
    from rag.chat import Chat, ask
    from rag.config import Config
    from rag.datatypes import Answer, Citation, Claim, Hit, Omission, Sentence, Timings, Turn
    from rag.errors import ArticleError, EvaluationError, ModelError, QuestionError, SanadError, WeightsError

_HOMES = {
    "rag.article": ("Article",),
    "rag.chat": ("Chat", "ask"),
    "rag.config": ("Config",),
    "rag.datatypes": ("Answer", "Citation", "Claim", "Hit", "Omission", "Sentence", "Timings", "Turn"),
    "rag.errors": ("ArticleError", "EvaluationError", "ModelError", "QuestionError", "SanadError", "WeightsError"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [
    "Answer", "Article", "ArticleError", "Chat", "Citation", "Claim", "Config", "EvaluationError", "Hit", "ModelError",
    "Omission", "QuestionError", "SanadError", "Sentence", "Timings", "Turn", "WeightsError", "ask",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # numpy and its like load when they are first needed: `import rag` stays instant.
    if name not in _HOME:
        raise AttributeError(f"module 'rag' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
