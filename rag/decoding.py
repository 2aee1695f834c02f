"""Which token is written next: pure functions from pieces of text and logits, for any model that gives them."""
from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np

CONTRAST, PLAUSIBLE = 1.0, float(np.log(10))
"""How much an answer leans on its evidence, and how many nats below the likeliest token another may be written."""
REPEATED = 6
"""A run of as many tokens is written once."""


def writable(piece: bytes, script: tuple[str, ...]) -> bool:
    """Whether a token may stand in an answer written in `script`: what the Unicode names of its letters begin with.

    Digits, punctuation, a space and line breaks may, signs of currencies and fractions may not; an incomplete
    character may where its first byte leads to the script.

    >>> [writable(p.encode(), ("LATIN",)) for p in (" base", "1972", "é", " قاعدة", " $", "  ")]
    [True, True, True, False, False, False]
    """
    text = piece.decode("utf-8", "replace")
    if piece != b" " and not text.strip() or any(unicodedata.category(c) in ("Sc", "No") for c in text):
        return "\n" in text
    letters = [c for c in text if c.isalpha()]
    if not all(unicodedata.name(c, "").startswith(script) for c in letters):
        return False
    return "\ufffd" not in text or "LATIN" not in script


def digits(number: str) -> str:
    """A number in ASCII digits, whatever digits it is written in.

    >>> digits("١٨٨٩")
    '1889'
    """
    return "".join(str(unicodedata.decimal(c)) for c in number)


def likeliest(seeing: np.ndarray, blind: Callable[[], np.ndarray] | None = None) -> int:
    """The token to write: of those not much less likely than the likeliest, what seeing the evidence speaks for most.

    Context-aware decoding (Shi et al. 2023, "Trusting Your Evidence"): (1 + a) · logits with the evidence − a · logits
    without; among tokens of at least a tenth of the highest probability (Li et al. 2022, "Contrastive Decoding").
    `blind` gives the logits without the evidence; it is asked only where there is more than one such token.

    >>> seeing = np.array([2.0, 1.5, -9.0])
    >>> likeliest(seeing), likeliest(seeing, lambda: np.array([4.0, 1.0, -99.0]))
    (0, 1)
    """
    near = np.flatnonzero(seeing >= seeing.max() - PLAUSIBLE)
    if blind is None or len(near) == 1:
        return int(seeing.argmax())
    return int(near[((1 + CONTRAST) * seeing[near] - CONTRAST * blind()[near]).argmax()])


def repeated(written: Sequence[int]) -> list[int]:
    """Tokens that would say the same REPEATED tokens again: a small model can go round in circles.

    >>> repeated([7, 1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4, 5])
    [6]
    """
    end = list(written[len(written) - REPEATED + 1 :])
    return [written[i] for i in range(REPEATED - 1, len(written)) if list(written[i - REPEATED + 1 : i]) == end]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum(dtype=np.float64))
