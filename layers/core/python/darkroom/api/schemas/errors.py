"""Bodies of error responses."""

from __future__ import annotations

from darkroom.views.base import Omittable, ResponseBody


class FieldProblem(ResponseBody):
    """``path`` is the field's place in the request, or ``body`` for the body as a whole."""

    path: str
    code: str
    message: str


class ErrorResponse(ResponseBody):
    """The body of every error. The fields between ``code`` and ``requestId`` are facts about some
    codes: only facts declared here are shown to clients. ``upgradeTo`` is null if no plan is large
    enough."""

    error: str
    code: str
    fields: Omittable[list[FieldProblem]] = None
    asset_id: Omittable[str] = None
    missing_parts: Omittable[list[int]] = None
    faces: Omittable[int] = None
    category: Omittable[str] = None
    name: Omittable[str] = None
    limit: Omittable[int] = None
    used: Omittable[int] = None
    plan: Omittable[str] = None
    upgrade_to: str | None = None
    request_id: str


class Suggestion(ResponseBody):
    pack: str
    credits: int


class PaymentRequiredResponse(ErrorResponse):
    needed: int
    balance: int
    shortfall: int
    suggestions: list[Suggestion]
