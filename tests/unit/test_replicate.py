"""Replicate, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from darkroom.generation.ports import (
    AsyncProvider,
    Charge,
    ModerationRefused,
    PermanentProviderError,
    ResponseLost,
    SourceFile,
    TransientProviderError,
)
from darkroom.generation.vendors.replicate import Replicate
from darkroom.kernel.errors import InvalidInput, Unauthorized
from tests.support.replicate_stand_in import (
    CLIP,
    KLING,
    MODEL,
    WEBHOOK_SECRET,
    Fault,
    ReplicateStandIn,
)
from tests.support.vendor_requests import (
    KEYFRAME,
    a_clip_request,
    a_picture_request,
    a_request,
)

CALLBACK = "https://api.example/api/webhooks/replicate?job=j&key=kf_1&attempt=1&nonce=n"
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PATIENCE_SECONDS = 30


@pytest.fixture
def stand_in() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn() as server:
        yield server


@pytest.fixture
def provider(stand_in: ReplicateStandIn) -> Replicate:
    return a_provider(stand_in)


def a_provider(stand_in: ReplicateStandIn, **changes: Any) -> Replicate:
    return Replicate(lambda: stand_in.secret_text, api_base=stand_in.api_base, **changes)


NOWHERE = SourceFile(key="photo_1", mime_type="image/jpeg", path=Path("/nowhere.jpg"))


def submitted(provider: Replicate, tmp_path: Path) -> str:
    return provider.submit(a_request(tmp_path), CALLBACK)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=5)


# Submitting


def test_it_is_an_asynchronous_provider(provider: Replicate) -> None:
    assert isinstance(provider, AsyncProvider)


def test_a_request_becomes_one_prediction_from_the_photo_of_its_scene(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)

    [prediction] = stand_in.predictions.values()
    assert prediction["id"] == ref
    assert (prediction["webhook"], prediction["webhook_events_filter"]) == (CALLBACK, ["completed"])
    sent = prediction["input"]
    assert (sent["prompt"], sent["aspect_ratio"]) == ("In the rain.", "9:16")
    assert list(stand_in.files.values()) == [b"photo 2"]
    assert sent["input_image"].rpartition("/")[2] in stand_in.files


def test_a_portrait_is_three_to_four(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    provider.submit(a_request(tmp_path, kind="portrait", params={"prompt": "x"}), CALLBACK)

    [prediction] = stand_in.predictions.values()
    assert prediction["input"]["aspect_ratio"] == "3:4"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "film"}, "UNSUPPORTED_KIND"),
        ({"kind": "picture", "params": {"aspectRatio": "2:1"}}, "UNSUPPORTED_KIND"),
        ({"kind": "clip", "params": {"durationSec": 13}}, "UNSUPPORTED_KIND"),
        ({"kind": "clip", "sources": ()}, "BAD_SOURCE"),
        ({"sources": ()}, "BAD_SOURCE"),
        ({"sources": (NOWHERE,)}, "BAD_SOURCE"),
    ],
)
def test_an_unsupported_request_is_not_submitted(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, changes: Any, code: str
) -> None:
    with pytest.raises(PermanentProviderError) as caught:
        provider.submit(a_request(tmp_path, **changes), CALLBACK)

    assert caught.value.error_code == code
    assert stand_in.requests == []


def test_a_picture_from_text_needs_no_photo(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    provider.submit(a_picture_request(tmp_path), CALLBACK)

    [prediction] = stand_in.predictions.values()
    sent = prediction["input"]
    assert (prediction["model"], sent["aspect_ratio"]) == (MODEL, "16:9")
    assert sent["prompt"] == "A lighthouse. Style: oil painting."
    assert (stand_in.files, "input_image" in sent) == ({}, False)


@pytest.mark.parametrize(
    ("model", "field", "seconds"), [(CLIP, "image", 3), (KLING, "start_image", 5)]
)
def test_a_clip_is_made_from_its_keyframe(
    stand_in: ReplicateStandIn, tmp_path: Path, model: str, field: str, seconds: int
) -> None:
    provider = a_provider(stand_in, models={"clip": model})
    request = a_clip_request(tmp_path)

    ref = provider.submit(request, CALLBACK)

    prediction = stand_in.predictions[ref]
    sent = prediction["input"]
    assert (prediction["model"], sent["duration"], request.meter.ref) == (model, seconds, ref)
    assert list(stand_in.files.values()) == [KEYFRAME]
    assert sent[field].rpartition("/")[2] in stand_in.files
    for words in ("pushes in", "Rain falls", "Quick", "shadowy"):
        assert words in sent["prompt"]


def test_the_configuration_chooses_the_model_and_the_job_does_not(
    stand_in: ReplicateStandIn, tmp_path: Path
) -> None:
    provider = a_provider(stand_in, models={"clip": KLING, "image": ""})
    params = {"prompt": "x", "modelId": "black-forest-labs/flux-kontext-max"}

    ref = provider.submit(a_request(tmp_path, kind="portrait", params=params), CALLBACK)

    assert stand_in.predictions[ref]["model"] == MODEL
    models = [provider.model_of(kind) for kind in ("clip", "portrait", "picture", "speech")]
    assert models == [KLING, MODEL, MODEL, ""]


@pytest.mark.parametrize("model", ["unknown/model", MODEL])
def test_an_unknown_model_gets_no_request(
    stand_in: ReplicateStandIn, tmp_path: Path, model: str
) -> None:
    provider = a_provider(stand_in, models={"clip": model})

    with pytest.raises(PermanentProviderError) as caught:
        provider.submit(a_clip_request(tmp_path), CALLBACK)

    assert caught.value.error_code == "PROVIDER_NOT_CONFIGURED"
    assert stand_in.requests == []


def test_without_secrets_every_call_is_forged(stand_in: ReplicateStandIn) -> None:
    provider = Replicate(lambda: "{}", api_base=stand_in.api_base)

    with pytest.raises(Unauthorized):
        provider.read_callback(b"{}", {}, NOW)


THROTTLED = {"detail": "Request was throttled. Your rate limit resets in ~30s."}


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "12"}, 12), ({}, 30)])
def test_throttling_may_say_in_its_message_how_long_to_wait(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, headers: Any, seconds: float,
) -> None:  # fmt: skip
    stand_in.faults.append(Fault("refuse", 429, THROTTLED, headers))

    with pytest.raises(TransientProviderError) as caught:
        submitted(provider, tmp_path)

    assert caught.value.retry_after_seconds == seconds


def test_after_a_timeout_of_an_accepted_submit_the_run_is_found(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    hasty = a_provider(stand_in, timeout_seconds=1)
    stand_in.faults.append(Fault("lose_response"))

    with pytest.raises(ResponseLost):
        submitted(hasty, tmp_path)

    assert stand_in.held.wait(PATIENCE_SECONDS)
    assert provider.find(CALLBACK, long_ago()) in stand_in.predictions


def test_a_lost_upload_starts_no_run(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def lose(*args: Any, **kwargs: Any) -> Any:
        raise httpx.ReadTimeout("lost")

    monkeypatch.setattr(provider._http._client, "stream", lose)

    with pytest.raises(TransientProviderError):
        submitted(provider, tmp_path)


# Finding it again


@pytest.mark.parametrize("lists_webhooks", [True, False])
def test_a_run_is_found_by_its_address(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, lists_webhooks: bool
) -> None:
    stand_in.lists_webhooks = lists_webhooks
    ref = submitted(provider, tmp_path)
    provider.submit(a_request(tmp_path), CALLBACK.replace("attempt=1", "attempt=2"))

    assert provider.find(CALLBACK, long_ago()) == ref
    assert provider.find(CALLBACK + "x", long_ago()) is None
    assert provider.find(CALLBACK, datetime.now(UTC) + timedelta(hours=1)) is None


def test_a_run_on_a_later_page_is_found(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    stand_in.lists_webhooks = True
    ref = submitted(provider, tmp_path)
    [first] = stand_in.predictions.values()
    for number in range(150):
        other = f"other{number:04}"
        stand_in.predictions[other] = first | {"id": other, "webhook": "https://x.example"}

    assert provider.find(CALLBACK, long_ago()) == ref
    assert [path for _, path in stand_in.requests if "cursor" in path] == [
        "/v1/predictions?cursor=100"
    ]


# Polling


def test_a_run_in_progress_has_no_result_yet(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)

    starting = provider.poll(ref)
    stand_in.start(ref)

    assert (starting, provider.poll(ref)) == (None, None)


@pytest.mark.parametrize("as_list", [True, False])
def test_a_run_that_succeeded_has_a_picture(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, as_list: bool
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref, as_list=as_list)

    result = provider.poll(ref)

    assert result is not None
    [file] = result.files
    assert (file.type, file.mime_type) == ("image", "image/png")
    assert result.charges == (Charge(unit="image", quantity=1),)


@pytest.mark.parametrize(("model", "seconds"), [(CLIP, 3), (KLING, 5)])
def test_a_run_that_succeeded_has_a_clip_and_costs_its_seconds(
    stand_in: ReplicateStandIn, tmp_path: Path, model: str, seconds: int
) -> None:
    provider = a_provider(stand_in, models={"clip": model})
    ref = provider.submit(a_clip_request(tmp_path), CALLBACK)
    stand_in.succeed(ref)

    result = provider.poll(ref)

    assert result is not None
    [file] = result.files
    assert (file.type, file.mime_type, file.suffix) == ("clip", "video/mp4", ".mp4")
    assert result.charges == (Charge(unit="second", quantity=seconds),)


@pytest.mark.parametrize("odd", [{"results": 7}, {"results": [7]}, {"results": [{}]}, {"next": 7}])
def test_a_malformed_list_concludes_nothing(
    stand_in: ReplicateStandIn, provider: Replicate, monkeypatch: pytest.MonkeyPatch, odd: Any
) -> None:
    monkeypatch.setattr(stand_in, "_list", lambda path: (200, odd, {}))

    if "results" not in odd:
        assert provider.find(CALLBACK, long_ago()) is None
        return
    with pytest.raises(ResponseLost):
        provider.find(CALLBACK, long_ago())


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        ("NSFW content detected. Try running it again.", ModerationRefused, "CONTENT_REJECTED"),
        ("The input or output was flagged as sensitive. (E005)", ModerationRefused,
         "CONTENT_REJECTED"),
        ("Input validation error: prompt", PermanentProviderError, "PROVIDER_REFUSED"),
        ("Model ran out of memory (E1001)", PermanentProviderError, "PROVIDER_REFUSED"),
        ("Director: unexpected error (E1000)", TransientProviderError, "PROVIDER_FAILED"),
        ("", TransientProviderError, "PROVIDER_FAILED"),
    ],
)  # fmt: skip
def test_a_failed_run_is_retryable_or_not_by_its_error(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, text: str,
    error: type[Exception], code: str,
) -> None:  # fmt: skip
    ref = submitted(provider, tmp_path)
    stand_in.fail(ref, text)

    with pytest.raises(error) as caught:
        provider.poll(ref)

    assert type(caught.value) is error
    assert getattr(caught.value, "error_code", "") == code


@pytest.mark.parametrize("status", ["canceled", "aborted"])
def test_a_run_that_the_provider_stopped_is_retryable(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path, status: str
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.stop(ref, status)

    with pytest.raises(TransientProviderError):
        provider.poll(ref)


def test_a_result_expires_if_it_is_not_fetched_in_time(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.succeed(ref)
    stand_in.forget_result(ref)

    with pytest.raises(TransientProviderError) as caught:
        provider.poll(ref)

    assert caught.value.error_code == "RESULT_EXPIRED"


def test_an_unknown_status_concludes_nothing(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    stand_in.predictions[ref]["status"] = "pondering"

    with pytest.raises(ResponseLost):
        provider.poll(ref)


def test_an_outage_does_not_prove_that_there_is_no_run(
    stand_in: ReplicateStandIn, provider: Replicate
) -> None:
    stand_in.is_down = True
    with pytest.raises(ResponseLost):
        provider.find(CALLBACK, long_ago())


def test_canceling_a_run_twice_is_no_error(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)

    provider.cancel(ref)
    provider.cancel(ref)

    assert stand_in.predictions[ref]["status"] == "canceled"


# Callbacks


def test_a_signed_call_names_its_run(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    ref = submitted(provider, tmp_path)
    call = stand_in.call_of(ref, NOW)

    assert provider.read_callback(**call, now=NOW) == ref
    assert provider.read_callback(**call, now=NOW + timedelta(minutes=5)) == ref
    for late in (301, -301):
        with pytest.raises(Unauthorized):
            provider.read_callback(**call, now=NOW + timedelta(seconds=late))


def test_a_call_signed_with_another_secret_is_forged(
    stand_in: ReplicateStandIn, provider: Replicate, tmp_path: Path
) -> None:
    call = stand_in.call_of(submitted(provider, tmp_path), NOW, secret="whsec_b3RoZXI=")

    with pytest.raises(Unauthorized):
        provider.read_callback(**call, now=NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b'{"id": 7}', b'{"id": "../x"}'])
def test_a_signed_call_without_a_run_is_invalid(provider: Replicate, body: bytes) -> None:
    from darkroom.kernel.standard_webhooks import sign

    timestamp = int(NOW.timestamp())
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(WEBHOOK_SECRET, "m", timestamp, body),
    }

    with pytest.raises(InvalidInput):
        provider.read_callback(body, headers, NOW)
