"""Every index finds what an exhaustive search finds, keeps to what is allowed, may change, survives the disk."""

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from enterprise_recsys import ArtifactError, ConfigError
from enterprise_recsys.engine.indexes import INDEXES, Allowed, Index

ITEMS = 500
WIDTH = 17  # no multiple of 8, as the lifted vectors of the towers are none
NOTHING_LEFT_OUT = (np.zeros(41, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _vectors(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[0] = 0
    return vectors


VECTORS, QUERIES = _vectors(ITEMS), _vectors(41, seed=1)[1:]


def _brute(vectors: np.ndarray, k: int, mask: np.ndarray) -> np.ndarray:
    scores = np.where(mask, QUERIES @ vectors.T, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores, order, axis=1)), order, 0)


def _recall(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.mean([np.isin(b[b > 0], a).mean() for a, b in zip(found, expected, strict=True)]))


@pytest.fixture(params=sorted(INDEXES))
def build(request: pytest.FixtureRequest) -> Callable[[np.ndarray], Index]:
    return INDEXES[request.param]


@pytest.mark.parametrize("name", sorted(INDEXES))
def test_search_agrees_with_brute_force(name: str, tmp_path: Path) -> None:
    vectors = _vectors(500)
    queries = _vectors(41)[1:]
    left_out = [np.random.default_rng(row).integers(1, 500, row % 5 * 30) for row in range(40)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in left_out])])
    index = INDEXES[name](vectors)
    index.save(tmp_path / "index.faiss")
    for tried in (index, Index.load(tmp_path / "index.faiss", width=WIDTH)):
        found = tried.search(queries, 10, offsets, np.concatenate(left_out))
        scores = queries @ vectors.T
        scores[:, 0] = -np.inf
        for row, out in enumerate(left_out):
            scores[row, out] = -np.inf
        expected = np.argsort(-scores, axis=1)[:, :10]
        assert (found.rows == expected).mean() > (0.999 if name in ("exact", "auto") else 0.95)
        # 16-bit numbers of a unit vector are off by 2^-12 at most, and so is a product of two by a few of these.
        tolerance = 1e-3 if name == "ivf" else 1e-5
        assert np.allclose(found.scores, np.take_along_axis(scores, found.rows, axis=1), atol=tolerance)


def test_places_that_cannot_be_filled_are_empty(build: Callable[[np.ndarray], Index]) -> None:
    index = build(_vectors(6))
    found = index.search(_vectors(2)[1:], 8, np.array([0, 2]), np.array([2, 3]))
    assert sorted(found.rows[0].tolist()) == [0, 0, 0, 0, 0, 1, 4, 5] and np.isneginf(found.scores[0, 3:]).all()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.6, 0.95])
def test_only_what_is_allowed_is_found_and_all_places_are_filled(
    build: Callable[[np.ndarray], Index], share: float
) -> None:
    mask = np.random.default_rng(3).random(ITEMS) < share
    mask[0] = False
    found = build(VECTORS).search(QUERIES, 10, *NOTHING_LEFT_OUT, Allowed(mask)).rows
    assert mask[found[found > 0]].all()
    assert ((found > 0).sum(axis=1) == min(10, mask.sum())).all()
    assert not mask.any() or _recall(found, _brute(VECTORS, 10, mask)) >= 0.99


def test_places_are_filled_though_all_that_is_allowed_lies_in_other_cells() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(2_001, 8)).astype(np.float32) * 0.1
    mask = np.arange(2_001) > 400
    vectors[:, 0] = np.where(mask, -1.0, 1.0)
    query = np.array([[1, 0, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    index = INDEXES["ivf"](vectors)
    index.base.nprobe = 1  # the two cells that are then looked at hold nothing that is allowed
    found = index.search(query, 100, np.array([0, 0]), np.zeros(0, dtype=np.int64), Allowed(mask)).rows
    assert mask[found].all() and len(set(found[0].tolist())) == 100


def test_a_filter_and_what_is_left_out_hold_together(build: Callable[[np.ndarray], Index]) -> None:
    mask = np.zeros(ITEMS, dtype=bool)
    mask[10:40] = True
    offsets = np.arange(0, 41 * 25, 25)
    found = build(VECTORS).search(QUERIES, 10, offsets, np.tile(np.arange(10, 35), 40), Allowed(mask)).rows
    assert (np.sort(found, axis=1) == [0, 0, 0, 0, 0, 35, 36, 37, 38, 39]).all()


def test_added_changed_and_removed_items_are_found_as_they_now_are(build: Callable[[np.ndarray], Index]) -> None:
    now = np.concatenate([VECTORS, _vectors(21, seed=5)[1:]])
    before = build(VECTORS)
    index = before.add(np.arange(ITEMS, ITEMS + 20), now[ITEMS:])
    now[7] = -now[7]
    index = index.add(np.array([7]), now[[7]]).remove(np.array([3, 4, ITEMS + 1, 10_000]))
    alive = np.ones(len(now), dtype=bool)
    alive[[0, 3, 4, ITEMS + 1]] = False
    assert (len(index), index.size) == (ITEMS - 1 + 20 - 3, ITEMS + 20)
    found = index.search(QUERIES, 30, *NOTHING_LEFT_OUT).rows
    assert alive[found].all() and _recall(found, _brute(now, 30, alive)) >= 0.99
    mask = np.random.default_rng(4).random(len(now)) < 0.2
    filtered = index.search(QUERIES, 30, *NOTHING_LEFT_OUT, Allowed(mask & (np.arange(len(now)) > 0))).rows
    assert _recall(filtered, _brute(now, 30, mask & alive)) >= 0.99
    assert (alive & mask)[filtered[filtered > 0]].all()
    assert (before.search(QUERIES, 500, *NOTHING_LEFT_OUT).rows != ITEMS).all(), "a snapshot never changes"


def test_a_removed_item_comes_back_when_it_is_added_again(build: Callable[[np.ndarray], Index]) -> None:
    index = build(VECTORS).remove(np.array([9])).add(np.array([9]), VECTORS[[9]])
    assert index.search(VECTORS[[9]], 1, np.array([0, 0]), np.zeros(0, dtype=np.int64)).rows.tolist() == [[9]]


def test_all_items_may_be_removed(build: Callable[[np.ndarray], Index]) -> None:
    index = build(_vectors(6)).remove(np.arange(1, 6))
    assert len(index) == 0
    assert not index.search(QUERIES, 3, *NOTHING_LEFT_OUT).rows.any()


def test_vectors_of_another_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"vectors \[1, 17\], got vectors \(1, 3\)"):
        INDEXES["exact"](VECTORS).add(np.array([1]), np.zeros((1, 3), dtype=np.float32))


def test_sixteen_bit_numbers_are_kept_in_eights_and_read_by_their_own_width() -> None:
    index = INDEXES["ivf"](VECTORS)
    assert (index.base.d, index.width, index.further_vectors.shape) == (24, WIDTH, (0, WIDTH))
    assert INDEXES["ivf"](VECTORS[:, :16]).base.d == 16
    with pytest.raises(ConfigError, match=r"vectors \[1, 17\], got vectors \(1, 24\)"):
        index.add(np.array([1]), np.zeros((1, 24), dtype=np.float32))


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.faiss").write_bytes(b"not an index at all")
    with pytest.raises(ArtifactError, match="is no index that FAISS can read"):
        Index.load(tmp_path / "index.faiss")


def test_a_changed_index_is_not_saved(tmp_path: Path) -> None:
    index = INDEXES["exact"](VECTORS)
    for changed in (index.remove(np.array([3])), index.add(np.array([ITEMS]), VECTORS[[1]])):
        with pytest.raises(ArtifactError, match="Save before changing items"):
            changed.save(tmp_path / "index.faiss")
    assert not list(tmp_path.iterdir())


def test_auto_is_exact_for_few_items_and_cells_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(INDEXES["auto"](VECTORS).base, faiss.IndexFlatIP)
    monkeypatch.setattr("enterprise_recsys.engine.indexes.AUTO_EXACT", ITEMS - 2)
    assert isinstance(INDEXES["auto"](VECTORS).base, faiss.IndexIVF)
