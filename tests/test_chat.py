"""The default article, real weights."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag import Chat, QuestionError

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def chat():
    return Chat.open()


@pytest.mark.parametrize(
    ("question", "sentence"),
    [("Why did Moscow refuse US base access?", 14), ("How much did the EU allocate?", 18), ("لماذا رفضت موسكو؟", 14)],
)
def test_answers_cite_the_sentence_verbatim(chat, question, sentence):
    *partial, answer = chat.stream(question)
    assert answer.answered and partial
    assert sentence in [c.sentence for c in answer.citations]
    for c in answer.citations:
        assert chat.article.text[c.start : c.end] == c.quote
        assert f"[{c.number}]" in answer.text


def test_what_the_article_does_not_say(chat):
    answer = chat.ask("What is the capital of France?")
    assert (answer.answered, answer.text, answer.citations) == (False, "The article does not say.", ())


def test_the_same_question_gives_the_same_answer(chat):
    first, second = (chat.ask("How much did the EU allocate?") for _ in range(2))
    assert (first.text, first.claims, first.citations, first.hits) == (second.text, second.claims, second.citations, second.hits)


def test_an_empty_question_is_refused(chat):
    with pytest.raises(QuestionError, match="empty"):
        chat.ask("  ")


def test_an_answer_may_be_continued_and_finished_on_other_threads(chat):
    """Servers run each step of a generator on whatever thread is free."""
    stream = chat.stream("How much did the EU allocate?")
    for answer in iter(lambda: _elsewhere(next, stream, None), None):
        last = answer
    assert last.stage == "done" and last.citations
    assert _elsewhere(chat.ask, "How much did the EU allocate?").text == last.text


def _elsewhere(function, *arguments):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result(timeout=300)
