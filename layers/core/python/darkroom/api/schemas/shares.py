"""Bodies about public links."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
)

from darkroom.api.schemas.base import RequestBody
from darkroom.kernel.limits import SHARE_DAYS_LIMIT
from darkroom.views.base import Omittable, ResponseBody, Timestamp, described

SHARE_TOKEN = "CzBVep_E6Q4zWH2ix-wRNluApcrvFDleg6jN8hc8YYY"


class ShareRequest(RequestBody):
    """Without ``expiresInDays`` the link works until it is revoked or the job is deleted."""

    expires_in_days: Annotated[
        Annotated[int, Field(ge=1, le=SHARE_DAYS_LIMIT)] | None,
        described("Days that the link works; without it, until it is revoked.", 30),
    ] = None


class LinkTerms(ResponseBody):
    """The stored part of a response, without the link: its secret is not stored."""

    expires_at: Omittable[str] = None


class ShareResponse(ResponseBody):
    token: Annotated[
        str, described("The secret in the link, for `GET /api/shares/{token}`.", SHARE_TOKEN)
    ]
    url: Annotated[
        str,
        described(
            "The link to give away.", f"https://app.example.com/s/{SHARE_TOKEN}", format="uri"
        ),
    ]
    expires_at: Annotated[
        Omittable[Timestamp], described("When it stops working; absent if it does not.")
    ] = None
