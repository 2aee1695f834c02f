"""An article: its text as it came, its language, its sentences, and what was left out of them.

Nothing of the text is ever edited. Boilerplate and repeats are not removed: they are simply not sentences.
"""
from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import Any

from rag.datatypes import Omission, Sentence
from rag.errors import ArticleError
from rag.sentences import LONG_SENTENCE, SHORT_CLAUSE, split_sentences

MAX_BYTES = 5_000_000
MAX_SENTENCES = 50_000
"""As many as a book of the most bytes has; only a text made to has more, and each costs a vector and a search."""
SAMPLE = 10_000
"""Characters by which the language is told."""
SHORT_LINE = 200
"""Only lines of fewer characters can be boilerplate: a paragraph that speaks of cookies is prose."""

SCRIPTS = {
    "ARABIC": "ar", "CYRILLIC": "ru", "GREEK": "el", "THAI": "th", "DEVANAGARI": "hi", "HANGUL": "ko",
    "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "HEBREW": "he",
}  # fmt: skip
RIGHT_TO_LEFT = {"ar", "fa", "he", "ur"}
LATIN = ["en", "fr", "de", "es", "tr", "vi", "ro", "it", "pt", "nl", "pl", "sv", "id"]

LINE = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
HARD_WRAP = 100
ALIKE = 8
"""Of so many lines that begin alike it is looked whether they stand again in a longer one; a list of a thousand is no quote."""

BOILERPLATE = re.compile(
    r"\bcookies?\b|ملف(ات)? تعريف الارتباط|(?:all rights reserved|جميع الحقوق محفوظة|©|copyright)"
    r"|^(?:share|follow us|subscribe|sign up|read more|related|advertisement|photo:|image:|source:)\b"
    r"|^(?:شارك|تابعونا|تابعنا|اشترك|اقرأ أيضا|اقرأ أيضًا|اقرأ المزيد|إعلان|المصدر:|الصورة:)"
    r"|^(?:читайте также|подписывайтесь|поделиться|реклама)|^(?:lire aussi|partager|abonnez-vous|publicité)",
    re.IGNORECASE,
)
BYLINE = re.compile(r"^(?:by|بقلم|كتب|كتبت|إعداد|автор|par|von|por)\s*:?\s+\S+(?:\s+\S+){0,4}$", re.IGNORECASE)
HANDLE = re.compile(r"^(?:@\w+|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.]+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Article:
    """A text and its sentences: `article.text[s.start:s.end] == s.text`, always."""

    text: str
    title: str
    language: str
    sentences: tuple[Sentence, ...]
    omitted: tuple[Omission, ...] = ()
    author: str | None = None
    source: str | None = None
    pages: tuple[int, ...] = ()
    """Where the pages begin in the text, of a PDF."""

    @classmethod
    def from_text(cls, text: str, *, title: str = "", author: str | None = None, source: str | None = None) -> Article:
        """An article of this very text. Raises ArticleError when it is empty, too large or holds no sentence."""
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise ArticleError(f"The article has {len(text):,} characters; at most {MAX_BYTES:,} bytes are taken. Split it.")
        if not text.strip():
            raise ArticleError("The article is empty. Give a text with at least one sentence.")
        lines = list(_paragraphs(text))
        omitted = _omissions(text, lines)
        left_out = {(o.start, o.end) for o in omitted}
        kept = [line for line in lines if line not in left_out]
        language = detect_language(" ".join(text[a:b] for a, b in kept)[:SAMPLE])
        found = ((a, b, number) for number, line in enumerate(kept) for a, b in split_sentences(text, *line, language))
        sentences = list(islice(found, MAX_SENTENCES + 1))
        if len(sentences) > MAX_SENTENCES:
            raise ArticleError(f"The article has more than {MAX_SENTENCES:,} sentences. Split it.")
        if not sentences:
            raise ArticleError(f"The article {title!r} holds no sentence: no line with a letter or a digit. Check the text.")
        return cls(
            text=text,
            title=title or text[sentences[0][0] : sentences[0][1]][:80],
            language=language,
            sentences=tuple(Sentence(i, a, b, text[a:b], number) for i, (a, b, number) in enumerate(sentences)),
            omitted=omitted,
            author=author,
            source=source,
        )

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Article:
        """The article that a file of this name holds: text or Markdown (UTF-8, UTF-16 with its mark, or Windows-1256), a web
        page, a PDF or a Word file. Raises ArticleError: see `rag.documents`."""
        from rag.documents import extract

        path = PureWindowsPath(name)  # parts at both kinds of slash
        found = extract(data, path.name)
        article = cls.from_text(found.text, title=found.title or path.stem, author=found.author, source=path.name)
        return replace(article, pages=found.pages)

    @classmethod
    def open(cls, path: str | Path) -> Article:
        """The article in a file of one of the kinds that `from_bytes` reads."""
        from rag.documents import MAX_BYTES as MOST

        path = Path(path)
        try:
            if path.stat().st_size > MOST:
                raise ArticleError(f"{path} has {path.stat().st_size:,} bytes; at most {MOST:,} are taken. Split it.")
            with path.open("rb") as file:
                data = file.read(MOST + 1)
        except (OSError, ValueError) as exc:  # a name can hold what no file system takes
            cause = getattr(exc, "strerror", None) or exc
            raise ArticleError(f"Can't read {str(path)!r}: {cause}. Check the name and the permissions.") from exc
        return cls.from_bytes(data, path.name)

    @classmethod
    def default(cls) -> Article:
        """The bundled article, by Hazem Ayyad, in Arabic."""
        data = resources.files("rag").joinpath("data/article.txt").read_bytes()
        return cls.from_text(
            decode(data, "the bundled article"),
            title="روسيا وآسيا الوسطى بعد الانسحاب الأمريكي من أفغانستان",
            author="Hazem Ayyad (@hma36)",
            source="article.txt",
        )

    def page(self, offset: int) -> int | None:
        """The number of the page, from 1, that has the character at an offset; None where there are no pages.

        >>> article = replace(Article.from_text("One. Two. Three."), pages=(0, 5))
        >>> [article.page(offset) for offset in (0, 4, 5)], Article.from_text("One.").page(0)
        ([1, 1, 2], None)
        """
        return bisect_right(self.pages, offset) or None

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text, hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def decode(data: bytes, name: str) -> str:
    """The text of a file's bytes, line ends as they are, without the byte-order mark."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1256"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1256" and not _plausible(text):
            continue
        if any(unicodedata.category(c) == "Cc" and c not in "\t\n\v\f\r\x1c\x1d\x1e\x85" for c in text):
            raise ArticleError(f"{name} looks like a binary file: it holds control characters. Save it as plain text.")
        return text
    raise ArticleError(f"{name} is neither UTF-8, UTF-16 nor Windows-1256 text. Save it as UTF-8.")


def detect_language(text: str) -> str:
    """ISO 639-1 code: by script and, within the Latin one, by py3langid; "en" without letters.

    >>> detect_language("لماذا رفضت موسكو؟"), detect_language("Почему Москва отказала?"), detect_language("…")
    ('ar', 'ru', 'en')
    """
    scripts = Counter(unicodedata.name(c, "?").split()[0] for c in text if c.isalpha())
    if not scripts:
        return "en"
    if scripts["HIRAGANA"] + scripts["KATAKANA"]:
        return "ja"
    script = scripts.most_common(1)[0][0]
    if script == "ARABIC" and re.search("[پچژگ]", text):
        return "fa"
    if script != "LATIN":
        return SCRIPTS.get(script, "en")
    return _latin_language(text)


def direction(language: str) -> str:
    """Which way a language is written, as HTML says it.

    >>> direction("ar"), direction("ru")
    ('rtl', 'ltr')
    """
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of paragraphs: lines, or blocks between blank lines where the text is hard-wrapped."""
    lines = [m.span() for m in LINE.finditer(text) if m.group().strip()]
    blank = re.search(r"\n[ \t]*\r?\n", text)
    wrapped = len(lines) > 3 and blank and max(b - a for a, b in lines) <= HARD_WRAP
    block: list[tuple[int, int]] = []
    for line in lines:
        if block and not (wrapped and text[block[-1][1] : line[0]].count("\n") < 2):
            yield block[0][0], block[-1][1]
            block = []
        block.append(line)
    if block:
        yield block[0][0], block[-1][1]


def _omissions(text: str, lines: list[tuple[int, int]]) -> tuple[Omission, ...]:
    """Boilerplate, bylines, handles and repeats among the paragraphs; none where nothing else would be left."""
    repeated = _repeated([_fold(text[a:b]) for a, b in lines])
    found = []
    for i, (a, b) in enumerate(lines):
        line = text[a:b].strip()
        following = text[slice(*lines[i + 1])].strip() if i + 1 < len(lines) else ""
        if reason := _boilerplate(line, following):
            found.append(Omission(a, b, text[a:b], reason))
        elif i in repeated:
            found.append(Omission(a, b, text[a:b], "repeat"))
    return tuple(found) if len(found) < len(lines) else ()


def _boilerplate(line: str, following: str) -> str | None:
    if len(line) >= SHORT_LINE:
        return None
    if HANDLE.match(line):
        return "handle or address"
    if BYLINE.match(line) and len(line) < 60 and line[-1] not in ".!?؟":
        return "byline"
    if HANDLE.match(following) and len(line.split()) <= 4 and line[-1] not in ".!?؟؛":
        return "byline"
    return "boilerplate" if BOILERPLATE.search(line) and len(line.split()) <= 20 else None


def _repeated(paragraphs: list[str]) -> set[int]:
    """Places of paragraphs that stand again, whole: later in a longer one, or earlier as they are.

    >>> said = "the gates of the old harbour stay open at night"
    >>> _repeated([said, "the mayor spoke", f"he said that {said} in summer", "the mayor spoke", said])
    {0, 4}
    """
    first: dict[str, int] = {}
    begun: dict[str, list[str]] = {}
    found = set()
    for i, paragraph in enumerate(paragraphs):
        if paragraph in first:
            found.add(i)
        elif len(paragraph) >= SHORT_CLAUSE:
            first[paragraph] = i
            alike = begun.setdefault(paragraph[:SHORT_CLAUSE], [])
            if len(paragraph) <= LONG_SENTENCE and len(alike) < ALIKE:
                alike.append(paragraph)
    for paragraph in first:
        for at in range(len(paragraph) - SHORT_CLAUSE + 1):
            for quote in begun.get(paragraph[at : at + SHORT_CLAUSE], ()):
                if len(paragraph) > len(quote) and paragraph.startswith(quote, at):
                    found.add(first[quote])
    return found


def _fold(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _plausible(text: str) -> bool:
    """Whether text decoded as Windows-1256 is words: mostly Arabic or plain Latin letters and spaces."""
    good = sum(c.isspace() or c.isascii() and c.isprintable() or "\u0600" <= c <= "\u06ff" or c in "«»“”‘’–—…" for c in text)
    arabic = sum("\u0621" <= c <= "\u064a" for c in text)
    return good >= 0.97 * len(text) and arabic >= 0.3 * len(text)


def _latin_language(text: str) -> str:
    return str(_identifier().classify(text[:2000])[0])


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LATIN)
    return identifier
