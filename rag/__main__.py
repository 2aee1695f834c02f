"""The command line: sanad ask, chat, serve, doctor."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bars

from rag import Answer, Article, Chat, Config, SanadError, Turn

app = typer.Typer(no_args_is_help=True, help="Questions to an article, answered with the sentences they rest on.")
out, err = Console(soft_wrap=True), Console(stderr=True)
ArticlePath = Annotated[str | None, typer.Option("--article", help="A .txt or .md file; the bundled article without.")]
Model = Annotated[str | None, typer.Option("--model", help="default, small, a .gguf file, or hf:REPO:FILE.")]
Encoder = Annotated[str | None, typer.Option("--encoder", help="default, or a sentence-transformers folder or name.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processors to use; physical cores is best.")]


@app.command()
def ask(
    question: str,
    article: ArticlePath = None,
    model: Model = None,
    encoder: Encoder = None,
    threads: Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole Answer as JSON.")] = False,
) -> None:
    """Answer one question."""
    with _mended():
        answer = _open(article, _config(model, encoder, threads)).ask(question)
        if as_json:
            typer.echo(json.dumps(answer.to_dict(), ensure_ascii=False, indent=1))
        else:
            _show(answer)


@app.command()
def chat(article: ArticlePath = None, model: Model = None, encoder: Encoder = None, threads: Threads = None) -> None:
    """Ask question after question; an empty line ends it."""
    with _mended():
        talk, history = _open(article, _config(model, encoder, threads)), []
        while question := out.input("\n[bold]?[/] ").strip():
            answer = talk.ask(question, history=history)
            history.append(Turn(question, answer.text))
            _show(answer)


@app.command()
def serve(
    article: ArticlePath = None,
    model: Model = None,
    encoder: Encoder = None,
    threads: Threads = None,
    host: str = "127.0.0.1",
    port: int = 7860,
) -> None:
    """Start the chat page."""
    from app import launch

    with _mended():
        launch(_open(article, _config(model, encoder, threads)), host, port)


@app.command()
def doctor(model: Model = None, encoder: Encoder = None, threads: Threads = None) -> None:
    """Say what is installed, what works and how fast; exit with 1 when something is to be mended."""
    from rag.doctor import checks

    broken = 0
    with _mended(), _bars() as progress:
        for check in checks(_config(model, encoder, threads), progress):
            broken += bool(check.mend)
            mark = "[red]✗[/]" if check.mend else "[green]✓[/]"
            out.print(f"{mark} {escape(check.name)}: {escape(check.found)}")
            if check.mend:
                out.print(f"  {escape(check.mend)}")
    raise typer.Exit(1 if broken else 0)


def _config(model: str | None, encoder: str | None, threads: int | None) -> Config:
    return Config.from_environment(model=model, encoder=encoder, threads=threads)


def _open(article: str | None, config: Config) -> Chat:
    source = Article.open(article) if article else Article.default()
    with _bars() as progress:
        return Chat.open(source, config=config, progress=progress)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    with Bars(console=err, transient=True) as bars:
        tasks: dict[str, int] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield progress


@contextmanager
def _mended() -> Iterator[None]:
    """An error of ours in a line of its own, exit code 1, no traceback."""
    try:
        yield
    except SanadError as exc:
        err.print(f"[red]sanad:[/] {escape(str(exc))}")
        raise typer.Exit(1) from exc


def _show(answer: Answer) -> None:
    out.print(escape(answer.text), style="bold")
    out.print(f"confidence {answer.confidence:.2f}", style="dim")
    for citation in answer.citations:
        out.print(escape(f"[{citation.number}] {citation.quote}"))
        out.print(f"    characters {citation.start}–{citation.end}, support {citation.support:.2f}", style="dim")


if __name__ == "__main__":
    app()
