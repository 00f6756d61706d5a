"""Refuse everything of an erased account."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.erasures import store
from darkroom.kernel.errors import Gone
from darkroom.kernel.limits import ERASED_KNOWN_LIMIT
from darkroom.kernel.pseudonyms import pseudonym_of


def check_not_erased(app: App, account_id: str) -> None:
    """Raise for an account that is erased or being erased.

    It costs one consistent read of one item (one read unit). A process remembers the accounts that
    it has refused, because they stay erased; it never remembers that an account is not erased,
    because any other process may accept its erasure at any moment.

    Raises:
        Gone: ACCOUNT_ERASED.
    """
    if is_erased(app, account_id):
        raise Gone("the account is erased")


def is_erased(app: App, account_id: str) -> bool:
    """Whether the account is erased or being erased."""
    pseudonym = pseudonym_of(app.signing_secret.value, account_id)
    if pseudonym in app.known_erased:
        return True
    if not store.is_erased(pseudonym):
        return False
    if len(app.known_erased) >= ERASED_KNOWN_LIMIT:
        app.known_erased.clear()
    app.known_erased.add(pseudonym)
    return True
