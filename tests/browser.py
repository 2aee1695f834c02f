"""The page in Chromium: what serves it and what drives it. The browser tests and the screenshots stand on this.

`python -m tests.browser` says which Chromium is used, or exits with 1 where there is none.
"""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Locator, ViewportSize, expect, sync_playwright

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
"""Questions to the bundled article, answered by sentences 13 and 14, by 18, by 18, by 13 and 14, by none."""

LIGHTHOUSE = """The Vardo lighthouse was built in 1896 by the engineer Ole Hansen. Its lamp burned whale oil until 1931.

Fishermen steered by its green beam during winter storms. The keeper climbed 120 steps every evening.
"""
BUILDER = "Who built the Vardo lighthouse in 1896?"

SAID = {
    WHY: ("رفضته موسكو ورفضته مجددا بحسب مراقبين ومصادر صحفية", "Moscow refused it before and has refused it anew."),
    HOW_MUCH: ("الاتحاد الأوروبي خصص مليار يورو كمساعدات إنسانية", "The EU allocated one billion euros as humanitarian aid."),
    POURQUOI: ("رفضته موسكو ورفضته مجددا بحسب مراقبين ومصادر صحفية", "Moscou l'a refusé, et l'a refusé encore. " * 8),
    KAM: ("الاتحاد الأوروبي خصص مليار يورو كمساعدات إنسانية", "خصص الاتحاد الأوروبي مليار يورو كمساعدات إنسانية."),
}
"""How the fakes read these questions, and what they reply."""


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

    def _adding(self) -> None:
        if not self.page.locator("#paste").is_visible():
            self.page.locator("#add button").first.click()


if __name__ == "__main__":
    path = chromium()
    print(path or f"No Chromium: none of {', '.join(NAMES)} is on the PATH, and SANAD_CHROMIUM is not set.")
    raise SystemExit(not path)
