"""What is shown while a model is taught: how the log is read, and a bar of stage, epoch, loss, speed and time left."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from enterprise_recsys.loop import Progress as Step
from enterprise_recsys.loop import Report


@contextmanager
def bar(wish: bool | Report) -> Iterator[Report | None]:
    """What the loop reports to: nothing, the caller's own function, or a bar.

    On a terminal the bar moves; in a log file one line stands for each finished epoch.
    """
    if callable(wish):
        yield wish
    elif not wish:
        yield None
    elif not sys.stderr.isatty():
        yield _line
    else:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=Console(stderr=True), transient=False) as shown:
            tasks: dict[str, object] = {}

            def report(step: Step) -> None:
                if step.stage not in tasks:
                    tasks[step.stage] = shown.add_task(step.stage, total=step.epochs * step.total, told="")
                done = (step.epoch - 1) * step.total + step.done
                shown.update(tasks[step.stage], completed=done, told=_told(step))  # type: ignore[arg-type]

            yield report


@contextmanager
def remarks(wish: bool | Report) -> Iterator[None]:
    """Show what is logged of how a log is read on stderr, beside a bar; who has set up logging decides for himself."""
    logger = logging.getLogger("enterprise_recsys")
    if wish is not True or logger.hasHandlers():
        yield
        return
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def _told(step: Step) -> str:
    score = f", validation {step.score:.4f}" if step.score is not None else ""
    return (
        f"epoch {step.epoch}/{step.epochs}, loss {step.loss:.4f}, {step.examples_s:,.0f} examples/s, "
        f"at most {step.left_s:.0f} s left{score}"
    )


def _line(step: Step) -> None:
    if step.done >= step.total:
        print(f"  {step.stage}: {_told(step)}", file=sys.stderr, flush=True)
