"""Planted bugs: each breaks one guard of the product while its context is open.

A harness that cannot fail proves nothing. Every bug here is one that a plausible change could
bring, and ``PLANTED`` names the scenarios in which it must come to light.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from darkroom.adapters.storage import outputs_prefix
from darkroom.api import idempotency as answers
from darkroom.bootstrap import App
from darkroom.credits import model
from darkroom.credits import store as credits_store
from darkroom.credits.model import Change, Hold, Wallet
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db import Write, commit
from darkroom.events.store import Event, record_write
from darkroom.generation.ports import TransientProviderError
from darkroom.idempotency import store as idempotency_store
from darkroom.jobs import engine
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import TaskItem
from darkroom.jobs.model import Job, JobFamily, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.ids import Ids
from darkroom.kernel.money import PricePart
from darkroom.payments import store as payments_store
from darkroom.payments.store import Purchase
from darkroom.usecases import (
    admit_tasks,
    advance_job,
    delete_job,
    erase_job,
    finish_task,
    plan_job,
    project_job,
    quote_job,
    resolve_purchase,
    retry_job,
    run_task,
    settle_purchase,
    submit_job,
    sweep_due,
)
from darkroom.usecases.dispatch_task import dispatch_task
from darkroom.usecases.requests import Command
from darkroom.workers import relay
from tests.support.crash import Actor, Client, Fault, Message, Schedule, Stream

Bug = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class Planted:
    """A bug, where it must come to light, and by what.

    Only this actor and this fault are played (none: the undisturbed run gives it away), and only
    a finding that contains ``sign`` counts.
    """

    name: str
    bug: Bug
    scenario: str
    actor: Actor
    fault: Fault | None
    sign: str

    @property
    def faults(self) -> tuple[Fault, ...]:
        return () if self.fault is None else (self.fault,)


def _is_money(write: Write) -> bool:
    return isinstance(write.item, LedgerItem | WalletItem)


def _commit_apart(writes: Sequence[Write], *, money_first: bool) -> None:
    groups = [[write for write in writes if _is_money(write) is money_first]]
    groups.append([write for write in writes if _is_money(write) is not money_first])
    for group in groups:
        if group:
            commit(group)


@contextlib.contextmanager
def settlement_after_the_job() -> Iterator[None]:
    """The job's terminal write and its settlement are two transactions."""

    def commit_both(writes: Sequence[Write]) -> None:
        _commit_apart(writes, money_first=False)

    with patch.object(advance_job, "commit", commit_both):
        yield


@contextlib.contextmanager
def refund_before_the_job() -> Iterator[None]:
    """Credits go back in a transaction of their own, before the job is ended."""

    def commit_both(writes: Sequence[Write]) -> None:
        _commit_apart(writes, money_first=True)

    with patch.object(advance_job, "commit", commit_both):
        yield


@contextlib.contextmanager
def hold_before_the_job() -> Iterator[None]:
    """Confirm takes the credits first, and writes the job afterwards."""

    def commit_both(writes: Sequence[Write]) -> None:
        _commit_apart(writes, money_first=True)

    with patch.object(submit_job, "commit", commit_both):
        yield


@contextlib.contextmanager
def purchase_overwrites() -> Iterator[None]:
    """Neither the purchase's record nor its entry is the first of its key."""
    real_entry, real_record = credits_store._entry_write, payments_store.create_write

    def entry(*args: Any) -> Write:
        return replace(real_entry(*args), condition=None)

    def record(*args: Any) -> Write:
        return replace(real_record(*args), condition=None)

    with (
        patch.object(credits_store, "_entry_write", entry),
        patch.object(payments_store, "create_write", record),
        patch.object(settle_purchase, "_replay", lambda *args: None),
    ):
        yield


@contextlib.contextmanager
def wallet_without_version() -> Iterator[None]:
    """Whoever writes the wallet last wins."""
    real = credits_store._wallet_write

    def write(wallet: Wallet, before: Wallet | None, operation: str) -> Write:
        whole = real(wallet, None, operation)
        return whole if before is None else replace(whole, condition=None)

    with patch.object(credits_store, "_wallet_write", write):
        yield


@contextlib.contextmanager
def random_ids() -> Iterator[None]:
    """What a request creates is not named after its Idempotency-Key."""

    def id_for(call: Command, ids: Ids, prefix: str, *discriminators: str) -> str:
        return ids.new(prefix)

    with patch.object(Command, "id_for", id_for):
        yield


@contextlib.contextmanager
def lost_messages_stay_lost() -> Iterator[None]:
    """The message is sent after the commit, and the sweeper does not look after it."""
    with (
        patch.object(sweep_due, "send_task", lambda app, task: None),
        patch.object(sweep_due, "admit_tasks", lambda app, task: 0),
    ):
        yield


@contextlib.contextmanager
def lost_plans_stay_lost() -> Iterator[None]:
    """Only the stream plans a job."""
    with patch.object(sweep_due, "plan_job", lambda app, job_id: None):
        yield


@contextlib.contextmanager
def claim_without_fence() -> Iterator[None]:
    """A claim asks for a ready task, but not for the attempt that its message is about."""
    real = jobs_store.claim_write

    def write(*args: Any, **kwargs: Any) -> Write:
        only_ready = TaskItem.status == TaskStatus.READY.value
        return replace(real(*args, **kwargs), condition=only_ready)

    with patch.object(jobs_store, "claim_write", write):
        yield


@contextlib.contextmanager
def own_writes_unknown() -> Iterator[None]:
    """A condition refused by our own earlier write counts as somebody else's."""
    with patch.object(Write, "is_ours", lambda write, stored: False):
        yield


@contextlib.contextmanager
def stale_attempts_speak() -> Iterator[None]:
    """Whether an attempt still holds the task's lease is not asked."""

    def holds(family: JobFamily, task: Task) -> bool:
        current = family.task(task.key)
        return current is not None and current.status is TaskStatus.RUNNING

    with patch.object(finish_task, "_holds", holds):
        yield


@contextlib.contextmanager
def plan_again() -> Iterator[None]:
    """A record that comes late plans a job that was planned long ago."""

    def plan(app: App, job_id: str) -> JobFamily | None:
        now = app.clock.now()

        def step(family: JobFamily) -> JobFamily | None:
            inherited = plan_job._inherited(family.job)
            tasks = plan_job._tasks(app, family.job)
            return engine.plan(family.job, tasks, inherited, now)

        return advance_job.advance(app, job_id, step)

    with patch.object(relay, "plan_job", plan):
        yield


@contextlib.contextmanager
def answered_before_the_work() -> Iterator[None]:
    """The request is marked as done when it begins."""
    real = idempotency_store.begin_write

    def write(key: str, *args: Any) -> Write:
        begun = real(key, *args)
        begun.item.status, begun.item.answer = 202, "{}"  # type: ignore[attr-defined]
        return begun

    with patch.object(answers.store, "begin_write", write):
        yield


@contextlib.contextmanager
def refund_of_everything() -> Iterator[None]:
    """A job that made a part gets back all that it reserved."""
    real = model.settle

    def settle(wallet: Wallet, hold: Hold, used: int, *args: Any) -> Change:
        return real(wallet, hold, used if used == hold.credits else 0, *args)

    with patch.object(advance_job.model, "settle", settle):
        yield


@contextlib.contextmanager
def blind_resubmit() -> Iterator[None]:
    """A provider whose answer got lost is simply called again, for the same attempt."""
    real = run_task._make

    def make(*args: Any) -> Any:
        try:
            return real(*args)
        except TransientProviderError:
            return real(*args)

    with patch.object(run_task, "_make", make):
        yield


@contextlib.contextmanager
def success_before_the_file() -> Iterator[None]:
    """The task succeeds first, and its file follows."""
    real_make, real_complete = run_task._make, run_task.complete_task
    waiting: list[Callable[[], None]] = []

    def make(app: App, task: Task, workdir: Any) -> Any:
        def later(key: str, path: Any, *, mime_type: str) -> None:
            body = path.read_bytes()
            waiting.append(lambda: app.storage.write(key, body, mime_type=mime_type))

        storage = patch.object(app.storage, "upload", later)
        waiting.clear()
        with storage:
            return real_make(app, task, workdir)

    def complete(*args: Any) -> Any:
        done = real_complete(*args)
        for write in waiting:
            write()
        return done

    with patch.object(run_task, "_make", make), patch.object(run_task, "complete_task", complete):
        yield


@contextlib.contextmanager
def events_with_random_ids() -> Iterator[None]:
    """An event that is reported twice is written twice."""

    def write(event: Event, *, retention_days: int) -> Write:
        named = replace(event, event_id=secrets.token_hex(8))
        return record_write(named, retention_days=retention_days)

    with patch.object(project_job, "record_write", write):
        yield


@contextlib.contextmanager
def decisions_are_forgotten() -> Iterator[None]:
    """What an operator decided is done by the request that decided it, or never."""

    def forget(purchase: Purchase, moment: datetime) -> Purchase:
        return replace(purchase, next_check_at=None)

    with patch.object(resolve_purchase, "due_at", forget):
        yield


AFTER, BEFORE, LOST = Fault.STOPPED_AFTER, Fault.STOPPED_BEFORE, Fault.LOST
LOST_STREAM, LATE_STREAM = Stream(lost=True), Stream(late=True)

# fmt: off
PLANTED: tuple[Planted, ...] = (
    Planted("settlement after the job", settlement_after_the_job, "film", Message(), AFTER, "L5"),
    Planted("refund before the job", refund_before_the_job, "timeout", Schedule(), AFTER, "L5"),
    Planted("hold before the job", hold_before_the_job, "confirm", Client(), AFTER, "L5"),
    Planted("purchase overwrites", purchase_overwrites, "purchase", Client(), AFTER, "L1"),
    Planted(
        "wallet without version", wallet_without_version,
        "confirm against purchase", Client(), None, "L1",
    ),
    Planted(
        "decisions are forgotten", decisions_are_forgotten,
        "refund", Client(), Fault.UNREACHED, "money back",
    ),
    Planted("random ids, purchase", random_ids, "purchase", Client(), AFTER, "ends as"),
    Planted("random ids, regenerate", random_ids, "regenerate", Client(), AFTER, "ends as"),
    Planted(
        "lost messages stay lost", lost_messages_stay_lost,
        "dispatch", LOST_STREAM, BEFORE, "ends as",
    ),
    Planted("lost plans stay lost", lost_plans_stay_lost, "plan", LOST_STREAM, BEFORE, "ends as"),
    Planted(
        "claim without fence", claim_without_fence, "old message", Message(), None, "was sent 2"
    ),
    Planted(
        "own writes unknown", own_writes_unknown, "confirm", Client(), Fault.UNCERTAIN, "422"
    ),
    Planted(
        "stale attempts speak, success", stale_attempts_speak, "slow worker", Message(), None, "L6"
    ),
    Planted(
        "stale attempts speak, failure", stale_attempts_speak,
        "slow failure", Message(), None, "ends as",
    ),
    Planted("plan again", plan_again, "plan", LATE_STREAM, None, "L5"),
    Planted(
        "answered before the work", answered_before_the_work, "confirm", Client(), AFTER, "ends as"
    ),
    Planted("refund of everything", refund_of_everything, "last refusal", Message(), None, "L5"),
    Planted("blind resubmit", blind_resubmit, "first keyframe", Message(), LOST, "was sent 2"),
    Planted(
        "success before the file", success_before_the_file, "first keyframe", Message(), AFTER, "L6"
    ),
    Planted("events with random ids", events_with_random_ids, "ending", Stream(), AFTER, "events"),
)
# fmt: on


# Bugs in what is done with jobs besides confirming them


@contextlib.contextmanager
def retry_at_full_price() -> Iterator[None]:
    """What was made and paid for is paid for again."""

    def full(price: Any, made: frozenset[str], keys: frozenset[str]) -> tuple[PricePart, ...]:
        return tuple(
            replace(part, promised=tuple(key for key in part.promised if key in keys - made))
            for part in price
            if keys & set(part.promised)
        )

    with patch.object(retry_job, "price_of_missing", full):
        yield


@contextlib.contextmanager
def parents_remember_the_dead() -> Iterator[None]:
    """A child is deleted, and its parent's set forgotten."""
    real = jobs_store.disown_write

    def write(*args: Any) -> Write:
        return replace(real(*args), kind="check", actions=())

    with patch.object(jobs_store, "disown_write", write):
        yield


@contextlib.contextmanager
def parents_do_not_know() -> Iterator[None]:
    """A child is made, and its parent not told."""
    real = jobs_store.adopt_write

    def write(*args: Any) -> Write:
        return replace(real(*args), kind="check", actions=())

    with patch.object(jobs_store, "adopt_write", write):
        yield


@contextlib.contextmanager
def erase_before_the_deletion() -> Iterator[None]:
    """The files go first, and the job after them."""
    real = delete_job._delete

    def delete(app: App, job: Job) -> None:
        app.storage.delete_all(outputs_prefix(job.account_id, job.job_id))
        real(app, job)

    with patch.object(delete_job, "_delete", delete):
        yield


@contextlib.contextmanager
def erased_for_good() -> Iterator[None]:
    """Nobody looks again for what a worker of that time may still have written."""
    with patch.object(erase_job, "ERASE_AGAIN_SECONDS", 0):
        yield


@contextlib.contextmanager
def facts_die_with_their_job() -> Iterator[None]:
    """What happened before a deletion, and was not recorded yet, is not recorded any more."""
    with patch.object(erase_job, "project_job", lambda app, job: 0):
        yield


@contextlib.contextmanager
def quotes_for_ever() -> Iterator[None]:
    with patch.object(quote_job, "QUOTE_SECONDS", 10**6):
        yield


@contextlib.contextmanager
def quotes_for_everybody() -> Iterator[None]:
    """Whose quote it is, is not asked."""
    real = quote_job._subject

    def subject(account_id: str, recipe_name: str, inputs: Any) -> str:
        return real("", recipe_name, inputs)

    with patch.object(quote_job, "_subject", subject):
        yield


@contextlib.contextmanager
def canceled_tasks_go_on() -> Iterator[None]:
    """A running task of a job that is to be canceled fails for now, and is tried again."""
    real = engine.retry

    def retry(family: JobFamily, *args: Any) -> JobFamily:
        asked = family.job.status
        if asked is not JobStatus.CANCELING:
            return real(family, *args)
        done = real(replace(family, job=replace(family.job, status=JobStatus.RUNNING)), *args)
        return replace(done, job=replace(done.job, status=asked))

    with patch.object(engine, "retry", retry):
        yield


@contextlib.contextmanager
def noted_before_sent() -> Iterator[None]:
    """A message is noted as sent, then sent; and what is noted is not doubted."""

    def send(app: App, task: Task) -> None:
        later = app.clock.now() + timedelta(minutes=2)
        commit([jobs_store.sent_write(task, check_at=later, operation=app.ids.token())])
        dispatch_task(app, task)

    with (
        patch.object(admit_tasks, "send_task", send),
        patch.object(sweep_due, "send_task", lambda app, task: None),
    ):
        yield


@contextlib.contextmanager
def one_operation_for_all() -> Iterator[None]:
    """The parts of a request about many things are not told apart."""
    with patch.object(Command, "of", lambda call, subject: call):
        yield


# fmt: off
JOB_PLANTED: tuple[Planted, ...] = (
    Planted(
        "cancel and settlement apart", settlement_after_the_job,
        "cancel of a planned job", Client(), AFTER, "L5",
    ),
    Planted(
        "refund before the cancel", refund_before_the_job,
        "cancel of a planned job", Client(), AFTER, "L5",
    ),
    Planted(
        "retry at full price", retry_at_full_price,
        "retry of a part", Client(), None, "ends as",
    ),
    Planted(
        "parents do not know", parents_do_not_know,
        "retry of a part", Client(), None, "family",
    ),
    Planted(
        "parents remember the dead", parents_remember_the_dead,
        "delete a child", Client(), None, "family",
    ),
    Planted(
        "erase before the deletion", erase_before_the_deletion,
        "delete", Client(), BEFORE, "L6",
    ),
    Planted("erased for good", erased_for_good, "late file", Schedule(), None, "grave"),
    Planted(
        "facts die with their job", facts_die_with_their_job,
        "erase at the end", Stream(), None, "events",
    ),
    Planted("quotes for ever", quotes_for_ever, "confirm too late", Client(), None, "ends as"),
    Planted(
        "quotes for everybody", quotes_for_everybody,
        "confirm as quoted to another", Client(), None, "ends as",
    ),
    Planted(
        "canceled tasks go on", canceled_tasks_go_on,
        "canceled, then not now", Message(), None, "cancel",
    ),
    Planted("noted before sent", noted_before_sent, "turns", LOST_STREAM, AFTER, "ends as"),
    Planted(
        "one operation for all", one_operation_for_all,
        "bulk retry", Client(), None, "ends as",
    ),
)
# fmt: on
