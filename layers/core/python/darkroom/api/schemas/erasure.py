"""Bodies of the routes that erase and export an account."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from darkroom.api.schemas.base import RequestBody
from darkroom.views.base import (
    Count,
    Link,
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    described,
)

ExportId = Annotated[str, described("Id of the export.", "exp_01JGTQ4M9R8W3Z5K7N2P6X0F00")]


class ErasingResponse(ResponseBody):
    """The account is refused from now on, and what it has is being erased."""

    status: Literal["erasing"] = described("The erasure is accepted and cannot be taken back.")


class ExportRequestedResponse(ResponseBody):
    """Follow it with ``GET /api/account/export/{exportId}``."""

    export_id: ExportId


class ExportResponse(ResponseBody):
    """An export of everything an account has."""

    status: Literal["building", "ready", "failed"] = described(
        "`building`: ask again later. `failed`: request it again."
    )
    download_url: Omittable[Link] = Field(default=None, description="Signed link to the zip.")
    expires_at: Omittable[Timestamp] = Field(
        default=None, description="When the link ends; the zip itself is kept for three days."
    )


class RepeatErasuresRequest(RequestBody):
    cursor: Annotated[
        str | None,
        Field(max_length=2000),
        described(
            "`nextCursor` of the previous response; without it, from the beginning.",
            "eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c",
        ),
    ] = None


class RepeatErasuresResponse(ResponseBody):
    """Erasures that begin again. Repeat with ``nextCursor`` until it is null."""

    restarted: Count = described("How many erasures of this page begin again.")
    next_cursor: NextCursor
