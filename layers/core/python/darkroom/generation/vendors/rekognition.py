"""Amazon Rekognition: where faces are in a picture, and whether it may be shown.

Sources, below https://docs.aws.amazon.com/rekognition/latest/: APIReference/API_DetectFaces.html
(the 100 largest, confidence), APIReference/API_DetectModerationLabels.html,
APIReference/API_ModerationLabel.html, dg/moderation-api.html (labels of version 7; to refuse by the
upper two levels), dg/moderation-response-transform.html (their names in version 6), dg/limits.html
(5 MB of bytes, 15 MB in S3).

It has no label for minors: a picture of theirs that must not be is refused as what else it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from darkroom.generation.ports import (
    ModerationRefused,
    ProviderError,
    ResponseLost,
    TransientProviderError,
)
from darkroom.generation.vendor_errors import bad_source, not_configured
from darkroom.generation.vendors.aws import Client, require_field, translate_errors
from darkroom.kernel.faces import FaceBox, FaceCheckUnavailable, box_between

BYTES_LIMIT: Final = 5 * 1024 * 1024
FACE_CONFIDENCE_PERCENT: Final = 90.0
MODERATION_CONFIDENCE_PERCENT: Final = 80.0
# Labels that refuse, as versions 7 and 6 call them; what lies below a label refuses with it.
# Kisses, bare shoulders, weapons, drinks and smoke belong to love stories and crime films.
_REFUSED: Final[Mapping[str, frozenset[str]]] = {
    "self-harm": frozenset({"Self-Harm", "Self Injury"}),
    "sexual": frozenset({"Explicit", "Explicit Nudity", "Explicit Sexual Activity", "Sex Toys",
                         "Obstructed Intimate Parts", "Illustrated Explicit Nudity"}),
    "gore": frozenset({"Graphic Violence", "Graphic Violence Or Gore", "Blood & Gore",
                       "Death and Emaciation", "Corpses", "Hanging"}),
    "hate": frozenset({"Hate Symbols", "Nazi Party", "White Supremacy", "Extremist"}),
}  # fmt: skip


def _unfit(_message: str) -> ProviderError:
    return bad_source("The picture cannot be read.")


_MEANINGS: Final = {
    "InvalidImageFormatException": _unfit,
    "ImageTooLargeException": _unfit,
    # The object exists: we may not read it, or the bucket is in another region.
    "InvalidS3ObjectException": not_configured,
    "InvalidParameterException": _unfit,
}


class RekognitionFaces:
    """Finds faces by a boto3 client of ``rekognition``; a ``FindFaces`` of uploads."""

    def __init__(
        self, client: Client, *, least_confidence_percent: float = FACE_CONFIDENCE_PERCENT
    ) -> None:
        self._client = client
        self._least = least_confidence_percent

    def __call__(self, picture: bytes, /) -> tuple[FaceBox, ...]:
        """Every face that an upright picture (JPEG, PNG) shows, once.

        Raises:
            FaceCheckUnavailable: the service is unavailable, or cannot read this picture.
        """
        if len(picture) > BYTES_LIMIT:
            raise FaceCheckUnavailable("the picture is too large")
        try:
            with translate_errors(_MEANINGS):
                response = self._client().detect_faces(Image={"Bytes": picture})
            faces = require_field(response, "FaceDetails")
        except ProviderError as error:
            raise FaceCheckUnavailable(error.detail) from error
        return tuple(
            _box(face["BoundingBox"]) for face in faces if face["Confidence"] >= self._least
        )


class RekognitionModeration:
    """Refuses pictures by a boto3 client of ``rekognition``."""

    def __init__(
        self, client: Client, *, least_confidence_percent: float = MODERATION_CONFIDENCE_PERCENT
    ) -> None:
        self._client = client
        self._least = least_confidence_percent

    def check_image(self, picture: bytes | str) -> None:
        """Pass a picture (JPEG, PNG), given as bytes or as ``s3://bucket/key``, or refuse it.

        Raises:
            ModerationRefused: with its ``category``.
            TransientProviderError: the service is unavailable now.
            PermanentProviderError: BAD_SOURCE, or PROVIDER_NOT_CONFIGURED.
        """
        arguments = {"Image": _image(picture), "MinConfidence": self._least}
        try:
            with translate_errors(_MEANINGS):
                response = self._client().detect_moderation_labels(**arguments)
            category = _category(require_field(response, "ModerationLabels"))
        except ResponseLost as error:
            # The call changes nothing, so it may be repeated.
            raise TransientProviderError(error.detail) from error
        if category is not None:
            raise ModerationRefused("The picture was refused.", category=category)


def _image(picture: bytes | str) -> dict[str, Any]:
    if isinstance(picture, bytes):
        if len(picture) > BYTES_LIMIT:
            raise bad_source("The picture is too large.")
        return {"Bytes": picture}
    bucket, _, key = picture.removeprefix("s3://").partition("/")
    return {"S3Object": {"Bucket": bucket, "Name": key}}


def _category(labels: Iterable[Mapping[str, Any]]) -> str | None:
    found = {
        name for label in labels for name in (label.get("Name", ""), label.get("ParentName", ""))
    }
    return next((category for category, names in _REFUSED.items() if names & found), None)


def _box(box: Mapping[str, float]) -> FaceBox:
    left, top = box["Left"], box["Top"]
    return box_between(left, top, left + box["Width"], top + box["Height"])
