"""The default article, real weights."""
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import pytest

from rag import Chat, Config, QuestionError, Turn
from rag.evaluation import in_language

pytestmark = pytest.mark.weights

REFUSAL, SIGNATORIES, EURO = 14, 13, 18
"""Sentences: which Moscow refused; these are the states of the Collective Security Treaty; a billion euros."""

WHY = [
    "Why did Moscow refuse US base access?",
    "لماذا رفضت موسكو وصول أمريكا إلى القواعد؟",
    "Почему Москва отказалась предоставить США базы?",
    "Pourquoi Moscou a-t-elle refusé l'accès américain aux bases ?",
]
HOW_MUCH = {
    "How much did the EU allocate?": "billion",
    "كم خصص الاتحاد الأوروبي؟": "مليار يورو",
    "Сколько денег выделил Европейский союз?": "миллиард",
    "Combien l'UE a-t-elle alloué ?": "milliard",
}
IN_TWELVE = {
    "ar": "لماذا رفضت موسكو وصول أمريكا إلى القواعد؟",
    "de": "Warum hat Moskau den USA den Zugang zu Stützpunkten verweigert?",
    "el": "Γιατί η Μόσχα αρνήθηκε το αίτημα των ΗΠΑ για στρατιωτικές βάσεις;",
    "en": "Why did Moscow refuse US base access?",
    "es": "¿Por qué Moscú negó a Estados Unidos el acceso a las bases?",
    "hi": "मॉस्को ने अमेरिका को सैन्य अड्डों की अनुमति देने से क्यों इनकार किया?",
    "ro": "De ce a refuzat Moscova accesul SUA la baze?",
    "ru": "Почему Москва отказалась предоставить США базы?",
    "th": "ทำไมมอสโกจึงปฏิเสธไม่ให้สหรัฐใช้ฐานทัพ",
    "tr": "Moskova neden ABD'nin üslere erişimini reddetti?",
    "vi": "Tại sao Moskva từ chối cho Mỹ sử dụng các căn cứ?",
    "zh": "莫斯科为什么拒绝美国使用基地？",
}
ELSEWHERE = {
    "What is the capital of France?": "The article does not say.",
    "ما عاصمة فرنسا؟": "لا يذكر المقال ذلك.",
    "Какая столица Франции?": "В статье об этом не говорится.",
    "Quelle est la capitale de la France ?": "L'article ne le dit pas.",
}


@pytest.fixture(scope="module")
def chat():
    return Chat.open()


def cited(chat, question):
    """The answer and the indexes it cites, after checking that its quotes are verbatim and its markers its own."""
    answer = chat.ask(question)
    for c in answer.citations:
        assert chat.article.text[c.start : c.end] == c.quote
        assert f"[{c.number}]" in answer.text
    return answer, {c.sentence for c in answer.citations}


@pytest.mark.parametrize("question", WHY)
def test_the_refusal_is_cited_with_the_clause_on_the_treaty_it_continues(chat, question):
    answer, sentences = cited(chat, question)
    assert answer.answered and {REFUSAL, SIGNATORIES} <= sentences


@pytest.mark.parametrize(("question", "word"), HOW_MUCH.items())
def test_the_amount_is_cited_and_said_in_the_questions_language(chat, question, word):
    answer, sentences = cited(chat, question)
    assert EURO in sentences and word in answer.text


@pytest.mark.parametrize(("language", "question"), IN_TWELVE.items())
def test_a_question_in_any_of_twelve_languages_is_answered_in_it_from_the_arabic_sentence(chat, language, question):
    answer, sentences = cited(chat, question)
    assert answer.language == language and REFUSAL in sentences
    assert in_language(answer.claims[0].text, language)


@pytest.mark.parametrize(("question", "reply"), ELSEWHERE.items())
def test_what_the_article_does_not_say(chat, question, reply):
    answer = chat.ask(question)
    assert (answer.answered, answer.text, answer.citations) == (False, reply, ())


def test_other_order_another_process_and_a_reading_from_disk_give_the_same_bytes(chat):
    questions = [*WHY[:2], *HOW_MUCH, *ELSEWHERE]
    first = [plain(chat.ask(q)) for q in questions]
    assert [plain(chat.ask(q)) for q in reversed(questions)] == first[::-1]
    config = Config(cache=chat.config.cache)
    assert chat.reader.reading([0])[0] is not Chat.open(config=config).reader.reading([0])[0]
    asked = "import json, sys; from rag import ask; print(json.dumps([ask(q).to_dict() for q in json.load(sys.stdin)]))"
    done = subprocess.run([sys.executable, "-c", asked], input=json.dumps(questions), capture_output=True, text=True, check=True)
    assert [{**answer, "timings": None} for answer in json.loads(done.stdout)] == first


def plain(answer):
    """An answer as JSON has it, without its times."""
    return {**json.loads(json.dumps(answer.to_dict())), "timings": None}


def test_a_follow_up_is_understood_from_the_last_turn(chat):
    first = chat.ask("How much did the EU allocate?")
    answer = chat.ask("To whom?", history=[Turn(first.question, first.text)])
    assert answer.question != "To whom?" and "EU" in answer.question
    assert EURO in {c.sentence for c in answer.citations}


def test_an_empty_question_is_refused(chat):
    with pytest.raises(QuestionError, match="empty"):
        chat.ask("  ")


def test_an_answer_may_be_continued_and_finished_on_other_threads(chat):
    """Servers run each step of a generator on whatever thread is free."""
    stream = chat.stream("How much did the EU allocate?")
    for answer in iter(lambda: _elsewhere(next, stream, None), None):
        last = answer
    assert last.stage == "done" and last.citations
    assert _elsewhere(chat.ask, "How much did the EU allocate?").text == last.text


def test_an_answer_that_is_left_half_way_frees_the_model(chat):
    stream = chat.stream(WHY[0])
    while not next(stream).text:
        pass
    stream.close()
    assert _elsewhere(chat.ask, "How much did the EU allocate?").answered


def test_replies_that_are_read_in_turns_and_one_that_is_left_both_end(chat):
    questions, together = [WHY[0], "How much did the EU allocate?"], [None, None]
    alone = [chat.ask(question) for question in questions]
    left = chat.stream(WHY[0])
    while not next(left).text:
        pass
    for step in zip_longest(*map(chat.stream, questions)):
        together = [now or before for now, before in zip(step, together, strict=True)]
    for one, whole in zip(together, alone, strict=True):
        assert (one.stage, one.citations) == ("done", whole.citations) and one.claims[0].text
    for question, whole in zip(questions, alone, strict=True):
        assert plain(chat.ask(question)) == plain(whole)


def _elsewhere(function, *arguments):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result(timeout=300)
