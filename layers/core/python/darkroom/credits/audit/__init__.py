"""The auditor: re-derives a wallet from its ledger and reports which item breaks which law.

It is pure, and deliberately independent of ``credits.model``: it adds up the stored entries, so
that a mistake in the arithmetic is not repeated in its check. L1-L8 are the laws of the credits
specification; each module checks one group of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from darkroom.credits.audit.facts import Books, Breach
from darkroom.credits.audit.grants import check_grants
from darkroom.credits.audit.holds import check_holds
from darkroom.credits.audit.jobs import check_jobs
from darkroom.credits.audit.ledger import check_dates_of_entries, check_ledger
from darkroom.credits.audit.purchases import check_purchases


def audit(
    books: Books, packs: Mapping[str, int], now: datetime, *, check_dates: bool = True
) -> list[Breach]:
    """Every breach of L1-L7 in one account's books; empty if they are correct.

    ``packs``: name → credits of the packs on sale. ``check_dates`` is off if tests may set the
    clock, because entries then have the dates of that clock.
    """
    return [
        *check_ledger(books),
        *(check_dates_of_entries(books, now) if check_dates else ()),
        *check_grants(books, now),
        *check_purchases(books, packs),
        *check_holds(books),
        *check_jobs(books),
    ]
