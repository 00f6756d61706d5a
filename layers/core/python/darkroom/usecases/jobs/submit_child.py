"""Submit a child: a job that is made from a finished one and inherits its other outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.credits import store as credits_store
from darkroom.db import snapshot
from darkroom.db.damage import DAMAGED_INPUTS
from darkroom.jobs import items as jobs_items
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import JobStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound
from darkroom.kernel.money import PricePart
from darkroom.kernel.object_keys import owner_tag
from darkroom.plans.store import AccountItem, read_plan
from darkroom.usecases.accounts.open_account import open_account
from darkroom.usecases.jobs.end_unreadable import UNREADABLE
from darkroom.usecases.jobs.submit_job import Submission, replay, submit, with_shortfall_event

BuildChild = Callable[[JobFamily, str], Job]
"""Makes a child from its parent and an id."""


def submit_child(
    app: App, command: Command, *, parent_job_id: str, build: BuildChild
) -> Submission:
    """Queue the child that ``build`` makes from the parent and an id, and record it in the parent.

    Raises:
        NotFound; RateLimited; PlanLimit; PaymentRequired; KeyReused; what ``build`` raises.
        Conflict: JOB_UNREADABLE; the parent is damaged. TOO_MANY_CHILDREN.
    """
    child_id = command.id_for(app.ids, "job")

    def attempt() -> Submission:
        parent = jobs_store.find_family(parent_job_id)
        if parent is None or parent.job.account_id != command.account_id:
            raise NotFound("no such job")
        wallet_item, existing, account = snapshot(
            [
                (credits_store.WalletItem, command.account_id, None),
                (jobs_items.JobItem, child_id, jobs_items.JOB_KEY),
                (AccountItem, command.account_id, None),
            ]
        )
        if existing is not None:
            return replay(child_id, command)
        if wallet_item is None:
            wallet = open_account(app, command.account_id)
        else:
            wallet = credits_store.to_wallet(wallet_item)
        child = replace(build_child(build, parent, child_id), created_by=command.operation)
        adopt = jobs_store.adopt_write(parent.job, child_id=child_id)
        return submit(
            app,
            command,
            draft=None,
            job=child,
            wallet=wallet,
            plan=read_plan(account),
            extra_writes=[adopt],
        )

    return with_shortfall_event(app, command.account_id, attempt)


def build_child(build: BuildChild, parent: JobFamily, child_id: str) -> Job:
    """The child that ``build`` makes, not stored.

    Raises:
        what ``build`` raises; Conflict: JOB_UNREADABLE, TOO_MANY_CHILDREN.
    """
    jobs_store.check_adoptable(parent.job)
    receipt = parent.job.receipt
    was_damaged = receipt is not None and receipt.reason == UNREADABLE.code
    try:
        return build(parent, child_id)
    except (InvalidInput, *DAMAGED_INPUTS) as error:
        if not (was_damaged or parent.unreadable):
            raise
        raise Conflict("what it was made from is lost", code="JOB_UNREADABLE") from error


def blank_child(
    app: App,
    parent: Job,
    *,
    child_id: str,
    only_keys: tuple[str, ...],
    price: tuple[PricePart, ...],
    without: frozenset[str],
) -> Job:
    """A child with the parent's inputs (but those of a single run), language and template."""
    now = app.clock.now()
    return Job(
        job_id=child_id,
        account_id=parent.account_id,
        recipe=parent.recipe,
        status=JobStatus.DRAFT,
        inputs={name: value for name, value in parent.inputs.items() if name not in without},
        created_at=now,
        updated_at=now,
        language=parent.language,
        source_name=parent.source_name,
        files=parent.files,
        cover_key=parent.cover_key,
        owner_tag=owner_tag(app.signing_secret.value, parent.account_id),
        device_id=parent.device_id,
        template_id=parent.template_id,
        combination=parent.combination,
        priority=parent.priority,
        price=price,
        parent_job_id=parent.job_id,
        only_keys=only_keys,
    )
