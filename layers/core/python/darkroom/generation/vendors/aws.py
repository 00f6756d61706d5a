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

from darkroom.generation.ports import ProviderError, ResponseLost
from darkroom.generation.vendor_errors import (
    Meaning,
    bad_result,
    error_of_status,
    later,
    not_configured,
    refused,
    seconds_in,
)
from darkroom.kernel.limits import RESULT_LIMIT_BYTES

_CHUNK_BYTES: Final = 1024 * 1024

Client = Callable[[], Any]
"""Gives the boto3 client; made when it is first needed."""

# Most errors come with 400 and a code. The status that the code stands for is mapped to an error as
# for any vendor.
_STATUSES: Final[Mapping[int, str]] = {
    503: """
        ExpiredToken ExpiredTokenException InternalError InternalFailure InternalFailureException
        InternalServerError InternalServerException ModelNotReadyException PriorRequestNotComplete
        RequestTimeTooSkewed RequestTimeout RequestTimeoutException ServiceFailureException
        ServiceUnavailable ServiceUnavailableException
    """,
    429: """
        BandwidthLimitExceeded ProvisionedThroughputExceededException RequestLimitExceeded
        RequestThrottled RequestThrottledException SlowDown ThrottledException Throttling
        ThrottlingException TooManyRequestsException
    """,
    403: """
        AccessDenied AccessDeniedException AuthFailure IncompleteSignature
        IncompleteSignatureException InvalidClientTokenId InvalidSignatureException
        MissingAuthenticationToken MissingAuthenticationTokenException NotAuthorized OptInRequired
        ResourceNotFoundException SignatureDoesNotMatch SubscriptionRequiredException
        UnauthorizedOperation UnknownOperationException UnrecognizedClientException
    """,
    402: "LimitExceededException ServiceQuotaExceeded ServiceQuotaExceededException",
}
_STATUS_OF_CODE: Final = {
    code: status for status, codes in _STATUSES.items() for code in codes.split()
}


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
        raise later(f"not reached: {type(error).__name__}") from error
    except aws.ParamValidationError as error:
        raise refused("botocore refuses the request") from error
    except (aws.BotoCoreError, ResponseParserError) as error:
        raise ResponseLost(type(error).__name__) from error
    except (UnicodeDecodeError, RecursionError, AttributeError, TypeError) as error:
        # botocore reads a response as the object that it should be, and trips over any other.
        raise ResponseLost("the response cannot be parsed") from error


def _meaning_of(response: Mapping[str, Any], meanings: Mapping[str, Meaning]) -> ProviderError:
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in meanings:
        return meanings[code](message)
    status = _STATUS_OF_CODE.get(code) or metadata.get("HTTPStatusCode", 0)
    # The message of an error that an operator can fix names what is missing.
    detail = f"{code}: {message}" if status in (401, 403, 404) else code
    retry_after = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
    return error_of_status(status, detail, retry_after_seconds=seconds_in(retry_after))


def require_field(response: Mapping[str, Any], name: str) -> Any:
    """A field that every complete response has; botocore parses a truncated one as empty.

    Raises:
        ResponseLost: the field is missing.
    """
    found = response.get(name)
    if found is None:
        raise ResponseLost("an incomplete response")
    return found


def read_stream(stream: Any) -> bytes:
    """A response's stream to its end.

    Raises:
        PermanentProviderError: BAD_RESULT; it is larger than a result may be.
    """
    content = bytearray()
    # Only a read that finds nothing more checks that the stream did not break off.
    while chunk := stream.read(_CHUNK_BYTES):
        content += chunk
        if len(content) > RESULT_LIMIT_BYTES:
            raise bad_result("the result is too large")
    return bytes(content)


def ref_of(response: Mapping[str, Any]) -> str | None:
    """The service's id of the call."""
    return response.get("ResponseMetadata", {}).get("RequestId") or None
