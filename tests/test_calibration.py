"""How calibrations are made, kept and used, on observations whose right choice is known."""
import json
import logging
import random
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from typer.testing import CliRunner

from embeddings import weights
from rag import Answer, Article, Chat, Citation, Config, EvaluationError, WeightsError
from rag.__main__ import app
from rag.calibration import SUPPORT, Calibration, Logistic
from rag.cases import Case
from rag.datatypes import Claim
from rag.evaluation import judge
from rag.evidence import Look
from rag.fitting import Observation, cross_validated, fit, fit_wording, measured
from rag.loading import load_calibration
from rag.testing import CALIBRATION, WordEncoder, WordModel

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
    wording = Logistic(**fit_wording(asked, rows, WordModel()))
    said = [wording(Calibration.worded([support], same, 1.0)) for support in (0.2, 0.8) for same in (False, True)]
    assert said[0] < 0.5 < min(said[1:])


def test_where_all_are_right_support_and_confidence_are_by_laplace(seen):
    answerable = [one for one in seen if one.kind == "answerable"]
    sure = [
        replace(one, looks=tuple(replace(look, yes=9.0 * right) for look, right in zip(one.looks, one.right, strict=True)))
        for one in answerable
    ]
    fitted = Calibration.from_dict(fit(sure, false_abstention=0.0))
    assert fitted.support(dict.fromkeys(SUPPORT, 1.0)) == pytest.approx(121 / 122, abs=1e-4)
    assert fitted.answers(sure[0].features) == pytest.approx(121 / 122, abs=1e-4) and fitted.threshold < 121 / 122


def test_nothing_is_fitted_to_questions_whose_sentence_was_never_found(seen):
    with pytest.raises(EvaluationError, match="give other questions"):
        fit([one for one in seen if one.kind == "far"], false_abstention=0.05)


def test_figures_on_articles_that_were_not_fitted_to(seen):
    figures = cross_validated(seen, false_abstention=0.05)
    assert figures["citation recall"] > 0.9 and 0 < figures["false abstention"] < 0.2
    fewer = [one for one in seen if one.kind != "near"]  # as where each article has one paragraph
    assert cross_validated(fewer, false_abstention=0.05)["abstention near"] is None


DATA = json.loads(resources.files("rag").joinpath("data/calibration-default.json").read_text("utf-8"))


@pytest.mark.parametrize(("model", "fitted_to"), [("default", weights.CHAT), ("small", weights.CHAT_SMALL)])
def test_a_calibration_comes_with_each_chat_model_and_says_that_it_was_fitted_to_it(model, fitted_to, caplog):
    data = json.loads(resources.files("rag").joinpath(f"data/calibration-{model}.json").read_text("utf-8"))
    assert data["fitted to"]["model"] == fitted_to.sha256
    assert 0 < Calibration.default(model).threshold < 1
    assert load_calibration(Config(model=model)) == Calibration.from_dict(data)
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "JSONDecodeError"),
        ("[1, 2]", "TypeError"),
        (json.dumps({name: part for name, part in DATA.items() if name != "wording"}), "KeyError: 'wording'"),
        (json.dumps({**DATA, "threshold": "high"}), "'high'"),
        (json.dumps({**DATA, "answers": 3}), "TypeError"),
        (json.dumps({**DATA, "evidence": {"cosine": 1.0, "luck": 2.0}}), "cosine, luck"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused_by_name_before_anything_is_loaded(tmp_path, text, what):
    file = tmp_path / "mine.json"
    file.write_text(text, "utf-8")
    with pytest.raises(WeightsError) as error:
        Calibration.load(file)
    assert str(file) in str(error.value) and what in str(error.value) and "sanad calibrate" in str(error.value)
    for command in (["ask", "Why?"], ["chat"], ["serve"]):
        result = CliRunner().invoke(app, [*command, "--model", "missing.gguf", "--calibration", str(file)])
        assert result.exit_code == 1 and "is not a calibration" in result.output.replace("\n", " ")


def test_a_missing_calibration_is_refused_by_name(tmp_path):
    with pytest.raises(WeightsError, match="mine.json: No such file"):
        Calibration.load(tmp_path / "mine.json")


def test_other_weights_without_a_calibration_of_their_own_are_warned_of_once(tmp_path, caplog):
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({**DATA, "threshold": 0.125}), "utf-8")
    with caplog.at_level(logging.WARNING, "sanad"):
        assert load_calibration(Config(model="a.gguf", calibration=mine)).threshold == 0.125
        assert not caplog.records
        for _ in range(2):
            assert load_calibration(Config(model="b.gguf")) == Calibration.default()
            assert load_calibration(Config(model="small", encoder="mine")) == Calibration.default("small")
    first, second = (record.getMessage() for record in caplog.records)
    assert "--model b.gguf" in first and "--encoder mine" in second and "--calibration" in first


def test_an_encoder_and_a_model_of_ones_own_without_a_calibration_are_warned_of_once(caplog):
    article, own = Article.from_text("Moscow refused."), {"encoder": WordEncoder(), "model": WordModel()}
    assert Chat(article, **own, calibration=CALIBRATION, config=Config(keep=False)).calibration == CALIBRATION
    assert not caplog.records
    for _ in range(2):
        assert Chat(article, **own, config=Config(keep=False)).calibration == Calibration.default()
    (warned,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert "of your own" in warned and "guesses" in warned and "calibration=" in warned


def test_the_environment_names_a_calibration(monkeypatch):
    monkeypatch.setenv("SANAD_CALIBRATION", "mine.json")
    assert Config.from_environment().calibration == Path("mine.json")
