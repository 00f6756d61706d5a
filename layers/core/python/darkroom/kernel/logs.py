"""What may be logged. HTTP and worker handlers import it, so every function has it."""

from __future__ import annotations

import logging
from typing import Any

from darkroom.kernel.redaction import redacted

# They log what they are called with: paths with the secrets of shared links, and presigned links
# with their signatures. Warnings and errors are still logged, and the handler logs each request.
_VERBOSE = ("mangum", "httpx", "httpcore", "botocore", "urllib3")
_IS_REDACTING = "darkroom_redacts"


def quiet_libraries() -> None:
    """Let these libraries log warnings and errors only, whatever the level of the root logger."""
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(logging.WARNING)


def protect_logs(name: str) -> None:
    """Let no line of this logger, or of a library's, hold the query of a link or a key: neither
    in its message nor in its fields, nor in an exception with all of its causes."""
    quiet_libraries()
    for handler in (*logging.getLogger().handlers, *logging.getLogger(name).handlers):
        formatter = handler.formatter or logging.Formatter()
        if not getattr(formatter, _IS_REDACTING, False):
            handler.setFormatter(_redacting(formatter))


def _redacting(formatter: Any) -> Any:
    """The same formatter, whose finished lines are redacted; its loggers still know it."""
    format_line = formatter.format
    formatter.format = lambda record: redacted(format_line(record))
    setattr(formatter, _IS_REDACTING, True)
    return formatter
