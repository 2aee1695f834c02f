"""What the names of a Config load, with nothing loaded."""
from pathlib import Path

import pytest

from embeddings import encoder, weights
from rag import Config, SanadError, loading


@pytest.fixture
def made(monkeypatch):
    """What was made, in order: what is loaded is the number of it."""
    found = []

    def make(what, *paths, fingerprint="", threads):
        found.append((what, *paths, fingerprint, threads))
        return len(found)

    monkeypatch.setattr(loading, "_LOADED", {})
    monkeypatch.setattr(loading, "LlamaCppModel", lambda *given, **options: make("model", *given, **options))
    monkeypatch.setattr(encoder, "SentenceTransformerEncoder", lambda *given, **options: make("encoder", *given, **options))
    monkeypatch.setattr(weights, "ensure", lambda wanted, folder, progress: folder / wanted.name)
    monkeypatch.setattr(encoder, "default_folder", lambda cache, progress: cache / "encoders")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda repository, file: f"/hub/{repository}/{file}")
    return found


def test_each_name_is_loaded_from_where_it_says_and_known_weights_by_their_hash(made, tmp_path):
    for name in ("default", "small", "hf:org/repo:a:b.gguf", "my.gguf"):
        loading.load_model(Config(model=name, threads=3, cache=tmp_path))
    for name in ("default", "org/encoder"):
        loading.load_encoder(Config(encoder=name, threads=3, cache=tmp_path))
    assert made == [
        ("model", tmp_path / "weights" / weights.CHAT.name, weights.CHAT.sha256, 3),
        ("model", tmp_path / "weights" / weights.CHAT_SMALL.name, weights.CHAT_SMALL.sha256, 3),
        ("model", Path("/hub/org/repo/a:b.gguf"), "", 3),
        ("model", Path("my.gguf"), "", 3),
        ("encoder", tmp_path / "encoders", weights.ENCODER.sha256, 3),
        ("encoder", "org/encoder", "", 3),
    ]


def test_weights_are_loaded_once_and_anew_for_another_name_or_number_of_threads(made, tmp_path):
    first, more, other = (Config(cache=tmp_path, **given) for given in ({"threads": 1}, {"threads": 2}, {"model": "small"}))
    assert [loading.load_model(config) for config in (first, more, first, other, first)] == [1, 2, 1, 3, 1]
    assert loading.load_encoder(first) == loading.load_encoder(first) == 4


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("hf:repo", None, "--model hf:repo is not of the form hf:REPO:FILE"),
        ("hf:a/b/c:d", ValueError("Repo id must be"), "or its names are not valid ones"),
        ("hf:org/repo:d", OSError("no network"), "Can't get hf:org/repo:d from the hub: no network. Give a path to a .gguf"),
    ],
)
def test_why_a_model_does_not_come_from_the_hub(made, monkeypatch, name, error, says):
    def fails(*_):
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fails)
    with pytest.raises(SanadError, match=says):
        loading.load_model(Config(model=name))
    assert not made
