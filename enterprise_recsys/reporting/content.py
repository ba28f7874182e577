"""All that a report shows, as plain data: the page, the JSON and the plots are made from this alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from enterprise_recsys.evaluation.detail import Bin, Detail
from enterprise_recsys.evaluation.findings import Finding, Loss, corrected, losses
from enterprise_recsys.evaluation.report import BEST_POSSIBLE, HEADLINE, NEW_USERS, Evaluation, count_key, is_of_stage

FORM = 1
"""Of the JSON; raised when a reader of the older form could not read the newer one."""


@dataclass(frozen=True)
class Cell:
    """A figure with its bounds; None = not measured, or without bounds."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    is_best: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under a head, with what they mean.

    Attributes:
        title, note: above it.
        corner: over the names of the rows.
        head: names of the columns.
        rows: (name, a cell a column).
    """

    title: str
    note: str
    corner: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True)
class Content:
    """A report.

    Attributes:
        form: version of this form.
        title: of the page.
        headline: the metric that sentences and most plots speak of.
        confidence: of the intervals.
        findings: what the figures say in words, the most important first.
        systems: in the order of tables and colours.
        tables: all figures of systems, pairs and slices.
        stages: figures of the stages by themselves.
        losses: from a perfect list to ours.
        curves: metric -> system -> mean at k = 1, 2, ...
        reliability: bins of the CTR head.
        uncalibrated: the same before calibration.
        slices: (slice, users, system -> headline metric).
        figures: every figure by its key.
        provenance: what is needed to measure it again.
    """

    form: int
    title: str
    headline: str
    confidence: float
    findings: Sequence[Finding]
    systems: Sequence[str]
    tables: Sequence[Table]
    stages: Mapping[str, Cell]
    losses: Sequence[Loss]
    curves: Mapping[str, Mapping[str, Sequence[float]]]
    reliability: Sequence[Bin]
    uncalibrated: Sequence[Bin]
    slices: Sequence[tuple[str, int, Mapping[str, Cell]]]
    figures: Mapping[str, float]
    provenance: Mapping[str, object]

    def to_json(self) -> dict[str, object]:
        """As plain dicts and lists."""
        return asdict(self)


def content_of(detail: Detail, *, title: str, provenance: Mapping[str, object]) -> Content:
    """Arrange an evaluation for a reader.

    Args:
        detail: what was measured.
        title: of the page.
        provenance: name -> text, number, list or mapping; shown at the foot.
    """
    figures = detail.evaluation
    shown = figures.figures()
    systems = sorted(dict.fromkeys(system for system, _, _ in shown), key=lambda name: name == BEST_POSSIBLE)
    metrics = list(dict.fromkeys(metric for _, name, metric in shown if not name))
    headline = next((metric for metric in metrics if metric.split("@")[0] == HEADLINE), metrics[0] if metrics else "")
    return Content(
        FORM,
        title,
        headline,
        figures.confidence,
        figures.findings(),
        systems,
        _tables(figures, systems, metrics, headline),
        {key: _cell(figures, key) for key in figures if is_of_stage(key) and not key.endswith(("/low", "/high"))},
        losses(figures, headline),
        detail.curves,
        detail.reliability,
        detail.uncalibrated,
        _slices(figures, systems, headline),
        dict(figures),
        provenance,
    )


def _tables(figures: Evaluation, systems: Sequence[str], metrics: Sequence[str], headline: str) -> list[Table]:
    of_users = [name for name in metrics if any(f"{system}/{name}/low" in figures for system in systems)]
    of_lists = [name for name in metrics if name not in of_users]
    percent = f"{100 * figures.confidence:g} %"
    tables = []
    for k in dict.fromkeys(name.split("@")[-1] for name in of_users):
        head = sorted((name for name in of_users if name.split("@")[-1] == k), key=lambda name: name != headline)
        note = f"Means over {figures.get('users', 0):,.0f} users, with {percent} intervals (bootstrap over users)."
        tables.append(_of_systems(figures, f"How well the first {k} places hit", note, systems, head))
    if of_lists:
        note = "Of all lists together: how much of the catalogue they show, how unlike the items of a list are."
        tables.append(_of_systems(figures, "What the lists are like", note, systems, of_lists, marks_best=False))
    tables += _of_exposure(figures, systems)
    pairs = list(dict.fromkeys(key.split("/")[0] for key in figures if "-" in key.split("/")[0]))
    if pairs:
        tables.append(_of_pairs(figures, pairs, of_users, headline, percent))
    return tables


def _of_systems(
    figures: Evaluation, title: str, note: str, systems: Sequence[str], head: Sequence[str], *, marks_best: bool = True
) -> Table:
    """A row a system; of what lists are like, more is not better, and no best one is marked."""
    rivals = [one for one in systems if one != BEST_POSSIBLE and marks_best]
    best = {
        name: max((figures[f"{one}/{name}"] for one in rivals if f"{one}/{name}" in figures), default=None)
        for name in head
    }
    rows = [
        (one, [_cell(figures, f"{one}/{name}", best=best[name] if one in rivals else None) for name in head])
        for one in systems
    ]
    return Table(title, note, "System", head, rows)


def _of_exposure(figures: Evaluation, systems: Sequence[str]) -> list[Table]:
    """The share of places that each group of items has; none where the items have no groups."""
    found = [(name, metric) for _, name, metric in figures.figures() if metric.split("@")[0] == "Exposure"]
    groups = list(dict.fromkeys(found))
    if not groups:
        return []
    rows = [(one, [_cell(figures, f"{one}/{name}/{metric}") for name, metric in groups]) for one in systems]
    head = [f"{name.replace('_', ' ').capitalize()} @{metric.split('@')[1]}" for name, metric in groups]
    note = "Share of all places by how popular an item was in training; head items hold a fifth of all events."
    return [Table("Which items get the places", note, "System", head, rows)]


def _of_pairs(figures: Evaluation, pairs: Sequence[str], metrics: Sequence[str], headline: str, percent: str) -> Table:
    k = headline.split("@")[-1]
    head = sorted((name for name in metrics if name.split("@")[-1] == k), key=lambda name: name != headline)
    parted = [(pair.split("-")[0], pair.split("-")[1]) for pair in pairs]
    rows = []
    p_values = {name: corrected(figures, parted, name) for name in head}
    for place, (first, second) in enumerate(parted):
        cells = []
        for name in head:
            cell = _cell(figures, f"{first}-{second}/{name}")
            cells.append(Cell(cell.value, cell.low, cell.high, p_values[name][place][1]))
        rows.append((f"{first} − {second}", cells))
    note = (
        f"Mean difference user by user, with {percent} bootstrap intervals; p is of the paired sign-flip test, "
        f"corrected (Holm) for the {len(pairs)} comparisons of its column."
        if len(pairs) > 1
        else f"Mean difference user by user, with a {percent} bootstrap interval and the p of the sign-flip test."
    )
    return Table("Whether the differences are real", note, "Difference", head, rows)


def _cell(figures: Mapping[str, float], key: str, *, best: float | None = None) -> Cell:
    value = figures.get(key)
    return Cell(
        value,
        figures.get(f"{key}/low"),
        figures.get(f"{key}/high"),
        figures.get(f"{key}/p"),
        value is not None and value == best,
    )


def _slices(figures: Evaluation, systems: Sequence[str], headline: str) -> list[tuple[str, int, Mapping[str, Cell]]]:
    result: list[tuple[str, int, Mapping[str, Cell]]] = []
    for name in figures.slices():
        cells = {system: _cell(figures, "/".join(filter(None, (system, name, headline)))) for system in systems}
        held = {system: cell for system, cell in cells.items() if cell.value is not None}
        title = "All users" if not name else ("New users" if name == NEW_USERS else name.replace("_", " ").capitalize())
        if held:
            result.append((title, int(figures.get("users" if not name else count_key(name), 0)), held))
    # Groups of users have intervals and come first; groups of items follow.
    return sorted(result, key=lambda one: all(cell.low is None for cell in one[2].values()))
