"""A question that goes on from another, as it stands alone: "And when?" gets what it leaves out from the last turn."""
from __future__ import annotations

import re
from collections.abc import Callable

import prompts
from rag.citations import without_markers
from rag.datatypes import Turn
from rag.decoding import QUESTION_MARKS, letters
from rag.evidence import width
from rag.lexical import STEM, apart, asking, terms, typed
from rag.models import ChatModel

FOLLOW_UP_WORDS, FOLLOW_UP_WIDTH = 4, 24
"""A question of at most as many words, and columns (see `width`) where words have no space between them, is read as a follow-up
where there is a history; one of twice as many that begins with "and" or the like, too."""

ACCENTED = re.compile("[À-ɏḀ-ỿ]")
"""A Latin letter with an accent: who types these means another word by È than by E."""


def standalone(model: ChatModel, question: str, last: Turn, language: prompts.Language) -> str:
    """The question of a `language` after a turn, as the model completes it; where it fails, after the last question."""
    if not follows(question, language.follows):
        return question
    answer = "" if last.answer in {one.abstention for one in prompts.languages().values()} else without_markers(last.answer)
    reading = model.read(prompts.fill("conversation", earlier=last.question, answer=answer), [])
    prompt = prompts.fill("standalone", question=question, language=language.name)
    quoted = f"{last.question} {answer} {question}"
    said = "".join(model.stream(reading, [], prompt, script=language.script, quoted=quoted, max_tokens=128)).strip()
    asked, same = asking(question, language.asks), letters(said) == letters(question) and bare(question, language)
    if not same and asked <= asking(said, language.asks) and completes(said, question, last.question, language):
        return said
    return f"{last.question} {question}" if asked and not _carried(question, language) else question


def follows(question: str, begins: str) -> bool:
    """Whether a question after others is read as a follow-up: it is short, or not long and begins so.

    >>> [follows(asked, "and|but") for asked in ("Who is she?", "Who signed the peace treaty?", "And who signed the treaty?")]
    [True, False, True]
    >>> follows("¿Y a qué hora llegó el tren?", "y|pero"), follows("¿A qué hora llegó el tren?", "y|pero")
    (True, False)
    >>> [follows(asked, "e|ma") for asked in ("E il sindaco quando si è dimesso?", "È vero che il sindaco si è dimesso?")]
    [True, False]
    """
    fold = str.casefold if ACCENTED.search(question) else typed
    most = 2 if re.match(_begun(begins, fold), fold(question)) else 1
    return len(question.split()) <= most * FOLLOW_UP_WORDS and width(question) <= most * FOLLOW_UP_WIDTH


def completes(said: str, question: str, last: str, language: prompts.Language) -> bool:
    """Whether a question was completed to `said`: that is no piece, is not the last one nor two, where the question was not too
    short to stand alone, and has all long words of the question but what it asks with, and all its numbers.

    >>> en = prompts.language("en")
    >>> said = ["How many batteries are in stock?", "How many decoders are in stock?", "How many batteries …"]
    >>> [completes(one, "And batteries?", "How many encoders are in stock?", en) for one in said]
    [True, False, False]
    >>> [completes(said, "And then?", "Who came?", en) for said in ("Who came then?", "Who came?", "")]
    [True, False, False]
    >>> [completes(one, "And in ٢٠٢٢?", "Who won in 2023?", en) for one in ("Who won in 2022?", "Who won in the year 2023?")]
    [True, False]
    >>> completes("Who came? And how many fish did they bring?", "And how many fish did they bring?", "Who came?", en)
    False
    """
    two = len(question.split()) > FOLLOW_UP_WORDS and sum(map(said.count, QUESTION_MARKS)) > 1
    one = bool(said) and not said.endswith("…") and not two and letters(said) != letters(last)
    return one and _carried(question, language) <= set(terms(typed(said)))


def _carried(question: str, language: prompts.Language) -> set[str]:
    """The long words of a question but what it asks with, and its numbers, as they are searched.

    >>> _carried("¿Y cuándo en 2021?", prompts.language("es")), _carried("¿Cuántos decodificadores?", prompts.language("es"))
    ({'2021'}, {'decodi'})
    """
    return {term for term in terms(_rest(question, language)) if len(term) >= STEM or term.isdigit()}


def bare(question: str, language: prompts.Language) -> bool:
    """Whether a question has nothing but what it asks with.

    >>> [bare(asked, prompts.language("en")) for asked in ("And when?", "Why?", "Who died?")]
    [True, True, False]
    >>> bare("Und wie viele?", prompts.language("de")), bare("¿Y dónde?", prompts.language("es"))
    (True, True)
    """
    return not letters(_rest(question, language))


def _rest(question: str, language: prompts.Language) -> str:
    """A question without what it goes on with and asks with, as it is typed."""
    return re.sub("|".join(map(apart, language.asks)), "", re.sub(rf"^{_begun(language.follows)}", "", typed(question)))


def _begun(words: str, fold: Callable[[str], str] = typed) -> str:
    """A pattern of how a question begins that goes on with one of some words, perhaps after ¿ or a quotation mark."""
    return rf"\W*{apart(words, fold)}"
