"""Planted bugs: each breaks one guard of the product while it is in place.

A harness that cannot fail proves nothing. Every bug here is one that a plausible change could
bring, and ``PLANTED`` names the scenarios that must find it.

A planted bug that no longer fits the product proves nothing either: it must be reached, it must
do something that the product would not do, and it must not fail by itself. ``Plant`` counts all
three, and ``require_effect`` fails when one of them is missing.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import secrets
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self
from unittest.mock import patch

from darkroom.bootstrap.composition import App
from darkroom.credits import model, pricing
from darkroom.credits import store as credits_store
from darkroom.credits.model import Change, Hold, Wallet
from darkroom.credits.store import LedgerItem, WalletItem
from darkroom.db import Write, commit
from darkroom.events.store import Event, record_write
from darkroom.generation.ports import TransientProviderError
from darkroom.idempotency import store as idempotency_store
from darkroom.jobs import engine, task_store, tombstone_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import TaskItem
from darkroom.jobs.model import Job, JobFamily, Task
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel import signing
from darkroom.kernel.command import Command
from darkroom.kernel.ids import Ids
from darkroom.kernel.money import PricePart
from darkroom.kernel.object_keys import outputs_prefix
from darkroom.payments import store as payments_store
from darkroom.payments.store import Purchase
from darkroom.usecases.jobs import (
    advance_job,
    delete_job,
    erase_job,
    plan_job,
    quote_job,
    submit_job,
)
from darkroom.usecases.limits import limit_jobs
from darkroom.usecases.projections import project_job
from darkroom.usecases.purchases import resolve_purchase, settle_purchase
from darkroom.usecases.sweeps import sweep_due
from darkroom.usecases.tasks import admit_tasks, finish_task, run_task
from darkroom.usecases.tasks.dispatch_task import dispatch_task
from darkroom.workers import relay
from tests.support.crash import Actor, Client, Fault, Message, Schedule, Stream

MISFIT = (TypeError, AttributeError, NameError, LookupError)
"""What a bug raises that does not fit what it replaces, and never on purpose."""


class PlantWithoutEffect(AssertionError):
    """A planted bug has no effect any more, because the product has changed."""


class Plant:
    """One bug in place: what it replaces, and what it did.

    with Plant(bug) as plant:
        ...
    plant.require_effect()
    """

    def __init__(self, bug: Bug) -> None:
        self._bug = bug
        self._stack = contextlib.ExitStack()
        self.calls = 0
        """Of what the bug replaced."""
        self.effects = 0
        """How often it did something else than the product does."""
        self.errors: list[Exception] = []
        """Its own: it does not fit what it replaced."""

    def __enter__(self) -> Self:
        try:
            self._bug(self)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def replace(self, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
        """Let ``owner.name`` be this one until the bug is removed."""
        self._stack.enter_context(self.replaced(owner, name, replacement))

    @contextlib.contextmanager
    def replaced(self, owner: Any, name: str, replacement: Callable[..., Any]) -> Iterator[None]:
        _require_fit(getattr(owner, name), replacement)

        @functools.wraps(replacement)
        def planted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            try:
                return replacement(*args, **kwargs)
            except MISFIT as error:
                if _raised_in(error, (__file__, inspect.getfile(replacement))):
                    self.errors.append(error)
                raise

        with patch.object(owner, name, planted):
            yield

    def acts(self, differently: bool = True) -> None:
        """Called by the bug where it does something else than the product, if it does."""
        self.effects += differently

    def require_effect(self) -> None:
        """Fail unless the bug was reached, changed something and did not fail by itself."""
        name = self._bug.__name__
        if self.errors:
            raise PlantWithoutEffect(f"{name} does not fit the product") from self.errors[0]
        if not self.calls:
            raise PlantWithoutEffect(f"{name} was never reached")
        if not self.effects:
            raise PlantWithoutEffect(f"{name} was reached and changed nothing")


def _require_fit(real: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Refuse a replacement that cannot be called with everything that the real one takes."""
    required = inspect.signature(real).parameters.values()
    by_name = {p.name: None for p in required if p.kind is p.KEYWORD_ONLY}
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_place = [None for p in required if p.kind in positional]
    try:
        inspect.signature(replacement).bind(*by_place, **by_name)
    except TypeError as error:
        message = f"{replacement.__qualname__} cannot replace {real.__qualname__}: {error}"
        raise PlantWithoutEffect(message) from error


def _raised_in(error: Exception, files: Sequence[str]) -> bool:
    return traceback.extract_tb(error.__traceback__)[-1].filename in files


Bug = Callable[[Plant], None]


@dataclass(frozen=True)
class Planted:
    """A bug, the scenario that must find it, and the sign.

    Only this actor and this fault are played (none: the undisturbed run shows it), and only
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


def _commit_apart(plant: Plant, writes: Sequence[Write], *, money_first: bool) -> None:
    groups = [[write for write in writes if _is_money(write) is money_first]]
    groups.append([write for write in writes if _is_money(write) is not money_first])
    plant.acts(all(groups))
    for group in groups:
        if group:
            commit(group)


def settlement_after_the_job(plant: Plant) -> None:
    """The job's terminal write and its settlement are two transactions."""
    commit_both = functools.partial(_commit_apart, plant, money_first=False)
    plant.replace(limit_jobs, "commit", lambda writes: commit_both(writes))


def refund_before_the_job(plant: Plant) -> None:
    """Credits go back in a transaction of their own, before the job is ended."""
    commit_both = functools.partial(_commit_apart, plant, money_first=True)
    plant.replace(limit_jobs, "commit", lambda writes: commit_both(writes))


def hold_before_the_job(plant: Plant) -> None:
    """Confirm takes the credits first, and writes the job afterwards."""
    commit_both = functools.partial(_commit_apart, plant, money_first=True)
    plant.replace(submit_job, "commit", lambda writes: commit_both(writes))


def purchase_overwrites(plant: Plant) -> None:
    """Neither the purchase's record nor its entry is conditioned on being the first."""
    for store, name in ((credits_store, "_entry_write"), (payments_store, "create_write")):
        plant.replace(store, name, unconditional(plant, getattr(store, name)))
    plant.replace(settle_purchase, "_replay", lambda *args, **kwargs: None)


def unconditional(plant: Plant, real: Callable[..., Write]) -> Callable[..., Write]:
    """A builder of a write, whose condition is left out."""

    def write(*args: Any, **kwargs: Any) -> Write:
        whole = real(*args, **kwargs)
        plant.acts(whole.condition is not None)
        return replace(whole, condition=None)

    return write


def wallet_without_version(plant: Plant) -> None:
    """The last writer of the wallet wins."""
    real = credits_store._wallet_write

    def write(wallet: Wallet, before: Wallet | None, operation: str) -> Write:
        whole = real(wallet, None, operation)
        plant.acts(before is not None)
        return whole if before is None else replace(whole, condition=None)

    plant.replace(credits_store, "_wallet_write", write)


def random_ids(plant: Plant) -> None:
    """The ids that a request creates do not derive from its Idempotency-Key."""

    def id_for(call: Command, ids: Ids, prefix: str, *discriminators: str) -> str:
        plant.acts()
        return ids.new(prefix)

    plant.replace(Command, "id_for", id_for)


def lost_messages_stay_lost(plant: Plant) -> None:
    """The message is sent after the commit, and the sweeper does not send it again."""

    def send(app: App, task: Task) -> None:
        plant.acts()

    def admit(app: App, task: Task) -> int:
        plant.acts()
        return 0

    plant.replace(sweep_due, "send_task", send)
    plant.replace(sweep_due, "admit_tasks", admit)


def lost_plans_stay_lost(plant: Plant) -> None:
    """Only the stream plans a job."""

    def plan(app: App, job_id: str) -> None:
        plant.acts()

    plant.replace(sweep_due, "plan_job", plan)


def claim_without_fence(plant: Plant) -> None:
    """A claim checks that the task is ready, but not the attempt of its message."""
    real = task_store.claim_write

    def write(*args: Any, **kwargs: Any) -> Write:
        plant.acts()
        only_ready = TaskItem.status == TaskStatus.READY.value
        return replace(real(*args, **kwargs), condition=only_ready)

    plant.replace(task_store, "claim_write", write)


def own_writes_unknown(plant: Plant) -> None:
    """A condition that our own earlier write made fail counts as another caller's write."""
    real = Write.is_ours

    def is_ours(write: Write, stored: Any) -> bool:
        plant.acts(real(write, stored))
        return False

    plant.replace(Write, "is_ours", is_ours)


def stale_attempts_speak(plant: Plant) -> None:
    """An attempt that lost the task's lease may still finish the task."""
    real = finish_task._holds

    def holds(family: JobFamily, task: Task) -> bool:
        current = family.task(task.key)
        is_running = current is not None and current.status is TaskStatus.RUNNING
        plant.acts(is_running is not real(family, task))
        return is_running

    plant.replace(finish_task, "_holds", holds)


def plan_again(plant: Plant) -> None:
    """A late stream record plans a job again."""

    def plan(app: App, job_id: str) -> JobFamily | None:
        now = app.clock.now()

        def step(family: JobFamily) -> JobFamily | None:
            plant.acts(family.job.planned)
            inherited = plan_job._inherited(family.job)
            tasks = plan_job._tasks(app, family.job)
            return engine.plan(family.job, tasks, inherited, now)

        return advance_job.advance(app, job_id, step)

    plant.replace(relay, "plan_job", plan)


def responded_before_the_work(plant: Plant) -> None:
    """A response is stored when the request begins."""
    real = idempotency_store.begin_write

    def write(*args: Any, **kwargs: Any) -> Write:
        begun = real(*args, **kwargs)
        plant.acts()
        body = {
            "jobId": "job_1", "status": "queued", "templateId": None,
            "creditsReserved": 2, "balance": 3,
        }  # fmt: skip
        begun.item.status, begun.item.response = 202, json.dumps(body)  # type: ignore[attr-defined]
        return begun

    plant.replace(idempotency_store, "begin_write", write)


def refund_of_everything(plant: Plant) -> None:
    """A partial job gets a refund of all that it reserved."""
    real = model.settle

    def settle(wallet: Wallet, hold: Hold, *, used: int, **kwargs: Any) -> Change:
        charged = used if used == hold.credits else 0
        plant.acts(charged != used)
        return real(wallet, hold, used=charged, **kwargs)

    plant.replace(model, "settle", settle)


def blind_resubmit(plant: Plant) -> None:
    """A provider whose response got lost is simply called again, for the same attempt."""
    real = run_task._make

    def make(*args: Any, **kwargs: Any) -> Any:
        try:
            return real(*args, **kwargs)
        except TransientProviderError:
            plant.acts()
            return real(*args, **kwargs)

    plant.replace(run_task, "_make", make)


def success_before_the_file(plant: Plant) -> None:
    """The task succeeds first, and its file follows."""
    real_make, real_complete = run_task._make, finish_task.complete_task
    waiting: list[Callable[[], None]] = []

    def make(app: App, *args: Any, **kwargs: Any) -> Any:
        def later(key: str, path: Any, *, mime_type: str) -> None:
            body = path.read_bytes()
            waiting.append(lambda: app.storage.write(key, body, mime_type=mime_type))

        waiting.clear()
        with plant.replaced(app.storage, "upload", later):
            return real_make(app, *args, **kwargs)

    def complete(*args: Any, **kwargs: Any) -> Any:
        done = real_complete(*args, **kwargs)
        plant.acts(bool(waiting))
        for write in waiting:
            write()
        return done

    plant.replace(run_task, "_make", make)
    plant.replace(run_task, "complete_task", complete)


def events_with_random_ids(plant: Plant) -> None:
    """An event that is delivered twice is written twice."""

    def write(event: Event, *, retention_days: int) -> Write:
        plant.acts()
        named = replace(event, event_id=secrets.token_hex(8))
        return record_write(named, retention_days=retention_days)

    plant.replace(project_job, "record_write", write)


def decisions_are_forgotten(plant: Plant) -> None:
    """Only the operator's own request carries out the decision."""

    def forget(purchase: Purchase, moment: datetime) -> Purchase:
        plant.acts()
        return replace(purchase, next_check_at=None)

    plant.replace(resolve_purchase, "due_at", forget)


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
        "responded before the work", responded_before_the_work,
        "confirm", Client(), AFTER, "ends as",
    ),
    Planted("refund of everything", refund_of_everything, "last refusal", Message(), None, "L5"),
    Planted("blind resubmit", blind_resubmit, "first keyframe", Message(), LOST, "was sent 2"),
    Planted(
        "success before the file", success_before_the_file, "first keyframe", Message(), AFTER, "L6"
    ),
    Planted("events with random ids", events_with_random_ids, "ending", Stream(), AFTER, "events"),
)
# fmt: on


# Bugs in what is done with jobs after they are confirmed


def retry_at_full_price(plant: Plant) -> None:
    """A retry charges again for outputs that were paid."""
    real = pricing.price_of_missing

    def full(
        whole: Any, spent: Any, standing: frozenset[str], keys: frozenset[str]
    ) -> tuple[PricePart, ...]:
        priced = real(whole, (), standing, keys)
        plant.acts(priced != real(whole, spent, standing, keys))
        return priced

    plant.replace(pricing, "price_of_missing", full)


def parents_keep_deleted_children(plant: Plant) -> None:
    """Deleting a child does not remove it from its parent's set."""
    plant.replace(jobs_store, "disown_write", _only_checked(plant, jobs_store.disown_write))


def parents_lack_new_children(plant: Plant) -> None:
    """Creating a child does not add it to its parent's set."""
    plant.replace(jobs_store, "adopt_write", _only_checked(plant, jobs_store.adopt_write))


def _only_checked(plant: Plant, real: Callable[..., Write]) -> Callable[..., Write]:
    def write(*args: Any, **kwargs: Any) -> Write:
        plant.acts()
        return replace(real(*args, **kwargs), kind="check", actions=())

    return write


def erase_before_the_deletion(plant: Plant) -> None:
    """The files are deleted before the job."""
    real = delete_job._delete

    def delete(app: App, job: Job) -> None:
        plant.acts()
        app.storage.delete_all(outputs_prefix(job.owner, job.job_id))
        real(app, job)

    plant.replace(delete_job, "_delete", delete)


def erased_for_good(plant: Plant) -> None:
    """The sweeper does not check again for files that a late worker wrote."""
    real = tombstone_store.tombstone_write

    def write(tombstone: Any, *, check_at: Any) -> Write:
        plant.acts(check_at is not None)
        return real(tombstone, check_at=None)

    plant.replace(tombstone_store, "tombstone_write", write)


def events_lost_with_their_job(plant: Plant) -> None:
    """Events that precede a deletion and are not recorded yet are lost."""

    def project(app: App, job: Job, **_: Any) -> int:
        plant.acts()
        return 0

    plant.replace(erase_job, "project_job", project)


def quotes_never_expire(plant: Plant) -> None:
    """The age of a quote is not checked."""
    real = signing.verify

    def verify(*args: Any, **kwargs: Any) -> Any:
        plant.acts()
        return {**real(*args, **kwargs), "until": 10**12}

    plant.replace(quote_job, "verify", verify)


def quotes_of_other_accounts(plant: Plant) -> None:
    """The account of a quote is not checked."""
    real = quote_job._subject

    def subject(account_id: str, recipe_name: str, inputs: Any) -> str:
        plant.acts()
        return real("", recipe_name, inputs)

    plant.replace(quote_job, "_subject", subject)


def canceled_tasks_go_on(plant: Plant) -> None:
    """A running task of a canceling job fails temporarily and is retried."""
    real = engine.retry

    def retry(family: JobFamily, *args: Any, **kwargs: Any) -> JobFamily:
        status = family.job.status
        if status is not JobStatus.CANCELING:
            return real(family, *args, **kwargs)
        plant.acts()
        running = replace(family, job=replace(family.job, status=JobStatus.RUNNING))
        done = real(running, *args, **kwargs)
        return replace(done, job=replace(done.job, status=status))

    plant.replace(engine, "retry", retry)


def recorded_before_sent(plant: Plant) -> None:
    """A message is recorded as sent before it is sent, and the sweeper trusts the record."""

    def send(app: App, task: Task) -> None:
        plant.acts()
        later = app.clock.now() + timedelta(minutes=2)
        commit([task_store.sent_write(task, check_at=later, operation=app.ids.token())])
        dispatch_task(app, task)

    plant.replace(admit_tasks, "send_task", send)
    plant.replace(sweep_due, "send_task", lambda app, task: None)


def one_operation_for_all(plant: Plant) -> None:
    """All parts of a bulk request share one operation."""

    def of(call: Command, subject: str) -> Command:
        plant.acts()
        return call

    plant.replace(Command, "of", of)


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
        "parents lack new children", parents_lack_new_children,
        "retry of a part", Client(), None, "family",
    ),
    Planted(
        "parents keep deleted children", parents_keep_deleted_children,
        "delete a child", Client(), None, "family",
    ),
    Planted(
        "erase before the deletion", erase_before_the_deletion,
        "delete", Client(), BEFORE, "L6",
    ),
    Planted("erased for good", erased_for_good, "late file", Schedule(), None, "tombstone"),
    Planted(
        "events lost with their job", events_lost_with_their_job,
        "erase at the end", Stream(), None, "events",
    ),
    Planted(
        "quotes never expire", quotes_never_expire,
        "confirm too late", Client(), None, "ends as",
    ),
    Planted(
        "quotes of other accounts", quotes_of_other_accounts,
        "confirm as quoted to another", Client(), None, "ends as",
    ),
    Planted(
        "canceled tasks go on", canceled_tasks_go_on,
        "canceled, then not now", Message(), None, "cancel",
    ),
    Planted("recorded before sent", recorded_before_sent, "turns", LOST_STREAM, AFTER, "ends as"),
    Planted(
        "one operation for all", one_operation_for_all,
        "bulk retry", Client(), None, "ends as",
    ),
)
# fmt: on
