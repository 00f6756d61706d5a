"""Project an event: what follows from it, each projection by itself.

A projection may run twice, late or after a later event, and must then change nothing. One that
fails hides no other: the event stays due, and the stream or the sweeper runs all of them again.
"""

from __future__ import annotations

from collections.abc import Callable

from darkroom.bootstrap.composition import App
from darkroom.events.store import Event
from darkroom.usecases.projections.announce_event import announce_event
from darkroom.usecases.projections.count_event import count_event

Projection = Callable[[App, Event], object]
PROJECTIONS: tuple[Projection, ...] = (announce_event,)
"""All but the counters of analytics, which come last: their transaction also ends the checks of an
event whose other projections have all run."""


def project_event(app: App, event: Event) -> None:
    """Run every projection, then record that none is due any more.

    Raises:
        the first error of a projection; the others have run, and the event stays due.
    """
    failed: Exception | None = None
    for project in PROJECTIONS:
        try:
            project(app, event)
        except Exception as error:  # noqa: BLE001 - one projection must not stop the others
            failed = failed or error
    count_event(app, event, is_projected=failed is None)
    if failed is not None:
        raise failed
