"""The default encoder's file, read: multilingual-e5-small, its matrices in 4-bit blocks.

The file (magic E5S1) holds sizes, a tokenizer that is not used here, and a directory of tensors. A matrix
is rows of blocks of 32 weights: an fp16 scale d, then 16 bytes whose low nibbles are the first 16 weights
and whose high nibbles the others; weight = (nibble - 8) * d. The layout is that of ggml's Q4_0.
"""
from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from embeddings.errors import WeightsError

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
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


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


def read(path: Path) -> tuple[dict[str, int | float], dict[str, np.ndarray]]:
    """(sizes, tensors by the file's own names); matrices come back dequantized, float32."""
    data = memoryview(path.read_bytes())
    if bytes(data[:4]) != b"E5S1":
        raise WeightsError(f"{path} is not an E5S1 file: it starts with {bytes(data[:4])!r}.")
    names = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types", "eps", "block")
    sizes = dict(zip(names, struct.unpack_from("<7ifi", data, 8), strict=True))
    at = 44
    pieces, *_, blob = struct.unpack_from("<5iQ", data, at)  # the tokenizer: skipped
    at += 28 + 4 * (pieces + 1) + 4 * pieces + blob
    at += 8 + struct.unpack_from("<I", data, at + 4)[0]
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
    return sizes, tensors


def save_folder(weights: Path, tokenizer: Path, folder: Path, dtype: str) -> None:
    """Write a folder that `SentenceTransformer(folder)` loads: BERT, mean pooling, unit length. Raises OSError.

    Weights of the `dtype` that is computed in, "float32" or "bfloat16", are not read into memory but mapped.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    sizes, tensors = read(weights)
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
        "pad_token_id": 1,
        "dtype": dtype,
    }
    pooling = {"word_embedding_dimension": sizes["hidden"], "pooling_mode_mean_tokens": True}
    special = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    special |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    # Without these, transformers looks for them in all of tokenizer.json each time, 17 MB and half a second.
    known = tokenizer.read_bytes()
    added = {str(token.pop("id")): token for token in json.loads(known)["added_tokens"]}
    tokenizing = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": sizes["positions"], **special}
    model = folder / "model.safetensors"
    try:
        state = _state(tensors, int(sizes["hidden"])).items()
        kind = getattr(torch, dtype)
        save_file({name: torch.tensor(array, dtype=kind) for name, array in state}, model, {"format": "pt"})
    except SafetensorError as exc:  # a full disk, as it says it
        raise OSError(str(exc)) from exc
    model.chmod(0o644)  # as the others: who may read the folder may use it
    (folder / "tokenizer.json").write_bytes(known)
    for name, content in {
        "config.json": config,
        "modules.json": MODULES,
        "sentence_bert_config.json": {"max_seq_length": sizes["positions"], "do_lower_case": False},
        "tokenizer_config.json": {**tokenizing, "added_tokens_decoder": added},
        "1_Pooling/config.json": pooling,
        "2_Normalize/config.json": {},
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=1), "utf-8")


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
        state[key] = np.ascontiguousarray(array)
    return state
