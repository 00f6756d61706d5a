"""Replicate: pictures by a model of the FLUX family, clips by one that animates a picture.

Sources: https://replicate.com/docs/reference/http (calls, responses, ``Cancel-After``),
https://replicate.com/docs/topics/predictions/lifecycle (statuses, deadlines),
https://replicate.com/docs/topics/predictions/rate-limits (429),
https://replicate.com/docs/topics/webhooks (events, signature, files go after an hour),
https://replicate.com/docs/reference/error-codes,
https://replicate.com/black-forest-labs/flux-kontext-pro (inputs; without a picture, from words),
https://replicate.com/bytedance/seedance-1-pro-fast and
https://replicate.com/kwaivgi/kling-v2.5-turbo-pro (inputs).

Creating a prediction has no idempotency key. So a lost response, or one from
a proxy, proves nothing: the run is found again by its callback or in the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from darkroom.generation.ports import (
    Charge,
    Finished,
    GenerationRequest,
    ResponseLost,
    ResultFile,
    SourceFile,
    capability_of,
)
from darkroom.generation.prompts import VisualPrompt, visual_prompt_of
from darkroom.generation.vendor_errors import (
    ErrorRule,
    content_rejected,
    failed,
    not_configured,
    refused,
    result_expired,
    run_canceled,
    seconds_in,
    unsupported,
)
from darkroom.generation.vendors.http import (
    UPLOAD_TIMEOUT_SECONDS,
    AsyncHttpVendor,
    Json,
    RunIds,
    VendorResponse,
    json_object_of,
    read_json_object,
    retryable,
)
from darkroom.kernel import standard_webhooks
from darkroom.kernel.clock import from_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import WAITING_LIMIT_SECONDS

API_BASE: Final = "https://api.replicate.com"
RESULT_HOSTS: Final = frozenset({"replicate.delivery", "*.replicate.delivery"})
DEFAULT_MODELS: Final = {
    "image": "black-forest-labs/flux-kontext-pro",
    "clip": "bytedance/seedance-1-pro-fast",
}
CLIP_RESOLUTION: Final = "720p"
PAGES_LIMIT: Final = 3
DETAILS_LIMIT: Final = 20
CLOCK_SKEW: Final = timedelta(minutes=5)
_UNDER_WAY: Final = frozenset({"starting", "processing"})
_STOPPED: Final = frozenset({"canceled", "aborted"})
_TOKEN: Final = re.compile(r"[!-~]{1,512}", re.ASCII)
_RUN_IDS: Final = RunIds(re.compile(r"[a-z0-9]{8,64}"), "prediction")
_RESET: Final = re.compile(r"resets in ~?(\d+)s")
# The vendor's errors are sentences; models of the family word a refusal in these ways.
_REFUSAL: Final = re.compile(
    r"nsfw|sensitive|\bE005\b|safety|moderat|content policy", re.IGNORECASE
)
# Out of memory and inputs that do not fit are the same the next time.
_HOPELESS: Final = re.compile(r"\bE1001\b|input validation|invalid input", re.IGNORECASE)
_ERROR_RULES: Final = (
    ErrorRule(meaning=content_rejected, words=_REFUSAL, statuses=frozenset({400, 422})),
)


class Replicate(AsyncHttpVendor):
    """The vendor behind its HTTP API.

    ``read_secret`` gives ``{"apiToken": "r8_…", "webhookSecrets": ["whsec_…", …]}``: two while
    one is being replaced. ``models`` by capability (``image``, ``clip``) replace the default
    ones. ``api_base`` and ``result_hosts`` differ from the vendor's only in tests. A job's own
    ``modelId`` is ignored: it would let a user choose what a picture costs us.
    """

    name = "replicate"
    default_api_base = API_BASE
    default_models = DEFAULT_MODELS
    default_result_hosts = RESULT_HOSTS
    error_rules = _ERROR_RULES

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        token = secret.get("apiToken")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise not_configured("the secret has no apiToken")
        return {"Authorization": f"Bearer {token}"}

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        prompt, model = visual_prompt_of(request), self.model_of(request.kind)
        family = _family_of(model, request.kind)
        inputs = family.inputs_of(prompt)
        if prompt.source is not None:
            # Uploading twice costs nothing, so only what follows it is done at most once.
            with retryable():
                inputs[family.source_field] = self._upload(prompt.source)
        body = {
            "input": inputs | {"seed": request.seed % 2**31},
            "webhook": callback_url,
            "webhook_events_filter": ["completed"],
        }
        response = self._http.call(
            "POST",
            f"/v1/models/{model}/predictions",
            json=body,
            headers={"Cancel-After": f"{WAITING_LIMIT_SECONDS}s"},
        )
        self.check(response)
        ref = _RUN_IDS.of(json_object_of(response))
        request.meter.ref = ref
        return ref

    def poll(self, ref: str) -> Finished | None:
        return _result_of(self.read_run(f"/v1/predictions/{_RUN_IDS.checked(ref)}"))

    def find(self, callback_url: str, since: datetime) -> str | None:
        details = 0
        for entry in self._list(since - CLOCK_SKEW):
            webhook = entry.get("webhook")
            # The list leaves out what a single prediction has.
            if webhook is None and details < DETAILS_LIMIT:
                details += 1
                webhook = self._read(_RUN_IDS.of(entry)).get("webhook")
            if webhook == callback_url:
                return _RUN_IDS.of(entry)
        return None

    def cancel(self, ref: str) -> None:
        self.stop_run("POST", f"/v1/predictions/{_RUN_IDS.checked(ref)}/cancel")

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        secrets = self._http.secret.get("webhookSecrets", ())
        standard_webhooks.verify(body, headers, secrets, now=now)
        ref = read_json_object(body).get("id")
        if not _RUN_IDS.fits(ref):
            raise InvalidInput("not a prediction")
        return ref

    def wait_seconds(self, response: VendorResponse) -> float:
        """From the header, or from the message in the body."""
        found = _RESET.search(response.error_text)
        return super().wait_seconds(response) or (seconds_in(found[1]) if found else 0.0)

    def _upload(self, source: SourceFile) -> str:
        with source.path.open("rb") as file:
            response = self._http.call(
                "POST",
                "/v1/files",
                files={"content": (source.path.name, file, source.mime_type)},
                timeout=UPLOAD_TIMEOUT_SECONDS,
            )
        self.check(response)
        urls = json_object_of(response).get("urls")
        url = urls.get("get") if isinstance(urls, dict) else None
        if not isinstance(url, str):
            raise ResponseLost("the file has no address")
        return url

    def _read(self, ref: str) -> Json:
        response = self._http.call("GET", f"/v1/predictions/{_RUN_IDS.checked(ref)}")
        return json_object_of(response) if response.status == 200 else {}

    def _list(self, since: datetime) -> Iterator[Json]:
        """Predictions of our models begun after ``since``, newest first; a few pages of them."""
        path = "/v1/predictions"
        models = frozenset(self._models.values())
        for _ in range(PAGES_LIMIT):
            page = json_object_of(self._http.call("GET", path))
            for entry in _entries_of(page):
                if _began(entry) < since:
                    return
                if entry.get("model") is None or entry["model"] in models:
                    yield entry
            following = _next_path(page.get("next"))
            if following is None:
                return
            path = following


# The inputs of each model family. Another family would refuse them, as if the user had erred.


def _kontext(prompt: VisualPrompt) -> dict[str, Any]:
    return {
        "prompt": prompt.text,
        "aspect_ratio": prompt.aspect_ratio,
        "output_format": "png",
    }


def _seedance(prompt: VisualPrompt) -> dict[str, Any]:
    """2 … 12 s; the shape follows the picture."""
    if prompt.seconds > 12:
        raise unsupported(f"no clips of {prompt.seconds} s")
    duration = max(2, round(prompt.seconds))
    return {"prompt": prompt.text, "duration": duration, "resolution": CLIP_RESOLUTION}


def _kling(prompt: VisualPrompt) -> dict[str, Any]:
    """5 or 10 s, rounded up; the shape follows the picture."""
    if prompt.seconds > 10:
        raise unsupported(f"no clips of {prompt.seconds} s")
    return {"prompt": prompt.text, "duration": 5 if prompt.seconds <= 5 else 10}


@dataclass(frozen=True, kw_only=True)
class _Family:
    """Models that take the same inputs."""

    makes: str
    source_field: str
    inputs_of: Callable[[VisualPrompt], dict[str, Any]]


_FAMILIES: Final = {
    "black-forest-labs/flux-kontext-": _Family(
        makes="image", source_field="input_image", inputs_of=_kontext
    ),
    "bytedance/seedance-1": _Family(makes="clip", source_field="image", inputs_of=_seedance),
    "kwaivgi/kling-v2": _Family(makes="clip", source_field="start_image", inputs_of=_kling),
}
"""By how the models' names begin."""


def _family_of(model: str, kind: str) -> _Family:
    for begin, family in _FAMILIES.items():
        if model.startswith(begin) and family.makes == capability_of(kind):
            return family
    raise not_configured(f"no known family: {model!r} for a {kind}")


def _result_of(prediction: Json) -> Finished | None:
    status, error = str(prediction.get("status")), str(prediction.get("error") or "")
    if status in _UNDER_WAY:
        return None
    if status == "succeeded":
        return _finished(prediction)
    if status in _STOPPED:
        raise run_canceled("it was stopped there")
    if status != "failed":
        raise ResponseLost("of an unknown status")
    if _REFUSAL.search(error):
        raise content_rejected("the content was refused")
    if _HOPELESS.search(error):
        raise refused("the model cannot make this")
    raise failed("the model failed")


def _finished(prediction: Json) -> Finished:
    """The models that we use charge per output; a failed run costs nothing."""
    output = prediction.get("output")
    outputs = output if isinstance(output, list) else [output]
    urls = [url for url in outputs if isinstance(url, str)]
    if prediction.get("data_removed") or not urls:
        raise result_expired("the result is gone")
    seconds = _seconds_of(prediction)
    if seconds is None:
        file = ResultFile(url=urls[0], type="image", mime_type="image/png", suffix=".png")
        return Finished(files=(file,), charges=(Charge(unit="image", quantity=1),))
    file = ResultFile(url=urls[0], type="clip", mime_type="video/mp4", suffix=".mp4")
    return Finished(files=(file,), charges=(Charge(unit="second", quantity=seconds),))


def _seconds_of(prediction: Json) -> float | None:
    """The requested duration: only clips have one."""
    inputs = prediction.get("input")
    seconds = inputs.get("duration") if isinstance(inputs, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else None


def _entries_of(page: Json) -> list[Json]:
    found = page.get("results", [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ResponseLost("a list of something else")
    return found


def _began(entry: Json) -> datetime:
    try:
        return from_iso(str(entry.get("created_at")))
    except ValueError as error:
        raise ResponseLost("a prediction without its time") from error


def _next_path(url: Any) -> str | None:
    """The next page, always on the same host: our token is sent to no other."""
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.path == "/v1/predictions" else None
