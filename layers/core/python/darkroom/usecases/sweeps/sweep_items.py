"""The loop that all sweeps share: every item on its own, and none in the way of another.

What fails is reported, counted, and put off with a delay that doubles, so that it never stands in
front of the others again and again. What a sweep does not get to is due in the next one.
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
    handle: Callable[..., str],
    on_error: OnError,
    *,
    put_off: Callable[[Due, datetime], None] | None = put_off,
) -> Counter[str]:
    """Call ``handle`` with the key of everything that is due, until ``SWEEP_ITEMS_LIMIT`` of it
    is done.

    Returns how often each thing was done, failures under ``error``. Without ``put_off``, what
    fails stays where it is.
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
                _put_off(app, due, name, put_off, on_error)
    return done


def _put_off(
    app: App, due: Due, name: str, put_off: Callable[[Due, datetime], None], on_error: OnError
) -> None:
    try:
        put_off(due, app.clock.now())
    except Exception as error:  # noqa: BLE001
        # It stays where it is, and the next sweep meets it again; the others go on.
        on_error(name, error)
