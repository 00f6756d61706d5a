"""A quiet bed of sound for a film, made from nothing but its genre, length and seed.

Owns tone and reverb; the chords are data. Knows nothing of pictures or encoders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from darkroom.media.portable_math import exp, sine_of_turns
from darkroom.studio.values import catalog_values, read_values

_CHORD_SECONDS: Final = 2.8
_PEAK: Final = 0.30
_ROOM_SECONDS: Final = 1.4
_DUCKED: Final = 0.32
"""The music's level under speech: ten decibels less."""
_VOICE_PEAK: Final = 0.80
_DUCK_SECONDS: Final = 0.45
_AUDIBLE: Final = 0.01

Samples = npt.NDArray[np.float32]


_Note = Annotated[int, Field(ge=24, le=96)]
_Level = Annotated[float, Field(ge=0, le=1)]


@catalog_values
class Mood:
    """The music of a genre: an entry of ``catalog/studio/music.json``."""

    chords: Annotated[tuple[tuple[_Note, ...], ...], Field(min_length=1)]
    """As MIDI notes."""
    overtones: Annotated[tuple[_Level, ...], Field(min_length=1)]
    """How loud each multiple of a note's frequency is, from the first on."""
    plucks_per_second: Annotated[float, Field(gt=0, le=10)]
    pluck_level: _Level
    pad_level: _Level = 1.0


@cache
def moods() -> Mapping[str, Mood]:
    return read_values("music.json", dict[str, Mood])


def ambient(genre: str, seconds: float, seed: int, rate_hz: int) -> Samples:
    """Stereo sound of the given length, shape (2, samples), peak 0.3."""
    mood = moods().get(genre, moods()["romance"])
    count = round(seconds * rate_hz)
    rng = np.random.default_rng([seed, 11])
    shift = int(rng.integers(-2, 3))
    dry = np.zeros((2, count), dtype=np.float32)
    start_chord = int(rng.integers(len(mood.chords)))
    number = 0
    while number * _CHORD_SECONDS < seconds:
        chord = mood.chords[(start_chord + number) % len(mood.chords)]
        _add_pad(dry, chord, start=number * _CHORD_SECONDS, shift=shift, mood=mood, rate_hz=rate_hz)
        _add_plucks(
            dry,
            chord,
            start=number * _CHORD_SECONDS,
            shift=shift,
            mood=mood,
            rate_hz=rate_hz,
            rng=rng,
        )
        number += 1
    wet = _with_reverb(dry, rate_hz, rng)
    _fade(wet, rate_hz)
    peak = float(np.abs(wet).max())
    return (wet * np.float32(_PEAK / peak)).astype(np.float32) if peak > 0 else wet


def under_voice(music: Samples, voice: Samples, rate_hz: int) -> Samples:
    """Both together: the music ducks softly under the voice. ``voice`` is one
    channel, and no longer than the music."""
    peak = float(np.abs(voice).max(initial=0.0))
    if peak < _AUDIBLE:
        return music
    speech = np.zeros(music.shape[1], dtype=np.float32)
    speech[: len(voice)] = voice * np.float32(_VOICE_PEAK / max(peak, _VOICE_PEAK))
    half = round(_DUCK_SECONDS * rate_hz / 2)
    # Speech anywhere near, averaged: a gain without steps, down before the first word.
    near = _around((np.abs(speech) > _AUDIBLE).astype(np.float64), half) > 0
    share = _around(near.astype(np.float64), half).astype(np.float32)
    return (music * (1 - (1 - np.float32(_DUCKED)) * share) + speech).astype(np.float32)


def _around(values: npt.NDArray[np.float64], half: int) -> npt.NDArray[np.float64]:
    """The mean of each value and its neighbors, ``half`` on either side as far as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    means: npt.NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def _frequency_hz(note: int) -> float:
    return 440.0 * math.pow(2.0, (note - 69) / 12.0)


def _tone(
    frequency_hz: float, t: npt.NDArray[np.floating[Any]], overtones: tuple[float, ...]
) -> Samples:
    total = np.zeros(t.shape, dtype=np.float32)
    for number, level in enumerate(overtones, start=1):
        total += np.float32(level) * sine_of_turns(frequency_hz * number * t.astype(np.float64))
    return total


def _add_pad(
    dry: Samples, chord: tuple[int, ...], *, start: float, shift: int, mood: Mood, rate_hz: int
) -> None:
    """A chord that swells in and overlaps the next."""
    first = round(start * rate_hz)
    length = min(round((_CHORD_SECONDS + 1.2) * rate_hz), dry.shape[1] - first)
    if length <= 0:
        return
    t = np.arange(length, dtype=np.float32) / rate_hz
    swell = np.minimum(t / 1.1, 1.0) * np.clip((_CHORD_SECONDS + 1.2 - t) / 1.3, 0.0, 1.0)
    swell = swell * swell * (3 - 2 * swell) * mood.pad_level
    for number, note in enumerate(chord):
        # A few cents apart left and right: the chord stands wide.
        for channel, cents in ((0, -3.0 - number), (1, 3.0 + number)):
            pitch = _frequency_hz(note + shift) * math.pow(2.0, cents / 1200.0)
            level = 0.16 / (1 + 0.12 * number)
            part = _tone(pitch, t, mood.overtones) * swell * np.float32(level)
            dry[channel, first : first + length] += part


def _add_plucks(
    dry: Samples,
    chord: tuple[int, ...],
    *,
    start: float,
    shift: int,
    mood: Mood,
    rate_hz: int,
    rng: np.random.Generator,
) -> None:
    """Single notes of the chord, high and short, a little to one side."""
    step = 1.0 / mood.plucks_per_second
    for number in range(round(_CHORD_SECONDS / step)):
        first = round((start + number * step) * rate_hz)
        length = min(round(0.9 * rate_hz), dry.shape[1] - first)
        note = chord[int(rng.integers(1, len(chord)))] + 12 + shift
        level, side = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.3, 0.7))
        if length <= 0 or rng.random() < 0.22:
            continue
        t = np.arange(length, dtype=np.float32) / rate_hz
        body = _tone(_frequency_hz(note), t, (1.0, 0.22, 0.08))
        body *= (
            exp(-t * 5.0) * np.minimum(t / 0.006, 1.0) * np.float32(level * mood.pluck_level * 0.4)
        )
        dry[0, first : first + length] += body * np.float32(side)
        dry[1, first : first + length] += body * np.float32(1 - side)


def _with_reverb(dry: Samples, rate_hz: int, rng: np.random.Generator) -> Samples:
    """The sound in a soft room: convolved with noise that dies away."""
    length = round(_ROOM_SECONDS * rate_hz)
    size = 1 << (dry.shape[1] + length - 1).bit_length()
    t = np.arange(length, dtype=np.float32) / rate_hz
    wet = np.empty_like(dry)
    for channel in range(2):
        tail = rng.standard_normal(length).astype(np.float32) * exp(-t * 4.2)
        # Averaging neighbors takes the hiss out of the tail.
        soft = _around(tail.astype(np.float64), 6)
        soft /= math.sqrt((soft**2).sum())
        echoed = _convolved(dry[channel], soft, size)
        wet[channel] = dry[channel] * 0.75 + echoed[: dry.shape[1]].astype(np.float32) * 0.40
    return wet


def _convolved(first: Samples, second: npt.NDArray[np.float64], size: int) -> Any:
    """By parts: NumPy's own product of complex numbers is rounded as the processor likes."""
    a, b = np.fft.rfft(first, size), np.fft.rfft(second, size)
    product = np.empty_like(a)
    product.real = a.real * b.real - a.imag * b.imag
    product.imag = a.real * b.imag + a.imag * b.real
    return np.fft.irfft(product, size)


def _fade(samples: Samples, rate_hz: int) -> None:
    count = samples.shape[1]
    into, out = min(round(0.5 * rate_hz), count // 3), min(round(1.4 * rate_hz), count // 3)
    if into:
        samples[:, :into] *= np.linspace(0, 1, into, dtype=np.float32) ** 2
    if out:
        samples[:, count - out :] *= np.linspace(1, 0, out, dtype=np.float32) ** 2
