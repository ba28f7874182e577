"""Cursors: what was shown on the pages before, sealed, so that any worker gives the next page without repeats."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Sequence

import orjson

from enterprise_recsys.errors import ConfigError

LONGEST = 32_768
"""Signs. A longer one is not given: the list ends there. About 3,000 short ids, or 900 of 36 signs."""
MOST_SHOWN = 1_000
_SEAL_BYTES = 16


def sealed(shown: Sequence[str], user_id: str | None, surface: str, secret: bytes) -> str | None:
    """A cursor behind the items shown so far, good for one user and surface; None where the list must end."""
    body = zlib.compress(orjson.dumps(list(shown)))
    text = base64.urlsafe_b64encode(_seal(body, user_id, surface, secret) + body).decode()
    return text if len(text) <= LONGEST and len(shown) <= MOST_SHOWN else None


def opened(cursor: str, user_id: str | None, surface: str, secret: bytes) -> list[str]:
    """The items shown before a cursor, in order.

    Raises:
        ConfigError: the cursor is damaged, made up, or was given for another user or surface.
    """
    try:
        data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        data = b""
    seal, body = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    # Nothing is unpacked before the seal is checked: a made-up body could unpack to gigabytes.
    if len(seal) < _SEAL_BYTES or not hmac.compare_digest(seal, _seal(body, user_id, surface, secret)):
        raise ConfigError(
            "cursor is damaged, or was given for another user or surface; begin again without one, and send back "
            "next_cursor as it came."
        )
    shown: list[str] = orjson.loads(zlib.decompress(body))
    return shown


def _seal(body: bytes, user_id: str | None, surface: str, secret: bytes) -> bytes:
    about = orjson.dumps([user_id, surface]) + b"\0" + body
    return hmac.digest(secret, about, hashlib.sha256)[:_SEAL_BYTES]
