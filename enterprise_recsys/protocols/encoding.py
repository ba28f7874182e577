"""The columns of a row task: ids and fields as numbers, by what train alone knows."""

from __future__ import annotations

from enterprise_recsys.data.features import encode, fitted
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.protocols.tasks import RowTask
from enterprise_recsys.records import ITEM_ID, USER_ID, Columns, Interactions


def columns_of(task: RowTask) -> tuple[Columns, Columns, Columns]:
    """The columns of train, val and test: ids by train's vocabulary (0 = not in it), and the tables' features."""
    train = task.train
    users, items = Vocabulary.of(train.events[USER_ID]), Vocabulary.of(train.events[ITEM_ID])
    schema = Schema.of(train)
    tables = []
    if train.users is not None:
        tables.append((USER_ID, train.users, fitted("user", train.users, schema.kinds("user"))))
    if train.items is not None:
        tables.append((ITEM_ID, train.items, fitted("item", train.items, schema.kinds("item"))))

    def of(part: Interactions) -> Columns:
        columns: Columns = {USER_ID: users.rows(part.events[USER_ID]), ITEM_ID: items.rows(part.events[ITEM_ID])}
        for key, table, features in tables:
            place = Vocabulary(table[key]).rows(part.events[key])
            encoded = encode(features, table.clear(n=1).vstack(table))  # row 0: not in the table
            columns |= {name: column[place] for name, column in encoded.items()}
        return columns

    return of(task.train), of(task.val), of(task.test)
