"""The encoder, the chat model and the calibration of a Config: where they come from, loaded once per process and shared."""
from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings import weights
from embeddings.weights import Progress
from rag.calibration import Calibration
from rag.config import Config
from rag.errors import ModelError
from rag.log import log
from rag.models import ChatModel, LlamaCppModel

if TYPE_CHECKING:
    from embeddings.encoder import Encoder

CHATS = {"default": weights.CHAT, "small": weights.CHAT_SMALL}
"""The chat models that come with pip."""
_LOADED: dict[tuple[object, ...], Any] = {}
_LOADING = threading.Lock()


def load_model(config: Config, progress: Progress | None = None) -> ChatModel:
    """The chat model of a Config, loaded once per process. Raises WeightsError, ModelError."""
    return _once(_model, config.model, config, progress)


def load_encoder(config: Config, progress: Progress | None = None) -> Encoder:
    """The encoder of a Config, loaded once per process. Raises WeightsError."""
    return _once(_encoder, config.encoder, config, progress)


def load_calibration(config: Config, *, own: bool = False) -> Calibration:
    """The calibration of a Config: its own, or a bundled one. Raises WeightsError.

    Where the weights have neither, or are an `own` object's, a warning says so.
    """
    if config.calibration:
        return Calibration.load(config.calibration)
    if own:
        _warn("an encoder or a model of your own", "Give a calibration for it: Chat(…, calibration=…).")
    elif config.model not in CHATS or config.encoder != "default":
        named = f"--model {config.model} --encoder {config.encoder}"
        _warn(named, "Fit them with sanad calibrate, and give its file as --calibration.")
    return Calibration.default(bundled(config))


def bundled(config: Config) -> str:
    """The name of the bundled calibration that stands in where a Config names none."""
    return config.model if config.model in CHATS else "default"


@cache
def _warn(weights: str, mend: str) -> None:
    log.warning("With %s confidence and support are guesses, fitted to other weights. %s", weights, mend)


def _once(load: Callable[..., Any], name: str, config: Config, progress: Progress | None) -> Any:
    key = load, name, config.threads, config.cache
    with _LOADING:
        if key not in _LOADED:
            _LOADED[key] = load(name, config.threads, config.cache, progress)
        return _LOADED[key]


def _model(name: str, threads: int, folder: Path, progress: Progress | None) -> ChatModel:
    if name in CHATS:
        path = weights.ensure(CHATS[name], folder / "weights", progress)
        return LlamaCppModel(path, fingerprint=CHATS[name].sha256, threads=threads)
    if name.startswith("hf:"):
        return LlamaCppModel(_download(name), threads=threads)
    return LlamaCppModel(Path(name), threads=threads)


def _encoder(name: str, threads: int, folder: Path, progress: Progress | None) -> Encoder:
    from embeddings.encoder import SentenceTransformerEncoder, default_folder

    if name != "default":
        return SentenceTransformerEncoder(name, threads=threads)
    made = default_folder(folder, progress)
    return SentenceTransformerEncoder(made, fingerprint=weights.ENCODER.sha256, threads=threads)


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        _, repository, file = name.split(":", 2)
        return Path(hf_hub_download(repository, file))
    except ValueError as exc:
        raise ModelError(f"--model {name} is not of the form hf:REPO:FILE, or its names are not valid ones.") from exc
    except Exception as exc:  # the hub's errors share no root
        raise ModelError(f"Can't get {name} from the hub: {exc}. Give a path to a .gguf file, or leave out --model.") from exc
