"""An article's sentences, ranked by nearness to a question.

Each sentence is looked for at three scales: alone, as the mean of it and its neighbours, and as its whole paragraph.
Their cosines with the question are averaged with weights 1 : ½ : 1. Since that average is linear in the vectors, one
index over the weighted sum of the three holds all of it; since a mean of vectors needs no encoding, only the sentences and
the paragraphs are encoded. Some sentences are near to any question, so how near they are to questions about nothing, in the
question's language, counts against them (as Zhao et al. 2021, "Calibrate Before Use", do with a prompt about nothing).
Where question and article share a language, words in common count as well: BM25 is added.
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import prompts
from embeddings.index import VectorIndex
from rag.article import Article, detect_language
from rag.datatypes import Hit
from rag.lexical import terms

if TYPE_CHECKING:
    from bm25s import BM25

    from embeddings.encoder import Encoder
    from embeddings.weights import Progress

WEIGHTS = {"sentence": 0.4, "neighbours": 0.2, "paragraph": 0.4}
"""Of 15 combinations, on 612 questions in six pairs of languages. R@4 .897, R@8 .966; with every sentence and its neighbours
encoded together instead, at ½ : ¼ : ¼, R@4 .893, R@8 .963 and 2.5 times the tokens to encode."""
BLANK = 0.3
"""How much nearness to questions about nothing counts against a sentence: of 0, ¼, ⅓, ½ and ¾, on the same questions.
R@1 .623 to .629, R@4 .897 to .902; of unanswerable questions from elsewhere, .93 instead of .91 are told by the score."""
LEXICAL = 0.02
"""What BM25 counts beside the cosine, over the root of the question's number of words: of six weights, on 284 questions
each in Arabic and English to articles in their language. R@1 .68 to .72 and .73 to .78; R@8 stays."""
SENTENCES_OF_A_PARAGRAPH = 12
"""A longer paragraph would be cut by the encoder, which reads 512 tokens; it is taken in parts instead."""


class Retriever:
    """Search over one article. Its index is kept under `cache`, or only in memory when that is None."""

    def __init__(self, article: Article, encoder: Encoder, *, cache: Path | None = None, progress: Progress | None = None):
        self.article, self._encoder = article, encoder
        recipe = {"article": article.hash, "encoder": encoder.fingerprint, "scales": str(WEIGHTS)}
        recipe["sentences"] = str([(s.start, s.end, s.paragraph) for s in article.sentences])
        path = cache / "indexes" / f"{article.hash[:16]}-{encoder.fingerprint[:8]}.faiss" if cache else None
        index = VectorIndex.load(path, recipe) if path else None
        if index is None:
            index = VectorIndex.build(self._vectors(progress))
            if path:
                index.save(path, recipe)
        self._index = index
        self._blanks: dict[str, np.ndarray] = {}

    def search(self, question: str, k: int = 8) -> tuple[Hit, ...]:
        """The k nearest sentences, best first; a score is a weighted mean of cosines, less BLANK of the same for questions
        about nothing, with BM25 within one language."""
        language = detect_language(question, self.article.language)
        (query,) = self._encoder.queries([question])
        query = query - BLANK * self._blank(language)
        sentences = self.article.sentences
        cosines, lexical = np.empty(len(sentences)), np.zeros(len(sentences))
        for row, cosine in self._index.search(query, len(sentences)):
            cosines[row] = cosine
        asked = terms(question)
        if asked and language == self.article.language and self._lexical:
            lexical = LEXICAL / len(asked) ** 0.5 * self._lexical.get_scores(asked)
        scores = cosines + lexical
        return tuple(
            Hit(i, sentences[i].start, sentences[i].end, float(scores[i]), rank, float(lexical[i]))
            for rank, i in enumerate(np.argsort(-scores, kind="stable")[:k].tolist())
        )

    def _blank(self, language: str) -> np.ndarray:
        """The mean of what questions about nothing are encoded as; float32, shape (dimension,)."""
        if language not in self._blanks:
            self._blanks[language] = self._encoder.queries(prompts.language(language).blank).mean(0)
        return self._blanks[language]

    @cached_property
    def _lexical(self) -> BM25 | None:
        """BM25 over the sentences' stems (Robertson and Zaragoza 2009); made in milliseconds, not kept. None where no sentence
        has any: "A." has but an article."""
        from bm25s import BM25

        if not any(stems := [terms(s.text) for s in self.article.sentences]):
            return None
        lexical = BM25()
        lexical.index(stems, show_progress=False)
        return lexical

    def _vectors(self, progress: Progress | None) -> np.ndarray:
        texts = [s.text for s in self.article.sentences]
        paragraphs, part_of = list[str](), list[int]()
        for rows in self._parts():
            part_of += [len(paragraphs)] * len(rows)
            paragraphs.append(" ".join(texts[row] for row in rows))
        alone, paragraph = np.split(self._encoder.passages(texts + paragraphs, progress), [len(texts)])
        means = np.array([alone[max(0, i - 1) : i + 2].mean(0) for i in range(len(texts))])
        neighbours = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        scales = {"sentence": alone, "neighbours": neighbours, "paragraph": paragraph[part_of]}
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
