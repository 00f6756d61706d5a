"""The auditor: re-derives a wallet from its ledger and says which item breaks which law.

Pure, and deliberately not built on ``credits.model``: it adds up what is written, so that a
mistake in the arithmetic cannot hide in the proof. L1-L8 are the laws of the credits
specification; one module checks one group of them.
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
    """Every breach of L1-L7 in one account's books; empty when they are right.

    ``packs``: name → credits of the packs that are sold. ``check_dates`` is off where a test may
    set the clock, so that entries are dated as it was set.
    """
    return [
        *check_ledger(books),
        *(check_dates_of_entries(books, now) if check_dates else ()),
        *check_grants(books, now),
        *check_purchases(books, packs),
        *check_holds(books),
        *check_jobs(books),
    ]
