"""An article's sentences, read by the chat model: once, and kept.

Reading costs most of a question's time, and does not depend on the question. So the whole article is read
when it is opened, its cells are saved beside the recipe that made them, and every question then looks at
the few sentences it needs (see `rag.models`). An article too long for the model's context is not read as a
whole: each question's sentences are read when it is asked.
"""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import prompts
from embeddings.files import keep, kept
from embeddings.weights import Progress
from rag.article import Article
from rag.errors import ModelError
from rag.models import ChatModel, Reading

DISK = 4_000_000_000
"""Bytes that kept readings may take on disk; a reading of 1,400 tokens takes 40 MB with the default weights."""


class Reader:
    """The sentences of one article as a chat model has read them. Kept under `cache`, or only in memory when that is None."""

    def __init__(self, article: Article, model: ChatModel, *, cache: Path | None = None, progress: Progress | None = None):
        self.article, self._model = article, model
        pieces = [self._line(i) for i in range(len(article.sentences))]
        self._whole: Reading | None = None
        with suppress(ModelError):  # it does not fit; what else fails is told when a question reads
            self._whole = self._kept(prompts.fill("read"), pieces, cache, progress)

    def reading(self, sentences: Sequence[int]) -> tuple[Reading, dict[int, int]]:
        """A reading that holds these sentences, in reading order, and where each of them stands in it."""
        if self._whole:
            return self._whole, {i: i for i in sentences}
        reading = self._model.read(prompts.fill("read"), [self._line(i) for i in sentences])
        return reading, {i: place for place, i in enumerate(sentences)}

    def _line(self, i: int) -> str:
        return f"{self.article.sentences[i].text}\n"

    def _kept(self, instructions: str, pieces: list[str], cache: Path | None, progress: Progress | None) -> Reading:
        article, model = self.article, self._model
        if not cache:
            return model.read(instructions, pieces, progress)
        text = "\0".join([instructions, *pieces])
        recipe = {
            "model": model.fingerprint,
            "llama.cpp": metadata.version("llama-cpp-python"),  # each may lay cells out anew
            "text": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
        }
        path = cache / "readings" / f"{article.hash[:16]}-{model.fingerprint[:8]}.cells"
        if data := kept(path, recipe):
            return Reading.from_bytes(data)
        reading = model.read(instructions, pieces, progress)
        keep(path, reading.to_bytes(), recipe, limit=DISK)
        return reading
