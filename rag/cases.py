"""What is asked when answers are judged: questions with the sentences that answer them and a short right answer.

From a file of questions to one article, or from files in the public format of SQuAD, XQuAD and XQuAD-R.
"""
from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.article import Article, detect_language
from rag.chat import checked, known
from rag.errors import ArticleError, EvaluationError, QuestionError

Span = tuple[int, int]
UNANSWERABLE = ("far", "near", "false_premise", "unanswerable")
"""Kinds of question that the article does not answer: off its subject, on it but not said, resting on an error, any."""


@dataclass(frozen=True)
class Case:
    """A question to an article, the spans of its text that answer it, and a short right answer.

    `gold` and `answer` are empty where `kind` is one of UNANSWERABLE. Cases of one article share the object.
    """

    id: str
    kind: str
    language: str
    question: str
    answer: str
    gold: tuple[Span, ...]
    article: Article


@dataclass(frozen=True)
class Asked:
    """A question of a SQuAD file; its answer stands in the paragraph from character `start` on."""

    id: str
    question: str
    answer: str
    start: int


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a SQuAD file; `sentences` are the offsets given with it, if any."""

    text: str
    sentences: tuple[Span, ...] | None
    asked: tuple[Asked, ...]


def read_questions(path: Path, article: Article) -> tuple[Case, ...]:
    """The cases of a file of questions to one article, one JSON object a line.

    {"question": "Who refused?", "sentences": [14], "answer": "Moscow", "kind": "who", "language": "en", "id": "1"}

    `sentences` are the indexes of all sentences any of which answers, on its own or with the clause that goes on from
    it; none, and no answer, where the article does not say. Kind, language and id may be left out: they are then
    "answerable" or "unanswerable", detected, and the number of the line. Raises EvaluationError, naming the line.
    """
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        case = _case(line, f"{path}, line {number}", str(number), article)
        if case.id in seen:
            raise EvaluationError(
                f"{path}, line {number}: the id {case.id!r} stands in line {seen[case.id]} too. Give each question its own."
            )
        seen[case.id] = number
        cases.append(case)
    if not cases:
        raise EvaluationError(f"{path} holds no question. Write one JSON object a line.")
    return tuple(cases)


def read_squad(path: Path) -> tuple[tuple[Paragraph, ...], ...]:
    """The articles of a file in the format of SQuAD, XQuAD or XQuAD-R, each as its paragraphs.

    Of several answers to a question the first counts; questions without one are left out.
    Raises EvaluationError, naming the article and the paragraph.
    """
    try:
        root = json.loads(_text(path))
    except (ValueError, RecursionError) as exc:
        raise EvaluationError(f"{path} is not JSON: {exc}. Give a file in the format of SQuAD.") from exc
    articles = []
    for a, article in enumerate(_member(root, "data", list, str(path))):
        paragraphs = []
        for p, paragraph in enumerate(_member(article, "paragraphs", list, f"{path}, article {a}")):
            paragraphs.append(_paragraph(paragraph, f"{path}, article {a}, paragraph {p}"))
        articles.append(tuple(paragraphs))
    ids = Counter(question.id for paragraphs in articles for p in paragraphs for question in p.asked)
    if not ids:
        raise EvaluationError(f"{path} holds no question with an answer. Give a file in the format of SQuAD.")
    name, times = ids.most_common(1)[0]
    if times > 1:
        raise EvaluationError(f"{path} has {times} questions with the id {name!r}. Give each its own: they are matched by it.")
    return tuple(articles)


def squad_cases(
    docs: Sequence[Sequence[Paragraph]],
    asked: Sequence[Sequence[Paragraph]],
    *,
    articles: int = 24,
    per_article: int = 2,
    seed: int = 7,
    unanswerable: bool = True,
) -> Iterator[Case]:
    """Cases over the first so many articles, picked at random, the same for the same seed.

    Of each article `per_article` questions of its own ("answerable"), one of another article ("far") and one of its
    own whose paragraph has been taken out ("near"). Questions are worded as in `asked`, which may be a translation:
    they are matched by id, and those without a match are left out. The gold spans are the sentences that overlap
    the answer, as the file gives them, or else as `Article` cuts them. Raises EvaluationError when no id matches, and when an
    answer is not where `docs` says.
    """
    wording = {question.id: question for paragraphs in asked for p in paragraphs for question in p.asked}
    language = _language([question.question for question in wording.values()])

    def worded(paragraphs: Sequence[Paragraph]) -> list[tuple[int, Asked]]:
        """The questions that have a wording, each with the number of its paragraph."""
        return [(n, question) for n, p in enumerate(paragraphs) for question in p.asked if question.id in wording]

    matched = [paragraphs for paragraphs in docs if worded(paragraphs)]
    if not matched:
        raise EvaluationError("No id of a question stands in both files. Give two translations of the same questions.")
    rng = random.Random(seed)
    # A question of the article five further on is far enough from this one's subject; where that is the article itself, one.
    step = 1 if len(matched) == 5 else 5
    for number, paragraphs in enumerate(matched[:articles]):
        # Not its title, which would tell what the text is about; but the same whatever language it is asked in.
        title = f"article of question {next(question.id for p in paragraphs for question in p.asked)}"
        article, own = _joined(paragraphs, title), worded(paragraphs)
        for p, question in own:
            if not paragraphs[p].text.startswith(question.answer, question.start):
                raise EvaluationError(
                    f"The answer {question.answer!r} to question {question.id} of --docs does not stand at character "
                    f"{question.start} of its paragraph. Check the file: 'answer_start' counts characters, not bytes."
                )
        for p, question in rng.sample(own, min(per_article, len(own))):
            said = wording[question.id]
            gold = _gold(article, paragraphs, p, question)
            yield Case(question.id, "answerable", language, said.question, said.answer, gold, article)
        if not unanswerable:
            continue
        if len(matched) > 1:
            _, question = rng.choice(worded(matched[(number + step) % len(matched)]))
            yield Case(question.id, "far", language, wording[question.id].question, "", (), article)
        p, question = rng.choice(own)
        try:
            reduced = _joined([*paragraphs[:p], *paragraphs[p + 1 :]], title)
        except ArticleError:  # nothing is left of it
            continue
        yield Case(question.id, "near", language, wording[question.id].question, "", (), reduced)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise EvaluationError(f"{path} is not UTF-8 text (byte {exc.start:,}). Save it as UTF-8.") from exc
    except (OSError, ValueError) as exc:  # a name can hold what no file system takes
        cause = getattr(exc, "strerror", None) or exc
        raise EvaluationError(f"Can't read {str(path)!r}: {cause}. Check the name and the permissions.") from exc


def _case(line: str, where: str, number: str, article: Article) -> Case:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise EvaluationError(f"{where} is not JSON: {exc}. Write one JSON object a line.") from exc
    with _named(where):
        question = checked(_member(fields, "question", str, where))
        language = known(_member(fields, "language", str, where)) if "language" in fields else detect_language(question)
    sentences, count = _member(fields, "sentences", list, where), len(article.sentences)
    for index in sentences:
        if type(index) is not int or not 0 <= index < count:
            raise EvaluationError(
                f"{where}: {index!r} is no sentence of {article.title!r}, which has 0 to {count - 1}. "
                "Give the indexes of the sentences that answer, as Article.sentences counts them."
            )
    defaults = {"answer": "", "kind": "answerable" if sentences else "unanswerable", "id": number}
    answer, kind, name = (_member({**defaults, **fields}, key, str, where) for key in ("answer", "kind", "id"))
    if (kind in UNANSWERABLE) == bool(sentences) or bool(answer.strip()) != bool(sentences):
        raise EvaluationError(
            f"{where}: the kind is {kind!r}, the sentences are {sentences}, the answer is {answer!r}. Give an answerable "
            f"question both sentences and an answer, one of the kinds {', '.join(UNANSWERABLE)} neither."
        )
    gold = tuple((article.sentences[i].start, article.sentences[i].end) for i in sentences)
    return Case(name, kind, language, question, answer, gold, article)


def _paragraph(fields: Any, where: str) -> Paragraph:
    text = _member(fields, "context", str, where)
    asked = []
    for n, question in enumerate(_member(fields, "qas", list, where)):
        here = f"{where}, question {n}"
        answers = _member(question, "answers", list, here)
        if not answers:
            continue
        answer, start = _member(answers[0], "text", str, here), _member(answers[0], "answer_start", int, here)
        if not 0 <= start < start + len(answer) <= len(text):
            raise EvaluationError(f"{here}: {answer!r} can't stand at character {start} of {len(text)}. Check the file.")
        with _named(here):
            worded = checked(_member(question, "question", str, here))
        asked.append(Asked(_member(question, "id", str, here), worded, answer, start))
    if "sentence_breaks" not in fields:
        return Paragraph(text, None, tuple(asked))
    breaks = _member(fields, "sentence_breaks", list, where)
    for pair in breaks:
        if not (isinstance(pair, list) and [type(n) for n in pair] == [int, int]):
            raise EvaluationError(f"{where}: {pair!r} in 'sentence_breaks' is not [start, end]. Check the file.")
    for question in asked:
        if not any(_meet(question, start, end) for start, end in breaks):
            raise EvaluationError(f"{where}: no sentence of 'sentence_breaks' has the answer to {question.id}. Check the file.")
    return Paragraph(text, tuple((start, end) for start, end in breaks), tuple(asked))


@contextmanager
def _named(where: str) -> Iterator[None]:
    """A question that can't be asked is an error of its file: better before an hour of questions than after."""
    try:
        yield
    except QuestionError as exc:
        raise EvaluationError(f"{where}: {exc}") from exc


def _member(fields: Any, key: str, kind: type, where: str) -> Any:
    """fields[key], which must be of this type."""
    if not isinstance(fields, Mapping):
        raise EvaluationError(f"{where} is {_shown(fields)}, not an object with {key!r}. Check the format of the file.")
    if key not in fields:
        raise EvaluationError(f"{where} has no {key!r}. Check the format of the file.")
    if type(fields[key]) is not kind:
        names = {str: "a string", list: "a list", int: "a whole number"}
        raise EvaluationError(f"{where}: {key!r} is {_shown(fields[key])}, not {names[kind]}. Check the format of the file.")
    return fields[key]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _joined(paragraphs: Sequence[Paragraph], title: str) -> Article:
    return Article.from_text("\n\n".join(p.text for p in paragraphs), title=title)


def _gold(article: Article, paragraphs: Sequence[Paragraph], p: int, question: Asked) -> tuple[Span, ...]:
    """The sentences of the joined paragraphs that overlap the answer to a question of paragraph p."""
    offset = sum(len(before.text) + 2 for before in paragraphs[:p])
    given = paragraphs[p].sentences
    spans = [(s.start - offset, s.end - offset) for s in article.sentences] if given is None else given
    return tuple((offset + start, offset + end) for start, end in spans if _meet(question, start, end))


def _meet(question: Asked, start: int, end: int) -> bool:
    """Whether the answer and a span of its paragraph have a character in common."""
    return max(start, question.start) < min(end, question.start + len(question.answer))


def _language(questions: Sequence[str]) -> str:
    """The language of most of the first questions: of a single short one it can be mistaken."""
    return Counter(map(detect_language, questions[:100])).most_common(1)[0][0]
