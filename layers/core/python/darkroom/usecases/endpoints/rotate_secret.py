"""Replace the secret of a webhook endpoint."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import Endpoint, rotated
from darkroom.kernel.command import Command


def rotate_secret(app: App, command: Command, endpoint_id: str) -> Endpoint:
    """Give the endpoint the secret of this command. For a day, the one before signs too.

    Raises:
        NotFound.
    """

    def attempt() -> Endpoint:
        before = store.get_endpoint(command.account_id, endpoint_id)
        if before.salt == command.operation:
            return before
        after = rotated(before, command.operation, now=app.clock.now())
        commit([store.change_write(before, after, operation=command.operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)
