"""End a sweep early when the payment gateway fails a few times or takes too long in total."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from darkroom.bootstrap.composition import App
from darkroom.db.due import Due
from darkroom.kernel.limits import GATEWAY_FAILURES_LIMIT, GATEWAY_SWEEP_SECONDS
from darkroom.payments.ports import GatewayUnavailable
from darkroom.usecases.sweeps.sweep_items import OnError


class Patience:
    """Ends a sweep early if the gateway is down or slow; the rest is due in the next sweep."""

    def __init__(self, app: App, on_error: OnError) -> None:
        self._app, self._on_error = app, on_error
        self._until = app.clock.now() + timedelta(seconds=GATEWAY_SWEEP_SECONDS)
        self._failures = 0

    def on_error(self, item: str, error: Exception) -> None:
        """Report and count a failed item."""
        self._failures += isinstance(error, GatewayUnavailable)
        self._on_error(item, error)

    def with_(self, found: Sequence[Due]) -> Iterator[Due]:
        """The due items one by one, until the limit of failures or time is reached."""
        for due in found:
            is_late = self._app.clock.now() > self._until
            if is_late or self._failures >= GATEWAY_FAILURES_LIMIT:
                return
            yield due
