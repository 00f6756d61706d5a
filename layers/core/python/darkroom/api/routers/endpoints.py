"""Webhook endpoints, and the log of their deliveries."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.cursors import make_cursor, read_cursor
from darkroom.api.idempotency import REPLAYED_HEADER, read_command, respond_once
from darkroom.api.json_response import json_response
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import Cursor, DeliveryIdInPath, EndpointIdInPath, Limit
from darkroom.api.schemas.endpoints import ChangeEndpointRequest, CreateEndpointRequest
from darkroom.bootstrap.composition import App
from darkroom.endpoints.model import DeliveryStatus, EndpointStatus, derived_secret
from darkroom.kernel.clock import to_iso
from darkroom.kernel.command import Command
from darkroom.kernel.limits import PAGE_DEFAULT
from darkroom.usecases.endpoints.change_endpoint import EndpointChange, change_endpoint
from darkroom.usecases.endpoints.create_endpoint import create_endpoint
from darkroom.usecases.endpoints.delete_endpoint import delete_endpoint
from darkroom.usecases.endpoints.replay_delivery import replay_delivery
from darkroom.usecases.endpoints.rotate_secret import rotate_secret
from darkroom.usecases.endpoints.send_test import send_test
from darkroom.views import endpoints as views
from darkroom.views.base import ResponseBody
from darkroom.views.endpoints import (
    CreatedEndpoint,
    DeliveryPage,
    DeliveryReference,
    EndpointList,
    EndpointResponse,
    RotatedSecret,
    Rotation,
)

router = APIRouter(tags=["Webhook endpoints"])
_DELIVERIES = "deliveries"


@router.get(
    "/api/webhook-endpoints",
    operation_id="listWebhookEndpoints",
    summary="List webhook endpoints",
    openapi_extra=declare(),
)
async def list_endpoints(app: CurrentApp, caller: CurrentCaller) -> EndpointList:
    """The account's endpoints, newest first, without their secrets."""
    return views.list_endpoints(caller.account_id)


@router.post(
    "/api/webhook-endpoints",
    operation_id="createWebhookEndpoint",
    summary="Create a webhook endpoint",
    status_code=201,
    response_model=CreatedEndpoint,
    openapi_extra=declare(409, "TOO_MANY", key=KEY_OPTIONAL),
)
async def post_endpoint(
    body: CreateEndpointRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Send the account's events to a URL from now on, signed with the secret in the response.

    An account has at most 20 endpoints.
    """
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> EndpointResponse:
        made = create_endpoint(
            app, command, url=body.url, events=body.events, description=body.description
        )
        return views.endpoint_view(made)

    response = respond_once(app, command, raw, status=201, action=action)
    endpoint_id = _fields(response)["endpointId"]
    return _with_secret(response, CreatedEndpoint, _secret(app, command, endpoint_id))


@router.patch(
    "/api/webhook-endpoints/{endpointId}",
    operation_id="updateWebhookEndpoint",
    summary="Change a webhook endpoint",
    openapi_extra=declare(404),
)
async def patch_endpoint(
    endpoint_id: EndpointIdInPath,
    body: ChangeEndpointRequest,
    app: CurrentApp,
    caller: CurrentCaller,
) -> EndpointResponse:
    """Change the endpoint, disable it, or activate it again. Attempts that are still due use its
    new URL; events of the time in which it is disabled are not sent."""
    change = EndpointChange(
        url=body.url,
        events=body.events,
        status=None if body.status is None else EndpointStatus(body.status),
        sets_description="description" in body.model_fields_set,
        description=body.description,
    )
    changed = change_endpoint(
        app, account_id=caller.account_id, endpoint_id=endpoint_id, change=change
    )
    return views.endpoint_view(changed)


@router.delete(
    "/api/webhook-endpoints/{endpointId}",
    operation_id="deleteWebhookEndpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    response_class=Response,
    openapi_extra=declare(404),
)
async def remove_endpoint(
    endpoint_id: EndpointIdInPath, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Delete the endpoint. Attempts that are still due are not made."""
    delete_endpoint(account_id=caller.account_id, endpoint_id=endpoint_id)
    return Response(status_code=204)


@router.post(
    "/api/webhook-endpoints/{endpointId}/rotate",
    operation_id="rotateWebhookSecret",
    summary="Replace the secret of a webhook endpoint",
    response_model=RotatedSecret,
    openapi_extra=declare(404, key=KEY_OPTIONAL),
)
async def rotate(
    endpoint_id: EndpointIdInPath, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Give the endpoint a new secret. For 24 hours, webhooks have two signatures: with the new
    secret and with the one before it. Any older one stops at once."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> Rotation:
        changed = rotate_secret(app, command, endpoint_id)
        assert changed.previous_until is not None
        return Rotation(previous_valid_until=to_iso(changed.previous_until))

    response = respond_once(app, command, raw, status=200, action=action)
    return _with_secret(response, RotatedSecret, _secret(app, command, endpoint_id))


@router.post(
    "/api/webhook-endpoints/{endpointId}/test",
    operation_id="testWebhookEndpoint",
    summary="Send a test webhook",
    status_code=202,
    response_model=DeliveryReference,
    openapi_extra=declare(404, "ENDPOINT_DISABLED", "TOO_MANY", key=KEY_OPTIONAL),
)
async def post_test(
    endpoint_id: EndpointIdInPath, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Send an event `WEBHOOK_TEST` to the endpoint, whatever events it takes."""
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> DeliveryReference:
        return DeliveryReference(delivery_id=send_test(app, command, endpoint_id).delivery_id)

    return respond_once(app, command, raw, status=202, action=action)


@router.get(
    "/api/webhook-endpoints/{endpointId}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="List deliveries",
    openapi_extra=declare(404),
)
async def list_deliveries(
    endpoint_id: EndpointIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
    status: Annotated[
        DeliveryStatus | None, Query(description="Only deliveries in this state.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE_DEFAULT,
) -> DeliveryPage:
    """The endpoint's deliveries of the last 30 days, the latest first."""
    bound = {
        "account_id": caller.account_id,
        "route": _DELIVERIES,
        "filters": f"{endpoint_id}|{status or ''}",
    }
    items, position = views.list_deliveries(
        caller.account_id,
        endpoint_id,
        status=status,
        limit=limit,
        before=read_cursor(app, cursor, **bound),
    )
    return DeliveryPage(items=items, next_cursor=make_cursor(app, position, **bound))


@router.post(
    "/api/webhook-endpoints/{endpointId}/deliveries/{deliveryId}/replay",
    operation_id="replayWebhookDelivery",
    summary="Send a delivery again",
    status_code=202,
    openapi_extra=declare(404, "ENDPOINT_DISABLED"),
)
async def replay(
    endpoint_id: EndpointIdInPath,
    delivery_id: DeliveryIdInPath,
    app: CurrentApp,
    caller: CurrentCaller,
) -> DeliveryReference:
    """Send the same webhook again, with the same `webhook-id`, and repeat it like a new one. One
    that waits for its first attempt is left as it is."""
    delivery = replay_delivery(
        app, account_id=caller.account_id, endpoint_id=endpoint_id, delivery_id=delivery_id
    )
    return DeliveryReference(delivery_id=delivery.delivery_id)


def _secret(app: App, command: Command, endpoint_id: str) -> str:
    """The secret that the command gave the endpoint: no response with it is stored."""
    key = app.endpoint_key.value
    return derived_secret(key, command.account_id, endpoint_id, command.operation)


def _fields(response: Response) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(bytes(response.body))
    return fields


def _with_secret(response: Response, body: type[ResponseBody], secret: str) -> Response:
    replayed = {
        name: response.headers[name] for name in (REPLAYED_HEADER,) if name in response.headers
    }
    complete = body.model_validate(_fields(response) | {"secret": secret})
    return json_response(complete, status=response.status_code, headers=replayed)
