"""What is counted is what happened, and no client can make up a series."""

import subprocess
import sys
import textwrap

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from enterprise_recsys.service import metrics

pytest.importorskip("prometheus_client", reason="prometheus-client (extra `serve`) is not installed")


def scraped(client: TestClient) -> dict[str, float]:
    """Series -> value."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_requests_lists_stages_events_and_the_model_are_counted(client: TestClient) -> None:
    client.post("/v1/recommend", json={"user_id": "42", "k": 2})
    client.post("/v1/recommend", json={"user_id": "nobody", "k": 9})
    client.post("/v1/recommend", json={"k": 0})
    client.post("/v1/events", json={"events": [{"user_id": "u", "item_id": "i", "event_id": "e"}] * 2})
    told = scraped(client)
    assert told['recsys_requests_total{route="/v1/recommend",status="200"}'] == 2
    assert told['recsys_requests_total{route="/v1/recommend",status="422"}'] == 1
    assert told['recsys_lists_total{level="0",route="recommend"}'] == 1
    assert told['recsys_lists_total{level="2",route="recommend"}'] == 1
    assert told['recsys_short_lists_total{route="recommend"}'] == 1  # nine were wanted of five
    assert told['recsys_stage_seconds_count{stage="retrieve"}'] == 2
    assert told['recsys_stage_seconds_sum{stage="total"}'] == pytest.approx(2 * 0.00075)
    assert told['recsys_events_total{outcome="stored"}'] == told['recsys_events_total{outcome="duplicate"}'] == 1
    assert told["recsys_waiting_answers"] == 2 and told['recsys_model{version="v7"}'] == 1
    assert told["recsys_items"] == 5 and told["recsys_lost_answers_total"] == 0


def test_paths_ids_and_surfaces_that_clients_make_up_are_no_labels(client: TestClient) -> None:
    for number in range(20):
        client.get(f"/made/up/{number}")
        client.get(f"/recommend/user-{number}")
        client.post("/v1/recommend", json={"surface": f"surface-{number}"})
    told = scraped(client)
    assert told['recsys_requests_total{route="unknown",status="404"}'] == 20
    assert told['recsys_requests_total{route="/recommend/{user_id}",status="200"}'] == 20
    assert not [name for name in told if "user-1" in name or "made/up" in name or "surface-1" in name]


def test_a_lost_answer_is_counted_once(client: TestClient, app: FastAPI) -> None:
    app.state.living.lost = 3
    assert scraped(client)["recsys_lost_answers_total"] == 3
    assert scraped(client)["recsys_lost_answers_total"] == 3


def test_workers_add_up_what_each_has_counted(tmp_path) -> None:
    count = """
        import sys
        from enterprise_recsys.service.metrics import Metrics
        metrics = Metrics()
        for _ in range(int(sys.argv[1])):
            metrics.request("/v1/recommend", 200, 0.001)
        metrics.queue(int(sys.argv[1]), 0)
        print([line for line in metrics.text()[0].decode().splitlines() if line.startswith("recsys_requests_total")])
    """
    for number, total in ((2, 2), (3, 5)):
        told = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(count), str(number)],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f'status="200"}} {total}.0' in told


def test_a_folder_for_the_workers_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(metrics.MULTIPROCESS, raising=False)
    metrics.share_between_workers()
    first = metrics.os.environ[metrics.MULTIPROCESS]
    metrics.share_between_workers()
    assert metrics.os.environ[metrics.MULTIPROCESS] == first
    monkeypatch.delenv(metrics.MULTIPROCESS)


def test_without_the_client_the_service_answers_and_says_what_is_missing(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    app.state.living.metrics = metrics.Metrics()
    assert client.post("/v1/recommend", json={}).status_code == 200
    answer = client.get("/metrics")
    assert answer.status_code == 501 and "pip install" in answer.json()["detail"]
