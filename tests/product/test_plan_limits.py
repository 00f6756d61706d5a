"""Limits of a plan: counted where the thing happens, given back where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.db import commit
from darkroom.generation.routing.store import list_costs
from darkroom.jobs import store as jobs_store
from darkroom.kernel.limits import DISPATCH_CHECK_SECONDS, POLL_BASE_SECONDS
from darkroom.kernel.money import NANOS
from darkroom.limits import store
from darkroom.limits.model import DAY, MONTH, OPEN, window_key
from darkroom.limits.store import CounterItem
from darkroom.plans.model import limits_of
from darkroom.plans.store import plan_write
from darkroom.usecases.limits.settle_cost import settle_cost
from darkroom.usecases.projections.project_job import project_job
from tests.support.builders import (
    a_draft,
    a_photo,
    a_recording,
    a_story,
    cancel,
    confirm,
    delete_job,
    finish,
    scene_inputs,
)
from tests.support.moto_world import moto_world
from tests.support.world import Response, World

FREE = limits_of("free").by_name


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


def count(world: World, user: str, kind: str, form: str, **numbers: Any) -> None:
    """Let the account have these numbers in this window already."""
    key = window_key(kind, form, world.clock.now()) if form else kind
    CounterItem(user, key, **numbers).save()


def used(world: World, user: str) -> dict[str, float]:
    return store.find_used(user, world.clock.now())


def refusal(response: Response) -> dict[str, Any]:
    names = ("code", "name", "limit", "used", "plan", "upgradeTo")
    return {"status": response.status, **{name: response.body.get(name) for name in names}}


def limit_error(name: str, used: float, upgrade: str | None = "basic") -> dict[str, Any]:
    return {
        "status": 403,
        "code": "PLAN_LIMIT",
        "name": name,
        "limit": FREE[name],
        "used": used,
        "plan": "free",
        "upgradeTo": upgrade,
    }


# Free jobs


def test_the_21st_free_job_of_a_day_is_refused(world: World) -> None:
    user, photo = "quick", a_photo(world, "quick")
    count(world, user, "day", DAY, free_jobs=19)

    responses = [
        confirm(world, user, mode="quick", photo=photo, key=f"k{number}") for number in range(2)
    ]
    story = confirm(world, user, photo=photo, key="story")

    assert responses[0].status == 202
    assert refusal(responses[1]) == limit_error("freeJobsPerDay", 20)
    assert story.status == 202
    assert used(world, user)["freeJobsPerDay"] == 20


def test_a_larger_plan_allows_more_at_once(world: World) -> None:
    user, photo = "richer", a_photo(world, "richer")
    count(world, user, "day", DAY, free_jobs=20)
    refused = confirm(world, user, mode="quick", photo=photo, key="k")
    commit([plan_write(user, plan="basic", operation="arranged")])

    accepted = confirm(world, user, mode="quick", photo=photo, key="k")

    assert (refused.status, accepted.status) == (403, 202)


def test_the_plan_comes_before_the_balance(world: World) -> None:
    user, photo = "poor", a_photo(world, "poor")
    CounterItem(user, OPEN, queued=FREE["queuedJobs"]).save()

    response = confirm(world, user, mode="trailer", photo=photo, key="k")
    confirm(world, user, mode="trailer", photo=photo, key="k")

    assert refusal(response) == limit_error("queuedJobs", 100)


# Drafts and queued jobs


def test_drafts_are_counted_until_they_are_queued_canceled_or_deleted(world: World) -> None:
    user = "drafter"
    first, second, third = (a_draft(world, user, recipe="quick") for _ in range(3))
    drafted = used(world, user)

    world.call("POST", "/api/jobs/confirm", {"draftJobId": first}, user=user)
    queued = used(world, user)
    cancel(world, second, user)
    delete_job(world, third, user)
    delete_job(world, second, user)
    left = used(world, user)
    finish(world, first)

    assert (drafted["draftsOpen"], drafted["queuedJobs"]) == (3, 0)
    assert (queued["draftsOpen"], queued["queuedJobs"]) == (2, 1)
    assert (left["draftsOpen"], left["queuedJobs"]) == (0, 1)
    assert used(world, user)["queuedJobs"] == 0


def test_the_201st_draft_is_refused(world: World) -> None:
    user = "full"
    CounterItem(user, OPEN, drafts=199).save()
    body = {
        "recipe": "quick",
        "inputs": scene_inputs(a_photo(world, user)),
        "status": "draft",
    }

    responses = [world.call("POST", "/api/jobs", body, user=user) for _ in range(2)]

    assert responses[0].status == 201
    assert refusal(responses[1]) == limit_error("draftsOpen", 200)


def test_drafts_of_one_request_are_made_all_or_none(world: World) -> None:
    user = "captioner"
    files = [a_recording(world, user) for _ in range(3)]
    CounterItem(user, OPEN, drafts=198).save()
    body = {"recipe": "captions", "inputs": {"assetIds": files}, "status": "draft"}

    response = world.call("POST", "/api/jobs", body, user=user)

    assert refusal(response) == limit_error("draftsOpen", 198)
    assert used(world, user)["draftsOpen"] == 198


def test_of_several_jobs_those_beyond_the_plan_stay_drafts(world: World) -> None:
    user = "several"
    files = [a_recording(world, user) for _ in range(3)]
    CounterItem(user, OPEN, queued=98).save()
    body = {"recipe": "captions", "inputs": {"assetIds": files}, "status": "queued"}

    response = world.call("POST", "/api/jobs", body, user=user, key="k")

    made = [(job["status"], job.get("code")) for job in response.body["jobs"]]
    assert made == [("queued", None), ("queued", None), ("draft", "PLAN_LIMIT")]
    assert used(world, user)["draftsOpen"] == 1


def test_a_job_with_a_damaged_counter_still_ends(world: World) -> None:
    user = "counter-lost"
    job_id = confirm(world, user, mode="quick").body["jobId"]
    world.client("dynamodb").put_item(
        TableName=world.settings.tables["limits"],
        Item={"accountId": {"S": user}, "counter": {"S": OPEN}, "queued": {"S": "x"}},
    )

    finish(world, job_id)

    job = jobs_store.find_job(job_id)
    assert job is not None
    assert job.is_final


# Uploads


def open_files(world: World, user: str, count: int = 1, mime_type: str = "image/png") -> Response:
    files = [
        {"filename": f"{number}", "sizeBytes": 1, "mimeType": mime_type} for number in range(count)
    ]
    return world.call("POST", "/api/uploads/session", {"files": files}, user=user)


def test_upload_sessions_of_an_hour_are_limited(world: World) -> None:
    user = "uploader"
    CounterItem(
        user, window_key("hour", "%Y-%m-%dT%H", world.clock.now()), upload_sessions=58
    ).save()

    too_many, fitting, none_left = (open_files(world, user, number) for number in (3, 2, 1))

    assert refusal(too_many) == limit_error("uploadSessionsPerHour", 58)
    assert fitting.status == 201
    assert refusal(none_left) == limit_error("uploadSessionsPerHour", 60)
    assert used(world, user)["uploadSessionsPerHour"] == 60


def test_recordings_are_refused_when_the_day_s_minutes_are_used(world: World) -> None:
    user = "recorder"
    count(world, user, "day", DAY, ingest_ms=60 * 60_000)

    assert refusal(open_files(world, user, mime_type="video/mp4")) == limit_error(
        "ingestMinutesPerDay", 60
    )
    assert open_files(world, user).status == 201


# Provider cost


@pytest.fixture
def cloud(world: World) -> Iterator[World]:
    """Pictures cost 0.04 USD each at list price."""
    world.use_cloud()
    yield world
    world.use_routes({})


def run(cloud: World) -> None:
    """Run everything to its end; runs at the provider are polled."""
    cloud.drain()
    cloud.advance_time(seconds=POLL_BASE_SECONDS + DISPATCH_CHECK_SECONDS + 1)


def test_the_estimate_is_reserved_and_replaced_by_what_attempts_cost(cloud: World) -> None:
    user = "payer"
    job_id = confirm(cloud, user, key="k").body["jobId"]
    reserved = used(cloud, user)["providerCostUsd"]

    run(cloud)

    spent = sum(cost.cost_nanos for cost in list_costs(job_id)) / NANOS
    assert reserved == pytest.approx(3 * 0.04)
    assert spent > 0
    assert used(cloud, user)["providerCostUsd"] == pytest.approx(spent)


def test_a_job_that_made_nothing_gives_its_estimate_back_once(cloud: World) -> None:
    user = "refunded"
    job_id = confirm(cloud, user, key="k").body["jobId"]
    cancel(cloud, job_id, user)
    job = jobs_store.find_job(job_id)
    assert job is not None

    changes = [settle_cost(cloud.app, job) for _ in range(2)]
    project_job(cloud.app, job)

    assert changes == [-120_000_000, 0]
    assert used(cloud, user)["providerCostUsd"] == 0


def test_a_cost_that_is_recorded_later_is_added_by_the_next_projection(cloud: World) -> None:
    user = "late"
    job_id = confirm(cloud, user, key="k").body["jobId"]
    run(cloud)
    [first, *_] = list_costs(job_id)
    job = jobs_store.find_job(job_id)
    assert job is not None
    before = used(cloud, user)["providerCostUsd"]
    first.update([type(first).cost_nanos.set(first.cost_nanos + 10**7)])

    settle_cost(cloud.app, job)

    assert used(cloud, user)["providerCostUsd"] == pytest.approx(before + 0.01)


def test_a_job_whose_estimate_exceeds_the_month_is_refused(cloud: World) -> None:
    user, photo = "spender", a_photo(cloud, "spender")
    count(cloud, user, "month", MONTH, cost_nanos=5 * NANOS - 100_000_000)

    refused = confirm(cloud, user, photo=photo, key="story")
    fitting = confirm(cloud, user, mode="quick", photo=photo, key="quick")

    assert refusal(refused) == limit_error("providerCostUsd", 4.9)
    assert fitting.status == 202


def test_free_regenerated_and_retried_tasks_are_reserved_too(cloud: World) -> None:
    user = "every-kind"
    confirm(cloud, user, mode="quick", key="free")
    after_free = used(cloud, user)["providerCostUsd"]
    story = a_story(cloud, user, key="story")
    failed = a_story(cloud, user, key="broken", failing=("kf_1",))
    before = used(cloud, user)["providerCostUsd"]

    again = {"target": "story_clip", "clipNo": 2}
    cloud.call("POST", f"/api/jobs/{story}/regenerate", again, user=user, key="again")
    regenerated = used(cloud, user)["providerCostUsd"]
    cloud.call("POST", f"/api/jobs/{failed}/retry", {}, user=user, key="retry")

    assert after_free == pytest.approx(0.04)
    assert regenerated - before == pytest.approx(0.04)
    assert used(cloud, user)["providerCostUsd"] - regenerated == pytest.approx(0.04)


def test_without_cloud_providers_nothing_is_reserved(world: World) -> None:
    user = "local"
    confirm(world, user)

    assert used(world, user)["providerCostUsd"] == 0


def test_a_job_of_the_previous_version_ends_without_counters(world: World) -> None:
    user = "old"
    job_id = confirm(world, user).body["jobId"]
    world.client("dynamodb").update_item(
        TableName=world.settings.tables["jobs"],
        Key={"pk": {"S": job_id}, "sk": {"S": "job"}},
        UpdateExpression="REMOVE ct",
    )
    before = used(world, user)["queuedJobs"]

    finish(world, job_id)

    assert used(world, user)["queuedJobs"] == before
