"""Bodies of error responses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from darkroom.views.base import Omittable, ResponseBody


class FieldProblem(ResponseBody):
    """``path`` is the field's place in the request, or ``body`` for the body as a whole."""

    path: str
    code: str
    message: str


class RegenerationTarget(ResponseBody):
    """A body of `POST /api/jobs/{jobId}/regenerate`."""

    target: Annotated[str, Field(description="What is made again.", examples=["story_clip"])]
    clip_no: Omittable[
        Annotated[int, Field(description="The clip or scene, from 1.", examples=[2])]
    ] = None
    key: Omittable[Annotated[str, Field(description="The image.", examples=["img_01"])]] = None


class ErrorBody(ResponseBody):
    """``error`` is a sentence for users, ``code`` never changes."""

    error: str
    code: str


class ErrorResponse(ErrorBody):
    """The body of every error but 402. Between ``code`` and ``requestId`` are facts about some
    codes; only facts declared here are shown to clients. ``upgradeTo`` is null if no plan is large
    enough."""

    fields: Omittable[list[FieldProblem]] = None
    asset_id: Omittable[str] = None
    missing_parts: Omittable[list[int]] = None
    faces: Omittable[int] = None
    category: Omittable[str] = None
    targets: Omittable[
        Annotated[
            list[RegenerationTarget],
            Field(description="`INVALID_TARGET`: every target that this job has."),
        ]
    ] = None
    name: Omittable[str] = None
    limit: Omittable[int] = None
    used: Omittable[int] = None
    plan: Omittable[str] = None
    upgrade_to: str | None = None
    request_id: str


class Suggestion(ResponseBody):
    pack: str
    credits: int


class PaymentRequiredResponse(ErrorBody):
    needed: int
    balance: int
    shortfall: int
    suggestions: list[Suggestion]
    request_id: str
