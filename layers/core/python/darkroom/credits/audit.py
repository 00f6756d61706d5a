"""The auditor: re-derives a wallet from its ledger and says which entry breaks which law.

Pure, and deliberately not built on ``credits.model``: it adds up what is written, so that a
mistake in the arithmetic cannot hide in the proof. L1-L7 are the laws of the credits
specification.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from darkroom.credits.model import Entry, EntryType, Wallet


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What the auditor needs to know of a job."""

    account_id: str
    is_draft: bool
    is_final: bool
    has_succeeded: bool
    reserved: int
    held: int
    """Credits in the hold that the job remembers."""
    used: int | None
    """Of the receipt; None before the job is final."""
    refunded: int | None
    promised: frozenset[str]
    made: Mapping[str, int]
    """Key → number of outputs, own ones and inherited ones."""


@dataclass(frozen=True, kw_only=True)
class PurchaseFacts:
    credits: int
    is_settled: bool
    reversals: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Books:
    """Everything of one account, as read."""

    account_id: str
    wallet: Wallet | None
    entries: Sequence[Entry]
    jobs: Mapping[str, JobFacts]
    purchases: Mapping[str, PurchaseFacts]


@dataclass(frozen=True, kw_only=True)
class Breach:
    law: str
    account_id: str
    message: str
    entry_id: str | None = None


_SIGNS: dict[EntryType, tuple[str, str]] = {
    EntryType.PURCHASE: ("+", "0"),
    EntryType.BONUS: ("+", "0"),
    EntryType.DEDUCT: ("-", "+"),
    EntryType.REFUND: ("+", "-"),
    EntryType.SETTLE: ("0", "-"),
    EntryType.EXPIRE: ("-", "0"),
    EntryType.REVERSAL: ("±", "0"),
    EntryType.ADJUST: ("±", "0"),
}
_CAUSES: dict[EntryType, tuple[str, ...]] = {
    EntryType.PURCHASE: ("purchase#",),
    EntryType.BONUS: ("bonus#",),
    EntryType.DEDUCT: ("deduct#",),
    EntryType.REFUND: ("refund#",),
    EntryType.SETTLE: ("settle#",),
    EntryType.EXPIRE: ("expire#",),
    EntryType.REVERSAL: ("reversal#", "debt#"),
    EntryType.ADJUST: ("adjust#",),
}
_NAMED = frozenset({EntryType.DEDUCT, EntryType.REFUND, EntryType.SETTLE, EntryType.PURCHASE})
_INCOME = frozenset({EntryType.PURCHASE, EntryType.BONUS})


def audit(books: Books) -> list[Breach]:
    """Every breach of L1-L7 in one account's books; empty when they are right."""
    entries = sorted(books.entries, key=lambda entry: (entry.version, entry.cause))
    wallet = books.wallet or Wallet(account_id=books.account_id)
    found = [
        *_sums(books, wallet, entries),
        *_chain(books, entries),
        *_never_negative(books, wallet, entries),
        *_grants(books, wallet, entries),
        *_causes(books, entries),
        *_purchases(books, entries),
        *_holds(books, wallet, entries),
        *_outputs(books),
        *_conservation(books, wallet, entries),
    ]
    return found


def _breach(books: Books, law: str, message: str, entry: Entry | None = None) -> Breach:
    return Breach(
        law=law,
        account_id=books.account_id,
        message=message,
        entry_id=entry.cause if entry else None,
    )


def _sums(books: Books, wallet: Wallet, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L1: the wallet is the sum of its entries."""
    derived = {
        "balance": sum(entry.amount for entry in entries),
        "held": sum(entry.held_change for entry in entries),
        "debt": sum(entry.debt_change for entry in entries),
        "version": len(entries),
    }
    stored = {
        "balance": wallet.balance,
        "held": wallet.held,
        "debt": wallet.debt,
        "version": wallet.version,
    }
    for name, value in derived.items():
        if stored[name] != value:
            yield _breach(books, "L1", f"{name} is {stored[name]}, its entries make {value}")


def _chain(books: Books, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L1: every entry follows from the one before, and no version is missing."""
    balance = held = debt = 0
    for expected, entry in enumerate(entries, start=1):
        if entry.version != expected:
            yield _breach(books, "L1", f"version {entry.version} stands at {expected}", entry)
        after = (balance + entry.amount, held + entry.held_change, debt + entry.debt_change)
        if (entry.balance_after, entry.held_after, entry.debt_after) != after:
            yield _breach(books, "L1", "does not follow from the entry before", entry)
        balance, held, debt = entry.balance_after, entry.held_after, entry.debt_after
        if entry.account_id != books.account_id:
            yield _breach(books, "L1", f"belongs to {entry.account_id}", entry)


def _never_negative(books: Books, wallet: Wallet, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L2."""
    if min(wallet.balance, wallet.held, wallet.debt) < 0:
        yield _breach(books, "L2", "the wallet is below zero")
    for entry in entries:
        if min(entry.balance_after, entry.held_after, entry.debt_after) < 0:
            yield _breach(books, "L2", "goes below zero", entry)


def _grants(books: Books, wallet: Wallet, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L3: what remains of the grants is the balance, grant by grant."""
    total = sum(grant.remaining for grant in wallet.grants)
    if total != wallet.balance:
        yield _breach(books, "L3", f"grants hold {total}, the balance is {wallet.balance}")
    derived: Counter[str] = Counter()
    for entry in entries:
        if sum(entry.moves.values()) != entry.amount:
            yield _breach(books, "L3", "its moves do not add up to its amount", entry)
        derived.update(entry.moves)
    stored = Counter({grant.grant_id: grant.remaining for grant in wallet.grants})
    if len(stored) != len(wallet.grants):
        yield _breach(books, "L3", "a grant stands twice")
    for grant_id in sorted(set(derived) | set(stored)):
        if derived[grant_id] != stored[grant_id]:
            yield _breach(
                books,
                "L3",
                f"grant {grant_id} has {stored[grant_id]}, its moves make {derived[grant_id]}",
            )


def _causes(books: Books, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L4: a cause happens once, and says what its entry is."""
    seen: set[str] = set()
    by_cause = {entry.cause: entry for entry in entries}
    for entry in entries:
        if entry.cause in seen:
            yield _breach(books, "L4", "the cause happened twice", entry)
        seen.add(entry.cause)
        amounts, holds = _SIGNS[entry.type]
        if not (_fits(entry.amount, amounts) and _fits(entry.held_change, holds)):
            yield _breach(books, "L4", f"no {entry.type} has these amounts", entry)
        if entry.type in (EntryType.DEDUCT, EntryType.REFUND) and (
            entry.held_change != -entry.amount
        ):
            yield _breach(books, "L4", "what leaves the balance is not what is held", entry)
        if not entry.cause.startswith(_CAUSES[entry.type]):
            yield _breach(books, "L4", f"is no cause of {entry.type}", entry)
        elif entry.type in _NAMED and entry.cause.partition("#")[2] != entry.reference_id:
            yield _breach(books, "L4", f"refers to {entry.reference_id}", entry)
        elif entry.debt_change and not _may_change_debt(entry):
            yield _breach(books, "L4", f"no {entry.type} changes a debt", entry)
        elif not _means_what_it_says(books, by_cause, entry):
            yield _breach(books, "L4", "is not what its cause says", entry)


def _may_change_debt(entry: Entry) -> bool:
    """A reversal makes or ends a debt; an operator clears one without touching the balance."""
    cleared = entry.type is EntryType.ADJUST and entry.amount == 0 and entry.debt_change < 0
    return entry.type is EntryType.REVERSAL or cleared


def _means_what_it_says(books: Books, by_cause: Mapping[str, Entry], entry: Entry) -> bool:
    """Causes that name a thing of their own: the one bonus, a grant, the purchase that pays."""
    if entry.type is EntryType.BONUS:
        return (entry.cause, entry.reference_id) == ("bonus#signup", books.account_id)
    if entry.type is EntryType.EXPIRE:
        grant_id = entry.reference_id
        cause = re.sub(r"#\d+$", "", entry.cause)
        named = f"expire#{grant_id}" in (entry.cause, cause)
        return named and entry.moves == {grant_id: entry.amount}
    if entry.cause.startswith("debt#"):
        income = entry.cause.removeprefix("debt#")
        pays = income in by_cause or f"purchase#{income}" in by_cause
        return pays and entry.amount == entry.debt_change < 0
    if entry.type is EntryType.ADJUST:
        return bool(entry.amount) != bool(entry.debt_change)
    return True


def _fits(value: int, signs: str) -> bool:
    return signs == "±" or ("+" if value > 0 else "-" if value < 0 else "0") in signs


def _purchases(books: Books, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L4: credits were bought exactly as the purchase records say."""
    by_cause = {entry.cause: entry for entry in entries}
    for entry in entries:
        purchase = books.purchases.get(entry.reference_id)
        if entry.type is EntryType.PURCHASE and (
            purchase is None or not purchase.is_settled or purchase.credits != entry.amount
        ):
            yield _breach(books, "L4", "is no settled purchase of these credits", entry)
        if entry.cause.startswith("reversal#"):
            known = purchase.reversals.get(entry.cause) if purchase else None
            if known != entry.debt_change - entry.amount:
                yield _breach(books, "L4", "is not the reversal of its purchase", entry)
    for purchase_id, purchase in books.purchases.items():
        if purchase.is_settled and f"purchase#{purchase_id}" not in by_cause:
            yield _breach(books, "L4", f"{purchase_id} is settled without an entry")
        if sum(purchase.reversals.values()) > purchase.credits:
            yield _breach(books, "L4", f"{purchase_id} was reversed beyond its credits")
        for cause in purchase.reversals:
            if cause not in by_cause:
                yield _breach(books, "L4", f"{cause} of {purchase_id} has no entry")


def _holds(books: Books, wallet: Wallet, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L5: a hold ends exactly once, with its job."""
    by_cause = {entry.cause: entry for entry in entries}
    open_credits = 0
    for entry in entries:
        if entry.type in (EntryType.SETTLE, EntryType.REFUND) and (
            f"deduct#{entry.reference_id}" not in by_cause
        ):
            yield _breach(books, "L5", "ends a hold that never began", entry)
        if entry.type is EntryType.DEDUCT:
            ended = _ended(by_cause, entry.reference_id)
            open_credits += 0 if ended else entry.held_change
            yield from _hold_of_job(books, by_cause, entry, ended)
    if open_credits != wallet.held:
        yield _breach(books, "L5", f"{wallet.held} are held, open holds make {open_credits}")
    for job_id, job in books.jobs.items():
        if job.reserved and not job.is_draft and f"deduct#{job_id}" not in by_cause:
            yield _breach(books, "L5", f"{job_id} was queued without a hold")


def _ended(by_cause: Mapping[str, Entry], job_id: str) -> int:
    ends = (by_cause.get(f"settle#{job_id}"), by_cause.get(f"refund#{job_id}"))
    return sum(-end.held_change for end in ends if end is not None)


def _hold_of_job(
    books: Books, by_cause: Mapping[str, Entry], entry: Entry, ended: int
) -> Iterator[Breach]:
    job_id, reserved = entry.reference_id, entry.held_change
    job = books.jobs.get(job_id)
    if job is None:
        yield _breach(books, "L5", "holds credits for a job that does not exist", entry)
        return
    if job.account_id != books.account_id:
        yield _breach(books, "L5", f"holds credits for a job of {job.account_id}", entry)
    if not job.reserved == job.held == reserved:
        yield _breach(
            books, "L5", f"holds {reserved}, the job reserved {job.reserved} ({job.held})", entry
        )
    if ended not in (0, reserved):
        yield _breach(books, "L5", f"{ended} of {reserved} held credits were ended", entry)
    if job.is_final != bool(ended):
        state = "has ended, its hold has not" if job.is_final else "runs, its hold has ended"
        yield _breach(books, "L5", f"{job_id} {state}", entry)
    settled, refunded = by_cause.get(f"settle#{job_id}"), by_cause.get(f"refund#{job_id}")
    used = -settled.held_change if settled else 0
    returned = refunded.amount if refunded else 0
    if job.is_final and (job.used, job.refunded) != (used, returned):
        yield _breach(
            books, "L5", f"the receipt says {job.used} used, {job.refunded} refunded", entry
        )


def _outputs(books: Books) -> Iterator[Breach]:
    """L6: success means one output for each key that was promised."""
    for job_id, job in books.jobs.items():
        if job.has_succeeded:
            wrong = sorted(key for key in job.promised if job.made.get(key, 0) != 1)
            if wrong:
                yield _breach(books, "L6", f"{job_id} has not one output for {', '.join(wrong)}")


def _conservation(books: Books, wallet: Wallet, entries: Sequence[Entry]) -> Iterator[Breach]:
    """L7: credits in = balance + held + spent + expired + reversed - debt + taken by hand."""
    came = sum(entry.amount for entry in entries if entry.type in _INCOME)
    came += sum(e.amount for e in entries if e.type is EntryType.ADJUST and e.amount > 0)
    came -= sum(e.debt_change for e in entries if e.type is EntryType.ADJUST)
    by_hand = -sum(e.amount for e in entries if e.type is EntryType.ADJUST and e.amount < 0)
    spent = -sum(e.held_change for e in entries if e.type is EntryType.SETTLE)
    expired = -sum(e.amount for e in entries if e.type is EntryType.EXPIRE)
    reversals = [entry for entry in entries if entry.type is EntryType.REVERSAL]
    reversed_ = sum(entry.debt_change - entry.amount for entry in reversals)
    gone = wallet.balance + wallet.held + spent + expired + reversed_ - wallet.debt + by_hand
    if came != gone:
        yield _breach(books, "L7", f"{came} credits came in, {gone} are accounted for")
