"""The page as it is scrolled, printed, listened to and clicked in haste, in Chromium."""
from io import BytesIO

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser import ELSEWHERE, HOW_MUCH, PHONE, POURQUOI, WHY

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.filterwarnings("ignore:::gradio")]


def test_on_a_narrow_page_the_wheel_leads_to_the_articles_end_and_back_to_the_box(visit):
    talk = visit(viewport=PHONE)
    talk.page.mouse.move(100, 300)
    for down, seen in ((100_000, talk.article.locator(".s").last), (-100_000, talk.page.locator("#box"))):
        talk.page.mouse.wheel(0, down)
        expect(seen).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("landscape", [False, True])
def test_printed_it_has_the_whole_article_and_no_buttons(visit, landscape):
    pages = PdfReader(BytesIO(visit().page.pdf(format="A4", landscape=landscape))).pages
    text = "".join(page.extract_text() for page in pages)
    assert len(pages) > 1 and "ayyad" in pages[-1].extract_text()
    assert "Save" not in text and "Add an article" not in text


def test_of_an_answer_taller_than_its_column_the_question_is_in_view(visit):
    talk = visit(viewport={"width": 1024, "height": 560})
    turn = talk.answered(ELSEWHERE)
    assert turn.evaluate("one => one.offsetHeight > document.querySelector('#conversation').clientHeight")
    expect(turn.locator(".asked")).to_be_in_viewport(ratio=1)


def test_the_second_half_of_a_double_click_on_ask_does_not_stop_the_answer(visit):
    talk = visit()
    talk.question.fill(WHY)
    talk.page.locator("#ask").hover()
    for half in (1, 2):
        talk.page.mouse.down(click_count=half)
        talk.page.mouse.up(click_count=half)
        expect(talk.page.locator("#stop")).to_be_visible()
    talk.done(talk.turns.first)


def test_what_is_clicked_while_a_question_is_answered_is_refused_and_not_asked_in_place_of_the_next(visit):
    talk = visit()
    turn = talk.ask(WHY)
    expect(turn).to_be_visible()
    talk.page.locator(".example").first.click()
    expect(talk.page.locator("#notice")).to_contain_text("Another question is being answered")
    talk.done(turn)
    expect(talk.answered(HOW_MUCH).locator(".asked")).to_have_text(HOW_MUCH)


def test_to_those_who_listen_an_answer_is_said_without_its_markers_and_with_its_warning(visit):
    talk = visit(locale="ar")
    turn = talk.answered(POURQUOI)
    warning = turn.locator(".weak").text_content()
    words = turn.locator(".words").evaluate("one => one.firstChild.textContent")
    expect(turn.locator(".cite")).not_to_have_count(0)
    expect(talk.page.locator("#said")).to_have_text(f"{words} {warning}")
    expect(talk.page.locator("#said")).to_have_attribute("lang", "fr")
    expect(talk.page.locator("html")).to_have_attribute("lang", "en")


def test_in_forced_colors_a_cited_sentence_is_marked(visit):
    talk = visit(forced_colors="active")
    talk.answered(WHY)
    expect(talk.article.locator(".cited").first).to_have_css("forced-color-adjust", "none")
