import asyncio
import base64
import hmac
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

import app
from rag import Article, Config, SanadError, guard
from rag.__main__ import app as command
from rag.documents import extract
from rag.errors import ArticleError, ModelError
from rag.guard import HEADERS, POLICY, TRIES, Access, Guard, read_logins
from rag.library import Library
from tests.test_page import opener

HARBOUR = Article.from_text("The harbour closed yesterday. Fishermen protested loudly against harbour fees.", title="Harbour")
FEES = "Fishermen protested against harbour fees?"
ADA, BOB = ("ada", "love:lace 1"), ("bób", "пароль-123")
PATIENCE = 60
OPEN = opener()


def library(open_chat=OPEN):
    return Library([HARBOUR], config=Config(keep=False), open_chat=open_chat)


@pytest.fixture(scope="module")
def logins(tmp_path_factory):
    file = tmp_path_factory.mktemp("logins") / "logins"
    file.touch(0o600)
    file.write_text("".join(f"{user}:{password}\n" for user, password in (ADA, BOB)), "utf-8")
    return file


# Who may use it


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.3.4.5"])
def test_this_machine_is_served_without_more_words(host):
    assert str(Access(host)) == "this machine alone"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "0", "localhost.example.com"])
def test_others_are_not_served_unless_it_is_said_who_may(host):
    with pytest.raises(SanadError, match="--auth FILE.*--no-auth"):
        Access(host)
    assert str(Access(host, everyone=True)) == "everyone who can reach it, without a login"
    assert str(Access(host, (b"x",))) == "everyone who can reach it, with one of 1 logins"


def test_a_login_and_none_is_one_word_too_many(logins):
    with pytest.raises(SanadError, match="Give one of them"):
        Access("0.0.0.0", read_logins(logins), everyone=True)


def test_the_command_line_refuses_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(Article, "open", lambda path: pytest.fail("loaded"))
    result = CliRunner().invoke(command, ["serve", "--host", "0.0.0.0", "--article", "a.pdf"])
    assert result.exit_code == 1 and "--auth FILE" in result.stderr and "Traceback" not in result.stderr


def test_the_page_itself_refuses_too():
    with pytest.raises(SanadError, match="--no-auth"):
        app.launch(library(), Access("0.0.0.0"), wait=False)


def header(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_login_is_admitted_and_nothing_else_is(logins):
    access = Access(logins=read_logins(logins))
    admitted = [access.admits(header(*pair)["Authorization"].encode()) for pair in (ADA, BOB)]
    assert admitted == [True, True]
    wrong = [("ada", ""), ("ada", "love"), ("ada", "пароль-123"), ("bob", "love:lace 1"), ("", ""), ("ADA", "love:lace 1")]
    assert not any(access.admits(header(*pair)["Authorization"].encode()) for pair in wrong)
    right = header(*ADA)["Authorization"].encode()
    for given in (b"", b"Basic", b"Basic \xff", b"Basic ====", right + b"!", right.replace(b"Basic", b"Bearer"), right[6:]):
        assert not access.admits(given)


def test_as_much_is_compared_for_one_who_is_not_known(logins, monkeypatch):
    access, compared = Access(logins=read_logins(logins)), []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or a == b)
    for user, password in (ADA, BOB, ("nobody", "x" * 1000)):
        access.admits(header(user, password)["Authorization"].encode())
    assert compared == [(32, 32)] * 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no login"),
        ("\n \n", "holds no login"),
        ("ada:hunter22hunter\nhunter22hunter\n", "Line 2 .* is not USER:PASSWORD"),
        (":hunter22hunter", "Line 1 .* is not USER:PASSWORD"),
        ("ada:hunter22hunter\nada:hunter22hunter", "Line 2 .* one more user"),
        ("ada:hunter2", "line 1 .* fewer than 8 characters"),
    ],
)
def test_a_file_of_logins_that_is_none_is_said_without_its_passwords(tmp_path, text, said):
    file = tmp_path / "logins"
    file.write_text(text)
    with pytest.raises(SanadError, match=said) as error:
        read_logins(file)
    assert "hunter" not in str(error.value)


def test_a_file_of_logins_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(SanadError, match="Can't read the logins in .*none: No such file"):
        read_logins(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"ada:\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9")
    with pytest.raises(SanadError, match="latin: not UTF-8"):
        read_logins(tmp_path / "latin")


def test_logins_that_others_can_read_are_a_warning(tmp_path, caplog):
    file = tmp_path / "logins"
    file.write_text("ada:lovelace")
    for mode, warnings in ((0o600, 0), (0o644, 1)):
        file.chmod(mode)
        caplog.clear()
        assert len(read_logins(file)) == 1 and len(caplog.records) == warnings
    assert "lovelace" not in caplog.text and "chmod 600" in caplog.text


def test_no_password_is_kept_or_shown(logins):
    assert "love" not in repr(Access(logins=read_logins(logins))) + str(vars(Access(logins=read_logins(logins))))


# What stands before the page


async def echo(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/broken":
        raise ZeroDivisionError("secret")
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"max-age=9"), (b"x-frame-options", b"DENY")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})


def guarded(tmp_path, access=None, client="203.0.113.9", health=lambda: {"status": "ok"}):
    door = Guard(echo, access=access or Access(), health=health, uploads=tmp_path)
    return TestClient(door, "http://127.0.0.1", client=(client, 5), raise_server_exceptions=False)


def test_every_answer_carries_the_headers(tmp_path, logins):
    open_to_all, behind = guarded(tmp_path), guarded(tmp_path, Access(logins=read_logins(logins)))
    answers = {
        200: open_to_all.get("/"),
        401: behind.get("/"),
        403: open_to_all.post("/", headers={"Origin": "http://a.example"}),
        411: open_to_all.post("/", content=iter([b"x"])),
        413: open_to_all.post("/", content=b"x" * (guard.BODY + 1)),
        500: open_to_all.get("/broken"),
        503: guarded(tmp_path, health=lambda: {"status": "failed"}).get("/health"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert {name: answer.headers[name.decode()].encode() for name in HEADERS} == HEADERS
        assert answer.headers["cache-control"] == "no-store"
    assert answers[200].headers["x-frame-options"] == "DENY" and "secret" not in answers[500].text
    assert answers[401].headers["www-authenticate"] == 'Basic realm="Sanad", charset="UTF-8"'
    assert open_to_all.get("/assets/index.js").headers["cache-control"] == "max-age=9"
    assert "frame-ancestors 'none'" in POLICY


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, 200),  # a program
        ("POST", {"Origin": "http://127.0.0.1"}, 200),
        ("POST", {"Origin": "http://127.0.0.1:99"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("GET", {"Origin": "http://a.example"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"}, 200),
        ("GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),  # a form
    ],
)
def test_what_a_page_elsewhere_asks_for_is_refused(tmp_path, method, headers, status):
    assert guarded(tmp_path).request(method, "/x", headers=headers).status_code == status


def test_guessing_is_refused_even_the_right_guess_and_others_are_let_in(tmp_path, logins, monkeypatch, caplog):
    door = guarded(tmp_path, Access(logins=read_logins(logins)))
    assert [door.get("/x").status_code for _ in range(TRIES + 1)] == [401] * (TRIES + 1)  # none is no guess
    assert door.get("/x", headers=header(*ADA)).status_code == 200
    assert [door.get("/x", headers=header("ada", "guess-this")).status_code for _ in range(TRIES)] == [401] * TRIES
    refused = door.get("/x", headers=header(*ADA))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert door.get("/health").status_code == 200
    other = TestClient(door.app, "http://127.0.0.1", client=("203.0.113.10", 5))
    assert other.get("/x", headers=header(*ADA)).status_code == 200
    assert [record.getMessage() for record in caplog.records] == [
        f"{TRIES} wrong logins from 203.0.113.9: it is refused for a minute"
    ]
    monkeypatch.setattr(guard, "MINUTE", 0)
    assert door.get("/x", headers=header(*ADA)).status_code == 200


def test_one_network_of_ipv6_is_one_guesser(tmp_path, logins):
    door = guarded(tmp_path, Access(logins=read_logins(logins)), client="2001:db8::1")
    for n in range(TRIES):
        other = TestClient(door.app, "http://127.0.0.1", client=(f"2001:db8::{n:x}", 5))
        assert other.get("/x", headers=header("ada", "guess-this")).status_code == 401
    assert door.get("/x", headers=header(*ADA)).status_code == 429


def test_no_more_addresses_are_remembered_than_there_is_room_for(tmp_path, logins, monkeypatch):
    monkeypatch.setattr(guard, "ADDRESSES", 3)
    door = guarded(tmp_path, Access(logins=read_logins(logins)))
    for n in range(9):
        TestClient(door.app, client=(f"203.0.113.{n}", 5)).get("/x", headers=header("ada", "guess-this"))
    assert list(door.app._failed) == ["203.0.113.6", "203.0.113.7", "203.0.113.8"]


def test_uploads_have_so_much_room_and_what_nobody_read_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "ROOM", 1_000_000)
    door = guarded(tmp_path)
    (tmp_path / "a").mkdir()
    left = tmp_path / "a" / "left.pdf"
    left.write_bytes(b"x" * 700_000)
    assert door.post("/gradio_api/upload", content=b"x" * 300_000).text == "300000"
    assert door.post("/gradio_api/upload", content=b"x" * 300_001).status_code == 507
    assert door.post("/gradio_api/queue/join", content=b"x" * 300_001).status_code == 200
    os.utime(left, (0, 0))
    assert door.post("/gradio_api/upload", content=b"x" * 300_001).status_code == 200 and not left.exists()
    for n in range(10):  # small files count for something, too
        (tmp_path / f"{n}").touch()
    assert door.post("/gradio_api/upload", content=b"x").status_code == 507


def test_a_websocket_is_not_opened(tmp_path):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), guarded(tmp_path).websocket_connect("/"):
        pass


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.pdf", "a.docx"])
@pytest.mark.parametrize("data", [b"\x7fELF\x02\x01\x01" + bytes(99), b"MZ\x90" + bytes(99), b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_a_renamed_binary_is_refused_for_what_it_holds(name, data):
    with pytest.raises(ArticleError):
        extract(data, name)


# What is served


@pytest.fixture(scope="module")
def locked(logins):
    page = app.launch(library(), Access(logins=read_logins(logins)), port=0, wait=False)
    yield page
    page.close()


def test_nothing_is_served_without_a_login(locked):
    inner = [router for route in locked.app.routes if (router := getattr(route, "original_router", None))]
    routes = [route for owner in (locked.app, *inner) for route in owner.routes if hasattr(route, "path")]
    paths = {re.sub(r"\{[^}]*\}", "x", route.path) for route in routes}
    paths |= {"/", "/config", "/gradio_api/call/ask", "/gradio_api/mcp/", "/assets/index.js", "/theme.css", "/nowhere"}
    assert len(paths) > 50
    with httpx.Client(base_url=locked.local_url) as browser:
        got = {(method, path): browser.request(method, path).status_code for path in paths for method in ("GET", "POST", "PUT")}
    # Gradio asks for the first itself, when it starts: it says true or false.
    assert {asked for asked, status in got.items() if status != 401} == {
        (method, "/gradio_api/startup-events") for method in ("GET", "POST", "PUT")
    }
    assert httpx.get(f"{locked.local_url}gradio_api/startup-events").text == "false"
    assert httpx.post(f"{locked.local_url}gradio_api/startup-events").status_code == 405


def test_with_a_login_the_page_and_its_endpoints_are_served(locked):
    from gradio_client import Client

    assert httpx.get(locked.local_url, auth=ADA).status_code == 200
    assert httpx.get(locked.local_url, auth=httpx.BasicAuth(*BOB)).status_code == 200
    client = Client(locked.local_url, headers=header(*BOB), verbose=False)
    assert client.predict(FEES, api_name="/ask")["citations"][0]["sentence"] == 1
    assert client.predict(FEES, api_name="/search")[0]["sentence"] == 1
    assert client.predict(api_name="/articles")[0]["title"] == "Harbour"


def test_the_tools_of_an_mcp_server_answer_in_json_and_stand_behind_the_login_too(logins):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async def asked(url):
        async with streamablehttp_client(url, headers=header(*BOB)) as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return [await session.call_tool("ask", {"question": question}) for question in (FEES, " ")]

    page = app.launch(library(), Access(logins=read_logins(logins)), port=0, mcp=True, wait=False)
    try:
        url = f"{page.local_url}gradio_api/mcp/"
        assert [httpx.get(f"{url}{path}").status_code for path in ("", "schema", "sse")] == [401] * 3
        answer, empty = asyncio.run(asked(url))
        told = json.loads(answer.content[0].text)
        assert (told["text"], told["answered"]) == ("Fishermen protested loudly against harbour fees. [1]", True)
        assert empty.isError and empty.content[0].text == "The question is empty. Ask something about the article."
    finally:
        page.close()


def test_health_is_told_to_everyone(locked):
    library_of(locked)
    assert httpx.get(f"{locked.local_url}health").json() == {"status": "ok"}


def library_of(page, deadline=PATIENCE):
    until = time.monotonic() + deadline
    while httpx.get(f"{page.local_url}health").json()["status"] == "loading" and time.monotonic() < until:
        time.sleep(0.05)


def test_health_says_when_models_load_and_when_they_did_not():
    go = threading.Event()

    def slow(article, *, config, progress):
        progress("encoding sentences", 1, 4)
        assert go.wait(PATIENCE)
        raise ModelError("There is no model file /home/ada/secret.gguf.")

    page = app.launch(library(slow), port=0, wait=False)
    try:
        while (answer := httpx.get(f"{page.local_url}health")).json() != {"status": "loading", "step": "encoding sentences"}:
            time.sleep(0.05)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
        go.set()
        library_of(page)
        answer = httpx.get(f"{page.local_url}health")
        assert (answer.status_code, answer.json()) == (503, {"status": "failed"})
        assert httpx.get(f"{page.local_url}health", headers={"Host": "a.example"}).status_code == 503
        assert httpx.get(page.local_url, headers={"Host": "a.example"}).status_code == 400
    finally:
        page.close()


def raw(page, request):
    """The first bytes of the answer to a request as it is."""
    with socket.create_connection(("127.0.0.1", page.server_port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        return connection.recv(1000)


def test_an_upload_that_is_too_large_is_refused_before_it_comes(locked):
    login = f"Host: 127.0.0.1\r\nAuthorization: {header(*ADA)['Authorization']}\r\n".encode()
    before = uploaded()
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n"
    for path in (b"/gradio_api/upload", b"/gradio_api/queue/join", b"/gradio_api/call/ask"):
        said = raw(locked, b"POST " + path + b" HTTP/1.1\r\n" + login + kind + b"Content-Length: 100000000\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 413")
        said = raw(locked, b"POST " + path + b" HTTP/1.1\r\n" + login + kind + b"Transfer-Encoding: chunked\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 411")
    assert uploaded() == before


def uploaded():
    return {file for file in Path(app._folder()).rglob("*") if file.is_file()}


def test_uploads_lie_where_only_this_user_can_read_them():
    assert Path(app._folder()).stat().st_mode & 0o777 == 0o700


def test_an_address_of_ipv6_can_be_served():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    page = app.launch(library(), Access("::1"), port=0, wait=False)
    try:
        assert httpx.get(page.local_url).status_code == 200
        assert httpx.get(page.local_url, headers={"Host": "a.example"}).status_code == 400
    finally:
        page.close()


def test_an_answer_of_the_health_endpoint_is_one_line_of_json(locked):
    assert json.loads(httpx.get(f"{locked.local_url}health").text.splitlines()[0])
