"""Pictures of the page on a desktop and on a phone: `python -m tests.screenshots FOLDER`."""
from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

from playwright.sync_api import expect

from tests.browser import BUILDER, DESKTOP, ELSEWHERE, KAM, LIGHTHOUSE, PHONE, WHY, Visit, browsing, chromium, served

QUESTIONS = {"english": WHY, "arabic": KAM, "abstention": ELSEWHERE, "own-article": BUILDER}


def take(folder: Path) -> None:
    """Write NAME-desktop.png and NAME-phone.png: a question in English, one in Arabic, an abstention, an own article; and
    NAME-sentence-phone.png, where a marker leads. On the desktop the sentence is beside the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    with served() as url, browsing() as browser:
        for (device, size), (name, question) in product({"desktop": DESKTOP, "phone": PHONE}.items(), QUESTIONS.items()):
            with browser.new_context(viewport=size, device_scale_factor=2, reduced_motion="reduce") as context:
                _take(Visit(context, url), question, folder, name, device)


def _take(talk: Visit, question: str, folder: Path, name: str, device: str) -> None:
    if question == BUILDER:
        talk.paste(LIGHTHOUSE)
        expect(talk.article).to_contain_text(LIGHTHOUSE[:40])
        talk.loaded()
    turn = talk.answered(question)
    if device == "phone":
        talk.page.screenshot(path=folder / f"{name}-phone.png")
    if question != ELSEWHERE:
        turn.locator(".cite").first.click()
        expect(talk.page.locator(".pulse")).to_have_count(0)
    if device == "desktop":
        talk.page.screenshot(path=folder / f"{name}-desktop.png")
    elif question != ELSEWHERE:
        talk.page.screenshot(path=folder / f"{name}-sentence-phone.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Give one folder: python -m tests.screenshots FOLDER")
    if not chromium():
        raise SystemExit("There is no Chromium. Run: make browser")
    take(Path(sys.argv[1]))
