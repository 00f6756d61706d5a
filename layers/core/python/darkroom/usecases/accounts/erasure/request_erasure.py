"""Accept the erasure of an account: from then on it is refused, and erased step by step."""

from __future__ import annotations

from contextlib import suppress

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.erasures import store
from darkroom.erasures.store import RequestedBy
from darkroom.kernel.errors import AlreadyHappened
from darkroom.kernel.limits import ERASURES_LIMIT
from darkroom.kernel.pseudonyms import pseudonym_of


def request_erasure(app: App, *, account_id: str, requested_by: RequestedBy) -> None:
    """Erase the account. Safe to repeat: an erasure that has begun goes on.

    This is one write. The stream of the erasures, or the schedule, does the rest.
    """
    pseudonym = pseudonym_of(app.signing_secret.value, account_id)
    write = store.request_write(
        pseudonym, account_id=account_id, requested_by=requested_by, now=app.clock.now()
    )
    with suppress(AlreadyHappened):
        commit_one(write)


def repeat_erasures(app: App, *, after: str | None) -> tuple[int, str | None]:
    """Begin a page of the erasures again, after data was restored from a backup; returns how many,
    and the position of the next page.

    An account that the list has forgotten is in no backup any more. Safe to repeat.
    """
    pseudonyms, position = store.page_pseudonyms(after=after, limit=ERASURES_LIMIT)
    begun = 0
    for pseudonym in pseudonyms:
        with suppress(AlreadyHappened):
            commit_one(store.restart_write(pseudonym, now=app.clock.now()))
            begun += 1
    return begun, position
