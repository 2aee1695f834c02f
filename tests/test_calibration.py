"""How calibrations are made and used, on observations whose right choice is known."""
import random

import pytest

from rag import Answer, Article, Citation
from rag.calibration import Calibration, Logistic
from rag.cases import Case
from rag.datatypes import Claim
from rag.evaluation import judge
from rag.evidence import Look
from rag.fitting import Observation, cross_validated, fit, fit_wording, measured

PLAIN = Calibration({"cosine": 10.0, "yes": 1.0}, 0.5, Logistic(0.0, {}), 0.5, Logistic(0.0, {}), Logistic(0.0, {}))


def test_sentences_within_the_margin_of_the_best_are_cited_best_first():
    looks = (Look(3, 0.80, 0.0, 0.0), Look(7, 0.84, 0.0, 0.0), Look(1, 0.80, 0.0, 0.3))
    # Scores 8.0, 8.4, 8.3: the first is 0.4 below the best, the last 0.1.
    assert PLAIN.best(looks) == [1, 2, 0]
    assert PLAIN.best(looks, most=2) == [1, 2]
    assert PLAIN.shares(looks).sum() == pytest.approx(1)
    assert PLAIN.shares(looks)[1] / PLAIN.shares(looks)[0] == pytest.approx(2.718281828**0.4)


def observed(n, kind, rng):
    """Three looks; `yes` is high for the right one, cosine and gain say nothing."""
    right = rng.randrange(3) if kind == "answerable" else None
    looks = tuple(Look(i, rng.random(), rng.random(), rng.gauss(3.0 if i == right else 0.0, 1.0)) for i in range(3))
    features = {"cosine": rng.random(), "stands_out": rng.random(), "gain": rng.random(), "lexical": 0.0, "same_language": 1.0}
    features["yes"] = max(one.yes for one in looks)
    return Observation(kind, f"article {n % 12}", looks, tuple(i == right for i in range(3)), features)


@pytest.fixture(scope="module")
def seen():
    rng = random.Random(1)
    return [observed(n, kind, rng) for n in range(120) for kind in ("answerable", "near", "far")]


def test_a_fit_finds_what_tells_right_from_wrong(seen):
    fitted = fit(seen, false_abstention=0.05)
    weights = fitted["evidence"]
    assert weights["yes"] > 2 * max(abs(weights["cosine"]), abs(weights["gain"]))
    figures = measured(seen, Calibration.from_dict(fitted))
    assert figures["citation F1"] > 0.9
    assert figures["false abstention"] == pytest.approx(0.05, abs=0.01)
    assert figures["abstention far"] > 0.5


def test_wording_is_fitted_to_what_was_written_by_language_and_citation():
    """Of forty claims those in the article's language are right, and of the others those that cite the better sentence."""
    article = Article.from_text("Foxes sleep under oak trees during winter.")
    asked, rows = [], []
    for n in range(40):
        language, support = ("en", "fr")[n % 2], (0.2, 0.8)[n // 2 % 2]
        asked.append(Case(str(n), "who", language, "?", "foxes", ((0, 42),), article))
        claim = Claim("Foxes." if language == "en" or support > 0.5 else "Geese.", (1,), 0.5)
        answer = Answer("?", claim.text, True, claims=(claim,), citations=(Citation(1, 0, 42, article.text, support, 0),))
        rows.append(judge(asked[-1], answer, 0.1, 0.2))
    wording = Logistic(**fit_wording(asked, rows))
    said = [wording(Calibration.worded([support], same)) for support in (0.2, 0.8) for same in (False, True)]
    assert said[0] < 0.5 < min(said[1:])


def test_figures_on_articles_that_were_not_fitted_to(seen):
    figures = cross_validated(seen, false_abstention=0.05)
    assert figures["citation recall"] > 0.9 and 0 < figures["false abstention"] < 0.2


def test_the_calibration_that_comes_with_the_weights_says_what_it_was_fitted_to():
    import json
    from importlib import resources

    from embeddings import weights

    data = json.loads(resources.files("rag").joinpath("data/calibration.json").read_text("utf-8"))
    assert data["fitted to"]["model"] == weights.CHAT.sha256
    assert 0 < Calibration.default().threshold < 1
