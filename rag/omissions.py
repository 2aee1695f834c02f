"""What of a text is no sentence of its article: what a site says around it, who wrote it and when, and repeats."""
from __future__ import annotations

import json
import re
import unicodedata
from importlib import resources

from rag.datatypes import Omission
from rag.lexical import UNSPACED
from rag.sentences import LONG_SENTENCE, SHORT_CLAUSE

SHORT_LINE = 200
"""Only lines of fewer characters can be boilerplate: a paragraph that speaks of cookies is prose."""
FRONT = re.compile(
    r"\A---[ \t]*\r?\n((?i:title|author|date|lang|layout|slug|tags)[ \t]*:.*\n(?:(?:[\w -]+:|[ \t#-]).*\n)*?)"
    r"(?:---|\.\.\.)[ \t]*\r?$",
    re.MULTILINE,
)
"""What a Markdown file may begin with: lines in YAML about itself."""
MARKUP = re.compile(
    r"(?:(?:```|~~~)\s*[\w+-]*+|<!--.*-->|(?:</?[a-z]\w*(?: align=[\w\"']+)?\s?/?>\s*)++"
    r"|(?:\[!\[[^\]\n]*\]\([^)\n]*\)\]\([^)\n]*\)\s*)++)$",
    re.IGNORECASE,
)
"""Fences of code, comments, tags that say nothing, and the badges of a README: pictures that are links."""
ALIKE = 8
"""Of so many lines that begin alike it is looked whether they stand again in a longer one; a list of a thousand is no quote."""

_DATA = json.loads(resources.files("rag").joinpath("data/boilerplate.json").read_text("utf-8"))


def _said(kind: str) -> str:
    """A pattern of what the languages of data/boilerplate.json have of a kind."""
    one = f"(?:{_DATA['common']['network']})"
    either = "|".join(language[kind] for language in _DATA.values() if kind in language)
    return "(?:" + either.replace("NETWORK", f"{one}(?:(?:[,،/]| and| or| et| und| y| и| و)? ?{one})*") + ")"


OPENS = r"[*_(（\[【]*"
MARKS = r"[\s:：.!…»›>|–—*_)）\]】-]*$"
FURNITURE = re.compile(
    rf"^(?:{OPENS}{_said('alone')}{MARKS}|(?:[•*-]\s)?{OPENS}{_said('titled')}(?:\s*[:：】].*$|{MARKS})"
    rf"|{_said('cookies')}[^\d\n]*$)",
    re.IGNORECASE,
)
"""What a site says around its articles: whole lines, never how one begins: "Share prices fell.", "Cookies cost 3 dollars."."""
YEARS = r"\d{4}(?:\s*[–-]\s*\d{4})?"
RESERVED = rf"\s*{_said('rights')}(?!\w)"
RIGHTS = re.compile(
    rf"(?:^(?:copyright\s*)?(?:©|\(c\))\s*(?:{YEARS})?|\bcopyright\W{{1,5}}{YEARS}|©\s*(?:{YEARS}|$))[\s.,]*(?:{RESERVED})?"
    rf"|(?:^|[.,،。|–—-]){RESERVED}",
    re.IGNORECASE,
)
"""That rights are reserved; by whom stands before or after, and only names do: "The © sign was introduced in 1909." is prose."""
CREDIT = re.compile(rf"^{OPENS}(?:(?P<photo>{_said('photo')})|{_said('source')})\s*[:：=]\s*(?P<whom>.+)$", re.IGNORECASE)
AGENCY = re.compile(_said("agency"), re.IGNORECASE)
DATES = rf"[\W\d]|(?<![^\W\d])(?:{_said('published')}|{_said('dates')})(?![^\W\d])"
DATELINE = re.compile(
    rf"^{_said('published')}(?=\W)(?=.*(?<!\d)\d{{1,2}}(?!\d))(?=.*\d\D+\d)(?:{DATES})++$", re.IGNORECASE
)
"""When it was published: a day, a month and a year or the time of day, and no other word. "Published 1925" may be of a book."""
CLOCK = re.compile(
    rf"(?!.*\d{{4}})(?:[01]?\d|2[0-4])(?:[:h][0-5]\d|\.[0-5]\d(?=\s?[^\W\d])|(?=\s?[ap]\.?m\b))(?:{DATES})*+$", re.IGNORECASE
)
"""A time of day, and no other word but a day's: above what happened then, in a live blog. With a year it is the article's own."""
NAMED = re.compile(
    r"(?:(?:(?:(?:written |reported )?by|par|von|por|oleh|מאת|автор)\s*:?|(?:door|av)\s*:)\s+(?!der\b|de\b)"
    r"|(?:بقلم\s*:?|كتبت?\s*:)\s*)",
    re.IGNORECASE,
)
"""Whom a text is by. Without a colon "Door Closes" is a headline in English, "Av Mevsimi" in Turkish."""
APART = re.compile(r"\s*[,،、&/|]\s*|\s+(?:and|et|und|y|e|и|via)\s+")
SMALL = {"de", "del", "da", "di", "van", "von", "der", "den", "du", "la", "al", "el", "bin", "ibn"}
"""Words of a name that need no capital."""
HANDLE = re.compile(r"^(?:@\w+|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.]+)$", re.IGNORECASE)


def omissions(text: str, lines: list[tuple[int, int]]) -> tuple[Omission, ...]:
    """Boilerplate, bylines, handles and repeats among the paragraphs; none where nothing else would be left."""
    repeated = _repeated([_fold(text[a:b]) for a, b in lines])
    front = FRONT.match(text)
    found = []
    for i, (a, b) in enumerate(lines):
        line = text[a:b].strip()
        following = text[slice(*lines[i + 1])].strip() if i + 1 < len(lines) else ""
        if front and b <= front.end():
            found.append(Omission(a, b, text[a:b], "front matter"))
        elif reason := boilerplate(line, following):
            found.append(Omission(a, b, text[a:b], reason))
        elif i in repeated:
            found.append(Omission(a, b, text[a:b], "repeat"))
    left = set(lines) - {(o.start, o.end) for o in found}
    return tuple(found) if any(c.isalnum() for a, b in left for c in text[a:b]) else ()


def boilerplate(line: str, following: str) -> str | None:
    """Why a line is no part of the article: what it is, judged by it and the one that follows."""
    if MARKUP.match(line):
        return "markup"
    if len(line) >= SHORT_LINE:
        return None
    if HANDLE.match(line):
        return "handle or address"
    if _byline(line, following):
        return "byline"
    if DATELINE.match(line):
        return "dateline"
    return "boilerplate" if FURNITURE.match(line) or _rights(line) or _credit(line) else None


def _byline(line: str, following: str) -> bool:
    """Whether a line says who wrote it: "By" and full names, or a full name before its handle or e-mail address.

    >>> _byline("By Ann de Vries, Reuters", ""), _byline("Ann Lee", "@ann"), _byline("ann lee", "@ann")
    (True, True, True)
    >>> _byline("Por España, Morata y Olmo", ""), _byline("Open daily", "@museum"), _byline("open daily", "@museum")
    (False, False, False)
    """
    if by := NAMED.match(line):
        return len(line) < 60 and all(AGENCY.fullmatch(one) or _person(one) for one in APART.split(line[by.end() :]))
    if line.islower() and following[:2].lower() == f"@{line[0]}":  # a handle is mostly made of the name
        line = line.title()
    return bool(HANDLE.match(following)) and "@" in following.partition("/")[0] and _person(line)


def _person(text: str) -> bool:
    """Whether it may be a person's full name: two or three words, with capitals where their script has them.

    >>> [_person(one) for one in ("Tom O'Neil", "Anna de Vries", "أحمد علي", "Rail", "Open late", "Tel. 020", "公司 收入")]
    [True, True, True, False, False, False, False]
    """
    words = [word for word in text.split() if word not in SMALL]
    return 2 <= len(words) <= 3 and text[-1] != "." and all(map(_name, words))


def _name(word: str) -> bool:
    spaced = word[0].isalpha() and not word[0].islower() and not UNSPACED.match(word)
    return spaced and all(c in ".'’-" or unicodedata.category(c)[0] in "LM" for c in word)


def _rights(line: str) -> bool:
    """Whether a line says that rights are reserved, and nothing else but whose they are."""
    if not RIGHTS.search(line):
        return False
    whose = re.sub(rf"{YEARS}|\b\w\S*\.\w{{2,}}", " ", RIGHTS.sub(" ", line))
    words = [word for word in (word.strip(".,،|–—-()«»\"'") for word in whose.split()) if word and word not in SMALL]
    return len(words) <= (5 if line != line.lower() else 3) and all(_name(word) or UNSPACED.match(word) for word in words)


def _credit(line: str) -> bool:
    """Whether a line names an agency as the source or, of a photo, an agency or a person."""
    if not (said := CREDIT.match(line)):
        return False
    people = [one for one in APART.split(said["whom"].strip(" .()（）[]【】*_")) if not AGENCY.fullmatch(one)]
    return not people or said["photo"] is not None and all(one[:1].isupper() and _person(one) for one in people)


def author_of(omitted: tuple[Omission, ...]) -> str | None:
    """Who wrote it, where exactly one line says so."""
    lines = [one.text.strip() for one in omitted if one.reason == "byline"]
    return NAMED.sub("", lines[0], count=1) if len(lines) == 1 else None


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
                if len(paragraph) > len(quote) and paragraph.startswith(quote, at) and _whole(paragraph, at, at + len(quote)):
                    found.add(first[quote])
    return found


def _whole(text: str, start: int, end: int) -> bool:
    """Whether a part of a folded text begins and ends where words do, and with no number that what is next to it may change.

    Where no word is set apart, as in Chinese, only the numbers tell.

    >>> [_whole("he paid 12 million for it", 3, end) for end in (10, 17, 18)], [_whole("收入达三百", 0, end) for end in (3, 4)]
    ([False, False, True], [True, False])
    """
    spaced = " " in text[start:end]
    before = not start or not text[start].isnumeric() and (text[start - 1] == " " or not spaced)
    return before and (end == len(text) or not text[end - 1].isnumeric() and (text[end] == " " or not spaced))


def _fold(text: str) -> str:
    """Its words and amounts, without what is between them.

    >>> _fold("“It fell – by 1,250.5 £, to -3 %!”"), _fold("की") == _fold("के")
    ('it fell by 1,250.5 £ to -3 %', False)
    """
    text = text.lower()
    pairs = zip(" " + text, text, text[1:] + " ", strict=False)
    return " ".join("".join(c if _told(before, c, after) else " " for before, c, after in pairs).split())


def _told(before: str, character: str, after: str) -> bool:
    """Whether a character between two tells one word or amount from another."""
    kind = unicodedata.category(character)
    if character in ".,-–":
        return after.isdigit()
    if kind in ("Mn", "Mc"):  # of an Indian or Thai word, say, and not of an emoji
        return before.isalnum() or unicodedata.category(before) in ("Mn", "Mc")
    return character.isalnum() or kind in ("Sc", "Sm") or character in "%‰٪"
