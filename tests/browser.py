"""The page in Chromium: what serves it and what drives it. The browser tests and the screenshots stand on this.

`python -m tests.browser` says which Chromium is used, or exits with 1 where there is none.
"""
from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect, sync_playwright

from rag import Chat, Config
from rag.library import Library
from rag.models import Reading
from rag.testing import CALIBRATION, WordEncoder, WordModel

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
TIMEOUT, PATIENCE = 30_000, 300_000
"""Milliseconds for what a page does, and for what a model does: on two busy cores, perhaps an article to be read first."""
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)

WHY, HOW_MUCH, KAM = "Why did Moscow refuse US base access?", "How much did the EU allocate?", "كم خصص الاتحاد الأوروبي؟"
POURQUOI, ELSEWHERE = "Pourquoi Moscou a-t-elle refusé l'accès américain aux bases ?", "What is the capital of France?"
"""Questions to the bundled article, answered by sentences 13 and 14, by 18, by 18, by 13 and 14 in uncertain words, by none."""

LIGHTHOUSE = """The Vardo lighthouse was built in 1896 by the engineer Ole Hansen. Its lamp burned whale oil until 1931.

Fishermen steered by its green beam during winter storms. The keeper climbed 120 steps every evening.
"""
BUILDER = "Who built the Vardo lighthouse in 1896?"

ORCHARD = """The Almeda orchard grows forty kinds of apples. Pickers gather the fruit during September.

Bees from twelve hives pollinate the blossoms every spring. The cider press stands beside the old stone barn.
"""
APPLES = "How many kinds of apples does the Almeda orchard grow?"

SAID = {
    WHY: ("رفضته موسكو ورفضته مجددا بحسب مراقبين ومصادر صحفية", "Moscow refused it before and has refused it anew."),
    HOW_MUCH: ("الاتحاد الأوروبي خصص مليار يورو كمساعدات إنسانية", "The EU allocated one billion euros as humanitarian aid."),
    POURQUOI: ("رفضته موسكو ورفضته مجددا بحسب مراقبين ومصادر صحفية", "Moscou l'a refusé en 2021, et l'a refusé encore. " * 8),
    KAM: ("الاتحاد الأوروبي خصص مليار يورو كمساعدات إنسانية", "خصص الاتحاد الأوروبي مليار يورو كمساعدات إنسانية."),
}
"""How the fakes read these questions, and what they reply."""

WATCH = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const answer = [...document.querySelectorAll("#conversation .answer")].at(-1);
        const now = answer && [answer.dataset.state, answer.querySelector(".words").textContent];
        if (now && String(now) !== String(seen.at(-1))) seen.push(now);
    }).observe(document.querySelector("#conversation"), {subtree: true, childList: true, characterData: true, attributes: true});
}"""
"""From now on `seen` holds each state and text that the newest answer goes through."""

STOP = """() => new MutationObserver((_, observer) => {
    const words = document.querySelector('#conversation .answer[data-state="writing"] .words');
    if (words?.textContent && document.querySelector("#stop").checkVisibility()) {
        observer.disconnect();
        document.querySelector("#stop").click();
    }
}).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true})"""
"""Stops the next answer as soon as a word of it is there: a click from outside might come after its last one."""

FOREIGN = """host => [...document.querySelectorAll("[src], [href], [action]")].flatMap(one => [one.src, one.href, one.action])
    .filter(one => typeof one === "string" && /^(https?:)?[/][/]/.test(one) && new URL(one, location).host !== host)"""
"""Addresses on other hosts that the page names, whether or not it has asked them for anything."""


class PhraseEncoder(WordEncoder):
    """A WordEncoder that reads the questions of SAID in the article's words."""

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        return super().queries([_read(text) for text in texts])


class PhraseModel(WordModel):
    """A WordModel that reads the questions of SAID in the article's words and has its replies; it takes its time."""

    def weigh(
        self, reading: Reading, views: Sequence[Sequence[int]], before: str, text: str, after: str, choices: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.2)
        return super().weigh(reading, views, before, _read(text), after, choices)

    def stream(
        self, reading: Reading, chosen: Sequence[int], prompt: str, *, script: tuple[str, ...], quoted: str, max_tokens: int,
        question: str = "",
    ) -> Iterator[str]:
        reply = next((reply for asked, (_, reply) in SAID.items() if chosen and asked in prompt), "")
        words = super().stream(reading, chosen, prompt, script=script, quoted=quoted, max_tokens=max_tokens)
        for word in (f"{word} " for word in reply.split()) if reply else words:
            time.sleep(0.1)
            yield word


def _read(text: str) -> str:
    return SAID[text][0] if text in SAID else text


def chromium() -> str | None:
    """The path of the Chromium to drive: SANAD_CHROMIUM, or the first found under its usual names."""
    return os.environ.get("SANAD_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def needed() -> None:
    """Skip the test where there is no Chromium; in CI, which has one, fail."""
    if not chromium():
        reason = "There is no Chromium. Run `make browser`, or name its binary in SANAD_CHROMIUM."
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)


@contextmanager
def served() -> Iterator[str]:
    """The address of the page, served by this process until the end: with the real weights, or where SANAD_TEST_FAKES is 1
    with fakes that know the questions above."""
    from app import launch

    library = Library()
    if os.environ.get("SANAD_TEST_FAKES") == "1":
        fakes = partial(Chat, encoder=PhraseEncoder(), model=PhraseModel(), calibration=CALIBRATION)
        library = Library(config=Config(keep=False), open_chat=fakes)  # type: ignore[arg-type]
    page = launch(library, port=0, wait=False)
    try:
        yield str(page.local_url)
    finally:
        page.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    """A Chromium until the end."""
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium(), args=ARGS) as browser:
        yield browser


class Visit:
    """The page as one reader has it, and what a reader does with it; `errors` are what goes wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.errors: list[str] = []
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        context.set_default_timeout(TIMEOUT)
        context.set_default_navigation_timeout(PATIENCE)
        self.page = context.new_page()
        self.page.goto(url)
        self.turns = self.page.locator("#conversation .turn")
        self.question = self.page.locator("#question textarea")
        self.article = self.page.locator("#article article")
        self.loaded()

    def loaded(self) -> None:
        """Wait until the page can be used and no model is loading."""
        expect(self.article).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("#loading progress")).to_have_count(0, timeout=PATIENCE)

    def reload(self) -> None:
        """Load the page again. That this cut off what the old one was receiving is no error."""
        before = len(self.errors)
        self.page.reload(wait_until="commit")
        del self.errors[before:]
        self.page.wait_for_load_state()

    def ask(self, question: str) -> Locator:
        """A new turn, on its way to an answer."""
        turn = self.turns.nth(self.turns.count())
        self.question.fill(question)
        self.page.locator("#ask").click()
        return turn

    def answered(self, question: str) -> Locator:
        """A new turn with its answer."""
        return self.done(self.ask(question))

    def done(self, turn: Locator) -> Locator:
        """The turn, when it has its answer."""
        expect(turn.locator(".answer")).to_have_attribute("data-state", "done", timeout=PATIENCE)
        return turn

    def paste(self, text: str) -> None:
        """Put a text in the article's place."""
        self._adding()
        self.page.locator("#paste textarea").fill(text)
        self.page.locator("#paste-add").click()

    def upload(self, name: str, data: bytes) -> None:
        """Put a file in the article's place."""
        self._adding()
        self.page.locator("#upload input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": data})

    def watch(self) -> None:
        """From now on remember each state and text that the newest answer goes through."""
        self.page.evaluate(WATCH)

    def seen(self) -> list[list[tuple[str, str]]]:
        """What was remembered, an answer each: it ends with "done"."""
        answers: list[list[tuple[str, str]]] = [[]]
        for state, text in self.page.evaluate("seen"):
            answers[-1].append((state, text))
            if state == "done":
                answers.append([])
        return [answer for answer in answers if answer]

    def stop_at_a_word(self) -> None:
        """Stop the next answer as soon as a word of it is there."""
        self.page.evaluate(STOP)

    def shown(self) -> str:
        """The text of the article on show."""
        return self.article.text_content() or ""

    def verbatim(self, turn: Locator, text: str) -> list[int]:
        """The sentences that a turn cites; each quote stands in the text and in the panel, each marker has its citation."""
        cards = turn.locator(".citation").all()
        cited = []
        for card in cards:
            number, sentence = card.get_attribute("data-number"), card.get_attribute("data-sentence")
            quote, where = card.locator(".quote").text_content(), card.locator(".where").text_content()
            start, end = map(int, re.search(r"(\d+)–(\d+)", where).groups())
            assert quote == text[start:end] == self.page.locator(f"#s-{sentence}").text_content()
            assert re.search(r"\b[01]\.\d\d\b", where)
            expect(turn.locator(f'.cite[data-number="{number}"][data-sentence="{sentence}"]')).to_have_text(number)
            cited.append(int(sentence))
        expect(turn.locator(".cite")).to_have_count(len(cards))
        return cited

    def copied(self, beginning: str) -> str:
        """What the clipboard holds, as soon as it begins so."""
        self.page.wait_for_function("async it => (await navigator.clipboard.readText()).startsWith(it)", arg=beginning)
        return self.page.evaluate("navigator.clipboard.readText()")

    def exported(self, kind: str, folder: Path) -> Path:
        """The path of the conversation, exported as this kind of file."""
        with self.page.expect_download() as download:
            self.page.locator(f"#export-{kind}").click()
        path = folder / f"conversation.{kind}"
        assert download.value.suggested_filename.endswith(path.suffix)
        download.value.save_as(path)
        return path

    def tab(self, selector: str, most: int = 60) -> None:
        """Press Tab until the focus is on it."""
        for _ in range(most):
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{most} times Tab do not lead to {selector}.")

    def _adding(self) -> None:
        if not self.page.locator("#paste").is_visible():
            self.page.locator("#add button").first.click()


@contextmanager
def opened(browser: Browser, path: Path) -> Iterator[Page]:
    """A file as a page; by the end it has asked for nothing but itself, and holds neither a script nor a picture."""
    page, requests = browser.new_page(), list[str]()
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    expect(page.locator("script, img, iframe, object, link")).to_have_count(0)
    assert requests == [path.as_uri()]
    assert page.evaluate("typeof __pwned") == "undefined"
    page.close()


def pdf(browser: Browser, *pages: str) -> bytes:
    """A PDF with these texts, one a page."""
    page = browser.new_page()
    page.set_content("".join(f'<p style="break-after: page; width: 30em">{text}</p>' for text in pages))
    data = page.pdf(format="A5")
    page.close()
    return data


if __name__ == "__main__":
    path = chromium()
    print(path or f"No Chromium: none of {', '.join(NAMES)} is on the PATH, and SANAD_CHROMIUM is not set.")
    raise SystemExit(not path)
