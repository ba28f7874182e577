"""What each step of a run needs, by formulas of the log's size and the dials, with the figures that they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from enterprise_recsys.config import FEW_EVENTS, ModelConfig
from enterprise_recsys.data import kernels, needs
from enterprise_recsys.data.paces import JOINED, event_s

# What was measured, on 2 cores of a server processor; each is meant to be right within a factor of 2.
PROGRAM_MB, LEARNING_MB = needs.PROGRAM_MB, 600
"""What the program holds before the first row: polars and numpy; with PyTorch."""

SEQUENCES_MB, _BATCH = 700, 1024
"""What teaching whole sequences by batches of so many places leaves behind in the process, holes in memory above all.

`recsys demo --set threads=1` peaked at 1,797 (ml-100k), 1,807 (made world) and 2,127 MB (ml-1m), by a Transformer.
"""

SEQUENTIAL = ("transformer", "gru")
"""The history parts that are taught by whole sequences."""

PATIENCE, ORDERED_PATIENCE = 2, 6
"""Epochs without a better validation before training stops, where `patience` does not say; the second of SEQUENTIAL,
where the log is small or the next item is asked for.

With 2 a Transformer stops on ml-100k at .351, .364 and .338 by NDCG@10 of validation (three seeds), with 6 at .366,
.364 and .368, and on ml1m-temporal90 by ids at .122 and .138. On ml-1m, where all later items are asked for, it is .278
with both; with 8, which would more than double the time of training, it goes on to .285, where 'fold_in' has .305. Of a
'gru' it is not measured.
"""

PREPARE_S, PREPARE_LOOPS_S, PREPARE_DISK = 2.3e-6, 1.5e-6, 46
"""Of a row: seconds, seconds where compiled loops are used (see `kernels.pay`), bytes written.

`recsys prepare` took 2.3 s of CPU time for 1,000,000 made rows and 30 s for 20,000,000; what it holds, `needs` says.
"""

CONTENDERS: Mapping[str, tuple[str, ...]] = {"auto": ("fold_in", "transformer")}
"""What `history` names -> the parts that are taught one after the other, of which one is kept, or both."""

VARIANTS: Mapping[str, int] = {"mean": 1, "attention": 1, "fold_in": 2, "transformer": 1, "gru": 1}
"""History part -> how many temperatures are tried of it, where the dial `temperature` does not say."""

RANKER_RATE = 50_000
"""Candidates that the ranker learns in a second of one core; MovieLens and the made world gave 49,000 to 56,000."""

USUAL_EPOCHS, USUAL_ORDERED_EPOCHS, USUAL_RANKER_EPOCHS = 5, 15, 3
"""Passes after which validation is best, as a rule: 2 to 14 and 2 to 8 on MovieLens 100K and 1M and the made world.

The second of what has `ORDERED_PATIENCE`: 14 to 20 on MovieLens 100K; on the made world it is given up before.
"""

RANKER_ROWS, MOMENTS_A_USER, USUAL_MOMENTS = 2_000_000, 4, 0.6
"""Candidates that the ranker learns from, moments of one user at which it asks for them, at most; and as a rule.

The newest tenth of MovieLens 100K and 1M and of the made world held 0.3, 0.3 and 1.1 moments for each user of the log.
"""

MORE_RANKER_ROWS, MORE_MOMENTS, MORE_USUAL_MOMENTS = 4_000_000, 50, 6.0
"""The same where the horizon is a visit or an event; on frappe-context there is room for 6 moments of each user."""

RANKER_CELL = 300
"""Bytes of one of the ranker's candidates: its features as numbers, and the same again while they are shuffled."""

MOST_SOLVED, DOUBLE_ITEMS = 12_500, 8_000
"""As `learning.neighbouring` and `baselines.linear` have them, which need more than planning does; a test compares."""

SOLUTIONS, SOLVED_S, SOLVED_BYTES = 5, 2.1e-11, 18
"""Linear maps of items by items that are solved; for each cube and square of the items, in double precision.

On one core 1.5 s for 4,000 items and 4.5 s for 6,000 of them, which held 0.7 GB; 2.3 s in single precision.
"""

MOST_NEIGHBOURED, MOST_FOLLOWED, RULE_EVENTS = 100_000, 1_000_000, 5_000_000
"""Likewise, and `baselines.rules`: catalogues that have neighbours and followers; events that rules are counted in."""

RULE_BYTES, LED_BYTES = 120, 6
"""An event while rules are counted (5,000,000 of 300,000 items held 560 MB), and a place among an item's followers."""

INDEX_RATE = 50_000
"""Items encoded and added to the index in a second."""

_WIDTH = 64  # of the vectors by which the rates were measured
_TRAIN = 0.8  # share of the events that is learnt from while validation chooses
_COPIES = 5  # of every weight: itself, Adam's two moments, the running mean, and the best of that
_EVENT_BYTES = 700
"""Of an event, as a row, encoded, in the history of its user and in what several stages hold of it at once: 1,000,000
events of 40,000 items took 2.8 GB, 60,000 of the made world 2.1."""
_FLOAT = 4
_MB = 1 << 20


@dataclass(frozen=True)
class Size:
    """The size of a log.

    Attributes:
        rows: of the log.
        users, items: different ids.
        prepare_mb: what preparing its file holds, by its columns; None: by its rows alone.
        manner: how its file is read, where that is not in pieces.
        impressions: rows that tell what was shown, and are no events of users.
    """

    rows: int
    users: int
    items: int
    prepare_mb: float | None = field(default=None, compare=False)
    manner: str = field(default="", compare=False)
    impressions: int = 0

    @property
    def events(self) -> int:
        """Rows that are learnt from as what users did."""
        return self.rows - self.impressions


@dataclass(frozen=True)
class Step:
    """What one step needs.

    Attributes:
        name: a name in `STEPS`.
        memory_mb: at most held at once.
        disk_mb: written.
        seconds: of one quiet core, as a rule: learning stops early.
        most_s: likewise, if every epoch that the dials allow is run.
        because: the formula with its numbers.
    """

    name: str
    memory_mb: float
    disk_mb: float
    seconds: float
    most_s: float
    because: str


def _prepare(size: Size, config: ModelConfig) -> Step:
    row_s = PREPARE_LOOPS_S if kernels.pay(size.rows) else PREPARE_S
    seconds = 0.2 + row_s * size.rows
    more, manner = (" or more" if size.prepare_mb else "", f"; {size.manner}" if size.manner else "")
    return Step(
        "prepare",
        max(size.prepare_mb or 0.0, needs.of_rows(size.rows)),
        PREPARE_DISK * size.rows / _MB,
        seconds,
        seconds,
        f"{needs.LEAST_BYTES} bytes{more} and {row_s * 1e6:.1f} µs a row, and a slice{manner}",
    )


def _retriever(size: Size, config: ModelConfig) -> Step:
    parts = parts_taught(config)
    widths = {part: config.embedding_dim * _factor(part, size, config) for part in parts}
    rates = {
        part: 1.0 / (event_s(part, size.events, size.users, size.items) * max(width / _WIDTH, 1.0))
        for part, width in widths.items()
    }
    times = {part: VARIANTS[part] if config.temperature is None else 1 for part in parts}

    patience = {part: patience_of(config, part, round(_TRAIN * size.events)) for part in parts}

    def seconds(epochs: Mapping[str, int]) -> float:
        """Each part is tried for some epochs more, and taught again: all of them, as they may stay side by side."""
        again = (0.9 if config.refit else 0.0) + (0.7 if config.training == "staged" else 0.0)
        total = 0.0
        for part, rate in rates.items():
            tried = min(epochs[part] + patience[part], config.epochs)
            total += size.events * (_TRAIN * tried * times[part] + again * epochs[part]) / rate
        return total

    ids = size.items + (size.users if set(JOINED) & set(parts) else 0)  # the others learn no user by heart
    several = sum(times.values()) > 1  # the best so far is kept beside what is tried next
    weights = ids * max(widths.values()) * _FLOAT * (_COPIES + several)
    scores = config.batch_size * (config.batch_size + config.negatives) * _FLOAT * 4
    usual = {
        part: min(USUAL_ORDERED_EPOCHS if own >= ORDERED_PATIENCE else USUAL_EPOCHS, config.epochs)
        for part, own in patience.items()
    }
    told = " and ".join(
        f"{part} ({usual[part]} of {config.epochs} epochs{', twice' * (times[part] > 1)}, {round(rate, -2):,.0f}/s)"
        for part, rate in rates.items()
    )
    again = f", again of {0.9 * size.events:,.0f}" if config.refit else ""
    again += f" and of {0.7 * size.events:,.0f}" if config.training == "staged" else ""
    return Step(
        "retriever",
        _learning_mb(config) + (weights + scores + _EVENT_BYTES * size.rows) / _MB,
        0.0,
        seconds(usual),
        seconds(dict.fromkeys(parts, config.epochs)),
        f"{told} of {_TRAIN * size.events:,.0f} events{again}",
    )


def _learning_mb(config: ModelConfig) -> float:
    """What the program holds while it learns, beside the data."""
    if not set(SEQUENTIAL) & set(parts_taught(config)):
        return LEARNING_MB
    return LEARNING_MB + SEQUENCES_MB * config.batch_size / _BATCH * config.embedding_dim / _WIDTH


def patience_of(config: ModelConfig, part: str | None = None, events: int = 0) -> int:
    """Epochs without a better validation before training stops.

    Args:
        config: the dials.
        part: the history part that is taught; None: something else.
        events: that it learns from.
    """
    if config.patience is not None:
        return config.patience
    return ORDERED_PATIENCE if part in SEQUENTIAL and (events <= FEW_EVENTS or config.aim == "next") else PATIENCE


def parts_taught(config: ModelConfig) -> tuple[str, ...]:
    """The history parts that a run teaches; joint training compares none."""
    if config.training == "joint" and config.history in CONTENDERS:
        return ("mean",)
    return CONTENDERS.get(config.history, (config.history,))


def _factor(part: str, size: Size, config: ModelConfig) -> int:
    """How many times as wide as the dials say a history part is."""
    return config.factor_of(part, round(_TRAIN * size.events))


def _ranker(size: Size, config: ModelConfig) -> Step:
    further = config.neighbour_candidates + config.follower_candidates + config.trending_candidates
    depth = min(config.candidates + further, size.items)
    rows, moments, usual = RANKER_ROWS, MOMENTS_A_USER, USUAL_MOMENTS
    if config.aim != "later":
        rows, moments, usual = MORE_RANKER_ROWS, MORE_MOMENTS, MORE_USUAL_MOMENTS
    # Two slices of time, and as many rows as may be: what one of them teaches is judged on the other.
    most = min(2 * min(moments * size.users, config.ranker_slice * 0.9 * size.events) * depth, rows)
    usual, trial = min(2 * usual * size.users * depth, most), 0.5
    epochs = min(USUAL_RANKER_EPOCHS, config.ranker_epochs)
    tried = min(epochs + patience_of(config), config.ranker_epochs)
    is_solved = config.training == "staged" and config.neighbour_candidates > 0 and size.items <= MOST_SOLVED
    share = is_solved * (1.0 if size.items <= DOUBLE_ITEMS else 0.5)
    solving_s = share * SOLUTIONS * SOLVED_S * size.items**3
    solving = f"; {SOLUTIONS} times {size.items:,} by as many items" if solving_s >= 1.0 else ""
    rules = RULE_BYTES * min(size.events, RULE_EVENTS) if size.items <= MOST_FOLLOWED else 0
    return Step(
        "ranker",
        _learning_mb(config)
        + (most * RANKER_CELL + _EVENT_BYTES * size.rows + max(share * SOLVED_BYTES * size.items**2, rules)) / _MB,
        0.0,
        usual * (epochs + trial * tried) / RANKER_RATE + solving_s,
        most * config.ranker_epochs * (1 + trial) / RANKER_RATE + solving_s,
        f"{epochs} of {config.ranker_epochs} epochs of {usual:,.0f} candidates (at most {most:,.0f}), "
        f"and {trial:g} times as many to choose by, {RANKER_RATE:,}/s{solving}",
    )


def _index(size: Size, config: ModelConfig) -> Step:
    width = config.item_tower_dims[-1] * sum(_factor(part, size, config) for part in parts_taught(config))
    links = 64 * 8 if config.index == "hnsw" else 0
    held = size.items * (width * _FLOAT + links)
    build_s = 0.1 + size.items / INDEX_RATE * (10 if config.index == "hnsw" else 1)
    return Step(
        "index",
        PROGRAM_MB + 2 * held / _MB,
        held / _MB,
        build_s,
        build_s,
        f"{size.items:,} items of up to {width} numbers, {config.index}",
    )


def _artifact(size: Size, config: ModelConfig) -> Step:
    led = LED_BYTES * config.neighbours * ((size.items <= MOST_NEIGHBOURED) + (size.items <= MOST_FOLLOWED))
    wide = config.embedding_dim * max(_factor(part, size, config) for part in parts_taught(config))
    tables = (size.users + size.items) * (wide + config.ranking_dim) * _FLOAT + led * size.items
    events = 24 * size.events
    return Step(
        "artifact",
        PROGRAM_MB + (2 * tables + 2 * events) / _MB,
        (tables + events) / _MB,
        0.5 + (tables + events) / _MB / 100,
        0.5 + (tables + events) / _MB / 100,
        f"{wide} + {config.ranking_dim} numbers of each id, {led} bytes of each item's neighbours and "
        "followers, and the events",
    )


STEPS: Mapping[str, Callable[[Size, ModelConfig], Step]] = {
    "prepare": _prepare,
    "retriever": _retriever,
    "ranker": _ranker,
    "index": _index,
    "artifact": _artifact,
}
"""Name -> what the step needs, in the order in which they are run."""
