"""Every fault is answered as problem JSON: right status, a sentence, a hint, nothing of the input but plain names."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings

Check = Callable[[str, bytes, int], dict[str, object]]

KIND = "urn:problem-type:recsys:"


def problem_of(answer: httpx.Response, is_problem: Check, status: int) -> dict[str, object]:
    assert answer.status_code == status
    return is_problem(answer.headers["content-type"], answer.content, status)


def test_an_unknown_route(client: TestClient, is_problem: Check) -> None:
    problem = problem_of(client.get("/nowhere"), is_problem, 404)
    assert problem == {
        "type": KIND + "unknown-route",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no route under this path.",
        "hint": "The routes are listed at /docs; an id in a path is percent-encoded (`a%2Fb`).",
    }


@pytest.mark.parametrize("path", ["/v1/recommend/", "/recommend/", "/recommend", "/health/live/"])
def test_a_path_that_is_only_near_a_route_is_not_redirected(client: TestClient, is_problem: Check, path: str) -> None:
    problem_of(client.get(path, follow_redirects=False), is_problem, 404)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/recommend"), ("DELETE", "/recommend/42"), ("POST", "/docs")])
def test_a_wrong_method(client: TestClient, is_problem: Check, method: str, path: str) -> None:
    answer = client.request(method, path)
    problem = problem_of(answer, is_problem, 405)
    assert problem["detail"] == "This route does not take this method."
    assert answer.headers["allow"]


def test_an_unknown_item(client: TestClient, is_problem: Check) -> None:
    problem = problem_of(client.post("/v1/similar", json={"item_id": "i9"}), is_problem, 404)
    assert problem["type"] == KIND + "unknown-item"
    assert problem["detail"] == "item 'i9' is not in the catalogue of 5 items."
    assert problem["hint"] == "Item ids are strings, written exactly as in the log that was learnt."


@pytest.mark.parametrize("path", ["/v1/recommend", "/v1/similar"])
def test_a_dial_that_the_recommender_refuses(client: TestClient, is_problem: Check, path: str) -> None:
    message = {"fields": ["colour"], **({"item_id": "i1"} if path == "/v1/similar" else {})}
    problem = problem_of(client.post(path, json=message), is_problem, 422)
    assert problem["detail"] == "fields=['colour'] is not all known; known: title."


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ({"k": 0}, "body.k: input should be greater than or equal to 1."),
        ({"k": 1001}, "body.k: input should be less than or equal to 1000."),
        ({"user": "u"}, "body.user: there is no such field."),
        ({"user_id": 42}, "body.user_id: input should be a valid string."),
        ({"history": ["a", "b\n"]}, "body.history[1]: the text holds a control sign (NUL, line feed ...)."),
        (
            {"history": ["a", "b"], "history_times": [None]},
            "body: there are 1 history_times for 2 items of history; it should be one for each.",
        ),
        (
            {"k": 0, "user_id": "", "exclude": 1, "fields": 1},
            "body.user_id: string should have at least 1 character; body.k: input should be greater than or equal to 1"
            "; body.exclude: input should be a valid list; and 1 more.",
        ),
        ({"<script>alert(1)</script>": 1}, "body.(name not shown): there is no such field."),
    ],
)
def test_a_message_out_of_shape_is_told_where(
    client: TestClient, is_problem: Check, message: object, detail: str
) -> None:
    problem = problem_of(client.post("/v1/recommend", json=message), is_problem, 422)
    assert problem["type"] == KIND + "invalid"
    assert problem["detail"] == detail
    assert "/docs" in str(problem["hint"])


def test_a_query_out_of_shape_is_told_where(client: TestClient, is_problem: Check) -> None:
    assert problem_of(client.get("/recommend/42?n=5"), is_problem, 422)["detail"] == "query.n: there is no such field."
    detail = problem_of(client.get("/recommend/42?k=many"), is_problem, 422)["detail"]
    assert detail == "query.k: input should be a valid integer, unable to parse string as an integer."


def test_a_message_that_is_not_json(client: TestClient, is_problem: Check) -> None:
    answer = client.post("/v1/recommend", content=b"{", headers={"content-type": "application/json"})
    assert (
        problem_of(answer, is_problem, 422)["detail"]
        == "body[1]: this is not valid JSON (the brackets hold the place in the text)."
    )


def test_a_fault_inside_shows_nothing_of_the_inside(client: TestClient, is_problem: Check) -> None:
    answer = client.get("/recommend/breaks")
    problem = problem_of(answer, is_problem, 500)
    assert problem["detail"] == "The service failed while it made this answer."
    assert "secret" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/health/ready", None),
        ("GET", "/recommend/42", None),
        ("POST", "/v1/recommend", {}),
        ("POST", "/v1/similar", {"item_id": "i1"}),
    ],
)
def test_without_an_artifact_the_service_is_alive_and_not_ready(
    is_problem: Check, method: str, path: str, message: object
) -> None:
    client = TestClient(create_app(Settings(is_open=True)))  # no `with`: the lifespan does not run
    assert client.get("/health/live").status_code == 200
    answer = client.request(method, path, json=message)
    problem = problem_of(answer, is_problem, 503)
    assert problem["type"] == KIND + "not-ready"
    assert problem["detail"] == "No artifact is loaded yet."
    assert answer.headers["retry-after"] == "1"


def test_a_route_may_raise_a_status_that_has_no_text_of_its_own(recommender: Recommender, is_problem: Check) -> None:
    app: FastAPI = create_app(Settings(is_open=True), recommender)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "No coffee here.")

    problem = problem_of(TestClient(app).get("/teapot"), is_problem, 418)
    assert problem["type"] == KIND + "http"
    assert problem["detail"] == "No coffee here."
