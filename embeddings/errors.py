"""Errors of the leaf package; `rag.errors` shows the whole tree."""
from __future__ import annotations


class SanadError(Exception):
    """The root of all errors shown to a user: one sentence of what happened, one of what to do."""


class WeightsError(SanadError):
    """A weights file is missing, damaged, or can't be written."""
