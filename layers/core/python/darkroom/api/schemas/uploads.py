"""Bodies about upload sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.kernel.limits import PARTS_LIMIT, SIGNED_PARTS_LIMIT, UPLOAD_FILES_LIMIT
from darkroom.views.assets import AssetResponse
from darkroom.views.base import ResponseBody

PartNumber = Annotated[int, Field(ge=1, le=PARTS_LIMIT)]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""May be a path; its last part is kept, at most 255 characters."""
SizeBytes = Annotated[int, Field(ge=1)]
MimeType = Annotated[str, StringConstraints(max_length=255)]
"""The type that the client will send with the content. Empty if the client does not know it: then
the ending of the name decides, and ``headers`` has the type to send."""
Role = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""The intended use of the file: a hint, not stored. Reference photos are registered later."""


class FileToUpload(RequestBody):
    filename: FileName
    size_bytes: SizeBytes
    mime_type: MimeType
    role: Role | None = None


class OpenUploadRequest(RequestBody):
    """Either one file by the top-level fields, or many in ``files``."""

    filename: FileName | None = None
    size_bytes: SizeBytes | None = None
    mime_type: MimeType | None = None
    role: Role | None = None
    files: (
        Annotated[list[FileToUpload], Field(min_length=1, max_length=UPLOAD_FILES_LIMIT)] | None
    ) = None


class UploadUrl(ResponseBody):
    part_number: int
    url: str


class UploadSession(ResponseBody):
    """PUT each part to its URL with these headers before ``expiresAt``. Each part has ``partSize``
    bytes, the last one the rest. ``/urls`` returns the links of further parts."""

    asset_id: str
    storage_key: str
    upload_urls: list[UploadUrl]
    part_size: int
    headers: dict[str, str]
    expires_at: str


class UploadSessions(ResponseBody):
    """In the order of ``files``."""

    sessions: list[UploadSession]


class PartEtag(RequestBody):
    part_number: PartNumber
    etag: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class CompleteRequest(RequestBody):
    """``etags`` are compared with the parts in storage. A file sent by one PUT needs none."""

    asset_id: Identifier
    etags: Annotated[list[PartEtag], Field(max_length=PARTS_LIMIT)] | None = None


class CompleteResponse(ResponseBody):
    asset: AssetResponse


class SignPartsRequest(RequestBody):
    part_numbers: Annotated[list[PartNumber], Field(min_length=1, max_length=SIGNED_PARTS_LIMIT)]


class SignPartsResponse(ResponseBody):
    upload_urls: list[UploadUrl]
    expires_at: str
