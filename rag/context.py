"""Which other sentences a sentence is not understood without: they are seen, and cited, with it."""
from __future__ import annotations

import re

from rag.article import LISTED, Article
from rag.omissions import CLOCK
from rag.sentences import CLOSING, ROW

ITEMS, HEADINGS = 8, 4
"""Sentences of a list that are shown with what introduces it, at most, and lines without a mark that are verses, at least."""
ENTRY = 3
"""Sentences of a live blog that are shown with the time above them, at most."""
BLANK = re.compile(r"\n\s*\n")
COLONS, MARKS = (":", "："), tuple(".!?؟。！？…۔।॥;؛")


def beside(article: Article, i: int) -> list[int]:
    """The sentences that sentence i is shown with: see `needed` and `introduced`."""
    before = needed(article, i)
    return [*([] if before is None else [before]), *introduced(article, i)]


def introduced(article: Article, i: int) -> range:
    """The sentences without which sentence i, a heading or what ends with a colon, says nothing: the items of the list after it,
    the rows of the table, or what is said first. A headline speaks for itself.

    >>> article = Article.from_text("Storm\\nWhat is planned\\nTwo things:\\n- A dam. It is high.\\n- A road.\\nBoth cost. Much.")
    >>> [list(introduced(article, i)) for i in range(7)]
    [[], [3, 4, 5], [3, 4, 5], [], [], [], []]
    >>> list(introduced(Article.from_text("Storm\\nThe price\\nIt costs a lot. Too much."), 1))
    [2]
    """
    sentences, at = article.sentences, i
    while at < len(sentences) and _opens(article, at):
        at += 1
    if not i < at < min(len(sentences), i + HEADINGS) or not i and not _ends(article, i, COLONS):
        return range(0)
    end = at
    while end < min(len(sentences), at + ITEMS) and (
        LISTED.match(sentences[end].text) or sentences[end].paragraph == sentences[end - 1].paragraph
    ):
        end += 1
    return range(at, max(end, at + 1))


def _opens(article: Article, i: int) -> bool:
    """Whether sentence i ends its paragraph with a colon, or is all of it and ends with no mark; and is no item."""
    sentences = article.sentences
    last = i + 1 == len(sentences) or sentences[i + 1].paragraph != sentences[i].paragraph
    alone = last and (i == 0 or sentences[i - 1].paragraph != sentences[i].paragraph)
    opens = last and _ends(article, i, COLONS) or alone and not _ends(article, i, MARKS)
    return opens and not LISTED.match(sentences[i].text)


def _ends(article: Article, i: int, marks: tuple[str, ...]) -> bool:
    return article.sentences[i].text.rstrip(CLOSING).endswith(marks)


def needed(article: Article, i: int) -> int | None:
    """The sentence without which sentence i is not understood: the clause before a semicolon, the first row of a table, what is
    said next where i asks; in a live blog, the time above it.

    >>> article = Article.from_text("The bases lie in allied countries to this very day; which Moscow has refused to change. So.")
    >>> [needed(article, i) for i in range(3)]
    [None, 0, None]
    >>> article = Article.from_text("| Year | Income |\\n|---|---|\\n| 2021 | 4 million |\\n\\n| Fee | Of |\\n| 9 | Ann |")
    >>> [needed(article, i) for i in range(4)]
    [None, 0, None, 2]
    >>> article = Article.from_text("| Year | Income |\\n\\n| 2021 | 4 million |\\n\\n| 2022 | 5 million |")
    >>> [needed(article, i) for i in range(3)]
    [None, 0, 0]
    >>> article = Article.from_text("Omar: Could we ship without payments?\\nHanna: No, never.\\nWei: Why?")
    >>> [needed(article, i) for i in range(3)]
    [1, None, None]
    >>> article = Article.from_text("Flood\\n17:20 GMT\\nPower\\nIt is back. Not for all.\\n16:05 GMT\\nA bridge fell.")
    >>> [needed(article, i) for i in range(7)]
    [None, None, 1, 1, 1, None, 5]
    """
    sentences, first = article.sentences, i
    while _same_table(article, first):
        first -= 1
    if first < i:
        return first
    before, here = sentences[i - 1], sentences[i]
    greek = article.language == "el"
    semicolons, asks = () if greek else (";", "؛"), ("?", "؟", "？", *(";" if greek else ""))
    if i and before.paragraph == here.paragraph and before.text.endswith(semicolons):
        return i - 1
    if here.text.rstrip(CLOSING).endswith(asks) and i + 1 < len(sentences):
        return i + 1
    near = range(i, max(-1, i - 1 - ENTRY), -1)
    time = next((at for at in near if CLOCK.match(sentences[at].text)), i)
    return time if time < i else None


def heads(article: Article, i: int) -> bool:
    """Whether sentence i is the first row of a table: it names what the others have.

    >>> article = Article.from_text("| Year | Income |\\n| 2021 | 4 million |")
    >>> [heads(article, i) for i in range(2)]
    [True, False]
    """
    return _same_table(article, i + 1) and not _same_table(article, i)


def _same_table(article: Article, i: int) -> bool:
    """Whether sentence i is a row, and the one before it a row of the same table: a row behind a blank line heads the next
    one where another is right below it; where all have blank lines between them, it does not."""
    if not (_row(article, i - 1) and _row(article, i)):
        return False
    return not (_row(article, i + 1) and _apart(article, i) and not _apart(article, i + 1))


def _row(article: Article, i: int) -> bool:
    return 0 <= i < len(article.sentences) and bool(ROW.match(article.sentences[i].text))


def _apart(article: Article, i: int) -> bool:
    """Whether a blank line is before sentence i."""
    before, here = article.sentences[i - 1 : i + 1]
    return bool(BLANK.search(article.text, before.end, here.start))
