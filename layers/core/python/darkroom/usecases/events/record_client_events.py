"""Record what an account's client reports, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from darkroom.analytics.store import DayIsFull, client_events_write
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.events.store import Event, record_write
from darkroom.jobs.lists.store import find_jobs
from darkroom.jobs.model import Job
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.ids import is_id


@dataclass(frozen=True, kw_only=True)
class ClientEvent:
    """An event as the client sent it, checked against the table of names."""

    name: str
    props: Mapping[str, Any] = field(default_factory=dict)
    job_id: str | None = None
    occurred_at: str | None = None
    """The client's own time. It is shown, and nothing relies on it."""


def record_client_events(app: App, command: Command, sent: Sequence[ClientEvent]) -> int:
    """Record the events; returns how many were accepted.

    An event about a job that is not the account's, or no longer exists, is left out; and all are
    when the account has sent as many today as it may. With the same command, they are recorded
    once.
    """
    account_id, now = command.account_id, app.clock.now()
    jobs = _jobs_of(account_id, sent)
    accepted = [each for each in sent if each.job_id is None or each.job_id in jobs]
    if not accepted:
        return 0
    token = app.ids.token()
    events = []
    for number, each in enumerate(accepted):
        job = jobs.get(each.job_id or "")
        events.append(
            Event(
                event_id=f"{to_iso(now)}#{each.name}#{token}#{number}",
                name=each.name,
                entity_type="account" if job is None else "job",
                entity_id=account_id if job is None else job.job_id,
                account_id=account_id,
                job_id=job.job_id if job else None,
                created_at=now,
                props=_props(each, job),
            )
        )
    days = app.settings.event_retention_days
    try:
        commit(
            [
                client_events_write(
                    account_id, number=len(events), now=now, operation=command.operation
                ),
                *(record_write(event, retention_days=days) for event in events),
            ]
        )
    except DayIsFull:
        return 0
    except AlreadyHappened:
        pass  # An earlier request with this key recorded them, and its response was lost.
    return len(events)


def _jobs_of(account_id: str, sent: Sequence[ClientEvent]) -> dict[str, Job]:
    ids = {each.job_id for each in sent if each.job_id is not None and is_id(each.job_id, "job")}
    if not ids:
        return {}
    return {id: job for id, job in find_jobs(sorted(ids)).items() if job.account_id == account_id}


def _props(sent: ClientEvent, job: Job | None) -> dict[str, Any]:
    """The client's props, and what the server knows: so clicks count for the job's template."""
    props = dict(sent.props)
    if job is not None:
        props |= {"mode": job.recipe, "templateId": job.template_id}
    if sent.occurred_at is not None:
        props["occurredAt"] = sent.occurred_at
    return props
