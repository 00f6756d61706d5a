"""No log line and no stored failure contains the query of a link or a key."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import EndpointConnectionError
from stripe import AuthenticationError

from darkroom.adapters.clients import Clients
from darkroom.adapters.secrets import Secret
from darkroom.generation.ports import PermanentProviderError, ProviderError
from darkroom.generation.vendors.anthropic import Anthropic
from darkroom.generation.vendors.creatomate import Creatomate
from darkroom.generation.vendors.elevenlabs import ElevenLabs
from darkroom.generation.vendors.fal import Fal
from darkroom.generation.vendors.replicate import Replicate
from darkroom.kernel.redaction import redacted, register_secret
from darkroom.workers import edge
from tests.support.vendor_requests import (
    a_clip_request,
    a_film_request,
    a_script_request,
    a_speech_request,
)
from tests.support.world import World

SIGNED = (
    "https://bucket.s3.amazonaws.com/outputs/a/b.png"
    "?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE&X-Amz-Signature=0123abcd"
)
TEXTS = {
    "a presigned link": (f"cannot fetch {SIGNED} (403)", "0123abcd"),
    "a link in JSON": (json.dumps({"error": f"no '{SIGNED}'"}), "0123abcd"),
    "a path": ("Retrying: /bucket/key?uploadId=secret-upload", "secret-upload"),
    "a name in a link": ("https://me:secret-word@host/x", "secret-word"),
    "a password without digits": ("Authorization: Basic dXNlcjpwYXNz", "dXNlc"),
    "a bearer": ("sent Bearer eyJhbGciOiJSUzI1NiJ9.secret", "eyJh"),
    "fal's key": ("Authorization: Key 0f1e2d3c-aaaa:secret-of-fal", "secret-of-fal"),
    "a key by its beginning": ("Incorrect API key provided: sk-ant-secret-0123456789", "secret"),
    "stripe's key": ("Invalid API Key provided: sk_live_secret0123", "secret0123"),
    "replicate's key": ("token r8_secret0123456789 is invalid", "secret"),
    "elevenlabs' header": ('{"xi-api-key": "0123456789secret"}', "secret"),
    "a header in code": ("{'x-api-key': '0123456789secret'}", "secret"),
    "a header in a line of JSON": (json.dumps('{"apiKey": "0123456789secret"}'), "secret"),
    "a signature": ("X-Amz-Signature=0123456789secret", "secret"),
    "a key of AWS": ("AKIAIOSFODNN7EXAMPLE", "IOSF"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_queries_and_keys_are_removed(name: str) -> None:
    text, secret = TEXTS[name]

    shown = redacted(text)

    assert secret in text and secret not in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "upstream gpu-7 returned 503",
        "https://bucket.s3.amazonaws.com/outputs/a/b.png is gone",
        "Why? The key is missing, and the token too.",
        '{"jobId": "job_01J9ZZZZZZZZZZZZ", "key": "clip_2", "pk": "acc#alice", "sk": "job#1"}',
        "사진을 읽을 수 없습니다?",
    ],
)
def test_other_texts_are_unchanged(text: str) -> None:
    assert redacted(text) == text


def test_long_texts_are_redacted_fast() -> None:
    for text in ("/" * 100_000, "a" * 100_000, "://" * 30_000, "key " * 30_000, "/a?" * 30_000):
        redacted(text)


def test_a_secret_that_was_read_is_redacted_by_its_value(world: World) -> None:
    secrets = world.client("secretsmanager")
    key = secrets.create_secret(Name="vendor", SecretString='{"apiKey": "a1b2c3d4e5", "n": 1}')
    plain = secrets.create_secret(Name="plain", SecretString="plain-secret-text")
    clients = Clients(world.settings)

    assert "a1b2c3d4e5" in Secret(clients, key["ARN"]).text
    assert Secret(clients, plain["ARN"]).text == "plain-secret-text"

    assert redacted("refused a1b2c3d4e5 and plain-secret-text") == "refused [removed] and [removed]"


# Responses of vendors

KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
VENDORS: dict[str, tuple[Any, Callable[[Any, Path], object]]] = {
    "anthropic": (Anthropic, lambda vendor, path: vendor.generate(a_script_request(path))),
    "creatomate": (
        Creatomate,
        lambda vendor, path: vendor.submit(a_film_request(path), "https://c"),
    ),
    "elevenlabs": (ElevenLabs, lambda vendor, path: vendor.generate(a_speech_request(path))),
    "fal": (Fal, lambda vendor, path: vendor.submit(a_clip_request(path), "https://c")),
    "replicate": (Replicate, lambda vendor, path: vendor.submit(a_clip_request(path), "https://c")),
}


@pytest.mark.parametrize("status", [200, 400, 401, 422, 500])
@pytest.mark.parametrize("name", VENDORS)
def test_parts_of_a_request_in_a_vendors_response_are_neither_stored_nor_logged(
    name: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: io.StringIO
) -> None:
    """The response repeats a link and the key of the request."""
    vendor, call = VENDORS[name]
    secret = json.dumps({"apiKey": KEY, "apiToken": KEY, "webhookSecret": "whsec_" + "A" * 32})
    register_secret(secret)
    text = f"cannot fetch {SIGNED} with {KEY}"
    body = {
        "error": {"type": text, "message": text}, "detail": text, "message": text, "title": text,
        "status": "failed", "id": text,
    }  # fmt: skip
    requests = []

    def respond(_transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        return httpx.Response(status, json=body)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", respond)

    with pytest.raises(ProviderError) as failed:
        call(vendor(lambda: secret), tmp_path)
    Logger().error("attempt_failed", detail=failed.value.detail, exc_info=failed.value)

    assert requests
    for text in (failed.value.detail, str(failed.value), lines.getvalue()):
        assert KEY not in text and "0123abcd" not in text


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The output of the workers' logger."""
    written = io.StringIO()
    logger = logging.getLogger(edge.logger.name)
    before = [(handler, handler.stream) for handler in logger.handlers]  # type: ignore[attr-defined]
    for handler, _ in before:
        handler.setStream(written)  # type: ignore[attr-defined]
    yield written
    for handler, stream in before:
        handler.setStream(stream)  # type: ignore[attr-defined]


def status_error() -> Exception:
    request = httpx.Request("GET", SIGNED)
    try:
        httpx.Response(403, request=request).raise_for_status()
    except httpx.HTTPStatusError as error:
        return error
    raise AssertionError


LIBRARIES = {
    "httpx": status_error(),
    "botocore": EndpointConnectionError(endpoint_url=SIGNED),
    "stripe": AuthenticationError("Invalid API Key provided: sk_live_0123abcd"),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_log_line_of_an_exception_and_its_causes_contains_secrets(
    library: str, lines: io.StringIO
) -> None:
    logger = Logger()
    try:
        try:
            raise LIBRARIES[library]
        except Exception as error:
            raise RuntimeError(f"it failed for {SIGNED}") from error
    except RuntimeError:
        logger.exception("message_failed", address=SIGNED)

    line = lines.getvalue()
    assert json.loads(line)["message"] == "message_failed"
    assert type(LIBRARIES[library]).__name__ in line and "0123abcd" not in line
    assert "AKIA" not in line


def test_a_failure_is_stored_without_secrets() -> None:
    error = PermanentProviderError(f"cannot fetch {SIGNED}", code="BAD_SOURCE")

    assert "0123abcd" not in error.detail and "0123abcd" not in str(error)
    assert error.detail.startswith("cannot fetch https://bucket.s3.amazonaws.com/outputs/a/b.png?")
