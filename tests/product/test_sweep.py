"""The sweeper: lost records and messages are replaced, and overdue work is ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from darkroom.jobs import items as jobs_items
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.ids import derived_id
from darkroom.kernel.limits import (
    DISPATCH_CHECK_SECONDS,
    JOB_LIMIT_SECONDS,
    LEASE_SECONDS,
    PLAN_CHECK_SECONDS,
    PROJECTION_CHECK_SECONDS,
    QUEUED_LIMIT_SECONDS,
    TASK_ATTEMPTS_LIMIT,
)
from darkroom.templates import choice
from tests.support.builders import (
    a_balance,
    a_draft,
    a_job,
    a_picture,
    a_story,
    buy,
    confirm,
    events_of,
    lose_messages,
    regenerate,
    statuses,
    stream_records,
    waiting_messages,
)
from tests.support.laws import check_laws
from tests.support.world import World


def watched(world: World) -> list[str]:
    return sorted(item["sk"]["S"] for item in world.scan("jobs") if "nextCheckAt" in item)


def lose_everything(world: World) -> None:
    """Stream records and messages alike."""
    stream_records(world)
    lose_messages(world)


# Lost records and messages


def test_a_job_whose_stream_record_was_lost_is_planned(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    lose_everything(world)

    world.clock.move(seconds=PLAN_CHECK_SECONDS - 1)
    early = dict(world.sweep())
    world.clock.move(seconds=1)
    done = world.sweep()
    world.drain()

    assert early == {}
    assert done["planned"] == 1
    assert a_job(world, job_id)["status"] == "succeeded"


def test_a_task_whose_message_was_lost_is_sent_again(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    world.pump_stream()
    lose_everything(world)

    world.clock.move(seconds=DISPATCH_CHECK_SECONDS)
    done = world.sweep()

    assert done["admitted"] == 1
    assert waiting_messages(world) == [("kf_1", 1)]
    world.drain()
    assert a_job(world, job_id)["status"] == "succeeded"


def test_a_message_sent_again_is_not_sent_a_third_time_at_once(world: World) -> None:
    confirm(world)
    world.pump_stream()
    lose_everything(world)
    world.clock.move(seconds=DISPATCH_CHECK_SECONDS)
    world.sweep()

    again = dict(world.sweep())

    assert "admitted" not in again
    assert waiting_messages(world) == [("kf_1", 1), ("kf_2", 1), ("kf_3", 1)]


def test_events_and_variants_whose_records_were_lost_are_derived_again(world: World) -> None:
    job_id = a_story(world, deviceId="phone")
    lose_everything(world)
    assert events_of(world, job_id) == []

    world.clock.move(seconds=PROJECTION_CHECK_SECONDS)
    done = world.sweep()

    assert done["projected"] == 1
    assert sorted(events_of(world, job_id)) == sorted(
        ["job_confirmed", "JOB_QUEUED", "JOB_RUNNING", "JOB_SUCCEEDED", "job_done"]
    )
    assert {item["subject"]["S"] for item in world.scan("templates")} == {
        "account#alice",
        "device#phone",
    }
    assert watched(world) == []


def test_a_job_ends_though_no_record_ever_arrives(world: World) -> None:
    job_id = confirm(world, mode="quick").body["jobId"]
    for _ in range(6):
        stream_records(world)
        world.clock.move(seconds=DISPATCH_CHECK_SECONDS)
        world.sweep()
        world.pump_tasks()
    world.clock.move(seconds=PROJECTION_CHECK_SECONDS)
    world.sweep()

    assert a_job(world, job_id)["status"] == "succeeded"
    assert check_laws(world) == []


# Overdue work


def test_a_hanging_task_is_tried_three_times_and_then_refunded(world: World) -> None:
    job_id = confirm(world, testFaults={"clip_2": "hang"}).body["jobId"]
    world.drain()
    seen = []
    for _ in range(TASK_ATTEMPTS_LIMIT):
        world.advance_time(seconds=LEASE_SECONDS)
        seen.append(statuses(a_job(world, job_id))["clip_2"])

    job = a_job(world, job_id)

    assert seen == ["running", "running", "failed"]
    assert (job["status"], job["receipt"]["used"], job["receipt"]["refunded"]) == ("partial", 1, 1)
    assert job["receipt"]["reason"] == "LEASE_EXPIRED"
    assert a_balance(world) == (4, 0)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    assert check_laws(world) == []


def test_a_lease_expires_at_its_end_and_not_before(world: World) -> None:
    job_id = confirm(world, mode="quick", testFaults={"kf_1": "hang"}).body["jobId"]
    world.drain()

    world.clock.move(seconds=LEASE_SECONDS - 1)
    early = dict(world.sweep())
    world.clock.move(seconds=1)
    late = dict(world.sweep())

    assert early == {}
    assert late == {"lease_lost": 1}
    assert statuses(a_job(world, job_id))["kf_1"] == "ready"


def test_a_job_that_has_not_started_within_an_hour_is_ended_and_refunded(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    world.pump_stream()
    lose_everything(world)

    world.clock.move(seconds=QUEUED_LIMIT_SECONDS - 1)
    world.sweep()
    lose_everything(world)
    waiting = a_job(world, job_id)["status"]
    world.clock.move(seconds=1)
    world.sweep()

    job = a_job(world, job_id)
    assert waiting == "queued"
    assert (job["status"], job["receipt"]["reason"]) == ("failed", "QUEUE_TIMEOUT")
    assert a_balance(world) == (5, 0)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    assert check_laws(world) == []


def test_a_job_that_was_never_planned_is_ended_and_refunded_too(
    world: World,
) -> None:
    job_id = confirm(world).body["jobId"]
    lose_everything(world)

    world.advance_time(seconds=QUEUED_LIMIT_SECONDS)

    job = a_job(world, job_id)
    assert (job["status"], job["receipt"]["refunded"]) == ("failed", 2)
    assert "job_done" in events_of(world, job_id)


def test_a_job_is_ended_after_six_hours_and_its_outputs_are_kept(world: World) -> None:
    job_id = confirm(world).body["jobId"]
    world.pump_stream()
    world.pump_stream()
    world.pump_tasks()
    world.pump_stream()
    world.pump_tasks()
    begun = a_job(world, job_id)
    lose_everything(world)

    for _ in range(6):
        world.clock.move(seconds=JOB_LIMIT_SECONDS // 6)
        world.sweep()
        lose_everything(world)

    job = a_job(world, job_id)
    assert begun["status"] == "running"
    assert job["receipt"]["reason"] == "JOB_TIMEOUT"
    assert job["status"] in ("partial", "failed")
    made = sum(status == "succeeded" for status in statuses(job).values())
    assert made == begun["progress"]["completed"] > 0
    assert check_laws(world, at_rest=False) == []


def test_a_child_is_ended_like_any_job_and_its_parent_stays(world: World) -> None:
    parent_id = a_story(world)
    parent = a_job(world, parent_id)["status"]
    child_id = regenerate(world, parent_id).body["retryJobId"]
    lose_everything(world)

    world.advance_time(seconds=QUEUED_LIMIT_SECONDS)

    assert a_job(world, child_id)["status"] == "failed"
    assert a_job(world, parent_id)["status"] == parent == "succeeded"
    assert a_balance(world) == (3, 0)


def test_a_draft_never_expires(world: World) -> None:
    job_id = a_draft(world)
    world.drain()

    world.advance_time(days=400)

    assert a_job(world, job_id)["status"] == "draft"
    assert watched(world) == []


# Jobs that cannot be planned


def test_a_job_whose_template_is_gone_is_ended_and_refunded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = confirm(world).body["jobId"]

    def gone(*arguments: Any) -> None:
        raise InvalidInput("the template is gone", code="NO_TEMPLATES")

    monkeypatch.setattr(choice, "get_template", gone)
    world.drain()

    job = a_job(world, job_id)
    assert (job["status"], job["receipt"]["reason"]) == ("failed", "NO_TEMPLATES")
    assert a_balance(world) == (5, 0)
    world.advance_time(seconds=PROJECTION_CHECK_SECONDS)
    assert check_laws(world) == []


# Sweeping itself


def test_sweeping_again_changes_nothing(world: World) -> None:
    confirm(world, mode="quick", testFaults={"clip_1": "hang"})
    buy(world, 10)
    world.drain()
    for seconds in (0, LEASE_SECONDS, QUEUED_LIMIT_SECONDS, JOB_LIMIT_SECONDS):
        world.advance_time(seconds=seconds)
        before = a_picture(world)
        again = dict(world.sweep())
        assert a_picture(world) == before
        assert not again


def test_one_failing_item_does_not_stop_the_others(world: World) -> None:
    good = confirm(world, mode="quick").body["jobId"]
    lose_everything(world)
    due = int((world.clock.now() - timedelta(hours=1)).timestamp())
    for shard in jobs_items.due_shards():
        broken = {
            "pk": {"S": derived_id("job", "broken", shard)},
            "sk": {"S": "job"},
            "dueShard": {"S": shard},
            "nextCheckAt": {"N": str(due)},
        }
        world.client("dynamodb").put_item(TableName=world.settings.tables["jobs"], Item=broken)
    world.clock.move(seconds=PLAN_CHECK_SECONDS)

    done = world.sweep()

    assert done["planned"] == 1
    assert done["error"] >= len(jobs_items.due_shards())
    assert [item for item in world.scan("jobs") if item["pk"]["S"] == good and "plan" in item]
