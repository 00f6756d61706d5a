"""The port between the engine and the providers of media.

Owns the request a task turns into and the artifacts that come back. Knows nothing of
jobs' states, credits, queues or storage: bytes and parameters in, files out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from darkroom.kernel.errors import DarkroomError

# Vendors sell pictures as one capability, whatever the recipe calls them.
_CAPABILITY_OF_KIND = {"keyframe": "image", "portrait": "image", "picture": "image"}


def capability_of(kind: str) -> str:
    """What a vendor must be able to do for tasks of this kind: ``image``, ``clip``, ``film``,
    ``speech``, ``script``, ``transcribe``, ``translate`` …"""
    return _CAPABILITY_OF_KIND.get(kind, kind)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file a task works on: a photo of the user or the artifact of a task it needs."""

    key: str
    """``photo_1`` … for photos in the order given, else the key of the task that made it."""
    mime_type: str
    path: Path
    url: str = ""
    """A link under which a service can fetch it for an hour."""
    storage_uri: str = ""
    """``s3://bucket/key``, for services that read our bucket."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What a vendor charges for one call: a quantity of one unit of one model."""

    unit: str
    """``image``, ``second``, ``character``, ``input_token``, ``output_token``, ``run`` …: as the
    catalog of prices (``providers.json``) names it."""
    quantity: float


class Meter:
    """Where a provider records a call's cost as soon as it is known, even if the call fails."""

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.ref: str | None = None
        """The vendor's own id of the call."""

    def charge(self, unit: str, quantity: float) -> None:
        self.charges.append(Charge(unit=unit, quantity=quantity))


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
    meter: Meter = field(default_factory=Meter, compare=False)


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

    def model_of(self, kind: str) -> str:
        """The model that it uses for this kind; empty when it has none."""

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        """Make the request's files, the promised one first.

        Raises:
            TransientProviderError: trying again may help (timeout, throttling, 5xx).
            PermanentProviderError: trying again cannot help (bad input, refused content).
            ResponseLost: it may have been made, and charged, but the response was lost.
        """


@dataclass(frozen=True, kw_only=True)
class ResultFile:
    """A file that a provider made and keeps for us to fetch, for a while."""

    url: str
    type: str
    """The output type of the API."""
    mime_type: str
    suffix: str
    convert: Callable[[Path], Path] | None = None
    """Makes the file to keep, of ``mime_type`` and ``suffix``, from the one that was fetched.
    Raises a ProviderError if that is not what it should be."""
    fetched_mime_types: tuple[str, ...] = ()
    """The content types that the vendor may send instead of ``mime_type``."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that succeeded."""

    files: tuple[ResultFile, ...]
    """The promised one first."""
    charges: tuple[Charge, ...] = ()
    """What it costs, if that is known only now; otherwise the submit recorded it."""


@runtime_checkable
class AsyncProvider(Protocol):
    """Accepts requests and makes them later; calls back, or is polled.

    Every call but ``submit`` may be repeated.
    """

    name: str
    result_hosts: frozenset[str]
    """Where its files lie: host names, ``*.`` before one for everything below it."""

    def model_of(self, kind: str) -> str:
        """The model that it uses for this kind; empty when it has none."""

    def submit(self, request: GenerationRequest, callback_url: str) -> str:
        """Submit the request once; returns the provider's id of the run.

        Raises:
            TransientProviderError: it was not accepted, and may be later.
            PermanentProviderError: it was not accepted, and never will be.
            ResponseLost: whether it was accepted is unknown; submitting it again may make and
                charge it twice.
        """

    def poll(self, ref: str) -> Finished | None:
        """The result of a run; None while it is under way.

        Raises:
            TransientProviderError: the run ended without a result; another one may have one.
            PermanentProviderError: the run ended without a result, as any other will.
            ResponseLost: poll again later.
        """

    def find(self, callback_url: str, since: datetime) -> str | None:
        """The run that was to call back this address, begun after ``since``; None if there is none.

        Raises:
            ResponseLost: poll again later.
        """

    def cancel(self, ref: str) -> None:
        """Stop a run whose task has ended, if that is still possible.

        Raises:
            ResponseLost: it may or may not have stopped.
        """

    def read_callback(self, body: bytes, headers: Mapping[str, str], now: datetime) -> str:
        """The run that a callback is about; header names are in lower case.

        Raises:
            Unauthorized: BAD_SIGNATURE; forged, altered, or older than five minutes.
            InvalidInput: signed, but about no run.
            Unavailable: the keys for the check cannot be read now; the provider will call again.
        """


class Previewer(Protocol):
    """Makes small pictures of files that a provider made."""

    def thumbnail(self, path: Path, mime_type: str, /) -> bytes | None:
        """A small JPEG of a picture, or of one frame of a video; None if there can be none."""

    def jpeg(self, path: Path, mime_type: str, /) -> bytes | None:
        """A picture as a JPEG of the same size; None if it cannot be decoded."""


class ImageModerator(Protocol):
    """Decides which pictures must not be shown."""

    def check_image(self, picture: str | bytes, /) -> None:
        """``picture`` is its bytes, or where it lies in our bucket (``s3://bucket/key``).

        Raises:
            ModerationRefused: with ``category``.
            TransientProviderError: the moderator is unavailable now.
        """


class ProviderError(DarkroomError):
    """A provider did not deliver; carries the code for the job's receipt."""


class ResponseLost(ProviderError):
    """The response was lost: whether the provider did the work is unknown."""

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
    """The content was refused; only another input can succeed."""

    code = "CONTENT_REJECTED"
