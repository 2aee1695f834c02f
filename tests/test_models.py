"""What the real chat model is asked to do, on a text small enough to know what it should say."""
import numpy as np
import pytest

from rag import Config
from rag.models import load_model

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


def test_a_number_is_copied_whole(model, reading):
    for quoted in ("415,000", "158349"):
        said = "".join(model.stream(reading, [0], "\nHow many euros?", script=("LATIN",), quoted=quoted, max_tokens=40))
        numbers = {number for number in "".join(c if c.isdigit() else " " for c in said).split()}
        assert numbers <= set(quoted.split(","))
