"""What the ranker sees of requests and their candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from enterprise_recsys.data.aggregates import Statistics, of_items, of_users
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.repeats import repeat_columns, taken_here
from enterprise_recsys.records import HISTORY_AGE, Columns, Floats, Ints


@dataclass(frozen=True)
class Requests:
    """What is known of B requests.

    Attributes:
        columns: static user columns [B, ...].
        history: [B, L] newest item rows, oldest first, 0 = none, on the left; L is what the longest of them needs.
        ages: [B, L] seconds from each of these to the request.
        own: [B, W] the history further back, where lists may hold it; of no width elsewhere.
        situations: name -> [B, W] the context that each of these was taken in, 0 = unknown.
        context: columns [B, ...] of the moment, with hour, day of week, weekend.
        statistics: of the users, [B].
        times: [B] microseconds since 1970 UTC that statistics are taken as of: just after the newest event that is
            known. The seconds since a user's own events are counted to the request itself.
        offsets, seen: item rows to leave out, of request b at seen[offsets[b]:offsets[b+1]].
    """

    columns: Columns
    history: Ints
    ages: Ints
    own: Ints
    situations: Columns
    context: Columns
    statistics: Statistics
    times: Ints
    offsets: Ints
    seen: Ints

    @property
    def query(self) -> Columns:
        """What the user tower sees beside the history: the static columns, and how long ago its items were taken."""
        return {**self.columns, HISTORY_AGE: self.ages}

    def elsewhere(self, processor: DataProcessor) -> Requests:
        """The same, with what was taken in this very context left out, where the config has it so."""
        if processor.config.repeats != "elsewhere":
            return self
        offsets, seen = taken_here(self.own, self.situations, self.context)
        return replace(self, offsets=offsets, seen=seen)


class Pairs(Protocol):
    """Candidates of B requests: item rows (0 = empty), cosines (-inf = empty), what neighbours and followers say."""

    @property
    def rows(self) -> Ints:
        """[B, K]."""

    @property
    def scores(self) -> Floats:
        """[B, K]."""

    @property
    def said(self) -> Floats:
        """[B, K, 2], 0 or more."""


def halves(
    processor: DataProcessor, requests: Requests, items: Columns, moving: Columns, pairs: Pairs
) -> tuple[Columns, Columns]:
    """What the ranker sees of B requests with K candidates each: the users' columns [B, ...], and those of [B*K, ...].

    Args:
        processor: whose features and scales are used.
        requests: the B requests.
        items: static columns [I, ...] of the catalogue.
        moving: the items' scaled statistics [B*K], as of each request's moment.
        pairs: the candidates.
    """
    flat = pairs.rows.ravel()
    users = {**requests.columns, **requests.context, **processor.scale(of_users(requests.statistics))}
    return users, {
        **{name: np.take(column, flat, axis=0) for name, column in items.items()},
        **moving,
        **candidate_columns(processor, requests.own, requests.situations, requests.context, pairs),
    }


def candidate_columns(
    processor: DataProcessor, own: Ints, situations: Columns, context: Columns, pairs: Pairs
) -> Columns:
    """What sources and histories say of candidates, as the ranker sees it: columns [B*K].

    Args:
        processor: tells whether lists may hold what users had.
        own, situations, context: see `Requests`.
        pairs: the candidates.
    """
    return {
        **(repeat_columns(own, pairs.rows, situations, context) if processor.config.lists_past else {}),
        "retrieval_score": _logits(pairs.scores),
        "neighbour_score": pairs.said[:, :, 0].astype(np.float32).ravel(),
        "follower_score": np.log1p(_PERCENT * pairs.said[:, :, 1]).astype(np.float32).ravel(),
    }


def ranker_columns(
    processor: DataProcessor, requests: Requests, items: Columns, item_statistics: Statistics, pairs: Pairs
) -> Columns:
    """The same as one table of B*K rows, which learning takes its batches from; see `halves`.

    Args:
        processor, requests, items, pairs: see there.
        item_statistics: [B*K], as of each request's moment.
    """
    moving = processor.scale(of_items(item_statistics))
    users, candidates = halves(processor, requests, items, moving, pairs)
    return {**{name: np.repeat(column, pairs.rows.shape[1], axis=0) for name, column in users.items()}, **candidates}


_PERCENT = 100.0
"""The unit of what followers say: of the share of times that an item came next, most is below one."""


def _logits(scores: Floats) -> Floats:
    # About in the softmax's own unit, where a point is a factor e of preference; a bare cosine would hardly move the
    # network.
    return np.where(np.isfinite(scores), scores * 10.0, 0.0).astype(np.float32).ravel()
