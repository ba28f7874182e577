"""The app loads its artifact once, says how open it is, and starts only where it may."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message

from enterprise_recsys.errors import ArtifactError, ConfigError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app, serve
from enterprise_recsys.service.keeping import Keeping
from enterprise_recsys.service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever serves sets up the logs of the whole process, which here is that of the tests."""
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, recommender: Recommender) -> list[Path]:
    """The folders that were loaded; every load gives the recommender with known answers."""
    folders: list[Path] = []

    def load(folder: Path) -> Recommender:
        folders.append(folder)
        return recommender

    monkeypatch.setattr(Recommender, "load", load)
    return folders


def test_the_artifact_is_loaded_once_at_the_start(loaded: list[Path]) -> None:
    app = create_app(Settings(Path("somewhere"), is_open=True))
    assert loaded == []
    with TestClient(app) as client:
        assert client.get("/health/ready").status_code == 200
        assert client.get("/recommend/42").status_code == 200
    assert loaded == [Path("somewhere")]


def test_a_recommender_that_is_handed_over_is_used(loaded: list[Path], app: FastAPI) -> None:
    with TestClient(app) as client:
        assert client.get("/recommend/42").status_code == 200
    assert loaded == []


def test_settings_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_OPEN", "perhaps")
    with pytest.raises(ConfigError, match="RECSYS_OPEN='perhaps'"):
        create_app()


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        (
            Settings(),
            [
                "RECSYS_API_KEYS is not set: requests on a loopback address are answered without a key, "
                "all others are refused."
            ],
        ),
        (Settings(is_open=True), ["RECSYS_OPEN=1: every request is answered without a key."]),
        (Settings.from_environment({"RECSYS_API_KEYS": "a-secret-key-0123456789"}), []),
    ],
)
def test_one_warning_says_how_open_the_service_is(
    recommender: Recommender,
    caplog: pytest.LogCaptureFixture,
    settings: Settings,
    warnings: list[str],
) -> None:
    with caplog.at_level(logging.WARNING), TestClient(create_app(settings, recommender)) as client:
        client.get("/health/live")
        client.get("/health/live")
    memory = "RECSYS_STATE is not set: events and answers are kept in memory, and end with the process."
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("enterprise_recsys")]
    assert logged == [*warnings, memory]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "shop.example"])
def test_serve_refuses_an_open_address_without_keys(loaded: list[Path], host: str) -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines, and no key is set; set RECSYS_API_KEYS"):
        serve(Settings(), host, 0)
    assert loaded == []


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        (Settings(), "127.0.0.1"),
        (Settings(), "::1"),
        (Settings(is_open=True), "0.0.0.0"),
        (Settings(key_digests=(b"x" * 32,)), "0.0.0.0"),
    ],
)
def test_serve_loads_and_runs(
    loaded: list[Path], monkeypatch: pytest.MonkeyPatch, settings: Settings, host: str
) -> None:
    ran: list[uvicorn.Config] = []

    def run(server: uvicorn.Server) -> None:
        ran.append(server.config)
        server.started = True

    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(settings, host, 8001)
    (config,) = ran
    assert cast(FastAPI, config.app).state.recommender is not None
    assert loaded == [Path("artifact")]
    assert (config.host, config.port, config.access_log, config.proxy_headers) == (host, 8001, False, False)


def test_a_service_that_does_not_start_says_so_by_its_exit_code(
    loaded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: None)
    with pytest.raises(SystemExit) as ended:
        serve(Settings(is_open=True), "127.0.0.1", 8001)
    assert ended.value.code not in (0, None)


def test_serve_tells_the_caller_of_a_missing_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        serve(Settings(tmp_path / "absent"), "127.0.0.1", 0)


def test_several_workers_need_a_folder_to_share(loaded: list[Path]) -> None:
    with pytest.raises(ConfigError, match="workers=2 share what they learn through a folder; set RECSYS_STATE"):
        serve(Settings(), "127.0.0.1", 0, workers=2)


def test_several_workers_are_told_of_a_missing_artifact_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enterprise_recsys.service.app.Multiprocess", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(ArtifactError):
        serve(Settings(tmp_path / "absent", keeping=Keeping(tmp_path / "live")), "127.0.0.1", 0, workers=2)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=clean | environment, capture_output=True, text=True, timeout=60
    )


def test_importing_the_service_imports_no_training_framework() -> None:
    code = "import sys, enterprise_recsys.service.app; print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    done = run("-c", code)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_start_without_an_artifact_ends_in_one_readable_line(tmp_path: Path) -> None:
    done = run("-m", "uvicorn", "app.main:app", "--port", "0", RECSYS_ARTIFACT=str(tmp_path / "absent"))
    assert done.returncode == 3
    assert "absent" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Application startup failed. Exiting." in done.stderr


def test_a_known_fault_at_the_start_reaches_the_server_as_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(folder: Path) -> Recommender:
        raise ArtifactError(f"{folder} is damaged; train it again.")

    monkeypatch.setattr(Recommender, "load", load)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(ArtifactError):
        asyncio.run(create_app(Settings())({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    assert sent == [{"type": "lifespan.startup.failed", "message": "artifact is damaged; train it again."}]


def test_a_start_with_a_wrong_dial_ends_in_one_readable_line() -> None:
    done = run("-m", "uvicorn", "app.main:app", "--port", "0", RECSYS_OPEN="perhaps")
    assert done.returncode == 1
    assert done.stderr == (
        "RECSYS_OPEN='perhaps' is not known; set 1 (answer everybody without a key) or 0, or leave it out.\n"
    )


def test_an_unforeseen_fault_at_the_start_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(folder: Path) -> Recommender:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Recommender, "load", load)
    with pytest.raises(RuntimeError, match="a bug"), TestClient(create_app(Settings())):
        pass
