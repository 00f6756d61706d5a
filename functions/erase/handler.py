"""DynamoDB stream and schedule: erase accounts, step by step."""

from typing import Any

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.edge import metrics
from darkroom.workers.erase import handle_event


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return handle_event(app_from_env(), event)
