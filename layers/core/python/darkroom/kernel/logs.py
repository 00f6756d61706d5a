"""The log levels of libraries. HTTP and worker handlers import it, so every function has it."""

from __future__ import annotations

import logging

# They log what they are called with: paths with the secrets of shared links, and presigned links
# with their signatures. Warnings and errors are still logged, and the handler logs each request.
_VERBOSE = ("mangum", "httpx", "httpcore", "botocore", "urllib3")


def quiet_libraries() -> None:
    """Let these libraries log warnings and errors only, whatever the level of the root logger."""
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(logging.WARNING)
