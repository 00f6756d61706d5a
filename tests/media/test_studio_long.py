"""Long recordings: parts that are cut in silence, and one merged transcript."""

from __future__ import annotations

import itertools
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.generation.captions.transcript import (
    Segment,
    Transcript,
    Word,
    read_transcript,
    write_transcript,
)
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.recipes import captions
from darkroom.recipes.base import Blueprint, Material, TaskSpec
from darkroom.recipes.captions import CAPTIONS
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.speech import extract
from darkroom.studio.speech.audio import RATE_HZ, Sound
from darkroom.studio.speech.extract import cut_out
from tests.support.speech import say, share_recognized

SENTENCES = (
    "There are seven people waiting outside the station.",
    "Many people believe that money will make them happy.",
    "My brother works in a small hospital near the river.",
    "The children were playing in the garden all afternoon.",
    "She bought a new coat because the winter was very cold.",
    "We have to finish this work before the end of the week.",
)
SEED = 7

Samples = np.ndarray
Make = Callable[..., Artifact]


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def save_sound(path: Path, samples: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Does a planned task with the built-in studio."""

    def run(spec: TaskSpec, sources: dict[str, Path]) -> Artifact:
        files = tuple(SourceFile(key=key, mime_type="", path=sources[key]) for key in sources)
        request = GenerationRequest(
            job_id="job", key=spec.key, kind=spec.kind, attempt=1, seed=1, language="en",
            params=spec.params, sources=files, workdir=tmp_path,
        )  # fmt: skip
        return LocalStudio().generate(request)[0]

    return run


def a_part(**params: int) -> TaskSpec:
    return TaskSpec(key="media_01", kind="extract", params=params)


def the_plan(duration_ms: int, **options: object) -> list[TaskSpec]:
    stored = CAPTIONS.validate({"assetIds": ["ast_" + "0" * 26], "options": options})
    recording = Material(
        id=stored["assetIds"][0],
        kind="audio",
        storage_key="clean/a",
        mime_type="audio/wav",
        duration_ms=duration_ms,
    )
    blueprint = Blueprint(inputs=stored, template=None, language="en", materials=(recording,))
    return list(CAPTIONS.plan(blueprint))


# Parts


def in_chunks(samples: Samples, size: int) -> Iterator[bytes]:
    content = samples.tobytes()
    for place in range(0, len(content), size):
        yield content[place : place + size]


@settings(max_examples=40, deadline=None)
@given(
    seconds=st.floats(0.5, 30),
    starts=st.lists(st.integers(1, 9), max_size=3, unique=True).map(sorted),
    window_ms=st.integers(0, 400),
    sizes=st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    seed=st.integers(0, 1000),
)
def test_parts_contain_every_sample_once(
    seconds: float, starts: list[int], window_ms: int, sizes: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    whole = rng.integers(1, 1000, round(seconds * RATE_HZ)).astype(np.int16)
    places = [0, *(start * 1000 for start in starts)]

    joined = np.zeros(len(whole), dtype=np.int64)
    for number, (start, end) in enumerate(zip(places, [*places[1:], None], strict=True)):
        params = {"fromMs": start, "windowMs": window_ms}
        span = extract._span_of(params if end is None else params | {"toMs": end})
        # For any chunks of the decoder.
        part = b"".join(cut_out(in_chunks(whole, sizes[number % 2] * 2), span))
        taken = np.frombuffer(part, dtype=np.int16)
        joined[span.first : span.first + len(taken)] += taken

    assert (joined == whole).all()


def test_a_cut_is_made_in_silence() -> None:
    speech = np.concatenate([say(SENTENCES[0]), silence(0.5), say(SENTENCES[1])])
    pause_ms = len(say(SENTENCES[0])) * 1000 // RATE_HZ
    requested_ms = pause_ms + 1000
    span = extract._span_of({"fromMs": 0, "toMs": requested_ms, "windowMs": 1400})

    part = np.frombuffer(b"".join(cut_out(in_chunks(speech, 4000), span)), dtype=np.int16)

    last_sound_ms = int(np.flatnonzero(part)[-1]) * 1000 // RATE_HZ
    assert abs(last_sound_ms - pause_ms) < 250
    assert len(part) == min(span.last or 0, len(speech))


def test_in_a_silence_the_cut_is_at_the_requested_place() -> None:
    steady = np.full(10 * RATE_HZ, 5, dtype=np.int16)
    span = extract._span_of({"fromMs": 0, "toMs": 5000, "windowMs": 2000})

    part = np.frombuffer(b"".join(cut_out(in_chunks(steady, 4000), span)), dtype=np.int16)

    assert abs(int(np.flatnonzero(part)[-1]) - 5 * RATE_HZ) <= RATE_HZ // 50


def test_a_part_is_a_small_file_of_one_channel(make: Make, tmp_path: Path) -> None:
    source = save_sound(tmp_path / "a.wav", np.tile(say(SENTENCES[0]), 4))

    made = make(a_part(fromMs=4000, toMs=9000, windowMs=1000), {"media_1": source})
    again = make(a_part(fromMs=4000, toMs=9000, windowMs=1000), {"media_1": source})

    assert (made.type, made.mime_type, made.duration_ms) == ("audio", "audio/mp4", 7000)
    sound = Sound(made.path, "part")
    assert abs(sum(map(len, sound.chunks())) // 2 - 7 * RATE_HZ) <= 2048
    assert made.path.stat().st_size < source.stat().st_size / 3
    assert made.path.read_bytes() == again.path.read_bytes()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"fromMs": 60_000}, "BAD_SOURCE"),
        ({"fromMs": 1000, "toMs": 500}, "PROVIDER_REFUSED"),
        ({"fromMs": 0, "toMs": 5000, "windowMs": 2500}, "PROVIDER_REFUSED"),
        ({"fromMs": -1}, "PROVIDER_REFUSED"),
        ({"fromMs": 0, "windowMs": 3_600_000}, "PROVIDER_REFUSED"),
        ({"fromMs": "0"}, "PROVIDER_REFUSED"),
    ],
)
def test_a_part_that_does_not_exist_is_refused(
    make: Make, tmp_path: Path, params: dict[str, int], code: str
) -> None:
    source = save_sound(tmp_path / "a.wav", say(SENTENCES[0]))

    with pytest.raises(PermanentProviderError) as refused:
        make(a_part(**params), {"media_1": source})

    assert refused.value.error_code == code


def text_of(transcript: Transcript) -> str:
    return " ".join(segment.text for segment in transcript.segments)


# End to end, with the recipe's own plan


@pytest.mark.slow
def test_transcribing_in_parts_gives_the_text_of_the_whole(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = [part for text in SENTENCES for part in (say(text), silence(0.7))]
    samples = np.concatenate([silence(0.5), *sentences])
    source = save_sound(tmp_path / "a.wav", samples)
    duration_ms = len(samples) * 1000 // RATE_HZ
    [whole] = [spec for spec in the_plan(duration_ms, sourceLang="en") if spec.kind == "transcribe"]
    at_once = read_transcript(make(whole, {"media_1": source}).path.read_bytes())
    monkeypatch.setattr(captions, "CAPTION_PART_SECONDS", 9)
    monkeypatch.setattr(captions, "CAPTION_CUT_SECONDS", 1)

    made: dict[str, Path] = {"media_1": source}
    specs = the_plan(duration_ms, sourceLang="en")
    for spec in specs:
        needed = {key: made[key] for key in (spec.needs or ("media_1",))}
        made[spec.key] = make(spec, needed).path

    assert [spec.kind for spec in specs].count("extract") >= 3
    in_parts = read_transcript(made["transcribe"].read_bytes())
    assert in_parts.duration_ms == pytest.approx(at_once.duration_ms, abs=100)
    assert in_parts.language == at_once.language
    spoken = " ".join(SENTENCES)
    shares = [share_recognized(spoken, text_of(transcript)) for transcript in (at_once, in_parts)]
    # The recognizer gets a word here and there wrong, and others when it begins elsewhere.
    assert shares[1] >= shares[0] - 0.15
    ends = list(itertools.accumulate(len(part) * 1000 // RATE_HZ for part in sentences))
    spans = [
        (start - 300, end + 1000) for start, end in zip([0, *ends[1:-1:2]], ends[::2], strict=True)
    ]
    for segment in in_parts.segments:
        assert any(start <= segment.start_ms and segment.end_ms <= end for start, end in spans)
    starts = [segment.start_ms for segment in in_parts.segments]
    assert starts == sorted(starts)
    assert made["srt_en"].read_text().count("-->") >= len(SENTENCES) - 1


# Joining


def said(text: str, at_ms: int, speaker: str | None = None) -> Segment:
    word = Word(start_ms=at_ms, end_ms=at_ms + 100, text=text)
    return Segment(start_ms=at_ms, end_ms=at_ms + 100, text=text, words=(word,), speaker=speaker)


def join(make: Make, folder: Path, *parts: tuple[int, Transcript]) -> Transcript:
    paths = {}
    for number, (_, part) in enumerate(parts, start=1):
        paths[f"transcribe_{number:02}"] = folder / f"part-{number}.json"
        paths[f"transcribe_{number:02}"].write_bytes(write_transcript(part))
    offsets = dict(zip(paths, (offset for offset, _ in parts), strict=True))
    spec = TaskSpec(key="transcribe", kind="merge", params={"offsetsMs": offsets})
    return read_transcript(make(spec, paths).path.read_bytes())


def a_transcript(*segments: Segment, language: str = "en", ms: int = 1000) -> Transcript:
    return Transcript(language=language, duration_ms=ms, segments=segments)


def test_times_of_a_part_become_times_of_the_whole(make: Make, tmp_path: Path) -> None:
    whole = join(
        make, tmp_path,
        (0, a_transcript(said("one", 100), ms=5000)),
        (4000, a_transcript(said("two", 1500), ms=3000)),
    )  # fmt: skip

    assert whole == a_transcript(said("one", 100), said("two", 5500), ms=7000)


def test_the_duration_is_unknown_if_that_of_a_part_is(make: Make, tmp_path: Path) -> None:
    whole = join(
        make, tmp_path,
        (0, a_transcript(said("one", 100), ms=5000)),
        (4000, a_transcript(said("two", 1500), ms=0)),
    )  # fmt: skip

    assert whole == a_transcript(said("one", 100), said("two", 5500), ms=0)


def test_speakers_of_different_parts_are_different_people(make: Make, tmp_path: Path) -> None:
    parts = [(0, a_transcript(said("a", 1, "spk_0"))), (500, a_transcript(said("b", 900, "spk_0")))]

    whole = join(make, tmp_path, *parts)

    assert [segment.speaker for segment in whole.segments] == ["spk_0 (1)", "spk_0 (2)"]
    assert join(make, tmp_path, parts[0]).segments[0].speaker == "spk_0"


def test_the_merged_transcript_has_the_most_spoken_language(make: Make, tmp_path: Path) -> None:
    whole = join(
        make, tmp_path,
        (0, a_transcript(said("hello", 1), language="en")),
        (500, a_transcript(said("안녕하세요 여러분", 1), language="ko")),
        (900, a_transcript(language="fr")),
    )  # fmt: skip

    assert whole.language == "ko"
    silent = [(0, a_transcript(language="en")), (9, a_transcript(language="fr"))]
    assert join(make, tmp_path, *silent).language == "en"


@pytest.mark.parametrize("offsets", [{}, None, {"transcribe_01": 0}])
def test_a_missing_part_is_refused(make: Make, offsets: object) -> None:
    spec = TaskSpec(key="transcribe", kind="merge", params={"offsetsMs": offsets})

    with pytest.raises(PermanentProviderError) as refused:
        make(spec, {})

    assert refused.value.error_code == "BAD_SOURCE"
