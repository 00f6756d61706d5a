"""A stand-in for Replicate: a local server that speaks the part of its API that we call.

It checks what the real one checks (token, model, inputs, webhook), responses with objects of the
documented shapes, forgets results after their hour, and can refuse, break, hang or take a request
and lose the response. What a model or an operator does there is a method here; ``call_of`` makes
the call that Replicate would send back.

Sources: https://replicate.com/docs/reference/http, https://replicate.com/docs/topics/webhooks,
https://replicate.com/docs/topics/predictions/lifecycle,
https://replicate.com/docs/topics/predictions/rate-limits,
and the pages of the models. From memory: the inputs of seedance-1-pro-fast.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import urlsplit

from darkroom.kernel.standard_webhooks import sign
from tests.support.cloud import a_png
from tests.support.http_stand_in import LoopbackServer
from tests.support.media_files import a_clip

Json = dict[str, Any]

TOKEN = "r8_of_the_stand_in"
WEBHOOK_SECRET = "whsec_b2YgdGhlIHN0YW5kLWluLCAzMiBieXRlcyBvciBtb3Jl"
MODEL = "black-forest-labs/flux-kontext-pro"
CLIP, KLING = "bytedance/seedance-1-pro-fast", "kwaivgi/kling-v2.5-turbo-pro"
PAGE_LIMIT = 100
ASPECTS = {"match_input_image", "1:1", "16:9", "9:16", "4:3", "3:4"}
EVENTS = {"start", "output", "logs", "completed"}
CANCEL_AFTER = re.compile(r"\d+[smh]")


@dataclass(frozen=True)
class Fault:
    """How the next request to create a prediction goes wrong."""

    kind: Literal["refuse", "lose_response", "drop_response", "no_object"]
    status: int = 500
    body: Any = None
    headers: Mapping[str, str] | None = None


class ReplicateStandIn(LoopbackServer):
    """The server, what it knows, and the controls of a test."""

    def __init__(self) -> None:
        super().__init__(_handler_of(self))
        self.predictions: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        """What was uploaded."""
        self.results: dict[str, tuple[int, str, bytes]] = {}
        """Path → status, type and content of what can be downloaded."""
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.lists_webhooks = False
        """Whether the list shows webhooks; the example of the documentation does not."""
        self.is_down = False
        self._numbers = itertools.count(1)

    @property
    def secret_text(self) -> str:
        return json.dumps({"apiToken": TOKEN, "webhookSecrets": [WEBHOOK_SECRET]})

    # What happens there

    def start(self, ref: str) -> None:
        self.predictions[ref]["status"] = "processing"

    def succeed(self, ref: str, *, as_list: bool = False, content: bytes | None = None) -> None:
        if self.predictions[ref]["model"] == MODEL:
            path, mime_type, made = f"/out/{ref}.png", "image/png", a_png(64, 114)
        else:
            path, mime_type, made = f"/out/{ref}.mp4", "video/mp4", a_clip()
        self.results[path] = (200, mime_type, content or made)
        url = self.api_base + path
        self._end(ref, "succeeded", output=[url] if as_list else url)
        self.predictions[ref]["metrics"] = {"predict_time": 3.27}

    def fail(self, ref: str, error: str) -> None:
        self._end(ref, "failed", error=error)

    def stop(self, ref: str, status: str = "canceled") -> None:
        self._end(ref, status)

    def forget_result(self, ref: str) -> None:
        """An hour later."""
        self.predictions[ref] |= {"output": None, "data_removed": True, "input": {}, "logs": ""}
        for suffix in (".png", ".mp4"):
            self.results.pop(f"/out/{ref}{suffix}", None)

    def call_of(self, ref: str, now: datetime, *, secret: str = WEBHOOK_SECRET) -> Json:
        """Body and headers of the call to the prediction's webhook."""
        body = json.dumps(self._shown(self.predictions[ref])).encode()
        timestamp = int(now.timestamp())
        message_id = f"msg_{ref}"
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(secret, message_id, timestamp, body),
        }
        return {"body": body, "headers": headers}

    def _end(self, ref: str, status: str, **changes: Any) -> None:
        self.predictions[ref] |= {"status": status, "completed_at": _iso(), **changes}

    # Requests

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        """(status, object, headers) of a response; None for no response."""
        self.requests.append((method, path))
        if self.is_down:
            return 503, {"detail": "Service unavailable"}, {}
        if headers.get("authorization") != f"Bearer {TOKEN}":
            problem = {"title": "Unauthenticated", "detail": "You did not pass a valid token"}
            return 401, problem | {"status": 401}, {}
        parts = urlsplit(path).path.strip("/").split("/")
        match method, parts:
            case "POST", ["v1", "files"]:
                return self._store(headers, body)
            case "POST", ["v1", "models", owner, name, "predictions"]:
                return self._create(f"{owner}/{name}", headers, body)
            case "GET", ["v1", "predictions"]:
                return self._list(path)
            case "GET", ["v1", "predictions", ref] if ref in self.predictions:
                return 200, self.predictions[ref], {}
            case "POST", ["v1", "predictions", ref, "cancel"] if ref in self.predictions:
                if self.predictions[ref]["status"] in ("starting", "processing"):
                    self.stop(ref)
                return 200, self._shown(self.predictions[ref]), {}
        return 404, {"detail": "The requested resource could not be found.", "status": 404}, {}

    def _store(self, headers: Mapping[str, str], body: bytes) -> Any:
        head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
        parts = list(BytesParser(policy=HTTP).parsebytes(head + body).iter_parts())
        [content] = [part for part in parts if _name_of(part) == "content"]
        name = f"file{next(self._numbers)}"
        payload = content.get_payload(decode=True)
        assert isinstance(payload, bytes)
        self.files[name] = payload
        url = f"{self.api_base}/v1/files/{name}"
        return 201, {"id": name, "size": len(payload), "urls": {"get": url}}, {}

    def _create(self, model: str, headers: Mapping[str, str], body: bytes) -> Any:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None and fault.kind == "refuse":
            return fault.status, fault.body, fault.headers or {}
        fields = json.loads(body)
        problem = self._problem(model, headers, fields)
        if problem is not None:
            return 422, {"title": "Input validation failed", "detail": problem, "status": 422}, {}
        ref = f"{next(self._numbers):026}".replace("0", "q")
        self.predictions[ref] = {
            "id": ref,
            "model": model,
            "version": "hidden",
            "input": fields["input"],
            "logs": "",
            "output": None,
            "data_removed": False,
            "error": None,
            "status": "starting",
            "created_at": _iso(),
            "source": "api",
            "webhook": fields["webhook"],
            "webhook_events_filter": fields["webhook_events_filter"],
            "urls": {"get": f"{self.api_base}/v1/predictions/{ref}"},
        }
        if fault is None:
            return 201, self._shown(self.predictions[ref]), {}
        if fault.kind == "lose_response":
            self.hold()
        return None if fault.kind != "no_object" else (201, "<html>", {})

    def _problem(self, model: str, headers: Mapping[str, str], fields: Json) -> str | None:
        given = fields.get("input", {})
        if model not in (MODEL, CLIP, KLING):
            return "the model does not exist"
        if not given.get("prompt"):
            return "prompt is required"
        problem = _picture_problem(given) if model == MODEL else _clip_problem(model, given)
        if problem is not None:
            return problem
        if not 0 <= given.get("seed", 0) < 2**31:
            return "seed"
        if not fields["webhook"].startswith("https://"):
            return "webhook must be https"
        if not set(fields["webhook_events_filter"]) <= EVENTS:
            return "webhook_events_filter"
        if not CANCEL_AFTER.fullmatch(headers.get("cancel-after", "1m")):
            return "Cancel-After"
        return None

    def _list(self, path: str) -> Any:
        newest = list(self.predictions.values())[::-1]
        start = int(urlsplit(path).query.removeprefix("cursor=") or 0)
        page = newest[start : start + PAGE_LIMIT]
        more = start + PAGE_LIMIT < len(newest)
        next_url = f"{self.api_base}/v1/predictions?cursor={start + PAGE_LIMIT}" if more else None
        hidden = () if self.lists_webhooks else ("webhook", "webhook_events_filter")
        shown = [{n: v for n, v in one.items() if n not in hidden} for one in page]
        return 200, {"previous": None, "next": next_url, "results": shown}, {}

    def _shown(self, prediction: Json) -> Json:
        return dict(prediction)


def _picture_problem(given: Json) -> str | None:
    if not str(given.get("input_image", "http")).startswith("http"):
        return "input_image"
    if given.get("aspect_ratio") not in ASPECTS or given.get("output_format") != "png":
        return "aspect_ratio or output_format"
    if given["aspect_ratio"] == "match_input_image" and "input_image" not in given:
        return "there is no picture to match"
    return None


def _clip_problem(model: str, given: Json) -> str | None:
    source, lengths = ("image", range(2, 13)) if model == CLIP else ("start_image", (5, 10))
    if not str(given.get(source)).startswith("http"):
        return f"{source} is required"
    return None if given.get("duration") in lengths else "duration"


def _name_of(part: Any) -> Any:
    return part.get_param("name", header="content-disposition")


def _iso() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _handler_of(stand_in: ReplicateStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            found = stand_in.results.get(urlsplit(self.path).path)
            if found is not None or self.path.startswith("/out/"):
                status, mime_type, content = found or (404, "text/plain", b"gone")
                self._send(status, content, {"content-type": mime_type})
            else:
                self._response()

        def do_POST(self) -> None:
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
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output short."""

    return Handler
