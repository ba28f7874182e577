"""The environment is read once, refused when it contradicts itself, and never shown."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.service.settings import Settings, is_loopback

KEY = "first-key-0123456789"
OTHER = "other-key-0123456789"


def test_an_empty_environment_is_closed_and_reads_the_folder_artifact() -> None:
    assert Settings.from_environment({}) == Settings(Path("artifact"), (), False)


def test_empty_values_count_as_not_set() -> None:
    empty = {"RECSYS_ARTIFACT": "", "RECSYS_API_KEYS": "", "RECSYS_OPEN": ""}
    assert Settings.from_environment(empty) == Settings()


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_ARTIFACT", "/somewhere")
    monkeypatch.setenv("RECSYS_OPEN", "1")
    monkeypatch.delenv("RECSYS_API_KEYS", raising=False)
    assert Settings.from_environment() == Settings(Path("/somewhere"), (), True)


def test_keys_are_kept_as_sha256_only() -> None:
    settings = Settings.from_environment({"RECSYS_API_KEYS": f"{KEY}, {OTHER}"})
    assert settings.key_digests == tuple(hashlib.sha256(key.encode()).digest() for key in (KEY, OTHER))
    assert KEY not in repr(settings)


def test_each_key_opens_and_nothing_else_does() -> None:
    settings = Settings.from_environment({"RECSYS_API_KEYS": f"{KEY},{OTHER}"})
    assert [settings.knows_key(key.encode()) for key in (KEY, OTHER)] == [True, True]
    wrong = ["", KEY[:-1], KEY + " ", KEY.upper(), f"{KEY},{OTHER}"]
    assert [settings.knows_key(key.encode()) for key in wrong] == [False] * len(wrong)


def test_no_key_known_means_no_key_opens() -> None:
    assert not Settings().knows_key(b"")


@pytest.mark.parametrize("keys", [",", f"{KEY},", "short", f"{KEY},short", "key with a ü, long enough"])
def test_an_empty_or_short_key_is_refused_without_being_shown(keys: str) -> None:
    with pytest.raises(ConfigError, match="in RECSYS_API_KEYS has .* at least 16 printable ASCII signs") as caught:
        Settings.from_environment({"RECSYS_API_KEYS": keys})
    assert KEY not in str(caught.value) and "short" not in str(caught.value)


@pytest.mark.parametrize("flag", ["true", "yes", "2", " 1"])
def test_an_unclear_open_flag_is_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match="RECSYS_OPEN='.*' is not known; set 1"):
        Settings.from_environment({"RECSYS_OPEN": flag})


def test_keys_and_open_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="RECSYS_OPEN=1 and RECSYS_API_KEYS are both set"):
        Settings.from_environment({"RECSYS_OPEN": "1", "RECSYS_API_KEYS": KEY})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "10.0.0.1", "172.17.0.2", "::ffff:10.0.0.1", "localhost.example", "/run/x.sock", "127.1"],
)
def test_all_other_addresses(host: str) -> None:
    assert not is_loopback(host)
