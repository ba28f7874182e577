"""The pictures of a report, each from its content alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from enterprise_recsys.evaluation.detail import Bin
from enterprise_recsys.evaluation.findings import is_real
from enterprise_recsys.evaluation.report import BEST_POSSIBLE
from enterprise_recsys.reporting.content import Cell, Content
from enterprise_recsys.reporting.drawing import GRID, HUES, INK, MARKS, MUTED, PAPER, Plot, drawn, legend, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ROWS = 12
"""Groups in one picture; more would make it longer than a screen."""
WIDTHS = {"Diversity": "diversity", "FeatureDiversity": "diversity of features", "Coverage": "coverage"}
"""Metric of how wide lists are -> in words. Diversity of features is drawn where there are no item vectors."""


def plots_of(content: Content) -> list[Plot]:
    """Every picture that there are figures for, in the order of the page."""
    made = [draw(content) for draw in PLOTS]
    return [plot for plots in made for plot in plots]


def differences(content: Content) -> list[Plot]:
    """Ours beside each other system: the mean difference and its interval."""
    table = next((one for one in content.tables if one.corner == "Difference"), None)
    if table is None:
        return []
    place = list(table.head).index(content.headline)
    rows = [(name, cells[place]) for name, cells in table.rows if cells[place].value is not None]

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=INK, linewidth=1.0)
        for height, (_, cell) in enumerate(reversed(rows)):
            value = cell.value or 0.0
            real = is_real(cell.low or 0.0, cell.high or 0.0, cell.p or 0.0, content.confidence)
            hue = MUTED if not real else HUES[1] if value > 0 else HUES[4]
            if cell.low is not None and cell.high is not None:
                axes.plot([cell.low, cell.high], [height, height], color=hue, linewidth=3, solid_capstyle="round")
            axes.plot([value], [height], marker="o", color=hue, markersize=7, markeredgecolor=PAPER)
            axes.annotate(signed(value), (value, height), (0, 8), textcoords="offset points", ha="center", color=INK)
        names = ["\n− ".join(short(part) for part in name.split(" − ")) for name, _ in reversed(rows)]
        axes.set_yticks(range(len(rows)), names, color=INK)
        axes.set_ylim(-0.6, len(rows) - 0.3)
        axes.set_xlabel(f"difference in {content.headline}")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=5)

    says = "; ".join(f"{name}: {cell.value:+.4f}" for name, cell in rows)
    height = 1.3 + 0.5 * len(rows)
    return [drawn("differences", f"Is the difference real? ({content.headline})", says, draw, height=height)]


def funnel(content: Content) -> list[Plot]:
    """Where a perfect list becomes ours."""
    steps = content.losses
    if not steps:
        return []
    bars = [("perfect list", 0.0, 1.0, "1.0000", GRID)]
    bars += [(step.name, step.after, step.before, signed(step.after - step.before), HUES[4]) for step in steps]
    bars += [("our lists", 0.0, steps[-1].after, f"{steps[-1].after:.4f}", HUES[0])]

    def draw(axes: Axes) -> None:
        for height, (_, left, right, told, hue) in enumerate(reversed(bars)):
            axes.barh(height, right - left, left=left, color=hue, height=0.62)
            place, side = (right + 0.012, "left")
            if right > 0.85:  # no room beyond: before the bar, or inside it where it begins at zero
                place, side = (left - 0.012 if left > 0.15 else right - 0.012), "right"
            axes.text(place, height, told, ha=side, va="center", color=INK, fontsize=9)
        best = content.figures.get(f"{BEST_POSSIBLE}/{content.headline}")
        if best is not None:
            axes.axvline(best, color=MUTED, linestyle="--", linewidth=1.2)
            told = "a list that knows the answer"
            axes.annotate(told, (best, len(bars) - 1.5), (4, 0), textcoords="offset points", color=MUTED, fontsize=9)
        axes.set_yticks(range(len(bars)), [name for name, *_ in reversed(bars)], color=INK)
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel(content.headline)
        axes.grid(visible=False, axis="y")

    says = "; ".join(f"{name}: {told}" for name, _, _, told, _ in bars)
    return [drawn("funnel", "What each stage loses", says, draw, height=1.1 + 0.42 * len(bars))]


def curves(content: Content) -> list[Plot]:
    """Each metric over the length of the list."""
    return [_curve(content, metric, lines) for metric, lines in content.curves.items() if lines]


def _curve(content: Content, metric: str, lines: Mapping[str, Sequence[float]]) -> Plot:
    def draw(axes: Axes) -> None:
        for name in reversed([one for one in content.systems if one in lines]):
            hue, _ = look(content, name)
            dashes = "--" if name == BEST_POSSIBLE else "-"
            wide = 2.4 if name == "two_stage" else 1.6
            places = range(1, len(lines[name]) + 1)
            axes.plot(places, lines[name], dashes, color=hue, linewidth=wide, label=name)
        axes.set_xlabel("k, places of the list that count")
        axes.set_xlim(left=1)
        axes.set_ylim(bottom=0)
        legend(axes, content.systems)

    depth = max(len(line) for line in lines.values())
    says = f"{metric} from 1 to {depth} places; at {depth}: " + ", ".join(
        f"{name} {line[-1]:.4f}" for name, line in lines.items()
    )
    return drawn(f"curve_{metric}", f"{metric} over the length of the list", says, draw)


def slices(content: Content) -> list[Plot]:
    """The headline metric for each group: of users, with intervals, and of items; long rows of groups in several."""
    if len(content.slices) < 2:
        return []
    of_items = [all(cell.low is None for cell in cells.values()) for _, _, cells in content.slices]
    parted = {
        "users": [one for one, is_items in zip(content.slices, of_items, strict=True) if not is_items],
        "items": [one for one, is_items in zip(content.slices, of_items, strict=True) if is_items],
    }
    return [
        _groups(content, kind, groups[start : start + ROWS], start // ROWS)
        for kind, groups in parted.items()
        for start in range(0, len(groups), ROWS)
    ]


def _groups(content: Content, kind: str, groups: Sequence[tuple[str, int, Mapping[str, Cell]]], part: int) -> Plot:
    systems = [name for name in content.systems if name != BEST_POSSIBLE]

    def draw(axes: Axes) -> None:
        step = 0.72 / max(len(systems), 1)
        for height, (_, _, cells) in enumerate(reversed(groups)):
            for place, name in enumerate(systems):
                if name in cells:
                    _interval(axes, cells[name], height + 0.36 - step * (place + 0.5), *look(content, name), name)
        # Whose feature it is says the picture's title; the room is for the value.
        named = [title.removeprefix("User ").removeprefix("Item ").capitalize() for title, _, _ in groups]
        titles = [f"{short(name)}\n{users:,}" for name, (_, users, _) in zip(named, groups, strict=True)][::-1]
        axes.set_yticks(range(len(titles)), titles, color=INK)
        for height in range(1, len(titles)):
            axes.axhline(height - 0.5, color=GRID, linewidth=0.8)
        axes.set_ylim(-0.5, len(titles) - 0.5)
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(content.headline)
        axes.grid(visible=False, axis="y")
        legend(axes, systems)

    says = "; ".join(
        f"{title}: " + ", ".join(f"{name} {cell.value:.4f}" for name, cell in cells.items() if cell.value is not None)
        for title, _, cells in groups
    )
    title = "For whom?" if kind == "users" else "Of which items?"
    further = f"_{part + 1}" if part else ""
    height = 1.3 + 0.16 * len(groups) * (len(systems) + 1)
    heading = f"{title} ({content.headline}{', further groups' if part else ''})"
    return drawn(f"slices_{kind}{further}", heading, says, draw, height=height)


def _interval(axes: Axes, cell: Cell, height: float, hue: str, mark: str, name: str) -> None:
    if cell.low is not None and cell.high is not None:
        axes.plot([cell.low, cell.high], [height, height], color=hue, linewidth=1.6, solid_capstyle="round")
    # Not cut off where it stands on the edge: 0 is a figure that some groups have.
    axes.plot([cell.value], [height], mark, color=hue, markersize=5.5, markeredgecolor=PAPER, label=name, clip_on=False)


def trade(content: Content) -> list[Plot]:
    """Accuracy beside what lists are like: each system a point."""
    k = content.headline.split("@")[-1]
    wanted = [f"{name}@{k}" for name in WIDTHS]
    held = [name for name in wanted if any(f"{one}/{name}" in content.figures for one in content.systems)]
    kept = [name for name in held if name != f"FeatureDiversity@{k}" or f"Diversity@{k}" not in held]
    return [_points(content, name) for name in kept]


def _points(content: Content, metric: str) -> Plot:
    found = [
        (name, content.figures[f"{name}/{metric}"], content.figures[f"{name}/{content.headline}"])
        for name in content.systems
        if f"{name}/{metric}" in content.figures and name != BEST_POSSIBLE
    ]

    def draw(axes: Axes) -> None:
        for name, across, up in found:
            hue, mark = look(content, name)
            axes.plot([across], [up], mark, color=hue, markersize=10, markeredgecolor=PAPER, label=name)
        axes.set_xlabel(metric)
        axes.set_ylabel(content.headline)
        axes.margins(0.18)
        axes.locator_params(axis="x", nbins=5)
        legend(axes, content.systems)

    says = "; ".join(f"{name}: {metric} {across:.4f}, {content.headline} {up:.4f}" for name, across, up in found)
    kind = metric.split("@")[0]
    return drawn(f"trade_{kind}", f"Accuracy beside {WIDTHS[kind]}", says, draw)


TOLD, BEFORE = "the ranker", "before calibration"


def _line(bins: Sequence[Bin]) -> tuple[list[float], list[float]]:
    return [one.predicted for one in bins], [one.observed for one in bins]


def reliability(content: Content) -> list[Plot]:
    """Whether probabilities come true."""
    bins = content.reliability
    if not bins:
        return []

    def draw(axes: Axes) -> None:
        before = content.uncalibrated
        top = 1.06 * max(max(one.predicted, one.observed) for one in (*bins, *before)) or 1.0
        axes.plot([0, top], [0, top], "--", color=MUTED, linewidth=1.2, label="comes true as told")
        axes.plot(*_line(bins), "-o", color=HUES[0], linewidth=2, markersize=6, markeredgecolor=PAPER, label=TOLD)
        if before:
            axes.plot(*_line(before), ":s", color=HUES[1], linewidth=1.5, markersize=4, label=BEFORE)
        legend(axes, [TOLD, *([BEFORE] if before else []), "comes true as told"])
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_xlabel("probability that the ranker told")
        axes.set_ylabel("share that was taken")

    says = "; ".join(f"told {one.predicted:.4f}, came {one.observed:.4f}" for one in bins)
    return [drawn("reliability", "Do the ranker's probabilities come true?", says, draw)]


def look(content: Content, system: str) -> tuple[str, str]:
    """The colour and the mark of a system: ours first, retrieval second, the others in their order."""
    if system == BEST_POSSIBLE:
        return MUTED, "*"
    first = [name for name in ("two_stage", "retrieval") if name in content.systems]
    order = first + [name for name in content.systems if name not in (*first, BEST_POSSIBLE)]
    place = order.index(system)
    return HUES[place % len(HUES)], MARKS[place % len(MARKS)]


def signed(value: float) -> str:
    """A difference as it is read: with its sign, and none for zero."""
    return f"{value:+.4f}".replace("-", "−") if round(value, 4) else "0.0000"


PLOTS: Sequence[Callable[[Content], list[Plot]]] = (differences, funnel, curves, trade, slices, reliability)
