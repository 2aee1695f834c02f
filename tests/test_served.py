"""Nothing is served but what is meant to be: no file, no address, no session of another."""
import hashlib
import json
import re
import socket
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rag import Article
from tests.test_posted import called, serving


@pytest.fixture(scope="module")
def served():
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def events(served):
    """The numbers of the page's events by name, as its own script knows them."""
    return {one["api_name"]: one["id"] for one in httpx.get(f"{served}config").json()["dependencies"]}


def happened(url, event, *data):
    """(whether it went well, all that was told) of an event of the page."""
    asked = {"fn_index": event, "data": data, "session_hash": "0123456789", "event_data": None, "trigger_id": None}
    assert httpx.post(f"{url}gradio_api/queue/join", json=asked).status_code == 200
    told = httpx.get(f"{url}gradio_api/queue/data?session_hash=0123456789", timeout=60).text
    return '"success":true' in told, told


def upload(url, name, data):
    """Where the server says that it has put a file of this name, or nothing."""
    answer = httpx.post(f"{url}gradio_api/upload", files={"files": (name, data, "text/plain")})
    return Path(answer.json()[0]) if answer.status_code == 200 else None


def got(url, path):
    """(status, body) of a path that is sent as it is: a client would make it a decent one."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def as_file(path, **more):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, **more}


SECRET = b"The heron sleeps in the old tower at noon."
ROUTES = [
    "/gradio_api/file=", "/gradio_api/file/", "/gradio_api/file%3D", "/gradio_api/%66ile=", "//gradio_api/file=",
    "/gradio_api//file=", "/gradio_api/./file=", "/x/../gradio_api/file=", "/%67radio_api/file=", "/gradio_api%2Ffile=",
    "/GRADIO_API/file=", "/file=", "/file/", "/static/", "/assets/", "/svelte/", "/static/../", "/static/..%2f",
    "/gradio_api/static/", "/gradio_api/stream/a/b/", "/gradio_api/custom_component/1/client/component/",
    "/gradio_api/proxy=file://", "/pwa_icon/", "/theme.css/", "/config/",
]  # fmt: skip
CLIMB = ["", "../" * 12, "%2e%2e/" * 12, "..%2f" * 12, "%2e%2e%2f" * 12, "..\\" * 12, "%252e%252e%252f" * 12, "....//" * 12, "./"]


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_nothing_but_the_pages_own_files_is_served(served, tmp_path):
    (tmp_path / "secret.txt").write_bytes(SECRET)
    own = upload(served, "own.txt", SECRET)
    import app

    hidden = [Path(app.__file__), tmp_path / "secret.txt", own, Path("/etc/passwd")]
    tried = 0
    for file in hidden:
        content = file.read_bytes()[:40]
        for route in ROUTES:
            for climb in CLIMB if route in ("/gradio_api/file=", "/static/", "/assets/") else CLIMB[:2]:
                for name in (f"{climb}{file}", f"{climb}{str(file).lstrip('/')}"):
                    status, body = got(served, route + name)
                    assert content not in body and (status >= 400 or b"<title>Sanad" in body), route + name
                    tried += 1
    assert tried > 500 and own.read_bytes() == SECRET
    own.unlink()


NAMES = [
    "../../../../tmp/heron.txt", "..", ".", "..\\..\\heron.txt", "/tmp/heron.txt", "C:\\heron.txt", "a\0heron.txt",
    "%2e%2e%2fheron.txt", "heron\u202etxt.exe", ".bashrc", "con.txt", "x" * 300 + ".txt", " ",
    "~root/heron.txt", "$(touch heron).txt", "-rf.txt", "<img src=x onerror=alert(1)>.txt",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_the_name_of_a_file_is_never_a_path(served, events):
    import app

    for name in NAMES:
        place = upload(served, name, SECRET + name.encode())
        if place:
            assert place.resolve().parent.parent == Path(app._folder()).resolve(), name
            went, told = happened(served, events["add_file"], {"token": "a" * 64}, as_file(place))
            assert went == (place.suffix in app.SUFFIXES) != place.exists(), name
            assert "<img" not in told
            place.unlink(missing_ok=True)
    assert not [one for folder in ("/tmp", "/", ".", "/root") for one in Path(folder).glob("*heron*")]


@pytest.mark.filterwarnings("ignore::Warning:gradio")
@pytest.mark.parametrize("name", ["page.htm", "notes.markdown", "notes.TEXT"])
def test_what_the_command_line_reads_may_be_added(served, events, name):
    place = upload(served, name, b"<p>The heron sleeps in the old tower at noon.")
    went, told = happened(served, events["add_file"], {"token": "f" * 64}, as_file(place))
    assert went and "The heron sleeps in the old tower at noon." in told


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_no_file_of_the_machine_becomes_an_article(served, events, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(SECRET)
    own = upload(served, "own.txt", SECRET)
    climbing = f"{own}/../../../{secret}"
    for path in (secret, "/etc/passwd", "/proc/self/environ", "README.md", climbing, own.parent, f"file://{secret}"):
        for given in (as_file(path), as_file("a.txt", url=f"file://{path}"), [as_file(path)], str(path), {"path": str(path)}):
            went, told = happened(served, events["add_file"], {"token": "b" * 64}, given)
            assert SECRET.decode() not in told and "root:" not in told and "Sanad" not in told, path
    assert secret.read_bytes() == SECRET
    _, told = happened(served, events["restore"], {"token": "b" * 64})
    assert "Harbour" in told and "heron" not in told


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_what_a_tab_shows_is_not_written_to_disk_for_a_link(served, events):
    import app

    assert happened(served, events["add_text"], {"token": "b" * 64}, SECRET.decode())[0]
    assert httpx.get(f"{served}gradio_api/deep_link?session_hash=0123456789").status_code == 404
    assert not list(Path(app._folder()).rglob("state.json"))


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_an_address_in_place_of_a_file_is_not_fetched(served, events):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.5)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.txt"
        for given in (as_file(address), as_file("a.txt", url=address), as_file(address.replace("127.0.0.1", "localhost"))):
            went, _ = happened(served, events["add_file"], {"token": "c" * 64}, given)
            assert not went
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_an_address_in_place_of_a_file_is_not_even_looked_up(served, events, monkeypatch):
    looked_up, look_up = [], socket.getaddrinfo

    def spied(host, *more, **options):
        looked_up.append(host)
        return look_up(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", spied)
    assert not happened(served, events["add_file"], {"token": "c" * 64}, as_file("http://192.0.2.7/a.txt"))[0]
    assert set(looked_up) <= {"127.0.0.1", "localhost"}


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_a_token_that_is_guessed_or_malformed_opens_no_session_of_another(served, events):
    mine = {"token": "d" * 64}
    assert happened(served, events["add_text"], mine, SECRET.decode())[0]
    own = Article.from_text(SECRET.decode())
    assert "heron" in happened(served, events["restore"], mine)[1]
    none = None, "", "d", "d" * 63 + "g", "D" * 64, "d" * 64 + "\n", "../" * 20, ["d" * 64], {"token": "d" * 64}, 0, "d" * 500
    for token in none:
        went, told = happened(served, events["restore"], {"token": token})
        assert not went and "This tab has no session" in told and "heron" not in told
    for token in ("d" * 65, "e" * 64, "d" * 32):
        went, told = happened(served, events["restore"], {"token": token})
        assert went and "heron" not in told
        _, told = happened(served, events["show"], {"token": token}, own.hash)
        assert "heron" not in told
    for endpoint in ("ask", "search"):
        status, told = called(served, endpoint, json.dumps({"data": ["Where does the heron sleep?", own.hash, ""]}))
        assert "old tower" not in told
    assert "heron" in happened(served, events["restore"], mine)[1]


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_an_upload_of_another_is_named_by_a_place_that_cannot_be_guessed(served):
    """Its folder is named by a seed of this installation and the file's own bytes: only who has it knows where it is."""
    places = [upload(served, "a.txt", text) for text in (SECRET, SECRET + b".")]
    assert all(re.fullmatch("[0-9a-f]{64}", place.parent.name) for place in places) and places[0].parent != places[1].parent
    assert hashlib.sha256(SECRET).hexdigest() != places[0].parent.name
    for place in places:
        place.unlink()
