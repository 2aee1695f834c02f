"""Numbers as they stand in a claim and in its sources: in any digits, the great ones also in words, and dollars or euros."""
from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib import resources

SIGNS = {"$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR"}
NUMBER = re.compile(r"\d+(?:[.,٫٬]\d+)*")
UNSPACED = ("ja", "ko", "th", "zh")
"""Languages in which a word may begin or end beside another letter."""


def numbers_stand(claim: str, language: str, source: str, source_language: str) -> bool:
    """Whether every number of the claim stands in the source: in whatever digits, or by a word as great as the source's, and
    in the source's currency.

    >>> numbers_stand("in 1889", "en", "عام ١٨٨٩", "ar"), numbers_stand("7", "en", "17", "en")
    (True, False)
    >>> [numbers_stand(claim, "de", "خصص مليار يورو", "ar") for claim in ("eine Milliarde", "eine Million", "Dollar")]
    [True, False, False]
    """
    written, named = _written(source), amounts(source, source_language)
    named |= {str((len(number) - 1) // 3 * 3) for number in written} | {code for sign, code in SIGNS.items() if sign in source}
    return _written(claim) <= written and amounts(claim, language) <= named


def amounts(text: str, language: str) -> set[str]:
    """The powers of ten and the currencies that the words of a text name; none in a language whose words are not known.

    >>> sorted(amounts("five thousand of 2 billion euros", "en")), amounts("dos mil millones", "es"), amounts("一亿", "zh")
    (['3', '9', 'EUR'], {'9'}, {'8'})
    """
    folded = re.sub("[\u0640\u064b-\u0652]", "", unicodedata.normalize("NFC", text).lower())
    return {str(match.lastgroup)[1:] for match in _pattern(language).finditer(folded)}


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
    """A group for each amount, n9 for a billion; the greatest power first, for its word may hold that of a lesser one."""
    known = json.loads(resources.files("rag").joinpath("data/amounts.json").read_text("utf-8")).get(language, {})
    prefix = known.pop("prefix", "")
    groups = unicodedata.normalize("NFC", "|".join(f"(?P<n{name}>{words})" for name, words in reversed(known.items())))
    if language in UNSPACED or not known:
        return re.compile(groups or r"(?!)")
    return re.compile(rf"(?<!\w){prefix}(?:{groups})(?!\w)")
