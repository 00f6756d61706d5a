"""Bodies about uploaded files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    StringConstraints,
    model_validator,
)

from darkroom.api.schemas.base import Composed, Line, RequestBody, checked_change
from darkroom.kernel.limits import FOLDER_LIMIT_CHARS, TAG_LIMIT_CHARS, TAGS_LIMIT
from darkroom.views.base import Omittable, ResponseBody

Tag = Annotated[str, Line, Field(max_length=TAG_LIMIT_CHARS), Composed]
Folder = Annotated[str, Line, Field(max_length=FOLDER_LIMIT_CHARS), Composed]
Status = Literal["uploading", "checking", "uploaded", "failed"]
Kind = Literal["image", "video", "audio"]
Sort = Literal["newest", "oldest", "name", "duration"]


class LatestJob(ResponseBody):
    job_id: str
    status: str


class AssetResponse(ResponseBody):
    """``downloadUrl`` leads to the clean copy; both links are valid for 15 minutes.

    ``faces`` is missing until faces have been counted. ``note`` names a flaw of a file that is
    usable all the same: ``NO_THUMBNAIL``, ``METADATA_KEPT`` or ``TRACKS_LEFT_OUT``.
    """

    asset_id: str
    filename: str
    kind: str
    status: str
    mime_type: str
    size_bytes: int
    width: Omittable[int] = None
    height: Omittable[int] = None
    duration_ms: Omittable[int] = None
    faces: Omittable[int] = None
    is_ai_generated: bool
    generation_prompt: Omittable[str] = None
    thumbnail_url: Omittable[str] = None
    download_url: Omittable[str] = None
    tags: list[str]
    folder: Omittable[str] = None
    note: Omittable[str] = None
    error_code: Omittable[str] = None
    error_message: Omittable[str] = None
    latest_job: Omittable[LatestJob] = None
    created_at: str
    updated_at: str


class AssetPage(ResponseBody):
    items: list[AssetResponse]
    next_cursor: str | None


class DescribeRequest(RequestBody):
    """Omitted fields keep their values; ``folder: null`` takes the file out of its folder."""

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    tags: Annotated[list[Tag], Field(max_length=TAGS_LIMIT)] | None = None
    folder: Folder | None = None

    @model_validator(mode="after")
    def _names_something(self) -> DescribeRequest:
        return checked_change(self, never_null={"filename", "tags"})
