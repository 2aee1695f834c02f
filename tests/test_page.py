"""The page without a browser: what its events do, what is served."""
import re
import socket
import threading
from functools import partial
from pathlib import Path

import httpx
import pytest

import app
from rag import Answer, Article, Chat, Config, SanadError
from rag.guard import Access
from rag.library import Library
from rag.testing import CALIBRATION, WordEncoder, WordModel

pytestmark = pytest.mark.filterwarnings("ignore::Warning:gradio.queueing")

TOKEN = "0123456789abcdef" * 4
HARBOUR = Article.from_text(
    "The harbour closed yesterday. Fishermen protested loudly against harbour fees. Nobody was hurt.", title="Harbour"
)
ORCHARD = Article.from_text("The orchard grows forty kinds. Pickers gather apples during September.", title="Orchard")
FEES, FORTY = "Fishermen protested against harbour fees?", "Which orchard grows forty kinds?"
"""Questions to the two articles; sentence 1 of the first and 0 of the second answer."""


def opener(model=None):
    return partial(Chat, encoder=WordEncoder(), model=model or WordModel(), calibration=CALIBRATION)


def library(*articles, **options):
    return Library(articles or (HARBOUR, ORCHARD), config=Config(keep=False), **{"open_chat": opener(), **options})


def answered(session, question, **options):
    """The turn of a question, when it is over."""
    at = session.ask(question, **options)
    *_, (_, exchange) = session.follow(at)
    assert exchange == session.exchanges[at]
    return exchange


class Held(WordModel):
    """A model that writes a word each time it is let, and tells when a reply was left half way."""

    def __init__(self):
        super().__init__()
        self.let, self.left = threading.Semaphore(0), threading.Event()

    def stream(self, *given, **options):
        try:
            for word in super().stream(*given, **options):
                assert self.let.acquire(timeout=30)
                yield word
        except GeneratorExit:
            self.left.set()
            raise


# What the events do


@pytest.fixture
def page():
    return app.Page(library())


def call(**more):
    return {"token": TOKEN, **more}


def last(events):
    *_, event = events
    return event


def test_a_question_from_the_box_empties_it_and_shows_a_growing_turn(page):
    steps = list(page.ask(call(), FEES, "auto", 3))
    assert [step[1] == "" for step in steps] == [True, *[False] * (len(steps) - 1)]
    assert 'data-state="done"' in steps[-1][0]["turns"][0]
    assert steps[-1][0]["count"] == 1 and steps[0][0]["notice"] == ""
    assert len({step[0]["beat"] for step in steps}) == len(steps)


def test_an_example_leaves_the_box_alone(page):
    first, *_ = page.ask(call(question=FEES), "a draft", "auto", 3)
    assert first[1] != "" and FEES in first[0]["turns"][0]


def test_an_empty_question_is_refused_and_the_box_kept(page):
    (refused,) = page.ask(call(), " ", "auto", 3)
    assert "The question is empty" in refused[0]["notice"] and refused[1] != ""
    assert refused[0]["turns"] == [] and refused[0]["count"] == 0


def test_enter_pressed_twice_is_no_error():
    model = Held()
    page = app.Page(library(open_chat=opener(model)))
    steps = page.ask(call(), FEES, "auto", 3)
    next(steps)
    for again, said in ((f"{FEES} ", None), ("", None), (FORTY, "Another question is being answered. Wait for it, or stop it.")):
        (refused,) = page.ask(call(), again, "auto", 3)
        assert (refused[0]["notice"], refused[0]["count"]) == (said, 1)
    page.stop(call())
    assert 'data-state="stopped"' in last(steps)[0]["turns"][0]


def test_a_tab_finds_its_conversation_and_article_again(page):
    said, article, about, listed = page.restore(call())
    assert (said["turns"], said["count"]) == ([], 0) and "harbour closed" in article and ">Harbour</h2>" in about
    last(page.ask(call(), FEES, "auto", 3))
    page.show(call(), ORCHARD.hash)
    said, article, _, listed = page.restore(call())
    assert said["count"] == 1 and 'data-state="done"' in said["turns"][0] and "orchard grows" in article
    assert listed.value == ORCHARD.hash and [title for title, _ in listed.choices] == ["Harbour", "Orchard"]
    assert page.restore({"token": "f" * 64})[0]["count"] == 0


def test_a_tab_whose_session_is_gone_is_told_so_and_asks_no_other_article(page, tmp_path):
    upload = tmp_path / "note.txt"
    gone, events = call(restored=True), [page.stop, page.clear, page.restore, lambda call: page.show(call, HARBOUR.hash)]
    events += [lambda call: next(page.ask(call, FEES, "auto", 3)), lambda call: next(page.add_file(call, str(upload)))]
    for event in events:
        with pytest.raises(Exception, match="no longer kept. Copy what you need; load the page again"):
            event(gone)
    for told in (page.export({**gone, "kind": "md"}), page.translate({**gone, "turn": 0, "number": 1})):
        assert "no longer kept" in told["error"]
    assert page.restore(call())[0]["count"] == 0
    assert 'data-state="done"' in last(page.ask(gone, FEES, "auto", 3))[0]["turns"][0]


def test_a_tab_asks_and_saves_the_article_that_it_shows_though_its_duplicate_shows_another(page):
    page.restore(call())
    page.show(call(), ORCHARD.hash)  # in the duplicate
    said, *_ = last(page.ask(call(article=HARBOUR.hash), FEES, "auto", 3))
    assert f'data-article="{HARBOUR.hash}"' in said["turns"][0] and 'data-answered="true"' in said["turns"][0]
    page.show(call(), ORCHARD.hash)
    assert page.export(call(kind="md", article=HARBOUR.hash))["name"] == f"sanad-{HARBOUR.hash[:8]}.md"
    (refused,) = page.ask(call(article="0" * 64), FEES, "auto", 3)
    assert "no longer kept" in refused[0]["notice"] and refused[0]["count"] == 1


def test_of_two_articles_with_the_same_title_the_second_is_numbered(page):
    page.restore(call())
    for steps in ("120", "130"):
        *_, listed, _, _ = page.add_text(call(), f"The lighthouse of Vardo. Its keeper climbed {steps} steps.")
    titles = [title for title, _ in listed.choices]
    assert titles == ["Harbour", "Orchard", "The lighthouse of Vardo.", "The lighthouse of Vardo. (2)"]


def test_an_article_that_is_not_the_tabs_is_refused_by_a_notice(page):
    said, article, *_ = page.show(call(), "0" * 64)
    assert "no longer kept" in said["notice"] and "harbour closed" in article


def test_a_turn_asked_again_brings_its_article_back(page):
    last(page.ask(call(), FEES, "auto", 3))
    page.show(call(), ORCHARD.hash)
    first, *_ = page.ask(call(question=FEES, at=0, keep=True), "", "auto", 3)
    assert "harbour closed" in first[2]


def test_a_turn_about_another_article_than_the_one_before_names_it(page):
    for key in (ORCHARD.hash, HARBOUR.hash, HARBOUR.hash):
        page.show(call(), key)
        last(page.ask(call(), FEES, "auto", 3))
    turns = page.restore(call())[0]["turns"]
    assert [f'<p class="of" lang="en" dir="ltr">{HARBOUR.title}</p>' in turn for turn in turns] == [False, True, False]
    assert all('class="of"' not in turn for turn in turns[::2])


def test_a_pasted_text_becomes_the_article_and_an_empty_one_a_notice(page):
    said, article, *_, paste = page.add_text(call(), "A lighthouse stands here.")
    assert said["notice"] == "" and "A lighthouse stands here." in article and paste == ""
    said, article, *_, paste = page.add_text(call(), " ")
    assert "The article is empty" in said["notice"] and "A lighthouse stands here." in article and paste == " "


@pytest.mark.parametrize(
    ("name", "data", "notice"), [("note.txt", b"A lighthouse stands here.", ""), ("note.xyz", b"\0", "note.xyz")]
)
def test_an_upload_is_read_and_deleted(page, tmp_path, name, data, notice):
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / name).write_bytes(data)
    reading, done = page.add_file(call(), str(folder / name))
    assert f"Reading {name}" in reading[-1] and done[-1] == ""
    assert notice in done[0]["notice"] and bool(notice) == bool(done[0]["notice"])
    assert ("A lighthouse stands here." in done[1]) == (not notice)
    assert not folder.exists()


def test_an_upload_that_is_gone_is_said(page, tmp_path):
    *_, done = page.add_file(call(), str(tmp_path / "x" / "note.txt"))
    assert done[0]["notice"] == "note.txt did not arrive whole. Add it again."


def test_stop_and_clear_tell_the_session(page):
    last(page.ask(call(), FEES, "auto", 3))
    page.stop(call())
    assert page.clear(call())["count"] == 0


def test_a_cited_sentence_is_translated_into_the_language_of_its_answer(page):
    last(page.ask(call(), FEES, "fr", 3))
    assert page.translate(call(turn=0, number=1)) == {"text": "Fishermen protested loudly against harbour fees."}


@pytest.mark.parametrize("kind", ["md", "json", "html"])
def test_the_conversation_about_the_article_on_show_is_exported(page, kind):
    assert "no answer about this article" in page.export(call(kind=kind))["error"]
    last(page.ask(call(), FEES, "auto", 3))
    file = page.export(call(kind=kind))
    assert file["name"] == f"sanad-{HARBOUR.hash[:8]}.{kind}" and file["type"] == app.EXPORTS[kind]
    assert "Fishermen protested loudly against harbour fees." in file["text"] and file["notice"] == ""
    page.show(call(), ORCHARD.hash)
    assert "error" in page.export(call(kind=kind))


def test_where_the_conversation_is_about_other_articles_too_an_export_names_them(page):
    last(page.ask(call(), FEES, "auto", 3))
    page.show(call(), ORCHARD.hash)
    last(page.ask(call(), FORTY, "auto", 3))
    file = page.export(call(kind="md"))
    assert file["notice"].endswith(f": {HARBOUR.title}") and FEES not in file["text"] and FORTY in file["text"]


def test_loading_is_shown_until_the_article_is_open(page):
    page.restore(call())
    assert list(page.loading()) == [""]


# What is served


@pytest.fixture(scope="module")
def served():
    page = app.launch(library(), port=0, wait=False)
    yield page.local_url
    page.close()


def test_the_page_names_no_other_host_and_may_reach_none(served):
    index = httpx.get(served)
    hosts = {httpx.URL(url).host for url in re.findall(r"https?://[\w.:-]+", index.text)}
    assert index.status_code == 200 and hosts <= {"127.0.0.1"}
    assert "default-src 'self'" in index.headers["content-security-policy"]
    assert "Sanad" in index.text and int(index.headers["content-length"]) == len(index.content)
    for asset in ("theme.css", "manifest.json"):
        assert "content-security-policy" in httpx.get(served + asset).headers


@pytest.mark.parametrize(
    "path",
    ["file=/etc/passwd", f"file={Path(app.__file__)}", "file=https://example.com/", "file/etc/passwd", "proxy=https://example.com/"],
)
def test_no_file_is_served_and_nothing_is_fetched_for_anyone(served, path):
    assert httpx.get(f"{served}gradio_api/{path}").status_code == 404


def test_only_this_machines_names_lead_to_the_page(served):
    assert httpx.get(served, headers={"Host": "example.com"}).status_code == 400
    assert httpx.get(served, headers={"Host": "localhost:7860"}).status_code == 200


def test_the_icon_is_the_pages_own(served):
    icon = httpx.get(served + "favicon.ico")
    assert icon.headers["content-type"] == "image/svg+xml" and icon.text.startswith("<svg")


@pytest.fixture(scope="module")
def client(served):
    from gradio_client import Client

    return Client(served, verbose=False)


def test_three_endpoints_are_public(client):
    api = client.view_api(return_format="dict", print_info=False)
    assert list(api["named_endpoints"]) == ["/ask", "/search", "/articles"] and api["unnamed_endpoints"] == {}
    assert api["named_endpoints"]["/ask"]["description"].startswith("Answer a question about an article")


def test_asked_through_the_api_an_answer_is_the_same_as_on_the_command_line(client):
    expected = opener()(ORCHARD, config=Config(keep=False)).ask(FORTY, language="fr")
    got = client.predict(FORTY, ORCHARD.hash[:10], "fr", api_name="/ask")
    assert {**got, "timings": None} == {**expected.to_dict(), "timings": None}
    assert got["answered"] and [c["sentence"] for c in got["citations"]] == [0]
    assert got.keys() == Answer("").to_dict().keys()


def test_searched_through_the_api_sentences_come_with_their_text(client):
    first, *_ = client.predict(FEES, api_name="/search")
    assert (first["sentence"], first["rank"], first["text"]) == (1, 0, "Fishermen protested loudly against harbour fees.")
    assert HARBOUR.text[first["start"] : first["end"]] == first["text"]


def test_the_api_lists_the_articles_served_to_everyone(client):
    listed = client.predict(api_name="/articles")
    assert listed[1] == {
        "title": "Orchard",
        "author": None,
        "language": "en",
        "hash": ORCHARD.hash,
        "sentences": 2,
        "characters": len(ORCHARD.text),
    }
    assert len(listed) == 2


@pytest.mark.parametrize(("arguments", "said"), [((FEES, "zz"), "begins with 'zz'"), ((" ",), "The question is empty")])
def test_errors_are_told_to_clients_of_the_api(client, arguments, said):
    for endpoint in ("/ask", "/search"):
        with pytest.raises(Exception, match=said):
            client.predict(*arguments, api_name=endpoint)


def test_a_port_that_is_taken_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SanadError, match=f"Can't serve on 127.0.0.1, port {port}.*--port"):
            app.launch(library(), port=port, wait=False)


def test_an_address_that_is_not_this_machines_is_not_called_taken():
    with pytest.raises(SanadError, match="Can't serve on 192.0.2.1, port 7860: .*assign requested address. .*--host"):
        app.launch(library(), Access("192.0.2.1", everyone=True), wait=False)


def test_without_the_package_an_mcp_server_is_refused(monkeypatch):
    monkeypatch.setattr(app.util, "find_spec", lambda name: None)
    with pytest.raises(SanadError, match="--mcp needs the package mcp"):
        app.launch(library(), port=0, mcp=True, wait=False)
