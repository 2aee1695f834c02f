"""Claims, markers and support: pure functions from words and evidence to what an Answer shows."""
from __future__ import annotations

import re
from collections.abc import Iterator

from rag.article import Article
from rag.calibration import Calibration
from rag.datatypes import Answer, Citation, Claim
from rag.evidence import Evidence
from rag.numbers import numbers_stand

UNSEEN = r"[\s\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*+"
MARKER = re.compile(rf"[\[［【]{UNSEEN}\^?\d++(?:{UNSEEN}[,،;؛–-]{UNSEEN}\d++)*+{UNSEEN}[\]］】]")
"""What a reader could take for a marker: also of other brackets and digits, and with characters in it that do not show."""


def cite(
    article: Article, evidence: Evidence, text: str, language: str, calibration: Calibration
) -> tuple[str, tuple[Claim, ...], tuple[Citation, ...]]:
    """(text with markers, claims, citations) of an answer written in a language from the evidence.

    The claim's support is halved when the text has a number or a currency that no cited sentence has: they are to be
    copied, not made.
    """
    words = without_markers(text)
    sentences = [article.sentences[i] for i in evidence.chosen]
    source = " ".join(s.text for s in sentences)
    agreed = 1.0 if numbers_stand(words, language, source, article.language) else 0.5
    citations = tuple(
        Citation(number, s.start, s.end, s.text, round(evidence.chosen[s.index], 4), s.index, article.page(s.start))
        for number, s in enumerate(sentences, 1)
    )
    told = calibration.worded((c.support for c in citations), language == article.language, evidence.tokens)
    claim = Claim(words, tuple(c.number for c in citations), round(agreed * calibration.wording(told), 4))
    return f"{words} {''.join(f'[{c.number}]' for c in citations)}".strip(), (claim,), citations


def without_markers(text: str) -> str:
    """Text without markers: those are for us to set. Nor is one left that comes about as another one goes.

    >>> without_markers(" Moscow [1] refused [[2]3]【٤】[^5][6، 7–8]. [a]")
    'Moscow  refused . [a]'
    """
    while (less := MARKER.sub("", text)) != text:
        text = less
    return text.strip()


def segments(answer: Answer) -> Iterator[tuple[str, Citation | None]]:
    """The answer's text in pieces, each with its citation where it is the marker of one.

    >>> one = Citation(1, 0, 4, "One.", 0.8, 0)
    >>> [(text, cited and cited.number) for text, cited in segments(Answer("?", "Moscow [2] [1]", citations=(one,)))]
    [('Moscow [2] ', None), ('[1]', 1), ('', None)]
    """
    cited = {f"[{citation.number}]": citation for citation in answer.citations}
    pieces = re.split("|".join(map(re.escape, cited)).join("()"), answer.text) if cited else [answer.text]
    return ((piece, cited.get(piece)) for piece in pieces)
