"""Bodies of responses to webhooks."""

from __future__ import annotations

from darkroom.usecases.purchases.receive_payment_event import EventOutcome
from darkroom.usecases.tasks.receive_provider_callback import CallbackOutcome
from darkroom.views.base import ResponseBody


class PaymentEventResponse(ResponseBody):
    outcome: EventOutcome


class ProviderCallbackResponse(ResponseBody):
    """``heard``: the task will be polled; ``known``: the callback changes nothing."""

    outcome: CallbackOutcome
