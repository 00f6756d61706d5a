"""Bodies of responses to webhooks."""

from __future__ import annotations

from typing import Literal

from darkroom.views.base import ResponseBody


class PaymentEventResponse(ResponseBody):
    outcome: Literal["handled", "repeated", "ignored"]


class ProviderCallbackResponse(ResponseBody):
    """``heard``: the task will be polled; ``known``: the callback changes nothing."""

    outcome: Literal["heard", "known"]
