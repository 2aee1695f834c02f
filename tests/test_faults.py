"""What a fault leaves: processes killed, files damaged, disks full, folders only read, no home, no memory, no network."""
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from embeddings import files
from embeddings.encoder import verify
from embeddings.errors import SanadError, WeightsError
from embeddings.files import PART, keep, kept
from tests import faults
from tests.faults import CONTEXT, JOBS, QUOTES, apart

KEEPING = ("assembling", "converting", "indexing", "reading")
"""Jobs whose files are used again; the others' are for people."""
OLD = b"what stood there"


def short_and_long(short, long):
    return [short, pytest.param(long, marks=pytest.mark.soak)]


def undisturbed(name, tmp_path):
    """What a job gives, every file it writes, and how many seconds it takes."""
    folder = tmp_path / "undisturbed"
    given = JOBS[name](folder)
    shutil.rmtree(folder)
    began = time.perf_counter()
    assert JOBS[name](folder) == given
    return given, faults.contents(folder), time.perf_counter() - began


def a_folder_with_old_figures(folder):
    for file in ("figures/figures.json", "figures/risk-coverage.png", "calibration.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(OLD)


def look_after_a_kill(name, folder, given, written):
    """No file that is half written has its name; the next start gives the same bytes, and leaves nothing unfinished."""
    for file, data in faults.contents(folder).items():
        marker = Path(file).parent.name in ("weights", "encoders") and file.endswith(".json")
        if not marker and not Path(file).parts[-1].startswith(".") and PART not in file:
            assert data == OLD or data == written[file], file
    assert JOBS[name](folder) == given
    assert not list(folder.rglob(f".*{PART}"))


@pytest.mark.parametrize("kills", short_and_long(2, 15))
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_any_moment_nothing_half_written_is_taken_for_whole(name, kills, tmp_path):
    given, written, seconds = undisturbed(name, tmp_path)
    moments, died = random.Random(f"{name} {kills}"), 0
    for attempt in range(20 * kills):
        folder = tmp_path / f"killed-{attempt}"
        a_folder_with_old_figures(folder)
        died += faults.killed(JOBS[name], folder, moments.uniform(0, seconds))
        look_after_a_kill(name, folder, given, written)
        shutil.rmtree(folder)
        if died == kills:
            break
    assert died == kills


@pytest.mark.soak
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_any_line_that_writes_nothing_half_written_is_taken_for_whole(name, tmp_path):
    given, written, _ = undisturbed(name, tmp_path)
    folder = tmp_path / "killed"
    for line in count(1):
        a_folder_with_old_figures(folder)
        if not faults.killed_at(JOBS[name], folder, line):
            break
        look_after_a_kill(name, folder, given, written)
        shutil.rmtree(folder)
    assert line > 15


def test_killed_again_and_again_starts_do_not_pile_up_what_they_left(tmp_path):
    for line in (30, 35, 40, 45):
        assert faults.killed_at(JOBS["assembling"], tmp_path / "cache", line)
        assert len(list((tmp_path / "cache").rglob(f".*{PART}"))) <= 1


def test_a_process_that_is_killed_holds_nothing_and_who_waits_for_it_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    ours, theirs = CONTEXT.Pipe()
    holder = CONTEXT.Process(target=faults.holding_on, args=[tmp_path, theirs])
    holder.start()
    assert ours.recv() == "holding"
    waiting = threading.Thread(target=keep, args=[tmp_path / "a.bin", b"data", {}])
    waiting.start()
    until = time.monotonic() + faults.PATIENCE
    while not caplog.messages and time.monotonic() < until:
        time.sleep(0.01)
    assert caplog.messages == [f"Another process is writing to {tmp_path}; waiting for it."]
    holder.kill()
    waiting.join(faults.PATIENCE)
    assert kept(tmp_path / "a.bin", {}) == b"data"


def test_processes_that_keep_the_same_file_at_once_leave_one_of_theirs_whole(tmp_path):
    path, own = tmp_path / "a.bin", [bytes([n]) * 100_000 for n in range(4)]
    with faults.ProcessPoolExecutor(4, mp_context=CONTEXT) as pool:
        found = set().union(*pool.map(faults.quarrelling, [path] * 4, own, [10] * 4))
    assert found <= {*own, b""}
    assert kept(path, {"of": "all"}) in own
    assert os.listdir(tmp_path) and not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", KEEPING)
def test_processes_that_start_at_once_all_get_the_right_bytes(name, tmp_path):
    JOBS[name](tmp_path / "before")
    with faults.ProcessPoolExecutor(3, mp_context=CONTEXT) as pool:
        first, *others = pool.map(JOBS[name], [tmp_path / "cache"] * 3)
    assert [first, *others] == [JOBS[name](tmp_path / "before")] * 3


@pytest.mark.parametrize("times", short_and_long(2, 60))
@pytest.mark.parametrize("name", KEEPING)
def test_a_flipped_byte_in_any_file_is_noticed_said_and_mended(name, times, tmp_path, caplog):
    given, written, _ = undisturbed(name, tmp_path)
    places = random.Random(f"{name} {times}")
    for file in used(name, written):
        for _ in range(times):
            data = bytearray((tmp_path / "undisturbed" / file).read_bytes())
            data[places.randrange(len(data))] ^= 1 << places.randrange(8)
            look_at_damage(name, tmp_path / "undisturbed", file, bytes(data), given, caplog)


@pytest.mark.parametrize("name", KEEPING)
def test_any_file_cut_off_is_noticed_said_and_mended(name, tmp_path, caplog):
    given, written, _ = undisturbed(name, tmp_path)
    for file in used(name, written):
        data = (tmp_path / "undisturbed" / file).read_bytes()
        for length in (0, len(data) // 2, len(data) - 1):
            look_at_damage(name, tmp_path / "undisturbed", file, data[:length], given, caplog)


def used(name, written):
    """The files that the next start looks at: what the encoder was made from is not among them, once it is made."""
    return [file for file in written if name != "converting" or file.startswith("encoders/")]


def look_at_damage(name, folder, file, data, given, caplog):
    """With these bytes in a file, the next start says so, gives what it should, and the one after has nothing to say."""
    said, whole = [], (folder / file).read_bytes()
    (folder / file).write_bytes(data)
    harmless = file.endswith("recipe.json") and same(data, whole)
    caplog.clear()
    assert JOBS[name](folder, lambda what, *_: said.append(what)) == given
    assert caplog.messages or any(what.startswith("checking") for what in said) or harmless
    caplog.clear()
    said.clear()
    assert JOBS[name](folder, lambda what, *_: said.append(what)) == given
    assert not caplog.messages and not said


def same(one, other):
    """Whether two texts are the same JSON."""
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def test_kept_files_that_the_clock_misdates_are_used_and_still_make_room(tmp_path):
    for year, n in ((1971, 0), (2300, 1), (2024, 2)):
        keep(tmp_path / f"{n}.cells", bytes([n]) * 10, {"n": n})
        os.utime(tmp_path / f"{n}.cells", (year * 31_556_952 - 62_167_219_200,) * 2)
    assert [kept(tmp_path / f"{n}.cells", {"n": n}) for n in range(3)] == [bytes([n]) * 10 for n in range(3)]
    for n in range(3, 6):
        keep(tmp_path / f"{n}.cells", bytes([n]) * 10, {"n": n}, limit=30)
        assert kept(tmp_path / f"{n}.cells", {"n": n}) == bytes([n]) * 10
        assert len(list(tmp_path.glob("*.cells"))) == 3


@pytest.mark.parametrize("seconds", [-10**9, 10**9])
def test_weights_that_the_clock_misdates_are_read_again(seconds, tmp_path):
    given = JOBS["converting"](tmp_path / "cache")
    for file in (tmp_path / "cache").rglob("*"):
        os.utime(file, (time.time() + seconds,) * 2)
    said = []
    assert JOBS["converting"](tmp_path / "cache", lambda what, *_: said.append(what)) == given
    assert set(said) == {f"checking {Path(name).name}" for name in given if name != "recipe.json"}


def unshared(kind, *command):
    """What a command prints in a namespace of its own, of this kind."""
    if subprocess.run(["unshare", kind, "--map-root-user", "true"], capture_output=True).returncode:
        pytest.skip(f"this kernel forbids namespaces: unshare {kind} fails")
    done = subprocess.run(["unshare", kind, "--map-root-user", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def outside():
    """A folder that any user may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(("name", "size"), [("assembling", 4_000_000), ("converting", 2_000_000), ("converting", 150_000)])
def test_where_files_may_not_be_so_large_an_error_says_what_to_do_and_nothing_is_left(name, size, tmp_path):
    with pytest.raises(WeightsError, match="Can't write to .*: .*File too large.*oint SANAD_CACHE at"):
        apart(faults.within, resource.RLIMIT_FSIZE, size, JOBS[name], tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob(f".*{PART}"))
    assert JOBS[name](tmp_path / "cache") == JOBS[name](tmp_path / "other")


def test_where_nothing_can_be_kept_answers_are_made_all_the_same(tmp_path):
    assert apart(faults.within, resource.RLIMIT_FSIZE, 0, faults.answering, tmp_path / "cache") == QUOTES
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.name != ".sanad.lock"]


def test_without_permission_to_write_answers_are_made_and_whole_weights_used(outside):
    assert apart(faults.unprivileged, faults.answering, outside / "cache") == QUOTES
    with pytest.raises(WeightsError, match="Can't write to .*: Permission denied.*point SANAD_CACHE at"):
        apart(faults.unprivileged, JOBS["assembling"], outside / "cache")
    for name in ("assembling", "converting"):
        given = JOBS[name](outside / "cache")
        assert apart(faults.unprivileged, JOBS[name], outside / "cache") == given


def test_with_a_home_that_is_not_there_answers_are_made_and_weights_ask_for_a_cache(outside):
    outside.chmod(0o777)
    assert apart(faults.unprivileged, faults.roaming, outside, "/nonexistent") == (QUOTES, [])
    with pytest.raises(WeightsError, match="Can't write to .*: Permission denied.*point SANAD_CACHE at"):
        apart(faults.unprivileged, faults.at_home, outside, "/nonexistent")


def test_without_a_home_a_cache_is_asked_for(outside):
    outside.chmod(0o777)
    with pytest.raises(SanadError, match="no home folder.*SANAD_CACHE"):
        apart(faults.unprivileged, faults.roaming, outside)


def test_a_full_disk_and_one_that_is_only_read(tmp_path):
    """On a disk of 24 MB of their own: full, then with room, then only read."""
    mounted = 'mount -t tmpfs -o size=24m none "$0" && exec "$@"'
    full, roomy, read = json.loads(
        unshared("--mount", "sh", "-c", mounted, str(tmp_path), sys.executable, "-m", "tests.faults", "disk", str(tmp_path))
    )
    assert full["answering"] == list(QUOTES) and full["left"] == []
    for name in ("assembling", "converting"):
        assert "Can't write to" in full[name] and "No space left on device" in full[name] and "SANAD_CACHE" in full[name]
    for name in ("reporting", "calibrating"):
        assert "Can't write to" in full[name] and "Give another folder with --out" in full[name]
    assert any("is not kept and will be made again" in word for word in full["said"])
    assert roomy == {**dict.fromkeys(JOBS, "right"), "answering": list(QUOTES), "left": [], "said": []}
    others = {name: f"Can't write to {tmp_path}" for name in ("reporting", "calibrating")}
    assert {name: value[: len(f"Can't write to {tmp_path}")] for name, value in read.items() if name in others} == others
    assert {name: read[name] for name in KEEPING} == dict.fromkeys(KEEPING, "right")
    assert (read["answering"], read["left"], read["said"]) == (list(QUOTES), [], [])


def test_without_enough_memory_an_error_says_so(tmp_path):
    with pytest.raises(SanadError, match="not enough memory for the index of the article"):
        apart(faults.cramped, faults.building, tmp_path)
    given = JOBS["converting"](tmp_path)
    shutil.rmtree(tmp_path / "encoders")
    with pytest.raises(SanadError, match="not enough memory for preparing the encoder"):
        apart(faults.cramped, JOBS["converting"], tmp_path)
    assert not list(tmp_path.rglob(f".*{PART}"))
    assert JOBS["converting"](tmp_path) == given


@pytest.mark.parametrize("recipe", ["5", "[1]", "null", "{}", '{"model.safetensors": "0"}'])
def test_an_encoder_whose_recipe_says_nothing_is_made_again(recipe, tmp_path):
    given = JOBS["converting"](tmp_path)
    (file,) = tmp_path.rglob("recipe.json")
    file.write_text(recipe)
    assert JOBS["converting"](tmp_path) == given


def test_the_encoder_is_verified_by_every_byte(tmp_path):
    given = JOBS["converting"](tmp_path)
    with faults.installed():
        assert verify(tmp_path)
        (model,) = tmp_path.rglob("model.safetensors")
        model.write_bytes(given["model.safetensors"][:-1] + b"x")
        assert not verify(tmp_path)
        assert not verify(tmp_path / "none")


@pytest.mark.weights
def test_with_no_network_at_all_a_question_is_answered_with_a_citation_and_the_page_answers_this_machine():
    printed = unshared("--net", sys.executable, "-m", "tests.faults", "ask", "How much did the EU allocate?")
    answer = json.loads(printed)
    assert answer["answered"] and "billion" in answer["text"]
    assert any("مليار" in citation["quote"] for citation in answer["citations"])
    printed = unshared("--net", sys.executable, "-m", "tests.faults", "serve", "Where do foxes sleep during winter?")
    assert json.loads(printed.splitlines()[0]) == {"page": True, "quotes": list(QUOTES)}
