"""Regenerate: a child job makes one thing again, inherits the rest, and re-cuts the film."""

from __future__ import annotations

from dataclasses import replace

from darkroom.bootstrap import App
from darkroom.credits import pricing
from darkroom.credits import store as credits_store
from darkroom.db import snapshot
from darkroom.jobs import items as jobs_items
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import Conflict, NotFound, PaymentRequired
from darkroom.kernel.money import PricePart
from darkroom.recipes import get_recipe
from darkroom.usecases.open_account import open_account
from darkroom.usecases.racing import until_won
from darkroom.usecases.requests import Command
from darkroom.usecases.submit_job import Submission, record_shortfall, replay, submit

_REGENERABLE = frozenset({JobStatus.SUCCEEDED, JobStatus.PARTIAL})


def regenerate(
    app: App, call: Command, *, parent_job_id: str, target: str, clip_no: int | None
) -> Submission:
    """Queue a child of a finished job for one credit.

    Raises:
        NotFound; Conflict NOT_REGENERABLE; InvalidInput INVALID_TARGET; PaymentRequired;
        Unprocessable IDEMPOTENCY_MISMATCH.
    """
    child_id = call.id_for(app.ids, "job")

    def attempt() -> Submission:
        parent = jobs_store.find_family(parent_job_id)
        if parent is None or parent.job.account_id != call.account_id:
            raise NotFound("no such job")
        wallet_item, existing = snapshot(
            [
                (credits_store.WalletItem, call.account_id, None),
                (jobs_items.JobItem, child_id, jobs_items.JOB_KEY),
            ]
        )
        if existing is not None:
            return replay(child_id, call)
        if wallet_item is None:
            wallet = open_account(app, call.account_id)
        else:
            wallet = credits_store.to_wallet(wallet_item)
        made = frozenset(output.key for output in parent.outputs)
        child = _child(app, parent.job, made, child_id, target=target, clip_no=clip_no)
        child = replace(child, created_by=call.operation)
        return submit(app, draft=None, job=child, wallet=wallet, operation=call.operation)

    try:
        return until_won(app, attempt)
    except PaymentRequired as error:
        record_shortfall(app, call.account_id, error)
        raise


def _child(
    app: App,
    parent: Job,
    made: frozenset[str],
    child_id: str,
    *,
    target: str,
    clip_no: int | None,
) -> Job:
    """Photos, rewrite, language and template are the parent's; the seed is its own."""
    again = get_recipe(parent.recipe).regenerate(
        parent.inputs, made, target=target, clip_no=clip_no
    )
    if parent.status not in _REGENERABLE:
        raise Conflict("the job has not finished with a result", code="NOT_REGENERABLE")
    now = app.clock.now()
    price = PricePart(
        name="regenerate", credits=pricing.costs()["regenerate"], promised=again.promised
    )
    # A repeatable seed and planted faults belong to the run they were sent with.
    own = {"seed", "testFaults"}
    inputs = {name: value for name, value in parent.inputs.items() if name not in own}
    return replace(
        Job(
            job_id=child_id,
            account_id=parent.account_id,
            recipe=parent.recipe,
            status=JobStatus.DRAFT,
            inputs=inputs,
            created_at=now,
            updated_at=now,
        ),
        language=parent.language,
        device_id=parent.device_id,
        template_id=parent.template_id,
        combination=parent.combination,
        price=(price,),
        parent_job_id=parent.job_id,
        regen_target=target,
        regen_clip_no=clip_no,
        only_keys=again.keys,
    )
