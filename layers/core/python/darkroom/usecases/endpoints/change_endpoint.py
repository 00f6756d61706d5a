"""Change a webhook endpoint, or disable it and activate it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import Endpoint, EndpointStatus
from darkroom.usecases.endpoints.create_endpoint import public_url


@dataclass(frozen=True, kw_only=True)
class EndpointChange:
    """None keeps what is there."""

    url: str | None = None
    events: Sequence[str] | None = None
    status: EndpointStatus | None = None
    sets_description: bool = False
    description: str | None = None


def change_endpoint(
    app: App, *, account_id: str, endpoint_id: str, change: EndpointChange
) -> Endpoint:
    """Change the named fields and return the endpoint. Attempts that are still due use them too.

    Raises:
        NotFound; InvalidInput: the URL is not public.
    """
    operation = app.ids.token()
    url = None if change.url is None else public_url(app, change.url)

    def attempt() -> Endpoint:
        before = store.get_endpoint(account_id, endpoint_id)
        after = replace(
            before,
            url=url or before.url,
            events=before.events if change.events is None else tuple(dict.fromkeys(change.events)),
            status=change.status or before.status,
            description=change.description if change.sets_description else before.description,
            updated_at=app.clock.now(),
        )
        if change.status is EndpointStatus.ACTIVE or url is not None:
            # What was slow or gone may be repaired, or elsewhere.
            is_gone = after.is_gone and not after.is_active
            after = replace(after, is_gone=is_gone, hangs=0, flights=())
        commit([store.change_write(before, after, operation=operation)])
        return after

    return retry_on_conflict(app.jitter, attempt)
