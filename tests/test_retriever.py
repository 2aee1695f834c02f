"""What is nearest to a question, by hand, with an encoder made of arithmetic."""
import pytest

import prompts
from rag import Article
from rag.retriever import SENTENCES_OF_A_PARAGRAPH, Retriever
from rag.testing import WordEncoder

ANIMALS = Article.from_text("Geese flew. Herons fished.\n\nWolves howled.")


class Watched(WordEncoder):
    """An encoder that tells what it was given to encode."""

    def __init__(self, fingerprint="words"):
        self.fingerprint, self.given, self.asked = fingerprint, [], []

    def queries(self, texts):
        self.asked.append(tuple(texts))
        return super().queries(texts)

    def passages(self, texts, progress=None):
        self.given += texts
        return super().passages(texts, progress)


def lexical(question, article=ANIMALS):
    return [hit.lexical for hit in sorted(Retriever(article, WordEncoder()).search(question), key=lambda hit: hit.sentence)]


def test_words_in_common_count_less_each_in_a_longer_question():
    once, twice = lexical("herons"), lexical("herons herons")
    assert once[1] > 0 and twice[1] == pytest.approx(2 / 2**0.5 * once[1])


def test_a_year_is_found_in_whatever_digits_it_is_asked_for():
    article = Article.from_text("\n".join(f"بلغت ميزانية البلدية في عام {year} ملايين." for year in ("٢٠٢٠", "٢٠٢١", "٢٠٢٢")))
    for asked in ("كم بلغت في 2021؟", "كم بلغت في ٢٠٢١؟"):
        before, found, after = lexical(asked, article)
        assert found > before == after


def test_words_in_common_count_in_the_articles_language_alone():
    assert lexical("Quels herons pêchent dans la rivière ?") == [0, 0, 0]
    for text in ("La ruota gira quando il canale è pieno. Il mulino è rosso.", "O moinho gira quando o canal está cheio."):
        assert max(lexical("Quando?", Article.from_text(text))) > 0


def test_a_question_without_a_word_to_search_for_finds_what_there_is_in_order():
    article = Article.from_text(" ".join(f"Number{n} came here and left the house." for n in range(40)))
    hits = Retriever(article, WordEncoder()).search("A the an?", 30)
    assert [(hit.rank, hit.sentence) for hit in hits] == [(n, n) for n in range(30)]


def test_a_sentence_that_is_near_to_any_of_the_questions_about_nothing_is_farther():
    article = Article.from_text("\n\n".join(["Herons fished.", "Geese flew.", "Foxes slept.", "Wolves howled.", "When?"]))
    scores = {hit.sentence: hit.score for hit in Retriever(article, WordEncoder()).search("herons")}
    assert scores[4] < scores[2] == 0


def test_the_questions_about_nothing_are_encoded_once_in_the_language_of_the_question():
    encoder = Watched()
    retriever = Retriever(ANIMALS, encoder)
    asked = ("Quels hérons pêchent dans la rivière ?", "Qui pêche dans la rivière ?")
    assert all(retriever.search(question) for question in asked)
    assert encoder.asked[1:] == [asked[:1], prompts.language("fr").blank, asked[1:]]  # after the passages


def test_a_long_paragraph_is_encoded_in_parts():
    sentences = [f"Number{n} came." for n in range(SENTENCES_OF_A_PARAGRAPH + 1)]
    encoder = Watched()
    Retriever(Article.from_text(" ".join(sentences)), encoder)
    assert encoder.given == [*sentences, " ".join(sentences[:-1]), sentences[-1]]


def test_an_index_of_another_encoder_is_not_used(tmp_path):
    one, again, other = Watched("my-encoder-1"), Watched("my-encoder-1"), Watched("my-encoder-2")
    for encoder in (one, again, other):
        Retriever(ANIMALS, encoder, cache=tmp_path)
    assert [bool(encoder.given) for encoder in (one, again, other)] == [True, False, True]
