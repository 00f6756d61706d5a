"""Bodies of public reads."""

from __future__ import annotations

from typing import Literal

from darkroom.views.base import ResponseBody


class HealthResponse(ResponseBody):
    status: Literal["ok"]
    stage: str
