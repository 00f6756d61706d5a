"""A stand-in for Creatomate: a local server that speaks the part of its API that we call.

It checks what the real one checks (key, template, RenderScript, webhook), works out how long a film
is by the vendor's rules of time, responds with render objects of the documented shape and forgets
renders after their month. What happens to a render there is a method here; ``call_of`` makes the
call that Creatomate would send back.

Sources: https://creatomate.com/llms/api.md, https://creatomate.com/llms/quick-start.md,
https://creatomate.com/llms/durations.md, https://creatomate.com/llms/animations.md,
https://creatomate.com/docs/api/reference/what-is-a-render. From public clients: what 400, 401, 402
and 404 mean.
"""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

from tests.support.http_stand_in import HttpStandIn, Json, Request, Response

API_KEY = "key_of_the_stand_in"
TEMPLATE = "5b6a3c7e-2f1d-4a8b-9c0e-1d2f3a4b5c6d"
ANIMATIONS = {"fade", "scale", "slide", "wipe", "pan"}
ELEMENTS = {"video", "text", "composition", "image", "audio", "shape"}


class BadSource(Exception):
    """RenderScript that the vendor would not take."""


class CreatomateStandIn(HttpStandIn):
    """The server, and what it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.renders: dict[str, Json] = {}
        self.media_seconds: dict[str, float] = {}
        """How long clips are; any other is of three seconds."""
        self.film: bytes | None = None
        """What every render becomes; then renders lie here instead of at the vendor's."""
        self._numbers = itertools.count(1)

    @property
    def secret_text(self) -> str:
        return json.dumps({"apiKey": API_KEY})

    # What happens there

    def start(self, ref: str, status: str = "rendering") -> None:
        self.renders[ref]["status"] = status

    def succeed(self, ref: str, **changes: Any) -> None:
        facts = {"width": 720, "height": 1280, "frame_rate": 24, "file_size": 751_089}
        self.renders[ref] |= facts | {"status": "succeeded"} | changes

    def fail(self, ref: str, message: str = "The source could not be downloaded.") -> None:
        self.renders[ref] |= {"status": "failed", "error_message": message}

    def forget(self, ref: str) -> None:
        """A month later."""
        del self.renders[ref]

    def call_of(self, ref: str) -> bytes:
        """The body of the call to the render's webhook; it bears no signature."""
        return json.dumps(self.renders[ref]).encode()

    # Requests

    def respond(self, request: Request) -> Response:
        if self.film is not None and request.path.startswith("/renders/"):
            return Response(200, self.film, {"content-type": "video/mp4"})
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _refusal(401, "The API key is invalid.")
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["v2", "renders"]:
                return self._create(request.json)
            case "GET", ["v2", "renders", ref] if ref in self.renders:
                return Response(200, self.renders[ref])
        return _refusal(404, "Not found.")

    def _create(self, body: Any) -> Response:
        if body.get("template_id", TEMPLATE) != TEMPLATE:
            return _refusal(404, "The template was not found.")
        if not str(body.get("webhook_url", "https://")).startswith("https://"):
            return _refusal(400, "webhook_url")
        if not isinstance(body.get("metadata", ""), str):
            return _refusal(400, "metadata must be a string")
        try:
            duration = 9.0 if "template_id" in body else self.seconds_of(body)
        except BadSource as error:
            return _refusal(400, str(error))
        ref = str(uuid.UUID(int=next(self._numbers), version=4))
        base = "https://cdn.creatomate.com" if self.film is None else self.api_base
        self.renders[ref] = {
            "id": ref,
            "status": "planned",
            "url": f"{base}/renders/{ref}.mp4",
            "template_id": body.get("template_id"),
            "output_format": "mp4",
            "render_scale": 1,
            "duration": duration,
            "webhook_url": body.get("webhook_url"),
            "metadata": body.get("metadata"),
        }
        return Response(202, self.renders[ref])

    # RenderScript

    def seconds_of(self, composition: Json) -> float:
        """How long a composition is, by the rules of durations.

        Raises:
            BadSource: an element is not what an element is.
        """
        elements = composition.get("elements")
        if not isinstance(elements, list) or not elements:
            raise BadSource("elements")
        ends: dict[int, float] = {}
        for number, element in enumerate(elements):
            track = element.get("track", number + 1)
            before = ends.get(track, 0.0)
            own = self._own_seconds(element)
            overlap = _transition_seconds(element, has_one_before=track in ends)
            start = element.get("time")
            begun = before - overlap if start is None else float(start)
            ends[track] = max(before, begun + own)
        longest = max(ends.values())
        fixed = composition.get("duration")
        if fixed is None and longest <= 0:
            raise BadSource("a composition of no length")
        return longest if fixed is None else float(fixed)

    def _own_seconds(self, element: Json) -> float:
        """The length an element has of itself; 0 if it is filled in."""
        kind, duration = element.get("type"), element.get("duration")
        if kind not in ELEMENTS:
            raise BadSource(f"type {kind}")
        for animation in element.get("animations", ()):
            if animation.get("type") not in ANIMATIONS:
                raise BadSource("animation")
        if kind == "text" and not (element.get("text") and element.get("font_family")):
            raise BadSource("text")
        if kind == "composition":
            return self.seconds_of(element)
        if kind == "video":
            if not str(element.get("source", "")).startswith(("https://", "http://")):
                raise BadSource("source")
            if element.get("loop") and ("trim_start" in element or "trim_duration" in element):
                raise BadSource("loop with trim")
            if duration == "media":
                return self.media_seconds.get(element["source"], 3.0)
        return float(duration) if isinstance(duration, int | float) else 0.0


def _transition_seconds(element: Json, *, has_one_before: bool) -> float:
    """How far an element reaches back over the one before it on its track."""
    crossing = [one for one in element.get("animations", ()) if one.get("transition")]
    if crossing and not has_one_before:
        raise BadSource("a transition from nothing")
    return sum(float(one["duration"]) for one in crossing)


def _refusal(status: int, hint: str) -> Response:
    return Response(
        status, {"hint": hint, "documentation_url": "https://creatomate.com/docs/api/introduction"}
    )
