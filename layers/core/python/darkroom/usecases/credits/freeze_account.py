"""Freeze an account, so that it cannot spend while its books are checked, and unfreeze it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from darkroom.bootstrap.composition import App
from darkroom.credits import store
from darkroom.credits.audit.facts import Breach
from darkroom.db import commit
from darkroom.db.raw import find_raw
from darkroom.kernel.errors import ConcurrentUpdate, InvalidInput, NotFound
from darkroom.kernel.problems import problem
from darkroom.usecases.credits.audit_accounts import AccountAudit


def freeze_account(app: App, *, account_id: str, reason: str) -> None:
    """Refuse spending with ACCOUNT_FROZEN from now on. Running jobs end and are settled;
    purchases and adjustments still work. Safe to repeat: the last reason stays.

    Raises:
        NotFound: the account does not exist. InvalidInput: no reason.
    """
    if not reason.strip():
        raise InvalidInput("no reason", fields=[problem("reason", "NO_TEXT")])
    commit([store.freeze_write(account_id, reason=reason, operation=app.ids.token())])


def unfreeze_account(app: App, *, account_id: str) -> None:
    """Let the account spend again. The breaches for which the audit froze it are accepted then;
    the next audit freezes it again for any other. Safe to repeat.

    Raises:
        NotFound: the account does not exist.
    """
    commit([store.unfreeze_write(account_id, operation=app.ids.token())])


def freeze_if_broken(app: App, audited: AccountAudit) -> bool:
    """Freeze an account whose credits are in doubt; returns whether it is newly frozen.

    Breaches that an operator accepted by unfreezing the account do not count: entries are
    immutable, so some breaches stay forever. Every other change of the breaches counts. An account
    without breaches has nothing accepted any more, so the same breach counts when it comes back.
    An account without a wallet cannot spend.
    """
    if not audited.account_id:
        return False
    if not audited.breaches:
        _forget_accepted(app, audited.account_id)
    doubts = _doubts(audited)
    if not doubts:
        return False
    wallet = find_raw(store.WalletItem, audited.account_id)
    if wallet is None or store.frozen_reason(wallet) is not None:
        return False
    digest = _digest(doubts)
    if store.accepted_breaches(wallet) == digest:
        return False
    reason = f"audit: {', '.join(sorted({breach.law for breach in doubts}))}"
    with suppress(NotFound):
        commit(
            [
                store.freeze_write(
                    audited.account_id, reason=reason, operation=app.ids.token(), found=digest
                )
            ]
        )
        return True
    return False


def _forget_accepted(app: App, account_id: str) -> None:
    wallet = find_raw(store.WalletItem, account_id)
    accepted = store.accepted_breaches(wallet)
    if accepted is None or store.frozen_reason(wallet) is not None:
        return
    write = store.forget_accepted_write(account_id, accepted=accepted, operation=app.ids.token())
    # Frozen meanwhile, or changed by an operator: the next audit looks at it again.
    with suppress(ConcurrentUpdate):
        commit([write])


def _doubts(audited: AccountAudit) -> list[Breach]:
    return [breach for breach in audited.breaches if breach.is_money_in_doubt]


def _digest(breaches: Sequence[Breach]) -> str:
    """Stays the same while the account goes on and its breaches do not change."""
    lines = sorted(
        f"{breach.law}|{breach.entry_id}|{breach.identity or breach.message}" for breach in breaches
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
