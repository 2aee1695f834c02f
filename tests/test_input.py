"""Bad input: whatever comes in, there is a result or an error of ours; no crash, no hang, and what is said tells no path.

Each property takes one input of its strategy. `make test` tries a few, `make soak` thousands, `tests/fuzz.py` as many as there is
time for; the last two print how many were tried and what became of them.
"""
import json
import re
import tempfile
from collections import Counter
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rag import Answer, Article, Chat, Config, SanadError, Turn, documents
from rag.cases import read_questions, read_squad, squad_cases
from rag.citations import MARKER, segments
from rag.evidence import Evidence
from rag.export import Conversation, to_html, to_json, to_markdown
from rag.library import Library
from rag.testing import CALIBRATION, WordEncoder, WordModel
from tests.test_documents import files

FEW, MANY = 25, 4_000
FORBIDDEN = re.compile(r"Traceback|site-packages|\.py\b|/tmp/|/work/|/root|/home/")
"""What no answer to a client holds: where the program stands, and how it failed."""

PLANES = [chr(plane * 0x10000 + 0x41) for plane in range(17)]
SIGNS = [*"\r\n\t .؟؛«»()[]{}<>&\"'%\\1٩\0\x1b\x7f\x85\u2028\u200f\u202e\u2066\ufeff\ufffe"]
TEXT = st.text(alphabet=st.characters() | st.sampled_from([*SIGNS, *PLANES, "\ud800", "\udfff", "\u0301"]), max_size=200)
TALK = TEXT | st.sampled_from(
    ["", " \n\u2003", "a" * 100_000, "؟" * 2_000, "\0" * 50, "\u202eabc ابج\u202c", "\ud83d", "[1] [99]"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ARTICLE = Article.from_text(
    "The harbour closed yesterday. Fishermen protested loudly against harbour fees. Nobody was hurt. [1] So it stays.",
    title="Harbour",
)
FEES = "Fishermen protested against harbour fees?"


def open_chat(article=ARTICLE, **options):
    fakes = {"encoder": WordEncoder(), "model": WordModel(), "calibration": CALIBRATION}
    return Chat(article, **{**fakes, "config": Config(keep=False), **options})


def verbatim(article):
    assert article.sentences
    spans = (*article.sentences, *article.omitted)
    assert all(article.text[span.start : span.end] == span.text for span in spans)
    assert list(article.pages) == sorted(article.pages)


def cited(article, answer):
    """Every citation is a span of the article, and the markers in the text are those of the citations, each once."""
    assert all(article.text[c.start : c.end] == c.quote for c in answer.citations)
    assert [c.number for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    assert "".join(MARKER.findall(answer.text)) == "".join(f"[{c.number}]" for c in answer.citations) if answer.answered else True
    assert [c for _, c in segments(answer) if c] == list(answer.citations)
    assert all(claim.citations for claim in answer.claims) and bool(answer.claims) == answer.answered


# Properties: what one input may do


def any_text(text):
    verbatim(article := Article.from_text(text))
    assert article.text == text


def any_file(made):
    (data, own), suffix = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_read_apart", documents.read)  # here, not in a process for each
        verbatim(Article.from_bytes(data, f"a{own if suffix is None else suffix}"))


def any_name(name):
    verbatim(Article.from_bytes(b"One sentence stands here.", name))


def any_path(path):
    verbatim(Article.open(f"/nowhere/{path}"))


def any_question(made):
    question, turns, language = made
    cited(ARTICLE, _chat().ask(question, history=[Turn(*turn) for turn in turns], language=language))


def any_reply(text):
    """Whatever the model writes: the markers are ours."""
    from rag.citations import cite

    evidence = Evidence({1: 0.9, 0: 0.4}, 0.9, None, {}, (), {})
    marked, claims, citations = cite(ARTICLE, evidence, text, "en", CALIBRATION)
    cited(ARTICLE, Answer(FEES, marked, True, 0.9, claims=claims, citations=citations))


def any_call(made):
    """The functions of the public endpoints."""
    from gradio import Error

    which, question, article, language = made
    ask, search, _ = _endpoints()
    try:
        found = ask(question, article, language) if which else search(question, article)
    except Error as exc:
        raise SanadError(exc.message) from exc
    assert json.loads(json.dumps(found)) is not None


def any_export(made):
    """What is exported reads back: the JSON as the very values, the page as one of ours, all three as UTF-8."""
    from lxml import html

    title, asked, said, body = made
    article = Article.from_text(body, title=title, author=title, source=title)
    s = article.sentences[0]
    evidence = Evidence({0: 0.9}, 0.9, None, {}, (), {})
    from rag.citations import cite

    text, claims, citations = cite(article, evidence, said, "en", CALIBRATION)
    answer = Answer(asked, text, True, 0.9, claims=claims, citations=citations)
    c = Conversation(article, (answer,), (asked,), title, "m" * 64, title, "e" * 64, "2026-11-24T12:00:00Z")
    back = json.loads(to_json(c).encode())
    (one,) = back["answers"]
    assert (one["asked"], one["text"], one["citations"][0]["quote"]) == (asked, text, s.text)
    assert back["article"]["title"] == title
    assert to_markdown(c).encode()
    page = html.document_fromstring(to_html(c).encode())
    assert {a.get("href") for a in page.iter("a")} == {"#quote-1-1"} and not list(page.iter("script", "img", "iframe"))


def any_questions(data):
    with _file(data) as path:
        for case in read_questions(path, ARTICLE):
            assert case.question.strip() and all(ARTICLE.text[a:b] for a, b in case.gold)


def any_squad(data):
    with _file(data) as path:
        found = read_squad(path)
        for case in squad_cases(found, found, articles=2):
            assert case.question is not None and case.article.sentences


def any_cache(made):
    """A chat is opened as if nothing had been kept, whatever the kept files hold."""
    which, start, length, put = made
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, data) in enumerate(sorted(_kept().items())):
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            at = start % (len(data) + 1)
            path.write_bytes(data[:at] + put + data[at + length :] if number == which % len(_kept()) else data)
        chat = open_chat(config=Config(cache=Path(folder)))
    assert chat.ask(FEES).citations == _chat().ask(FEES).citations != ()


@cache
def _chat():
    return open_chat()


@cache
def _endpoints():
    from rag.api import endpoints

    return endpoints(library())


@cache
def _kept():
    with tempfile.TemporaryDirectory() as folder:
        open_chat(config=Config(cache=Path(folder)))
        made = [path for path in Path(folder).rglob("*") if path.is_file() and path.stat().st_size]
        return {str(path.relative_to(folder)): path.read_bytes() for path in made}


@contextmanager
def _file(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.jsonl"
        path.write_bytes(data)
        yield path


def library(**fakes):
    return Library([ARTICLE], config=Config(keep=False), open_chat=partial(open_chat, **fakes))


def mostly(*right):
    """One of these, and now and then any value at all."""
    return st.integers(0, 19).flatmap(lambda number: JSON if number == 7 else st.one_of(*right))


def lines():
    """Objects as a file of questions has them, most of them right."""
    question = mostly(TEXT, st.just(FEES))
    answerable = {"question": question, "sentences": mostly(st.just([1]), st.just([0, 2])), "answer": mostly(TEXT)}
    unsaid = {"question": question, "sentences": mostly(st.just([]))}
    more = {"kind": mostly(TEXT), "language": mostly(TEXT), "id": mostly(TEXT)}
    one = st.fixed_dictionaries(answerable, optional=more) | st.fixed_dictionaries(unsaid, optional=more)
    return st.lists(one, max_size=3).map(lambda objects: "\n".join(map(json.dumps, objects)).encode())


def squad():
    """Objects in the format of SQuAD, most of them right."""
    answer = st.fixed_dictionaries({"text": mostly(st.just("One")), "answer_start": mostly(st.integers(0, 12), st.just(-1))})
    answers = mostly(st.lists(answer, max_size=2))
    asked = st.fixed_dictionaries({"id": mostly(TEXT), "question": mostly(TEXT), "answers": answers})
    breaks = mostly(st.just([[0, 11], [12, 16]]), st.lists(st.lists(st.integers(-9, 99), min_size=2, max_size=2), max_size=2))
    paragraph = st.fixed_dictionaries(
        {"context": mostly(st.just("One stands. Two."), TEXT), "qas": mostly(st.lists(asked, max_size=2))},
        optional={"sentence_breaks": breaks},
    )
    article = st.fixed_dictionaries({"paragraphs": mostly(st.lists(paragraph, max_size=2))})
    return st.fixed_dictionaries({"data": mostly(st.lists(article, max_size=3))}).map(lambda one: json.dumps(one).encode())


DEEP = st.sampled_from([b"[" * 100_000, b'{"question":' * 5_000, b'{"data":' + b"[" * 950 + b"]" * 950 + b"}", b"9" * 10_000])
SUFFIXES = st.sampled_from(["", ".txt", ".md", ".html", ".pdf", ".docx", ".exe", None])
PROPERTIES = {
    "texts": (TEXT, any_text),
    "files": (st.tuples(files(), SUFFIXES), any_file),
    "file names": (TEXT, any_name),
    "paths": (TEXT, any_path),
    "questions": (st.tuples(TALK, st.lists(st.tuples(TALK, TALK), max_size=2), st.none() | TEXT), any_question),
    "replies": (TEXT | st.text(alphabet="[]［】1٩,^- \u200ba", max_size=40), any_reply),
    "calls": (st.tuples(st.booleans(), TALK, TEXT | st.just(""), TEXT), any_call),
    "exports": (st.tuples(TEXT.filter(bool), TEXT, TEXT, TEXT), any_export),
    "files of questions": (st.binary(max_size=200) | lines() | DEEP, any_questions),
    "files of SQuAD": (st.binary(max_size=200) | squad() | DEEP, any_squad),
    "kept files": (
        st.tuples(st.integers(0, 9), st.integers(0, 9_999), st.integers(0, 99), st.binary(max_size=9) | DEEP), any_cache,
    ),
}


def property_of(name, tried):
    """A test of any input of this property; what became of each is counted in `tried`."""
    strategy, check = PROPERTIES[name]

    def one(made):
        tried[name, "tried"] += 1
        try:
            check(made)
        except SanadError as exc:
            str(exc).encode("utf-8", "backslashreplace")
            tried[name, type(exc).__name__] += 1

    return given(strategy)(one)


def attempt(name, examples):
    """How many inputs were tried and refused, by error."""
    tried = Counter()
    settings(
        deadline=None,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        database=None,
    )(property_of(name, tried))()
    return tried


@pytest.mark.parametrize("name", PROPERTIES)
def test_any_input_gives_a_result_or_an_error_of_ours(name):
    assert attempt(name, FEW)[name, "tried"] >= FEW


@pytest.mark.soak
@pytest.mark.parametrize("name", PROPERTIES)
def test_thousands_of_inputs_give_a_result_or_an_error_of_ours(name, capsys):
    tried = attempt(name, MANY)
    with capsys.disabled():
        refused = ", ".join(f"{count:,} {error}" for (_, error), count in tried.items() if error != "tried")
        print(f"\n{name}: {tried[name, 'tried']:,} tried, 0 failed, refused: {refused or 'none'}")
    assert tried[name, "tried"] >= MANY / 2  # a strategy can run out of different inputs
