"""Vectors in a FAISS index, kept in a file with the recipe that made it."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings.errors import enough_memory
from embeddings.files import keep, kept

if TYPE_CHECKING:
    import faiss

VERSION = 1
DISK = 1_000_000_000
"""Bytes that kept indexes may take on disk; one of 30 sentences takes 46 KB with the default encoder."""


class VectorIndex:
    """Exact inner-product search over the rows of a matrix: float32, shape (rows, dimension)."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: np.ndarray) -> VectorIndex:
        """The index of these rows. Raises SanadError when memory does not suffice.

        >>> VectorIndex.build(np.eye(2)).search(np.array([0.6, 0.8]), 1)
        [(1, 0.800000011920929)]
        """
        import faiss

        with enough_memory("the index of the article"):
            index = faiss.IndexFlatIP(vectors.shape[1])
            index.add(np.ascontiguousarray(vectors, np.float32))
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, query: np.ndarray, k: int) -> list[tuple[int, float]]:
        """The k nearest rows as (row, inner product), nearest first; fewer when there are fewer."""
        scores, rows = self._index.search(np.ascontiguousarray(query[None], np.float32), min(k, len(self)))
        return [(int(row), float(score)) for row, score in zip(rows[0], scores[0], strict=True)]

    def save(self, path: Path, recipe: dict[str, str]) -> None:
        """Keep the index in a file with its recipe; on a disk that is full or only read, says that it could not."""
        import faiss

        keep(path, faiss.serialize_index(self._index).tobytes(), recipe | {"version": VERSION}, limit=DISK)

    @classmethod
    def load(cls, path: Path, recipe: dict[str, str]) -> VectorIndex | None:
        """The saved index, or None when there is none made by this recipe, whole and unchanged."""
        import faiss

        data = kept(path, recipe | {"version": VERSION})
        return None if data is None else cls(faiss.deserialize_index(np.frombuffer(data, np.uint8)))
