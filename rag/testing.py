"""An encoder and a chat model made of arithmetic, for tests that need neither weights nor seconds.

    Chat(article, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION, config=Config(keep=False))
"""
from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from embeddings.weights import Progress
from rag.calibration import Calibration, Logistic
from rag.errors import ModelError
from rag.models import Reading

CALIBRATION = Calibration(
    {"cosine": 1.0, "gain": 6.0},
    0.5,
    Logistic(-2.5, {"yes": 1.0}),
    0.5,
    Logistic(0.0, {"share": 1.0}),
    Logistic(0.0, {"support": 1.0}),
)
"""The article answers where a sentence shares three words with the question, of those that WordModel knows."""


class WordEncoder:
    """Texts as unit vectors of their word counts: two texts of the same words are one, of no common word orthogonal.

    >>> a, b = WordEncoder().queries(["wild goose", "goose"])
    >>> round(float(a @ b), 4)
    0.7071
    """

    fingerprint = "words"
    dimension = 4096

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            for word in words(text):
                vectors[row, zlib.crc32(word.encode("utf-8", "replace")) % self.dimension] += 1
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def passages(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        return self.queries(texts)


class WordModel:
    """A model that likes a sentence e times more for each word it shares with the prompt, and replies with the likeliest;
    with `quoted` where it has read nothing. Its cells are the pieces themselves.
    """

    name = fingerprint = "words"

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self.read_pieces = 0

    def count(self, text: str) -> int:
        return len(text.split())

    def read(self, instructions: str, pieces: Sequence[str], progress: Progress | None = None) -> Reading:
        if (words := sum(map(self.count, [instructions, *pieces]))) > self._capacity:
            raise ModelError(f"A text of {words} words does not fit into {self._capacity}.")
        self.read_pieces += len(pieces)
        return Reading(0, tuple((i, i + 1) for i in range(len(pieces))), json.dumps(list(pieces)).encode())

    def weigh(self, reading: Reading, views: Sequence[Sequence[int]], before: str, text: str, after: str,
              choices: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """A word of the text is e times likelier where a piece has it; yes to no is e for each word beyond one, shared."""
        seen = [words(" ".join(self._pieces(reading, view))) for view in views]
        likes = [[-1.0 if words(word) & known else -2.0 for word in text.split()] for known in seen]
        yes = [len(words(text) & known) - 1.0 for known in seen]
        odds = [[one / 2 if choice.lower() == "yes" else -one / 2 for choice in choices] for one in yes]
        return np.array(likes), np.array(odds)

    def stream(self, reading: Reading, chosen: Sequence[int], prompt: str, *, script: tuple[str, ...], quoted: str,
               max_tokens: int, question: str = "") -> Iterator[str]:
        best = max(self._pieces(reading, chosen), key=lambda piece: len(words(piece) & words(prompt)), default=quoted)
        for word in best.split()[:max_tokens]:
            yield f"{word} "

    def _pieces(self, reading: Reading, chosen: Sequence[int]) -> list[str]:
        pieces = json.loads(reading.state)
        return [pieces[i] for i in chosen]


def words(text: str) -> set[str]:
    """The words of more than three letters: shorter ones say little."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
