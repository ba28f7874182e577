"""Lists that somebody else made, as a function, a frame or a file, become something that can be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import ITEM_ID, USER_ID

if TYPE_CHECKING:
    import pandas as pd

Lists = Callable[[Sequence[str], int], Sequence[Sequence[str]]]
"""User ids and k -> the item ids of each user's list, best first."""

ORDERS = {"rank": False, "score": True}
"""Column that orders a list -> whether its highest value comes first."""


class ListFrame:
    """The lists of a frame, as `Lists`: a user whom it does not hold has an empty list.

    Args:
        frame: a row a place: `user_id`, `item_id`, and `rank` (1 = best) or `score` (highest = best; rows of equal
            value stay in their order). A pandas or polars frame.
        name: where it came from, for messages.

    Raises:
        DataError: a column is missing or holds no value, or there is no row.
    """

    def __init__(self, frame: pl.DataFrame | pd.DataFrame, name: str = "the lists") -> None:
        table = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame)
        order = next((column for column in ORDERS if column in table.columns), None)
        if not {USER_ID, ITEM_ID} <= set(table.columns) or order is None:
            raise DataError(
                f"{name} holds lists in columns {', '.join(table.columns) or '(none)'}; they should be user_id, "
                "item_id and rank (1 = best) or score (highest = best). Rename them."
            )
        if table.is_empty():
            raise DataError(f"{name} holds no list: it has columns and no row.")
        table = table.select(pl.col(USER_ID, ITEM_ID).cast(pl.String), order)
        if not table[order].dtype.is_numeric():
            raise DataError(f"{name}: the column {order!r} holds {table[order].dtype}, it should hold numbers.")
        empty = [column for column in table.columns if table[column].null_count()]
        if empty:
            raise DataError(f"{name}: {empty[0]!r} is empty in {table[empty[0]].null_count()} rows; leave these out.")
        rows = table.sort(order, descending=ORDERS[order], maintain_order=True)
        self._lists = {str(user): items for user, items in rows.group_by(USER_ID).agg(ITEM_ID).iter_rows()}

    def __call__(self, user_ids: Sequence[str], k: int) -> Sequence[Sequence[str]]:
        """The first k items of each user."""
        return [self._lists.get(user, [])[:k] for user in user_ids]

    @property
    def user_ids(self) -> list[str]:
        """Whose lists there are."""
        return list(self._lists)

    @property
    def item_ids(self) -> set[str]:
        """Every item that stands in a list."""
        return {item for items in self._lists.values() for item in items}


def lists_of(given: object, name: str) -> Lists:
    """A function of user ids and k stays as it is; a pandas or polars frame becomes one (see `ListFrame`).

    Raises:
        DataError: it is neither, or the frame has not the columns.
    """
    if isinstance(given, pl.DataFrame) or type(given).__module__.startswith("pandas"):
        return ListFrame(given, name)
    if callable(given):
        function: Lists = given
        return function
    raise DataError(
        f"{name} is a {type(given).__name__}; it should be a function (user ids, k) -> lists of item ids, or a frame "
        "with user_id, item_id and rank or score."
    )


def read_lists(path: Path) -> ListFrame:
    """The lists of a CSV or Parquet file.

    Raises:
        DataError: it cannot be read as such, or has not the columns; see `ListFrame`.
    """
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        else:
            # Ids are text, whatever they look like: 007 is not 7.
            frame = pl.read_csv(path, schema_overrides={USER_ID: pl.String, ITEM_ID: pl.String})
    except pl.exceptions.NoDataError:
        raise DataError(f"{path} is empty; it should hold user_id, item_id and rank or score.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as lists ({reason}); give a CSV or Parquet file.") from None
    return ListFrame(frame, str(path))
