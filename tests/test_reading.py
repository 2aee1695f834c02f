"""The page as it is scrolled, printed, listened to and clicked in haste, in Chromium."""
import pytest
from playwright.sync_api import expect

from tests.browser import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.weights, pytest.mark.filterwarnings("ignore:::gradio")]


def test_on_a_narrow_page_the_wheel_leads_to_the_articles_end_and_back_to_the_box(visit):
    talk = visit(viewport=PHONE)
    talk.page.mouse.move(100, 300)
    for down, seen in ((100_000, talk.article.locator(".s").last), (-100_000, talk.page.locator("#box"))):
        talk.page.mouse.wheel(0, down)
        expect(seen).to_be_in_viewport(ratio=0.9)
