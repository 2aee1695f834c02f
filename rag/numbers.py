"""Numbers as they stand in a claim and in its sources: in any digits, the great ones also in words, and dollars or euros."""
from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from importlib import resources

SIGNS = {"$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR"}
SEPARATOR = re.compile("[.,٫٬]")
NUMBER = re.compile(rf"\d+(?:{SEPARATOR.pattern}\d+)*")
UNSPACED = ("ja", "ko", "th", "zh")
"""Languages in which a word may begin or end beside another letter."""


def numbers_stand(claim: str, language: str, source: str, source_language: str) -> bool:
    """Whether every number of the claim stands in the source: in whatever digits, or by a word as great as the source's, and
    in the source's currency.

    >>> numbers_stand("in 1889", "en", "عام ١٨٨٩", "ar"), numbers_stand("7", "en", "17", "en")
    (True, False)
    >>> [numbers_stand(claim, "de", "12,5 von 3.000", "de") for claim in ("12.5", "125", "3000", "3")]
    [True, False, True, False]
    >>> [numbers_stand(claim, "de", "خصص مليار يورو", "ar") for claim in ("eine Milliarde", "eine Million", "Dollar")]
    [True, False, False]
    """
    written = set[str]().union(*map(_readings, NUMBER.findall(source)))
    named = amounts(source, source_language) | _signs(source)
    named |= {str((len(number) - 1) // 3 * 3) for number in written if number.isdecimal()}
    said = amounts(claim, language) | _signs(claim)
    return said <= named and all(_readings(number) & written for number in NUMBER.findall(claim))


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


def _readings(number: str) -> set[str]:
    """What a number can mean, as "1234.5": a separator before three digits may be either, and a date is its parts.

    >>> [sorted(_readings(number)) for number in ("12,5", "3.000", "1.234,50", "٣٫٠", "3.10.2021")]
    [['12.5'], ['3.', '3000'], ['1234.5'], ['3'], ['10', '2021', '3']]
    """
    whole, *parts = map(digits, SEPARATOR.split(number))
    found = {whole + "".join(parts)} if all(len(part) == 3 for part in parts) else set[str]()
    if parts and all(len(part) == 3 for part in parts[:-1]):
        decimals = parts[-1].rstrip("0")
        found.add("".join([whole, *parts[:-1]]) + (f".{decimals}" if decimals or len(parts[-1]) == 3 else ""))
    return {one.lstrip("0") or "0" for one in found or {whole, *parts}}


def _signs(text: str) -> set[str]:
    return {code for sign, code in SIGNS.items() if sign in text}


@cache
def _pattern(language: str) -> re.Pattern[str]:
    """A group for each amount, n9 for a billion; the greatest power first, for its word may hold that of a lesser one."""
    known = json.loads(resources.files("rag").joinpath("data/amounts.json").read_text("utf-8")).get(language, {})
    prefix = known.pop("prefix", "")
    groups = unicodedata.normalize("NFC", "|".join(f"(?P<n{name}>{words})" for name, words in reversed(known.items())))
    if language in UNSPACED or not known:
        return re.compile(groups or r"(?!)")
    return re.compile(rf"(?<!\w){prefix}(?:{groups})(?!\w)")
