"""Create a webhook endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from darkroom.adapters.public_network import UnsafeAddress
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.endpoints import store
from darkroom.endpoints.model import ENDPOINT_PREFIX, Endpoint
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput
from darkroom.kernel.limits import ENDPOINTS_LIMIT
from darkroom.kernel.problems import problem


def create_endpoint(
    app: App, command: Command, *, url: str, events: Sequence[str], description: str | None
) -> Endpoint:
    """Create an active endpoint, whose secret derives from the command.

    Raises:
        InvalidInput: the URL is not public.
        Conflict: TOO_MANY; the account has as many endpoints as it may have.
    """
    now = app.clock.now()
    endpoint = Endpoint(
        account_id=command.account_id,
        endpoint_id=command.id_for(app.ids, ENDPOINT_PREFIX),
        url=public_url(app, url),
        events=tuple(dict.fromkeys(events)),
        description=description,
        salt=command.operation,
        created_at=now,
        updated_at=now,
    )

    def attempt() -> Endpoint:
        last_creation = store.find_last_creation(command.account_id)
        exists = store.is_stored(command.account_id, endpoint.endpoint_id)
        if not exists and store.count_endpoints(command.account_id) >= ENDPOINTS_LIMIT:
            raise Conflict("too many endpoints", code="TOO_MANY", limit=ENDPOINTS_LIMIT)
        commit(
            store.create_writes(endpoint, last_creation=last_creation, operation=command.operation)
        )
        return endpoint

    return retry_on_conflict(app.jitter, attempt)


def public_url(app: App, url: str) -> str:
    """The URL with its host in lower case.

    Raises:
        InvalidInput: not https, not a public host's, or with a port or a user in it.
    """
    try:
        parts = urlsplit(url)
        spelled = urlunsplit(parts._replace(netloc=parts.netloc.lower()))
        app.poster.check_url(spelled)
    except (ValueError, UnsafeAddress) as error:
        raise InvalidInput("not a public URL", fields=[problem("url", "NOT_PUBLIC")]) from error
    return spelled
