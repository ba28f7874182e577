"""Every index finds what an exhaustive search finds, leaves out what it is told, and survives the disk."""

import numpy as np
import pytest

from enterprise_recsys import ArtifactError
from enterprise_recsys.engine.indexes import INDEXES, Index


def _vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(count, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    return vectors


@pytest.mark.parametrize("name", sorted(INDEXES))
def test_search_agrees_with_brute_force(name: str, tmp_path) -> None:
    vectors = _vectors(500)
    queries = _vectors(41)[1:]
    left_out = [np.random.default_rng(row).integers(1, 500, row % 5 * 30) for row in range(40)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in left_out])])
    index = INDEXES[name](vectors)
    index.save(tmp_path / "index.faiss")
    for tried in (index, Index.load(tmp_path / "index.faiss")):
        found = tried.search(queries, 10, offsets, np.concatenate(left_out))
        scores = queries @ vectors.T
        scores[:, 0] = -np.inf
        for row, out in enumerate(left_out):
            scores[row, out] = -np.inf
        expected = np.argsort(-scores, axis=1)[:, :10]
        assert (found.rows == expected).mean() > (0.999 if name == "exact" else 0.95)
        assert np.allclose(found.scores, np.take_along_axis(scores, found.rows, axis=1), atol=1e-5)


@pytest.mark.parametrize("name", sorted(INDEXES))
def test_places_that_cannot_be_filled_are_empty(name: str) -> None:
    index = INDEXES[name](_vectors(6))
    found = index.search(_vectors(2)[1:], 8, np.array([0, 2]), np.array([2, 3]))
    assert sorted(found.rows[0].tolist()) == [0, 0, 0, 0, 0, 1, 4, 5] and np.isneginf(found.scores[0, 3:]).all()


def test_a_file_that_is_no_index_is_refused(tmp_path) -> None:
    (tmp_path / "index.faiss").write_bytes(b"not an index at all")
    with pytest.raises(ArtifactError, match="is no index that FAISS can read"):
        Index.load(tmp_path / "index.faiss")
