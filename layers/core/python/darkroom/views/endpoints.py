"""An account's webhook endpoints and their deliveries, as the API shows them."""

from __future__ import annotations

from typing import Annotated

from darkroom.endpoints import store
from darkroom.endpoints.model import (
    EVERY_EVENT,
    TEST_EVENT,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Failure,
)
from darkroom.events.names import PUBLIC_NAMES
from darkroom.kernel.clock import to_iso
from darkroom.views.base import (
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)

_TAKEN = frozenset({EVERY_EVENT, *PUBLIC_NAMES})
_SENT = frozenset({TEST_EVENT, *PUBLIC_NAMES})
EndpointId = Annotated[
    str, described("Id of the webhook endpoint.", "whe_01JGTQ4M9R8W3Z5K7N2P6X0F00")
]
DeliveryId = Annotated[str, described("Id of the delivery.", "dlv_01JGTQ4M9R8W3Z5K7N2P6X0G00")]
EventType = Annotated[
    str,
    Words("WebhookEventType", lambda: (EVERY_EVENT, *PUBLIC_NAMES)),
    described("Name of an event, or `*` for all.", "JOB_SUCCEEDED"),
]
Secret = Annotated[
    str,
    described(
        "Secret that signs the webhooks of the endpoint. It is shown only here.",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    ),
]


class EndpointResponse(ResponseBody):
    endpoint_id: EndpointId
    url: Annotated[
        str,
        described("Where webhooks are sent.", "https://example.com/webhooks", format="uri"),
    ]
    events: Annotated[list[EventType], described("The events that are sent to it.")]
    description: Annotated[
        Omittable[str], described("The owner's note about it; absent if there is none.", "Staging")
    ] = None
    status: Annotated[
        str,
        Words("EndpointStatus", lambda: EndpointStatus),
        described("`disabled`: nothing is sent to it.", "active"),
    ]
    disabled_by: Annotated[
        Omittable[str],
        Words("EndpointDisabler", lambda: ("owner", "receiver")),
        described(
            "`receiver`: it responded with 410. Absent while the endpoint is active.", "receiver"
        ),
    ] = None
    previous_valid_until: Annotated[
        Omittable[Timestamp],
        described("Until when the secret before the last rotation signs too."),
    ] = None
    created_at: Annotated[Timestamp, described("When the endpoint was created.")]
    updated_at: Annotated[Timestamp, described("When the endpoint was last changed.")]


class CreatedEndpoint(EndpointResponse):
    secret: Secret


class EndpointList(ResponseBody):
    items: Annotated[list[EndpointResponse], described("All endpoints, newest first.")]


class Rotation(ResponseBody):
    """When the secret before a rotation stops to sign."""

    previous_valid_until: Annotated[
        Timestamp, described("Until when the secret before signs too, beside the new one.")
    ]


class RotatedSecret(Rotation):
    secret: Secret


class DeliveryReference(ResponseBody):
    delivery_id: DeliveryId


class DeliveryResponse(ResponseBody):
    delivery_id: DeliveryId
    event_id: Annotated[
        str,
        described(
            "Id of the event, the same for all endpoints and attempts: the header `webhook-id`.",
            "evt_01JGTQ4M9R8W3Z5K7N2P6X0H00",
        ),
    ]
    type: Annotated[
        str,
        Words("DeliveredEventType", lambda: (TEST_EVENT, *PUBLIC_NAMES)),
        described("Name of the event.", "JOB_SUCCEEDED"),
    ]
    sequence: Annotated[
        int,
        described("Number of the delivery among those of the endpoint, from 1.", 41, minimum=1),
    ]
    attempt: Annotated[int, described("Attempts so far.", 2, minimum=0)]
    status: Annotated[
        str,
        Words("DeliveryStatus", lambda: DeliveryStatus),
        described(
            "`pending` before the first attempt, `failed` before another one; `succeeded` and "
            "`given_up` are final.",
            "failed",
        ),
    ]
    response_status: Annotated[
        Omittable[int], described("HTTP status of the last response.", 503, minimum=100)
    ] = None
    response_body: Annotated[
        Omittable[str],
        described("The first 1,024 bytes of the last response.", "upstream is down"),
    ] = None
    failure: Annotated[
        Omittable[str],
        Words("DeliveryFailure", lambda: Failure),
        described(
            "Why the last attempt had no response. `TIMEOUT`: none within 10 seconds. "
            "`UNREACHABLE`: no connection. `NO_ADDRESS`: the host has no address. "
            "`UNSAFE_ADDRESS`: its address is not public. `ENDPOINT_DISABLED`: nothing was sent. "
            "`UNDELIVERED`: the attempt broke off on our side.",
            "TIMEOUT",
        ),
    ] = None
    next_attempt_at: Annotated[
        Omittable[Timestamp], described("When the next attempt is due; absent if there is none.")
    ] = None
    created_at: Annotated[Timestamp, described("When the event happened.")]


class DeliveryPage(ResponseBody):
    items: Annotated[list[DeliveryResponse], described("Deliveries, the latest first.")]
    next_cursor: NextCursor


def list_endpoints(account_id: str) -> EndpointList:
    return EndpointList(items=[endpoint_view(each) for each in store.list_endpoints(account_id)])


def endpoint_view(endpoint: Endpoint) -> EndpointResponse:
    until = endpoint.previous_until
    disabled_by = "receiver" if endpoint.is_gone else "owner"
    return EndpointResponse(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        events=[name for name in endpoint.events if name in _TAKEN],
        description=endpoint.description,
        status=endpoint.status.value,
        disabled_by=None if endpoint.is_active else disabled_by,
        previous_valid_until=None if until is None else to_iso(until),
        created_at=to_iso(endpoint.created_at),
        updated_at=to_iso(endpoint.updated_at),
    )


def list_deliveries(
    account_id: str,
    endpoint_id: str,
    *,
    status: DeliveryStatus | None,
    limit: int,
    before: int | None,
) -> tuple[list[DeliveryResponse], int | None]:
    """A page of an endpoint's deliveries, and the number that the next page starts before.

    Raises:
        NotFound.
    """
    store.get_endpoint(account_id, endpoint_id)
    deliveries, position = store.list_deliveries(
        account_id, endpoint_id, status=status, limit=limit, before=before
    )
    return [delivery_view(each) for each in deliveries], position


def delivery_view(delivery: Delivery) -> DeliveryResponse:
    next_at = delivery.next_attempt_at
    return DeliveryResponse(
        delivery_id=delivery.delivery_id,
        event_id=delivery.event_id,
        # What cannot be read of a damaged delivery is shown empty.
        type=delivery.type if delivery.type in _SENT else "",
        sequence=delivery.sequence,
        attempt=delivery.attempt,
        status=delivery.status.value,
        response_status=delivery.response_status,
        response_body=delivery.response_body,
        failure=delivery.failure if delivery.failure in list(Failure) else None,
        next_attempt_at=None if next_at is None else to_iso(next_at),
        created_at=to_iso(delivery.created_at),
    )
