"""What is posted to the page and its endpoints: any of it is answered or refused."""
import json
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from rag import QuestionError
from tests.test_input import FEES, FORBIDDEN, JSON, TALK, library, open_chat


@pytest.fixture(scope="module")
def served():
    with serving() as url:
        yield url


@contextmanager
def serving(**fakes):
    """The address of a page over ARTICLE, with fakes."""
    from app import launch

    page = launch(library(**fakes), port=0, wait=False)
    try:
        yield str(page.local_url)
    finally:
        page.close()


def called(url, endpoint, data):
    """(status, text) that a client of the public endpoint is told, by the event's stream where there is one."""
    begun = httpx.post(f"{url}gradio_api/call/{endpoint}", content=data, headers={"Content-Type": "application/json"})
    if begun.status_code != 200:
        return begun.status_code, begun.text
    told = httpx.get(f"{url}gradio_api/call/{endpoint}/{begun.json()['event_id']}", timeout=60)
    return told.status_code, told.text


BODIES = [
    b"", b"{", b"null", b"[]", b'"x"', b"{}", b'{"data":null}', b'{"data":[]}', b'{"data":[1]}', b'{"data":[1,2,3,4,5]}',
    b'{"data":[{"a":1},null,[]]}', b"[" * 100_000, b'{"data":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b"\xff\xfe{}",
    b'{"data":["\\ud800","",""]}', b'{"data":["\\u0000","\\u0000","\\u0000"]}', b'{"data":[1e999,"",""]}',
    b'{"data":[NaN,"",""]}',
    b'{"data":["' + b"a" * 100_000 + b'","",""]}', b'{"data":["Who?","../../etc/passwd","../../etc/passwd"]}',
    b'{"data":["Who?","","' + b"x" * 5_000 + b'"]}', b'{"data":[" \\n","",""]}', b'{"data":["Who?","zz","en"],"fn_index":99}',
]  # fmt: skip


def harmless(url, endpoint, body):
    status, text = called(url, endpoint, body)
    assert status in (200, 400, 413, 422) or status == 500 and len(text) < 500, body[:80]
    assert not FORBIDDEN.search(text), body[:80]


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_whatever_is_posted_is_answered_or_refused_without_a_traceback_or_a_path(served):
    for number, data in enumerate(BODIES):
        harmless(served, ("ask", "search")[number % 2], data)
    status, text = called(served, "ask", json.dumps({"data": [FEES, "", "en"]}))
    assert status == 200 and "Fishermen protested loudly" in text


@pytest.mark.filterwarnings("ignore::Warning:gradio")
@pytest.mark.parametrize(
    ("article", "language", "told"),
    [
        (None, None, "Fishermen protested loudly"),
        (["a"], "", "no articles begins with ['a']"),
        ("", 5, "No answer can be in the language 5"),
    ],
)
def test_what_a_client_leaves_out_is_null_and_of_another_kind_it_is_refused_in_a_sentence(served, article, language, told):
    assert told in called(served, "ask", json.dumps({"data": [FEES, article, language]}))[1]


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_many_bodies_are_answered_or_refused_without_a_traceback_or_a_path(served, capsys):
    tried = Counter()

    @settings(deadline=None, max_examples=500, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(["ask", "search", "articles"]), st.binary(max_size=99) | JSON.map(body) | st.lists(TALK).map(body))
    def post(endpoint, data):
        tried["posted"] += 1
        harmless(served, endpoint, data)

    post()
    with capsys.disabled():
        print(f"\nbodies: {tried['posted']:,} posted, 0 failed")
    assert tried["posted"] >= 250


def body(data):
    return json.dumps({"data": data}).encode()


@pytest.mark.filterwarnings("ignore::Warning:gradio")
def test_no_route_tells_a_path_or_a_traceback(served):
    for path in ("upload", "component_server", "queue/join", "cancel", "reset", "run/ask", "stream/x", "process_recording"):
        for data in (b"{", b"[]", b'{"data":["\\ud800"]}', b'{"fn_index":99999,"data":[],"session_hash":"s"}'):
            answer = httpx.post(f"{served}gradio_api/{path}", content=data, headers={"Content-Type": "application/json"})
            assert answer.status_code >= 400, (path, data)
            assert not FORBIDDEN.search(answer.text), (path, data)


@pytest.mark.soak
def test_an_upload_of_a_hundred_megabytes_is_refused_and_leaves_nothing(served):

    answer = httpx.post(f"{served}gradio_api/upload", files={"files": ("a.txt", b"a" * 100_000_000)}, timeout=120)
    assert answer.status_code == 413
    assert not [one for one in Path(app._folder()).rglob("*") if one.is_file() and one.stat().st_size > 1_000_000]


@pytest.mark.parametrize("question", ["", " \n\t\u2003", "\x1c\x85\u2028"])
def test_a_question_of_nothing_is_refused(question):
    with pytest.raises(QuestionError, match="empty"):
        open_chat().ask(question)


def test_a_question_of_a_hundred_thousand_characters_is_refused():
    with pytest.raises(QuestionError, match="100,000 characters; at most 2,000"):
        open_chat().ask("a" * 100_000)


def test_the_uploads_folder_is_made_by_nobody_else():
    assert Path(app._folder()).parent == Path(tempfile.gettempdir())
