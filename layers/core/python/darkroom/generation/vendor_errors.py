"""What a vendor's failure means: a constructor for each error, and the one mapping from an HTTP
status to them.

The details are for operators, who find them in the log; the owner of a task gets the sentence of
the code. So a detail may say what the vendor said, but never repeats a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from darkroom.generation.ports import (
    ModerationRefused,
    PermanentProviderError,
    ProviderError,
    ResponseLost,
    TransientProviderError,
)

RETRY_AFTER_LIMIT_SECONDS: Final = 600
DETAIL_LIMIT_CHARS: Final = 300

Meaning = Callable[[str], ProviderError]
"""Makes the error from a detail."""

# The vendor is busy or in trouble, or saw a conflict that passes, and did not begin.
_LATER: Final = frozenset({409, 425, 429, 500, 503})
# Our key, plan, address or model is wrong: no fault of the request.
_NOT_CONFIGURED: Final = frozenset({401, 403, 404})


def error_of_status(
    status: int, detail: str = "", *, retry_after_seconds: float = 0
) -> ProviderError:
    """The error that a vendor's HTTP status means, where nothing in the response says more."""
    detail = detail or f"HTTP {status}"
    if status in _LATER:
        return later(detail, retry_after_seconds=retry_after_seconds)
    if status == 402:
        return quota_exceeded(detail)
    if status in _NOT_CONFIGURED:
        return not_configured(detail)
    if 400 <= status < 500 and status != 408:
        return refused(detail)
    # 408, 502, 504, 529: a proxy gave up, and the service may have begun. Also redirects. A run
    # that may have begun is polled for, because submitting it again could cost twice.
    return ResponseLost(detail)


@dataclass(frozen=True, kw_only=True)
class ErrorRule:
    """An error that a vendor reports by words instead of the status; it precedes the mapping."""

    meaning: Meaning
    words: re.Pattern[str]
    """Found in the text of the error."""
    statuses: frozenset[int] = frozenset()
    """The statuses with which the words have this meaning; empty for any."""


def error_of_rules(rules: Sequence[ErrorRule], status: int, text: str) -> ProviderError | None:
    """The error of the first rule that fits the response; None if none does."""
    for rule in rules:
        if (not rule.statuses or status in rule.statuses) and rule.words.search(text):
            return rule.meaning(f"HTTP {status}")
    return None


def seconds_in(retry_after: str) -> float:
    """The header ``Retry-After`` in seconds, at most ten minutes; 0 without one or for a date."""
    is_number = retry_after.isascii() and retry_after.isdigit()
    # Longer numbers are over the limit, and int() refuses very long ones.
    return float(min(RETRY_AFTER_LIMIT_SECONDS, int(retry_after[:9]))) if is_number else 0.0


def later(detail: str, *, retry_after_seconds: float = 0) -> TransientProviderError:
    return TransientProviderError(
        detail[:DETAIL_LIMIT_CHARS], retry_after_seconds=retry_after_seconds
    )


def failed(detail: str) -> TransientProviderError:
    """The run failed: the service itself is healthy."""
    return _transient(detail, "PROVIDER_FAILED")


def run_canceled(detail: str) -> TransientProviderError:
    """The run was stopped there."""
    return _transient(detail, "PROVIDER_CANCELED")


def result_expired(detail: str) -> TransientProviderError:
    """The run or its result is not there any more."""
    return _transient(detail, "RESULT_EXPIRED")


def incomplete(detail: str) -> TransientProviderError:
    """The result cannot be used; the next one may be complete."""
    return _transient(detail, "BAD_RESULT")


def quota_exceeded(detail: str) -> PermanentProviderError:
    return _permanent(detail, "PROVIDER_QUOTA")


def not_configured(detail: str) -> PermanentProviderError:
    """A key, right, region or model is missing: the operator must fix it, not the user."""
    return _permanent(detail, "PROVIDER_NOT_CONFIGURED")


def unsupported(detail: str) -> PermanentProviderError:
    """This provider cannot do it; another may."""
    return _permanent(detail, "UNSUPPORTED_KIND")


def bad_source(detail: str) -> PermanentProviderError:
    return _permanent(detail, "BAD_SOURCE")


def bad_result(detail: str) -> PermanentProviderError:
    return _permanent(detail, "BAD_RESULT")


def refused(detail: str) -> PermanentProviderError:
    return _permanent(detail, "PROVIDER_REFUSED")


def content_rejected(detail: str) -> ModerationRefused:
    return ModerationRefused(detail[:DETAIL_LIMIT_CHARS])


def _transient(detail: str, code: str) -> TransientProviderError:
    return TransientProviderError(detail[:DETAIL_LIMIT_CHARS], code=code)


def _permanent(detail: str, code: str) -> PermanentProviderError:
    return PermanentProviderError(detail[:DETAIL_LIMIT_CHARS], code=code)
