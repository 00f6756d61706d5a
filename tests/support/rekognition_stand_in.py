"""A stand-in for Amazon Rekognition: faces and labels are what the test says of a picture.

Sources: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectFaces.html,
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectModerationLabels.html,
https://docs.aws.amazon.com/rekognition/latest/dg/limits.html.
"""

from __future__ import annotations

from typing import Any

from tests.support.aws_stand_in import AwsError, AwsStandIn, Json

LIMIT_BYTES = 5 * 1024 * 1024
_HEADS = (b"\xff\xd8\xff", b"\x89PNG")


class RekognitionStandIn(AwsStandIn):
    service = "rekognition"

    def __init__(self) -> None:
        super().__init__()
        self.faces: list[Json] = []
        self.labels: list[Json] = []
        self.objects: set[str] = set()
        """What lies in buckets, as ``bucket/key``."""

    def face(self, left: float, top: float, width: float, height: float, sure: float) -> None:
        box = {"Left": left, "Top": top, "Width": width, "Height": height}
        self.faces.append({"BoundingBox": box, "Confidence": sure})

    def label(self, *path: str, sure: float = 99.0) -> None:
        """A label with those above it, the top one first; each is returned."""
        for level, name in enumerate(path, start=1):
            parent = path[level - 2] if level > 1 else ""
            self.labels.append(
                {"Name": name, "ParentName": parent, "TaxonomyLevel": level, "Confidence": sure}
            )

    def do(self, operation: str, fields: Json) -> Any:
        self._look_at(fields["Image"])
        if operation == "DetectFaces":
            return {"FaceDetails": self.faces}
        least = fields.get("MinConfidence", 50)
        found = [label for label in self.labels if label["Confidence"] >= least]
        return {"ModerationLabels": found, "ModerationModelVersion": "7.0"}

    def _look_at(self, image: Json) -> None:
        if "S3Object" in image:
            place = f"{image['S3Object']['Bucket']}/{image['S3Object']['Name']}"
            if place not in self.objects:
                raise AwsError("InvalidS3ObjectException", 400)
            return
        if len(image["Bytes"]) > LIMIT_BYTES:
            raise AwsError("ImageTooLargeException", 400)
        if not image["Bytes"].startswith(_HEADS):
            raise AwsError("InvalidImageFormatException", 400)
