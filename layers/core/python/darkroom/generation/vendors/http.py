"""What the vendors behind an HTTP API have in common: one request and its outcome.

Nothing is retried here: most vendors have no idempotency key, so the caller decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeGuard

from darkroom.generation.ports import (
    PermanentProviderError,
    ResponseLost,
    TransientProviderError,
    capability_of,
)
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


class HttpVendor:
    """What every adapter of an HTTP API has: its models by capability, and its client."""

    default_api_base: ClassVar[str]
    default_models: ClassVar[Mapping[str, str]]
    default_timeout_seconds: ClassVar[float] = TIMEOUT_SECONDS

    def __init__(
        self,
        read_secret: Callable[[], str],
        *,
        models: Mapping[str, str] | None = None,
        api_base: str | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        """``models`` replace the default ones; an empty name leaves the default in place."""
        chosen = {name: model for name, model in (models or {}).items() if model}
        self._models = {**self.default_models, **chosen}
        self._other_api_base = api_base
        self._http = VendorHttp(
            read_secret,
            api_base=api_base or self.default_api_base,
            headers_of=self.headers_of,
            timeout_seconds=timeout_seconds or self.default_timeout_seconds,
        )

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        """The headers of every call.

        Raises:
            PermanentProviderError: PROVIDER_NOT_CONFIGURED; the secret has no usable key.
        """
        raise NotImplementedError

    def model_of(self, kind: str) -> str:
        return self._models.get(capability_of(kind), "")


class AsyncHttpVendor(HttpVendor):
    """A vendor whose runs end later, with files on other hosts."""

    default_result_hosts: ClassVar[frozenset[str]]

    def __init__(
        self,
        read_secret: Callable[[], str],
        *,
        models: Mapping[str, str] | None = None,
        api_base: str | None = None,
        result_hosts: frozenset[str] | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        super().__init__(
            read_secret, models=models, api_base=api_base, timeout_seconds=timeout_seconds
        )
        self.result_hosts = self.default_result_hosts if result_hosts is None else result_hosts


@dataclass(frozen=True)
class RunIds:
    """The ids that a vendor gives its runs. They become parts of paths, so they are checked."""

    form: re.Pattern[str]
    noun: str

    def fits(self, ref: object) -> TypeGuard[str]:
        return isinstance(ref, str) and self.form.fullmatch(ref) is not None

    def of(self, run: Json) -> str:
        """The id of a run that the vendor describes.

        Raises:
            ResponseLost: it has none.
        """
        ref = run.get("id")
        if not self.fits(ref):
            raise ResponseLost(f"a {self.noun} without an id")
        return ref

    def checked(self, ref: str) -> str:
        """The id itself.

        Raises:
            ValueError: it is no id of this vendor.
        """
        if not self.fits(ref):
            raise ValueError(f"not an id of a {self.noun}: {ref!r}")
        return ref


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
