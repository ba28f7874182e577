"""The image: what can be checked of it without a container engine."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINNED = [
    line for line in (ROOT / "app" / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")
]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()


def test_every_serving_requirement_is_pinned() -> None:
    assert [line for line in PINNED if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9.]*", line)] == []


def test_serving_needs_no_training_framework() -> None:
    assert {line.split("==")[0] for line in PINNED} & {"torch", "pandas", "scikit-learn", "onnx"} == set()


def test_the_dockerfile_of_app_is_the_one_at_the_root() -> None:
    link = ROOT / "app" / "Dockerfile"
    assert link.is_symlink()
    assert link.readlink() == Path("../Dockerfile")


def test_what_the_dockerfile_copies_is_there_and_is_let_in() -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert copied == ["requirements*", "enterprise_recsys", "app/requirements.txt", "enterprise_recsys", "app"]
    assert {source.split("/")[0] for source in copied} == set(let_in)


def test_the_container_is_nobody_and_knows_its_health() -> None:
    last_stage = DOCKERFILE.split("AS serve")[1]
    assert "USER 10001:10001" in last_stage
    assert "/health/live" in last_stage
    assert "RECSYS_OPEN=1" not in last_stage, "the image itself must not be open"


def test_compose_asks_for_a_key_and_keeps_what_is_learnt() -> None:
    assert "RECSYS_API_KEYS: ${RECSYS_API_KEYS:?" in COMPOSE and "RECSYS_OPEN" not in COMPOSE
    (folder,) = re.findall(r"RECSYS_STATE: (\S+)", COMPOSE)
    assert f"- state:{folder}\n" in COMPOSE and f"install -d -o recsys -g recsys -m 700 {folder}\n" in DOCKERFILE
    assert "read_only: true" in COMPOSE and '"127.0.0.1:8000:8000"' in COMPOSE


def test_compose_waits_longer_than_the_service_drains() -> None:
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", COMPOSE)
    (drain,) = re.findall(r'"--timeout-graceful-shutdown", "(\d+)"', DOCKERFILE)
    assert int(grace) > int(drain)
