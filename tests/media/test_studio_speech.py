"""Transcripts: the words and their times, from any container, in little memory."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import srt
import webvtt

from darkroom.generation.captions.transcript import Transcript, read_transcript
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    PermanentProviderError,
    SourceFile,
)
from darkroom.studio.local_studio import LocalStudio
from darkroom.studio.speech.audio import RATE_HZ, Sound
from darkroom.studio.speech.utterances import find_utterances
from tests.support.speech import say, share_recognized

CORE = Path(__file__).parents[2] / "layers" / "core" / "python"
SENTENCES = (
    "There are seven people waiting outside the station.",
    "Many people believe that money will make them happy.",
    "My brother works in a small hospital near the river.",
)
LEAST_RECOGNIZED = 0.7
"""Of the words of these sentences; 23 of 27 were recognized when this was measured."""

Samples = np.ndarray
Ask = Callable[..., Artifact]


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.int16)


def save(
    path: Path, samples: Samples | None, *, codec: str, video: bool = False, delay: float = 0
) -> Path:
    """A media file; ``delay`` is the time at which its sound begins."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=10) if video else None
        sound = container.add_stream(codec, rate=RATE_HZ, layout="mono") if codec else None
        if pictures is not None:
            pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
            seconds = 1.0 if samples is None else delay + len(samples) / RATE_HZ
            for number in range(round(seconds * 10)):
                frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
        if sound is not None and samples is not None:
            resampler = av.AudioResampler(sound.format, "mono", RATE_HZ, frame_size=1024)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate = RATE_HZ
            frame.pts, frame.time_base = round(delay * RATE_HZ), Fraction(1, RATE_HZ)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Asks the studio for a kind; the first file it makes."""

    def make(kind: str, key: str, source: tuple[str, Path] | None, **params: Any) -> Artifact:
        sources = (
            (SourceFile(key=source[0], mime_type="application/octet-stream", path=source[1]),)
            if source
            else ()
        )
        request = GenerationRequest(
            job_id="job", key=key, kind=kind, attempt=1, seed=1, language="en", params=params,
            sources=sources, workdir=tmp_path,
        )  # fmt: skip
        return LocalStudio().generate(request)[0]

    return make


def transcript_of(artifact: Artifact) -> Transcript:
    return read_transcript(artifact.path.read_bytes())


def test_spoken_sentences_become_captions_in_every_format(ask: Ask, tmp_path: Path) -> None:
    pause = silence(0.8)
    samples = np.concatenate([part for text in SENTENCES for part in (say(text), pause)])
    film = save(tmp_path / "film.mp4", samples, codec="aac", video=True)

    made = ask("transcribe", "transcribe", ("media_1", film), sourceLang="en", diarization=False)

    assert (made.type, made.mime_type) == ("json", "application/json")
    assert made.extra == {"language": "en"}
    transcript = transcript_of(made)
    assert len(transcript.segments) >= len(SENTENCES)
    assert abs(transcript.duration_ms - len(samples) * 1000 / RATE_HZ) < 150
    spoken = " ".join(SENTENCES)
    assert (
        share_recognized(spoken, " ".join(s.text for s in transcript.segments)) >= LEAST_RECOGNIZED
    )
    files = {
        format: ask("captions", format, ("transcribe", made.path), format=format, language="en")
        for format in ("srt", "vtt", "txt", "json")
    }
    texts = {format: file.path.read_bytes().decode("utf-8") for format, file in files.items()}
    assert [file.type for file in files.values()] == ["srt", "vtt", "txt", "json"]
    assert {file.extra["language"] for file in files.values()} == {"en"}
    read = {
        "srt": " ".join(subtitle.content for subtitle in srt.parse(texts["srt"])),
        "vtt": " ".join(c.text for c in webvtt.from_buffer(io.StringIO(texts["vtt"])).captions),
        "txt": texts["txt"],
        "json": " ".join(
            word["text"] for cue in json.loads(texts["json"])["cues"] for word in cue["words"]
        ),
    }
    assert set(read) == {"srt", "vtt", "txt", "json"}
    assert min(share_recognized(spoken, text) for text in read.values()) >= LEAST_RECOGNIZED
    last = list(srt.parse(texts["srt"]))[-1]
    assert last.end.total_seconds() * 1000 <= transcript.duration_ms


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.mp3", "mp3"), ("a.ogg", "libopus"), ("a.flac", "flac")],
)
def test_words_have_the_times_of_their_speech(
    ask: Ask, tmp_path: Path, name: str, codec: str
) -> None:
    samples = np.concatenate([silence(2.0), say(SENTENCES[1]), silence(1.0)])
    source = save(tmp_path / name, samples, codec=codec)

    transcript = transcript_of(
        ask("transcribe", "transcribe", ("media_1", source), sourceLang="auto")
    )

    words = [word for segment in transcript.segments for word in segment.words]
    spoken_until = 2000 + len(say(SENTENCES[1])) * 1000 / RATE_HZ
    assert words
    assert 1900 <= words[0].start_ms <= 2500
    assert spoken_until - 800 <= words[-1].end_ms <= spoken_until + 300
    assert all(word.start_ms < word.end_ms for word in words)
    assert [word.start_ms for word in words] == sorted(word.start_ms for word in words)


def test_sound_that_begins_after_the_picture_is_late_in_the_transcript(
    ask: Ask, tmp_path: Path
) -> None:
    film = save(tmp_path / "f.mkv", say(SENTENCES[1]), codec="aac", video=True, delay=3.0)

    transcript = transcript_of(ask("transcribe", "transcribe", ("media_1", film)))

    assert transcript.segments[0].words[0].start_ms >= 2900


def test_silence_is_a_transcript_without_segments(ask: Ask, tmp_path: Path) -> None:
    source = save(tmp_path / "a.wav", silence(3.0), codec="pcm_s16le")

    made = ask("transcribe", "transcribe", ("media_1", source), sourceLang="en")

    assert transcript_of(made) == Transcript(language="en", duration_ms=3000, segments=())


def test_the_same_sound_gives_the_same_bytes(ask: Ask, tmp_path: Path) -> None:
    source = save(tmp_path / "a.flac", say(SENTENCES[0]), codec="flac")

    first = ask("transcribe", "first", ("media_1", source)).path.read_bytes()
    second = ask("transcribe", "second", ("media_1", source)).path.read_bytes()

    assert first == second


def test_a_film_without_sound_is_refused(ask: Ask, tmp_path: Path) -> None:
    film = save(tmp_path / "f.mp4", None, codec="", video=True)

    with pytest.raises(PermanentProviderError) as refused:
        ask("transcribe", "transcribe", ("media_1", film))

    assert refused.value.error_code == "NO_AUDIO"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no media",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        # A playlist would make the decoder open other files.
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    ],
)
def test_a_file_that_cannot_be_decoded_is_refused(ask: Ask, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.m3u8"
    path.write_bytes(content)

    with pytest.raises(PermanentProviderError) as refused:
        ask("transcribe", "transcribe", ("media_1", path))

    assert refused.value.error_code in ("BAD_SOURCE", "NO_AUDIO")


def test_a_playlist_is_never_followed(ask: Ask, tmp_path: Path) -> None:
    save(tmp_path / "a.wav", say(SENTENCES[1]), codec="pcm_s16le")
    playlist = tmp_path / "list"
    playlist.write_text("ffconcat version 1.0\nfile a.wav\n")

    with pytest.raises(PermanentProviderError) as refused:
        ask("transcribe", "transcribe", ("media_1", playlist))

    assert refused.value.error_code == "BAD_SOURCE"


def test_a_damaged_file_keeps_its_readable_part(ask: Ask, tmp_path: Path) -> None:
    samples = np.concatenate([say(SENTENCES[1]), silence(0.6), say(SENTENCES[0])])
    path = save(tmp_path / "a.mp3", samples, codec="mp3")
    content = bytearray(path.read_bytes())
    content[-3000:-2000] = b"\xaa" * 1000
    path.write_bytes(content)

    transcript = transcript_of(ask("transcribe", "transcribe", ("media_1", path)))

    assert share_recognized(SENTENCES[1], transcript.segments[0].text) >= LEAST_RECOGNIZED


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("transcribe", {"sourceLang": "ko"}),
        ("transcribe", {"sourceLang": "fr"}),
        ("transcribe", {"sourceLang": "en", "diarization": True}),
        ("translate", {"targetLang": "ko"}),
    ],
)
def test_a_kind_that_needs_a_service_is_refused(
    ask: Ask, tmp_path: Path, kind: str, params: dict[str, Any]
) -> None:
    source = save(tmp_path / "a.wav", silence(1.0), codec="pcm_s16le")

    with pytest.raises(PermanentProviderError) as refused:
        ask(kind, kind, ("media_1", source), **params)

    assert refused.value.error_code == "PROVIDER_NOT_CONFIGURED"


@pytest.mark.parametrize(
    ("params", "source", "code"),
    [
        ({"format": "docx"}, b"{}", "UNSUPPORTED_KIND"),
        ({"format": "srt"}, b"{}", "BAD_SOURCE"),
        ({"format": "srt"}, None, "BAD_SOURCE"),
    ],
)
def test_captions_need_a_transcript_and_a_format(
    ask: Ask, tmp_path: Path, params: dict[str, str], source: bytes | None, code: str
) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(source or b"")

    with pytest.raises(PermanentProviderError) as refused:
        ask("captions", "srt", ("transcribe", path) if source else None, **params)

    assert refused.value.error_code == code


def test_utterances_are_returned_while_the_stream_runs() -> None:
    taken = 0

    def stream() -> Iterator[bytes]:
        nonlocal taken
        speech = np.concatenate([say(SENTENCES[0]), silence(1.0)]).tobytes()
        for _ in range(1000):
            taken += 1
            yield speech

    first = next(find_utterances(stream()))

    assert taken <= 2
    assert abs(first.end_ms - len(say(SENTENCES[0])) * 1000 / RATE_HZ) < 700


def test_speech_without_a_pause_is_cut_before_it_grows_long() -> None:
    speech = say(SENTENCES[0])
    loud = speech[np.abs(speech.astype(np.int32)).cumsum() > 1000]
    endless = np.tile(loud[: round(2.0 * RATE_HZ)], 45)

    utterances = list(find_utterances(iter([endless.tobytes()])))

    assert len(utterances) >= 4
    assert all(u.end_ms - u.start_ms <= 20_000 for u in utterances)
    assert all(b.start_ms >= a.end_ms - 300 for a, b in itertools.pairwise(utterances))


def test_an_hour_passes_through_in_small_chunks(tmp_path: Path) -> None:
    path = save(tmp_path / "hour.flac", silence(3600), codec="flac")
    sound = Sound(path, "media_1")

    largest = total = 0
    for chunk in sound.chunks():
        largest, total = max(largest, len(chunk)), total + len(chunk)

    assert sound.duration_ms == 3_600_000
    assert total == 3600 * RATE_HZ * 2
    assert largest <= 2 * RATE_HZ


def test_speech_and_captions_need_neither_numpy_nor_pillow(tmp_path: Path) -> None:
    source = save(tmp_path / "a.wav", say(SENTENCES[1]), codec="pcm_s16le")
    script = """
import sys
from pathlib import Path
for heavy in ("numpy", "PIL"):
    sys.modules[heavy] = None
from darkroom.generation.ports import GenerationRequest, SourceFile
from darkroom.studio.local_studio import LocalStudio
def ask(kind, key, source, **params):
    return LocalStudio().generate(GenerationRequest(
        job_id="job", key=key, kind=kind, attempt=1, seed=1, language="en", params=params,
        sources=(SourceFile(key=source[0], mime_type="", path=source[1]),),
        workdir=Path(sys.argv[2])))[0]
made = ask("transcribe", "transcribe", ("media_1", Path(sys.argv[1])))
print(ask("captions", "txt", ("transcribe", made.path), format="txt").path.read_text())
"""

    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path)],
        env={"PYTHONPATH": str(CORE)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert share_recognized(SENTENCES[1], done.stdout) >= LEAST_RECOGNIZED
