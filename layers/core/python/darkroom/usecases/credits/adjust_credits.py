"""Give or take credits, or clear a debt, for an operator: once per Idempotency-Key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.credits import model, store
from darkroom.credits.model import Change, Entry, Reason, Wallet
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, KeyReused, NotFound
from darkroom.kernel.problems import problem
from darkroom.usecases.credits.expire_grants import expire_due_first

# Longer than any real expiry; a date far beyond cannot be converted to UTC.
GIFT_LIMIT_DAYS = 36_500

Adjustment = Callable[[Wallet, Reason, datetime], Change]


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    entry: Entry
    balance: int
    """The balance right after the adjustment and its payment of a debt, also in a later repeat."""
    debt: int


def adjust_credits(
    app: App,
    command: Command,
    *,
    account_id: str,
    amount: int,
    reason: str,
    expires_at: datetime | None,
) -> Adjusted:
    """Give (positive) or take (negative) credits of an account that has a wallet.

    An open debt is paid from a gift first.

    Raises:
        NotFound: the account does not exist.
        InvalidInput: zero, more than the balance, no reason, or an expiry in the past.
        KeyReused.
    """

    def adjustment(wallet: Wallet, why: Reason, now: datetime) -> Change:
        if expires_at is not None:
            _check_expiry(expires_at, amount, now)
        return model.adjust(wallet, amount, reason=why, now=now, expires_at=expires_at)

    return _adjust_once(app, command, account_id, reason=reason, adjustment=adjustment)


def clear_debt(
    app: App, command: Command, *, account_id: str, amount: int | None, reason: str
) -> Adjusted:
    """Forgive ``amount`` credits of an account's debt, or all of it; the balance does not change.

    Raises:
        NotFound: the account does not exist.
        Conflict: NO_DEBT. InvalidInput: more than the debt, or no reason.
        KeyReused.
    """

    def adjustment(wallet: Wallet, why: Reason, now: datetime) -> Change:
        if not wallet.debt:
            raise Conflict("nothing is owed", code="NO_DEBT")
        return model.clear_debt(
            wallet, wallet.debt if amount is None else amount, reason=why, now=now
        )

    return _adjust_once(app, command, account_id, reason=reason, adjustment=adjustment)


def _adjust_once(
    app: App, command: Command, account_id: str, *, reason: str, adjustment: Adjustment
) -> Adjusted:
    assert command.key is not None
    name = "\x1f".join((command.account_id, command.route, command.key))
    cause = f"adjust#{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    why = Reason(cause, "adjustment", command.operation, reason)
    if not reason.strip():
        raise InvalidInput("no reason", fields=[problem("reason", "NO_TEXT")])

    def attempt() -> Adjusted:
        done = _find_adjusted(command, account_id, cause)
        if done is not None:
            return done
        wallet = store.find_wallet(account_id)
        if wallet is None:
            raise NotFound("no such account")
        now = app.clock.now()
        wallet = expire_due_first(app, wallet, now=now)
        change = adjustment(wallet, why, now)
        commit(store.change_writes(change, before=wallet, operation=command.operation))
        after = change.wallet
        return Adjusted(entry=change.entries[0], balance=after.balance, debt=after.debt)

    try:
        return retry_on_conflict(app.jitter, attempt)
    except Conflict:
        done = _find_adjusted(command, account_id, cause)
        if done is None:
            raise
        return done


def _find_adjusted(command: Command, account_id: str, cause: str) -> Adjusted | None:
    """The result of this adjustment, if it was committed already.

    Raises:
        KeyReused: another request used the key.
    """
    entry = store.find_entry(account_id, cause)
    if entry is None:
        return None
    if entry.reference_id != command.operation:
        raise KeyReused("the key was used for another request")
    last = store.find_entry(account_id, f"debt#{cause}") or entry
    return Adjusted(entry=entry, balance=last.balance_after, debt=last.debt_after)


def _check_expiry(expires_at: datetime, amount: int, now: datetime) -> None:
    limit = now + timedelta(days=GIFT_LIMIT_DAYS)
    if amount < 0 or not now < expires_at <= limit:
        raise InvalidInput(
            "not an expiry",
            fields=[problem("expiresAt", "TIME_NOT_AHEAD")],
        )
