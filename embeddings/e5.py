"""The default encoder's file, read: multilingual-e5-small, its matrices in 4-bit blocks.

The file (magic E5S1) holds sizes, the pieces that a text may be cut into, and a directory of tensors. A matrix
is rows of blocks of 32 weights: an fp16 scale d, then 16 bytes whose low nibbles are the first 16 weights
and whose high nibbles the others; weight = (nibble - 8) * d. The layout is that of ggml's Q4_0.
"""
from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from embeddings.errors import WeightsError

PIECES = "sentencepiece.model"
"""In the folder: what a text may be cut into."""
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def dequantize(raw: bytes | memoryview, rows: int) -> np.ndarray:
    """A float32 matrix of `rows` rows from Q4_0 blocks.

    One block of scale 0.5 whose bytes are all 0x98: low nibbles 8 give 0.0, high nibbles 9 give 0.5.

    >>> block = np.float16(0.5).tobytes() + bytes([0x98] * 16)
    >>> dequantize(block, 1)[0, [0, 15, 16, 31]].tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    blocks = np.frombuffer(raw, BLOCK)
    weights = np.empty((len(blocks), 32), np.float32)
    weights[:, :16] = blocks["nibbles"] & 0x0F
    weights[:, 16:] = blocks["nibbles"] >> 4
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.reshape(rows, -1)


def read(path: Path) -> tuple[dict[str, int | float], list[tuple[str, float]], dict[str, np.ndarray]]:
    """(sizes, pieces of text with their ln P, tensors by the file's own names); matrices come back dequantized, float32."""
    data = memoryview(path.read_bytes())
    if bytes(data[:4]) != b"E5S1":
        raise WeightsError(f"{path} is not an E5S1 file: it starts with {bytes(data[:4])!r}.")
    names = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types", "eps", "block")
    sizes = dict(zip(names, struct.unpack_from("<7ifi", data, 8), strict=True))
    at = 44
    number, sizes["bos"], sizes["eos"], sizes["pad"], sizes["unk"], length = struct.unpack_from("<5iQ", data, at)
    at += 28
    ends, scores = struct.unpack_from(f"<{number + 1}I", data, at), struct.unpack_from(f"<{number}f", data, at + 4 * number + 4)
    at += 8 * number + 4
    text = bytes(data[at : at + length])
    pieces = [(text[a:b].decode(), score) for a, b, score in zip(ends, ends[1:], scores, strict=False)]
    at += length
    at += 8 + struct.unpack_from("<I", data, at + 4)[0]  # which characters count as others: SentencePiece knows it
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = bytes(data[at + 2 : at + 2 + length]).decode()
        quantized, number, offset, size = struct.unpack_from("<BIQQ", data, at + 2 + length)
        at += 2 + length + 21
        raw = data[offset : offset + size]
        tensors[name] = dequantize(raw, _rows(name, sizes)) if quantized else np.frombuffer(raw, "<f4", number)
    return sizes, pieces, tensors


def save_folder(weights: Path, folder: Path, dtype: str) -> None:
    """Write a folder that `embeddings.bert.load` loads. Raises OSError.

    Weights of the `dtype` that is computed in, "float32" or "bfloat16", are not read into memory but mapped.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    sizes, pieces, tensors = read(weights)
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes["hidden"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["feed_forward"],
        "vocab_size": sizes["vocabulary"],
        "max_position_embeddings": sizes["positions"],
        "type_vocab_size": sizes["types"],
        "layer_norm_eps": sizes["eps"],
        "hidden_act": "gelu",
        "pad_token_id": sizes["pad"],
        "dtype": dtype,
    }
    model = folder / "model.safetensors"
    try:
        state = _state(tensors, int(sizes["hidden"])).items()
        kind = getattr(torch, dtype)
        save_file({name: torch.tensor(array, dtype=kind) for name, array in state}, model, {"format": "pt"})
    except SafetensorError as exc:  # a full disk, as it says it
        raise OSError(str(exc)) from exc
    model.chmod(0o644)  # as the others: who may read the folder may use it
    (folder / PIECES).write_bytes(_sentencepiece(sizes, pieces))
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")


def _sentencepiece(sizes: dict[str, int | float], pieces: Sequence[tuple[str, float]]) -> bytes:
    """A model of SentencePiece, its unigram one: the pieces, those that no text holds, and Unicode's compatibility forms."""
    from sentencepiece import SentencePieceNormalizer
    from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

    piece = ModelProto.SentencePiece
    kinds = {name: piece.CONTROL for name in ("<s>", "</s>", "<pad>", "<mask>")} | {"<unk>": piece.UNKNOWN}
    model = ModelProto.FromString(SentencePieceNormalizer(rule_name="nmt_nfkc").serialized_model_proto())
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = True
    model.normalizer_spec.escape_whitespaces = True
    for name in ("bos", "eos", "pad", "unk"):
        setattr(model.trainer_spec, f"{name}_id", sizes[name])
    for text, score in pieces:
        model.pieces.add(piece=text, score=score, type=kinds.get(text, piece.NORMAL))
    return model.SerializeToString()


def _rows(name: str, sizes: dict[str, int | float]) -> int:
    if name == "emb.word":
        return int(sizes["vocabulary"])
    return int(sizes["feed_forward"] if name.endswith("fi.w") else sizes["hidden"])


def _state(tensors: dict[str, np.ndarray], hidden: int) -> dict[str, np.ndarray]:
    kinds = {"w": "weight", "b": "bias"}
    state = {}
    for name, array in tensors.items():
        if name.startswith("l"):
            layer, part, kind = name[1:].split(".")
            key = f"encoder.layer.{layer}.{LAYER[part]}.{kinds[kind]}"
        elif name.startswith("emb.ln"):
            key = f"embeddings.LayerNorm.{kinds[name[-1]]}"
        else:
            table = {"word": "word", "pos": "position", "type": "token_type"}[name.removeprefix("emb.")]
            key, array = f"embeddings.{table}_embeddings.weight", array.reshape(-1, hidden)
        state[key] = array
    return state
