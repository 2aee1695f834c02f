"""What is seen of a sentence and chosen, by hand."""
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import prompts
from rag import Article, Chat, Config, Turn
from rag.cases import read_questions
from rag.context import heads, needed
from rag.datatypes import Hit
from rag.evidence import Look, described, look, of_byline, of_whole
from rag.testing import CALIBRATION, WordEncoder, WordModel

QUESTIONS = Path(__file__).parent / "data" / "questions.jsonl"


def opened(text, **settings):
    config = Config(keep=False, **settings)
    return Chat(Article.from_text(text), config=config, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION)


class Weighed:
    """A model that finds these words, and "yes", "Yes", "no" and "No", as likely: without a sentence, then with one."""

    def weigh(self, *_):
        return np.array([[-9.0, -1.0, -5.0], [-2.0, -7.0, -4.0]]), np.log([[0.1, 0.1, 0.2, 0.2], [0.3, 0.1, 0.1, 0.1]])


def test_a_look_is_against_no_sentence_and_one_word_counts_for_so_much():
    """By hand: 7, -6 and 1 nats are 3, -1 and 1, of eight letters; the odds go from 1 : 2 to 2 : 1."""
    (one,) = look(Weighed(), None, [[0]], "Who came?", [Hit(4, 0, 9, 0.8, 0, lexical=0.3)])
    assert dataclasses.astuple(one) == pytest.approx((4, 0.5, 3 / 8, np.log(4)))


def test_what_tells_an_article_that_answers_by_hand():
    """Of the cosines .8, .6 and seven of .5 the best stands out by .8 less (.6 + 4 · .5) / 5."""
    hits = [Hit(n, 0, 1, score, n, lexical) for n, (score, lexical) in enumerate([(0.9, 0.3), (0.8, 0.0), *[(0.5, 0.0)] * 7])]
    looks = [Look(0, 0.6, 0.1, 2.0), Look(1, 0.8, 0.2, 1.0)]
    expected = {"cosine": 0.8, "stands_out": 0.28, "lexical": 0.3, "gain": 0.2, "yes": 2.0, "same_language": 1.0}
    assert described(looks, hits, True) == pytest.approx(expected)
    assert described(looks, hits[:1], False)["stands_out"] == 0.0


def test_how_a_sentence_stands_out_is_seen_among_all_hits_and_whether_the_language_is_the_articles():
    chat = opened("Foxes sleep. Herons catch silver fish. Otters whistle loudly. Spiders weave nets.")
    one, all_four = (chat.using(candidates=n) for n in (1, 4))
    question = "Which silver fish do herons catch?"
    told = [each.evidence(question, each.retriever.search(question)).features for each in (one, all_four)]
    assert told[0]["stands_out"] == told[1]["stands_out"] > 0
    french = "Quels poissons les hérons attrapent-ils ?"
    other = chat.evidence(french, chat.retriever.search(french)).features
    assert (told[0]["same_language"], other["same_language"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("They came at night;", [None]),
        ("These harbours have fishermen enough for today;\nthose harbours have no fishermen at all today.", [None, None]),
        ("“Could we ship without payments?” Nobody knew.", [1, None]),
        ("Ποιος ήρθε χθες το βράδυ; Η αλεπού ήρθε.", [1, None]),
        ("Η αλεπού ήρθε. Ποιος ήρθε χθες το βράδυ;", [None, None]),
    ],
)
def test_what_a_sentence_is_not_understood_without(text, needs):
    article = Article.from_text(text)
    assert [needed(article, i) for i in range(len(article.sentences))] == needs


def test_a_clause_that_is_cited_for_itself_keeps_its_own_support():
    first = "Foxes and badgers sleep in the forest all winter long"
    chat = opened(f"{first}; they eat chestnuts there in autumn and in spring. Snow fell.")
    chat.calibration = dataclasses.replace(CALIBRATION, margin=9.0)
    question = "Do foxes and badgers sleep there or eat chestnuts?"
    evidence = chat.using(evidence=2).evidence(question, chat.retriever.search(question))
    assert set(evidence.chosen) == {0, 1} and evidence.chosen[0] != evidence.chosen[1]


def test_where_all_that_is_near_are_first_rows_of_tables_they_are_looked_at():
    chat = opened("\n\n".join(f"So.{n}\n| Country {n} | Income {n} |\n| Alba{n} | {n} euros |" for n in range(9)))
    hits = chat.ask(question := "Which country has which income?").hits
    assert all(heads(chat.article, hit.sentence) for hit in hits)
    assert [look.sentence for look in chat.evidence(question, hits).looks] == [hit.sentence for hit in hits[:3]]


def test_who_wrote_the_article_is_answered_by_no_sentence():
    chat = opened("The ranger wrote the long article yesterday.\nBeetles polish their green wings.")
    assert chat.ask("Who wrote the long article?").answered
    answer = chat.ask("Who wrote the article?")
    assert (answer.answered, answer.confidence, answer.text) == (False, 0.0, "The article does not say.")
    for language in prompts.languages().values():
        assert all(map(of_byline, language.byline)) and not any(map(of_byline, language.blank))
    assert not any(of_byline(case.question) for case in read_questions(QUESTIONS, Article.default()))


def test_what_the_article_is_about_is_told_by_its_first_sentences():
    text = "Herons fish.\n\nBeetles polish wings.\n\nFoxes sleep.\n\nThe third article is about wild geese."
    chat = opened(text, evidence=2)
    last = Turn("What do spiders weave?", "Round nets [1]")
    for history in ([], [last]):
        answer = chat.ask("What is the article about?", history=history)
        assert (answer.question, answer.confidence) == ("What is the article about?", 1.0)
        assert [citation.sentence for citation in answer.citations] == [0, 1]
    assert chat.ask("What is the third article about, wild geese?").citations[0].sentence == 3
    for language in prompts.languages().values():
        assert all(map(of_whole, language.whole)) and not any(map(of_whole, [*language.blank, *language.byline]))
    assert not any(of_whole(case.question) for case in read_questions(QUESTIONS, Article.default()))
