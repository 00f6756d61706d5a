"""Amazon Rekognition, against a server that behaves as its documentation says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.generation.ports import (
    ModerationRefused,
    PermanentProviderError,
    ProviderError,
)
from darkroom.generation.vendors.rekognition import (
    BYTES_LIMIT,
    RekognitionFaces,
    RekognitionModeration,
)
from darkroom.kernel.faces import FaceBox, FaceCheckUnavailable
from darkroom.uploads.ports import FindFaces
from tests.support.aws_stand_in import AwsError, Gone, Raw
from tests.support.rekognition_stand_in import RekognitionStandIn

JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.fixture
def stand_in() -> Iterator[RekognitionStandIn]:
    with RekognitionStandIn() as server:
        yield server


@pytest.fixture
def find_faces(stand_in: RekognitionStandIn) -> FindFaces:
    client = stand_in.client(read_timeout=3)
    return RekognitionFaces(lambda: client)


@pytest.fixture
def moderation(stand_in: RekognitionStandIn) -> RekognitionModeration:
    client = stand_in.client(read_timeout=3)
    return RekognitionModeration(lambda: client)


# Faces


def test_faces_are_returned_with_their_boxes(
    stand_in: RekognitionStandIn, find_faces: FindFaces
) -> None:
    stand_in.face(0.1, 0.2, 0.3, 0.4, sure=99.9)
    stand_in.face(0.6, 0.2, 0.2, 0.3, sure=92.0)

    assert find_faces(JPEG) == (
        FaceBox(x=0.1, y=0.2, width=0.3, height=0.4),
        FaceBox(x=0.6, y=0.2, width=0.2, height=0.3),
    )
    [sent] = stand_in.calls_of("DetectFaces")
    assert sent["Image"]["Bytes"] == JPEG


def test_an_uncertain_face_is_not_returned(
    stand_in: RekognitionStandIn, find_faces: FindFaces
) -> None:
    stand_in.face(0.1, 0.2, 0.3, 0.4, sure=89.9)

    assert find_faces(JPEG) == ()


def test_a_face_box_ends_at_the_border_of_the_picture(
    stand_in: RekognitionStandIn, find_faces: FindFaces
) -> None:
    stand_in.face(-0.1, 0.8, 0.3, 0.4, sure=99.0)

    assert find_faces(JPEG) == (FaceBox(x=0.0, y=0.8, width=0.2, height=0.2),)


@pytest.mark.parametrize(
    "fault",
    [
        AwsError("ThrottlingException"),
        AwsError("AccessDeniedException"),
        AwsError("InvalidImageFormatException"),
        Raw(200, b"{}"),
        Gone("closed"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_failed_check_raises_an_error(
    stand_in: RekognitionStandIn, find_faces: FindFaces, fault: Any
) -> None:
    stand_in.faults.append(fault)

    with pytest.raises(FaceCheckUnavailable):
        find_faces(JPEG)

    assert len(stand_in.requests) == 1, "never sent twice"


def test_a_picture_over_the_limit_is_not_sent(
    stand_in: RekognitionStandIn, find_faces: FindFaces, moderation: RekognitionModeration
) -> None:
    picture = JPEG.ljust(BYTES_LIMIT + 1, b"0")

    with pytest.raises(FaceCheckUnavailable):
        find_faces(picture)
    with pytest.raises(PermanentProviderError) as caught:
        moderation.check_image(picture)

    assert caught.value.error_code == "BAD_SOURCE"
    assert stand_in.requests == []


# Moderation


@pytest.mark.parametrize(
    ("path", "category"),
    [
        (("Explicit", "Explicit Nudity", "Exposed Buttocks or Anus"), "sexual"),
        (("Explicit", "Sex Toys"), "sexual"),
        (("Non-Explicit Nudity of Intimate parts and Kissing", "Obstructed Intimate Parts",
          "Obstructed Female Nipple"), "sexual"),
        (("Violence", "Graphic Violence", "Blood & Gore"), "gore"),
        (("Violence", "Graphic Violence", "Self-Harm"), "self-harm"),
        (("Visually Disturbing", "Death and Emaciation", "Corpses"), "gore"),
        (("Hate Symbols", "Nazi Party"), "hate"),
        (("Explicit Nudity", "Nudity"), "sexual"),
        (("Violence", "Self Injury"), "self-harm"),
        (("Violence", "Graphic Violence Or Gore"), "gore"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_unsafe_content_is_refused_by_its_category(
    stand_in: RekognitionStandIn,
    moderation: RekognitionModeration,
    path: tuple[str, ...],
    category: str,
) -> None:
    stand_in.label("Alcohol")
    stand_in.label(*path)

    with pytest.raises(ModerationRefused) as caught:
        moderation.check_image(JPEG)

    assert caught.value.facts == {"category": category}


@pytest.mark.parametrize(
    "path",
    [
        ("Non-Explicit Nudity of Intimate parts and Kissing", "Kissing on the Lips"),
        ("Non-Explicit Nudity of Intimate parts and Kissing", "Non-Explicit Nudity", "Bare Back"),
        ("Swimwear or Underwear", "Female Swimwear or Underwear"),
        ("Violence", "Weapons"),
        ("Drugs & Tobacco", "Drugs & Tobacco Paraphernalia & Use", "Smoking"),
        ("Alcohol", "Alcohol Use", "Drinking"),
        ("Rude Gestures", "Middle Finger"),
    ],
    ids=lambda value: value[-1],
)
def test_ordinary_story_content_passes(
    stand_in: RekognitionStandIn, moderation: RekognitionModeration, path: tuple[str, ...]
) -> None:
    stand_in.label(*path)

    moderation.check_image(JPEG)


def test_a_label_with_low_confidence_refuses_nothing(
    stand_in: RekognitionStandIn, moderation: RekognitionModeration
) -> None:
    stand_in.label("Explicit", "Explicit Nudity", sure=79.0)

    moderation.check_image(JPEG)

    assert stand_in.calls_of("DetectModerationLabels")[0]["MinConfidence"] == 80.0


def test_a_picture_in_our_bucket_is_moderated_there(
    stand_in: RekognitionStandIn, moderation: RekognitionModeration
) -> None:
    stand_in.objects.add("bucket/outputs/a b/1.png")

    moderation.check_image("s3://bucket/outputs/a b/1.png")

    [sent] = stand_in.calls_of("DetectModerationLabels")
    assert sent["Image"] == {"S3Object": {"Bucket": "bucket", "Name": "outputs/a b/1.png"}}


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        (AwsError("AccessDeniedException"), PermanentProviderError, "PROVIDER_NOT_CONFIGURED"),
        (AwsError("InvalidImageFormatException"), PermanentProviderError, "BAD_SOURCE"),
        (AwsError("InvalidS3ObjectException"), PermanentProviderError, "PROVIDER_NOT_CONFIGURED"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_unmoderated_picture_does_not_pass(
    stand_in: RekognitionStandIn,
    moderation: RekognitionModeration,
    fault: Any,
    error: type[Exception],
    code: str,
) -> None:
    stand_in.faults.append(fault)

    with pytest.raises(ProviderError) as caught:
        moderation.check_image(JPEG)

    assert (type(caught.value), caught.value.error_code) == (error, code)
