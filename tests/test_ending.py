"""How a program ends: by a signal, in the middle of an answer, at the end of its input."""
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from tests.test_access import FEES, HARBOUR, PATIENCE


@pytest.fixture(name="started")
def _started(tmp_path):
    """Start the command line with slow fakes, as a process of its own."""
    processes = []
    article = tmp_path / "harbour.txt"
    article.write_text(HARBOUR.text)

    def start(*arguments, **options):
        environment = {**os.environ, "SANAD_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        line = [sys.executable, "-m", "tests.slow", *arguments, "--article", str(article)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(line, text=True, env=environment, **pipes, **options))
        return processes[-1]

    signal.signal(signal.SIGINT, signal.default_int_handler)  # `make test &` has it ignored, and what is started here would too
    yield start
    for process in processes:
        process.kill()
        process.communicate()


def until(stream, word):
    for line in stream:
        if word in line:
            return line
    pytest.fail(f"{word!r} was not said")


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("arguments", [("ask", FEES), ("chat",)])
def test_a_signal_during_an_answer_ends_the_program_without_a_traceback(started, sign, code, arguments):
    process = started(*arguments)
    if arguments == ("chat",):
        process.stdin.write(f"{FEES}\n")
        process.stdin.flush()
    until(process.stderr, "writing")
    process.send_signal(sign)
    said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and told.strip() == "" and "word" not in said


def test_a_conversation_ends_where_its_input_does(started):
    process = started("chat")
    said, told = process.communicate("", timeout=PATIENCE)
    assert (process.returncode, told.strip()) == (0, "")


def test_a_conversation_goes_on_after_a_question_that_cannot_be_asked(started):
    process = started("chat")
    said, told = process.communicate(f"{'x' * 2001}\n\n", timeout=PATIENCE)
    assert process.returncode == 0 and "2,001 characters" in told and said.count("?") == 2


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_answer_ends_the_server_and_leaves_nothing(started, sign, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = started("serve", "--port", str(port))
    line = until(process.stdout, "Sanad is at")
    assert f"http://127.0.0.1:{port}/ for this machine alone" in line and line.endswith(": harbour\n")
    folders = [folder for folder in tmp_path.glob("sanad-*") if folder.is_dir()]
    assert len(folders) == 1
    url = f"http://127.0.0.1:{port}/gradio_api"
    asked = httpx.post(f"{url}/call/ask", json={"data": [FEES, "", ""]}).json()["event_id"]
    with httpx.stream("GET", f"{url}/heartbeat/x", timeout=None), httpx.stream("GET", f"{url}/call/ask/{asked}", timeout=None):
        until(process.stderr, "writing")
        (folders[0] / "upload.pdf").write_text("not read yet")
        process.send_signal(sign)
        said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and "Traceback" not in told and "terminate" not in told
    assert list(tmp_path.glob("sanad-*")) == []
    socket.create_server(("127.0.0.1", port)).close()
