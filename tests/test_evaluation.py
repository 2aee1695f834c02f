"""Questions with known answers: asked of a model made of arithmetic, and counted by hand."""
import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rag import Answer, Article, Chat, Citation, Claim, Config, Hit
from rag.__main__ import app
from rag.article import detect_language
from rag.calibration import Calibration
from rag.cases import UNANSWERABLE, Case, read_questions, read_squad, squad_cases
from rag.evaluation import (
    Cited,
    Row,
    calibration,
    evaluate,
    figures,
    in_language,
    iou,
    judge,
    overlap,
    percentile,
    risk_coverage,
    words,
)
from rag.testing import CALIBRATION, WordEncoder, WordModel
from tests.test_cases import BADGERS, FOXES, HERONS, TEXT, squad, written

QUESTIONS = Path(__file__).parent / "data/questions.jsonl"
KINDS = {
    "who", "when", "where", "how_much", "why", "how", "list", "comparison", "paraphrase", "misspelt",
    "false_premise", "near", "far",
}  # fmt: skip


def row(kind="who", *, answered=True, right=(), confidence=0.5, rank=None, **rest):
    """A row that cites one sentence for each of `right`, right or not."""
    fields = dict(id="1", language="en", question="?", gold_answer="", gold=(), text="", hits=(), claims=(), f1=0.0, recall=0.0,
                  right_language=True, invalid=0, first_word=0.5, total=1.0)  # fmt: skip
    citations = tuple(Cited(n, 0, 1, "x", 0.5, good) for n, good in enumerate(right))
    return Row(kind=kind, answered=answered, confidence=confidence, rank=rank, citations=citations, **fields | rest)


def word_chat(article):
    return Chat(article, config=Config(keep=False), encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION)


# Metrics, by hand


def test_words_are_compared_without_case_marks_articles_and_variants_of_a_letter():
    assert words("The «Élan»: a 2nd TRY!") == ["élan", "2nd", "try"]
    assert words("القاعِدة والمُدُن أُسِّست") == ["قاعده", "والمدن", "اسست"]
    assert words("ال الف الفيل") == ["ال", "الف", "فيل"]


def test_overlap_counts_each_word_once():
    assert overlap("refused refused it", "Moscow refused") == (2 * 1 / 5, 1 / 2)
    assert overlap("", "Moscow") == overlap("Kyiv", "Moscow") == (0.0, 0.0)


def test_language_is_told_by_most_letters():
    assert in_language("NATO отказала в базах", "ru") and not in_language("NATO нет", "ru")
    assert in_language("12", "ar") and in_language("öğle", "tr") and not in_language("لا", "fr")


def test_iou_and_percentile():
    assert iou((0, 10), (0, 10)) == 1 and iou((0, 4), (2, 6)) == 2 / 6 and iou((0, 2), (2, 4)) == 0
    assert percentile([4, 1, 3, 2], 50) == 3 and percentile([4, 1, 3, 2], 95) == 4 and percentile([], 50) is None


def test_figures_of_six_rows():
    found = figures(
        [
            row(right=(True, False), rank=0, f1=0.5, recall=1.0, text="in 1889 [1]", first_word=0.1, total=1),
            row(right=(False,), rank=6, f1=0.1, recall=0.2, right_language=False, text="so [1]", first_word=0.2, total=2),
            row("why", answered=False, first_word=0.3, total=3),
            row("far", answered=False, first_word=0.4, total=4),
            row("far", right=(False,), invalid=2, first_word=0.5, total=5),
            row("false_premise", answered=False, first_word=0.6, total=6),
        ]
    )
    assert found == {
        "n": 3, "asked": 6,
        "retrieval R@1": 0.333, "retrieval R@5": 0.333, "retrieval R@8": 0.667,
        "citation recall": 0.333, "citation precision": 0.25, "citation F1": 0.286,  # 2 · ⅓ · ¼ ÷ (⅓ + ¼)
        "answer F1": 0.2, "answer recall": 0.4, "right language": 0.5, "false abstention": 0.333,
        "abstention": 0.667, "abstention far": 0.5, "abstention near": None, "abstention false_premise": 1.0,
        "invalid": 2, "ttft p50": 0.4, "ttft p95": 0.6, "total p50": 4, "total p95": 6, "answer words": 2.5,
    }  # fmt: skip


def test_calibration_of_five_scores():
    found = calibration([(1.0, True), (0.95, False), (0.25, False), (0.2, True), (0.6, True)])
    assert found["n"] == 5
    assert found["bins"] == [
        {"from": 0.2, "to": 0.3, "n": 2, "mean": 0.225, "right": 0.5},
        {"from": 0.6, "to": 0.7, "n": 1, "mean": 0.6, "right": 1.0},
        {"from": 0.9, "to": 1.0, "n": 2, "mean": 0.975, "right": 0.5},
    ]
    assert found["ece"] == 0.38  # (2 · 0.275 + 0.4 + 2 · 0.475) ÷ 5
    assert calibration([]) == {"n": 0, "ece": None, "bins": []}


def test_risk_and_coverage_of_four_rows():
    rows = [
        row(right=(True,), confidence=0.7),
        row("near", answered=False, confidence=0.2),
        row(right=(False, True), confidence=0.9),
        row("far", right=(False,), confidence=0.8),
    ]
    curve = risk_coverage(rows)
    assert [p["coverage"] for p in curve["points"]] == [0.25, 0.5, 0.75, 1.0]
    assert [p["risk"] for p in curve["points"]] == [0.0, 0.5, 0.3333, 0.5]
    assert curve["operating point"] == {"coverage": 0.75, "risk": 0.3333}
    assert curve["aurc"] == 0.3333


def test_the_order_of_equally_sure_rows_does_not_matter():
    right, wrong = row(right=(True,), confidence=1.0), row("far", right=(False,), confidence=1.0)
    curves = [risk_coverage([*tied, row("near", answered=False)]) for tied in ((right, wrong), (wrong, right))]
    assert curves[0] == curves[1] and [p["risk"] for p in curves[0]["points"]] == [0.5, 0.5, 0.6667]


def test_what_came_back_is_judged_span_by_span():
    article = Article.from_text(TEXT)
    answer = Answer(
        "Who builds?",
        text="Badgers, deep [1][2]. Herons [3]",
        answered=True,
        claims=(Claim("Badgers, deep", (1, 2), 0.8), Claim("Herons", (3,), 0.4)),
        citations=(
            Citation(1, *FOXES, TEXT[:42], 0.3, 0),
            Citation(2, *BADGERS, TEXT[43:82], 0.8, 1),
            Citation(3, *HERONS, "Herons", 0.4, 2),
        ),
        hits=(Hit(2, *HERONS, 0.9, 0), Hit(1, *BADGERS, 0.8, 1)),
    )
    found = judge(Case("1", "who", "en", "Who builds?", "badgers", (BADGERS,), article), answer, 0.1, 0.2)
    assert [c.right for c in found.citations] == [False, True, False]
    assert [c.right for c in found.claims] == [True, False]
    assert (found.rank, found.invalid, found.right) == (1, 1, True)
    assert (found.f1, found.recall) == (2 / 4, 1.0)  # markers are no words
    wrong = judge(Case("1", "who", "en", "Who builds?", "busy beavers", (BADGERS,), article), answer, 0.1, 0.2)
    assert wrong.right and not any(c.right for c in wrong.claims)  # a right sentence, and not what it says
    far = judge(Case("1", "far", "en", "Who builds?", "", (), article), answer, 0.1, 0.2)
    assert far.rank is None and not far.right and not any(c.right for c in far.claims)


# The whole way


def test_figures_of_a_model_made_of_arithmetic(tmp_path):
    docs = read_squad(written(tmp_path / "docs", squad(3)))
    seen = []
    rows = list(evaluate(list(squad_cases(docs, docs)), word_chat, lambda *step: seen.append(step)))
    assert seen[-1] == ("questions", 12, 12)
    found = figures(rows)
    expected = {
        "n": 6, "asked": 12, "retrieval R@1": 1.0, "citation recall": 1.0, "answer recall": 1.0, "right language": 1.0,
        "false abstention": 0.0, "abstention far": 1.0, "abstention near": 1.0, "invalid": 0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert all(row.text.startswith("Animal") for row in rows if row.answerable)


@pytest.fixture
def command(monkeypatch, tmp_path):
    monkeypatch.setenv("SANAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("rag.loading.load_model", lambda *_: WordModel())
    monkeypatch.setattr("rag.loading.load_encoder", lambda *_: WordEncoder())
    monkeypatch.setattr("rag.chat.load_model", lambda *_: WordModel())
    monkeypatch.setattr("rag.chat.load_encoder", lambda *_: WordEncoder())
    monkeypatch.setattr("rag.calibration.Calibration.default", lambda *_: CALIBRATION)
    return lambda *words, do="evaluate": CliRunner().invoke(app, [do, *map(str, words)])


def test_the_command_prints_tables_and_writes_files(command, tmp_path):
    docs = written(tmp_path / "docs.json", squad(2))
    result = command("--docs", docs, "--questions", docs, "--seed", "3", "--out", tmp_path / "new/folder")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    assert lines.index(["answerable", "4"]) + 1 == lines.index(["asked", "8"])
    assert ["support", "claims", "mean", "right"] in lines and ["confidence", "questions", "mean", "answerable"] in lines
    assert "citation F1" in result.output and "By kind" in result.output and "answerable" in result.output
    report = json.loads((tmp_path / "new/folder/figures.json").read_text("utf-8"))
    assert {"docs": "en", "questions": "en", "n": 4, "asked": 8}.items() <= report["figures"].items()
    assert report["figures"]["citation recall"] == 1.0
    assert report["settings"]["seed"] == 3 and report["settings"]["model"]["fingerprint"] == "words"
    assert len(report["curve"]["points"]) == report["confidence"]["n"] == 8
    rows = [json.loads(line) for line in (tmp_path / "new/folder/questions.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 8 and rows[0]["citations"][0]["quote"].startswith("Animal")
    assert [r["right"] for r in rows] == [r["kind"] == "answerable" for r in rows]
    assert (tmp_path / "new/folder/risk-coverage.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "new/folder").iterdir())) == 3


def test_the_command_asks_a_file_of_questions(command, tmp_path):
    article = written(tmp_path / "a.txt", TEXT)
    lines = [
        '{"question": "Which badgers build deep tunnels?", "sentences": [1], "answer": "badgers", "kind": "who"}',
        '{"question": "Which airplanes landed yesterday?", "sentences": [], "kind": "far"}',
    ]
    result = command(written(tmp_path / "q.jsonl", "\n".join(lines)), "--article", article)
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if line.strip().startswith("who "))
    assert line.split() == ["who", "1", "1.000", "1.000", "1.000", "0.000", "–"]


def test_the_command_says_what_is_missing_before_anything_is_asked(command, tmp_path):
    docs = written(tmp_path / "docs.json", squad(2))
    for words_ in ([], ["--docs", docs], [docs, "--docs", docs, "--questions", docs]):
        result = command(*words_)
        assert result.exit_code == 1 and "Two ways" in result.output
    result = command("--docs", docs, "--questions", docs, "--out", docs)
    assert result.exit_code == 1 and "Give another folder" in result.output.replace("\n", " ")


def test_no_file_that_was_read_is_written_over(command, tmp_path):
    lines = '{"question": "Why?", "sentences": []}\n'
    questions, docs = written(tmp_path / "questions.jsonl", lines), written(tmp_path / "docs.json", squad(7))
    (tmp_path / "same").symlink_to(tmp_path)
    for folder in (tmp_path, tmp_path / "same"):
        result = command(questions, "--out", folder)
        assert result.exit_code == 1 and "questions.jsonl was read, and would" in result.output.replace("\n", " ")
    asked = ["--docs", docs, "--questions", docs]
    result = command(*asked, "--out", docs, do="calibrate")
    assert result.exit_code == 1 and "docs.json was read" in result.output.replace("\n", " ")
    assert questions.read_text("utf-8") == lines and docs.read_text("utf-8") == json.dumps(squad(7))


def test_a_calibration_that_would_be_a_folder_is_refused_before_anything_is_asked(command, tmp_path, monkeypatch):
    monkeypatch.setattr("rag.loading.load_model", lambda *_: pytest.fail("it was loaded"))
    docs = written(tmp_path / "docs.json", squad(7))
    result = command("--docs", docs, "--questions", docs, "--out", tmp_path, do="calibrate")
    assert result.exit_code == 1 and f"{tmp_path} is a folder. Give a file" in result.output.replace("\n", " ")


def test_too_few_articles_and_files_without_a_pair_are_refused_before_anything_is_asked(command, tmp_path, monkeypatch):
    monkeypatch.setattr("rag.loading.load_model", lambda *_: pytest.fail("it was loaded"))
    few, docs = written(tmp_path / "few.json", squad(5)), written(tmp_path / "docs.json", squad(7))
    asked = ["--questions", docs, "--out", tmp_path / "made.json"]
    for given, says in (
        (["--docs", few, *asked], "5 articles are too few to fit to and check on others; give at least 6."),
        (["--docs", docs, "--articles", 5, *asked], "5 articles are too few"),
        (["--docs", docs, "--docs", few, *asked], "2 --docs and 1 --questions were given"),
    ):
        result = command(*given, do="calibrate")
        assert result.exit_code == 1 and says in result.output.replace("\n", " ")


def test_what_calibrate_made_is_given_to_evaluate(command, tmp_path):
    docs, made = written(tmp_path / "docs.json", squad(7)), tmp_path / "new/made.json"
    result = command("--docs", docs, "--questions", docs, "--out", made, do="calibrate")
    assert result.exit_code == 0 and json.loads(result.output)["citation recall"] == 1.0
    data = json.loads(made.read_text("utf-8"))
    assert data["fitted to"]["cases"] == 28 and Calibration.load(made) == Calibration.from_dict(data)
    asked = ["--docs", docs, "--questions", docs, "--calibration", made, "--out", tmp_path]
    assert command(*asked).exit_code == 0
    report = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert report["settings"]["calibration"] == "made.json" and report["figures"]["citation recall"] == 1.0
    written(made, {**data, "threshold": 2.0})
    assert command(*asked).exit_code == 0
    assert json.loads((tmp_path / "figures.json").read_text("utf-8"))["figures"]["false abstention"] == 1.0


def test_a_calibration_is_fitted_to_the_weights_that_are_named(command, tmp_path, monkeypatch):
    def load(config, *_):
        loaded.add((config.model, config.encoder, config.threads))
        return WordModel()

    loaded = set()
    monkeypatch.setattr("rag.chat.load_model", load)
    monkeypatch.setattr("rag.loading.load_model", load)
    docs, named = written(tmp_path / "docs.json", squad(7)), ["--model", "a.gguf", "--encoder", "mine", "--threads", 1]
    result = command("--docs", docs, "--questions", docs, "--out", tmp_path / "made.json", *named, do="calibrate")
    assert result.exit_code == 0 and loaded == {("a.gguf", "mine", 1)}


@pytest.mark.parametrize("content", [None, "{}"])
def test_a_calibration_can_be_made_where_the_environment_names_one_that_is_missing_or_of_another_version(
    command, tmp_path, monkeypatch, content
):
    docs, made = written(tmp_path / "docs.json", squad(7)), tmp_path / "made.json"
    if content:
        written(made, content)
    monkeypatch.setenv("SANAD_CALIBRATION", str(made))
    result = command("--docs", docs, "--questions", docs, "--out", made, do="calibrate")
    assert result.exit_code == 0 and Calibration.load(made).threshold > 0


def test_a_share_in_percent_is_refused_before_anything_is_asked(command, tmp_path):
    docs = written(tmp_path / "docs.json", squad(7))
    asked = ["--docs", docs, "--questions", docs, "--out", tmp_path / "made.json", "--false-abstention", 5]
    assert command(*asked, do="calibrate").exit_code == 2


# The questions to the bundled article


def test_the_questions_to_the_bundled_article_are_whole():
    cases = read_questions(QUESTIONS, Article.default())
    assert len(cases) >= 60
    assert {c.kind for c in cases} == KINDS
    counts = Counter((c.language, c.kind) for c in cases)
    assert {language for language, _ in counts} == {"ar", "en", "fr", "ru"}
    assert len(counts) == 4 * len(KINDS) and min(counts.values()) >= 2
    for case in cases:
        assert detect_language(case.question) == case.language, case.question
        assert in_language(case.answer, case.language), case.answer
        assert bool(case.gold) == (case.kind not in UNANSWERABLE)
    assert len({c.question for c in cases}) == len(cases)
