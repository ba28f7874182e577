"""HISTORIES: a user's past items become one vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.retrieval.fold_in import CROWD, FoldIn
from enterprise_recsys.retrieval.pooling import Attention, Mean
from enterprise_recsys.retrieval.recurrent import Recurrent
from enterprise_recsys.retrieval.transformer import Transformer


@runtime_checkable
class Sequential(Protocol):
    """A part that goes by order, and says at each place of a history what the items before it tell.

    `Sequences` teaches all places at once, and `TwoTower` lets items differ in length.
    """

    def states(self, vectors: Tensor) -> Tensor:
        """Vectors of items [B, T, D], oldest first, holes on the right -> [B, T + 1, D], not normalised.

        The state at place t knows the first t items alone: what it should come near to is item t.
        """

    def __call__(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """The newest state [B, D] of histories [B, L, D], newest item last; rows [B, L] tell holes (0), anywhere."""


HISTORIES: dict[str, Callable[[int, ModelConfig], Mean | FoldIn | Transformer | Recurrent]] = {
    "mean": Mean,
    "attention": Attention,
    "fold_in": FoldIn,
    "transformer": Transformer,
    "gru": Recurrent,
}
"""Name -> (width of an item's vector, dials) -> the part."""

AUTO = "auto"
"""In place of a name: teach some, and keep the one that validation prefers, or two side by side."""
CONTENDERS = ("fold_in", "transformer")
"""What 'auto' compares: one without order and one with."""

TEMPERATURES: dict[str, tuple[float, ...]] = {
    "mean": (0.1,),
    "attention": (0.1,),
    "fold_in": (0.12, 0.17),
    "transformer": (1.0,),
    "gru": (1.0,),
}
"""Name -> what scores are divided by in learning, where the dial does not say; of several, validation chooses.

The less a log holds, the more a high one helps: NDCG on parts of the training data was .208 with .12 and .200 with .17
on movielens1m_m1 (716,511 events), and .255 and .269 on ml100k-random75 (60,000). What is `Sequential` learns by plain
products.
"""


@dataclass(frozen=True)
class Variant:
    """A way to teach the towers: the history part, what scores are divided by, and how many times as wide they are."""

    history: str
    temperature: float
    factor: int = 1

    def __str__(self) -> str:
        return f"{self.history} at temperature {self.temperature:g}" if self.history == "fold_in" else self.history


def variants(config: ModelConfig, items: int, events: int) -> list[Variant]:
    """All that the dials leave to validation for so many items; the quicker ones first, as later ones may be given up.

    An epoch of 'fold_in' goes over the catalogue three times as often as one of what is `Sequential`.

    Args:
        config: the dials.
        items: of the catalogue.
        events: that are learnt from.
    """
    contenders = CONTENDERS if items <= CROWD else CONTENDERS[::-1]
    return _of(config, contenders if config.history == AUTO else (config.history,), events)


def one_variant(config: ModelConfig, events: int) -> Variant:
    """The way of joint training, which compares none: the quick part, unless another is named."""
    return _of(config, ["mean" if config.history == AUTO else config.history], events)[0]


def _of(config: ModelConfig, names: Sequence[str], events: int) -> list[Variant]:
    told = () if config.temperature is None else (config.temperature,)
    return [Variant(name, one, config.factor_of(name, events)) for name in names for one in told or TEMPERATURES[name]]
