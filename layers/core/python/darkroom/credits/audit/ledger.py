"""L1, L2, L4 and L7 on the ledger: sums, order, and that each entry is what its cause says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from darkroom.credits.audit.common import SIGNUP_BONUS, breach, is_before
from darkroom.credits.audit.facts import Books, Breach, EntryFacts, JobFacts, WalletFacts

# Type → sign of its amount, sign of its held change, first part of its causes, what it refers to.
SHAPES: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "PURCHASE": ("+", "0", ("purchase",), ("purchase",)),
    # 0 for an account whose mailbox had the bonus before.
    "BONUS": ("+0", "0", ("bonus",), ("signup",)),
    "DEDUCT": ("-", "+", ("deduct",), ("job",)),
    "REFUND": ("+", "-", ("refund",), ("job",)),
    "SETTLE": ("0", "-", ("settle",), ("job",)),
    "EXPIRE": ("-", "0", ("expire",), ("grant",)),
    "REVERSAL": ("±", "0", ("reversal", "debt"), ("purchase", "job", "adjustment")),
    "ADJUST": ("±", "0", ("adjust",), ("adjustment",)),
}
NAMED = frozenset({"DEDUCT", "REFUND", "SETTLE", "PURCHASE"})
"""Types whose cause ends with the id that they refer to."""


def check_ledger(books: Books) -> Iterator[Breach]:
    wallet = books.wallet or WalletFacts()
    yield from _sums(books, wallet)
    yield from _chain(books)
    yield from _never_negative(books, wallet)
    yield from _beginning(books)
    yield from _shapes(books)
    yield from _conservation(books, wallet)


def _sums(books: Books, wallet: WalletFacts) -> Iterator[Breach]:
    """L1: the wallet is the sum of its entries."""
    entries = books.entries
    derived = {
        "balance": sum(entry.amount for entry in entries),
        "held": sum(entry.held_change for entry in entries),
        "debt": sum(entry.debt_change for entry in entries),
        "version": len(entries),
    }
    if not books.is_ledger_whole:
        # With an unreadable entry the sums are unknown; the last entry still contains them.
        last = entries[-1] if entries else None
        if last is None or last.version != wallet.version:
            return
        derived = {
            "balance": last.balance_after, "held": last.held_after, "debt": last.debt_after,
        }  # fmt: skip
    for name, value in derived.items():
        stored = getattr(wallet, name)
        if stored is not None and stored != value:
            yield breach(
                books,
                "L1",
                f"{name} is {stored}, its entries make {value}",
                identity=f"{name} differs by {stored - value}",
            )


def _chain(books: Books) -> Iterator[Breach]:
    """L1: every entry follows from the one before, and no version is missing."""
    balance = held = debt = version = 0
    for entry in books.entries:
        follows = entry.version == version + 1
        if not follows and (books.is_ledger_whole or entry.version <= version):
            yield breach(books, "L1", f"version {entry.version} follows {version}", entry)
        after = (balance + entry.amount, held + entry.held_change, debt + entry.debt_change)
        is_known = follows or books.is_ledger_whole
        if is_known and (entry.balance_after, entry.held_after, entry.debt_after) != after:
            yield breach(books, "L1", "does not follow from the entry before", entry)
        balance, held, debt = entry.balance_after, entry.held_after, entry.debt_after
        version = entry.version
        if entry.account_id != books.account_id:
            yield breach(books, "L1", f"belongs to {entry.account_id}", entry)


def check_dates_of_entries(books: Books, now: datetime) -> Iterator[Breach]:
    """L1: the dates of entries follow their order.

    If not, the clock of a process was wrong. The credits are correct and may still be spent.
    """
    latest: datetime | None = None
    for entry in books.entries:
        if is_before(entry.created_at, latest):
            message = "is dated before the entry it follows"
            yield breach(books, "L1", message, entry, is_money_in_doubt=False)
        if is_before(now, entry.created_at):
            yield breach(books, "L1", "is dated in the future", entry, is_money_in_doubt=False)
        if entry.created_at is not None:
            latest = entry.created_at


def _never_negative(books: Books, wallet: WalletFacts) -> Iterator[Breach]:
    """L2."""
    if any(value is not None and value < 0 for value in (wallet.balance, wallet.held, wallet.debt)):
        yield breach(books, "L2", "the wallet is below zero")
    for entry in books.entries:
        if min(entry.balance_after, entry.held_after, entry.debt_after) < 0:
            yield breach(books, "L2", "goes below zero", entry)


def _beginning(books: Books) -> Iterator[Breach]:
    """L1: an account that did anything has a wallet, and its history begins with the bonus."""
    queued = [job.job_id for job in books.jobs.values() if job.is_queued and _is_own(books, job)]
    settled = [p.purchase_id for p in books.purchases.values() if p.status == "settled"]
    if books.wallet is None and "wallet" not in books.unread:
        if books.entries or not books.is_ledger_whole:
            yield breach(books, "L1", "there are entries, and no wallet")
        elif queued or settled:
            yield breach(
                books, "L1", f"{(queued + settled)[0]} remains, wallet and ledger are gone"
            )
    if books.entries and books.is_ledger_whole and books.entries[0].cause != "bonus#signup":
        yield breach(books, "L1", "does not begin with the bonus", books.entries[0])


def _is_own(books: Books, job: JobFacts) -> bool:
    return job.account_id == books.account_id


def _shapes(books: Books) -> Iterator[Breach]:
    """L4: a cause happens once, and says what its entry is."""
    seen = set(books.unread)
    for entry in books.entries:
        if entry.cause in seen:
            yield breach(books, "L4", "the cause happened twice", entry)
        seen.add(entry.cause)
        for problem in _problems(books, entry, seen):
            yield breach(books, "L4", problem, entry)


def _problems(books: Books, entry: EntryFacts, seen: set[str]) -> Iterator[str]:
    amounts, holds, kinds, references = SHAPES[entry.type]
    if not (_fits(entry.amount, amounts) and _fits(entry.held_change, holds)):
        yield f"no {entry.type} has these amounts"
    if entry.type in ("DEDUCT", "REFUND") and entry.held_change != -entry.amount:
        yield "what leaves the balance is not what is held"
    if entry.reference_type is not None and entry.reference_type not in references:
        yield f"no {entry.type} refers to a {entry.reference_type}"
    if entry.kind not in kinds:
        yield f"is no cause of {entry.type}"
    elif entry.type in NAMED and entry.cause.partition("#")[2] != entry.reference_id:
        yield f"refers to {entry.reference_id}"
    elif entry.type == "BONUS" and not _is_the_bonus(books, entry):
        yield "is not the one bonus"
    elif entry.type == "EXPIRE" and not _is_an_expiry(entry, seen):
        yield "is not what its cause says"
    if not _may_change_debt(entry):
        yield f"no {entry.type} of {entry.amount} changes a debt by {entry.debt_change}"
    if entry.expires_at is not None and (entry.type != "ADJUST" or entry.amount <= 0):
        yield "no such entry makes a grant that expires"


def _fits(value: int, signs: str) -> bool:
    return signs == "±" or ("+" if value > 0 else "-" if value < 0 else "0") in signs


def _may_change_debt(entry: EntryFacts) -> bool:
    """Whether the entry may change the debt: a reversal, or an operator who forgives a debt."""
    if entry.type == "ADJUST":
        return entry.debt_change < 0 if entry.amount == 0 else entry.debt_change == 0
    return entry.type == "REVERSAL" or entry.debt_change == 0


def _is_the_bonus(books: Books, entry: EntryFacts) -> bool:
    named = (entry.cause, entry.reference_id) == ("bonus#signup", books.account_id)
    return named and entry.amount in (SIGNUP_BONUS, 0)


def _is_an_expiry(entry: EntryFacts, seen: set[str]) -> bool:
    """Its cause is its grant; once more (``#2``, ``#3`` …) when that has happened before."""
    grant_id = entry.reference_id
    first, count = f"expire#{grant_id}", entry.cause.removeprefix(f"expire#{grant_id}#")
    if entry.cause != first:
        before = first if count == "2" else f"{first}#{int(count) - 1 if count.isdecimal() else ''}"
        if before not in seen:
            return False
    return entry.own_moves == {grant_id: entry.amount}


def _conservation(books: Books, wallet: WalletFacts) -> Iterator[Breach]:
    """L7: credits in = balance + held + spent + expired + reversed - debt + taken by hand."""
    stands = (wallet.balance, wallet.held, wallet.debt)
    if None in stands or not books.is_ledger_whole:
        return
    balance, held, debt = (value or 0 for value in stands)
    entries = books.entries
    came = _total(entries, "PURCHASE") + _total(entries, "BONUS")
    adjusted = [entry for entry in entries if entry.type == "ADJUST"]
    came += sum(max(0, entry.amount) - entry.debt_change for entry in adjusted)
    by_hand = sum(max(0, -entry.amount) for entry in adjusted)
    spent = -sum(entry.held_change for entry in entries if entry.type == "SETTLE")
    expired = -_total(entries, "EXPIRE")
    reversed_ = sum(e.debt_change - e.amount for e in entries if e.type == "REVERSAL")
    gone = balance + held + spent + expired + reversed_ - debt + by_hand
    if came != gone:
        yield breach(
            books,
            "L7",
            f"{came} credits came in, {gone} are accounted for",
            identity=f"credits in and out differ by {came - gone}",
        )


def _total(entries: Sequence[EntryFacts], kind: str) -> int:
    return sum(entry.amount for entry in entries if entry.type == kind)
