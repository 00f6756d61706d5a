"""What the vendors of AWS have in common: one call, and what its failure means.

The clients are made elsewhere and repeat nothing (``total_max_attempts`` 1): whoever asked decides.

Sources: the services' own models in botocore (names and statuses of errors),
https://docs.aws.amazon.com/general/latest/gr/api-error-codes and, for what may be tried again,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from darkroom.generation.ports import (
    AnswerLost,
    PermanentProviderError,
    ProviderError,
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
"""Somebody in between gave up; whoever is behind may have begun."""


@contextmanager
def understood(meanings: Mapping[str, Meaning] | None = None) -> Iterator[None]:
    """Turn whatever a boto3 call within raises into what it means to us.

    ``meanings`` are of errors that a service has for itself, by their code. The reading of an
    answer's stream belongs inside as well.

    Raises:
        ProviderError: and nothing else of botocore's.
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
        raise AnswerLost(type(error).__name__) from error


def _meaning_of(answer: Mapping[str, Any], meanings: Mapping[str, Meaning]) -> ProviderError:
    error = answer.get("Error", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in meanings:
        return meanings[code](message)
    if code in _LATER:
        return later(code, retry_after_seconds=_retry_after_seconds(answer))
    if code in _NOT_CONFIGURED or status in (401, 403):
        return not_configured(code)
    if code in _QUOTA or status == 402:
        return PermanentProviderError("The provider is not available.", code="PROVIDER_QUOTA")
    if status in _UNKNOWN_END:
        return AnswerLost(f"answered {status}")
    if status == 429 or status >= 500:
        return later(f"answered {status}", retry_after_seconds=_retry_after_seconds(answer))
    if 400 <= status < 500:
        return refused(code)
    return AnswerLost(f"answered {status}")


def later(detail: str, *, retry_after_seconds: float = 0) -> TransientProviderError:
    return TransientProviderError(
        detail[:_DETAIL_LIMIT_CHARS], retry_after_seconds=retry_after_seconds
    )


def failed(detail: str) -> TransientProviderError:
    """It tried and failed: no sign that the service is away."""
    return TransientProviderError(detail[:_DETAIL_LIMIT_CHARS], code="PROVIDER_FAILED")


def not_configured(detail: str) -> PermanentProviderError:
    """A key, right, region or model is missing: nothing that the user asked for, nor can mend."""
    return PermanentProviderError(
        "The provider is not available.",
        code="PROVIDER_NOT_CONFIGURED",
        told=detail[:_DETAIL_LIMIT_CHARS],
    )


def unsupported(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="UNSUPPORTED_KIND")


def bad_source(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="BAD_SOURCE")


def bad_result(detail: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:_DETAIL_LIMIT_CHARS], code="BAD_RESULT")


def refused(detail: str) -> PermanentProviderError:
    return PermanentProviderError(
        "The service cannot make this.", told=detail[:_DETAIL_LIMIT_CHARS]
    )


def told(answer: Mapping[str, Any], name: str) -> Any:
    """A field that every whole answer has; botocore reads a broken one as if it were empty.

    Raises:
        AnswerLost: it has not.
    """
    found = answer.get(name)
    if found is None:
        raise AnswerLost("half an answer")
    return found


def ref_of(answer: Mapping[str, Any]) -> str | None:
    """The service's id of the call."""
    return answer.get("ResponseMetadata", {}).get("RequestId") or None


def _retry_after_seconds(answer: Mapping[str, Any]) -> float:
    after = str(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", ""))
    is_number = after.isascii() and after.isdigit()
    return float(min(RETRY_AFTER_LIMIT_SECONDS, int(after))) if is_number else 0.0
