"""Questions that go on from another."""
import pytest

from rag import Answer, QuestionError, Turn
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
    assert [chat.ask("Kim reddetti?", history=history).language for history in ([], turns)] == ["sv", "tr"]
    chat, _ = opened(tmp_path, "La biblioteca di Montelago conserva ottomila volumi antichi.")
    assert chat.ask("Quando?").language == "it"
