"""Joining and timing MP3 files, against files that a real encoder made."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.generation.captions.characters import clusters
from darkroom.generation.text_chunks import chunks_of
from darkroom.media.mp3 import NoMp3, join_mp3, mp3_duration_ms
from tests.support.polly_stand_in import FRAME_MS, an_mp3


def encoded(seconds: float, *, rate: int = 24_000, layout: str = "mono") -> bytes:
    """A tone, with the tag and the header frame that the encoder's writer adds."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream: Any = container.add_stream("mp3", rate=rate, layout=layout)
        stream.bit_rate = 48_000
        samples = np.sin(np.arange(int(rate * seconds)) * 0.05).astype(np.float32) * 0.4
        channels = 2 if layout == "stereo" else 1
        for start in range(0, len(samples), 1152):
            piece = np.tile(samples[start : start + 1152], (channels, 1))
            frame: Any = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def decoded_ms(content: bytes) -> float:
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.audio[0]
        frames = list(container.decode(stream))
        assert all(frame.sample_rate == stream.rate for frame in frames)
        return sum(1000 * frame.samples / frame.sample_rate for frame in frames)


@pytest.mark.parametrize(
    ("rate", "layout"), [(24_000, "mono"), (44_100, "stereo"), (8_000, "mono")]
)
def test_joined_parts_play_in_sequence(rate: int, layout: str) -> None:
    parts = [encoded(seconds, rate=rate, layout=layout) for seconds in (1.0, 0.6, 1.4)]

    whole = join_mp3(parts)

    assert mp3_duration_ms(whole) == pytest.approx(sum(map(mp3_duration_ms, parts)), abs=2)
    assert decoded_ms(whole) == pytest.approx(mp3_duration_ms(whole), abs=2)
    assert 3000 <= mp3_duration_ms(whole) <= 3000 + 3 * 250


def test_headers_of_the_parts_are_not_in_the_joined_file() -> None:
    part = encoded(0.5)
    assert b"Xing" in part or b"Info" in part

    whole = join_mp3([part, part + b"TAG".ljust(128, b" ")])

    assert not any(mark in whole for mark in (b"ID3", b"Xing", b"Info", b"TAG"))


def test_frames_of_the_stand_in_are_counted() -> None:
    assert mp3_duration_ms(join_mp3([an_mp3(3), an_mp3(4)])) == 7 * FRAME_MS


@pytest.mark.parametrize("content", [b"", b"ID3", b"<html>" * 100, b"\xff\xf3\x64\xc4", an_mp3(0)])
def test_what_has_no_sound_is_refused(content: bytes) -> None:
    with pytest.raises(NoMp3):
        mp3_duration_ms(content)
    with pytest.raises(NoMp3):
        join_mp3([content])


@given(st.binary(max_size=600))
def test_any_bytes_are_decoded_or_refused(content: bytes) -> None:
    with contextlib.suppress(NoMp3):
        assert mp3_duration_ms(content) > 0


TEXTS = st.text(st.sampled_from("ab. \n!?한글。é👍🏽") | st.characters(codec="utf-8"), max_size=200)


@given(TEXTS, st.integers(1, 60))
def test_chunks_contain_the_whole_text_and_fit(text: str, limit: int) -> None:
    pieces = chunks_of(text, limit)

    assert "".join(pieces) == text
    assert all(pieces)
    # Only a single visible character may be longer than the limit.
    assert all(len(piece) <= limit or len(list(clusters(piece))) == 1 for piece in pieces)


def test_a_text_is_split_at_the_best_boundary() -> None:
    text = "One is short. Two is here!\n\nThree, a paragraph. Four"

    assert chunks_of(text, 200) == [text]
    assert chunks_of(text, 30) == ["One is short. Two is here!\n\n", "Three, a paragraph. Four"]
    assert chunks_of(text, 20)[0] == "One is short. "
    assert chunks_of("abcdefgh ij", 4) == ["abcd", "efgh", " ij"]
    assert chunks_of("하나입니다。둘입니다。", 6) == ["하나입니다。", "둘입니다。"]
