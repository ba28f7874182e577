"""What is told of an evaluation: a plain dict of figures that prints as a table and speaks in sentences."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.comparisons import sign_flips
from enterprise_recsys.evaluation.findings import Finding, corrected, findings_of, is_real
from enterprise_recsys.evaluation.intervals import Interval, bootstrap, interval_of, resampled_means
from enterprise_recsys.evaluation.metrics import ERRORS
from enterprise_recsys.evaluation.protocol import Measured
from enterprise_recsys.evaluation.tables import WIDTH, columns_of_text
from enterprise_recsys.records import Bools, Doubles

NEW_USERS = "new_users"
"""Name of the slice of users without history; its size is the count "users_without_history"."""
BEST_POSSIBLE = "best_possible"
"""Name of a system that knows the answer, such as a perfect order of the candidates; shown last."""
BOUNDS = ("low", "high", "p")
HEADLINE = "NDCG"
"""The metric that is shown with its interval, and that sentences speak of unless told otherwise."""
STAGES = ("catalogue", "ceiling", "index", "ranker")
"""First parts of keys that are not systems: what a stage could still be, or how it does by itself."""
OF_STAGES = ("CandidateRecall", "NDCG_given_candidates")
"""Metrics of a system that belong to its stage and have no place in the table of systems."""


class Evaluation(dict[str, float]):
    """Figures by name; a plain dict in every way, that `print` shows as tables of text.

    Keys: "system/metric", "system/slice/metric", "first-second/metric" for the mean difference of two systems; each
    with "/low" and "/high" where there is an interval, and "/p" for a difference: of the paired test by turning signs,
    not yet corrected for the number of pairs (sentences correct it); and counts such as "users". Metrics are named as
    in "NDCG@10"; without "@" too, as in "ranker/AUC". What belongs to a stage stands under the names in STAGES:
    "catalogue/..." and "ceiling/..." are the best lists of known items and of the candidates.

    >>> print(Evaluation({"users": 2, "two_stage/NDCG@10": 0.5, "popularity/NDCG@10": 0.25}))
    All users (2)
                NDCG@10
    two_stage    0.5000
    popularity   0.2500

    Args:
        figures: the keys and values; finite numbers.
        confidence: that the intervals were made with.
    """

    def __init__(self, figures: Mapping[str, float] | None = None, *, confidence: float = 0.95) -> None:
        """Take figures over as they are; see the class."""
        super().__init__(figures or {})
        self.confidence = confidence

    def __str__(self) -> str:
        """Tables for all users, for new ones and for the stages, and what they say in words; 110 columns wide."""
        blocks: list[str] = []
        for name in self.slices():
            if name not in ("", NEW_USERS):
                continue
            counted = self.get("users" if not name else count_key(name))
            title = "All users" if not name else name.replace("_", " ").capitalize()
            lines = columns_of_text(self._rows(name))
            blocks.append("\n".join([title + (f" ({counted:,.0f})" if counted is not None else ""), *lines]))
        stages = {key: value for key, value in self.items() if is_of_stage(key) and key.split("/")[-1] not in BOUNDS}
        if stages:
            lines = columns_of_text([["", ""], *([key, _figure(value)] for key, value in stages.items())])
            blocks.append("\n".join(["The stages", *lines[1:]]))
        told = [textwrap.fill(str(one), WIDTH, subsequent_indent="  ") for one in self.findings()]
        return "\n\n".join(blocks + (["\n".join(told)] if told else []))

    def findings(self) -> list[Finding]:
        """What the figures say in words, by the first headline metric; see `findings_of`."""
        return findings_of(self, headline=HEADLINE, confidence=self.confidence)

    def sentences(self, metric: str = HEADLINE) -> list[str]:
        """Say of each pair which system is better, over all users; a higher figure is, but of an error.

        A difference is real if its interval leaves out zero and its p, corrected for the pairs that are compared in the
        metric, is under 1 - confidence; see `findings_of`.

        Args:
            metric: such as "Recall@20", or "Recall" for it at every k.
        """
        keys = [key for key in self if _is_of_pair(key) and metric in (_metric(key), _metric(key).split("@")[0])]
        keys = [key for key in keys if f"{key}/low" in self]
        told = []
        for name in dict.fromkeys(_metric(key) for key in keys):
            pairs = [(key.split("/")[0].split("-")[0], key.split("/")[0].split("-")[1]) for key in keys]
            pairs = [pair for pair, key in zip(pairs, keys, strict=True) if _metric(key) == name]
            told += [self._sentence(f"{a}-{b}/{name}", p) for (a, b), p in corrected(self, pairs, name)]
        return told

    def _sentence(self, key: str, p: float) -> str:
        first, second = key.split("/")[0].split("-")
        mean, low, high = self[key], self[f"{key}/low"], self[f"{key}/high"]
        percent = f"{100 * self.confidence:g} % interval"
        if not is_real(low, high, p, self.confidence):
            unclear = f"no clear difference between {first} and {second} in {_metric(key)}"
            return f"{unclear}: {mean:+.4f} ({percent} {low:+.4f} to {high:+.4f}, p = {p:.3f})"
        word = "better" if (mean > 0) != (_metric(key) in ERRORS) else "worse"
        near, far = sorted((abs(low), abs(high)))
        told = f"{first} is {word} than {second} in {_metric(key)} by {abs(mean):.4f}"
        return f"{told} ({percent} {near:.4f} to {far:.4f}, p = {p:.3f})"

    def figures(self) -> list[tuple[str, str, str]]:
        """(system, slice or "", metric) of every figure of a system, in the order of the keys."""
        found = []
        for key in self:
            parts = key.split("/")
            if len(parts) in (2, 3) and "-" not in parts[0] and parts[-1] not in BOUNDS and not is_of_stage(key):
                found.append((parts[0], parts[1] if len(parts) == 3 else "", parts[-1]))
        return found

    def slices(self) -> list[str]:
        """The groups of users that there are figures of; "" = all."""
        return list(dict.fromkeys(name for _, name, _ in self.figures()))

    def _rows(self, slice_name: str) -> list[list[str]]:
        """Cells of the table of one slice: a head, then a line a system."""
        figures = [(system, metric) for system, name, metric in self.figures() if name == slice_name]
        systems = sorted(dict.fromkeys(system for system, _ in figures), key=lambda name: name == BEST_POSSIBLE)
        metrics = dict.fromkeys(metric for _, metric in figures)
        rows = [["", *metrics]]
        for system in systems:
            keys = ["/".join(filter(None, (system, slice_name, metric))) for metric in metrics]
            rows.append([system, *(self._cell(key) for key in keys)])
        return rows

    def _cell(self, key: str) -> str:
        if key not in self:
            return "-"
        bounded = key.split("/")[-1].split("@")[0] == HEADLINE and f"{key}/low" in self
        return f"{self[key]:.4f}" + (f" [{self[f'{key}/low']:.4f}, {self[f'{key}/high']:.4f}]" if bounded else "")


def is_of_stage(key: str) -> bool:
    """Whether a key tells of a stage by itself, and not of a system that makes lists."""
    parts = key.split("/")
    return parts[0] in STAGES or (len(parts) > 1 and parts[1].split("@")[0] in OF_STAGES)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4f}"


def _metric(key: str) -> str:
    return key.split("/")[-1]


def _is_of_pair(key: str) -> bool:
    """Whether a key is the difference of two systems over all users, and not one of its bounds."""
    parts = key.split("/")
    return len(parts) == 2 and parts[0].count("-") == 1


def evaluation_of(
    measured: Mapping[str, Measured],
    *,
    generator: np.random.Generator,
    pairs: Sequence[tuple[str, str]] = (),
    resamples: int = 1000,
    flips: int = 5000,
    confidence: float = 0.95,
    further: Mapping[str, Doubles] | None = None,
) -> Evaluation:
    """Gather what was measured of several systems on the same users, with intervals over users and paired tests.

    The users are drawn anew once a slice, for all systems and metrics together; so are the signs of the tests.

    Args:
        measured: system -> how it did, in the order of the table; names without "/" and "-".
        generator: draws the users of the bootstrap and the signs of the tests.
        pairs: (first, second) systems whose difference first - second is told.
        resamples: times that the users are drawn, 100 or more.
        flips: times that the signs are drawn, 100 or more; see `comparisons.sign_flip`.
        confidence: of the intervals, over 0 and under 1.
        further: other keys -> [U] figure of each user, NaN for whom there is none; told with an interval.

    Raises:
        ConfigError: a name of a system cannot be used, or a pair names a system that was not measured.
        DataError: the systems were measured on different users, slices or metrics.
    """
    _check_systems(measured, pairs)
    figures: dict[str, float] = {}
    if not measured:
        return Evaluation(figures, confidence=confidence)
    some = next(iter(measured.values()))
    figures["users"] = int(some.counted.sum())
    for name, mask in some.slices.items():
        figures[count_key(name)] = int((some.counted & mask).sum())
    groups = {"": some.counted} | {f"{name}/": some.counted & mask for name, mask in some.slices.items()}
    for prefix, group in groups.items():
        if group.any():
            intervals = _intervals(measured, group, pairs, generator, (resamples, flips), confidence)
            for (system, metric), interval in intervals.items():
                _write(figures, f"{system}/{prefix}{metric}", interval)
        if not prefix:
            for system, one in measured.items():
                figures |= {f"{system}/{metric}": value for metric, value in one.of_lists.items()}
    for name, metrics in some.item_slices.items():
        figures[count_key(name)] = max((int((~np.isnan(values)).sum()) for values in metrics.values()), default=0)
    for system, one in measured.items():
        for name, metrics in one.item_slices.items():
            # Without intervals: these are many, and each would draw its users anew.
            held = {metric: values[~np.isnan(values)] for metric, values in metrics.items()}
            figures |= {f"{system}/{name}/{metric}": float(kept.mean()) for metric, kept in held.items() if len(kept)}
    for key, values in (further or {}).items():
        if not np.isnan(values).all():
            told = bootstrap(values, generator=generator, resamples=resamples, confidence=confidence)
            _write(figures, key, told)
    return Evaluation(figures, confidence=confidence)


def _intervals(
    measured: Mapping[str, Measured],
    group: Bools,
    pairs: Sequence[tuple[str, str]],
    generator: np.random.Generator,
    draws: tuple[int, int],
    confidence: float,
) -> dict[tuple[str, str], Interval]:
    """(system or pair, metric) -> interval, all from the same draws of users and of signs."""
    metrics = list(next(iter(measured.values())).of_users)
    columns = [(system, metric) for system in measured for metric in metrics]
    values = np.stack([measured[system].of_users[metric][group] for system, metric in columns], axis=1)  # [U, M]
    resamples, flips = draws
    means = resampled_means(values, generator=generator, resamples=resamples)
    at = {column: place for place, column in enumerate(columns)}
    result = {
        column: interval_of(values[:, place], means[:, place], confidence=confidence) for column, place in at.items()
    }
    compared = [(first, second, metric) for first, second in pairs for metric in metrics]
    if not compared:
        return result
    ones, others = ([at[system, metric] for system, metric in side] for side in _sides(compared))
    differences, moved = (
        values[:, ones] - values[:, others],
        means[:, ones] - means[:, others],
    )  # [U, P], [resamples, P]
    chances = sign_flips(differences, generator=generator, flips=flips)
    for place, (first, second, metric) in enumerate(compared):
        told = interval_of(differences[:, place], moved[:, place], confidence=confidence)
        result[f"{first}-{second}", metric] = Interval(told.mean, told.low, told.high, float(chances[place]))
    return result


def _sides(compared: Sequence[tuple[str, str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(system, metric) of the first and of the second system of each comparison."""
    return (
        [(first, metric) for first, _, metric in compared],
        [(second, metric) for _, second, metric in compared],
    )


def _write(figures: dict[str, float], key: str, interval: Interval) -> None:
    figures |= {key: interval.mean, f"{key}/low": interval.low, f"{key}/high": interval.high}
    if interval.p is not None:
        figures[f"{key}/p"] = interval.p


def count_key(slice_name: str) -> str:
    """The key of how many users a slice has."""
    return "users_without_history" if slice_name == NEW_USERS else f"users_{slice_name}"


def _check_systems(measured: Mapping[str, Measured], pairs: Sequence[tuple[str, str]]) -> None:
    for name in measured:
        if not name or "/" in name or "-" in name:
            raise ConfigError(f"a system is named {name!r}; '/' and '-' have a meaning in keys, write '_' instead.")
        if name in STAGES:
            raise ConfigError(f"a system is named {name!r}, which is the name of a stage here; choose another one.")
    for name in (name for pair in pairs for name in pair):
        if name not in measured:
            raise ConfigError(f"pairs names the system {name!r}, which was not measured; known: {', '.join(measured)}.")
    everyone = list(measured.items())
    for name, one in everyone[1:]:
        first, some = everyone[0]
        same = np.array_equal(one.counted, some.counted) and one.of_users.keys() == some.of_users.keys()
        same = same and one.slices.keys() == some.slices.keys()
        if not (same and all(np.array_equal(one.slices[name], some.slices[name]) for name in some.slices)):
            raise DataError(
                f"{name} and {first} were measured on different users, slices or metrics; "
                "measure all systems with one truth, one ks and one slices."
            )
