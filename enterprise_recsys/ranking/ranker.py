"""Ranker: a Deep & Cross Network with heads for click, rating and named tasks, taught on candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from enterprise_recsys.choice import pick
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.features import TIME_SIZES, Feature
from enterprise_recsys.data.impressions import UNSHOWN
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.repeats import repeat_names
from enterprise_recsys.devices import bfloat16_pays, device_of, on, on_cpu
from enterprise_recsys.layers import FeatureEmbedding, export_onnx
from enterprise_recsys.loop import Fit, Plan, run
from enterprise_recsys.ranking.losses import LOSSES, Goal
from enterprise_recsys.ranking.networks import NETWORKS, Shape, headed
from enterprise_recsys.ranking.parted import Parted
from enterprise_recsys.records import ITEM_ID, Columns, Floats, Ints

_RANGED = 100_000
"""Rows, about, that tell between which values each number lies."""
_STEPS = 16
"""Steps of an epoch, at least, where there are lists for it."""
SCORES = ("retrieval_score", "neighbour_score", "follower_score")
"""What sources say of a candidate: towers in the unit of their softmax, neighbours as a share of what they say most of
any item, followers as log(1 + sum)."""


@dataclass(frozen=True)
class Examples:
    """What the ranker learns from, one row a candidate; the rows of a list stand together.

    Attributes:
        columns: the ranker's columns [R, ...]; see `data.pairs.ranker_columns`.
        clicks: [R] 1, 0 or NaN (no label).
        ratings: [R] in the log's unit, NaN where none.
        weights: [R].
        depth: rows of each list; R is a multiple of it.
        tasks: task -> [R] 1, 0, or its number as it is learnt; NaN: no label.
        places: [R] the place from 1 at which it was shown, `UNSHOWN` = it was not, 0 = nobody knows. None: all are 0.
    """

    columns: Columns
    clicks: Floats
    ratings: Floats
    weights: Floats
    depth: int
    tasks: dict[str, Floats] = field(default_factory=dict)
    places: Ints | None = None

    @property
    def labels(self) -> tuple[Floats, Floats, Floats]:
        """Clicks, ratings and weights."""
        return self.clicks, self.ratings, self.weights

    def __len__(self) -> int:
        return len(self.clicks)


class RankingNetwork(nn.Module):
    """Embeddings, the network, and linear heads: columns [R, ...] -> CTR logit [R], rating [R], and of each task [R].

    The CTR logit is what its head says and a multiple of what the sources say. At first the head says nothing and the
    multiple is 1 for the towers and 0 for the others, so that lists begin in the order of the towers: the few weeks
    that the ranker learns from teach it where to depart from that order, and need not teach the order. The logit of a
    task of yes or no begins in the same way; a number is told in deviations from its mean.
    """

    def __init__(self, processor: DataProcessor, config: ModelConfig, rating_mean: float, rating_std: float) -> None:
        super().__init__()
        declared = [one for one in processor.features if one.owner != "statistic"]
        categories = {one.name: one.size for one in declared if one.kind == "category"}
        numbers = [one.name for one in processor.features if one.kind == "number"]
        # No user id: a user has a few lists here, which an embedding would learn by heart; what is personal comes in
        # by the retrieval score, the statistics and the features.
        ids = {ITEM_ID: len(processor.items)}
        self.embedding = FeatureEmbedding(
            {**ids, **categories, **TIME_SIZES},
            {one.name: one.size for one in declared if one.kind in ("multi_value", "text")},
            [*numbers, *SCORES, *repeat_names(processor)],
            config.ranking_dim,
            vectors={one.name: one.width for one in declared if one.kind in ("vector", "time")},
            number_width=config.ranking_number_dim,
            dropped=list(ids),
            id_dropout=config.ranker_id_dropout,
            id_scale=0.0,
        )
        network = pick(NETWORKS, config.ranking_network, what="ranking_network")
        self.network = network(self.embedding.width_out, shape_of(config))
        width = int(self.network.width_out)
        self.chances = [0, *(place for place, one in enumerate(config.tasks.values(), start=2) if one.is_chance)]
        self.heads = nn.Linear(width, 2 + len(config.tasks))
        with torch.no_grad():
            self.heads.weight[self.chances] = 0.0
        self.is_half = bfloat16_pays(device_of(config.device))
        self.places = nn.Parameter(torch.zeros(UNSHOWN + 1))
        self.lean = nn.Parameter(torch.tensor([[1.0, 0.0, 0.0]] * len(self.chances)))
        self.register_buffer("rating_scale", torch.tensor([rating_mean, rating_std]))
        self.register_buffer("score_scale", torch.tensor([[0.0, 1.0]] * len(SCORES)))

    def centre(self, columns: Columns) -> None:
        """Take over mean and deviation of the sources' scores that will be learnt from, and all numbers' ranges."""
        scale: Tensor = self.score_scale  # type: ignore[assignment]
        for place, name in enumerate(SCORES):
            scores = np.asarray(columns[name], dtype=np.float64)
            scale[place] = torch.tensor([scores.mean(), max(scores.std(), 1e-3)])
        every = max(len(columns[SCORES[0]]) // _RANGED, 1)
        numbers = {
            name: torch.as_tensor(columns[name][::every], device=scale.device) for name in self.embedding.numbers
        }
        self.embedding.learn_ranges(self.scaled(numbers))

    def forward(self, columns: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """See the class."""
        scaled = self.scaled(columns)
        row, is_half = self.embedding(scaled), self.is_half and self.training
        return self.told(headed(self.network, self.heads, row, is_half=is_half), scaled)

    def scaled(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The columns with the sources' scores centred and scaled."""
        scaled = dict(columns)
        scale: Tensor = self.score_scale  # type: ignore[assignment]
        for place, name in enumerate(SCORES):
            centre, spread = scale[place].unbind()
            scaled[name] = (columns[name] - centre) / spread
        return scaled

    def told(self, out: Tensor, scaled: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """What heads [R, H] and sources say, as CTR logits, ratings and the tasks' outputs, [R] each."""
        mean, std = self.rating_scale.unbind()  # type: ignore[operator]
        by_sources = [scaled[name].flatten() for name in SCORES]
        said = list(out.unbind(dim=1))
        said[1] = said[1] * std + mean
        for place, lean in zip(self.chances, self.lean, strict=True):
            # Not as a product with a matrix: that of three columns takes ONNX Runtime 70 microseconds.
            said[place] = sum((one * share for one, share in zip(by_sources, lean, strict=True)), said[place])
        return tuple(said)


def shape_of(config: ModelConfig) -> Shape:
    """How the config wants the network built."""
    return Shape(
        config.ranking_dims,
        config.cross_layers,
        rank=config.cross_rank,
        dropout=config.dropout,
        batch_norm=config.ranking_batch_norm,
    )


class Ranker:
    """The second stage.

    Args:
        processor: fitted; its features are the inputs.
        config: the dials.
        ratings: [R] ratings of the training log, for the rating head's scale; NaN where none.
        labels: task -> [R] what the training log says of it, for the scale of those that learn a number.

    Attributes:
        goals: what the tasks' heads learn, in their order.
    """

    def __init__(
        self,
        processor: DataProcessor,
        config: ModelConfig,
        ratings: Floats,
        labels: Mapping[str, Floats] | None = None,
    ) -> None:
        self.config = config
        mean, std = _scale(ratings)
        torch.manual_seed(config.seed + 2)
        self._std = std
        self.goals = {
            name: Goal("ctr", one.weight)
            if one.is_chance
            else Goal("rating", one.weight, *_scale((labels or {})[name]))
            for name, one in config.tasks.items()
        }
        self.items = [ITEM_ID, *(one.name for one in processor.features if _is_of_items(one)), *SCORES]
        self.items += repeat_names(processor)
        self.device = device_of(config.device)
        self.model = RankingNetwork(processor, config, mean, std).to(self.device)

    def fit(self, examples: Examples, plan: Plan, *, validate: Callable[[], float] | None = None) -> Fit:
        """Train on candidates; see `loop.run`."""
        return fit_together([self], [examples], plan, validate=validate)

    def steps(self, examples: Examples, lists: Ints) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        """One epoch's steps: the whole lists at some places, in a random order, to `ranker_batch_size` rows a step."""
        table = {name: torch.as_tensor(np.ascontiguousarray(column)) for name, column in examples.columns.items()}
        labels = [torch.as_tensor(one) for one in examples.labels]
        tasks = {name: torch.as_tensor(examples.tasks[name]) for name in self.goals}
        depth, places = examples.depth, None if examples.places is None else torch.as_tensor(examples.places)
        order = torch.as_tensor(lists)[torch.randperm(len(lists))]
        most = min(self.config.ranker_batch_size, len(lists) * depth // _STEPS)
        size = max(most // depth, 1)
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            part = (chosen.unsqueeze(1) * depth + torch.arange(depth)).ravel()
            columns = {name: table[name][part] for name in self.model.embedding.names}
            clicks, ratings, weights = (one[part] for one in labels)
            asked = {name: one[part] for name, one in tasks.items()}
            at = None if places is None else places[part]
            yield (
                len(part),
                lambda c=columns, y=clicks, r=ratings, w=weights, t=asked, p=at: self.loss(c, y, r, w, depth, t, p),  # type: ignore[misc]
            )

    def loss(
        self,
        columns: Mapping[str, Tensor],
        clicks: Tensor,
        ratings: Tensor,
        weights: Tensor,
        depth: int,
        tasks: Mapping[str, Tensor] | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """α·L_rating + β·L_ctr + sum_t weight_t·L_t [] of whole lists, `depth` rows each.

        L_ctr is the binary cross-entropy of each row, which makes the head a probability, and `list_weight` times the
        cross-entropy of each list, which is what its order is measured by. The squared error of the ratings is taken
        in units of their deviation. L_t of a task is as L_ctr for a yes or no, and as L_rating for a number.

        Where places [R] are known, a click is thought to owe to the place too: what each place adds to the logit is
        learnt here and left out of all answers, so that what used to stand first, or at all, is not taken for what is
        liked (a shallow tower of the position alone, as in Zhao et al., RecSys 2019, doi:10.1145/3298689.3346997).
        """
        logits, stars, *others = self.model(columns)
        if places is not None:
            logits = logits + self.model.places[places] * (places > 0)
        rating = LOSSES["rating"](stars / self._std, ratings / self._std, weights)
        clicked = self._of_chance(logits, clicks, weights, depth)
        total = self.config.ctr_weight * clicked + self.config.rating_weight * rating
        for (name, goal), said in zip(self.goals.items(), others, strict=True):
            wanted = (tasks or {})[name]
            if goal.loss == "ctr":
                own = self._of_chance(said, wanted, weights, depth)
            else:
                own = LOSSES[goal.loss](said, (wanted - goal.mean) / goal.std, weights)
            total = total + goal.weight * own
        return total

    def _of_chance(self, logits: Tensor, labels: Tensor, weights: Tensor, depth: int) -> Tensor:
        each = LOSSES["ctr"](logits, labels, weights)
        order = LOSSES["list"](*(one.view(-1, depth) for one in (logits, labels, weights)))
        return each + self.config.list_weight * order

    def predict(self, columns: Columns, *, chunk: int = 16_384) -> tuple[Floats, ...]:
        """CTR logits, ratings and the tasks' outputs, [R] each (learning's side of the engine's scorer)."""
        self.model.eval()
        rows = len(columns["retrieval_score"])
        parts: list[tuple[Floats, ...]] = []
        with torch.no_grad(), on(self.device):
            for begin in range(0, rows, chunk):
                part = {
                    name: torch.as_tensor(columns[name][begin : begin + chunk]) for name in self.model.embedding.names
                }
                parts.append(tuple(said.numpy(force=True) for said in self.model(part)))
        return tuple(np.concatenate(said) for said in zip(*parts, strict=True))

    def export(self, columns: Columns, path: Path) -> None:
        """Write the scorer as ONNX: inputs the ranker's columns, outputs `logits` (of a click), `ratings` [B*K].

        Each task has an output of its name behind these, `task_buy`: logits, or deviations from the mean of a number.
        Columns of users and their context are [B, ...], those of candidates [B, K, ...].

        Args:
            columns: a few rows of the ranker's columns, for the shapes.
            path: where the file goes.
        """
        names, items = self.model.embedding.names, self.items
        inputs = {name: torch.from_numpy(np.ascontiguousarray(columns[name][:2])) for name in names}
        # Two requests of three candidates each; the exporter takes a size of 1 for a constant.
        inputs |= {name: torch.stack([inputs[name]] * 3, dim=1) for name in items}
        free = dict.fromkeys(items, "places")
        outputs = ["logits", "ratings", *(f"task_{name}" for name in self.goals)]
        export_onnx(_Score(on_cpu(self.model), names, items), inputs, outputs, path, second=free)


def fit_together(
    rankers: Sequence[Ranker],
    examples: Sequence[Examples],
    plan: Plan,
    *,
    lists: Sequence[Ints] | None = None,
    validate: Callable[[], float] | None = None,
) -> Fit:
    """Train several rankers of one config side by side, each on its own examples, and stop them together.

    Args:
        rankers: untaught.
        examples: of each; several may share one table, which is not copied.
        plan: see `loop.run`.
        lists: places of the lists that each learns from; None: all.
        validate: higher is better.
    """
    torch.manual_seed(rankers[0].config.seed + 3)
    places = lists if lists is not None else [np.arange(len(part) // part.depth) for part in examples]
    for ranker, part, own in zip(rankers, examples, places, strict=True):
        rows = (own[:, None] * part.depth + np.arange(part.depth)).ravel()
        ranker.model.centre({name: part.columns[name][rows] for name in ranker.model.embedding.numbers})

    def steps() -> Iterator[tuple[int, Callable[[], Tensor]]]:
        for ranker, part, own in zip(rankers, examples, places, strict=True):
            yield from ranker.steps(part, own)

    models = nn.ModuleList(ranker.model for ranker in rankers)
    total = sum(len(own) * part.depth for part, own in zip(examples, places, strict=True))
    return run(models, steps, total, plan, validate=validate)


def _scale(values: Floats) -> tuple[float, float]:
    """Mean and deviation of those that are known."""
    known = values[~np.isnan(values)]
    return (float(known.mean()), max(float(known.std()), 1e-3)) if len(known) else (0.0, 1.0)


def _is_of_items(feature: Feature) -> bool:
    return feature.owner == "item" or (feature.owner == "statistic" and feature.name.startswith("item_"))


class _Score(nn.Module):
    """The ranker with its inputs in a fixed order, as ONNX wants them; a user's part is worked out once a request."""

    def __init__(self, model: RankingNetwork, names: list[str], items: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names
        self.parted = Parted(model.embedding, model.network, model.heads, items)

    def forward(self, first: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        scaled = self.model.scaled(dict(zip(self.names, (first, *rest), strict=True)))
        return self.model.told(self.parted(scaled), scaled)
