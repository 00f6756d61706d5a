"""Speech for tests: espeak-ng, and sound files of its speech."""

from __future__ import annotations

import ctypes
import functools
import re
import wave
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np

from darkroom.studio.speech.audio import RATE_HZ

Samples = np.ndarray


@functools.cache
def speaker() -> tuple[Any, int]:
    """espeak-ng, ready to speak, and its sampling rate."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    synchronous = 2
    rate_hz = library.espeak_Initialize(synchronous, 0, espeakng_loader.get_data_path().encode(), 0)
    assert rate_hz > 0
    return library, rate_hz


@functools.cache
def say(text: str, words_a_minute: int = 130) -> Samples:
    """English speech at 16 kHz, 16-bit."""
    library, rate_hz = speaker()
    parts: list[bytes] = []

    @ctypes.CFUNCTYPE(  # type: ignore[untyped-decorator]
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
    )
    def collect(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            parts.append(ctypes.string_at(wave, count * 2))
        return 0

    library.espeak_SetSynthCallback(collect)
    library.espeak_SetVoiceByName(b"en-us+f2")
    library.espeak_SetParameter(1, words_a_minute, 0)
    spoken = text.encode()
    library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    samples = np.frombuffer(b"".join(parts), dtype=np.int16).astype(np.float32)
    times = np.arange(0, len(samples), rate_hz / RATE_HZ)
    return np.interp(times, np.arange(len(samples)), samples).astype(np.int16)


def save_speech(text: str, path: Path) -> Path:
    """The spoken text as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(say(text).tobytes())
    return path


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def share_recognized(spoken: str, written: str) -> float:
    """The share of the spoken words that were recognized, in order (longest common run)."""
    a, b = words_of(spoken), words_of(written)
    row = [0] * (len(b) + 1)
    for word in a:
        before = row[:]
        for place, other in enumerate(b, start=1):
            row[place] = before[place - 1] + 1 if word == other else max(row[place - 1], row[place])
    return row[-1] / len(a)
