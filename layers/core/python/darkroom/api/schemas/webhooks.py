"""Bodies of responses to webhooks."""

from __future__ import annotations

from typing import Annotated

from darkroom.usecases.purchases.receive_payment_event import EventOutcome
from darkroom.usecases.tasks.receive_provider_callback import CallbackOutcome
from darkroom.views.base import ResponseBody, Words, described


class PaymentEventResponse(ResponseBody):
    outcome: Annotated[
        EventOutcome,
        Words("PaymentEventOutcome"),
        described(
            "`handled`; `repeated`: it had been handled before; `ignored`: it is about nothing "
            "of ours."
        ),
    ]


class ProviderCallbackResponse(ResponseBody):
    """``heard``: the task will be polled; ``known``: the callback changes nothing."""

    outcome: Annotated[
        CallbackOutcome,
        Words("CallbackOutcome"),
        described("Whether the task will be polled because of it; with `known`, nothing changes."),
    ]
