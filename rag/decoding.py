"""Which token is written next: pure functions from pieces of text and logits, for any model that gives them."""
from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from rag.numbers import GAPS, POINTS, THOUSANDS, digits

CONTRAST, PLAUSIBLE = 1.0, float(np.log(10))
"""How much an answer leans on its evidence, and how many nats below the likeliest token another may be written."""
REPEATED = 6
"""A run of as many tokens is written once."""
SEPARATOR = re.compile(f"[{POINTS}]")
DECIMAL = re.compile(rf"\d+(?:{SEPARATOR.pattern}\d+)*")
BEGUN = re.compile(rf"(?:\d+{SEPARATOR.pattern})*\d*$")
LETTERS = range(0x80, 0x32400)
"""Where Unicode has letters of more than one byte."""
QUESTION_MARKS = frozenset("?؟？;\u037e")
"""Those of Latin and Cyrillic, Arabic, Chinese and Japanese, and Greek, which has two."""
ENDS = QUESTION_MARKS | frozenset(".:!。：！۔।")
"""What a reply ends the question with when it asks it again, or a request when it says it again."""


class Permitted:
    """Which piece may come next in a reply that is written in `script` from `quoted`.

    Letters of `script`, what the Unicode names of its letters begin with, and the pieces `copied`; numbers, signs of
    currencies and fractions as `quoted` has them, numbers also in the digits 0 to 9, and beside a letter only as it has them; a
    line break once more than the `question` is said; no number is unfinished, and there are no two spaces. A piece may end within
    a character, as most do that have an Arabic digit: it comes where these bytes lead to a letter of `script`, a sign, or a digit
    with which a number goes on, and they are given again before the next piece.

    >>> permitted = Permitted(("LATIN",), "1972 – 2 €")
    >>> [permitted("It was", piece.encode()) for piece in (" base", "é", " قاعدة", " $", "€", " ", "\\n")]
    [True, True, False, False, True, True, True]
    >>> [permitted("It was 19", piece.encode()) for piece in ("72", "7", "٧", "84", "", "\\n")]
    [True, True, False, False, False, False]
    >>> [Permitted(("LATIN",), "١٨٨٩")("In ", piece.encode()) for piece in ("1", "١", "१")]
    [True, True, False]
    >>> [Permitted(("LATIN",), "12.480 and 2")(said, b"4") for said in ("12.", "12. ", "2.")]
    [True, True, False]
    >>> [Permitted(("LATIN",), "36 hours, G20")(said, piece) for said, piece in (("for", b"3"), ("for ", b"3"), ("the G", b"2"))]
    [False, True, True]
    >>> [Permitted(("LATIN",), "400 000 m²")(said, b"0") for said in ("400,", "40,")]
    [True, False]
    >>> [Permitted(("LATIN",), "", question="Who came?")(said, b"\\n") for said in ("Who came", "Who came? Foxes")]
    [False, True]
    >>> [Permitted(("ARABIC",), "نسبة ١٨٪")("نسبة ١", piece) for piece in (b"\\xd9", b"\\xd9\\xa8", b"\\xd9\\xa9", b"\\xd8")]
    [True, True, False, False]
    """

    def __init__(self, script: tuple[str, ...], quoted: str, copied: Collection[bytes] = (), question: str = "") -> None:
        self._script, self._signs, self._copied = script, frozenset(filter(_sign, quoted)), copied
        self._question, self._quoted = letters(question), quoted
        numbers = DECIMAL.findall(quoted) + THOUSANDS.findall(quoted)
        runs = (tuple(map(digits, re.split(f"[{POINTS}{GAPS}]", number))) for number in numbers)
        self._numbers = {number[i:] for number in runs for i in range(len(number))}  # of a date also what follows the day
        self._zeros = {"0", *map(_zero, filter(str.isdecimal, quoted))}
        self._digits = [chr(ord(zero) + n).encode() for zero in self._zeros for n in range(10)]
        self._letters: dict[bytes, bool] = {}

    def __call__(self, text: str, piece: bytes) -> bool:
        *before, begun = map(digits, SEPARATOR.split(BEGUN.search(text).group()))  # type: ignore[union-attr]
        said, cut = _characters(piece)
        if "\ufffd" in said or said.startswith(" ") and text.endswith(" "):
            return False
        if cut:
            if begun and any(self(text, digit) for digit in self._digits if digit.startswith(piece)):
                return True
            return self(text, said.strip().encode() or b",") and self._leads(cut)
        if said.strip().isdecimal():
            joined = text[-1:] + said[0]
            if joined[0].lower() != joined[0].upper() and said[0] != " " and joined not in self._quoted:
                return False
            alike = {_zero(c) for c in said.strip() + (text[-1] if begun else "")}
            before, begun = ([], "") if said.startswith(" ") else (before, begun)
            return self._goes_on(before, begun + digits(said)) and len(alike) == 1 and alike <= self._zeros
        if begun and not any(number[0] == begun for number in self._numbers):
            return False
        if said == " ":  # comes before a number only, and not within one: other words bring theirs
            within = before and not begun and self._goes_on(before, "") and tuple(before) not in self._numbers
            return bool(self._numbers and text and not within)
        if not said.strip():
            return bool(text) and "\n" in said and not (self._question and letters(text) == self._question)
        if said.strip() in self._signs or piece in self._copied:
            return True
        if piece not in self._letters:
            self._letters[piece] = self._written(said)
        return self._letters[piece]

    def _goes_on(self, before: list[str], begun: str) -> bool:
        """Whether a number has these runs of digits before one that begins so."""
        at = len(before)
        return any(len(n) > at and list(n[:at]) == before and n[at].startswith(begun) for n in self._numbers)

    def _leads(self, cut: bytes) -> bool:
        """Whether a character that begins with these bytes may be a letter or a sign."""
        return cut in _beginnings(self._script) or any(sign.encode().startswith(cut) for sign in self._signs)

    def _written(self, said: str) -> bool:
        if any(map(_sign, said)):
            return False
        return all(unicodedata.name(c, "").startswith(self._script) for c in said if c.isalpha())


def latin(text: str) -> list[str]:
    """The words of a text in Latin letters, also with accents: a reply in another script may copy them.

    >>> latin("Jörg Nguyễn traf Łukasz-Ó 2021 in القاهرة")
    ['Jörg', 'Nguyễn', 'traf', 'Łukasz', 'Ó', 'in']
    """
    return re.findall("[A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ]+", text)


def _characters(piece: bytes) -> tuple[str, bytes]:
    """The characters of a piece, and the first bytes of one at its end that are not yet one.

    >>> _characters("by ١".encode()[:-1])
    ('by ', b'\\xd9')
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(piece), decoder.getstate()[0]


@cache
def _beginnings(script: tuple[str, ...]) -> frozenset[bytes]:
    """The first bytes of the letters of a script, of each up to all but its last.

    >>> sorted(_beginnings(("HEBREW",)))
    [b'\\xd7', b'\\xef', b'\\xef\\xac', b'\\xef\\xad']
    """
    some = (c.encode() for c in map(chr, LETTERS) if c.isalpha() and unicodedata.name(c, "").startswith(script))
    return frozenset(letter[:n] for letter in some for n in range(1, len(letter)))


def _zero(digit: str) -> str:
    """The zero of a digit's kind."""
    return chr(ord(digit) - unicodedata.decimal(digit))


def _sign(character: str) -> bool:
    """Whether it is a sign of a currency, or of a number such as ¾."""
    return unicodedata.category(character) in ("Sc", "No")


def unasked(pieces: Iterable[str], question: str) -> Iterator[str]:
    """A reply in growing pieces, without the question where it begins by asking it again.

    >>> list(unasked(["Who", " came", "?", " Foxes", " did."], "Who came?")), list(unasked(["Who", " knows", "?"], "Who came?"))
    (['Foxes', ' did.'], ['Who knows', '?'])
    >>> list(unasked(["List", " the", " foxes", ":", " Reynard."], "List the foxes"))
    ['Reynard.']
    """
    asked, held, pieces = letters(question), "", iter(pieces)
    for piece in pieces:
        if not asked.startswith(letters(held + piece)):
            repeats = letters(held) == asked and not ENDS.isdisjoint(held)
            yield piece.lstrip() if repeats else held + piece
            held = ""
            break
        held += piece
    if held:
        yield held
    yield from pieces


def letters(text: str) -> str:
    """A text's letters and digits, capitals made small."""
    return "".join(filter(str.isalnum, text.casefold()))


def near(logits: np.ndarray, may: Callable[[int], bool]) -> list[int]:
    """The likeliest token that may be written, and others that may, of at least a tenth of its probability; best first.

    >>> near(np.array([1.0, 5.0, 4.0, 3.5, 0.0]), lambda token: token != 1), near(np.array([90.0, 0.0]), lambda token: token)
    ([2, 3], [1])
    """
    found: list[int] = []
    for token in _ranked(logits):
        if found and logits[token] < logits[found[0]] - PLAUSIBLE:
            break
        if may(token):
            found.append(token)
    return found


def _ranked(logits: np.ndarray) -> Iterator[int]:
    """All tokens, best first; sorted only as far down as they are asked for."""
    above, best = np.inf, logits.max()
    for depth in (8.0, 16.0, 32.0, np.inf):
        some = np.flatnonzero((logits < above) & (logits >= best - depth))
        yield from some[np.argsort(-logits[some], kind="stable")].tolist()
        above = best - depth


def likeliest(tokens: Sequence[int], seeing: np.ndarray, blind: Callable[[], np.ndarray] | None = None) -> int:
    """The token to write, of some in the order of `seeing`: what seeing the evidence speaks for most.

    Context-aware decoding (Shi et al. 2023, "Trusting Your Evidence"): (1 + a) · logits with the evidence − a · logits
    without; among tokens of at least a tenth of the highest probability (Li et al. 2022, "Contrastive Decoding").
    `blind` gives the logits without the evidence; it is asked only where there is more than one token to choose from.

    >>> seeing = np.array([2.0, 1.5, -9.0])
    >>> likeliest([0], seeing, lambda: 1 / 0), likeliest([0, 1], seeing, lambda: np.array([4.0, 1.0, -99.0]))
    (0, 1)
    """
    if blind is None or len(tokens) == 1:
        return tokens[0]
    some = np.array(tokens)
    return int(some[((1 + CONTRAST) * seeing[some] - CONTRAST * blind()[some]).argmax()])


def repeated(written: Sequence[int]) -> list[int]:
    """Tokens that would say the same REPEATED tokens again: a small model can go round in circles.

    >>> repeated([7, 1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4, 5])
    [6]
    """
    end = list(written[len(written) - REPEATED + 1 :])
    return [written[i] for i in range(REPEATED - 1, len(written)) if list(written[i - REPEATED + 1 : i]) == end]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """ln P of each token.

    >>> log_softmax(np.array([999.0, 999.0], np.float32)).round(2).tolist()
    [-0.69, -0.69]
    """
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum(dtype=np.float64))
