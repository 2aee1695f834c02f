import json
import logging
import re
from importlib import metadata

import pytest
from typer.testing import CliRunner

from rag import Article, Config, SanadError
from rag import __main__ as cli
from rag.guard import Access, read_logins
from rag.log import log, recorded, tell
from tests.test_page import opener

HARBOUR = Article.from_text("The harbour closed yesterday. Fishermen protested loudly against harbour fees.")
FEES, FORTY = "Fishermen protested against harbour fees?", "How many apple trees grow?"
OPEN = opener()


@pytest.fixture(scope="module")
def answers():
    chat = OPEN(HARBOUR, config=Config(keep=False))
    return chat.ask(FEES), chat.ask(FORTY)


def test_a_question_is_told_in_one_line_of_json_without_its_text(answers, capsys):
    tell(questions=True)
    for answer in answers:
        recorded(answer, HARBOUR)
    said = capsys.readouterr()
    first, second = map(json.loads, said.err.splitlines())
    assert said.out == "" and "ishermen" not in said.err and "apple" not in said.err
    assert (first["answered"], first["citations"], first["language"]) == (True, 1, "en")
    assert (second["answered"], second["citations"]) == (False, 0)
    assert first["article"] == HARBOUR.hash[:12] and first["confidence"] == answers[0].confidence
    assert first["seconds"].keys() == {"search", "choose", "write", "first_word", "total"}
    assert (first["tokens_in"], first["tokens_out"]) == (answers[0].timings.tokens_in, answers[0].timings.tokens_out)
    assert re.fullmatch("[0-9a-f]{12}", first["id"]) and first["id"] != second["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first["time"])
    assert not {"question", "answer"} & first.keys()


def test_its_text_is_told_when_asked_for(answers, capsys):
    tell(questions=True, text=True)
    recorded(answers[0], HARBOUR)
    told = json.loads(capsys.readouterr().err)
    assert (told["question"], told["answer"]) == (FEES, answers[0].text)


def test_a_line_of_a_question_with_line_ends_and_half_a_character_is_one(capsys):
    tell()
    answer = OPEN(HARBOUR, config=Config(keep=False)).ask("Fishermen \ud83d \u2028 protested against harbour fees?\nReally?")
    tell(questions=True, text=True)
    recorded(answer, HARBOUR)
    (told,) = capsys.readouterr().err.splitlines()
    assert json.loads(told)["question"] == answer.question


def test_questions_are_told_by_nobody_who_was_not_asked_to(answers, capsys):
    tell()
    recorded(answers[0], HARBOUR)
    assert capsys.readouterr().err == ""


def test_warnings_are_always_told_in_one_line_and_debug_lines_when_verbose(capsys):
    tell()
    log.debug("loaded")
    log.warning("%s is damaged.\nIt is made again.", "a [bold]file[/]\x1b]0;\u202e\u2028")
    assert capsys.readouterr().err == "sanad: a [bold]file[/] ]0; is damaged. It is made again.\n"
    tell(verbose=True)
    log.debug("loaded")
    assert capsys.readouterr().err == "sanad: loaded\n"


def test_told_again_there_is_one_handler(capsys):
    tell()
    tell()
    log.warning("once")
    assert capsys.readouterr().err == "sanad: once\n"


def test_what_the_program_tells_is_told_once_though_a_library_sets_up_the_root_logger(answers, capsys, caplog):
    tell(questions=True)
    logging.getLogger("elsewhere").error("in the root logger's own way")
    recorded(answers[0], HARBOUR)
    (told,) = capsys.readouterr().err.splitlines()
    assert json.loads(told)["answered"] and [record.name for record in caplog.records] == ["elsewhere"]


def test_who_imports_the_package_sets_up_its_logging(answers, caplog):
    log.handlers = []
    with caplog.at_level(logging.INFO, "sanad"):
        recorded(answers[0], HARBOUR)
    (kept,) = caplog.records
    assert (kept.getMessage(), kept.answer, kept.article) == ("answered", answers[0], HARBOUR)


# On the command line


def opened(article, **options):
    log.warning("The kept file x is damaged. It is made again.")
    return OPEN(article, config=Config(keep=False))


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(cli.Chat, "open", opened)
    file = tmp_path / "harbour.txt"
    file.write_text(HARBOUR.text)
    return lambda *arguments: CliRunner().invoke(cli.app, [*arguments, "--article", str(file)])


def test_a_warning_reaches_the_user_of_a_command_and_nothing_else_does(run):
    plain = run("ask", FEES)
    assert plain.exit_code == 0 and plain.stdout.startswith("Fishermen protested loudly against harbour fees. [1]\n")
    assert [line for line in plain.stderr.splitlines() if line] == ["sanad: The kept file x is damaged. It is made again."]


def test_verbose_says_what_is_loaded_and_leaves_what_is_printed_as_it_is(run):
    plain, verbose = run("ask", FEES), run("ask", FEES, "--verbose")
    assert verbose.stdout == plain.stdout
    assert f"sanad: article {HARBOUR.hash[:12]}: en, 2 sentences" in verbose.stderr
    assert "sanad: model default, encoder default," in verbose.stderr


@pytest.mark.parametrize("name", ["ask", "chat", "serve", "doctor", "evaluate", "calibrate"])
def test_every_command_can_be_verbose(name):
    (command,) = [one for one in cli.app.registered_commands if one.callback.__name__ == name]
    assert "verbose" in command.callback.__annotations__


def test_what_was_not_foreseen_is_said_without_a_traceback_unless_verbose(run, monkeypatch):
    def broken(article, **options):
        raise ZeroDivisionError("by [nought]")

    monkeypatch.setattr(cli.Chat, "open", broken)
    plain, verbose = run("ask", FEES), run("ask", FEES, "--verbose")
    assert plain.exit_code == verbose.exit_code == 1
    assert "sanad: ZeroDivisionError: by [nought]. This was not foreseen" in plain.stderr
    assert "Traceback" not in plain.stderr + plain.stdout and "Traceback" in verbose.stderr


def test_an_error_of_ours_is_one_line(run, monkeypatch):
    def missing(article, **options):
        raise SanadError("There is none.")

    monkeypatch.setattr(cli.Chat, "open", missing)
    said = run("ask", FEES)
    assert said.exit_code == 1 and said.stderr.split("\n")[-2] == "sanad: There is none."


def test_an_article_without_a_name_is_not_the_bundled_one():
    said = CliRunner().invoke(cli.app, ["ask", FEES, "--article", ""])
    assert said.exit_code == 1 and "Can't read ''" in said.stderr


def test_the_version_is_that_of_the_distribution():
    said = CliRunner().invoke(cli.app, ["--version"])
    assert (said.exit_code, said.stdout) == (0, f"sanad {metadata.version('sanad-rag')}\n")


def test_serve_hands_on_what_it_is_told_and_tells_each_question(answers, monkeypatch, tmp_path):
    def launch(library, access, port, *, mcp):
        served.append(([one.title for one in library.articles], library.config.threads, access, port, mcp))
        recorded(answers[0], HARBOUR)

    served, files, logins = [], [tmp_path / "one.txt", tmp_path / "two.txt"], tmp_path / "logins"
    monkeypatch.setattr("app.launch", launch)
    for file in files:
        file.write_text(f"The harbour closed at {file.stem}.")
    logins.write_text("ann:a long password\n")
    logins.chmod(0o600)
    asked = ["--article", files[0], "--article", files[1], "--port", 0, "--threads", 1, "--host", "0.0.0.0", "--mcp"]
    plain = CliRunner().invoke(cli.app, ["serve", *map(str, asked), "--auth", str(logins)])
    open_ = CliRunner().invoke(cli.app, ["serve", "--host", "0.0.0.0", "--no-auth", "--log-text"])
    (titles, threads, access, port, mcp), (_, _, everyone, usual, without) = served
    assert (titles, threads, access, port, mcp) == (["one", "two"], 1, Access("0.0.0.0", read_logins(logins)), 0, True)
    assert (everyone, usual, without) == (Access("0.0.0.0", everyone=True), 7860, False)
    first, second = (json.loads(said.stderr.splitlines()[-1]) for said in (plain, open_))
    assert first["answered"] and "question" not in first and second["question"] == FEES


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_what_is_no_port_is_a_wrong_command(port):
    assert CliRunner().invoke(cli.app, ["serve", "--port", port]).exit_code == 2
