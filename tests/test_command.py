"""The command line as another program calls it, and the settings it is given."""
import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import rag.__main__ as cli
from rag import Answer, Article, Chat, Claim, Config, ModelError, SanadError, Turn
from rag.testing import CALIBRATION, WordEncoder, WordModel
from tests.test_documents import pdf

HARBOUR = Article.from_text("The harbour closed yesterday. Fishermen protested loudly against harbour fees.", title="Harbour")
LANDED = "Which airplanes landed yesterday?"


def opened(article=HARBOUR, **options):
    return Chat(article, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION, config=Config(keep=False))


@pytest.mark.parametrize("name", ["nowhere", "a long name of a folder " * 8, "two\nlines"])
def test_an_error_is_one_line_for_another_program_however_long(name, tmp_path):
    line = [sys.executable, "-m", "rag", "ask", LANDED, "--article", f"{name}.txt/{name}.exe"]
    done = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "SANAD_CACHE": str(tmp_path), "COLUMNS": "80"})
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.endswith(".\n")
    (said,) = done.stderr.splitlines()
    assert said.startswith("sanad: Can't read ")


@pytest.mark.parametrize("terminal", [False, True])
def test_bars_are_drawn_on_a_terminal_and_leave_nothing_elsewhere(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(cli, "err", Console(file=io.StringIO(), force_terminal=terminal))
    with cli._bars() as progress:
        progress("reading", 1, 2)
        progress("reading", 2, 2)
    assert ("reading" in cli.err.file.getvalue()) is terminal
    assert terminal or cli.err.file.getvalue() == ""


def test_the_language_of_the_answer_can_be_given(monkeypatch):
    monkeypatch.setattr(cli.Chat, "open", opened)
    said = CliRunner().invoke(cli.app, ["ask", LANDED, "--language", "ar-EG", "--json"])
    answer = json.loads(said.stdout)
    assert (said.exit_code, said.stderr) == (0, "")
    assert (answer["language"], answer["text"], answer["weak"]) == ("ar", "لا يذكر المقال ذلك.", False)


@pytest.mark.parametrize("language", ["klingon", ""])
def test_a_language_that_no_answer_can_be_in_is_told_before_anything_is_opened(language, monkeypatch):
    monkeypatch.setattr(cli.Chat, "open", lambda *_, **__: pytest.fail("it was opened"))
    said = CliRunner().invoke(cli.app, ["ask", LANDED, "--language", language])
    assert said.exit_code == 1 and said.stderr.startswith(f"sanad: No answer can be in the language '{language}'. Give")


@pytest.mark.parametrize("quote", ["00:ab:3c and 2001:db8:a:1", r"\[ x + y \]", "[red] and [/]", "C:\\"])
def test_a_quote_is_printed_as_the_article_has_it(quote, monkeypatch):
    article = Article.from_text(f"The printer in the harbour office answers to {quote}")
    monkeypatch.setattr(cli.Chat, "open", lambda *_, **__: opened(article))
    said = CliRunner().invoke(cli.app, ["ask", "Which printer answers in the harbour office?"])
    assert (said.exit_code, said.stderr) == (0, "")
    assert f"{article.text} [1]\n" in said.stdout and f"\n[1] {article.text}\n" in said.stdout


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
def test_what_a_terminal_has_no_character_for_is_escaped(charset, monkeypatch):
    article = Article.from_text("Fishermen protested loudly against harbour fees of ٥ € 😀.")
    monkeypatch.setattr(cli.Chat, "open", lambda *_, **__: opened(article))
    run, command = CliRunner(charset=charset), ["ask", "Which fishermen protested against harbour fees?"]
    said = run.invoke(cli.app, command)
    assert (said.exit_code, said.stderr) == (0, "") and r"fees of \u0665 " in said.stdout and r" \U0001f600." in said.stdout
    answer = json.loads(run.invoke(cli.app, [*command, "--json"]).stdout)
    assert answer["citations"][0]["quote"] == article.text
    assert run.invoke(cli.app, ["evaluate", "--help"]).exit_code == 0


def test_a_program_that_calls_the_command_line_may_collect_its_json_in_memory(monkeypatch):
    monkeypatch.setattr(Chat, "open", opened)
    with contextlib.redirect_stdout(io.StringIO()) as said:  # which has no encoding
        cli.app(["ask", LANDED, "--json"], standalone_mode=False)
    assert json.loads(said.getvalue())["question"] == LANDED


def test_a_conversation_goes_on_from_what_was_understood_and_answered(monkeypatch):
    class Talk:
        def ask(self, question, history):
            asked.append((question, tuple(history)))
            return Answer(f"{question} In the harbour?", text="Yes [1].", answered=True, claims=(Claim("Yes", (1,), 0.1),))

    asked = []
    monkeypatch.setattr(cli.Chat, "open", lambda *_, **__: Talk())
    said = CliRunner().invoke(cli.app, ["chat"], input=" Who?\nWhen?\n\nWhy?\n")
    assert asked == [("Who?", ()), ("When?", (Turn("Who? In the harbour?", "Yes [1]."),))] and said.exit_code == 0
    assert "understood as: Who? In the harbour?\nYes [1].\nThe wording is uncertain: compare it" in said.stdout


@pytest.mark.parametrize("name", ["threads", "hits", "candidates", "evidence", "max_tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True])
def test_a_setting_that_is_no_whole_number_from_one_is_refused(name, value):
    for given in (lambda: Config(**{name: value}), lambda: opened().using(**{name: value})):
        with pytest.raises(SanadError) as caught:
            given()
        assert str(caught.value) == f"The setting {name} is {value!r}. Give a whole number, 1 or more."
    assert getattr(Config(**{name: 1}), name) == 1


def test_paths_of_a_config_may_be_strings_and_begin_at_home(tmp_path, monkeypatch):
    config = Config(cache="/a/b", calibration="c.json")
    assert (config.cache, config.calibration) == (Path("/a/b"), Path("c.json")) and Config().calibration is None
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SANAD_CACHE", "~/kept")  # as a file of settings says it: no shell has made a path of it
    config = Config.from_environment(calibration=Path("~/c.json"))
    assert (config.cache, config.calibration) == (tmp_path / "kept", tmp_path / "c.json")
    config = Config(model=Path("~/a.gguf"), encoder="~/e5")
    assert (config.model, config.encoder) == (str(tmp_path / "a.gguf"), str(tmp_path / "e5"))
    monkeypatch.setenv("HOME", "~")
    with pytest.raises(SanadError, match="no home folder that ~ in ~/kept could stand for"):
        Config.from_environment()


def test_a_model_that_is_not_there_is_told_before_an_encoder_is_loaded(monkeypatch):
    monkeypatch.setattr("rag.chat.load_encoder", lambda *_: pytest.fail("loaded"))
    with pytest.raises(ModelError, match="There is no model file nowhere.gguf"):
        Chat(HARBOUR, config=Config(model="nowhere.gguf"))


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    code = re.search("```python\n(from rag import .*?)```", readme, re.DOTALL)
    for name, fake in {"encoder": WordEncoder(), "model": WordModel(), "calibration": CALIBRATION}.items():
        monkeypatch.setattr(f"rag.chat.load_{name}", lambda *_, fake=fake, **__: fake)
    monkeypatch.setenv("SANAD_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("article.pdf").write_bytes(pdf(["The heron refused whatever fish the visitors brought."]))
    made = {}
    exec(code[1], made)
    assert made["chat"].article.source == "article.pdf" and made["small"].config.model == "small"
    assert made["growing"].text == capsys.readouterr().out.splitlines()[-1]


def test_each_package_is_shipped_with_its_types():
    root = Path(__file__).parents[1]
    made = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    for package in made["packages"]:
        assert "py.typed" in made["package-data"][package] and (root / package / "py.typed").is_file()


def test_what_a_program_may_use_is_listed_where_it_looks_for_it():
    said = "import rag; assert set(rag.__all__) <= set(dir(rag)), dir(rag)"
    subprocess.run([sys.executable, "-c", said], check=True)
    opens, makes = inspect.signature(Chat.open).parameters, inspect.signature(Chat).parameters
    assert list(opens) == list(makes) and list(opens.values())[1:] == list(makes.values())[1:]
