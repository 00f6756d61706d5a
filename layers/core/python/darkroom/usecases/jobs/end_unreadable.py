"""End a job with a damaged item: it fails, and its credits are returned.

The ledger says how many credits the job holds, so even a job whose own item is damaged returns
exactly that. It is one transaction with the same causes as every end of a job, so it happens once.
A job that has ended does not change; its readable part is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.credits.model import BONUS_PRIORITY, PURCHASE_PRIORITY, Entry, Grant, Hold, Wallet
from darkroom.db import commit
from darkroom.db.damage import DAMAGE
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import engine
from darkroom.jobs import items as jobs_items
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Failure, Job, JobFamily, Receipt
from darkroom.jobs.reading import lump_price
from darkroom.jobs.states import JobStatus
from darkroom.kernel.errors import OwnerUnknown
from darkroom.kernel.limits import GRACE_SECONDS
from darkroom.kernel.shapes import checked
from darkroom.usecases.credits.settle_hold import settle_writes
from darkroom.usecases.limits.limit_jobs import commit_end
from darkroom.usecases.projections.report_unknown_hold import report_unknown_hold

UNREADABLE = Failure(code="ITEM_UNREADABLE")
_STATE = frozenset({"status", "version"})
"""The attributes of its item without which a job's state can be neither read nor changed."""


def end_unreadable(app: App, job_id: str) -> bool:
    """End the job if it is damaged and unfinished; returns whether it was ended now.

    Raises:
        OwnerUnknown; Unavailable: every attempt lost its race.
    """

    def attempt() -> bool:
        family = jobs_store.find_family(job_id)
        if family is None or not must_end(family):
            return False
        write_off(app, family, operation=app.ids.token())
        return True

    return retry_on_conflict(app.jitter, attempt)


def must_end(family: JobFamily) -> bool:
    """Whether a job cannot continue, or its end cannot be established."""
    job = family.job
    if _damage_of(family, jobs_items.JOB_KEY) & _STATE:
        return True
    if job.is_final:
        return False
    if family.unreadable:
        return True
    return job.status is not JobStatus.DRAFT and not _holds_its_price(job)


def write_off(app: App, family: JobFamily, *, operation: str) -> JobFamily:
    """Commit the end of a job that must end; returns the resulting family.

    Raises:
        OwnerUnknown; ConcurrentUpdate: another writer changed the job.
    """
    job, now = family.job, app.clock.now()
    if not job.account_id:
        raise OwnerUnknown(job.job_id)
    if job.is_final and "status" not in _damage_of(family, jobs_items.JOB_KEY):
        # Only the version is damaged: writing it again is enough.
        commit(jobs_store.family_writes(family, family, operation=operation))
        return family
    taken = _taken_for(job)
    hold = Hold()
    wallet = credits_store.find_wallet(job.account_id) if taken.entry else None
    if taken.entry is not None:
        hold = _hold_of(taken.entry, wallet)
    priced = replace(
        job,
        hold=credits_store.hold_to_json(hold) if hold.credits else None,
        price=job.price if job.reserved == hold.credits else lump_price(hold.credits),
    )
    lost = [
        task.key
        for task in family.tasks
        if "status" in _damage_of(family, jobs_items.TASK_PREFIX + task.key)
    ]
    after = engine.write_off(replace(family, job=priced), UNREADABLE, lost, now)
    if taken.has_ended:
        after = replace(after, job=_as_settled(after.job, taken))
    writes = jobs_store.family_writes(family, after, operation=operation)
    must_refund = hold.credits > 0 and not taken.has_ended
    is_held = wallet is not None and wallet.held >= hold.credits
    if must_refund and wallet is not None and is_held:
        writes += settle_writes(
            app, wallet, hold=hold, used=0, job_id=job.job_id, operation=operation
        )
    if job.is_final or taken.has_ended:
        commit(writes)
    else:
        commit_end(writes, job)
    if must_refund and not is_held:
        # As for any job whose hold is missing in the wallet: no credits are moved.
        report_unknown_hold(job.account_id, job_id=job.job_id)
    return after


def _damage_of(family: JobFamily, sort_key: str) -> frozenset[str]:
    found = (item.attributes for item in family.unreadable if item.sort_key == sort_key)
    return next(found, frozenset())


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A job's entries in the ledger: the one that took its credits, and those that settled it."""

    entry: Entry | None
    used: int
    refunded: int

    @property
    def has_ended(self) -> bool:
        return bool(self.used or self.refunded)


def _taken_for(job: Job) -> _Taken:
    def find(cause: str) -> Entry | None:
        return credits_store.find_entry(job.account_id, f"{cause}#{job.job_id}")

    settled, refunded = find("settle"), find("refund")
    return _Taken(
        entry=find("deduct"),
        used=-settled.held_change if settled else 0,
        refunded=-refunded.held_change if refunded else 0,
    )


def _as_settled(job: Job, taken: _Taken) -> Job:
    """A job whose end is in the ledger: only its state was lost."""
    parts = tuple(part.credits for part in job.price) if not taken.refunded else (taken.used,)
    receipt = Receipt(used=taken.used, refunded=taken.refunded, parts=parts, reason=UNREADABLE.code)
    price = job.price if not taken.refunded else lump_price(job.reserved)
    status = JobStatus.PARTIAL if taken.used else JobStatus.FAILED
    return replace(job, status=status, price=price, receipt=receipt)


def _holds_its_price(job: Job) -> bool:
    try:
        slices = [checked(piece) for piece in credits_store.hold_from_json(job.hold).slices]
        return sum(piece.remaining for piece in slices) == job.reserved
    except DAMAGE:
        return False


def _hold_of(entry: Entry, wallet: Wallet | None) -> Hold:
    """The hold of an entry, from the amounts that it took from each grant."""
    live = {grant.grant_id: grant for grant in (wallet.grants if wallet else ())}
    slices = [
        replace(live.get(grant_id) or _origin(entry, grant_id), remaining=-moved, merged={})
        for grant_id, moved in entry.moves.items()
        if moved < 0
    ]
    return Hold(tuple(sorted(slices, key=Grant.spending_order)))


def _origin(entry: Entry, grant_id: str) -> Grant:
    """A grant that was used up, rebuilt from the entry that added it."""
    account_id = entry.account_id
    purchase = credits_store.find_entry(account_id, f"purchase#{grant_id}")
    source = purchase or credits_store.find_entry(account_id, grant_id)
    grant = Grant(
        grant_id=grant_id,
        source="bonus",
        remaining=0,
        priority=BONUS_PRIORITY,
        created_at=source.created_at if source else entry.created_at,
    )
    if purchase is not None:
        return replace(grant, source="purchase", priority=PURCHASE_PRIORITY)
    if source is None:
        # Returned credits with a day of grace get another day.
        until = entry.created_at + timedelta(seconds=GRACE_SECONDS)
        return replace(grant, source="refund", expires_at=until)
    if source.type is model.EntryType.ADJUST:
        return replace(grant, source="adjust", expires_at=source.expires_at)
    return grant
