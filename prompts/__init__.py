"""The words said to the model and to the user; they stand in files beside this one, never in code."""
from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Language:
    """A language's name in English and in itself, the Unicode names its letters begin with, its sentence for "not in the
    article", questions in it that are about nothing, a pattern of how a question begins that goes on from another ("And"),
    patterns of the words it asks with ("when", "since when"), which the completion of such a one may not lose, questions that an
    article's byline answers, which is none of its sentences, and ones about the article as a whole; both with choices within:
    "Who wrote {the article|this article}?"."""

    name: str
    own: str
    script: tuple[str, ...]
    abstention: str
    blank: tuple[str, ...]
    follows: str
    asks: tuple[str, ...]
    byline: tuple[str, ...]
    whole: tuple[str, ...]


@cache
def languages() -> dict[str, Language]:
    """Every language that an answer can be in, by its ISO 639-1 code."""
    return {
        code: Language(**(entry | {name: tuple(entry[name]) for name in ("script", "blank", "asks", "byline", "whole")}))
        for code, entry in json.loads(_read("languages.json")).items()
    }


def language(code: str) -> Language:
    """The language of a code; English where the code is not known.

    >>> language("fr").abstention
    "L'article ne le dit pas."
    """
    return languages().get(code, languages()["en"])


def fill(name: str, **values: str) -> str:
    """The prompt prompts/NAME.md with its {fields} replaced, each once and only as the file has them.

    >>> fill("write", question="{language}?", language="French")
    '\\nUsing only these sentences, answer in French in one short sentence: {language}?'
    """
    return _read(f"{name}.md").format_map(values)


def around(name: str, field: str) -> tuple[str, str]:
    """What the prompt prompts/NAME.md has before and after its only {field}.

    >>> around("judge", "question")[0]
    '\\nQuestion: '
    """
    before, after = _read(f"{name}.md").split(f"{{{field}}}")
    return before, after


@cache
def _read(name: str) -> str:
    return resources.files("prompts").joinpath(name).read_text("utf-8")
