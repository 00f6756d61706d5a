"""A voice-over: its text, its sound, and the times of its words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import pytest

from darkroom.generation.captions.transcript import Transcript, read_transcript
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.generation.script import Language, script_of_texts, write_script
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.speech import align
from darkroom.studio.speech.audio import RATE_HZ, Sound
from darkroom.studio.speech.espeak import Manner, Speech, sentences_of, speak
from darkroom.studio.speech.mono_file import loudness_lufs
from tests.support.speech import share_recognized

CORE = Path(__file__).parents[2] / "layers" / "core" / "python"
ENGLISH = (
    "There are seven people waiting outside the station. "
    "Many people believe that money will make them happy. "
    "My brother works in a small hospital near the river."
)
KOREAN = (
    "안녕하세요, 여러분. 오늘은 사진을 더 멋지게 찍는 방법을 알려 드릴게요. "
    "밝은 창가 쪽으로 카메라를 들고 웃어 보세요."
)
TEXTS = {"en": ENGLISH, "ko": KOREAN}
ODD = "In 2026 — 🙂 — we visited Zzyzx, & Darkroom’s studio; it's 3.5 times better!"

Ask = Callable[..., Artifact]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Asks the studio for a kind; the first file it makes."""

    def make(
        kind: str, language: str = "en", sources: dict[str, Path] | None = None, **params: Any
    ) -> Artifact:
        files = tuple(
            SourceFile(key=key, mime_type="", path=path) for key, path in (sources or {}).items()
        )
        request = GenerationRequest(
            job_id="job", key=kind, kind=kind, attempt=1, seed=1, language=language,
            params=params, sources=files, workdir=tmp_path,
        )  # fmt: skip
        return LocalStudio().generate(request)[0]

    return make


def a_script(folder: Path, language: Language = "en") -> Path:
    texts = TEXTS[language].replace(". ", ".|").split("|")
    script = script_of_texts(title="A title", language=language, texts=texts, duration_ms=20_000)
    path = folder / "script.json"
    path.write_bytes(write_script(script))
    return path


def samples_of(path: Path) -> np.ndarray:
    content = b"".join(Sound(path, "speech").chunks())
    return np.frombuffer(content, dtype=np.int16).astype(np.int32)


# Speech


@pytest.mark.parametrize("language", ["en", "ko"])
def test_speech_is_a_small_file_that_plays_in_a_browser(ask: Ask, language: str) -> None:
    made = ask("speech", language, text=TEXTS[language])

    assert (made.type, made.mime_type) == ("audio", "audio/mp4")
    assert made.extra == {"language": language}
    assert made.duration_ms is not None
    with av.open(str(made.path)) as container:
        [stream] = container.streams
        assert (stream.codec_context.name, stream.codec_context.channels) == ("aac", 1)
        assert abs((container.duration or 0) / 1000 - made.duration_ms) < 60
    assert abs(len(samples_of(made.path)) * 1000 / RATE_HZ - made.duration_ms) < 60
    assert made.path.stat().st_size < 12 * made.duration_ms


def test_synthesized_speech_is_intelligible(ask: Ask) -> None:
    speech = ask("speech", text=ENGLISH)

    transcribed = ask("transcribe", sources={"media_1": speech.path}, sourceLang="en")

    words = read_transcript(transcribed.path.read_bytes()).segments
    assert share_recognized(ENGLISH, " ".join(segment.text for segment in words)) >= 0.6


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("voice", ["female", "male"])
def test_speech_has_the_expected_loudness_without_distortion(
    ask: Ask, language: str, voice: str
) -> None:
    made = ask("speech", language, text=TEXTS[language], voiceId=voice)

    wave = samples_of(made.path)
    loudness = loudness_lufs(wave.astype(np.int16).tobytes(), RATE_HZ)
    assert -17.5 <= loudness <= -15
    assert np.abs(wave).max() < 32_000


@pytest.mark.parametrize("language", ["en", "ko"])
def test_speech_begins_ends_and_pauses_without_clicks(language: str) -> None:
    speech = speak([TEXTS[language], TEXTS[language]], Manner(language=language))

    wave = np.frombuffer(speech.samples, dtype=np.int16).astype(np.int32)
    # Runs of exact zeros of a quarter of a second are the pauses put in between.
    zero = np.concatenate([[0], (wave == 0).astype(np.int8), [0]])
    begins, ends = np.flatnonzero(np.diff(zero) == 1), np.flatnonzero(np.diff(zero) == -1)
    pauses = [(a, b) for a, b in zip(begins, ends, strict=True) if b - a > speech.rate_hz / 4]
    assert len(pauses) >= len(speech.sentences) - 1
    assert (begins[0], ends[-1]) == (0, len(wave))
    # Sound comes out of a pause, and goes into one, softly.
    assert all(abs(wave[begin - 1]) < 200 for begin, _ in pauses)
    assert all(abs(wave[end]) < 200 for _, end in pauses if end < len(wave))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_same_text_gives_the_same_bytes(ask: Ask, language: str) -> None:
    first = ask("speech", language, text=TEXTS[language]).path.read_bytes()
    ask("speech", language, text="Something else in between. 다른 문장입니다.")
    second = ask("speech", language, text=TEXTS[language]).path.read_bytes()

    assert first == second


def test_voices_differ_and_a_vendors_voice_becomes_the_default(ask: Ask) -> None:
    bytes_of = [
        ask("speech", text=ENGLISH, **params).path.read_bytes()
        for params in ({}, {"voiceId": "male"}, {"voiceId": "21m00Tcm4TlvDq8ikWAM"})
    ]

    assert bytes_of[0] != bytes_of[1]
    assert bytes_of[0] == bytes_of[2]


def test_a_higher_rate_takes_less_time(ask: Ask) -> None:
    lengths = [ask("speech", text=ENGLISH, rate=rate).duration_ms or 0 for rate in (50, 100, 200)]

    assert lengths[0] > 1.5 * lengths[1]
    assert lengths[1] > 1.5 * lengths[2]


def test_a_script_is_spoken_section_by_section(ask: Ask, tmp_path: Path) -> None:
    from_script = ask("speech", sources={"script": a_script(tmp_path)})
    from_text = ask("speech", text=ENGLISH)

    assert from_script.duration_ms is not None
    assert from_text.duration_ms is not None
    # The same words, with longer pauses between sections than between sentences.
    assert 300 < from_script.duration_ms - from_text.duration_ms < 1500


@pytest.mark.parametrize("text", ["…", "!?! ---", "🙂 🙂", "*"])
def test_a_text_without_words_is_refused(ask: Ask, text: str) -> None:
    with pytest.raises(PermanentProviderError) as refused:
        ask("speech", text=text)

    assert refused.value.error_code == "PROVIDER_REFUSED"


@pytest.mark.parametrize(
    ("language", "params", "code"),
    [
        ("en", {}, "BAD_SOURCE"),
        ("en", {"text": "  \n "}, "BAD_SOURCE"),
        ("en", {"text": "word " * 3000}, "PROVIDER_REFUSED"),
        ("fr", {"text": "Bonjour"}, "UNSUPPORTED_KIND"),
        ("en", {"text": "Hello", "rate": 49}, "PROVIDER_REFUSED"),
        ("en", {"text": "Hello", "rate": 201}, "PROVIDER_REFUSED"),
        ("en", {"text": "Hello", "rate": "fast"}, "PROVIDER_REFUSED"),
        ("en", {"text": "Hello", "rate": float("nan")}, "PROVIDER_REFUSED"),
    ],
)
def test_an_impossible_speech_is_refused(
    ask: Ask, language: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(PermanentProviderError) as refused:
        ask("speech", language, **params)

    assert refused.value.error_code == code


@pytest.mark.parametrize(
    "text",
    ["<speak><break time='9s'/>hi</speak>", "[[f'u:]] hello", "a\0b", "é" * 300, "한글 in English"],
)
def test_text_is_never_markup(text: str) -> None:
    speech = speak([text], Manner(language="en"))

    assert 200 < speech.duration_ms < 300 * 400
    assert [word.text for s in speech.sentences for word in s.words] == [
        word for sentences in sentences_of([text]) for s in sentences for word in s.split()
    ]


def test_words_of_speech_are_in_sequence(ask: Ask) -> None:
    speech = speak([ODD, KOREAN], Manner(language="en"))

    times = [(w.start_ms, w.end_ms) for s in speech.sentences for w in s.words]
    assert all(start <= end for start, end in times)
    assert all(a[1] <= b[0] for a, b in pairwise(times))
    assert times[-1][1] <= speech.duration_ms


# Alignment


def truth(language: str, **manner: Any) -> Speech:
    return speak([TEXTS[language]], Manner(language=language, **manner))


def errors_ms(found: Transcript, speech: Speech) -> list[int]:
    spoken = [word for sentence in speech.sentences for word in sentence.words]
    written = [word for segment in found.segments for word in segment.words]
    assert [word.text for word in written] == [word.text for word in spoken]
    return [abs(a.start_ms - b.start_ms) for a, b in zip(written, spoken, strict=True)]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("rate", [80, 100, 130])
def test_words_are_aligned_with_their_speech(ask: Ask, language: str, rate: int) -> None:
    speech = ask("speech", language, text=TEXTS[language], rate=rate)

    made = ask("align", language, {"speech": speech.path}, text=TEXTS[language])

    found = read_transcript(made.path.read_bytes())
    errors = errors_ms(found, truth(language, rate_percent=rate))
    assert median(errors) <= 30
    assert sum(error <= 200 for error in errors) >= 0.9 * len(errors)
    assert (made.type, made.extra) == ("json", {"language": language})
    assert abs(found.duration_ms - (speech.duration_ms or 0)) < 60
    assert [segment.text for segment in found.segments] == sentences_of([TEXTS[language]])[0]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_unrecognized_words_get_estimated_times(
    ask: Ask, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "find_words", lambda *_: None)
    speech = ask("speech", language, text=TEXTS[language], rate=80, voiceId="male")

    made = ask("align", language, {"speech": speech.path}, text=TEXTS[language])

    found = read_transcript(made.path.read_bytes())
    errors = errors_ms(found, truth(language, rate_percent=80, voice="male"))
    assert median(errors) <= 250
    assert max(errors) <= 700


def test_words_outside_the_dictionary_have_times_too(ask: Ask) -> None:
    speech = ask("speech", text=ODD)

    found = read_transcript(ask("align", "en", {"speech": speech.path}, text=ODD).path.read_bytes())

    [segment] = found.segments
    assert segment.text == ODD
    times = {word.text: word for word in segment.words}
    assert times["2026"].end_ms - times["2026"].start_ms > 600
    assert times["Zzyzx,"].end_ms > times["Zzyzx,"].start_ms
    assert times["—"].start_ms == times["—"].end_ms


def test_a_text_that_was_not_spoken_gets_estimated_times(ask: Ask) -> None:
    speech = ask("speech", text="Good morning.")

    found = read_transcript(
        ask("align", "en", {"speech": speech.path}, text=ENGLISH).path.read_bytes()
    )

    assert [segment.text for segment in found.segments] == sentences_of([ENGLISH])[0]
    assert found.segments[-1].end_ms <= found.duration_ms


def test_alignment_of_a_script_gives_captions(ask: Ask, tmp_path: Path) -> None:
    script = a_script(tmp_path)
    speech = ask("speech", sources={"script": script})
    aligned = ask("align", sources={"speech": speech.path, "script": script})

    captions = ask("captions", sources={"transcribe": aligned.path}, format="srt")

    assert captions.path.read_text().count("-->") >= 3


@pytest.mark.parametrize("sources", [{}, {"speech": b"no sound"}])
def test_alignment_needs_speech(ask: Ask, tmp_path: Path, sources: dict[str, bytes]) -> None:
    paths = {key: tmp_path / key for key in sources}
    for key, content in sources.items():
        paths[key].write_bytes(content)

    with pytest.raises(PermanentProviderError) as refused:
        ask("align", sources=paths, text=ENGLISH)

    assert refused.value.error_code == "BAD_SOURCE"


def test_speaking_and_aligning_need_neither_numpy_nor_pillow(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
for heavy in ("numpy", "PIL"):
    sys.modules[heavy] = None
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.local_studio import LocalStudio
made = []
for kind, params in (
    ("script", {"keyword": "coffee", "durationSec": 15}),
    ("speech", {}),
    ("extract", {"fromMs": 0}),
    ("align", {}),
):
    sources = tuple(made)
    if kind == "extract":
        sources = (SourceFile(key="media_1", mime_type="", path=made[-1].path),)
    artifact = LocalStudio().generate(GenerationRequest(
        job_id="job", key=kind, kind=kind, attempt=1, seed=1, language="en", params=params,
        sources=sources, workdir=Path(sys.argv[1])))[0]
    made.append(SourceFile(key=kind, mime_type=artifact.mime_type, path=artifact.path))
"""

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={"PYTHONPATH": str(CORE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
