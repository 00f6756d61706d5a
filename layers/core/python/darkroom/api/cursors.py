"""Cursors: the last key of a page, signed and bound to account, route and filters."""

from __future__ import annotations

from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.signing import BadSignature, sign, verify


def make_cursor(
    app: App, position: Any, *, account_id: str, route: str, filters: str = ""
) -> str | None:
    """A cursor to go on after ``position``; None when there is no more."""
    if position is None:
        return None
    return sign(app.signing_secret.value, _purpose(account_id, route, filters), position)


def read_cursor(
    app: App, cursor: str | None, *, account_id: str, route: str, filters: str = ""
) -> Any:
    """The position a cursor stands for; None without a cursor, which is the first page.

    Raises:
        InvalidInput: BAD_CURSOR; it was tampered with, or is of another list.
    """
    if not cursor:
        return None
    try:
        return verify(app.signing_secret.value, _purpose(account_id, route, filters), cursor)
    except BadSignature as error:
        raise InvalidInput("bad cursor", code="BAD_CURSOR") from error


def _purpose(account_id: str, route: str, filters: str) -> str:
    return f"cursor|{route}|{account_id}|{filters}"
