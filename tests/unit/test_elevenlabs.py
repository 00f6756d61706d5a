"""ElevenLabs, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.generation.ports import (
    Charge,
    ModerationRefused,
    PermanentProviderError,
    SourceFile,
)
from darkroom.generation.script import script_of_texts, write_script
from darkroom.generation.vendors.elevenlabs import DEFAULT_VOICE, ElevenLabs
from tests.support.elevenlabs_stand_in import (
    FRAMES_A_CHARACTER,
    ElevenLabsStandIn,
    an_error,
    an_mp3,
    an_old_error,
)
from tests.support.http_stand_in import Fault
from tests.support.vendor_requests import a_speech_request as a_request

RACHEL = "21m00Tcm4TlvDq8ikWAM"
FRAME_MS = 1152 / 44.1


@pytest.fixture
def stand_in() -> Iterator[ElevenLabsStandIn]:
    with ElevenLabsStandIn() as server:
        yield server


@pytest.fixture
def provider(stand_in: ElevenLabsStandIn) -> ElevenLabs:
    return ElevenLabs(lambda: stand_in.secret_text, api_base=stand_in.api_base)


def test_a_text_becomes_one_mp3_of_known_length(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path
) -> None:
    [artifact] = provider.generate(a_request(tmp_path))

    assert (artifact.type, artifact.mime_type) == ("audio", "audio/mpeg")
    frames = len("It rains.") * FRAMES_A_CHARACTER
    assert artifact.path.read_bytes() == an_mp3(frames)
    assert artifact.duration_ms == pytest.approx(frames * FRAME_MS, abs=2)
    [sent] = stand_in.requests
    assert sent.path == f"/v1/text-to-speech/{DEFAULT_VOICE}?output_format=mp3_44100_128"
    assert sent.json == {
        "text": "It rains.", "model_id": "eleven_multilingual_v2", "seed": 2**32 - 1,
    }  # fmt: skip


def test_a_script_is_spoken_section_by_section(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path
) -> None:
    script = script_of_texts(
        title="비", language="ko", texts=["비가 와요.", "구름은 물.", "끝."], duration_ms=15_000
    )
    path = tmp_path / "script.json"
    path.write_bytes(write_script(script))
    source = SourceFile(key="script", mime_type="application/json", path=path)

    provider.generate(a_request(tmp_path, params={}, sources=(source,), language="ko"))

    assert stand_in.requests[0].json["text"] == "비가 와요.\n\n구름은 물.\n\n끝."


def test_voice_and_rate_are_passed_on(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path
) -> None:
    for rate, speed in ((70, 0.7), (115, 1.15), (120, 1.2)):
        provider.generate(
            a_request(tmp_path, params={"text": "Hi", "voiceId": RACHEL, "rate": rate})
        )
        sent = stand_in.requests[-1]
        assert sent.json["voice_settings"] == {"speed": speed}
        assert f"/{RACHEL}?" in sent.path


def test_the_language_is_sent_to_models_that_take_it(
    stand_in: ElevenLabsStandIn, tmp_path: Path
) -> None:
    provider = ElevenLabs(
        lambda: stand_in.secret_text,
        models={"speech": "eleven_flash_v2_5"},
        api_base=stand_in.api_base,
    )
    request = a_request(tmp_path, language="ko")

    provider.generate(request)

    assert stand_in.requests[0].json["language_code"] == "ko"
    assert request.meter.charges == [Charge(unit="character", quantity=4)]


@pytest.mark.parametrize("reports_cost", [True, False])
def test_characters_are_charged_with_the_vendors_id(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path, reports_cost: bool
) -> None:
    stand_in.reports_cost = reports_cost
    request = a_request(tmp_path)

    provider.generate(request)

    assert request.meter.charges == [Charge(unit="character", quantity=9)]
    assert request.meter.ref == "0" * 19 + "1"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "clip"}, "UNSUPPORTED_KIND"),
        ({"params": {}}, "BAD_SOURCE"),
        ({"params": {"text": "x" * 10_001}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "rate": 69}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "rate": 200}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "rate": "fast"}}, "PROVIDER_REFUSED"),
        ({"params": {"text": "x", "rate": True}}, "PROVIDER_REFUSED"),
        ({"params": {"text": "x", "voiceId": "Seoyeon"}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "voiceId": "../../v1/voices/add0"}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "voiceId": RACHEL + "\n"}}, "UNSUPPORTED_KIND"),
        ({"params": {"text": "x", "voiceId": 7}}, "UNSUPPORTED_KIND"),
    ],
)
def test_an_unsupported_text_is_not_sent(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path, changes: Any, code: str
) -> None:
    with pytest.raises(PermanentProviderError) as caught:
        provider.generate(a_request(tmp_path, **changes))

    assert caught.value.error_code == code
    assert stand_in.requests == []


QUOTA = (PermanentProviderError, "PROVIDER_QUOTA")
ELSEWHERE = (PermanentProviderError, "UNSUPPORTED_KIND")
OURS = (PermanentProviderError, "PROVIDER_NOT_CONFIGURED")
REFUSED = (PermanentProviderError, "PROVIDER_REFUSED")


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (Fault("refuse", 429, an_old_error("quota_exceeded")), QUOTA),
        (Fault("refuse", 401, an_old_error("quota_exceeded")), QUOTA),
        (Fault("refuse", 400, an_old_error("quota_exceeded")), QUOTA),
        (Fault("refuse", 404, an_error("not_found", "voice_not_found")), ELSEWHERE),
        (Fault("refuse", 400, an_old_error("voice_not_found")), ELSEWHERE),
        (Fault("refuse", 403, an_error("authorization_error", "voice_access_denied")), ELSEWHERE),
        (Fault("refuse", 400, an_old_error("max_character_limit_exceeded")), ELSEWHERE),
        (Fault("refuse", 400, an_error("validation_error", "text_too_long")), ELSEWHERE),
        (Fault("refuse", 404, an_error("not_found", "model_not_found")), OURS),
        (Fault("refuse", 400, an_error("validation_error", "unsupported_model")), OURS),
        (Fault("refuse", 400, an_error("validation_error", "invalid_text")), REFUSED),
        (Fault("refuse", 422, {"detail": [{"loc": ["body"], "msg": "x"}]}), REFUSED),
        (Fault("refuse", 400, an_old_error("content_against_policy")),
         (ModerationRefused, "CONTENT_REJECTED")),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else value[1],
)  # fmt: skip
def test_the_error_word_counts_more_than_the_status(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path, fault: Fault, meaning: Any
) -> None:
    stand_in.faults.append(fault)
    request = a_request(tmp_path)

    with pytest.raises(meaning[0]) as caught:
        provider.generate(request)

    assert (type(caught.value), getattr(caught.value, "error_code", "")) == meaning
    assert len(stand_in.requests) == 1, "never sent twice"
    assert request.meter.charges == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", ["", "<html>", "{}", b"RIFF0000WAVE"])
def test_an_invalid_mp3_is_charged_and_not_stored(
    stand_in: ElevenLabsStandIn, provider: ElevenLabs, tmp_path: Path, body: Any
) -> None:
    stand_in.faults.append(Fault("garble", body=body))
    request = a_request(tmp_path)

    with pytest.raises(PermanentProviderError) as caught:
        provider.generate(request)

    assert caught.value.error_code == "BAD_RESULT"
    assert len(request.meter.charges) == 1
    assert list(tmp_path.iterdir()) == []
