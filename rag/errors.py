"""Every error a user can meet, and what it says: what happened, with which value, what to do next.

    SanadError
    ├── ArticleError         the article can't be read: empty, of an unknown kind, damaged, too large, missing
    ├── EvaluationError      figures can't be made: the file of questions is not as it should be, or nowhere to write
    ├── QuestionError        the question can't be asked: empty, too long, in an unknown language, or too many wait
    ├── ModelError           the chat model can't be loaded or failed while it ran
    └── WeightsError         from embeddings: a weights file is missing, damaged or can't be written
"""
from __future__ import annotations

from embeddings.errors import SanadError, WeightsError

__all__ = ["ArticleError", "EvaluationError", "ModelError", "QuestionError", "SanadError", "WeightsError"]


class ArticleError(SanadError):
    """The article can't be read."""


class EvaluationError(SanadError):
    """The questions to evaluate with can't be read or don't fit the article, or the figures can't be written."""


class QuestionError(SanadError):
    """The question can't be asked."""


class ModelError(SanadError):
    """The chat model can't be loaded, or failed while it ran."""
