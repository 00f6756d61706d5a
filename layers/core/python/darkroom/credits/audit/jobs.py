"""L5 and L6 on jobs: prices, receipts and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from darkroom.credits.audit.common import breach
from darkroom.credits.audit.facts import Books, Breach, JobFacts, PartFacts


def check_jobs(books: Books) -> Iterator[Breach]:
    for job in books.jobs.values():
        yield from (breach(books, "L5", f"{job.job_id} {text}") for text in _price(job))
        yield from (breach(books, "L5", f"{job.job_id} {text}") for text in _receipt(job))
        yield from (breach(books, "L6", f"{job.job_id} {text}") for text in _outputs(job))
        if _is_unpaid(job):
            yield breach(books, "L5", f"{job.job_id} is a paid recipe, and costs nothing")


def _price(job: JobFacts) -> Iterator[str]:
    for part in job.price or ():
        if part.credits < 0:
            yield f"has a price of {part.credits}"


def _is_unpaid(job: JobFacts) -> bool:
    """Nothing in its recipe was free, and yet its price is nothing.

    A child may cost nothing: what it makes may have been paid for by its parents.
    """
    costs = job.costs or {}
    return (
        job.is_queued
        and not job.is_child
        and job.reserved == 0
        and min(costs.values(), default=0) > 0
    )


def _receipt(job: JobFacts) -> Iterator[str]:
    receipt = job.receipt
    if receipt is None:
        if job.is_final and job.is_receipt_read:
            yield "has ended without a receipt"
        return
    if not job.is_final:
        yield f"is {job.status}, and has a receipt"
        return
    if sum(receipt.parts) != receipt.used:
        yield f"used {receipt.used}, its parts make {sum(receipt.parts)}"
    if job.price is None:
        return
    if receipt.used + receipt.refunded != job.reserved:
        yield f"used {receipt.used} and refunded {receipt.refunded} of {job.reserved}"
    if len(receipt.parts) != len(job.price):
        yield f"has {len(job.price)} parts, its receipt {len(receipt.parts)}"
        return
    for part, used in zip(job.price, receipt.parts, strict=True):
        if used not in _fair(job, part):
            yield f"used {used} of {part.name}"
    is_wrong = (job.status == "succeeded") != (receipt.reason is None)
    is_wrong |= (job.status == "canceled") != (receipt.reason == "CANCELED")
    if is_wrong and not job.is_written_off:
        yield f"is {job.status} for the reason {receipt.reason}"


def _fair(job: JobFacts, part: PartFacts) -> range | set[int]:
    """What the part may have cost: floor(credits x made / promised), and at least one credit
    when its user canceled it and kept some of it."""
    if job.is_deleted or job.is_written_off or job.made is None:
        return range(part.credits + 1)
    if not part.promised:
        return {part.credits}
    made = sum(1 for key in set(part.promised) if job.made.get(key, 0))
    proportional = part.credits * made // len(part.promised)
    if job.status != "canceled" or not made:
        return {proportional}
    kept = min(part.credits, max(1, proportional))
    # Jobs that are older than the rule of the one credit do not record their costs.
    return {kept, proportional} if job.costs is None else {kept}


def _outputs(job: JobFacts) -> Iterator[str]:
    """L6: success means one output for each key that was promised, failure none."""
    if job.is_deleted or job.price is None or job.made is None or job.inherited is None:
        return
    promised = {key for part in job.price for key in part.promised}
    there_are = Counter(job.made) + Counter(job.inherited)
    wrong = sorted(key for key in promised if there_are[key] > 1)
    if job.status == "succeeded":
        wrong += sorted(key for key in promised if not there_are[key])
    if wrong:
        yield f"has not one output for {', '.join(wrong)}"
    if job.is_written_off:
        return
    own = sorted(key for key in promised if job.made.get(key, 0))
    if job.status == "failed" and own:
        yield f"failed, and made {', '.join(own)}"
    if job.status == "partial" and not own:
        yield "is partial, and made nothing that was promised"
    if not job.is_queued and there_are:
        yield f"was never queued, and has {sorted(there_are)}"
