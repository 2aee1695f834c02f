"""An article's sentences, ranked by nearness to a question.

Each sentence is encoded at three scales: alone, with its neighbours, and as its whole paragraph. Their
cosines with the question are averaged with weights 1 : ½ : ½. Since that average is linear in the
vectors, one index over the weighted sum of the three holds all of it.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings.index import VectorIndex
from rag.article import Article
from rag.datatypes import Hit

if TYPE_CHECKING:
    from embeddings.encoder import Encoder
    from embeddings.weights import Progress

WEIGHTS = {"sentence": 0.5, "window": 0.25, "paragraph": 0.25}
SENTENCES_OF_A_PARAGRAPH = 12
"""A longer paragraph would be cut by the encoder, which reads 512 tokens; it is taken in parts instead."""


class Retriever:
    """Search over one article. Its index is kept under `cache`, or only in memory when that is None."""

    def __init__(self, article: Article, encoder: Encoder, *, cache: Path | None = None, progress: Progress | None = None):
        self.article, self._encoder = article, encoder
        recipe = {"article": article.hash, "encoder": encoder.fingerprint, "scales": str(WEIGHTS)}
        recipe["sentences"] = str([(s.start, s.end) for s in article.sentences])
        path = cache / "indexes" / f"{article.hash[:16]}-{encoder.fingerprint[:8]}.faiss" if cache else None
        index = VectorIndex.load(path, recipe) if path else None
        if index is None:
            index = VectorIndex.build(self._vectors(progress))
            if path:
                index.save(path, recipe)
        self._index = index

    def search(self, question: str, k: int = 8) -> tuple[Hit, ...]:
        """The k nearest sentences, best first; a score is a weighted mean of cosines, in -1..1."""
        (query,) = self._encoder.queries([question])
        sentences = self.article.sentences
        return tuple(
            Hit(row, sentences[row].start, sentences[row].end, score, rank)
            for rank, (row, score) in enumerate(self._index.search(query, k))
        )

    def _vectors(self, progress: Progress | None) -> np.ndarray:
        texts = [s.text for s in self.article.sentences]
        windows = [" ".join(texts[max(0, i - 1) : i + 2]) for i in range(len(texts))]
        paragraphs, part_of = [], []
        for rows in self._parts():
            part_of += [len(paragraphs)] * len(rows)
            paragraphs.append(" ".join(texts[row] for row in rows))
        vectors = self._encoder.passages(texts + windows + paragraphs, progress)
        alone, window, paragraph = np.split(vectors, [len(texts), 2 * len(texts)])
        scales = {"sentence": alone, "window": window, "paragraph": paragraph[part_of]}
        return np.sum([WEIGHTS[name] * scale for name, scale in scales.items()], axis=0)

    def _parts(self) -> Iterator[list[int]]:
        """Rows of sentences by paragraph, long paragraphs in parts."""
        rows: list[int] = []
        for sentence in self.article.sentences:
            first = self.article.sentences[rows[0]] if rows else sentence
            if sentence.paragraph != first.paragraph or len(rows) == SENTENCES_OF_A_PARAGRAPH:
                yield rows
                rows = []
            rows.append(sentence.index)
        if rows:
            yield rows
