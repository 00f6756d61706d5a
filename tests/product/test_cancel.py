"""Canceling: tasks that stop, outputs that are kept, refunds, and outcomes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from darkroom.jobs.model import Failure
from darkroom.kernel.limits import LEASE_SECONDS
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import complete_task, fail_task
from tests.support.builders import (
    JOB_ID,
    a_balance,
    a_draft,
    a_job,
    a_story,
    a_user,
    an_output,
    cancel,
    confirm,
    statuses,
)
from tests.support.moto_world import moto_world
from tests.support.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with moto_world() as world:
        yield world


@pytest.fixture
def user() -> str:
    return a_user()


def test_canceling_needs_a_token(world: World) -> None:
    assert cancel(world, JOB_ID, None).status == 401


def test_another_accounts_job_looks_missing(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    foreign, missing = cancel(world, job_id, a_user()), cancel(world, JOB_ID, user)

    assert (foreign.status, missing.status) == (404, 404)
    assert a_job(world, job_id, user)["status"] == "queued"


def test_a_draft_is_canceled_and_costs_nothing(world: World, user: str) -> None:
    job_id = a_draft(world, user)

    response = cancel(world, job_id, user)

    assert response.status == 200
    assert response.body["outcome"] == "canceled"
    assert response.body["receipt"] == {
        "reserved": 0,
        "used": 0,
        "refunded": 0,
        "parts": [],
        "reason": "CANCELED",
        "message": "You canceled this job.",
    }
    assert a_job(world, job_id, user)["status"] == "canceled"


def test_a_canceled_draft_cannot_be_confirmed(world: World, user: str) -> None:
    job_id = a_draft(world, user)
    cancel(world, job_id, user)

    response = world.call("POST", "/api/jobs/confirm", {"draftJobId": job_id}, user=user)

    assert (response.status, response.body["code"]) == (409, "JOB_NOT_DRAFT")


def test_a_queued_job_ends_at_once_and_all_its_credits_return(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    response = cancel(world, job_id, user)

    assert response.body["outcome"] == "canceled"
    assert response.body["receipt"]["refunded"] == response.body["receipt"]["reserved"] == 2
    assert a_balance(world, user) == (5, 0)
    world.drain()
    assert a_job(world, job_id, user)["tasks"] == []


def test_planned_tasks_that_have_not_started_are_canceled(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    plan_job(world.app, job_id)

    response = cancel(world, job_id, user)

    assert response.body["outcome"] == "canceled"
    assert set(statuses(a_job(world, job_id, user)).values()) == {"canceled"}
    world.drain()
    assert set(statuses(a_job(world, job_id, user)).values()) == {"canceled"}
    assert a_balance(world, user) == (5, 0)


def test_finished_outputs_are_kept_and_paid_for(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    plan_job(world.app, job_id)
    for key in ("kf_1", "clip_1", "kf_2", "clip_2"):
        task = claim_task(world.app, job_id=job_id, key=key, attempt=1)
        assert task is not None
        complete_task(world.app, task, [an_output(key)])

    response = cancel(world, job_id, user)

    # Two credits promise three clips and the film: half of them are two of four.
    assert response.body["receipt"]["used"] == 1
    assert response.body["receipt"]["refunded"] == 1
    assert a_balance(world, user) == (4, 0)
    job = a_job(world, job_id, user)
    assert job["status"] == "canceled"
    assert {output["key"] for output in job["outputs"]} == {"kf_1", "clip_1", "kf_2", "clip_2"}


def test_a_running_task_may_finish_and_then_the_job_ends(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    plan_job(world.app, job_id)
    task = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert task is not None

    requested = cancel(world, job_id, user)
    again = cancel(world, job_id, user)
    waiting = a_job(world, job_id, user)
    complete_task(world.app, task, [an_output("kf_1")])

    assert (requested.body["outcome"], again.body["outcome"]) == ("requested", "requested")
    assert requested.body["receipt"]["refunded"] == 0
    assert waiting["status"] == "canceling"
    assert waiting["pollAfterMs"] > 0
    job = a_job(world, job_id, user)
    assert job["status"] == "canceled"
    assert statuses(job)["kf_1"] == "succeeded"
    assert a_balance(world, user) == (5, 0)


def test_a_running_task_that_fails_is_not_retried(world: World, user: str) -> None:
    job_id = confirm(world, user, mode="quick").body["jobId"]
    plan_job(world.app, job_id)
    task = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert task is not None
    cancel(world, job_id, user)

    fail_task(
        world.app, task, Failure(code="PROVIDER_UNAVAILABLE", message="Busy."), transient=True
    )

    job = a_job(world, job_id, user)
    assert job["status"] == "canceled"
    assert set(statuses(job).values()) == {"canceled"}


def test_the_sweeper_ends_a_canceling_job_whose_worker_died(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]
    plan_job(world.app, job_id)
    claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    cancel(world, job_id, user)

    world.advance_time(seconds=LEASE_SECONDS + 1)

    assert a_job(world, job_id, user)["status"] == "canceled"
    assert a_balance(world, user) == (5, 0)


def test_canceling_an_ended_job_changes_nothing(world: World, user: str) -> None:
    job_id = a_story(world, user)

    response = cancel(world, job_id, user)

    assert response.body["outcome"] == "already_final"
    assert response.body["receipt"]["used"] == 2
    assert a_job(world, job_id, user)["status"] == "succeeded"


def test_with_a_key_the_first_response_is_repeated(world: World, user: str) -> None:
    job_id = confirm(world, user).body["jobId"]

    first = cancel(world, job_id, user, key="stop")
    second = cancel(world, job_id, user, key="stop")

    assert first.body == second.body
    assert second.headers["idempotent-replayed"] == "true"
