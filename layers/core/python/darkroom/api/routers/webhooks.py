"""``POST /api/webhooks/…``: no token, but a signature over the raw body."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.metrics import MetricUnit
from fastapi import APIRouter, Path, Query, Request

from darkroom.api.auth import CurrentApp
from darkroom.api.lambda_handler import logger, metrics
from darkroom.api.openapi.declare import declare
from darkroom.api.schemas.webhooks import PaymentEventResponse, ProviderCallbackResponse
from darkroom.payments.messages import mismatch_facts
from darkroom.usecases.purchases.receive_payment_event import UNREADABLE, receive_payment_event
from darkroom.usecases.tasks.receive_provider_callback import receive_provider_callback

router = APIRouter(tags=["Webhooks"])


@router.post(
    "/api/webhooks/stripe",
    operation_id="receiveStripeEvent",
    summary="Receive an event of Stripe",
    openapi_extra=declare(
        404,
        409,
        "BAD_SIGNATURE",
        "ACCOUNT_FROZEN",
        "PAYMENT_UNAVAILABLE",
        takes=["Stripe-Signature"],
    ),
)
async def stripe(request: Request, app: CurrentApp) -> PaymentEventResponse:
    """Receive an event from Stripe. Events may repeat or be out of order; Stripe retries errors."""
    body = await request.body()
    signature = request.headers.get("stripe-signature", "")
    received = receive_payment_event(app, body=body, signature=signature)
    if received.reason is not None:
        # An unreadable object may mean that our API key is wrong.
        log = logger.warning if received.reason == UNREADABLE else logger.info
        log("payment_event_ignored", reason=received.reason, event_type=received.type)
    if received.misplaced is not None:
        logger.error("payment_mismatch", **mismatch_facts(received.misplaced))
        metrics.add_metric(name="PaymentMismatches", unit=MetricUnit.Count, value=1)
    return PaymentEventResponse(outcome=received.outcome)


def _parameter(description: str, example: str) -> Any:
    return Query(min_length=1, max_length=100, description=description, examples=[example])


@router.post(
    "/api/webhooks/{provider}",
    operation_id="receiveProviderCallback",
    summary="Receive a callback of a provider",
    openapi_extra=declare(404, 409, "BAD_SIGNATURE", "ACCOUNT_FROZEN"),
)
async def provider(
    request: Request,
    app: CurrentApp,
    name: Annotated[
        str,
        Path(
            alias="provider",
            max_length=40,
            description="Name of the provider.",
            examples=["replicate"],
        ),
    ],
    job: Annotated[str, _parameter("Id of the job.", "job_01JGTQ4M9R8W3Z5K7N2P6X0A00")],
    key: Annotated[str, _parameter("Key of the task.", "clip_2")],
    attempt: Annotated[
        int, Query(ge=1, le=1000, description="Number of the attempt, from 1.", examples=[1])
    ],
    nonce: Annotated[
        str, _parameter("The secret of the attempt.", "9f86d081884c7d659a2feaa0c55ad015")
    ],
) -> ProviderCallbackResponse:
    """Receive a provider's callback about one attempt, at the URL that the provider was given.

    Callbacks may be repeated, late or missing: a callback only triggers a poll of the provider.
    """
    outcome = receive_provider_callback(
        app,
        provider=name,
        job_id=job,
        key=key,
        attempt=attempt,
        nonce=nonce,
        body=await request.body(),
        headers={name.lower(): value for name, value in request.headers.items()},
    )
    logger.info("provider_call", provider=name, job_id=job, task_key=key, outcome=outcome)
    return ProviderCallbackResponse(outcome=outcome)
