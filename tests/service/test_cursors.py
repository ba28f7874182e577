"""A cursor gives back what it holds to whom it was given, and nothing to anybody else."""

from __future__ import annotations

import base64

import pytest

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.service.cursors import LONGEST, opened, sealed

SECRET = b"s" * 32


def test_it_gives_back_what_was_shown() -> None:
    shown = ["a", "é 用户 🙂", "b" * 512]
    cursor = sealed(shown, "u", "home", SECRET)
    assert cursor is not None and opened(cursor, "u", "home", SECRET) == shown
    assert opened(str(sealed([], None, "home", SECRET)), None, "home", SECRET) == []


@pytest.mark.parametrize(
    ("user", "surface", "secret"),
    [("v", "home", SECRET), (None, "home", SECRET), ("u", "cart", SECRET), ("u", "home", b"t" * 32)],
)
def test_nobody_else_may_use_it(user: str | None, surface: str, secret: bytes) -> None:
    cursor = sealed(["a"], "u", "home", SECRET)
    with pytest.raises(ConfigError, match="cursor is damaged, or was given for another user or surface"):
        opened(str(cursor), user, surface, secret)


def test_every_changed_bit_is_refused() -> None:
    data = base64.urlsafe_b64decode(str(sealed(["a", "b"], "u", "home", SECRET)))
    for place in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[place // 8] ^= 1 << place % 8
        with pytest.raises(ConfigError):
            opened(base64.urlsafe_b64encode(bytes(wrong)).decode(), "u", "home", SECRET)


@pytest.mark.parametrize("text", ["", "x", "====", "é", "\ud800", "\0", "A" * 20_000, "a b", "../../etc", "{}"])
def test_a_made_up_cursor_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="begin again without one"):
        opened(text, "u", "home", SECRET)


def test_a_list_ends_where_a_cursor_would_be_too_long() -> None:
    assert sealed(["i"] * 1_001, "u", "home", SECRET) is None
    import random

    draw = random.Random(0)
    long = ["".join(draw.choices("abcdefghijklmnop", k=500)) for _ in range(200)]
    assert sealed(long, "u", "home", SECRET) is None
    short = sealed([str(number) for number in range(1_000)], "u", "home", SECRET)
    assert short is not None and len(short) < LONGEST
