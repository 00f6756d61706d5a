"""fal's queue, against a server that behaves as its documentation says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from darkroom.generation.ports import (
    AsyncProvider,
    Charge,
    ModerationRefused,
    PermanentProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.vendors import fal as module
from darkroom.generation.vendors.fal import Fal
from darkroom.kernel.errors import InvalidInput, Unauthorized, Unavailable
from tests.support.fal_stand_in import (
    CLIP,
    KLING,
    LOCKED,
    PICTURE,
    WORDS,
    FalStandIn,
    Fault,
    Run,
    content_of,
)
from tests.support.vendor_requests import (
    KEYFRAME,
    a_clip_request,
    a_picture_request,
    a_request,
)

CALLBACK = "https://api.example/api/webhooks/fal?job=j&key=clip_1&attempt=1&nonce=n"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PATIENCE_SECONDS = 30


@pytest.fixture
def stand_in() -> Iterator[FalStandIn]:
    with FalStandIn() as server:
        yield server


@pytest.fixture
def provider(stand_in: FalStandIn) -> Fal:
    return a_provider(stand_in)


def a_provider(stand_in: FalStandIn, **changes: Any) -> Fal:
    return Fal(lambda: stand_in.secret_text, api_base=stand_in.api_base, **changes)


def submitted(provider: Fal, tmp_path: Path) -> str:
    return provider.submit(a_clip_request(tmp_path), CALLBACK)


def id_of(ref: str) -> str:
    return ref.rpartition("/")[2]


def last_run(stand_in: FalStandIn) -> Run:
    return list(stand_in.runs.values())[-1]


# Submitting


def test_it_is_an_asynchronous_provider(provider: Fal) -> None:
    assert isinstance(provider, AsyncProvider)


def test_a_clip_is_requested_from_its_keyframe(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request = a_clip_request(tmp_path)

    ref = provider.submit(request, CALLBACK)

    run = last_run(stand_in)
    assert ref == f"fal-ai/bytedance/{request.meter.ref}"
    assert (run.model, run.webhook) == (CLIP, CALLBACK)
    assert content_of(run.inputs["image_url"]) == KEYFRAME
    assert (run.inputs["duration"], run.inputs["resolution"]) == ("3", "720p")
    for words in ("pushes in", "Rain falls", "Quick", "shadowy"):
        assert words in run.inputs["prompt"]
    assert request.meter.charges == [Charge(unit="second", quantity=3)]


def test_runs_and_files_expire_with_the_task(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    submitted(provider, tmp_path)

    headers = last_run(stand_in).headers
    assert headers["x-fal-request-timeout"] == "1800"
    lifecycle = json.loads(headers["x-fal-object-lifecycle-preference"])
    assert lifecycle == {"expiration_duration_seconds": 3600}


def test_a_picture_is_requested_from_the_photo_of_its_scene(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request = a_request(tmp_path)

    provider.submit(request, CALLBACK)

    run = last_run(stand_in)
    assert (run.model, run.state) == (PICTURE, "IN_QUEUE")
    assert (run.inputs["prompt"], run.inputs["aspect_ratio"]) == ("In the rain.", "9:16")
    assert content_of(run.inputs["image_url"]) == b"photo 2"
    assert (request.meter.charges, request.meter.ref) == ([], next(iter(stand_in.runs)))


def test_a_picture_from_text_has_its_own_model(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    provider.submit(a_picture_request(tmp_path), CALLBACK)

    run = last_run(stand_in)
    assert (run.model, run.state) == (WORDS, "IN_QUEUE")
    assert run.inputs["prompt"] == "A lighthouse. Style: oil painting."
    assert (run.inputs["aspect_ratio"], "image_url" in run.inputs) == ("16:9", False)


def test_a_link_is_sent_instead_of_the_file_if_it_is_public(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request = a_clip_request(tmp_path)
    links = {"https": "https://bucket.example/kf.png?sig=1", "http": "http://127.0.0.1:4566/kf"}
    sent = {}
    for name, url in links.items():
        [source] = request.sources
        provider.submit(replace(request, sources=(replace(source, url=url),)), CALLBACK)
        sent[name] = last_run(stand_in).inputs["image_url"]

    assert sent["https"] == links["https"]
    assert content_of(sent["http"]) == KEYFRAME


def test_models_are_configuration_and_each_family_gets_its_inputs(
    stand_in: FalStandIn, tmp_path: Path
) -> None:
    provider = a_provider(stand_in, models={"clip": KLING, "image": ""})

    ref = submitted(provider, tmp_path)

    run = last_run(stand_in)
    assert (run.model, run.inputs["duration"], run.state) == (KLING, "5", "IN_QUEUE")
    assert ref.startswith("fal-ai/kling-video/")
    models = [provider.model_of(kind) for kind in ("clip", "portrait", "picture", "speech")]
    assert models == [KLING, PICTURE, WORDS, ""]


@pytest.mark.parametrize(
    ("models", "changes", "code"),
    [
        ({}, {"kind": "film"}, "UNSUPPORTED_KIND"),
        ({}, {"kind": "speech"}, "UNSUPPORTED_KIND"),
        ({}, {"params": {"durationSec": 13}}, "UNSUPPORTED_KIND"),
        ({"clip": KLING}, {"params": {"durationSec": 11}}, "UNSUPPORTED_KIND"),
        ({}, {"sources": ()}, "BAD_SOURCE"),
        ({"clip": "fal-ai/unheard-of/image-to-video"}, {}, "PROVIDER_NOT_CONFIGURED"),
        ({"clip": PICTURE}, {}, "PROVIDER_NOT_CONFIGURED"),
        ({"clip": CLIP + "/../../x"}, {}, "PROVIDER_NOT_CONFIGURED"),
    ],
)
def test_an_unsupported_request_is_not_submitted(
    stand_in: FalStandIn, tmp_path: Path, models: Any, changes: Any, code: str
) -> None:
    provider = a_provider(stand_in, models=models)
    request = replace(a_clip_request(tmp_path), **changes)

    with pytest.raises(PermanentProviderError) as caught:
        provider.submit(request, CALLBACK)

    assert caught.value.error_code == code
    assert (stand_in.requests, request.meter.charges) == ([], [])


def test_a_missing_empty_too_large_or_mistyped_source_is_bad(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INLINE_LIMIT_BYTES", len(KEYFRAME) - 1)
    large = a_clip_request(tmp_path)
    [source] = large.sources
    (tmp_path / "empty.png").write_bytes(b"")
    others = [
        replace(source, path=tmp_path / "nowhere.png"),
        replace(source, path=tmp_path / "empty.png"),
        replace(source, mime_type="image/tiff"),
        replace(source, mime_type="video/mp4"),
    ]

    for request in [large, *(replace(large, sources=(other,)) for other in others)]:
        with pytest.raises(PermanentProviderError) as caught:
            provider.submit(request, CALLBACK)
        assert caught.value.error_code == "BAD_SOURCE"

    assert stand_in.requests == []


NO_MONEY = {"detail": "User is locked. Reason: TOP_UP."}


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (Fault("refuse", 403, LOCKED), PermanentProviderError, "PROVIDER_QUOTA"),
        (Fault("refuse", 403, NO_MONEY), PermanentProviderError, "PROVIDER_QUOTA"),
        (Fault("refuse", 422, {"detail": "?"}), PermanentProviderError, "PROVIDER_REFUSED"),
        (Fault("refuse", 422, ["?"]), PermanentProviderError, "PROVIDER_REFUSED"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)  # fmt: skip
def test_a_locked_account_is_out_of_money(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, fault: Fault, error: type[Exception],
    code: str,
) -> None:  # fmt: skip
    stand_in.faults.append(fault)
    request = a_clip_request(tmp_path)

    with pytest.raises(error) as caught:
        provider.submit(request, CALLBACK)

    assert type(caught.value) is error
    assert getattr(caught.value, "error_code", "") == code
    assert stand_in.submits == 1, "never sent twice"
    assert request.meter.charges == []


def test_after_a_timeout_of_an_accepted_submit_only_the_callback_identifies_the_run(
    stand_in: FalStandIn, tmp_path: Path
) -> None:
    hasty = a_provider(stand_in, timeout_seconds=1)
    stand_in.faults.append(Fault("lose_response"))

    with pytest.raises(ResponseLost):
        submitted(hasty, tmp_path)

    assert stand_in.held.wait(PATIENCE_SECONDS)
    [request_id] = stand_in.runs
    assert hasty.find(CALLBACK, NOW) is None
    stand_in.succeed(request_id)
    ref = hasty.read_callback(**stand_in.call_of(request_id, NOW), now=NOW)
    assert hasty.poll(ref) is not None


# Polling


def test_a_run_in_progress_has_no_result_yet(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)

    queued = provider.poll(ref)
    stand_in.start(id_of(ref))

    assert (queued, provider.poll(ref)) == (None, None)


def test_a_run_that_succeeded_has_its_file(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    refs = [
        provider.submit(request, CALLBACK)
        for request in (a_clip_request(tmp_path), a_request(tmp_path), a_picture_request(tmp_path))
    ]
    made, charges = [], []
    for ref in refs:
        stand_in.succeed(id_of(ref))
        result = provider.poll(ref)
        assert result is not None
        made += [(file.type, file.mime_type, file.suffix) for file in result.files]
        charges.append(result.charges)

    picture = ("image", "image/png", ".png")
    assert made == [("clip", "video/mp4", ".mp4"), picture, picture]
    # A clip's were charged when it was submitted.
    assert charges == [(), *[(Charge(unit="image", quantity=1),)] * 2]


def test_a_run_known_only_from_its_callback_is_found_under_its_app(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    for request in (a_clip_request(tmp_path), a_request(tmp_path)):
        request_id = id_of(provider.submit(request, CALLBACK))
        stand_in.succeed(request_id)

        result = provider.poll(request_id)

        assert result is not None
        assert request_id in result.files[0].url


def test_the_result_is_fetched_from_the_status_address_on_the_same_host_only(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(id_of(ref))
    place = f"/fal-ai/bytedance/requests/{id_of(ref)}"
    urls = [f"https://queue.fal.run{place}/response", "https://evil.example/x", None, 7, "http://["]
    polls, codes = [], []
    for url in urls:
        shown = {"status": "COMPLETED", "response_url": url}
        monkeypatch.setattr(stand_in, "_status", lambda *_, shown=shown: (200, shown, {}))
        try:
            provider.poll(ref)
        except TransientProviderError as error:
            codes.append(error.error_code)
        polls.append(stand_in.requests[-1])

    assert polls == [("GET", f"{place}/response"), *[("GET", place)] * 4]
    assert set(codes) <= {"RESULT_EXPIRED"}


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (422, "content_policy_violation", ModerationRefused, "CONTENT_REJECTED"),
        (422, "image_too_small", PermanentProviderError, "BAD_SOURCE"),
        (422, "file_download_error", PermanentProviderError, "BAD_SOURCE"),
        (422, "feature_not_supported", PermanentProviderError, "UNSUPPORTED_KIND"),
        (422, "value_error.missing", PermanentProviderError, "PROVIDER_REFUSED"),
        (422, "no_media_generated", TransientProviderError, "PROVIDER_FAILED"),
        (400, "downstream_service_error", TransientProviderError, "PROVIDER_FAILED"),
        (500, "internal_server_error", TransientProviderError, "PROVIDER_FAILED"),
        (504, "generation_timeout", TransientProviderError, "PROVIDER_FAILED"),
    ],
)
def test_a_failed_run_is_retryable_or_not_by_its_error(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, status: int, body: str,
    error: type[Exception], code: str,
) -> None:  # fmt: skip
    ref = submitted(provider, tmp_path)
    stand_in.refuse(id_of(ref), body, status=status)

    with pytest.raises(error) as caught:
        provider.poll(ref)

    assert type(caught.value) is error
    assert getattr(caught.value, "error_code", "") == code


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (504, {"detail": "Timed out", "error_type": "startup_timeout"}, TransientProviderError,
         "PROVIDER_UNAVAILABLE"),
        (503, {"detail": "Gone", "error_type": "runner_disconnected"}, TransientProviderError,
         "PROVIDER_UNAVAILABLE"),
        (499, {"detail": "Cancelled", "error_type": "client_cancelled"}, TransientProviderError,
         "PROVIDER_CANCELED"),
        (500, {"detail": "Oops", "error_type": "internal_error"}, TransientProviderError,
         "PROVIDER_FAILED"),
        (400, {"detail": "NSFW content detected"}, ModerationRefused, "CONTENT_REJECTED"),
        (500, {"detail": "flagged by the safety system"}, ModerationRefused, "CONTENT_REJECTED"),
        (400, "no JSON object", PermanentProviderError, "PROVIDER_REFUSED"),
    ],
)  # fmt: skip
def test_errors_of_the_service_are_distinguished_from_errors_of_the_model(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, status: int, body: Any,
    error: type[Exception], code: str,
) -> None:  # fmt: skip
    ref = submitted(provider, tmp_path)
    stand_in.fail(id_of(ref), status, body)

    with pytest.raises(error) as caught:
        provider.poll(ref)

    assert type(caught.value) is error
    assert getattr(caught.value, "error_code", "") == code


def test_a_failure_that_only_the_result_shows_is_a_failure(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.refuse(id_of(ref), "image_too_small")
    last_run(stand_in).error = None

    with pytest.raises(PermanentProviderError) as caught:
        provider.poll(ref)

    assert caught.value.error_code == "BAD_SOURCE"


def test_a_header_marks_a_transient_error(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    detail = [{"loc": ["body"], "msg": "try again", "type": "value_error"}]
    stand_in.fail(id_of(ref), 422, {"detail": detail}, {"x-fal-retryable": "true"})

    with pytest.raises(TransientProviderError):
        provider.poll(ref)


def test_wrong_inputs_fail_only_in_the_result(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = provider.submit(a_request(tmp_path, params={"prompt": ""}), CALLBACK)

    with pytest.raises(PermanentProviderError) as caught:
        provider.poll(ref)

    assert caught.value.error_code == "PROVIDER_REFUSED"


def test_a_blacked_out_picture_is_a_refusal(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = provider.submit(a_request(tmp_path), CALLBACK)
    stand_in.succeed(id_of(ref))
    last_run(stand_in).result[1]["has_nsfw_concepts"] = [True]

    with pytest.raises(ModerationRefused):
        provider.poll(ref)


@pytest.mark.parametrize(
    "result", [{}, {"images": []}, {"images": [7]}, {"images": [{}]}, {"video": {"url": None}}]
)
def test_a_result_without_a_file_is_bad(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, result: Any
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(id_of(ref))
    last_run(stand_in).result = (200, result)

    with pytest.raises(PermanentProviderError) as caught:
        provider.poll(ref)

    assert caught.value.error_code == "BAD_RESULT"


def test_an_expired_result_needs_another_run(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(id_of(ref))
    last_run(stand_in).result = (404, {"detail": "Not Found"})
    unknown = ["fal-ai/bytedance/00000000-0000", "00000000-0000"]

    for gone in [ref, *unknown]:
        with pytest.raises(TransientProviderError) as caught:
            provider.poll(gone)
        assert caught.value.error_code == "RESULT_EXPIRED"


@pytest.mark.parametrize("response", [(500, {}), (502, "<html>"), (429, {}), (401, {}), (200, "<")])
def test_an_unreadable_result_concludes_nothing(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path, response: Any
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(id_of(ref))
    last_run(stand_in).result = response

    with pytest.raises(ResponseLost):
        provider.poll(ref)


def test_an_unknown_status_concludes_nothing(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    last_run(stand_in).state = "PONDERING"

    with pytest.raises(ResponseLost):
        provider.poll(ref)


@pytest.mark.parametrize(
    "ref",
    ["fal-ai/x/../y/00000000", "fal-ai/bytedance/0000000\n", "a b/c/00000000",
     "fal-ai/bytedance/v1/00000000"],
)  # fmt: skip
def test_what_is_no_app_and_id_never_becomes_part_of_a_path(
    stand_in: FalStandIn, provider: Fal, ref: str
) -> None:
    with pytest.raises(ValueError):
        provider.poll(ref)

    assert stand_in.requests == []


def test_canceling_a_run_twice_is_no_error(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    known = submitted(provider, tmp_path)
    from_calls = [
        id_of(provider.submit(request, CALLBACK))
        for request in (a_clip_request(tmp_path), a_request(tmp_path))
    ]

    for ref in (known, known, *from_calls, "00000000-0000"):
        provider.cancel(ref)

    assert [run.error_type for run in stand_in.runs.values()] == ["client_cancelled"] * 3


# Callbacks


def test_a_signed_call_names_its_run(stand_in: FalStandIn, provider: Fal, tmp_path: Path) -> None:
    request_id = id_of(submitted(provider, tmp_path))
    call = stand_in.call_of(request_id, NOW)

    assert provider.read_callback(**call, now=NOW) == request_id
    assert provider.read_callback(**call, now=NOW + timedelta(minutes=5)) == request_id
    for late in (301, -301):
        with pytest.raises(Unauthorized):
            provider.read_callback(**call, now=NOW + timedelta(seconds=late))


def test_the_keys_are_fetched_once_a_day(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request_id = id_of(submitted(provider, tmp_path))
    for hours in (0, 1, 23, 25):
        moment = NOW + timedelta(hours=hours)
        provider.read_callback(**stand_in.call_of(request_id, moment), now=moment)

    assert stand_in.requests.count(("GET", "/.well-known/jwks.json")) == 2


def test_a_rotated_key_is_fetched_and_forged_calls_rarely_fetch_keys(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request_id = id_of(submitted(provider, tmp_path))
    provider.read_callback(**stand_in.call_of(request_id, NOW), now=NOW)
    forged, later = Ed25519PrivateKey.generate(), NOW + timedelta(minutes=6)
    for _ in range(20):
        with pytest.raises(Unauthorized):
            provider.read_callback(**stand_in.call_of(request_id, later, key=forged), now=later)
    fetches = stand_in.requests.count(("GET", "/.well-known/jwks.json"))

    stand_in.signing_key = Ed25519PrivateKey.generate()
    later += timedelta(minutes=6)

    assert fetches == 2
    assert provider.read_callback(**stand_in.call_of(request_id, later), now=later) == request_id


def test_without_keys_a_call_must_be_repeated(
    stand_in: FalStandIn, provider: Fal, tmp_path: Path
) -> None:
    request_id = id_of(submitted(provider, tmp_path))
    stand_in.keys_are_down = True

    with pytest.raises(Unavailable):
        provider.read_callback(**stand_in.call_of(request_id, NOW), now=NOW)

    stand_in.keys_are_down = False
    assert provider.read_callback(**stand_in.call_of(request_id, NOW), now=NOW) == request_id


def test_a_malformed_call_fetches_no_keys(stand_in: FalStandIn, provider: Fal) -> None:
    with pytest.raises(Unauthorized):
        provider.read_callback(b"{}", {}, NOW)

    assert stand_in.requests == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"request_id": 7}', b'{"request_id": "../x"}', b"\xff"]
)
def test_a_signed_call_without_a_run_is_invalid(
    stand_in: FalStandIn, provider: Fal, body: bytes
) -> None:
    with pytest.raises(InvalidInput):
        provider.read_callback(**stand_in.signed(body, NOW), now=NOW)
