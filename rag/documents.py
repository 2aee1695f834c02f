"""The text of a document: a web page, PDF, Word file or plain text, with its title, its author and where its pages begin.

A document may come from anywhere, and the libraries that read one can be led to unpack, nest or search without end. So
they run in a process of their own, with so much time and memory and no more; what they raise, or the way they end, is
said as an ArticleError.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import chain, pairwise
from pathlib import PurePath
from typing import Any

from rag.article import MAX_BYTES as MAX_TEXT
from rag.article import decode
from rag.errors import ArticleError
from rag.omissions import CLOCK, FRONT
from rag.pdf import CONTROL, joined, one_line, page_lines, raised, without_furniture
from rag.tables import CELL, barred

MAX_BYTES = 20_000_000
MAX_PAGES = 500
MAX_UNZIPPED = 100_000_000
MAX_RATIO = 200
"""Prose deflates to a tenth; to less than a two-hundredth only what was made to."""
SECONDS = 120
MEMORY = 2_000_000_000
LABEL = 200
READERS = 2
"""Documents that are read at a time; the others wait. Each may take so much memory."""

TEXT, HTML, PDF, WORD = "plain text", "a web page", "a PDF document", "a Word document"
KINDS = {
    ".txt": TEXT, ".text": TEXT, ".md": TEXT, ".markdown": TEXT,
    ".html": HTML, ".htm": HTML, ".xhtml": HTML, ".pdf": PDF, ".docx": WORD,
}  # fmt: skip
MARKDOWN = (".md", ".markdown")
SAVE = "Save it as .txt, .md, .html, .pdf or .docx."
AS_TEXT = "save its text as .txt."

MAGIC = {
    b"%PDF-": PDF,
    b"PK\x03\x04": "a ZIP file",
    b"\xd0\xcf\x11\xe0": "an Office file of the old kind (.doc, .xls) or an encrypted one",
    b"{\\rtf": "a rich text file (.rtf)",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x1f\x8b": "a gzip file",
}  # fmt: skip
PAGE = re.compile(rb"(?:<\?xml[^>]*>\s*|<!--[^>]*-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
TAG = re.compile(rb"<[a-z!/?]", re.IGNORECASE)
CHARSET = re.compile(rb"""<(?:meta|\?xml)[^>]*?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

ABOUT = re.compile(r"^(title|author)[ \t]*:[ \t]*+(?![\[{|>&*!])([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
"""A line of it, but for values that are lists, objects or run over lines."""
HEADING = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1|^ {0,3}#[ \t]+([^\r\n]+)", re.DOTALL | re.MULTILINE)
"""A block of code, in which # begins a comment, or a heading of the first level."""

FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""What Word has twice, for programs that cannot show the first."""
FILE_NAME = re.compile(r"^Microsoft Word - |\.(?:docx?|pdf|html?|indd|qxd|tex|pages|odt)$|^untitled$", re.IGNORECASE)


@dataclass(frozen=True)
class Extracted:
    """A document's text, a paragraph a line; its title and author where it says them; `pages`, the offsets in the text
    where the pages of a PDF begin."""

    text: str
    title: str = ""
    author: str | None = None
    pages: tuple[int, ...] = ()


def extract(data: bytes, name: str) -> Extracted:
    """The text of a document's bytes. Its kind is told by the name's suffix and must be what the bytes hold.

    Raises ArticleError: of another kind, too large, encrypted, damaged, without text, or too much for the reader.

    >>> extract(b"One. Two.", "a.txt")
    Extracted(text='One. Two.', title='', author=None, pages=())
    """
    kind = find_kind(data, name)
    most = MAX_TEXT if kind == TEXT else MAX_BYTES
    if len(data) > most:
        raise ArticleError(f"{name} has {len(data):,} bytes; of {kind} at most {most:,} are taken. Split it.")
    if kind != TEXT:
        return _read_apart(data, name, kind)
    text = decode(data, name)
    return _markdown(text) if PurePath(name).suffix.lower() in MARKDOWN else Extracted(text)


def find_kind(data: bytes, name: str) -> str:
    """What a file is: TEXT, HTML, PDF or WORD, by its suffix; by what it holds where it has none.

    >>> find_kind(b"%PDF-1.7", "report"), find_kind(b"<!doctype html>", "page.htm")
    ('a PDF document', 'a web page')
    """
    suffix = PurePath(name).suffix.lower()
    if suffix and suffix not in KINDS:
        raise ArticleError(f"{name} is a {suffix} file, which is not read. {SAVE}")
    start, found = _start(data), _found(data)
    named = KINDS.get(suffix) or (HTML if found == TEXT and TAG.match(start) else found)
    if named == HTML and found == TEXT and TAG.search(data):
        return HTML
    if named == PDF and b"%PDF-" in data[:1024]:
        return PDF
    if named not in KINDS.values():
        raise ArticleError(f"{name} holds {found}, which is not read. {SAVE}")
    if named != found:
        mend = "Rename it." if found in KINDS.values() else SAVE
        raise ArticleError(f"{name} holds {found}; by its name it is {named}. {mend}")
    return named


def read(data: bytes, name: str, kind: str) -> Extracted:
    """The text of a document of this kind, read in this process: see `extract`."""
    try:
        found = {HTML: _html, PDF: _pdf, WORD: _word}[kind](data, name)
        if len(found.text) > MAX_TEXT:  # said here, so that no more than that has to be handed over
            raise ArticleError(f"{name} has {len(found.text):,} characters; at most {MAX_TEXT:,} are taken. Split it.")
        return found
    except ArticleError:
        raise
    except MemoryError as exc:
        raise ArticleError(f"{name} takes more than {MEMORY / 1e9:.0f} GB of memory to read. Split it, or {AS_TEXT}") from exc
    except RecursionError as exc:
        raise ArticleError(f"{name} is nested too deeply to be read. {AS_TEXT.capitalize()}") from exc
    except Exception as exc:  # whatever its library makes of damaged bytes
        cause = f"{type(exc).__name__}: {exc}"[:200]
        raise ArticleError(f"{name} is damaged, or not quite {kind} ({cause}). Open it elsewhere and {AS_TEXT}") from exc


def _start(data: bytes) -> bytes:
    """The first bytes, without byte-order mark and space, UTF-16 as UTF-8."""
    start = data[:2048]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()


def _found(data: bytes) -> str:
    start = _start(data)
    for magic, what in MAGIC.items():
        if start.startswith(magic):
            return WORD if what == "a ZIP file" and b"word/document" in data else what
    if b"\0" in start:
        return "binary data"
    return HTML if PAGE.match(start) else TEXT


def _read_apart(data: bytes, name: str, kind: str) -> Extracted:
    """What `read` says, in a process that is ended when it takes too long or too much."""
    try:
        with _READERS:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "rag.documents"],
                input=json.dumps([name, kind]).encode() + b"\n" + data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
    except OSError as exc:
        raise ArticleError(f"{name} can't be read now: its reader does not start ({exc.strerror}). Try again.") from exc
    except subprocess.TimeoutExpired as exc:
        raise ArticleError(f"{name} takes more than {SECONDS} seconds to read. Split it, or {AS_TEXT}") from exc
    if done.returncode:
        raise ArticleError(f"{name} made its reader fail (exit status {done.returncode}). Open it elsewhere and {AS_TEXT}")
    found = json.loads(done.stdout)
    if "error" in found:
        raise ArticleError(found["error"])
    return Extracted(**{**found, "pages": tuple(found["pages"])})


_READERS = threading.BoundedSemaphore(READERS)


def _markdown(text: str) -> Extracted:
    """This very text, with the title and the author that its front matter says; or else its first heading for a title.

    >>> _markdown("# Talks #\\nOne.").title, _markdown("---\\nauthor: 'Ann Lee'\\n---\\nOne.").author
    ('Talks', 'Ann Lee')
    """
    front = FRONT.match(text)
    about = {key.lower(): _label(value) for key, value in ABOUT.findall(front[1])} if front else {}
    title, author = (re.sub(r"""^(["'])(.*)\1$""", r"\2", about.get(key, "")) for key in ("title", "author"))
    heading = next((found[2] for found in HEADING.finditer(text, front.end() if front else 0) if found[2]), "")
    return Extracted(text, title or re.sub(r"\s#+$", "", _label(heading)), author or None)


def _html(data: bytes, name: str) -> Extracted:
    from lxml.etree import ParserError
    from lxml.html import HTMLParser, document_fromstring
    from trafilatura import baseline, extract_metadata
    from trafilatura import extract as extract_text

    parser = HTMLParser(collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True)
    markup = CONTROL.sub("", _markup(data, name))
    try:
        tree = document_fromstring(markup.encode(), parser=parser)
    except ParserError:  # no element at all
        return Extracted("")
    if fatal := parser.error_log.filter_from_fatals():  # lxml stops there and gives what it has
        cause = fatal[0].message.strip()
        raise ArticleError(f"{name} is nested too deeply, or has too long a piece ({cause}). {AS_TEXT.capitalize()}")
    about = extract_metadata(tree, date_config={"original_date": False, "extensive_search": False, "max_date": "2100-01-01"})
    _keep(tree)
    text = extract_text(tree, include_comments=False) or baseline(tree)[1]
    return Extracted("\n".join(_lines(text.splitlines())), _label(about.title), _label(about.author) or None)


def _keep(tree: Any) -> None:
    """Mark up otherwise what trafilatura leaves out or joins: captions, raised numbers, boxes of facts, times of a live blog."""
    for element in list(tree.iter("figure", "figcaption")):
        element.tag = "p" if element.tag == "figcaption" else "div"
    for element in list(tree.iter("sup")):  # the number of a footnote or a power is no digit of the number before it
        if (high := raised(said := element.text_content())) != said:
            element.clear(keep_tail=True)
            element.text = high
    for element in tree.xpath("//table/caption"):  # it would be the table's first row, which names what the others have
        element.tag = "p"
        element.getparent().addprevious(element)
    for term in list(tree.iter("dt")):  # what it is and how much, of a box of facts, are one
        if (said := term.getnext()) is not None and said.tag == "dd":
            colon = "" if term.text_content().rstrip().endswith((":", "：", "?", "？")) else ":"
            term.tag, term.tail, said.text = "span", f"{colon} {said.text or ''}", None
            said.insert(0, term)
    times = [element for element in tree.iter("time") if CLOCK.match(element.text_content().strip())]
    for element in times if len(times) > 1 else ():  # one is when the page was published
        element.tag = "span" if element.xpath("ancestor::p") else "p"  # a paragraph within another would end it
        for link in element.iterancestors("a"):  # of which a page has many where it has no text
            link.tag = "div"


def _markup(data: bytes, name: str) -> str:
    """A page's bytes as text: UTF-8 where they are, else as the page says."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        said = CHARSET.search(data[:4096])
    label = said[1].decode().lower() if said else ""
    try:
        return data.decode({"iso-8859-1": "cp1252", "us-ascii": "cp1252"}.get(label, label), "replace")
    except LookupError:
        return decode(data, name)


def _word(data: bytes, name: str) -> Extracted:
    from docx import Document
    from docx.opc.constants import RELATIONSHIP_TYPE as RT
    from docx.oxml import parse_xml

    document = Document(_unzipped(data, name))
    related = [r for r in document.part.rels.values() if r.reltype in (RT.FOOTNOTES, RT.ENDNOTES) and not r.is_external]
    roots = [document.element, *(parse_xml(notes.target_part.blob) for notes in related)]
    if any(root.getroottree().docinfo.doctype for root in roots):  # Word writes none: there to define entities
        raise ArticleError(f"{name} defines entities, which no Word document does. Open it elsewhere and {AS_TEXT}")
    package = document.part.package
    about = document.core_properties if any(r.reltype == RT.CORE_PROPERTIES for r in package.rels.values()) else None
    lines = chain.from_iterable(paragraph.split("\n") for root in roots for paragraph in _word_paragraphs(root))
    title, author = (_label(getattr(about, key, None)) for key in ("title", "author"))
    return Extracted("\n".join(_lines(lines)), title, author or None)


def _word_paragraphs(root: Any) -> Iterator[str]:
    """The paragraphs of a part of a Word file, a row of a table as one."""
    from docx.oxml.ns import qn
    from lxml import etree

    breaks = {qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t", qn("w:noBreakHyphen"): "-"}
    skipped = {FALLBACK, qn("w:moveFrom"), qn("w:del"), qn("w:pPr")}
    paragraphs: list[list[str]] = [[]]
    within, high = [paragraphs[0]], False
    rows: list[list[int]] = []  # of each that is open, where its cells begin among the paragraphs
    walk = etree.iterwalk(root.getroottree(), events=("start", "end"))
    for event, element in walk:  # not Document.paragraphs, which leaves out text boxes, insertions and content controls
        if event == "end":
            if element.tag == qn("w:p"):
                within.pop()
            elif element.tag == qn("w:tr"):
                _as_row(paragraphs, rows.pop())
        elif element.tag in skipped:
            walk.skip_subtree()
        elif element.tag == qn("w:p"):
            paragraphs.append([])
            within.append(paragraphs[-1])
        elif element.tag == qn("w:tr"):
            rows.append([])
        elif element.tag == qn("w:tc") and rows:
            rows[-1].append(len(paragraphs))
        elif element.tag == qn("w:t"):
            within[-1].append(raised(element.text or "") if high else element.text or "")
        elif element.tag in (qn("w:r"), qn("w:vertAlign")):
            high = element.get(qn("w:val")) == "superscript"
        elif element.tag in breaks:
            within[-1].append(breaks[element.tag])
    return map("".join, paragraphs)


def _as_row(paragraphs: list[list[str]], begins: list[int]) -> None:
    """Make one paragraph of a row's cells, whose paragraphs begin at these places; not of those that lay out longer texts.

    >>> paragraphs = [["Before"], ["2022"], ["5 ", "million"], ["euros"]]
    >>> _as_row(paragraphs, [1, 2]); paragraphs
    [['Before'], ['| 2022 | 5 million euros |']]
    """
    cells = [" ".join(" ".join(map("".join, paragraphs[a:b])).split()) for a, b in pairwise([*begins, len(paragraphs)])]
    if len(cells) > 1 and max(map(len, cells)) <= CELL:
        paragraphs[begins[0] :] = [[barred(cells)]]


def _unzipped(data: bytes, name: str) -> BytesIO:
    """The same ZIP file, stored as it is: python-docx reads each member to its end, whatever size it said it has."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

    stored = BytesIO()
    with ZipFile(BytesIO(data)) as archive, ZipFile(stored, "w", ZIP_STORED) as copy:
        members = archive.infolist()
        if any(member.flag_bits & 1 for member in members):
            raise ArticleError(f"{name} is encrypted with a password. Save a copy without.")
        if any(member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for member in members):
            raise ArticleError(f"{name} is compressed in a way that Word does not. Open it in Word and save it again.")
        size = sum(member.file_size for member in members)
        if size > MAX_UNZIPPED or size > max(MAX_RATIO * len(data), 1_000_000):
            raise ArticleError(
                f"{name} has {len(data):,} bytes but unpacks to {size:,}, as a ZIP bomb does; at most {MAX_UNZIPPED:,} "
                f"and {MAX_RATIO} times its size are read. Open it in Word, take out what is large, and {AS_TEXT}"
            )
        for member in members:
            with archive.open(member) as file:
                copy.writestr(member.filename, file.read(member.file_size))
    stored.seek(0)
    return stored


def _pdf(data: bytes, name: str) -> Extracted:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

    try:
        reader = PdfReader(BytesIO(data))
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise ArticleError(f"{name} has {count:,} pages; at most {MAX_PAGES} are read. Split it.")
        about: Mapping[str, Any] = reader.metadata or {}
        title, author = (_label(about.get(key)) for key in ("/Title", "/Author"))
        pages, size = [], 0
        for page in reader.pages:
            pages.append(page_lines(page))
            size += sum(map(len, pages[-1]))
            if size > MAX_TEXT:
                raise ArticleError(f"{name} holds more than {MAX_TEXT:,} characters of text. Split it.")
    except (FileNotDecryptedError, DependencyError) as exc:
        raise ArticleError(f"{name} is encrypted. Open it with its password and save a copy without.") from exc
    except LimitReachedError as exc:  # pypdf's own limits: 75 MB a stream, 300 MB and two million operations a page …
        raise ArticleError(f"{name} is too much to read ({exc}). Print it to a new PDF, or {AS_TEXT}") from exc
    if not size:
        raise ArticleError(f"{name} holds no text, only pictures of it. Run OCR (text recognition) on it first.")
    text, starts = joined(without_furniture(pages))
    return Extracted(text, "" if FILE_NAME.search(title) else title, author or None, starts)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return filter(None, map(one_line, lines))


def _label(value: Any) -> str:
    """A title or a name, which may be missing or, where it is made to, a book."""
    return one_line(str(value or ""))[:LABEL]


def _main() -> None:
    """The process of `_read_apart`: name, kind and bytes come in, an Extracted or an error goes out, as JSON."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):  # not on Windows, nor everywhere else
        pass
    out, sys.stdout = sys.stdout, sys.stderr
    header, _, data = sys.stdin.buffer.read().partition(b"\n")
    try:
        found: dict[str, Any] = asdict(read(data, *json.loads(header)))
    except ArticleError as exc:
        found = {"error": str(exc)}
    out.write(json.dumps(found))


if __name__ == "__main__":
    _main()
