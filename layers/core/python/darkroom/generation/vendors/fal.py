"""fal: pictures by a model of the FLUX family and clips from pictures, through its queue.

Sources: https://docs.fal.ai/model-endpoints/queue and
https://fal.ai/docs/api-reference/inference-api (submit, status, result, cancel; the URLs after the
submit have only owner and app), https://docs.fal.ai/documentation/model-apis/common-parameters
(``X-Fal-Request-Timeout``, retries),
https://docs.fal.ai/documentation/model-apis/media-expiration (files),
https://docs.fal.ai/model-apis/model-endpoints/webhooks (calls, signature),
https://fal.ai/docs/documentation/model-apis/errors (``detail`` with types) and
https://docs.fal.ai/documentation/model-apis/request-errors (``error_type``),
https://docs.fal.ai/documentation/model-apis/concurrency-limits,
https://fal.ai/models/fal-ai/flux-pro/kontext/api,
https://fal.ai/models/fal-ai/bytedance/seedance/v1/pro/fast/image-to-video/llms.txt and
https://fal.ai/models/fal-ai/kling-video/v2.5-turbo/pro/image-to-video/llms.txt (inputs).

The queue knows no idempotency key, and its list of requests (of the platform API) shows neither
webhooks nor what is under way. So a run whose submit response was lost cannot be found: only
its callback identifies it. That a run has failed shows only in its result: the
status of every run that ended is ``COMPLETED``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from darkroom.generation.ports import (
    Charge,
    Finished,
    GenerationRequest,
    ProviderError,
    ResponseLost,
    ResultFile,
    SourceFile,
    capability_of,
)
from darkroom.generation.prompts import VisualPrompt, visual_prompt_of
from darkroom.generation.vendor_errors import (
    ErrorRule,
    bad_result,
    bad_source,
    content_rejected,
    error_of_rules,
    failed,
    later,
    not_configured,
    quota_exceeded,
    refused,
    result_expired,
    run_canceled,
    unsupported,
)
from darkroom.generation.vendors import fal_signatures
from darkroom.generation.vendors.api_key import api_key_of
from darkroom.generation.vendors.http import (
    AsyncHttpVendor,
    Json,
    VendorHttp,
    VendorResponse,
    json_object_of,
    read_json_object,
)
from darkroom.kernel.errors import InvalidInput, Unavailable
from darkroom.kernel.limits import WAITING_LIMIT_SECONDS

API_BASE: Final = "https://queue.fal.run"
KEYS_BASE: Final = "https://rest.alpha.fal.ai"
KEYS_PATH: Final = "/.well-known/jwks.json"
KEYS_TIMEOUT_SECONDS: Final = 5.0
RESULT_HOSTS: Final = frozenset({"fal.media", "*.fal.media"})
DEFAULT_MODELS: Final = {
    "image": "fal-ai/flux-pro/kontext",
    "picture": "fal-ai/flux-pro/kontext/text-to-image",
    "clip": "fal-ai/bytedance/seedance/v1/pro/fast/image-to-video",
}
CLIP_RESOLUTION: Final = "720p"
FILES_KEPT_SECONDS: Final = 60 * 60
"""The vendor deletes results after an hour; we fetch them within minutes."""
INLINE_LIMIT_BYTES: Final = 8 * 1000 * 1000
_MODEL: Final = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)+")
_APP: Final = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_UNDER_WAY: Final = frozenset({"IN_QUEUE", "IN_PROGRESS"})
_UNKNOWN_THERE: Final = frozenset({400, 404, 405, 422})
"""How it responds to a poll of a run that is another app's, or none."""
_REFUSAL: Final = re.compile(r"nsfw|sensitive|unsafe|safety|moderat|content.policy", re.IGNORECASE)
# Types stand alone in their lines, before the messages.
_BLAME: Final = (
    ErrorRule(meaning=content_rejected, words=_REFUSAL, statuses=frozenset({400, 422})),
    ErrorRule(
        meaning=bad_source,
        words=re.compile(
            r"^(?:face_detection_error|file_download_error|file_too_large|image_load_error"
            r"|image_too_large|image_too_small|unsupported_image_format)$",
            re.MULTILINE,
        ),
        statuses=frozenset({400, 422}),
    ),
    ErrorRule(
        meaning=unsupported,
        words=re.compile(r"^feature_not_supported$", re.MULTILINE),
        statuses=frozenset({400, 422}),
    ),
)
_ERROR_RULES: Final = (
    ErrorRule(
        meaning=quota_exceeded,
        words=re.compile(r"user is locked|exhausted balance|top.?up", re.IGNORECASE),
        statuses=frozenset({403}),
    ),
    *_BLAME,
)
# Some models now and then make nothing, and something the next time.
_PASSING: Final = re.compile(
    r"^(?:downstream_service_error|downstream_service_unavailable|generation_timeout"
    r"|internal_server_error|no_media_generated)$",
    re.MULTILINE,
)
# Failures of the service, not of the model: they count against the provider's health.
_OUTAGES: Final = re.compile(r"runner_\w+|startup_timeout|request_timeout")


class Fal(AsyncHttpVendor):
    """The vendor's queue.

    ``read_secret`` gives ``{"apiKey": "…"}``. ``models`` by capability (``image``, ``clip``, and
    ``picture`` for pictures from words alone, which is a model of its own here) replace the default
    ones. With an ``api_base`` that is not the vendor's, its keys are fetched from there as well.
    """

    name = "fal"
    default_api_base = API_BASE
    default_models = DEFAULT_MODELS
    default_result_hosts = RESULT_HOSTS
    error_rules = _ERROR_RULES

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        return {"Authorization": f"Key {api_key_of(secret)}"}

    @cached_property
    def _keys_http(self) -> VendorHttp:
        """The keys are public and on another host: our API key is not sent there."""
        return VendorHttp(
            lambda: "{}",
            api_base=self._other_api_base or KEYS_BASE,
            headers_of=lambda _: {},
            timeout_seconds=KEYS_TIMEOUT_SECONDS,
        )

    @cached_property
    def _ring(self) -> fal_signatures.KeyRing:
        return fal_signatures.KeyRing(self._fetch_keys)

    def model_of(self, kind: str) -> str:
        return self._models.get("picture" if kind == "picture" else capability_of(kind), "")

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        prompt, model = visual_prompt_of(request), self.model_of(request.kind)
        inputs = _family_of(model, request.kind).inputs_of(prompt, request.seed % 2**31)
        if prompt.source is not None:
            inputs["image_url"] = _link_to(prompt.source)
        response = self._http.call(
            "POST",
            f"/{model}",
            params={"fal_webhook": callback_url},
            json=inputs,
            headers={
                # After this time the task has failed, so the run need not start.
                "X-Fal-Request-Timeout": str(WAITING_LIMIT_SECONDS),
                "X-Fal-Object-Lifecycle-Preference": json.dumps(
                    {"expiration_duration_seconds": FILES_KEPT_SECONDS}
                ),
            },
        )
        self.check(response)
        request_id = _request_id_of(json_object_of(response))
        request.meter.ref = request_id
        if prompt.seconds:
            # No response contains the billed duration of the clip.
            request.meter.charge("second", float(inputs["duration"]))
        return f"{_app_of(model)}/{request_id}"

    def poll(self, ref: str) -> Finished | None:
        for place in self._places_of(ref):
            response = self._http.call("GET", f"{place}/status")
            if response.status not in _UNKNOWN_THERE:
                return self._result_at(place, json_object_of(response))
        raise result_expired("the run is unknown there")

    def find(self, callback_url: str, since: datetime) -> str | None:
        """None: the API does not list runs by their callback address."""
        return None

    def cancel(self, ref: str) -> None:
        for place in self._places_of(ref):
            if self.stop_run("PUT", f"{place}/cancel") != 404:
                return

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """Raises ``Unavailable`` when the vendor's keys cannot be fetched; it calls again later."""
        fal_signatures.verify(body, headers, self._ring, now=now)
        request_id = read_json_object(body).get("request_id")
        if not _is_request_id(request_id):
            raise InvalidInput("not about a request")
        return str(request_id)

    def error_text(self, response: VendorResponse) -> str:
        return _text_of(response.object)

    def _fetch_keys(self) -> Json:
        try:
            return json_object_of(self._keys_http.call("GET", KEYS_PATH))
        except ProviderError as error:
            raise Unavailable("the provider's keys cannot be read") from error

    def _places_of(self, ref: str) -> Iterator[str]:
        """The paths at which a run may be polled. A run known only from its callback comes
        without its app, so each app in use is a candidate."""
        app, _, request_id = ref.rpartition("/")
        if not _is_request_id(request_id) or (app and not _APP.fullmatch(app)):
            raise ValueError(f"not a request: {ref!r}")
        for known in [app] if app else sorted({_app_of(model) for model in self._models.values()}):
            yield f"/{known}/requests/{request_id}"

    def _result_at(self, place: str, status: Json) -> Finished | None:
        state = str(status.get("status"))
        if state in _UNDER_WAY:
            return None
        if state != "COMPLETED":
            raise ResponseLost("of an unknown status")
        response = self._http.call("GET", _result_path(place, status))
        if response.status == 200:
            return _finished(json_object_of(response))
        raise _failed(response, status)


# The inputs of each model family. Another family would refuse them, as if the user had erred.


def _kontext(prompt: VisualPrompt, seed: int) -> dict[str, Any]:
    return {
        "prompt": prompt.text,
        "aspect_ratio": prompt.aspect_ratio,
        "num_images": 1,
        "output_format": "png",
        "seed": seed,
    }


def _seedance(prompt: VisualPrompt, seed: int) -> dict[str, Any]:
    """2 … 12 s; the shape follows the picture."""
    if prompt.seconds > 12:
        raise unsupported(f"no clips of {prompt.seconds} s")
    return {
        "prompt": prompt.text,
        "duration": str(max(2, round(prompt.seconds))),
        "resolution": CLIP_RESOLUTION,
        "seed": seed,
    }


def _kling(prompt: VisualPrompt, _seed: int) -> dict[str, Any]:
    """5 or 10 s, rounded up; the shape follows the picture."""
    if prompt.seconds > 10:
        raise unsupported(f"no clips of {prompt.seconds} s")
    return {"prompt": prompt.text, "duration": "5" if prompt.seconds <= 5 else "10"}


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Models that take the same inputs."""

    makes: str
    inputs_of: Callable[[VisualPrompt, int], dict[str, Any]]


_FAMILIES: Final = {
    "fal-ai/flux-pro/kontext": _Family(makes="image", inputs_of=_kontext),
    "fal-ai/bytedance/seedance/v1/": _Family(makes="clip", inputs_of=_seedance),
    "fal-ai/kling-video/v2": _Family(makes="clip", inputs_of=_kling),
}
"""By how the models' names begin."""


def _family_of(model: str, kind: str) -> _Family:
    for begin, family in _FAMILIES.items():
        fits = model.startswith(begin) and family.makes == capability_of(kind)
        if fits and _MODEL.fullmatch(model):
            return family
    raise not_configured(f"no known family: {model!r} for a {kind}")


def _link_to(source: SourceFile) -> str:
    """A link that the vendor can fetch, or the file itself as a ``data:`` URL.

    A link is preferred: the vendor keeps requests for a month, a link expires after an hour.
    Links of a local stack cannot be fetched by the vendor.
    """
    if source.url.startswith("https://"):
        return source.url
    if source.path.stat().st_size > INLINE_LIMIT_BYTES:
        raise bad_source("the picture is too large to send")
    content = base64.b64encode(source.path.read_bytes()).decode()
    return f"data:{source.mime_type};base64,{content}"


def _finished(result: Json) -> Finished:
    """Its file, and what a picture costs; a clip was charged when it was submitted."""
    video = result.get("video")
    if isinstance(video, dict):
        file = ResultFile(url=_url_of(video), type="clip", mime_type="video/mp4", suffix=".mp4")
        return Finished(files=(file,))
    # A picture that was blacked out is a success there.
    flags = result.get("has_nsfw_concepts")
    if isinstance(flags, list) and any(flag is True for flag in flags):
        raise content_rejected("the picture was blacked out")
    images = result.get("images")
    first = images[0] if isinstance(images, list) and images else None
    file = ResultFile(url=_url_of(first), type="image", mime_type="image/png", suffix=".png")
    return Finished(files=(file,), charges=(Charge(unit="image", quantity=1),))


def _url_of(file: Any) -> str:
    url = file.get("url") if isinstance(file, dict) else None
    if not isinstance(url, str):
        raise bad_result("the result has no file")
    return url


def _failed(response: VendorResponse, status: Json) -> ProviderError:
    """The error that explains a missing result, or a poll that failed."""
    body = response.object
    error_type = _error_type_of(response, body, status)
    is_of_the_run = error_type or status.get("error") or isinstance(body.get("detail"), list)
    if not is_of_the_run:
        if response.status in (404, 410):
            return result_expired("the result is gone")
        return ResponseLost(f"HTTP {response.status}")
    if error_type == "client_cancelled":
        return run_canceled("it was stopped there")
    if _OUTAGES.fullmatch(error_type):
        return later("it could not be run")
    text = _text_of(body)
    may_pass = response.headers.get("x-fal-retryable", "").lower() == "true"
    if response.status >= 500 or may_pass or _PASSING.search(text):
        return _blamed(text) if _REFUSAL.search(text) else failed("the model failed")
    return _blamed(text)


def _text_of(error: Json) -> str:
    """The types and messages of an error, without the inputs that it repeats."""
    details = error.get("detail")
    if isinstance(details, str):
        return details
    entries = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return "\n".join(str(entry.get(name, "")) for name in ("type", "msg") for entry in entries)


def _blamed(text: str) -> ProviderError:
    """The request cannot be fulfilled."""
    return error_of_rules(_BLAME, 422, text) or refused("the model cannot make this")


def _error_type_of(response: VendorResponse, body: Json, status: Json) -> str:
    error_type = response.headers.get("x-fal-error-type") or body.get("error_type")
    return str(error_type or status.get("error_type") or "")


def _result_path(place: str, status: Json) -> str:
    """One of the two addresses that a result may have, as the status says; always on the
    same host: our key is sent to no other."""
    url = str(status.get("response_url", ""))
    return f"{place}/response" if url.endswith(f"{place}/response") else place


def _request_id_of(response: Json) -> str:
    found = response.get("request_id")
    if not _is_request_id(found):
        raise ResponseLost("a request without an id")
    return str(found)


def _is_request_id(value: Any) -> bool:
    return isinstance(value, str) and _REQUEST_ID.fullmatch(value) is not None


def _app_of(model: str) -> str:
    """Owner and app, which is all that the addresses of a run have of its model."""
    return "/".join(model.split("/")[:2])
