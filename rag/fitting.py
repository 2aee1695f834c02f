"""How a `Calibration` is fitted: questions with known answers are asked, first as far as the choice of evidence, then whole.

    cases → observations (what was seen, what is right) → three logistic regressions, a margin and a threshold
    cases → rows (what was then written, what is right) → the fourth
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embeddings.weights import Progress
from rag.article import Article
from rag.calibration import ANSWERS, LOOKS, SUPPORT, WORDING, Calibration, Logistic
from rag.cases import Case
from rag.chat import Chat
from rag.errors import EvaluationError
from rag.evaluation import Row, is_gold, mean, opened
from rag.evidence import Look, tokens_each
from rag.models import ChatModel

MARGINS = tuple(n / 10 for n in range(16))
FOLDS = 6


@dataclass(frozen=True)
class Observation:
    """What was seen of one case: `right[i]` says whether looks[i] is of a sentence that answers."""

    kind: str
    article: str
    looks: tuple[Look, ...]
    right: tuple[bool, ...]
    features: Mapping[str, float]


def observe(
    cases: Sequence[Case], chat_for: Callable[[Article], Chat], progress: Progress | None = None
) -> Iterator[Observation]:
    """The observation of each case, in order."""
    for case, chat in opened(cases, chat_for, progress):
        seen = chat.evidence(case.question, chat.search(case.question))
        sentences = case.article.sentences
        right = tuple(is_gold((sentences[one.sentence].start, sentences[one.sentence].end), case.gold) for one in seen.looks)
        yield Observation(case.kind, case.article.title, seen.looks, right, seen.features)


def fit(seen: Sequence[Observation], *, false_abstention: float) -> dict[str, Any]:
    """A calibration as `Calibration.from_dict` takes it, for a share of answerable questions that may go unanswered; its
    `wording` is still to be fitted to what is written with it.

    A sentence's weights make right sentences score above the others of their question: logistic regression on the
    differences of their looks. The margin is the one whose citations have the best F1.
    """
    asked = [one for one in seen if any(one.right) and not all(one.right)]
    differences = [
        _table([good], LOOKS)[0] - _table([other], LOOKS)[0]
        for one in asked
        for good, right in zip(one.looks, one.right, strict=True)
        if right
        for other, wrong in zip(one.looks, one.right, strict=True)
        if not wrong
    ]
    if not differences:
        raise EvaluationError("No question has a right and a wrong sentence among those found for it: give other questions.")
    x = np.array(differences)
    ranking = _regression(np.concatenate([x, -x]), np.repeat([1, 0], len(x)), LOOKS, intercept=False)
    answers = _regression(_table([one.features for one in seen], ANSWERS), [one.kind == "answerable" for one in seen], ANSWERS)
    confidence = [Logistic(**answers)(one.features) for one in seen if one.kind == "answerable"]
    fitted: dict[str, Any] = {
        "evidence": ranking["weights"],
        "margin": 0.0,
        "answers": answers,
        "threshold": math.floor(1e4 * float(np.quantile(confidence, false_abstention))) / 1e4,
        "support": {"bias": 0.0, "weights": {}},
        "wording": {"bias": 0.0, "weights": {}},
    }
    f1 = {margin: _citations(asked, Calibration.from_dict({**fitted, "margin": margin}))["F1"] for margin in MARGINS}
    fitted["margin"] = max(MARGINS, key=lambda margin: f1[margin])
    cited = [row for one in seen for row in _cited(one, Calibration.from_dict(fitted))]
    fitted["support"] = _regression(_table([row for row, _ in cited], SUPPORT), [right for _, right in cited], SUPPORT)
    return fitted


def fit_wording(cases: Sequence[Case], rows: Sequence[Row], model: ChatModel) -> dict[str, Any]:
    """The `wording` of a calibration, fitted to the claims that a model made with it."""
    told = []
    for case, row in zip(cases, rows, strict=True):
        same, tokens = case.language == case.article.language, tokens_each(model, case.question)
        told += [(Calibration.worded((c.support for c in row.citations), same, tokens), claim.right) for claim in row.claims]
    return _regression(_table([features for features, _ in told], WORDING), [right for _, right in told], WORDING)


def cross_validated(seen: Sequence[Observation], *, false_abstention: float) -> dict[str, float | None]:
    """What a calibration fitted to five sixths of the articles gives on the others, each article once; None where there is
    nothing to count."""
    titles = {title: n % FOLDS for n, title in enumerate(dict.fromkeys(one.article for one in seen))}
    figures: list[dict[str, float]] = []
    for fold in range(FOLDS):
        held = [one for one in seen if titles[one.article] == fold]
        rest = [one for one in seen if titles[one.article] != fold]
        figures.append(measured(held, Calibration.from_dict(fit(rest, false_abstention=false_abstention))))
    return {name: mean(one[name] for one in figures if not math.isnan(one[name])) for name in figures[0]}


def measured(seen: Sequence[Observation], calibration: Calibration) -> dict[str, float]:
    """Figures of some observations under a calibration; those of citations as if every answerable question were answered."""
    answerable = [one for one in seen if one.kind == "answerable"]
    abstained = {
        kind: [calibration.answers(one.features) < calibration.threshold for one in seen if one.kind == kind]
        for kind in ("answerable", "far", "near")
    }
    return {
        **{f"citation {name}": value for name, value in _citations(answerable, calibration).items()},
        "false abstention": float(np.mean(abstained["answerable"])),
        "abstention far": float(np.mean(abstained["far"])) if abstained["far"] else float("nan"),
        "abstention near": float(np.mean(abstained["near"])) if abstained["near"] else float("nan"),
    }


def _citations(asked: Sequence[Observation], calibration: Calibration) -> dict[str, float]:
    """Of questions all of which are answered; the clause before a clause is not counted."""
    chosen = [[one.right[i] for i in calibration.best(one.looks)] for one in asked]
    recall, precision = float(np.mean([any(c) for c in chosen])), float(np.mean([np.mean(c) for c in chosen]))
    return {"recall": recall, "precision": precision, "F1": 2 * recall * precision / (recall + precision or 1)}


def _cited(one: Observation, calibration: Calibration) -> Iterator[tuple[dict[str, float], bool]]:
    """What is known of each citation of an answered question, and whether it is right."""
    confidence = calibration.answers(one.features)
    if confidence >= calibration.threshold:
        for i in calibration.best(one.looks):
            yield calibration.supported(one.looks, i, confidence), one.right[i]


def _table(rows: Sequence[Any], names: Sequence[str]) -> np.ndarray:
    return np.array([[row[name] if isinstance(row, Mapping) else getattr(row, name) for name in names] for row in rows])


def _regression(x: np.ndarray, y: Any, names: Sequence[str], *, intercept: bool = True) -> dict[str, Any]:
    """Logistic regression on features of unit variance, its weights given for the features as they are.

    Where all of y are alike nothing tells them apart: the bias is that of Laplace's rule of succession, (n + 1) / (n + 2).
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(y)) < 2:
        bias = math.log(len(y) + 1)
        return {"bias": round(bias if any(y) else -bias, 4), "weights": dict.fromkeys(names, 0.0)}
    spread, middle = x.std(0), x.mean(0)
    scale = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(fit_intercept=intercept).fit((x - middle) / scale, y)
    weights = model.coef_[0] / scale
    named = {"weights": {name: round(float(w), 4) for name, w in zip(names, weights, strict=True)}}
    return {"bias": round(float(model.intercept_[0] - weights @ middle), 4), **named} if intercept else named
