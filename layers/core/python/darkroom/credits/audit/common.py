"""Shared by the modules of the auditor: breaches and tolerances."""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.credits.audit.facts import Books, Breach, EntryFacts, Law

ENTRY_TIME_TOLERANCE = timedelta(minutes=5)
"""Different processes write the entries of a wallet: their clocks differ, and a call may wait
between reading its clock and its commit. The order of versions is exact; times are not."""
EXPIRY_TOLERANCE = timedelta(hours=1)
"""The sweeper runs every minute; a grant that is due for longer was not swept."""
MONEY_LAWS: frozenset[Law] = frozenset({"L1", "L2", "L3", "L5", "L7"})
"""The laws that decide what an account may spend. A missing output (L6), an unreadable item (L8) or
a purchase record (L4) does not put its credits in doubt."""
LIVE_GRANTS_LIMIT = 50
ORIGINS_LIMIT = 20
SIGNUP_BONUS = 5
BONUS_PRIORITY = 10
PURCHASE_PRIORITY = 50
GRACE = timedelta(hours=24)


def breach(
    books: Books,
    law: Law,
    message: str,
    entry: EntryFacts | None = None,
    *,
    is_money_in_doubt: bool | None = None,
    identity: str = "",
) -> Breach:
    """A breach. By default, the law decides ``is_money_in_doubt``."""
    return Breach(
        is_money_in_doubt=law in MONEY_LAWS if is_money_in_doubt is None else is_money_in_doubt,
        law=law,
        account_id=books.account_id,
        message=message,
        identity=identity,
        entry_id=entry.cause if entry else None,
    )


def is_before(
    one: datetime | None, other: datetime | None, tolerance: timedelta = ENTRY_TIME_TOLERANCE
) -> bool:
    """Whether ``one`` is certainly earlier."""
    # Differences never overflow; sums with the times of damaged items may.
    return one is not None and other is not None and other - one > tolerance


def grace_until(moment: datetime | None) -> datetime | None:
    try:
        return None if moment is None else moment + GRACE
    except OverflowError:
        return None
