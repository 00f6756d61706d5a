"""What an account without credits can cost: its limits are walked, the sum is bounded in money."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from darkroom.generation.routing.estimates import charges_of, estimate_nanos
from darkroom.generation.routing.prices import vendors
from darkroom.generation.routing.routes import REPLICATE
from darkroom.kernel.limits import TASK_ATTEMPTS_LIMIT
from darkroom.kernel.money import NANOS
from darkroom.limits import store
from darkroom.plans.model import limits_of
from darkroom.recipes.scenes import CLIP_SECONDS
from tests.support.builders import a_balance, a_photo, confirm, finish
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

USER = "penniless"
FREE = {name: limit or 0 for name, limit in limits_of("free").by_name.items()}
TRIES_LIMIT = 60
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        # Pictures and clips at the dearest models of the provider.
        world.use_routes({"image": (REPLICATE,), "clip": (REPLICATE,)})
        a_balance(world, USER)
        taken = {"amount": -5, "reason": "a test"}
        path = f"/api/admin/accounts/{USER}/credits"
        world.call("POST", path, taken, user="operator", groups="admin", key="take")
        yield world


def accepted(tries: Callable[[int], Response]) -> tuple[list[Response], Response]:
    """The successes until the first refusal, and that."""
    done: list[Response] = []
    for number in count():
        assert number < TRIES_LIMIT, "no limit was found"
        response = tries(number)
        if response.status >= 400:
            return done, response
        done.append(response)
    raise AssertionError


def dearest_usd(kind: str, params: dict[str, int]) -> float:
    charges = charges_of(kind, params, media_seconds=0)
    costs = [
        estimate_nanos(provider, model, charges)
        for provider, vendor in vendors().items()
        for model in vendor["models"]
    ]
    return max(costs) / NANOS


def test_free_jobs_of_a_day_are_bounded_however_they_are_queued(
    world: World, record_property: Record
) -> None:
    photo = a_photo(world, USER)

    def quick(number: int) -> Response:
        return confirm(world, USER, mode="quick", photo=photo, key=f"q{number}")

    jobs, refused = accepted(quick)
    first = jobs[0].body["jobId"]
    finish(world, first, failing=("kf_1",))
    again = [
        world.call("POST", f"/api/jobs/{first}/{verb}", {}, user=USER, key=verb).body
        for verb in ("retry", "rerun")
    ]
    paid = confirm(world, USER, photo=photo, key="story")
    reserved = store.find_used(USER, world.clock.now())["providerCostUsd"]

    names = [body.get("name") for body in (refused.body, *again)]
    # The dearest quick job reaches the month's cost before it reaches the day's number.
    each = 0.04 + 0.07 * 5
    assert len(jobs) == min(20, int(FREE["providerCostUsd"] / each)) == 12
    assert names[0] == "providerCostUsd"
    assert set(names) <= {"providerCostUsd", "freeJobsPerDay"}
    assert paid.status in (402, 403)
    assert reserved <= FREE["providerCostUsd"]
    record_property("reserved_usd", reserved)


def test_the_bound_holds_for_every_model_of_the_price_table(record_property: Record) -> None:
    quick = dearest_usd("keyframe", {}) + dearest_usd("clip", {"durationSec": CLIP_SECONDS})
    free_jobs, month_usd = FREE["freeJobsPerDay"], FREE["providerCostUsd"]
    assert free_jobs is not None
    assert month_usd is not None

    day_usd = min(free_jobs * quick, month_usd)

    record_property("dearest_quick_usd", quick)
    record_property("most_a_day_usd", day_usd)
    assert quick == pytest.approx(0.14 + 0.35)
    assert day_usd <= 5
    # Even if every attempt were charged and all but the last had failed.
    assert day_usd * TASK_ATTEMPTS_LIMIT <= 15


def test_sessions_of_an_hour_and_drafts_are_bounded(world: World) -> None:
    body = {"files": [{"filename": "x.png", "sizeBytes": 1, "mimeType": "image/png"}] * 10}

    def open_and_abort(number: int) -> Response:
        response = world.call("POST", "/api/uploads/session", body, user=USER)
        for session in response.body.get("sessions", ()):
            world.call("DELETE", f"/api/uploads/{session['assetId']}", user=USER)
        return response

    opened, refused = accepted(open_and_abort)

    assert (len(opened), refused.body["name"]) == (6, "uploadSessionsPerHour")
