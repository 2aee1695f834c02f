import html
import re
from dataclasses import replace

import pytest

from rag import Answer, Article, Citation, Claim, Hit, Omission, render
from rag.sessions import Exchange

HOSTILE = (
    "The <img src=x onerror=alert(1)> mayor </script><script>alert(2)</script> spoke. ![x](http://example.com/x) says [9].\r\n"
    "${alert(3)} {{alert}} \u202ebackwards\u202c <|im_start|>system & \"quotes\" 'too'.\r\n\r\n* * *\r\n"
    "by Anna Berg\r\nThe end is near.\r\n"
)
ARTICLE = Article.from_text("The harbour closed. Fees doubled, says Anna Berg. Nobody was hurt.", title="Harbour", author="A. B.")
FEES = Citation(1, 20, 49, "Fees doubled, says Anna Berg.", 0.754, 1)
ANSWER = Answer(
    "What doubled?",
    text="Fees. [1]",
    answered=True,
    confidence=0.954,
    claims=(Claim("Fees.", (1,), 0.754),),
    citations=(FEES,),
    hits=(Hit(1, 20, 49, 0.9, 0), Hit(0, 0, 19, 0.456, 1), Hit(2, 50, 66, 0.4, 2)),
)


def shown(answer=ANSWER, article=ARTICLE, state="done", asked="What doubled?", **more):
    return render.turn(Exchange(asked, article, answer, state, **more), 3)


def text(markup):
    """What a browser has as text."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def tags(markup):
    return set(re.findall(r"</?(\w+)", markup))


@pytest.mark.parametrize("article", [ARTICLE, Article.default(), Article.from_text(HOSTILE)], ids=["plain", "bundled", "hostile"])
def test_the_article_is_shown_verbatim_with_each_sentence_in_its_place(article):
    markup = render.article(article)
    assert text(markup) == article.text
    for s in article.sentences:
        assert f'<span class="s" id="s-{s.index}" data-sentence="{s.index}">{render.escape(s.text)}</span>' in markup
    for omission in article.omitted:
        assert f'<span class="omitted" title="{omission.reason}">{render.escape(omission.text)}</span>' in markup
    assert tags(markup) == {"article", "p", "span"} and markup.count("<p>") == markup.count("</p>")


def test_a_paragraph_of_the_article_is_one_and_what_stands_between_is_faint():
    article = Article.from_text("One stands here. Two too.\n\n* * *\nThree stands below.")
    assert re.sub(r' (?:id|data-\w+|title)="[^"]*"', "", render.article(article)).partition(">")[2] == (
        '<p><span class="s">One stands here.</span> <span class="s">Two too.</span></p>'
        '<span class="omitted">\n\n* * *\n</span><p><span class="s">Three stands below.</span></p></article>'
    )


def test_an_omission_between_sentences_of_a_paragraph_does_not_end_it():
    article = Article.from_text("One stands here. Two too.")
    one, two = article.sentences
    cut = replace(article, sentences=(one, replace(two, start=21, text="too.")), omitted=(Omission(17, 20, "Two", "header"),))
    assert render.article(cut).count("<p>") == 1 and text(render.article(cut)) == article.text


def test_nothing_of_article_question_or_answer_becomes_markup():
    article = Article.from_text(HOSTILE, title="<b>t</b>", author="<i>a</i>")
    s = article.sentences[0]
    answer = Answer(
        f"{HOSTILE}!",
        text=f"{HOSTILE} [9] [1]",
        answered=True,
        claims=(Claim(HOSTILE, (1,), 0.9),),
        citations=(Citation(1, s.start, s.end, s.text, 0.9, 0),),
        hits=(Hit(1, article.sentences[1].start, article.sentences[1].end, 0.5, 1),),
    )
    markup = shown(answer, article, asked=HOSTILE)
    assert not tags(markup) & {"img", "script", "b", "i"}
    assert markup.count('class="cite"') == 1 and "[9]" in text(markup) and HOSTILE in text(markup)
    assert tags(render.about(article)) == {"h2", "p", "bdi", "details", "summary", "ul", "li", "span"}
    assert tags(render.loading(("<img>", 1, 2))) == {"p", "span", "progress"}
    assert tags(render.facts({"Model": "<img>"})) == {"dl", "dt", "dd"}
    assert tags(render.examples(["<img>"], "0")) == {"div", "button"}


def test_a_marker_is_an_isolated_button_that_names_its_sentence():
    marker = '<bdi><button class="cite" data-number="1" data-sentence="1" aria-label="Source 1">1</button></bdi>'
    assert f'<p class="words">Fees. {marker}</p>' in shown()


def test_a_citation_has_its_quote_where_it_stands_and_what_it_is_worth():
    markup = shown()
    assert '<div class="citation" data-number="1" data-sentence="1">' in markup
    assert '<blockquote class="quote" lang="en" dir="ltr">Fees doubled, says Anna Berg.</blockquote>' in markup
    assert "characters 20–49 · support 0.75" in text(markup) and "page" not in text(markup)
    paged = replace(ANSWER, citations=(replace(FEES, page=7),))
    assert "characters 20–49 · page 7 · support 0.75" in text(shown(paged))


def test_a_quotation_names_author_title_characters_and_page():
    assert render.quotation(ARTICLE, FEES) == "“Fees doubled, says Anna Berg.”\n— A. B., Harbour, characters 20–49"
    nameless = replace(ARTICLE, author=None)
    assert render.quotation(nameless, replace(FEES, page=2)) == (
        "“Fees doubled, says Anna Berg.”\n— Harbour, characters 20–49, page 2"
    )


def test_translation_is_offered_only_between_languages():
    assert 'data-act="translate"' not in shown()
    assert 'data-act="translate"' in shown(replace(ANSWER, language="fr"))


@pytest.mark.parametrize(
    ("confidence", "said"),
    [(0.05, "very unlikely (0.05)"), (0.1, "unlikely (0.10)"), (0.5, "uncertain (0.50)"), (0.6, "likely (0.60)"),
     (0.954, "very likely (0.95)")],
)  # fmt: skip
def test_confidence_is_a_word_and_the_number(confidence, said):
    assert f"The article answers this: {said}" in text(shown(replace(ANSWER, confidence=confidence)))


def test_weak_support_is_a_warning():
    weak = replace(ANSWER, claims=(Claim("Fees.", (1,), 0.4),))
    assert 'class="weak"' in shown(weak) and 'class="weak"' not in shown()


def test_a_follow_up_is_shown_as_it_was_understood():
    assert "Understood as: What doubled?" in text(shown(asked="And what?"))
    assert "understood" not in shown()


def test_what_was_retrieved_and_not_cited_is_folded_away():
    markup = shown()
    assert '<details class="retrieved"><summary>Also looked at, not cited</summary>' in markup
    assert re.findall(r'class="hit" data-sentence="(\d)"', markup) == ["0", "2"]
    assert "nearness 0.46" in text(markup)


def test_without_an_answer_the_three_closest_sentences_are_open():
    article = Article.from_text("One stands. Two stands. Three stands. Four stands.")
    hits = tuple(Hit(s.index, s.start, s.end, 0.5, s.index) for s in article.sentences)
    markup = shown(Answer("Why?", text="The article does not say.", hits=hits), article, asked="Why?")
    first, _, rest = markup.partition('<details class="more">')
    assert '<details class="retrieved" open><summary>Closest in the article</summary>' in first
    assert re.findall(r'class="hit" data-sentence="(\d)"', first) == ["0", "1", "2"]
    assert re.findall(r'class="hit" data-sentence="(\d)"', rest) == ["3"]
    assert 'data-answered="false"' in markup and 'class="cite"' not in markup


def test_question_answer_and_quote_have_each_their_language_and_labels_are_the_answers():
    markup = shown(replace(ANSWER, language="ar"), asked="Что удвоилось?")
    assert '<p class="asked" lang="ru" dir="ltr">' in markup
    assert '<div class="answer" lang="ar" dir="rtl" data-state="done" data-answered="true">' in markup
    assert '<blockquote class="quote" lang="en" dir="ltr">' in markup
    assert "الأحرف 20–49" in text(markup)


def test_labels_of_a_language_without_any_are_english_and_say_so():
    markup = shown(replace(ANSWER, language="fa"))
    assert re.search(r'<section class="turn" [^>]*lang="en" dir="ltr">', markup)
    assert '<div class="answer" lang="fa" dir="rtl"' in markup and "characters 20–49" in text(markup)


def test_every_language_has_every_label():
    english = render.labels("en")
    for language in ("ar", "fr", "ru"):
        assert render.labels(language).keys() == english.keys() and len(render.labels(language)["odds"]) == 5
        assert render.labels(language) is not english


@pytest.mark.parametrize(("state", "said"), [("searching", "Searching the article"), ("choosing", "Choosing the evidence"),
                                             ("writing", "Writing the answer")])  # fmt: skip
def test_while_it_is_made_an_answer_says_what_is_done_and_cites_nothing(state, said):
    markup = shown(replace(ANSWER, citations=(), claims=(), text="Fe"), state=state)
    assert f'<p class="state" role="status" lang="en" dir="ltr">{said}</p>' in markup
    assert f'data-state="{state}">' in markup and '<section class="turn live"' in markup
    assert '<p class="words">Fe</p>' in markup and "data-act" not in markup and "retrieved" not in markup


def test_a_turn_that_waits_says_for_what_and_how_far_it_is():
    markup = shown(Answer("Why?"), state="searching", waits=("reading the article", 3, 12))
    assert '<progress aria-label="Reading the article" value="3" max="12"></progress>' in markup
    unknown = shown(Answer("Why?"), state="searching", waits=("opening the article", 0, 0))
    assert '<progress aria-label="Opening the article"></progress>' in unknown


def test_a_failed_turn_says_why_and_can_be_asked_again():
    markup = shown(Answer("What doubled?"), state="failed", note="There is no <model>.")
    assert "No answer: There is no <model>." in text(markup)
    assert re.findall(r'data-act="(\w+)"', markup) == ["retry", "edit"]


def test_what_is_copied_is_the_answer_and_its_sources():
    (copied,) = re.findall(r'data-act="copy" data-text="([^"]*)"', shown())
    assert html.unescape(copied) == (
        "Fees. [1]\n\n[1] “Fees doubled, says Anna Berg.”\n— A. B., Harbour, characters 20–49"
    )


def test_about_names_title_author_language_size_and_what_was_left_out():
    markup = render.about(Article.default())
    assert "Hazem Ayyad (@hma36) · العربية · 25 sentences · 3,913 characters" in text(markup)
    assert "4 left out: not sentences" in markup and 'class="reason">byline</span> <bdi lang="ar" dir="rtl">hazem ayyad' in markup
    assert "left out" not in render.about(ARTICLE)


def test_loading_shows_a_bar_an_error_or_nothing():
    assert render.loading(None) == ""
    bar = '<progress aria-label="Encoding sentences" value="1" max="4"></progress>'
    assert bar in render.loading(("encoding sentences", 1, 4))
    assert text(render.loading(ValueError("No <model>."))) == "No <model>."
