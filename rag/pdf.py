"""The lines of a PDF's pages as they are read, and their paragraphs. A PDF only says where letters stand."""
from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, chain, pairwise
from operator import itemgetter
from statistics import median_low
from typing import Any, NamedTuple

from rag.article import BULLET
from rag.sentences import ROW
from rag.tables import barred, tables

CONTROL = re.compile(r"[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
FORM = re.compile("[\ufb00-\ufb06\ufb1d-\ufdf9\ufe70-\ufefc]")
"""Letters as they are joined in print: a PDF has them where other texts have the letters themselves."""
RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
"""What pypdf takes to be written from right to left …"""
NEUTRAL = re.compile("[\0-/:-@\u0660-\u066d\u06f0-\u06f9\u2000-\u206f\u20a0-\u21ff]")
"""… and what it leaves in the direction of what came before."""
ARABIC_NUMBER = re.compile("[\u0660-\u0669\u06f0-\u06f9](?:[\u0660-\u066c\u06f0-\u06f9.,/:-]*[\u0660-\u0669\u06f0-\u06f9])?")
DIGITS = re.compile(r"[\d.,/]+")
ARABIC = re.compile("[\u0600-\u08ff\ufb50-\ufeff]")
GAP = re.compile(r"(?<!\s)\s++(?=[.,:;!?؟،؛)\]»](?:\W|$))|(?<=[(\[«])\s++")
"""Space where none is written: pypdf sees one where a mark comes from another font than the letter beside it."""
MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
NUMBERS = re.compile(r"[\d\s,–−-]+", re.ASCII)
RAISED, LEVEL = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻"), str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

WIDE = 0.75
"""How wide a letter is of its height, at most, on average."""
DRAW = {b"Tj", b"TJ", b"'", b'"'}
END = re.compile("[.!?:؟۔…。！？][\"”»)]*$")
HYPHENED = re.compile(r"\b(?=(\w+-\w+))")
"""Two words with a hyphen: state-of, of-the and the-art of state-of-the-art."""
HYPHEN = re.compile("(?<=\\w)(?:-| ?[\u2010\u00ad])$")


def page_lines(page: Any) -> list[str]:
    """The lines of a page as they are read, in the order in which the PDF draws them; an empty one where a gap is wide."""
    drawn = _drawn(page)
    if any(RTL.search(piece.text) for line in drawn for piece in line):
        texts = list(_reordered(drawn))
    else:
        texts = list(map(_written, drawn))
    found = [(_plain(text), line[0].y) for text, line in zip(texts, drawn, strict=True) if text.strip()]
    found = _in_rows(found, _layout(page))
    falls = [above - below for (_, above), (_, below) in pairwise(found)]
    usual = median_low([fall for fall in falls if fall > 0] or [math.inf])
    lines: list[str] = []
    for (text, _), fall in zip(found, [0.0, *falls], strict=False):
        if text:
            lines += ["", text] if lines and fall > 1.4 * usual else [text]
    return lines


def without_furniture(pages: list[list[str]]) -> list[list[str]]:
    """Pages without their numbers, and without what stands at the top or the bottom of most of them, but for a number."""
    pages = [list(page) for page in pages]
    for place in (0, -1) * 3:
        edges = Counter(_numberless(page[place]) for page in pages if len(page) > 1)
        furniture = {"#"} | {line for line, count in edges.items() if count > max(1, len(pages) // 2)}
        for page in pages:
            if len(page) > 1 and _numberless(page[place]) in furniture:
                del page[place]
                if not page[place]:
                    del page[place]
    return pages


def joined(pages: list[list[str]]) -> tuple[str, tuple[int, ...]]:
    """(text, offsets of its pages) of pages of lines: a paragraph a line, a word cut at a line's end whole again; its hyphen
    stays where the same word has it within a line.

    >>> joined([["Title", "", "The committee that was to de-", "cide met on a Tuesday, and it"], [], ["left."], ["Then I"]])
    ('Title\\nThe committee that was to decide met on a Tuesday, and it left.\\nThen I', (0, 64, 64, 70))
    >>> joined([["a state-owned bank and its state-", "owned land, which is all that"]])[0]
    'a state-owned bank and its state-owned land, which is all that'
    """
    lines = [(number, line) for number, page in enumerate(pages) for line in page]
    hyphened = {word.lower() for _, line in lines for word in HYPHENED.findall(line)}
    pieces: list[str] = []
    first: dict[int, int] = {}
    for i, (number, line) in enumerate(lines):
        if not line:
            continue
        if pieces:
            before, near = pieces[-1], (text for _, text in lines[max(0, i - 3) : i + 2])
            if not lines[i - 1][1] or _ends(before, line, max(map(len, near))):
                pieces.append("\n")
            elif HYPHEN.search(before) and line[0].islower():
                whole = HYPHEN.sub("", before)
                cut = "-".join(re.findall(r"\w+$", whole) + re.findall(r"^\w+", line)).lower()
                pieces[-1] = f"{whole}-" if cut in hyphened else whole
            else:
                pieces.append(" ")
        first.setdefault(number, len(pieces))
        pieces.append(line)
    offsets = [0, *accumulate(map(len, pieces))]
    starts = [offsets[-1]] * (len(pages) + 1)
    for number in reversed(range(len(pages))):  # a page without text begins where the next one does
        starts[number] = offsets[first[number]] if number in first else starts[number + 1]
    return "".join(pieces), tuple(starts[:-1])


def one_line(text: str) -> str:
    """Text on one line: no control characters, one space where there were several."""
    return " ".join(CONTROL.sub("", text).split())


def raised(text: str) -> str:
    """What stands above the line, numbers as letters of their own: 10⁶ is not 106, nor €64 with its second footnote €642.

    >>> raised("-6"), raised("1, 2"), raised("st"), raised("[1]")
    ('⁻⁶', '¹, ²', 'st', '[1]')
    """
    return text.translate(RAISED) if NUMBERS.fullmatch(text) else text


class Piece(NamedTuple):
    """Text that a PDF draws at one place, y upwards, in letters of a size; in points."""

    x: float
    y: float
    text: str
    size: float


def _drawn(page: Any) -> list[list[Piece]]:
    """The pieces of each line of a page, as pypdf finds them."""
    lines: list[list[Piece]] = [[]]
    place = 0.0, 0.0  # where the last letters were drawn; what pypdf says of a piece may be the place of the next one

    def operate(operator: bytes, _: Any, cm: list[float], tm: list[float]) -> None:
        nonlocal place
        if operator in DRAW:
            place = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]

    def visit(text: str, cm: list[float], tm: list[float], _: Any, size: float) -> None:
        high = size * math.hypot(*tm[2:4]) * math.hypot(*cm[2:4])
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(Piece(*place, part, high))

    page.extract_text(visitor_operand_before=operate, visitor_text=visit)
    return lines


def _written(line: list[Piece]) -> str:
    """The text of a line that is written from left to right; a short number above it, right behind a letter, is raised."""
    base = max(line, key=lambda piece: len(piece.text), default=Piece(0, 0, "", 0)).y
    text = ""
    for piece in line:
        above = piece.y > base + 1 and len(piece.text) <= 3 and text[-1:].strip() and piece.text[0].strip()
        text += raised(piece.text) if above else piece.text
    return text


def _plain(text: str) -> str:
    """Text on one line, in letters as other texts have them."""
    return one_line(FORM.sub(lambda form: unicodedata.normalize("NFKC", form[0]).strip(), text))


def _layout(page: Any) -> list[str]:
    """The lines of a page, each letter where it stands on it; none where pypdf can't tell: the text has been read without."""
    with suppress(Exception):
        return page.extract_text(extraction_mode="layout").splitlines()
    return []


def _in_rows(lines: list[tuple[str, float]], layout: Sequence[str]) -> list[tuple[str, float]]:
    """(text, y) of lines, of which those of a table are its rows where the PDF draws one after the other, as far as the layout
    of the page tells: it may draw each cell as a line of its own.

    >>> lines = [("Ships:", 90), ("Year", 80), ("Sum", 80), ("2021 4⁹", 70), ("2022", 60), ("5 m", 60)]
    >>> _in_rows(lines, ["Ships:", "Year    Sum", "2021    49", "2022    5 m"])
    [('Ships:', 90), ('| Year | Sum |', 80), ('| 2021 | 4⁹ |', 70), ('| 2022 | 5 m |', 60)]
    """
    for table in tables(layout):
        rows = [row for cells in table if any(row := [_plain(cell) for cell in cells])]
        letters, wanted = _letters(*(text for text, _ in lines)), _letters(*chain(*rows))
        starts = [*accumulate((len(_letters(text)) for text, _ in lines), initial=0)]
        at = letters.translate(LEVEL).find(wanted)
        if at in starts and at + len(wanted) in starts:
            first, last = starts.index(at), starts.index(at + len(wanted))
            drawn, made = iter(letters[at:]), []
            for row in rows:
                y = lines[bisect(starts, at) - 1][1]
                at += len(_letters(*row))
                made.append((barred("".join(c if c == " " else next(drawn) for c in cell) for cell in row), y))
            lines = [*lines[:first], *made, *lines[last:]]
    return lines


def _letters(*texts: str) -> str:
    """Texts without their spaces."""
    return "".join("".join(texts).split())


def _reordered(lines: Iterable[Iterable[Piece]]) -> Iterator[str]:
    """Lines as they are read, where some are written from right to left.

    A PDF places letters, from left to right in whatever language. pypdf turns the letters within a piece; the pieces of
    a line are for us to put in order: from the right, but what is written from left to right among them from the left.
    """
    placed: list[list[tuple[float, float, int, str, str]]] = []
    letters = Counter[bool]()
    turned = False
    for line in lines:
        placed.append([])
        for number, (x, _, text, size) in enumerate(line):
            if strong := NEUTRAL.sub("", text):
                turned = bool(RTL.search(strong))
                letters[turned] += sum(map(str.isalpha, strong))
            end = x + WIDE * size * (len(text) + 1)
            placed[-1] += ((x, end, number, kind, token) for kind, token in _tokens(text, turned))
    rightwards = letters[False] >= letters[True]
    for tokens in placed:
        tokens.sort(key=itemgetter(0))
        read = _logical([(kind, token) for *_, kind, token in tokens] if rightwards else list(_cells(tokens)), rightwards)
        yield GAP.sub("", read)


def _cells(tokens: list[tuple[float, float, int, str, str]]) -> Iterator[tuple[str, str]]:
    """(kind, text) of tokens from the left, which have where they stand, where they end at the latest, and as which piece they
    were drawn.

    What stands behind that end is another cell of a table, and so is what touches a number and was drawn after it, on its left:
    words are drawn on from the left. Of two numbers with a hyphen between, the first is the right one among Arabic letters,
    though not among Hebrew ones.

    >>> list(_cells([(202, 290, 1, "L", "12.5"), (284, 390, 0, "L", "180,000")]))
    [('L', '12.5'), ('R', ' '), ('L', '180,000')]
    >>> list(_cells([(202, 238, 0, "R", "السفن"), (284, 320, 1, "R", "الدخل")]))
    [('R', 'السفن'), ('R', ' '), ('R', 'الدخل')]
    >>> list(_cells([(202, 240, 0, "L", "2025"), (230, 250, 1, "N", "-"), (237, 270, 2, "L", "2024"), (260, 300, 3, "R", " في")]))
    [('L', '2025'), ('R', '-'), ('L', '2024'), ('R', ' في')]
    """
    arabic = any(ARABIC.search(token) for *_, token in tokens)
    for i, (x, _, drawn, kind, token) in enumerate(tokens):
        before, after = (tokens[at][3:] if 0 <= at < len(tokens) else ("", "") for at in (i - 1, i + 1))
        if i and (tokens[i - 1][1] < x or tokens[i - 1][2] > drawn and {before[0], kind} in ({"L"}, {"L", "R"})):
            yield "R", " "
        turns = arabic and token in ("-", "–") and DIGITS.fullmatch(before[1]) and DIGITS.fullmatch(after[1])
        yield "R" if turns else kind, token


def _tokens(part: str, turned: bool) -> Iterator[tuple[str, str]]:
    """(kind, text) of what a piece holds, from left to right: R and L where it is read so, N where its neighbours say."""
    if turned and NEUTRAL.sub("", part):
        yield "R", ARABIC_NUMBER.sub(lambda number: number[0][::-1], part).translate(MIRROR)
        return
    part = part[::-1] if turned else part
    core = _core(part)
    before, _, after = part.partition(core) if core else (part, "", "")
    yield from (("N", c) for c in before)
    if core:
        yield "L", core
        yield from (("N", c) for c in after)


def _core(part: str) -> str:
    """What of a piece is surely read from the left: not the marks before it, nor a bracket without its other half."""
    core = part.strip().lstrip(".,;:!?").strip()
    for opening, closing in ("()", "[]", "«»"):
        if closing not in core:
            core = core.removeprefix(opening)
        elif opening not in core:
            core = core.removesuffix(closing)
    return core.strip() if any(c.isalnum() for c in core) else ""


def _logical(tokens: list[tuple[str, str]], rightwards: bool) -> str:
    """Tokens that stand from left to right, in the order they are read in.

    >>> _logical([("N", "."), ("L", "NATO"), ("N", " "), ("R", "إلى")], rightwards=False)
    'إلى NATO.'
    >>> _logical([("L", "He said"), ("N", " "), ("R", "رفضت"), ("N", " "), ("R", "موسكو")], rightwards=True)
    'He said موسكو رفضت'
    """
    rightwards = rightwards or all(kind != "R" for kind, _ in tokens)
    if not rightwards:
        tokens = tokens[::-1]
    other = "R" if rightwards else "L"
    inside: set[int] = set()
    for run in re.finditer(f"{other}(?:[N{other}]*{other})?", "".join(kind for kind, _ in tokens)):
        tokens[run.start() : run.end()] = tokens[run.start() : run.end()][::-1]
        inside.update(range(run.start(), run.end()))
    return "".join(
        token.translate(MIRROR) if kind == "N" and (i in inside) == rightwards else token
        for i, (kind, token) in enumerate(tokens)
    )


def _numberless(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def _ends(line: str, following: str, width: int) -> bool:
    """Whether a line is the last of its paragraph: it is shorter than the lines near it are wide, or a list or table goes on."""
    if BULLET.match(following) or ROW.match(line) or ROW.match(following):
        return True
    return len(line) < 0.9 * width if END.search(line) else len(line) < 0.6 * width and not following[0].islower()
