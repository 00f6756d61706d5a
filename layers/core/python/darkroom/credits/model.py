"""The arithmetic of wallets: pure, without clock, store or network.

Every operation takes a wallet and returns a ``Change``: the wallet after it and the ledger
entries that explain the difference, one version number each. Grants that are due expire inside
every operation, so expired credits are never spendable. Laws L1-L7 of the credits
specification hold for every change that this module returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from darkroom.kernel.errors import InvalidInput, PaymentRequired
from darkroom.kernel.limits import GRACE_SECONDS, LIVE_GRANTS_LIMIT, SIGNUP_BONUS_CREDITS

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
    """Credits that came in together, and what is left of them."""

    grant_id: str
    source: str
    """``purchase``, ``bonus``, ``refund`` or ``adjust``."""
    remaining: int
    priority: int
    created_at: datetime
    expires_at: datetime | None = None
    merged: Mapping[str, int] = field(default_factory=dict)
    """Grants folded into this one: id → credits they brought, so a reversal finds its purchase."""

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
    """Credits that a reversal could not take back; blocks holds until a purchase pays them."""


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
    """Grant id → change of what remains of it; adds up to ``amount``."""
    debt_change: int = 0
    debt_after: int = 0


@dataclass(frozen=True)
class Hold:
    """The credits a job has reserved: slices of the grants they came from, in spending order."""

    slices: tuple[Grant, ...] = ()
    """Each slice is the grant it was cut from, with ``remaining`` = what was taken."""

    @property
    def credits(self) -> int:
        return sum(piece.remaining for piece in self.slices)


@dataclass(frozen=True)
class Change:
    """What to commit together: the wallet as it will be and the entries that lead there."""

    wallet: Wallet
    entries: tuple[Entry, ...]

    def then(self, later: Change) -> Change:
        """This change and one that started from its wallet, as one."""
        return Change(later.wallet, (*self.entries, *later.entries))


@dataclass(frozen=True)
class Reason:
    """Why credits move: the cause is the key that makes it happen once."""

    cause: str
    reference_type: str
    reference_id: str
    description: str


def open_wallet(account_id: str, now: datetime) -> Change:
    """The wallet of an account seen for the first time, with its one bonus."""
    grant = Grant(
        grant_id="bonus#signup",
        source="bonus",
        remaining=SIGNUP_BONUS_CREDITS,
        priority=BONUS_PRIORITY,
        created_at=now,
    )
    reason = Reason("bonus#signup", "signup", account_id, "Welcome bonus")
    return add_grant(Wallet(account_id=account_id), grant, EntryType.BONUS, reason, now)


def add_grant(
    wallet: Wallet, grant: Grant, entry_type: EntryType, reason: Reason, now: datetime
) -> Change:
    """Credits come in as a new grant.

    Raises:
        InvalidInput: the grant holds no credits.
    """
    _require_positive(grant.remaining)
    change = expire_due(wallet, now)
    grants = _merged((*change.wallet.grants, grant))
    after = replace(change.wallet, grants=grants)
    return _record(change, after, entry_type, grant.remaining, 0, reason, now)


def add_purchase(wallet: Wallet, grant: Grant, reason: Reason, now: datetime) -> Change:
    """Purchased credits come in; an open debt is paid from them first.

    Raises:
        InvalidInput: the grant holds no credits.
    """
    change = add_grant(wallet, grant, EntryType.PURCHASE, reason, now)
    paid = min(change.wallet.debt, grant.remaining)
    if not paid:
        return change
    payment = Reason(
        f"debt#{reason.reference_id}", reason.reference_type, reason.reference_id, "Debt paid"
    )
    return _take_back(change, grant.grant_id, paid, EntryType.REVERSAL, payment, now, debt=-paid)


def reverse(
    wallet: Wallet, purchase_id: str, credits: int, reason: Reason, now: datetime
) -> Change:
    """Take back purchased credits: what is left of the purchase's grant, then other purchased
    credits, and what is missing becomes a debt.

    Raises:
        InvalidInput: the amount is not a positive integer.
    """
    _require_positive(credits)
    change = expire_due(wallet, now)
    purchased = sum(grant.remaining for grant in change.wallet.grants if _is_purchased(grant))
    taken = min(credits, purchased)
    return _take_back(
        change, purchase_id, taken, EntryType.REVERSAL, reason, now, debt=credits - taken
    )


def restore(
    wallet: Wallet, purchase_id: str, credits: int, reason: Reason, now: datetime
) -> Change:
    """Undo a reversal (a dispute was won): an open debt first, the rest to the purchase's grant.

    Raises:
        InvalidInput: the amount is not a positive integer.
    """
    _require_positive(credits)
    change = expire_due(wallet, now)
    forgiven = min(credits, change.wallet.debt)
    back = Grant(
        grant_id=purchase_id,
        source="purchase",
        remaining=credits - forgiven,
        priority=PURCHASE_PRIORITY,
        created_at=now,
    )
    grants = _give_back(change.wallet.grants, (back,), reason.reference_id, now)
    if not back.remaining:
        grants = change.wallet.grants
    after = replace(change.wallet, grants=grants)
    return _record(
        change, after, EntryType.REVERSAL, back.remaining, 0, reason, now, debt=-forgiven
    )


def adjust(
    wallet: Wallet, amount: int, reason: Reason, now: datetime, *, expires_at: datetime | None
) -> Change:
    """An operator gives or takes credits; never below zero, and never from a hold.

    Raises:
        InvalidInput: the amount is zero or no integer, or more than the balance is taken.
    """
    if isinstance(amount, bool) or not isinstance(amount, int) or amount == 0:
        raise InvalidInput("an adjustment is an integer other than zero")
    change = expire_due(wallet, now)
    if amount > 0:
        grant = Grant(
            grant_id=reason.cause,
            source="adjust",
            remaining=amount,
            priority=BONUS_PRIORITY,
            created_at=now,
            expires_at=expires_at,
        )
        grants = _merged((*change.wallet.grants, grant))
    elif -amount > change.wallet.balance:
        raise InvalidInput(
            "more than the balance",
            fields=[{"path": "amount", "message": "takes more than the balance"}],
        )
    else:
        grants, _ = _take(change.wallet.grants, -amount)
    after = replace(change.wallet, grants=grants)
    return _record(change, after, EntryType.ADJUST, amount, 0, reason, now)


def reserve(wallet: Wallet, amount: int, job_id: str, now: datetime) -> tuple[Change, Hold]:
    """Move ``amount`` credits from the balance into a hold for a job.

    Raises:
        InvalidInput: the amount is not a positive integer.
        PaymentRequired: the balance does not cover it, or (CREDITS_DEBT) a debt is open;
            ``needed``, ``balance`` and ``shortfall`` are its facts.
    """
    _require_positive(amount)
    change = expire_due(wallet, now)
    if change.wallet.debt:
        raise PaymentRequired(
            "a debt is open",
            code="CREDITS_DEBT",
            needed=amount,
            balance=change.wallet.balance,
            shortfall=change.wallet.debt + max(0, amount - change.wallet.balance),
        )
    if change.wallet.balance < amount:
        raise PaymentRequired(
            "the balance does not cover the price",
            needed=amount,
            balance=change.wallet.balance,
            shortfall=amount - change.wallet.balance,
        )
    kept, hold = _take(change.wallet.grants, amount)
    reason = Reason(f"deduct#{job_id}", "job", job_id, "Reserved for a job")
    after = replace(change.wallet, grants=kept)
    return _record(change, after, EntryType.DEDUCT, -amount, amount, reason, now), hold


def settle(wallet: Wallet, hold: Hold, used: int, job_id: str, now: datetime) -> Change:
    """End a hold: ``used`` credits are spent, the rest goes back where it came from.

    Credits whose grant expired while they were held come back with 24 hours of grace.

    Raises:
        ValueError: ``used`` is outside the hold, or the wallet does not hold that much; both
            mean a broken law, never bad input.
    """
    reserved = hold.credits
    if not 0 <= used <= reserved or wallet.held < reserved:
        raise ValueError(f"cannot settle {used} of {reserved} with {wallet.held} held")
    change = expire_due(wallet, now)
    if used:
        reason = Reason(f"settle#{job_id}", "job", job_id, "Used by a job")
        change = _record(change, change.wallet, EntryType.SETTLE, 0, -used, reason, now)
    unused = reserved - used
    if unused:
        slices = _last_credits(hold, unused)
        grants = _give_back(change.wallet.grants, slices, job_id, now)
        reason = Reason(f"refund#{job_id}", "job", job_id, "Unused credits returned")
        after = replace(change.wallet, grants=grants)
        change = _record(change, after, EntryType.REFUND, unused, -unused, reason, now)
    return change


def expire_due(wallet: Wallet, now: datetime) -> Change:
    """Take out grants that are past their time, one entry for each."""
    change = Change(wallet, ())
    for grant in sorted(wallet.grants, key=Grant.spending_order):
        if not grant.is_due(now):
            continue
        kept = tuple(other for other in change.wallet.grants if other.grant_id != grant.grant_id)
        reason = Reason(f"expire#{grant.grant_id}", "grant", grant.grant_id, "Credits expired")
        after = replace(change.wallet, grants=kept)
        change = _record(change, after, EntryType.EXPIRE, -grant.remaining, 0, reason, now)
    return change


def _record(
    change: Change,
    wallet: Wallet,
    entry_type: EntryType,
    amount: int,
    held_change: int,
    reason: Reason,
    now: datetime,
    *,
    debt: int = 0,
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
    )
    return Change(after, (*change.entries, entry))


def _moves(before: Sequence[Grant], after: Sequence[Grant]) -> dict[str, int]:
    """What an operation did to each grant; a merge moves credits from one to another."""
    moves = {grant.grant_id: -grant.remaining for grant in before}
    for grant in after:
        moves[grant.grant_id] = moves.get(grant.grant_id, 0) + grant.remaining
    return {grant_id: moved for grant_id, moved in sorted(moves.items()) if moved}


def _is_purchased(grant: Grant) -> bool:
    return grant.source == "purchase"


def _take_back(
    change: Change,
    purchase_id: str,
    credits: int,
    entry_type: EntryType,
    reason: Reason,
    now: datetime,
    *,
    debt: int,
) -> Change:
    """Take ``credits`` out of purchased grants, the named purchase's own first."""
    missing = credits
    kept: list[Grant] = []
    for grant in sorted(change.wallet.grants, key=lambda g: _own_first(g, purchase_id)):
        taken = min(missing, grant.remaining) if _is_purchased(grant) else 0
        missing -= taken
        if grant.remaining > taken:
            kept.append(replace(grant, remaining=grant.remaining - taken))
    after = replace(change.wallet, grants=tuple(sorted(kept, key=Grant.spending_order)))
    return _record(change, after, entry_type, -credits, 0, reason, now, debt=debt)


def _own_first(grant: Grant, purchase_id: str) -> tuple[bool, tuple[int, float, float, str]]:
    """Order for a reversal; a purchase that was merged is found in what it became part of."""
    own = grant.grant_id == purchase_id or purchase_id in grant.merged
    return (not own, grant.spending_order())


def _require_positive(amount: int) -> None:
    if isinstance(amount, bool) or not isinstance(amount, int) or amount <= 0:
        raise InvalidInput("an amount of credits is a positive integer")


def _take(grants: Sequence[Grant], amount: int) -> tuple[tuple[Grant, ...], Hold]:
    """Cut ``amount`` credits out of grants in spending order; the caller knows they suffice."""
    kept: list[Grant] = []
    slices: list[Grant] = []
    missing = amount
    for grant in sorted(grants, key=Grant.spending_order):
        taken = min(missing, grant.remaining)
        missing -= taken
        if taken:
            slices.append(replace(grant, remaining=taken))
        # An empty grant can go: its identity travels in the slice and comes back with it.
        if grant.remaining > taken:
            kept.append(replace(grant, remaining=grant.remaining - taken))
    return tuple(kept), Hold(tuple(slices))


def _last_credits(hold: Hold, unused: int) -> tuple[Grant, ...]:
    """The slices that were not spent: a job uses its hold in spending order."""
    returned: list[Grant] = []
    missing = unused
    for piece in reversed(hold.slices):
        back = min(missing, piece.remaining)
        missing -= back
        if back:
            returned.append(replace(piece, remaining=back))
    return tuple(returned)


def _give_back(
    grants: Sequence[Grant], slices: Iterable[Grant], job_id: str, now: datetime
) -> tuple[Grant, ...]:
    live = {grant.grant_id: grant for grant in grants}
    for piece in slices:
        grant = live.get(piece.grant_id)
        if grant is not None:
            live[piece.grant_id] = replace(
                grant,
                remaining=grant.remaining + piece.remaining,
                merged={**piece.merged, **grant.merged},
            )
        elif piece.is_due(now):
            # A grace is a new grant, named after the job that gives back: a grant expires once.
            renewed = f"{piece.grant_id}~{job_id}"
            grace = now + timedelta(seconds=GRACE_SECONDS)
            live[renewed] = replace(piece, grant_id=renewed, source="refund", expires_at=grace)
        else:
            live[piece.grant_id] = piece
    return _merged(tuple(live.values()))


def _together(*origins: Mapping[str, int]) -> dict[str, int]:
    """What grants were made of, added up: a grant may be folded, held, returned, folded again."""
    total: dict[str, int] = {}
    for origin in origins:
        for grant_id, credits in origin.items():
            total[grant_id] = total.get(grant_id, 0) + credits
    return total


def _merged(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """Fold the smallest same-kind grants without expiry until the wallet's limit is kept."""
    ordered = sorted(grants, key=Grant.spending_order)
    while len(ordered) > LIVE_GRANTS_LIMIT:
        kinds: dict[tuple[str, int], list[Grant]] = {}
        for grant in ordered:
            if grant.expires_at is None:
                kinds.setdefault((grant.source, grant.priority), []).append(grant)
        candidates = [group for group in kinds.values() if len(group) > 1]
        if not candidates:
            break
        group = max(candidates, key=len)
        small, other = sorted(group, key=lambda grant: (grant.remaining, grant.grant_id))[:2]
        older, newer = sorted((small, other), key=Grant.spending_order)
        folded = replace(
            older,
            remaining=older.remaining + newer.remaining,
            merged=_together(older.merged, newer.merged, {newer.grant_id: newer.remaining}),
        )
        ordered = [g for g in ordered if g.grant_id not in (older.grant_id, newer.grant_id)]
        ordered = sorted((*ordered, folded), key=Grant.spending_order)
    return tuple(ordered)
