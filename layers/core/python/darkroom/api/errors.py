"""Errors → HTTP: the one table from error classes to statuses, and the shape of error responses."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from darkroom.api.json_response import EscapingJSONResponse
from darkroom.api.messages import message_for, preferred_language
from darkroom.api.schemas.errors import BODY_OF, ErrorBody
from darkroom.db import is_outage
from darkroom.kernel import errors
from darkroom.kernel.problems import problems_of, shown

STATUS_OF: dict[type[errors.DarkroomError], int] = {
    errors.InvalidInput: 400,
    errors.Unauthorized: 401,
    errors.PaymentRequired: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.PreconditionFailed: 412,
    errors.ConcurrentUpdate: 503,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.Unprocessable: 422,
    errors.RateLimited: 429,
    errors.Unavailable: 503,
}
RETRY_AFTER_SECONDS = 1
_HTTP_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
logger = Logger()


def status_of(error: errors.DarkroomError) -> int:
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return 500


def request_id(request: Request) -> str:
    event = request.scope.get("aws.event", {})
    return str(event.get("requestContext", {}).get("requestId", "local"))


def error_response(
    request: Request, status: int, code: str, facts: dict[str, Any] | None = None
) -> JSONResponse:
    """An error response in the documented shape, in the caller's language."""
    language = preferred_language(request.headers.get("accept-language"))
    known = {**(facts or {}), "error": message_for(code, language), "code": code}
    if "fields" in known:
        known["fields"] = [shown(found, language) for found in known["fields"]]
    # Not validated: an odd fact must not hide the error. Facts without a field are left out.
    body = BODY_OF.get(code, ErrorBody).model_construct(**known, request_id=request_id(request))
    wait_seconds = known.get("retryAfterSeconds", RETRY_AFTER_SECONDS)
    headers = {"Retry-After": str(wait_seconds)} if status in (429, 503) else None
    content = body.model_dump(by_alias=True, exclude_unset=True, warnings=False)
    return EscapingJSONResponse(content, status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Make the app return every error in the documented shape."""
    app.add_exception_handler(errors.DarkroomError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)


async def _domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.DarkroomError)
    status = status_of(error)
    if status == 500:
        return await _unexpected_error(request, error)
    return error_response(request, status, error.error_code, error.facts)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The first part of a location is ``body``, ``query`` or ``path``.
    fields = problems_of(error.errors(), skip=1)
    return error_response(request, 400, "VALIDATION_FAILED", {"fields": fields})


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "VALIDATION_FAILED")
    return error_response(request, error.status_code, code)


async def _unexpected_error(request: Request, error: Exception) -> JSONResponse:
    if is_outage(error):
        logger.warning("outage", route=_route(request), error=repr(error))
        return error_response(request, 503, "UNAVAILABLE")
    logger.error("unexpected_error", route=_route(request), exc_info=error)
    return error_response(request, 500, "INTERNAL")


def _route(request: Request) -> str:
    """The template of the route: the path itself may contain the secret of a link."""
    route = getattr(request.scope.get("route"), "path", None)
    return f"{request.method} {route or 'unknown'}"
