"""Every error code, the status that it comes with, and the schema of its body.

``docs/errors.md`` shows the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, create_model

from darkroom.api.messages import MESSAGES
from darkroom.api.openapi.headers import LIMIT_HEADERS, of_response
from darkroom.api.schemas.errors import BODY_OF, ErrorBody
from darkroom.views.base import ResponseBody

REF = "#/components/schemas/"


class ErrorCode(NamedTuple):
    status: int
    code: str
    when: str
    is_general: bool = False
    """Whether every operation with this status may send it."""


GENERAL = True
ERRORS = (
    ErrorCode(
        400,
        "VALIDATION_FAILED",
        "a field is missing, unknown, or of another type or range; the body is not JSON, or is "
        "ambiguous: a repeated name in one object, a number that is not finite, a lone surrogate, "
        "more than 32 levels",
        GENERAL,
    ),
    ErrorCode(
        400,
        "IDEMPOTENCY_KEY_REQUIRED",
        "the request could charge twice without an `Idempotency-Key`",
    ),
    ErrorCode(400, "BAD_CURSOR", "a cursor was changed, or belongs to another list"),
    ErrorCode(400, "CONTENT_REJECTED", "the text is not allowed; `category` says why"),
    ErrorCode(400, "NO_TEMPLATES", "no template for the combination"),
    ErrorCode(400, "INVALID_TARGET", "the job has no such target: `targets` lists its own"),
    ErrorCode(
        400,
        "REFERENCE_PHOTO_MISSING",
        "some `roles` have no active reference photo among those given, or one was withdrawn",
    ),
    ErrorCode(400, "NO_FACE", "a reference photo must show exactly one person; `faces` is 0"),
    ErrorCode(
        400,
        "MULTIPLE_FACES",
        "a reference photo must show exactly one person; `faces` is the number found",
    ),
    ErrorCode(401, "UNAUTHORIZED", "the token is not for this service, or too old"),
    ErrorCode(401, "BAD_SIGNATURE", "a webhook is forged, altered, or more than five minutes old"),
    ErrorCode(
        402,
        "CREDITS_INSUFFICIENT",
        "the balance does not cover the price; nothing has changed",
        GENERAL,
    ),
    ErrorCode(
        402,
        "CREDITS_DEBT",
        "the account owes credits of a refunded payment (`debt` in `GET /api/credits`); "
        "purchases, gifts and credits that return from jobs pay them first",
        GENERAL,
    ),
    ErrorCode(403, "FORBIDDEN", "for operators only"),
    ErrorCode(
        403,
        "PLAN_LIMIT",
        "the plan allows no more of `name`, a limit of `GET /api/plans`: `limit`, `used`, `plan`, "
        "`upgradeTo` (the smallest plan that is large enough, or null)",
    ),
    ErrorCode(404, "NOT_FOUND", "missing, or another account's", GENERAL),
    ErrorCode(
        404,
        "ITEM_UNREADABLE",
        "the stored record is damaged: it is left out of lists and reported to operators; "
        "nothing else of the account is affected. A file can be deleted all the same",
        GENERAL,
    ),
    ErrorCode(405, "METHOD_NOT_ALLOWED", "the route exists with other methods"),
    ErrorCode(
        409,
        "CONFLICT",
        "not possible in the present state; no more specific code applies",
        GENERAL,
    ),
    ErrorCode(
        409,
        "ALREADY_HAPPENED",
        "another request did this already; nothing has changed",
        GENERAL,
    ),
    ErrorCode(409, "IN_PROGRESS", "the same request is still running"),
    ErrorCode(
        409,
        "ACCOUNT_FROZEN",
        "an operator or the auditor froze the account's spending while its books are checked, or "
        "its wallet is damaged",
    ),
    ErrorCode(409, "ASSET_NOT_READY", "the check of the file `assetId` has not ended"),
    ErrorCode(409, "ASSET_FAILED", "the check of the file `assetId` has failed"),
    ErrorCode(409, "ASSET_IN_USE", "an active reference photo uses the file that is to be deleted"),
    ErrorCode(409, "UPLOAD_INCOMPLETE", "the file has not arrived: send its `missingParts`"),
    ErrorCode(409, "UPLOAD_CLOSED", "the upload is over"),
    ErrorCode(409, "JOB_NOT_DRAFT", "another request has already confirmed the job"),
    ErrorCode(409, "JOB_NOT_FINAL", "the job has not ended (delete, rerun, share, download)"),
    ErrorCode(
        409, "HAS_CHILDREN", "other jobs were made from it; `?cascade=true` deletes them too"
    ),
    ErrorCode(409, "TOO_MANY", "there are `limit` of them already, and may be no more"),
    ErrorCode(
        409, "ENDPOINT_DISABLED", "nothing is sent to the webhook endpoint until it is activated"
    ),
    ErrorCode(409, "TOO_MANY_CHILDREN", "the job has 500 child jobs that still exist"),
    ErrorCode(
        409,
        "JOB_UNREADABLE",
        "the job was damaged and ended, and its inputs are lost: it can have no children",
    ),
    ErrorCode(
        409,
        "NOT_RETRYABLE",
        "the job did not fail, it is a draft (also a canceled one), or what is missing was refused "
        "for its content or input",
    ),
    ErrorCode(
        409, "NOT_REGENERABLE", "the job has no result to regenerate from, or none of that kind"
    ),
    ErrorCode(409, "QUOTE_MISMATCH", "the quote is for other inputs"),
    ErrorCode(409, "QUOTE_EXPIRED", "the quote is older than 15 minutes"),
    ErrorCode(409, "NO_OUTPUTS", "the job has no files to download"),
    ErrorCode(
        409,
        "ARCHIVE_FAILED",
        "a zip could not be made, or one of the job's files is missing; repeating the request "
        "tries again",
    ),
    ErrorCode(409, "ALBUM_FULL", "an album holds at most 2000 outputs"),
    ErrorCode(
        409,
        "LEDGER_UNSOUND",
        "a wallet cannot be rebuilt: its entries contradict each other, or cannot be read "
        "(operators)",
    ),
    ErrorCode(409, "NO_DEBT", "the account owes nothing (operators)"),
    ErrorCode(409, "NOT_SUBSCRIBED", "the account has no subscription that could be canceled"),
    ErrorCode(
        409, "NOT_RESOLVABLE", "the purchase does not wait for an operator's decision (operators)"
    ),
    ErrorCode(409, "NOT_REDRIVABLE", "the queue of a dead letter no longer exists (operators)"),
    ErrorCode(
        410,
        "ACCOUNT_ERASED",
        "the account was erased, or is being erased; nothing brings it back",
    ),
    ErrorCode(
        412,
        "PRECONDITION_FAILED",
        "the draft has changed since it was read (`If-Match`)",
        GENERAL,
    ),
    ErrorCode(413, "BODY_TOO_LARGE", "a body over 1 MB"),
    ErrorCode(
        413,
        "FILE_TOO_LARGE",
        "over the limit of its kind and the account's plan (`limit`, `plan`, `upgradeTo`)",
    ),
    ErrorCode(413, "ARCHIVE_TOO_LARGE", "the job's files are over 3 GB together"),
    ErrorCode(415, "UNSUPPORTED_TYPE", "this kind of file is not accepted", GENERAL),
    ErrorCode(422, "IDEMPOTENCY_MISMATCH", "the key was used for another request"),
    ErrorCode(
        422,
        "UNPROCESSABLE",
        "the request is well-formed but cannot be processed; only where no other code fits",
        GENERAL,
    ),
    ErrorCode(
        429,
        "RATE_LIMITED",
        "too many requests by `policy`, which allows `limit` in a window; repeat after "
        "`retryAfterSeconds`, which is also `Retry-After`",
        GENERAL,
    ),
    ErrorCode(
        500,
        "INTERNAL",
        "Darkroom failed; the log has the cause under `requestId`",
        GENERAL,
    ),
    ErrorCode(
        503,
        "UNAVAILABLE",
        "a dependency did not respond; repeating is safe (`Retry-After`)",
        GENERAL,
    ),
    ErrorCode(
        503,
        "CONCURRENT_UPDATE",
        "other requests kept changing the same data; repeating is safe (`Retry-After`)",
        GENERAL,
    ),
    ErrorCode(503, "PAYMENT_UNAVAILABLE", "the payment gateway did not respond; repeating is safe"),
    ErrorCode(
        503,
        "FACE_CHECK_UNAVAILABLE",
        "the faces of a picture could not be counted yet, and are being counted again; repeat "
        "after `Retry-After`",
    ),
)
MEANINGS = {
    400: "The request is not valid",
    401: "There is no valid token",
    402: "Not enough credits",
    403: "Not allowed",
    404: "Missing, or another account's",
    409: "Not possible in the present state",
    410: "The account was erased",
    412: "Changed in the meantime",
    413: "Too large",
    415: "This kind of file is not accepted",
    422: "The Idempotency-Key was used for another request",
    429: "Too many requests",
    500: "A fault on our side",
    503: "A dependency did not respond; repeating is safe",
}
FROM_GATEWAY = frozenset({401, 413, 429, 500, 503})
_OF_READS = frozenset({"TooManyReads"})
_COMMON = {
    (400, ("VALIDATION_FAILED",)): "BadRequest",
    (400, ("VALIDATION_FAILED", "BAD_CURSOR")): "BadListRequest",
    (401, ("UNAUTHORIZED",)): "Unauthorized",
    (402, ("CREDITS_INSUFFICIENT", "CREDITS_DEBT")): "PaymentRequired",
    (403, ("FORBIDDEN",)): "Forbidden",
    (404, ("NOT_FOUND", "ITEM_UNREADABLE")): "NotFound",
    (410, ("ACCOUNT_ERASED",)): "AccountErased",
    (413, ("BODY_TOO_LARGE",)): "TooLarge",
    (422, ("IDEMPOTENCY_MISMATCH", "UNPROCESSABLE")): "KeyReused",
    (429, ("RATE_LIMITED",)): "TooManyRequests",
    (429, ()): "TooManyReads",
    (500, ("INTERNAL",)): "ServerFault",
    (503, ("UNAVAILABLE", "CONCURRENT_UPDATE")): "Unavailable",
}
"""The error responses that many operations have, by status and codes."""
STATUS_OF = {error.code: error.status for error in ERRORS}


class GatewayError(ResponseBody):
    """The body of errors of API Gateway, which stands before the functions: no or a bad token
    (401), a body over 10 MB (413), too many requests of all accounts together (429), a function
    that failed (500) or did not respond (503)."""

    message: str = Field(description="A sentence in English.", examples=["Unauthorized"])


def codes_of(failures: Iterable[int | str]) -> dict[int, list[str]]:
    """Status → its codes, in the order of the table; a status stands for its general codes."""
    wanted = set(failures)
    unknown = wanted - set(STATUS_OF) - {error.status for error in ERRORS if error.is_general}
    assert not unknown, f"no such error: {unknown}"
    found: dict[int, list[str]] = {}
    for error in ERRORS:
        if error.code in wanted or (error.is_general and error.status in wanted):
            found.setdefault(error.status, []).append(error.code)
    return found


def response_of(status: int, codes: tuple[str, ...], *, from_gateway: bool) -> dict[str, Any]:
    """An operation's error response with one of these codes, or a reference to a common one."""
    name = _COMMON.get((status, codes))
    if name is not None:
        return {"$ref": f"#/components/responses/{name}"}
    return _response(status, codes, from_gateway=from_gateway)


def common_responses() -> dict[str, Any]:
    """``components.responses``."""
    return {
        name: _response(
            status,
            codes,
            from_gateway=status in FROM_GATEWAY,
            headers=() if name in _OF_READS else LIMIT_HEADERS,
        )
        for (status, codes), name in _COMMON.items()
    }


def _response(
    status: int, codes: tuple[str, ...], *, from_gateway: bool, headers: Iterable[str] = ()
) -> dict[str, Any]:
    return {
        "description": MEANINGS[status],
        "headers": of_response(status, headers),
        "content": {"application/json": {"schema": _schema(codes, from_gateway=from_gateway)}},
    }


def _schema(codes: tuple[str, ...], *, from_gateway: bool) -> dict[str, Any]:
    names = [model_of(code).__name__ for code in codes]
    refs = [{"$ref": REF + name} for name in names]
    if from_gateway:
        refs.append({"$ref": REF + GatewayError.__name__})
    if len(refs) == 1:
        return refs[0]
    if from_gateway:
        return {"anyOf": refs}
    mapping = {code: REF + name for code, name in zip(codes, names, strict=True)}
    return {"oneOf": refs, "discriminator": {"propertyName": "code", "mapping": mapping}}


@cache
def model_of(code: str) -> type[ErrorBody]:
    """The body with this code: ``JOB_NOT_DRAFT`` is ``JobNotDraftError``."""
    [error] = (error for error in ERRORS if error.code == code)
    return create_model(
        "".join(word.capitalize() for word in code.split("_")) + "Error",
        __base__=BODY_OF.get(code, ErrorBody),
        __doc__=f"{error.when[0].upper()}{error.when[1:]}.",
        error=(
            str,
            Field(
                description="A sentence for users, in the language of `Accept-Language`; "
                "it may change.",
                examples=[MESSAGES[code][0]],
            ),
        ),
        code=(
            Annotated[Literal[code], Field(description="The kind of error; never changes.")],
            ...,
        ),
    )


def schemas(codes: Iterable[str]) -> Mapping[str, Any]:
    """The schemas of the bodies with these codes and of all that they refer to, by name."""
    found: dict[str, Any] = {}
    models: list[type[ResponseBody]] = [*map(model_of, codes), GatewayError]
    for model in models:
        shape = model.model_json_schema(mode="serialization", ref_template=REF + "{model}")
        found |= shape.pop("$defs", {})
        found[model.__name__] = shape
    return found
