"""Bodies of responses to webhooks."""

from __future__ import annotations

from typing import Literal

from darkroom.api.schemas.base import ResponseBody


class PaymentEventResponse(ResponseBody):
    outcome: Literal["handled", "repeated", "ignored"]


class ProviderCallbackResponse(ResponseBody):
    outcome: Literal["heard", "known"]
