"""Numbers as they stand in a claim and in its sources: in any digits, the great ones also in words, and dollars or euros."""
from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from importlib import resources
from itertools import pairwise, zip_longest
from typing import NamedTuple

SIGNS = {"$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR"}
POINTS = ".,٫٬"
"""What may stand within a number, before thousands or decimals."""
SEPARATOR = re.compile(f"[{POINTS}:]")
GAPS = " \u00a0\u2009\u202f'’"
"""What may set thousands apart, also as the Swiss write them."""
THOUSANDS = re.compile(rf"\d{{1,3}}(?:[{GAPS}]\d{{3}})+(?!\d)(?:[.,]\d+)?")
NUMBER = re.compile(rf"{THOUSANDS.pattern}|\d+(?:{SEPARATOR.pattern}\d+)*|(?<![\w.])\.\d+")
"""Also one that is less than 1 as statistics have it: p < .05."""
RANGE = re.compile(r"\s*(?:[-–—~～]|\w{1,4})\s*")
"""What stands between two numbers that one word counts: 5 to 6 million."""
GOES_ON = re.compile(r"\s?(و\s?)?")
"""What stands between the parts of one number, 48 bin 312 or 48 ألفا و312: only the second may be two."""
BESIDE = r"\s?"
"""What stands between a number and the word that counts it."""
WITHOUT_BOUNDARIES = ("ja", "ko", "th", "zh")
"""Languages in which a word may begin or end beside another letter."""


def numbers_stand(claim: str, language: str, source: str, source_language: str) -> bool:
    """Whether every number of the claim stands in the source: in whatever digits, counted in whatever powers of ten, or by a
    word as great as the source's, and in the source's currency.

    >>> numbers_stand("in 1889", "en", "عام ١٨٨٩", "ar"), numbers_stand("7", "en", "17", "en")
    (True, False)
    >>> [numbers_stand(claim, "de", "12,5 von 3.000", "de") for claim in ("12.5", "125", "3000", "3")]
    [True, False, True, False]
    >>> [numbers_stand(claim, "en", "286亿元，30万人", "zh") for claim in ("28.6 billion", "286 billion", "300,000", "30")]
    [True, False, True, False]
    >>> [numbers_stand(claim, "de", "خصص مليار يورو", "ar") for claim in ("eine Milliarde", "eine Million", "Dollar")]
    [True, False, False]
    """
    numbers, words = _counted(claim, language)
    written, alone = _counted(source, source_language)
    alone |= _headed(source, source_language)
    values = set[Decimal]().union(*(number.values for number in written))
    reached = {value.adjusted() for value in values}
    values |= {value.scaleb(power) for value in values for power in alone}  # a table may say it in its first row
    beside = {power for number in written for power in (*number.powers, sum(number.powers))}
    great = alone | beside | reached | {power // 3 * 3 for power in reached}
    same_currency = _currencies(claim, language) <= _currencies(source, source_language)
    wholes = [one for one, after in zip_longest(numbers, numbers[1:]) if not (after and after.goes_on)]
    return same_currency and words <= great and all(number.values & values for number in wholes)


def amounts(text: str, language: str) -> set[str]:
    """The powers of ten and the currencies that the words of a text name; none in a language whose words are not known.

    >>> sorted(amounts("five thousand of 2 billion euros", "en")), amounts("dos mil millones", "es"), amounts("一亿", "zh")
    (['3', '9', 'EUR'], {'9'}, {'8'})
    """
    return {_named(match) for match in _words(language).finditer(_folded(text))}


def in_thousands(text: str, language: str) -> list[str]:
    """The numbers of a text that are counted in thousands, ten thousands, lakhs or crores, or have a word within, as other
    languages may write them.

    >>> in_thousands("286亿元", "zh"), in_thousands("48 bin 312", "tr"), in_thousands("5 million", "en")
    (['28,600,000,000', '28600', '28.6'], ['48,000', '48,312'], [])
    >>> in_thousands("٨٥٠ ألف نسمة", "ar"), in_thousands("500 тыс. руб.", "ru")
    (['850,000'], ['500,000'])
    """
    numbers, _ = _counted(text, language)
    if not any(number.goes_on or any(power % 3 or power == 3 for power in number.powers) for number in numbers):
        return []
    whole = sorted(_whole(value for number in numbers for value in number.values))
    return [f"{n:,}" for n in whole] + [f"{n / 10**power:.10g}" for n in whole for power in (6, 9, 12) if n >= 10**power]


def digits(number: str) -> str:
    """The digits of a number as ASCII ones, whatever digits it is written in.

    >>> digits("١٨٨٩"), digits("12,5")
    ('1889', '125')
    """
    return "".join(str(unicodedata.decimal(c)) for c in number if c.isdecimal())


class Number(NamedTuple):
    """What text[start:end] can mean, a number and the words that count it; which powers of ten these name; whether it goes on
    with the number before it."""

    start: int
    end: int
    values: set[Decimal]
    powers: list[int]
    goes_on: bool = False


def _counted(text: str, language: str) -> tuple[list[Number], set[int]]:
    """(numbers with the words that count them, the powers of ten of the other words).

    >>> numbers, alone = _counted("6 million of 12,5 and a billion", "en")
    >>> [(sorted(map(int, number.values)), number.powers) for number in numbers], alone
    ([([6000000], [6]), ([12], [])], {9})
    >>> [sorted(map(int, number.values)) for number in _counted("48 bin 312 ve 5 bin milyar", "tr")[0]]
    [[48000], [48312], [5000000000000]]
    """
    text = _folded(text)
    numbers, after, shared = list[Number](), len(text), 0
    for match in reversed(list(NUMBER.finditer(text))):
        words = list(_words_after(text, match.end(), language))
        powers, end = [int(_named(word)) for word in words], words[-1].end() if words else match.end()
        letter = text[match.end() : end].strip()
        unit = len(letter) == 1 and letter.isascii() and not _signed(text, match.start(), end)  # 14 m may be metres
        ranged = not words and RANGE.fullmatch(text, match.end(), after)
        after, shared = match.start(), shared if ranged else sum(powers)
        readings = _readings(match.group())
        values = {Decimal(f"{reading}e{shared}") for reading in readings}
        if unit or ranged:
            values.update(map(Decimal, readings))
        numbers.insert(0, Number(match.start(), match.end() if unit else end, values, powers))
    taken = {place for number in numbers for place in range(number.start, number.end)}
    others = (_named(word) for word in _words(language).finditer(text) if word.start() not in taken)
    return _summed(text, numbers), {int(name) for name in others if name.isdigit()}


def _summed(text: str, numbers: list[Number]) -> list[Number]:
    """Numbers, the value of one that goes on with the number before it their sum.

    Not "3 million 5 years ago", where the second could have another digit.
    """
    for i, (before, number) in enumerate(pairwise(numbers), 1):
        if before.powers and (gap := GOES_ON.fullmatch(text, before.end, number.start)):
            power = sum(before.powers)
            lesser = {n for n in _whole(number.values) if 10 ** (power - 1) <= n < 10**power}
            if sums := {Decimal(a + b) for a in _whole(numbers[i - 1].values) for b in lesser}:
                numbers[i] = number._replace(values=sums | (number.values if gap[1] else set()), goes_on=True)
    return numbers


def _whole(values: Iterable[Decimal]) -> set[int]:
    """Those that are whole, and no longer than an amount is."""
    return {int(value) for value in values if 0 < value < 10**18 and value == int(value)}


def _words_after(text: str, at: int, language: str) -> Iterator[re.Match[str]]:
    """The words that count the number before text[at:]: one, or two of "45 thousand billion", the second the greater."""
    power = 0
    while (word := _words(language, counting=True).match(text, at)) and int(_named(word)) > power:
        yield word
        at, power = word.end(), int(_named(word))


def _headed(text: str, language: str) -> set[int]:
    """The powers of ten of a table's first row: what else is written after a number only, beside none.

    >>> _headed("| in Mio. € | 2023 |", "de"), _headed("| £m | k |", "en"), _headed("5 Mio. €", "de")
    ({6}, {6}, set())
    """
    found = set[int]()
    text = _folded(text)
    for word in re.finditer(rf"(?<!\w)(?:{_words(language, counting=True).pattern})", text):
        before = text[max(0, word.start() - 2) : word.start()].strip()
        told = len(word.group().strip(". ")) > 2 or _signed(text, *word.span())  # "m" may be metres
        if told and not before[-1:].isdigit():
            found.add(int(_named(word)))
    return found


def _signed(text: str, start: int, end: int) -> bool:
    """Whether a currency's sign stands beside text[start:end]."""
    return any(unicodedata.category(c) == "Sc" for c in text[max(0, start - 2) : start] + text[end : end + 2])


def _readings(number: str) -> set[str]:
    """What a number can mean, as "1234.5": a separator before three digits may be either, and a date is its parts.

    >>> [sorted(_readings(number)) for number in ("12,5", "1.500", "3.000", "1.234,50", "٣٫٠", "3.10.2021", "1,23,456", "10:30")]
    [['12.5'], ['1.500', '1500'], ['3000'], ['1234.50'], ['3.0'], ['10', '2021', '3'], ['123456'], ['10', '10.30', '30']]
    >>> [sorted(_readings(number)) for number in ("1 234 567", "5 300", "400 000", "1 050,5", ".05")]
    [['1234567'], ['300', '5', '5300'], ['400000'], ['1050.5'], ['0.05']]
    """
    if " " in number and len(parts := number.split()) == 2:  # perhaps two: "on May 5 300 came"
        return set[str]().union(*map(_readings, ["".join(parts), *([] if parts[1].startswith("0") else parts)]))
    whole, *parts = map(digits, SEPARATOR.split(number))
    whole = whole or "0"
    found = set(parts + [whole]) if ":" in number else set[str]()
    lengths = {*map(len, parts[:-1])}
    grouped = not whole.startswith("0") and (not parts or len(parts[-1]) == 3 and (lengths <= {3} or lengths == {2}))
    if grouped:
        found.add(whole + "".join(parts))
    if parts and lengths <= {3} and not (grouped and parts[-1] == "000"):
        found.add("".join([whole, *parts[:-1], ".", parts[-1]]))
    return found or {whole, *parts}


def _currencies(text: str, language: str) -> set[str]:
    return {code for sign, code in SIGNS.items() if sign in text} | {name for name in amounts(text, language) if name.isalpha()}


def _folded(text: str) -> str:
    return re.sub("[\u0640\u064b-\u0652]", "", unicodedata.normalize("NFC", text).lower())


def _named(word: re.Match[str]) -> str:
    """The amount that a word of `_words` names: "9" for a billion, or a currency."""
    return str(word.lastgroup)[1:]


@cache
def _words(language: str, *, counting: bool = False) -> re.Pattern[str]:
    """A group for each amount, n9 for a billion; the greatest power first, for its word may hold that of a lesser one.

    Or, `counting`, for what counts the number before it, with what is a word for it only there: "5 bn", "3万".
    """
    known = json.loads(resources.files("rag").joinpath("data/amounts.json").read_text("utf-8")).get(language, {})
    prefix, short = known.pop("prefix", ""), known.pop("after a number", {})
    if counting:
        powers = filter(str.isdigit, {**known, **short})
        known = {name: "|".join(words[name] for words in (known, short) if name in words) for name in powers}
    if not known:
        return re.compile("(?!)")
    greatest = sorted(known.items(), key=lambda one: one[0].zfill(2), reverse=True)
    groups = unicodedata.normalize("NFC", "|".join(f"(?P<n{name}>{words})" for name, words in greatest))
    begin, end = ("", "") if language in WITHOUT_BOUNDARIES else (r"(?<!\w)", r"(?!\w)")
    return re.compile(f"{BESIDE if counting else begin}{prefix}(?:{groups}){end}")
