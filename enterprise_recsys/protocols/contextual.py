"""Protocols that ask in a context: the same user wants something else at another hour and place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from enterprise_recsys.data import protocol_files
from enterprise_recsys.data.holdouts import checksum_of_pairs
from enterprise_recsys.protocols.tasks import ListTask, Protocol, Trial
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions


def frappe_context(data: Path | None, seed: int) -> ListTask:
    """Frappe: which app is used in this context (daytime, weekday, weekend, home or work, weather, country, city)?

    The files' own parts, 75,773 / 9,472 / 18,943 rows. All rows of validation are rows of train too: to choose dials
    they are taken out of it, lest the answers be known, and 66,301 stay. Each row of test is a question of its own: its
    user and its context are known, and its app is the one target. All apps of the three files are ranked; what the user
    has used before is left in, since nine of ten test rows are such, but for what they used in this very context: the
    files hold each user, app and context once (but for five rows of test), so that it is not asked for, and a system
    would be paid for learning how the files were made. Past: the user's rows in train. Learnt from, after the dials are
    chosen: train. Intervals are over users.

    There are no times, and no published figure of these files: they are not the `frappe_x1` of BARS, which asks for
    clicks with drawn negatives.
    """
    names = ("train", "validation", "test")
    folder = protocol_files.located("frappe-context", [f"{name}.csv" for name in names], data)
    train, val, test = (protocol_files.frappe(folder / f"{name}.csv") for name in names)
    context = protocol_files.FRAPPE_CONTEXT
    early = train.events.join(val.events, on=[USER_ID, ITEM_ID, *context], how="anti", maintain_order="left")
    both = pl.concat([early, val.events])
    catalogue = pl.concat([both[ITEM_ID], test.events[ITEM_ID]]).unique().sort()
    choose, judge = (
        questions(train, *parts, context, is_unique=True) for parts in ((early, val.events), (both, test.events))
    )
    return ListTask(catalogue, choose, judge, checksum_of_pairs(test.events), has_times=False, repeats=True)


def questions(
    log: Interactions, learnt: pl.DataFrame, asked: pl.DataFrame, context: Sequence[str], *, is_unique: bool = False
) -> Trial:
    """A question for each row of `asked`: its user asks, in its context, for its item.

    With `is_unique` nothing is asked for that the user took in the same context before, and lists leave it out.
    """
    # The owner comes first: in the order of names, which is that of asking, the questions of a user follow each other.
    name = pl.format("{}/{}", "owner", pl.int_range(pl.len()).cast(pl.String).str.zfill(9)).alias(USER_ID)
    named = asked.rename({USER_ID: "owner"}).with_columns(name)
    targets = named.select(USER_ID, ITEM_ID, TIMESTAMP)
    told, barred = named.select(USER_ID, "owner", *context), None
    if is_unique:
        used = learnt.select(pl.col(USER_ID).alias("owner"), ITEM_ID, *context).unique()
        barred = told.join(used, on=["owner", *context], how="inner").select(USER_ID, ITEM_ID)
    return Trial(log.with_events(learnt), learnt, targets, told, barred=barred)


CONTEXTUAL = {"frappe-context": Protocol(frappe_context, ("NDCG@10", "HR@10", "HR@3", "MRR@10", "Coverage@10"))}
