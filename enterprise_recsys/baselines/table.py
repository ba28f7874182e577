"""BASELINES: the simple, strong methods by name, each with the dials that its search may turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from enterprise_recsys.baselines.bpr import BPR
from enterprise_recsys.baselines.ials import IALS
from enterprise_recsys.baselines.linear import EASE, EDLAE
from enterprise_recsys.baselines.neighbours import ItemKNN, ItemKNNBM25
from enterprise_recsys.baselines.popular import Popularity, RecentPopularity, Repeats
from enterprise_recsys.baselines.rules import SequentialRules
from enterprise_recsys.baselines.sources import Fit

BASELINES: Mapping[str, Fit] = {
    "popularity": Popularity,
    "recent_popularity": RecentPopularity,
    "repeats": Repeats,
    "item_knn": ItemKNN,
    "item_knn_bm25": ItemKNNBM25,
    "sequential_rules": SequentialRules,
    "ease": EASE,
    "edlae": EDLAE,
    "ials": IALS,
    "bpr": BPR,
}

NEEDS_TIMES = ("recent_popularity",)
"""Those that mean nothing where timestamps are no moments."""

QUICK = ("popularity", "item_knn", "sequential_rules")
"""Those that every evaluation shows: seconds, and no further package. Where repeats count, `Repeats` as well."""

SEEDED = ("ials", "bpr")
"""Those whose result depends on a seed; they take it as the dial `seed`."""

SPACES: Mapping[str, Mapping[str, Sequence[float]]] = {
    "popularity": {},
    "recent_popularity": {"half_life_days": (1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0)},
    "repeats": {"half_life_events": (2.0, 5.0, 10.0, 20.0, 50.0, 200.0)},
    "item_knn": {"neighbours": (5, 10, 20, 50, 100, 200), "shrink": (0.0, 10.0, 50.0, 200.0)},
    "item_knn_bm25": {"neighbours": (5, 10, 20, 50, 100, 200), "k1": (0.3, 1.2, 5.0, 20.0), "b": (0.0, 0.4, 0.8)},
    "sequential_rules": {"half_life_events": (0.5, 1.0, 2.0, 5.0, 20.0), "shrink": (0.0, 5.0, 20.0, 100.0)},
    "ease": {"ridge": (20.0, 50.0, 100.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1500.0, 2500.0)},
    "edlae": {"ridge": (20.0, 50.0, 100.0, 200.0, 400.0, 800.0), "dropout": (0.2, 0.4, 0.6)},
    "ials": {"ridge": (0.003, 0.005, 0.01, 0.02, 0.04, 0.08), "unobserved": (0.003, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8)},
    "bpr": {"learning_rate": (0.02, 0.05, 0.1), "ridge": (0.003, 0.01, 0.03, 0.06), "epochs": (50, 100)},
}
"""Baseline -> dial -> values to try. A dial that is not listed keeps its default."""
