"""Numbers as they stand in a claim and in its sources: in any digits, and the great ones also in words."""
from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib import resources

NUMBER = re.compile(r"\d+(?:[.,٫٬]\d+)*")
UNSPACED = ("ja", "ko", "th", "zh")
"""Languages in which a word may begin or end beside another letter."""


def numbers_stand(claim: str, language: str, source: str, source_language: str) -> bool:
    """Whether every number of the claim stands in the source: in whatever digits, or by a word as great as the source's.

    >>> numbers_stand("in 1889", "en", "عام ١٨٨٩", "ar"), numbers_stand("7", "en", "17", "en")
    (True, False)
    >>> [numbers_stand(claim, "de", "خصص مليار يورو", "ar") for claim in ("eine Milliarde", "eine Million")]
    [True, False]
    """
    written, said = _written(source), powers(source, source_language)
    said |= {(len(number) - 1) // 3 * 3 for number in written}
    return _written(claim) <= written and powers(claim, language) <= said


def powers(text: str, language: str) -> set[int]:
    """The powers of ten that the words of a text name; none in a language whose words are not known.

    >>> powers("five thousand of 2 billion", "en"), powers("dos mil millones", "es"), powers("一亿", "zh")
    ({9, 3}, {9}, {8})
    """
    folded = re.sub("[\u0640\u064b-\u0652]", "", unicodedata.normalize("NFC", text).lower())
    return {int(match.lastgroup[1:]) for match in _pattern(language).finditer(folded)}  # type: ignore[index]


def digits(number: str) -> str:
    """The digits of a number as ASCII ones, whatever digits it is written in.

    >>> digits("١٨٨٩"), digits("12,5")
    ('1889', '125')
    """
    return "".join(str(unicodedata.decimal(c)) for c in number if c.isdecimal())


def _written(text: str) -> set[str]:
    return {digits(number) for number in NUMBER.findall(text)}


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """A group for each power, p9 for a billion; the greatest comes first, for its word may hold that of a lesser one."""
    known = json.loads(resources.files("rag").joinpath("data/amounts.json").read_text("utf-8")).get(language, {})
    groups = "|".join(f"(?P<p{power}>{words})" for power, words in sorted(known.items(), key=lambda item: -int(item[0])))
    if language in UNSPACED or not known:
        return re.compile(unicodedata.normalize("NFC", groups) or r"(?!)")
    article = "(?:[وفبلك]|لل)?(?:ال)?" if language == "ar" else "(?:ה|ב|ל|ו|כ|מ)?" if language == "he" else ""
    return re.compile(rf"(?<!\w){article}(?:{unicodedata.normalize('NFC', groups)})(?!\w)")
