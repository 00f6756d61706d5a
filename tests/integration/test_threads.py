"""Real threads: 64 devices of one account at the same moment, against the local cloud's tables.

The order of calls is random; the same rules must hold in every order.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import pytest
from mangum import Mangum

from darkroom.api import mounts
from darkroom.api.app import create_app
from darkroom.bootstrap.composition import App
from darkroom.generation.routing.routes import REPLICATE
from darkroom.kernel.limits import SIGNUP_BONUS_CREDITS
from darkroom.kernel.money import NANOS
from darkroom.limits.model import MONTH, REQUESTS, rate_key, window_key
from darkroom.limits.store import CounterItem, find_counts
from darkroom.usecases.credits.audit_accounts import audit_accounts
from local.stack import LocalStack
from tests.support.builders import a_balance, a_photo, buy, scene_inputs
from tests.support.laws import check_laws
from tests.support.world import Response, World

THREADS = 64
STORIES = 20
STORY_COSTS = 2
REPEATS_LIMIT = 60


@pytest.fixture(scope="module")
def world(stack: LocalStack) -> Iterator[World]:
    """Tables of our own in the local cloud, and functions that back off at random."""
    # Other tests may have left a default session with credentials of their own.
    boto3.setup_default_session()
    world = World(endpoint_url=stack.endpoint_url)
    app = replace(world.app, jitter=random.Random())
    serve(world, app)
    yield world
    world.close()


def serve(world: World, app: App) -> None:
    """Let this app respond to the requests of the world."""
    http = Mangum(create_app(*mounts.ROUTERS, app=app), lifespan="off")
    no_context: Any = None
    world.handle_http = lambda event: http(event, no_context)  # type: ignore[method-assign]


@pytest.fixture
def limited(world: World) -> Iterator[World]:
    """The same with the rate limits of a deployed stack."""
    app = replace(world.app, jitter=random.Random())
    serve(world, replace(app, settings=replace(app.settings, rate_limit_factor=1)))
    yield world
    serve(world, app)


def all_at_once(send: Callable[[int], Response]) -> tuple[list[Response], Counter[str]]:
    """Each device's last response, and the counts of earlier responses to retry."""
    start = threading.Barrier(THREADS)
    passing: Counter[str] = Counter()

    def device(number: int) -> Response:
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        try:
            start.wait()
            for _ in range(REPEATS_LIMIT):
                response = send(number)
                if not is_passing(response):
                    return response
                passing[response.body["code"]] += 1
            raise AssertionError(f"device {number} must retry forever")
        finally:
            loop.close()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(device, range(THREADS))), passing


def is_passing(response: Response) -> bool:
    """Whether the client must retry."""
    return response.status == 503 or (
        response.status == 409 and response.body.get("code") == "IN_PROGRESS"
    )


def confirms(world: World, user: str, photo: str, key: str) -> Response:
    body: dict[str, Any] = {"mode": "story", **scene_inputs(photo)}
    return world.call("POST", "/api/jobs/confirm", body, user=user, key=key)


def test_64_devices_get_exactly_the_stories_that_the_wallet_affords(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    user = "many-stories"
    buy(world, STORIES * STORY_COSTS - SIGNUP_BONUS_CREDITS, user)
    photo = a_photo(world, user)

    responses, passing = all_at_once(
        lambda number: confirms(world, user, photo, f"device {number}")
    )

    record_property("retried", dict(passing))
    assert Counter(response.status for response in responses) == {
        202: STORIES,
        402: THREADS - STORIES,
    }
    done = [response.body for response in responses if response.status == 202]
    assert len({body["jobId"] for body in done}) == STORIES
    assert sorted(body["balance"] for body in done) == list(range(0, STORIES * STORY_COSTS, 2))
    assert a_balance(world, user) == (0, STORIES * STORY_COSTS)
    assert check_laws(world, at_rest=False) == []
    assert audit_accounts(world.app, user).breaches == ()


def test_64_times_the_same_key_is_one_job_with_one_response(world: World) -> None:
    user = "one-story"
    a_balance(world, user)
    photo = a_photo(world, user)

    responses, _ = all_at_once(lambda number: confirms(world, user, photo, "the same"))

    assert {response.status for response in responses} == {202}
    assert len({str(sorted(response.body.items())) for response in responses}) == 1
    assert len(world.call("GET", "/api/jobs", user=user).body["items"]) == 1
    assert a_balance(world, user) == (SIGNUP_BONUS_CREDITS - STORY_COSTS, STORY_COSTS)
    assert check_laws(world, at_rest=False) == []
    assert audit_accounts(world.app, user).breaches == ()


def test_64_first_requests_open_one_wallet(world: World) -> None:
    user = "never-seen"

    responses, _ = all_at_once(lambda number: world.call("GET", "/api/credits", user=user))

    assert {response.status for response in responses} == {200}
    assert {response.body["balance"] for response in responses} == {SIGNUP_BONUS_CREDITS}
    assert audit_accounts(world.app, user).breaches == ()


# Limits


def test_of_64_requests_at_once_exactly_those_below_the_limit_pass(limited: World) -> None:
    user, left = "many-requests", 40
    now = limited.clock.now()
    CounterItem(user, rate_key(REQUESTS, now), requests=REQUESTS.limit - left).save()

    responses, _ = all_at_once(
        lambda number: limited.call("POST", "/api/jobs/stream-ticket", user=user)
    )

    assert Counter(response.status for response in responses) == {200: left, 429: THREADS - left}
    remaining = [
        response.headers["ratelimit"].partition('"requests";r=')[2] for response in responses
    ]
    counted = sorted(int(text.partition(";")[0]) for text in remaining)
    assert counted == [0] * (THREADS - left + 1) + [*range(1, left)]


def test_of_64_submissions_at_once_exactly_ten_are_queued(limited: World) -> None:
    user = "many-submissions"
    a_balance(limited, user)
    photo = a_photo(limited, user)
    body: dict[str, Any] = {"mode": "quick", **scene_inputs(photo)}

    responses, _ = all_at_once(
        lambda number: limited.call(
            "POST", "/api/jobs/confirm", body, user=user, key=f"device {number}"
        )
    )

    assert Counter(response.status for response in responses) == {202: 10, 429: THREADS - 10}
    used = find_counts(user, limited.clock.now())
    assert (used["generation"], used["queued"], used["free_jobs"]) == (10, 10, 10)


def test_64_confirms_at_once_never_pass_the_provider_cost_together(world: World) -> None:
    user, fitting = "many-costs", 20
    buy(world, 200, user)
    photo = a_photo(world, user)
    routes = {"image": (REPLICATE,)}
    app = replace(world.app, settings=replace(world.settings, provider_routes=routes))
    serve(world, replace(app, jitter=random.Random()))
    story_nanos = 3 * 40_000_000
    limit_nanos = 5 * NANOS
    month = window_key("month", MONTH, world.clock.now())
    CounterItem(user, month, cost_nanos=limit_nanos - fitting * story_nanos - 1).save()

    responses, _ = all_at_once(lambda number: confirms(world, user, photo, f"device {number}"))

    assert Counter(response.status for response in responses) == {
        202: fitting,
        403: THREADS - fitting,
    }
    assert find_counts(user, world.clock.now())["cost_nanos"] == limit_nanos - 1
