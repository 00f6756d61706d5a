"""Upload sessions: open, look, sign again, complete, abort."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse
from pydantic import Field, StringConstraints
from pydantic.alias_generators import to_camel

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import answer_once, read_command
from darkroom.api.openapi.responses import responses
from darkroom.api.routers.assets import AssetAnswer, AssetId
from darkroom.api.schemas import Answer, Identifier, Request
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import PARTS_LIMIT, SIGNED_PARTS_LIMIT, UPLOAD_FILES_LIMIT
from darkroom.kernel.problems import problem
from darkroom.uploads import policy
from darkroom.usecases.uploads.abort_upload import abort_upload
from darkroom.usecases.uploads.complete_upload import complete_upload
from darkroom.usecases.uploads.create_upload import PartLink, UploadSession, create_upload
from darkroom.usecases.uploads.resign_upload import resign_upload
from darkroom.views import assets as views

router = APIRouter(tags=["uploads"])

PartNumber = Annotated[int, Field(ge=1, le=PARTS_LIMIT)]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""May be a path, of which the last part is kept: at most 255 characters."""
SizeBytes = Annotated[int, Field(ge=1)]
MimeType = Annotated[str, StringConstraints(max_length=255)]
"""As the client will send it with the content. Empty where it does not know: the ending of the
name decides then, and ``headers`` says what to send."""
Role = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""What the file is meant as. A hint that is not kept: reference photos are registered later."""


class FileToUpload(Request):
    filename: FileName
    size_bytes: SizeBytes
    mime_type: MimeType
    role: Role | None = None


class OpenUploadRequest(Request):
    """One file by its own fields, or many in ``files``; exactly one of both."""

    filename: FileName | None = None
    size_bytes: SizeBytes | None = None
    mime_type: MimeType | None = None
    role: Role | None = None
    files: (
        Annotated[list[FileToUpload], Field(min_length=1, max_length=UPLOAD_FILES_LIMIT)] | None
    ) = None


class UploadUrl(Answer):
    part_number: int
    url: str


class SessionAnswer(Answer):
    """PUT each part of ``partSize`` bytes, the last with what is left, to its URL, with these
    headers, before ``expiresAt``. Links of further parts come from ``/urls``."""

    asset_id: str
    storage_key: str
    upload_urls: list[UploadUrl]
    part_size: int
    headers: dict[str, str]
    expires_at: str


class OpenUploadAnswer(Answer):
    """The fields of one session, or ``sessions`` in the order of ``files``."""

    asset_id: str | None = None
    storage_key: str | None = None
    upload_urls: list[UploadUrl] | None = None
    part_size: int | None = None
    headers: dict[str, str] | None = None
    expires_at: str | None = None
    sessions: list[SessionAnswer] | None = None


class PartEtag(Request):
    part_number: PartNumber
    etag: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class CompleteRequest(Request):
    """``etags`` are compared with what has arrived; one PUT is whole or absent."""

    asset_id: Identifier
    etags: Annotated[list[PartEtag], Field(max_length=PARTS_LIMIT)] | None = None


class CompleteAnswer(Answer):
    asset: AssetAnswer


class ArrivedPart(Answer):
    """Once the parts have become one file, ``etag`` is the file's."""

    part_number: int
    size_bytes: int
    etag: str


class UploadAnswer(Answer):
    asset_id: str
    status: str
    part_size: int
    parts: list[ArrivedPart]


class SignPartsRequest(Request):
    part_numbers: Annotated[list[PartNumber], Field(min_length=1, max_length=SIGNED_PARTS_LIMIT)]


class SignPartsAnswer(Answer):
    upload_urls: list[UploadUrl]
    expires_at: str


@router.post(
    "/api/uploads/session",
    status_code=201,
    responses=responses(OpenUploadAnswer, 201, 400, 401, 403, 409, 413, 415, 422),
)
async def open_upload(
    body: OpenUploadRequest, request: HttpRequest, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """Get permission to put one file, or many, straight into storage.

    A file over 100 MB is sent in parts, in any order and several at once. A hundred links come
    with the session, for all its files together, and at least one for each.
    """
    call, raw = await read_command(request, app, caller, key_required=False)

    def action() -> dict[str, Any]:
        if body.files is None:
            [session] = create_upload(app, call, [_single_file(body)])
            return _session(session)
        files = _many_files(body, body.files)
        return {"sessions": [_session(session) for session in create_upload(app, call, files)]}

    return answer_once(app, call, raw, status=201, action=action)


@router.post("/api/uploads/complete", responses=responses(CompleteAnswer, 200, 400, 401, 404, 409))
async def complete(body: CompleteRequest, app: CurrentApp, caller: CurrentCaller) -> JSONResponse:
    """Say that the file was sent. Repeating is harmless; the storage event may be faster.

    409 ``UPLOAD_INCOMPLETE`` names the ``missingParts``.
    """
    etags = {part.part_number: part.etag for part in body.etags or []}
    asset = complete_upload(app, account_id=caller.account_id, asset_id=body.asset_id, etags=etags)
    return JSONResponse({"asset": views.asset_detail(app, asset, language=caller.language)})


@router.get(
    "/api/uploads/{assetId}", responses=responses(UploadAnswer, 200, 401, 404), response_model=None
)
async def get_upload(asset_id: AssetId, app: CurrentApp, caller: CurrentCaller) -> dict[str, Any]:
    """What has arrived, part by part."""
    return views.get_upload(app, caller.account_id, asset_id)


@router.post(
    "/api/uploads/{assetId}/urls", responses=responses(SignPartsAnswer, 200, 400, 401, 404, 409)
)
async def sign_parts(
    asset_id: AssetId, body: SignPartsRequest, app: CurrentApp, caller: CurrentCaller
) -> JSONResponse:
    """New links for parts whose links have run out; the upload lives as long as they do."""
    session = resign_upload(
        app, account_id=caller.account_id, asset_id=asset_id, part_numbers=body.part_numbers
    )
    return JSONResponse(
        {
            "uploadUrls": [_upload_url(link) for link in session.links],
            "expiresAt": to_iso(session.expires_at),
        }
    )


@router.delete(
    "/api/uploads/{assetId}",
    status_code=204,
    response_class=Response,
    responses=responses(None, 204, 401, 404, 409),
)
async def abort(asset_id: AssetId, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Give up an unfinished upload; what has arrived is removed."""
    abort_upload(app, account_id=caller.account_id, asset_id=asset_id)
    return Response(status_code=204)


def _single_file(body: OpenUploadRequest) -> policy.NewFile:
    if body.filename is None or body.size_bytes is None or body.mime_type is None:
        sent = {
            "filename": body.filename,
            "sizeBytes": body.size_bytes,
            "mimeType": body.mime_type,
        }
        missing = [path for path, value in sent.items() if value is None]
        raise InvalidInput(
            "send one file, or files",
            fields=[problem(path, "REQUIRED") for path in missing],
        )
    return policy.admit(
        filename=body.filename, size_bytes=body.size_bytes, mime_type=body.mime_type
    )


def _many_files(body: OpenUploadRequest, files: list[FileToUpload]) -> list[policy.NewFile]:
    single = body.model_fields_set - {"files"}
    if single:
        other = ", ".join(to_camel(name) for name in sorted(single))
        found = problem("files", "NOT_WITH", field=other)
        raise InvalidInput("one file or files", fields=[found])
    return [
        policy.admit(
            filename=file.filename,
            size_bytes=file.size_bytes,
            mime_type=file.mime_type,
            at=f"files.{place}.",
        )
        for place, file in enumerate(files)
    ]


def _session(session: UploadSession) -> dict[str, Any]:
    return {
        "assetId": session.asset.asset_id,
        "storageKey": session.storage_key,
        "uploadUrls": [_upload_url(link) for link in session.links],
        "partSize": session.part_size_bytes,
        "headers": session.headers,
        "expiresAt": to_iso(session.expires_at),
    }


def _upload_url(link: PartLink) -> dict[str, Any]:
    return {"partNumber": link.part_number, "url": link.url}
