"""The tables of the SQLite store, how a file is opened, and how its version is told."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import Literal

from enterprise_recsys.errors import StoreError

Sync = Literal["full", "normal"]

SCHEMA_VERSION = 2
BUSY_S = 5.0
"""Seconds that a reader waits where SQLite itself needs the file for a moment."""

_FROM_1 = "ALTER TABLE events ADD COLUMN context BLOB;"
"""What makes a file of version 1 one of this version."""

# One sequence runs through all tables, so that "what came after n" is the change log, kept nowhere a second time.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL, item_id TEXT NOT NULL,
    time INTEGER NOT NULL, event_type TEXT NOT NULL, rating REAL, session_id TEXT, recommendation_id TEXT,
    position INTEGER, context BLOB
);
CREATE INDEX events_by_user ON events (user_id);
CREATE INDEX events_by_answer ON events (recommendation_id) WHERE recommendation_id IS NOT NULL;
CREATE TABLE items (key TEXT PRIMARY KEY, sequence INTEGER NOT NULL, whole INTEGER, is_gone INTEGER, features BLOB);
CREATE INDEX items_by_sequence ON items (sequence);
CREATE TABLE users (key TEXT PRIMARY KEY, sequence INTEGER NOT NULL, whole INTEGER, is_gone INTEGER, features BLOB);
CREATE INDEX users_by_sequence ON users (sequence);
CREATE TABLE erased (key TEXT PRIMARY KEY, sequence INTEGER NOT NULL, time INTEGER NOT NULL);
CREATE TABLE slates (
    sequence INTEGER PRIMARY KEY, recommendation_id TEXT NOT NULL, user_id TEXT, surface TEXT NOT NULL,
    time INTEGER NOT NULL, model_version TEXT NOT NULL, fallback_level INTEGER NOT NULL, first INTEGER NOT NULL,
    shown BLOB NOT NULL
);
CREATE INDEX slates_by_user ON slates (user_id, surface, time) WHERE user_id IS NOT NULL;
CREATE INDEX slates_by_time ON slates (time);
"""


def connect(path: Path, sync: Sync) -> sqlite3.Connection:
    """A connection in WAL mode, for one thread at a time, with transactions as written, not as Python guesses them.

    Args:
        path: the file.
        sync: "full": a commit is on disk when it is acknowledged; "normal": it survives the end of the process, and
            a power cut may take the last ones.

    Raises:
        StoreError: the file cannot be opened, or is no database.
    """
    try:
        made = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        made.row_factory = sqlite3.Row
        made.execute("PRAGMA journal_mode = WAL")
        made.execute(f"PRAGMA synchronous = {sync.upper()}")
        made.execute("PRAGMA secure_delete = ON")  # erased rows are written over with zeros
        made.execute("PRAGMA temp_store = MEMORY")  # each job may be undone alone: what for stays off the disk
        made.execute("PRAGMA journal_size_limit = 67108864")
    except sqlite3.Error as error:
        raise StoreError(
            f"{path} cannot be opened as a store: {error}. Check its permissions, or restore a copy of the folder."
        ) from None
    return made


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of an empty file; check those of a full one, and bring it up to date. The caller holds the lock.

    Raises:
        StoreError: the file is damaged, or was written by another version.
    """
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            first = [("sequence", 0), ("secret", secrets.token_bytes(32))]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", first)
            found = SCHEMA_VERSION
        fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found == 1 and fault == "ok":
            connection.executescript(f"BEGIN IMMEDIATE; {_FROM_1} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            found = SCHEMA_VERSION
    except sqlite3.Error as error:
        raise StoreError(f"{path} is damaged: {error}. Restore a copy of the folder, or begin a new one.") from None
    if found != SCHEMA_VERSION:
        mend = "upgrade enterprise_recsys" if found > SCHEMA_VERSION else "begin a new folder"
        raise StoreError(f"{path} has schema version {found}, and this package reads {SCHEMA_VERSION}: {mend}.")
    if fault != "ok":
        raise StoreError(f"{path} is damaged: {fault}. Restore a copy of the folder, or begin a new one.")
