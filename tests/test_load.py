"""One model, many users: who is served when, what a place in the queue is worth, and that no answer is mixed up or lost."""
import gc
import json
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from types import SimpleNamespace

import gradio as gr
import httpx
import pytest

import app
from rag import Article, Config, ModelError, QuestionError, sessions
from rag.api import endpoints
from rag.library import KEPT, Library
from rag.page import Page
from rag.queue import Queue
from rag.sessions import PER_MINUTE, SESSIONS, Session, Sessions
from rag.testing import WordModel
from tests.test_page import FEES, FORTY, HARBOUR, ORCHARD, Held, answered, call, library, opener, plain

pytestmark = pytest.mark.filterwarnings("ignore::Warning:gradio.queueing")

PATIENCE = 60
"""Seconds after which what a test waits for is taken not to come."""


def eventually(found):
    """What is found, as soon as there is something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if here := found():
            return here
        time.sleep(0.01)
    pytest.fail("It did not come.")


def length(shelf):
    """How many wait or are served, as the next to come sees it."""
    place = shelf.queue.join()
    with closing(SimpleNamespace(close=place.leave)):
        return place.ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


class Step(WordModel):
    """A model that looks at sentences, and writes each word, when it is let; `reached` counts how often it waited for that.

    `heard` are the questions that it looked at sentences for, in that order.
    """

    def __init__(self):
        super().__init__()
        self.let, self.reached, self.heard = threading.Semaphore(0), threading.Semaphore(0), []

    def weigh(self, reading, views, before, text, after, choices):
        self.heard.append(text)
        self.step()
        return super().weigh(reading, views, before, text, after, choices)

    def stream(self, *given, **options):
        for word in super().stream(*given, **options):
            self.step()
            yield word

    def step(self):
        self.reached.release()
        assert self.let.acquire(timeout=PATIENCE)


class Endless(WordModel):
    """A model whose replies do not end as long as it is stuck; `ended` tells that one was made to."""

    def __init__(self):
        super().__init__()
        self.stuck, self.ended = True, threading.Event()

    def stream(self, *given, **options):
        try:
            while self.stuck:
                yield "on "
            yield from super().stream(*given, **options)
        finally:
            self.ended.set()


# The queue


def test_who_came_first_is_served_first_and_knows_how_many_come_before(pool):
    queue, served = Queue(), []
    first, *rest = places = [queue.join() for _ in range(5)]

    def serve(place):
        with place.turn():
            served.append((place, place.ahead))

    with first.turn():
        waiting = [pool.submit(serve, place) for place in reversed(rest)]
        assert [place.ahead for place in places] == [0, 1, 2, 3, 4] and served == []
    for one in waiting:
        one.result(PATIENCE)
    assert served == [(place, 0) for place in rest] and [place.ahead for place in places] == [0] * 5


def test_so_many_may_wait_and_the_next_is_told_to_try_again():
    queue = Queue(waiting=2)
    first, second, _ = places = [queue.join() for _ in range(3)]
    with first.turn():
        with pytest.raises(QuestionError, match="^Busy: 2 questions are waiting already. Try again in a minute.$"):
            queue.join()
    assert queue.join().ahead == 2
    second.leave()
    assert [place.ahead for place in places] == [0, 0, 0] and queue.join().ahead == 2


def test_who_leaves_is_not_served_and_frees_the_place_at_once(pool):
    queue = Queue()
    first, second, third = (queue.join() for _ in range(3))
    with first.turn():
        waiting = pool.submit(second.turn().__enter__)
        second.leave()
        assert (second.ahead, third.ahead) == (0, 1)
        with pytest.raises(QuestionError, match="The question was stopped"):
            waiting.result(PATIENCE)
    with pytest.raises(QuestionError, match="The question was stopped"), second.turn():
        pytest.fail("It was served.")
    with third.turn():
        assert third.ahead == 0


def test_who_leaves_in_the_own_turn_has_it_until_the_next_look():
    queue = Queue()
    first, second = queue.join(), queue.join()
    with pytest.raises(QuestionError, match="The question was stopped"), first.turn():
        first.check()
        first.leave()
        assert second.ahead == 1
        first.check()
    assert second.ahead == 0


def test_an_error_in_a_turn_gives_it_to_the_next():
    queue = Queue()
    first, second = queue.join(), queue.join()
    with pytest.raises(ZeroDivisionError), first.turn():
        raise ZeroDivisionError
    with second.turn():
        assert second.ahead == 0


def test_who_is_not_ready_lets_others_pass_and_keeps_the_place(pool):
    queue, ready, go = Queue(), threading.Event(), threading.Event()
    slow, quick, late = queue.join(ready.is_set), queue.join(), queue.join()
    served = []

    def serve(place):
        with place.turn():
            served.append(place)
            assert go.wait(PATIENCE)

    waiting = [pool.submit(serve, place) for place in (slow, quick, late)]
    eventually(lambda: served == [quick])
    assert [place.ahead for place in (slow, quick, late)] == [1, 0, 2]
    ready.set()
    queue.wake()
    go.set()
    for one in waiting:
        one.result(PATIENCE)
    assert served == [quick, slow, late]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_they_do_one_has_the_turn_and_the_order_is_kept(pool, seed):
    chance, queue, alone, served = random.Random(seed), Queue(waiting=60), threading.Lock(), []
    places = [queue.join() for _ in range(60)]
    does = {place: chance.choice(["leaves", "is stopped", "is stopped in turn", "fails", "ends"]) for place in places}

    def serve(place):
        if does[place] == "leaves":
            return place.leave()
        with place.turn():
            assert alone.acquire(blocking=False)
            served.append(place)
            alone.release()
            if does[place] == "is stopped in turn":
                place.leave()
                place.check()
            if does[place] == "fails":
                raise QuestionError("It failed.")

    working = {place: pool.submit(serve, place) for place in chance.sample(places, len(places))}
    for place in places:
        if does[place] == "is stopped":
            place.leave()
    errors = {place: str(one.exception(PATIENCE) or "") for place, one in working.items()}
    assert served == [place for place in places if place in served]
    assert {does[place] for place in served} >= {"is stopped in turn", "fails", "ends"}
    assert not {does[place] for place in served} & {"leaves"}
    said = {"fails": "It failed.", "is stopped in turn": "The question was stopped."}
    assert all(errors[place] == said.get(does[place], "") for place in places if does[place] != "is stopped")
    assert queue.join().ahead == 0


# Whose turn it is


def test_questions_the_api_and_translations_are_served_in_the_order_they_came(pool):
    model = Step()
    shelf = library(open_chat=opener(model))
    ask, *_ = endpoints(shelf)
    one, two, three = (Session(shelf) for _ in range(3))
    one.ask(FEES, language="fr")
    model.let.release(7)
    *_, (_, exchange) = one.follow(0)
    assert exchange.answer.citations[0].number == 1

    model.heard.clear()
    two.ask(f"{FEES} First.")
    eventually(lambda: len(model.heard) == 1)
    translation = pool.submit(one.translate, 0, 1)
    eventually(lambda: length(shelf) == 2)
    three.ask(FEES)
    asked = pool.submit(ask, FORTY, ORCHARD.hash)
    eventually(lambda: length(shelf) == 4)
    assert three.turn(0).waits == ("2 before you", 0, 0) and two.turn(0).waits is None
    model.let.release(1 + 6)
    *_, (_, exchange) = two.follow(0)
    assert exchange.state == "done" and not translation.done() and three.turn(0).waits == ("1 before you", 0, 0)
    model.let.release(6)
    assert translation.result(PATIENCE) == "Fishermen protested loudly against harbour fees."
    eventually(lambda: model.heard[1:] == [FEES])
    assert three.turn(0).waits is None and not asked.done()
    model.let.release(100)
    assert asked.result(PATIENCE)["text"].startswith("The orchard grows forty kinds.")
    assert model.heard[1:] == [FEES, FORTY]


def test_an_article_that_is_being_opened_holds_up_no_other(pool):
    reached, go = threading.Event(), threading.Event()

    def opens(article, **options):
        if article == ORCHARD:
            reached.set()
            assert go.wait(PATIENCE)
        return opener()(article, **options)

    shelf = library(open_chat=opens)
    first, second = Session(shelf), Session(shelf)
    first.article = ORCHARD
    first.ask(FORTY)
    assert reached.wait(PATIENCE)
    assert answered(second, FEES).state == "done"
    assert first.turn(0).waits == ("opening the article", 0, 0)
    go.set()
    *_, (_, exchange) = first.follow(0)
    assert (exchange.state, [c.sentence for c in exchange.answer.citations]) == ("done", [0])


def test_more_articles_than_are_kept_open_can_be_asked_at_once():
    articles = [Article.from_text(f"The lighthouse number {n} stands near harbour {n}.") for n in range(KEPT + 4)]
    model = Held()
    shelf = library(*articles, open_chat=opener(model))
    tabs = [Session(shelf) for _ in articles]
    for tab, article in zip(tabs, articles, strict=True):
        tab.show(article.hash)
        tab.ask("Which lighthouse stands near which harbour?")
    model.let.release(1000)
    for tab, article in zip(tabs, articles, strict=True):
        *_, (_, exchange) = tab.follow(0)
        assert (exchange.state, exchange.answer.text) == ("done", f"{article.text} [1]")


def test_an_article_that_cannot_be_opened_fails_once_for_a_question():
    tries = []

    def missing(article, **options):
        tries.append(article)
        raise ModelError("There is no model file x.")

    shelf = library(open_chat=missing)
    session = Session(shelf)
    assert answered(session, FEES).note == "There is no model file x." and tries == [HARBOUR]
    assert answered(session, FEES).note == "There is no model file x." and tries == [HARBOUR, HARBOUR]


def test_looking_how_far_an_article_is_opened_does_not_go_through_its_sentences(monkeypatch):
    shelf = library()
    shelf.chat(HARBOUR)
    monkeypatch.setattr(Article, "__hash__", lambda self: pytest.fail("It did."))
    assert shelf.opening(HARBOUR) is None and shelf.chat(HARBOUR).article is HARBOUR


def test_an_error_in_one_question_does_not_stop_the_next(caplog):
    class Broken(WordModel):
        def weigh(self, reading, views, before, text, after, choices):
            if "broken" in text:
                raise ZeroDivisionError
            return super().weigh(reading, views, before, text, after, choices)

    shelf = library(open_chat=opener(Broken()))
    session = Session(shelf)
    assert answered(session, "Is this one broken?").state == "failed"
    assert answered(session, FEES).state == "done" and length(shelf) == 0
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("begins", [0, 1, 2])
def test_without_room_for_a_thread_a_question_fails_and_its_place_is_free(monkeypatch, begins):
    model = Step()  # else the answer may come before the last thread is refused
    shelf, start, left = library(open_chat=opener(model)), threading.Thread.start, [None] * begins

    def starts(thread):
        if thread._target and thread._target.__name__ in ("_open", "_answer", "_watch"):
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
        start(thread)

    session = Session(shelf)
    monkeypatch.setattr(threading.Thread, "start", starts)
    session.ask(FEES)
    monkeypatch.undo()
    exchange = eventually(lambda: (turn := session.turn(0)).over and turn)
    assert exchange.state == "failed" and "The answer could not be made: " in exchange.note
    model.let.release(100)
    eventually(lambda: length(shelf) == 0)
    assert answered(session, FEES).state == "done"


# Leaving


@pytest.mark.parametrize("steps", range(7))
def test_stopped_at_any_point_a_question_gives_its_turn_to_the_next(steps):
    model = Step()
    shelf = library(open_chat=opener(model))
    session, next_one = Session(shelf), Session(shelf)
    session.ask(FEES)
    for _ in range(steps):
        model.let.release()
        assert model.reached.acquire(timeout=PATIENCE)
    assert model.reached.acquire(timeout=PATIENCE)
    next_one.ask(FEES)
    session.stop()
    assert session.turn(0).state == "stopped" and next_one.turn(0).waits == ("1 before you", 0, 0)
    model.let.release(100)
    *_, (_, exchange) = next_one.follow(0)
    assert plain(exchange.answer) == plain(opener()(HARBOUR, config=Config(keep=False)).ask(FEES))
    assert session.turn(0).state == "stopped" and model.heard == [FEES, FEES]


@pytest.mark.parametrize("leave", [Session.stop, Session.clear])
def test_a_question_that_waits_is_stopped_at_once_and_never_asked(leave):
    model = Step()
    shelf = library(open_chat=opener(model))
    first, second, third = (Session(shelf) for _ in range(3))
    first.ask(FEES)
    eventually(lambda: model.heard)
    second.ask("Was nobody hurt yesterday?")
    third.ask(FEES)
    assert third.turn(0).waits == ("2 before you", 0, 0)
    leave(second)
    assert third.turn(0).waits == ("1 before you", 0, 0) and not second.busy
    model.let.release(100)
    *_, (_, exchange) = third.follow(0)
    assert exchange.state == "done" and model.heard == [FEES, FEES]


def test_a_reply_that_does_not_end_is_ended_and_the_next_question_answered():
    model = Endless()
    shelf = library(open_chat=opener(model), queue=Queue(seconds=0.2))
    session = Session(shelf)
    exchange = answered(session, FEES)
    assert (exchange.state, exchange.note) == ("failed", "This took longer than 0.2 seconds and was ended. Try again.")
    assert exchange.answer.text.startswith("on on ") and model.ended.is_set()
    model.stuck = False
    assert answered(session, FEES).state == "done"
    model.stuck = True
    assert answered(session, "And why?").note == "This took longer than 0.2 seconds and was ended. Try again."
    with pytest.raises(ModelError, match="longer than 0.2 seconds"):
        session.translate(1, 1)
    assert length(shelf) == 0


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
    model.let.release()
    assert eventually(lambda: next(seen)[1].answer.text == "Fishermen ")
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


# Many at once

ELSEWHERE = "What is the capital of France today?"
TOLD = {
    """The Brenna ferry has crossed the fjord since 1912. Captain Marta Olsen steered it for forty years.
A crossing takes eleven minutes in calm water. The old steam engine was replaced by batteries in 2019.
Farmers still bring their sheep aboard every October. Tickets are sold in the yellow house on the pier.""": (
        "Since when has the Brenna ferry crossed the fjord?",
        "Who was the captain that steered it for forty years?",
        "What replaced the old steam engine in 2019?",
        "Where are tickets sold, in which yellow house?",
    ),
    """بُني سوق النحاسين في المدينة القديمة قبل ثلاثة قرون. يعمل فيه اليوم أربعون حرفيا من ست عائلات.
يصنع الحرفيون أباريق القهوة وصواني الشاي. تغلق الدكاكين أبوابها ظهر كل جمعة.
أعادت البلدية ترميم سقف السوق بعد حريق كبير. يزور السياح السوق في فصل الربيع خاصة.""": (
        "قبل كم قرون بُني سوق النحاسين في المدينة القديمة؟",
        "كم حرفيا يعمل في السوق اليوم من ست عائلات؟",
        "ماذا يصنع الحرفيون من أباريق القهوة وصواني الشاي؟",
        "متى تغلق الدكاكين أبوابها من كل أسبوع ظهر جمعة؟",
    ),
    """Обсерватория на горе Карагач открылась весной 1958 года. Её главный телескоп весит двенадцать тонн.
Астроном Лидия Соколова открыла здесь две кометы. Зимой дорога закрыта из-за снега почти месяц.
Студенты приезжают на практику каждое лето. Гостей пускают в башню только по субботам.""": (
        "Когда открылась обсерватория на горе Карагач?",
        "Сколько тонн весит её главный телескоп?",
        "Какой астроном открыла здесь две кометы?",
        "Почему зимой дорога закрыта почти месяц?",
    ),
    """Gökdere köyünde peynir mağarada altı ay bekletilir. Mağaranın sıcaklığı yaz boyunca sekiz derecede kalır.
Köyün kooperatifi 1987 yılında on dört kadın tarafından kuruldu. Üretilen peynirin yarısı İzmir pazarında satılır.
Her eylül ayında köy meydanında bir şenlik yapılır. Yeni yol ulaşımı bir saat kısalttı.""": (
        "Gökdere köyünde peynir mağarada kaç ay bekletilir?",
        "Köyün kooperatifi hangi yılında kaç kadın tarafından kuruldu?",
        "Üretilen peynirin yarısı hangi pazarında satılır?",
        "Her eylül ayında köy meydanında ne yapılır?",
    ),
    """Le moulin de Valbrune moud encore le seigle des voisins. La meunière Odile Garnier l'a racheté en 2004.
La grande roue tourne avec l'eau du canal voisin. Une crue a emporté le pont de bois en janvier.
Les écoliers visitent le moulin chaque jeudi matin. Le pain est vendu dans la grange rouge.""": (
        "Quelle meunière a racheté le moulin, Odile Garnier ?",
        "Avec quelle eau la grande roue tourne dans le canal ?",
        "Quand une crue a emporté le pont de bois ?",
        "Quand les écoliers visitent le moulin chaque matin ?",
    ),
    """Die Werkstatt in Lindach baut seit 1931 Geigen aus Ahorn. Gründer Anton Reiser lernte sein Handwerk in Cremona.
Eine Geige braucht etwa zweihundert Stunden Arbeit. Das Holz trocknet zehn Jahre lang unter dem Dach.
Heute leitet seine Enkelin Klara den Betrieb. Im Keller steht eine Sammlung von dreißig alten Bögen.""": (
        "Seit wann baut die Werkstatt in Lindach Geigen aus Ahorn?",
        "Wie viele Stunden Arbeit braucht etwa eine Geige?",
        "Wie viele Jahre lang trocknet das Holz unter dem Dach?",
        "Wie heißt seine Enkelin, die heute den Betrieb leitet?",
    ),
    """El faro de Punta Serena alumbra la costa desde 1874. Su último farero, Julio Peralta, se jubiló en 1998.
La lámpara alcanza veinte millas náuticas en noches claras. Hoy la torre alberga un pequeño museo del mar.
Los pescadores celebran allí la fiesta de agosto. Una tormenta rompió dos ventanas el invierno pasado.""": (
        "¿Desde cuándo el faro de Punta Serena alumbra la costa?",
        "¿Cuándo se jubiló su último farero, Julio Peralta?",
        "¿Cuántas millas náuticas alcanza la lámpara en noches claras?",
        "¿Qué pequeño museo alberga hoy la torre del faro?",
    ),
    """La biblioteca di Montelago conserva ottomila volumi antichi. Il monaco Fra Benedetto scrisse il primo catalogo.
Un incendio distrusse la sala grande durante la guerra. I restauri furono pagati da una fabbrica di carta.
La biblioteca apre il mercoledì e il sabato. Il manoscritto più prezioso parla di erbe medicinali.""": (
        "Quanti volumi antichi conserva la biblioteca di Montelago?",
        "Quale monaco scrisse il primo catalogo della biblioteca?",
        "Cosa distrusse la sala grande durante la guerra?",
        "Da quale fabbrica di carta furono pagati i restauri?",
    ),
}
"""Eight small articles in eight languages, and questions that they answer; ELSEWHERE is one that none of them does."""


def told():
    """The articles, each with five questions."""
    return [(Article.from_text(text), (*questions, ELSEWHERE)) for text, questions in TOLD.items()]


class Alone(WordModel):
    """A model that finds out when two use it at once."""

    def __init__(self):
        super().__init__()
        self._lock = threading.Lock()

    def weigh(self, *given):
        with self.alone():
            return super().weigh(*given)

    def stream(self, *given, **options):
        with self.alone():
            for word in super().stream(*given, **options):
                time.sleep(0)  # let others in, if they can
                yield word

    @contextmanager
    def alone(self):
        assert self._lock.acquire(blocking=False)
        yield
        self._lock.release()


def crowd(shelf, articles, tabs=32):
    """So many sessions ask at once, each its five questions of one article in an order of its own: what came of it."""
    answers, together = [], threading.Barrier(tabs)

    def ask(number):
        article, questions = articles[number % len(articles)]
        session, turn = Session(shelf), number % len(questions)
        session.article = article
        together.wait()
        for question in questions[turn:] + questions[:turn]:
            answers.append((article, question, answered(session, question)))

    with ThreadPoolExecutor(tabs) as pool:
        for one in [pool.submit(ask, number) for number in range(tabs)]:
            one.result()
    return answers


def written(answer):
    """An answer as bytes, without its timings."""
    return json.dumps(plain(answer), ensure_ascii=False, sort_keys=True).encode()


def same_as_alone(shelf, articles):
    """How many answers to a crowd say something; each is what its question and its article get when nobody else asks."""
    alone = {(article, asked): written(shelf.chat(article).ask(asked)) for article, questions in articles for asked in questions}
    answers = crowd(shelf, articles)
    assert len(answers) == 160 and length(shelf) == 0
    for article, question, exchange in answers:
        assert (exchange.state, exchange.article, exchange.asked) == ("done", article, question)
        assert all(article.text[c.start : c.end] == c.quote for c in exchange.answer.citations)
        assert written(exchange.answer) == alone[article, question]
    assert length(shelf) == 0
    return sum(exchange.answer.answered for *_, exchange in answers)


def growth(shelf, articles, questions):
    """Megabytes that the process holds before and after so many questions, asked by one tab after another."""
    asked = [(article, question) for article, questions in articles for question in questions]

    def ask(number):
        article, question = asked[number % len(asked)]
        if number % PER_MINUTE == 0:
            ask.session = Session(shelf)
        ask.session.article = article
        assert answered(ask.session, question).state == "done"

    for number in range(len(asked)):
        ask(number)
    before = resident()
    for number in range(questions):
        ask(number)
    return before, resident()


def resident():
    """Megabytes of memory that this process holds now."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_crowd_gets_the_answers_that_each_would_get_alone():
    articles = told()
    shelf = library(*(article for article, _ in articles), open_chat=opener(Alone()))
    assert same_as_alone(shelf, articles) == 32 * 4


def test_the_process_does_not_grow_with_the_questions(monkeypatch):
    monkeypatch.setattr(sessions, "BEAT", 0.01)
    articles = told()
    before, after = growth(library(*(article for article, _ in articles)), articles, 60)
    assert after - before < 10


@pytest.mark.soak
def test_the_process_does_not_grow_with_500_questions(monkeypatch, capsys):
    monkeypatch.setattr(sessions, "BEAT", 0.01)
    articles = told()
    before, after = growth(library(*(article for article, _ in articles)), articles, 500)
    with capsys.disabled():
        print(f"\n500 questions, fakes: {before:.1f} MB before, {after:.1f} MB after")
    assert after - before < 10


@pytest.mark.soak
@pytest.mark.weights
def test_with_the_real_weights_a_crowd_gets_the_answers_that_each_would_get_alone(capsys):
    articles = told()
    answered = same_as_alone(Library([article for article, _ in articles]), articles)
    with capsys.disabled():
        print(f"\n160 questions in 32 sessions, real weights: {answered} answered, all as alone")
    assert answered > 80


@pytest.mark.soak
@pytest.mark.weights
def test_with_the_real_weights_the_process_does_not_grow_with_500_questions(monkeypatch, capsys):
    articles = told()
    before, after = growth(Library([article for article, _ in articles]), articles, 500)
    with capsys.disabled():
        print(f"\n500 questions, real weights: {before:.1f} MB before, {after:.1f} MB after")
    assert after - before < 50
