"""How long the retriever takes to learn an event: by its history part, the catalogue, and the events of a user."""

from __future__ import annotations

from collections.abc import Mapping

JOINED = ("mean", "attention")
"""History parts that are one tower with the user's id and features, and learn an event at a time."""

EVENT_S: Mapping[str, float] = {
    "mean": 1 / 15_000,
    "attention": 1 / 9_000,
    "fold_in": 16e-6,
    "transformer": 1 / 40_000,
    "gru": 1 / 37_000,
}
"""History part -> seconds of one quiet core for an event, in a log of `SMALL_ITEMS`, with vectors of 64 numbers.

`benchmarks/teaching.py` measures them; on a core that others share they are twice that and more. That of 'gru' is by
its share of a Transformer's, 93 %, when both were measured side by side.
"""

SMALL_ITEMS = 3_000
"""Items of the log that EVENT_S was measured on, whose users have a hundred events."""

USER_ITEM_S = 5.3e-8
"""Seconds that 'fold_in' takes for each user and item in an epoch, four passes of it.

It learns a user at a time, so few events of each make an event dear: at 10,000 items and five events a user 123 µs.
"""

DRAWN_S: Mapping[str, float] = {"mean": 7e-5, "attention": 1.1e-4, "transformer": 37e-6, "gru": 34e-6}
"""History part -> seconds of an event in larger catalogues, by users of five events; see `benchmarks/growth.py`."""

DRAWN_ROWS = 5_800
"""Items that a step of 'fold_in' then sees: 78 µs an event, of a hundred thousand items as of a million."""

EXACT_ITEMS, EXACT_SCORES, LARGE_ROWS, PASSES = 20_000, 20_000_000_000, 100_000, 4
"""As `retrieval.losses`, `rowwise` and `retrieval.alternating` have them, which need PyTorch; a test compares."""


def event_s(part: str, events: int, users: int, items: int) -> float:
    """Seconds of one quiet core that a history part takes for an event of an epoch, with vectors of 64 numbers.

    Args:
        part: a key of EVENT_S.
        events, users, items: of the log.
    """
    if part in JOINED:
        return EVENT_S[part] if items < LARGE_ROWS else DRAWN_S[part]
    if part != "fold_in":
        return EVENT_S[part] if items <= SMALL_ITEMS else DRAWN_S[part]
    is_exact = items <= EXACT_ITEMS and items * PASSES * users <= EXACT_SCORES
    return EVENT_S[part] + USER_ITEM_S * (items if is_exact else min(items, DRAWN_ROWS)) * users / max(events, 1)
