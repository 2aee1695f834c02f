"""Vectors in a FAISS index, saved with the recipe that made it.

A saved index is two files: the index as FAISS writes it, and a JSON recipe that names what it was made
from and the SHA-256 of the index file. The recipe is written last; an index is used only when the recipe
is the expected one and the bytes agree with it.
"""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embeddings.weights import replacing, writing

if TYPE_CHECKING:
    import faiss

VERSION = 1


class VectorIndex:
    """Exact inner-product search over the rows of a matrix: float32, shape (rows, dimension)."""

    def __init__(self, index: faiss.Index) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: np.ndarray) -> VectorIndex:
        import faiss

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
        """Write the index and, last, its recipe. Raises WeightsError when the disk is full or read-only."""
        import faiss

        data = faiss.serialize_index(self._index).tobytes()
        signed = recipe | {"version": VERSION, "sha256": hashlib.sha256(data).hexdigest()}
        with writing(path.parent, len(data)):
            with replacing(path) as out:
                out.write(data)
            with replacing(path.with_suffix(".json")) as out:
                out.write(json.dumps(signed, indent=1).encode())

    @classmethod
    def load(cls, path: Path, recipe: dict[str, str]) -> VectorIndex | None:
        """The saved index, or None when there is none made by this recipe, whole and unchanged."""
        import faiss

        try:
            signed = json.loads(path.with_suffix(".json").read_text("utf-8"))
            data = path.read_bytes()
        except (OSError, ValueError):
            return None
        if signed != recipe | {"version": VERSION, "sha256": hashlib.sha256(data).hexdigest()}:
            return None
        return cls(faiss.deserialize_index(np.frombuffer(data, np.uint8)))
