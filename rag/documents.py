"""The text of a document: a web page, PDF, Word file or plain text, with its title, its author and where its pages begin.

A document may come from anywhere, and the libraries that read one can be led to unpack, nest or search without end. So
they run in a process of their own, with so much time and memory and no more; what they raise, or the way they end, is
said as an ArticleError.
"""
from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import accumulate, chain, pairwise
from operator import itemgetter
from pathlib import PurePath
from statistics import median_low
from typing import Any, NamedTuple

from rag.article import MAX_BYTES as MAX_TEXT
from rag.article import decode
from rag.errors import ArticleError

MAX_BYTES = 20_000_000
MAX_PAGES = 500
MAX_UNZIPPED = 100_000_000
MAX_RATIO = 200
"""Prose deflates to a tenth; to less than a two-hundredth only what was made to."""
SECONDS = 120
MEMORY = 2_000_000_000
LABEL = 200

TEXT, HTML, PDF, WORD = "plain text", "a web page", "a PDF document", "a Word document"
KINDS = {
    ".txt": TEXT, ".text": TEXT, ".md": TEXT, ".markdown": TEXT,
    ".html": HTML, ".htm": HTML, ".xhtml": HTML, ".pdf": PDF, ".docx": WORD,
}  # fmt: skip
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

CONTROL = re.compile(r"[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
FORM = re.compile("[\ufb00-\ufb06\ufb1d-\ufdf9\ufe70-\ufefc]")
"""Letters as they are joined in print: a PDF has them where other texts have the letters themselves."""
RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
"""What pypdf takes to be written from right to left …"""
NEUTRAL = re.compile("[\0-/:-@\u0660-\u066d\u06f0-\u06f9\u2000-\u206f\u20a0-\u21ff]")
"""… and what it leaves in the direction of what came before."""
ARABIC_NUMBER = re.compile("[\u0660-\u0669\u06f0-\u06f9](?:[\u0660-\u066c\u06f0-\u06f9.,/:-]*[\u0660-\u0669\u06f0-\u06f9])?")
GAP = re.compile(r"\s+(?=[.,:;!?؟،؛)\]»](?:\W|$))|(?<=[(\[«])\s+")
"""Space where none is written: pypdf sees one where a mark comes from another font than the letter beside it."""
MIRROR = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")

FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""What Word has twice, for programs that cannot show the first."""
DRAW = {b"Tj", b"TJ", b"'", b'"'}
END = re.compile("[.!?:؟۔…。！？][\"”»)]*$")
BULLET = re.compile(r"(?:[•▪◦●‣·*–—-]|\(?\d{1,3}[.)])\s")
HYPHEN = re.compile("(?<=\\w)(?:-| ?[\u2010\u00ad])$")
FILE_NAME = re.compile(r"^Microsoft Word - |\.(?:docx?|pdf|indd|qxd|tex|pages|odt)$|^untitled$", re.IGNORECASE)


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
    return Extracted(decode(data, name)) if kind == TEXT else _read_apart(data, name, kind)


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
        return {HTML: _html, PDF: _pdf, WORD: _word}[kind](data, name)
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
        done = subprocess.run(
            [sys.executable, "-P", "-m", "rag.documents"],
            input=json.dumps([name, kind]).encode() + b"\n" + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    except subprocess.TimeoutExpired as exc:
        raise ArticleError(f"{name} takes more than {SECONDS} seconds to read. Split it, or {AS_TEXT}") from exc
    if done.returncode:
        raise ArticleError(f"{name} made its reader fail (exit status {done.returncode}). Open it elsewhere and {AS_TEXT}")
    found = json.loads(done.stdout)
    if "error" in found:
        raise ArticleError(found["error"])
    return Extracted(**{**found, "pages": tuple(found["pages"])})


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
    text = extract_text(tree, include_comments=False) or baseline(tree)[1]
    return Extracted("\n".join(_lines(text.splitlines())), _label(about.title), _label(about.author) or None)


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
    from docx.oxml.ns import qn
    from lxml import etree

    document = Document(_unzipped(data, name))
    root = document.element.getroottree()
    if root.docinfo.doctype:  # Word writes none: there to define entities
        raise ArticleError(f"{name} defines entities, which no Word document does. Open it elsewhere and {AS_TEXT}")
    breaks = {qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:tab"): "\t", qn("w:noBreakHyphen"): "-"}
    skipped = {FALLBACK, qn("w:moveFrom"), qn("w:del"), qn("w:pPr")}
    paragraphs: list[list[str]] = [[]]
    within = [paragraphs[0]]
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:  # not Document.paragraphs, which leaves out text boxes, insertions and content controls
        if event == "end":
            if element.tag == qn("w:p"):
                within.pop()
        elif element.tag in skipped:
            walk.skip_subtree()
        elif element.tag == qn("w:p"):
            paragraphs.append([])
            within.append(paragraphs[-1])
        elif element.tag == qn("w:t"):
            within[-1].append(element.text or "")
        elif element.tag in breaks:
            within[-1].append(breaks[element.tag])
    package = document.part.package
    about = document.core_properties if any(r.reltype == RT.CORE_PROPERTIES for r in package.rels.values()) else None
    lines = chain.from_iterable("".join(paragraph).split("\n") for paragraph in paragraphs)
    title, author = (_label(getattr(about, key, None)) for key in ("title", "author"))
    return Extracted("\n".join(_lines(lines)), title, author or None)


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
            pages.append(_page_lines(page))
            size += sum(map(len, pages[-1]))
            if size > MAX_TEXT:
                raise ArticleError(f"{name} holds more than {MAX_TEXT:,} characters of text. Split it.")
    except (FileNotDecryptedError, DependencyError) as exc:
        raise ArticleError(f"{name} is encrypted. Open it with its password and save a copy without.") from exc
    except LimitReachedError as exc:  # pypdf's own limits: 75 MB a stream, 300 MB and two million operations a page …
        raise ArticleError(f"{name} is too much to read ({exc}). Print it to a new PDF, or {AS_TEXT}") from exc
    if not size:
        raise ArticleError(f"{name} holds no text, only pictures of it. Run OCR (text recognition) on it first.")
    text, starts = _joined(_without_furniture(pages))
    return Extracted(text, "" if FILE_NAME.search(title) else title, author or None, starts)


class Piece(NamedTuple):
    """Text that a PDF draws at one place, y upwards."""

    x: float
    y: float
    text: str


def _page_lines(page: Any) -> list[str]:
    """The lines of a page as they are read, in the order in which the PDF draws them; an empty one where a gap is wide."""
    drawn = _drawn(page)
    if any(RTL.search(piece.text) for line in drawn for piece in line):
        texts = list(_reordered(drawn))
    else:
        texts = ["".join(piece.text for piece in line) for line in drawn]
    found = [
        (_line(FORM.sub(lambda form: unicodedata.normalize("NFKC", form[0]).strip(), text)), line[0].y)
        for text, line in zip(texts, drawn, strict=True) if text.strip()
    ]  # fmt: skip
    falls = [above - below for (_, above), (_, below) in pairwise(found)]
    usual = median_low([fall for fall in falls if fall > 0] or [math.inf])
    lines: list[str] = []
    for (text, _), fall in zip(found, [0.0, *falls], strict=False):
        if text:
            lines += ["", text] if lines and fall > 1.4 * usual else [text]
    return lines


def _drawn(page: Any) -> list[list[Piece]]:
    """The pieces of each line of a page, as pypdf finds them."""
    lines: list[list[Piece]] = [[]]
    place = 0.0, 0.0  # where the last letters were drawn; what pypdf says of a piece may be the place of the next one

    def operate(operator: bytes, _: Any, cm: list[float], tm: list[float]) -> None:
        nonlocal place
        if operator in DRAW:
            place = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]

    def visit(text: str, *_: Any) -> None:
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(Piece(*place, part))

    page.extract_text(visitor_operand_before=operate, visitor_text=visit)
    return lines


def _reordered(lines: Iterable[Iterable[Piece]]) -> Iterator[str]:
    """Lines as they are read, where some are written from right to left.

    A PDF places letters, from left to right in whatever language. pypdf turns the letters within a piece; the pieces of
    a line are for us to put in order: from the right, but what is written from left to right among them from the left.
    """
    placed: list[list[tuple[float, str, str]]] = []
    letters = Counter[bool]()
    turned = False
    for line in lines:
        placed.append([])
        for x, _, text in line:
            if strong := NEUTRAL.sub("", text):
                turned = bool(RTL.search(strong))
                letters[turned] += len(strong)
            placed[-1] += ((x, kind, token) for kind, token in _tokens(text, turned))
    rightwards = letters[False] >= letters[True]
    for tokens in placed:
        read = _logical([(kind, token) for _, kind, token in sorted(tokens, key=itemgetter(0))], rightwards)
        yield GAP.sub("", read)


def _tokens(part: str, turned: bool) -> Iterator[tuple[str, str]]:
    """(kind, text) of what a piece holds, from left to right: R and L where it is read so, N where its neighbours say."""
    if turned and NEUTRAL.sub("", part):
        yield "R", ARABIC_NUMBER.sub(lambda number: number[0][::-1], part).translate(MIRROR)
        return
    part = part[::-1] if turned else part
    core = _core(part)
    before, _, after = part.partition(core) if core else (part, "", "")
    yield from (("N", c) for c in before)
    if core:
        yield "L", core
        yield from (("N", c) for c in after)


def _core(part: str) -> str:
    """What of a piece is surely read from the left: not the marks before it, nor a bracket without its other half."""
    core = part.strip().lstrip(".,;:!?").strip()
    for opening, closing in ("()", "[]", "«»"):
        if closing not in core:
            core = core.removeprefix(opening)
        elif opening not in core:
            core = core.removesuffix(closing)
    return core.strip() if any(c.isalnum() for c in core) else ""


def _logical(tokens: list[tuple[str, str]], rightwards: bool) -> str:
    """Tokens that stand from left to right, in the order they are read in.

    >>> _logical([("N", "."), ("L", "NATO"), ("N", " "), ("R", "إلى")], rightwards=False)
    'إلى NATO.'
    >>> _logical([("L", "He said"), ("N", " "), ("R", "رفضت"), ("N", " "), ("R", "موسكو")], rightwards=True)
    'He said موسكو رفضت'
    """
    rightwards = rightwards or all(kind != "R" for kind, _ in tokens)
    if not rightwards:
        tokens = tokens[::-1]
    other = "R" if rightwards else "L"
    inside: set[int] = set()
    for run in re.finditer(f"{other}(?:[N{other}]*{other})?", "".join(kind for kind, _ in tokens)):
        tokens[run.start() : run.end()] = tokens[run.start() : run.end()][::-1]
        inside.update(range(run.start(), run.end()))
    return "".join(
        token.translate(MIRROR) if kind == "N" and (i in inside) == rightwards else token
        for i, (kind, token) in enumerate(tokens)
    )


def _without_furniture(pages: list[list[str]]) -> list[list[str]]:
    """Pages without their numbers, and without what stands at the top or the bottom of most of them, but for a number."""
    pages = [list(page) for page in pages]
    for place in (0, -1) * 3:
        edges = Counter(_numberless(page[place]) for page in pages if len(page) > 1)
        furniture = {"#"} | {line for line, count in edges.items() if count > max(1, len(pages) // 2)}
        for page in pages:
            if len(page) > 1 and _numberless(page[place]) in furniture:
                del page[place]
                if not page[place]:
                    del page[place]
    return pages


def _numberless(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def _joined(pages: list[list[str]]) -> tuple[str, tuple[int, ...]]:
    """(text, offsets of its pages) of pages of lines: a paragraph a line, a word cut at a line's end whole again.

    >>> _joined([["Title", "", "The committee that was to de-", "cide met on a Tuesday, and it"], [], ["left."], ["Then I"]])
    ('Title\\nThe committee that was to decide met on a Tuesday, and it left.\\nThen I', (0, 64, 64, 70))
    """
    lines = [(number, line) for number, page in enumerate(pages) for line in page]
    pieces: list[str] = []
    first: dict[int, int] = {}
    for i, (number, line) in enumerate(lines):
        if not line:
            continue
        if pieces:
            before, near = pieces[-1], (text for _, text in lines[max(0, i - 3) : i + 2])
            if not lines[i - 1][1] or _ends(before, line, max(map(len, near))):
                pieces.append("\n")
            elif HYPHEN.search(before) and line[0].islower():
                pieces[-1] = HYPHEN.sub("", before)
            else:
                pieces.append(" ")
        first.setdefault(number, len(pieces))
        pieces.append(line)
    offsets = [0, *accumulate(map(len, pieces))]
    starts = [offsets[-1]] * (len(pages) + 1)
    for number in reversed(range(len(pages))):  # a page without text begins where the next one does
        starts[number] = offsets[first[number]] if number in first else starts[number + 1]
    return "".join(pieces), tuple(starts[:-1])


def _ends(line: str, following: str, width: int) -> bool:
    """Whether a line is the last of its paragraph: it is shorter than the lines near it are wide, or a list goes on."""
    if BULLET.match(following):
        return True
    return len(line) < 0.9 * width if END.search(line) else len(line) < 0.6 * width and not following[0].islower()


def _lines(lines: Iterable[str]) -> Iterator[str]:
    return filter(None, map(_line, lines))


def _line(text: str) -> str:
    """Text on one line: no control characters, one space where there were several."""
    return " ".join(CONTROL.sub("", text).split())


def _label(value: Any) -> str:
    """A title or a name, which may be missing or, where it is made to, a book."""
    return _line(str(value or ""))[:LABEL]


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
