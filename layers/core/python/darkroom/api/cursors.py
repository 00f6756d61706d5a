"""Cursors: the last key of a page, signed and bound to account, route and filters."""

from __future__ import annotations

from typing import Any

from darkroom.bootstrap.composition import App
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.signing import BadSignature, sign, verify


def make_cursor(
    app: App, position: Any, *, account_id: str, route: str, filters: str = ""
) -> str | None:
    """The cursor of the page after ``position``; None on the last page."""
    if position is None:
        return None
    return sign(app.signing_secret.value, _purpose(account_id, route, filters), position)


def read_cursor(
    app: App, cursor: str | None, *, account_id: str, route: str, filters: str = ""
) -> Any:
    """The position of a cursor; None without a cursor, which means the first page.

    Raises:
        InvalidInput: BAD_CURSOR; it was changed, or belongs to another list.
    """
    if not cursor:
        return None
    try:
        return verify(app.signing_secret.value, _purpose(account_id, route, filters), cursor)
    except BadSignature as error:
        raise InvalidInput("bad cursor", code="BAD_CURSOR") from error


def _purpose(account_id: str, route: str, filters: str) -> str:
    return f"cursor|{route}|{account_id}|{filters}"
