"""Requests made up from our own OpenAPI, right and wrong ones: no answer breaks what it promises, none is a 5xx."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings

from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.trainer import ProductionTrainer

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis (extra `dev`) is not installed")

MOST_WORK_S, LONGEST_S = 2.0, 30.0
"""Processor time of one answer, and wall time on a machine that others use too; beyond, the service hangs."""
FEW = ("/v1/recommend", "/v1/events", "/v1/items/{item_id}")


@pytest.fixture(scope="module")
def real_app(trainer: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    folder = tmp_path_factory.mktemp("saved")
    trainer.save(folder)
    return create_app(Settings(is_open=True), Recommender.load(folder))  # the shared one stays as it was trained


def ask(app: FastAPI, each: int, modes: list[object], paths: tuple[str, ...] = ()) -> int:
    """Ask every operation, or those of some paths, so many times; how many requests that were."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    # That all right data is taken is not asked: a filter's grammar and the names of fields are no matter of a schema.
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        negative_data_rejection,
    ]
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    asked = 0
    for mode in modes:
        for result in schema.get_all_operations():
            operation = result.ok()
            if paths and operation.path not in paths:
                continue

            @seed(0)
            @settings(
                max_examples=each,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def one(case) -> None:
                nonlocal asked
                asked += 1
                begun, work = time.perf_counter(), time.process_time()
                answer = case.call()
                assert time.process_time() - work < MOST_WORK_S and time.perf_counter() - begun < LONGEST_S
                case.validate_response(answer, checks=checks)

            one()
    return asked


def modes() -> list[object]:
    from schemathesis import GenerationMode

    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


def test_a_few_generated_requests_keep_the_promises(real_app: FastAPI) -> None:
    assert ask(real_app, 2, modes(), FEW) >= 10


@pytest.mark.slow
def test_ten_thousand_generated_requests_keep_the_promises(real_app: FastAPI) -> None:
    assert ask(real_app, 300, modes()) >= 8_000
