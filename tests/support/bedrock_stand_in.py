"""A stand-in for Amazon Bedrock's runtime: a model of pictures, one of words, and a guardrail.

Requests are checked against what the documentation of the models allows; what they return is set by
the test. Sources: as darkroom's adapter.
"""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar

from tests.support.aws_stand_in import AwsError, AwsStandIn, Json, Raw
from tests.support.cloud import a_png

PICTURE_MODELS = {
    "stability.sd3-5-large-v1:0": {"text-to-image", "image-to-image"},
    "stability.stable-image-core-v1:1": {"text-to-image"},
    "us.stability.stable-image-ultra-v1:1": {"text-to-image"},
}
SCRIPT_MODEL = "amazon.nova-lite-v1:0"
GUARDRAIL = "gr4ntedw0rds"
ASPECTS = {"16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21"}
_FIELDS = {"prompt", "mode", "seed", "output_format", "negative_prompt"}


class BedrockStandIn(AwsStandIn):
    service = "bedrock-runtime"
    rest: ClassVar = {
        "InvokeModel": r"POST /model/(?P<modelId>[^/]+)/invoke",
        "Converse": r"POST /model/(?P<modelId>[^/]+)/converse",
        "ApplyGuardrail": r"POST /guardrail/(?P<guardrailIdentifier>[^/]+)"
        r"/version/(?P<guardrailVersion>[^/]+)/apply",
    }

    def __init__(self) -> None:
        super().__init__()
        self.picture: Json = {
            "seeds": [1],
            "finish_reasons": [None],
            "images": [base64.b64encode(a_png(64, 80)).decode()],
        }
        self.said = ""
        self.stop_reason = "end_turn"
        self.assessments: list[Json] = []
        """What the guardrail finds; nothing lets everything pass."""

    def do(self, operation: str, fields: Json) -> Any:
        if operation == "InvokeModel":
            return Raw(200, json.dumps(self._draw(fields)).encode())
        if operation == "Converse":
            return self._converse(fields)
        if fields["guardrailIdentifier"] != GUARDRAIL:
            raise AwsError("ResourceNotFoundException", 404)
        acted = "GUARDRAIL_INTERVENED" if self.assessments else "NONE"
        return {"usage": {}, "action": acted, "outputs": [], "assessments": self.assessments}

    def _draw(self, fields: Json) -> Json:
        modes = PICTURE_MODELS.get(fields["modelId"])
        if modes is None:
            raise AwsError("ValidationException", 400, "The provided model identifier is invalid.")
        body = json.loads(fields["body"])
        mode = body.get("mode", "text-to-image")
        extra = {"aspect_ratio"} if mode == "text-to-image" else {"image", "strength"}
        problem = (
            mode not in modes
            or set(body) - _FIELDS - extra
            or body.get("aspect_ratio", "1:1") not in ASPECTS
            or not 0 <= body.get("seed", 0) <= 4_294_967_294
            or not 0 <= body.get("strength", 0) <= 1
            or (mode == "image-to-image" and not extra <= set(body))
        )
        if problem:
            raise AwsError("ValidationException", 400, f"Malformed input request: {problem}")
        return self.picture

    def _converse(self, fields: Json) -> Json:
        if fields["modelId"] != SCRIPT_MODEL:
            raise AwsError("ResourceNotFoundException", 404, "The model has reached its end.")
        content = [{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": self.said}]
        return {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": self.stop_reason,
            "usage": {"inputTokens": 412, "outputTokens": 96, "totalTokens": 508},
            "metrics": {"latencyMs": 900},
        }
