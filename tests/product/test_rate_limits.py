"""Rate limits: what counts, what is refused in which order, and what the headers say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.limits import model, store
from darkroom.limits.store import CounterItem
from tests.support.builders import (
    a_draft,
    a_photo,
    a_reference_photo,
    a_story,
    confirm,
    regenerate,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

POLICIES = '"generation";q=10;w=60, "requests";q=100;w=60'
TICKET = "/api/jobs/stream-ticket"


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with moto_world() as world:
        world.app = replace(world.app, settings=replace(world.settings, rate_limit_factor=1))
        yield world


@pytest.fixture
def world(shared: World) -> World:
    """Every test begins in a minute of its own; each uses accounts of its own."""
    shared.clock.move(minutes=1)
    return shared


def count(world: World, user: str, **numbers: Any) -> None:
    """Let the account have these numbers in this minute already."""
    key = model.rate_key(model.REQUESTS, world.clock.now())
    CounterItem(user, key, **numbers).save()


def state(response: Response, policy: str) -> tuple[int, int]:
    """What is left of the policy, and for how many seconds."""
    found = re.search(rf'"{policy}";r=(\d+);t=(\d+)', response.headers["ratelimit"])
    assert found is not None, response.headers["ratelimit"]
    return int(found[1]), int(found[2])


def used(world: World, user: str) -> dict[str, int]:
    return store.find_counts(user, world.clock.now())


def test_the_101st_request_of_a_minute_is_refused(world: World) -> None:
    responses = [world.call("POST", TICKET, user="busy") for _ in range(101)]

    assert {response.status for response in responses[:100]} == {200}
    assert [state(response, "requests")[0] for response in responses[:100]] == [*range(99, -1, -1)]
    last = responses[100]
    assert last.status == 429
    facts = {name: last.body[name] for name in ("code", "policy", "limit", "retryAfterSeconds")}
    assert facts == {
        "code": "RATE_LIMITED",
        "policy": "requests",
        "limit": 100,
        "retryAfterSeconds": 60,
    }
    assert last.headers["retry-after"] == "60"
    assert last.headers["ratelimit"].startswith('"requests";r=0;t=60')
    assert last.headers["ratelimit-policy"] == POLICIES


def test_a_new_minute_begins_at_second_0(world: World) -> None:
    count(world, "patient", requests=100)
    world.clock.move(seconds=19)
    refused = world.call("POST", TICKET, user="patient")
    world.clock.move(seconds=41)

    again = world.call("POST", TICKET, user="patient")

    assert (refused.status, refused.body["retryAfterSeconds"]) == (429, 41)
    assert (again.status, state(again, "requests")) == (200, (99, 60))


def test_the_limit_is_the_account_s(world: World) -> None:
    count(world, "one", requests=100)

    assert world.call("POST", TICKET, user="one").status == 429
    assert world.call("POST", TICKET, user="other").status == 200


def test_reads_and_requests_without_a_token_count_nothing(world: World) -> None:
    read = world.call("GET", "/api/jobs", user="reader")
    anonymous = world.call("POST", TICKET, user=None)

    assert "ratelimit" not in read.headers
    assert (anonymous.status, "ratelimit" in anonymous.headers) == (401, False)
    assert used(world, "reader") == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/albums", "{", 400),
        ("POST", "/api/albums", {"name": ""}, 400),
        ("POST", "/api/jobs/job_01KE6P4YM0DW25PDBDE1K4KS00/cancel", None, 404),
        ("DELETE", "/api/albums/alb_01KE6P4YM0DW25PDBDE1K4KS00", None, 404),
        ("POST", "/api/albums", {"name": "x"}, 201),
    ],
)
def test_every_response_of_a_writing_route_has_the_headers(
    world: World, method: str, path: str, body: Any, status: int
) -> None:
    user = f"headers-{status}-{path}".replace("/", "-")

    response = world.call(method, path, body, user=user)

    assert response.status == status
    assert response.headers["ratelimit-policy"] == POLICIES
    assert state(response, "generation") == (10, 60)
    assert used(world, user)["requests"] >= 1


def test_an_unexpected_error_has_the_headers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.api.routers.job_stream.sign", lambda *given: 1 / 0)

    response = world.call("POST", TICKET, user="unlucky")

    assert (response.status, state(response, "requests")[0]) == (500, 99)


# Over the limit: what is wrong with the request comes first, the plan and the balance come after


def test_over_the_limit_a_request_s_own_fault_is_reported_first(world: World) -> None:
    user, photo = "hasty", a_photo(world, "hasty")
    story = a_story(world, user, photo=photo)
    poor = scene_inputs(photo)
    count(world, user, requests=100, generation=1)

    def ask(path: str, body: Any = None, key: str | None = None) -> Response:
        return world.call("POST", path, body, user=user, key=key)

    statuses = [
        ask("/api/jobs/confirm", {"mode": "story"}, "k1").status,
        ask("/api/jobs/confirm", {"draftJobId": "job_01KE6P4YM0DW25PDBDE1K4KS00"}).status,
        ask("/api/jobs/confirm", {"draftJobId": story}).status,
        ask("/api/jobs/confirm", {"mode": "quick", **poor}, "k2").status,
        ask("/api/jobs/confirm", {"mode": "trailer", **poor}, "k3").status,
        ask(f"/api/jobs/{story}/cancel").status,
        ask("/api/jobs/bulk/run", {"jobIds": [story]}).status,
    ]

    assert statuses == [400, 404, 409, 429, 429, 429, 429]
    assert used(world, user)["requests"] == 107


def test_a_refused_request_changes_nothing_and_its_key_can_be_used_again(world: World) -> None:
    user, photo = "again", a_photo(world, "again")
    count(world, user, requests=100)
    refused = confirm(world, user, photo=photo, key="mine")
    before = world.scan("jobs")
    world.clock.move(minutes=1)

    accepted = confirm(world, user, photo=photo, key="mine")

    assert (refused.status, accepted.status) == (429, 202)
    assert not [item for item in before if item.get("accountId", {}).get("S") == user]


def test_far_beyond_the_limit_nothing_is_read(world: World) -> None:
    count(world, "flood", requests=200)

    response = world.call("POST", "/api/albums", {"name": ""}, user="flood")

    assert response.status == 429


# Generation


def test_the_eleventh_submission_of_a_minute_is_refused(world: World) -> None:
    user, photo = "keen", a_photo(world, "keen")

    done = [
        confirm(world, user, photo=photo, mode="quick", key=f"k{number}") for number in range(11)
    ]

    assert [response.status for response in done] == [202] * 10 + [429]
    assert [state(response, "generation")[0] for response in done] == [*range(9, -1, -1), 0]
    last = done[10]
    assert (last.body["policy"], last.body["limit"]) == ("generation", 10)
    assert last.headers["ratelimit"].startswith('"generation";r=0;t=60')
    assert used(world, user)["generation"] == 10


def test_what_queues_nothing_is_not_counted_as_generation(world: World) -> None:
    user, photo = "careful", a_photo(world, "careful")
    first = confirm(world, user, photo=photo, key="first")
    counted = state(first, "generation")[0]

    replayed = confirm(world, user, photo=photo, key="first")
    others = [
        confirm(world, user, photo=photo, key="bad", stage="none"),
        confirm(world, user, mode="trailer", photo=photo, key="poor"),
        regenerate(world, "job_01KE6P4YM0DW25PDBDE1K4KS00", user),
        regenerate(world, first.body["jobId"], user, key="early"),
    ]

    assert (first.status, counted) == (202, 9)
    assert (replayed.status, replayed.headers["idempotent-replayed"]) == (202, "true")
    assert [response.status for response in others] == [400, 402, 404, 409]
    assert used(world, user)["generation"] == 1


def test_over_the_limit_of_generation_faults_come_first_and_the_balance_last(world: World) -> None:
    user, photo = "ordered", a_photo(world, "ordered")
    ended = a_story(world, user, photo=photo)
    count(world, user, generation=10)

    responses = [
        confirm(world, user, photo=photo, key="bad", stage="none"),
        regenerate(world, "job_01KE6P4YM0DW25PDBDE1K4KS00", user, key="none"),
        regenerate(world, ended, user, key="target", target="story_clip", clipNo=9),
        world.call("POST", "/api/jobs/confirm", {"draftJobId": ended}, user=user),
        confirm(world, user, mode="trailer", photo=photo, key="poor"),
    ]

    assert [response.status for response in responses] == [400, 404, 400, 409, 429]
    assert responses[-1].body["policy"] == "generation"


def test_a_bulk_run_counts_once(world: World) -> None:
    user = "bulk"
    drafts = [a_draft(world, user, recipe="quick") for _ in range(3)]

    run = world.call("POST", "/api/jobs/bulk/run", {"jobIds": drafts}, user=user)

    assert [result["ok"] for result in run.body["results"]] == [True] * 3
    assert state(run, "generation")[0] == 9
    assert used(world, user)["generation"] == 1


def test_the_sixth_request_for_portraits_in_ten_minutes_is_refused(world: World) -> None:
    user = "vain"
    photo = a_reference_photo(world, user)
    world.call("POST", "/api/credits/purchase", {"amount": 50}, user=user, key="buy")
    inputs = {
        "mode": "single",
        "referencePhotoIds": [photo],
        "styles": ["CLASSIC"],
        "totalImages": 1,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued"}

    done = []
    for number in range(6):
        done.append(world.call("POST", "/api/jobs", body, user=user, key=f"k{number}"))
        world.clock.move(seconds=30)

    assert [response.status for response in done] == [201] * 5 + [429]
    refused = done[5].body
    assert (refused["policy"], refused["limit"]) == ("portraits", 5)
    assert refused["retryAfterSeconds"] > 60
    assert state(done[5], "portraits") == (0, refused["retryAfterSeconds"])


# Other policies


def test_a_ticket_opens_a_bounded_number_of_connections(world: World) -> None:
    ticket = world.call("POST", TICKET, user="watcher").body
    until = int(world.clock.now().timestamp()) + 600
    CounterItem("watcher", f"stream#{until}", stream=599).save()

    opened = [
        world.call("GET", f"/api/jobs/stream?ticket={ticket['ticket']}", user=None).status
        for _ in range(2)
    ]

    assert opened == [200, 429]


def test_quotes_are_limited_by_the_jobs_that_they_price(world: World) -> None:
    user, photo = "curious", a_photo(world, "curious")
    count(world, user, quotes=299)
    body = {"recipe": "story", "inputs": scene_inputs(photo)}

    responses = [world.call("POST", "/api/jobs/quote", body, user=user) for _ in range(2)]

    assert [response.status for response in responses] == [200, 429]
    assert responses[1].body["policy"] == "quotes"


def test_a_damaged_counter_affects_only_its_minute(world: World) -> None:
    key = model.rate_key(model.REQUESTS, world.clock.now())
    world.client("dynamodb").put_item(
        TableName=world.settings.tables["limits"],
        Item={"accountId": {"S": "odd"}, "counter": {"S": key}, "requests": {"S": "many"}},
    )

    damaged = world.call("POST", TICKET, user="odd")
    world.clock.move(minutes=1)

    assert damaged.status == 503
    assert world.call("POST", TICKET, user="odd").status == 200
