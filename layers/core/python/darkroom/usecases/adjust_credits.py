"""ADJUST: an operator gives or takes credits, with a reason, once per Idempotency-Key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.bootstrap import App
from darkroom.credits import model, store
from darkroom.credits.model import Entry, Reason
from darkroom.db import commit
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound, Unprocessable
from darkroom.kernel.problems import problem
from darkroom.usecases.racing import until_won
from darkroom.usecases.requests import Command

# Longer than any promise; a date far beyond cannot even be told in UTC.
GIFT_LIMIT_DAYS = 36_500


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    entry: Entry
    balance: int


def adjust_credits(
    app: App,
    call: Command,
    *,
    account_id: str,
    amount: int,
    reason: str,
    expires_at: datetime | None,
) -> Adjusted:
    """Give (positive) or take (negative) credits of an account that has been seen.

    Raises:
        NotFound: no such account.
        InvalidInput: zero, more than the balance, no reason, or an expiry that is not ahead.
        Unprocessable: IDEMPOTENCY_MISMATCH.
    """
    assert call.key is not None
    name = "\x1f".join((call.account_id, call.route, call.key))
    cause = f"adjust#{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    why = Reason(cause, "adjustment", call.operation, reason)
    if not reason.strip():
        raise InvalidInput("no reason", fields=[problem("reason", "NO_TEXT")])

    def attempt() -> Adjusted:
        done = store.find_entry(account_id, cause)
        if done is not None:
            return _replayed(call, done)
        wallet = store.find_wallet(account_id)
        if wallet is None:
            raise NotFound("no such account")
        now = app.clock.now()
        if expires_at is not None:
            _check_expiry(expires_at, amount, now)
        change = model.adjust(wallet, amount, why, now, expires_at=expires_at)
        commit(store.change_writes(change, before=wallet, operation=call.operation))
        return Adjusted(entry=change.entries[-1], balance=change.wallet.balance)

    try:
        return until_won(app, attempt)
    except Conflict:
        done = store.find_entry(account_id, cause)
        if done is None:
            raise
        return _replayed(call, done)


def _replayed(call: Command, entry: Entry) -> Adjusted:
    if entry.reference_id != call.operation:
        raise Unprocessable("the key was used for another request", code="IDEMPOTENCY_MISMATCH")
    return Adjusted(entry=entry, balance=entry.balance_after)


def _check_expiry(expires_at: datetime, amount: int, now: datetime) -> None:
    limit = now + timedelta(days=GIFT_LIMIT_DAYS)
    if amount < 0 or not now < expires_at <= limit:
        raise InvalidInput(
            "not an expiry",
            fields=[problem("expiresAt", "TIME_NOT_AHEAD")],
        )
