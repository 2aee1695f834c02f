"""The few numbers that turn what the models see into choices and probabilities; `sanad calibrate` fits them.

They stand in data/calibration-*.json beside what they were fitted on. Each is a weight of a feature that has a meaning
of its own, so that they can be read; other models need a file of their own in its place.
"""
from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import WeightsError

if TYPE_CHECKING:
    from rag.evidence import Look


LOOKS = ("cosine", "gain", "yes")
ANSWERS = ("cosine", "stands_out", "lexical", "gain", "yes", "same_language")
SUPPORT = ("share", "confidence", "yes", "gain")
WORDING = ("support", "same_language", "tokens")
"""The features that each of a calibration's parts has weights of."""


@dataclass(frozen=True)
class Logistic:
    """The probability 1 / (1 + e^-x), where x is the bias and the weighted features added up.

    >>> Logistic(-1.0, {"heads": 2.0})({"heads": 0.5, "tails": 7.0})
    0.5
    """

    bias: float
    weights: Mapping[str, float]

    def __call__(self, features: Mapping[str, float]) -> float:
        x = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


@dataclass(frozen=True)
class Calibration:
    """How a sentence is scored, how far below the best one another may be cited, in nats, when the article is said to
    answer, how likely a cited sentence holds the answer, and how likely words written from it give it."""

    evidence: Mapping[str, float]
    margin: float
    answers: Logistic
    threshold: float
    support: Logistic
    wording: Logistic

    def shares(self, looks: Sequence[Look]) -> np.ndarray:
        """The chance of each sentence looked at to hold the answer, given that one of them does: float64, shape (looks,)."""
        scores = np.array([sum(weight * getattr(one, name) for name, weight in self.evidence.items()) for one in looks])
        return np.exp(scores - np.logaddexp.reduce(scores))

    def best(self, looks: Sequence[Look], most: int = 3) -> list[int]:
        """Places in `looks` of the sentences to cite, best first: the best one and those within the margin of it."""
        shares = self.shares(looks)
        ranked = sorted(range(len(looks)), key=lambda i: -shares[i])[:most]
        return [i for i in ranked if shares[i] >= shares[ranked[0]] * math.exp(-self.margin)]

    def supported(self, looks: Sequence[Look], i: int, confidence: float) -> dict[str, float]:
        """What `support` is told of a cited sentence, looks[i]."""
        one = looks[i]
        return {"share": float(self.shares(looks)[i]), "confidence": confidence, "gain": one.gain, "yes": one.yes}

    @staticmethod
    def worded(supports: Iterable[float], same_language: bool, tokens: float) -> dict[str, float]:
        """What `wording` is told of a claim: the supports of its citations, whether it is in their language, and how well the
        model knows that of the question."""
        return {"support": max(supports), "same_language": float(same_language), "tokens": tokens}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """From what `sanad calibrate` writes. Raises LookupError, TypeError, ValueError or AttributeError for anything else."""
        answers, support, wording = (
            Logistic(float(data[name]["bias"]), _weights(data[name]["weights"], features))
            for name, features in (("answers", ANSWERS), ("support", SUPPORT), ("wording", WORDING))
        )
        evidence = _weights(data["evidence"], LOOKS)
        return cls(evidence, float(data["margin"]), answers, float(data["threshold"]), support, wording)

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """The one in a file that `sanad calibrate` wrote. Raises WeightsError when it is none, or of another version."""
        try:
            return cls.from_dict(json.loads(path.read_text("utf-8")))
        except OSError as exc:
            raise WeightsError(f"Can't read the calibration {path}: {exc.strerror}. Check the name and the permissions.") from exc
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            raise WeightsError(
                f"{path} is not a calibration of this version ({type(exc).__name__}: {exc}). Make one with sanad calibrate."
            ) from exc

    @classmethod
    @cache
    def default(cls, model: str = "default") -> Calibration:
        """The one that comes with the default encoder and the `model` called "default" or "small"."""
        return cls.load(Path(str(resources.files("rag").joinpath(f"data/calibration-{model}.json"))))


def _weights(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    if not given.keys() <= set(names):
        raise ValueError(f"weights of {', '.join(given)}, not of {', '.join(names)}")
    return {name: float(weight) for name, weight in given.items()}
