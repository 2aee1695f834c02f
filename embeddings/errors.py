"""Errors of the leaf package; `rag.errors` shows the whole tree."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SanadError(Exception):
    """The root of all errors shown to a user: one sentence of what happened, one of what to do."""


class WeightsError(SanadError):
    """A weights file is missing, damaged, or can't be written."""


@contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """Turn a lack of memory into a SanadError that says what it was for.

    >>> with enough_memory("a very long article"):
    ...     bytes(1 << 62)
    Traceback (most recent call last):
    embeddings.errors.SanadError: There is not enough memory for a very long article. Close other programs and try again.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as exc:
        if isinstance(exc, RuntimeError) and "memory" not in str(exc):  # torch has no error of its own for it
            raise
        raise SanadError(f"There is not enough memory for {what}. Close other programs and try again.") from exc
