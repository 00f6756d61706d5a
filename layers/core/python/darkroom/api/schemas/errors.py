"""Bodies of error responses."""

from __future__ import annotations

from darkroom.api.schemas.base import ResponseBody


class FieldProblem(ResponseBody):
    """``path`` is the field's place in the request, or ``body`` for the body as a whole."""

    path: str
    code: str
    message: str


class ErrorResponse(ResponseBody):
    """The body of every error. 400 adds ``fields``; 402 adds ``needed``, ``balance``, ``shortfall``
    and ``suggestions``."""

    error: str
    code: str
    request_id: str
    fields: list[FieldProblem] | None = None


class Suggestion(ResponseBody):
    pack: str
    credits: int


class PaymentRequiredResponse(ErrorResponse):
    needed: int
    balance: int
    shortfall: int
    suggestions: list[Suggestion]
