"""How a job advances: plans, releases, skips, retries and ends; and illegal transitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from darkroom.jobs import engine
from darkroom.jobs.model import Failure, JobFamily, Progress, Source, Task
from darkroom.jobs.states import (
    FINAL_JOB,
    FINAL_TASK,
    JOB_TRANSITIONS,
    TASK_TRANSITIONS,
    IllegalTransition,
    JobStatus,
    TaskStatus,
    check_job,
    check_task,
)
from darkroom.kernel.limits import TASK_ATTEMPTS_LIMIT
from darkroom.kernel.money import PricePart
from tests.support.builders import a_queued_job, a_task, an_output, running
from tests.support.world import START

BROKEN = Failure(code="BROKEN", message="It broke.")
LATE = Failure(code="JOB_TIMEOUT", message="Too late.")
LATER = START + timedelta(minutes=5)
SCENES = (1, 2, 3)
CLIPS = tuple(f"clip_{number}" for number in SCENES)


def tasks_of_a_story() -> list[Task]:
    keyframes = [a_task(f"kf_{number}") for number in SCENES]
    clips = [a_task(f"clip_{number}", f"kf_{number}") for number in SCENES]
    film = a_task("film", *CLIPS)
    return [*keyframes, *clips, film]


def a_planned_story() -> JobFamily:
    job = a_queued_job(credits=4, promised=(*CLIPS, "film"))
    return engine.plan(job, tasks_of_a_story(), (), START)


def shown(family: JobFamily) -> dict[str, str]:
    return {task.key: task.status.value for task in family.tasks}


def keys(family: JobFamily, status: TaskStatus) -> set[str]:
    return {task.key for task in family.tasks if task.status is status}


def delivered(family: JobFamily, *wanted: str) -> JobFamily:
    for key in wanted:
        family = engine.succeed(running(family, key), key, [an_output(key)], LATER)
    return family


def failed(family: JobFamily, key: str) -> JobFamily:
    return engine.fail(running(family, key), key, BROKEN, LATER)


def need(family: JobFamily, key: str) -> Task:
    task = family.task(key)
    assert task is not None
    return task


# Planning and releasing


def test_a_plan_releases_tasks_without_dependencies() -> None:
    family = a_planned_story()

    assert keys(family, TaskStatus.READY) == {"kf_1", "kf_2", "kf_3"}
    assert keys(family, TaskStatus.BLOCKED) == {*CLIPS, "film"}
    assert family.job.status is JobStatus.QUEUED
    assert family.job.planned
    assert family.job.progress == Progress(total=7)


def test_ready_tasks_have_a_next_check_and_blocked_ones_have_none() -> None:
    family = a_planned_story()

    assert all(need(family, f"kf_{n}").next_check_at is not None for n in SCENES)
    assert all(need(family, key).next_check_at is None for key in (*CLIPS, "film"))
    assert family.job.next_check_at == START + timedelta(hours=1)


def test_a_plan_without_tasks_ends_the_job() -> None:
    family = engine.plan(a_queued_job(), [], (), START)

    assert family.job.status is JobStatus.FAILED
    assert family.job.receipt is not None
    assert family.job.receipt.refunded == 2


def test_a_dependent_is_released_only_when_all_it_needs_succeeded() -> None:
    family = delivered(a_planned_story(), "kf_1", "kf_2", "kf_3", "clip_1", "clip_3")

    assert need(family, "film").status is TaskStatus.BLOCKED
    family = delivered(family, "clip_2")
    assert need(family, "film").status is TaskStatus.READY


def test_the_outputs_a_task_needs_are_its_sources_in_its_order() -> None:
    keyframes = [f"kf_{number}" for number in SCENES]
    family = delivered(a_planned_story(), *keyframes, "clip_3", "clip_1", "clip_2")

    assert [source.key for source in need(family, "film").sources] == list(CLIPS)


def test_the_users_photos_come_before_outputs_of_other_tasks() -> None:
    photo = Source(key="photo_1", storage_key="clean/photo", mime_type="image/jpeg")
    clip = replace(a_task("clip_1", "kf_1"), sources=(photo,))
    family = engine.plan(a_queued_job(), [a_task("kf_1"), clip], (), START)

    released = need(delivered(family, "kf_1"), "clip_1")

    assert [source.key for source in released.sources] == ["photo_1", "kf_1"]


def test_the_first_output_of_a_task_is_the_source_of_its_dependents() -> None:
    family = running(a_planned_story(), "kf_1")
    outputs = [an_output("kf_1", 1, storage_key="first"), an_output("kf_1", 2, storage_key="b")]

    family = engine.succeed(family, "kf_1", outputs, LATER)

    assert [source.storage_key for source in need(family, "clip_1").sources] == ["first"]


def test_inherited_outputs_are_sources_of_a_childs_tasks() -> None:
    tasks = [a_task("kf_2"), a_task("clip_2", "kf_2"), a_task("film", *CLIPS)]
    inherited = [an_output("clip_1", 1, storage_key="old_1"), an_output("clip_3", 3)]
    family = engine.plan(a_queued_job(promised=("clip_2", "film")), tasks, inherited, START)

    family = delivered(family, "kf_2", "clip_2")

    film = need(family, "film")
    assert film.status is TaskStatus.READY
    assert [source.key for source in film.sources] == list(CLIPS)
    assert film.sources[0].storage_key == "old_1"


# Failing and skipping


def test_dependents_of_a_failed_task_are_skipped_down_to_the_film() -> None:
    family = failed(a_planned_story(), "kf_2")

    assert shown(family) == {
        "kf_1": "ready",
        "kf_2": "failed",
        "kf_3": "ready",
        "clip_1": "blocked",
        "clip_2": "skipped",
        "clip_3": "blocked",
        "film": "skipped",
    }
    assert need(family, "film").failure == engine.SKIPPED


def test_a_task_with_an_unknown_dependency_is_skipped_at_once() -> None:
    family = engine.plan(a_queued_job(), [a_task("clip_1", "kf_9")], (), START)

    assert shown(family) == {"clip_1": "skipped"}
    assert family.job.status is JobStatus.FAILED


def test_a_job_whose_tasks_all_succeed_is_succeeded_and_uses_all_credits() -> None:
    keyframes = [f"kf_{number}" for number in SCENES]

    job = delivered(a_planned_story(), *keyframes, *CLIPS, "film").job

    assert job.status is JobStatus.SUCCEEDED
    assert job.receipt is not None
    assert (job.receipt.used, job.receipt.refunded, job.receipt.reason) == (4, 0, None)
    assert job.progress == Progress(completed=7, failed=0, total=7)
    assert (job.finished_at, job.progress.percent) == (LATER, 100)


def test_a_job_with_some_promised_outputs_is_partial_and_uses_their_credits() -> None:
    family = failed(a_planned_story(), "kf_2")

    job = delivered(family, "kf_1", "kf_3", "clip_1", "clip_3").job

    assert job.status is JobStatus.PARTIAL
    assert job.receipt is not None
    assert (job.receipt.used, job.receipt.refunded) == (2, 2)
    assert job.receipt.reason == "BROKEN"
    assert job.progress == Progress(completed=4, failed=3, total=7)


def test_a_job_without_a_promised_output_is_failed_though_keyframes_exist() -> None:
    family = delivered(a_planned_story(), "kf_1", "kf_2", "kf_3")
    for key in CLIPS:
        family = failed(family, key)

    assert family.job.status is JobStatus.FAILED
    assert family.job.receipt is not None
    assert (family.job.receipt.used, family.job.receipt.refunded) == (0, 4)


def test_parts_of_a_receipt_add_up() -> None:
    price = (
        PricePart(name="base", credits=2, promised=(*CLIPS, "film")),
        PricePart(name="rewrite", credits=1, promised=("clip_3",)),
    )
    family = engine.plan(a_queued_job(price=price), tasks_of_a_story(), (), START)
    family = failed(family, "kf_1")

    receipt = delivered(family, "kf_2", "kf_3", "clip_2", "clip_3").job.receipt

    assert receipt is not None
    assert receipt.parts == (1, 1)
    assert (receipt.used, receipt.refunded) == (2, 1)


def test_each_part_of_a_canceled_job_with_an_output_costs_at_least_a_credit() -> None:
    price = (
        PricePart(name="base", credits=2, promised=(*CLIPS, "film")),
        PricePart(name="rewrite", credits=1, promised=("clip_3",)),
        PricePart(name="free", credits=0, promised=("clip_1",)),
    )
    family = engine.plan(a_queued_job(price=price), tasks_of_a_story(), (), START)

    receipt = engine.cancel(delivered(family, "kf_1", "clip_1"), LATER).job.receipt

    assert receipt is not None
    assert receipt.parts == (1, 0, 0)
    assert (receipt.used, receipt.refunded) == (1, 2)


def test_outputs_delivered_after_a_cancel_count() -> None:
    job = a_queued_job(credits=2, promised=(*CLIPS, "film"))
    family = engine.plan(job, tasks_of_a_story(), (), START)
    family = running(delivered(family, "kf_1"), "clip_1")

    stopping = engine.cancel(family, LATER)
    ended = engine.succeed(stopping, "clip_1", [an_output("clip_1")], LATER)

    assert stopping.job.receipt is None
    assert ended.job.receipt is not None
    assert (ended.job.receipt.used, ended.job.receipt.refunded) == (1, 1)


def test_a_job_that_runs_out_of_time_costs_no_minimum() -> None:
    job = a_queued_job(credits=2, promised=(*CLIPS, "film"))
    family = engine.plan(job, tasks_of_a_story(), (), START)

    receipt = engine.abandon(delivered(family, "kf_1", "clip_1"), LATE, LATER).job.receipt

    assert receipt is not None
    assert (receipt.used, receipt.refunded) == (0, 2)


def test_progress_counts_succeeded_and_failed_tasks() -> None:
    family = failed(delivered(a_planned_story(), "kf_1"), "kf_2")

    assert family.job.progress == Progress(completed=1, failed=3, total=7)
    assert family.job.progress.percent == 57


# Starting, retrying, giving up


def test_a_job_is_running_from_the_claim_of_its_first_task() -> None:
    waiting = a_planned_story()

    begun = engine.begin(running(waiting, "kf_2"), LATER)

    assert engine.begin(waiting, LATER) == waiting
    assert (begun.job.status, begun.job.started_at) == (JobStatus.RUNNING, START)
    assert engine.begin(begun, LATER) == begun


def test_a_job_whose_first_task_ends_has_started() -> None:
    family = delivered(a_planned_story(), "kf_1")

    assert (family.job.status, family.job.started_at) == (JobStatus.RUNNING, START)


def test_a_retried_task_waits_for_its_delay_and_keeps_its_count() -> None:
    family = running(a_planned_story(), "kf_1", attempt=2)

    task = need(engine.retry(family, "kf_1", failure=BROKEN, delay_seconds=4.0, now=LATER), "kf_1")

    assert (task.status, task.attempts, task.failure) == (TaskStatus.READY, 2, BROKEN)
    assert task.not_before == LATER + timedelta(seconds=4)
    assert (task.claim, task.lease_until) == (None, None)
    assert task.next_check_at is not None
    assert task.next_check_at > task.not_before


def test_a_retry_without_delay_may_start_at_once() -> None:
    family = engine.retry(
        running(a_planned_story(), "kf_1"), "kf_1", failure=BROKEN, delay_seconds=0, now=LATER
    )

    assert need(family, "kf_1").not_before is None


def test_the_task_fails_with_its_last_attempt() -> None:
    family = running(a_planned_story(), "kf_1", attempt=TASK_ATTEMPTS_LIMIT)

    family = engine.retry(family, "kf_1", failure=BROKEN, delay_seconds=4.0, now=LATER)

    assert need(family, "kf_1").status is TaskStatus.FAILED
    assert need(family, "clip_1").status is TaskStatus.SKIPPED


def test_a_success_after_a_retry_clears_the_failure() -> None:
    family = engine.retry(
        running(a_planned_story(), "kf_1"), "kf_1", failure=BROKEN, delay_seconds=0, now=LATER
    )

    task = need(delivered(family, "kf_1"), "kf_1")

    assert task.failure is None
    assert (task.lease_until, task.next_check_at, task.not_before) == (None, None, None)


def test_giving_up_ends_every_open_task_and_keeps_finished_outputs() -> None:
    family = delivered(a_planned_story(), "kf_1", "clip_1")
    family = running(family, "kf_2")

    family = engine.abandon(family, LATE, LATER)

    assert shown(family) == {
        "kf_1": "succeeded",
        "kf_2": "failed",
        "kf_3": "failed",
        "clip_1": "succeeded",
        "clip_2": "skipped",
        "clip_3": "skipped",
        "film": "skipped",
    }
    assert family.job.status is JobStatus.PARTIAL
    assert family.job.receipt is not None
    assert (family.job.receipt.used, family.job.receipt.reason) == (1, "JOB_TIMEOUT")
    assert all(task.next_check_at is None for task in family.tasks)


def test_a_job_that_was_never_planned_can_be_given_up() -> None:
    family = engine.abandon(JobFamily(job=a_queued_job()), LATE, LATER)

    assert family.job.status is JobStatus.FAILED
    assert family.job.receipt is not None
    assert (family.job.receipt.refunded, family.job.receipt.reason) == (2, "JOB_TIMEOUT")


# Illegal transitions


def test_a_task_that_is_not_running_cannot_deliver() -> None:
    family = a_planned_story()

    for key in ("kf_1", "clip_1"):
        with pytest.raises(IllegalTransition):
            engine.succeed(family, key, [an_output(key)], LATER)
    with pytest.raises(IllegalTransition):
        engine.retry(family, "kf_1", failure=BROKEN, delay_seconds=0, now=LATER)
    with pytest.raises(KeyError):
        engine.fail(family, "kf_9", BROKEN, LATER)


def test_a_final_task_never_changes() -> None:
    for family in (delivered(a_planned_story(), "kf_1"), failed(a_planned_story(), "kf_1")):
        with pytest.raises(IllegalTransition):
            engine.succeed(family, "kf_1", [an_output("kf_1")], LATER)
        with pytest.raises(IllegalTransition):
            engine.fail(family, "kf_1", BROKEN, LATER)


def test_a_final_job_is_never_given_up() -> None:
    ended = engine.abandon(a_planned_story(), LATE, LATER)

    with pytest.raises(IllegalTransition):
        engine.abandon(ended, LATE, LATER)


def test_final_states_have_no_transitions_and_every_state_leads_to_one() -> None:
    assert set(JOB_TRANSITIONS) == set(JobStatus)
    assert set(TASK_TRANSITIONS) == set(TaskStatus)
    for table, final in ((JOB_TRANSITIONS, FINAL_JOB), (TASK_TRANSITIONS, FINAL_TASK)):
        for state, following in table.items():
            assert (not following) == (state in final)
            assert reachable(table, state) & set(final)


def reachable(table: object, state: object) -> set[object]:
    assert isinstance(table, dict)
    found, waiting = {state}, [state]
    while waiting:
        for following in table[waiting.pop()] - found:
            found.add(following)
            waiting.append(following)
    return found


def not_allowed() -> Iterator[tuple[JobStatus, JobStatus]]:
    for before in JobStatus:
        for after in JobStatus:
            if after not in JOB_TRANSITIONS[before]:
                yield before, after


def test_every_transition_is_checked() -> None:
    for before, after in not_allowed():
        with pytest.raises(IllegalTransition):
            check_job(before, after)
    for old in TaskStatus:
        for new in TaskStatus:
            if new in TASK_TRANSITIONS[old]:
                assert check_task(old, new) is new
            else:
                with pytest.raises(IllegalTransition):
                    check_task(old, new)


def test_a_draft_is_only_queued_or_canceled_and_nothing_becomes_a_draft_again() -> None:
    assert JOB_TRANSITIONS[JobStatus.DRAFT] == {JobStatus.QUEUED, JobStatus.CANCELED}
    assert not any(JobStatus.DRAFT in following for following in JOB_TRANSITIONS.values())
    assert not any(JobStatus.QUEUED in JOB_TRANSITIONS[state] for state in FINAL_JOB)
