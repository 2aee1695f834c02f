"""Many readers at once get what each would get alone, and the process does not grow."""
import gc
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from rag import Article, sessions
from rag.library import Library
from rag.sessions import PER_MINUTE, Session
from rag.testing import WordModel
from tests.test_load import length
from tests.test_page import answered, library, opener
from tests.test_sessions import plain

pytestmark = pytest.mark.filterwarnings("ignore::Warning:gradio.queueing")


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
