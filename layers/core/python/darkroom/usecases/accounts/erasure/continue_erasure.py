"""Continue erasures until nothing is left, a bounded part at a time.

Each run goes through the registry from its beginning and erases what it finds, so it can stop at
any point. An erasure ends with a run that finds nothing, at a time when nothing that began before
the erasure can still write. Until then the account is due again and again.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.bootstrap.composition import App
from darkroom.db import commit_one
from darkroom.erasures import store
from darkroom.erasures.store import Erasure
from darkroom.kernel.errors import ConcurrentUpdate
from darkroom.kernel.limits import (
    ERASURE_BATCHES_LIMIT,
    ERASURE_CHECK_SECONDS,
    ERASURE_LAST_SECONDS,
    ERASURE_REMEMBERED_DAYS,
    ERASURE_RUN_SECONDS,
    ERASURES_LIMIT,
)
from darkroom.usecases.accounts.erasure.registry import BOOKS, LINES
from darkroom.usecases.accounts.erasure.steps import Left, Step, Subject
from darkroom.usecases.sweeps.sweep_items import OnError, sweep_items


def sweep_erasures(app: App, on_error: OnError) -> Counter[str]:
    """Continue the due erasures, the longest overdue first; returns their number by outcome.

    All share the time of one run. What it does not reach is due in the next one.
    """
    until = app.clock.now() + timedelta(seconds=ERASURE_RUN_SECONDS)
    found = store.list_due(app.clock.now(), limit=ERASURES_LIMIT)
    handle = functools.partial(_continue, app, until=until, on_error=on_error)
    return sweep_items(app, found, handle=handle, on_error=on_error)


def _continue(app: App, pseudonym: str, *, until: datetime, on_error: OnError) -> str:
    erasure = store.find_erasure(pseudonym)
    if erasure is None or erasure.account_id is None:
        return "gone"
    if app.clock.now() >= until:
        return "postponed"
    try:
        if erasure.erased_at is not None:
            # No backup and no payment of that time can return any more.
            commit_one(store.forget_write(erasure))
            return "forgotten"
        subject = Subject(account_id=erasure.account_id, pseudonym=pseudonym)
        left = _erase(app, subject, until=until, on_error=on_error)
        return _reschedule(app, erasure, left)
    except ConcurrentUpdate:
        # Begun again, or another run was faster; it is due at the time that the other has set.
        return "raced"


@dataclass
class _Run:
    """What one run has done for one account."""

    app: App
    subject: Subject
    until: datetime
    batches: int = 0
    is_busy: bool = False

    @property
    def is_over(self) -> bool:
        return self.batches >= ERASURE_BATCHES_LIMIT or self.app.clock.now() >= self.until

    def erase(self, step: Step) -> None:
        """Repeat the step until nothing is left, or the run is over."""
        while not self.is_over:
            left = step(self.app, self.subject)
            self.is_busy |= left is Left.BUSY
            if left is not Left.MORE:
                return
            self.batches += 1


def _erase(app: App, subject: Subject, *, until: datetime, on_error: OnError) -> Left:
    """Erase line by line; returns what is left. A line that fails is reported and tried again in
    the next run; until then, only the books have to wait."""
    run = _Run(app, subject, until)
    for line in LINES:
        if line.erase is None or (run.is_busy and line.table in BOOKS):
            continue
        try:
            run.erase(line.erase)
        except Exception as error:  # noqa: BLE001 - one table must not stop the others
            run.is_busy = True
            on_error(f"{subject.pseudonym} {line.table}", error)
        if run.is_over:
            return Left.MORE
    if run.is_busy:
        return Left.BUSY
    return Left.MORE if run.batches else Left.NOTHING


def _reschedule(app: App, erasure: Erasure, left: Left) -> str:
    now = app.clock.now()
    last_at = erasure.started_at + timedelta(seconds=ERASURE_LAST_SECONDS)
    if left is Left.NOTHING and now >= last_at:
        forget_at = now + timedelta(days=ERASURE_REMEMBERED_DAYS)
        commit_one(store.erased_write(erasure, now=now, forget_at=forget_at))
        return "erased"
    soon = now + timedelta(seconds=ERASURE_CHECK_SECONDS)
    at = max(soon, last_at) if left is Left.NOTHING else soon
    commit_one(store.recheck_write(erasure, at=at))
    return "continued"
