"""Where sentences end in the languages that people bring, by what each abbreviates and how it counts."""
import pytest

from rag.sentences import split_sentences

CASES = {
    "ar": ["زار أ. محمود المدينة في 3.5 ساعات.", "هل عاد؟", "نعم عاد."],
    "de": ["Am 3. Oktober 1990 kam Dr. Müller an.", "Im 19. Jahrhundert galt z. B. Nr. 5, d. h. ca. 5 Mio. Euro.", "So."],
    "el": ["Γεννήθηκε το 300 π.Χ. στην Αθήνα.", "Ποιος ήταν;", "Ο κ. Παπαδόπουλος, δηλ. ο δήμαρχος."],
    "en": ["Lt. Col. J. R. Smith (b. 1892) paid 3.5 million.", "See Fig. 3 of the U.S. Army.", "The answer was no.", "I left."],
    "es": ["Los EE. UU. ganaron en el s. XIX contra el Sr. Pérez.", "¿Quién fue?", "Nació en el 300 a. C. en Roma."],
    "fa": ["او در سال ۱۳۵۷ به دنیا آمد.", "چرا؟", "قیمت ۳٫۵ دلار بود."],
    "fr": ["« Bonjour. »", "M. Dupont est né en 50 av. J.-C. à Lyon.", "Qui est-ce ?"],
    "hi": ["डॉ. राम 1947 में आए।", "वे 5.5 कि.मी. चले।", "क्या हुआ?"],
    "ja": ["彼は「行くよ。」と言った。", "なぜ？", "1990年のことだ。"],
    "ru": ["А. С. Пушкин родился в 1799 г. в Москве.", "Он жил на ул. Мойка, д. 12, в 300 г. до н. э., в Риме.", "Да."],
    "tr": ["II. Dünya Savaşı M.Ö. 300 yılında değil, 1939'da başladı.", "Prof. Dr. Ahmet Bey 3. Madde'yi yazdı."],
    "vi": ["TP. Hồ Chí Minh có 9 triệu dân.", "TS. Nguyễn Văn A đã đến."],
    "zh": ["他说：“我来了。”", "你是谁？", "价格是3.5元。"],
}


@pytest.mark.parametrize("language", CASES)
def test_sentences_of_a_language(language):
    text = ("" if language in ("ja", "zh") else " ").join(CASES[language])
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text), language)] == CASES[language]


def test_in_thai_a_space_ends_a_sentence_between_long_clauses_only():
    first = "ในช่วงพายุปี 1927 เรือประมงสามลำสูญหายใกล้แหลม"
    second = "เมืองมอบเหรียญเงินให้ผู้ดูแลเพื่อยกย่องความกล้าหาญ ซึ่งเธอเก็บไว้จนวันสุดท้ายของชีวิต"
    text = f"{first} {second}"
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text), "th")] == [first, second]
    assert len(list(split_sentences("ใช่ ไม่ใช่ ก็ได้", 0, 16, "th"))) == 1


def test_a_greek_question_mark_is_a_semicolon_elsewhere():
    text = "Ποιος ήταν; Ο δήμαρχος."
    assert len(list(split_sentences(text, 0, len(text), "el"))) == 2
    assert len(list(split_sentences(text, 0, len(text), "en"))) == 1


NEWS = {
    "de": ["Er starb 44 v. Chr. dort.", "Es kamen u. a. König Ludwig und Fa. Meier.", "Er sagte: „Gut.“", "»Nein.«", "Er ging."],
    "en": ["On Monday, Jan. 31, Gov. Kemp left.", "Sen. Diaz met Rep. Lee on Nov. 3.", "He came in Dec.", "The rest stayed."],
    "es": ["Fue a Sto. Domingo en oct. 2020.", "Volvió."],
    "fr": ["Le 3 janv. 2020, Me Dupont vint.", "Mgr. Aupetit aussi."],
    "it": ["L'on. Meloni parlò nel sec. XIX.", "Poi uscì."],
    "pl": ["Przyszedł dr hab. Jan Kowalski, m.in. Piotr.", "W 2020 r. Anna wyszła."],
    "ru": ["Он заплатил 5 млн долл. США за кв. 3.", "«Почему?» — спросил он.", "— Кто там?", "— Я."],
    "sv": ["Det var länge sen.", "Han gör det.", "Sen kom hon."],
    "uk": ["Він народився 1799 р. в Києві на вул. Шевченка.", "Потім поїхав."],
}


@pytest.mark.parametrize("language", NEWS)
def test_what_newspapers_abbreviate_and_quote(language):
    text = " ".join(NEWS[language])
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text), language)] == NEWS[language]


INITIALS = {
    "ar": ["قال ج. ر. ر. تولكين ومالكولم ك. هيوز نعم.", "ووصل جورج دبليو. بوش وجون إف. كينيدي.", "ثم غادروا."],
    "he": ["הסופר ש. י. עגנון נולד בגליציה.", "הוא זכה בפרס."],
    "hi": ["डॉ. ए. पी. जे. अब्दुल कलाम राष्ट्रपति थे।", "के. आर. नारायणन भी।"],
}


@pytest.mark.parametrize("language", INITIALS)
def test_initials_in_scripts_without_capitals(language):
    text = " ".join(INITIALS[language])
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text), language)] == INITIALS[language]


def test_marks_of_footnotes_and_numbers_of_a_list_belong_to_their_sentences():
    sentences = ["312 people died.[4]", "The church burned.[5][6]", '"It fell."[7]', "He left."]
    text = " ".join(sentences)
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text))] == sentences
    text = "12. First, the pack settled. Then it moved."
    assert [text[a:b] for a, b in split_sentences(text, 0, len(text))] == ["12. First, the pack settled.", "Then it moved."]
