"""The port between the engine and whoever makes media.

Owns the request a task turns into and the artifacts that come back. Knows nothing of
jobs' states, credits, queues or storage: bytes and parameters in, files out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from darkroom.kernel.errors import DarkroomError


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file a task works on: a photo of the user or the artifact of a task it needs."""

    key: str
    """``photo_1`` … for photos in the order given, else the key of the task that made it."""
    mime_type: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One attempt at one task, complete: a provider needs nothing else to do it."""

    job_id: str
    key: str
    kind: str
    """``keyframe``, ``clip``, ``film``, … as the recipe planned it."""
    attempt: int
    seed: int
    """0 ≤ seed < 2**32. The same request with the same seed gives the same bytes."""
    language: str
    """``en`` or ``ko``: the language of text inside the picture."""
    params: Mapping[str, Any]
    """What the recipe wrote for this kind; see the recipe's module."""
    sources: tuple[SourceFile, ...]
    workdir: Path
    """A private folder the provider may write to; removed after the attempt."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished file in the request's ``workdir``."""

    type: str
    """The output type of the API: ``image``, ``clip``, ``film``, …"""
    mime_type: str
    path: Path
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """Makes media of one or more kinds."""

    name: str

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """Make the request's files, the promised one first.

        Raises:
            TransientProviderError: trying again may help (timeout, throttling, 5xx).
            PermanentProviderError: trying again cannot help (bad input, refused content).
        """


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """A file that a provider made and keeps for us to fetch, for a while."""

    url: str
    type: str
    """The output type of the API."""
    mime_type: str
    suffix: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that succeeded."""

    files: tuple[ResultFile, ...]
    """The promised one first."""
    quantities: Mapping[str, float] = field(default_factory=dict)
    """What the provider says it will charge for (seconds, images), by its own names."""


@runtime_checkable
class AsyncProvider(Protocol):
    """Takes requests and makes them later; calls back, or is asked.

    Of every call but ``submit`` only the last one's answer counts: they may be repeated.
    """

    name: str
    result_hosts: frozenset[str]
    """Where its files lie: host names, ``*.`` before one for everything below it."""

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        """Hand over the request, once; returns the provider's id of the run.

        Raises:
            TransientProviderError: it was not taken, and may be later.
            PermanentProviderError: it was not taken, and never will be.
            AnswerLost: whether it was taken is unknown; handing it over again may make and cost
                it twice.
        """

    def poll(self, ref: str) -> Finished | None:
        """The result of a run; None while it is under way.

        Raises:
            TransientProviderError: the run ended without a result; another one may have one.
            PermanentProviderError: the run ended without a result, as any other will.
            AnswerLost: ask again later.
        """

    def find(self, callback_url: str, since: datetime) -> str | None:
        """The run that was to call back this address, begun after ``since``; None if none is seen.

        Raises:
            AnswerLost: ask again later.
        """

    def cancel(self, ref: str) -> None:
        """Stop a run nobody waits for, if that is still possible.

        Raises:
            AnswerLost: it may or may not have stopped.
        """

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The run that a call of the provider is about; header names are in lower case.

        Raises:
            Unauthorized: BAD_SIGNATURE; forged, altered, or older than five minutes.
            InvalidInput: signed, but about no run.
        """


class ProviderError(DarkroomError):
    """A provider did not deliver; carries the code that the job's receipt will show."""


class AnswerLost(ProviderError):
    """The provider did not answer: whether it did what it was asked is unknown."""

    code = "PROVIDER_UNAVAILABLE"


class TransientProviderError(ProviderError):
    """The same request may succeed later, not before ``retry_after_seconds`` if that is given."""

    code = "PROVIDER_UNAVAILABLE"

    @property
    def retry_after_seconds(self) -> float:
        return float(self.facts.get("retry_after_seconds", 0))


class PermanentProviderError(ProviderError):
    """The same request will never succeed."""

    code = "PROVIDER_REFUSED"


class ModerationRefused(PermanentProviderError):
    """The content was refused; changing the input is the only way on."""

    code = "CONTENT_REJECTED"
