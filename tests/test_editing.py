"""A question that is edited, and a tab and its duplicate, in Chromium."""
import pytest
from playwright.sync_api import expect

from tests.browser import ELSEWHERE, HOW_MUCH, LIGHTHOUSE, PHONE, WHY

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.filterwarnings("ignore:::gradio")]


def test_an_edited_question_that_is_refused_is_still_the_one_being_edited(visit):
    talk = visit()
    turn = talk.answered(WHY)
    turn.locator('[data-act="edit"]').click()
    talk.question.fill("why " * 1000)
    talk.question.press("Enter")
    expect(talk.page.locator("#notice")).to_contain_text("Shorten it")
    expect(talk.page.locator("#editing")).to_be_visible()
    talk.question.fill(HOW_MUCH)
    talk.question.press("Enter")
    expect(turn.locator(".asked")).to_have_text(HOW_MUCH)
    expect(talk.page.locator("#editing")).to_be_hidden()
    talk.done(turn)
    expect(talk.turns).to_have_count(1)


def test_on_a_phone_what_sending_an_edited_question_replaces_is_said_beside_it_until_it_is_gone(visit):
    talk = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    turn = talk.answered(WHY)
    talk.answered(ELSEWHERE)
    turn.locator('[data-act="edit"]').tap()
    expect(talk.page.locator("#editing")).to_be_in_viewport(ratio=1)
    talk.page.locator("#clear").tap()
    expect(talk.turns).to_have_count(0)
    expect(talk.page.locator("#editing")).to_be_hidden()


def test_a_tab_asks_the_article_it_shows_though_its_duplicate_shows_another(visit):
    talk = visit()
    talk.answered(WHY)
    with talk.page.context.expect_page() as opened:
        talk.page.evaluate("window.open(location.href)")
    other = opened.value
    expect(other.locator("#conversation .turn")).to_have_count(1)
    other.locator("#add button").first.click()
    other.locator("#paste textarea").fill(LIGHTHOUSE)
    other.locator("#paste-add").click()
    expect(other.locator("#article article")).to_contain_text("Ole Hansen")
    turn = talk.answered(HOW_MUCH)
    assert turn.get_attribute("data-article") == talk.article.get_attribute("data-article")
    assert talk.page.evaluate("sanad.call([])[0].restored")
