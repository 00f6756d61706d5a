"""What the vendors behind an HTTP API have in common: one request, and what became of it.

Nothing is ever repeated here: most vendors know no idempotency key, so whoever asked decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from darkroom.generation.ports import AnswerLost, PermanentProviderError, TransientProviderError
from darkroom.kernel.errors import InvalidInput

TIMEOUT_SECONDS = 20.0
UPLOAD_TIMEOUT_SECONDS = 60.0
RETRY_AFTER_LIMIT_SECONDS = 600
ERROR_LIMIT_CHARS = 1000

Json = Mapping[str, Any]


class VendorHttp:
    """A vendor's API at one address, called with its key.

    ``read_secret`` gives the vendor's secret, a JSON object; ``headers_of`` makes the headers that
    every call carries of it. Neither is asked before the first call.
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
            PermanentProviderError: PROVIDER_NOT_CONFIGURED; it is not what it should be.
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
        """One request; the answer (``httpx.Response``) whatever its status.

        Raises:
            TransientProviderError: it never reached the vendor.
            AnswerLost: it may have.
        """
        import httpx

        try:
            return self._client.request(method, path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if method == "GET":
                raise AnswerLost("not reached") from error
            raise TransientProviderError("not reached") from error
        except httpx.HTTPError as error:
            raise AnswerLost(type(error).__name__) from error


def _no_secret() -> PermanentProviderError:
    return PermanentProviderError("The provider is not available.", code="PROVIDER_NOT_CONFIGURED")


@contextmanager
def not_taken() -> Iterator[None]:
    """Whatever is lost within has started no run, so it may be tried again."""
    try:
        yield
    except AnswerLost as error:
        raise TransientProviderError(error.detail) from error


def object_of(answer: Any) -> Json:
    """The JSON object that an answer holds.

    Raises:
        AnswerLost: it holds none.
    """
    try:
        found = answer.json()
    except ValueError as error:
        raise AnswerLost("not JSON") from error
    if not isinstance(found, dict):
        raise AnswerLost("not an object")
    return found


def told_by(body: bytes) -> Json:
    """The JSON object that a vendor's call carries.

    Raises:
        InvalidInput: it carries none.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("not JSON") from error
    if not isinstance(told, dict):
        raise InvalidInput("not an object")
    return told


def text_of(answer: Any) -> str:
    """The beginning of what a refusal says."""
    return answer.text[:ERROR_LIMIT_CHARS]


def retry_after_seconds(answer: Any) -> float:
    """What the header ``Retry-After`` asks for in seconds, at most ten minutes; 0 without one."""
    told = answer.headers.get("retry-after", "")
    return (
        float(min(RETRY_AFTER_LIMIT_SECONDS, int(told)))
        if told.isascii() and told.isdigit()
        else 0.0
    )
