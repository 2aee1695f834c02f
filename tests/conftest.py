"""What tests of several files are handed, and those of the page in Chromium: one page for all of these."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from rag.log import log

pytest.register_assert_rewrite("tests.browser")  # it is imported where it is needed, with playwright


@pytest.fixture(autouse=True)
def _told_as_before():
    """A command tells on stderr for the rest of its program; that ends with the test that runs it."""
    handlers, level = log.handlers, log.level
    yield
    log.handlers, log.propagate = handlers, True
    log.setLevel(level)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(64) as pool:
        yield pool


@pytest.fixture(scope="module")
def url():
    from tests.browser import needed, served

    needed()
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(url):
    from tests.browser import browsing

    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def happened():
    """What all pages did, over the whole run."""
    return {"requests": [], "dialogs": [], "errors": []}


@pytest.fixture(scope="module")
def reader(browser, url, happened):
    """Opens the page for one more reader, in a browser context of these settings, until the end of the block."""
    from tests.browser import DESKTOP, Visit

    @contextmanager
    def reader(**settings):
        with browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **settings}) as context:
            context.on("request", lambda request: happened["requests"].append(request.url))
            context.on("dialog", lambda dialog: (happened["dialogs"].append(dialog.message), dialog.dismiss()))
            visit = Visit(context, url)
            yield visit
            happened["errors"] += visit.errors

    return reader


@pytest.fixture
def visit(reader):
    """Opens the page for one more reader until the end of the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(reader(**settings))


@pytest.fixture(scope="module")
def talk(reader):
    """A page with three turns: a question in Arabic, one in English, and one that the article does not answer."""
    from tests.browser import ELSEWHERE, KAM, WHY

    with reader(permissions=["clipboard-read", "clipboard-write"]) as talk:
        talk.watch()
        for question in (KAM, WHY, ELSEWHERE):
            talk.answered(question)
        yield talk
