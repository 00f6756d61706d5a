"""Strict JSON bodies: ambiguous ones are refused, for all routes in one place.

JSON (RFC 8259) does not define what repeated names and lone surrogates mean, and Python accepts
more than JSON: ``NaN``, ``Infinity``, numbers that overflow. Two parsers may read such a body as
two different requests, so it is refused before any route reads it. Bodies that are not JSON at all
are left to the routes, which respond to them in their own ways.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from darkroom.api import errors
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.limits import BODY_DEPTH_LIMIT, INTEGER_LIMIT_DIGITS
from darkroom.kernel.problems import problem

PATH_PART_LIMIT_CHARS = 64
# Signed by their senders, who may add any fields; the routes read the raw bytes.
_FOREIGN_PREFIX = "/api/webhooks/"
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
_TOO_DEEP = "TOO_DEEP"
_ID_LISTS = frozenset({"assetIds", "ids", "jobIds"})


class StrictJson:
    """Responds to an ambiguous JSON body with 400 and the path of the problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_checked(scope):
            await self._app(scope, receive, send)
            return
        messages = await _received(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        try:
            if body:
                read_json(body)
        except NotJson:
            pass
        except InvalidInput as error:
            response = errors.error_response(Request(scope), 400, error.error_code, error.facts)
            await response(scope, receive, send)
            return
        await self._app(scope, _replayed(messages, receive), send)


class NotJson(InvalidInput):
    """The body is not JSON."""


def read_json(raw: bytes) -> Any:
    """The value of an unambiguous JSON text.

    Raises:
        NotJson; InvalidInput: with the path in ``fields``.
    """
    try:
        value = json.loads(
            raw,
            object_pairs_hook=_object,
            parse_constant=lambda name: _NO_NUMBER,
            parse_float=_float,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise _refused((), _TOO_DEEP) from error
    except ValueError as error:
        raise NotJson("not JSON", fields=[problem("body", "INVALID_JSON")]) from error
    _check(value)
    return value


class _Flaw:
    """Stands for a number that is not JSON, until its path is known."""


_NO_NUMBER = _Flaw()


class _Repeating(dict[str, Any]):
    """An object with a repeated name."""

    repeated: str = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    counts = Counter(name for name, _ in pairs)
    repeating = _Repeating(value)
    repeating.repeated = next(name for name, count in counts.items() if count > 1)
    return repeating


def _float(text: str) -> float | _Flaw:
    value = float(text)
    return value if math.isfinite(value) else _NO_NUMBER


def _integer(text: str) -> int | _Flaw:
    # Python refuses to parse longer ones; no field of the API has more than ten digits.
    return int(text) if len(text) <= INTEGER_LIMIT_DIGITS else _NO_NUMBER


def _check(value: Any) -> None:
    """Walk the whole value, without recursion, because the client chooses the depth."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    while waiting:
        path, held = waiting.pop()
        if len(path) > BODY_DEPTH_LIMIT:
            raise _refused(path, _TOO_DEEP)
        if isinstance(held, _Flaw):
            raise _refused(path, "NOT_A_NUMBER")
        if isinstance(held, str):
            if not _is_one_of_many_ids(path):
                _check_text(path, held)
        elif isinstance(held, dict):
            if isinstance(held, _Repeating):
                raise _refused((*path, held.repeated), "DUPLICATE", value=held.repeated)
            for name, inner in held.items():
                _check_text((*path, name), name)
                waiting.append(((*path, name), inner))
        elif isinstance(held, list):
            waiting += [((*path, str(place)), inner) for place, inner in enumerate(held)]


def _is_one_of_many_ids(path: tuple[str, ...]) -> bool:
    """In a bulk request an odd id affects only the result of its own item."""
    return len(path) == 2 and path[0] in _ID_LISTS


def _check_text(path: tuple[str, ...], text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _refused(path, "BAD_TEXT") from error


def _refused(path: tuple[str, ...], code: str, **params: str) -> InvalidInput:
    parts = [part[:PATH_PART_LIMIT_CHARS] for part in path[: BODY_DEPTH_LIMIT + 1]]
    # The path itself must be valid Unicode.
    shown = _sendable(".".join(parts)) or "body"
    params = {name: _sendable(value[:PATH_PART_LIMIT_CHARS]) for name, value in params.items()}
    return InvalidInput("an ambiguous body", fields=[problem(shown, code, **params)])


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_checked(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] not in _WITHOUT_BODY and not path.startswith(_FOREIGN_PREFIX)


async def _received(receive: Receive) -> list[Message]:
    """The messages of the whole body, whose size was checked earlier."""
    messages = [await receive()]
    while messages[-1]["type"] == "http.request" and messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _replayed(messages: list[Message], receive: Receive) -> Receive:
    remaining = iter(messages)

    async def replay() -> Message:
        message = next(remaining, None)
        return await receive() if message is None else message

    return replay
