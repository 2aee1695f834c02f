"""What goes through the program: frozen values, tuples inside.

All offsets count characters (code points) of `Article.text`, end exclusive, so that
`article.text[x.start:x.end]` is the text meant, for sentences, hits and citations alike.
"""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Stage = Literal["searching", "choosing", "writing", "done"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an article: `index` counts from 0 in reading order, `paragraph` likewise."""

    index: int
    start: int
    end: int
    text: str
    paragraph: int


@dataclass(frozen=True, slots=True)
class Omission:
    """A span of the article that is not a sentence, and why: "boilerplate", "byline", "repeat" …"""

    start: int
    end: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved sentence: its index, offsets, score (higher is nearer), rank (0 is best); how much of the score is
    for words in common."""

    sentence: int
    start: int
    end: int
    score: float
    rank: int
    lexical: float = 0.0


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a statement stands. `number` is the marker [number] in `Answer.text`, from 1;
    `quote == article.text[start:end]`, always; `support` is the probability that it holds the answer; `page` counts from 1
    where the article has pages."""

    number: int
    start: int
    end: int
    quote: str
    support: float
    sentence: int
    page: int | None = None

    @property
    def where(self) -> str:
        """
        >>> Citation(1, 0, 4, "One.", 0.8, 0, 3).where
        'characters 0–4, page 3'
        """
        return f"characters {self.start}–{self.end}" + (f", page {self.page}" if self.page else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of the answer without its markers, the numbers of its citations, its support in 0..1.

    Support is the probability that the words give the right answer, from a right sentence: calibrated on the development
    questions. It is less than that of the sentences cited, most of all where the claim is in another language.
    """

    text: str
    citations: tuple[int, ...]
    support: float

    @property
    def weak(self) -> bool:
        """Whether it is more likely wrong than right: shown as such."""
        return self.support < 0.5


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, earlier in a conversation."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each stage of a question, until the `first_word`, and in `total`.

    `tokens_in` counts the question, once for each sentence that it is judged with, and the prompt to write from; not the
    article, which is read before, nor the few words around a question that is judged. `tokens_out` counts the answer.
    """

    search: float = 0.0
    choose: float = 0.0
    write: float = 0.0
    first_word: float = 0.0
    total: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question, or the growing part of it while `stage` is not "done".

    When `answered` is False the article does not answer: `text` says so in the question's
    language and there are no claims. `confidence` is the probability that the article answers the question.
    `question` is the one that was answered: a follow-up with what it left out. `citations` are in order of `number`,
    `hits` best first. Answers that say the same are equal, however long they took.

    >>> Answer("Who?", "Moscow.") == Answer("Who?", "Moscow.", timings=Timings(total=2.5))
    True
    """

    question: str
    text: str = ""
    answered: bool = False
    confidence: float = 0.0
    language: str = "en"
    claims: tuple[Claim, ...] = ()
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    timings: Timings = field(default_factory=Timings, compare=False)
    stage: Stage = "done"

    @property
    def weak(self) -> bool:
        """Whether one of the claims is more likely wrong than right: said beside the answer."""
        return any(claim.weak for claim in self.claims)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain lists, dicts, strings and numbers, as JSON gives them back; what is `weak` and `where` too.

        >>> Answer("?", claims=(Claim("Moscow.", (1,), 0.4),)).to_dict()["claims"]
        [{'text': 'Moscow.', 'citations': [1], 'support': 0.4, 'weak': True}]
        """
        return {
            **asdict(self),
            "claims": [{**asdict(claim), "citations": list(claim.citations), "weak": claim.weak} for claim in self.claims],
            "citations": [{**asdict(citation), "where": citation.where} for citation in self.citations],
            "hits": [asdict(hit) for hit in self.hits],
            "weak": self.weak,
        }
