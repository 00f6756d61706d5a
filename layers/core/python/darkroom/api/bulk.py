"""Bulk requests: each item has its own result, and a failed item does not affect the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from aws_lambda_powertools import Logger

from darkroom.api.errors import status_of
from darkroom.api.messages import message_for
from darkroom.db import is_outage
from darkroom.kernel.errors import DarkroomError, Unavailable
from darkroom.views.base import ResponseBody

logger = Logger()
Result = TypeVar("Result", bound=ResponseBody)
Refused = Callable[[str, str, str], Result]
"""The result of an item that failed, by its id, the code and the message of the error."""


def results_for_each(
    ids: Iterable[str],
    one: Callable[[str], Result],
    *,
    refused: Refused[Result],
    knows: Callable[[str], bool],
    language: str,
) -> list[Result]:
    """One result for each id, in the order of the ids.

    ``knows`` says whether a text has the form of such an id; others are reported as not found. An
    exception of ``one`` becomes the result of its item, so earlier results are not lost.
    """

    def result(each: str) -> Result:
        outcome = _attempt(each, one) if knows(each) else "NOT_FOUND"
        if isinstance(outcome, str):
            return refused(each, outcome, message_for(outcome, language))
        return outcome

    return [result(each) for each in ids]


def _attempt(each: str, one: Callable[[str], Result]) -> Result | str:
    """The result of one item, or the code of its error."""
    try:
        return one(each)
    except DarkroomError as error:
        if status_of(error) != 500:
            return error.error_code
        logger.exception("bulk_item_failed", item=each)
    except Exception as error:
        if is_outage(error):
            logger.warning("outage", item=each, error=repr(error))
            return Unavailable.code
        logger.exception("bulk_item_failed", item=each)
    return DarkroomError.code
