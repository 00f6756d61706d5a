"""Select one output of a job as its owner's final pick."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.retry import retry_on_conflict
from darkroom.jobs import store as jobs_store
from darkroom.jobs.model import Job, JobFamily, Output
from darkroom.kernel.errors import NotFound
from darkroom.kernel.ids import is_id, job_of_output


def select_output(
    app: App, *, account_id: str, output_id: str, job_id: str | None
) -> tuple[Job, Output]:
    """Make this output the only pick of its job, or of ``job_id``, which may have inherited it.

    Safe to repeat; returns the changed job and the output.

    Raises:
        NotFound: the account has no such job or output; Unavailable.
    """
    if job_id is None:
        if not is_id(output_id, "out"):
            raise NotFound("no such output")
        job_id = job_of_output(output_id)

    def attempt() -> tuple[Job, Output]:
        family, output = _find(account_id, job_id, output_id)
        if family.job.selected_output != output_id:
            operation = app.ids.token()
            commit([jobs_store.select_write(family, output_id=output_id, operation=operation)])
            family, output = _find(account_id, job_id, output_id)
        return family.job, output

    return retry_on_conflict(app.jitter, attempt)


def _find(account_id: str, job_id: str, output_id: str) -> tuple[JobFamily, Output]:
    family = jobs_store.find_family(job_id)
    if family is None or family.job.account_id != account_id:
        raise NotFound("no such job")
    for output in family.outputs:
        if output.output_id == output_id:
            return family, output
    raise NotFound("no such output")
