"""Speech on this machine: sentences in, samples out, with the moment at which each word begins.

Owns the voices, the pauses between sentences and the walls around espeak-ng, which runs in a
process of its own: whatever a text does to it, it does to that process alone. Needs neither NumPy
nor Pillow. Knows nothing of files or tasks.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from darkroom.generation.captions.characters import clean_text
from darkroom.generation.ports import PermanentProviderError, TransientProviderError

BYTES_A_SAMPLE: Final = 2
MAX_TEXT_CHARACTERS: Final = 12_000
"""About a quarter of an hour."""
DEFAULT_RATE_PERCENT: Final = 100
_MIN_RATE_PERCENT, _MAX_RATE_PERCENT = 50, 200
_WORDS_A_MINUTE: Final = 160
"""What espeak-ng calls so, at 100 %."""
_LANGUAGES: Final = {"en": "en-us", "ko": "ko"}
_VOICES: Final = {"female": "f2", "male": "m3"}
DEFAULT_VOICE: Final = "female"
_LEAD_MS: Final = 80
_SENTENCE_PAUSE_MS: Final = 320
_PARAGRAPH_PAUSE_MS: Final = 650
_TAIL_MS: Final = 250
_EDGE_MS: Final = 6
"""A sentence begins and ends in this time: a step in the wave would sound like a click."""
_AUDIBLE: Final = 300
"""Of 32 768; nothing louder is silence."""
_STEP_MS: Final = 10
_CHILD_SECONDS: Final = 60
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+")

# The child finds the product where its parent did, whatever the platform's own path is.
_BOOT: Final = (
    "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); "
    "from darkroom.studio.speech.espeak_child import main; main()"
)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """Voice and rate of speech."""

    language: str
    """``en`` or ``ko``."""
    voice: str = DEFAULT_VOICE
    rate_percent: int = DEFAULT_RATE_PERCENT

    @property
    def espeak_voice(self) -> str:
        return f"{_LANGUAGES[self.language]}+{_VOICES[self.voice]}"

    @property
    def words_a_minute(self) -> int:
        return round(_WORDS_A_MINUTE * self.rate_percent / 100)


@dataclass(frozen=True, kw_only=True)
class SpokenWord:
    """The text between two spaces, and its times in the speech."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, kw_only=True)
class SpokenSentence:
    """One sentence and its words, in the time of the whole speech."""

    text: str
    words: tuple[SpokenWord, ...]


@dataclass(frozen=True, kw_only=True)
class Speech:
    """Synthesized speech: 16-bit mono samples and their sentences."""

    rate_hz: int
    samples: bytes
    sentences: tuple[SpokenSentence, ...]

    @property
    def duration_ms(self) -> int:
        return round(len(self.samples) / BYTES_A_SAMPLE / self.rate_hz * 1000)


def manner_of(params: Mapping[str, Any], language: str) -> Manner:
    """Voice and rate from a task's parameters; a vendor's voice becomes the default one.

    Raises:
        PermanentProviderError: ``UNSUPPORTED_KIND`` (another language), ``PROVIDER_REFUSED`` (a
            rate outside 50 to 200 per cent).
    """
    if language not in _LANGUAGES:
        raise PermanentProviderError(
            f"the studio speaks no {language}", code="UNSUPPORTED_KIND", language=language
        )
    rate = params.get("rate", DEFAULT_RATE_PERCENT)
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise PermanentProviderError("rate is no number")
    if not _MIN_RATE_PERCENT <= rate <= _MAX_RATE_PERCENT:
        raise PermanentProviderError(
            f"rate is not from {_MIN_RATE_PERCENT} to {_MAX_RATE_PERCENT} per cent"
        )
    voice = params.get("voiceId")
    return Manner(
        language=language,
        voice=voice if voice in _VOICES else DEFAULT_VOICE,
        rate_percent=round(rate),
    )


def sentences_of(paragraphs: Sequence[str]) -> list[list[str]]:
    """The sentences of each paragraph that has any, cleaned, in their order."""
    split = [
        [sentence for part in _SENTENCE_END.split(text) if (sentence := clean_text(part))]
        for text in paragraphs
    ]
    return [sentences for sentences in split if sentences]


def speak(paragraphs: Sequence[str], manner: Manner) -> Speech:
    """All paragraphs, sentence by sentence; the same text gives the same samples.

    Raises:
        PermanentProviderError: ``PROVIDER_REFUSED``; too long, or nothing in it can be spoken.
        TransientProviderError: the speaker died.
    """
    if sum(map(len, paragraphs)) > MAX_TEXT_CHARACTERS:
        raise PermanentProviderError(f"the text has more than {MAX_TEXT_CHARACTERS} characters")
    by_paragraph = sentences_of(paragraphs)
    sentences = [(place, text) for place, texts in enumerate(by_paragraph) for text in texts]
    if not any(map(str.isalnum, "".join(text for _, text in sentences))):
        raise PermanentProviderError("there is nothing to say in the text")
    rate_hz, waves = _speak_apart([text for _, text in sentences], manner)
    speech = _joined(sentences, waves, rate_hz)
    if _loudest(speech.samples) < _AUDIBLE:
        raise PermanentProviderError("there is nothing to say in the text")
    return speech


def phonemes_of(texts: Sequence[str], language: str) -> list[list[str]]:
    """How each text is pronounced, in espeak-ng's letters for sounds, stress marks included.

    Raises:
        TransientProviderError: the speaker died.
    """
    request = {"voice": Manner(language=language).espeak_voice, "phonemes": list(texts)}
    phonemes = json.loads(_run_child(request))["phonemes"]
    return [[sound for sound in re.split(r"[_\s|]+", text) if sound] for text in phonemes]


def _speak_apart(
    texts: Sequence[str], manner: Manner
) -> tuple[int, list[tuple[bytes, list[list[int]]]]]:
    """The sampling rate; for each text its samples and where its words begin."""
    output = _run_child(
        {
            "voice": manner.espeak_voice,
            "wordsAMinute": manner.words_a_minute,
            "texts": list(texts),
        }
    )
    line, _, samples = output.partition(b"\n")
    head = json.loads(line)
    waves, place = [], 0
    for text in head["texts"]:
        waves.append((samples[place : place + text["bytes"]], text["words"]))
        place += text["bytes"]
    return head["rateHz"], waves


def _run_child(request: Mapping[str, Any]) -> bytes:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_CHILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientProviderError("speaking takes too long") from error
    if done.returncode != 0:
        message = done.stderr[-500:].decode(errors="replace").strip()
        raise TransientProviderError(f"the speaker ended with {done.returncode}: {message}")
    return done.stdout


def _joined(
    texts: Sequence[tuple[int, str]],
    waves: Sequence[tuple[bytes, list[list[int]]]],
    rate_hz: int,
) -> Speech:
    """The sentences one after the other, a longer pause between paragraphs."""
    parts = [_silence(_LEAD_MS, rate_hz)]
    length = len(parts[0])
    sentences: list[SpokenSentence] = []
    before = 0
    for (paragraph, text), (samples, words) in zip(texts, waves, strict=True):
        if sentences:
            pause_ms = _SENTENCE_PAUSE_MS if paragraph == before else _PARAGRAPH_PAUSE_MS
            parts.append(_silence(pause_ms, rate_hz))
            length += len(parts[-1])
        timed = tuple(
            _words(text, samples, begins=words, offset=length // BYTES_A_SAMPLE, rate_hz=rate_hz)
        )
        sentences.append(SpokenSentence(text=text, words=timed))
        parts.append(_soft_edges(samples, rate_hz))
        length += len(samples)
        before = paragraph
    parts.append(_silence(_TAIL_MS, rate_hz))
    return Speech(rate_hz=rate_hz, samples=b"".join(parts), sentences=tuple(sentences))


def _words(
    text: str, samples: bytes, *, begins: Sequence[Sequence[int]], offset: int, rate_hz: int
) -> Iterator[SpokenWord]:
    """The text's words with their times; one without sound takes no time."""
    starts = dict[int, int]()
    spans = [match.span() for match in re.finditer(r"\S+", text)]
    for character, sample in begins:
        number = sum(first <= character for first, _ in spans) - 1
        starts.setdefault(max(number, 0), sample)
    whole = len(samples) // BYTES_A_SAMPLE
    reached = whole
    timed = []
    for number in range(len(spans) - 1, -1, -1):
        start = min(starts.get(number, reached), reached)
        timed.append((number, start, _voice_end(samples, start, reached, rate_hz)))
        reached = start
    for number, start, end in reversed(timed):
        first, last = spans[number]
        yield SpokenWord(
            text=text[first:last],
            start_ms=round((offset + start) * 1000 / rate_hz),
            end_ms=round((offset + end) * 1000 / rate_hz),
        )


def _voice_end(samples: bytes, start: int, end: int, rate_hz: int) -> int:
    """Where the pause that a word's time ends with begins."""
    wave = memoryview(samples).cast("h")
    step = rate_hz * _STEP_MS // 1000
    while end - step > start:
        part = wave[end - step : end]
        if max(part) > _AUDIBLE or min(part) < -_AUDIBLE:
            break
        end -= step
    return end


def _soft_edges(samples: bytes, rate_hz: int) -> bytes:
    softened = bytearray(samples)
    wave = memoryview(softened).cast("h")
    count = min(rate_hz * _EDGE_MS // 1000, len(wave) // 2)
    for place in range(count):
        wave[place] = wave[place] * place // count
        wave[-1 - place] = wave[-1 - place] * place // count
    return bytes(softened)


def _silence(length_ms: int, rate_hz: int) -> bytes:
    return bytes(rate_hz * length_ms // 1000 * BYTES_A_SAMPLE)


def _loudest(samples: bytes) -> int:
    wave = memoryview(samples).cast("h")
    return max(max(wave), -min(wave))
