"""A stand-in for fal: a local server that speaks the part of its queue that we call.

It checks key, model and inputs, responds with objects of the documented shapes, forgets files after
their time, and can refuse, break, hang or take a request and lose the response. As there, wrong
inputs are taken and only the result says what was wrong with them, a run that failed is
``COMPLETED``, and a run is known under its own app alone. What a model does there is a method
here; ``call_of`` makes the call that fal would send, signed with its own key.

Sources: those of ``darkroom.generation.vendors.fal``. From memory: that a status request
under another app returns 404, and which types of errors go with which statuses.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from darkroom.generation.vendors.fal_signatures import message_of
from tests.support.cloud import a_png
from tests.support.http_stand_in import LoopbackServer
from tests.support.media_files import a_clip

Json = dict[str, Any]

KEY = "key-id:of-the-stand-in"
USER_ID = "user|0123456789"
PICTURE, WORDS = "fal-ai/flux-pro/kontext", "fal-ai/flux-pro/kontext/text-to-image"
CLIP = "fal-ai/bytedance/seedance/v1/pro/fast/image-to-video"
KLING = "fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
ASPECTS = {"21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"}
LOCKED = {"detail": "User is locked. Reason: Exhausted balance. Top up at fal.ai/dashboard."}
_DATA = re.compile(r"data:image/(?:png|jpeg|webp);base64,(.+)")


@dataclass(frozen=True)
class Fault:
    """How the next request to the queue goes wrong."""

    kind: Literal["refuse", "lose_response", "drop_response", "no_object"]
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] | None = None


@dataclass
class Run:
    app: str
    model: str
    webhook: str
    inputs: Json
    headers: Mapping[str, str]
    state: str = "IN_QUEUE"
    result: tuple[int, Any] = (200, {})
    result_headers: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    error_type: str | None = None


class FalStandIn(LoopbackServer):
    """The server, what it knows, and the controls of a test."""

    def __init__(self) -> None:
        super().__init__(_handler_of(self))
        self.runs: dict[str, Run] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        """Path → type and content of what can be downloaded."""
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.is_down = False
        self.keys_are_down = False
        self.before_response: Any = lambda request_id: None
        """Called when a run was accepted, before the response."""
        self.signing_key = Ed25519PrivateKey.generate()
        self._numbers = itertools.count(1)

    @property
    def secret_text(self) -> str:
        return json.dumps({"apiKey": KEY})

    @property
    def submits(self) -> int:
        return sum(method == "POST" for method, _ in self.requests)

    # What happens there

    def start(self, request_id: str) -> None:
        self.runs[request_id].state = "IN_PROGRESS"

    def succeed(self, request_id: str, *, content: bytes | None = None) -> None:
        run = self.runs[request_id]
        is_clip = run.model in (CLIP, KLING)
        suffix, mime_type = (".mp4", "video/mp4") if is_clip else (".png", "image/png")
        path = f"/files/b/{request_id}{suffix}"
        self.files[path] = (mime_type, content or (a_clip() if is_clip else a_png(72, 128)))
        file = {"url": self.api_base + path, "content_type": mime_type}
        seed = run.inputs.get("seed")
        if is_clip:
            self._end(run, 200, {"video": file | {"file_name": "video.mp4"}, "seed": seed})
        else:
            pictures = {"images": [file | {"width": 72, "height": 128}], "seed": seed}
            self._end(run, 200, pictures | {"has_nsfw_concepts": [False], "prompt": ""})

    def fail(
        self, request_id: str, status: int, body: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        run = self.runs[request_id]
        run.result_headers = headers or {}
        run.error = f"Invalid status code: {status}"
        run.error_type = body.get("error_type") if isinstance(body, dict) else None
        self._end(run, status, body)

    def refuse(self, request_id: str, type_: str, msg: str = "", status: int = 422) -> None:
        """The model's own error, of the documented shape."""
        entry = {"loc": ["body"], "msg": msg, "type": type_, "url": "https://docs.fal.ai/errors"}
        self.fail(request_id, status, {"detail": [entry]})

    def forget_files(self) -> None:
        """An hour later."""
        self.files.clear()

    def call_of(self, request_id: str, now: datetime, **changes: Any) -> Json:
        """Body and headers of the call to the run's webhook."""
        run = self.runs[request_id]
        status, payload = run.result
        event = {
            "request_id": request_id,
            "gateway_request_id": request_id,
            "status": "OK" if status == 200 else "ERROR",
            "error": run.error,
            "payload": payload,
        }
        return self.signed(json.dumps(event).encode(), now, **changes)

    def signed(self, body: bytes, now: datetime, *, key: Ed25519PrivateKey | None = None) -> Json:
        request_id, timestamp = str(uuid.UUID(int=7)), str(int(now.timestamp()))
        message = message_of(request_id, USER_ID, timestamp, body)
        headers = {
            "content-type": "application/json",
            "x-fal-webhook-request-id": request_id,
            "x-fal-webhook-user-id": USER_ID,
            "x-fal-webhook-timestamp": timestamp,
            "x-fal-webhook-signature": (key or self.signing_key).sign(message).hex(),
        }
        return {"body": body, "headers": headers}

    def _end(self, run: Run, status: int, body: Any) -> None:
        run.state, run.result = "COMPLETED", (status, body)

    # Requests

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        """(status, object, headers) of a response; None for no response."""
        self.requests.append((method, path))
        if path == "/.well-known/jwks.json":
            return self._jwks(headers)
        if self.is_down:
            return 503, {"detail": "Service unavailable"}, {}
        if headers.get("authorization") != f"Key {KEY}":
            return 401, {"detail": "Cannot access application. Authentication is required."}, {}
        parts = urlsplit(path).path.strip("/").split("/")
        match method, parts:
            case "POST", [_, _, *_]:
                return self._submit("/".join(parts), urlsplit(path).query, headers, body)
            case "GET", [owner, app, "requests", request_id, "status"]:
                return self._of(f"{owner}/{app}", request_id, self._status)
            case "GET", [owner, app, "requests", request_id]:
                return self._of(f"{owner}/{app}", request_id, self._result)
            case "PUT", [owner, app, "requests", request_id, "cancel"]:
                return self._of(f"{owner}/{app}", request_id, self._cancel)
        return 404, {"detail": "Not Found"}, {}

    def _jwks(self, headers: Mapping[str, str]) -> Any:
        assert "authorization" not in headers, "the request for public keys carries no API key"
        if self.keys_are_down:
            return 503, {}, {}
        raw = self.signing_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return 200, {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "1"}]}, {}

    def _submit(self, model: str, query: str, headers: Mapping[str, str], body: bytes) -> Any:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault.kind == "refuse":
            return fault.status, fault.body, fault.headers or {}
        if model not in (PICTURE, WORDS, CLIP, KLING):
            return 404, {"detail": f"Application {model!r} not found"}, {}
        request_id = str(uuid.UUID(int=next(self._numbers)))
        app = "/".join(model.split("/")[:2])
        [webhook] = parse_qs(query)["fal_webhook"]
        run = Run(app, model, webhook, json.loads(body), dict(headers))
        self.runs[request_id] = run
        problem = _problem(run)
        if problem is not None:
            self.refuse(request_id, "value_error", problem)
        self.before_response(request_id)
        if fault is None:
            return 200, self._shown(request_id) | {"queue_position": 0}, {}
        if fault.kind == "lose_response":
            self.hold()
        return None if fault.kind != "no_object" else (200, "<html>", {})

    def _of(self, app: str, request_id: str, response: Any) -> Any:
        run = self.runs.get(request_id)
        if run is None or run.app != app:
            return 404, {"status": "NOT_FOUND"}, {}
        return response(request_id, run)

    def _status(self, request_id: str, run: Run) -> Any:
        shown = self._shown(request_id)
        if run.state != "COMPLETED":
            return 202, shown, {}
        errors = {"error": run.error, "error_type": run.error_type}
        return 200, shown | {name: value for name, value in errors.items() if value}, {}

    def _result(self, request_id: str, run: Run) -> Any:
        if run.state != "COMPLETED":
            return 400, {"detail": "Request is still in progress"}, {}
        return *run.result, run.result_headers

    def _cancel(self, request_id: str, run: Run) -> Any:
        if run.state == "COMPLETED":
            return 400, {"status": "ALREADY_COMPLETED"}, {}
        self.fail(request_id, 499, {"detail": "Cancelled", "error_type": "client_cancelled"})
        return 202, {"status": "CANCELLATION_REQUESTED"}, {}

    def _shown(self, request_id: str) -> Json:
        run = self.runs[request_id]
        place = f"{self.api_base}/{run.app}/requests/{request_id}"
        return {
            "status": run.state,
            "request_id": request_id,
            "response_url": place,
            "status_url": f"{place}/status",
            "cancel_url": f"{place}/cancel",
        }


def _problem(run: Run) -> str | None:
    given = run.inputs
    if not given.get("prompt"):
        return "prompt is required"
    if not 0 <= given.get("seed", 0) < 2**31:
        return "seed"
    image = given.get("image_url")
    if (image is None) != (run.model == WORDS):
        return "image_url"
    if image is not None and not (image.startswith("https://") or _DATA.fullmatch(image)):
        return "image_url is no address"
    if run.model in (PICTURE, WORDS):
        is_fit = given.get("aspect_ratio") in ASPECTS and given.get("output_format") == "png"
        return None if is_fit and given.get("num_images") == 1 else "aspect_ratio, output_format"
    seconds = {str(number) for number in range(2, 13)} if run.model == CLIP else {"5", "10"}
    return None if given.get("duration") in seconds else "duration"


def content_of(link: str) -> bytes:
    """The file in a ``data:`` address."""
    match = _DATA.fullmatch(link)
    assert match is not None, link[:60]
    return base64.b64decode(match[1], validate=True)


def _handler_of(stand_in: FalStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path.startswith("/files/"):
                mime_type, content = stand_in.files.get(self.path, ("text/plain", None))
                status = 404 if content is None else 200
                self._send(status, content or b"gone", {"content-type": mime_type})
            else:
                self._response()

        def do_POST(self) -> None:
            self._response()

        def do_PUT(self) -> None:
            self._response()

        def _response(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = stand_in.respond(self.command, self.path, headers, body)
            if response is None:
                self.close_connection = True
                return
            status, value, more = response
            content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self._send(status, content, {"content-type": "application/json", **more})

        def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output short."""

    return Handler
