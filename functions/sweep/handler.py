"""Schedule: once a minute, finish what is past its time."""

from typing import Any

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.edge import metrics
from darkroom.workers.sweep import handle_schedule


@metrics.log_metrics
def handler(_event: object, _context: object) -> dict[str, Any]:
    return handle_schedule(app_from_env())
