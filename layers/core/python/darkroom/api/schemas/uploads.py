"""Bodies about upload sessions."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    Field,
    StringConstraints,
)

from darkroom.api.schemas.base import Identifier, RequestBody
from darkroom.kernel.limits import (
    PARTS_LIMIT,
    SIGNED_PARTS_LIMIT,
    UPLOAD_FILES_LIMIT,
    UPLOAD_LIMIT_BYTES,
)
from darkroom.views.assets import AssetResponse, PartNumberShown, PartSize
from darkroom.views.base import AssetId, ResponseBody, Timestamp, described

PartNumber = Annotated[
    int, Field(ge=1, le=PARTS_LIMIT), described("Number of the part, from 1.", 1)
]
FileName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    described(
        "Name of the file. Of a path, the last part is kept, at most 255 characters.",
        "first-date.jpg",
    ),
]
"""May be a path; its last part is kept, at most 255 characters."""
SizeBytes = Annotated[
    int,
    Field(ge=1),
    described(
        "Size of the file in bytes. The plan has limits for each kind (`GET /api/plans`).",
        3821904,
        maximum=UPLOAD_LIMIT_BYTES,
    ),
]
MimeType = Annotated[
    str,
    StringConstraints(max_length=255),
    described(
        "Media type that the client will send with the content. Empty if it is unknown: then the "
        "ending of the name decides, and `headers` of the response has the type to send.",
        "image/jpeg",
    ),
]
"""The type that the client will send with the content. Empty if the client does not know it: then
the ending of the name decides, and ``headers`` has the type to send."""
Role = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    described("The intended use of the file: a hint, not stored.", "reference"),
]
"""The intended use of the file: a hint, not stored. Reference photos are registered later."""


class FileToUpload(RequestBody):
    filename: FileName
    size_bytes: SizeBytes
    mime_type: MimeType
    role: Role | None = None


Files = Annotated[
    list[FileToUpload],
    Field(min_length=1, max_length=UPLOAD_FILES_LIMIT),
    described("The files, in any order."),
]


class FilesToUpload(RequestBody):
    """Many files; they are admitted together, or none is."""

    files: Files


class OpenUploadRequest(RequestBody):
    """Either one file by the top-level fields, or many in ``files``."""

    forms = (FileToUpload, FilesToUpload)

    filename: FileName | None = None
    size_bytes: SizeBytes | None = None
    mime_type: MimeType | None = None
    role: Role | None = None
    files: Files | None = None


class UploadUrl(ResponseBody):
    part_number: PartNumberShown
    url: Annotated[
        str,
        described(
            "Signed link to PUT the part to, with the `headers` of the session.",
            "https://media.example.com/quarantine/4f1c?partNumber=1&X-Amz-Signature=5d1c",
            format="uri",
        ),
    ]


UploadUrls = Annotated[
    list[UploadUrl],
    described("Links for the first parts, at least one; `/urls` returns those of other parts."),
]
LinksExpireAt = Annotated[Timestamp, described("When the links expire; `/urls` makes new ones.")]


class UploadSession(ResponseBody):
    """PUT each part to its URL with these headers before ``expiresAt``. Each part has ``partSize``
    bytes, the last one the rest. ``/urls`` returns the links of further parts."""

    asset_id: AssetId
    storage_key: Annotated[
        str,
        described(
            "Where the content waits for its check; of no use without a link.",
            "quarantine/k3v9/ast_01JGTQ4M9R8W3Z5K7N2P6X0B00",
        ),
    ]
    upload_urls: UploadUrls
    part_size: PartSize
    headers: Annotated[
        dict[str, str],
        described(
            "Headers to send with each PUT; the links are signed for them.",
            {"Content-Type": "image/jpeg"},
        ),
    ]
    expires_at: LinksExpireAt


class UploadSessions(ResponseBody):
    """In the order of ``files``."""

    sessions: Annotated[list[UploadSession], described("One session for each of the `files`.")]


class PartEtag(RequestBody):
    part_number: PartNumber
    etag: Annotated[
        str,
        StringConstraints(min_length=1, max_length=128),
        described(
            "The header `ETag` of the response to its PUT.", '"9b2cf535f27731c974343645a3985328"'
        ),
    ]


class CompleteRequest(RequestBody):
    """``etags`` are compared with the parts in storage. A file sent by one PUT needs none."""

    asset_id: Annotated[Identifier, described("Id of the file.", "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00")]
    etags: Annotated[
        Annotated[list[PartEtag], Field(max_length=PARTS_LIMIT)] | None,
        described("The parts as the client sent them; without it, they are not compared."),
    ] = None


class CompleteResponse(ResponseBody):
    asset: Annotated[
        AssetResponse, described("The file, which is `checking` until its check has ended.")
    ]


class SignPartsRequest(RequestBody):
    part_numbers: Annotated[
        list[PartNumber],
        Field(min_length=1, max_length=SIGNED_PARTS_LIMIT),
        described("Numbers of the parts to get links for.", [2, 3]),
    ]


class SignPartsResponse(ResponseBody):
    upload_urls: Annotated[list[UploadUrl], described("A link for each of the `partNumbers`.")]
    expires_at: LinksExpireAt
