"""Schedule: once a day, prove every wallet from its ledger."""

from typing import Any

from darkroom.bootstrap.composition import app_from_env
from darkroom.workers.audit import handle_schedule
from darkroom.workers.edge import metrics


@metrics.log_metrics
def handler(_event: object, _context: object) -> dict[str, Any]:
    return handle_schedule(app_from_env())
