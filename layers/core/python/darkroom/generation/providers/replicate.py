"""Replicate: pictures by a model of the FLUX family, made from the user's photo.

Sources: https://replicate.com/docs/reference/http (calls, answers, ``Cancel-After``),
https://replicate.com/docs/topics/predictions/lifecycle (statuses, deadlines),
https://replicate.com/docs/topics/predictions/rate-limits (429),
https://replicate.com/docs/topics/webhooks (events, signature, files go after an hour),
https://replicate.com/docs/reference/error-codes,
https://replicate.com/black-forest-labs/flux-kontext-pro (inputs).

Creating a prediction has no idempotency key. So of an answer that did not come, or came from a
gateway in between, nothing is concluded: the run is found again by its callback or in the list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from darkroom.generation import standard_webhooks
from darkroom.generation.ports import (
    AnswerLost,
    Finished,
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    ProviderError,
    ResultFile,
    SourceFile,
    TransientProviderError,
)
from darkroom.kernel.clock import from_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import WAITING_LIMIT_SECONDS

API_BASE = "https://api.replicate.com"
RESULT_HOSTS = frozenset({"replicate.delivery", "*.replicate.delivery"})
TIMEOUT_SECONDS = 20.0
UPLOAD_TIMEOUT_SECONDS = 60.0
PAGES_LIMIT = 3
DETAILS_LIMIT = 20
RETRY_AFTER_LIMIT_SECONDS = 600
CLOCK_SKEW = timedelta(minutes=5)
_UNDER_WAY = frozenset({"starting", "processing"})
_STOPPED = frozenset({"canceled", "aborted"})
_ASPECT_OF_KIND = {"keyframe": "9:16", "portrait": "3:4"}
_PHOTO = re.compile(r"photo_(\d+)")
_REF = re.compile(r"[a-z0-9]{8,64}")
_RESET = re.compile(r"resets in ~?(\d+)s")
# The vendor's errors are sentences; models of the family word a refusal in these ways.
_REFUSAL = re.compile(r"nsfw|sensitive|\bE005\b|safety|moderat|content policy", re.IGNORECASE)
# Out of memory and inputs that do not fit are the same the next time.
_HOPELESS = re.compile(r"\bE1001\b|input validation|invalid input", re.IGNORECASE)

Json = Mapping[str, Any]


class Replicate:
    """The vendor behind its HTTP API.

    ``read_secret`` gives ``{"apiToken": "r8_…", "webhookSecrets": ["whsec_…", …]}``: two while
    one is being replaced. ``api_base`` and ``result_hosts`` are the vendor's own but in tests.
    """

    name = "replicate"

    def __init__(
        self,
        read_secret: Callable[[], str],
        *,
        model: str,
        api_base: str | None = None,
        result_hosts: frozenset[str] = RESULT_HOSTS,
    ) -> None:
        self._read_secret = read_secret
        self._model = model
        self._api_base = api_base or API_BASE
        self.result_hosts = result_hosts

    @cached_property
    def _secret(self) -> Json:
        return json.loads(self._read_secret())

    @cached_property
    def _client(self) -> Any:
        import httpx

        return httpx.Client(
            base_url=self._api_base,
            headers={"Authorization": f"Bearer {self._secret['apiToken']}"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            trust_env=False,
        )

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        aspect_ratio = _ASPECT_OF_KIND.get(request.kind)
        if aspect_ratio is None:
            raise PermanentProviderError(f"no {request.kind} here", code="UNSUPPORTED_KIND")
        source = _photo_of(request)
        # Uploading twice costs nothing, so only what follows it is done at most once.
        with _not_taken():
            photo_url = self._upload(source)
        body = {
            "input": {
                "prompt": str(request.params.get("prompt", "")),
                "input_image": photo_url,
                "aspect_ratio": aspect_ratio,
                "seed": request.seed % 2**31,
                "output_format": "png",
            },
            "webhook": callback_url,
            "webhook_events_filter": ["completed"],
        }
        answer = self._call(
            "POST",
            f"/v1/models/{self._model}/predictions",
            json=body,
            headers={"Cancel-After": f"{WAITING_LIMIT_SECONDS}s"},
        )
        if answer.status_code not in (200, 201, 202):
            raise _refused(answer)
        return _ref_of(_object(answer))

    def poll(self, ref: str) -> Finished | None:
        answer = self._call("GET", f"/v1/predictions/{_checked(ref)}")
        if answer.status_code == 404:
            raise TransientProviderError("the run is unknown there", code="RESULT_EXPIRED")
        if answer.status_code != 200:
            raise AnswerLost(f"answered {answer.status_code}")
        return _result_of(_object(answer))

    def find(self, callback_url: str, since: datetime) -> str | None:
        details = 0
        for entry in self._list(since - CLOCK_SKEW):
            told = entry.get("webhook")
            # The list leaves out what a single prediction has.
            if told is None and details < DETAILS_LIMIT:
                details += 1
                told = self._read(_ref_of(entry)).get("webhook")
            if told == callback_url:
                return _ref_of(entry)
        return None

    def cancel(self, ref: str) -> None:
        answer = self._call("POST", f"/v1/predictions/{_checked(ref)}/cancel")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise AnswerLost(f"answered {answer.status_code}")

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        standard_webhooks.verify(body, headers, self._secret["webhookSecrets"], now=now)
        try:
            told = json.loads(body)
        except ValueError as error:
            raise InvalidInput("not JSON") from error
        if not isinstance(told, dict) or not _is_ref(told.get("id")):
            raise InvalidInput("not a prediction")
        return told["id"]

    def _upload(self, source: SourceFile) -> str:
        with source.path.open("rb") as file:
            answer = self._call(
                "POST",
                "/v1/files",
                files={"content": (source.path.name, file, source.mime_type)},
                timeout=UPLOAD_TIMEOUT_SECONDS,
            )
        if answer.status_code not in (200, 201):
            raise _refused(answer)
        url = _object(answer).get("urls", {}).get("get")
        if not isinstance(url, str):
            raise AnswerLost("the file has no address")
        return url

    def _read(self, ref: str) -> Json:
        answer = self._call("GET", f"/v1/predictions/{_checked(ref)}")
        return _object(answer) if answer.status_code == 200 else {}

    def _list(self, since: datetime) -> Iterator[Json]:
        """Predictions of our model begun after ``since``, newest first; a few pages of them."""
        path: str | None = "/v1/predictions"
        for _ in range(PAGES_LIMIT):
            answer = self._call("GET", path)
            if answer.status_code != 200:
                raise AnswerLost(f"answered {answer.status_code}")
            page = _object(answer)
            for entry in page.get("results", ()):
                if from_iso(entry["created_at"]) < since:
                    return
                if entry.get("model", self._model) == self._model:
                    yield entry
            path = _next_path(page.get("next"))
            if path is None:
                return

    def _call(self, method: str, path: str | None, **options: Any) -> Any:
        """One request, never repeated here.

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


@contextmanager
def _not_taken() -> Iterator[None]:
    """Whatever is lost within has started no run."""
    try:
        yield
    except AnswerLost as error:
        raise TransientProviderError(error.detail) from error


def _photo_of(request: GenerationRequest) -> SourceFile:
    """Scene n uses photo ((n - 1) mod count) + 1, as the built-in studio does."""
    numbered = [(_PHOTO.fullmatch(source.key), source) for source in request.sources]
    photos = sorted((int(match[1]), source) for match, source in numbered if match)
    if not photos:
        raise PermanentProviderError("a picture needs a photo", code="BAD_SOURCE")
    scene_no = int(request.params.get("sceneNo", 1))
    return photos[(scene_no - 1) % len(photos)][1]


def _result_of(prediction: Json) -> Finished | None:
    status, error = prediction.get("status"), str(prediction.get("error") or "")
    if status in _UNDER_WAY:
        return None
    if status == "succeeded":
        return _finished(prediction)
    if status in _STOPPED:
        raise TransientProviderError("it was stopped there", code="PROVIDER_CANCELED")
    if status != "failed":
        raise AnswerLost("of an unknown status")
    if _REFUSAL.search(error):
        raise ModerationRefused("The picture was refused.")
    if _HOPELESS.search(error):
        raise PermanentProviderError("The model cannot make this.")
    raise TransientProviderError("The model failed.", code="PROVIDER_FAILED")


def _finished(prediction: Json) -> Finished:
    output = prediction.get("output")
    told = output if isinstance(output, list) else [output]
    urls = [url for url in told if isinstance(url, str)]
    if prediction.get("data_removed") or not urls:
        raise TransientProviderError("the result is gone", code="RESULT_EXPIRED")
    metrics = prediction.get("metrics") or {}
    return Finished(
        files=(ResultFile(url=urls[0], type="image", mime_type="image/png", suffix=".png"),),
        quantities={
            name: float(value) for name, value in metrics.items() if isinstance(value, int | float)
        },
    )


def _refused(answer: Any) -> ProviderError:
    """What an answer to a request that would make something means."""
    status, text = answer.status_code, answer.text[:1000]
    if status in (429, 500, 503):
        return TransientProviderError(
            f"answered {status}", retry_after_seconds=_retry_after_seconds(answer, text)
        )
    if status == 402:
        return PermanentProviderError("The provider is not available.", code="PROVIDER_QUOTA")
    if status in (401, 403, 404):
        # Our token or model is wrong: nothing that the user asked for.
        return PermanentProviderError(
            "The provider is not available.", code="PROVIDER_NOT_CONFIGURED"
        )
    if 400 <= status < 500:
        if _REFUSAL.search(text):
            return ModerationRefused("The request was refused.")
        return PermanentProviderError("The model cannot make this.")
    # 502, 504: somebody in between gave up, whoever is behind may have begun. Also redirects.
    return AnswerLost(f"answered {status}")


def _retry_after_seconds(answer: Any, text: str) -> float:
    told = answer.headers.get("retry-after", "")
    found = _RESET.search(text)
    seconds = int(told) if told.isdigit() else int(found[1]) if found else 0
    return min(RETRY_AFTER_LIMIT_SECONDS, seconds)


def _object(answer: Any) -> Json:
    try:
        found = answer.json()
    except ValueError as error:
        raise AnswerLost("not JSON") from error
    if not isinstance(found, dict):
        raise AnswerLost("not an object")
    return found


def _ref_of(prediction: Json) -> str:
    ref = prediction.get("id")
    if not isinstance(ref, str) or not _is_ref(ref):
        raise AnswerLost("a prediction without an id")
    return ref


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and _REF.fullmatch(value) is not None


def _checked(ref: str) -> str:
    """What goes into a path."""
    if not _is_ref(ref):
        raise ValueError(f"not an id of a prediction: {ref!r}")
    return ref


def _next_path(url: Any) -> str | None:
    """The next page, always of the same server: the token goes to nobody else."""
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.path == "/v1/predictions" else None
