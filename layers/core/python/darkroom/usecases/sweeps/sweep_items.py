"""Sweep items: the loop that all sweeps share, in which no item blocks another.

A failed item is reported, counted, and rescheduled with a delay that doubles, so that it does not
block the others. Items that a sweep does not reach are due in the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from darkroom.bootstrap.composition import App
from darkroom.db.due import Due, put_off
from darkroom.kernel.limits import SWEEP_ITEMS_LIMIT

OnError = Callable[[str, Exception], None]
ERROR = "error"


def sweep_items(
    app: App,
    found: Iterable[Due],
    *,
    handle: Callable[..., str],
    on_error: OnError,
    put_off: Callable[[Due, datetime], None] | None = put_off,
) -> Counter[str]:
    """Call ``handle`` with the key of each due item, up to ``SWEEP_ITEMS_LIMIT`` items.

    Returns the number of items by outcome, with failures under ``error``. Without ``put_off``,
    failed items are not rescheduled.
    """
    done: Counter[str] = Counter()
    for due in found:
        if done.total() - done[ERROR] >= SWEEP_ITEMS_LIMIT:
            break
        name = " ".join(due.key)
        try:
            done[handle(*due.key)] += 1
        except Exception as error:  # noqa: BLE001 - one item must not stop the others
            on_error(name, error)
            done[ERROR] += 1
            if put_off is not None:
                _put_off(app, due, name=name, put_off=put_off, on_error=on_error)
    return done


def _put_off(
    app: App, due: Due, *, name: str, put_off: Callable[[Due, datetime], None], on_error: OnError
) -> None:
    try:
        put_off(due, app.clock.now())
    except Exception as error:  # noqa: BLE001
        # It is not rescheduled, and the next sweep handles it again; the others continue.
        on_error(name, error)
