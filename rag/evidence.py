"""Which sentences answer the question, if any: chosen before a word of the answer is written.

The retriever's best sentences are read by the model, numbered in reading order. One evaluation of the
question after them gives ln P(label) for each sentence and for [0], "none of them". Each sentence's score is

    s_i = ln P(label i) + COSINE · cosine_i

since the two err differently. The best is cited, and so are others within MARGIN of it. Whether the article
answers at all is a logistic model of  ln Σ P(label i) / P([0])  +  CALM · (2 · top cosine − mean of the next
five): an off-article question has no sentence that stands out, and the model says none.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag.datatypes import Hit
from rag.models import ChatModel, Reading
from rag.reader import Reader, label

COSINE = 80.0
MARGIN = 0.7
CALM = 40.0
THRESHOLD, SLOPE = 32.7, 1.6
"""Set by hand on 40 questions of ten development articles of XQuAD-R, English over Arabic: 32.7 lies just under
the lowest of the 20 answerable ones, so no error rate can be read off them. COSINE and MARGIN were picked after a
5 x 5 grid on the same 20. SLOPE is a guess. Nothing here was checked on other questions or languages."""


@dataclass(frozen=True)
class Evidence:
    """What was chosen. `chosen` are sentence indexes, best first; none when the article does not answer.

    `read` are those to write from: the chosen ones first, then the next best. `probabilities[i]` is the chance
    that sentence i holds the answer, given that one of the candidates does. `places[i]` is where it stands in
    the reading.
    """

    chosen: tuple[int, ...]
    read: tuple[int, ...]
    confidence: float
    probabilities: dict[int, float]
    reading: Reading
    places: dict[int, int]


def choose_evidence(
    model: ChatModel, reader: Reader, prompt: str, hits: Sequence[Hit], *, candidates: int, most: int
) -> Evidence:
    """The sentences to cite, at most `most` of the best `candidates` hits; `prompt` asks for the number of one."""
    near = hits[:candidates]
    cosines = {hit.sentence: hit.score for hit in near}
    reading, places = reader.reading(list(cosines))
    order = sorted(cosines)
    none, *said = model.score(
        reading,
        [places[i] for i in order],
        prompt,
        "[",
        ["0]", *(label(i)[1:] for i in order)],
    )
    scores = np.array(said) + COSINE * np.array([cosines[i] for i in order])
    confidence = _confidence(float(np.logaddexp.reduce(said) - none), [hit.score for hit in near])
    ranked = sorted(range(len(order)), key=lambda place: -scores[place])[:most]
    chosen = [order[n] for n in ranked if scores[ranked[0]] - scores[n] <= MARGIN]
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    return Evidence(
        chosen=tuple(chosen) if confidence >= 0.5 else (),
        read=tuple(order[n] for n in ranked),
        confidence=confidence,
        probabilities={i: float(share) for i, share in zip(order, shares, strict=True)},
        reading=reading,
        places=places,
    )


def _confidence(log_odds: float, cosines: Sequence[float]) -> float:
    """How sure it is, in 0..1, that the article answers, from the model's log-odds and the cosines, best first."""
    margin = cosines[0] - float(np.mean(cosines[1:6])) if len(cosines) > 1 else 0.0
    stand = log_odds + CALM * (cosines[0] + margin)
    return 1 / (1 + math.exp(-SLOPE * (stand - THRESHOLD)))
