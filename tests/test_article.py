from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag import Article, ArticleError
from rag.article import detect_language

ANY = st.text(alphabet=st.characters() | st.sampled_from("\r\n.؟؛«»()\u200f\u202e\ud800é\u0301😀"), max_size=300)


@settings(deadline=None)  # the first call loads the language model
@given(ANY)
@example("…\n0 ©")  # were the second line left out, nothing would be left
def test_sentences_and_omissions_are_verbatim_ordered_and_apart(text):
    try:
        article = Article.from_text(text)
    except ArticleError:
        assert not any(c.isalnum() for c in text)
        return
    assert article.text == text
    for span in article.sentences + article.omitted:
        assert text[span.start : span.end] == span.text
    spans = sorted((s.start, s.end) for s in article.sentences + article.omitted)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_default_article_leaves_out_boilerplate_and_the_pull_quote():
    article = Article.default()
    assert article.language == "ar"
    assert len(article.sentences) == 25
    assert [o.reason for o in article.omitted] == ["boilerplate", "repeat", "byline", "handle or address"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("J. K. Rowling wrote it. He paid 3.5 million.", 2),
        ("هل رفضت موسكو؟ نعم رفضت.", 2),
        ("他来了。她走了。", 2),
        ("Он жил в г. Москве. Потом уехал.", 2),
        ("First line\r\nSecond line", 2),
    ],
)
def test_sentence_ends(text, sentences):
    assert len(Article.from_text(text).sentences) == sentences


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1256"])
def test_encodings(tmp_path, encoding):
    text = "رفضت موسكو الطلب الأمريكي.\r\nوهذا كل شيء."
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert Article.open(tmp_path / "a.txt").text == text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"ab\0cd", "binary"),
        (b"\x81\xff\x00\x9d", "neither|binary"),
        ("Während der Größe".encode("cp1252"), "neither"),
        ("МОСКВА отказала".encode("cp1251"), "neither"),
        (b"x" * 5_000_001, "at most"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, data, says):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ArticleError, match=says):
        Article.open(tmp_path / "a.txt")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ArticleError, match="nowhere.txt"):
        Article.open(tmp_path / "nowhere.txt")


def test_a_name_that_no_file_can_have_is_an_article_error():
    for name in ("a\0b.txt", "\ud800.txt"):
        with pytest.raises(ArticleError, match="Can't read"):
            Article.open(name)


def test_a_text_in_place_of_a_files_name_is_told_to_be_one():
    with pytest.raises(ArticleError) as caught:
        Article.open("Foxes sleep under oak trees in the winter. " * 1_000)
    told = "'Foxes sleep under oak trees in the winte' … is no file's name but a text. Give it to Article.from_text."
    assert str(caught.value) == told


def test_a_run_of_marks_ends_one_sentence():
    article = Article.from_text('Really?!… "No..." He left.... So')
    assert [s.text for s in article.sentences] == ["Really?!…", '"No..."', "He left....", "So"]


def test_the_pieces_of_a_long_sentence_have_no_space_around_them():
    article = Article.from_text("word " * 400 + "," + " " * 900 + "end")
    assert all(s.text == s.text.strip() for s in article.sentences)
    assert "".join("".join(s.text.split()) for s in article.sentences) == "word" * 400 + ",end"


def test_what_stands_again_in_a_longer_line_is_left_out_and_of_lines_that_are_the_same_all_but_the_first():
    said = "the gates of the old harbour stay open at night until the last boat is in"
    wind = "Wind and rain came over the sea. " * 2
    article = Article.from_text("\n".join([said, wind, f"He said that {said} in summer.", wind, "Rain fell.", wind]))
    assert [article.text[: o.start].count("\n") for o in article.omitted] == [0, 3, 5]
    assert {o.reason for o in article.omitted} == {"repeat"}


def test_the_language_of_an_article_decides_how_its_ordinals_are_read():
    german = "Am 3. Oktober 1990 wurde das Land vereint. Die Menschen feierten in den Straßen der Stadt."
    assert [s.text[:8] for s in Article.from_text(german).sentences] == ["Am 3. Ok", "Die Mens"]
    assert len(Article.from_text("He was born on the 3. October was cold that year in the north.").sentences) == 2


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Who coined the term mottainai (もったいない)?"),
        ("en", "Who came?"),
        ("en", "What did Lavrov say?"),
        ("ar", "ما معنى كلمة پارس؟"),
        ("ar", "تبيع شركة پيجو الفرنسية سياراتها في القاهرة منذ سنوات كثيرة."),
        ("fa", "چرا مسکو درخواست آمریکا را رد کرد؟"),
        ("ja", "どうして？"),
        ("ja", "東京タワーの高さは？"),
        ("zh", "为什么？"),
        ("ar", "من هو Sergey Lavrov؟"),
        ("ar", "ما هو facebook؟"),
        ("ru", "Кто такая Victoria Nuland?"),
        ("ru", "Кто написал Liber servitoris?"),
        ("zh", "Victoria Nuland是谁？"),
        ("zh", "Apple Inc是什么公司？"),
        ("en", "What does Достоевский mean?"),
        ("en", "Who is محمد بن سلمان?"),
        ("en", "Who is 林若冰?"),
        ("de", "Wer ist 林若冰?"),
        ("ru", "Кто такая 林若冰?"),
        ("de", "Hat محمد بن سلمان das Land verlassen?"),
        ("en", "Is محمد بن سلمان the king?"),
        ("ar", "Facebook أكبر من Twitter؟"),
        ("ru", "Где находится الحجون?"),
        ("ar", "من هو Alan Trewin of the coastguard؟"),
        ("zh", "iPhone 有多少用户?"),
        ("ar", "Who is Who: دليل الشخصيات العربية الذي صدر في القاهرة عام ألفين يضم ألف اسم."),
        ("de", "Wann?"),
        ("fr", "Quand ?"),
        ("uk", "Чому Москва відмовила?"),
        ("ur", "ماسکو نے کیوں انکار کیا؟"),
        ("zh", "《鲜の每日》牛奶是一个历史悠久的品牌，深受各地消费者的喜爱，很多人每天早上都喝。"),
    ],
)
def test_a_few_letters_of_another_language_do_not_change_that_of_a_text(language, text):
    assert detect_language(text) == language


def test_of_languages_that_are_as_likely_the_expected_one_is_meant():
    assert [detect_language("Reddetti mi?", *expected) for expected in ((), ("tr",), ("ar", "tr"))] == ["it", "tr", "tr"]
    assert detect_language("Warum?", "tr") == "de" and detect_language("OK", "fr") == "fr"
    assert [detect_language("Парламент?", *expected) for expected in ((), ("uk",))] == ["ru", "uk"]
    asked = ("Хто це?", "Що сталося?", "Кто это?", "Что случилось?")
    assert [detect_language(question) for question in asked] == ["uk", "uk", "ru", "ru"]


@pytest.mark.parametrize(
    ("language", "questions"),
    [
        ("en", "More|Date?|What is AI?|AI?|Did many come?|Who is Kim?"),
        ("de", "Und wer?|Was?|Wohin?|Wer starb?|Wer sagte „I have a dream“?|Wieso?"),
        ("tr", "Kim reddetti?|Ve kim?|Nereye?|Niye?"),
        ("fr", "Et qui ?|Qui a dit « I have a dream » ?|Où ?"),
        ("it", "Dove?|Che?|E chi?"),
        ("nl", "Wat?"),
        ("pl", "Co?"),
        ("es", "Donde?|Cuanto?|¿Qué significa «fait accompli»?|«¿Quién vino?»"),
        ("ro", "Cand?|Dar cine?|Cati?"),
        ("pt", "Por quê?|E onde?"),
        ("fa", "كجا؟|چه كسي؟"),
        ("ur", "کون؟|اور کب؟|کتنا؟"),
        ("uk", "Де?|А де?|Як?|Куди?"),
        ("ru", "Какой пост занимает Томас де Мезьер?"),
        ("ja", "何人？"),
        ("zh", "谁？|何时？"),
        ("zh", "docker怎么连接到本地的mysql|Trump 为什么批评 biden?|github和gitlab有什么区别,比如ci"),
        ("ru", "wifi как настроить на новый router|Google сколько заплатил за youtube?|bitcoin упал или вырос против usd?"),
        ("ar", "google كم دفعت مقابل youtube؟"),
        ("el", "Google πόσα πλήρωσε για το youtube;"),
        ("ja", "googleはなぜyoutubeを買収したの youtube"),
    ],
)
def test_what_a_language_asks_with_tells_it_and_what_is_quoted_or_a_name_around_it_does_not(language, questions):
    assert [(one, detect_language(one)) for one in questions.split("|")] == [(one, language) for one in questions.split("|")]


@pytest.mark.parametrize(
    ("language", "questions"),
    [
        ("en", "Did Chi pass?|Did Kim meet Putin?"),
        ("es", "¿Vino Kim?|¿Ganó Kim?"),
        ("ru", "Встретился ли Ким с Путиным?|Ким Чен Ын болен?|Самолет Як упал?"),
        ("fa", "نام من چیست؟|این کم است؟|من از ایران آمدم."),
    ],
)
def test_a_name_or_a_word_that_another_language_asks_with_does_not_tell_it(language, questions):
    told = [(one, detect_language(one), detect_language(one, language)) for one in questions.split("|")]
    assert told == [(one, language, language) for one in questions.split("|")]


def test_who_asked_in_characters_that_two_languages_share_is_of_the_expected_one():
    assert [detect_language("誰？", *expected) for expected in ((), ("ja",), ("ar",))] == ["zh", "ja", "zh"]


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("de", "Wer ist Eleanor Whitcombe?"),
        ("es", "¿Quién es François Hollande?"),
        ("it", "Chi è Wolfgang Schäuble?"),
        ("ro", "Cine este Recep Tayyip Erdoğan?"),
        ("id", "Siapa Emmanuel Macron?"),
        ("en", "When did Nguyễn Văn Thiệu resign?"),
    ],
)
def test_a_name_of_several_words_does_not_tell_the_language(language, question):
    assert detect_language(question) == language


def test_in_a_hard_wrapped_text_items_rows_headings_and_turns_are_apart():
    lines = ["# Minutes", "The club met on Monday\nin the hall.", "- Budget approved", "- Fee raised", "1. First", "| a | b |"]
    lines += ["| 1 | 2 |", "## Staff", "Ann was hired.", "— Good morning, said Ann", "— Good evening, said Tom\nand left"]
    assert [s.text for s in Article.from_text("\n".join(["Wrapped.", "", *lines])).sentences] == ["Wrapped.", *lines]


def test_a_text_is_hard_wrapped_in_windows_line_ends_too():
    lines = ["Harbours", "", FULL, "March at noon.", " ", "End"]
    assert [s.text for s in Article.from_text("\r\n".join(lines)).sentences] == ["Harbours", "\r\n".join(lines[2:4]), "End"]


def test_in_a_hard_wrapped_mail_what_is_quoted_goes_on_over_its_lines():
    lines = ["On Friday Tom Berger <tom@a.example> wrote:", "> Ann,", ">"]
    lines += ["> the test of the new warehouse failed;\n> we need 450."]
    lines += [">> Is it on? The group meets at 11 a.m. on\n>> Thursday.", ">> - Scanner", "> Tom"]
    found = [s.text for s in Article.from_text("\n".join(["Hello.", "", *lines])).sentences]
    asked = [">> Is it on?", "The group meets at 11 a.m. on\n>> Thursday."]
    assert found == ["Hello.", "\n".join(lines[:2]), *lines[3:4], *asked, *lines[5:]]


def test_in_a_hard_wrapped_text_a_line_with_room_for_the_next_word_does_not_go_on():
    lines = ["Arsenal 2 Chelsea 1", "Everton 0 Leeds 0", "What comes next"]
    lines += ["The league goes on in Liverpool on the last\nSaturday at noon."]
    assert [s.text for s in Article.from_text("\n".join(["Results", "", *lines])).sentences] == ["Results", *lines]
    furniture = "We use cookies to improve your experience"
    article = Article.from_text(f"The bridge\n\n{furniture}\nWork begins in May and costs 3 million.\nSo.")
    assert [o.text for o in article.omitted] == [furniture]
    assert [s.text for s in article.sentences] == ["The bridge", "Work begins in May and costs 3 million.", "So."]


FULL = "The committee of the northern harbours met on the fourth of"


@pytest.mark.parametrize(
    "lines",
    [
        ["Harbours", "", FULL, "", "March at noon.", "", "End"],
        ["Harbours", "", f"# {FULL}", "March at noon.", "", "End"],
        ["Harbours", "", f"  # {FULL}", "March at noon.", "", "End"],
        ["Harbours", "", f"{FULL} {FULL}", "March at noon.", "", "End"],
        ["Harbours", "", f"> {FULL}", ">> March at noon.", "", "End"],
        ["Harbours", "", FULL, "March at noon."],
        ["港口", "", "委员会在北部", "三月港口讨论渔业和航运问题。", "", "完"],
    ],
)
def test_what_goes_on_from_no_line(lines):
    assert [s.text for s in Article.from_text("\n".join(lines)).sentences if s.text.startswith((">> March", "March", "三月"))]


@pytest.mark.parametrize(
    "lines", [[FULL, "March at noon."], ["委员会在北部港口讨论渔业和航", "运问题。"], ["Nobody came", "to it.", "", FULL]]
)
def test_a_full_line_goes_on_and_one_before_a_small_letter(lines):
    assert "\n".join(lines[:2]) in [s.text for s in Article.from_text("\n".join(["Harbours", "", *lines, "", "End"])).sentences]


def test_a_text_without_a_title_is_called_by_its_first_words():
    assert Article.from_text(f"{FULL} March at noon and in good weather. Nobody came.").title == f"{FULL} March at noon and…"


@pytest.mark.parametrize("first", ["据BBC 报道，", "See https://example.org/"])
def test_where_only_an_early_space_is_in_its_first_words_they_are_cut_within_a_word(first):
    text = first + "桥" * 100
    assert Article.from_text(text).title == text[:79] + "…"


@pytest.mark.parametrize(("data", "said"), [(b" ", "is empty"), (b"...", "holds no sentence"), (b"One.\n" * 50_001, "has more")])
def test_an_article_that_cannot_be_asked_is_named(data, said):
    with pytest.raises(ArticleError, match=f"The article 'folder.txt' {said}"):
        Article.from_bytes(data, "news/folder.txt")
