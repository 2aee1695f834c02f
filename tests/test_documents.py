import io
import shutil
import socket
import time
import zipfile
import zlib
from pathlib import Path

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import Article, ArticleError, documents
from rag.documents import HTML, PDF, TEXT, WORD, extract, find_kind, read

WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
PROSE = "The committee met in Vienna on Tuesday, and it decided that nothing would change before the spring. "


# Documents made here


def pdf(*pages, title="", author="", letters="", wrap=True):
    """A PDF of pages of (x, y, text) or of lines from the top; code 128 + i draws letters[i]."""
    cmap = "".join(f"<{128 + i:02x}> <{text.encode('utf-16-be').hex()}>\n" for i, text in enumerate(letters))
    unicode = b"" if not letters else stream(f"begincmap\n{len(letters)} beginbfchar\n{cmap}endbfchar\nendcmap".encode())
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding/WinAnsiEncoding%s>>" % (b"/ToUnicode 4 0 R" if letters else b"")
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", font, unicode or b"null"]
    objects.append(f"<</Title({title})/Author({author})>>".encode("latin-1"))
    kids = []
    for page in pages:
        kids.append(b"%d 0 R" % (len(objects) + 1))
        objects.append(b"<</Type/Page/Parent 2 0 R/Contents %d 0 R/Resources<</Font<</F 3 0 R>>>>>>" % (len(objects) + 2))
        objects.append(page if isinstance(page, bytes) else stream(drawn(page)))
    objects[1] = b"<</Type/Pages/MediaBox[0 0 600 800]/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    return file(objects)


def file(objects):
    out, starts = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R/Info 5 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        size, table, size, len(out),
    )  # fmt: skip


def stream(data):
    packed = zlib.compress(data)
    return b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)


def drawn(page):
    pieces = [piece if isinstance(piece, tuple) else (50, 750 - 14 * i, piece) for i, piece in enumerate(page)]
    return b"\n".join(b"BT /F 10 Tf %d %d Td <%s> Tj ET" % (x, y, coded(text).hex().encode()) for x, y, text in pieces)


def coded(text):
    return text if isinstance(text, bytes) else text.encode("cp1252")


def word(*paragraphs, title="", author="", table=()):
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = title, author
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    for row in table:
        cells = document.add_table(1, len(row)).rows[0].cells
        for cell, text in zip(cells, row, strict=True):
            cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word_of(body, *, before=b"", method=zipfile.ZIP_DEFLATED):
    """A Word file with this for its document, in XML, and nothing said about it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as source, zipfile.ZipFile(out, "w", method) as copy:
        for name in source.namelist():
            xml = b'%s<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>' % (before, WORDS.encode(), body)
            copy.writestr(name, xml if name == "word/document.xml" else source.read(name).replace(b"core-properties", b"other"))
    return out.getvalue()


def page(body, head=""):
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>".encode()


def of_pdf(*pages, **options):
    return read(pdf(*pages, **options), "a.pdf", PDF)


# Articles


@pytest.mark.parametrize(
    ("data", "name", "title", "author"),
    [
        (b"Moscow refused. So it stays.", "C:\\Users\\me\\news.txt", "news", None),
        (b"# News\n\nMoscow refused. So it stays.", "folder/news.md", "News", None),
        (b"# News\n\nMoscow refused. So it stays.", "folder/news.txt", "news", None),
        (b"---\r\ntitle: \"Bases: who?\"\r\nAuthor: Ann Lee\r\ntags: [a, b]\r\n---\r\n# News\r\n\r\nMoscow refused. So it stays.",
         "news.markdown", "Bases: who?", "Ann Lee"),
        (b"---\ntitle: Rock 'n'\nauthor: [Ann, Lee]\n# Drafted\n...\nMoscow refused. So it stays.", "news.MD", "Rock 'n'", None),
        (b"---\nlayout: post\n# Drafted\n---\n# News of C# #\nMoscow refused. So it stays.", "news.md", "News of C#", None),
        (b"```\n# a comment\n```\n## Part\n #\tNews\n# More\n\nMoscow refused. So it stays.", "news.md", "News", None),
        (b"Intro.\n---\ntitle: Bases\n---\n#hash\n\nMoscow refused. So it stays.", "news.md", "news", None),
        (page("<p>Moscow refused. So it stays.</p>", "<title>Bases</title><meta name=author content='Ann Lee'>"),
         "news.html", "Bases", "Ann Lee"),
        (page("<p>Moscow refused. So it stays.</p>"), "news.htm", "news", None),
        (pdf(["Moscow refused. So it stays."], title="Bases", author="Ann Lee"), "news.pdf", "Bases", "Ann Lee"),
        (pdf(["Moscow refused. So it stays."], title="Microsoft Word - draft3.doc"), "news.pdf", "news", None),
        (word("Moscow refused. So it stays.", title="Bases", author="Ann Lee"), "news.docx", "Bases", "Ann Lee"),
        (word("Moscow refused. So it stays."), "news.docx", "news", None),
    ],
)  # fmt: skip
def test_each_kind_gives_sentences_title_author_and_the_name_without_a_folder(data, name, title, author):
    article = Article.from_bytes(data, name)
    assert [s.text for s in article.sentences][-2:] == ["Moscow refused.", "So it stays."]
    assert all(article.text[s.start : s.end] == s.text for s in article.sentences)
    assert (article.title, article.author, article.source) == (title, author, name.replace("\\", "/").split("/")[-1])


def test_what_a_markdown_file_says_about_itself_and_fences_are_no_sentences():
    text = "---\ntitle: Talks\ntags:\n  - a\n---\n\nOne.\n\n```bash\nmake serve\n```\n"
    assert [s.text for s in Article.from_text(text).sentences] == ["One.", "make serve"]
    assert [s.text for s in Article.from_text("---\nOmar: Who goes?\n---\nAnn: Me.").sentences] == ["Omar: Who goes?", "Ann: Me."]


def test_a_file_is_opened_like_its_bytes(tmp_path):
    for name, data in {"a.docx": word("One. Two."), "a.txt": b"One. Two."}.items():
        (tmp_path / name).write_bytes(data)
        assert Article.open(tmp_path / name) == Article.from_bytes(data, name)


PIECES = ["---\n", "```\n", "~~~\n# ", "# ", "---\ntitle:", "---\ntitle" + " " * 999, "title: ", "#" + " " * 999 + "#"]


@pytest.mark.parametrize("piece", PIECES)
def test_the_title_of_a_long_markdown_file_is_found_at_once(piece):
    text = "---\n" + piece * (1_000_000 // len(piece)) + "x"
    began = time.monotonic()
    assert extract(text.encode(), "a.md").text == text
    assert time.monotonic() - began < 5


def test_the_pages_of_a_pdf_are_known_by_offset():
    article = Article.from_bytes(pdf(["Moscow refused the first request."], ["It refused the second one."]), "a.pdf")
    assert article.text == "Moscow refused the first request. It refused the second one."
    assert article.pages == (0, 34)
    assert [article.page(s.start) for s in article.sentences] == [1, 2]
    assert Article.from_text("One.").page(0) is None


def test_boilerplate_of_a_web_page_is_left_out_as_elsewhere():
    article = Article.from_bytes(page(f"<p>{PROSE}</p><p>This site uses cookies.</p>"), "a.html")
    assert [(o.text, o.reason) for o in article.omitted] == [("This site uses cookies.", "boilerplate")]


# Web pages


def of_html(body, head=""):
    return read(page(body, head), "a.html", HTML)


def test_a_page_gives_its_text_a_paragraph_a_line_without_navigation_and_comments():
    found = of_html(
        f"<nav><a href=/>Home</a><a href=/x>World</a></nav><article><h1>Talks</h1><p>{PROSE}<b>Bol</b>d\n end.</p><p>{PROSE}</p>"
        "<ul><li>A point.</li></ul></article><div id=comments><p>I do not agree with any word of this.</p></div>"
    )
    assert found.text.split("\n") == ["Talks", f"{PROSE}Bold end.", PROSE.strip(), "- A point."]
    assert found.title == "Talks"


def test_what_stands_below_a_picture_or_a_table_is_read():
    table = "<figure><table><tr><td>2021</td><td>4</td></tr></table><figcaption>In millions</figcaption></figure>"
    picture = "<figure><img src=a.png alt=bridge><figcaption>It is <b>312</b> metres long.</figcaption></figure>"
    found = of_html(f"<article><p>{PROSE}</p>{picture}<p>{PROSE}</p>{table}</article>")
    assert found.text.split("\n") == [PROSE.strip(), "It is 312 metres long.", PROSE.strip(), "| 2021 | 4 |", "In millions"]


def test_a_row_of_a_word_table_is_a_line_unless_its_cells_lay_out_a_page():
    long = "This column of the page holds a whole paragraph. " * 3
    data = word("Before.", table=[("Year", "Income"), ("2022", "5 million\neuros"), (long, "Aside.")])
    assert Article.from_bytes(data, "a.docx").text.splitlines() == [
        "Before.", "| Year | Income |", "| 2022 | 5 million euros |", long.strip(), "Aside.",
    ]  # fmt: skip


def with_notes(data, kind, xml):
    """The same Word file with footnotes or endnotes."""
    said = f'<Override PartName="/word/notes.xml" ContentType="application/vnd.openxmlformats.{kind}+xml"/></Types>'
    link = f'<Relationship Id="rId99" Type="{OFFICE}/relationships/{kind}" Target="notes.xml"/></Relationships>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as copy:
        for name in source.namelist():
            added = {"[Content_Types].xml": ("</Types>", said), "word/_rels/document.xml.rels": ("</Relationships>", link)}
            old, new = added.get(name, ("", ""))
            copy.writestr(name, source.read(name).replace(old.encode(), new.encode()) if old else source.read(name))
        copy.writestr("word/notes.xml", xml)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["footnotes", "endnotes"])
def test_the_notes_of_a_word_file_come_after_its_text(kind):
    note = "<w:n><w:p><w:r><w:t xml:space='preserve'> {}</w:t></w:r></w:p></w:n>"
    notes = "".join(note.format(text) for text in ("", "Of 7.", "Or 8."))
    xml = f'<w:notes xmlns:w="{WORDS}">{notes}</w:notes>'
    assert Article.from_bytes(with_notes(word("It grew."), kind, xml), "a.docx").text == "It grew.\nOf 7.\nOr 8."
    with pytest.raises(ArticleError, match="defines entities"):
        read(with_notes(word("It grew."), kind, "<!DOCTYPE x [<!ENTITY a 'b'>]>" + xml), "a.docx", documents.WORD)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1256", "windows-1251", "iso-8859-1"])
def test_a_page_is_read_in_the_encoding_that_it_says(encoding):
    text = {"windows-1251": "Москва отказала.", "iso-8859-1": "Moscou a refusé – hélas."}.get(encoding, "رفضت موسكو الطلب.")
    codec = "cp1252" if encoding == "iso-8859-1" else encoding
    data = page(f"<p>{text}</p>", f"<meta charset='{encoding}'>").decode().encode(codec)
    assert read(data, "a.html", HTML).text == text


@pytest.mark.parametrize("body", ["", "<script>var x = 1</script><style>p {}</style>", "<img src=a.png>"])
def test_a_page_without_text_is_empty(body):
    assert of_html(body).text == ""
    with pytest.raises(ArticleError, match="empty"):
        Article.from_bytes(page(body), "a.html")


@pytest.mark.parametrize("body", ["<div>" * 300, f"<p title='{'a' * 11_000_000}'>One.</p>", f"<p>{'a ' * 6_000_000}</p>"])
def test_a_page_of_which_the_parser_would_silently_drop_the_rest_is_refused(body):
    with pytest.raises(ArticleError, match="nested too deeply, or has too long a piece"):
        of_html(body + "<p>And this would be lost.</p>")


def test_entities_of_a_page_expand_to_nothing_but_characters():
    bomb = b"<!DOCTYPE html [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><html><body><p>One &b; &amp; &lt;two&gt;.</p></body></html>"
    assert "One &b; & <two>." in read(bomb, "a.html", HTML).text


def test_no_reader_opens_a_connection(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    head = "<base href='http://192.0.2.1/'><link rel=canonical href='http://192.0.2.1/a'><link rel=stylesheet href='http://192.0.2.1/s'>"
    assert of_html(f"<p>{PROSE}</p><img src='http://192.0.2.1/i.png'><iframe src='http://192.0.2.1/'></iframe>", head).text
    assert read(word("One."), "a.docx", WORD).text and of_pdf(["One."]).text


# Kinds and limits


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"One.", "a", TEXT),
        (b"<b>One</b> is Markdown too.", "a.md", TEXT),
        (b"<!-- a note -->\n# One", "a.md", TEXT),
        (b"<p>One.", "a", HTML),
        (b"\xef\xbb\xbf \n<!doctype html>One.", "a", HTML),
        ("<html>One.".encode("utf-16"), "a", HTML),
        (b"One <i>two</i>.", "a.HTM", HTML),
        (b"<?xml version='1.0'?><html xmlns='x'>", "a.xhtml", HTML),
        (b"junk\n%PDF-1.4", "a.pdf", PDF),
        (b"%PDF-1.4", "a", PDF),
        (word("One."), "a", WORD),
    ],
)
def test_the_kind_is_told_by_the_suffix_or_else_by_the_content(data, name, kind):
    assert find_kind(data, name) == kind


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"%PDF-1.4", "a.txt", "a.txt holds a PDF document; by its name it is plain text. Rename it."),
        (b"%PDF-1.4", "a.docx", "a.docx holds a PDF document; by its name it is a Word document. Rename it."),
        (b"%PDF-1.4", "a.html", "a.html holds a PDF document; by its name it is a web page. Rename it."),
        (b"<!doctype html>", "a.txt", "a.txt holds a web page; by its name it is plain text. Rename it."),
        (b"<html>", "a.pdf", "a.pdf holds a web page; by its name it is a PDF document. Rename it."),
        (b"One.", "a.pdf", "a.pdf holds plain text; by its name it is a PDF document. Rename it."),
        (b"One < two.", "a.html", "a.html holds plain text; by its name it is a web page. Rename it."),
        (word("One."), "a.pdf", "a.pdf holds a Word document; by its name it is a PDF document. Rename it."),
        (b"PK\3\4....xl/workbook.xml", "a.docx",
         f"a.docx holds a ZIP file; by its name it is a Word document. {documents.SAVE}"),
        (b"\xd0\xcf\x11\xe0\xa1", "a.docx",
         "a.docx holds an Office file of the old kind (.doc, .xls) or an encrypted one; by its name it is a Word document. "
         + documents.SAVE),
        (b"\x89PNG\r\n", "a.html", f"a.html holds a picture; by its name it is a web page. {documents.SAVE}"),
        (b"\x89PNG\r\n", "a", f"a holds a picture, which is not read. {documents.SAVE}"),
        (b"a\0b", "a", f"a holds binary data, which is not read. {documents.SAVE}"),
        (b"One.", "a.odt", f"a.odt is a .odt file, which is not read. {documents.SAVE}"),
    ],
)  # fmt: skip
def test_a_wrong_suffix_is_refused_with_what_was_found(data, name, says):
    with pytest.raises(ArticleError) as caught:
        Article.from_bytes(data, name)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("start", "name", "size", "says"),
    [
        (b"", "a.txt", 5_000_001, "of plain text at most 5,000,000"),
        (b"%PDF-", "a.pdf", 20_000_001, "of a PDF document at most 20,000,000"),
        (b"PK\3\4word/document", "a.docx", 20_000_001, "of a Word document at most 20,000,000"),
        (b"<html>", "a.html", 20_000_001, "of a web page at most 20,000,000"),
    ],
)
def test_a_file_that_is_too_large_is_refused(start, name, size, says):
    with pytest.raises(ArticleError, match=f"{size:,} bytes; {says}"):
        extract(start.ljust(size, b"a"), name)


def test_a_file_is_not_read_when_it_is_too_large(tmp_path, monkeypatch):
    with (tmp_path / "a.pdf").open("wb") as sparse:
        sparse.truncate(20_000_001)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ArticleError, match="20,000,001 bytes; at most 20,000,000"):
        Article.open(tmp_path / "a.pdf")


def test_extracted_text_that_is_too_large_is_refused():
    text = b"".join(b"%07d " % i for i in range(650_000))
    with pytest.raises(ArticleError, match="5,199,999 characters; at most 5,000,000"):
        Article.from_bytes(word_of(b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>" % text), "a.docx")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "takes more than 2 GB of memory"),
        (RecursionError(), "nested too deeply"),
        (KeyError("x"), r"damaged, or not quite a web page \(KeyError: 'x'\)"),
    ],
)
def test_whatever_a_library_raises_is_an_article_error(monkeypatch, error, says):
    def fail(*_):
        raise error

    monkeypatch.setattr(documents, "_html", fail)
    with pytest.raises(ArticleError, match=says) as caught:
        read(b"", "a.html", HTML)
    assert caught.value.__cause__ is error


def test_a_reader_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(documents, "SECONDS", 0.001)
    with pytest.raises(ArticleError, match=r"a.html takes more than 0.001 seconds to read"):
        extract(page(PROSE), "a.html")


@pytest.mark.skipif(not shutil.which("false"), reason="needs a program that fails")
def test_a_reader_that_fails_is_an_article_error(monkeypatch):
    monkeypatch.setattr(documents.sys, "executable", shutil.which("false"))
    with pytest.raises(ArticleError, match=r"made its reader fail \(exit status 1\)"):
        extract(page(PROSE), "a.html")


def test_a_title_as_long_as_a_book_is_cut():
    assert read(word("One.", title="long " * 50), "a.docx", WORD).title == ("long " * 50)[:200]


def test_an_error_of_a_reader_comes_back_as_it_was_said():
    with pytest.raises(ArticleError, match=r"^a.pdf holds no text, only pictures of it"):
        extract(pdf([]), "a.pdf")


GOOD = {".pdf": pdf(["One."], ["Two."]), ".docx": word("One.", table=[("a", "b")]), ".html": page(PROSE), ".txt": b"One."}


@st.composite
def files(draw):
    """Bytes of a document with a piece changed, cut or put in, or any bytes after a kind's first ones."""
    suffix = draw(st.sampled_from(sorted(GOOD)))
    data = draw(st.sampled_from([GOOD[suffix], GOOD[suffix][:8]]))
    start = draw(st.integers(0, len(data)))
    return data[:start] + draw(st.binary(max_size=60)) + data[start + draw(st.integers(0, 40)) :], suffix


@settings(deadline=None, max_examples=150)
@given(files(), st.sampled_from(["", ".txt", ".md", ".html", ".pdf", ".docx", ".exe", None]))
def test_any_bytes_of_any_name_give_an_article_or_an_article_error(made, suffix):
    data, own = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_read_apart", read)  # here, not in a process for each
        try:
            article = Article.from_bytes(data, f"a{own if suffix is None else suffix}")
        except ArticleError:
            return
    assert article.sentences and all(article.text[s.start : s.end] == s.text for s in article.sentences)
    assert list(article.pages) == sorted(article.pages) and all(0 <= p <= len(article.text) for p in article.pages)
