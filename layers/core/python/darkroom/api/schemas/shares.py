"""Bodies about public links."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
)

from darkroom.api.schemas.base import RequestBody
from darkroom.kernel.limits import SHARE_DAYS_LIMIT
from darkroom.views.base import Omittable, ResponseBody


class ShareRequest(RequestBody):
    """Without ``expiresInDays`` the link works until it is revoked or the job is deleted."""

    expires_in_days: Annotated[int, Field(ge=1, le=SHARE_DAYS_LIMIT)] | None = None


class LinkTerms(ResponseBody):
    """The stored part of a response, without the link: its secret is not stored."""

    expires_at: Omittable[str] = None


class ShareResponse(ResponseBody):
    token: str
    url: str
    expires_at: Omittable[str] = None
