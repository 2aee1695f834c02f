"""What is seen of a sentence and chosen, by hand."""
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import prompts
from rag import Article, Chat, Config, Turn
from rag.cases import read_questions
from rag.context import HEADINGS, ITEMS, heads, introduced, needed
from rag.datatypes import Hit
from rag.evidence import Look, described, look, of_byline, of_whole
from rag.testing import CALIBRATION, WordEncoder, WordModel

QUESTIONS = Path(__file__).parent / "data" / "questions.jsonl"


def opened(text, **settings):
    config = Config(keep=False, **settings)
    return Chat(Article.from_text(text), config=config, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION)


class Weighed:
    """A model that finds these words, and "yes", "Yes", "no" and "No", as likely: without a sentence, then with one."""

    def weigh(self, *_):
        return np.array([[-9.0, -1.0, -5.0], [-2.0, -7.0, -4.0]]), np.log([[0.1, 0.1, 0.2, 0.2], [0.3, 0.1, 0.1, 0.1]])


def test_a_look_is_against_no_sentence_and_one_word_counts_for_so_much():
    """By hand: 7, -6 and 1 nats are 3, -1 and 1, of eight letters; the odds go from 1 : 2 to 2 : 1."""
    (one,) = look(Weighed(), None, [[0]], "Who came?", [Hit(4, 0, 9, 0.8, 0, lexical=0.3)])
    assert dataclasses.astuple(one) == pytest.approx((4, 0.5, 3 / 8, np.log(4)))


def test_what_tells_an_article_that_answers_by_hand():
    """Of the cosines .8, .6 and seven of .5 the best stands out by .8 less (.6 + 4 · .5) / 5."""
    hits = [Hit(n, 0, 1, score, n, lexical) for n, (score, lexical) in enumerate([(0.9, 0.3), (0.8, 0.0), *[(0.5, 0.0)] * 7])]
    looks = [Look(0, 0.6, 0.1, 2.0), Look(1, 0.8, 0.2, 1.0)]
    expected = {"cosine": 0.8, "stands_out": 0.28, "lexical": 0.3, "gain": 0.2, "yes": 2.0, "same_language": 1.0}
    assert described(looks, hits, True) == pytest.approx(expected)
    assert described(looks, hits[:1], False)["stands_out"] == 0.0


def test_how_a_sentence_stands_out_is_seen_among_all_hits_and_whether_the_language_is_the_articles():
    chat = opened("Foxes sleep. Herons catch silver fish. Otters whistle loudly. Spiders weave nets.")
    one, all_four = (chat.using(candidates=n) for n in (1, 4))
    question = "Which silver fish do herons catch?"
    told = [each.evidence(question, each.retriever.search(question)).features for each in (one, all_four)]
    assert told[0]["stands_out"] == told[1]["stands_out"] > 0
    french = "Quels poissons les hérons attrapent-ils ?"
    other = chat.evidence(french, chat.retriever.search(french)).features
    assert (told[0]["same_language"], other["same_language"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("They came at night;", [None]),
        ("These harbours have fishermen enough for today;\nthose harbours have no fishermen at all today.", [None, None]),
        ("“Could we ship without payments?” Nobody knew.", [1, None]),
        ("Ποιος ήρθε χθες το βράδυ; Η αλεπού ήρθε.", [1, None]),
        ("Η αλεπού ήρθε. Ποιος ήρθε χθες το βράδυ;", [None, None]),
        ("من جاء أمس؟ جاء الثعلب.", [1, None]),
        ("谁来了？狐狸来了。", [1, None]),
        ("| Year | Income |\n\nNobody knew.", [None, None]),
    ],
)
def test_what_a_sentence_is_not_understood_without(text, needs):
    article = Article.from_text(text)
    assert [needed(article, i) for i in range(len(article.sentences))] == needs
    assert not any(heads(article, i) for i in range(len(article.sentences)))


@pytest.mark.parametrize(
    ("lines", "of", "items"),
    [
        (["Two things:", "- A dam.", "- A road."], 0, [1, 2]),
        (["Storm", "It rained. **Two things:**", "- A dam.", "So."], 2, [3]),
        (["暴风雨", "下雨了。两件事：", "- 大坝。", "完。"], 2, [3]),
        (["عاصفة", "من جاء أمس؟", "جاء الثعلب."], 1, []),
        (["तूफ़ान", "बारिश हुई।", "सब घर गए।"], 1, []),
        (["Storm", "Who came?", "The price"], 2, []),
        (["Storm", "Many things:", *(f"- A dam {n}." for n in range(ITEMS + 1)), "So."], 1, [*range(2, 2 + ITEMS)]),
        (["Storm", *["a line of verse"] * HEADINGS, "So."], 1, []),
        (["Storm", *["a line above"] * (HEADINGS - 1), "So."], 1, [HEADINGS]),
    ],
)
def test_what_a_heading_or_a_colon_introduces(lines, of, items):
    assert list(introduced(Article.from_text("\n".join(lines)), of)) == items


def test_a_clause_that_is_cited_for_itself_keeps_its_own_support():
    first = "Foxes and badgers sleep in the forest all winter long"
    chat = opened(f"{first}; they eat chestnuts there in autumn and in spring. Snow fell.")
    chat.calibration = dataclasses.replace(CALIBRATION, margin=9.0)
    question = "Do foxes and badgers sleep there or eat chestnuts?"
    evidence = chat.using(evidence=2).evidence(question, chat.retriever.search(question))
    assert set(evidence.chosen) == {0, 1} and evidence.chosen[0] != evidence.chosen[1]


def test_where_all_that_is_near_are_first_rows_of_tables_they_are_looked_at():
    chat = opened("\n\n".join(f"So.{n}\n| Country {n} | Income {n} |\n| Alba{n} | {n} euros |" for n in range(9)))
    hits = chat.ask(question := "Which country has which income?").hits
    assert all(heads(chat.article, hit.sentence) for hit in hits)
    assert [look.sentence for look in chat.evidence(question, hits).looks] == [hit.sentence for hit in hits[:3]]


def said(worded):
    """Questions with choices, with the first of each and with the last."""
    ends = (r"{([^|}]*)[^}]*}", r"{[^}]*?([^|}]*)}")
    return [re.sub(end, r"\1", one) for one in worded for end in ends]


BYLINE = """
Who is this article written by?|Can you tell me who wrote this article?|By whom was the article written?
How old is this article?|Qui a rédigé ce texte ?|Qui a ecrit cet article|Qui est l’auteure de l’article ?
De quand date cet article ?|Par qui l'article a-t-il été rédigé ?|Wer hat diesen Text verfasst?
Wie heisst der Autor des Artikels?|Von wem stammt der Artikel?|Von wann ist dieser Artikel?|Quien escribio este articulo
¿Quién redactó el artículo?|¿Cómo se llama el autor del artículo?|¿De cuándo es este artículo?|Как зовут автора статьи?
Когда эта статья была написана?|Дата публикации статьи|Хто написав цей текст?|Коли написано статтю?|مَن كتب المقال؟
من كتب المقالــة؟|من الذي كتب هذا المقال؟|من قام بكتابة المقال؟|متى كُتبت المقالة؟|ما هو تاريخ المقال؟|من كتب المقاله
نويسنده این مقاله كيست؟|این مقاله کی منتشر شد؟|کی این مقاله رو نوشته؟|مضمون کس نے لکھا ہے؟|מי המחבר של המאמר?|מיהו כותב הכתבה?
इस लेख को किसने लिखा है?|यह लेख कब लिखा गया था?|BU MAKALEYİ KİM YAZDI?|Makaleyi kim yazmis|Makale kim tarafından yazıldı?
ai viet bai bao nay|Bài viết này do ai viết?|Bài báo này được đăng khi nào?|Cine e autorul articolului?
Cand a aparut acest articol?|ποιος εγραψε το αρθρο|Πότε γράφτηκε αυτό το άρθρο;|谁写的这篇文章？|這篇文章的作者是誰？
本文是何时发表的？|誰がこの記事を書いたのですか？
누가 이 기사를 썼나요?|이 기사는 언제 나왔나요?|บทความนี้เขียนโดยใคร|บทความนี้เผยแพร่เมื่อไหร่|Chi è l’autore di quest’articolo?
Di quando è l'articolo?|Quem e o autor deste artigo|Quando este artigo foi escrito?|Door wie is dit artikel geschreven?
Kto napisal ten tekst?|Kiedy ukazał się artykuł?|Vem är artikelns författare?|När är artikeln från?
Artikel ini ditulis oleh siapa?|Kapan berita ini terbit?
"""
WHOLE = """
What does this article talk about?|What's the gist of the article?|Could you summarize this article in one sentence?
Give me a short summary|Resume l'article|De quoi ça parle ?|Peux-tu me faire un résumé ?
Quel est le thème principal de l’article ?|Pouvez-vous résumer cet article ?|Um was geht's in dem Text?
Fassen Sie den Artikel bitte zusammen|Kannst du den Artikel zusammenfassen?|Kurze Zusammenfassung|De que trata este articulo
¿De qué se trata el artículo?|¿Puedes resumir el artículo?|Dame un resumen|¿Cuál es la idea principal del artículo?
Про что статья?|О чем идет речь в этой статье?|Чему посвящена статья?|Перескажи кратко|Краткий пересказ|Основная мысль статьи
Про що йдеться в статті?|عن ماذا تتحدث هذه المقالة؟|ما الفكرة الرئيسية للمقال؟|لَخِّص لي المقال|أريد ملخصًا للمقال|اعطني ملخص
هل يمكنك تلخيص هذا المقال؟|مقاله در مورد چیست؟|خلاصه‌ای از مقاله بده|اس مضمون کا خلاصہ کریں|על מה מדובר בכתבה?
תסכם לי את המאמר|תקציר|यह लेख किसके बारे में है?|लेख का मुख्य विचार क्या है?|Makale neden bahsediyor?
Bu makaleyi özetler misin?|Makalede ne anlatiliyor?|Bài này nói về điều gì?|Hãy tóm tắt bài viết này
noi dung chinh cua bai bao la gi|Despre ce e vorba în acest articol?|Poti rezuma articolul?|Για τι μιλάει αυτό το άρθρο;
Μπορείς να συνοψίσεις το άρθρο;|这篇文章主要讲了什么？|请概括文章的主要内容
這篇文章在講什麼？|帮我总结一下
この記事の要点は何ですか？|この記事をまとめてください|이 기사는 무슨 내용인가요?
기사를 간단히 요약해줘|ช่วยสรุปบทความนี้ให้หน่อย|Riassumi brevemente|Di che cosa tratta questo articolo?|Do que trata este artigo?
Pode resumir o artigo?|Waarover gaat dit artikel?|Kun je het artikel samenvatten?|O czym mówi artykuł?
Czy możesz streścić ten artykuł?|Kan du sammanfatta artikeln?|Artikel ini membahas tentang apa?|Tolong rangkum artikel ini
"""
NEITHER = """
Who wrote the report?|What is Article 370 about?|When was the treaty published?|Summarize the minister's position
Who is the author of the study?|Qui a écrit le texte de la chanson ?|Que dit l'article 49 ?|De quoi s'agit-il ?
Wer hat den Text des Liedes geschrieben?|Worum geht es in dem Gesetz?|¿De qué se trata la ley?|¿Quién escribió el texto?
Что говорится в статье 5?|Кто написал текст?|من كتب نص الاتفاق؟|ما موضوع القمة؟|ماذا تقول المادة الخامسة؟|نویسنده کتاب کیست؟
על מה הספר?|किताब का लेखक कौन है?|Konferansın konusu ne?|Ai viết bài hát này?|Ce spune articolul 5?|Τι λέει το άρθρο 5;
第五条讲什么？|这首歌是谁写的？|法律の内容は？|이 책은 누가 썼나요?
กฎหมายนี้เกี่ยวกับอะไร|Di cosa si tratta?|O que diz o artigo 5?|Waar gaat de wet over?
"""


def test_what_is_asked_of_the_article_is_known_as_people_word_and_type_it():
    byline, whole, neither = (re.split("[|\n]", some.strip()) for some in (BYLINE, WHOLE, NEITHER))
    assert [one for one in byline if not of_byline(one) or of_whole(one)] == []
    assert [one for one in whole if not of_whole(one) or of_byline(one)] == []
    assert [one for one in neither if of_byline(one) or of_whole(one)] == []


def test_who_wrote_the_article_is_answered_by_no_sentence():
    chat = opened("The ranger wrote the long article yesterday.\nBeetles polish their green wings.")
    assert chat.ask("Who wrote the long article?").answered
    answer = chat.ask("Who wrote the article?")
    assert (answer.answered, answer.confidence, answer.text) == (False, 0.0, "The article does not say.")
    for language in prompts.languages().values():
        assert all(map(of_byline, said(language.byline))) and not any(map(of_byline, language.blank))
    assert not any(of_byline(case.question) for case in read_questions(QUESTIONS, Article.default()))


def test_what_the_article_is_about_is_told_by_its_first_sentences():
    text = "Herons fish.\n\nBeetles polish wings.\n\nFoxes sleep.\n\nThe third article is about wild geese."
    chat = opened(text, evidence=2)
    last = Turn("What do spiders weave?", "Round nets [1]")
    for history in ([], [last]):
        answer = chat.ask("What is the article about?", history=history)
        assert (answer.question, answer.confidence) == ("What is the article about?", 1.0)
        assert [citation.sentence for citation in answer.citations] == [0, 1]
    assert chat.ask("What is the third article about, wild geese?").citations[0].sentence == 3
    for language in prompts.languages().values():
        assert all(map(of_whole, said(language.whole))) and not any(map(of_whole, [*language.blank, *said(language.byline)]))
    assert not any(of_whole(case.question) for case in read_questions(QUESTIONS, Article.default()))
