"""A conversation as a file: Markdown, JSON, or one HTML page to print. Pure functions; what comes from an article, a
question or a model is shown as text, never interpreted."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from rag.article import Article, detect_language, direction
from rag.citations import segments
from rag.datatypes import Answer, Citation

if TYPE_CHECKING:
    from jinja2 import Template

SCHEMA = 1
"""Of the JSON: counted up when a field goes or changes what it means, not when one is added."""
UNSHOWN = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""What no file of text can hold or no program shows: controls but tab and line ends, halves of characters."""

NEVER = "Stopped before it was finished."
ABSTAINED = "The article does not answer this; nothing is cited."
WEAK = "The wording is uncertain: compare it with the sentences it cites."
OFFSETS = "Quotes are verbatim. Characters are counted from 0 in the article's text, the end is exclusive."


@dataclass(frozen=True)
class Conversation:
    """Answers about one article, each to the question as it was typed, and what made them.

    `model` and `encoder` are named as in Config, with the hashes of their weights; `made` is the time, ISO 8601 in UTC.
    """

    article: Article
    answers: tuple[Answer, ...]
    asked: tuple[str, ...]
    model: str
    model_hash: str
    encoder: str
    encoder_hash: str
    made: str


def to_json(c: Conversation) -> str:
    """Everything: the article without its text, the weights, and each answer as `Answer.to_dict` has it, with what was asked."""
    article = {key: getattr(c.article, key) for key in ("title", "author", "source", "language", "hash")}
    everything = {
        "schema": SCHEMA,
        "made": c.made,
        "article": article,
        "model": {"name": c.model, "hash": c.model_hash},
        "encoder": {"name": c.encoder, "hash": c.encoder_hash},
        "answers": [{"asked": asked, **answer.to_dict()} for asked, answer in zip(c.asked, c.answers, strict=True)],
    }
    text = json.dumps(everything, ensure_ascii=False, indent=1)
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text) + "\n"


def to_markdown(c: Conversation) -> str:
    """A transcript to read: question, answer, quotes with where they stand, and at the end what made it."""
    lines = [f"# {_inline(c.article.title)}", ""]
    for number, (asked, answer) in enumerate(zip(c.asked, c.answers, strict=True), 1):
        lines += [f"## {number}. {_inline(asked)}", ""]
        if _understood(asked, answer):
            lines += [f"Understood as: {_inline(answer.question)}", ""]
        if answer.text:
            lines += [*_block(answer.text), ""]
        for note in _notes(answer):
            lines += [f"*{note}*", ""]
        if answer.stage == "done":
            lines += [_scores(answer).capitalize(), ""]
        for citation in answer.citations:
            lines += [f"**{_escape(f'[{citation.number}]')}** {_where(citation)}", ""]
            lines += [*(f"> {line}".rstrip() for line in _block(citation.quote)), ""]
    lines += ["---", "", "## Where this comes from", ""]
    lines += [f"- {name}: {_inline(value)}" for name, value in _provenance(c)]
    return "\n".join([*lines, "", OFFSETS, ""])


def to_html(c: Conversation) -> str:
    """One page that needs nothing else, on screen or on paper: no script, and no link but from a marker to its quote."""
    return _template().render(
        c=c,
        turns=list(zip(c.asked, c.answers, strict=True)),
        detect=detect_language,
        tongue=lambda code: {"lang": code, "dir": direction(code)},
        understood=_understood,
        notes=_notes,
        scores=_scores,
        where=_where,
        segments=segments,
        provenance=_provenance(c),
        offsets=OFFSETS,
    )


def _understood(asked: str, answer: Answer) -> bool:
    """Whether the question that was answered is not the one that was typed."""
    return answer.question != asked.strip()


def _notes(answer: Answer) -> Iterator[str]:
    if answer.stage != "done":
        yield NEVER
    elif not answer.answered:
        yield ABSTAINED
    if answer.weak:
        yield WEAK


def _scores(answer: Answer) -> str:
    """
    >>> from rag.datatypes import Claim
    >>> _scores(Answer("?", confidence=0.9, claims=(Claim("", (), 0.41),)))
    'confidence 0.90, support 0.41'
    """
    return ", ".join([f"confidence {answer.confidence:.2f}", *(f"support {claim.support:.2f}" for claim in answer.claims)])


def _where(citation: Citation) -> str:
    """
    >>> _where(Citation(1, 0, 4, "One.", 0.8, 0, 3))
    'characters 0–4, page 3, support 0.80'
    """
    return f"{citation.where}, support {citation.support:.2f}"


def _provenance(c: Conversation) -> list[tuple[str, str]]:
    facts = [
        ("Article", c.article.title),
        ("Author", c.article.author),
        ("File", c.article.source),
        ("Language", c.article.language),
        ("SHA-256 of its text", c.article.hash),
        ("Chat model", c.model),
        ("Hash of the chat model", c.model_hash),
        ("Encoder", c.encoder),
        ("Hash of the encoder", c.encoder_hash),
        ("Made", c.made),
    ]
    return [(name, value) for name, value in facts if value]


def _shown(text: str) -> str:
    return UNSHOWN.sub("\ufffd", text)


def _inline(text: str) -> str:
    """Text as Markdown that shows it, on one line.

    >>> _inline("# 5 * 3 <b> ![x](http://y) [9]")
    '\\\\# 5 \\\\* 3 \\\\<b\\\\> !\\\\[x\\\\](http\\\\://y) \\\\[9\\\\]'
    """
    return _escape(" ".join(text.split()))


def _block(text: str) -> list[str]:
    """Text as lines of Markdown that show it."""
    return [_escape(line.strip()) for line in re.split(r"\r\n|\r|\n", text)]


def _escape(line: str) -> str:
    line = re.sub(r"[\\`*_\[\]<>&~|$#]|:(?=//)|(?<=\bwww)\.|(?<=\w)@", r"\\\g<0>", _shown(line))
    return re.sub(r"^(?=[+=-])|^(\d+)(?=[.)])", r"\1\\", line)  # what begins a list or underlines a heading


@cache
def _template() -> Template:
    from jinja2 import Environment

    environment = Environment(
        autoescape=True, finalize=_finalized, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )  # fmt: skip
    return environment.from_string(PAGE)


def _finalized(value: Any) -> Any:
    """A parser would make a line feed of a carriage return, and text of the article's must read back as it is."""
    from markupsafe import Markup, escape

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return Markup(str(escape(_shown(value))).replace("\r", "&#13;"))


PAGE = """\
{% macro tongued(code) %}{% set t = tongue(code) %}lang="{{ t.lang }}" dir="{{ t.dir }}"{% endmacro %}
<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ c.article.title }}</title>
<style>
:root { color-scheme: light; --ink: #1c1c1c; --faint: #5b5f66; --line: #c9ccd1; --accent: #1b5faa; --warn: #8a3b00 }
body { font: 1rem/1.6 system-ui, "Segoe UI", "Noto Sans", "Noto Sans Arabic", sans-serif; color: var(--ink); background: #fff;
  max-width: 44rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3, p, blockquote, li, dd { unicode-bidi: isolate; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.35 }
h2 { font-size: 1.15rem; line-height: 1.4; margin: 0 0 .5rem }
h3 { font-size: 1rem }
section { border-top: 1px solid var(--line); padding: 1.25rem 0 .5rem }
.answer, blockquote, li { white-space: pre-line }
.answer { margin: .5rem 0 }
.faint, figcaption, dt { color: var(--faint); font-size: .875rem }
.weak, .none { color: var(--warn); border-inline-start: 3px solid; padding-inline-start: .6rem }
a { color: var(--accent) }
figure { margin: 1rem 0 }
figure:target { background: #fff6d6 }
blockquote { margin: .25rem 0 0; padding-inline-start: .8rem; border-inline-start: 3px solid var(--accent) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem }
dd { margin: 0 }
@page { margin: 18mm }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 10.5pt }
  h1, h2, h3, figcaption { break-after: avoid }
  figure, li, dl { break-inside: avoid }
  a { color: inherit; text-decoration: none }
  details::details-content { content-visibility: visible; block-size: auto }
}
</style>
</head>
<body>
<main>
<h1 {{ tongued(c.article.language) }}>{{ c.article.title }}</h1>
{% for asked, answer in turns %}
{% set turn = loop.index %}
<section>
<h2 {{ tongued(detect(asked)) }}>{{ asked }}</h2>
{% if understood(asked, answer) %}
<p class="faint">Understood as:</p>
<p {{ tongued(detect(answer.question)) }}>{{ answer.question }}</p>
{% endif %}
<p class="answer" {{ tongued(answer.language) }}>
{%- for text, cited in segments(answer) %}
{%- if cited %}<bdi><a href="#quote-{{ turn }}-{{ cited.number }}">{{ text }}</a></bdi>{% else %}{{ text }}{% endif %}
{%- endfor %}</p>
{% for note in notes(answer) %}
<p class="{{ 'weak' if answer.answered else 'none' }}">{{ note }}</p>
{% endfor %}
{% if answer.stage == "done" %}
<p class="faint">{{ scores(answer) }}</p>
{% endif %}
{% for citation in answer.citations %}
<figure id="quote-{{ turn }}-{{ citation.number }}">
<figcaption><b>[{{ citation.number }}]</b> {{ where(citation) }}</figcaption>
<blockquote {{ tongued(c.article.language) }}>{{ citation.quote }}</blockquote>
</figure>
{% endfor %}
{% if answer.hits %}
<details>
<summary class="faint">Sentences that were looked at</summary>
<ol>
{% for hit in answer.hits %}
<li><span class="faint">characters {{ hit.start }}–{{ hit.end }}, score {{ "%.3f"|format(hit.score) }},
of which words in common {{ "%.3f"|format(hit.lexical) }}</span>
<p {{ tongued(c.article.language) }}>{{ c.article.text[hit.start:hit.end] }}</p></li>
{% endfor %}
</ol>
</details>
{% endif %}
</section>
{% endfor %}
</main>
<footer>
<section>
<h3>Where this comes from</h3>
<dl>
{% for name, value in provenance %}
<dt>{{ name }}</dt><dd dir="auto">{{ value }}</dd>
{% endfor %}
</dl>
<p class="faint">{{ offsets }}</p>
</section>
</footer>
</body>
</html>
"""
