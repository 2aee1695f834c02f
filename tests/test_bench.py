"""What `sanad bench` measures, and how it is written down."""
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rag import Article, Chat, Config
from rag.__main__ import app
from rag.bench import Measure, _questions, _start, _written, bench, save
from rag.testing import CALIBRATION, WordEncoder, WordModel

WORDS = {"encoder": WordEncoder(), "model": WordModel(), "config": Config(keep=False)}
NAMES = ("first word", "opened the first time")
GROWN = [Measure(f"{n} paragraphs, {4 * n} sentences", name, n / 4, "s") for n in (1, 10) for name in NAMES]


def test_a_measure_is_so_many_times_what_it_is_compared_with():
    assert Measure("model", "decode", 30.0, "tokens/s", 40.0, "llama.cpp alone").ratio == 0.75
    assert Measure("model", "decode", 30.0, "tokens/s").ratio is None


@pytest.mark.parametrize("paragraphs", [1, 10, 100])
def test_an_article_of_so_many_paragraphs_has_that_many_and_no_repeat_left_out(paragraphs):
    article = _written(paragraphs)
    assert (article.sentences[-1].paragraph + 1, article.omitted) == (paragraphs, ())
    assert len({s.text for s in article.sentences}) == len(article.sentences) >= 4 * paragraphs


def test_measures_are_saved_as_json_and_growth_as_a_picture(tmp_path):
    save(tmp_path, GROWN, {"threads": 2})
    saved = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert saved["settings"] == {"threads": 2} and [m["value"] for m in saved["measures"]] == [0.25, 0.25, 2.5, 2.5]
    assert (tmp_path / "first-word.png").read_bytes().startswith(b"\x89PNG")
    save(tmp_path / "short", [Measure("model", "decode", 30.0, "tokens/s")], {})
    assert [file.name for file in (tmp_path / "short").iterdir()] == ["bench.json"]


def test_the_command_prints_each_measure_and_writes_them(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("rag.bench.bench", lambda config, **given: asked.append((config.threads, given)) or iter(GROWN))
    options = ["--threads", "1", "--repeats", "5", "--no-grow", "--out", str(tmp_path / "new")]
    said = CliRunner().invoke(app, ["bench", *options])
    assert (said.exit_code, said.stdout.splitlines()) == (0, list(map(str, GROWN)))
    [(threads, given)] = asked
    assert (threads, given["repeats"], given["grow"]) == (1, 5, False)
    saved = json.loads((tmp_path / "new" / "bench.json").read_text("utf-8"))
    assert saved["settings"] == {"model": "default", "encoder": "default", "threads": 1, "repeats": 5}
    assert len(saved["measures"]) == len(GROWN)


def test_weights_that_answer_no_question_are_measured_all_the_same(caplog):
    never, always = (replace(CALIBRATION, threshold=threshold) for threshold in (2.0, 0.0))
    assert {m.name for m in _questions(Chat.open(**WORDS, calibration=always), 1)} >= {"search", "first word", "whole answer"}
    assert "Not one question" not in caplog.text
    names = [m.name for m in _questions(Chat.open(**WORDS, calibration=never), 1)]
    assert names == ["first word, first question of a process", "most held, one article"]
    assert "Not one question was answered" in caplog.text


@pytest.mark.parametrize("calibration", [None, Path("mine.json")])
def test_the_process_that_is_timed_has_the_same_settings(calibration, monkeypatch):
    given, opened = Config.from_environment(threads=2, model="a.gguf", encoder="b", calibration=calibration), []

    def started(command, **_):
        monkeypatch.setattr(sys, "argv", command[2:])
        exec(command[2], {})

    def open(config):
        opened.append(config)
        return Chat(Article.default(), **WORDS, calibration=CALIBRATION)

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr(Chat, "open", open)
    with pytest.raises(TypeError):  # no process came back
        list(_start(given, 1))
    assert opened == [given]


@pytest.mark.weights
def test_the_real_weights_are_measured_beside_bare_loops():
    measures = {(m.group, m.name): m for m in bench(Config(), repeats=1, grow=False)}
    assert all(m.value > 0 for m in measures.values())
    compared = {(m.group, m.name): m.against for m in measures.values() if m.ratio}
    assert compared == {
        ("question", "wording's prefill"): "the same prompt from nothing",
        ("model", "prefill"): "llama.cpp alone",
        ("model", "decode"): "llama.cpp alone",
        ("encoder", "sentences"): "plain encode, float32",
    }
