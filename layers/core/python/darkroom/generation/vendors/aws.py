"""What the AWS services have in common: one call, and what its failure means.

The clients are made elsewhere and retry nothing (``total_max_attempts`` 1): the caller decides.

Sources: the services' own models in botocore (names and statuses of errors),
https://docs.aws.amazon.com/general/latest/gr/api-error-codes and, for what may be retried,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from darkroom.generation.ports import (
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    TransientProviderError,
)

RETRY_AFTER_LIMIT_SECONDS: Final = 600
_DETAIL_LIMIT_CHARS: Final = 300

Client = Callable[[], Any]
"""Gives the boto3 client; made when it is first needed."""
Meaning = Callable[[str], ProviderError]
"""What a service's own error means, from its message."""

_LATER: Final = frozenset({
    "BandwidthLimitExceeded", "ExpiredToken", "ExpiredTokenException", "InternalError",
    "InternalFailure", "InternalFailureException", "InternalServerError",
    "InternalServerException", "ModelNotReadyException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "RequestTimeTooSkewed", "RequestTimeout",
    "RequestTimeoutException",
    "ServiceFailureException", "ServiceUnavailable", "ServiceUnavailableException", "SlowDown",
    "ThrottledException", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
_NOT_CONFIGURED: Final = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthFailure", "IncompleteSignature",
    "IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized",
    "OptInRequired", "ResourceNotFoundException", "SignatureDoesNotMatch",
    "SubscriptionRequiredException", "UnauthorizedOperation", "UnknownOperationException",
    "UnrecognizedClientException",
})  # fmt: skip
_QUOTA: Final = frozenset({
    "LimitExceededException", "ServiceQuotaExceeded", "ServiceQuotaExceededException",
})  # fmt: skip
_UNKNOWN_END: Final = frozenset({502, 504})
"""A proxy gave up; the service may have begun."""


@contextmanager
def translate_errors(meanings: Mapping[str, Meaning] | None = None) -> Iterator[None]:
    """Translate the errors of a boto3 call inside this block into ours.

    ``meanings`` are a service's own errors, by their code. Read a response's stream inside the
    block too.

    Raises:
        ProviderError: instead of any error of botocore.
    """
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    try:
        yield
    except aws.ClientError as error:
        raise _meaning_of(error.response, meanings or {}) from error
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.NoRegionError) as error:
        raise not_configured(type(error).__name__) from error
    except (aws.ConnectionError, aws.CredentialRetrievalError) as error:
        # Also a certificate that is not theirs: nothing was sent.
        raise TransientProviderError(f"not reached: {type(error).__name__}") from error
    except aws.ParamValidationError as error:
        raise PermanentProviderError("The service cannot make this.") from error
    except (aws.BotoCoreError, ResponseParserError) as error:
        raise ResponseLost(type(error).__name__) from error


def _meaning_of(response: Mapping[str, Any], meanings: Mapping[str, Meaning]) -> ProviderError:
    error = response.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in meanings:
        return meanings[code](message)
    if code in _LATER:
        return later(code, retry_after_seconds=_retry_after_seconds(response))
    if code in _NOT_CONFIGURED or status in (401, 403):
        return not_configured(code)
    if code in _QUOTA or status == 402:
        return PermanentProviderError("The provider is not available.", code="PROVIDER_QUOTA")
    if status in _UNKNOWN_END:
        return ResponseLost(f"HTTP {status}")
    if status == 429 or status >= 500:
        return later(f"HTTP {status}", retry_after_seconds=_retry_after_seconds(response))
    if 400 <= status < 500:
        return refused(code)
    return ResponseLost(f"HTTP {status}")


def later(detail: str, *, retry_after_seconds: float = 0) -> TransientProviderError:
    return TransientProviderError(
        detail[:_DETAIL_LIMIT_CHARS], retry_after_seconds=retry_after_seconds
    )


def failed(detail: str) -> TransientProviderError:
    """The run failed: the service itself is healthy."""
    return TransientProviderError(detail[:_DETAIL_LIMIT_CHARS], code="PROVIDER_FAILED")


def not_configured(detail: str) -> PermanentProviderError:
    """A key, right, region or model is missing: the operator must fix it, not the user."""
    return PermanentProviderError(
        "The provider is not available.",
        code="PROVIDER_NOT_CONFIGURED",
        vendor_message=detail[:_DETAIL_LIMIT_CHARS],
    )


def unsupported(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="UNSUPPORTED_KIND")


def bad_source(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="BAD_SOURCE")


def bad_result(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="BAD_RESULT")


def refused(detail: str) -> PermanentProviderError:
    return PermanentProviderError(
        "The service cannot make this.", vendor_message=detail[:_DETAIL_LIMIT_CHARS]
    )


def require_field(response: Mapping[str, Any], name: str) -> Any:
    """A field that every complete response has; botocore parses a truncated one as empty.

    Raises:
        ResponseLost: the field is missing.
    """
    found = response.get(name)
    if found is None:
        raise ResponseLost("an incomplete response")
    return found


def ref_of(response: Mapping[str, Any]) -> str | None:
    """The service's id of the call."""
    return response.get("ResponseMetadata", {}).get("RequestId") or None


def _retry_after_seconds(response: Mapping[str, Any]) -> float:
    after = str(response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    is_number = after.isascii() and after.isdigit()
    return float(min(RETRY_AFTER_LIMIT_SECONDS, int(after))) if is_number else 0.0
