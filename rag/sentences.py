"""Where sentences end: general rules for many scripts, with what a language abbreviates in data/sentences.json."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources

SHORT_CLAUSE = 40
"""A semicolon, or a space in Thai, ends a sentence only between clauses of at least as many characters."""
LONG_SENTENCE = 800
"""A longer one is cut at its last comma or space before: the encoder and the model read only so much."""

CLOSING = "\"'”’»)]}›」』）］】*_"
CLOSE = rf"(?:[{re.escape(CLOSING)}]|[ \u00a0\u202f]»(?![^\s,.;:)]))*+"
NOTES = (
    r"(?:\[\^?\w[\w ]{0,19}\](?:: ?\d+(?:[–-]\d+)?)?|[¹²³⁰⁴-⁹]++"
    r"|(?:(?<=[^\W\d_]{4}[.!?])|(?<=[^\W\d_]{4}[.!?][\"”»]))\d{1,2}(?=\s))*+"
)
ENDS = rf"{CLOSE}[“«‘‹]{{0,2}}+{NOTES}"
"""What a sentence may end with after its mark: also a quotation as German ends it, „…“ or »…«, and marks of footnotes.
As they are copied, these may have lost their height, behind whole words: "It fell.12 He left."; a page may follow: [3]: 12."""
ARABIC = "[ء-ٟٮ-ۓ]"
CJK = "[ぁ-ヿ一-鿿]"
TIGHT = rf"(?<=[।॥])(?!\d)|(?:(?<={ARABIC}{{2}}[۔؟])|(?<={ARABIC}{{3}}[.!]))(?={ARABIC}{{2}})|(?<={CJK}[?!])(?=\w)"
"""Where no space is needed: as Urdu, Hindi and Chinese are typed, and Arabic at times; a shorter word is an abbreviation."""
MARKS = ".!?؟۔…।॥؛;"
BOUNDARY = re.compile(
    rf"(?<![{MARKS}])(?P<mark>[{MARKS}]++){ENDS}(?:(?=\s)|{TIGHT})"
    rf"|(?P<cjk>(?:[。！？]|(?<=[ぁ-ゖ])．)++{CLOSE}){NOTES}|(?P<space>(?<=[ก-๛]) ++(?=[ก-๛]))"
)
"""Each run of marks is looked at once and whole: a million dots are read in the time of a million letters. The wide dot ends
what ends in hiragana; elsewhere it stands between the parts of a name."""
WORD_BEFORE = re.compile(rf"""(?:[^\s(\[«„{re.escape(CLOSING)}]|(?<=[א-ת])["”](?=[א-ת]))+$""")
"""The quotation mark in a Hebrew acronym is a part of the word."""
PARTS = re.compile(r"[.۔](?:-(?!C))?")
"""Between the parts of J.-P., but not of J.-C.: that is Christ in French, and a year ends so."""
INK = re.compile(r"(?:[–—-]\s*)?(\S)")
"""What comes next; of «Why?» — he asked, what is behind the dash."""
BRACKET = 200
"""A parenthesis that opened so many characters before is no longer open."""

ORDINALS = {"de": r"\d{1,2}|[IVX]+", "tr": r"\d{1,2}|[IVX]+", "ko": r"\d{1,4}(?:\.\d{1,2}){0,2}"}
"""What a dot makes an ordinal or a part of a date, whatever comes next: am 3. Oktober, II. Dünya Savaşı, 2024. 10. 28."""
NUMBER = re.compile(r"\s*(?:[¶§]*\s?\d|(?<!\b[Nn]o\. )\([+−-]?\d|(?!I\b)[IVXLC]+\b)")
"""What may come after "no." or "fig."; "I" and "no" are words of their own in English: "He said no. (2) I left."."""
LETTER = re.compile(r"\s*\w[.۔]")
LIST_NUMBER = re.compile(r"\w|\d{1,3}(?:\.\d{1,3})*+|[IVXLC]+|[ivxlc]+")
"""What a paragraph may begin with, and is no sentence: 12., 2.1., IV. or b. before what it counts."""
DAY = re.compile(r"(?<![\w.,])\d{1,2}\.?\s\w+$")
"""A day and a month before the agency of a dateline: MADRID, 5 Nov. (EFE) - …"""
HIRAGANA = re.compile("[ぁ-ゖ]")
SPEAKERS = {"en": r"\s+(?:[A-Z][\w.'’-]*\s+){1,4}(?:SAYS)[.,:;]", "zh": "[^，。：；！？“”「」\\s]{1,20}(?:SAYS)(?:。|，?[“「])"}
"""Who said the quotation, and no more: “Why now?” Ann Lee asked. 。”林若冰说，“但… Not a sentence of its own: 。”他表示，今…"""
QUOTES = "\"”’»」』"
ROW = re.compile(
    r"\s*+(?:\||(?!\(?\w{1,4}[.)]\t|\D\t|\d+(?:\.\d+)+\t[^\W\d][^\t\n]*$)"
    r"[^\t\n]{0,100}[\w%).](?:\t[^\t\n]{0,100}+)++(?<![.!?:])$)"
)
"""Cells between bars or, as they are copied, tabs: not a speaker or the number of an item or a heading before what is said."""

_DATA = json.loads(resources.files("rag").joinpath("data/sentences.json").read_text("utf-8"))
GOES_ON = tuple(_DATA["goes on in Thai"].split())


def split_sentences(text: str, start: int, end: int, language: str = "en") -> Iterator[tuple[int, int]]:
    """Offsets of the sentences of one paragraph, text[start:end], in order, without surrounding spaces; a row of a table is one.

    >>> text = "Dr. Smith paid 3.5 million (see p. 4). He left."
    >>> [text[a:b] for a, b in split_sentences(text, 0, len(text))]
    ['Dr. Smith paid 3.5 million (see p. 4).', 'He left.']
    """
    begin = start
    for match in () if ROW.match(text, start, end) else BOUNDARY.finditer(text, start, end):
        if _ends_sentence(text, begin, end, match, language):
            yield from _trimmed(text, begin, match.end())
            begin = match.end()
    yield from _trimmed(text, begin, end)


def _ends_sentence(text: str, begin: int, end: int, match: re.Match[str], language: str) -> bool:
    at, mark, after = match.start(), match["mark"], match.end()
    if text[after - 1] in QUOTES and _speaker(language).match(text, after):
        return False
    if match["cjk"]:
        return match["cjk"][-1] not in CLOSING or not HIRAGANA.match(text, after)  # 「…。」と: what was said goes on
    if not (found := INK.search(text, after, end)):
        return False
    following = found.group(1)
    long_clauses = at - begin >= SHORT_CLAUSE and end - after >= SHORT_CLAUSE
    if match["space"]:
        return long_clauses and text[at - 1] != "ๆ" and not text.startswith(GOES_ON, after)
    before = text[max(begin, after - BRACKET) : after]
    if before.count("(") > before.count(")"):
        return False
    if mark in ";؛" and language != "el":
        return long_clauses
    if following in ",:;،؛" or following.islower() and mark != "۔":
        return False
    if mark not in (".", "۔"):
        return mark != ".."
    if mark == "." and "ก" <= following <= "๛":
        return False
    if LIST_NUMBER.fullmatch(text, begin, at):
        return False
    near = max(begin, at - 20)
    last, first = _last_and_first(language)
    if last.search(text, near, at) and first.match(text, after):
        return True
    if len(words := text[near:at].split()[-2:]) == 2 and _words(language, "names of letters").issuperset(words):
        return True  # of بي بي سي., not an initial
    word = WORD_BEFORE.search(text, near, at)
    if word and following == "(" and DAY.search(text, near, at) and word.group().lower() in _words(language, "before a number"):
        return False
    return not (word and _abbreviated(word.group(), text, match.end("mark"), language))


def _abbreviated(word: str, text: str, after: int, language: str) -> bool:
    """Whether the dot after a word, with text[after:] behind it, is the word's own.

    >>> [_abbreviated(word, after, 0, "de") for word, after in [("z", " B. den"), ("Nr", " 5"), ("Nr", " Der"), ("3", " Mai")]]
    [True, True, False, True]
    """
    lower = word.lower()
    known = _words(language, "abbreviations", "names of letters")
    if lower in known or (lower in _words(language, "before a number") or lower.endswith("str")) and NUMBER.match(text, after):
        return True  # also Hauptstr. 5
    if language in ORDINALS and re.fullmatch(ORDINALS[language], word):
        return True
    parts = PARTS.split(word)
    if any((len(part) != 1 or not part.isalpha()) and part.lower() not in known for part in parts):
        return False
    return len(parts) > 1 or not word.islower() or bool(LETTER.match(text, after) or NUMBER.match(text, after))


@cache
def _words(language: str, *kinds: str) -> frozenset[str]:
    """Those of a language and those that many share."""
    return frozenset(word for kind in kinds for own in ("common", language) for word in _DATA[kind].get(own, "").split())


@cache
def _last_and_first(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """An abbreviation that may end a sentence, without its dot, and a word that then begins the next: at 5 p.m. The crowd."""
    last, first = ("|".join(sorted(_words(language, kind))) for kind in ("may end a sentence", "begins a sentence"))
    return re.compile(rf"(?<!\w)(?:{last})$", re.IGNORECASE), re.compile(rf"\s++(?:{first})(?=[\s,،'’])")


@cache
def _speaker(language: str) -> re.Pattern[str]:
    """Who said what stands before it, in a language whose next word would tell nothing else: see SPEAKERS."""
    return re.compile(SPEAKERS.get(language, "(?!)").replace("SAYS", _DATA["says after a quotation"].get(language, "")))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    end = start + len(text[start:end].rstrip())
    start = _begin(text, start, end)
    while end - start > LONG_SENTENCE:
        cut = max(text.rfind(mark, start, start + LONG_SENTENCE) for mark in "؛;،,:，、；： ")
        cut = cut + 1 if cut > start else start + LONG_SENTENCE
        yield from _trimmed(text, start, cut)
        start = _begin(text, cut, end)
    if any(c.isalnum() for c in text[start:end]):
        yield start, end


def _begin(text: str, start: int, end: int) -> int:
    """Where text[start:end] begins, without the space and the marks of direction before it."""
    while start < end and (text[start].isspace() or text[start] in "\u200e\u200f\ufeff"):
        start += 1
    return start
