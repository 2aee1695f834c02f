"""One model, many users: who is served when, what a place in the queue is worth, and that no answer is mixed up or lost."""
import random
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from rag import Article, Config, ModelError, QuestionError
from rag.api import endpoints
from rag.library import KEPT
from rag.queue import Queue
from rag.sessions import Session
from rag.testing import WordModel
from tests.test_page import FEES, FORTY, HARBOUR, ORCHARD, Held, answered, library, opener
from tests.test_sessions import plain

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
        if thread._target and thread._target.__name__ in ("_open_in_turn", "_answer", "_watch"):
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
