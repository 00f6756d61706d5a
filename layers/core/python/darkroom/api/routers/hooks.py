"""``POST /api/webhooks/stripe``: no token, the signature over the raw body proves the caller."""

from __future__ import annotations

from aws_lambda_powertools.metrics import MetricUnit
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from darkroom.api.auth import CurrentApp
from darkroom.api.docs import responses
from darkroom.api.edge import logger, metrics
from darkroom.api.schemas import ReceivedAnswer
from darkroom.usecases.receive_payment_event import receive_payment_event

router = APIRouter(tags=["webhooks"])


@router.post(
    "/api/webhooks/stripe",
    responses=responses(ReceivedAnswer, 200, 400, 401, 404),
    response_model=None,
)
async def stripe(request: Request, app: CurrentApp) -> JSONResponse:
    """Take in an event of Stripe. Any number, in any order; failing ones are sent again."""
    body = await request.body()
    signature = request.headers.get("stripe-signature", "")
    taken = receive_payment_event(app, body=body, signature=signature)
    if taken.misplaced is not None:
        logger.error("payment_mismatch", purchase_id=taken.misplaced.purchase_id)
        metrics.add_metric(name="PaymentMismatches", unit=MetricUnit.Count, value=1)
    return JSONResponse({"outcome": taken.outcome})
