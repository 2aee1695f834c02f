"""The path of a question with an encoder and a model made of arithmetic."""
import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

import prompts
from rag import Article, ArticleError, Chat, Config, QuestionError, SanadError, ask
from rag.calibration import Logistic
from rag.chat import Stopwatch, checked
from rag.citations import cite
from rag.errors import ModelError
from rag.evidence import Evidence, tokens_each
from rag.models import Hold
from rag.retriever import Retriever
from rag.testing import CALIBRATION, WordEncoder, WordModel

TEXT = """Foxes sleep under oak trees during winter. Badgers build deep tunnels near rivers.

Herons catch 12 silver fish every morning. Otters whistle loudly after sunset.

Beetles polish their green wings. Spiders weave round nets between branches.
"""


def opened(tmp_path, text=TEXT, capacity=10_000, **settings):
    model = WordModel(capacity)
    config = Config(cache=tmp_path, **settings)
    article = Article.from_text(text, title="animals")
    return Chat(article, config=config, encoder=WordEncoder(), model=model, calibration=CALIBRATION), model


def test_an_answer_grows_and_every_citation_is_a_span_of_the_text(tmp_path):
    chat, _ = opened(tmp_path)
    *growing, answer = chat.stream("Which silver fish do herons catch every morning?")
    assert [a.stage for a in growing[:2]] == ["searching", "choosing"]
    assert {a.stage for a in growing[2:]} == {"writing"} and answer.stage == "done"
    texts = [a.text for a in growing]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert answer.answered and answer.citations[0].quote == "Herons catch 12 silver fish every morning."
    assert answer.text == f"{answer.claims[0].text} " + "".join(f"[{n}]" for n in answer.claims[0].citations)
    for c in (*answer.citations, *answer.hits):
        assert chat.article.text[c.start : c.end] == chat.article.sentences[c.sentence].text
    count, asked = WordModel().count, answer.question
    read = 3 * count(asked) + count(prompts.fill("write", question=asked, language="English"))
    assert (answer.timings.tokens_in, answer.timings.tokens_out) == (read, 7)


def test_seconds_of_the_stages_are_those_of_the_whole_and_the_first_word_is_the_first():
    clock = Stopwatch()
    clock.word()
    time.sleep(0.01)
    first = clock.lap("search")
    clock.word()
    later = clock.lap("write")
    assert later.first_word == first.first_word and 0.01 <= first.search == later.search
    assert later.search + later.write == pytest.approx(later.total, abs=0.001)


def test_an_answer_is_in_the_questions_script_with_names_and_numbers_of_question_and_source_and_does_not_ask_again(
    tmp_path, monkeypatch
):
    chat, model = opened(tmp_path, "去年欧盟拨款286亿元。")
    chat.calibration = dataclasses.replace(CALIBRATION, threshold=0.0)
    told = {}
    monkeypatch.setattr(model, "stream", lambda *_, **options: told.update(options) or iter([question, " 28,6 ", "миллиарда"]))
    answer = chat.ask(question := "Сколько выделила Europe Direct?")
    assert (answer.claims[0].text, answer.language) == ("28,6 миллиарда", "ru") and answer.timings.first_word > 0
    assert told.pop("quoted").split() == [*question.split(), "去年欧盟拨款286亿元。", "28,600,000,000", "28600", "28.6"]
    assert told == {"script": ("CYRILLIC",), "max_tokens": 64, "question": question}


def test_a_claim_is_as_certain_as_its_words_are_in_its_language(tmp_path):
    chat, _ = opened(tmp_path)
    chat.calibration = dataclasses.replace(CALIBRATION, wording=Logistic(0.0, {"same_language": 2.0}))
    question = "Which silver fish do herons catch every morning?"
    supports = [chat.ask(question, language=language).claims[0].support for language in ("en", "fr")]
    assert supports == [0.8808, 0.5]


def test_a_claim_is_as_certain_as_the_model_knows_the_language_of_the_question():
    article = Article.from_text(TEXT)
    calibration = dataclasses.replace(CALIBRATION, wording=Logistic(0.0, {"tokens": -2.0}))
    asked = [tokens_each(WordModel(), question) for question in ("Who caught fish?", "谁 抓 鱼")]
    assert asked == [3 / 14, 3 / 6]
    evidence = [Evidence({2: 0.8}, 0.9, None, {}, (), {}, tokens) for tokens in asked]
    claims = [cite(article, one, "They catch fish.", "en", calibration)[1][0] for one in evidence]
    assert [claim.support for claim in claims] == [0.3945, 0.2689]  # 1 / (1 + e^(6/14)), 1 / (1 + e)


def test_a_number_that_no_cited_sentence_has_halves_the_support_of_the_claim():
    article = Article.from_text(TEXT)
    evidence = Evidence({2: 0.8}, 0.9, None, {}, (), {})
    calibration = dataclasses.replace(CALIBRATION, wording=Logistic(0.0, {"support": 2.0}))
    (said, made) = (cite(article, evidence, text, "en", calibration) for text in ("They catch 12 fish.", "They catch 13 fish."))
    assert (said[1][0].support, made[1][0].support) == (0.832, 0.416)  # 1 / (1 + e^-1.6), and half of it
    assert said[2] == made[2] and said[2][0].support == 0.8


def test_a_citation_says_on_which_page_its_sentence_begins():
    article = dataclasses.replace(Article.from_text(TEXT), pages=(0, TEXT.index("Herons")))
    _, _, citations = cite(article, Evidence({1: 0.8, 2: 0.7}, 0.9, None, {}, (), {}), "They do.", "en", CALIBRATION)
    assert [citation.page for citation in citations] == [1, 2]


@pytest.mark.parametrize(("tokens", "most"), [(1, 64), (15, 96), (99, 128)])
def test_an_answer_may_be_longer_where_the_language_takes_more_tokens(tmp_path, monkeypatch, tokens, most):
    chat, model = opened(tmp_path)
    given = []
    monkeypatch.setattr(model, "count", lambda text: tokens)
    monkeypatch.setattr(model, "stream", lambda *parts, max_tokens, **options: given.append(max_tokens) or iter(["x"]))
    chat.ask("Which silver fish do herons catch at every noon?")
    assert given == [most]


def test_a_question_about_something_else_is_not_answered(tmp_path):
    chat, _ = opened(tmp_path)
    answer = chat.ask("Quels avions atterrissent demain ?")
    assert (answer.answered, answer.text, answer.claims, answer.citations) == (False, "L'article ne le dit pas.", (), ())
    assert len(answer.hits) == 6


def test_the_article_is_read_once_and_found_again_by_the_next_process(tmp_path):
    chat, model = opened(tmp_path)
    assert model.read_pieces == 6
    first = chat.ask("What do spiders weave between branches?")
    assert model.read_pieces == 6
    chat, model = opened(tmp_path)
    assert model.read_pieces == 0
    again = chat.ask("What do spiders weave between branches?")
    assert (again.text, again.citations) == (first.text, first.citations)


@pytest.mark.parametrize(
    ("made_by", "another"),
    [
        ("rag.reader.metadata.version", lambda package: f"another {package}"),
        ("rag.reader.prompts.fill", lambda prompt: f"another {prompt}"),
        ("rag.testing.WordModel.fingerprint", "my-words-2"),
    ],
)
def test_a_reading_by_another_version_of_llama_cpp_prompt_or_model_is_made_again(tmp_path, monkeypatch, made_by, another):
    monkeypatch.setattr(WordModel, "fingerprint", "my-words-1")
    assert [opened(tmp_path)[1].read_pieces for _ in range(2)] == [6, 0]
    monkeypatch.setattr(made_by, another)
    assert opened(tmp_path)[1].read_pieces == 6


def test_the_reading_of_half_a_character_is_kept_too(tmp_path):
    assert [opened(tmp_path, "Foxes \ud83e sleep.")[1].read_pieces for _ in range(2)] == [1, 0]


def test_a_damaged_reading_is_made_again(tmp_path):
    opened(tmp_path)
    (file,) = (tmp_path / "readings").glob("*.cells")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert opened(tmp_path)[1].read_pieces == 6
    assert opened(tmp_path)[1].read_pieces == 0


def test_of_an_article_beyond_the_models_capacity_only_candidates_are_read(tmp_path):
    chat, model = opened(tmp_path, capacity=30, candidates=3)
    assert model.read_pieces == 0
    answer = chat.ask("What do spiders weave between branches?")
    assert model.read_pieces == 3
    assert answer.citations[0].quote == "Spiders weave round nets between branches."


def test_an_article_fits_where_the_model_says_so_which_may_read_more_than_it_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(WordModel, "count", lambda self, text: 1)
    assert [opened(tmp_path / str(n), capacity=n)[1].read_pieces for n in (6, 7)] == [0, 6]


@pytest.mark.parametrize("question", ["", " \n\t", "x" * 2_001, None, 7])
def test_a_question_that_cannot_be_asked_is_refused(tmp_path, question):
    with pytest.raises(QuestionError):
        opened(tmp_path)[0].ask(question)


def test_the_language_of_the_answer_can_be_fixed(tmp_path):
    answer = opened(tmp_path)[0].ask("Which airplanes landed yesterday?", language="ar")
    assert (answer.language, answer.text) == ("ar", "لا يذكر المقال ذلك.")


def test_a_file_that_has_changed_is_read_again(tmp_path, monkeypatch):
    fakes = {"config": Config(keep=False), "encoder": WordEncoder(), "model": WordModel(), "calibration": CALIBRATION}
    opens = []
    monkeypatch.setattr(Chat, "open", lambda article, config: opens.append(article) or Chat(Article.open(article), **fakes))
    file, question = tmp_path / "animals.txt", "Which silver fish do herons catch every morning?"
    for text, times in ((TEXT, 1), (TEXT, 1), (TEXT.replace("12 silver", "14 silver"), 2)):
        file.write_text(text, "utf-8")
        os.utime(file, ns=(times, times))
        for path in (file, str(file)):
            (cited,) = ask(question, article=path).citations
            assert cited.quote in text
        assert len(opens) == times


def test_an_article_is_opened_once_for_all_threads_that_ask_it(tmp_path, monkeypatch):
    opens, article = [], Article.from_text("Weasels dig their burrows beneath old hedges.")

    def slowly(article, config):
        opens.append(article)
        time.sleep(0.2)
        return opened(tmp_path, article.text)[0]

    monkeypatch.setattr(Chat, "open", slowly)
    with ThreadPoolExecutor(8) as pool:
        answers = {*pool.map(lambda _: ask("Which weasels dig burrows beneath hedges?", article=article), range(8))}
    assert len(opens) == len(answers) == 1


def test_what_the_environment_says_by_now_holds_for_the_next_question(tmp_path, monkeypatch):
    article = Article.from_text("Weasels dig their burrows beneath hedges.")
    monkeypatch.setattr(Chat, "open", lambda article, config: opened(tmp_path, article.text, max_tokens=config.threads)[0])
    for threads, text in ((2, "Weasels dig [1]"), (3, "Weasels dig their [1]"), (2, "Weasels dig [1]")):
        monkeypatch.setenv("SANAD_THREADS", str(threads))
        assert ask("Which weasels dig burrows beneath hedges?", article=article).text == text


def test_a_name_that_no_file_can_have_is_told_when_it_is_opened():
    with pytest.raises(ArticleError, match="Can't read"):
        ask("Who came?", article="a\0b.txt")


def test_readings_and_indexes_that_are_kept_take_so_much_room_and_no_more(tmp_path, monkeypatch):
    for module in ("rag.reader", "embeddings.index"):
        monkeypatch.setattr(f"{module}.DISK", 1)
    for text in ("Foxes sleep.", "Herons fish."):
        opened(tmp_path, text)
    assert len(list(tmp_path.rglob("*.cells"))) == len(list(tmp_path.rglob("*.faiss"))) == 1


def test_what_is_not_to_be_kept_leaves_nothing_behind(tmp_path):
    assert opened(tmp_path, keep=False)[0].ask("What do spiders weave between branches?").answered
    assert not list(tmp_path.iterdir())


def test_the_environment_says_what_a_config_does_not(tmp_path, monkeypatch):
    fakes = {"encoder": WordEncoder(), "model": WordModel(), "calibration": CALIBRATION}
    monkeypatch.setenv("SANAD_CACHE", str(tmp_path))
    assert Chat(Article.from_text(TEXT), **fakes).config.cache == tmp_path
    assert {file.name for file in tmp_path.iterdir()} == {"indexes", "readings"}


@pytest.mark.parametrize("threads", ["two", "0", "-1", "1.5"])
def test_what_is_no_number_of_processors_is_refused(threads, monkeypatch):
    monkeypatch.setenv("SANAD_THREADS", threads)
    with pytest.raises(SanadError, match=f"SANAD_THREADS is '{threads}'"):
        Config.from_environment()
    assert Config.from_environment(threads=3).threads == 3


def test_who_begins_another_reply_has_the_context_and_other_threads_wait_for_it():
    hold, order = Hold(), []
    with ThreadPoolExecutor(1) as pool:
        assert hold.take("one") and not hold.take("one")
        other = pool.submit(lambda: (hold.take("other"), order.append("other")))
        with hold.alone():
            order.append("between")
        assert other.result(timeout=30) and order == ["between", "other"]
        back = pool.submit(hold.leave, "other")
        assert hold.take("one") and back.done()
        with pytest.raises(ModelError), hold.alone():
            raise ModelError
        assert pool.submit(hold.take, "other").result(timeout=30)


@pytest.mark.parametrize(("language", "code"), [("fr-CA", "fr"), ("PT_br", "pt"), (" zh ", "zh")])
def test_a_language_may_be_said_as_programs_do(tmp_path, language, code):
    assert opened(tmp_path)[0].ask("Which airplanes landed yesterday?", language=language).language == code


@pytest.mark.parametrize("language", ["klingon", "English", "-"])
def test_a_language_that_no_answer_can_be_in_is_refused(tmp_path, language):
    with pytest.raises(QuestionError, match=f"'{language}'.*ar, de, .*zh"):
        opened(tmp_path)[0].ask("Which airplanes landed yesterday?", language=language)


def test_a_row_is_cited_with_the_first_one_of_its_table(tmp_path):
    rows = ["| harbour | fishermen |", "| Brenna | twelve fishermen |", "| Vardo | forty men |"]
    answer = opened(tmp_path, "\n".join(["Harbours of the coast.", *rows]))[0].ask("How many fishermen does Brenna harbour have?")
    assert [c.quote for c in answer.citations][:2] == [rows[1], rows[0]]


def test_answers_are_frozen(tmp_path):
    answer = opened(tmp_path)[0].ask("What do spiders weave between branches?")
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.text = ""


def test_a_sentence_is_found_alone_among_its_neighbours_and_in_its_paragraph():
    """By hand: "herons" is one of two words, has 1/√6 of the mean of three sentences, and is one of four words."""
    article = Article.from_text("Geese flew. Herons fished.\n\nWolves howled.")
    hits = Retriever(article, WordEncoder()).search("herons")
    expected = {1: 0.4 / 2**0.5 + 0.2 / 6**0.5 + 0.4 / 2, 0: 0.2 / 2 + 0.4 / 2, 2: 0.2 / 2}
    assert {hit.sentence: hit.score - hit.lexical for hit in hits} == pytest.approx(expected)
    assert [hit.lexical > 0 for hit in hits] == [True, False, False]


def test_a_sentence_that_is_near_to_any_question_is_farther_than_one_that_is_near_to_none():
    article = Article.from_text("Herons fished.\n\nFoxes slept.\n\nWolves howled.\n\nWhat is it?")
    scores = {hit.sentence: hit.score for hit in Retriever(article, WordEncoder()).search("herons")}
    assert scores[3] < scores[2] < 0 < scores[1] < scores[0]


def test_an_index_is_not_that_of_the_same_sentences_in_other_paragraphs(tmp_path):
    article = Article.from_text("Geese flew. Herons fished.")
    apart = dataclasses.replace(article, sentences=tuple(dataclasses.replace(s, paragraph=s.index) for s in article.sentences))
    Retriever(article, WordEncoder(), cache=tmp_path)
    kept, made = (Retriever(apart, WordEncoder(), cache=cache).search("herons") for cache in (tmp_path, None))
    assert kept == made


def test_an_article_without_a_word_to_search_for_is_searched():
    (hit,) = Retriever(Article.from_text("A."), WordEncoder()).search("What do the foxes do?")
    assert (hit.sentence, hit.lexical) == (0, 0.0)


TABLE = """| Animal | Weaves | Catches |
| Spider | round nets | flies |
| Heron | nothing | silver fish |

Geese fly. Why do small badgers sleep? Snow fell."""


@pytest.mark.parametrize(
    ("question", "cited"), [("Which animal catches what it weaves round?", [1, 0]), ("Why do small badgers sleep today?", [4, 5])]
)
def test_a_tables_first_row_is_cited_beside_another_and_a_question_beside_its_answer(tmp_path, question, cited):
    chat, _ = opened(tmp_path, TABLE, candidates=1)
    assert [citation.sentence for citation in chat.ask(question).citations] == cited


LIST = """The harbour

What small boats must bring to the harbour
- Ropes, twelve.
- Nets. They are forty.

## Prices for small boats in winter
Twelve euros. Snow fell."""


@pytest.mark.parametrize(
    ("question", "cited"),
    [("What must small boats bring to harbours?", [1, 2, 3, 4]), ("What prices for small boats in winter?", [5, 6])],
)
def test_a_heading_is_cited_with_what_stands_below_it(tmp_path, question, cited):
    chat, _ = opened(tmp_path, LIST, candidates=1)
    assert [citation.sentence for citation in chat.ask(question).citations] == cited


@pytest.mark.parametrize("question", ["", " ", "?", "…", "🦊!"])
def test_a_question_without_a_word_is_refused(question):
    with pytest.raises(QuestionError, match="empty|has no word"):
        checked(question)


def test_a_sentence_is_translated_from_itself_alone(tmp_path, monkeypatch):
    chat, model = opened(tmp_path)
    assert chat.translate(2, "fr") == chat.translate(2, "pt-BR") == "Herons catch 12 silver fish every morning."
    with pytest.raises(QuestionError, match="'klingon'"):  # it was taken for English
        chat.translate(2, "klingon")
    told = {}
    monkeypatch.setattr(model, "stream", lambda *_, **options: told.update(options) or iter(["Цапли "]))
    assert chat.translate(2, "ru") == "Цапли"
    assert told == {"script": ("CYRILLIC",), "quoted": "Herons catch 12 silver fish every morning.", "max_tokens": 14}


def test_other_settings_leave_the_chat_as_it_was(tmp_path):
    chat, model = opened(tmp_path)
    question = "What do foxes and herons and otters catch every morning after winter?"
    fewer = chat.using(evidence=1)
    assert len(fewer.ask(question).citations) == 1 and (chat.config.evidence, model.read_pieces) == (3, 6)
    assert len(chat.using(max_tokens=2).ask(question).claims[0].text.split()) == 2


def test_how_many_hits_are_listed_changes_nothing_else(tmp_path):
    chat, _ = opened(tmp_path)
    chat.calibration = dataclasses.replace(CALIBRATION, answers=Logistic(0.0, {"stands_out": 1.0}))
    one, all_six = (chat.using(hits=hits).ask("Which silver fish do herons catch every morning?") for hits in (1, 9))
    assert (len(one.hits), len(all_six.hits)) == (1, 6)
    assert dataclasses.replace(one, hits=all_six.hits) == all_six


@pytest.mark.parametrize("settled", [{"model": "small"}, {"calibration": "mine.json", "hits": 3}, {"keep": False}])
def test_an_open_chat_cannot_claim_to_be_another(settled, tmp_path):
    chat, _ = opened(tmp_path)
    with pytest.raises(SanadError, match=f"An open chat keeps its {next(iter(settled))}. Open another"):
        chat.using(**settled)
