"""Project a job: write its events, its template assignment and its list entries.

All of it derives from the job's current state, and every write succeeds only as the first of its
key. So a record may be delivered twice, late or out of order, and the sweeper can derive all of it
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from darkroom.analytics.model import split_credits
from darkroom.bootstrap.composition import App
from darkroom.db import Write, commit
from darkroom.events.store import Event, record_write
from darkroom.generation.routing.store import WAITING, list_costs
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict
from darkroom.kernel.limits import PROJECTION_CHECK_SECONDS
from darkroom.templates.store import account_subject, assign_write, device_subject
from darkroom.usecases.limits.settle_cost import settle_cost
from darkroom.usecases.projections.index_job import index_again
from darkroom.usecases.projections.project_usage import project_usage

_UNKNOWN: Mapping[str, int] = {}


def project_job(app: App, job: Job, *, before: Job | None = None) -> int:
    """Write what ``job`` implies and ``before`` did not; returns how many events were new."""
    writes = [
        record_write(event, retention_days=app.settings.event_retention_days)
        for event in _new_events(app, job, before)
    ]
    if before is None or before.status is JobStatus.DRAFT:
        writes += _assignments(job)
    facts = sum(_once(write) for write in writes)
    index_again(job, before=before)
    if before is None or not before.is_final:
        _count(app, job)
    return facts


def _new_events(app: App, job: Job, before: Job | None) -> Iterator[Event]:
    known = {event.event_id for event in job_events(before)} if before else set()
    has_ended = job.is_final and job.queued_at is not None and not (before and before.is_final)
    # The tasks of an ended job have ended too, so this is the same whenever it is derived.
    by_provider = _credits_by_provider(job) if has_ended else {}
    for event in job_events(job, by_provider=by_provider):
        if event.event_id not in known:
            yield event
    if has_ended:
        yield from _cost_events(app, job)


def _count(app: App, job: Job) -> None:
    """Last, and each by itself: a damaged counter must not keep others from being written."""
    try:
        if job.is_final:
            settle_cost(app, job)
    finally:
        project_usage(app, job)


def _credits_by_provider(job: Job) -> dict[str, int]:
    """The credits that the job used, divided among the providers of what it made."""
    family = jobs_store.find_family(job.job_id)
    if family is None or job.receipt is None:
        return {}
    made = Counter(task.provider for task in family.tasks if task.status is TaskStatus.SUCCEEDED)
    del made[""]
    return split_credits(job.receipt.used, made)


def _cost_events(app: App, job: Job) -> Iterator[Event]:
    """What each attempt of an ended job cost us.

    A run that was canceled may still report its cost; after a while, what is known is final.
    """
    assert job.finished_at is not None
    settled_at = job.finished_at + timedelta(seconds=PROJECTION_CHECK_SECONDS)
    is_settled = app.clock.now() >= settled_at
    for cost in list_costs(job.job_id):
        is_in_dollars = cost.cost_nanos is not None and cost.currency == "USD"
        if not is_in_dollars or (cost.outcome == WAITING and not is_settled):
            continue
        props = {
            **_template(job),
            "provider": cost.provider,
            "model": cost.model,
            "taskKey": cost.task_key,
            "outcome": cost.outcome,
            "costNanos": int(cost.cost_nanos),
        }
        event = _event(job, "PROVIDER_COST", job.finished_at, props, mark=f"#{cost.call}")
        # What providers charge is for operators alone: the account's own events are without it.
        yield replace(event, account_id=None)


def _template(job: Job) -> dict[str, Any]:
    return {"mode": job.recipe, "templateId": job.template_id}


def job_events(job: Job, *, by_provider: Mapping[str, int] = _UNKNOWN) -> Iterator[Event]:
    """Every event that the job's state implies, oldest first; ``by_provider`` are the credits that
    it used."""
    if job.queued_at is not None:
        confirmed = {
            **_template(job),
            "stage": job.inputs.get("stage"),
            "genre": job.inputs.get("genre"),
            "rewriteEnabled": bool(job.inputs.get("rewriteEnabled")),
        }
        if job.regen_target is not None:
            regen = {
                "target": job.regen_target,
                "clipNo": job.regen_clip_no,
                "parentJobId": job.parent_job_id,
                **_template(job),
            }
            yield _event(job, "regen_requested", job.queued_at, regen)
        elif job.parent_job_id is not None:
            yield _event(job, "JOB_RETRIED", job.queued_at, {"parentJobId": job.parent_job_id})
        else:
            yield _event(job, "job_confirmed", job.queued_at, confirmed)
        yield _event(job, "JOB_QUEUED", job.queued_at, {})
    if job.started_at is not None:
        yield _event(job, "JOB_RUNNING", job.started_at, {})
    if job.finished_at is not None:
        yield from _endings(job, job.finished_at, by_provider)


def _endings(job: Job, finished_at: datetime, by_provider: Mapping[str, int]) -> Iterator[Event]:
    yield _event(job, f"JOB_{job.status.upper()}", finished_at, {})
    started = job.queued_at or finished_at
    done = {
        **_template(job),
        "latencySec": round((finished_at - started).total_seconds(), 3),
        "status": job.status.value,
    }
    if job.parent_job_id is not None:
        done["parentJobId"] = job.parent_job_id
    if job.queued_at is not None and job.receipt is not None:
        done["creditsUsed"] = job.receipt.used
        done["creditsByProvider"] = dict(by_provider)
    yield _event(job, "job_done", finished_at, done)
    if job.receipt is not None and job.receipt.reason is not None:
        yield _event(job, "JOB_FAILED_REASON", finished_at, {"errorCode": job.receipt.reason})


def _event(job: Job, name: str, at: datetime, props: dict[str, Any], *, mark: str = "") -> Event:
    return Event(
        event_id=f"{to_iso(at)}#{name}{mark}",
        name=name,
        entity_type="job",
        entity_id=job.job_id,
        account_id=job.account_id,
        job_id=job.job_id,
        created_at=at,
        props=props,
    )


def _assignments(job: Job) -> list[Write]:
    """A device also keeps the first variant of a combination, for an account that signs up later.

    The account's own assignment is written with the job. In the previous version, whose jobs have
    no owner tag, it was written here.
    """
    template_id, combination = job.template_id, job.combination
    if template_id is None or combination is None or job.queued_at is None:
        return []
    if job.parent_job_id is not None:
        return []
    subjects = [device_subject(job.device_id)] if job.device_id else []
    if job.owner_tag is None:
        subjects.append(account_subject(job.account_id))
    at, operation = to_iso(job.queued_at), f"projected#{job.job_id}"
    return [
        assign_write(
            subject, combination, template_id=template_id, assigned_at=at, operation=operation
        )
        for subject in subjects
    ]


def _once(write: Write) -> bool:
    try:
        commit([write])
    except Conflict:
        return False
    return True
