"""Words as they are compared: folded, and for search cut to what their forms have in common."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

ALEF = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
TYPED = ALEF | str.maketrans("یکıđł’", "يكidl'")
"""Letters and marks that people type for one another."""
MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c2\u0640\u064b-\u065f\u0670]")
"""Accents, the vowels of Hebrew and Arabic, and the stroke that draws an Arabic word out."""
PREFIXES = ("وال", "بال", "كال", "فال", "لل", "و", "ب", "ل", "ف")
SUFFIXES = ("ات", "ون", "ين", "ان", "ها", "هم", "يه", "ه", "ي", "ا")
UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]+)")
"""Thai, Lao, Burmese, Khmer, and the scripts of Chinese and Japanese."""
STEM, SHORTEST = 6, 3
"""Letters kept of a word that is not Arabic (prefixes of a fixed length stem about as well as rules do: McNamee and
Mayfield 2004); letters that must be left of an Arabic one."""


def words(text: str) -> list[str]:
    """The words of a text: lower case, no marks, no articles, Arabic letters of one sound as one, all digits as ASCII ones.

    >>> words("The émigrés, ２.5"), words("إلى الدُّوَلِ"), words("المسؤول الآن ١٩٧٢")
    (['émigrés', '2', '5'], ['الي', 'دول'], ['مسوول', 'الان', '1972'])
    """
    return _apart(text, str.isalnum)


def typed(text: str) -> str:
    """A text as it is without what people leave out as they type: capitals, accents, vowels; Arabic letters of one sound as one.

    >>> typed("Où ?"), typed("NİÇİN?") == typed("nicin?"), typed("Ποιός;") == typed("ποιος;"), typed("أَيْنَ") == typed("اين")
    ('ou ?', True, True, True)
    """
    bare = MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", bare.translate(TYPED))


def asking(question: str, asks: Iterable[str]) -> set[str]:
    """What a question asks with, of the words of its language.

    >>> [asking(asked, ["who", "when"]) for asked in ("And when?", "whence")], asking("ومتى؟", ["متى"]), asking("那谁？", ["谁"])
    ([{'when'}, set()], {'متى'}, {'谁'})
    >>> asking("ומתי?", ["מתי"]), asking("Y quien?", ["quién"]), asking("ΠΟΙΟΣ;", ["ποιος"]), asking("언제부터?", ["언제\\\\w*"])
    ({'מתי'}, {'quién'}, {'ποιος'}, {'언제\\\\w*'})
    """
    asked = typed(question)
    return {word for word in asks if re.search(apart(word), asked)}


@cache
def apart(words: str, fold: Callable[[str], str] = typed) -> str:
    """A pattern of words, as they are typed, that stand apart, but for "and" in Arabic and Hebrew, where their script does so."""
    begin, end = ("", "") if UNSPACED.search(words) else (r"(?<!\w)[وفו]?", r"(?!\w)")
    return rf"{begin}(?:{fold(words)}){end}"


def terms(text: str) -> list[str]:
    """What a text is searched by: stems of its words, and pairs of letters where words are written without spaces.

    >>> terms("The governments of 1972"), terms("والدول الكبيرة"), terms("हिन्दी गुरु"), terms("2005年，地方议会")
    (['govern', 'of', '1972'], ['دول', 'كبير'], ['हिनदी', 'गुरु'], ['2005', '年', '地方', '方议', '议会'])
    """
    found = list[str]()
    for run in (run for word in _apart(text, _letter) for run in UNSPACED.split(word) if run):
        pairs = UNSPACED.match(run) and len(run) > 1
        found += [run[i : i + 2] for i in range(len(run) - 1)] if pairs else [stem(run)]
    return found


def stem(word: str) -> str:
    """A folded word without the Arabic prefix and suffix it may have; the first letters of any other.

    >>> [stem(word) for word in ("ودول", "دوليه", "كالدول", "للدول", "دولهم", "علي", "governments")]
    ['دول', 'دول', 'دول', 'دول', 'دول', 'علي', 'govern']
    """
    if not "\u0621" <= word[0] <= "\u064a":
        return word[:STEM]
    prefix = next((p for p in PREFIXES if word.startswith(p) and len(word) - len(p) >= SHORTEST), "")
    word = word.removeprefix(prefix)
    suffix = next((s for s in SUFFIXES if word.endswith(s) and len(word) - len(s) >= SHORTEST), "")
    return word.removesuffix(suffix)


def _apart(text: str, letter: Callable[[str], bool]) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).lower().translate(ALEF)
    spaced = "".join(str(unicodedata.decimal(c, c)) if letter(c) else " " for c in folded if not unicodedata.combining(c))
    found = (word for word in spaced.split() if word not in ("a", "an", "the"))
    return [word[2:] if word.startswith("ال") and len(word) > 4 else word for word in found]


def _letter(c: str) -> bool:
    """Vowels of Indic scripts and of Thai are marks to Unicode, and parts of a word."""
    return c.isalnum() or unicodedata.category(c) in ("Mc", "Mn")
