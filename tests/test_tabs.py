"""What is left when a tab goes, and what a tab may ask."""
import json
import time
from contextlib import closing, contextmanager
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest

import app
from rag import QuestionError, sessions
from rag.api import endpoints
from rag.page import Page
from rag.queue import Queue
from rag.sessions import PER_MINUTE, SESSIONS, Session, Sessions
from tests.test_load import PATIENCE, Step, eventually, length
from tests.test_page import FEES, HARBOUR, Held, answered, call, library, opener
from tests.test_sessions import held

pytestmark = pytest.mark.filterwarnings("ignore::Warning:gradio.queueing")


# Tabs


@pytest.fixture
def hasty(monkeypatch):
    """A tab counts as closed after two seconds."""
    monkeypatch.setattr(sessions, "AWAY", 2.0)
    monkeypatch.setattr(sessions, "PULSE", 0.1)


def test_a_question_that_nobody_looks_at_is_dropped_whether_it_waits_or_is_answered(hasty):
    model = Held()
    shelf = library(open_chat=opener(model))
    closed, waiting, open_one = (Session(shelf) for _ in range(3))
    seen = closed.follow(closed.ask(FEES))
    model.let.release(3)  # two words begin as the question does: they wait for the third
    assert eventually(lambda: next(seen)[1].answer.text == "Fishermen protested loudly ")
    waiting.ask(FEES)
    open_one.ask(FEES)
    looks = open_one.follow(0)
    assert eventually(lambda: next(looks)[1].waits == ("1 before you", 0, 0) and not waiting.busy)
    model.let.release(100)
    assert model.left.wait(PATIENCE)
    *_, (_, exchange) = looks
    assert exchange.state == "done"
    for one in (closed, waiting):
        assert (one.turn(0).state, one.turn(0).note) == ("stopped", "(the page was closed)")
    assert answered(waiting, FEES).state == "done"


def test_a_tab_that_comes_back_in_time_goes_on(monkeypatch):
    monkeypatch.setattr(sessions, "AWAY", 5.0)
    model = Held()
    session = Session(library(open_chat=opener(model)))
    with closing(session.follow(session.ask(FEES))) as seen:
        next(seen)
    time.sleep(0.3)  # a reload
    model.let.release(100)
    *_, (at, exchange) = session.follow()
    assert (at, exchange.state) == (0, "done")


def test_a_turn_that_does_not_change_is_shown_again_now_and_then(hasty):
    model = Step()
    session = Session(library(open_chat=opener(model)))
    seen = session.follow(session.ask(FEES))
    assert model.reached.acquire(timeout=PATIENCE)
    eventually(lambda: next(seen)[1].state == "choosing")
    first, second = next(seen), next(seen)
    assert first == second
    model.let.release(100)
    *_, (_, exchange) = seen
    assert exchange.state == "done"


def test_a_tab_may_ask_and_translate_so_often_a_minute(monkeypatch):
    clock = SimpleNamespace(now=1000.0, sleep=time.sleep)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(sessions, "time", clock)
    shelf = library()
    session = Session(shelf)
    for n in range(PER_MINUTE - 1):
        clock.now += 1
        assert answered(session, FEES).state == "done", n
    session.translate(0, 1)
    with pytest.raises(QuestionError, match=f"^A tab may ask {PER_MINUTE} times a minute. Ask again in 42 seconds.$"):
        session.ask(FEES)
    with pytest.raises(QuestionError, match="Ask again in 42 seconds"):
        session.translate(0, 1)
    assert len(session.exchanges) == PER_MINUTE - 1 and length(shelf) == 0
    assert answered(Session(shelf), FEES).state == "done"
    clock.now += 41.5
    with pytest.raises(QuestionError, match="Ask again in 1 seconds"):
        session.ask(FEES)
    clock.now += 0.5
    assert answered(session, FEES).state == "done"
    with pytest.raises(QuestionError, match="Ask again in 1 seconds"):
        session.ask(FEES)


def test_a_session_that_waits_for_an_answer_is_not_the_one_that_goes():
    model = Held()
    tabs = Sessions(library(open_chat=opener(model)))
    busy, idle = tabs.get(f"{0:064x}"), tabs.get(f"{1:064x}")
    busy.ask(FEES)
    for n in range(2, SESSIONS + 1):
        tabs.get(f"{n:064x}")
    assert tabs.get(f"{0:064x}") is busy and tabs.get(f"{1:064x}") is not idle
    model.let.release(100)


# The page and the API


def test_the_page_shows_how_many_come_before_and_stops_a_question_that_waits():
    model = Step()
    page = Page(library(open_chat=opener(model)))
    page.sessions.get("f" * 64).ask(FEES)
    assert model.reached.acquire(timeout=PATIENCE)
    shown = page.ask(call(), FEES, "auto", 3)
    first = next(shown)[0]
    turn = first["turns"][0]
    assert "1 before you" in turn and 'class="turn live"' in turn and first["notice"] == ""
    page.stop(call())
    (stopped,) = [said for said, *_ in shown]
    assert 'data-state="stopped"' in stopped["turns"][0] and stopped["notice"] is None
    model.let.release(100)


def test_busy_is_a_notice_and_the_question_stays_in_the_box(pool):
    model = Step()
    shelf = library(open_chat=opener(model), queue=Queue(waiting=0))
    page = Page(shelf)
    model.let.release(7)
    *_, (said, *_) = page.ask(call(), FEES, "fr", 3)
    page.sessions.get("f" * 64).ask(FEES)
    (refused,) = page.ask(call(), FEES, "auto", 3)
    busy = "Busy: 0 questions are waiting already. Try again in a minute."
    assert (refused[0]["notice"], refused[0]["turns"], refused[0]["count"]) == (busy, [], 1) and refused[1] != ""
    assert page.translate(call(turn=0, number=1)) == {"error": busy}
    ask, search, _ = endpoints(shelf)
    with pytest.raises(gr.Error, match="Busy: 0 questions are waiting already"):
        ask(FEES)
    assert search(FEES)[0]["sentence"] == 1
    model.let.release(100)


@pytest.mark.parametrize("which", [{}, {"turn": 7, "number": 1}, {"turn": 0, "number": 9}, {"turn": "0", "number": None}])
def test_a_citation_that_there_is_not_is_not_translated(which):
    page = Page(library())
    list(page.ask(call(), FEES, "fr", 3))
    assert page.translate(call(**which)) == {"error": "This citation is no longer kept. Load the page again."}


def test_the_page_opens_while_many_tabs_wait_for_an_article():
    slow, reached, go = held("reading the article", 3, 12)
    page = app.launch(library(open_chat=slow), port=0, wait=False)
    try:
        config = httpx.get(f"{page.local_url}config", timeout=PATIENCE).json()
        (loading,) = (one["id"] for one in config["dependencies"] if one["api_name"] == "loading")
        for tab in range(SESSIONS):
            event = {"data": [], "fn_index": loading, "session_hash": f"tab{tab}"}
            httpx.post(f"{page.local_url}gradio_api/queue/join", json=event).raise_for_status()
        assert reached.wait(PATIENCE)
        assert "Sanad" in httpx.get(page.local_url, timeout=PATIENCE).text
    finally:
        go.set()
        page.close()


@pytest.fixture
def served():
    """A library that is served with a Held model, and what opens a tab as the page in a browser does."""
    shelf = library(open_chat=opener(Held()))
    page = app.launch(shelf, port=0, wait=False)
    with httpx.Client(base_url=f"{page.local_url}gradio_api", timeout=PATIENCE) as client:
        named = {event["api_name"]: event["id"] for event in httpx.get(f"{page.local_url}config").json()["dependencies"]}

        @contextmanager
        def tab(number):
            """A tab that asks; what the server sends it, until the end of the block."""
            data = [{"token": f"{number:064x}"}, FEES, "auto", 3]
            event = {"data": data, "fn_index": named["ask_1"], "session_hash": f"tab{number}"}
            client.post("/queue/join", json=event).raise_for_status()
            with client.stream("GET", "/queue/data", params={"session_hash": f"tab{number}"}) as stream:
                yield (json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line)

        yield shelf, tab
    page.close()


def test_a_tab_that_is_closed_frees_its_place(served, hasty):
    shelf, tab = served
    with tab(1) as first:
        assert any("data-state" in json.dumps(said) for said in first)
        with tab(2) as second:
            assert any("1 before you" in json.dumps(said) for said in second)
            assert length(shelf) == 2
        eventually(lambda: length(shelf) == 1)
    assert shelf.chat(HARBOUR).model.left.is_set() is False
    shelf.chat(HARBOUR).model.let.release(100)
    eventually(lambda: length(shelf) == 0)
