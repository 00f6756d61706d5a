"""Usage: a record of every job that ended, and the sum of every month."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.client import BaseClient

from darkroom.db import commit
from darkroom.generation.routing import store as costs
from darkroom.generation.routing.prices import Bill, Line
from darkroom.generation.routing.store import CostRecord
from darkroom.jobs import store as jobs_store
from darkroom.jobs import tombstone_store
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.usage import store
from darkroom.usage.model import Amounts, UsageRecord, month_of, sum_of
from darkroom.usecases.projections.project_usage import project_usage
from tests.support.builders import a_draft, a_recording, a_story, buy, cancel, confirm, finish
from tests.support.moto_world import moto_world
from tests.support.world import START, Response, World

MONTH = "2026-01"


@pytest.fixture(scope="module")
def stage() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def world(stage: World) -> World:
    stage.clock.move(seconds=(START - stage.clock.now()).total_seconds())
    stage.drain()
    return stage


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A new account for each test."""
    return re.sub(r"\W", "-", f"u-{request.node.name}")[-60:].strip("-_")


def summary(world: World, user: str, month: str = MONTH, **more: Any) -> dict[str, Any]:
    response = world.call("GET", f"/api/usage/summary?month={month}", user=user, **more)
    assert response.status == 200, response.body
    return {name: value for name, value in response.body.items() if name != "limits"}


def records(world: World, user: str, query: str = f"month={MONTH}") -> Response:
    return world.call("GET", f"/api/usage/records?{query}", user=user)


def project(world: World, job_id: str) -> None:
    job = jobs_store.find_job(job_id) or tombstone_store.find_deleted(job_id)
    assert job is not None
    project_usage(world.app, job)


# What counts


def test_a_month_without_jobs_is_zero(world: World, user: str) -> None:
    assert summary(world, user, "2025-12") == {
        "month": "2025-12",
        "processingMinutes": 0,
        "translationMinutes": 0,
        "jobs": 0,
        "outputs": 0,
        "failureRate": 0,
        "creditsUsed": 0,
    }


def test_a_job_counts_once_with_its_promised_outputs_and_credits(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    world.drain()
    project(world, job_id)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    found = summary(world, user)
    # Three clips and the film; keyframes and voices are not promised.
    assert (found["jobs"], found["outputs"], found["creditsUsed"]) == (1, 4, 2)
    [record] = records(world, user).body["items"]
    assert (record["jobId"], record["status"], record["units"]) == (job_id, "succeeded", 2)
    assert record["assetId"].startswith("ast_")


def test_a_lost_stream_record_is_made_up_for_by_the_sweeper(world: World, user: str) -> None:
    a_story(world, user)
    world.take_changes()
    assert summary(world, user)["jobs"] == 0

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert summary(world, user)["jobs"] == 1


def test_media_that_were_read_and_translated_count_in_minutes(world: World, user: str) -> None:
    buy(world, 20, user)
    inputs = {
        "assetIds": [a_recording(world, user, seconds=90)],
        "options": {"sourceLang": "en", "translate": True, "targetLangs": ["ko", "es"]},
    }
    body = {"recipe": "captions", "inputs": inputs, "status": "queued"}
    assert world.call("POST", "/api/jobs", body, user=user, key="c").status == 201

    world.drain()

    found = summary(world, user)
    assert (found["processingMinutes"], found["translationMinutes"]) == (1.5, 3)


def test_failed_jobs_make_the_failure_rate(world: World, user: str) -> None:
    buy(world, 20, user)
    a_story(world, user, key="a")
    a_story(world, user, key="b", failing=["kf_1", "kf_2", "kf_3"])
    world.drain()

    found = summary(world, user)

    assert (found["jobs"], found["failureRate"]) == (2, 0.5)


def test_a_canceled_draft_was_no_job(world: World, user: str) -> None:
    cancel(world, a_draft(world, user), user)
    world.drain()

    assert summary(world, user)["jobs"] == 0


def test_a_job_counts_in_the_month_in_which_it_ended(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    world.clock.move(days=31)
    finish(world, job_id)
    world.drain()

    assert (summary(world, user)["jobs"], summary(world, user, "2026-02")["jobs"]) == (0, 1)


def test_a_deleted_job_stays_in_the_usage(world: World, user: str) -> None:
    job_id = a_story(world, user)
    world.take_changes()

    world.call("DELETE", f"/api/jobs/{job_id}", user=user)
    world.drain()

    found = summary(world, user)
    assert (found["jobs"], found["creditsUsed"]) == (1, 2)


def a_cost(job_id: str, user: str, nanos: int, *, attempt: int = 1) -> None:
    record = CostRecord(
        job_id=job_id,
        account_id=user,
        task_key="kf_1",
        kind="keyframe",
        attempt=attempt,
        provider="paper",
        model="m",
        outcome="succeeded",
        at=START,
        bill=Bill(
            lines=(Line(unit="image", quantity=nanos, unit_cost="0.000000001"),), currency="USD"
        ),
    )
    commit([costs.cost_write(record)])


def test_a_cost_that_became_known_later_is_added(world: World, user: str) -> None:
    job_id = a_story(world, user)
    a_cost(job_id, user, 250_000_000)
    world.drain()
    a_cost(job_id, user, 1_000_000_000, attempt=2)

    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)

    assert summary(world, user, groups="admin")["providerCostUsd"] == 1.25
    assert summary(world, user, groups="admin")["jobs"] == 1


def test_a_cost_whose_record_has_expired_stays_counted(world: World, user: str) -> None:
    job_id = a_story(world, user)
    a_cost(job_id, user, 250_000_000)
    world.drain()
    table, key = world.settings.tables["costs"], {"jobId": {"S": job_id}, "call": {"S": "kf_1#1"}}
    world.client("dynamodb").delete_item(TableName=table, Key=key)

    project(world, job_id)

    assert summary(world, user, groups="admin")["providerCostUsd"] == 0.25


def test_only_operators_see_what_providers_cost(world: World, user: str) -> None:
    assert "providerCostUsd" not in summary(world, user)
    assert summary(world, user, groups="admin")["providerCostUsd"] == 0


# Sums against a replay


def a_history(world: World, user: str, chance: random.Random) -> dict[str, Mapping[str, Any]]:
    """Random jobs, ended, deleted and projected any number of times, in any order.

    Returns each job as its owner saw it before anything was deleted.
    """
    seen: dict[str, Mapping[str, Any]] = {}
    buy(world, 60, user)
    for number in range(chance.randint(3, 6)):
        mode = chance.choice(["story", "quick"])
        photo = confirm(world, user, mode=mode, key=f"j{number}").body
        job_id = photo["jobId"]
        keys = ["kf_1", "kf_2", "clip_1", "clip_2", "film"]
        finish(world, job_id, failing=chance.sample(keys, chance.randint(0, 3)))
        if chance.random() < 0.5:
            a_cost(job_id, user, chance.randint(1, 10**9))
        seen[job_id] = world.call("GET", f"/api/jobs/{job_id}", user=user).body
        world.clock.move(days=chance.choice([0, 9, 20]))
    lost = chance.random() < 0.5
    if lost:
        world.take_changes()
    for job_id in chance.choices(list(seen), k=2 * len(seen)):
        project(world, job_id)
    for job_id in chance.sample(list(seen), 2):
        world.call("DELETE", f"/api/jobs/{job_id}", user=user)
    world.drain()
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    return seen


def replay(jobs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The sums of each month, from the jobs alone."""
    months: dict[str, dict[str, float]] = {}
    for job in jobs.values():
        month = months.setdefault(
            job["finishedAt"][:7], {"jobs": 0, "outputs": 0, "credits": 0, "failed": 0}
        )
        promised = {key for part in job["receipt"]["parts"] for key in part.get("promised", ())}
        made = {task["key"] for task in job["tasks"] if task["status"] == "succeeded"}
        month["jobs"] += 1
        month["outputs"] += len(made & (promised or PROMISED[job["recipe"]]))
        month["credits"] += job["receipt"]["used"]
        month["failed"] += job["status"] == "failed"
    return months


PROMISED = {
    "story": {"clip_1", "clip_2", "clip_3", "film"},
    "quick": {"clip_1"},
}


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 40))]
)
def test_sums_are_those_of_a_replay_of_the_jobs(world: World, seed: int) -> None:
    user = f"history-{seed}"

    jobs = a_history(world, user, random.Random(seed))

    for month, wanted in replay(jobs).items():
        found = summary(world, user, month)
        assert found["jobs"] == wanted["jobs"]
        assert found["outputs"] == wanted["outputs"]
        assert found["creditsUsed"] == wanted["credits"]
        assert found["failureRate"] == round(wanted["failed"] / wanted["jobs"], 4)
        kept, _ = store.page_records(user, month, limit=100)
        assert sum_of(record.amounts for record in kept) == store.find_month(user, month)


# Reading


@contextmanager
def calls_to_aws() -> Iterator[list[tuple[str, int]]]:
    """Every call with the size of its response."""
    made: list[tuple[str, int]] = []
    real: Any = BaseClient._make_api_call  # type: ignore[attr-defined]

    def spy(self: Any, name: str, params: Any) -> Any:
        response = real(self, name, params)
        size = len(json.dumps(response, default=str)) if "Items" in response else 0
        made.append((name, size or len(json.dumps(response.get("Item", {}), default=str))))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", spy)
        yield made


def store_records(user: str, count: int) -> None:
    for number in range(count):
        record = a_record(user, number)
        commit(store.count_writes(None, record, operation=f"op{number}"))


def a_record(user: str, number: int) -> UsageRecord:
    return UsageRecord(
        account_id=user,
        job_id=f"job_{number:026}",
        ended_at=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=number),
        recipe="story",
        status="succeeded",
        asset_id=None,
        amounts=Amounts(jobs=1, outputs=1000 + number % 9, credits=2),
    )


def test_reading_a_summary_costs_the_same_with_more_jobs(world: World, user: str) -> None:
    costs_of = []
    for count in (1, 60):
        store_records(user, count)
        with calls_to_aws() as made:
            assert summary(world, user)["jobs"] >= count
        costs_of.append((sorted(name for name, _ in made), sum(size for _, size in made)))
        user = f"{user}-more"

    (few_calls, few_bytes), (many_calls, many_bytes) = costs_of
    assert few_calls == many_calls
    assert len(many_calls) <= 6
    assert many_bytes <= few_bytes + 40  # longer numbers, no more of them


def test_counting_a_job_costs_one_transaction_and_a_repeat_none(world: World, user: str) -> None:
    job_id = a_story(world, user)
    world.take_changes()

    with calls_to_aws() as first:
        project(world, job_id)
    with calls_to_aws() as second:
        project(world, job_id)

    reads = ["GetItem", "GetItem", "GetItem", "GetItem", "Query", "Query", "TransactGetItems"]
    assert sorted(name for name, _ in first) == [*reads, "TransactWriteItems"]
    assert sorted(name for name, _ in second) == reads
    world.drain()


def test_records_are_paged_from_the_newest_and_a_cursor_is_bound_to_its_month(
    world: World, user: str
) -> None:
    store_records(user, 5)

    first = records(world, user, f"month={MONTH}&limit=3").body
    rest = records(world, user, f"month={MONTH}&limit=3&cursor={first['nextCursor']}").body

    jobs = [item["jobId"] for item in first["items"] + rest["items"]]
    assert jobs == [f"job_{number:026}" for number in (4, 3, 2, 1, 0)]
    assert rest["nextCursor"] is None
    other = records(world, user, f"month=2026-02&cursor={first['nextCursor']}")
    assert (other.status, other.body["code"]) == (400, "BAD_CURSOR")
    another = records(world, "bob", f"month={MONTH}&cursor={first['nextCursor']}")
    assert another.status == 400


def test_the_spreadsheet_has_a_row_for_each_job_and_links_to_the_next_page(
    world: World, user: str
) -> None:
    store_records(user, 3)

    response = world.call("GET", f"/api/usage/records.csv?month={MONTH}&limit=2", user=user)

    headers = {name.lower(): value for name, value in response.headers.items()}
    assert headers["content-type"].startswith("text/csv")
    assert headers["content-disposition"] == f'attachment; filename="usage-{MONTH}.csv"'
    rows = list(csv.reader(io.StringIO(response.body.lstrip("\ufeff"))))
    assert rows[0][:7] == [
        "date", "jobId", "assetId", "processingMinutes", "translationMinutes", "units", "status",
    ]  # fmt: skip
    assert [row[1] for row in rows[1:]] == [f"job_{number:026}" for number in (2, 1)]
    following = re.fullmatch(r'<(.*)>; rel="next"', headers["link"])
    assert following is not None
    last = world.call("GET", following[1], user=user)
    assert len(list(csv.reader(io.StringIO(last.body)))) == 2


@pytest.mark.parametrize("month", ["2026", "2026-1", "2026-13", "2026-01-01", "now", ""])
def test_what_is_no_month_is_refused(world: World, month: str) -> None:
    for path in ("summary", "records", "records.csv"):
        response = world.call("GET", f"/api/usage/{path}?month={month}")
        assert (response.status, response.body["code"]) == (400, "VALIDATION_FAILED")


def test_the_current_month_is_the_default(world: World, user: str) -> None:
    response = world.call("GET", "/api/usage/summary", user=user)

    assert response.body["month"] == month_of(world.clock.now())
    assert world.call("GET", "/api/usage/summary", user=None).status == 401
