"""Amazon Bedrock: pictures by Stability's models, scripts by any model that converses.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html,
…/API_runtime_Converse.html (stop reasons, usage), …/API_runtime_ApplyGuardrail.html (action,
assessments), https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-diffusion-3-5-
large.html, …/model-parameters-diffusion-stable-image-core-text-image-request-response.html,
…/model-parameters-diffusion-stable-ultra-text-image-request-response.html (requests, finish
reasons), …/guardrails-quotas. From memory: the sentences of ValidationException, and the fields
``image`` and ``strength`` as Stability's own API names them.

Models are named by the configuration and known by family. Amazon's own picture models (Nova Canvas,
Titan) have ended; they are no family here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from darkroom.generation.documents import document_artifact
from darkroom.generation.ports import (
    Artifact,
    GenerationRequest,
    ModerationRefused,
    ProviderError,
    SourceFile,
    capability_of,
)
from darkroom.generation.prompts import VisualPrompt, visual_prompt_of
from darkroom.generation.script import prompt_of, script_of_response, write_script
from darkroom.generation.text_chunks import chunks_of
from darkroom.generation.vendor_errors import (
    bad_result,
    bad_source,
    content_rejected,
    failed,
    incomplete,
    later,
    not_configured,
    refused,
    unsupported,
)
from darkroom.generation.vendors.aws import (
    Client,
    read_stream,
    ref_of,
    require_field,
    translate_errors,
)
from darkroom.media.media_size import read_size

DEFAULT_MODELS: Final = {
    "image": "stability.sd3-5-large-v1:0",
    "script": "amazon.nova-lite-v1:0",
}
PROMPT_LIMIT_CHARS: Final = 10_000
PHOTO_LIMIT_BYTES: Final = 15 * 1024 * 1024
"""A request takes 25 MB, and a photo in it a third more than it has."""
PHOTO_LIMIT_PIXELS: Final = 9_437_184
PHOTO_STRENGTH: Final = 0.6
"""From 0, the photo as it is, to 1, as if there were none."""
RESPONSE_LIMIT_TOKENS: Final = 8_000
_BASE_TOKENS: Final = 1_000
_TOKENS_A_SECOND: Final = 15
GUARDED_CHUNK_CHARS: Final = 10_000
_MODEL: Final = re.compile(r"(?:arn:[^/]+/)?(?:[a-z]{2,6}\.)?stability\.(?P<name>[a-z0-9.-]+).*")
# Which families know a photo to begin with.
_FAMILIES: Final = {"stable-image-core": False, "stable-image-ultra": False, "sd3-5-large": True,
                    "sd3-large": True}  # fmt: skip
# The nearest that the family has.
_ASPECT_RATIOS: Final = {"1:1": "1:1", "3:4": "4:5", "4:3": "5:4", "9:16": "9:16", "16:9": "16:9"}
_FILTERED: Final = re.compile(r"filter", re.IGNORECASE)
_BLOCKED: Final = re.compile(r"content filter|content polic|moderat|blocked by", re.IGNORECASE)
_NO_MODEL: Final = re.compile(
    r"model identifier|on-demand throughput|inference profile|end of its life|not supported",
    re.IGNORECASE,
)
_WHOLE: Final = frozenset({"end_turn", "stop_sequence"})
_REFUSED: Final = frozenset({"guardrail_intervened", "content_filtered"})
_CATEGORIES: Final = {"SEXUAL": "sexual", "HATE": "hate", "INSULTS": "hate", "VIOLENCE": "gore"}
# The account's administrator named the topics of the guardrail.
_TOPICS: Final = (
    (re.compile(r"minor|child|csam", re.IGNORECASE), "minors"),
    (re.compile(r"self.?harm|self.?injur|suicid", re.IGNORECASE), "self-harm"),
    (re.compile(r"sex|nud", re.IGNORECASE), "sexual"),
    (re.compile(r"hate|extrem", re.IGNORECASE), "hate"),
    (re.compile(r"gore|violen", re.IGNORECASE), "gore"),
)


def _not_valid(message: str) -> ProviderError:
    if _BLOCKED.search(message):
        return content_rejected("The request was refused.")
    return not_configured(message) if _NO_MODEL.search(message) else refused(message)


_MEANINGS: Final = {
    "ValidationException": _not_valid,
    "ModelErrorException": failed,
    "ModelTimeoutException": failed,
    # "You can resubmit your request later": it is a rate.
    "ServiceQuotaExceededException": later,
}


class Bedrock:
    """The service behind a boto3 client of ``bedrock-runtime``.

    With a ``guardrail`` (its id or ARN) the words of pictures and scripts go through it.
    """

    name = "bedrock"

    def __init__(
        self,
        client: Client,
        *,
        models: Mapping[str, str] | None = None,
        guardrail: str = "",
        guardrail_version: str = "DRAFT",
    ) -> None:
        self._client = client
        self._models = DEFAULT_MODELS | dict(models or {})
        self._guardrail = (
            BedrockGuardrail(client, guardrail=guardrail, version=guardrail_version)
            if guardrail
            else None
        )

    def model_of(self, kind: str) -> str:
        return self._models.get(capability_of(kind), "")

    def generate(self, request: GenerationRequest) -> list[Artifact]:
        capability = capability_of(request.kind)
        if capability == "image":
            return self._picture(request)
        if capability == "script":
            return self._script(request)
        raise unsupported(f"no {request.kind} here")

    # Pictures

    def _picture(self, request: GenerationRequest) -> list[Artifact]:
        prompt = visual_prompt_of(request)
        inputs = _image_inputs(
            prompt, request.seed, takes_photo=_takes_photo(self.model_of(request.kind))
        )
        if self._guardrail is not None:
            self._guardrail.check_text(prompt.text)
        with translate_errors(_MEANINGS):
            response = self._client().invoke_model(
                modelId=self.model_of(request.kind),
                contentType="application/json",
                accept="application/json",
                body=json.dumps(inputs).encode(),
            )
            content = read_stream(response["body"])
        request.meter.ref = ref_of(response)
        picture = _picture_of(content)
        request.meter.charge("image", 1)
        path = request.workdir / f"{request.key}.png"
        path.write_bytes(picture)
        size = read_size(path, "image/png")
        if size.width is None or size.height is None:
            raise bad_result("the result is not a picture")
        return [
            Artifact(
                type="image",
                mime_type="image/png",
                path=path,
                width=size.width,
                height=size.height,
            )
        ]

    # Scripts

    def _script(self, request: GenerationRequest) -> list[Artifact]:
        system, user = prompt_of(request.params, request.language)
        arguments: dict[str, Any] = {
            "modelId": self.model_of("script"),
            "system": [{"text": system}],
            "messages": [{"role": "user", "content": [{"text": user}]}],
            "inferenceConfig": {"maxTokens": _response_tokens(request.params["durationSec"])},
        }
        if self._guardrail is not None:
            arguments["guardrailConfig"] = self._guardrail.of_converse
        with translate_errors(_MEANINGS):
            response = self._client().converse(**arguments)
        request.meter.ref = ref_of(response)
        usage = response.get("usage", {})
        request.meter.charge("input_token", usage.get("inputTokens", 0))
        request.meter.charge("output_token", usage.get("outputTokens", 0))
        script = script_of_response(_said(response), request.params, request.language)
        return [document_artifact(request, script, write_script(script))]


class BedrockGuardrail:
    """A guardrail of this account, called on its own."""

    def __init__(self, client: Client, *, guardrail: str, version: str = "DRAFT") -> None:
        self._client = client
        self._named = {"guardrailIdentifier": guardrail, "guardrailVersion": version}

    @property
    def of_converse(self) -> Mapping[str, str]:
        """The guardrail as a part of another call."""
        return self._named

    def check_text(self, text: str) -> None:
        """Pass a user's text, or refuse it.

        Raises:
            ModerationRefused: with its ``category``, if the guardrail reports one.
            ProviderError: the call failed.
        """
        for chunk in chunks_of(text, GUARDED_CHUNK_CHARS):
            if not chunk.strip():
                continue
            with translate_errors(_MEANINGS):
                response = self._client().apply_guardrail(
                    **self._named, source="INPUT", content=[{"text": {"text": chunk}}]
                )
            _pass(response)


def _takes_photo(model: str) -> bool:
    """Whether the model knows a photo to begin with.

    Raises:
        PermanentProviderError: PROVIDER_NOT_CONFIGURED; its family is unknown here.
    """
    match = _MODEL.fullmatch(model)
    for family, takes_photo in _FAMILIES.items():
        if match and match["name"].startswith(family):
            return takes_photo
    raise not_configured(f"no pictures by {model}")


def _image_inputs(prompt: VisualPrompt, seed: int, *, takes_photo: bool) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "prompt": prompt.text[:PROMPT_LIMIT_CHARS],
        # 0 means a random seed, and the API rejects the largest value.
        "seed": seed % (2**32 - 2) + 1,
        "output_format": "png",
    }
    if prompt.source is None:
        return inputs | {
            "mode": "text-to-image",
            "aspect_ratio": _ASPECT_RATIOS[prompt.aspect_ratio],
        }
    if not takes_photo:
        raise unsupported("the model begins with words alone")
    # Its shape is the photo's.
    return inputs | {
        "mode": "image-to-image",
        "image": _photo(prompt.source),
        "strength": PHOTO_STRENGTH,
    }


def _photo(source: SourceFile) -> str:
    size = read_size(source.path, source.mime_type)
    pixels = (size.width or 0) * (size.height or 0)
    if source.path.stat().st_size > PHOTO_LIMIT_BYTES or pixels > PHOTO_LIMIT_PIXELS:
        raise bad_source("the photo is too large")
    return base64.b64encode(source.path.read_bytes()).decode("ascii")


def _picture_of(content: bytes) -> bytes:
    try:
        drawn = json.loads(content)
        reason = next(iter(drawn.get("finish_reasons") or ()), None)
        images = list(drawn.get("images") or ())
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise bad_result("the response does not have the shape of this model family") from error
    if reason is not None:
        if _FILTERED.search(str(reason)):
            raise content_rejected("The picture was refused.")
        raise failed("The model failed.")
    try:
        return base64.b64decode(images[0], validate=True)
    except (IndexError, TypeError, binascii.Error, ValueError) as error:
        raise bad_result("the response has no picture") from error


def _response_tokens(duration_sec: int) -> int:
    return min(RESPONSE_LIMIT_TOKENS, _BASE_TOKENS + _TOKENS_A_SECOND * duration_sec)


def _said(response: Mapping[str, Any]) -> str:
    """The text of a complete response, without the model's thinking.

    Raises:
        ModerationRefused: a guardrail or the model's own filter stopped it.
        TransientProviderError: BAD_RESULT; it is incomplete. The next one may not be.
    """
    reason = require_field(response, "stopReason")
    if reason in _REFUSED:
        raise content_rejected("The script was refused.")
    if reason not in _WHOLE:
        raise incomplete("the response is incomplete")
    content = response.get("output", {}).get("message", {}).get("content", ())
    return "".join(block.get("text", "") for block in content)


def _pass(response: Mapping[str, Any]) -> None:
    if require_field(response, "action") == "NONE":
        return
    findings = list(_findings(response.get("assessments", ())))
    # Masked names and numbers are no reason to refuse.
    blocked = [finding for finding in findings if finding.get("action") != "ANONYMIZED"]
    if findings and not blocked:
        return
    category = _category(blocked)
    facts = {} if category is None else {"category": category}
    raise ModerationRefused("The text was refused.", **facts)


def _findings(assessed: Any) -> Iterator[Mapping[str, Any]]:
    """Everything in the assessments that the guardrail acted on."""
    if isinstance(assessed, list):
        for item in assessed:
            yield from _findings(item)
    elif isinstance(assessed, dict):
        if assessed.get("action") in ("BLOCKED", "ANONYMIZED"):
            yield assessed
        for item in assessed.values():
            yield from _findings(item)


def _category(findings: list[Mapping[str, Any]]) -> str | None:
    """The first that the product has a name for."""
    for finding in findings:
        known = _CATEGORIES.get(str(finding.get("type", "")))
        named = (c for topic, c in _TOPICS if topic.search(str(finding.get("name", ""))))
        category = known or next(named, None)
        if category is not None:
            return category
    return None
