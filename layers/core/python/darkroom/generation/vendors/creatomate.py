"""Creatomate: films, rendered from our clips.

Sources: https://creatomate.com/llms/api.md (calls, errors, what v2 differs in),
https://creatomate.com/llms/quick-start.md (statuses, 202, files stay for 30 days),
https://creatomate.com/docs/api/reference/what-is-a-render (the render object),
https://creatomate.com/docs/api/reference/set-up-a-webhook,
https://creatomate.com/docs/api/reference/limits-and-concurrency (30 requests in 10 s, 429),
https://creatomate.com/docs/account/how-are-credits-calculated. What 400, 401, 402 and 404 mean is
from public clients.

Starting a render has no idempotency key, and renders can be neither listed nor stopped: a render
whose response was lost is identified only by its callback. The callback is not signed; only its id
is used, and the render is then read with our own key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from darkroom.generation.ports import (
    Charge,
    Finished,
    GenerationRequest,
    ResponseLost,
    ResultFile,
    capability_of,
)
from darkroom.generation.vendor_errors import (
    bad_result,
    failed,
    not_configured,
    run_canceled,
    unsupported,
)
from darkroom.generation.vendors.api_key import api_key_of
from darkroom.generation.vendors.creatomate_film import (
    clip_urls,
    film_modifications,
    film_source,
)
from darkroom.generation.vendors.http import (
    AsyncHttpVendor,
    Json,
    RunIds,
    VendorResponse,
    json_object_of,
    read_json_object,
)
from darkroom.kernel.errors import InvalidInput

API_BASE: Final = "https://api.creatomate.com"
RENDER_SCRIPT: Final = "renderscript"
"""Instead of a template's id: the film as this project describes it."""
DEFAULT_MODELS: Final[Mapping[str, str]] = {"film": RENDER_SCRIPT}
STORE_HOST: Final = "*.backblazeb2.com"
RESULT_HOSTS: Final = frozenset({"cdn.creatomate.com", STORE_HOST})
"""The reference shows the first; renders seen in public lie with the second, in buckets whose names
begin with ``creatomate-``."""
PIXELS_PER_CREDIT: Final = 100_000_000
RATE_WINDOW_SECONDS: Final = 10.0
_UNDER_WAY: Final = frozenset({"planned", "waiting", "transcribing", "rendering"})
_RUN_IDS: Final = RunIds(re.compile(r"[A-Za-z0-9-]{8,64}"), "render")
_TEMPLATE: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Creatomate(AsyncHttpVendor):
    """The vendor behind its HTTP API; ``read_secret`` gives ``{"apiKey": "…"}``.

    ``models["film"]`` is ``renderscript`` or the id of a template of the vendor's editor.
    ``api_base`` and ``result_hosts`` differ from the vendor's only in tests.
    """

    name = "creatomate"
    default_api_base = API_BASE
    default_models = DEFAULT_MODELS
    default_result_hosts = RESULT_HOSTS

    @staticmethod
    def headers_of(secret: Json) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {api_key_of(secret)}"}

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        if capability_of(request.kind) != "film":
            raise unsupported(f"no {request.kind} here")
        body = {
            **_film_of(request, self.model_of(request.kind)),
            "webhook_url": callback_url,
            # To find a task's render in the vendor's dashboard.
            "metadata": hashlib.sha256(callback_url.encode()).hexdigest()[:32],
        }
        response = self._http.call("POST", "/v2/renders", json=body)
        self.check(response)
        request.meter.ref = ref = _RUN_IDS.of(json_object_of(response))
        return ref

    def poll(self, ref: str) -> Finished | None:
        return _result_of(self.read_run(f"/v2/renders/{_RUN_IDS.checked(ref)}"), ref)

    def find(self, callback_url: str, since: datetime) -> str | None:
        """None: the vendor lists no renders. One whose response was lost is identified by its
        callback, or its attempt ends with the deadline."""
        return None

    def cancel(self, ref: str) -> None:
        """No effect: the vendor cannot stop a render, which takes seconds to minutes."""

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The render that a callback is about. It is not signed, so only the id is used; its
        address is sealed and known only to the vendor."""
        ref = read_json_object(body).get("id")
        if not _RUN_IDS.fits(ref):
            raise InvalidInput("not a render")
        return str(ref)

    def wait_seconds(self, response: VendorResponse) -> float:
        window = RATE_WINDOW_SECONDS if response.status == 429 else 0.0
        return super().wait_seconds(response) or window


def _film_of(request: GenerationRequest, model: str) -> Json:
    urls = clip_urls(request)
    if model == RENDER_SCRIPT:
        return film_source(urls, request.params)
    if _TEMPLATE.fullmatch(model) is None:
        raise not_configured("no such template")
    return {"template_id": model, "modifications": film_modifications(urls, request.params)}


def _result_of(render: Json, ref: str) -> Finished | None:
    if render.get("id") != ref:
        raise ResponseLost("another render")
    status = render.get("status")
    if status in _UNDER_WAY:
        return None
    if status == "succeeded":
        return _finished(render)
    if status == "cancelled":
        raise run_canceled("it was stopped there")
    if status != "failed":
        raise ResponseLost("of an unknown status")
    # Its sentence does not say whose fault it is; clips that it could not fetch in time, because
    # their links had run out in its queue, it can fetch the next time.
    raise failed("the film could not be rendered")


def _finished(render: Json) -> Finished:
    url = render.get("url")
    if not isinstance(url, str) or not _is_kept_by_vendor(url):
        raise bad_result("the film is not where films are")
    file = ResultFile(url=url, type="film", mime_type="video/mp4", suffix=".mp4")
    return Finished(files=(file,), charges=_charges_of(render))


def _is_kept_by_vendor(url: str) -> bool:
    """A store that others use too holds the vendor's files in buckets of the vendor's name."""
    parts = urlsplit(url)
    is_shared = (parts.hostname or "").endswith(STORE_HOST.removeprefix("*"))
    return not is_shared or parts.path.startswith("/file/creatomate-")


def _charges_of(render: Json) -> tuple[Charge, ...]:
    """A credit for every 100 million pixels, one at least."""
    sides = [render.get(name) for name in ("width", "height", "frame_rate", "duration")]
    pixels = 1.0
    for side in sides:
        if isinstance(side, bool) or not isinstance(side, int | float) or side <= 0:
            return ()
        pixels *= side
    return (Charge(unit="credit", quantity=max(1.0, round(pixels / PIXELS_PER_CREDIT, 2))),)
