"""Freeze: nothing of an account is spent while its books are checked; or spending goes on again."""

from __future__ import annotations

from darkroom.bootstrap import App
from darkroom.credits import store
from darkroom.db import commit
from darkroom.kernel.errors import InvalidInput
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


def unfreeze_account(app: App, *, account_id: str) -> None:
    """The account may spend again. Safe to repeat.

    Raises:
        NotFound: no such account.
    """
    commit([store.freeze_write(account_id, None, app.ids.token())])
