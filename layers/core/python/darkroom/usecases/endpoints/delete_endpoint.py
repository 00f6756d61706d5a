"""Delete a webhook endpoint."""

from __future__ import annotations

from darkroom.db import commit
from darkroom.endpoints import store
from darkroom.kernel.errors import NotFound


def delete_endpoint(*, account_id: str, endpoint_id: str) -> None:
    """Delete the endpoint, also a damaged one. Nothing is sent to it any more; its deliveries are
    removed when they are due, or expire.

    Raises:
        NotFound.
    """
    if not store.is_stored(account_id, endpoint_id):
        raise NotFound("no such endpoint")
    commit([store.delete_write(account_id, endpoint_id)])
