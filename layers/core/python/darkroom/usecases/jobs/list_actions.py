"""List what can be done with a job now, and for how many credits.

Each action is tried with the rules of its use case, without its writes. So an action is listed
exactly if the use case would accept it, but for the balance, and for changes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from darkroom.bootstrap.composition import App
from darkroom.db.damage import DAMAGED_INPUTS
from darkroom.jobs.model import Job, JobFamily
from darkroom.jobs.states import JobStatus
from darkroom.kernel.command import Command
from darkroom.kernel.errors import Conflict, InvalidInput, NotFound, TooLarge
from darkroom.recipes import REGISTRY
from darkroom.recipes.base import Target
from darkroom.usecases.archives.archive_job import archive_of
from darkroom.usecases.jobs.cancel_job import is_cancelable
from darkroom.usecases.jobs.confirm_job import job_to_queue
from darkroom.usecases.jobs.delete_job import check_deletable
from darkroom.usecases.jobs.end_unreadable import must_end
from darkroom.usecases.jobs.price_job import price_job, read_snapshot
from darkroom.usecases.jobs.regenerate_job import regeneration_of
from darkroom.usecases.jobs.retry_job import rerun_of, retry_of
from darkroom.usecases.jobs.submit_child import BuildChild, build_child
from darkroom.usecases.shares.share_job import check_shareable

ActionName = Literal[
    "confirm", "cancel", "retry", "regenerate", "rerun", "share", "download", "delete"
]
_REFUSALS = (Conflict, InvalidInput, NotFound, TooLarge)


@dataclass(frozen=True, kw_only=True)
class Action:
    name: ActionName
    credits: int = 0
    target: Target | None = None
    """What is made again, for ``regenerate``."""


def list_actions(app: App, command: Command, family: JobFamily) -> tuple[Action, ...]:
    """The actions that the account may ask for now, at today's prices; changes nothing.

    An unfinished job needs no read. For a draft and for an ended job, its files are read: an action
    that needs a file is not listed after the file was deleted.
    """
    if must_end(family):
        # It ends as soon as a step touches it, and has other actions then.
        return ()
    return tuple(_actions(app, command, family))


def _actions(app: App, command: Command, family: JobFamily) -> Iterator[Action]:
    job = family.job
    if job.status is JobStatus.DRAFT:
        yield from _priced("confirm", lambda: _price(job_to_queue(app, command, job)))
    if is_cancelable(job):
        yield Action(name="cancel")
    if job.is_final:
        yield from _priced("retry", lambda: _child(app, family, retry_of(app, {})))
        for target in _targets(job):
            again = partial(_child, app, family, regeneration_of(app, target))
            yield from _priced("regenerate", again, target)
        yield from _priced("rerun", lambda: _price(rerun_of(app, command, job)))
    yield from _allowed("share", lambda: check_shareable(job))
    yield from _allowed("download", lambda: archive_of(family))
    yield from _allowed("delete", lambda: check_deletable(job))


def _price(job: Job) -> Job:
    return price_job(job, read_snapshot(job))


def _child(app: App, parent: JobFamily, build: BuildChild) -> Job:
    return build_child(build, parent, app.ids.new("job"))


def _targets(job: Job) -> tuple[Target, ...]:
    recipe = REGISTRY.get(job.recipe)
    try:
        return recipe.targets(job.inputs) if recipe else ()
    except DAMAGED_INPUTS:
        return ()


def _priced(
    name: ActionName, build: Callable[[], Job], target: Target | None = None
) -> Iterator[Action]:
    """The action at the price of the job that it would queue; nothing if it would be refused."""
    try:
        job = build()
    except (*_REFUSALS, *DAMAGED_INPUTS):
        return
    yield Action(name=name, credits=job.reserved, target=target)


def _allowed(name: ActionName, check: Callable[[], object]) -> Iterator[Action]:
    """The action if it would not be refused; it costs nothing."""
    try:
        check()
    except _REFUSALS:
        return
    yield Action(name=name)
