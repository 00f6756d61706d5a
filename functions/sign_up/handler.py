"""User pool: before a sign-up and after its confirmation."""

from typing import Any

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.edge import metrics
from darkroom.workers.sign_up import handle_trigger


@metrics.log_metrics
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    return handle_trigger(app_from_env(), event)
