"""Texts to unit vectors, with any sentence-transformers model; by default multilingual-e5-small.

E5 was trained with a prefix on every text, "query: " or "passage: " (Wang et al. 2024,
"Multilingual E5 Text Embeddings"), mean pooling and cosine similarity. A model that brings prompts of its own gets those.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from embeddings import e5
from embeddings.errors import SanadError, WeightsError, enough_memory
from embeddings.files import Progress, hashed, intact, log, mark, marked, stamped, sync, unfinished, whole, writing
from embeddings.weights import ENCODER, ensure

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

CHUNK, BATCH = 128, 16
"""Texts encoded between two words of progress; texts in one evaluation: more take more memory, and no less time."""
PROMPTS = {"query": "query: ", "document": "passage: "}
"""What is put before a question and a passage, by the names that sentence-transformers has for them."""
RECIPE = "recipe.json"
"""In the folder of the default encoder: the SHA-256 of each of its files."""


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
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if threads:
            torch.set_num_threads(threads)
        dtype = getattr(torch, _dtype())
        try:
            with enough_memory("the encoder"):
                self._model = loaded(model, dtype)
        except SanadError:
            raise
        except Exception as exc:  # those of torch, safetensors and sentencepiece share no root
            raise WeightsError(
                f"sentence-transformers can't load {model}: {exc}. --encoder takes a folder, a hub name, or default."
            ) from exc
        own = {name: prompt for name, prompt in getattr(self._model, "prompts", {}).items() if prompt}
        named = {"query": own.get("query", ""), "document": own.get("document", own.get("passage", ""))}
        self._prompts = named if own else PROMPTS
        prompts = json.dumps(named) if own else "e5"
        made = f"{fingerprint or stamped(Path(model))} {dtype} {BATCH} {prompts} sentencepiece"
        self.fingerprint = hashlib.sha256(made.encode()).hexdigest()

    def queries(self, texts: Sequence[str]) -> np.ndarray:
        return self._encode(texts, "query")

    def passages(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        # The longest first: texts of one batch are then alike in length, and little is spent on padding.
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        vectors: list[np.ndarray] = []
        for at in range(0, len(order), CHUNK):
            if progress:
                progress("encoding sentences", at, len(order))
            vectors.append(self._encode([texts[i] for i in order[at : at + CHUNK]], "document"))
        if progress:
            progress("encoding sentences", len(order), len(order))
        return np.concatenate(vectors)[np.argsort(order)]

    def _encode(self, texts: Sequence[str], kind: str) -> np.ndarray:
        # A lone surrogate has no UTF-8 form; the tokenizer takes none.
        clean = [f"{self._prompts[kind]}{text}".encode("utf-8", "replace").decode() for text in texts]
        with enough_memory("encoding the article"):
            vectors = self._model.encode(clean, batch_size=BATCH, show_progress_bar=False, normalize_embeddings=True, prompt="")
        return np.asarray(vectors, np.float32)


def loaded(model: str | Path, dtype: torch.dtype) -> SentenceTransformer:
    """The model of a name or a folder, the default encoder's as `default_folder` makes it or any other, to compute in dtype."""
    if (Path(model) / RECIPE).is_file():
        from embeddings import bert

        return bert.load(Path(model), dtype)
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(model), device="cpu", model_kwargs={"dtype": dtype})


@enough_memory("preparing the encoder")
def default_folder(cache: Path, progress: Progress | None = None) -> Path:
    """The folder of the default encoder, made from pip's package when it is missing or damaged. Raises WeightsError as
    `ensure` does, SanadError when memory does not suffice."""
    folder = prepared(cache)
    marker = folder.with_name(f"{folder.name}.json")
    if intact(_hashes(folder), marker, progress):
        return folder
    source = ensure(ENCODER, cache / "weights", progress)
    with writing(folder.parent, 500_000_000):
        if marked(_hashes(folder), marker):  # by the process that was waited for
            return folder
        if folder.exists():
            log.warning("The encoder in %s is damaged, or from another version. It is made again.", folder)
        if progress:
            progress("preparing the encoder", 0, 1)
        making = unfinished(folder)
        making.mkdir()
        e5.save_folder(source, making, _dtype())
        files = [file for file in sorted(making.rglob("*")) if file.is_file()]
        recipe = making / RECIPE
        recipe.write_text(json.dumps({file.relative_to(making).as_posix(): hashed(file) for file in files}, indent=1), "utf-8")
        for file in (*files, recipe):
            with file.open("r+b") as handle:
                os.fsync(handle.fileno())
        sync(making)
        if folder.exists():
            folder.rename(unfinished(folder))
        making.rename(folder)
        sync(folder.parent)
        mark(_hashes(folder), marker)
        if progress:
            progress("preparing the encoder", 1, 1)
    return folder


def verify(cache: Path, progress: Progress | None = None) -> bool:
    """Whether the default encoder's folder has the right hashes, its files read from their first bytes to their last."""
    return whole(_hashes(prepared(cache)), progress)


def prepared(cache: Path) -> Path:
    """Where `default_folder` makes the folder, for this processor."""
    return cache / "encoders" / f"multilingual-e5-small-{ENCODER.sha256[:12]}-{_dtype()}"


def _hashes(folder: Path) -> dict[Path, str]:
    """The SHA-256 that each file of the encoder had when it was made, by its recipe; none where that can't be read, or is of
    an earlier version, which had another tokenizer."""
    try:
        made = json.loads((folder / RECIPE).read_text("utf-8"))
        return {folder / name: sha256 for name, sha256 in made.items()} if e5.PIECES in made else {}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _dtype() -> str:
    """The kind of number that this processor multiplies fast."""
    import torch

    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"
