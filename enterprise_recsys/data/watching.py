"""What learning and judging do about leaks: what is surely one is refused, what may be one is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from enterprise_recsys.choice import pick
from enterprise_recsys.data.guards import check_split
from enterprise_recsys.data.leaks import Finding
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Interactions

Leaks = Literal["refuse", "warn", "allow"]
"""What is done about a leak: a sure one is refused and a doubtful one told; all are told; nothing is looked at."""

DOUBTFUL = ("giveaway", "overlap")
"""Guards whose findings may be meant: a feature may tell very much, and a published split may be drawn by lot."""
OF_COLUMNS = ("future", "giveaway")
"""Guards that read every column of every event."""
MOST_EVENTS = 5_000_000
"""Beyond so many events the columns are not looked at: about 4 s and 400 MB per million events at MovieLens' width."""

_ESCAPE = "If that is meant, say leaks='warn' (recsys: --leaks warn) to go on, or leaks='allow' not to look."

logger = logging.getLogger("enterprise_recsys")


def watch(
    parts: Mapping[str, Interactions],
    *,
    leaks: str = "refuse",
    processor: DataProcessor | None = None,
    positive_rating: float | None = None,
) -> None:
    """Look for leaks between parts, in the order of learning, and do with them as told.

    Args:
        parts: name -> log, such as {"train": ..., "val": ...}; the last one judges the others.
        leaks: a name in LEAKS.
        processor: fitted on the first part, to see that it does not know ids of the last one that the first part lacks.
        positive_rating: see `check_split`.

    Raises:
        ConfigError: `leaks` has no such name.
        DataError: leaks="refuse", and there is a leak that none of DOUBTFUL found; with all that was found.
    """
    act = pick(LEAKS, leaks, what="leaks")
    if leaks == "allow":
        return
    guards = ["target_in_history", "duplicate", "overlap", *(["vocabulary"] if processor is not None else [])]
    events = sum(len(part.events) for part in parts.values())
    if events <= MOST_EVENTS:
        guards = [*OF_COLUMNS, *guards]
    else:
        logger.info(
            "%s events: columns are not looked at for leaks beyond %s; check_split does it.",
            f"{events:,}",
            f"{MOST_EVENTS:,}",
        )
    fitted_on = (next(iter(parts)),)
    found = check_split(parts, processor=processor, fitted_on=fitted_on, positive_rating=positive_rating, guards=guards)
    act(found)


def _refuse(found: Sequence[Finding]) -> None:
    sure = [one for one in found if one.kind not in DOUBTFUL]
    if sure:
        told = "\n".join(f"- {one}" for one in found)
        raise DataError(f"what is learnt from knows what is asked:\n{told}\n{_ESCAPE}")
    _warn(found)


def _warn(found: Sequence[Finding]) -> None:
    for one in found:
        logger.warning("possible leak: %s", one)


def _nothing(found: Sequence[Finding]) -> None:
    return


LEAKS: Mapping[str, Callable[[Sequence[Finding]], None]] = {"refuse": _refuse, "warn": _warn, "allow": _nothing}
