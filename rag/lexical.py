"""Words as they are compared: folded, and for search cut to what their forms have in common."""
from __future__ import annotations

import unicodedata

ALEF = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي"})
PREFIXES = ("وال", "بال", "كال", "فال", "لل", "و", "ب", "ل", "ف")
SUFFIXES = ("ات", "ون", "ين", "ان", "ها", "هم", "يه", "ه", "ي", "ا")
STEM, SHORTEST = 6, 3
"""Letters kept of a word that is not Arabic (prefixes of a fixed length stem about as well as rules do: McNamee and
Mayfield 2004); letters that must be left of an Arabic one."""


def words(text: str) -> list[str]:
    """The words of a text: lower case, no marks, no articles, Arabic letters of one sound as one.

    >>> words("The émigrés, 2.5"), words("إلى الدُّوَلِ")
    (['émigrés', '2', '5'], ['الي', 'دول'])
    """
    folded = unicodedata.normalize("NFKC", text).lower().translate(ALEF)
    spaced = "".join(c if c.isalnum() else " " for c in folded if not unicodedata.combining(c))
    found = (word for word in spaced.split() if word not in ("a", "an", "the"))
    return [word[2:] if word.startswith("ال") and len(word) > 4 else word for word in found]


def stem(word: str) -> str:
    """A folded word without the Arabic prefix and suffix it may have; the first letters of any other.

    >>> stem("ودول"), stem("دوليه"), stem("governments")
    ('دول', 'دول', 'govern')
    """
    if not "\u0621" <= word[0] <= "\u064a":
        return word[:STEM]
    prefix = next((p for p in PREFIXES if word.startswith(p) and len(word) - len(p) >= SHORTEST), "")
    word = word.removeprefix(prefix)
    suffix = next((s for s in SUFFIXES if word.endswith(s) and len(word) - len(s) >= SHORTEST), "")
    return word.removesuffix(suffix)
