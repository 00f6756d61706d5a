"""Leases that are renewed while an attempt is worked on, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from darkroom.generation.ports import GenerationRequest
from darkroom.jobs.model import Failure, Task
from darkroom.jobs.task_store import find_task
from darkroom.kernel.errors import Unavailable
from darkroom.kernel.limits import LEASE_SECONDS
from darkroom.usecases.tasks import renew_lease as module
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.finish_task import fail_task
from darkroom.usecases.tasks.renew_lease import lease_renewed, renew_lease
from darkroom.workers.tasks import handle_task_message
from tests.support.builders import a_job, a_task_message, confirm
from tests.support.world import World

PATIENCE_SECONDS = 20


def a_claimed_task(world: World) -> Task:
    job_id = confirm(world, mode="quick").body["jobId"]
    while world.pump_stream():
        pass
    task = claim_task(world.app, job_id=job_id, key="kf_1", attempt=1)
    assert task is not None
    return task


def lease_of(task: Task) -> float:
    """Seconds since the task was claimed at which its lease now ends."""
    stored = find_task(task.job_id, task.key)
    assert stored is not None and stored.lease_until is not None and task.lease_until is not None
    return (stored.lease_until - task.lease_until).total_seconds() + LEASE_SECONDS


def wait_for(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < ends_at, "timed out"
        time.sleep(0.01)


def test_a_renewed_lease_ends_five_minutes_from_now_and_is_swept_then(world: World) -> None:
    task = a_claimed_task(world)
    world.clock.move(seconds=200)

    assert renew_lease(world.app, task)

    assert lease_of(task) == 200 + LEASE_SECONDS
    world.clock.move(seconds=LEASE_SECONDS - 1)
    assert world.sweep().get("lease_lost", 0) == 0
    world.clock.move(seconds=2)
    assert world.sweep()["lease_lost"] == 1


def test_a_lost_lease_is_not_renewed(world: World) -> None:
    task = a_claimed_task(world)
    world.clock.move(seconds=LEASE_SECONDS + 1)
    world.sweep()

    lost = renew_lease(world.app, task)
    world.pump_stream()
    other = claim_task(world.app, job_id=task.job_id, key="kf_1", attempt=2)

    assert (lost, renew_lease(world.app, task)) == (False, False)
    assert other is not None and lease_of(other) == LEASE_SECONDS


def test_a_finished_attempt_renews_no_lease(world: World) -> None:
    task = a_claimed_task(world)
    fail_task(world.app, task, Failure(code="INTERNAL", message="x"), transient=False)

    assert not renew_lease(world.app, task)


def test_a_renewal_is_repeated_after_a_database_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = a_claimed_task(world)

    def busy(write: object) -> None:
        raise Unavailable("busy")

    monkeypatch.setattr(module, "commit_one", busy)

    assert renew_lease(world.app, task)


def test_while_an_attempt_runs_its_lease_follows_the_clock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that takes ten minutes keeps its task: no other attempt starts."""
    monkeypatch.setattr(module, "LEASE_RENEW_SECONDS", 0.02)
    job_id = confirm(world, mode="quick").body["jobId"]
    while world.pump_stream():
        pass
    swept = []

    def slow(request: GenerationRequest) -> None:
        claimed = find_task(job_id, "kf_1")
        assert claimed is not None
        for _ in range(3):
            before = lease_of(claimed)
            world.clock.move(seconds=200)
            wait_for(lambda before=before: lease_of(claimed) > before)  # type: ignore[misc]
            swept.append(world.sweep().get("lease_lost", 0))

    world.studio.refuse = slow
    outcome = handle_task_message(world.app, a_task_message(job_id, "kf_1"))

    assert (outcome, swept) == ("succeeded", [0, 0, 0])
    assert a_job(world, job_id)["tasks"][0]["attempts"] == 1


def test_renewals_stop_with_the_attempt_with_its_lease_and_after_fifteen_minutes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = a_claimed_task(world)
    renewed: list[float] = []
    responses = {"is_ours": True}

    def renew(app: object, of: Task) -> bool:
        renewed.append(time.monotonic())
        return responses["is_ours"]

    monkeypatch.setattr(module, "renew_lease", renew)
    monkeypatch.setattr(module, "LEASE_RENEW_SECONDS", 0.01)
    with lease_renewed(world.app, task):
        wait_for(lambda: len(renewed) > 2)
    count = len(renewed)
    responses["is_ours"] = False
    with lease_renewed(world.app, task):
        wait_for(lambda: len(renewed) > count)
        wait_for(lambda: not alive())
    monkeypatch.setattr(module, "ATTEMPT_LIMIT_SECONDS", 0.03)
    responses["is_ours"] = True
    with lease_renewed(world.app, task):
        wait_for(lambda: not alive())

    assert len(renewed) == count + 1 + 3


def alive() -> bool:
    return any(thread.name == "lease-kf_1" for thread in threading.enumerate())


def test_a_renewal_does_not_conflict_with_its_own_attempt(world: World) -> None:
    task = a_claimed_task(world)
    world.clock.move(seconds=100)
    renew_lease(world.app, task)

    fail_task(world.app, task, Failure(code="INTERNAL", message="x"), transient=False)

    assert a_job(world, task.job_id)["status"] == "failed"
