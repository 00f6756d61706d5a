"""What a stranger with a link sees of a job: its outputs, and nothing that names the account."""

from __future__ import annotations

from typing import Any

from darkroom.bootstrap import App
from darkroom.jobs.model import JobFamily
from darkroom.views.jobs import output_detail

_HIDDEN = frozenset({"outputId", "inheritedFrom"})


def shared_outputs(app: App, family: JobFamily) -> list[dict[str, Any]]:
    """Outputs without ids, which would lead to the job."""
    details = (output_detail(app, family.job, output) for output in family.outputs)
    return [
        {name: value for name, value in detail.items() if name not in _HIDDEN} for detail in details
    ]
