"""L5: a hold begins with its job, ends exactly once with it, and is the same on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from darkroom.credits.audit.common import breach
from darkroom.credits.audit.facts import Books, Breach, EntryFacts, JobFacts, WalletFacts


def check_holds(books: Books) -> Iterator[Breach]:
    by_cause = {entry.cause: entry for entry in books.entries}
    yield from _entries(books, by_cause)
    for job in books.jobs.values():
        for problem in _job(books, by_cause, job):
            yield breach(books, "L5", f"{job.job_id} {problem}")


def _entries(books: Books, by_cause: Mapping[str, EntryFacts]) -> Iterator[Breach]:
    wallet = books.wallet or WalletFacts()
    open_credits = 0
    for entry in books.entries:
        begin = by_cause.get(f"deduct#{entry.reference_id}")
        if entry.type in ("SETTLE", "REFUND"):
            if begin is None and f"deduct#{entry.reference_id}" not in books.unread:
                yield breach(books, "L5", "ends a hold that never began", entry)
            if begin is not None and begin.version >= entry.version:
                yield breach(books, "L5", "ends a hold before it began", entry)
        if entry.type == "DEDUCT":
            if entry.debt_after > 0:
                yield breach(books, "L5", "spends while a debt is open", entry)
            ended = _ended(by_cause, entry.reference_id)
            open_credits += 0 if ended else entry.held_change
            yield from _hold(books, by_cause, entry, ended)
    if books.is_ledger_whole and wallet.held not in (None, open_credits):
        yield breach(
            books,
            "L5",
            f"{wallet.held} are held, open holds make {open_credits}",
            identity=f"held credits differ by {(wallet.held or 0) - open_credits}",
        )


def _ended(by_cause: Mapping[str, EntryFacts], job_id: str) -> int:
    ends = (by_cause.get(f"settle#{job_id}"), by_cause.get(f"refund#{job_id}"))
    return sum(-end.held_change for end in ends if end is not None)


def _hold(
    books: Books, by_cause: Mapping[str, EntryFacts], entry: EntryFacts, ended: int
) -> Iterator[Breach]:
    job_id, reserved = entry.reference_id, entry.held_change
    job = books.jobs.get(job_id)
    if job is None:
        if job_id not in books.unread:
            yield breach(books, "L5", "holds credits for a job that does not exist", entry)
        return
    if job.account_id != books.account_id:
        yield breach(books, "L5", f"holds credits for a job of {job.account_id}", entry)
    if not job.is_queued:
        yield breach(books, "L5", f"holds credits for a job that is {job.status}", entry)
    if job.reserved not in (None, reserved):
        yield breach(books, "L5", f"holds {reserved}, the job costs {job.reserved}", entry)
    if job.hold is not None:
        taken = {piece.grant_id: -piece.remaining for piece in job.hold}
        if taken != entry.own_moves or len(taken) != len(job.hold):
            yield breach(books, "L5", "took from other grants than the job holds", entry)
    if {f"settle#{job_id}", f"refund#{job_id}"} & books.unread:
        return
    if ended not in (0, reserved):
        yield breach(books, "L5", f"{ended} of {reserved} held credits were ended", entry)
    if job.is_final != bool(ended):
        state = "has ended, its hold has not" if job.is_final else "runs, its hold has ended"
        yield breach(books, "L5", f"{job_id} {state}", entry)
    settled, refunded = by_cause.get(f"settle#{job_id}"), by_cause.get(f"refund#{job_id}")
    used = -settled.held_change if settled else 0
    returned = refunded.amount if refunded else 0
    receipt = job.receipt
    if job.is_final and job.is_receipt_read and (
        receipt is None or (receipt.used, receipt.refunded) != (used, returned)
    ):  # fmt: skip
        yield breach(books, "L5", f"used {used}, refunded {returned}: not its receipt", entry)


def _job(books: Books, by_cause: Mapping[str, EntryFacts], job: JobFacts) -> Iterator[str]:
    """From the side of the jobs: what costs credits has a hold, and nothing else has one."""
    if job.account_id != books.account_id:
        return
    cause = f"deduct#{job.job_id}"
    has_entry = cause in by_cause or cause in books.unread
    if job.is_queued and job.reserved and not has_entry:
        yield "was queued without a hold"
    if not has_entry and job.hold:
        yield "holds credits that no entry took"
    if not job.is_queued and job.status not in ("draft", "canceled"):
        yield f"is {job.status}, and was never queued"
    if job.is_queued and job.status == "draft":
        yield "is a draft, and was queued"
