"""What the vendors behind an HTTP API have in common: one request and its outcome.

Nothing is retried here: most vendors have no idempotency key, so the caller decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from darkroom.generation.ports import PermanentProviderError, ResponseLost, TransientProviderError
from darkroom.kernel.errors import InvalidInput

TIMEOUT_SECONDS = 20.0
UPLOAD_TIMEOUT_SECONDS = 60.0
RETRY_AFTER_LIMIT_SECONDS = 600
ERROR_LIMIT_CHARS = 1000

Json = Mapping[str, Any]


class VendorHttp:
    """A vendor's API at one address, called with its key.

    ``read_secret`` gives the vendor's secret, a JSON object; ``headers_of`` makes the headers of
    every call from it. Both are first called at the first request.
    """

    def __init__(
        self,
        read_secret: Callable[[], str],
        *,
        api_base: str,
        headers_of: Callable[[Json], Mapping[str, str]],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._read_secret = read_secret
        self._api_base = api_base
        self._headers_of = headers_of
        self._timeout_seconds = timeout_seconds

    @cached_property
    def secret(self) -> Json:
        """The vendor's secret.

        Raises:
            PermanentProviderError: PROVIDER_NOT_CONFIGURED; it is not a JSON object.
        """
        try:
            found = json.loads(self._read_secret())
        except ValueError as error:
            raise _no_secret() from error
        if not isinstance(found, dict):
            raise _no_secret()
        return found

    @cached_property
    def _client(self) -> Any:
        import httpx

        return httpx.Client(
            base_url=self._api_base,
            headers=dict(self._headers_of(self.secret)),
            timeout=self._timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One request; the response (``httpx.Response``) whatever its status.

        Raises:
            TransientProviderError: it never reached the vendor.
            ResponseLost: it may have.
        """
        import httpx

        try:
            return self._client.request(method, path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if method == "GET":
                raise ResponseLost("not reached") from error
            raise TransientProviderError("not reached") from error
        except httpx.HTTPError as error:
            raise ResponseLost(type(error).__name__) from error


def _no_secret() -> PermanentProviderError:
    return PermanentProviderError("The provider is not available.", code="PROVIDER_NOT_CONFIGURED")


@contextmanager
def retryable() -> Iterator[None]:
    """A response lost inside this block started no run, so the call may be retried."""
    try:
        yield
    except ResponseLost as error:
        raise TransientProviderError(error.detail) from error


def json_object_of(response: Any) -> Json:
    """The JSON object in a response.

    Raises:
        ResponseLost: it has none.
    """
    try:
        found = response.json()
    except ValueError as error:
        raise ResponseLost("not JSON") from error
    if not isinstance(found, dict):
        raise ResponseLost("not an object")
    return found


def read_json_object(body: bytes) -> Json:
    """The JSON object in the body of a vendor's callback.

    Raises:
        InvalidInput: it has none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("not JSON") from error
    if not isinstance(found, dict):
        raise InvalidInput("not an object")
    return found


def text_of(response: Any) -> str:
    """The beginning of the body of an error response."""
    return str(response.text[:ERROR_LIMIT_CHARS])


def retry_after_seconds(response: Any) -> float:
    """The header ``Retry-After`` in seconds, at most ten minutes; 0 without one."""
    value = response.headers.get("retry-after", "")
    return (
        float(min(RETRY_AFTER_LIMIT_SECONDS, int(value)))
        if value.isascii() and value.isdigit()
        else 0.0
    )
