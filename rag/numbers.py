"""Numbers as they stand in a claim and in its sources: in any digits, the great ones also in words, and dollars or euros."""
from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import pairwise
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
UNSPACED = ("ja", "ko", "th", "zh")
"""Languages in which a word may begin or end beside another letter."""

Value = tuple[str, int]
"""The digits without zeros around them, and which power of ten the last of them counts: 12.5 is ("125", -1)."""


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
    numbers, words, *_ = _counted(claim, language)
    written, alone, beside, _ = _counted(source, source_language)
    alone |= _headed(source, source_language)
    values = set[Value]().union(*written)
    reached = {len(digits) + power - 1 for digits, power in values}
    values |= {(digits, power + word) for digits, power in values for word in alone}  # a table may say it in its first row
    great = alone | beside | reached | {power // 3 * 3 for power in reached}
    same_currency = _currencies(claim, language) <= _currencies(source, source_language)
    return same_currency and words <= great and all(found & values for found in numbers)


def amounts(text: str, language: str) -> set[str]:
    """The powers of ten and the currencies that the words of a text name; none in a language whose words are not known.

    >>> sorted(amounts("five thousand of 2 billion euros", "en")), amounts("dos mil millones", "es"), amounts("一亿", "zh")
    (['3', '9', 'EUR'], {'9'}, {'8'})
    """
    return {str(match.lastgroup)[1:] for match in _words(language).finditer(_folded(text))}


def in_thousands(text: str, language: str) -> list[str]:
    """The numbers of a text that are counted in ten thousands, lakhs or crores, or have a word within, as other languages may
    write them.

    >>> in_thousands("286亿元", "zh"), in_thousands("48 bin 312", "tr"), in_thousands("5 million", "en")
    (['28,600,000,000', '28600', '28.6'], ['48,000', '48,312'], [])
    """
    numbers, _, beside, within = _counted(text, language)
    if not within and all(power % 3 == 0 for power in beside):
        return []
    whole = set[int]().union(*map(_whole, numbers))
    counted = [f"{n / 10**power:.10g}" for n in sorted(whole) for power in (6, 9, 12) if n >= 10**power]
    return [f"{n:,}" for n in sorted(whole)] + counted


def digits(number: str) -> str:
    """The digits of a number as ASCII ones, whatever digits it is written in.

    >>> digits("١٨٨٩"), digits("12,5")
    ('1889', '125')
    """
    return "".join(str(unicodedata.decimal(c)) for c in number if c.isdecimal())


def _counted(text: str, language: str) -> tuple[list[set[Value]], set[int], set[int], bool]:
    """(what each number can mean, powers of ten of the words beside none, of those beside one, whether one is within a number).

    >>> _counted("6 million of 12,5 and a billion", "en")
    ([{('6', 6)}, {('125', -1)}], {9}, {6}, False)
    >>> _counted("48 bin 312 ve 5 bin milyar", "tr")[0], _counted("1亿2300万", "zh")[0]
    ([{('48', 3)}, {('48312', 0)}, {('5', 12)}], [{('1', 8)}, {('123', 6)}])
    """
    text = _folded(text)
    found, beside, taken, following = list[Number](), set[int](), set[int](), (len(text), 0)
    for number in reversed(list(NUMBER.finditer(text))):
        readings = {_value(reading) for reading in _readings(number.group())}
        words = list(_words_after(text, number.end(), language))
        powers = [int(str(word.lastgroup)[1:]) for word in words]
        power, end = sum(powers), words[-1].end() if words else number.end()
        ranged = following[1] if not power and RANGE.fullmatch(text, number.end(), following[0]) else 0
        times = {(said, place + (power or ranged)) if said else ("", 0) for said, place in readings}
        letter = text[number.end() : end].strip()
        unit = len(letter) == 1 and letter.isascii() and not _signed(text, number.start(), end)  # 14 m may be metres
        found.insert(0, Number(number.start(), end, times | readings if ranged or unit else times, 0 if unit else power))
        following = (number.start(), power or ranged)
        beside.update(powers, [power] if power else [])
        taken.update(place for word in words for place in range(*word.span()))
    values, within = _joined(text, found)
    others = (match for match in _words(language).finditer(text) if match.start() not in taken)
    return values, {int(name) for match in others if (name := str(match.lastgroup)[1:]).isdigit()}, beside, within


class Number(NamedTuple):
    """What text[start:end], with the words that count it, can mean, and the power of ten of these words."""

    start: int
    end: int
    values: set[Value]
    power: int


def _joined(text: str, numbers: list[Number]) -> tuple[list[set[Value]], bool]:
    """The values of numbers, where one goes on with the number before it their sum; and whether one does.

    Not "3 million 5 years ago", where the second could have another digit.
    """
    values = [number.values for number in numbers]
    within = False
    for i, (before, number) in enumerate(pairwise(numbers), 1):
        if before.power and (gap := GOES_ON.fullmatch(text, before.end, number.start)):
            lesser = {n for n in _whole(number.values) if 10 ** (before.power - 1) <= n < 10**before.power}
            if sums := {_value(str(a + b)) for a in _whole(values[i - 1]) for b in lesser}:
                values[i], within = sums | (number.values if gap[1] else set()), True
    return values, within


def _whole(values: set[Value]) -> set[int]:
    """Those that are whole, and no longer than an amount is."""
    return {int(said) * 10**power for said, power in values if 0 <= power < 16 and 0 < len(said) < 10}


def _words_after(text: str, at: int, language: str) -> Iterator[re.Match[str]]:
    """The words that count the number before text[at:]: one, or two of "45 thousand billion", the second the greater."""
    power = "n0"
    while (word := _counting(language).match(text, at)) and word.lastgroup and int(word.lastgroup[1:]) > int(power[1:]):
        yield word
        at, power = word.end(), word.lastgroup


def _headed(text: str, language: str) -> set[int]:
    """The powers of ten of a table's first row: what else is written after a number only, beside none.

    >>> _headed("| in Mio. € | 2023 |", "de"), _headed("| £m | k |", "en"), _headed("5 Mio. €", "de")
    ({6}, {6}, set())
    """
    found = set[int]()
    text = _folded(text)
    for word in re.finditer(rf"(?<!\w)(?:{_counting(language).pattern})", text):
        before = text[max(0, word.start() - 2) : word.start()].strip()
        told = len(word.group().strip(". ")) > 2 or _signed(text, *word.span())  # "m" may be metres
        if word.lastgroup and told and not before[-1:].isdigit():
            found.add(int(word.lastgroup[1:]))
    return found


def _signed(text: str, start: int, end: int) -> bool:
    """Whether a currency's sign stands beside text[start:end]."""
    return any(unicodedata.category(c) == "Sc" for c in text[max(0, start - 2) : start] + text[end : end + 2])


def _value(reading: str) -> Value:
    """
    >>> _value("1250"), _value("0.50"), _value("0")
    (('125', 1), ('5', -1), ('', 0))
    """
    whole, _, decimals = reading.partition(".")
    said = (whole + decimals).lstrip("0")
    short = said.rstrip("0")
    return (short, len(said) - len(short) - len(decimals)) if short else ("", 0)


def _readings(number: str) -> set[str]:
    """What a number can mean, as "1234.5": a separator before three digits may be either, and a date is its parts.

    >>> [sorted(_readings(number)) for number in ("12,5", "1.500", "3.000", "1.234,50", "٣٫٠", "3.10.2021", "1,23,456", "10:30")]
    [['12.5'], ['1.500', '1500'], ['3000'], ['1234.50'], ['3.0'], ['10', '2021', '3'], ['123456'], ['10', '10.30', '30']]
    >>> [sorted(_readings(number)) for number in ("1 234 567", "5 300", "400 000", "1 050,5", ".05")]
    [['1234567'], ['300', '5', '5300'], ['400000'], ['1050.5'], ['0.05']]
    """
    if number.startswith("."):
        return {f"0.{digits(number)}"}
    if " " in number and len(parts := number.split()) == 2:  # perhaps two: "on May 5 300 came"
        return set[str]().union(*map(_readings, ["".join(parts), *([] if parts[1].startswith("0") else parts)]))
    whole, *parts = map(digits, SEPARATOR.split(number))
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


@cache
def _words(language: str) -> re.Pattern[str]:
    """A group for each amount, n9 for a billion; the greatest power first, for its word may hold that of a lesser one."""
    prefix, known, _ = _amounts(language)
    groups = _groups(known)
    if language in UNSPACED or not known:
        return re.compile(groups or r"(?!)")
    return re.compile(rf"(?<!\w){prefix}(?:{groups})(?!\w)")


@cache
def _counting(language: str) -> re.Pattern[str]:
    """The same for what counts the number before it, with what is a word for it only there: "5 bn", "3万"."""
    prefix, known, short = _amounts(language)
    powers = {name: words for name, words in known.items() if name.isdigit()}
    both = {name: "|".join(filter(None, (powers.get(name), short.get(name)))) for name in {**powers, **short}}
    groups = _groups(dict(sorted(both.items(), key=lambda item: int(item[0]))))
    return re.compile(rf"\s?{prefix}(?:{groups})" + ("" if language in UNSPACED else r"(?!\w)") if groups else r"(?!)")


def _amounts(language: str) -> tuple[str, Mapping[str, str], Mapping[str, str]]:
    """(what the words may begin with, the words of each amount, those that follow a number only)."""
    known = dict(json.loads(resources.files("rag").joinpath("data/amounts.json").read_text("utf-8")).get(language, {}))
    return known.pop("prefix", ""), known, known.pop("after a number", {})


def _groups(known: Mapping[str, str]) -> str:
    return unicodedata.normalize("NFC", "|".join(f"(?P<n{name}>{words})" for name, words in reversed(list(known.items()))))
