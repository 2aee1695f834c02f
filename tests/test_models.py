"""What the real chat model is asked to do, on a text small enough to know what it should say."""
import re

import numpy as np
import pytest

from rag import Config
from rag.loading import load_model

pytestmark = pytest.mark.weights

PIECES = ["The union gave 415,000 euros to the harbour.\n", "Spiders weave nets between branches.\n"]


@pytest.fixture(scope="module")
def model():
    return load_model(Config())


@pytest.fixture(scope="module")
def reading(model):
    return model.read("Sentences of an article:\n", PIECES)


def test_a_sentence_makes_what_it_speaks_of_likelier_and_only_when_seen(model, reading):
    question = "How much money did the harbour get?"
    words, replies = model.weigh(reading, [[], [0], [1]], "\nQuestion: ", question, "\nAnswered? Reply yes or no.", ["yes", "no"])
    assert words.shape == (3, model.count(question)) and replies.shape == (3, 2)
    blind, money, spiders = words.sum(1)
    assert money > blind and money > spiders
    assert (words < 0).all() and np.exp(replies).sum(1).max() < 1


def test_many_views_and_many_tokens_give_what_few_give(model, reading):
    text = "Who gave money to the harbour? " * 12
    (once, _), (twice, _) = (model.weigh(reading, views, "\n", text, "\n", ["yes"]) for views in ([[0]], [[1]] * 3 + [[0]]))
    assert np.allclose(once[0], twice[3], atol=0.3)


@pytest.mark.parametrize(
    ("piece", "question", "known"),
    [
        (PIECES[0], "How many euros did the union give?", {"415", "000"}),
        ("The city has 158349 families, 68511 of them with children.\n", "How many families are there?", {"158349", "68511"}),
    ],
)
def test_numbers_are_copied_whole(model, piece, question, known):
    prompt = f"\nUsing only these sentences, answer in English in one short sentence: {question}"
    reading = model.read("Sentences of an article:\n", [piece])
    said = "".join(model.stream(reading, [0], prompt, script=("LATIN",), quoted=piece, max_tokens=40))
    numbers = set("".join(c if c.isdigit() else " " for c in said).split())
    assert numbers and numbers <= known


def test_a_number_whose_digits_have_two_tokens_each_is_written_whole(model):
    piece = "وبلغت كلفة المشروع ٤٫٧ مليارات ريال، أي بزيادة نسبتها ١٨٪ عن الميزانية المعتمدة عام ١٤٤٠هـ.\n"
    prompt = "\nUsing only these sentences, answer in Arabic in one short sentence: كم بلغت كلفة المشروع ونسبة زيادتها؟"
    reading = model.read("Sentences of an article:\n", [piece])
    said = "".join(model.stream(reading, [0], prompt, script=("ARABIC",), quoted=piece, max_tokens=80))
    numbers = set(re.findall(r"[\d٫]+", said))
    assert numbers > {"٤٫٧"} and numbers <= {"٤٫٧", "١٨", "١٤٤٠"}, said


def test_a_reply_that_is_cut_says_so(model, reading):
    prompt = "\nUsing only these sentences, answer in English in one short sentence: How many euros did the union give?"
    options = {"script": ("LATIN",), "quoted": PIECES[0]}
    whole = "".join(model.stream(reading, [0], prompt, max_tokens=40, **options))
    assert not whole.endswith("…")
    cut = "".join(model.stream(reading, [0], prompt, max_tokens=3, **options))
    assert cut.endswith("…") and whole.startswith(cut[:-1])
