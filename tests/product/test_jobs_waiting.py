"""How a job with a waiting task advances: pure rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from darkroom.jobs import engine
from darkroom.jobs.items import TaskItem
from darkroom.jobs.model import Failure, JobFamily, ProviderRun, Task
from darkroom.jobs.reading import task_from_item
from darkroom.jobs.states import IllegalTransition, JobStatus, TaskStatus
from darkroom.jobs.writing import task_to_item
from darkroom.kernel.limits import DISPATCH_CHECK_SECONDS, POLL_LIMIT_SECONDS, WAITING_LIMIT_SECONDS
from tests.support.builders import a_queued_job, a_task, an_output, running
from tests.support.world import START

BROKEN = Failure(code="BROKEN", message="It broke.")
LATER = START + timedelta(minutes=1)


def a_running_family() -> JobFamily:
    tasks = [a_task("kf_1"), a_task("clip_1", "kf_1", number=2)]
    return running(engine.plan(a_queued_job(), tasks, (), START), "kf_1")


def a_waiting_family(ref: str | None = "run") -> JobFamily:
    return engine.wait(a_running_family(), "kf_1", ref=ref, now=START)


def kf(family: JobFamily) -> Task:
    task = family.task("kf_1")
    assert task is not None
    return task


def run_of(family: JobFamily) -> ProviderRun:
    run = kf(family).run
    assert run is not None
    return run


def test_a_waiting_task_has_no_lease_but_a_next_poll_and_a_deadline() -> None:
    family = a_waiting_family()
    task = kf(family)

    assert (task.status, task.claim, task.lease_until) == (TaskStatus.WAITING, None, None)
    assert run_of(family).until == START + timedelta(seconds=WAITING_LIMIT_SECONDS)
    assert task.not_before == START + timedelta(seconds=10)
    assert task.next_check_at == task.not_before + timedelta(seconds=DISPATCH_CHECK_SECONDS)
    assert family.job.status is JobStatus.RUNNING


def test_only_a_running_task_can_start_to_wait() -> None:
    with pytest.raises(IllegalTransition):
        engine.wait(a_waiting_family(), "kf_1", ref="again", now=START)


def test_polls_become_less_frequent_and_stop_at_the_deadline() -> None:
    assert [engine.poll_seconds(poll) for poll in range(1, 8)] == [10, 20, 40, 80, 120, 120, 120]
    family, now, polls = a_waiting_family(), START, 0
    while (moment := kf(family).not_before) != run_of(family).until:
        assert moment is not None and moment > now
        now, polls = moment, polls + 1
        seen = run_of(family).poll
        family = engine.poll_again(family, "kf_1", seen=seen, ref=None, now=now)

    assert polls < 30
    assert polls >= WAITING_LIMIT_SECONDS / POLL_LIMIT_SECONDS


def test_a_poll_stores_the_run_it_found_and_never_clears_it() -> None:
    found = engine.poll_again(a_waiting_family(None), "kf_1", seen=1, ref="run", now=LATER)
    kept = engine.poll_again(found, "kf_1", seen=2, ref=None, now=LATER)

    assert (run_of(found).ref, run_of(kept).ref) == ("run", "run")
    assert (run_of(found).poll, run_of(kept).poll) == (2, 3)


def test_a_callback_makes_the_next_poll_due_once() -> None:
    after = engine.callback_received(a_waiting_family(None), "kf_1", ref="run", now=LATER)

    assert (run_of(after).ref, run_of(after).poll, kf(after).not_before) == ("run", 2, LATER)
    assert engine.callback_received(after, "kf_1", ref="other", now=LATER) == after


def test_a_callback_does_not_take_the_task_from_the_worker_that_polls() -> None:
    lease_until = START + timedelta(minutes=5)
    family = a_waiting_family()
    held = replace(kf(family), claim="worker", lease_until=lease_until)
    family = replace(family, tasks=(held, *family.tasks[1:]))

    after = engine.callback_received(family, "kf_1", ref="run", now=LATER)
    again = engine.poll_again(after, "kf_1", seen=1, ref="run", now=LATER)

    assert (kf(after).claim, kf(after).lease_until) == ("worker", lease_until)
    assert kf(again).claim is None
    assert kf(again).not_before == LATER, "a callback during the poll makes the next poll due"


def test_a_callback_for_a_running_task_counts_as_its_acceptance() -> None:
    after = engine.callback_received(a_running_family(), "kf_1", ref="run", now=LATER)

    assert (kf(after).status, run_of(after).ref) == (TaskStatus.WAITING, "run")
    assert kf(after).not_before == LATER


@pytest.mark.parametrize("status", [TaskStatus.READY, TaskStatus.SUCCEEDED, TaskStatus.CANCELED])
def test_a_callback_for_any_other_task_changes_nothing(status: TaskStatus) -> None:
    family = a_running_family()
    family = replace(family, tasks=(replace(kf(family), status=status), *family.tasks[1:]))

    assert engine.callback_received(family, "kf_1", ref="run", now=LATER) == family


def test_a_waiting_task_that_delivers_releases_its_dependents() -> None:
    done = engine.succeed(a_waiting_family(), "kf_1", [an_output("kf_1")], LATER)

    assert (kf(done).status, kf(done).run) == (TaskStatus.SUCCEEDED, None)
    clip = done.task("clip_1")
    assert clip is not None and clip.status is TaskStatus.READY


def test_another_attempt_has_no_run_of_the_previous_one() -> None:
    again = engine.retry(a_waiting_family(), "kf_1", failure=BROKEN, delay_seconds=0, now=LATER)

    assert (kf(again).status, kf(again).run) == (TaskStatus.READY, None)


def test_a_canceled_job_does_not_wait_and_stores_the_run_to_stop() -> None:
    canceled = engine.cancel(a_waiting_family(), LATER)

    assert (canceled.job.status, kf(canceled).status) == (JobStatus.CANCELED, TaskStatus.CANCELED)
    assert run_of(canceled).ref == "run"
    assert kf(canceled).next_check_at is None
    assert canceled.job.receipt is not None and canceled.job.receipt.used == 0


def test_a_run_submitted_for_a_canceled_job_is_canceled_with_it() -> None:
    canceling = engine.cancel(a_running_family(), LATER)

    ended = engine.wait(canceling, "kf_1", ref="run", now=LATER)

    assert canceling.job.status is JobStatus.CANCELING
    assert (ended.job.status, run_of(ended).ref) == (JobStatus.CANCELED, "run")


def test_a_job_at_its_deadline_ends_waiting_tasks_and_stores_the_runs_to_stop() -> None:
    ended = engine.abandon(a_waiting_family(), BROKEN, LATER)

    assert (kf(ended).status, run_of(ended).ref) == (TaskStatus.FAILED, "run")


def test_a_stored_waiting_task_is_read_back_unchanged() -> None:
    for family in (a_waiting_family(), a_waiting_family(None), engine.callback_received(
        a_waiting_family(), "kf_1", ref="run", now=LATER
    )):  # fmt: skip
        item = task_to_item(kf(family), "op")
        raw = TaskItem.from_raw_data(item.serialize())

        assert replace(task_from_item(raw), is_sent=False) == kf(family)


def test_an_item_of_an_earlier_version_has_no_run() -> None:
    raw = task_to_item(kf(a_running_family()), "op").serialize()

    assert not {"run", "look"} & raw.keys()
    assert task_from_item(TaskItem.from_raw_data(raw)).run is None
