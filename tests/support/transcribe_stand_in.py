"""A stand-in for Amazon Transcribe: jobs by name, each result at its own address for a while.

``finish``, ``fail`` and ``expire`` are what happens there in time. Sources: as darkroom's adapter.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from tests.support.aws_stand_in import AwsError, AwsStandIn, Json, Raw

UNKNOWN = "The requested job couldn't be found. Check the job name and try your request again."
TAKEN = "The requested job name already exists. Try again with a different job name."


class TranscribeStandIn(AwsStandIn):
    service = "transcribe"

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Json] = {}
        self.results: dict[str, bytes] = {}
        """Path → what lies there."""

    def finish(self, name: str, document: Any, *, language: str = "en-US") -> None:
        path = f"/aws-transcribe-us-east-1-prod/111122223333/{name}/asrOutput.json"
        self.results[path] = json.dumps(document).encode()
        self.jobs[name] |= {
            "TranscriptionJobStatus": "COMPLETED",
            "LanguageCode": language,
            "Transcript": {"TranscriptFileUri": f"{self.endpoint_url}{path}?X-Amz-Signature=0f0f"},
        }

    def begin(self, name: str) -> None:
        self.jobs[name]["TranscriptionJobStatus"] = "IN_PROGRESS"

    def fail(self, name: str, reason: str) -> None:
        self.jobs[name] |= {"TranscriptionJobStatus": "FAILED", "FailureReason": reason}

    def forget(self, name: str) -> None:
        """Ninety days later."""
        del self.jobs[name]

    def page(self, path: str) -> Raw | None:
        content = self.results.get(urlsplit(path).path)
        if content is None:
            return None
        return Raw(200, content, {"content-type": "application/octet-stream"})

    def do(self, operation: str, fields: Json) -> Any:
        name = fields["TranscriptionJobName"]
        if operation == "StartTranscriptionJob":
            return {"TranscriptionJob": self._start(name, fields)}
        if operation == "GetTranscriptionJob":
            if name not in self.jobs:
                raise AwsError("BadRequestException", 400, UNKNOWN)
            return {"TranscriptionJob": self.jobs[name]}
        assert operation == "DeleteTranscriptionJob"
        if name not in self.jobs or self.jobs[name]["TranscriptionJobStatus"] == "IN_PROGRESS":
            raise AwsError("BadRequestException", 400, "The job can't be deleted.")
        del self.jobs[name]
        return {}

    def _start(self, name: str, fields: Json) -> Json:
        if name in self.jobs:
            raise AwsError("ConflictException", 400, TAKEN)
        ways = {"LanguageCode", "IdentifyLanguage", "IdentifyMultipleLanguages"} & set(fields)
        if len(ways) != 1:
            raise AwsError("BadRequestException", 400, "Give one way to know the language.")
        settings = fields.get("Settings", {})
        if settings.get("ShowSpeakerLabels") and "MaxSpeakerLabels" not in settings:
            raise AwsError("BadRequestException", 400, "MaxSpeakerLabels is needed.")
        self.jobs[name] = fields | {"TranscriptionJobStatus": "QUEUED", "CreationTime": 1.79e9}
        return self.jobs[name]
