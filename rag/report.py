"""The figures of an evaluation for people and programs: tables for the terminal, JSON, and the risk/coverage curve."""
from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from embeddings.files import holding, replacing
from rag.errors import EvaluationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

    from rag.evaluation import Row

GROUP = ("asked", "retrieval R@8", "citation F1", "answer recall", "false abstention", "abstention")
"""The figures shown of each kind and language, as many as fit in 80 columns; figures.json has them all."""
FILES = ("figures.json", "questions.jsonl", "risk-coverage.png")
"""What `save` writes."""
INK, FAINT, GREY = "#1b5faa", "#8fb4dc", "#8a8f98"


def tables(report: dict[str, Any]) -> Iterator[Table | str]:
    """The report as tables and a line of text, for rich to print."""
    all_figures = {"answerable" if name == "n" else name: value for name, value in report["figures"].items()}
    yield _table("Figures", ("all questions", ""), all_figures.items())
    for heading, groups in (("kind", report["kinds"]), ("language", report["languages"])):
        lines = ((name, *(found.get(figure) for figure in GROUP)) for name, found in groups.items())
        yield _table(f"By {heading}", (heading, *GROUP), lines)
    for score, counted, right in (("support", "claims", "right"), ("confidence", "questions", "answerable")):
        found = report[score]
        lines = ((f"{b['from']:.1f}–{b['to']:.1f}", b["n"], b["mean"], b["right"]) for b in found["bins"])
        yield _table(f"{score.title()}, ECE {_shown(found['ece'])}", (score, counted, "mean", right), lines)
    operating, aurc = report["curve"]["operating point"], report["curve"]["aurc"]
    answered, wrong = _shown(operating["coverage"]), _shown(operating["risk"])
    yield f"\nAnswered {answered} of the questions, {wrong} of these wrongly; mean risk over all coverages {_shown(aurc)}."


def prepare(*files: Path, read: Iterable[Path | None] = ()) -> None:
    """Make the folder of files to be written, or raise EvaluationError where one of them is a folder, is among those that were
    read, or can't be written: better before an hour of questions than after."""
    taken = {os.path.realpath(file) for file in read if file}
    for file in files:
        if file.is_dir():
            raise EvaluationError(f"{file} is a folder. Give a file with --out.")
        if os.path.realpath(file) in taken:
            raise EvaluationError(f"{file} was read, and would be written over. Give another place with --out.")
    with _writing(files[0].parent):  # a lock is made there
        pass


def save(folder: Path, report: dict[str, Any], rows: Sequence[Row]) -> None:
    """Write the figures, a line for each question and the curve: FILES, each whole or not at all."""
    lines = [json.dumps(asdict(row) | {"right": row.right}, ensure_ascii=False) for row in rows]
    curve = io.BytesIO()
    draw(report["curve"], curve)
    figures, questions, picture = (folder / name for name in FILES)
    write(figures, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    write(questions, "".join(f"{line}\n" for line in lines))
    write(picture, curve.getvalue())


def write(file: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all. Raises EvaluationError when its folder can't be written to."""
    with _writing(file.parent), replacing(file) as out:
        out.write(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))


def peak() -> int | None:
    """The most memory this process has held, in MB, where the system says."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def draw(curve: dict[str, Any], file: IO[bytes]) -> None:
    """The risk/coverage curve as a PNG: solid up to the operating point, dashed beyond it."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    points, operating = curve["points"], curve["operating point"]
    figure = Figure(figsize=(6.4, 4.8), dpi=160, layout="constrained")  # without pyplot: no display, no global state
    axes: Axes = figure.add_subplot()
    coverage, risk = ([point[key] for point in points] for key in ("coverage", "risk"))
    answered = sum(c <= operating["coverage"] for c in coverage)
    beyond = max(0, answered - 1)
    right = round(len(points) * (1 - risk[-1]))
    best = [max(0, k - right) / k for k in range(1, len(points) + 1)]
    axes.plot(coverage[:answered], risk[:answered], color=INK, lw=2, label="answered, the surest first")
    axes.plot(coverage, best, color=GREY, lw=1, label="answered, the right ones first")
    axes.plot(coverage[beyond:], risk[beyond:], color=FAINT, lw=2, ls=(0, (3, 2)), label="not answered, counted as wrong")
    title = f"{len(points)} questions"
    if operating["risk"] is not None:
        place = operating["coverage"], operating["risk"]
        axes.plot(*place, "o", color=INK, ms=7, zorder=3, clip_on=False, label="operating point")
        title += ": {:.0%} answered, {:.0%} of these wrongly".format(*place)
    axes.set_xlabel("coverage: share of questions answered")
    axes.set_ylabel("risk: share of these answered wrongly")
    axes.set(xlim=(0, 1), ylim=(0, min(1.0, 1.2 * max([*risk, 0.1]))))
    axes.set_title(f"{title}\nmean risk over all coverages (AURC) {curve['aurc']:.3f}", loc="left", fontsize=11)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e8eb", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    figure.savefig(file, format="png", metadata={"Software": None})


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        with holding(folder):
            yield
    except OSError as exc:
        raise EvaluationError(f"Can't write to {folder}: {exc.strerror or exc}. Give another folder with --out.") from exc


def _table(title: str, headings: Sequence[str], lines: Iterable[Sequence[Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.show_edge = False
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", min_width=max(map(len, heading.split()), default=0))
    for line in lines:
        table.add_row(*map(_shown, line))
    return table


def _shown(value: float | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
