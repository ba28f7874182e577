"""A name in the config becomes a part: look it up in a plain table, or say which names there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from enterprise_recsys.errors import ConfigError

Part = TypeVar("Part")


def pick(table: Mapping[str, Part], name: str, *, what: str) -> Part:
    """Give the part that a table lists under a name.

    Args:
        table: name -> part, the plain dict at the foot of the file that holds the parts.
        name: the name asked for, as it stands in the config.
        what: the dial's name, for the message.

    Raises:
        ConfigError: the table does not list the name.

    >>> pick({"mean": 1}, "mean", what="history")
    1
    """
    if name not in table:
        raise ConfigError(f"{what}={name!r} is unknown; {known(table, name)}.")
    return table[name]


def known(names: Iterable[str], got: str) -> str:
    """Say which names there are, and the likely one first when a name looks misspelt.

    >>> known(["mixed", "hard"], "mixd")
    "did you mean 'mixed'? Known: hard, mixed"
    """
    listed = sorted(names)
    near = difflib.get_close_matches(got, listed, n=1)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return f"{hint}: {', '.join(listed)}"
