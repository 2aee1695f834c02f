"""What the page shows, as HTML: pure functions. Whatever comes from an article, a question or a model is escaped."""
from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import prompts
from rag.article import Article, detect_language, direction
from rag.citations import segments
from rag.datatypes import Answer, Citation, Hit, Omission, Sentence
from rag.library import Step
from rag.sessions import Exchange

NEAREST = 3
"""Sentences shown at once where the article does not answer; the others are folded away."""


def escape(text: str) -> str:
    """Text as HTML that reads back as the same text; a parser would make a line feed of a carriage return.

    >>> escape('<b> & "\\r')
    '&lt;b&gt; &amp; &quot;&#13;'
    """
    return html.escape(text).replace("\r", "&#13;")


def tongue(language: str) -> str:
    """The attributes that say which language an element is in.

    >>> tongue("ar")
    'lang="ar" dir="rtl"'
    """
    return f'lang="{escape(language)}" dir="{direction(language)}"'


def turn(exchange: Exchange, number: int, *, titled: bool = False) -> str:
    """A question and its answer, as far as it has come; `titled`, with the title of the article before it."""
    answer, language = exchange.answer, _labelled(exchange.answer.language)
    say = labels(language)
    asked = detect_language(exchange.asked, exchange.article.language)
    cards = "".join(_card(exchange, c, say) for c in answer.citations) if exchange.state == "done" else ""
    title = f'<p class="of" {tongue(exchange.article.language)}>{escape(exchange.article.title)}</p>' if titled else ""
    return (
        f'<section class="turn{"" if exchange.over else " live"}" data-turn="{number}" '
        f'data-article="{exchange.article.hash}" data-copied="{say["copied"]}" {tongue(language)}>'
        f'{title}<p class="asked" {tongue(asked)}>{escape(exchange.asked)}</p>'
        f"{_answer(exchange, say, language)}"
        f'<div class="citations">{cards}</div>'
        f"{_retrieved(exchange, say) if exchange.state == 'done' else ''}"
        f"{_acts(exchange, say) if exchange.over else ''}"
        "</section>"
    )


def article(article: Article) -> str:
    """The whole text, verbatim: its sentences in their paragraphs, and what is not a sentence."""
    parts, at, open_paragraph = [], 0, None
    for span, paragraph in _spans(article):
        gap = article.text[at : span.start]
        if paragraph is None or paragraph != open_paragraph:
            parts.append("</p>" * bool(at) + _gap(gap) + "<p>")
        else:
            parts.append(_gap(gap))
        if isinstance(span, Sentence):
            parts.append(f'<span class="s" id="s-{span.index}" data-sentence="{span.index}">{escape(span.text)}</span>')
        else:
            parts.append(f'<span class="omitted" title="{escape(span.reason)}">{escape(span.text)}</span>')
        at, open_paragraph = span.end, paragraph
    body = "".join(parts) + "</p>" + _gap(article.text[at:])
    return f'<article data-article="{article.hash}" {tongue(article.language)} tabindex="0">{body}</article>'


def about(article: Article) -> str:
    """Title, author, language, size, and what of the text is not a sentence, with the reason."""
    known = prompts.languages().get(article.language)
    facts = [
        *([f'<bdi class="author">{escape(article.author)}</bdi>'] if article.author else []),
        f"<bdi>{escape(known.own if known else article.language)}</bdi>",
        f"{len(article.sentences):,} sentences",
        f"{len(article.text):,} characters",
    ]
    left_out = ""
    if article.omitted:
        written = tongue(article.language)
        items = "".join(
            f'<li><span class="reason">{escape(o.reason)}</span> <bdi {written}>{escape(_short(o.text))}</bdi></li>'
            for o in article.omitted
        )
        left_out = f"<details><summary>{len(article.omitted)} left out: not sentences</summary><ul>{items}</ul></details>"
    return (
        f'<h2 class="title" {tongue(article.language)}>{escape(article.title)}</h2>'
        f'<p class="facts">{" · ".join(facts)}</p>{left_out}'
    )


def loading(step: Step | BaseException | None) -> str:
    """What is being loaded and how much of it is done; nothing when all is ready."""
    if step is None:
        return ""
    if isinstance(step, BaseException):
        return f'<p class="trouble" role="alert">{escape(str(step) or type(step).__name__)}</p>'
    return f'<p class="step" role="status">{_step(step)}<span class="aside">You can ask already.</span></p>'


def examples(questions: Sequence[str], key: str) -> str:
    """Questions to begin with, to the article of that hash."""
    buttons = "".join(f'<button class="example" {tongue(detect_language(q))}>{escape(q)}</button>' for q in questions)
    return f'<div role="group" aria-label="Example questions" data-article="{key}">{buttons}</div>'


def facts(named: Mapping[str, str]) -> str:
    """Names and values."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in named.items()) + "</dl>"


def quotation(article: Article, citation: Citation) -> str:
    """A citation as plain text to be pasted: the quote, and below it where it stands."""
    return f"“{citation.quote}”\n— " + ", ".join(part for part in (article.author, article.title, citation.where) if part)


def labels(language: str) -> dict[str, Any]:
    """The words around an answer, in its language where it is a known one, else in English.

    >>> labels("fr")["copy"], labels("tr")["copy"]
    ('Copier', 'Copy')
    """
    return _labels()[_labelled(language)]


@cache
def _labels() -> dict[str, dict[str, Any]]:
    return dict(json.loads(resources.files("rag").joinpath("data/labels.json").read_text("utf-8")))


def _labelled(language: str) -> str:
    return language if language in _labels() else "en"


def _answer(exchange: Exchange, say: dict[str, Any], language: str) -> str:
    answer, state = exchange.answer, exchange.state
    done = state == "done"
    parts = []
    if answer.question != exchange.asked and answer.question:
        parts.append(f'<p class="understood" {tongue(language)}>{say["understood"]} <bdi>{escape(answer.question)}</bdi></p>')
    parts.append(f'<p class="words">{_words(answer)}</p>')
    if not done:
        said = f'{say[state]} <bdi dir="auto">{escape(exchange.note)}</bdi>' if exchange.note else say[state]
        waits = _step(exchange.waits) if exchange.waits else ""
        parts.append(f'<p class="state" role="status" {tongue(language)}>{waits or said}</p>')
    if answer.weak:
        parts.append(f'<p class="weak" {tongue(language)}>{say["weak"]}</p>')
    if done:
        odds = say["odds"][sum(answer.confidence >= bound for bound in (0.1, 0.4, 0.6, 0.9))]
        number = f'<bdi dir="ltr">{answer.confidence:.2f}</bdi>'
        parts.append(f'<p class="confidence" {tongue(language)}>{say["in_article"]} {odds} ({number})</p>')
    answered = f' data-answered="{str(answer.answered).lower()}"' if done else ""
    return f'<div class="answer" {tongue(answer.language)} data-state="{state}"{answered}>{"".join(parts)}</div>'


def _words(answer: Answer) -> str:
    """The text, each marker of a citation a button. Isolated, a marker stays where it stands in either direction."""
    say = labels(answer.language)
    return "".join(
        f'<bdi><button class="cite" data-number="{cited.number}" data-sentence="{cited.sentence}" '
        f'aria-label="{say["source"]} {cited.number}">{cited.number}</button></bdi>'
        if cited
        else escape(part)
        for part, cited in segments(answer)
    )


def _card(exchange: Exchange, citation: Citation, say: dict[str, Any]) -> str:
    article = exchange.article
    where = [
        f'{say["characters"]} <bdi dir="ltr">{citation.start}–{citation.end}</bdi>',
        *([f'{say["page"]} <bdi>{citation.page}</bdi>'] if citation.page else []),
        f'{say["support"]} <bdi dir="ltr">{citation.support:.2f}</bdi>',
    ]
    translates = exchange.answer.language != article.language
    return (
        f'<div class="citation" data-number="{citation.number}" data-sentence="{citation.sentence}">'
        f'<button class="number" data-act="jump" aria-label="{say["source"]} {citation.number}">{citation.number}</button>'
        f'<blockquote class="quote" {tongue(article.language)}>{escape(citation.quote)}</blockquote>'
        f'<p class="translation" {tongue(exchange.answer.language)} hidden></p>'
        f'<div class="foot"><p class="where">{" · ".join(where)}</p><p class="does">'
        f'<button data-act="quotation" data-text="{escape(quotation(article, citation))}">{say["quotation"]}</button>'
        + (f'<button data-act="translate" data-label="{say["translation"]}">{say["translate"]}</button>' * translates)
        + "</p></div></div>"
    )


def _retrieved(exchange: Exchange, say: dict[str, Any]) -> str:
    answer = exchange.answer
    cited = {c.sentence for c in answer.citations}
    rest = [hit for hit in answer.hits if hit.sentence not in cited]
    if not rest:
        return ""
    if answer.answered:
        return f'<details class="retrieved"><summary>{say["looked"]}</summary>{_hits(exchange, rest, say)}</details>'
    folded = f'<details class="more"><summary>{say["more"]}</summary>{_hits(exchange, rest[NEAREST:], say)}</details>'
    return (
        f'<details class="retrieved" open><summary>{say["closest"]}</summary>{_hits(exchange, rest[:NEAREST], say)}'
        f"{folded if rest[NEAREST:] else ''}</details>"
    )


def _hits(exchange: Exchange, hits: Sequence[Hit], say: dict[str, Any]) -> str:
    article = exchange.article
    return "".join(
        f'<div class="hit" data-sentence="{hit.sentence}">'
        f'<button data-act="jump" {tongue(article.language)}>{escape(article.text[hit.start : hit.end])}</button>'
        f'<span class="score">{say["score"]} <bdi dir="ltr">{hit.score:.2f}</bdi></span></div>'
        for hit in hits
    )


def _acts(exchange: Exchange, say: dict[str, Any]) -> str:
    answer = exchange.answer
    sources = [f"[{c.number}] {quotation(exchange.article, c)}" for c in answer.citations]
    text = escape("\n\n".join([answer.text, *sources]))
    copies = f'<button data-act="copy" data-text="{text}">{say["copy"]}</button>'
    return (
        f'<p class="acts">{copies if answer.text else ""}<button data-act="retry">{say["retry"]}</button>'
        f'<button data-act="edit">{say["edit"]}</button></p>'
    )


def _step(step: Step) -> str:
    what, done, total = step
    amount = f' value="{done}" max="{total}"' if total else ""
    name = escape(what[:1].upper() + what[1:])
    return f'<span lang="en" dir="ltr">{name} …</span> <progress aria-label="{name}"{amount}></progress>'


def _spans(article: Article) -> Iterator[tuple[Sentence | Omission, int | None]]:
    """Sentences and omissions as they stand, each with the paragraph it is in; an omission between two has none."""
    spans: list[Sentence | Omission] = sorted((*article.sentences, *article.omitted), key=lambda span: (span.start, span.end))
    after: list[int | None] = []
    following = None
    for span in reversed(spans):
        following = span.paragraph if isinstance(span, Sentence) else following
        after.append(following)
    before = None
    for span, following in zip(spans, reversed(after), strict=True):
        before = span.paragraph if isinstance(span, Sentence) else before
        yield span, before if before == following else None


def _gap(text: str) -> str:
    """What stands between sentences: mostly spaces."""
    return f'<span class="omitted" title="not a sentence">{escape(text)}</span>' if text.strip() else escape(text)


def _short(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
