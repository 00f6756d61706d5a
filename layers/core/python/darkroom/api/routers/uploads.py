"""Upload sessions: open, read, renew links, complete, abort."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic.alias_generators import to_camel

from darkroom.api.auth import CurrentApp, CurrentCaller
from darkroom.api.idempotency import read_command, respond_once
from darkroom.api.openapi.declare import KEY_OPTIONAL, declare
from darkroom.api.parameters import AssetIdInPath
from darkroom.api.schemas.uploads import (
    CompleteRequest,
    CompleteResponse,
    FileToUpload,
    OpenUploadRequest,
    SignPartsRequest,
    SignPartsResponse,
    UploadSession,
    UploadSessions,
    UploadUrl,
)
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.uploads import policy
from darkroom.usecases.uploads.abort_upload import abort_upload
from darkroom.usecases.uploads.complete_upload import complete_upload
from darkroom.usecases.uploads.create_upload import PartLink, create_upload
from darkroom.usecases.uploads.create_upload import UploadSession as OpenedUpload
from darkroom.usecases.uploads.resign_upload import resign_upload
from darkroom.views import assets as views
from darkroom.views.assets import UploadResponse

router = APIRouter(tags=["Uploads"])


@router.post(
    "/api/uploads/session",
    operation_id="openUpload",
    summary="Open upload sessions",
    status_code=201,
    response_model=UploadSession | UploadSessions,
    openapi_extra=declare(415, "PLAN_LIMIT", "FILE_TOO_LARGE", "UPLOAD_CLOSED", key=KEY_OPTIONAL),
)
async def open_upload(
    body: OpenUploadRequest, request: Request, app: CurrentApp, caller: CurrentCaller
) -> Response:
    """Open upload sessions for one file or many; the client sends files directly to storage.

    A file over 100 MB is sent in parts, in any order, also in parallel. The response has up to 100
    links for all files together, and at least one for each file.
    """
    command, raw = await read_command(request, app, caller, key_required=False)

    def action() -> UploadSession | UploadSessions:
        if body.files is None:
            [session] = create_upload(app, command, [_single_file(body)])
            return _session(session)
        files = _many_files(body, body.files)
        sessions = [_session(session) for session in create_upload(app, command, files)]
        return UploadSessions(sessions=sessions)

    return respond_once(app, command, raw, status=201, action=action)


@router.post(
    "/api/uploads/complete",
    operation_id="completeUpload",
    summary="Complete an upload",
    openapi_extra=declare(404, 409, "UPLOAD_INCOMPLETE"),
)
async def complete(
    body: CompleteRequest, app: CurrentApp, caller: CurrentCaller
) -> CompleteResponse:
    """Report that the file was sent. Safe to repeat, also after the storage event was handled.

    409 ``UPLOAD_INCOMPLETE`` lists the ``missingParts``.
    """
    etags = {part.part_number: part.etag for part in body.etags or []}
    asset = complete_upload(app, account_id=caller.account_id, asset_id=body.asset_id, etags=etags)
    return CompleteResponse(asset=views.asset_detail(app, asset, language=caller.language))


@router.get(
    "/api/uploads/{assetId}",
    operation_id="getUpload",
    summary="Get an upload",
    openapi_extra=declare(404),
)
async def get_upload(
    asset_id: AssetIdInPath, app: CurrentApp, caller: CurrentCaller
) -> UploadResponse:
    """The parts that have arrived."""
    return views.get_upload(app, caller.account_id, asset_id)


@router.post(
    "/api/uploads/{assetId}/urls",
    operation_id="signUploadParts",
    summary="Renew upload links",
    openapi_extra=declare(404, 409, "UPLOAD_CLOSED"),
)
async def sign_parts(
    asset_id: AssetIdInPath, body: SignPartsRequest, app: CurrentApp, caller: CurrentCaller
) -> SignPartsResponse:
    """New links for parts whose links have expired. The upload lasts as long as its links."""
    session = resign_upload(
        app, account_id=caller.account_id, asset_id=asset_id, part_numbers=body.part_numbers
    )
    return SignPartsResponse(
        upload_urls=[_upload_url(link) for link in session.links],
        expires_at=to_iso(session.expires_at),
    )


@router.delete(
    "/api/uploads/{assetId}",
    operation_id="abortUpload",
    summary="Abort an upload",
    status_code=204,
    response_class=Response,
    openapi_extra=declare(404, 409, "UPLOAD_CLOSED"),
)
async def abort(asset_id: AssetIdInPath, app: CurrentApp, caller: CurrentCaller) -> Response:
    """Abort an unfinished upload; the parts that have arrived are deleted."""
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


def _session(session: OpenedUpload) -> UploadSession:
    return UploadSession(
        asset_id=session.asset.asset_id,
        storage_key=session.storage_key,
        upload_urls=[_upload_url(link) for link in session.links],
        part_size=session.part_size_bytes,
        headers=session.headers,
        expires_at=to_iso(session.expires_at),
    )


def _upload_url(link: PartLink) -> UploadUrl:
    return UploadUrl(part_number=link.part_number, url=link.url)
