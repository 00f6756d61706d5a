"""Failures → responses: one table of statuses, one shape, both languages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from fastapi import APIRouter
from mangum import Mangum
from pynamodb.exceptions import GetError

from darkroom.api.app import create_app
from darkroom.api.errors import status_of
from darkroom.api.messages import MESSAGES, message_for, preferred_language
from darkroom.generation.ports import ModerationRefused, TransientProviderError
from darkroom.kernel import errors
from darkroom.kernel.errors import DarkroomError
from tests.support.world import Response


def response_to(error: Exception, *, language: str = "en") -> Response:
    """The response of a route that raises this."""
    router = APIRouter()

    @router.get("/raise")
    async def fail() -> None:
        raise error

    return get(router, "/raise", language=language)


def get(router: APIRouter, path: str, *, language: str = "en", method: str = "GET") -> Response:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"accept-language": language},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "::1"},
            "requestId": "req-1",
        },
        "body": None,
        "isBase64Encoded": False,
    }
    http = Mangum(create_app(router), lifespan="off")
    response = http(event, None)  # type: ignore[arg-type]
    return Response(response["statusCode"], response["headers"], json.loads(response["body"]))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidInput(), 400, "VALIDATION_FAILED"),
        (errors.Unauthorized(), 401, "UNAUTHORIZED"),
        (errors.PaymentRequired(), 402, "CREDITS_INSUFFICIENT"),
        (errors.Forbidden(), 403, "FORBIDDEN"),
        (errors.NotFound(), 404, "NOT_FOUND"),
        (errors.Conflict(), 409, "CONFLICT"),
        (errors.Conflict(code="JOB_NOT_DRAFT"), 409, "JOB_NOT_DRAFT"),
        (errors.PreconditionFailed(), 412, "PRECONDITION_FAILED"),
        (errors.TooLarge(), 413, "FILE_TOO_LARGE"),
        (errors.UnsupportedType(), 415, "UNSUPPORTED_TYPE"),
        (errors.Unprocessable(code="IDEMPOTENCY_MISMATCH"), 422, "IDEMPOTENCY_MISMATCH"),
        (errors.RateLimited(), 429, "RATE_LIMITED"),
        (errors.ConcurrentUpdate(), 503, "CONCURRENT_UPDATE"),
        (errors.Unavailable(), 503, "UNAVAILABLE"),
    ],
)
def test_each_kind_of_failure_has_its_status(error: DarkroomError, status: int, code: str) -> None:
    response = response_to(error)

    assert (response.status, response.body["code"]) == (status, code)
    assert response.body == {
        "error": message_for(code, "en"),
        "code": code,
        "requestId": "req-1",
    }
    assert ("retry-after" in response.headers) == (status in (429, 503))


def test_a_subclass_has_the_status_of_its_base_class() -> None:
    class Busy(errors.RateLimited):
        code = "BUSY"

    assert status_of(Busy()) == 429


@pytest.mark.parametrize(
    "error",
    [
        DarkroomError("secret"),
        TransientProviderError("secret"),
        ModerationRefused("secret"),
        ValueError("secret"),
        KeyError("secret"),
    ],
)
def test_a_bug_is_500_and_reveals_nothing(error: Exception) -> None:
    router = APIRouter()
    response = None

    @router.get("/raise")
    async def fail() -> None:
        raise error

    response = get(router, "/raise")

    assert (response.status, response.body["code"]) == (500, "INTERNAL")
    assert "secret" not in json.dumps(response.body)


@pytest.mark.parametrize(
    "cause",
    [
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "GetItem"),
    ],
)
def test_a_database_that_does_not_respond_is_unavailable(cause: Exception) -> None:
    for error in (cause, GetError("reading", cause)):
        response = response_to(error)
        assert (response.status, response.body["code"]) == (503, "UNAVAILABLE")
        assert response.headers["retry-after"] == "1"


def test_only_facts_meant_for_the_client_are_shown() -> None:
    response = response_to(errors.PaymentRequired("internal words", needed=5, stored={"secret": 1}))

    assert response.body["needed"] == 5
    assert "stored" not in response.body
    assert "internal words" not in json.dumps(response.body)


def test_unknown_routes_and_methods_have_the_same_shape() -> None:
    router = APIRouter()

    @router.get("/there")
    async def there() -> None:
        return None

    missing, method = get(router, "/elsewhere"), get(router, "/there", method="PATCH")

    assert (missing.status, missing.body["code"]) == (404, "NOT_FOUND")
    assert (method.status, method.body["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert missing.body["requestId"] == "req-1"


def test_errors_are_in_the_callers_language() -> None:
    english = response_to(errors.NotFound(), language="en-GB")
    korean = response_to(errors.NotFound(), language="ko-KR")

    assert english.body["error"] != korean.body["error"]
    assert korean.body["error"] == message_for("NOT_FOUND", "ko")


def test_every_code_has_a_message_in_both_languages() -> None:
    for code, (english, korean) in MESSAGES.items():
        assert english and english.isascii(), code
        assert any("가" <= character <= "힣" for character in korean), code


def test_an_unknown_code_has_the_message_of_an_internal_error() -> None:
    assert message_for("NO_SUCH_CODE", "ko") == MESSAGES["INTERNAL"][1]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("ko", "ko"),
        ("KO-kr", "ko"),
        ("en", "en"),
        ("fr", "en"),
        ("fr, ko;q=0.5", "ko"),
        ("ko;q=0.8, en;q=0.9", "en"),
        ("ko;q=0.9, en;q=0.8", "ko"),
        ("en, ko", "en"),
        ("ko, en", "ko"),
        ("ko;q=0, en;q=0.1", "en"),
        ("ko;q=0", "en"),
        ("ko;q=x, en", "en"),
        ("korean", "en"),
        (";;;,,,q=", "en"),
        ("*", "en"),
    ],
)
def test_the_language_is_the_one_the_caller_prefers(header: str | None, language: str) -> None:
    assert preferred_language(header) == language
