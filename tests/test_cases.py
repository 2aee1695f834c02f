"""What is asked when answers are judged: read from files, with what is wrong with them named, and picked."""
import json
from collections import Counter

import pytest

from rag import Article, EvaluationError
from rag.cases import Case, read_questions, read_squad, squad_cases

TEXT = "Foxes sleep under oak trees during winter. Badgers build deep tunnels near rivers.\n\nHerons catch 12 silver fish."
PICKS = [
    ("answerable", "q2"), ("answerable", "q0"), ("far", "q23"), ("near", "q0"),
    ("answerable", "q4"), ("answerable", "q6"), ("far", "q24"), ("near", "q6"),
    ("answerable", "q8"), ("answerable", "q10"), ("far", "q1"), ("near", "q8"),
]  # fmt: skip
"""What the benchmark that the published figures come from picks of seven such articles: three, two questions each, seed 7."""
FOXES, BADGERS, HERONS = (0, 42), (43, 82), (84, 112)


def squad(articles, *, wording="Which", breaks=True):
    """A file as XQuAD-R has it: articles of two paragraphs of two sentences, a question to each sentence."""
    data = []
    for a in range(articles):
        paragraphs = []
        for p in range(2):
            numbers = [4 * a + 2 * p, 4 * a + 2 * p + 1]
            sentences = [f"Animal{n} builds nest{n} beside river{n} during month{n}." for n in numbers]
            context = " ".join(sentences)
            asked = [
                {
                    "id": f"q{n}",
                    "question": f"{wording} animal{n} builds nest{n} beside river{n}?",
                    "answers": [{"text": f"month{n}", "answer_start": context.index(f"month{n}")}],
                }
                for n in numbers
            ]
            ends = [(0, len(sentences[0])), (len(sentences[0]) + 1, len(context))]
            paragraphs.append({"context": context, "qas": asked} | ({"sentence_breaks": ends} if breaks else {}))
        data.append({"title": "", "paragraphs": paragraphs})
    return {"version": "1", "data": data}


def written(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def test_picks_are_those_of_the_published_benchmark(tmp_path):
    docs = read_squad(written(tmp_path / "docs", squad(7)))
    asked = read_squad(written(tmp_path / "asked", squad(7, wording="Tell me which")))
    cases = list(squad_cases(docs, asked, articles=3, per_article=2, seed=7))
    assert [(c.kind, c.id) for c in cases] == PICKS
    assert cases[0].article is cases[2].article is not cases[3].article
    for case in cases:
        assert case.question.startswith("Tell me which animal")
        quotes = [case.article.text[a:b] for a, b in case.gold]
        assert quotes == ([f"A{case.question[15:-1]} during {case.answer}."] if case.kind == "answerable" else [])
        assert (f"nest{case.id[1:]} " in case.article.text) == (case.kind == "answerable")


def test_an_article_is_the_same_one_in_every_translation_and_another_one_in_every_file(tmp_path):
    one = read_squad(written(tmp_path / "one", squad(3)))
    translated = read_squad(written(tmp_path / "translated", squad(3, wording="Tell me which")))
    other = read_squad(written(tmp_path / "other", json.dumps(squad(3)).replace('"id": "q', '"id": "r')))
    names = [{c.article.title for c in squad_cases(docs, docs, articles=3)} for docs in (one, translated, other)]
    assert names[0] == names[1] and len(names[0]) == 3 and not names[0] & names[2]


def test_an_article_is_the_same_one_where_its_first_question_is_not_asked_in_a_language(tmp_path):
    docs = read_squad(written(tmp_path / "docs", squad(3)))
    fewer = read_squad(written(tmp_path / "fewer", json.dumps(squad(3)).replace('"id": "q0"', '"id": "none"')))
    names = [{c.article.title for c in squad_cases(docs, asked)} for asked in (docs, fewer)]
    assert names[0] == names[1]  # or else the calibration is checked on articles that it was fitted to


def test_without_sentences_in_the_file_the_gold_spans_are_those_of_the_article(tmp_path):
    given, cut = (read_squad(written(tmp_path / "docs", squad(2, breaks=breaks))) for breaks in (True, False))
    assert [c.gold for c in squad_cases(given, given)] == [c.gold for c in squad_cases(cut, cut)]


@pytest.mark.parametrize(("articles", "far"), [(1, 0), (2, 2), (5, 5)])
def test_a_far_question_is_never_the_articles_own(tmp_path, articles, far):
    docs = read_squad(written(tmp_path / "docs", squad(articles)))
    found = [c for c in squad_cases(docs, docs) if c.kind == "far"]
    assert len(found) == far and not any(f"nest{c.id[1:]} " in c.article.text for c in found)


def test_a_paragraph_of_an_article_that_has_no_other_text_is_not_taken_out(tmp_path):
    content = squad(2)
    for article in content["data"]:
        article["paragraphs"][1] = {"context": "***", "qas": []}
    docs = read_squad(written(tmp_path / "docs", content))
    assert Counter(c.kind for c in squad_cases(docs, docs)) == {"answerable": 4, "far": 2}


def test_an_answer_that_is_not_where_the_articles_have_it_is_named(tmp_path):
    text = json.dumps(squad(2)).replace('"month4", "answer_start": 42', '"month4", "answer_start": 41')
    docs, asked = (read_squad(written(tmp_path / name, value)) for name, value in (("docs", text), ("asked", squad(2))))
    with pytest.raises(EvaluationError, match="'month4' to question q4 of --docs does not stand at character 41"):
        list(squad_cases(docs, asked))
    assert list(squad_cases(asked, docs)) == list(squad_cases(asked, asked))  # where a translation has it does not matter


def test_unanswerable_questions_can_be_left_out(tmp_path):
    docs = read_squad(written(tmp_path / "docs", squad(2)))
    assert {c.kind for c in squad_cases(docs, docs, per_article=9, unanswerable=False)} == {"answerable"}


def test_a_line_says_least(tmp_path):
    article = Article.from_text(TEXT)
    lines = '\ufeff{"question": "Who sleeps?", "sentences": [0], "answer": "foxes"}\n\n{"question": "Why?", "sentences": []}\n'
    one, two = read_questions(written(tmp_path / "q.jsonl", lines), article)
    assert one == Case("1", "answerable", "en", "Who sleeps?", "foxes", (FOXES,), article)
    assert (two.id, two.kind, two.gold, two.answer) == ("3", "unanswerable", (), "")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is [1], not an object"),
        ('{"sentences": []}', "no 'question'"),
        ('{"question": " ", "sentences": []}', "line 2: The question is empty"),
        ('{"question": "?!", "sentences": []}', "'?!' has no word"),
        ('{"question": "Who?", "sentences": [], "language": "klingon"}', "line 2: No answer can be in the language 'klingon'"),
        ('{"question": 7, "sentences": []}', "'question' is 7, not a string"),
        ('{"question": "Who?", "sentences": "0"}', "'sentences' is \"0\", not a list"),
        ('{"question": "Who?", "sentences": [3], "answer": "x"}', "3 is no sentence of 'animals', which has 0 to 2"),
        ('{"question": "Who?", "sentences": [true], "answer": "x"}', "True is no sentence"),
        ('{"question": "Who?", "sentences": [0]}', "the answer is ''"),
        ('{"question": "Who?", "sentences": [], "answer": "x"}', "the answer is 'x'"),
        ('{"question": "Who?", "sentences": [], "kind": "why"}', "the kind is 'why'"),
        ('{"question": "Who?", "sentences": [0], "answer": "x", "kind": "near"}', "the kind is 'near'"),
        ('{"question": "Who?", "sentences": [], "id": "1"}', "stands in line 1 too"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, says):
    file = written(tmp_path / "q.jsonl", '{"question": "Who?", "sentences": []}\n' + line)
    with pytest.raises(EvaluationError) as error:
        read_questions(file, Article.from_text(TEXT, title="animals"))
    assert f"{file}, line 2" in str(error.value) and says in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "not an object with 'data'"),
        ({"data": []}, "holds no question"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "article 0, paragraph 0 has no 'context'"),
        ({"data": [{"paragraphs": [{"context": "x", "qas": [{"answers": [{"text": "xy", "answer_start": 0}]}]}]}]},
         "question 0: 'xy' can't stand at character 0 of 1"),
        ({"data": [{"paragraphs": [{"context": "x", "qas": [], "sentence_breaks": [[0]]}]}]}, "[0] in 'sentence_breaks'"),
        (json.dumps(squad(1)).replace("[0, ", "[90, "), "paragraph 0: no sentence of 'sentence_breaks' has the answer to q0"),
        (json.dumps(squad(2)).replace('"id": "q7"', '"id": "q2"'), "has 2 questions with the id 'q2'"),
        (json.dumps(squad(2)).replace('"Which animal4 builds nest4 beside river4?"', '" "'), "0: The question is empty"),
    ],
)  # fmt: skip
def test_a_bad_squad_file_says_where(tmp_path, content, says):
    file = written(tmp_path / "squad.json", content)
    with pytest.raises(EvaluationError) as error:
        read_squad(file)
    assert str(file) in str(error.value) and says in str(error.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xe9")
    for name in ("nowhere", "latin"):
        with pytest.raises(EvaluationError, match=name):
            read_squad(tmp_path / name)


def test_files_without_a_question_in_common(tmp_path):
    docs = read_squad(written(tmp_path / "docs", squad(1)))
    other = read_squad(written(tmp_path / "other", json.dumps(squad(1)).replace('"id": "q', '"id": "r')))
    with pytest.raises(EvaluationError, match="both files"):
        list(squad_cases(docs, other))
