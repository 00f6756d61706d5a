"""Generated requests against the whole API: whatever is sent, the response is a declared one.

Schemathesis makes requests from the OpenAPI document, valid ones and broken ones, with and without
ids of things that exist. An ordinary account and an operator send them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable

from darkroom.api.errors import STATUS_OF
from darkroom.api.openapi.document import public_openapi
from darkroom.kernel.errors import NotFound
from tests.support.builders import a_reference_photo, a_story, an_asset, buy
from tests.support.http_world import http_world
from tests.support.moto_world import moto_world
from tests.support.world import World

pytestmark = pytest.mark.slow
LIMIT_SECONDS = 150
"""After it, no further round begins. The first is always whole."""
REQUESTS = 2
"""Of a round, for each operation, user and kind: valid or broken, of things that exist or not."""
USERS = ("alice", "alice admin")
Ids = Mapping[str, str]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def things_of(world: World) -> Ids:
    """Things of alice, by the name of the parameter that has their id."""
    buy(world, 100)
    job_id = a_story(world)
    job = world.call("GET", f"/api/jobs/{job_id}").body
    album = world.call("POST", "/api/albums", {"name": "Us"}).body
    output_id = job["outputs"][0]["outputId"]
    world.call("POST", f"/api/albums/{album['albumId']}/outputs", {"outputIds": [output_id]})
    return {
        "accountId": "alice",
        "albumId": album["albumId"],
        "assetId": an_asset(world),
        "jobId": job_id,
        "outputId": output_id,
        "purchaseId": world.call("GET", "/api/purchases").body["items"][0]["purchaseId"],
        "referencePhotoId": a_reference_photo(world),
        "token": world.call("POST", f"/api/jobs/{job_id}/share", {}).body["token"],
    }


def send(
    operation: Any, mode: Any, path: Ids, base_url: str, user: str, *, seed: int = 0
) -> tuple[int, set[str]]:
    """Send requests of one kind; how many, and what is wrong with their responses."""
    from schemathesis.core.failures import FailureGroup

    faults: set[str] = set()
    sent = 0

    @seeded(seed)
    @settings(
        max_examples=REQUESTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode, path_parameters=dict(path) or None))
    def each(case: Any) -> None:
        nonlocal sent
        sent += 1
        response = case.call(base_url=base_url, headers={"Authorization": f"Bearer {user}"})
        try:
            case.validate_response(response, checks=checks())
        except FailureGroup as group:
            text = response.content[:300]
            titles = sorted({failure.title for failure in group.exceptions})
            faults.add(f"{operation.label}: {response.status_code} {titles} {text!r}")

    # Some operations have nothing that could be broken.
    with suppress(Unsatisfiable):
        each()
    return sent, faults


def checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as found

    return [
        not_a_server_error,
        found.status_code_conformance,
        found.content_type_conformance,
        found.response_headers_conformance,
        found.response_schema_conformance,
    ]


def operations_of_the_api() -> list[Any]:
    """What deletes things comes last."""
    from schemathesis import openapi

    found = openapi.from_dict(public_openapi()).get_all_operations()
    return sorted((each.ok() for each in found), key=lambda each: each.method == "delete")


def one_round(ids: Ids, base_url: str, *, seed: int) -> tuple[int, set[str]]:
    from schemathesis.generation import GenerationMode

    sent, faults = 0, set[str]()
    for user in USERS:
        for operation in operations_of_the_api():
            names = [parameter.name for parameter in operation.path_parameters]
            known = {name: ids[name] for name in names if name in ids}
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for path in ({}, known) if known else ({},):
                    count, wrong = send(operation, mode, path, base_url, user, seed=seed)
                    sent, faults = sent + count, faults | wrong
    return sent, faults


def test_every_response_to_a_generated_request_is_declared(world: World) -> None:
    ids, started = things_of(world), time.monotonic()
    sent, faults = 0, set[str]()

    with http_world(world) as base_url:
        for seed in itertools.count():
            count, wrong = one_round(ids, base_url, seed=seed)
            sent, faults = sent + count, faults | wrong
            if time.monotonic() - started > LIMIT_SECONDS:
                break

    print(f"{sent} requests in {time.monotonic() - started:.0f} s")
    assert sent > len(USERS) * len(operations_of_the_api())
    assert sorted(faults) == []


def test_an_undeclared_response_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from schemathesis.generation import GenerationMode

    monkeypatch.setitem(STATUS_OF, NotFound, 418)
    label = "GET /api/assets/{assetId}"
    [operation] = (each for each in operations_of_the_api() if each.label == label)

    with http_world(world) as base_url:
        sent, faults = send(operation, GenerationMode.POSITIVE, {}, base_url, "alice")

    assert sent >= 1
    assert faults
