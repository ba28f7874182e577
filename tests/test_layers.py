"""Bricks of both stages: a number is told apart by the ranges that it was learnt in."""

from __future__ import annotations

import numpy as np
import torch

from enterprise_recsys.layers import BlockedCurves, FeatureEmbedding, PiecewiseLinear


def test_a_curve_goes_straight_from_quantile_to_quantile() -> None:
    """The oracle: `np.interp` through the sums of what the ranges before add."""
    generator = np.random.default_rng(0)
    examples = np.stack([generator.normal(size=400), generator.exponential(size=400)], axis=1).astype(np.float32)
    curves = PiecewiseLinear(2, 3)
    curves.learn_ranges(torch.from_numpy(examples))
    asked = np.concatenate([examples[:50], [[-9.0, -9.0], [99.0, 99.0]]]).astype(np.float32)
    said = curves(torch.from_numpy(asked), [0, 1]).detach()
    for which in ([0, 1, 1], [1]):  # an export tells all numbers before what stands behind them
        wanted = said.unflatten(1, (2, 4))[:, which]
        once = BlockedCurves(curves, which)(torch.from_numpy(asked[:, which]), which)
        assert torch.allclose(once, torch.cat([wanted[:, :, 0], wanted[:, :, 1:].flatten(1)], dim=1), atol=1e-5)
    got = said.unflatten(1, (2, 4)).numpy()
    assert np.array_equal(got[:, :, 0], asked)
    weight = curves.weight.detach().numpy()
    for number in range(2):
        edges = np.quantile(examples[:, number].astype(np.float64), np.linspace(0, 1, 17))
        for place in range(3):
            heights = np.concatenate([[0.0], weight[number, :, place].cumsum()])
            assert np.allclose(got[:, number, 1 + place], np.interp(asked[:, number], edges, heights), atol=1e-5)


def test_a_range_of_one_value_says_nothing_and_one_that_is_unlearnt_neither() -> None:
    curves = PiecewiseLinear(2, 1)
    torch.nn.init.ones_(curves.weight)
    numbers = torch.tensor([[7.0, 0.0], [7.1, 0.0], [6.0, 5.0]])
    assert not curves(numbers, [0, 1])[:, 1::2].any(), "nothing was learnt yet"
    # Three quarters have the value 0, so that twelve of sixteen ranges have no length; the rest go from 0 to 4.
    often = np.concatenate([np.zeros(48), np.linspace(0.25, 4.0, 16)])
    curves.learn_ranges(torch.from_numpy(np.stack([np.full(64, 7.0), often], axis=1).astype(np.float32)))
    said = curves(torch.tensor([[7.0, 0.0], [8.0, -1.0], [6.0, 9.0]]), [0, 1])[:, 1::2]
    assert said[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert said[:2, 1].tolist() == [0.0, 0.0] and 4.0 <= said[2, 1] <= 5.0


def test_numbers_stand_in_the_row_with_their_embeddings_behind_them() -> None:
    plain = FeatureEmbedding({"a": 3}, {}, ["x", "y"], 4)
    embedding = FeatureEmbedding({"a": 3}, {}, ["x", "y"], 4, number_width=2)
    assert (plain.width_out, embedding.width_out) == (6, 4 + 3 + 3)
    assert [embedding.width_of(name) for name in embedding.names] == [4, 3, 3]
    columns = {"a": torch.tensor([1, 2]), "x": torch.tensor([0.25, 0.5]), "y": torch.tensor([-1.0, 3.0])}
    embedding.learn_ranges({"x": torch.linspace(0, 1, 17), "y": torch.linspace(0, 16, 17)})
    row = embedding(columns)
    assert torch.equal(row[:, 4], columns["x"]) and torch.equal(row[:, 7], columns["y"])
    assert row[0, 8:].tolist() == [0.0, 0.0] and bool((row[1, 8:] != 0).all()), "below its lowest, and within"
    assert torch.equal(embedding.embedded(columns, ["y"]), row[:, 7:]), "one number alone is the same part of the row"
