"""Logs: one line for each thing that is told, as text or as JSON, the same in every worker."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Literal

from enterprise_recsys.errors import ConfigError

LOG = "RECSYS_LOG"

OURS = ("enterprise_recsys", "uvicorn", "uvicorn.error")
"""Loggers whose ordinary lines are told too; of all others, warnings and errors."""

Form = Literal["text", "json"]


class TextLines(logging.Formatter):
    """`2026-03-01T12:00:00.123Z WARNING some.where: message`; a traceback follows on further lines."""

    def format(self, record: logging.LogRecord) -> str:
        """One record. Control signs of a message are written as escapes: it may hold words of a client."""
        line = f"{moment(record)} {record.levelname} {record.name}: {plain(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """An object a line: `time` (UTC), `level`, `logger`, `message`, `process`, and `error` with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; JSON leaves no line feed in it, whatever it holds."""
        told = {
            "time": moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)


def moment(record: logging.LogRecord) -> str:
    """When it was told, UTC, to the millisecond."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def plain(text: str) -> str:
    r"""A text without control signs.

    >>> plain("a\nWARNING b")
    'a\\nWARNING b'
    """
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def form_of(values: Mapping[str, str] | None = None) -> Form:
    """What RECSYS_LOG asks for; None = the environment of this process.

    Raises:
        ConfigError: it is neither text nor json.
    """
    text = (os.environ if values is None else values).get(LOG) or "text"
    if text not in ("text", "json"):
        raise ConfigError(f"{LOG}={text!r} is not known; set text (lines to read) or json (an object a line).")
    return "json" if text == "json" else "text"


def log_config(form: Form) -> dict[str, object]:
    """For `logging.config.dictConfig` and uvicorn: all that is told goes to standard error in one form."""
    formatter = {"()": f"{__name__}.{'JsonLines' if form == 'json' else 'TextLines'}"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"all": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["all"], "level": "WARNING"},
        "loggers": {
            # The server's own loggers tell the root alone, so that nothing is told twice.
            **{name: {"handlers": [], "propagate": True, "level": "INFO"} for name in OURS},
            # A path holds a user id, which does not belong in a log: this one, once its parent is set, would speak up.
            "uvicorn.access": {"handlers": [], "propagate": False, "level": "WARNING"},
        },
    }
