"""Settings: what the environment says about the service, read once and kept without secrets."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.service.keeping import Keeping

ARTIFACT = "RECSYS_ARTIFACT"
API_KEYS = "RECSYS_API_KEYS"
OPEN = "RECSYS_OPEN"

SHORTEST_KEY = 16
"""Characters. A random key of 16 base64 signs holds 96 bits; nobody guesses that over a network."""

MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"


@dataclass(frozen=True)
class Settings:
    """What the service needs to start; the keys are kept as digests, so that no log or repr can show them.

    Attributes:
        artifact: the folder that `recsys train` wrote.
        key_digests: SHA-256 of each key that opens the service; empty = no key is known.
        is_open: every request is answered without a key, from any address.
        keeping: the store, the slate log and exploration.
    """

    artifact: Path = Path("artifact")
    key_digests: tuple[bytes, ...] = ()
    is_open: bool = False
    keeping: Keeping = field(default_factory=Keeping)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read RECSYS_ARTIFACT, RECSYS_API_KEYS (comma separated), RECSYS_OPEN, and what `Keeping` reads.

        An empty value counts as not set.

        Args:
            environment: name -> value; None = the environment of this process.

        Raises:
            ConfigError: RECSYS_OPEN is neither 0 nor 1, a key is empty or too short, both ways in are set, or a value
                of `Keeping` is wrong.

        >>> Settings.from_environment({"RECSYS_OPEN": "1"}).is_open
        True
        """
        values = os.environ if environment is None else environment
        is_open = _read_flag(values.get(OPEN, ""))
        digests = _read_keys(values.get(API_KEYS, ""))
        if is_open and digests:
            raise ConfigError(
                f"{OPEN}=1 and {API_KEYS} are both set, and they contradict each other; "
                f"unset {OPEN} to ask for a key, or {API_KEYS} to answer everybody."
            )
        artifact = Path(values.get(ARTIFACT) or "artifact")
        return cls(artifact, digests, is_open, Keeping.from_environment(values))

    def knows_key(self, key: bytes) -> bool:
        """Whether a key opens the service; takes the same time for a near miss as for a far one."""
        got = digest(key)
        return any(hmac.compare_digest(got, known) for known in self.key_digests)


def digest(key: bytes) -> bytes:
    """The form in which a key is kept: SHA-256, 32 bytes. Keys are random, so a slow hash with salt adds nothing."""
    return hashlib.sha256(key).digest()


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name, or the path of a Unix socket: who may reach it is not known, so it is not trusted
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _read_flag(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise ConfigError(
            f"{OPEN}={text!r} is not known; set 1 (answer everybody without a key) or 0, or leave it out."
        )
    return text == "1"


def _read_keys(text: str) -> tuple[bytes, ...]:
    if not text:
        return ()
    keys = [key.strip() for key in text.split(",")]
    for place, key in enumerate(keys, start=1):
        if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable():
            # The key itself stays out of the message: messages are logged.
            raise ConfigError(
                f"key {place} of {len(keys)} in {API_KEYS} has {len(key)} characters or an unusual sign; "
                f"a key has at least {SHORTEST_KEY} printable ASCII signs and no comma. Make one: {MAKE_A_KEY}"
            )
    return tuple(digest(key.encode("ascii")) for key in keys)
