"""What every vendor of the registry has to do with a response, a broken one and none at all.

One address gives each vendor's adapter the same response, so that nothing of a vendor's own is in
the way; a successful run is made against the vendor's stand-in. What a vendor does otherwise is
data of its case here; what only one vendor does is in the file of that vendor.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import (
    AsyncProvider,
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.routing.routes import CLOUD
from darkroom.generation.vendors import aws, elevenlabs, http
from darkroom.generation.vendors.anthropic import Anthropic
from darkroom.generation.vendors.bedrock import Bedrock
from darkroom.generation.vendors.creatomate import Creatomate
from darkroom.generation.vendors.elevenlabs import ElevenLabs
from darkroom.generation.vendors.fal import Fal
from darkroom.generation.vendors.polly import Polly
from darkroom.generation.vendors.rekognition import RekognitionModeration
from darkroom.generation.vendors.replicate import Replicate
from darkroom.generation.vendors.transcribe import Transcribe
from darkroom.generation.vendors.translate import Translate
from tests.support.anthropic_stand_in import AnthropicStandIn
from tests.support.aws_stand_in import SECRET_ACCESS_KEY, a_client
from tests.support.bedrock_stand_in import BedrockStandIn
from tests.support.cloud import a_png
from tests.support.creatomate_stand_in import CreatomateStandIn
from tests.support.elevenlabs_stand_in import ElevenLabsStandIn
from tests.support.fal_stand_in import FalStandIn
from tests.support.http_stand_in import Fault, HttpStandIn, Request, Response
from tests.support.polly_stand_in import PollyStandIn, an_mp3
from tests.support.replicate_stand_in import ReplicateStandIn
from tests.support.transcribe_stand_in import TranscribeStandIn
from tests.support.translate_stand_in import TranslateStandIn
from tests.support.vendor_requests import (
    a_film_request,
    a_picture_request,
    a_script_request,
    a_speech_request,
    a_transcription_request,
    a_translation_request,
    said,
)

MODERATION = "rekognition"
"""Of the registry too, but no route leads to it."""
CALLBACK = "https://api.example/api/webhooks/vendor?job=j&key=k&attempt=1&nonce=n"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
API_KEY = "k3yOfNoAccountAtAll0123456789"
"""Of no form by which a log would know a key."""
TIMEOUT_SECONDS = 0.3
"""Against a server that never responds, any time limit will do."""

Meaning = tuple[type[ProviderError], str]
BUSY: Meaning = (TransientProviderError, "PROVIDER_UNAVAILABLE")
BAD: Meaning = (PermanentProviderError, "BAD_RESULT")
BAD_NOW: Meaning = (TransientProviderError, "BAD_RESULT")
GONE: Meaning = (TransientProviderError, "RESULT_EXPIRED")
LOST: Meaning = (ResponseLost, "PROVIDER_UNAVAILABLE")
OURS: Meaning = (PermanentProviderError, "PROVIDER_NOT_CONFIGURED")
QUOTA: Meaning = (PermanentProviderError, "PROVIDER_QUOTA")
REFUSED: Meaning = (PermanentProviderError, "PROVIDER_REFUSED")

MEANINGS: dict[int, Meaning] = {
    302: LOST, 400: REFUSED, 401: OURS, 402: QUOTA, 403: OURS, 404: OURS, 405: REFUSED, 408: LOST,
    409: BUSY, 413: REFUSED, 422: REFUSED, 425: BUSY, 429: BUSY, 500: BUSY, 502: LOST, 503: BUSY,
    504: LOST, 524: LOST, 529: LOST,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """How to build and use a vendor's adapter, and what is peculiar to it."""

    build: Callable[..., Any]
    """From ``secret``, ``api_base`` and ``timeout_seconds``."""
    request: Callable[[Path], GenerationRequest]
    start: Callable[[Any, GenerationRequest], Any]
    secret_field: str | None = "apiKey"
    """None for AWS services, which have credentials instead."""
    throttled_seconds: float = 0
    """How long to wait after a 429 that does not say."""
    lost: Meaning = LOST
    not_json: Meaning = LOST
    empty_object: Meaning = LOST
    too_large: Meaning | None = LOST
    """None if the SDK reads it whole."""
    moderation: Response | None = None
    """A response that refuses the content, if the vendor has one."""
    ref: str = ""
    """A run's id, of those that end later."""
    unknown_run: frozenset[int] = frozenset({404})
    """The statuses of a poll which mean that the vendor knows no such run."""
    stops: bool = True
    """Whether a run can be stopped."""
    stand_in: Callable[[], Any] | None = None
    finish: Callable[[Any, str], None] | None = None
    """Ends a run in the stand-in."""


def an_http_vendor(vendor: type[Any]) -> Callable[..., Any]:
    def build(*, secret: str, api_base: str, timeout_seconds: float) -> Any:
        return vendor(lambda: secret, api_base=api_base, timeout_seconds=timeout_seconds)

    return build


def an_aws_service(service: str, vendor: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def build(*, secret: str, api_base: str, timeout_seconds: float) -> Any:
        client = a_client(service, endpoint_url=api_base, read_timeout=timeout_seconds)
        return vendor(lambda: client, **options)

    return build


def generate(provider: Any, request: GenerationRequest) -> Any:
    return provider.generate(request)


def submit(provider: Any, request: GenerationRequest) -> Any:
    return provider.submit(request, CALLBACK)


def check_image(moderator: Any, _request: GenerationRequest) -> Any:
    return moderator.check_image(b"\xff\xd8\xff\xe0 a picture")


def translate_request(tmp_path: Path) -> GenerationRequest:
    return a_translation_request(tmp_path, said(0, "It rains."))


def an_aws_error(code: str, message: str) -> Response:
    return Response(400, {"message": message}, {"x-amzn-errortype": code})


def a_document() -> dict[str, Any]:
    return {"results": {"items": []}}


CASES = {
    "anthropic": Case(
        build=an_http_vendor(Anthropic), request=a_script_request, start=generate,
        empty_object=BAD_NOW, moderation=Response(200, {"stop_reason": "refusal"}),
        stand_in=AnthropicStandIn,
    ),
    "bedrock": Case(
        build=an_aws_service("bedrock-runtime", Bedrock), request=a_picture_request,
        start=generate, secret_field=None, not_json=BAD, empty_object=BAD, too_large=BAD,
        moderation=an_aws_error("ValidationException", "blocked by our content filters"),
        stand_in=BedrockStandIn,
    ),
    "creatomate": Case(
        build=an_http_vendor(Creatomate), request=a_film_request, start=submit,
        throttled_seconds=10, ref="0a1b2c3d-0000", stops=False,
        stand_in=CreatomateStandIn, finish=lambda server, ref: server.succeed(ref),
    ),
    "elevenlabs": Case(
        build=an_http_vendor(ElevenLabs), request=a_speech_request, start=generate,
        not_json=BAD, empty_object=BAD, too_large=BAD,
        moderation=Response(400, {"detail": {"status": "content_against_policy"}}),
        stand_in=ElevenLabsStandIn,
    ),
    "fal": Case(
        build=an_http_vendor(Fal), request=a_picture_request, start=submit,
        moderation=Response(422, {"detail": [{"type": "content_policy_violation", "msg": "x"}]}),
        ref="fal-ai/flux-pro/0a1b2c3d-0000", unknown_run=frozenset({400, 404, 405, 422}),
        stand_in=FalStandIn,
        finish=lambda server, ref: server.succeed(ref.rpartition("/")[2]),
    ),
    "polly": Case(
        build=an_aws_service("polly", Polly), request=a_speech_request, start=generate,
        secret_field=None, not_json=BAD, empty_object=BAD, too_large=BAD, stand_in=PollyStandIn,
    ),
    MODERATION: Case(
        build=an_aws_service("rekognition", RekognitionModeration), request=a_picture_request,
        start=check_image, secret_field=None, lost=BUSY, not_json=BUSY, empty_object=BUSY,
        too_large=None,
        moderation=Response(200, {"ModerationLabels": [{"Name": "Explicit", "ParentName": ""}]}),
    ),
    "replicate": Case(
        build=an_http_vendor(Replicate), request=a_picture_request, start=submit,
        secret_field="apiToken", moderation=Response(400, {"detail": "flagged (E005)"}),
        ref="q" * 26, stand_in=ReplicateStandIn,
        finish=lambda server, ref: server.succeed(ref),
    ),
    "transcribe": Case(
        build=an_aws_service("transcribe", Transcribe, region="us-east-1"),
        request=a_transcription_request, start=submit, secret_field=None, too_large=None,
        ref="darkroom-" + "0" * 40, unknown_run=frozenset(),
        stand_in=TranscribeStandIn,
        finish=lambda server, ref: server.finish(ref, a_document()),
    ),
    "translate": Case(
        build=an_aws_service("translate", Translate), request=translate_request, start=generate,
        secret_field=None, too_large=None, stand_in=TranslateStandIn,
    ),
}  # fmt: skip
LARGE_OBJECT = {
    "id": "0a1b2c3d4e",
    "request_id": "0a1b2c3d4e",
    "finish_reasons": [None],
    "images": [base64.b64encode(a_png(64, 80)).decode()],
    "filler": "x" * 200_000,
}
"""A good response of several vendors, but for its size."""
HTTP_VENDORS = sorted(name for name, case in CASES.items() if case.secret_field)
ASYNC_VENDORS = sorted(name for name, case in CASES.items() if case.ref)


class Address(HttpStandIn):
    """Gives every request the response that a test chose."""

    def __init__(self) -> None:
        super().__init__()
        self.response = Response(200, {})

    def respond(self, request: Request) -> Response:
        return self.response


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    with Address() as server:
        yield server


@pytest.fixture(scope="module")
def providers(address: Address) -> dict[str, Any]:
    return {name: a_provider(name, address.api_base) for name in CASES}


@pytest.fixture
def provider(name: str, address: Address, providers: dict[str, Any]) -> Any:
    address.requests.clear()
    address.faults.clear()
    address.response = Response(200, {})
    return providers[name]


def a_provider(
    name: str, api_base: str, *, secret: str | None = None, timeout_seconds: float = 10
) -> Any:
    case = CASES[name]
    good = json.dumps({str(case.secret_field): API_KEY, "webhookSecrets": []})
    return case.build(secret=secret or good, api_base=api_base, timeout_seconds=timeout_seconds)


def failure_of(call: Callable[[], Any]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        call()
    return caught.value


def meaning_of(error: ProviderError) -> Meaning:
    return type(error), error.error_code


def start(name: str, provider: Any, tmp_path: Path) -> GenerationRequest:
    request = CASES[name].request(tmp_path)
    CASES[name].start(provider, request)
    return request


def start_failure(name: str, provider: Any, tmp_path: Path) -> ProviderError:
    return failure_of(lambda: start(name, provider, tmp_path))


every_vendor = pytest.mark.parametrize("name", sorted(CASES))
every_http_vendor = pytest.mark.parametrize("name", HTTP_VENDORS)
every_async_vendor = pytest.mark.parametrize("name", ASYNC_VENDORS)


def test_every_vendor_of_the_registry_has_a_case() -> None:
    assert set(CASES) == CLOUD | {MODERATION}


# Starting


@every_vendor
@pytest.mark.parametrize("status", MEANINGS)
def test_a_status_means_the_same_for_every_vendor(
    name: str, status: int, address: Address, provider: Any, tmp_path: Path
) -> None:
    address.response = Response(status, {"detail": "no"})
    request = CASES[name].request(tmp_path)

    error = failure_of(lambda: CASES[name].start(provider, request))

    wanted = CASES[name].lost if MEANINGS[status] == LOST else MEANINGS[status]
    assert meaning_of(error) == wanted
    assert len(address.requests) == 1, "never sent twice"
    assert request.meter.charges == []


@every_vendor
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("17", 17),
        ("99999", 600),
        ("9" * 5000, 600),
        ("soon", None),
        ("-1", None),
        ("²", None),
        (None, None),
    ],
    ids=lambda value: str(value)[:6],
)
def test_throttling_says_how_long_to_wait(
    name: str, retry_after: str | None, seconds: float | None, address: Address, provider: Any,
    tmp_path: Path,
) -> None:  # fmt: skip
    headers = {} if retry_after is None else {"retry-after": retry_after}
    address.response = Response(429, {}, headers)

    error = start_failure(name, provider, tmp_path)

    assert isinstance(error, TransientProviderError)
    assert error.retry_after_seconds == (seconds or CASES[name].throttled_seconds)


@every_vendor
@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_error_that_repeats_the_request_reveals_no_key(
    name: str, status: int, address: Address, provider: Any, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    echo: list[str] = []

    def respond(request: Request) -> Response:
        echo[:] = [f"{header}: {value}" for header, value in request.headers.items()]
        return Response(status, {"message": "; ".join(echo), "detail": "; ".join(echo)})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(address, "respond", respond)
        error = start_failure(name, provider, tmp_path)

    shown = f"{error!r} {error} {error.detail} {error.facts} {caplog.text}"
    for secret in (API_KEY, SECRET_ACCESS_KEY, "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in shown
    assert (API_KEY in str(echo)) is (CASES[name].secret_field is not None)


@every_http_vendor
@pytest.mark.parametrize("value", [None, "", 7, "k\n1", "키"])
def test_a_secret_without_a_key_makes_no_request(
    name: str, value: Any, address: Address, provider: Any, tmp_path: Path
) -> None:
    secret = "[]" if value is None else json.dumps({str(CASES[name].secret_field): value})
    keyless = a_provider(name, address.api_base, secret=secret)

    error = start_failure(name, keyless, tmp_path)

    assert meaning_of(error) == OURS
    assert str(value or "[]") not in str(error)
    assert address.requests == []


@every_http_vendor
@pytest.mark.parametrize("secret", ["k", "{", "[" * 100_000, '"text"'], ids=lambda text: text[:6])
def test_a_secret_that_is_no_object_makes_no_request(
    name: str, secret: str, address: Address, provider: Any, tmp_path: Path
) -> None:
    assert meaning_of(start_failure(name, a_provider(name, NOWHERE, secret=secret), tmp_path)) == (
        OURS
    )


@every_vendor
@pytest.mark.parametrize(
    "body",
    ["<html>", b"\xff\xfe", "[" * 100_000, '"text"', '{"id": "0a1b2c3d4'],
    ids=lambda body: repr(body)[:9],
)
def test_a_body_that_is_no_object_is_no_result(
    name: str, body: str | bytes, address: Address, provider: Any, tmp_path: Path
) -> None:
    address.response = Response(200, body)

    assert meaning_of(start_failure(name, provider, tmp_path)) == CASES[name].not_json
    assert len(address.requests) == 1


@every_vendor
@pytest.mark.parametrize("body", ["{}", '{"id": 7, "request_id": "../x", "action": null}'])
def test_a_body_of_another_shape_is_no_result(
    name: str, body: str, address: Address, provider: Any, tmp_path: Path
) -> None:
    address.response = Response(200, body)

    assert meaning_of(start_failure(name, provider, tmp_path)) == CASES[name].empty_object


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.too_large))
def test_a_response_over_the_limit_is_read_to_the_limit(
    name: str, address: Address, provider: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (aws, elevenlabs, http):
        monkeypatch.setattr(module, "RESULT_LIMIT_BYTES", 1000)
    is_speech = CASES[name].request(tmp_path).kind == "speech"
    address.response = Response(200, an_mp3(2000) if is_speech else LARGE_OBJECT)

    assert meaning_of(start_failure(name, provider, tmp_path)) == CASES[name].too_large


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.moderation))
def test_a_refusal_for_the_content_is_one(
    name: str, address: Address, provider: Any, tmp_path: Path
) -> None:
    refusal = CASES[name].moderation
    assert refusal is not None
    address.response = refusal

    error = start_failure(name, provider, tmp_path)

    assert meaning_of(error) == (ModerationRefused, "CONTENT_REJECTED")


@every_vendor
@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_connection_that_breaks_leaves_open_whether_it_was_made(
    name: str, kind: Any, address: Address, provider: Any, tmp_path: Path
) -> None:
    address.response = Response(200, {"filler": "x" * 1000})
    address.faults.append(Fault(kind))

    assert meaning_of(start_failure(name, provider, tmp_path)) == CASES[name].lost
    assert len(address.requests) == 1, "never sent twice"


@every_vendor
def test_a_server_that_never_responds_leaves_open_whether_it_was_made(
    name: str, address: Address, provider: Any, tmp_path: Path
) -> None:
    hasty = a_provider(name, address.api_base, timeout_seconds=TIMEOUT_SECONDS)
    address.faults.append(Fault("lose"))

    assert meaning_of(start_failure(name, hasty, tmp_path)) == CASES[name].lost


@every_vendor
def test_a_server_that_is_not_reached_has_made_nothing(name: str, tmp_path: Path) -> None:
    assert meaning_of(start_failure(name, a_provider(name, NOWHERE), tmp_path)) == BUSY


# Runs that end later


@every_async_vendor
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 429, 500, 502, 503, 529])
def test_a_poll_that_fails_concludes_nothing_unless_the_run_is_unknown(
    name: str, status: int, address: Address, provider: Any
) -> None:
    address.response = Response(status, {"detail": "no"})

    error = failure_of(lambda: provider.poll(CASES[name].ref))

    assert meaning_of(error) == (GONE if status in CASES[name].unknown_run else LOST)


@every_async_vendor
@pytest.mark.parametrize(
    "body", ["<html>", "[]", "{}", b"\xff\xfe", "[" * 100_000], ids=lambda body: repr(body)[:9]
)
def test_a_poll_that_cannot_be_read_concludes_nothing(
    name: str, body: str | bytes, address: Address, provider: Any
) -> None:
    address.response = Response(200, body)

    assert meaning_of(failure_of(lambda: provider.poll(CASES[name].ref))) == LOST


@every_async_vendor
@pytest.mark.parametrize("kind", ["drop", "cut"])
def test_a_poll_whose_connection_breaks_concludes_nothing(
    name: str, kind: Any, address: Address, provider: Any
) -> None:
    address.response = Response(200, {"status": "succeeded", "filler": "x" * 1000})
    address.faults.append(Fault(kind))

    assert meaning_of(failure_of(lambda: provider.poll(CASES[name].ref))) == LOST


@every_async_vendor
def test_a_server_that_is_not_reached_says_nothing_of_a_run(name: str) -> None:
    nowhere = a_provider(name, NOWHERE)

    assert meaning_of(failure_of(lambda: nowhere.poll(CASES[name].ref))) == LOST


@pytest.mark.parametrize("name", [name for name in ASYNC_VENDORS if CASES[name].stops])
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_stop_that_fails_may_be_repeated(
    name: str, status: int, address: Address, provider: Any
) -> None:
    address.response = Response(status, {})

    assert meaning_of(failure_of(lambda: provider.cancel(CASES[name].ref))) == LOST


@every_async_vendor
@pytest.mark.parametrize("ref", ["", "../models", "a/b", "q" * 65, "q" * 25 + "\n", "0" * 20 + "?"])
def test_an_invalid_id_never_becomes_part_of_a_path(
    name: str, ref: str, address: Address, provider: Any
) -> None:
    with pytest.raises(ValueError):
        provider.poll(ref)

    assert address.requests == []


# Cost


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.stand_in))
def test_a_run_records_its_cost_and_the_vendor_s_id(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    assert case.stand_in is not None
    with case.stand_in() as server:
        api_base = server.api_base if case.secret_field else server.endpoint_url
        secret = server.secret_text if case.secret_field else None
        provider = a_provider(name, api_base, secret=secret)
        request = case.request(tmp_path)

        made = case.start(provider, request)
        charges = list(request.meter.charges)
        if case.finish is not None:
            assert isinstance(provider, AsyncProvider)
            case.finish(server, made)
            finished = provider.poll(made)
            assert finished is not None
            charges += finished.charges

    assert request.meter.ref
    assert [charge.unit for charge in charges]
    assert all(charge.quantity > 0 for charge in charges)
