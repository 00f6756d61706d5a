"""Account queues: concurrent tasks by plan, priorities, and fairness between accounts."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.kernel.limits import ACCOUNT_QUEUE_CHECK_SECONDS, DISPATCH_CHECK_SECONDS
from darkroom.plans.model import limits_of, plan_names
from tests.support.builders import (
    a_draft,
    a_job,
    a_reference_photo,
    buy,
    cancel,
    confirm,
    lose_messages,
    waiting_messages,
)
from tests.support.world import World


def a_batch(world: World, user: str, *, images: int, key: str = "batch", **more: Any) -> str:
    inputs = {
        "mode": "batch",
        "referencePhotoIds": [a_reference_photo(world, user)],
        "styles": ["CLASSIC"],
        "totalImages": images,
    }
    body = {"recipe": "portraits", "inputs": inputs, "status": "queued", **more}
    response = world.call("POST", "/api/jobs", body, user=user, key=key)
    assert response.status == 201, response.body
    return response.body["jobs"][0]["jobId"]


def settle_stream(world: World) -> None:
    while world.pump_stream():
        pass


def on_plan(world: World, user: str, plan: str) -> None:
    world.call("GET", "/api/credits", user=user)
    path = f"/api/admin/accounts/{user}"
    response = world.call("PATCH", path, {"plan": plan}, user="root", groups="admin")
    assert response.status == 200, response.body


def test_every_plan_has_a_limit_of_concurrent_tasks() -> None:
    allowed = {plan: limits_of(plan).concurrent_tasks for plan in plan_names()}

    assert allowed == {"free": 3, "basic": 5, "standard": 10, "professional": 20}
    assert limits_of("no longer sold") == limits_of("free")


def test_a_free_account_has_three_tasks_in_flight(world: World) -> None:
    buy(world, 20)
    a_batch(world, "alice", images=20)

    settle_stream(world)

    assert len(waiting_messages(world)) == 3


@pytest.mark.parametrize(("plan", "tasks"), [("basic", 5), ("standard", 10)])
def test_a_paid_plan_allows_more_tasks_in_flight(plan: str, tasks: int, world: World) -> None:
    buy(world, 20)
    on_plan(world, "alice", plan)
    a_batch(world, "alice", images=20)

    settle_stream(world)

    assert len(waiting_messages(world)) == tasks


def test_a_finished_task_frees_its_place_for_the_next(world: World) -> None:
    buy(world, 20)
    a_batch(world, "alice", images=6)
    settle_stream(world)

    world.pump_tasks()
    settle_stream(world)

    assert [key for key, _ in waiting_messages(world)] == ["img_04", "img_05", "img_06"]


def test_a_long_batch_completes(world: World) -> None:
    job_id = a_batch(world, "alice", images=5)

    world.drain()

    assert a_job(world, job_id)["progress"]["completed"] == 5


def test_a_single_job_does_not_wait_for_another_accounts_batch(world: World) -> None:
    buy(world, 20, "bob")
    a_batch(world, "bob", images=20)
    settle_stream(world)
    lone = confirm(world, mode="quick").body["jobId"]
    settle_stream(world)

    made_before = 0
    while a_job(world, lone)["progress"]["completed"] == 0:
        made_before = len(world.studio.requests)
        world.pump_tasks()
        settle_stream(world)

    # Of the twenty pictures queued earlier, only those in flight came before it.
    in_flight = limits_of("free").concurrent_tasks
    assert made_before <= in_flight
    first = [request.key for request in world.studio.requests[: in_flight + 1]]
    assert first.count("kf_1") == 1


def test_the_higher_priority_goes_first_within_the_account(world: World) -> None:
    buy(world, 20)
    a_batch(world, "alice", images=6, key="a")
    settle_stream(world)
    a_batch(world, "alice", images=3, key="b", priority=9)
    settle_stream(world)

    world.pump_tasks()
    settle_stream(world)

    urgent = {message[0] for message in waiting_messages(world)}
    assert urgent == {"img_01", "img_02", "img_03"}


def test_of_the_same_priority_the_earlier_job_goes_first(world: World) -> None:
    buy(world, 20)
    first = a_batch(world, "alice", images=4, key="a")
    world.clock.move(seconds=1)
    a_batch(world, "alice", images=4, key="b")

    world.drain()

    order = [request.job_id for request in world.studio.requests]
    assert order[:4] == [first] * 4


def test_priority_may_be_given_when_a_draft_is_confirmed(world: World) -> None:
    draft = a_draft(world)

    world.call("POST", "/api/jobs/confirm", {"draftJobId": draft, "priority": 3})

    assert a_job(world, draft)["priority"] == 3


def test_lost_messages_of_an_account_queue_are_sent_again(world: World) -> None:
    buy(world, 20)
    job_id = a_batch(world, "alice", images=6)
    settle_stream(world)
    lose_messages(world)

    world.advance_time(seconds=DISPATCH_CHECK_SECONDS)

    assert a_job(world, job_id)["status"] == "succeeded"


def test_an_account_queue_continues_after_its_stream_record_is_lost(world: World) -> None:
    buy(world, 20)
    job_id = a_batch(world, "alice", images=6)
    settle_stream(world)
    world.pump_tasks()
    world.take_changes()
    assert waiting_messages(world) == []

    world.advance_time(seconds=ACCOUNT_QUEUE_CHECK_SECONDS)

    assert a_job(world, job_id)["status"] == "succeeded"


def test_canceling_a_batch_releases_the_next_job(world: World) -> None:
    buy(world, 20)
    batch = a_batch(world, "alice", images=20)
    other = confirm(world, mode="quick").body["jobId"]
    settle_stream(world)

    cancel(world, batch)
    world.drain()

    assert a_job(world, other)["status"] == "succeeded"
    assert {request.job_id for request in world.studio.requests} == {other}


def test_only_an_operator_changes_a_plan_and_only_to_one_that_exists(world: World) -> None:
    world.call("GET", "/api/credits")
    path = "/api/admin/accounts/alice"

    assert world.call("PATCH", path, {"plan": "basic"}).status == 403
    assert world.call("PATCH", path, {"plan": "basic"}, user=None).status == 401
    assert world.call("PATCH", path, {"plan": "gold"}, user="root", groups="admin").status == 400
    unknown = "/api/admin/accounts/unknown"
    response = world.call("PATCH", unknown, {"plan": "basic"}, user="root", groups="admin")
    assert response.status == 404
    assert world.call("GET", path, user="root", groups="admin").body["plan"] == "free"
