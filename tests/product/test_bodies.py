"""JSON bodies: every route refuses ambiguous and invalid ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.api import mounts
from darkroom.api.strict_json import NotJson, read_json
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import BODY_DEPTH_LIMIT
from tests.support.builders import JOB_ID, a_balance, a_user
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

PURCHASE = "/api/credits/purchase"
CHANGING = sorted(
    (method, str(getattr(route, "path", "")))
    for router in mounts.ROUTERS
    for route in router.routes
    for method in getattr(route, "methods", ())
    if method in ("POST", "PATCH", "PUT", "DELETE")
)
AMBIGUOUS = {
    '{"amount": 5, "amount": 50}': "amount",
    '{"amount": 5, "\\u0061mount": 50}': "amount",
    '{"inputs": {"sliders": {"pace": 1, "pace": 2}}}': "inputs.sliders.pace",
    '{"jobIds": ["a", {"b": 1, "b": 1}]}': "jobIds.1.b",
    '{"amount": NaN}': "amount",
    '{"inputs": {"seed": -Infinity}}': "inputs.seed",
    '{"amount": 1e999}': "amount",
    '{"amount": ' + "9" * 5000 + "}": "amount",
    '{"reason": "\\ud800"}': "reason",
    '{"\\udc00": 1}': "\\udc00",
    "[" * 5000 + "]" * 5000: "body",
    "NaN": "body",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def send(world: World, body: str, *, path: str = PURCHASE, method: str = "POST") -> Response:
    return world.call(method, path, body, user=a_user(), key="key", groups="admin")


@pytest.mark.parametrize(("body", "path"), AMBIGUOUS.items(), ids=range(len(AMBIGUOUS)))
def test_an_ambiguous_body_is_refused_and_its_place_named(
    body: str, path: str, world: World
) -> None:
    user = a_user()

    response = world.call("POST", PURCHASE, body, user=user, key="key")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")
    assert [field["path"] for field in response.body["fields"]] == [path]
    assert a_balance(world, user) == (5, 0)


@pytest.mark.parametrize(("method", "path"), CHANGING)
def test_every_writing_route_refuses_an_ambiguous_body(
    method: str, path: str, world: World
) -> None:
    is_ours = not path.startswith("/api/webhooks/")
    path = path.replace("{jobId}", JOB_ID)

    for body in ('{"amount": 5, "amount": 50}', '{"a": "\\ud800"}', '{"a": NaN}', "[" * 5000):
        response = send(world, body, path=path, method=method)

        assert response.status < 500
        if is_ours and body[0] == "{":
            assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("path", ["cancel", "rerun", "retry", "regenerate"])
@pytest.mark.parametrize("body", ["hello", " ", '{"a"', "{'a': 1}"])
def test_a_body_that_is_not_json_is_refused_even_where_none_is_required(
    body: str, path: str, world: World
) -> None:
    response = send(world, body, path=f"/api/jobs/{JOB_ID}/{path}")

    assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_a_bought_amount_is_the_one_that_is_sent(world: World) -> None:
    user = a_user()

    response = world.call("POST", PURCHASE, '{"amount": 50}', user=user, key="key")

    assert (response.status, a_balance(world, user)) == (201, (55, 0))


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_depth_is_limited() -> None:
    assert read_json(nested(BODY_DEPTH_LIMIT))
    with pytest.raises(InvalidInput):
        read_json(nested(BODY_DEPTH_LIMIT + 1))


@pytest.mark.parametrize(
    "value", [{}, [], None, 1, -1.5, "é🙂", {"a": [1, 2, {"b": None}], "b": {"a": "x"}}]
)
def test_any_other_value_is_parsed_unchanged(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"a": 01}'])
def test_invalid_json_is_left_to_the_routes(raw: bytes) -> None:
    with pytest.raises(NotJson):
        read_json(raw)


def test_a_long_path_is_cut() -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_json(b'{"' + b"a" * 100_000 + b'": NaN}')

    assert len(refusal.value.facts["fields"][0]["path"]) == 64
