"""The arithmetic of wallets: pure, without clock, store or network.

Every operation takes a wallet and returns a ``Change``: the wallet after it and the ledger
entries that explain the difference, one version number each. Laws L1-L7 of the credits
specification hold for every change that this module returns.

No change grows with the data. A wallet has at most ``LIVE_GRANTS_LIMIT`` grants. Due grants
expire in changes of their own (``expire_due``), a bounded number at a time; every other operation
refuses a wallet that has due grants, so expired credits are never spendable. Any other operation
writes at most three entries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count, pairwise
from typing import Literal

from darkroom.kernel.errors import ConcurrentUpdate, Conflict, InvalidInput, PaymentRequired
from darkroom.kernel.limits import (
    EXPIRIES_PER_TRANSACTION_LIMIT,
    GRACE_SECONDS,
    LIVE_GRANTS_LIMIT,
    MERGED_ORIGINS_LIMIT,
    SIGNUP_BONUS_CREDITS,
)
from darkroom.kernel.problems import problem

GrantSource = Literal["purchase", "bonus", "refund", "adjust"]
"""Why credits were added: bought, the welcome bonus, credits of a job that came back after their
grant had expired, or given by an operator."""
ReferenceType = Literal["signup", "purchase", "job", "adjustment", "grant"]
"""What an entry of the ledger refers to by its id."""
SIGNUP_CAUSE = "bonus#signup"
"""The cause of the first entry of a ledger, and the id of its grant."""
PURCHASE_PRIORITY = 50
BONUS_PRIORITY = 10


class EntryType(StrEnum):
    PURCHASE = "PURCHASE"
    BONUS = "BONUS"
    DEDUCT = "DEDUCT"
    REFUND = "REFUND"
    SETTLE = "SETTLE"
    EXPIRE = "EXPIRE"
    REVERSAL = "REVERSAL"
    ADJUST = "ADJUST"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Credits that were added together, and how many of them remain."""

    grant_id: str
    source: GrantSource
    remaining: int
    priority: int
    created_at: datetime
    expires_at: datetime | None = None
    merged: Mapping[str, int] = field(default_factory=dict)
    """Grants merged into this one: id → credits they brought, so a reversal finds its purchase.

    The ``MERGED_ORIGINS_LIMIT`` largest are kept. A reversal of any other purchase takes from
    the other purchased credits, which changes neither the balance nor the debt.
    """

    def spending_order(self) -> tuple[int, float, float, str]:
        expiry = self.expires_at.timestamp() if self.expires_at else float("inf")
        return (self.priority, expiry, self.created_at.timestamp(), self.grant_id)

    def is_due(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, kw_only=True)
class Wallet:
    account_id: str
    balance: int = 0
    held: int = 0
    version: int = 0
    grants: tuple[Grant, ...] = ()
    debt: int = 0
    """Credits that a reversal could not take back; blocks holds until it is paid."""
    frozen: str | None = None
    """Why the account is frozen while its books are checked; None if it is not."""
    accepted: str | None = None
    """The breaches that an operator accepted by unfreezing the wallet (opaque here)."""


@dataclass(frozen=True)
class Merge:
    """One grant became part of another: ``credits`` moved from the first to the second."""

    from_id: str
    into_id: str
    credits: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One immutable line of a wallet's history, keyed by its cause."""

    account_id: str
    cause: str
    type: EntryType
    amount: int
    held_change: int
    balance_after: int
    held_after: int
    version: int
    reference_type: str
    reference_id: str
    description: str
    created_at: datetime
    moves: Mapping[str, int] = field(default_factory=dict)
    """Grant id → change of its remaining credits; adds up to ``amount``."""
    debt_change: int = 0
    debt_after: int = 0
    merges: tuple[Merge, ...] = ()
    """The merges in the same step, in this order; ``moves`` includes them."""
    expires_at: datetime | None = None
    """When the added grant expires, if it does."""


@dataclass(frozen=True)
class Hold:
    """The credits that a job has reserved: slices of their grants, in spending order."""

    slices: tuple[Grant, ...] = ()
    """Each slice is its grant, with ``remaining`` = the reserved credits."""

    @property
    def credits(self) -> int:
        return sum(piece.remaining for piece in self.slices)


@dataclass(frozen=True)
class Change:
    """A change to commit: the new wallet, and the entries that explain the difference."""

    wallet: Wallet
    entries: tuple[Entry, ...]

    def then(self, later: Change) -> Change:
        """This change followed by one that starts from its wallet, as one change."""
        return Change(later.wallet, (*self.entries, *later.entries))


@dataclass(frozen=True)
class Reason:
    """Why credits move. The cause is the key that makes the change happen once."""

    cause: str
    reference_type: ReferenceType
    reference_id: str
    description: str


def open_wallet(account_id: str, now: datetime, *, is_returning: bool = False) -> Change:
    """The wallet of a new account, with its one bonus.

    ``is_returning``: another account of the same mailbox has had the bonus. The entry that begins
    the history is then of 0 credits, and there is no grant.
    """
    if is_returning:
        reason = Reason(SIGNUP_CAUSE, "signup", account_id, "Welcome bonus was given before")
        empty = Wallet(account_id=account_id)
        return _record(Change(empty, ()), empty, entry_type=EntryType.BONUS, reason=reason, now=now)
    grant = Grant(
        grant_id=SIGNUP_CAUSE,
        source="bonus",
        remaining=SIGNUP_BONUS_CREDITS,
        priority=BONUS_PRIORITY,
        created_at=now,
    )
    reason = Reason(SIGNUP_CAUSE, "signup", account_id, "Welcome bonus")
    return add_grant(
        Wallet(account_id=account_id), grant, entry_type=EntryType.BONUS, reason=reason, now=now
    )


def spendable(wallet: Wallet, now: datetime) -> Wallet:
    """The wallet without its due grants.

    For views and quotes. The ledger shows the expiry as soon as it is written.
    """
    live = tuple(grant for grant in wallet.grants if not grant.is_due(now))
    return replace(wallet, grants=live, balance=sum(grant.remaining for grant in live))


def add_grant(
    wallet: Wallet, grant: Grant, *, entry_type: EntryType, reason: Reason, now: datetime
) -> Change:
    """Add credits as a new grant.

    Raises:
        InvalidInput: the grant holds no credits.
        ConcurrentUpdate: grants are due.
    """
    _require_positive(grant.remaining)
    _require_current(wallet, now)
    grants, merges = _merged((*wallet.grants, grant))
    after = replace(wallet, grants=grants)
    return _record(
        Change(wallet, ()),
        after,
        entry_type=entry_type,
        amount=grant.remaining,
        reason=reason,
        now=now,
        merges=merges,
        expires_at=grant.expires_at,
    )


def add_purchase(wallet: Wallet, grant: Grant, *, reason: Reason, now: datetime) -> Change:
    """Add purchased credits; an open debt is paid from them first.

    Raises:
        InvalidInput: the grant holds no credits.
        ConcurrentUpdate: grants are due.
    """
    change = add_grant(wallet, grant, entry_type=EntryType.PURCHASE, reason=reason, now=now)
    return _pay_debt(change, f"debt#{reason.reference_id}", reason, now)


def reverse(
    wallet: Wallet, *, purchase_id: str, credits: int, reason: Reason, now: datetime
) -> Change:
    """Take back purchased credits: first the remaining ones of the purchase's grant, then other
    purchased credits. The rest becomes a debt.

    Raises:
        InvalidInput: the amount is not a positive integer.
        ConcurrentUpdate: grants are due.
    """
    _require_positive(credits)
    _require_current(wallet, now)
    purchased = sum(grant.remaining for grant in wallet.grants if _is_purchased(grant))
    taken = min(credits, purchased)
    kept = _take_back(wallet.grants, taken, purchase_id)
    return _record(
        Change(wallet, ()),
        replace(wallet, grants=kept),
        entry_type=EntryType.REVERSAL,
        amount=-taken,
        reason=reason,
        now=now,
        debt=credits - taken,
    )


def restore(
    wallet: Wallet, *, purchase_id: str, credits: int, reason: Reason, now: datetime
) -> Change:
    """Undo a reversal (a dispute was won): pay an open debt, add the rest to its grant.

    Raises:
        InvalidInput: the amount is not a positive integer.
        ConcurrentUpdate: grants are due.
    """
    _require_positive(credits)
    _require_current(wallet, now)
    forgiven = min(credits, wallet.debt)
    grants = wallet.grants
    merges: tuple[Merge, ...] = ()
    if credits > forgiven:
        back = Grant(
            grant_id=purchase_id,
            source="purchase",
            remaining=credits - forgiven,
            priority=PURCHASE_PRIORITY,
            created_at=now,
        )
        grants, merges = _merged(_returned(wallet.grants, (back,)))
    return _record(
        Change(wallet, ()),
        replace(wallet, grants=grants),
        entry_type=EntryType.REVERSAL,
        amount=credits - forgiven,
        reason=reason,
        now=now,
        debt=-forgiven,
        merges=merges,
    )


def adjust(
    wallet: Wallet, amount: int, *, reason: Reason, now: datetime, expires_at: datetime | None
) -> Change:
    """Give or take credits for an operator; never below zero, and never from a hold.

    An open debt is paid from a gift first.

    Raises:
        InvalidInput: the amount is zero, not an integer, or takes more than the balance.
        ConcurrentUpdate: grants are due.
    """
    _require_adjustment(amount)
    if amount > 0:
        grant = Grant(
            grant_id=reason.cause,
            source="adjust",
            remaining=amount,
            priority=BONUS_PRIORITY,
            created_at=now,
            expires_at=expires_at,
        )
        change = add_grant(wallet, grant, entry_type=EntryType.ADJUST, reason=reason, now=now)
        return _pay_debt(change, f"debt#{reason.cause}", reason, now)
    _require_current(wallet, now)
    if -amount > wallet.balance:
        raise InvalidInput(
            "more than the balance",
            fields=[problem("amount", "TOO_MUCH")],
        )
    kept, _ = _take(wallet.grants, -amount)
    after = replace(wallet, grants=kept)
    return _record(
        Change(wallet, ()),
        after,
        entry_type=EntryType.ADJUST,
        amount=amount,
        reason=reason,
        now=now,
    )


def clear_debt(wallet: Wallet, amount: int, *, reason: Reason, now: datetime) -> Change:
    """Forgive a debt, or a part of it, for an operator.

    Raises:
        InvalidInput: not a positive integer, or more than the debt.
        ConcurrentUpdate: grants are due.
    """
    _require_positive(amount)
    _require_current(wallet, now)
    if amount > wallet.debt:
        raise InvalidInput(
            "more than the debt",
            fields=[problem("amount", "TOO_MUCH")],
        )
    return _record(
        Change(wallet, ()),
        wallet,
        entry_type=EntryType.ADJUST,
        reason=reason,
        now=now,
        debt=-amount,
    )


def reserve(wallet: Wallet, amount: int, *, job_id: str, now: datetime) -> tuple[Change, Hold]:
    """Move ``amount`` credits from the balance into a hold for a job.

    Raises:
        InvalidInput: the amount is not a positive integer.
        PaymentRequired: the balance does not cover it, or (CREDITS_DEBT) a debt is open;
            with ``needed``, ``balance`` and ``shortfall``.
        Conflict: ACCOUNT_FROZEN. ConcurrentUpdate: grants are due.
    """
    _require_positive(amount)
    if wallet.frozen is not None:
        raise Conflict("the account is frozen", code="ACCOUNT_FROZEN")
    _require_current(wallet, now)
    if wallet.debt:
        raise PaymentRequired(
            "a debt is open",
            code="CREDITS_DEBT",
            needed=amount,
            balance=wallet.balance,
            shortfall=wallet.debt + max(0, amount - wallet.balance),
        )
    if wallet.balance < amount:
        raise PaymentRequired(
            "the balance does not cover the price",
            needed=amount,
            balance=wallet.balance,
            shortfall=amount - wallet.balance,
        )
    kept, hold = _take(wallet.grants, amount)
    reason = Reason(f"deduct#{job_id}", "job", job_id, "Reserved for a job")
    after = replace(wallet, grants=kept)
    change = _record(
        Change(wallet, ()),
        after,
        entry_type=EntryType.DEDUCT,
        amount=-amount,
        held_change=amount,
        reason=reason,
        now=now,
    )
    return change, hold


def settle(
    wallet: Wallet,
    hold: Hold,
    *,
    used: int,
    job_id: str,
    now: datetime,
    expired: Collection[str] = (),
) -> Change:
    """End a hold: ``used`` credits are spent, the rest returns to its grants.

    Credits whose grant expired while they were held return as one new grant with 24 hours of
    grace. ``expired`` names grants that have expired on the ledger. By this process's clock they
    may not be due yet, but a grant expires only once. An open debt is paid from returned credits.

    Raises:
        ValueError: ``used`` is outside the hold, or the wallet holds fewer credits; both mean a
            broken law, never bad input.
        ConcurrentUpdate: grants are due.
    """
    reserved = hold.credits
    if not 0 <= used <= reserved or wallet.held < reserved:
        raise ValueError(f"cannot settle {used} of {reserved} with {wallet.held} held")
    _require_current(wallet, now)
    change = Change(wallet, ())
    if used:
        reason = Reason(f"settle#{job_id}", "job", job_id, "Used by a job")
        change = _record(
            change,
            wallet,
            entry_type=EntryType.SETTLE,
            held_change=-used,
            reason=reason,
            now=now,
        )
    unused = reserved - used
    if unused:
        slices = _with_grace(_last_credits(hold, unused), expired, job_id, now)
        grants, merges = _merged(_returned(change.wallet.grants, slices))
        reason = Reason(f"refund#{job_id}", "job", job_id, "Unused credits returned")
        after = replace(change.wallet, grants=grants)
        change = _record(
            change,
            after,
            entry_type=EntryType.REFUND,
            amount=unused,
            held_change=-unused,
            reason=reason,
            now=now,
            merges=merges,
        )
        change = _pay_debt(change, f"debt#{reason.cause}", reason, now)
    return change


def due_grants(wallet: Wallet, now: datetime) -> list[Grant]:
    """The due grants, in spending order."""
    due = (grant for grant in wallet.grants if grant.is_due(now))
    return sorted(due, key=Grant.spending_order)


def expire_due(
    wallet: Wallet,
    now: datetime,
    *,
    limit: int = EXPIRIES_PER_TRANSACTION_LIMIT,
    happened: Collection[str] = (),
) -> Change:
    """Expire up to ``limit`` due grants, with one entry for each.

    ``happened`` are causes of expiry that the ledger has already. A grant that is in the wallet
    although its expiry is in the ledger expires under the next number of that cause.
    """
    change = Change(wallet, ())
    for grant in due_grants(wallet, now)[:limit]:
        kept = tuple(other for other in change.wallet.grants if other.grant_id != grant.grant_id)
        cause = next(cause for cause in expiry_causes(grant.grant_id) if cause not in happened)
        reason = Reason(cause, "grant", grant.grant_id, "Credits expired")
        after = replace(change.wallet, grants=kept)
        change = _record(
            change,
            after,
            entry_type=EntryType.EXPIRE,
            amount=-grant.remaining,
            reason=reason,
            now=now,
        )
    return change


def expiry_causes(grant_id: str) -> Iterable[str]:
    """``expire#<grant>``, then ``expire#<grant>#2`` and so on."""
    return (f"expire#{grant_id}" + (f"#{n}" if n > 1 else "") for n in count(1))


def _record(
    change: Change,
    wallet: Wallet,
    *,
    entry_type: EntryType,
    reason: Reason,
    now: datetime,
    amount: int = 0,
    held_change: int = 0,
    debt: int = 0,
    merges: tuple[Merge, ...] = (),
    expires_at: datetime | None = None,
) -> Change:
    """Apply amounts to the wallet and append the entry that explains them."""
    after = replace(
        wallet,
        balance=wallet.balance + amount,
        held=wallet.held + held_change,
        debt=wallet.debt + debt,
        version=wallet.version + 1,
    )
    entry = Entry(
        account_id=wallet.account_id,
        cause=reason.cause,
        type=entry_type,
        amount=amount,
        held_change=held_change,
        balance_after=after.balance,
        held_after=after.held,
        version=after.version,
        reference_type=reason.reference_type,
        reference_id=reason.reference_id,
        description=reason.description,
        created_at=now,
        moves=_moves(change.wallet.grants, wallet.grants),
        debt_change=debt,
        debt_after=after.debt,
        merges=merges,
        expires_at=expires_at,
    )
    return Change(after, (*change.entries, entry))


def _moves(before: Sequence[Grant], after: Sequence[Grant]) -> dict[str, int]:
    """The change of each grant; a merge moves credits from one to another."""
    moves = {grant.grant_id: -grant.remaining for grant in before}
    for grant in after:
        moves[grant.grant_id] = moves.get(grant.grant_id, 0) + grant.remaining
    return {grant_id: moved for grant_id, moved in sorted(moves.items()) if moved}


def _is_purchased(grant: Grant) -> bool:
    return grant.source == "purchase"


def _take_back(grants: Sequence[Grant], credits: int, purchase_id: str) -> tuple[Grant, ...]:
    """The grants after ``credits`` were taken from purchased ones, the named purchase's own first;
    the caller has checked that they suffice."""
    bought = [grant for grant in grants if _is_purchased(grant)]
    others = [grant for grant in grants if not _is_purchased(grant)]
    left = _reduced(bought, credits, order=lambda grant: _own_first(grant, purchase_id))
    return tuple(sorted((*left, *others), key=Grant.spending_order))


def _pay_debt(change: Change, cause: str, income: Reason, now: datetime) -> Change:
    """The change, with an open debt paid from the credits that its last entry added, purchased
    ones before others."""
    came = change.entries[-1]
    paid = min(change.wallet.debt, came.amount)
    if not paid:
        return change

    def order(grant: Grant) -> tuple[object, ...]:
        return (not _is_purchased(grant), grant.spending_order())

    fresh = [grant for grant in change.wallet.grants if came.moves.get(grant.grant_id, 0) > 0]
    others = [grant for grant in change.wallet.grants if grant not in fresh]
    left = _reduced(fresh, paid, order=order, most=came.moves)
    kept = tuple(sorted((*left, *others), key=Grant.spending_order))
    reason = Reason(cause, income.reference_type, income.reference_id, "Debt paid")
    after = replace(change.wallet, grants=kept)
    return _record(
        change,
        after,
        entry_type=EntryType.REVERSAL,
        amount=-paid,
        reason=reason,
        now=now,
        debt=-paid,
    )


def _reduced(
    grants: Sequence[Grant],
    credits: int,
    *,
    order: Callable[[Grant], tuple[object, ...]],
    most: Mapping[str, int] | None = None,
) -> list[Grant]:
    """The grants after ``credits`` were taken in this order, at ``most`` that many from each; an
    empty grant is removed. The caller has checked that they suffice."""
    missing = credits
    kept: list[Grant] = []
    for grant in sorted(grants, key=order):
        available = grant.remaining if most is None else min(grant.remaining, most[grant.grant_id])
        taken = min(missing, available)
        missing -= taken
        if grant.remaining > taken:
            kept.append(replace(grant, remaining=grant.remaining - taken))
    return kept


def _own_first(grant: Grant, purchase_id: str) -> tuple[object, ...]:
    """The order of a reversal; a merged purchase is found in the grant that it was merged into."""
    own = grant.grant_id == purchase_id or purchase_id in grant.merged
    return (not own, grant.spending_order())


def _require_positive(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise InvalidInput("an amount of credits is a positive integer")


def _require_adjustment(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount == 0:
        raise InvalidInput("an adjustment is an integer other than zero")


def _require_current(wallet: Wallet, now: datetime) -> None:
    """Refuse a wallet with due grants: the caller expires them first and tries again."""
    if any(grant.is_due(now) for grant in wallet.grants):
        raise ConcurrentUpdate("grants are due")


def _take(grants: Sequence[Grant], amount: int) -> tuple[tuple[Grant, ...], Hold]:
    """Take ``amount`` credits from grants in spending order; the caller has checked that they
    suffice."""
    kept: list[Grant] = []
    slices: list[Grant] = []
    missing = amount
    for grant in sorted(grants, key=Grant.spending_order):
        taken = min(missing, grant.remaining)
        missing -= taken
        if taken:
            slices.append(replace(grant, remaining=taken))
        # An empty grant is removed: the slice has its identity, with which it can return.
        if grant.remaining > taken:
            kept.append(replace(grant, remaining=grant.remaining - taken))
    return tuple(kept), Hold(tuple(slices))


def _last_credits(hold: Hold, unused: int) -> tuple[Grant, ...]:
    """The unspent slices: a job uses its hold in spending order."""
    returned: list[Grant] = []
    missing = unused
    for piece in reversed(hold.slices):
        back = min(missing, piece.remaining)
        missing -= back
        if back:
            returned.append(replace(piece, remaining=back))
    return tuple(returned)


def _with_grace(
    slices: Sequence[Grant], expired: Collection[str], job_id: str, now: datetime
) -> list[Grant]:
    """The returned slices: those of expired grants as one new grant for each priority, named after
    the first of them and the job, because a grant expires once."""
    back: list[Grant] = []
    graces: dict[int, Grant] = {}
    for piece in sorted(slices, key=Grant.spending_order):
        if not (piece.is_due(now) or piece.grant_id in expired):
            back.append(piece)
            continue
        origin = {piece.grant_id: piece.remaining}
        grace = graces.get(piece.priority)
        if grace is None:
            grace = replace(
                piece,
                # Named after the first grant of a chain of graces, so that the name does not grow.
                grant_id=f"{piece.grant_id.partition('~')[0]}~{job_id}",
                source="refund",
                remaining=0,
                created_at=now,
                expires_at=now + timedelta(seconds=GRACE_SECONDS),
                merged={},
            )
        graces[piece.priority] = replace(
            grace,
            remaining=grace.remaining + piece.remaining,
            merged=_largest(_together(grace.merged, piece.merged, origin)),
        )
    return [*back, *graces.values()]


def _returned(grants: Sequence[Grant], slices: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants with the slices returned: added to their grant, or as that grant again."""
    live = {grant.grant_id: grant for grant in grants}
    for piece in slices:
        grant = live.get(piece.grant_id)
        if grant is None:
            live[piece.grant_id] = piece
        else:
            live[piece.grant_id] = replace(
                grant,
                remaining=grant.remaining + piece.remaining,
                merged=_largest({**piece.merged, **grant.merged}),
            )
    return tuple(live.values())


def _together(*origins: Mapping[str, int]) -> dict[str, int]:
    """The origins of grants, added up: a grant may be merged, held, returned and merged again."""
    total: dict[str, int] = {}
    for origin in origins:
        for grant_id, credits in origin.items():
            total[grant_id] = total.get(grant_id, 0) + credits
    return total


def _largest(origins: Mapping[str, int]) -> dict[str, int]:
    """The largest origins: a wallet is one item of bounded size, so it stores no others."""
    if len(origins) <= MERGED_ORIGINS_LIMIT:
        return dict(origins)
    ranked = sorted(origins.items(), key=lambda origin: (-origin[1], origin[0]))
    return dict(ranked[:MERGED_ORIGINS_LIMIT])


def _merged(grants: Iterable[Grant]) -> tuple[tuple[Grant, ...], tuple[Merge, ...]]:
    """The grants within the wallet's limit, in spending order, and the merges that this took.

    Grants of one kind that expire at one moment are merged at once. While there are too many,
    the two smallest of one kind without expiry are merged, or else the two of one kind that
    expire closest to each other; the later expiry stays.
    """
    live = {grant.grant_id: grant for grant in grants}
    merges: list[Merge] = []

    def merge(gone: Grant, kept: Grant) -> Grant:
        origins = _together(kept.merged, gone.merged, {gone.grant_id: gone.remaining})
        total = replace(kept, remaining=kept.remaining + gone.remaining, merged=_largest(origins))
        del live[gone.grant_id]
        live[kept.grant_id] = total
        merges.append(Merge(gone.grant_id, kept.grant_id, gone.remaining))
        return total

    alike: dict[tuple[str, int, datetime], Grant] = {}
    for grant in sorted(live.values(), key=Grant.spending_order):
        if grant.expires_at is None:
            continue
        kind = (grant.source, grant.priority, grant.expires_at)
        alike[kind] = merge(grant, alike[kind]) if kind in alike else grant
    while len(live) > LIVE_GRANTS_LIMIT:
        pair = _smallest_pair(live.values()) or _closest_pair(live.values())
        if pair is None:
            break
        merge(*pair)
    return tuple(sorted(live.values(), key=Grant.spending_order)), tuple(merges)


def _smallest_pair(grants: Iterable[Grant]) -> tuple[Grant, Grant] | None:
    """Of the largest kind without expiry: its two smallest grants, the newer first."""
    kinds: dict[tuple[str, int], list[Grant]] = {}
    for grant in sorted(grants, key=Grant.spending_order):
        if grant.expires_at is None:
            kinds.setdefault((grant.source, grant.priority), []).append(grant)
    group = max(kinds.values(), key=len, default=[])
    if len(group) < 2:
        return None
    pair = sorted(group, key=lambda grant: (grant.remaining, grant.grant_id))[:2]
    older, newer = sorted(pair, key=Grant.spending_order)
    return newer, older


def _closest_pair(grants: Iterable[Grant]) -> tuple[Grant, Grant] | None:
    """Two expiring grants of one kind whose expiries are closest, the earlier first."""
    expiring = [grant for grant in grants if grant.expires_at is not None]
    kinds: dict[tuple[str, int], list[Grant]] = {}
    for grant in sorted(expiring, key=Grant.spending_order):
        kinds.setdefault((grant.source, grant.priority), []).append(grant)
    pairs = [pair for group in kinds.values() for pair in pairwise(group)]
    return min(pairs, key=_gap_seconds, default=None)


def _gap_seconds(pair: tuple[Grant, Grant]) -> float:
    earlier, later = pair
    assert earlier.expires_at is not None and later.expires_at is not None
    return (later.expires_at - earlier.expires_at).total_seconds()
