"""DynamoDB streams: plans, dispatches and events follow from what was committed."""

from typing import Any

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.edge import metrics
from darkroom.workers.stream import handle_stream


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return handle_stream(app_from_env(), event)
