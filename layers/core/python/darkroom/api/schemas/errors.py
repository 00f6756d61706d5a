"""Bodies of error responses: one for all codes, and one for each kind of facts beside a code."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from darkroom.credits import pricing
from darkroom.kernel.problems import SENTENCES
from darkroom.plans.model import limit_names, plan_names
from darkroom.views.base import Count, Omittable, ResponseBody, Words

PlanName = Annotated[str, Words("PlanName", plan_names)]
UpgradeTo = Annotated[
    PlanName | None,
    Field(
        description="The smallest plan that is large enough; null if none is.",
        examples=["standard"],
    ),
]


class FieldProblem(ResponseBody):
    """A problem with one field of the request."""

    path: str = Field(
        description="The field's place in the request, or `body` for the body as a whole.",
        examples=["inputs.photoAssetIds.0"],
    )
    code: str = Field(
        description="What is wrong; never changes.",
        examples=["REQUIRED"],
        json_schema_extra=lambda schema: schema.update(enum=[*sorted(SENTENCES)]),
    )
    message: str = Field(
        description="A sentence for users, in the language of `Accept-Language`.",
        examples=["This is required."],
    )


class ErrorBody(ResponseBody):
    """The body of every error of a function."""

    # Most processes never send most of these.
    model_config = ConfigDict(defer_build=True)

    error: str = Field(
        description="A sentence for users, in the language of `Accept-Language`; it may change.",
        examples=["We could not find this."],
    )
    code: str = Field(description="The kind of error; never changes.", examples=["NOT_FOUND"])
    request_id: str = Field(
        description="Names this request in the logs.", examples=["JKJaXmPLvHcESHA="]
    )


class InvalidFieldsBody(ErrorBody):
    fields: Omittable[list[FieldProblem]] = Field(
        default=None, description="The fields that are wrong, as far as they are known."
    )


class RejectedContentBody(ErrorBody):
    category: Literal["sexual", "minors", "gore", "hate", "self-harm"] = Field(
        description="Why the text is not allowed.", examples=["gore"]
    )


class RegenerationTargetBody(ResponseBody):
    """What can be made again: a body of `POST /api/jobs/{jobId}/regenerate`."""

    target: str = Field(description="What is made again.", examples=["story_clip"])
    clip_no: Omittable[Count] = Field(
        default=None, description="Number of the clip or scene, from 1.", examples=[2]
    )
    key: Omittable[str] = Field(default=None, description="Key of the image.", examples=["img_01"])


class InvalidTargetBody(ErrorBody):
    targets: list[RegenerationTargetBody] = Field(
        description="Every target that this job has.",
        examples=[[{"target": "story_clip", "clipNo": 1}]],
    )


class MissingRolesBody(InvalidFieldsBody):
    roles: list[str] = Field(
        description="Roles that have no active reference photo among those given.",
        examples=[["groom"]],
    )


class FacesBody(ErrorBody):
    faces: int = Field(description="Faces found in the picture.", examples=[2])


class AssetBody(ErrorBody):
    asset_id: str = Field(
        description="The file that the error is about.",
        examples=["ast_01KE6P4YM0DW25PDBDE1K4KS00"],
    )


class MissingPartsBody(AssetBody):
    missing_parts: Omittable[list[int]] = Field(
        default=None,
        description="Numbers of the parts to send, from 1; at most the first 1,000.",
        examples=[[2, 3]],
    )


class Suggestion(ResponseBody):
    """A pack that covers the shortfall."""

    pack: Annotated[str, Words("PackName", pricing.pack_names)] = Field(
        description="The name of the pack.", examples=["Starter"]
    )
    credits: int = Field(description="The credits in the pack.", examples=[10])


class ShortfallBody(ErrorBody):
    needed: int = Field(description="The price, in credits.", examples=[5])
    balance: int = Field(description="Credits that can be spent now.", examples=[2])
    shortfall: int = Field(
        description="Credits to buy before the request can succeed; a debt is part of it.",
        examples=[3],
    )
    suggestions: list[Suggestion] = Field(
        description="Up to two packs that cover the shortfall, the smallest first; "
        "the largest pack if none does."
    )


class RateLimitBody(ErrorBody):
    policy: Omittable[Literal["requests", "generation", "portraits", "quotes", "stream"]] = Field(
        default=None, description="The policy that the request was over.", examples=["generation"]
    )
    limit: Omittable[int] = Field(
        default=None, description="The most in one window of the policy.", examples=[10]
    )
    retry_after_seconds: Omittable[int] = Field(
        default=None,
        description="Seconds until the next window begins; the same as `Retry-After`.",
        examples=[41],
    )


class PlanLimitBody(ErrorBody):
    name: Annotated[str, Words("PlanLimitName", limit_names)] = Field(
        description="The limit of the plan.", examples=["storageBytes"]
    )
    limit: int = Field(
        description="The most that the plan allows, in the unit of the limit: bytes, files, jobs, "
        "minutes, US dollars.",
        examples=[1_000_000_000],
    )
    used: int | float = Field(
        description="What is in use, in the same unit.", examples=[999_000_000]
    )
    plan: PlanName = Field(description="The account's plan.", examples=["free"])
    upgrade_to: UpgradeTo


class TooManyBody(ErrorBody):
    limit: int = Field(description="The most that an account may have.", examples=[20])


class FileTooLargeBody(InvalidFieldsBody):
    limit: int = Field(
        description="The largest size that is allowed, in bytes.",
        examples=[10_000_000],
    )
    plan: Omittable[PlanName] = Field(
        default=None,
        description="The account's plan, if it is the plan that does not allow the size.",
        examples=["free"],
    )
    upgrade_to: UpgradeTo


BODY_OF: dict[str, type[ErrorBody]] = {
    "ASSET_FAILED": AssetBody,
    "ASSET_NOT_READY": AssetBody,
    "CONTENT_REJECTED": RejectedContentBody,
    "CREDITS_DEBT": ShortfallBody,
    "CREDITS_INSUFFICIENT": ShortfallBody,
    "FACE_CHECK_UNAVAILABLE": AssetBody,
    "FILE_TOO_LARGE": FileTooLargeBody,
    "INVALID_TARGET": InvalidTargetBody,
    "MULTIPLE_FACES": FacesBody,
    "NO_FACE": FacesBody,
    "PLAN_LIMIT": PlanLimitBody,
    "RATE_LIMITED": RateLimitBody,
    "REFERENCE_PHOTO_MISSING": MissingRolesBody,
    "TOO_MANY": TooManyBody,
    "UNSUPPORTED_TYPE": InvalidFieldsBody,
    "UPLOAD_INCOMPLETE": MissingPartsBody,
    "VALIDATION_FAILED": InvalidFieldsBody,
}
"""The bodies of codes with facts. Only facts that are declared here are shown to clients."""
