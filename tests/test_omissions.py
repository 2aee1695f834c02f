import re

import pytest

from rag import Article
from rag.omissions import _DATA, CLOCK, DATELINE, boilerplate

PROSE = [
    "Share prices at Acme fell 12% on Monday.",
    "Related companies in the group lost 3%.",
    "The company bakes cookies for 40 countries.",
    "Copyright law was changed in 2019 by parliament.",
    "Follow us into the factory, the manager said.",
    "By Tuesday the shares had recovered",
    "Read more books, the minister urged.",
    "إعلان الحرب صدر في 5 يونيو.",
    "شارك في الاجتماع 30 وزيرا من 12 دولة.",
    "اشترك في الحرب 30 جنديا",
    "كتب الرئيس رسالة إلى البرلمان",
    "إعداد الميزانية يستغرق شهرا",
    "Реклама алкоголя запрещена с 2012 года.",
    "Поделиться опытом приехали 30 врачей из Казани.",
    "Publicité mensongère : l'entreprise condamnée à 2 millions",
    "Von der Leyen bleibt Präsidentin",
    "Allow cookies to cool on a rack for ten minutes.",
    "Our cookies cost 3 dollars a box.",
    "We use cookies instead of sponge, the baker said.",
    "We use cookies on 40 sites.",
    "Laissez refroidir les cookies sur une grille pendant dix minutes.",
    "France's CNIL fined Amazon 35 million euros over its cookie policy in 2020.",
    "Роскомнадзор оштрафовал Google на 3 млн рублей за файлы cookie.",
    "غرّمت فرنسا غوغل 150 مليون يورو بسبب ملفات تعريف الارتباط.",
    "شارك هذا العام أكثر من 5000 عداء من 40 دولة.",
    "شارك هذا اللاعب في 20 مباراة.",
    "تابعنا على مدى ثلاثة أيام سير المعارك في حلب وأحصينا 12 قتيلًا.",
    "شارك الخبر الاقتصادي اليوم اهتمام المستثمرين",
    "Share on profits rose to 12 percent.",
    "Subscribe to our magazine cost 5 dollars in 1990.",
    "Source: Lake Victoria, Uganda",
    "Источник: река берёт начало в озере Селигер",
    "المصدر: بحيرة فيكتوريا",
    "Photo: Three dead in Paris fire, 3 May",
    "الصورة: الرئيس يصافح نظيره في القاهرة",
    "The © sign was introduced in 1909.",
    'The slogan "All rights reserved" was required by the Buenos Aires Convention of 1910.',
    "All rights reserved for the crown were sold.",
    "Copyright (1976) Act protects authors for 70 years.",
    "Copyright Act 1976",
    "حقوق النشر محفوظة للمؤلف مدة خمسين سنة",
    "Stand: 31. Dezember 2023",
    "版权所有者起诉了这家公司",
    "Por España, Morata y Olmo",
    "By Rail",
    "By Road, Rail and Sea",
    "Von Kunst und Kultur",
    "إعداد: نصف ساعة",
    "كتب: الأيام",
    "Published 1925",
    "Published in London on 14 March 2025",
    "Updated 3 May 2025: 12 dead",
    "Comments 12 million",
    "Most read books in Spain are novels",
    "Leer más libros es bueno",
    "- Publicité",
    "* Publicidad",
    "(Share prices fell.)",
    "*Read more* than you write.",
    "(Source: the ministry's report)",
]
AROUND = [
    "This website uses cookies to improve your experience.",
    "هذا الموقع يستخدم ملف تعريف الارتباط Cookie",
    "© 2024 The Harbour Times. All rights reserved.",
    "جميع الحقوق محفوظة للصحيفة",
    "Share this article",
    "Follow us on Facebook",
    "Subscribe to our newsletter",
    "Read more: what the harbour master said",
    "Related stories",
    "Photo: Ann Lee",
    "By Anna de Vries and Tom O'Neil",
    "By J. K. LEE",
    "بقلم: حازم عياد",
    "كتب: أحمد علي",
    "Автор: Иван Петров",
    "Читайте также: что сказал министр",
    "Lire aussi : ce que dit le ministre",
    "إعلان",
    "We use cookies to ensure that we give you the best experience on our website.",
    "By continuing to use this site, you agree to our use of cookies.",
    "Accept all cookies",
    "Cookie policy",
    "Wir verwenden Cookies, um Ihnen den bestmöglichen Service zu bieten.",
    "Usamos cookies para mejorar su experiencia.",
    "Questo sito utilizza i cookie.",
    "Nous utilisons des cookies pour améliorer votre visite.",
    "Мы используем файлы cookie",
    "نستخدم ملفات تعريف الارتباط لتحسين تجربتك",
    "本网站使用Cookie。",
    "Share on Facebook, Twitter and WhatsApp",
    "Share this:",
    "شارك هذا المقال",
    "تابعنا على فيسبوك وتويتر",
    "Поделиться в соцсетях",
    "Lee también: el puerto cierra",
    "Leer más",
    "Lire la suite",
    "Leggi anche",
    "Leia também",
    "Citește și",
    "Czytaj także: co powiedział minister",
    "Lees ook",
    "Mehr zum Thema",
    "İlgili haberler",
    "Διαβάστε επίσης",
    "Читайте також",
    "קראו גם",
    "Xem thêm",
    "อ่านเพิ่มเติม",
    "相关阅读：港口关闭",
    "【関連記事】港が閉鎖",
    "（写真：共同）",
    "(Foto: dpa)",
    "*Foto: Ann Lee / EFE*",
    "[Werbung]",
    "**Lea también:** [El puerto](https://example.com)",
    "- Lire aussi : ce que dit le ministre",
    "입력 2024.10.11. 09:52 수정 2024.10.11. 10:30",
    "무단 전재-재배포 금지",
    "関連記事",
    "관련기사",
    "यह भी पढ़ें",
    "یہ بھی پڑھیں",
    "بیشتر بخوانید",
    "مواضيع ذات صلة",
    "Skip to main content",
    "Most read",
    "Comments (12)",
    "Todos los derechos reservados",
    "The Harbour Times © 2024",
    "Copyright © 2019–2024 Harbour Media. All rights reserved.",
    "© 2024 جميع الحقوق محفوظة لموقع الميناء",
    "Все права защищены.",
    "版权所有 新华社",
    "Foto: dpa",
    "Fuente: EFE",
    "Source: Reuters / AFP",
    "مصدر الصورة: رويترز",
    "المصدر: أ.ف.ب",
    "来源：新华社",
    "Photo: Ann Lee/Getty Images",
    "By Eleanor Whitcombe, Local Democracy Reporter",
    "By Ann Lee, Reuters",
    "Published 14 March 2025, 18:42",
    "Last updated: Fri, March 14th 2025 at 6:42 pm GMT | Published 13 March 2025",
    "Опубликовано 14 марта 2025 г., 18:42",
    "نُشر في: 14 آذار 2025",
    "Aktualisiert: 14.03.2025, 18:42 Uhr",
    "Publié le 14 mars 2025 à 18h42",
]


@pytest.mark.parametrize(("line", "left_out"), [*((line, False) for line in PROSE), *((line, True) for line in AROUND)])
def test_only_whole_lines_of_what_a_site_says_are_left_out(line, left_out):
    article = Article.from_text(f"The town lies in a valley.\n\n{line}\n\nNobody knows why it was built there.")
    assert [omitted.text for omitted in article.omitted] == [line] * left_out


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        ("公司收入达12亿元，同比增长3.5%。\nhttps://www.example.cn/news", 1),
        ("公司 收入 增长\n@example", 1),
        ("मुनाफा 12 करोड़ रहा।\nwww.example.in", 1),
        ("Tickets: 12 euros\nwww.museum.example.org", 1),
        ("Open 9 to 17\nmuseum@example.org", 1),
        ("Tel. 020 7946 0000\nmuseum@example.org", 1),
        ("Closed on Mondays\n@museum", 1),
        ("open daily\n@museum", 1),
        ("Moscow Refuses Again\nhttps://example.org/@news", 1),
        ("Ann Lee\n@annlee", 2),
        ("ann lee\n@annlee", 2),
        ("Élodie Durand\nelodie@example.org", 2),
        ("أحمد علي\n@ahmad", 2),
        ("رفضت موسكو.\n@ahmad", 1),
    ],
)
def test_before_an_address_only_a_full_name_is_a_byline(text, left_out):
    assert len(Article.from_text(f"The town lies in a valley.\n{text}").omitted) == left_out


@pytest.mark.parametrize(
    ("lines", "author"),
    [
        (["By Eleanor Whitcombe, Local Democracy Reporter"], "Eleanor Whitcombe, Local Democracy Reporter"),
        (["بقلم: حازم عياد"], "حازم عياد"),
        (["Ann Lee", "@annlee"], "Ann Lee"),
        (["Door: Jan van Dijk"], "Jan van Dijk"),
        (["Av: Anna Berg"], "Anna Berg"),
        (["Oleh Budi Santoso"], "Budi Santoso"),
        (["מאת דנה כהן"], "דנה כהן"),
        (["Door te sparen"], None),
        (["Door Closes On Trump"], None),
        (["By Ann Lee", "By Tom O'Neil"], None),
        ([], None),
    ],
)
def test_the_only_byline_names_the_author(lines, author):
    text = "\n".join([*lines, "The town lies in a valley."])
    assert Article.from_text(text).author == author
    assert Article.from_text(text, author="Given").author == "Given"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Guests in the great hall of the town in 2021: 12", "Guests in the great hall of the town in 2021: 1250 paying"),
        ("The mean of the rise over the last ten years is 3", "The mean of the rise over the last ten years is 3.5 in all."),
        ("The mean of the rise over the last ten years is 3", "The mean of the rise over the last ten years is 3 million."),
        ("The winter in the valley was at -1.5 °C on average.", "The winter in the valley was at +1.5 °C on average."),
        ("The winter in the valley was at −1.5 °C on average.", "The winter in the valley was at 1.5 °C on average."),
        ("A ticket for the tower of the old harbour costs 5 €.", "A ticket for the tower of the old harbour costs 5 £."),
        ("Prices in the old harbour rose by 5 % over the year.", "Prices in the old harbour rose by 5 over the year."),
        ("12 people came to the meeting in the great old hall.", "In all 312 people came to the meeting in the great old hall."),
        ("500 people came to the meeting in the great old hall.", "So 1 500 people came to the meeting in the great old hall."),
        ("the gates of the old harbour stay open for the art", "He said the gates of the old harbour stay open for the artist."),
        ("Able hands are all that the old harbour needs today.", "Unable hands are all that the old harbour needs today."),
        ("राम ने कल शाम दिल्ली में उस की बात मान ली और घर चला गया", "राम ने कल शाम दिल्ली में उस के बात मान ली और घर चला गया"),
    ],
)
def test_what_differs_in_a_number_a_sign_or_a_vowel_is_no_repeat(one, other):
    assert not Article.from_text(f"{one}\n{other}").omitted
    assert [o.text for o in Article.from_text(f"{other}\nIt rained.\n{other}").omitted] == [other]


def test_each_pattern_of_the_data_is_one():
    for language, kinds in _DATA.items():
        for kind, pattern in kinds.items():
            assert not re.fullmatch(f"(?:{pattern})", ""), (language, kind)


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ("```bash", True),
        ("[![CI](https://ci.example/badge.svg)](https://ci.example) " * 4, True),
        ("<!-- generated by make docs -->", True),
        ("<p align=\"center\"><br/></p>", True),
        ("</details>", True),
        ("![Income in 2023: 5 million](income.png)", False),
        ("[![CI](badge.svg)](https://ci.example) 2.1 is out.", False),
        ("<server port=\"8080\"/>", False),
        ("<summary>Changes in 2.1</summary>", False),
    ],
)
def test_of_markup_only_what_says_nothing_is_left_out(line, left_out):
    assert (boilerplate(line.strip(), "") == "markup") is left_out


def test_words_of_a_date_without_end_are_looked_at_once():
    said = "updated on " * 60 + "x"  # taken apart in each way, "updated" before "on" or not, it would not come to an end
    assert not CLOCK.match(f"12:30 {said}") and not DATELINE.match(f"Published 5 May 2020 {said}")
