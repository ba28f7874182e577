"""A changed index finds what an index over everything that is left would find, whatever was put and taken away."""

import numpy as np
import pytest

from enterprise_recsys.engine.indexes import INDEXES, Allowed, exact


def _unit(generator: np.random.Generator, count: int) -> np.ndarray:
    vectors = generator.normal(size=(count, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("few", [0, 200])
@pytest.mark.parametrize("seed", range(20))
def test_search_agrees_with_brute_force_after_any_changes(seed: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enterprise_recsys.engine.indexes.FEW_DEAD", few)
    generator = np.random.default_rng(seed)
    vectors = np.vstack([np.zeros((1, 8), np.float32), _unit(generator, 60)])
    index, gone = exact(vectors), set()
    for _ in range(generator.integers(1, 6)):
        if generator.random() < 0.6:
            further = np.arange(len(vectors), len(vectors) + generator.integers(0, 5))
            rows = np.concatenate([generator.choice(np.arange(1, len(vectors)), 4, replace=False), further])
            put = _unit(generator, len(rows))
            vectors = np.vstack([vectors, np.zeros((len(further), 8), np.float32)])
            vectors[rows] = put
            index, gone = index.add(rows, put), gone - set(rows.tolist())
        else:
            rows = generator.choice(np.arange(1, len(vectors)), 7, replace=False)
            index, gone = index.remove(rows), gone | set(rows.tolist())
    queries = _unit(generator, 9)
    left_out = [generator.choice(len(vectors), generator.integers(0, 12), replace=False) for _ in queries]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in left_out])])
    found = index.search(queries, 12, offsets, np.concatenate(left_out).astype(np.int64))
    scores = queries @ vectors.T
    scores[:, [0, *gone]] = -np.inf
    for place, out in enumerate(left_out):
        scores[place, out] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :12]
    assert (found.rows == expected).all()
    for place, out in enumerate(left_out):  # one at a time goes another way to the same list
        one = index.search(queries[[place]], 12, np.array([0, len(out)]), out.astype(np.int64))
        assert (one.rows == found.rows[place]).all() and np.allclose(one.scores, found.scores[place], atol=1e-5)
    assert np.allclose(found.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-5)
    assert len(index) == len(vectors) - 1 - len(gone)


def test_a_change_leaves_the_older_index_as_it_was() -> None:
    vectors = np.vstack([np.zeros((1, 8), np.float32), _unit(np.random.default_rng(0), 5)])
    first = exact(vectors)
    second = first.add(np.array([6]), vectors[[1]]).remove(np.array([2]))
    nothing = np.array([0, 0]), np.zeros(0, dtype=np.int64)
    assert sorted(first.search(vectors[[1]], 5, *nothing).rows[0].tolist()) == [1, 2, 3, 4, 5]
    assert sorted(second.search(vectors[[1]], 6, *nothing).rows[0].tolist()) == [0, 1, 3, 4, 5, 6]
    assert second.search(vectors[[1]], 2, *nothing).rows[0].tolist() == [1, 6]  # ties in the order of rows


@pytest.mark.parametrize("kind", sorted(INDEXES))
@pytest.mark.parametrize("length", [71, 61, 64, 5])
def test_a_filter_holds_in_base_and_delta_and_brings_nothing_back(kind: str, length: int) -> None:
    generator = np.random.default_rng(length)
    vectors = np.vstack([np.zeros((1, 8), np.float32), _unit(generator, 70)])
    vectors[65] = vectors[3]
    gone, put = np.array([2, 7, 66]), np.array([5, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70])
    index = INDEXES[kind](vectors[:61]).add(put, vectors[put]).remove(gone)
    mask = generator.random(length) < 0.5
    mask[0] = False
    mask[1:4] = True
    queries = _unit(generator, 6)
    left_out = np.array([3, 65, 70], dtype=np.int64)
    offsets = np.array([0, 0, 1, 2, 3, 3, 3])
    found = index.search(queries, 12, offsets, left_out, Allowed(mask))
    scores = queries @ vectors.T
    scores[:, gone] = -np.inf
    scores[:, np.flatnonzero(~np.pad(mask, (0, 71 - length)))] = -np.inf
    scores[[1, 2, 3], left_out] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :12]
    expected = np.where(np.isfinite(np.take_along_axis(scores, expected, axis=1)), expected, 0)
    if kind in ("exact", "auto"):
        assert (found.rows == expected).all()
    assert all(set(one) == set(other) for one, other in zip(found.rows[:, :3], expected[:, :3], strict=True))
    assert np.isfinite(np.take_along_axis(scores, found.rows, axis=1)[found.rows > 0]).all()
