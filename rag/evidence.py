"""Which sentences answer the question, if any: chosen before a word of the answer is written.

The model looks at each of the retriever's best sentences alone, all in one evaluation, and says two things of it: how
much likelier the sentence makes the question (Sachan et al. 2022, "Improving Passage Retrieval with Zero-Shot Question
Generation"), and how much likelier that it is answered, both against no sentence at all. With the retriever's cosine
these are three looks at the same sentence that err differently; its score is their weighted sum. The best sentence is
cited, and so are others not far below it, each with what it is not understood without. Whether the article answers at all is a
logistic model of what the best sentences look like: see `rag.calibration` for the weights and where they come from.
"""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np

import prompts
from rag.calibration import Calibration
from rag.context import beside, heads
from rag.datatypes import Hit
from rag.decoding import letters
from rag.lexical import typed
from rag.models import ChatModel, Reading
from rag.reader import Reader

HITS = 8
"""The choice is made of so many hits, at least, however many are listed: a calibration is fitted to what they look like."""
YES_NO = ("yes", "Yes", "no", "No")
GAIN = (-1.0, 3.0)
"""What a token of the question can count for, in nats: one rare name alone does not carry a sentence."""

ENGLISH = 0.25
"""Tokens for each column of a question in English (see `tokens_each`), of which the default model takes fewest."""


@dataclass(frozen=True)
class Look:
    """What is seen of one sentence: `cosine` with the question; `gain`, by how many nats it makes the question likelier, for
    each of its characters (see `width`), as languages differ in how many tokens they take; `yes`, by how many nats it raises
    the log-odds of "answered": some questions look answered unseen."""

    sentence: int
    cosine: float
    gain: float
    yes: float


@dataclass(frozen=True)
class Evidence:
    """What was chosen. `chosen` are sentence indexes, best first, each with its support: the probability, calibrated, that
    it holds the answer; none when the article does not answer.

    `places[i]` is where sentence i stands in the reading. `looks` and `features` are what the choice was made from; `tokens`
    tells how well the model knows the question's language, see `tokens_each`.
    """

    chosen: Mapping[int, float]
    confidence: float
    reading: Reading
    places: Mapping[int, int]
    looks: tuple[Look, ...]
    features: Mapping[str, float]
    tokens: float = 0.0


def choose_evidence(
    model: ChatModel,
    reader: Reader,
    question: str,
    hits: Sequence[Hit],
    calibration: Calibration,
    *,
    same_language: bool,
    candidates: int,
    most: int,
) -> Evidence:
    """The sentences to cite: at most `most` of the best `candidates` hits, and what those are not understood without; of the
    article as a whole, those that it begins with."""
    if whole := of_whole(question):
        hits = [Hit(s.index, s.start, s.end, 0.0, s.index) for s in reader.article.sentences[:most]]
    hits = hits[: max(candidates, HITS)]
    near = [hit for hit in hits if not heads(reader.article, hit.sentence)][:candidates] or hits[:candidates]
    needs = {hit.sentence: beside(reader.article, hit.sentence) for hit in near}
    reading, places = reader.reading(sorted({*needs, *chain.from_iterable(needs.values())}))
    views = [[places[i] for i in {hit.sentence, *needs[hit.sentence]}] for hit in near]
    looks = look(model, reading, views, question, near)
    features = described(looks, hits, same_language)
    confidence = 1.0 if whole else 0.0 if of_byline(question) else calibration.answers(features)
    support: dict[int, float] = {}
    if confidence >= calibration.threshold:
        for i in range(len(looks)) if whole else calibration.best(looks, most):
            support[looks[i].sentence] = calibration.support(calibration.supported(looks, i, confidence))
    chosen = dict(support)
    for i in support:
        for other in needs[i]:
            chosen.setdefault(other, support[i])
    return Evidence(
        chosen=chosen,
        confidence=confidence,
        reading=reading,
        places=places,
        looks=looks,
        features=features,
        tokens=tokens_each(model, question),
    )


def look(
    model: ChatModel, reading: Reading, views: Sequence[Sequence[int]], question: str, hits: Sequence[Hit]
) -> tuple[Look, ...]:
    """A look at each hit, of which the model sees one view of the reading."""
    before, after = prompts.around("judge", "question")
    words, replies = model.weigh(reading, [[], *views], before, question, after, YES_NO)
    gains = np.clip(words[1:] - words[0], *GAIN).sum(1) / width(question)
    odds = np.logaddexp.reduce(replies[:, :2], 1) - np.logaddexp.reduce(replies[:, 2:], 1)
    return tuple(
        Look(hit.sentence, hit.score - hit.lexical, float(gain), float(yes))
        for hit, gain, yes in zip(hits, gains, odds[1:] - odds[0], strict=True)
    )


def of_byline(question: str) -> bool:
    """Whether a question is for what the byline says: who wrote the article, or when. Any sentence would be a wrong answer.

    >>> [of_byline(asked) for asked in ("Who wrote this article?", "من كتب المقال", "Who wrote the treaty?")]
    [True, True, False]
    >>> [of_byline(asked) for asked in ("Quien escribio este articulo", "مَنْ كتب المقالة؟", "MAKALEYİ KİM YAZDI?")]
    [True, True, True]
    """
    return _is(question, "byline")


def of_whole(question: str) -> bool:
    """Whether a question is about the article as a whole: no sentence says so, but the first ones tell.

    >>> [of_whole(asked) for asked in ("What is this article about?", "Summarize.", "О чём статья", "What is the law about?")]
    [True, True, True, False]
    """
    return _is(question, "whole")


def _is(question: str, kind: str) -> bool:
    """Whether a question is worded as one of a kind that the languages have."""
    said = letters(typed(question))
    return any(len(said) in _ends(said, parts) for parts in _wordings(kind))


def _ends(said: str, parts: Sequence[Sequence[str]]) -> set[int]:
    """Where a text may be after one choice of each part in turn: of a pattern of all of them the compilation would take longer.

    >>> _ends("whowrotethis", [["who"], ["wrote", "wrotet"], ["this", "his", ""]]), _ends("whowrotethis", [["when"]])
    ({8, 9, 12}, set())
    """
    at = {0}
    for choices in parts:
        at = {i + len(choice) for i in at for choice in choices if said.startswith(choice, i)}
    return at


@cache
def _wordings(kind: str) -> list[list[list[str]]]:
    """The letters of each question of a kind that the languages have, in parts with choices."""
    worded = (one for language in prompts.languages().values() for one in getattr(language, kind))
    return [[[letters(typed(choice)) for choice in part.split("|")] for part in re.split("[{}]", one)] for one in worded]


def tokens_each(model: ChatModel, question: str) -> float:
    """Tokens for each column of a question's width. A vocabulary is made from what a model is to read: the less of a language
    there was, the more tokens it takes (Petrov et al. 2023, "Language Model Tokenizers Introduce Unfairness Between Languages").
    """
    return model.count(question) / width(question)


def width(text: str) -> int:
    """The number of characters but spaces, those of Chinese, Japanese and Korean twice: one says as much as two letters.

    >>> width("Who came?"), width("谁来了？")
    (8, 8)
    """
    return sum(2 if unicodedata.east_asian_width(c) in ("W", "F") else 1 for c in text if not c.isspace())


def described(looks: Sequence[Look], hits: Sequence[Hit], same_language: bool) -> dict[str, float]:
    """What tells an article that answers from one that does not, of all looks and all hits.

    How near the best sentence is; how far it stands out among the next five, since a question about something else
    has no sentence that does; the most words in common; the most that any sentence makes of the question and of the answer;
    and whether question and article share a language, for then all of these are higher.
    """
    nearest, *rest = sorted((hit.score - hit.lexical for hit in hits), reverse=True)[:6]
    return {
        "cosine": nearest,
        "stands_out": nearest - sum(rest) / len(rest) if rest else 0.0,
        "lexical": max(hit.lexical for hit in hits),
        "gain": max(one.gain for one in looks),
        "yes": max(one.yes for one in looks),
        "same_language": float(same_language),
    }
