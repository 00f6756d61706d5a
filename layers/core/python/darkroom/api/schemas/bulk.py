"""Bodies of bulk requests."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from darkroom.api.schemas.base import RequestBody, SentId
from darkroom.api.schemas.jobs import RetryRequest
from darkroom.kernel.limits import BULK_LIMIT
from darkroom.views.base import Omittable, ResponseBody

JobIds = Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]


class JobIdsRequest(RequestBody):
    bulk_fields = frozenset({"jobIds"})

    job_ids: JobIds


class BulkOptionsRequest(JobIdsRequest):
    options_partial: dict[str, Any]


class BulkRetryRequest(JobIdsRequest, RetryRequest):
    """All jobs are retried with the same options."""


class BulkResult(ResponseBody):
    """The result for one job; on failure, ``code`` and ``error`` say why."""

    job_id: SentId
    ok: bool
    status: Omittable[str] = None
    retry_job_id: Omittable[str] = None
    outcome: Omittable[str] = None
    download_url: Omittable[str] = None
    expires_at: Omittable[str] = None
    code: Omittable[str] = None
    error: Omittable[str] = None

    @classmethod
    def refused(cls, job_id: str, code: str, error: str) -> BulkResult:
        return cls(job_id=job_id, ok=False, code=code, error=error)


class BulkResponse(ResponseBody):
    results: list[BulkResult]


class AssetIdsRequest(RequestBody):
    bulk_fields = frozenset({"assetIds"})

    asset_ids: Annotated[list[str], Field(min_length=1, max_length=BULK_LIMIT)]


class BulkAssetResult(ResponseBody):
    """The result for one file; on failure, ``code`` and ``error`` say why."""

    asset_id: SentId
    ok: bool
    code: Omittable[str] = None
    error: Omittable[str] = None

    @classmethod
    def refused(cls, asset_id: str, code: str, error: str) -> BulkAssetResult:
        return cls(asset_id=asset_id, ok=False, code=code, error=error)


class BulkAssetsResponse(ResponseBody):
    results: list[BulkAssetResult]
