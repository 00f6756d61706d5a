"""Amazon Bedrock, against a server that behaves as its documentation says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import (
    Charge,
    GenerationRequest,
    ModerationRefused,
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    SourceFile,
    TransientProviderError,
)
from darkroom.generation.script import read_script
from darkroom.generation.vendors import bedrock as module
from darkroom.generation.vendors.bedrock import Bedrock, BedrockGuardrail
from tests.support.aws_stand_in import AwsError, Raw
from tests.support.bedrock_stand_in import GUARDRAIL, BedrockStandIn
from tests.support.cloud import a_png

CORE, ULTRA = "stability.stable-image-core-v1:1", "us.stability.stable-image-ultra-v1:1"
SCRIPT = {
    "title": "Rain",
    "language": "en",
    "sections": [
        {"name": name, "startMs": n * 5000, "endMs": n * 5000 + 5000, "text": f"Part {n} of it."}
        for n, name in enumerate(("INTRO", "BODY_1", "OUTRO"))
    ],
}


@pytest.fixture
def stand_in() -> Iterator[BedrockStandIn]:
    with BedrockStandIn() as server:
        server.said = f"Here it is:\n```json\n{json.dumps(SCRIPT)}\n```"
        yield server


def made_with(stand_in: BedrockStandIn, **options: Any) -> Bedrock:
    client = stand_in.client(read_timeout=3)
    return Bedrock(lambda: client, **options)


@pytest.fixture
def bedrock(stand_in: BedrockStandIn) -> Bedrock:
    return made_with(stand_in)


def a_request(tmp_path: Path, kind: str = "keyframe", **changes: Any) -> GenerationRequest:
    photos = []
    for number in (1, 2):
        path = tmp_path / f"photo_{number}.png"
        path.write_bytes(a_png(60 + number, 80))
        photos.append(SourceFile(key=f"photo_{number}", mime_type="image/png", path=path))
    params = {
        "script": {"keyword": "rain", "durationSec": 15},
        "picture": {"prompt": "A door.", "aspectRatio": "3:4"},
    }.get(kind, {"prompt": "In the rain.", "sceneNo": 2})
    given: dict[str, Any] = {
        "job_id": "job_1",
        "key": "kf_1",
        "kind": kind,
        "attempt": 1,
        "seed": 7,
        "language": "en",
        "params": params | changes.pop("params", {}),
        "sources": tuple(photos) if kind in ("keyframe", "portrait") else (),
        "workdir": tmp_path,
    }
    return GenerationRequest(**given | changes)


def failure_of(bedrock: Bedrock, request: GenerationRequest) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        bedrock.generate(request)
    return caught.value


def drawn(stand_in: BedrockStandIn) -> dict[str, Any]:
    [sent] = stand_in.calls_of("InvokeModel")
    return json.loads(sent["body"])


# Pictures


def test_a_keyframe_is_drawn_from_the_photo_of_its_scene(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path
) -> None:
    request = a_request(tmp_path)

    [artifact] = bedrock.generate(request)

    sent = drawn(stand_in)
    assert sent == {
        "prompt": "In the rain.",
        "mode": "image-to-image",
        "image": base64.b64encode(a_png(62, 80)).decode(),
        "strength": module.PHOTO_STRENGTH,
        "seed": 8,
        "output_format": "png",
    }
    assert stand_in.requests[0][1]["modelId"] == "stability.sd3-5-large-v1:0"
    assert (artifact.type, artifact.mime_type) == ("image", "image/png")
    assert (artifact.width, artifact.height) == (64, 80)
    assert artifact.path.read_bytes() == a_png(64, 80)
    assert request.meter.charges == [Charge(unit="image", quantity=1)]
    assert request.meter.ref


@pytest.mark.parametrize("model", [CORE, ULTRA, "stability.sd3-5-large-v1:0"])
@pytest.mark.parametrize(
    ("requested", "drawn_in"), [("3:4", "4:5"), ("4:3", "5:4"), ("9:16", "9:16"), ("1:1", "1:1")]
)
def test_a_picture_from_text_has_the_nearest_aspect_ratio(
    stand_in: BedrockStandIn, tmp_path: Path, model: str, requested: str, drawn_in: str
) -> None:
    bedrock = made_with(stand_in, models={"image": model})

    bedrock.generate(a_request(tmp_path, "picture", params={"aspectRatio": requested}))

    sent = drawn(stand_in)
    assert (sent["mode"], sent["aspect_ratio"]) == ("text-to-image", drawn_in)
    assert "image" not in sent
    assert bedrock.model_of("picture") == bedrock.model_of("keyframe") == model


@pytest.mark.parametrize("seed", [0, 2**32 - 2, 2**32 - 1])
def test_every_seed_is_in_the_range_of_the_models(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path, seed: int
) -> None:
    bedrock.generate(a_request(tmp_path, seed=seed))

    assert 1 <= drawn(stand_in)["seed"] <= 4_294_967_294


@pytest.mark.parametrize("model", [CORE, ULTRA])
def test_a_text_only_model_is_not_used_for_a_photo(
    stand_in: BedrockStandIn, tmp_path: Path, model: str
) -> None:
    error = failure_of(made_with(stand_in, models={"image": model}), a_request(tmp_path))

    assert error.error_code == "UNSUPPORTED_KIND"
    assert stand_in.requests == []


@pytest.mark.parametrize(
    "model",
    ["amazon.nova-canvas-v1:0", "amazon.titan-image-generator-v2:0", "", "stability.unheard-of",
     "us.stability.stable-image-control-sketch-v1:0"],
)  # fmt: skip
def test_an_unknown_model_family_is_not_configured(
    stand_in: BedrockStandIn, tmp_path: Path, model: str
) -> None:
    error = failure_of(made_with(stand_in, models={"image": model}), a_request(tmp_path))

    assert error.error_code == "PROVIDER_NOT_CONFIGURED"
    assert stand_in.requests == []


def test_a_model_can_be_an_inference_profile(stand_in: BedrockStandIn) -> None:
    arn = "arn:aws:bedrock:us-west-2:111122223333:inference-profile/us.stability.sd3-5-large-v1:0"

    assert module._takes_photo(arn)


def test_a_photo_over_the_limits_is_a_bad_source(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PHOTO_LIMIT_PIXELS", 4000)

    assert failure_of(bedrock, a_request(tmp_path)).error_code == "BAD_SOURCE"
    assert stand_in.requests == []


@pytest.mark.parametrize(
    ("response", "error", "code"),
    [
        ({"finish_reasons": ["Filter reason: prompt"]}, ModerationRefused, "CONTENT_REJECTED"),
        ({"finish_reasons": ["Filter reason: input image"]}, ModerationRefused, "CONTENT_REJECTED"),
        ({"finish_reasons": ["Filter reason: output image"], "images": ["x"]}, ModerationRefused,
         "CONTENT_REJECTED"),
        ({"finish_reasons": ["Inference error"]}, TransientProviderError, "PROVIDER_FAILED"),
        ({"finish_reasons": [None], "images": []}, PermanentProviderError, "BAD_RESULT"),
        ({"finish_reasons": [None], "images": ["%%%"]}, PermanentProviderError, "BAD_RESULT"),
        ({"finish_reasons": [None], "images": [None]}, PermanentProviderError, "BAD_RESULT"),
        (["no object"], PermanentProviderError, "BAD_RESULT"),
    ],
)  # fmt: skip
def test_each_refused_image_response_maps_to_one_error(
    stand_in: BedrockStandIn,
    bedrock: Bedrock,
    tmp_path: Path,
    response: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.picture = response
    request = a_request(tmp_path)

    found = failure_of(bedrock, request)

    assert (type(found), found.error_code) == (error, code)
    assert request.meter.charges == []


def test_an_invalid_picture_is_charged_and_is_a_bad_result(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path
) -> None:
    stand_in.picture["images"] = [base64.b64encode(b"GIF89a").decode()]
    request = a_request(tmp_path)

    assert failure_of(bedrock, request).error_code == "BAD_RESULT"
    assert request.meter.charges == [Charge(unit="image", quantity=1)]


BLOCKED = "This request has been blocked by our content filters."
INVALID = "The provided model identifier is invalid."
ON_DEMAND = "Invocation of model ID x with on-demand throughput isn't supported."


@pytest.mark.parametrize("kind", ["keyframe", "script"])
@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (AwsError("ServiceQuotaExceededException", 400), TransientProviderError,
         "PROVIDER_UNAVAILABLE"),
        (AwsError("ModelErrorException", 424), TransientProviderError, "PROVIDER_FAILED"),
        (AwsError("ModelTimeoutException", 408), TransientProviderError, "PROVIDER_FAILED"),
        (AwsError("ValidationException", 400, INVALID), PermanentProviderError,
         "PROVIDER_NOT_CONFIGURED"),
        (AwsError("ValidationException", 400, ON_DEMAND), PermanentProviderError,
         "PROVIDER_NOT_CONFIGURED"),
        (AwsError("ValidationException", 400, BLOCKED), ModerationRefused, "CONTENT_REJECTED"),
        (AwsError("ValidationException", 400, "Malformed"), PermanentProviderError,
         "PROVIDER_REFUSED"),
    ],
    ids=lambda value: str(value)[:70],
)  # fmt: skip
def test_errors_of_the_service_s_own_map_to_one_error(
    stand_in: BedrockStandIn,
    bedrock: Bedrock,
    tmp_path: Path,
    kind: str,
    fault: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.faults.append(fault)
    request = a_request(tmp_path, kind)

    found = failure_of(bedrock, request)

    assert (type(found), found.error_code) == (error, code)
    assert len(stand_in.requests) == 1, "never sent twice"
    assert request.meter.charges == []


def test_an_unsupported_kind_is_refused(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path
) -> None:
    assert failure_of(bedrock, a_request(tmp_path, "clip")).error_code == "UNSUPPORTED_KIND"
    assert stand_in.requests == []


# Scripts


def test_a_script_is_the_models_response(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path
) -> None:
    request = a_request(tmp_path, "script")

    [artifact] = bedrock.generate(request)

    [sent] = stand_in.calls_of("Converse")
    assert sent["modelId"] == bedrock.model_of("script") == "amazon.nova-lite-v1:0"
    assert "rain" in sent["messages"][0]["content"][0]["text"]
    assert "rain" not in sent["system"][0]["text"]
    assert sent["inferenceConfig"]["maxTokens"] == 1225
    script = read_script(artifact.path.read_bytes())
    assert [section.text for section in script.sections] == [
        "Part 0 of it.", "Part 1 of it.", "Part 2 of it."]  # fmt: skip
    assert (artifact.type, artifact.mime_type) == ("json", "application/json")
    assert artifact.duration_ms == 15_000
    assert request.meter.charges == [
        Charge(unit="input_token", quantity=412),
        Charge(unit="output_token", quantity=96),
    ]


@pytest.mark.parametrize(
    ("reason", "error", "code"),
    [
        ("guardrail_intervened", ModerationRefused, "CONTENT_REJECTED"),
        ("content_filtered", ModerationRefused, "CONTENT_REJECTED"),
        ("max_tokens", TransientProviderError, "BAD_RESULT"),
        ("model_context_window_exceeded", TransientProviderError, "BAD_RESULT"),
        ("tool_use", TransientProviderError, "BAD_RESULT"),
    ],
)
def test_an_incomplete_response_is_charged_and_refused(
    stand_in: BedrockStandIn,
    bedrock: Bedrock,
    tmp_path: Path,
    reason: str,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.stop_reason = reason
    request = a_request(tmp_path, "script")

    found = failure_of(bedrock, request)

    assert (type(found), found.error_code) == (error, code)
    assert len(request.meter.charges) == 2


def test_a_response_without_a_script_is_a_bad_result(
    stand_in: BedrockStandIn, bedrock: Bedrock, tmp_path: Path
) -> None:
    stand_in.said = "I would rather not."

    assert failure_of(bedrock, a_request(tmp_path, "script")).error_code == "BAD_RESULT"


# Guardrails


def blocked(policy: str, **finding: Any) -> list[dict[str, Any]]:
    places = {"topicPolicy": "topics", "contentPolicy": "filters", "wordPolicy": "customWords",
              "sensitiveInformationPolicy": "piiEntities"}  # fmt: skip
    return [{policy: {places[policy]: [{"action": "BLOCKED"} | finding]}}]


def guardrail_of(stand_in: BedrockStandIn, name: str = GUARDRAIL) -> BedrockGuardrail:
    client = stand_in.client(read_timeout=3)
    return BedrockGuardrail(lambda: client, guardrail=name, version="3")


def test_text_that_the_guardrail_accepts_passes(stand_in: BedrockStandIn) -> None:
    guardrail_of(stand_in).check_text("A walk in the rain.")

    [sent] = stand_in.calls_of("ApplyGuardrail")
    assert (sent["guardrailIdentifier"], sent["guardrailVersion"]) == (GUARDRAIL, "3")
    assert sent["source"] == "INPUT"
    assert sent["content"] == [{"text": {"text": "A walk in the rain."}}]


@pytest.mark.parametrize(
    ("assessments", "category"),
    [
        (blocked("contentPolicy", type="SEXUAL", confidence="HIGH"), "sexual"),
        (blocked("contentPolicy", type="HATE", confidence="HIGH"), "hate"),
        (blocked("contentPolicy", type="INSULTS", confidence="HIGH"), "hate"),
        (blocked("contentPolicy", type="VIOLENCE", confidence="HIGH"), "gore"),
        (blocked("contentPolicy", type="MISCONDUCT", confidence="HIGH"), None),
        (blocked("topicPolicy", name="Self-harm", type="DENY"), "self-harm"),
        (blocked("topicPolicy", name="Sexualised minors", type="DENY"), "minors"),
        (blocked("wordPolicy", match="x"), None),
        (blocked("sensitiveInformationPolicy", type="EMAIL", match="a@b.c"), None),
        ([{"invocationMetrics": {}}], None),
    ],
)
def test_text_that_the_guardrail_blocks_is_refused(
    stand_in: BedrockStandIn, assessments: Any, category: str | None
) -> None:
    stand_in.assessments = assessments

    with pytest.raises(ModerationRefused) as caught:
        guardrail_of(stand_in).check_text("x")

    assert caught.value.facts.get("category") == category


def test_text_that_the_guardrail_only_masks_passes(stand_in: BedrockStandIn) -> None:
    stand_in.assessments = blocked(
        "sensitiveInformationPolicy", type="EMAIL", match="a@b.c", action="ANONYMIZED"
    )

    guardrail_of(stand_in).check_text("a@b.c")


def test_a_long_text_is_checked_completely(stand_in: BedrockStandIn) -> None:
    text = "A sentence of the text. " * 1000

    guardrail_of(stand_in).check_text(text)

    texts = [sent["content"][0]["text"]["text"] for sent in stand_in.calls_of("ApplyGuardrail")]
    assert "".join(texts) == text
    assert len(texts) == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (AwsError("ThrottlingException", 429), TransientProviderError),
        (AwsError("AccessDeniedException", 403), PermanentProviderError),
        (Raw(200, b"{}"), ResponseLost),
        (Raw(200, b"<html>"), ResponseLost),
    ],
)
def test_unchecked_text_does_not_pass_the_guardrail(
    stand_in: BedrockStandIn, fault: Any, error: type[Exception]
) -> None:
    stand_in.faults.append(fault)

    with pytest.raises(error):
        guardrail_of(stand_in).check_text("x")


def test_the_guardrail_checks_picture_prompts_and_is_sent_with_scripts(
    stand_in: BedrockStandIn, tmp_path: Path
) -> None:
    bedrock = made_with(stand_in, guardrail=GUARDRAIL, guardrail_version="3")

    bedrock.generate(a_request(tmp_path))
    bedrock.generate(a_request(tmp_path, "script"))
    stand_in.assessments = blocked("contentPolicy", type="SEXUAL")
    refused = failure_of(bedrock, a_request(tmp_path))

    assert isinstance(refused, ModerationRefused)
    names = [name for name, _ in stand_in.requests]
    assert names == ["ApplyGuardrail", "InvokeModel", "Converse", "ApplyGuardrail"]
    named = {"guardrailIdentifier": GUARDRAIL, "guardrailVersion": "3"}
    assert stand_in.calls_of("Converse")[0]["guardrailConfig"] == named
