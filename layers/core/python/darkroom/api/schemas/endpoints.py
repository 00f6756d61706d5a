"""Bodies about webhook endpoints."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from darkroom.api.schemas.base import Composed, Line, RequestBody, checked_change
from darkroom.endpoints.model import EVERY_EVENT, EndpointStatus
from darkroom.events.names import PUBLIC_NAMES
from darkroom.kernel.limits import ENDPOINT_NAME_LIMIT_CHARS, ENDPOINT_URL_LIMIT_CHARS
from darkroom.recipes.fields import broken
from darkroom.views.base import Words, described
from darkroom.views.endpoints import EventType

_KNOWN = frozenset({EVERY_EVENT, *PUBLIC_NAMES})


def _is_known(name: str) -> str:
    if name not in _KNOWN:
        raise broken("NOT_ALLOWED", allowed=[EVERY_EVENT, *PUBLIC_NAMES])
    return name


Url = Annotated[
    str,
    Field(min_length=1, max_length=ENDPOINT_URL_LIMIT_CHARS),
    described(
        "Where to send webhooks: https, of a public host, without a port or a password.",
        "https://example.com/webhooks",
        format="uri",
    ),
]
Events = Annotated[
    list[Annotated[EventType, AfterValidator(_is_known)]],
    Field(min_length=1, max_length=len(_KNOWN)),
    described("Names of the events to send, or `*` for all, also future ones.", ["JOB_SUCCEEDED"]),
]
Description = Annotated[
    str,
    Line,
    Field(max_length=ENDPOINT_NAME_LIMIT_CHARS),
    Composed,
    described("A note about the endpoint, on one line.", "Staging"),
]
Status = Annotated[
    str,
    Words("EndpointStatus", lambda: EndpointStatus),
    described("`disabled` sends nothing; `active` also enables one that responded with 410."),
]


def _is_status(status: str) -> str:
    if status not in list(EndpointStatus):
        raise broken("NOT_ALLOWED", allowed=list(EndpointStatus))
    return status


class CreateEndpointRequest(RequestBody):
    url: Url
    events: Events
    description: Description | None = None


class ChangeEndpointRequest(RequestBody):
    """Omitted fields keep their values; ``description: null`` removes the description."""

    nullable_fields = frozenset({"description"})

    url: Url | None = None
    events: Events | None = None
    description: Annotated[
        Description | None, described("The new note, on one line; null removes it.")
    ] = None
    status: Annotated[Status, AfterValidator(_is_status)] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> ChangeEndpointRequest:
        return checked_change(self, never_null={"url", "events", "status"})
