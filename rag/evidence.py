"""Which sentences answer the question, if any: chosen before a word of the answer is written.

The model looks at the retriever's best sentences, numbered, in reading order, and is asked for the number of
the one that answers. One evaluation of the question gives ln P(label) for each of them and for [0], "none of
them". Each sentence's score is

    s_i = ln P(label i) + COSINE · cosine_i

since the two err differently. The best is cited, and so are others within MARGIN of it,
each with the clause it continues. Whether the article
answers at all is a logistic model of four numbers: ln P([0]); the best cosine; how far it stands above the
next five, for an off-article question has no sentence that stands out; and whether question and article share
a language, for cosines across languages are lower.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.article import Article
from rag.datatypes import Hit
from rag.models import ChatModel, Reading
from rag.reader import Reader, label

COSINE = 60.0
MARGIN = 0.7
"""Of a grid of five by four, on 96 questions of XQuAD-R's 24 development articles, English over Arabic."""

BIAS, NONE, BEST, STANDS_OUT, SAME_LANGUAGE = -48.5, -0.917, 59.11, 44.07, -4.069
"""Fitted by logistic regression on 573 questions to the same articles in Arabic: 288 that they answer, 144 of other
articles, 141 whose paragraph was taken out (these at half weight), one third each in English, Arabic and Russian.
Then the bias was raised by 0.27, towards answering. Other languages and other articles were not looked at."""


@dataclass(frozen=True)
class Evidence:
    """What was chosen. `chosen` are sentence indexes, best first; none when the article does not answer.

    `probabilities[i]` is the chance that sentence i holds the answer, given that one of the candidates does.
    `places[i]` is where it stands in the reading.
    """

    chosen: tuple[int, ...]
    confidence: float
    probabilities: dict[int, float]
    reading: Reading
    places: dict[int, int]


def choose_evidence(
    model: ChatModel, reader: Reader, prompt: str, hits: Sequence[Hit], *, same_language: bool, candidates: int, most: int
) -> Evidence:
    """The sentences to cite, at most `most` of the best `candidates` hits; `prompt` asks for the number of one."""
    near = hits[:candidates]
    cosines = {hit.sentence: hit.score for hit in near}
    order = sorted(cosines)
    before = {i: i - 1 for i in order if continues(reader.article, i)}
    reading, places = reader.reading(sorted({*order, *before.values()}))
    none, *said = model.score(
        reading,
        [places[i] for i in order],
        prompt,
        "[",
        ["0]", *(label(i)[1:] for i in order)],
    )
    scores = np.array(said) + COSINE * np.array([cosines[i] for i in order])
    confidence = _confidence(none, [hit.score for hit in near], same_language)
    ranked = sorted(range(len(order)), key=lambda place: -scores[place])[:most]
    chosen = [order[n] for n in ranked if scores[ranked[0]] - scores[n] <= MARGIN]
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    probabilities = {i: float(share) for i, share in zip(order, shares, strict=True)}
    for i in chosen.copy():
        if before.get(i, i) not in chosen:
            chosen.append(before[i])
            probabilities[before[i]] = probabilities[i]
    return Evidence(
        chosen=tuple(chosen) if confidence >= 0.5 else (),
        confidence=confidence,
        probabilities=probabilities,
        reading=reading,
        places=places,
    )


def continues(article: Article, i: int) -> bool:
    """Whether sentence i goes on from the one before it: after a semicolon, a clause is not understood alone.

    >>> article = Article.from_text("The bases lie in allied countries to this very day; which Moscow has refused to change. So.")
    >>> [continues(article, i) for i in range(3)]
    [False, True, False]
    """
    before, here = article.sentences[i - 1], article.sentences[i]
    return i > 0 and before.paragraph == here.paragraph and before.text.endswith((";", "؛"))


def _confidence(none: float, cosines: Sequence[float], same_language: bool) -> float:
    """How sure it is, in 0..1, that the article answers, from ln P([0]) and the hits' cosines, best first."""
    best = cosines[0]
    stands_out = best - float(np.mean(cosines[1:6])) if len(cosines) > 1 else 0.0
    odds = BIAS + NONE * none + BEST * best + STANDS_OUT * stands_out + SAME_LANGUAGE * same_language
    return 1 / (1 + math.exp(-odds))
