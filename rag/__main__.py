"""The command line: sanad ask, chat, serve, doctor, evaluate, calibrate, bench.

Exit codes: 0; 1 for an error of ours, in one line on stderr; 2 for a command that is not one; 130 and 143 when ended by
SIGINT (Ctrl-C) and SIGTERM, but for `serve`, once it serves: that is how it ends, with 0.
"""
from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.text import Text

from rag import Answer, Article, Chat, Config, EvaluationError, QuestionError, SanadError, Turn
from rag.calibration import Calibration
from rag.chat import known
from rag.log import log, one_line, tell

if TYPE_CHECKING:
    from rag.cases import Case

app = typer.Typer(no_args_is_help=True, help="Questions to an article, answered with the sentences they rest on.")
out, err = (Console(soft_wrap=True, markup=False, emoji=False, stderr=stderr) for stderr in (False, True))
"""What they print stays as it is: `\\[ x` of a formula is no markup, `:ab:` of an address no picture."""
ArticlePath = Annotated[str | None, typer.Option("--article", help="A .txt, .md, .html, .pdf or .docx; or else the bundled one.")]
Model = Annotated[str | None, typer.Option("--model", help="default, small, a .gguf file, or hf:REPO:FILE.")]
Encoder = Annotated[str | None, typer.Option("--encoder", help="default, or a sentence-transformers folder or name.")]
Fitted = Annotated[
    Path | None, typer.Option("--calibration", metavar="FILE", help="What sanad calibrate made for --model and --encoder.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processors to use; physical cores is best.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say on stderr what is loaded, from where, and what is kept.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        typer.echo(f"sanad {metadata.version('sanad-rag')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Say which version this is.", callback=_version, is_eager=True)]


@app.callback()
def sanad(version: Version = False) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal or a file has no character for is escaped, not an error
        sys.stdout.reconfigure(errors="backslashreplace")


@app.command()
def ask(
    question: str,
    article: ArticlePath = None,
    model: Model = None,
    encoder: Encoder = None,
    calibration: Fitted = None,
    threads: Threads = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Of the answer; the question's without.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole Answer as JSON.")] = False,
    verbose: Verbose = False,
) -> None:
    """Answer one question."""
    with _reported(verbose=verbose):
        code = None if language is None else known(language)  # a wrong one is told before anything is loaded
        answer = _open(article, _config(model, encoder, threads, calibration)).ask(question, language=code)
        if as_json:
            unicode = "utf" in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
            typer.echo(json.dumps(answer.to_dict(), ensure_ascii=not unicode, indent=1))
        else:
            _show(answer, question)


@app.command()
def chat(
    article: ArticlePath = None,
    model: Model = None,
    encoder: Encoder = None,
    calibration: Fitted = None,
    threads: Threads = None,
    verbose: Verbose = False,
) -> None:
    """Ask question after question; an empty line ends it."""
    with _reported(verbose=verbose):
        talk, history = _open(article, _config(model, encoder, threads, calibration)), list[Turn]()
        while question := _asked():
            try:
                answer = talk.ask(question, history=history)
            except QuestionError as exc:
                _say(str(exc))
                continue
            history.append(Turn(answer.question, answer.text))
            _show(answer, question)


@app.command()
def serve(
    article: Annotated[
        list[str] | None, typer.Option("--article", help="A file to serve; give it again for more. The bundled article without.")
    ] = None,
    model: Model = None,
    encoder: Encoder = None,
    calibration: Fitted = None,
    threads: Threads = None,
    host: Annotated[str, typer.Option(help="Only this machine can open the page unless this is another address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is a free one.")] = 7860,
    auth: Annotated[
        Path | None, typer.Option("--auth", metavar="FILE", help="Ask for a login: one of this file's lines USER:PASSWORD.")
    ] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="At another --host: let in everyone who can reach it.")] = False,
    mcp: Annotated[bool, typer.Option("--mcp", help="Serve ask, search and articles as tools of an MCP server, too.")] = False,
    log_text: Annotated[bool, typer.Option("--log-text", help="Log what was asked and answered, too.")] = False,
    verbose: Verbose = False,
) -> None:
    """Start the chat page. Of each question it logs a line of JSON on stderr; GET /health says whether it can answer."""
    with _reported(verbose=verbose, questions=True, text=log_text):
        from app import launch
        from rag.guard import Access, read_logins
        from rag.library import Library

        access = Access(host, read_logins(auth) if auth else (), no_auth)
        articles = [Article.open(path) for path in article or ()]
        launch(Library(articles, config=_config(model, encoder, threads, calibration)), access, port, mcp=mcp)


@app.command()
def doctor(model: Model = None, encoder: Encoder = None, threads: Threads = None, verbose: Verbose = False) -> None:
    """Say what is installed, what works and how fast; exit with 1 when something is to be mended."""
    broken = 0
    with _reported(verbose=verbose), _bars() as progress:
        from rag.doctor import checks

        for check in checks(_config(model, encoder, threads), progress):
            broken += bool(check.mend)
            mark = ("✗", "red") if check.mend else ("✓", "green")
            out.print(Text.assemble(mark, f" {check.name}: {check.found}"))
            if check.mend:
                out.print(f"  {check.mend}")
    raise typer.Exit(1 if broken else 0)


@app.command()
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(metavar="QUESTIONS.jsonl", help="Questions with the sentences that answer them.")
    ] = None,
    article: ArticlePath = None,
    docs: Annotated[Path | None, typer.Option(help="Instead: articles as SQuAD or XQuAD-R has them …")] = None,
    questions: Annotated[Path | None, typer.Option(help="… and the same in the language of the questions.")] = None,
    articles: Annotated[int, typer.Option(min=1, help="Of --docs, how many articles.")] = 24,
    per_article: Annotated[int, typer.Option(min=1, help="Of --docs, questions to each that it answers.")] = 2,
    seed: Annotated[int, typer.Option(help="Of --docs, which questions are picked.")] = 7,
    unanswerable: Annotated[
        bool, typer.Option("--unanswerable/--no-unanswerable", help="Of --docs, also two to each that it does not answer.")
    ] = True,
    folder: Annotated[Path | None, typer.Option("--out", help="Where figures.json, questions.jsonl and a PNG go.")] = None,
    model: Model = None,
    encoder: Encoder = None,
    calibration: Fitted = None,
    threads: Threads = None,
    verbose: Verbose = False,
) -> None:
    """Ask questions whose answers are known, and say how good the answers are.

    A line of QUESTIONS.jsonl: {"question": "Who refused?", "sentences": [14], "answer": "Moscow", "kind": "who"}.
    "sentences" are the indexes in Article.sentences of those any of which answers; none: the article does not answer.
    """
    settings: dict[str, Any]
    with _reported(verbose=verbose):
        from rag.cases import read_questions, read_squad, squad_cases
        from rag.report import FILES, prepare

        if docs and questions and not file and article is None:
            picks: dict[str, Any] = {"articles": articles, "per_article": per_article, "seed": seed, "unanswerable": unanswerable}
            settings = {"docs": docs.name, "questions": questions.name, **picks}
            cases = tuple(squad_cases(read_squad(docs), read_squad(questions), **picks))
        elif file and not docs and not questions:
            settings = {"questions": file.name, "article": "the bundled one" if article is None else Path(article).name}
            cases = read_questions(file, Article.default() if article is None else Article.open(article))
        else:
            raise EvaluationError(
                "Two ways to evaluate: sanad evaluate QUESTIONS.jsonl [--article FILE], "
                "or sanad evaluate --docs FILE --questions FILE. Give the files of one of them."
            )
        if folder:
            prepare(*(folder / name for name in FILES), read=[file, docs, questions])
        _evaluate(cases, settings, folder, _config(model, encoder, threads, calibration))


def _evaluate(cases: Sequence[Case], settings: dict[str, Any], folder: Path | None, config: Config) -> None:
    from importlib import metadata

    from rag.evaluation import evaluate, summary
    from rag.loading import bundled, load_encoder, load_model
    from rag.report import FILES, peak, save, tables

    with _bars() as progress:
        model, encoder = load_model(config, progress), load_encoder(config, progress)
        settings |= {
            "model": {"name": config.model, "fingerprint": model.fingerprint},
            "encoder": {"name": config.encoder, "fingerprint": encoder.fingerprint},
            "calibration": config.calibration.name if config.calibration else bundled(config),
            "threads": config.threads,
            "version": metadata.version("sanad-rag"),
        }
        rows = tuple(evaluate(cases, partial(Chat, config=config, progress=progress), progress))
    report = summary(rows)
    languages = {"docs": cases[0].article.language, "questions": " ".join(dict.fromkeys(case.language for case in cases))}
    report["figures"] = {**languages, **report["figures"], "peak MB": peak()}
    report["settings"] = settings
    for table in tables(report):
        out.print(table, soft_wrap=False)
    if folder:
        save(folder, report, rows)
        err.print(f"Written to {folder}: {', '.join(FILES)}")


@app.command()
def calibrate(
    docs: Annotated[list[Path], typer.Option(help="Articles as SQuAD or XQuAD-R has them; give it again for more.")],
    questions: Annotated[list[Path], typer.Option(help="The same in the language of the questions, one for each --docs.")],
    file: Annotated[Path, typer.Option("--out", help="Where the calibration goes: a file for --calibration.")],
    articles: Annotated[int, typer.Option(min=1, help="Of each --docs, how many articles.")] = 24,
    per_article: Annotated[int, typer.Option(min=1, help="Questions to each that it answers, and two that it does not.")] = 2,
    seed: Annotated[int, typer.Option(help="Which questions are picked.")] = 11,
    false_abstention: Annotated[float, typer.Option(min=0, max=1, help="Share of answerable questions unanswered.")] = 0.05,
    model: Model = None,
    encoder: Encoder = None,
    threads: Threads = None,
    verbose: Verbose = False,
) -> None:
    """Fit how evidence is chosen, when to abstain and what support is worth to questions whose answers are known."""
    with _reported(verbose=verbose), _bars() as progress:
        from rag import evaluation
        from rag.cases import read_squad, squad_cases
        from rag.fitting import FOLDS, cross_validated, fit, fit_wording, observe
        from rag.loading import load_encoder, load_model
        from rag.report import prepare, write

        if len(docs) != len(questions):
            raise EvaluationError(f"{len(docs)} --docs and {len(questions)} --questions were given; give one for each other.")
        picks: dict[str, Any] = {"articles": articles, "per_article": per_article, "seed": seed}
        cases = [
            case for d, q in zip(docs, questions, strict=True) for case in squad_cases(read_squad(d), read_squad(q), **picks)
        ]
        found = len({case.article.title for case in cases})
        if found < FOLDS:
            raise EvaluationError(f"{found} articles are too few to fit to and check on others; give at least {FOLDS}.")
        prepare(file, read=[*docs, *questions])
        # Not _config: SANAD_CALIBRATION may name what is about to be made, or what is of another version.
        config = Config.from_environment(model=model, encoder=encoder, threads=threads)
        opened = partial(Chat, config=config, progress=progress)
        seen = tuple(observe(cases, partial(opened, calibration=Calibration.default()), progress))
        fitted = fit(seen, false_abstention=false_abstention)
        rows = tuple(evaluation.evaluate(cases, partial(opened, calibration=Calibration.from_dict(fitted)), progress))
        fitted["wording"] = fit_wording(cases, rows, load_model(config))
        made = {
            "docs": [f.name for f in docs],
            "questions": [f.name for f in questions],
            **picks,
            "false abstention": false_abstention,
            "cases": len(seen),
            "model": load_model(config).fingerprint,
            "encoder": load_encoder(config).fingerprint,
            "candidates": config.candidates,
            "cross-validated": cross_validated(seen, false_abstention=false_abstention),
        }
        write(file, json.dumps({**fitted, "fitted to": made}, indent=1) + "\n")
    out.print_json(json.dumps(made["cross-validated"]))


@app.command()
def bench(
    folder: Annotated[Path | None, typer.Option("--out", help="Where bench.json and first-word.png go.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Each figure is the median of so many.")] = 3,
    grow: Annotated[bool, typer.Option("--grow/--no-grow", help="Also over longer and over more articles: some minutes.")] = True,
    model: Model = None,
    encoder: Encoder = None,
    calibration: Fitted = None,
    threads: Threads = None,
    verbose: Verbose = False,
) -> None:
    """Say how fast it is on this machine, beside bare loops over the same weights."""
    with _reported(verbose=verbose), _bars() as progress:
        from rag import bench as benchmark
        from rag.report import prepare

        if folder:
            prepare(folder / "bench.json")
        config, measures = _config(model, encoder, threads, calibration), list[benchmark.Measure]()
        for measure in benchmark.bench(config, repeats=repeats, grow=grow, progress=progress):
            measures.append(measure)
            out.print(str(measure), highlight=False)
        if folder:
            settings = {"model": config.model, "encoder": config.encoder, "threads": config.threads, "repeats": repeats}
            benchmark.save(folder, measures, settings)


def _config(model: str | None, encoder: str | None, threads: int | None, calibration: Path | None = None) -> Config:
    config = Config.from_environment(model=model, encoder=encoder, threads=threads, calibration=calibration)
    if config.calibration:
        Calibration.load(config.calibration)  # what is wrong with it is told before anything is loaded
    log.debug("model %s, encoder %s, %d threads, cache %s", config.model, config.encoder, config.threads, config.cache)
    return config


def _open(article: str | None, config: Config) -> Chat:
    source = Article.default() if article is None else Article.open(article)
    log.debug("article %s: %s, %d sentences", source.hash[:12], source.language, len(source.sentences))
    with _bars() as progress:
        return Chat.open(source, config=config, progress=progress)


def _asked() -> str:
    """The next question; an empty one when there are no more."""
    try:
        return out.input("\n[bold]?[/] ").strip()
    except (EOFError, RuntimeError):  # input() has lost sys.stdin
        return ""


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    with Bars(console=err, transient=True, disable=not err.is_interactive) as bars:  # in a file they would leave an empty line
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                log.debug("%s", what)
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield progress


@contextmanager
def _reported(**told: bool) -> Iterator[None]:
    """Report an error as a line on stderr and exit code 1, an end by a signal as 130 or 143; no traceback. Told: see `tell`."""
    tell(**told)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except SanadError as exc:
        _say(str(exc))
        raise typer.Exit(1) from exc
    except KeyboardInterrupt as exc:
        raise typer.Exit(128 + signal.SIGINT) from exc
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except MemoryError as exc:
        _say("There is not enough memory for this. Close other programs and try again.")
        raise typer.Exit(1) from exc
    except Exception as exc:
        log.debug("what failed:", exc_info=exc)
        _say(f"{type(exc).__name__}: {exc}. This was not foreseen; --verbose says where it was.")
        raise typer.Exit(1) from exc


def _say(error: str) -> None:
    err.print(Text.assemble(("sanad:", "red"), f" {one_line(error)}"))


def _terminate(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _show(answer: Answer, asked: str) -> None:
    if answer.question != asked.strip():
        out.print(f"understood as: {answer.question}", style="dim")
    out.print(answer.text, style="bold")
    if answer.weak:
        out.print("The wording is uncertain: compare it with the sentences below.", style="yellow")
    out.print(f"confidence {answer.confidence:.2f}", style="dim")
    for citation in answer.citations:
        out.print(f"[{citation.number}] {citation.quote}")
        out.print(f"    {citation.where}, support {citation.support:.2f}", style="dim")


if __name__ == "__main__":
    app()
