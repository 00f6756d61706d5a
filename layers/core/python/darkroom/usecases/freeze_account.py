"""Freeze: nothing of an account is spent while its books are checked; or spending goes on again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from darkroom.bootstrap import App
from darkroom.credits import store
from darkroom.credits.audit import Breach
from darkroom.db import commit
from darkroom.db.raw import find_raw
from darkroom.kernel.errors import InvalidInput, NotFound
from darkroom.kernel.problems import problem


def freeze_account(app: App, *, account_id: str, reason: str) -> None:
    """From now on spending is refused with ACCOUNT_FROZEN. What runs may end and is settled;
    purchases and adjustments still come in. Safe to repeat: the last reason stays.

    Raises:
        NotFound: no such account. InvalidInput: no reason.
    """
    if not reason.strip():
        raise InvalidInput("no reason", fields=[problem("reason", "NO_TEXT")])
    commit([store.freeze_write(account_id, reason, app.ids.token())])


def freeze_broken_accounts(app: App, breaches: Iterable[Breach]) -> int:
    """Freeze the accounts whose credits are in doubt; returns how many are newly frozen.

    An account that is frozen already keeps its reason; one without a wallet cannot spend.
    """
    laws: dict[str, set[str]] = defaultdict(set)
    for breach in breaches:
        if breach.is_money_in_doubt and breach.account_id:
            laws[breach.account_id].add(breach.law)
    frozen = 0
    for account_id, broken in sorted(laws.items()):
        wallet = find_raw(store.WalletItem, account_id)
        if wallet is None or store.frozen_reason(wallet) is not None:
            continue
        with suppress(NotFound):
            freeze_account(app, account_id=account_id, reason=f"audit: {', '.join(sorted(broken))}")
            frozen += 1
    return frozen


def unfreeze_account(app: App, *, account_id: str) -> None:
    """The account may spend again. Safe to repeat.

    Raises:
        NotFound: no such account.
    """
    commit([store.freeze_write(account_id, None, app.ids.token())])
