"""Bulk requests: each item has its own result, and a failed item does not affect the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aws_lambda_powertools import Logger
from fastapi.responses import JSONResponse

from darkroom.api.errors import status_of
from darkroom.api.idempotency import respond_once
from darkroom.api.messages import message_for
from darkroom.bootstrap.composition import App
from darkroom.db import is_outage
from darkroom.kernel.command import Command
from darkroom.kernel.errors import DarkroomError, Unavailable

logger = Logger()


def results_for_each(
    ids: Sequence[str],
    one: Callable[[str], dict[str, Any]],
    *,
    name: str,
    knows: Callable[[str], bool],
    language: str,
) -> dict[str, Any]:
    """One result for each id, in the order of the ids; ``name`` is the field of the id.

    ``knows`` says whether a text has the form of such an id; others are reported as not found. An
    exception of ``one`` becomes the result of its item, so earlier results are not lost.
    """
    return {"results": [{name: each, **_result(each, one, knows, language)} for each in ids]}


def respond_once_for_each(
    app: App,
    command: Command,
    raw: dict[str, Any],
    *,
    ids: Sequence[str],
    one: Callable[[str], dict[str, Any]],
    name: str,
    knows: Callable[[str], bool],
) -> JSONResponse:
    """The response of ``results_for_each``, or the stored one of an earlier request."""
    return respond_once(
        app,
        command,
        raw,
        status=200,
        action=lambda: results_for_each(
            ids, one, name=name, knows=knows, language=command.language
        ),
    )


def _result(
    each: str, one: Callable[[str], dict[str, Any]], knows: Callable[[str], bool], language: str
) -> dict[str, Any]:
    if not knows(each):
        return _refused("NOT_FOUND", language)
    try:
        return {"ok": True, **one(each)}
    except DarkroomError as error:
        if status_of(error) != 500:
            return _refused(error.error_code, language)
        logger.exception("bulk_item_failed", item=each)
    except Exception as error:
        if is_outage(error):
            logger.warning("outage", item=each, error=repr(error))
            return _refused(Unavailable.code, language)
        logger.exception("bulk_item_failed", item=each)
    return _refused(DarkroomError.code, language)


def _refused(code: str, language: str) -> dict[str, Any]:
    return {"ok": False, "code": code, "error": message_for(code, language)}
