"""How good the answers are: questions with known answers, asked one by one, and the figures of what came back.

    cases (what is asked, and what is right) → rows (what came back, judged) → figures

A sentence is right when it is one of the case's gold spans, or nearly: intersection over union of characters of at
least 0.5. To a question that the article does not answer the right reply is to say so: whatever it cites is wrong.
"""
from __future__ import annotations

import statistics
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

import prompts
from rag.article import Article
from rag.cases import UNANSWERABLE, Case, Span
from rag.citations import MARKER
from rag.datatypes import Answer
from rag.lexical import words

if TYPE_CHECKING:
    from embeddings.weights import Progress
    from rag.chat import Chat

BINS = 10


@dataclass(frozen=True)
class Cited:
    """A citation, and whether it is right."""

    sentence: int
    start: int
    end: int
    quote: str
    support: float
    right: bool


@dataclass(frozen=True)
class Said:
    """A claim and its support; right when one of its citations is, and it has half of the words of the right answer."""

    text: str
    support: float
    right: bool


@dataclass(frozen=True)
class Row:
    """What came back for one case, judged. `rank` is that of the first right hit, from 0; times are in seconds."""

    id: str
    kind: str
    language: str
    question: str
    gold_answer: str
    gold: tuple[Span, ...]
    answered: bool
    text: str
    confidence: float
    hits: tuple[int, ...]
    rank: int | None
    citations: tuple[Cited, ...]
    claims: tuple[Said, ...]
    f1: float
    recall: float
    right_language: bool
    invalid: int
    first_word: float
    total: float

    @property
    def answerable(self) -> bool:
        return self.kind not in UNANSWERABLE

    @property
    def right(self) -> bool:
        """Whether it was answered from a right sentence."""
        return self.answered and any(c.right for c in self.citations)


def evaluate(cases: Sequence[Case], chat_for: Callable[[Article], Chat], progress: Progress | None = None) -> Iterator[Row]:
    """The row of each case, in order."""
    for case, chat in opened(cases, chat_for, progress):
        began, first, answer = time.perf_counter(), None, Answer(case.question)
        for answer in chat.stream(case.question):
            if first is None and answer.text:
                first = time.perf_counter() - began
        total = time.perf_counter() - began
        yield judge(case, answer, total if first is None else first, total)


def opened(
    cases: Sequence[Case], chat_for: Callable[[Article], Chat], progress: Progress | None = None
) -> Iterator[tuple[Case, Chat]]:
    """Each case with the Chat to ask, which is opened when a case has another article than the one before."""
    chat: Chat | None = None
    for done, case in enumerate(cases):
        if chat is None or chat.article is not case.article:
            chat = chat_for(case.article)
        yield case, chat
        if progress:
            progress("questions", done + 1, len(cases))


def judge(case: Case, answer: Answer, first_word: float, total: float) -> Row:
    """The row of an answer: what of it is right."""
    right = {c.number: is_gold((c.start, c.end), case.gold) for c in answer.citations}
    said = MARKER.sub(" ", answer.text)
    f1, recall = overlap(said, case.answer) if answer.answered else (0.0, 0.0)
    return Row(
        id=case.id,
        kind=case.kind,
        language=case.language,
        question=case.question,
        gold_answer=case.answer,
        gold=case.gold,
        answered=answer.answered,
        text=answer.text,
        confidence=answer.confidence,
        hits=tuple(hit.sentence for hit in answer.hits),
        rank=next((n for n, hit in enumerate(answer.hits) if is_gold((hit.start, hit.end), case.gold)), None),
        citations=tuple(Cited(c.sentence, c.start, c.end, c.quote, c.support, right[c.number]) for c in answer.citations),
        claims=tuple(Said(c.text, c.support, recall >= 0.5 and any(right[n] for n in c.citations)) for c in answer.claims),
        f1=f1,
        recall=recall,
        right_language=in_language(said, case.language),
        invalid=sum(case.article.text[c.start : c.end] != c.quote for c in answer.citations),
        first_word=first_word,
        total=total,
    )


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of some rows; None where there is nothing to count.

    n, asked                 answerable questions, and all of them
    retrieval R@k            share of answerable questions with a right sentence among the first k hits
    citation recall          share of them that cite a right sentence; 0 when not answered
    citation precision       mean share of right citations of the answered ones
    answer F1, recall        overlap of words with the right answer; 0 when not answered
    right language           share of answers written mostly in the letters of the question's language
    false abstention         share of answerable questions not answered
    abstention               share of unanswerable questions not answered, all of them and by kind
    invalid                  citations whose quote is not that span of the article
    ttft, total              seconds to the first word and to the last, median and 95th percentile
    """
    asked = [r for r in rows if r.answerable]
    answered = [r for r in asked if r.answered]
    recall = mean(r.right for r in asked)
    precision = mean(sum(c.right for c in r.citations) / max(1, len(r.citations)) for r in answered)
    kinds = [kind for kind in UNANSWERABLE if kind in ("far", "near") or any(r.kind == kind for r in rows)]
    return {
        "n": len(asked),
        "asked": len(rows),
        **{f"retrieval R@{k}": mean(r.rank is not None and r.rank < k for r in asked) for k in (1, 5, 8)},
        "citation recall": recall,
        "citation precision": precision,
        "citation F1": None if recall is None else harmonic(recall, precision or 0.0),
        "answer F1": mean(r.f1 for r in asked),
        "answer recall": mean(r.recall for r in asked),
        "right language": mean(r.right_language for r in answered),
        "false abstention": mean(not r.answered for r in asked),
        "abstention": mean(not r.answered for r in rows if not r.answerable),
        **{f"abstention {kind}": mean(not r.answered for r in rows if r.kind == kind) for kind in kinds},
        "invalid": sum(r.invalid for r in rows),
        **{f"ttft p{p}": percentile([r.first_word for r in rows], p) for p in (50, 95)},
        **{f"total p{p}": percentile([r.total for r in rows], p) for p in (50, 95)},
        "answer words": statistics.median(len(words(r.text)) for r in answered) if answered else None,
    }


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """All figures of a run: over all rows, by kind and by language, how far scores are probabilities, risk by coverage."""

    def groups(of: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
        names = dict.fromkeys(map(of, rows))
        found = {name: figures([r for r in rows if of(r) == name]) for name in names}
        return {name: {k: v for k, v in group.items() if v is not None} for name, group in found.items()}

    return {
        "figures": figures(rows),
        "kinds": groups(lambda r: r.kind),
        "languages": groups(lambda r: r.language),
        "support": calibration([(claim.support, claim.right) for r in rows for claim in r.claims]),
        "confidence": calibration([(r.confidence, r.answerable) for r in rows]),
        "curve": risk_coverage(rows),
    }


def calibration(pairs: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """How far scores are probabilities: of what is scored 0.8, four in five should be right.

    `bins` of equal width, empty ones left out; `ece` is the expected calibration error: the mean over all pairs
    of |mean score − share right| of their bin (Naeini et al. 2015; Guo et al. 2017).

    >>> calibration([(0.9, True), (0.9, False), (0.3, False)])["ece"]
    0.3667
    """
    groups: dict[int, list[tuple[float, bool]]] = {}
    for score, right in pairs:
        groups.setdefault(min(int(score * BINS), BINS - 1), []).append((score, right))
    bins, off = [], 0.0
    for place, group in sorted(groups.items()):
        score, share = (statistics.fmean(values) for values in zip(*group, strict=True))
        off += len(group) * abs(score - share)
        edges = {"from": place / BINS, "to": (place + 1) / BINS}
        bins.append({**edges, "n": len(group), "mean": round(score, 4), "right": round(share, 4)})
    return {"n": len(pairs), "ece": round(off / len(pairs), 4) if pairs else None, "bins": bins}


def risk_coverage(rows: Sequence[Row]) -> dict[str, Any]:
    """What share of answers would be wrong if only the surest were given, for every share given.

    Rows are sorted by confidence, the highest first; point k is (k / n, share of the first k that are wrong);
    of equally sure ones each counts as their share that is wrong, so that their order does not matter.
    Wrong is what cites no right sentence, hence every answer to an unanswerable question. What was not answered cites
    nothing and counts as wrong: beyond the operating point, the share answered in fact, the curve is an upper bound.
    `aurc` is the mean risk over all points (Geifman and El-Yaniv 2018).
    """
    surest = sorted(rows, key=lambda r: -r.confidence)
    tied = {sure: statistics.fmean(not r.right for r in group) for sure, group in groupby(surest, lambda r: r.confidence)}
    risks = [wrong / k for k, wrong in enumerate(accumulate(tied[r.confidence] for r in surest), 1)]
    answered = [r for r in rows if r.answered]
    return {
        "aurc": round(statistics.fmean(risks), 4) if risks else None,
        "operating point": {
            "coverage": round(len(answered) / len(rows), 4) if rows else None,
            "risk": round(statistics.fmean(not r.right for r in answered), 4) if answered else None,
        },
        "points": [
            {"coverage": round(k / len(rows), 4), "risk": round(risk, 4), "confidence": row.confidence}
            for k, (risk, row) in enumerate(zip(risks, surest, strict=True), 1)
        ],
    }


def overlap(text: str, gold: str) -> tuple[float, float]:
    """(F1, recall) of the right answer's words in a text, as SQuAD counts them (Rajpurkar et al. 2016).

    >>> overlap("by the old river bank", "river bank")
    (0.6666666666666666, 1.0)
    """
    said, right = words(text), words(gold)
    common = (Counter(said) & Counter(right)).total()
    return (2 * common / (len(said) + len(right)), common / len(right)) if common else (0.0, 0.0)


def in_language(text: str, language: str) -> bool:
    """Whether more than half of the letters are of the language's script; true of a text without letters.

    >>> in_language("Москва 1889", "ru"), in_language("Moscow", "ru"), in_language("22", "ru")
    (True, False, True)
    """
    script = prompts.language(language).script
    letters = [c for c in text if c.isalpha()]
    return not letters or sum(unicodedata.name(c, "").startswith(script) for c in letters) > len(letters) / 2


def iou(a: Span, b: Span) -> float:
    """Intersection over union of two spans.

    >>> iou((0, 10), (5, 20)), iou((0, 5), (5, 9))
    (0.25, 0.0)
    """
    return max(0, min(a[1], b[1]) - max(a[0], b[0])) / (max(a[1], b[1]) - min(a[0], b[0]))


def harmonic(a: float, b: float) -> float:
    """The harmonic mean, to three places; 0 when one of the two is."""
    return round(2 * a * b / (a + b), 3) if a and b else 0.0


def mean(values: Iterable[float]) -> float | None:
    """The mean to three places."""
    found = [float(v) for v in values]
    return round(sum(found) / len(found), 3) if found else None


def percentile(values: Sequence[float], p: int) -> float | None:
    """The value below which p % of them lie, one of them, to two places."""
    ordered = sorted(values)
    return round(ordered[len(ordered) * p // 100], 2) if ordered else None


def is_gold(span: Span, gold: Iterable[Span]) -> bool:
    return any(iou(span, g) >= 0.5 for g in gold)
