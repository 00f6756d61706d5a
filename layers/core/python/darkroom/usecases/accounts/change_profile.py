"""Change the profile of an account, and note when the account was first read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from darkroom.bootstrap.composition import App
from darkroom.credits import store as credits_store
from darkroom.credits.model import SIGNUP_CAUSE
from darkroom.db import commit
from darkroom.kernel.errors import Unreadable
from darkroom.plans.store import Account, find_account, profile_write


def change_profile(app: App, account_id: str, changes: Mapping[str, str | None]) -> Account:
    """Set fields of the profile by their attribute names; None removes one. Safe to repeat."""
    open_profile(app, account_id)
    now = app.clock.now()
    commit([profile_write(account_id, changes, now=now, operation=app.ids.token())])
    return find_account(account_id)


def open_profile(app: App, account_id: str) -> Account:
    """The account; the first call stores when it was created."""
    account = find_account(account_id)
    if account.created_at is not None:
        return account
    # Accounts that are older than their profile began with their wallet.
    try:
        entry = credits_store.find_entry(account_id, SIGNUP_CAUSE)
    except Unreadable:
        entry = None
    since = app.clock.now() if entry is None else entry.created_at
    commit([profile_write(account_id, {}, now=since, operation=app.ids.token())])
    stored = find_account(account_id)
    # A damaged item reads as no account at all, and must not fail the request.
    return stored if stored.created_at is not None else replace(stored, created_at=since)
