"""Bodies of bulk requests."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from darkroom.api.messages import MESSAGES
from darkroom.api.schemas.base import RequestBody, SentId
from darkroom.api.schemas.jobs import RetryRequest
from darkroom.kernel.limits import BULK_LIMIT
from darkroom.views.base import (
    JobId,
    Link,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)
from darkroom.views.words import BulkStatus, CancelOutcomeName

JobIds = Annotated[
    list[str],
    Field(min_length=1, max_length=BULK_LIMIT),
    described(
        "Ids of the jobs. Each has its own result, in this order.",
        ["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"],
    ),
]
SentJobId = Annotated[SentId, described("The id that was sent.", "job_01JGTQ4M9R8W3Z5K7N2P6X0A00")]
SentAssetId = Annotated[
    SentId, described("The id that was sent.", "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00")
]
ErrorCode = Annotated[
    str,
    Words("ErrorCode", lambda: MESSAGES),
    described("Why it failed; it never changes.", "NOT_FOUND"),
]
ErrorSentence = Annotated[
    str,
    described(
        "Why it failed, for users, in the language of `Accept-Language`.",
        "We could not find this.",
    ),
]


class JobIdsRequest(RequestBody):
    """Many jobs at once."""

    bulk_fields = frozenset({"jobIds"})

    job_ids: JobIds


class BulkOptionsRequest(JobIdsRequest):
    """Many drafts that get the same options."""

    options_partial: dict[str, Any] = described(
        "A merge patch (RFC 7396) of the options: of `inputs.options` for captions, else of "
        "`inputs`."
    )


class BulkRetryRequest(JobIdsRequest, RetryRequest):
    """All jobs are retried with the same options."""


def _outcomes(**facts: str) -> dict[str, Any]:
    """In the document: a success with these facts, or a failure with its code and sentence."""
    return {
        "oneOf": [_outcome(ok=True, **facts), _outcome(ok=False, code="string", error="string")]
    }


def _outcome(*, ok: bool, **facts: str) -> dict[str, Any]:
    shapes = {name: {"type": kind} for name, kind in facts.items()}
    return {
        "type": "object",
        "properties": {"ok": {"type": "boolean", "const": ok}, **shapes},
        "required": ["ok", *shapes],
    }


class BulkResult(ResponseBody):
    """The result for one job; on failure, ``code`` and ``error`` say why."""

    model_config = ConfigDict(json_schema_extra=_outcomes(status="string"))

    job_id: SentJobId
    ok: bool = described("Whether it succeeded for this job.")
    status: Omittable[BulkStatus] = Field(
        default=None, description="State of the job, or of its zip: `building` or `ready`."
    )
    retry_job_id: Omittable[JobId] = Field(
        default=None, description="Id of the new job of a retry."
    )
    outcome: Omittable[CancelOutcomeName] = None
    download_url: Omittable[Link] = Field(default=None, description="Signed link to the zip.")
    expires_at: Omittable[Timestamp] = Field(default=None, description="When the link ends.")
    code: Omittable[ErrorCode] = None
    error: Omittable[ErrorSentence] = None

    @classmethod
    def refused(cls, job_id: str, code: str, error: str) -> BulkResult:
        return cls(job_id=job_id, ok=False, code=code, error=error)


class BulkResponse(ResponseBody):
    """A result for each id."""

    results: list[BulkResult] = described("The results, in the order of the ids.")


class AssetIdsRequest(RequestBody):
    """Many files at once."""

    bulk_fields = frozenset({"assetIds"})

    asset_ids: Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)] = described(
        "Ids of the files. Each has its own result, in this order.",
        ["ast_01JGTQ4M9R8W3Z5K7N2P6X0B00"],
    )


class BulkAssetResult(ResponseBody):
    """The result for one file; on failure, ``code`` and ``error`` say why."""

    model_config = ConfigDict(json_schema_extra=_outcomes())

    asset_id: SentAssetId
    ok: bool = described("Whether it succeeded for this file.")
    code: Omittable[ErrorCode] = None
    error: Omittable[ErrorSentence] = None

    @classmethod
    def refused(cls, asset_id: str, code: str, error: str) -> BulkAssetResult:
        return cls(asset_id=asset_id, ok=False, code=code, error=error)


class BulkAssetsResponse(ResponseBody):
    """A result for each id."""

    results: list[BulkAssetResult] = described("The results, in the order of the ids.")
