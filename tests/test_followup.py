"""Questions that go on from another."""
import pytest

import prompts
from rag import Answer, QuestionError, Turn
from rag.followup import bare, follows
from rag.lexical import asking
from tests.test_answering import opened


def test_a_short_question_is_completed_from_the_last_turn_and_shown_so(tmp_path):
    chat, _ = opened(tmp_path)
    last = [Turn("Where do otters whistle?", "At sunset [1]"), Turn("What do spiders weave?", "Round nets [1]")]
    assert chat.ask("And then?", history=last).question == "What do spiders weave? Round nets And then?"
    for whole in ("Which silver fish do herons catch every morning?", "2021年欧盟向阿富汗的邻国拨款多少？"):
        assert chat.ask(whole, history=last).question == whole


def test_a_history_of_anything_but_turns_is_refused(tmp_path):
    with pytest.raises(QuestionError, match=r"holds \('Who\?', 'Foxes'\). Give turns"):
        opened(tmp_path)[0].ask("And then?", history=[("Who?", "Foxes")])
    with pytest.raises(QuestionError, match=r"holds Answer\(.{3,25}\)\. Give turns: Turn\(answer\.question, answer\.text\)\.$"):
        opened(tmp_path)[0].ask("And then?", history=[Answer("Who sleeps?", "Foxes do. " * 99)])


@pytest.mark.parametrize(
    ("question", "said", "understood"),
    [
        ("And when?", "When do spiders weave?", "When do spiders weave?"),
        ("And when?", "Who weaves round nets?", "What do spiders weave? And when?"),
        ("And when?", "What do spiders weave?", "What do spiders weave? And when?"),
        ("Why?", "Why?", "What do spiders weave? Why?"),
        ("Who died?", "Who died?", "Who died?"),
        ("ولماذا؟", "ماذا تنسج العناكب؟", "What do spiders weave? ولماذا؟"),
        ("什么时候？", "蜘蛛织什么？", "What do spiders weave? 什么时候？"),
        ("¿Y cuándo?", "¿Y cuándo?", "What do spiders weave? ¿Y cuándo?"),
        ("¿Y cuántos?", "¿Cuántas arañas tejen?", "¿Cuántas arañas tejen?"),
        ("И почему?", "Что плетут пауки?", "What do spiders weave? И почему?"),
        ("ומתי?", "מה טווים העכבישים?", "What do spiders weave? ומתי?"),
        ("What about birds?", "Do birds weave?", "Do birds weave?"),
        ("Who resigned?", "What do spiders weave?", "Who resigned?"),
    ],
)
def test_a_completion_asks_with_the_words_of_the_question_or_the_last_one_is_put_before_it(
    tmp_path, monkeypatch, question, said, understood
):
    chat, model = opened(tmp_path)
    monkeypatch.setattr(model, "stream", lambda *given, **options: iter([said]))
    assert chat.ask(question, history=[Turn("What do spiders weave?", "Round nets [1]")]).question == understood


def test_a_completed_question_that_is_cut_is_not_asked(tmp_path, monkeypatch):
    chat, model = opened(tmp_path)
    monkeypatch.setattr(model, "stream", lambda *given, **options: iter(["What do", "…"]))
    assert chat.ask("And then?", history=[Turn("What do spiders weave?", "Round nets [1]")]).question == "And then?"


def test_after_a_question_that_was_not_answered_only_the_question_is_completed_from(tmp_path):
    last = Turn("What do spiders weave?", "The article does not say.")
    assert opened(tmp_path)[0].ask("And then?", history=[last]).question == "What do spiders weave? And then?"


def test_numbers_of_a_short_question_and_of_the_last_turn_may_be_in_its_completion(tmp_path, monkeypatch):
    chat, model = opened(tmp_path)
    given = []
    monkeypatch.setattr(model, "stream", lambda *parts, quoted, **options: given.append(quoted) or iter(["x"]))
    chat.ask("And in 2021?", history=[Turn("How much in 2020?", "7 nets [1]")])
    assert {"2020", "2021", "7"} <= set(given[0].replace("?", "").split())


def test_of_a_short_question_the_language_is_that_of_the_last_one_where_it_could_be(tmp_path, monkeypatch):
    chat, model = opened(tmp_path)
    monkeypatch.setattr(model, "stream", lambda *_, **options: iter([]))
    turns = Turn("Who sleeps under trees?", "Foxes [1]"), Turn("Örümcekler dalların arasında ne örer?", "Ağ [1]")
    assert [chat.ask("Reddetti mi?", history=history).language for history in ([], turns)] == ["it", "tr"]
    chat, _ = opened(tmp_path, "La biblioteca di Montelago conserva ottomila volumi antichi.")
    assert chat.ask("Quando?").language == "it"


BARE = {
    "ar": "ومتى؟|ومتي؟|واين؟|ولِماذا؟|وكيف؟|منذ متى؟|لمن؟", "de": "Und wie viele?|Wieviel?|Mit wem?|Woher?|Seit wann?|Und wie?",
    "el": "Ποιος;|ΠΟΙΟΣ;|Και πότε;|Που;|Πόσες;|Και πώς;", "en": "And how?|How come?|Since when?|By whom?|How many?|Why not?",
    "es": "¿Y dónde?|Y cuando?|¿Con quién?|¿Cuántas?|¿Y cómo?|¿Por qué?", "fa": "و چه زمانی؟|چطور؟|چند نفر؟|چه كسي؟|كجا؟",
    "fr": "Et où ?|Depuis quand ?|Et comment ?|Jusqu’où ?|Combien ?|Avec qui ?", "he": "ומתי?|ולמה?|ואיפה?|איך?|ממתי?|לאן?",
    "hi": "और कब?|किसने?|कहां?|कितनी?|कैसे?", "id": "Dan kapan?|Dimana?|Ke mana?|Bagaimana?|Sejak kapan?",
    "it": "E dove?|Perche?|Da quando?|E come?|Quante?|Dov'è?", "ja": "いつから？|だれ？|どうして？|何人？|では、いつ？",
    "ko": "그리고 언제?|누구?|왜요?|어디서?|몇 명?|얼마나?|언제부터?", "nl": "En waarom?|Sinds wanneer?|Hoe?|Met wie?|Hoe veel?",
    "pl": "A kiedy?|Kogo?|Skąd?|Ilu?|Od kiedy?|Jak?", "pt": "E quando?|Por que?|Com quem?|Quantas?|Aonde?|Como?",
    "ro": "Și când?|Si cand?|De unde?|Câţi?|Cui?|Cum?", "ru": "И почему?|А с кем?|Откуда?|И как?|С каких пор?|Сколько?",
    "sv": "Och när?|Vart?|Hur?|Sedan när?|Varifrån?|Hur många?", "th": "แล้วเมื่อไร|เท่าไร|กี่คน|ยังไง|ตั้งแต่เมื่อไร|ใคร",
    "tr": "Ve ne zaman?|Peki niye?|NİÇİN?|Nereye?|Nasıl?|Kac kisi?|Kime?", "uk": "А коли?|Навіщо?|Звідки?|З ким?|Як?",
    "ur": "اور کب؟|کس نے؟|کتنی؟|کیسے؟|کب سے؟", "vi": "Và khi nào?|Còn ai?|Thế nào?|Bao giờ?|O dau?|Vì sao?",
    "zh": "那为什么？|为什么？|為什麼？|誰？|哪裡？|怎么样？|如何？|哪一年？",
}  # fmt: skip


@pytest.mark.parametrize("code", prompts.languages())
def test_what_a_language_asks_with_is_known_in_its_forms_and_as_it_is_typed(code):
    language = prompts.language(code)
    for question in BARE[code].split("|"):
        assert asking(question, language.asks) and bare(question, language) and follows(question, language.follows), question


def test_a_question_begins_with_and_also_after_marks_or_without_a_space():
    assert follows("¿Y a qué hora llegó el tren nocturno?", "y") and follows("那么这座桥一共花了多少钱才建成？", "那么?")
    assert not follows("¿A qué hora llegó el tren nocturno?", "y")


@pytest.mark.parametrize(
    ("code", "begins", "does_not"),
    [
        ("it", "E il sindaco quando si è dimesso?", "È vero che il sindaco si è dimesso?"),
        ("pt", "E o prefeito quando saiu ontem?", "É verdade que o prefeito saiu?"),
        ("vi", "Còn số bị thương là bao nhiêu?", "Con số thương vong là bao nhiêu?"),
        ("ar", "واين وقع الحادث الكبير بالأمس تماما؟", "وزير الخارجية متى زار القاهرة أمس؟"),
        ("ro", "Si cand a fost asta prima oara?", "Sibiul cand a fost asta prima oara?"),
    ],
)
def test_a_word_with_an_accent_is_not_the_and_without_it(code, begins, does_not):
    follow = prompts.language(code).follows
    assert [follows(asked, follow) for asked in (begins, does_not)] == [True, False]


def test_a_question_that_is_put_behind_another_is_answered_in_its_own_language(tmp_path, monkeypatch):
    chat, model = opened(tmp_path)
    monkeypatch.setattr(model, "stream", lambda *_, **options: iter([]))
    history = [Turn("Who sleeps under the old trees in winter?", "Foxes [1]")]
    assert [chat.ask(question, history=history).language for question in ("متى؟", "И почему?", "And when?")] == ["ar", "ru", "en"]


@pytest.mark.parametrize(("last", "language"), [("متى أغلق الميناء؟", "ar"), ("Pourquoi le port est-il fermé ?", "fr")])
def test_a_number_alone_is_asked_in_the_language_of_the_question_before(tmp_path, last, language):
    chat, _ = opened(tmp_path)
    assert chat.ask("2022?", history=[Turn(last, "x")]).language == language
    assert chat.ask("2022?").language == "en"
