"""Tasks as they are written in the config: what the ranker learns beside click and rating, and how far each counts."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from enterprise_recsys.errors import ConfigError

TAKEN = ("click", "rating", "ctr")
"""Names of the two heads that are always there: no task may have them."""


class Task(BaseModel):
    """One thing more to learn of a candidate: by `event_types` whether it will happen, or by `column` how much of it.

    An item of a list counts as taken for a task of event types if the user has an event of such a type with it from the
    moment of asking on and within the horizon of the list (`ModelConfig.horizon`), as for the click. A candidate whose
    only events there are of no known type is masked, and so is every value that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    event_types: tuple[str, ...] = Field((), max_length=100, description="Any of these makes it a yes.")
    column: str | None = Field(None, min_length=1, description="A numeric column of the events, as watched seconds.")
    is_log: bool = Field(
        True, description="A column is learnt as log(1 + value), so that a few large values do not rule."
    )
    weight: float = Field(1.0, ge=0.0, description="Share in the ranker's loss, beside `ctr_weight`.")
    blend: float = Field(0.0, ge=0.0, le=100.0, description="Share in the order of lists, where the click has 1.")

    @property
    def is_chance(self) -> bool:
        """Whether it is a yes or no, and not a number."""
        return self.column is None


def check(tasks: Mapping[str, Task]) -> None:
    """Refuse tasks that no log could teach.

    Raises:
        ConfigError: a name that is taken or not a plain word, or both, or neither, of event types and a column.
    """
    for name, task in tasks.items():
        if name in TAKEN or not (name.isidentifier() and name.isascii()):
            raise ConfigError(
                f"tasks: the name {name!r} is wrong; it should be a word of letters, digits and _, and not one of "
                f"{', '.join(TAKEN)}, which are learnt anyway."
            )
        if (task.column is None) != bool(task.event_types):
            got = f"event_types={list(task.event_types)} and column={task.column!r}"
            raise ConfigError(f"tasks.{name} has {got}; it should have one of the two: event_types for a yes or no.")
