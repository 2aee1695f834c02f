"""A question that goes on from another, as it stands alone: "And when?" gets what it leaves out from the last turn."""
from __future__ import annotations

import re
from collections.abc import Iterable

import prompts
from rag.citations import without_markers
from rag.datatypes import Turn
from rag.decoding import QUESTION_MARKS, letters
from rag.evidence import width
from rag.lexical import STEM, UNSPACED, terms
from rag.models import ChatModel
from rag.numbers import digits

FOLLOW_UP_WORDS, FOLLOW_UP_WIDTH = 4, 24
"""A question of at most as many words, and columns (see `width`) where words have no space between them, is read as a follow-up
where there is a history; one of twice as many that begins with "and" or the like, too."""


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
    if not same and asked <= asking(said, language.asks) and completes(said, question, last.question):
        return said
    return f"{last.question} {question}" if asked and not _carried(question) else question


def follows(question: str, begins: str) -> bool:
    """Whether a question after others is read as a follow-up: it is short, or not long and begins so.

    >>> [follows(asked, "and|but") for asked in ("Who is she?", "Who signed the peace treaty?", "And who signed the treaty?")]
    [True, False, True]
    """
    most = 2 if re.match(rf"(?:{begins})\b", question, re.IGNORECASE) else 1
    return len(question.split()) <= most * FOLLOW_UP_WORDS and width(question) <= most * FOLLOW_UP_WIDTH


def completes(said: str, question: str, last: str) -> bool:
    """Whether a question was completed to `said`: that is no piece, is not the last one nor two, where the question was not too
    short to stand alone, and has all long words of the question and all its numbers.

    >>> said = ["How many batteries are in stock?", "How many decoders are in stock?", "How many batteries …"]
    >>> [completes(one, "And batteries?", "How many encoders are in stock?") for one in said]
    [True, False, False]
    >>> [completes(said, "And then?", "Who came?") for said in ("Who came then?", "Who came?", "")]
    [True, False, False]
    >>> [completes(said, "And in ٢٠٢٢?", "Who won in 2023?") for said in ("Who won in 2022?", "Who won in the year 2023?")]
    [True, False]
    >>> completes("Who came? And how many fish did they bring?", "And how many fish did they bring?", "Who came?")
    False
    """
    told = {digits(term) or term for term in terms(said)}
    two = len(question.split()) > FOLLOW_UP_WORDS and sum(map(said.count, QUESTION_MARKS)) > 1
    one = bool(said) and not said.endswith("…") and not two and letters(said) != letters(last)
    return one and _carried(question) <= told


def _carried(question: str) -> set[str]:
    """The long words of a question and its numbers, as they are searched."""
    asked = {digits(term) or term for term in terms(question)}
    return {term for term in asked if len(term) >= STEM or term.isdigit()}


def asking(question: str, asks: Iterable[str]) -> set[str]:
    """What a question asks with, of the words of its language.

    >>> [asking(asked, ["who", "when"]) for asked in ("And when?", "whence")], asking("ومتى؟", ["متى"]), asking("那谁？", ["谁"])
    ([{'when'}, set()], {'متى'}, {'谁'})
    """
    text = question.casefold()
    return {word for word in asks if re.search(word if UNSPACED.match(word) else rf"(?<!\w)[وف]?{word}(?!\w)", text)}


def bare(question: str, language: prompts.Language) -> bool:
    """Whether a question has nothing but what it asks with.

    >>> [bare(asked, prompts.language("en")) for asked in ("And when?", "Why?", "Who died?")]
    [True, True, False]
    """
    rest = re.sub(rf"^(?:{language.follows})\b", "", question, flags=re.IGNORECASE)
    return not letters(re.sub("|".join(language.asks), "", rest.casefold()))
