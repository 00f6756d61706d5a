"""A voice-over: a text or a script, spoken on this machine.

Owns what the file is like; ``espeak`` speaks.
"""

from __future__ import annotations

from typing import Final

from darkroom.generation.ports import Artifact, GenerationRequest
from darkroom.generation.speech_text import speech_text_of
from darkroom.studio.speech.espeak import manner_of, speak
from darkroom.studio.speech.mono_file import (
    MIME_TYPE,
    SUFFIX,
    MonoWriter,
    normalized,
)

_BIT_RATE: Final = 64_000


def make_speech(request: GenerationRequest) -> list[Artifact]:
    """The text of ``params`` or, without one, of the source ``script``, as AAC in M4A.

    ``rate`` is in per cent; ``voiceId`` is ``male``, or ``female`` as any other.

    Raises:
        PermanentProviderError: ``BAD_SOURCE`` (no text), ``PROVIDER_REFUSED`` (too much of it, or
            none that can be said), ``UNSUPPORTED_KIND`` (another language).
    """
    manner = manner_of(request.params, request.language)
    speech = speak(speech_text_of(request).splitlines(), manner)
    path = request.workdir / f"{request.key}{SUFFIX}"
    with MonoWriter(path, rate_hz=speech.rate_hz, bit_rate=_BIT_RATE) as writer:
        writer.add(normalized(speech.samples, speech.rate_hz))
    return [
        Artifact(
            type="audio",
            mime_type=MIME_TYPE,
            path=path,
            duration_ms=speech.duration_ms,
            extra={"language": request.language},
        )
    ]
