"""Where sentences end in the languages that people bring, by what each abbreviates and how it counts."""
import pytest

from rag.sentences import ROW, split_sentences


def cut(text, language="en"):
    return [text[a:b] for a, b in split_sentences(text, 0, len(text), language)]


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
    assert cut(("" if language in ("ja", "zh") else " ").join(CASES[language]), language) == CASES[language]


LAW = {
    "de": ["Lt. Prof. h. c. Amsel und Dr. med. Bauer sind max. 30 Leute da.", "Das zeigt der ehem. Leiter."],
    "en": ["See Secs. 2 and 3 and paras. 4-5.", "It was so."],
    "es": ["Se basa en los arts. 1.902 y 1.903 y en las págs. 3 y 4.", "El Excmo. Sr. Gil firmó el 2 jun. 2023."],
    "id": ["Ia tinggal di Kec. Menteng dan membayar Rp. 5 juta.", "Selesai."],
    "it": ["Gli artt. 6 e 7 del d.lgs. 3/2020 valgono dal 3 mar. 2020.", "Fine."],
    "ko": ["정부는 2024. 10. 28. 발표했다.", "은행은 2024.10.11. 내렸다.", "끝이다."],
    "nl": ["Het begon in nov. 2020.", "Toen niet meer."],
    "pl": ["Wg. Nowaka tak mówi Dz. U. z 2020 r. poz. 5.", "Tak."],
    "pt": ["Os arts. 6.º e 7.º, fls. 31, e o Des. Silva em 5 out. 2020.", "Sim."],
    "ru": ["Иск от 24 янв. 2023 г. по пп. 4 и 5 подал к. т. н. Сидоров.", "Он уехал в дек.", "Вернулся."],
    "uk": ["О 18 год. 30 хв. він прийшов 5 серп. 2023.", "Так."],
}


@pytest.mark.parametrize("language", LAW)
def test_articles_pages_months_and_titles(language):
    assert cut(" ".join(LAW[language]), language) == LAW[language]


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("zh", ["“我们有信心打赢这场官司。”林若冰说，“但我不会预测时间表。”", "案件将于2月开庭。"]),
        ("zh", ["「好！」她喊道。", "“走吧！”王部长对记者表示。", "“够了。”", "他表示，今年没有计划。"]),
        ("zh", ["“好。”", "他说：“走。”"]),
        ("en", ["“Why now?” Ann Lee asked.", "“Never!” Dr. Nair said.", "“Why?”", "Lee said it was late."]),
    ],
)
def test_who_said_a_quotation_is_in_its_sentence(language, sentences):
    assert cut(("" if language == "zh" else " ").join(sentences), language) == sentences


def test_in_thai_a_space_ends_a_sentence_between_long_clauses_only():
    first = "ในช่วงพายุปี 1927 เรือประมงสามลำสูญหายใกล้แหลม"
    second = "เมืองมอบเหรียญเงินให้ผู้ดูแลเพื่อยกย่องความกล้าหาญ ซึ่งเธอเก็บไว้จนวันสุดท้ายของชีวิต"
    assert cut(f"{first} {second}", "th") == [first, second]
    assert len(cut("ใช่ ไม่ใช่ ก็ได้", "th")) == 1


def test_a_greek_question_mark_is_a_semicolon_elsewhere():
    text = "Ποιος ήταν; Ο δήμαρχος."
    assert len(cut(text, "el")) == 2
    assert len(cut(text, "en")) == 1


NEWS = {
    "de": ["Er starb 44 v. Chr. dort.", "Es kamen u. a. König Ludwig und Fa. Meier.", "Er sagte: „Gut.“", "»Nein.«", "Er ging."],
    "en": ["On Monday, Jan. 31, Gov. Kemp left.", "Sen. Diaz met Rep. Lee on Nov. 3.", "He came in Dec.", "The rest stayed."],
    "es": ["Fue a Sto. Domingo en oct. 2020.", "Volvió."],
    "fr": ["Le 3 janv. 2020, Me Dupont vint.", "« Non ! », dit M. Gil.", "Il dit : « Oui. ».", "Mgr. Aupetit (« Qui ? ») aussi."],
    "it": ["L'on. Meloni parlò nel sec. XIX.", "Poi uscì."],
    "pl": ["Przyszedł dr hab. Jan Kowalski, m.in. Piotr.", "W 2020 r. Anna wyszła."],
    "ru": ["Он заплатил 5 млн долл. США за кв. 3.", "«Почему?» — спросил он.", "— Кто там?", "— Я."],
    "sv": ["Det var länge sen.", "Han gör det.", "Sen kom hon."],
    "uk": ["Він народився 1799 р. в Києві на вул. Шевченка.", "Потім поїхав."],
}


@pytest.mark.parametrize("language", NEWS)
def test_what_newspapers_abbreviate_and_quote(language):
    assert cut(" ".join(NEWS[language]), language) == NEWS[language]


INITIALS = {
    "ar": ["قال ج. ر. ر. تولكين ومالكولم ك. هيوز نعم.", "ووصل جورج دبليو. بوش وجون إف. كينيدي.", "ثم غادروا."],
    "he": ["הסופר ש. י. עגנון נולד בגליציה.", "הוא זכה בפרס."],
    "hi": ["डॉ. ए. पी. जे. अब्दुल कलाम राष्ट्रपति थे।", "के. आर. नारायणन भी।"],
}


@pytest.mark.parametrize("language", INITIALS)
def test_initials_in_scripts_without_capitals(language):
    assert cut(" ".join(INITIALS[language]), language) == INITIALS[language]


LONG = "a long clause of its own, many words long"
MORE = [
    ("ar", ["قال جون وبي. جيه. دي. فانس نعم.", "نفت إف بي آي.", "حضر م. وليد ود. علي.", "غادر."]),
    ("ar", ["سقطت بغداد سنة 656 هـ. في الشتاء.", "هي سنة 1258 م.", "وقتل الخليفة في 656 هـ.", "وكان ذلك كثيرا."]),
    ("de", ["Hauptstr. 5 gehört Dipl.-Ing. Meier, insb. Frau Bär.", "Das ist z. B. Der Spiegel.", "Obst usw.", "Die Frau ging."]),
    ("de", ["Er stieg.[^1]", "Es sind rd. 1.300 (Vj. 900), Tel. 0431 700, Az. 5 C 3/21.", "So."]),
    ("de", ["Sie liegt auf Platz 3.", "Der BVB folgt.", "Er starb 44 v. Chr.", "Die Stadt blieb."]),
    ("de", ["‚Ich gehe.‘", "›Ja.‹", "„Er sagte: ‚Gut.‘“", "So war es."]),
    ("el", ["Το άρθρ. Πέντε και η παρ. 3 με 5 εκατ. Ευρώ στη λεωφ. Συγγρού.", "Ναι."]),
    ("en", ["He moved to the U.S.", "It's the U.S. Army at Acme Corp.", "We left at 5 p.m. Monday."]),
    ("en", ["Atty. Gen. Barr and Cpl. Lee of Ft. Worth read Sec. (3) and Fig. (4).", "He said no.", "(2) He left."]),
    ("en", ["He died.¹", "She left.[citation needed]", "We stayed.[note 1][a]", "**He left.**", "They _left._", "So."]),
    ("en", ["Roe v. Wade was cited in Cox v. Lee, 47 F. Supp. 3d 5.", "See Compl. ¶¶ 12-19 of Tues. 2 July.", "She won."]),
    ("en", [f"The dose was {LONG} (61 ± 8 yr; 47% women; {LONG}) in all.", "It fell."]),
    ("es", ["Calle Rivadavia, Bs. As., tel. 5.", "Sí."]),
    ("es", ["El Lic. Juan y la Cía. Hnos. García fueron a los EE. UU. Unidos.", "Vive en EE. UU.", "El presidente vino."]),
    ("es", ["Murió en 300 a. C.", "En Roma compró pan, etc.", "Después salió."]),
    ("fa", ["جان اف. کندی و جورج دبلیو. بوش آمدند.", "این جی پی اس.", "بعد رفتند."]),
    ("fr", ["Tél. : +33 4 76.", "Fax : Tél. 5."]),
    ("fr", ["J.-P. Dupont vint à Ste. Anne en 50 av. J.-C.", "César prit du pain, etc.", "Il y en a."]),
    ("he", ['הוא נסע לארה"ב.', 'שילם 5 ש"ח.', 'קרא דו"ח.', "ח. נ. ביאליק כתב."]),
    ("hi", ["बी.आर. अंबेडकर और व्ही. शांताराम ने ई.पू. 300 में रु. 5 दिए।", "वह भारत के ए. पी. जे. अब्दुल कलाम थे।"]),
    ("id", ["PT. Astra buka pkl. 5 pada tgl. 3.", "Dia pergi."]),
    ("it", ["Il gen. Rossi e il geom. Bianchi, tel. 5.", "Poi uscì."]),
    ("nl", ["Hij wist het al.", "Het kostte ca. 5 mln.", "De rest bleef bij ir. Jansen."]),
    ("pl", ["Por. Nowak na pl. Zamkowym o godz. 5 i al. Róż.", "Był tam w 2020 r.", "W 2021 r. Anna wyszła."]),
    ("pt", ["O eng. Silva e o cel. Souza, tel. 5.", "Saiu."]),
    ("ro", ["Art. 5 alin. (2) din jud. Cluj, com. Deva, et. 3.", "Da."]),
    ("ru", ["Он получил 5 млн руб.", "Компания дала 5 руб. 20 коп. и т. д.", "Потом ушла."]),
    ("ru", ["Это у о. Врангеля, напр. Москва.", "Утонуло ок. 6 т топлива за 3 млн руб. (+12 %).", "Да."]),
    ("ru", ["Дж. Буш был в с. Ивановка, т.е. в пос. Мирный.", "Это было в 1990 г.", "В 2010 г. он бежал 10 с.", "Но упал."]),
    ("sv", ["Kl. 5 kom Anna m.fl. Fr.o.m. Måndag.", "Sen kom Bo m.fl.", "Det var allt."]),
    ("th", ["พล.อ. ประยุทธ์ และ ดร. สมชาย มา"]),
    ("tr", ["GOLLER: Dk. 12 Kerem, dk. 54 Yunus, MÖ. 3. yüzyıl.", "Bitti."]),
    ("tr", ["Yrd. Doç. Ali ile Org. Veli, Atatürk Cad. No. 5'te.", "Bunu al.", "Sonra git."]),
    ("uk", ["О. Іван та Дж. Буш у с. Іванівка, буд. 5.", "Це 5 млн грн.", "Компанія мовчить з 2020 р.", "Він мовчить."]),
    ("ur", ["اے۔ پی۔ جے۔ عبدالکلام اور جارج ڈبلیو۔ بش آئے۔", "یہ بی بی سی۔", "وہ گیا۔"]),
    ("vi", ["GS.TS. Nguyễn Văn A đã đến tx. Sơn Tây.", "Có 500 ca.", "Số ca tăng."]),
]


@pytest.mark.parametrize(("language", "sentences"), MORE)
def test_what_ends_a_sentence_and_what_only_seems_to(language, sentences):
    assert cut(" ".join(sentences), language) == sentences


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("ar", ["زار د.محمد وأ.د.أحمد المدينة.", "انتهت الحرب.", "وقال الرئيس: نعم.", "ثم غادر؟", "وعاد بعد 3.5 ساعات."]),
        ("hi", ["वह आया।", "वह गया॥", "वह सोया॥१॥"]),
        ("ja", ["彼は行った．", "３．５円とＪ．Ｋ．ローリング．"]),
        ("ur", ["اے۔پی۔جے۔ عبدالکلام آیا۔", "وہ اچھا ہے۔", "کیوں؟", "سب گئے۔"]),
        ("zh", ["你好吗?", "Yahoo!新闻说很好!", "乔治．布什走了。[1]", "她来了。"]),
    ],
)
def test_where_no_space_is_typed(language, sentences):
    assert cut("".join(sentences), language) == sentences


def test_marks_of_footnotes_and_numbers_of_a_list_belong_to_their_sentences():
    sentences = ["312 people died.[4]", "The church burned.[5][6]", '"It fell."[7]', "He left."]
    assert cut(" ".join(sentences)) == sentences
    for number in ("12", "2.1", "IV", "ii", "b"):
        sentences = [f"{number}. First, the pack settled.", "Then it moved."]
        text = " ".join(sentences)
        assert cut(text) == sentences


def test_marks_of_footnotes_that_were_copied_without_their_height_or_have_a_page():
    sentences = ["It never will.1", "It cost 40 billion.12", "“It came last.”3", "It was 9 km.[3]: 12–14", "See Abs.1 Satz 2."]
    assert cut(" ".join(sentences), "de") == sentences


@pytest.mark.parametrize(
    ("language", "dateline"),
    [
        ("de", "Bonn, 5. Nov. (dpa) - So."),
        ("el", "Αθήνα, 12 Αυγ. (ΑΠΕ-ΜΠΕ) - Ναι."),
        ("es", "MADRID, 5 Nov. (EUROPA PRESS) - Es así."),
        ("it", "Roma, 5 nov. (askanews) - È così."),
        ("pl", "Nysa, 15 wrz. 2024 r. (PAP) - Tak."),
    ],
)
def test_a_dateline_is_not_torn_at_its_month(language, dateline):
    assert cut(f"{dateline} Sí.", language) == [dateline, "Sí."]
    assert len(cut("Es waren 5 Mio. (netto). Sie kamen im Nov. (Sie blieben.)", "de")) == 3


def test_a_parenthesis_that_is_never_closed_holds_up_no_more_than_it_may():
    text = "They came (as they said. So it was. " + "It rained. " * 30
    first, second, *_ = cut(text)
    assert first.startswith("They came (as they said. So it was. It rained.") and second == "It rained."


@pytest.mark.parametrize("clause", ["one,two,three,", "委员会讨论了渔业和航运问题，", "港の委員会は漁業、"])
def test_a_long_sentence_without_a_space_is_cut_behind_a_comma(clause):
    text = clause * (1000 // len(clause))
    pieces = cut(text)
    assert len(pieces) == 2 and "".join(pieces) == text and pieces[0].endswith(clause[-1])


def test_marks_of_direction_and_a_repeated_thai_word():
    assert cut("\u200eWho came? \u200fNobody.") == ["Who came?", "Nobody."]
    clause = "เรือประมงสามลำสูญหาย" * 3
    for text, sentences in ((f"{clause}เร็ว {clause}", 2), (f"{clause}เร็วๆ {clause}", 1)):
        assert len(cut(text, "th")) == sentences


def test_a_row_of_a_table_is_one_whatever_its_cells_say():
    rows = ["| Staff (31.12.) | 4.817 | +2 % |", "| `-a` | Cut it. May be repeated. | none |"]
    assert [row[a:b] for row in rows for a, b in split_sentences(row, 0, len(row), "de")] == rows


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("Year\tRevenue", True), ("2024 (approx.)\t1.230 Mio. Euro\t+4 %", True), ("U.S.\t3,1", True), ("1.\tIt was late", False),
        ("•\tA dam", False), ("o\tA road", False), ("Omar:\tWho goes there", False), ("Omar\tMe. And you?", False),
        ("1.1\tThe price", False), ("2.10.3\tthe buyer pays; and", False), ("1.5\t3.2", True), ("1.5\tmm\t3", True),
    ],
)  # fmt: skip
def test_cells_between_tabs_are_a_row_but_what_is_listed_or_said_is_not(text, row):
    assert bool(ROW.match(text)) == row
