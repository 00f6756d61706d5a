"""What libraries may log. Imported by both edges, so that every function has it."""

from __future__ import annotations

import logging

# They log what they are called with: paths that hold the secrets of shared links, and presigned
# links with their signatures. Failures still come through; each call is logged by the edge.
_TALKATIVE = ("mangum", "httpx", "httpcore", "botocore", "urllib3")


def quiet_libraries() -> None:
    """Let libraries log failures only, whatever the level of the root logger is."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
