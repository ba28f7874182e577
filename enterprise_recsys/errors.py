"""One small tree of errors: what is wrong, what was got, what would be right."""

from __future__ import annotations


class RecsysError(Exception):
    """Any fault that this package reports to its user; the message says how to mend it.

    ::

        RecsysError
        ├── ConfigError        a dial has an unknown name or a value out of range
        ├── DataError          a log, a frame or a file cannot be used as it is
        ├── NotFittedError     a model is asked before it was trained or loaded
        ├── UnknownItemError   an item that the catalogue does not hold
        ├── ArtifactError      a saved folder is damaged, half-written or of another version
        ├── MissingExtraError  an optional package is not installed
        ├── StoreError         the store of events and answers is damaged, of another version, or cannot write
        └── BusyError          more writes wait than the store takes on; ask again
    """


class ConfigError(RecsysError, ValueError):
    """A dial has an unknown name or a value out of its range."""


class DataError(RecsysError, ValueError):
    """A log, a data frame or a file cannot be used as it is."""


class NotFittedError(RecsysError, RuntimeError):
    """A model is asked for an answer before it was trained or loaded."""


class UnknownItemError(RecsysError, KeyError):
    """An item id that the catalogue does not hold."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, with quotes and escapes; a message is a sentence.
        return str(self.args[0]) if self.args else ""


class ArtifactError(RecsysError, OSError):
    """A saved folder is damaged, half-written, absent or of another format version."""


class MissingExtraError(RecsysError, ImportError):
    """An optional package is needed and not installed; the message names the extra."""


class StoreError(RecsysError, OSError):
    """The store of events and answers is damaged, of another version, or cannot write."""


class BusyError(RecsysError, RuntimeError):
    """More writes wait than the store takes on; the same call works in a moment."""
