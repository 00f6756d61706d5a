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
    ResponseLost,
    TransientProviderError,
    capability_of,
)
from darkroom.generation.vendor_errors import (
    ErrorRule,
    error_of_rules,
    error_of_status,
    not_configured,
    result_expired,
    seconds_in,
)
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import RESULT_LIMIT_BYTES

TIMEOUT_SECONDS = 20.0
UPLOAD_TIMEOUT_SECONDS = 60.0
ERROR_LIMIT_BYTES = 4000
_SUCCESS = frozenset({200, 201, 202})

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
            return read_json_object(self._read_secret())
        except InvalidInput as error:
            raise not_configured(f"the secret is {error.detail}") from error

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

    def call(self, method: str, path: str, **options: Any) -> VendorResponse:
        """One request; the response whatever its status. A body over the limit is cut off there:
        then it is no JSON, and larger than a file may be.

        Raises:
            TransientProviderError: it never reached the vendor.
            ResponseLost: it may have.
        """
        import httpx

        try:
            with self._client.stream(method, path, **options) as response:
                return VendorResponse(response.status_code, response.headers, _body_of(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            if method == "GET":
                raise ResponseLost("not reached") from error
            raise TransientProviderError("not reached") from error
        except httpx.HTTPError as error:
            raise ResponseLost(type(error).__name__) from error


@dataclass(frozen=True)
class VendorResponse:
    """A response that was read to its end or to the limit."""

    status: int
    headers: Mapping[str, str]
    """Found by names in any case."""
    content: bytes

    @property
    def error_text(self) -> str:
        """The beginning of an error's body."""
        return self.content[:ERROR_LIMIT_BYTES].decode("utf-8", errors="replace")

    @property
    def object(self) -> Json:
        """The JSON object in the body, whatever the status; empty if it is none."""
        try:
            return read_json_object(self.content)
        except InvalidInput:
            return {}


def _body_of(response: Any) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > RESULT_LIMIT_BYTES:
            break
    return bytes(content)


class HttpVendor:
    """What every adapter of an HTTP API has: its models by capability, and its client."""

    default_api_base: ClassVar[str]
    default_models: ClassVar[Mapping[str, str]]
    default_timeout_seconds: ClassVar[float] = TIMEOUT_SECONDS
    error_rules: ClassVar[tuple[ErrorRule, ...]] = ()
    """Its errors that the status does not say; the first that fits counts."""

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

    def check(self, response: VendorResponse) -> None:
        """Pass a response to a request that makes something, or raise what it means.

        Raises:
            ProviderError: by the vendor's rules, else by the status.
        """
        status = response.status
        if status in _SUCCESS:
            return
        error = error_of_rules(self.error_rules, status, self.error_text(response))
        raise error or error_of_status(status, retry_after_seconds=self.wait_seconds(response))

    def error_text(self, response: VendorResponse) -> str:
        """The part of an error response in which the rules look for words."""
        return response.error_text

    def wait_seconds(self, response: VendorResponse) -> float:
        """How long the vendor wants us to wait; 0 if it does not say."""
        return seconds_in(response.headers.get("retry-after", ""))


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

    def read_run(self, path: str) -> Json:
        """A run as the vendor describes it. A failed poll proves nothing about the run, unless
        the vendor does not know it.

        Raises:
            TransientProviderError: RESULT_EXPIRED; there is no such run.
            ResponseLost: poll again later.
        """
        response = self._http.call("GET", path)
        if response.status == 404:
            raise result_expired("the run is unknown there")
        return json_object_of(response)

    def stop_run(self, method: str, path: str) -> int:
        """Ask for a run's end; returns the status. A run that has ended or is unknown is no error.

        Raises:
            ResponseLost: it may or may not have stopped.
        """
        status = self._http.call(method, path).status
        if status >= 500 or status == 429:
            raise ResponseLost(f"HTTP {status}")
        return status


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


@contextmanager
def retryable() -> Iterator[None]:
    """A response lost inside this block started no run, so the call may be retried."""
    try:
        yield
    except ResponseLost as error:
        raise TransientProviderError(error.detail) from error


def json_object_of(response: VendorResponse) -> Json:
    """The JSON object in a successful response.

    Raises:
        ResponseLost: it is none, or not successful.
    """
    if response.status not in _SUCCESS:
        raise ResponseLost(f"HTTP {response.status}")
    try:
        return read_json_object(response.content)
    except InvalidInput as error:
        raise ResponseLost(error.detail) from error


def read_json_object(body: bytes | str) -> Json:
    """The JSON object in a body or a secret.

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
