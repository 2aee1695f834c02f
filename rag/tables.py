"""Rows of tables, and the tables among the lines of a page on which each letter stands where it is printed."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rag.article import BULLET

CELL = 100
"""Characters of a table's cell, at most; in longer ones the parts of a page stand side by side."""
ROWS, GUTTER, COLUMNS = 3, 4, 1_000
"""Rows of a table, at least; columns of letters that are blank between two of its cells, in one row at least; those of a page."""
BULLETED = re.compile(rf"^\s*(?:{BULLET.pattern}|\(?\w{{1,3}}[.)]\s|\d+(?:\.\d+)+\s)\s*")
INNER = re.compile("(?<=x) {2,}(?=x)")
APART = re.compile(r"\S {2,}\S")


def barred(cells: Iterable[str]) -> str:
    """A row as text.

    >>> barred(["Year", "", "Ships"])
    '| Year |  | Ships |'
    """
    return f"| {' | '.join(cells)} |"


def tables(lines: Sequence[str]) -> Iterator[list[list[str]]]:
    """Each table: rows of cells. Lines are of one table where all leave the same columns of letters blank.

    >>> page = ["Of the port:", "Year   Income (€)  Ships", "2021         4.20    180", "2022                  99", "That is it."]
    >>> list(tables(page))
    [[['Year', 'Income (€)', 'Ships'], ['2021', '4.20', '180'], ['2022', '', '99']]]
    >>> list(tables(["1.    The first thing, and", "2.    the second one,", "3.    and the third."]))
    []
    """
    width = max(map(len, lines), default=0)
    if width > COLUMNS:
        return
    masks = [_mask(line, before, width) for before, line in pairwise(["", *lines]) if line.strip()]
    lines = [line.rstrip() for line in lines if line.strip()]
    first = 0
    while first < len(lines):
        last = _end(lines, masks, first)
        block = lines[first:last]
        gutters = [gutter.span() for gutter in INNER.finditer("".join(map(max, zip(*masks[first:last], strict=True))))]
        wide = all(any(_gap(line, *gutter) >= GUTTER for line in block) for gutter in gutters)
        ends = [*(end for _, end in gutters), width]
        starts = [a for a, b in pairwise(ends) if sum(bool(line[a:b].strip()) for line in block) > 1]  # one mark is no column
        table = [[line[a:b].strip() for a, b in pairwise([0, *starts, width])] for line in block]
        full = sum(sum(map(bool, cells)) > 1 for cells in table)
        if starts and wide and ROWS <= len(table) < 1.5 * full:
            yield table
            first = last
        else:
            first += 1


def _mask(line: str, before: str, width: int) -> str:
    """An x where a line is not blank, nor behind the mark of an item; everywhere, where it is set apart and has no cells."""
    if not APART.search(line) and not before.strip():
        return "x" * width
    return re.sub(r"\S", "x", BULLETED.sub(lambda mark: "x" * len(mark[0]), line)).ljust(width)


def _end(lines: Sequence[str], masks: Sequence[str], first: int) -> int:
    """Behind the last line that leaves blank what those from the first one on do, and that has more than one cell."""
    last, common = first + 1, masks[first]
    gutters = len(INNER.findall(common))
    while gutters and last < len(lines):
        common = "".join(map(max, common, masks[last]))
        left = len(INNER.findall(common))
        if left < gutters:
            break
        gutters, last = left, last + 1
    while last > first + 1 and not APART.search(lines[last - 1]):
        last -= 1
    return last


def _gap(line: str, start: int, end: int) -> int:
    """How much of a line is blank around some columns that are; none where no text is on one side."""
    left, right = line[:start].rstrip(), line[end:].lstrip()
    return len(line) - len(right) - len(left) if left and right else 0
