"""What the page stands on: the library of articles, and the sessions of its tabs."""
import threading
from dataclasses import replace

import pytest

from rag import Article, ArticleError, Config, ModelError, QuestionError, SanadError, render
from rag.citations import without_markers
from rag.library import KEPT, Library
from rag.sessions import ARTICLES, SESSIONS, Session, Sessions
from tests.test_page import FEES, FORTY, HARBOUR, ORCHARD, TOKEN, Held, answered, library, opener

pytestmark = pytest.mark.filterwarnings("ignore::Warning:gradio.queueing")


def held(*said):
    """Opens articles, but says this first and waits: the opener, the event that it has said so, the one it waits for."""
    reached, go = threading.Event(), threading.Event()

    def slow(article, *, config, progress):
        progress(*said)
        reached.set()
        assert go.wait(30)
        return opener()(article, config=config)

    return slow, reached, go


# The library


def test_without_articles_the_bundled_one_is_served():
    assert Library().articles == (Article.default(),)


def test_of_two_articles_with_the_same_text_one_is_served_and_found_by_its_hash():
    copy = replace(HARBOUR, title="Copy")
    shelf = library(HARBOUR, ORCHARD, copy)
    assert shelf.articles == (copy, ORCHARD) and shelf.find(HARBOUR.hash) == copy


def test_an_article_asked_for_twice_at_once_is_opened_once():
    opened, together = [], threading.Barrier(8)
    shelf = library(open_chat=lambda article, **options: opened.append(article) or opener()(article, **options))
    chats = []

    def enter():
        together.wait()
        chats.append(shelf.chat(HARBOUR))

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [HARBOUR] and len(chats) == 8 and len({id(chat) for chat in chats}) == 1


def test_the_last_used_chats_are_kept():
    articles = [Article.from_text(f"Sentence number {n} stands here.") for n in range(KEPT + 1)]
    shelf = library(*articles)
    first, second, *_ = chats = [shelf.chat(article) for article in articles[:KEPT]]
    assert shelf.chat(articles[0]) is first
    shelf.chat(articles[KEPT])
    assert shelf.chat(articles[0]) is first
    assert shelf.chat(articles[1]) is not second
    assert shelf.chat(articles[KEPT - 1]) is chats[KEPT - 1]


def test_an_open_article_stays_so_while_more_are_coming_than_are_kept():
    slow, _, go = held("reading the article", 3, 12)
    shelf = library(open_chat=lambda article, **options: (opener() if article == HARBOUR else slow)(article, **options))
    first = shelf.chat(HARBOUR)
    for n in range(KEPT + 1):
        shelf.prepare(Article.from_text(f"Sentence number {n} stands here."))
    assert shelf.chat(HARBOUR) is first
    go.set()


def test_what_a_tab_brings_is_kept_in_memory_alone(tmp_path):
    shelf = Library([HARBOUR], config=Config(cache=tmp_path), open_chat=opener())
    shelf.chat(ORCHARD).ask(FORTY)
    assert list(tmp_path.rglob("*")) == []
    shelf.chat(HARBOUR)
    assert {file.parent.name for file in tmp_path.rglob("*.*") if file.is_file()} == {"indexes", "readings"}


def test_warming_tells_how_far_it_is_until_all_is_ready():
    slow, reached, go = held("reading the article", 3, 12)
    shelf = library(open_chat=slow)
    assert shelf.opening(HARBOUR) is None
    shelf.warm()
    assert reached.wait(30)
    assert shelf.opening(HARBOUR) == ("reading the article", 3, 12) and shelf.opening(ORCHARD) is None
    go.set()
    assert shelf.chat(HARBOUR).article == HARBOUR
    assert shelf.opening(HARBOUR) is None


def test_few_articles_are_opened_at_a_time_and_not_too_many_wait(monkeypatch):
    slow, reached, go = held("reading the article", 3, 12)
    begun = []
    monkeypatch.setattr("rag.library.OPENED", 1)
    monkeypatch.setattr("rag.library.COMING", 2)
    shelf = library(open_chat=lambda article, **options: begun.append(article) or slow(article, **options))
    shelf.prepare(HARBOUR)
    assert reached.wait(30)
    shelf.prepare(ORCHARD)
    third = Article.from_text("Nobody was there.")
    with pytest.raises(ArticleError, match="2 articles are being opened"):
        shelf.prepare(third)
    shelf.prepare(ORCHARD)
    assert begun == [HARBOUR] and shelf.opening(ORCHARD) == ("opening the article", 0, 0) and shelf.opening(third) is None
    go.set()
    assert shelf.chat(ORCHARD).article == ORCHARD and begun == [HARBOUR, ORCHARD]
    shelf.prepare(third)
    assert shelf.chat(third).article == third


def test_an_error_while_opening_is_told_and_the_next_who_asks_tries_again():
    tries = []

    def opens(article, **options):
        tries.append(article)
        if len(tries) == 1:
            raise ModelError("There is no model file x.")
        return opener()(article, **options)

    shelf = library(open_chat=opens)
    with pytest.raises(ModelError, match="no model file x"):
        shelf.chat(HARBOUR)
    assert isinstance(shelf.opening(HARBOUR), ModelError)
    assert shelf.chat(HARBOUR).article == HARBOUR
    assert shelf.opening(HARBOUR) is None and len(tries) == 2


def test_an_article_is_found_by_a_beginning_of_its_hash_that_no_other_has():
    shelf = library()
    assert shelf.find() == HARBOUR and shelf.find(ORCHARD.hash[:8]) == ORCHARD
    known = f"{HARBOUR.hash[:12]}, {ORCHARD.hash[:12]}"
    with pytest.raises(ArticleError, match=f"^The hash of no articles begins with 'zz'. Give more of one of: {known}.$"):
        shelf.find("zz")


# Sessions


def test_a_token_names_a_session_and_nothing_else_does():
    sessions = Sessions(library())
    assert sessions.get(TOKEN) is sessions.get(TOKEN)
    assert sessions.get("f" * 64) is not sessions.get(TOKEN)
    for none in ("", None, "0" * 31, "g" * 64, TOKEN + "\n", 7):
        with pytest.raises(SanadError, match="no session"):
            sessions.get(none)


def test_the_least_recently_used_session_goes():
    sessions = Sessions(library())
    first, second = sessions.get(f"{0:064x}"), sessions.get(f"{1:064x}")
    for n in range(2, SESSIONS):
        sessions.get(f"{n:064x}")
    assert sessions.get(f"{0:064x}") is first
    sessions.get(f"{SESSIONS:064x}")
    assert sessions.get(f"{0:064x}") is first and sessions.get(f"{1:064x}") is not second


def test_a_question_is_answered_as_by_the_chat():
    session = Session(library())
    exchange = answered(session, f" {FEES} ")
    expected = opener()(HARBOUR, config=Config(keep=False)).ask(FEES)
    assert (exchange.asked, exchange.article, exchange.state) == (FEES, HARBOUR, "done")
    assert plain(exchange.answer) == plain(expected)
    assert [c.sentence for c in exchange.answer.citations] == [1]


def plain(answer):
    return {**answer.to_dict(), "timings": None}


def test_a_question_is_shown_in_the_language_that_it_is_answered_in_from_the_first():
    slow, reached, go = held("opening the article", 0, 0)
    session = Session(library(Article.from_text("O moinho gira quando o canal está cheio."), open_chat=slow))
    at = session.ask("Quando?")
    assert reached.wait(30) and session.exchanges[at].answer.language == "pt"
    assert '<p class="asked" lang="pt"' in render.turn(session.exchanges[at], at)
    go.set()
    *_, (_, exchange) = session.follow(at)
    assert exchange.answer.language == "pt"


def test_language_and_number_of_sentences_can_be_set():
    session = Session(library())
    assert answered(session, "What about nothing at all?", language="fr").answer.text == "L'article ne le dit pas."
    asked = "Fishermen protested against harbour fees, harbour closed yesterday?"
    assert len(answered(session, asked, evidence=1).answer.citations) == 1


def test_an_answer_can_be_seen_growing_and_one_is_made_at_a_time():
    model = Held()
    session = Session(library(open_chat=opener(model)))
    seen = session.follow(session.ask(FEES))
    while (exchange := next(seen)[1]).state != "writing":
        assert exchange.state in ("searching", "choosing")
        model.let.release()
    with pytest.raises(QuestionError, match="Another question is being answered"):
        session.ask(FORTY)
    for _ in range(20):
        model.let.release()
    *_, (at, exchange) = seen
    assert (at, exchange.state, len(session.exchanges)) == (0, "done", 1)


def test_a_stopped_answer_stays_so_and_its_generator_is_closed():
    model = Held()
    session = Session(library(open_chat=opener(model)))
    at = session.ask(FEES)
    model.let.release(3)  # two words begin as the question does: they wait for the third
    for _, exchange in session.follow(at):
        if exchange.answer.text:
            session.stop()
            model.let.release()
    assert model.left.wait(30)
    assert (session.exchanges[0].state, session.exchanges[0].answer.text) == ("stopped", "Fishermen protested loudly ")
    for _ in range(20):
        model.let.release()
    assert answered(session, FEES).state == "done"
    assert session.exchanges[0].state == "stopped"


def test_a_question_waits_for_its_article_and_can_be_stopped_meanwhile():
    slow, reached, go = held("encoding sentences", 1, 4)
    session = Session(library(open_chat=slow))
    session.ask(FEES)
    assert reached.wait(30)
    assert session.turn(0).waits == ("encoding sentences", 1, 4)
    session.stop()
    assert (session.turn(0).state, session.turn(0).waits) == ("stopped", None)
    again = session.ask(FEES)
    assert [session.turn(at).waits for at in (0, again)] == [None, ("encoding sentences", 1, 4)]
    go.set()
    *_, (_, exchange) = session.follow(again)
    assert exchange.state == "done"


def test_errors_are_said_in_the_turn(caplog):
    def missing(article, **options):
        raise ModelError("There is no model file x.")

    def broken(article, **options):
        raise ZeroDivisionError("secret")

    failed = answered(Session(library(open_chat=missing)), FEES)
    assert (failed.state, failed.note) == ("failed", "There is no model file x.")
    failed = answered(Session(library(open_chat=broken)), FEES)
    assert (failed.state, failed.note) == ("failed", "The answer could not be made: ZeroDivisionError. Ask again.")
    assert "secret" in caplog.text
    with pytest.raises(QuestionError, match="empty"):
        Session(library()).ask(" \n")


def test_a_follow_up_is_read_with_the_last_turn_about_the_same_article():
    session = Session(library())
    said = answered(session, FEES).answer.text
    assert answered(session, "And why?").answer.question == f"{FEES} {without_markers(said)} And why?"
    session.show(ORCHARD.hash)
    assert answered(session, "And why?").answer.question == "And why?"


def test_asked_again_a_turn_keeps_its_place_and_its_article():
    session = Session(library())
    answered(session, FEES)
    session.show(ORCHARD.hash)
    answered(session, FORTY)
    again = answered(session, FEES, at=0, keep=True)
    assert again.article == HARBOUR == session.article
    assert [e.asked for e in session.exchanges] == [FEES, FORTY]


def test_edited_a_turn_takes_the_later_ones_with_it():
    session = Session(library())
    for question in (FEES, FEES, FEES):
        answered(session, question)
    answered(session, "Was nobody hurt?", at=1)
    assert [e.asked for e in session.exchanges] == [FEES, "Was nobody hurt?"]


def test_the_conversation_is_cleared_and_the_articles_stay():
    session = Session(library())
    session.add(Article.from_text("One stands here."))
    session.ask("One stands where?")
    session.clear()
    assert session.exchanges == () and len(session.articles) == 3
    assert list(session.follow()) == [] == list(session.follow(0))


def test_own_articles_are_the_sessions_own_and_bounded():
    shelf = library()
    session, other = Session(shelf), Session(shelf)
    for n in range(ARTICLES + 2):
        session.add(Article.from_text(f"Sentence number {n} stands here."))
    session.add(HARBOUR)
    assert [one.text for one in session.own] == [f"Sentence number {n} stands here." for n in range(2, ARTICLES + 2)]
    assert session.article == HARBOUR and other.articles == shelf.articles
    with pytest.raises(ArticleError, match="no longer kept"):
        other.show(session.own[0].hash)


def test_the_article_of_a_turn_can_be_shown_when_it_is_no_longer_listed():
    session = Session(library())
    own = Article.from_text("The lighthouse stands since long ago.")
    session.add(own)
    answered(session, "The lighthouse stands since when?")
    session.own = ()
    session.show(HARBOUR.hash)
    session.show(own.hash)
    assert session.article == own


def test_half_a_character_in_a_question_does_no_harm():
    assert answered(Session(library()), "Fishermen protested against \ud83d harbour?").asked.encode()
