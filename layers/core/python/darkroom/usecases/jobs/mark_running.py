"""Mark a queued job as running when its first task is claimed."""

from __future__ import annotations

from darkroom.bootstrap.composition import App
from darkroom.jobs import engine
from darkroom.usecases.jobs.advance_job import advance


def mark_running(app: App, job_id: str) -> None:
    now = app.clock.now()
    advance(app, job_id, lambda family: engine.begin(family, now))
