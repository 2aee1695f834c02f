"""What was slow, or took too much: it is refused, or given up in time."""
import io
import signal
import zipfile
from contextlib import contextmanager

import pytest

from rag import Article, ArticleError, documents
from rag.documents import HTML, WORD, extract
from tests.test_documents import file, stream, word_of
from tests.test_input import verbatim


@contextmanager
def patience(seconds=60):
    """What takes longer than so many seconds, a hundred times as long as it should, hangs."""

    def ring(*_):
        raise TimeoutError(f"not done in {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs an alarm")
@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("a" + "." * 400_000, 1),
        ("a." + '"' * 400_000, 1),
        ("e.g. " * 40_000, 250),
        ("( a. " * 40_000, 250),
        (("a" * 60 + "\n") * 3_000 + "a" * 300_000, 375),
        ("\n".join(f"the same beginning of a line that goes on and on {i}" for i in range(20_000)), 20_000),
        ("a" + " " * 400_000 + "b", 2),
    ],
    ids=["dots", "quotes", "abbreviations", "brackets", "one letter", "lines that begin alike", "spaces"],
)
def test_a_text_made_to_be_slow_is_read_in_the_time_of_any_other(text, sentences):
    with patience():
        article = Article.from_text(text)
    assert len(article.sentences) == sentences
    verbatim(article)


@pytest.mark.parametrize("text", ["A. b! " * 200_000, "a\n" * 60_000])
def test_an_article_of_more_sentences_than_a_book_has_is_refused(text):
    with patience(), pytest.raises(ArticleError, match="more than 50,000 sentences. Split it."):
        Article.from_text(text)


@pytest.mark.parametrize(
    ("data", "name"), [(b"a", "a.txt"), (b"%PDF-1.4", "a.pdf"), (b"PK\3\4word/document", "a.docx"), (b"<p>", "a")]
)
def test_a_hundred_megabytes_are_refused_before_they_are_read(monkeypatch, data, name):
    monkeypatch.setattr(documents, "_read_apart", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ArticleError, match="100,000,000 bytes; of .* at most"):
        Article.from_bytes(data.ljust(100_000_000, b"a"), name)


FORM = (
    b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F 3 0 R>>/XObject<</X %d 0 R>>>>/Length %d>>"
    b"stream\n%s\nendstream"
)


def drawing(*more, catalog=b"<</Type/Pages/MediaBox[0 0 600 800]/Count 1/Kids[6 0 R]>>", unicode=b"null", content=b"/X Do"):
    """A PDF of one page that draws object 8."""
    page = b"<</Type/Page/Parent 2 0 R/Contents 7 0 R/Resources<</Font<</F 3 0 R>>/XObject<</X 8 0 R>>>>>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Courier/ToUnicode 4 0 R>>"
    return file([b"<</Type/Catalog/Pages 2 0 R>>", catalog, font, unicode, b"<<>>", page, stream(content), *more])


RANGE = stream(b"begincmap\n1 beginbfrange\n<0000> <ffffffff> <0041>\nendbfrange\nendcmap")
LAUGHS = [FORM % (9 + n, 60, b"/X Do " * 10) for n in range(11)] + [FORM % (8, 22, b"BT /F 10 Tf (ha) Tj ET")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (drawing(FORM % (8, 5, b"/X Do")), "holds no text"),
        (drawing(catalog=b"<</Type/Pages/Count 1/Kids[2 0 R]>>"), "cyclic|damaged"),
        (drawing(catalog=b"<</Type/Pages/Parent 6 0 R/Count 1/Kids[6 0 R]>>"), "cycl|too much|damaged|no text"),
        (drawing(unicode=RANGE, content=b"BT /F 10 Tf 50 700 Td (One.) Tj ET"), "too much to read"),
    ],
    ids=["a form that draws itself", "pages within themselves", "a page above itself", "four billion letters"],
)
def test_a_pdf_without_end_says_why_it_is_not_read(data, says):
    with pytest.raises(ArticleError, match=says):
        extract(data, "a.pdf")


@pytest.mark.soak
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (drawing(*LAUGHS), "laughs.pdf"),
        (b"<!doctype html><p>" + b"<" * 3_000_000, "signs.html"),
        (b"<!doctype html><p>" + b"&" * 3_000_000, "entities.html"),
        (b"<!doctype html>" + b"<!--" * 500_000, "comments.html"),
        (b"<!doctype html><p " + b" ".join(b"a%d=1" % i for i in range(200_000)) + b">One.", "attributes.html"),
        (b"<!doctype html>" + b"<table>" * 100 + b"<tr><td>One." * 20_000, "tables.html"),
        (b"<!doctype html><meta charset=punycode><p>" + b"x-" * 500_000 + b"\xff", "codec.html"),
        (word_of(b"<w:p>" + b"<w:r><w:tab/></w:r>" * 400_000 + b"</w:p>"), "tabs.docx"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_made_to_be_slow_is_given_up_in_time(monkeypatch, data, name):
    monkeypatch.setattr(documents, "SECONDS", 10)
    with patience():
        try:
            assert len(extract(data, name).text) <= documents.MAX_TEXT
        except ArticleError as exc:
            assert name in str(exc)


@pytest.mark.soak
def test_a_word_file_of_a_hundred_thousand_members_is_read_or_refused():
    out = io.BytesIO(word_of(b"<w:p><w:r><w:t>One.</w:t></w:r></w:p>"))
    with zipfile.ZipFile(out, "a") as archive:
        for number in range(100_000):
            archive.writestr(f"word/x{number}.xml", b"")
    with patience(120):
        assert documents.read(out.getvalue(), "a.docx", WORD).text == "One."


def test_no_more_text_is_handed_over_than_an_article_may_have(monkeypatch):
    monkeypatch.setattr(documents, "MAX_TEXT", 10)
    with pytest.raises(ArticleError, match=r"a.docx has 13 characters; at most 10 are taken"):
        documents.read(word_of(b"<w:p><w:r><w:t>One. Two. It</w:t></w:r><w:r><w:t>.</w:t></w:r></w:p>"), "a.docx", WORD)
    with pytest.raises(ArticleError, match=r"a.html has 13 characters; at most 10 are taken"):
        documents.read(b"<!doctype html><p>One sentence.", "a.html", HTML)


def test_a_reader_that_cannot_start_is_an_article_error(monkeypatch):
    monkeypatch.setattr(documents.sys, "executable", "/nowhere/python")
    with pytest.raises(ArticleError, match="a.html can't be read now: its reader does not start"):
        extract(b"<!doctype html><p>One.", "a.html")
