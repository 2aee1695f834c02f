"""BERT over pieces of text, the first part of the default encoder: a module of sentence-transformers.

The library's own module cuts texts with Hugging Face's tokenizers; for these 250,000 pieces that takes five times the memory
of SentencePiece (Kudo and Richardson 2018), which they were made with. Both give the same pieces.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import InputModule, Normalize, Pooling
from sentencepiece import SentencePieceProcessor
from torch.nn.utils.rnn import pad_sequence
from transformers import BertModel

from embeddings.e5 import PIECES

ZERO_WIDTH_JOINER = "\u200d"


class Bert(InputModule):
    """A vector for each piece of a text, the first 512 of them."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(folder, dtype=dtype, add_pooling_layer=False)
        self.pieces = SentencePieceProcessor(model_file=str(folder / PIECES))

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: object) -> dict[str, torch.Tensor]:
        """Numbers of the pieces and which of them are there: int64, shape (texts, pieces of the longest)."""
        # To the model this joiner was a space; SentencePiece keeps it since.
        texts = [f"{prompt or ''}{text}".replace(ZERO_WIDTH_JOINER, " ") for text in inputs]
        most = self.bert.config.max_position_embeddings - 1
        end = self.pieces.eos_id()
        rows = [torch.tensor([*row[:most], end]) for row in self.pieces.encode(texts, add_bos=True)]
        table = pad_sequence(rows, batch_first=True, padding_value=self.pieces.pad_id())
        return {"input_ids": table, "attention_mask": (table != self.pieces.pad_id()).long()}

    def forward(self, features: dict[str, Any], **_: object) -> dict[str, Any]:
        seen = self.bert(features["input_ids"], features["attention_mask"])
        return {**features, "token_embeddings": seen.last_hidden_state}

    def save(self, output_path: str, *_: object, **__: object) -> None:
        raise NotImplementedError("The default encoder is made from pip's packages, see embeddings.e5.save_folder.")


def load(folder: Path, dtype: torch.dtype) -> SentenceTransformer:
    """The encoder in a folder that `embeddings.e5.save_folder` has written: BERT, mean pooling, unit length."""
    bert = Bert(folder, dtype)
    return SentenceTransformer(modules=[bert, Pooling(bert.bert.config.hidden_size), Normalize()], device="cpu")
