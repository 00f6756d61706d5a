"""Outputs, captions and zips take storage; an auditor recounts it; limits announce themselves."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from darkroom.db import commit
from darkroom.events.store import list_events
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.plans.storage_store import count_write, find_stored
from darkroom.usage import store as usage_store
from darkroom.usecases.accounts.announce_levels import announce_levels
from darkroom.usecases.accounts.recount_usage import recount_usage
from darkroom.usecases.credits.audit_accounts import audit_accounts
from tests.support.builders import a_job, a_story, buy, confirm
from tests.support.moto_world import moto_world
from tests.support.world import START, World

GB = 1000**3


@pytest.fixture(scope="module")
def stage() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def world(stage: World) -> Iterator[World]:
    stage.clock.move(seconds=(START - stage.clock.now()).total_seconds())
    stage.drain()
    app = stage.app
    yield stage
    stage.app = app


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A new account for each test."""
    return re.sub(r"\W", "-", f"u-{request.node.name}")[-60:].strip("-_")


def used(user: str) -> int:
    return find_stored(user).used_bytes


def breaches(world: World, user: str) -> list[str]:
    return [breach.message for breach in audit_accounts(world.app, user).breaches]


def own_bytes(job: dict[str, Any]) -> int:
    return sum(output["sizeBytes"] for output in job["outputs"] if "inheritedFrom" not in output)


def level(world: World, user: str, name: str = "storageBytes") -> dict[str, Any]:
    limits = world.call("GET", "/api/usage/summary", user=user).body["limits"]
    return next(level for level in limits if level["name"] == name)


# Storage


def test_the_outputs_of_a_job_take_storage_until_it_is_deleted(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    before = used(user)

    world.drain()
    taken = used(user) - before

    assert taken == own_bytes(a_job(world, job_id, user)) > 0
    world.call("DELETE", f"/api/jobs/{job_id}", user=user)
    world.drain()
    assert used(user) == before
    assert breaches(world, user) == []


def test_a_zip_takes_storage_once_however_often_it_is_requested(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    world.drain()
    before = used(user)

    for _ in range(3):
        assert world.call("GET", f"/api/jobs/{job_id}/download", user=user).status == 200
        world.drain()

    [zip_key] = [key for key in files_of(world, job_id) if key.endswith(".zip")]
    facts = world.app.storage.find(zip_key)
    assert facts is not None
    assert used(user) - before == facts.size_bytes
    world.call("DELETE", f"/api/jobs/{job_id}", user=user)
    world.drain()
    assert used(user) <= before
    assert breaches(world, user) == []


def files_of(world: World, job_id: str) -> list[str]:
    found = world.client("s3").list_objects_v2(Bucket=world.settings.media_bucket)
    return [item["Key"] for item in found.get("Contents", ()) if job_id in item["Key"]]


def test_the_auditor_finds_a_wrong_counter_and_a_recount_repairs_it(
    world: World, user: str
) -> None:
    a_story(world, user)
    world.drain()
    right = find_stored(user)
    commit([count_write(user, used_bytes=123, uploads=1)])
    assert {breach.law for breach in audit_accounts(world.app, user).breaches} == {"L9"}

    path = f"/api/admin/accounts/{user}/recount"
    response = world.call("POST", path, user="root", groups="admin")

    assert response.status == 200
    assert response.body["storageBytesBefore"] - response.body["storageBytes"] == 123
    assert (used(user), find_stored(user).open_uploads) == (right.used_bytes, right.open_uploads)
    assert breaches(world, user) == []
    assert world.call("POST", path, user=user).status == 403
    unknown = world.call("POST", "/api/admin/accounts/unknown/recount", user="root", groups="admin")
    assert unknown.status == 404


def test_a_recount_counts_jobs_and_months_that_are_missing(world: World, user: str) -> None:
    a_story(world, user)
    world.drain()
    right, month = used(user), usage_store.find_month(user, "2026-01")
    for item in world.scan("usage"):
        if item["accountId"]["S"] == user:
            key = {name: item[name] for name in ("accountId", "counter")}
            world.client("dynamodb").delete_item(TableName=world.settings.tables["usage"], Key=key)

    recount_usage(world.app, user)

    assert (used(user), usage_store.find_month(user, "2026-01")) == (right, month)
    again = recount_usage(world.app, user)
    assert (again.jobs, again.months, again.before) == (0, 0, again.after)


# Levels


def store_bytes(world: World, user: str, size_bytes: int) -> None:
    """Change the counter as uploads do; the next projection sees it."""
    commit([count_write(user, used_bytes=size_bytes, uploads=0)])


def announced(user: str) -> list[tuple[str, str]]:
    events = list_events(user)
    return sorted(
        (event.name, event.props["name"])
        for event in events
        if event.name.startswith("PLAN_LIMIT_")
    )


@pytest.mark.parametrize(
    ("percent", "shown", "events"),
    [
        (79.99, "ok", []),
        (80, "warning", ["PLAN_LIMIT_WARNING"]),
        (99.99, "warning", ["PLAN_LIMIT_WARNING"]),
        (100, "exceeded", ["PLAN_LIMIT_EXCEEDED", "PLAN_LIMIT_WARNING"]),
        (250, "exceeded", ["PLAN_LIMIT_EXCEEDED", "PLAN_LIMIT_WARNING"]),
    ],
)
def test_levels_begin_at_80_and_100_percent(
    world: World, user: str, percent: float, shown: str, events: list[str]
) -> None:
    store_bytes(world, user, round(GB * percent / 100))

    announce_levels(world.app, user)

    assert (level(world, user)["percent"], level(world, user)["level"]) == (percent, shown)
    assert announced(user) == [(name, "storageBytes") for name in events]


def test_a_level_is_announced_once_a_month_however_often_it_is_crossed(
    world: World, user: str
) -> None:
    chance = random.Random(7)
    stored = 0
    for _ in range(12):
        wanted = round(GB * chance.choice([0.5, 0.85, 1.0, 1.3]))
        store_bytes(world, user, wanted - stored)
        stored = wanted
        for _ in range(chance.randint(1, 3)):
            announce_levels(world.app, user)

    once = [("PLAN_LIMIT_EXCEEDED", "storageBytes"), ("PLAN_LIMIT_WARNING", "storageBytes")]
    assert announced(user) == once
    world.clock.move(days=31)
    store_bytes(world, user, GB - stored)
    announce_levels(world.app, user)
    assert announced(user) == sorted(once * 2)


def test_the_counters_of_windows_have_levels_too(world: World, user: str) -> None:
    item = {"accountId": {"S": user}, "counter": {"S": "day#2026-01-05"}, "freeJobs": {"N": "16"}}
    world.client("dynamodb").put_item(TableName=world.settings.tables["limits"], Item=item)

    announce_levels(world.app, user)

    assert announced(user) == [("PLAN_LIMIT_WARNING", "freeJobsPerDay")]
    shown = level(world, user, "freeJobsPerDay")
    assert (shown["used"], shown["limit"], shown["percent"], shown["level"]) == (
        16, 20, 80, "warning",
    )  # fmt: skip


def test_a_job_whose_outputs_cross_the_limit_announces_it(world: World, user: str) -> None:
    store_bytes(world, user, round(GB * 0.8) - 1)
    buy(world, 5, user)

    confirm(world, user)
    world.drain()

    assert announced(user) == [("PLAN_LIMIT_WARNING", "storageBytes")]


def test_a_smaller_plan_keeps_what_is_there_and_refuses_what_is_new(
    world: World, user: str
) -> None:
    world.call("GET", "/api/credits", user=user)
    world.call("POST", "/api/plans/subscribe", {"plan": "standard"}, user=user, key="s")
    store_bytes(world, user, 20 * GB)
    file = {"filename": "b.jpg", "mimeType": "image/jpeg", "sizeBytes": 3}
    body = {"files": [file]}
    assert world.call("POST", "/api/uploads/session", body, user=user).status == 201

    world.call("POST", "/api/plans/subscribe", {"plan": "basic"}, user=user, key="t")

    refused = world.call("POST", "/api/uploads/session", body, user=user)
    assert (refused.status, refused.body["code"], refused.body["plan"]) == (
        403, "PLAN_LIMIT", "basic",
    )  # fmt: skip
    assert refused.body["upgradeTo"] == "standard"
    assert level(world, user)["percent"] == 200


# Retention


def with_retention(world: World, **days: int) -> None:
    settings = replace(world.app.settings, file_retention_days=days)
    world.app = replace(world.app, settings=settings)


def are_there(world: World, user: str, job_id: str, asset_id: str) -> tuple[bool, bool]:
    job = world.call("GET", f"/api/jobs/{job_id}", user=user).status == 200
    return job, world.call("GET", f"/api/assets/{asset_id}", user=user).status == 200


def a_job_and_its_photo(world: World, user: str) -> tuple[str, str]:
    """A job that ended, and a photo that was uploaded and checked."""
    job_id = a_story(world, user)
    [photo] = a_job(world, job_id, user)["inputs"]["photoAssetIds"]
    world.drain()
    # A change of its name makes the sweeper check the file.
    world.call("PATCH", f"/api/assets/{photo}", {"folder": "f"}, user=user)
    world.drain()
    return job_id, photo


def test_by_default_files_are_kept(world: World, user: str) -> None:
    job_id, photo = a_job_and_its_photo(world, user)

    for _ in range(3):
        world.advance_time(days=400)

    assert are_there(world, user, job_id, photo) == (True, True)


def test_files_of_a_plan_with_a_retention_are_deleted_after_it(world: World, user: str) -> None:
    with_retention(world, free=30)
    job_id, photo = a_job_and_its_photo(world, user)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    world.advance_time(days=29)
    assert are_there(world, user, job_id, photo) == (True, True)
    world.advance_time(days=2)

    assert are_there(world, user, job_id, photo) == (False, False)
    assert breaches(world, user) == []


def test_a_plan_without_a_retention_keeps_them_while_it_lasts(world: World, user: str) -> None:
    with_retention(world, free=30)
    world.call("GET", "/api/credits", user=user)
    path = f"/api/admin/accounts/{user}"
    world.call("PATCH", path, {"plan": "basic"}, user="root", groups="admin")
    job_id, photo = a_job_and_its_photo(world, user)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    world.advance_time(days=60)
    assert are_there(world, user, job_id, photo) == (True, True)
    world.call("PATCH", path, {"plan": "free"}, user="root", groups="admin")
    world.advance_time(days=8)

    assert are_there(world, user, job_id, photo) == (False, False)
