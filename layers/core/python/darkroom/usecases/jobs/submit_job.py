"""Submit a job: hold its price and queue it. Every job starts here.

Wallet, ledger entry and job change in one transaction, with a new template assignment if there
was none. Planning, queue messages and events are projections of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing
from darkroom.credits import store as credits_store
from darkroom.credits.model import Wallet
from darkroom.db import Write, commit
from darkroom.db.retry import retry_on_conflict
from darkroom.events.store import Event, record_write
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus, check_job
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, KeyReused, NotFound, PaymentRequired
from darkroom.kernel.limits import PLAN_CHECK_SECONDS
from darkroom.limits.model import Reserved, month_of
from darkroom.limits.store import check
from darkroom.recipes.base import Material
from darkroom.recipes.portraits import PORTRAITS
from darkroom.usecases.credits.expire_grants import expire_due_first
from darkroom.usecases.jobs.estimate_cost import estimate_cost
from darkroom.usecases.limits.limit_jobs import job_changes
from darkroom.usecases.limits.limit_requests import count_submission, submission_changes


@dataclass(frozen=True, kw_only=True)
class Submission:
    """The result of a submission: the same for the first request and for every repeat."""

    job: Job
    balance: int


def submit(
    app: App,
    command: Command,
    *,
    draft: Job | None,
    job: Job,
    wallet: Wallet,
    plan: str,
    materials: Sequence[Material] | None = None,
    extra_writes: Sequence[Write] = (),
) -> Submission:
    """Queue ``job`` (from ``draft``, or new), count it and hold its price, or change nothing.

    ``extra_writes`` goes into the same transaction. ``materials`` are the job's files, if known.

    Raises, the first that applies:
        Conflict: JOB_NOT_DRAFT.
        KeyReused: the job's id was derived from another request.
        RateLimited: too many requests have queued jobs.
        PlanLimit: the plan allows no more such jobs, or no more cost.
        PaymentRequired: with needed, balance, shortfall and suggestions.
        ConcurrentUpdate: the wallet or the draft has changed; read again.
    """
    now, operation = app.clock.now(), command.operation
    reserved = Reserved(
        month=month_of(now), nanos=estimate_cost(app, job, plan=plan, materials=materials)
    )
    queued = replace(
        job,
        status=check_job(JobStatus.DRAFT, JobStatus.QUEUED),
        queued_at=now,
        updated_at=now,
        # The stream plans the job at once; if that fails, the sweeper finds the job by this.
        next_check_at=now + timedelta(seconds=PLAN_CHECK_SECONDS),
        operation=operation,
        counted=reserved.to_text(),
    )
    changes = [
        *submission_changes(
            app, job.account_id, command.submissions, has_portraits=job.recipe == PORTRAITS.name
        ),
        *job_changes(queued, plan=plan, draft=draft, reserved=reserved, now=now),
    ]
    money: list[Write] = []
    balance = model.spendable(wallet, now).balance
    if queued.reserved:
        wallet = expire_due_first(app, wallet, now=now)
        try:
            change, hold = _reserve(wallet, queued, now)
        except PaymentRequired:
            # The limits come before the balance.
            check(changes)
            raise
        queued = replace(queued, hold=credits_store.hold_to_json(hold))
        money = credits_store.change_writes(change, before=wallet, operation=operation)
        balance = change.wallet.balance
    else:
        queued = replace(queued, balance_then=balance)
    if draft is None:
        writes = jobs_store.create_writes(queued, operation=operation)
    else:
        writes = jobs_store.replace_draft_writes(draft, queued, operation=operation)
    # The order is that of their refusals: what is wrong with the request, rates, plan, balance.
    commit([*writes, *extra_writes, *(change.to_write() for change in changes), *money])
    count_submission(command.submissions)
    return Submission(job=queued, balance=balance)


def replay(job_id: str, command: Command) -> Submission:
    """The result that this request returned the first time, from the stored items.

    Raises:
        NotFound: the job is another account's.
        KeyReused: the job was made by another request.
    """
    job = jobs_store.find_job(job_id)
    if job is None or job.account_id != command.account_id:
        raise NotFound("no such job")
    if job.operation != command.operation:
        raise KeyReused("the key was used for another request")
    entry = credits_store.find_entry(job.account_id, f"deduct#{job.job_id}")
    if entry is not None:
        return Submission(job=job, balance=entry.balance_after)
    return Submission(job=job, balance=job.balance_then or 0)


def _reserve(wallet: Wallet, job: Job, now: datetime) -> tuple[model.Change, model.Hold]:
    try:
        return model.reserve(wallet, job.reserved, job_id=job.job_id, now=now)
    except PaymentRequired as error:
        shortfall = error.facts["shortfall"]
        error.facts["suggestions"] = pricing.suggest(shortfall, pricing.packs())
        raise


def with_shortfall_event(
    app: App, account_id: str, attempt: Callable[[], Submission]
) -> Submission:
    """Submit, with retries on conflict; record the event when the credits do not suffice."""
    try:
        return retry_on_conflict(app.jitter, attempt)
    except PaymentRequired as error:
        record_shortfall(app, account_id, error)
        raise


def record_shortfall(app: App, account_id: str, error: PaymentRequired) -> None:
    """Write ``credit_insufficient`` directly: a refusal changes no item that it derives from."""
    now = app.clock.now()
    event = Event(
        event_id=f"{to_iso(now)}#credit_insufficient#{app.ids.token()}",
        name="credit_insufficient",
        entity_type="account",
        entity_id=account_id,
        account_id=account_id,
        created_at=now,
        props={"needed": error.facts["needed"], "balance": error.facts["balance"]},
    )
    try:
        commit([record_write(event, retention_days=app.settings.event_retention_days)])
    except Conflict:
        return
