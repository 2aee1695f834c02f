"""An article: its text as it came, its language, its sentences, and what was left out of them.

Nothing of the text is ever edited. Boilerplate and repeats are not removed: they are simply not sentences.
"""
from __future__ import annotations

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib import resources
from itertools import groupby, islice
from pathlib import Path, PureWindowsPath
from typing import Any

import prompts
from rag.datatypes import Omission, Sentence
from rag.errors import ArticleError
from rag.lexical import UNSPACED, apart, typed
from rag.omissions import author_of, boilerplate, omissions
from rag.sentences import ROW, split_sentences

MAX_BYTES = 5_000_000
MAX_SENTENCES = 50_000
"""As many as a book of the most bytes has; only a text made to has more, and each costs a vector and a search."""
LONG_NAME = 1_000
"""Characters of a file's name, at most, with which the error quotes it whole; a longer one is a text given in its place."""
SAMPLE = 10_000
"""Characters by which the language is told."""

SCRIPTS = {"GREEK": "el", "THAI": "th", "DEVANAGARI": "hi", "HANGUL": "ko", "CJK": "zh", "HEBREW": "he"}
RIGHT_TO_LEFT = {"ar", "fa", "he", "ur"}
LATIN = ["en", "fr", "de", "es", "tr", "vi", "ro", "it", "pt", "nl", "pl", "sv", "id"]
LIKELY = 4.0
"""Nats for a language that is expected, and as many for one that asks with a word of the text, fifty to one: "Who came?" is no
Italian. Of 301 questions of mostly one to three words in 13 languages, 35 were taken for another's, 5 where its own is expected;
of 1,053 longer ones, 18 and 6."""
ASKS = 200
"""Characters of a text that are looked at for a word that a language asks with: a question is mostly shorter."""
AMID = re.compile(r"(?<=\w )\w+")
"""A word behind another: with a capital it is a name and asks nothing, though "kim" is "who" in Turkish."""
PHRASE = 80
"""Characters of a quotation, at most, that is left out as a language is told: more may be most of an article."""
QUOTATION = re.compile("|".join(f"{a}[^{b}]{{1,{PHRASE}}}[{b}]" for a, b in ("«»", "»«", ("„", "“”"), "“”", '""')))
NAME = 6
"""Words of another script, at most, that are a name in a question."""
KANA = 0.05
"""The share of its characters that is kana in Japanese, at least; a name in Chinese has some, too."""
LETTERS = {
    "ARABIC": {"ar": re.compile("[يىكةأإ]"), "fa": re.compile("[پچژگکی]"), "ur": re.compile("[پچگکیٹڈڑںےھہ]")},
    "CYRILLIC": {"ru": re.compile("[ыэёъЫЭЁЪ]"), "uk": re.compile(r"[іїєґІЇЄҐ]|\b(?:[Щщ]о|[Хх]то|[Цц]е|[Кк]оли|[Чч]ому)\b")},
}
"""Letters of a language that not all of its script have, as they are mostly typed, and what it asks with; the first language
where none has more. Those of Arabic count half, as Persian is typed with them, too; a word that is asked with, as much."""

LINE = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
HARD_WRAP, FULL = 100, 0.7
"""Columns of a hard-wrapped line, at most, and the share of the longest one that a line fills before the next goes on with it."""
HEADING = re.compile(r"#{1,6}\s")
BULLET = re.compile(r"(?:[•▪◦●‣·*–—-]|\(?\d{1,3}[.)])\s")
LISTED = re.compile(rf"{ROW.pattern}|\s*(?:\+\s|{BULLET.pattern})")
ITEM = re.compile(rf"\s*{HEADING.pattern}|{LISTED.pattern}")
"""How a line begins that goes on from none: a heading, a row of a table, an item of a list, a turn of a dialogue."""
QUOTED = re.compile(r"(?:\s*>)+")
"""What a line of an e-mail begins with, a mark for each time that it was quoted."""


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
        this = f"The article {source or title!r}" if source or title else "The article"
        if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise ArticleError(f"{this} has {len(text):,} characters; at most {MAX_BYTES:,} bytes are taken. Split it.")
        if not text.strip():
            raise ArticleError(f"{this} is empty. Give a text with at least one sentence.")
        lines = list(_paragraphs(text))
        omitted = omissions(text, lines)
        left_out = {(o.start, o.end) for o in omitted}
        kept = [line for line in lines if line not in left_out]
        language = detect_language(" ".join(text[a:b] for a, b in kept)[:SAMPLE])
        found = ((a, b, number) for number, line in enumerate(kept) for a, b in split_sentences(text, *line, language))
        sentences = list(islice(found, MAX_SENTENCES + 1))
        if len(sentences) > MAX_SENTENCES:
            raise ArticleError(f"{this} has more than {MAX_SENTENCES:,} sentences. Split it.")
        if not sentences:
            raise ArticleError(f"{this} holds no sentence: no line with a letter or a digit. Check the text.")
        return cls(
            text=text,
            title=title or _beginning(text[sentences[0][0] : sentences[0][1]]),
            language=language,
            sentences=tuple(Sentence(i, a, b, text[a:b], number) for i, (a, b, number) in enumerate(sentences)),
            omitted=omitted,
            author=author or author_of(omitted),
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
        """The article in a file of one of the kinds that `from_bytes` reads. Raises ArticleError, also when it can't be read."""
        from rag.documents import MAX_BYTES as MOST

        given, path = str(path), Path(path)
        try:
            if path.stat().st_size > MOST:
                raise ArticleError(f"{path} has {path.stat().st_size:,} bytes; at most {MOST:,} are taken. Split it.")
            with path.open("rb") as file:
                data = file.read(MOST + 1)
        except (OSError, ValueError) as exc:  # a name can hold what no file system takes
            if len(given) > LONG_NAME:
                raise ArticleError(f"{given[:40]!r} … is no file's name but a text. Give it to Article.from_text.") from exc
            cause = getattr(exc, "strerror", None) or exc
            raise ArticleError(f"Can't read {given!r}: {cause}. Check the name and the permissions.") from exc
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
    r"""The text of a file's bytes, line ends as they are, without the byte-order mark.

    >>> decode("\ufeffOne.\r\n".encode("utf-16-be"), "a.txt"), decode("نعم.".encode("cp1256"), "a.txt")
    ('One.\r\n', 'نعم.')
    """
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


def detect_language(text: str, *expected: str) -> str:
    """ISO 639-1 code: by script and, within the Latin one, by py3langid; "en" without letters.

    The script is that of most words; those with a capital may be names, which do not tell it, and two characters of Chinese
    or Japanese are a word. Nor do names of several words tell the language, nor what is quoted. Of languages that are as near,
    English and the `expected` ones are LIKELY, and those that ask with a word of the text. Such a word tells its script, where it
    comes first, and its language, where it is all. A last word that is no name tells its script where the first has it too and a
    capital, and no word is asked with in another.

    >>> detect_language("لماذا رفضت موسكو؟"), detect_language("Почему Москва отказала?"), detect_language("…")
    ('ar', 'ru', 'en')
    >>> detect_language("Quando?"), detect_language("Quando?", "pt"), detect_language("Qui est Andrés Pulido ?")
    ('it', 'pt', 'fr')
    >>> detect_language("Who is فهد الحربي?"), detect_language("Did فهد الحربي come?"), detect_language("Wann?")
    ('en', 'en', 'de')
    >>> detect_language("Dove?"), detect_language("Wer sagte „I have a dream“?"), detect_language("Date?")
    ('it', 'de', 'en')
    >>> detect_language("誰？", "ja"), detect_language("چه كسي آمد؟"), detect_language("Як?")
    ('ja', 'fa', 'uk')
    >>> detect_language("Google сколько заплатил за youtube?"), detect_language("docker怎么连接到本地的mysql")
    ('ru', 'zh')
    """
    unquoted = QUOTATION.sub(" ", text)
    unquoted = unquoted if any(map(str.isalpha, unquoted)) else text
    asks = _asks_in(unquoted[:ASKS])
    words = [(script, "".join(letters)) for script, letters in groupby(text, _script) if script]
    scripts, kana = dict[str, float](), 0.0
    for script, word in [one for one in words if not one[1][0].isupper()] or words:
        if script in ("HIRAGANA", "KATAKANA"):
            script, kana = "CJK", kana + len(word) / 2
        scripts[script] = scripts.get(script, 0) + (len(word) / 2 if script == "CJK" else 1)
    script = max(scripts, key=scripts.__getitem__, default="")
    first = _asking().get(words[0][1].casefold(), []) if words else []
    asks.update(first)
    around = words and words[0][0] == words[-1][0] and words[0][1].istitle() and words[-1][1].islower()
    around = around and all(words[0][0] in prompts.language(code).script for code in asks)
    if (first or around) and sum(scripts.values()) - scripts.get(words[0][0], 0) <= NAME:
        script = words[0][0]
    if script == "CJK" and (kana > KANA * scripts["CJK"] or "ja" in asks and ("ja" in expected or "zh" not in asks)):
        return "ja"
    if script in LETTERS:
        own = {
            language: len(letters.findall(text)) * (1 if language == "ar" else 2) + (language in asks)
            for language, letters in LETTERS[script].items()
        }  # fmt: skip
        return max(own, key=lambda language: (own[language], language in asks, language in expected))
    if script != "LATIN":
        return SCRIPTS.get(script, "en")
    ranked = _identifier().rank(_without_names(unquoted[:2000]))
    if asks and len(words) == 1 and not text.isupper():  # AI is English, "Ai?" is Vietnamese
        ranked = [one for one in ranked if one[0] in asks]
    best = ranked[0][1]  # that of a word which is not known is as far from 0 as a number can be

    def nearness(one: tuple[str, float]) -> tuple[float, bool]:
        return one[1] - best + LIKELY * ((one[0] in ("en", *expected)) + (one[0] in asks)), one[0] in expected

    return str(max(ranked, key=nearness)[0])


def _asks_in(text: str) -> set[str]:
    """The languages that ask with a word of a text, of which those with a capital amid it are names.

    >>> sorted(_asks_in("Kim geldi?")), _asks_in("Did Kim leave?")
    (['pl', 'tr'], set())
    """
    asked = typed(text if text.isupper() else AMID.sub(lambda word: "" if word[0][0].isupper() else word[0], text))
    return {code for code, language in prompts.languages().items() if re.search(apart("|".join(language.asks)), asked)}


@cache
def _asking() -> dict[str, list[str]]:
    """The languages that ask with a word: `_asking()["qui"]` is `["fr"]`."""
    found: dict[str, list[str]] = {}
    for code, language in prompts.languages().items():
        for word in {re.findall(r"\w+", question)[0].casefold() for question in language.blank}:
            found.setdefault(word, []).append(code)
    return found


def _script(character: str) -> str | None:
    """What the Unicode name of a letter begins with."""
    return unicodedata.name(character, "?").split()[0] if character.isalpha() else None


def _without_names(text: str) -> str:
    """A text without the words with a capital beside another, but for its first one.

    >>> _without_names("Wer ist „Eleanor Whitcombe“ aus Paris?"), _without_names("WER KAM AN")
    ('Wer ist aus Paris?', 'WER KAM AN')
    """
    words = text.split()
    runs = ((named, list(run)) for named, run in groupby(words[1:], lambda word: word.lstrip("\"'(«“„‘¿¡")[:1].isupper()))
    kept = [word for named, run in runs if not named or len(run) == 1 for word in run]
    return text if text.isupper() else " ".join(words[:1] + kept)


def direction(language: str) -> str:
    """Which way a language is written, as HTML says it.

    >>> direction("ar"), direction("ru")
    ('rtl', 'ltr')
    """
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _beginning(sentence: str, most: int = 80) -> str:
    """The first words of a sentence, to call its article by.

    >>> _beginning("The mayor came."), _beginning("The mayor Ingrid Solberg came.", 13)
    ('The mayor came.', 'The mayor…')
    """
    if len(sentence) <= most:
        return sentence
    cut = sentence.rfind(" ", most // 2, most)  # an earlier space may be the only one, before Chinese or an address
    return f"{sentence[: cut if cut > 0 else most - 1]}…"


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of paragraphs: lines, or blocks between blank lines where the text is hard-wrapped."""
    lines = [m.span() for m in LINE.finditer(text) if m.group().strip()]
    blank = re.search(r"\n[ \t]*\r?\n", text)
    width = max((b - a for a, b in lines), default=0)
    wrapped = len(lines) > 3 and blank and width <= HARD_WRAP
    block: list[tuple[int, int]] = []
    for line in lines:
        if block and not (wrapped and _goes_on(text, block[-1], line, FULL * width)):
            yield block[0][0], block[-1][1]
            block = []
        block.append(line)
    if block:
        yield block[0][0], block[-1][1]


def _goes_on(text: str, before: tuple[int, int], line: tuple[int, int], width: float) -> bool:
    """Whether a line of a hard-wrapped text goes on with the one before it, which then had no room for its first word."""
    last, said = (text[slice(*one)] for one in (before, line))
    if (quoted := QUOTED.match(last)) and (again := QUOTED.match(said)):
        if quoted.group().count(">") != again.group().count(">"):
            return False
        last, said = last[quoted.end() :], said[again.end() :]
    if not last.strip() or not said.strip() or text[before[1] : line[0]].count("\n") > 1:
        return False
    if ITEM.match(said) or HEADING.match(last.lstrip()):
        return False
    word = said.split(maxsplit=1)[0]
    first = 1 if UNSPACED.match(word) else len(word)
    full = word[0].islower() or len(text[slice(*before)].strip()) + 1 + first > width
    return full and not any(boilerplate(one.strip(), "") for one in (last, said))


def _plausible(text: str) -> bool:
    """Whether text decoded as Windows-1256 is words: mostly Arabic or plain Latin letters and spaces."""
    good = sum(c.isspace() or c.isascii() and c.isprintable() or "\u0600" <= c <= "\u06ff" or c in "«»“”‘’–—…" for c in text)
    arabic = sum("\u0621" <= c <= "\u064a" for c in text)
    return good >= 0.97 * len(text) and arabic >= 0.3 * len(text)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(LATIN)
    return identifier
