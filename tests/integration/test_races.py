"""Races: every interleaving of the calls of two or three callers ends in one of a few listed ends.

An end is the result of each caller with the balance, the hold and the number of ledger entries: so
one effect happens exactly once, whichever caller is faster. The laws hold after each race.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from darkroom.credits import pricing
from darkroom.credits import store as credits_store
from darkroom.db import Write, commit
from darkroom.jobs import engine, task_store, tombstone_store
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import JobItem
from darkroom.jobs.model import Failure, Job, JobFamily, Output, Task
from darkroom.jobs.states import TaskStatus
from darkroom.kernel.command import Command, new_command
from darkroom.kernel.errors import DarkroomError
from darkroom.kernel.ids import output_id
from darkroom.kernel.limits import LEASE_SECONDS, MAX_OUTPUTS_PER_TASK
from darkroom.kernel.object_keys import output_key
from darkroom.payments import store as payments_store
from darkroom.payments.ports import MoneyBack, PaymentEvent, PaymentState
from darkroom.payments.store import Purchase, PurchaseStatus
from darkroom.recipes.base import Target
from darkroom.usecases.accounts.open_account import ensure_wallet
from darkroom.usecases.credits.adjust_credits import adjust_credits
from darkroom.usecases.credits.expire_grants import expire_grants
from darkroom.usecases.jobs.advance_job import advance
from darkroom.usecases.jobs.cancel_job import cancel_job
from darkroom.usecases.jobs.confirm_job import confirm_draft, confirm_new
from darkroom.usecases.jobs.delete_job import delete_job
from darkroom.usecases.jobs.draft_job import patch_draft
from darkroom.usecases.jobs.plan_job import plan_job
from darkroom.usecases.jobs.quote_job import quote_inputs
from darkroom.usecases.jobs.regenerate_job import regenerate
from darkroom.usecases.jobs.retry_job import retry_job
from darkroom.usecases.jobs.select_output import select_output
from darkroom.usecases.purchases.receive_payment_event import receive_payment_event
from darkroom.usecases.purchases.reconcile_payment import reconcile_payment
from darkroom.usecases.purchases.settle_purchase import purchase_with_test_gateway
from darkroom.usecases.sweeps.sweep_due import sweep_jobs
from darkroom.usecases.tasks.claim_task import claim_task
from darkroom.usecases.tasks.fail_undelivered_task import fail_undelivered_task
from darkroom.usecases.tasks.finish_task import complete_task, fail_task
from darkroom.usecases.tasks.run_task import run_task
from tests.support.builders import (
    REWRITE,
    a_balance,
    a_draft,
    a_photo,
    a_story,
    an_output,
    confirm,
    finish,
    running,
    scene_inputs,
)
from tests.support.interleave import (
    Act,
    Choose,
    Run,
    by_seed,
    every_order,
    every_preemption,
    interleave,
    pause,
)
from tests.support.laws import AT_ONCE_TABLES, State, check_books, read_books
from tests.support.moto_world import moto_world
from tests.support.planted import (
    Bug,
    Plant,
    hold_before_the_job,
    purchase_overwrites,
    unconditional,
    wallet_without_version,
)
from tests.support.tables import table_definitions
from tests.support.world import World

USER = "alice"
BROKEN = Failure(code="UNDELIVERABLE", message="It broke.")
SEEDS = 2
"""Random orders of each race in every run, besides every preemption."""
PLANTED_SEEDS = 20
SLOW_RUNS = 600
"""Orders of each race in the long run: all of them where there are no more."""
RESTORED = (*AT_ONCE_TABLES, "webhooks")
KEYS = {
    name: tuple(key["AttributeName"] for key in definition["KeySchema"])
    for name, definition in table_definitions().items()
}

End = tuple[int, int, int]
"""Balance, hold and number of ledger entries."""
Ends = Mapping[tuple[str, ...], Sequence[End]]
"""The results of the callers → the ends that are right with them."""
Facts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Race:
    name: str
    arrange: Callable[[World], Facts]
    acts: Callable[[World, Facts], Sequence[Act]]
    ends: Ends
    check: Callable[[World, Run], str | None] = lambda world, run: None
    """Another check; returns what is wrong."""


# What callers do


def ask(world: World, route: str, key: str, **body: Any) -> Command:
    return new_command(
        world.app.ids, account_id=USER, route=route, language="en", key=key, body=body
    )


def confirms(world: World, photo: str, key: str, mode: str = "story", **more: Any) -> Act:
    call = ask(world, "confirm", key, mode=mode)
    inputs = scene_inputs(photo, **more)
    return lambda: confirm_new(
        world.app, call, recipe_name=mode, inputs=inputs, device_id=f"device {key}"
    )


def confirms_draft(world: World, draft: str, key: str, device: str) -> Act:
    call = ask(world, "confirm", key, draft=draft)
    return lambda: confirm_draft(
        world.app, call, draft_job_id=draft, overrides={}, device_id=device
    )


def regenerates(world: World, parent: str, key: str) -> Act:
    call = ask(world, "regenerate", key, parent=parent)
    target = Target(name="story_clip", clip_no=2)
    return lambda: regenerate(world.app, call, parent_job_id=parent, target=target)


def buys(world: World, credits: int, key: str) -> Act:
    call = ask(world, "purchase", key, amount=credits)
    return lambda: purchase_with_test_gateway(
        world.app, call, pack=None, amount=credits, currency=None
    )


def adjusts(world: World, amount: int, key: str) -> Act:
    call = ask(world, "adjust", key, amount=amount)
    return lambda: adjust_credits(
        world.app, call, account_id=USER, amount=amount, reason="race", expires_at=None
    )


def cancels(world: World, job_id: str) -> Act:
    return lambda: cancel_job(world.app, account_id=USER, job_id=job_id)[0]


def retries(world: World, parent: str, key: str) -> Act:
    call = ask(world, "retry", key, parent=parent)
    return lambda: retry_job(world.app, call, parent_job_id=parent, options={})


def deletes(world: World, job_id: str, *, cascade: bool = False) -> Act:
    return lambda: delete_job(world.app, account_id=USER, job_id=job_id, cascade=cascade)


def patches(world: World, draft: str, *, version: int | None = None, **inputs: str) -> Act:
    """Change a draft, if it still is as it was read."""
    call = ask(world, "patch", f"{inputs}", draft=draft)

    def is_current(job: Job) -> bool:
        return version is None or job.version == version

    return lambda: patch_draft(
        world.app, call, job_id=draft, patch=lambda recipe: inputs, is_current=is_current
    )


def selects(world: World, output: str) -> Act:
    return lambda: select_output(world.app, account_id=USER, output_id=output, job_id=None)


def confirms_as_quoted(world: World, photo: str, quote_id: str) -> Act:
    call = ask(world, "confirm", "quoted", photo=photo)
    inputs = scene_inputs(photo)
    return lambda: confirm_new(
        world.app, call, recipe_name="story", inputs=inputs, device_id="", quote_id=quote_id
    )


def raises_the_price() -> Act:
    """All callers see the new price from one moment on."""
    costs: Any = pricing.costs()
    costs["story"] = 2

    def act() -> None:
        pause("Price")
        costs["story"] = 4

    return act


def completes(world: World, task: Task) -> Act:
    return lambda: complete_task(world.app, task, [made(task)])


def fails(world: World, task: Task) -> Act:
    return lambda: fail_task(world.app, task, BROKEN, transient=False)


def expires(world: World) -> Act:
    return lambda: expire_grants(world.app, USER)


def sweeps(world: World) -> Act:
    def complain(name: str, error: Exception) -> None:
        raise error

    return lambda: sweep_jobs(world.app, complain) and None


def made(task: Task) -> Output:
    """What a worker stored for this attempt."""
    return an_output(
        task.key,
        output_id=output_id(task.job_id, (task.number - 1) * MAX_OUTPUTS_PER_TASK + 1),
        storage_key=output_key(
            task.owner, task.job_id, key=task.key, attempt=task.attempts, suffix=".mp4"
        ),
    )


# Arrangements: the account has its bonus of 5 and a photo; a story costs 2, a trailer 5


def new_account(world: World) -> Facts:
    a_balance(world)
    return {"photo": a_photo(world)}


def unseen_account(world: World) -> Facts:
    return {"photo": a_photo(world)}


def a_story_at(world: World, *open_keys: str, key: str = "arranged") -> tuple[str, list[Task]]:
    """A story of which only these tasks are left, each claimed by a worker."""
    job_id = confirm(world, key=key).body["jobId"]
    plan_job(world.app, job_id)

    def step(family: JobFamily) -> JobFamily:
        while ready := [
            task
            for task in family.tasks
            if task.status is TaskStatus.READY and task.key not in open_keys
        ]:
            family = running(family, ready[0].key)
            task = family.task(ready[0].key)
            assert task is not None
            family = engine.succeed(family, task.key, [made(task)], world.clock.now())
        return family

    advance(world.app, job_id, step)
    claimed = [
        claim_task(world.app, job_id=job_id, key=open_key, attempt=1) for open_key in open_keys
    ]
    return job_id, [task for task in claimed if task is not None]


def at_the_film(world: World) -> Facts:
    """Its story is about to end: balance 3, 2 held."""
    facts = new_account(world)
    job_id, [film] = a_story_at(world, "film")
    return {**facts, "job": job_id, "film": film}


def two_at_the_film(world: World) -> Facts:
    facts = at_the_film(world)
    _, [film] = a_story_at(world, "film", key="second")
    return {**facts, "other film": film}


def at_two_clips(world: World) -> Facts:
    new_account(world)
    _, [one, two] = a_story_at(world, "clip_2", "clip_3")
    return {"one": one, "two": two}


def at_the_film_with_a_parent(world: World) -> Facts:
    facts = new_account(world)
    parent = a_story(world, key="parent")
    _, [film] = a_story_at(world, "film")
    return {**facts, "parent": parent, "film": film}


def a_parent_and_one_credit(world: World) -> Facts:
    new_account(world)
    parent = a_story(world, key="parent")
    adjusts(world, -2, "taken")()
    return {"parent": parent}


def a_lost_lease(world: World) -> Facts:
    facts = at_the_film(world)
    world.clock.move(seconds=LEASE_SECONDS + 1)
    return facts


def out_of_time(world: World) -> Facts:
    facts = at_the_film(world)
    world.clock.move(hours=6, seconds=1)
    return facts


def canceling_with_a_lost_lease(world: World) -> Facts:
    facts = at_the_film(world)
    cancels(world, facts["job"])()
    world.clock.move(seconds=LEASE_SECONDS + 1)
    return facts


def a_partial_story(world: World) -> Facts:
    new_account(world)
    return {"parent": a_story(world, key="parent", failing=["clip_3"])}


def a_finished_story(world: World) -> Facts:
    new_account(world)
    return {"parent": a_story(world, key="parent")}


def a_story_with_a_child(world: World) -> Facts:
    facts = a_finished_story(world)
    child = regenerates(world, facts["parent"], "child")().job.job_id
    finish(world, child)
    return {**facts, "child": child}


def quoted(world: World) -> Facts:
    facts = new_account(world)
    call = ask(world, "quote", "quote")
    offer = quote_inputs(
        world.app, call, recipe_name="story", inputs=scene_inputs(facts["photo"]), device_id=""
    )
    return {**facts, "quote": offer.quote_id}


def a_paid_purchase_at_the_film(world: World) -> Facts:
    facts = at_the_film(world)
    an_unpaid_purchase(world)
    reconcile_payment(world.app, Till(world).state)
    return facts


def a_queued_story(world: World) -> Facts:
    new_account(world)
    return {"job": confirm(world).body["jobId"]}


def a_planned_story(world: World) -> Facts:
    facts = a_queued_story(world)
    plan_job(world.app, facts["job"])
    return facts


def a_planned_story_beside(world: World) -> Facts:
    job_id = confirm(world).body["jobId"]
    plan_job(world.app, job_id)
    return {"job": job_id}


def drafted(world: World) -> Facts:
    new_account(world)
    return {"draft": a_draft(world)}


def a_gift_that_is_due(world: World, facts: Facts | None = None) -> Facts:
    facts = facts or new_account(world)
    call = ask(world, "adjust", "gift", amount=3)
    expires_at = world.clock.now() + timedelta(hours=1)
    adjust_credits(world.app, call, account_id=USER, amount=3, reason="gift", expires_at=expires_at)
    world.clock.move(hours=1)
    return facts


def a_gift_that_is_due_at_the_film(world: World) -> Facts:
    return a_gift_that_is_due(world, at_the_film(world))


def an_unpaid_purchase(world: World) -> Facts:
    """A purchase of ten credits for 10.00 that is not paid yet."""
    facts = new_account(world)
    purchase = Purchase(
        purchase_id="pur_1",
        account_id=USER,
        gateway="stripe",
        status=PurchaseStatus.PENDING,
        credits=10,
        pack=None,
        created_at=world.clock.now(),
        currency="USD",
        amount_minor=1000,
    )
    commit([payments_store.create_write(purchase, operation="arranged")])
    return facts


def a_paid_purchase(world: World) -> Facts:
    facts = an_unpaid_purchase(world)
    reconcile_payment(world.app, Till(world).state)
    return facts


# A gateway that we do not own


@dataclass
class Till:
    """The gateway's record of one purchase. Reading it is a call, so others may act before it."""

    world: World
    name: str = "stripe"
    refunds: dict[str, int] = field(default_factory=dict)

    def state(self) -> PaymentState:
        now = self.world.clock.now()
        return PaymentState(
            account_id=USER,
            purchase_id="pur_1",
            session_id="session",
            payment_id="payment",
            is_paid=True,
            has_failed=False,
            amount_minor=1000,
            currency="USD",
            taken_back=tuple(
                MoneyBack(id=name, amount_minor=amount, created_at=now)
                for name, amount in self.refunds.items()
            ),
        )

    def read_event(self, body: bytes, signature: str) -> PaymentEvent:
        name = body.decode()
        return PaymentEvent(
            event_id=name, type="charge", session_id="session", payment_id="payment"
        )

    def read_payment(self, **_: Any) -> PaymentState:
        pause("ReadPayment")
        return self.state()

    def receives(self, event: str, *, refund: int = 0) -> Act:
        """A webhook call; a refund has happened when its event is sent."""
        app = replace(self.world.app, payments=self)  # type: ignore[arg-type]

        def receive() -> str:
            if refund:
                pause("Refund")
                self.refunds[f"re_{event}"] = refund
            return receive_payment_event(app, body=event.encode(), signature="").outcome

        return receive


def reconciles(world: World, **refunds: int) -> Act:
    state = Till(world, refunds=refunds).state()
    return lambda: reconcile_payment(world.app, lambda: state)


# The races


def result_of(value: Any) -> str:
    """The result of a caller, in a word."""
    if isinstance(value, JobFamily):
        return value.job.status.value
    return value if isinstance(value, str) else "ok"


def one_job(world: World, run: Run) -> str | None:
    """All callers that got a job got the same one."""
    ids = {actor.value.job.job_id for actor in run.actors if actor.error is None}
    return None if len(ids) == 1 else f"{len(ids)} jobs"


def provider_called_once(world: World, run: Run) -> str | None:
    count = len(world.studio.requests)
    return None if count == 1 else f"the provider was called {count} times"


def each_task_once(world: World, run: Run) -> str | None:
    tasks = [item for item in world.scan("jobs") if item["sk"]["S"].startswith("task#")]
    return None if len(tasks) == 7 else f"{len(tasks)} tasks"


def the_change_is_confirmed(world: World, run: Run) -> str | None:
    """A change that was accepted is part of the confirmed job."""
    patch, confirmed = run.actors
    changed = "noir" if patch.error is None else "romance"
    found = confirmed.value.job.inputs["genre"] if confirmed.error is None else None
    return None if found == changed else f"confirmed {found}, changed to {changed}"


def it_is_picked(world: World, run: Run) -> str | None:
    picks = [item["pick"]["S"] for item in world.scan("jobs") if "pick" in item]
    return None if len(picks) == 1 else f"picked {picks}"


def one_child(world: World, run: Run) -> str | None:
    children = [item for item in world.scan("jobs") if "parentJobId" in item]
    return None if len(children) == 1 else f"{len(children)} children"


LOST, NOT_DRAFT, OK = "CREDITS_INSUFFICIENT", "JOB_NOT_DRAFT", "ok"
CHANGED = "PRECONDITION_FAILED"

RACES = (
    Race(
        name="two confirms on a wallet that can afford one",
        arrange=new_account,
        acts=lambda w, f: [
            confirms(w, f["photo"], "one", "trailer"),
            confirms(w, f["photo"], "two", "trailer"),
        ],
        ends={(OK, LOST): [(0, 5, 2)], (LOST, OK): [(0, 5, 2)]},
    ),
    Race(
        name="three stories on a wallet that can afford two",
        arrange=new_account,
        acts=lambda w, f: [confirms(w, f["photo"], key) for key in ("one", "two", "three")],
        ends={ends: [(1, 4, 3)] for ends in ((OK, OK, LOST), (OK, LOST, OK), (LOST, OK, OK))},
    ),
    Race(
        name="one confirm sent twice",
        arrange=new_account,
        acts=lambda w, f: [confirms(w, f["photo"], "one"), confirms(w, f["photo"], "one")],
        ends={(OK, OK): [(3, 2, 2)]},
        check=one_job,
    ),
    Race(
        name="two devices confirm one draft",
        arrange=drafted,
        acts=lambda w, f: [
            confirms_draft(w, f["draft"], "phone", "phone"),
            confirms_draft(w, f["draft"], "tablet", "tablet"),
        ],
        ends={(OK, NOT_DRAFT): [(3, 2, 2)], (NOT_DRAFT, OK): [(3, 2, 2)]},
    ),
    Race(
        name="confirm of a draft sent twice",
        arrange=drafted,
        acts=lambda w, f: [confirms_draft(w, f["draft"], "phone", "phone") for _ in range(2)],
        ends={(OK, OK): [(3, 2, 2)]},
        check=one_job,
    ),
    Race(
        name="confirm against the purchase it needs",
        arrange=new_account,
        acts=lambda w, f: [
            confirms(w, f["photo"], "c", "trailer", rewriteEnabled=True, rewrite=REWRITE),
            buys(w, 7, "b"),
        ],
        ends={(OK, OK): [(6, 6, 3)], (LOST, OK): [(12, 0, 2)]},
    ),
    Race(
        name="one purchase sent twice",
        arrange=new_account,
        acts=lambda w, f: [buys(w, 7, "b"), buys(w, 7, "b")],
        ends={(OK, OK): [(12, 0, 2)]},
    ),
    Race(
        name="settlement against confirm",
        arrange=at_the_film,
        acts=lambda w, f: [completes(w, f["film"]), confirms(w, f["photo"], "c")],
        ends={("succeeded", OK): [(1, 2, 4)]},
    ),
    Race(
        name="settlement against regenerate",
        arrange=at_the_film_with_a_parent,
        acts=lambda w, f: [completes(w, f["film"]), regenerates(w, f["parent"], "r")],
        ends={("succeeded", OK): [(0, 1, 6)]},
    ),
    Race(
        name="two regenerates with one credit",
        arrange=a_parent_and_one_credit,
        acts=lambda w, f: [regenerates(w, f["parent"], "r1"), regenerates(w, f["parent"], "r2")],
        ends={(OK, LOST): [(0, 1, 5)], (LOST, OK): [(0, 1, 5)]},
    ),
    Race(
        name="refund against the settlement of another job",
        arrange=two_at_the_film,
        acts=lambda w, f: [fails(w, f["film"]), completes(w, f["other film"])],
        ends={("partial", "succeeded"): [(2, 0, 6)]},
    ),
    Race(
        name="the last two tasks fail together",
        arrange=at_two_clips,
        acts=lambda w, f: [fails(w, f["one"]), fails(w, f["two"])],
        ends={("partial", "running"): [(5, 0, 3)], ("running", "partial"): [(5, 0, 3)]},
    ),
    Race(
        name="confirm, purchase and settlement",
        arrange=at_the_film,
        acts=lambda w, f: [
            confirms(w, f["photo"], "c", "trailer"),
            buys(w, 7, "b"),
            completes(w, f["film"]),
        ],
        ends={(OK, OK, "succeeded"): [(5, 5, 5)], (LOST, OK, "succeeded"): [(10, 0, 4)]},
    ),
    Race(
        name="expiry against confirm",
        arrange=a_gift_that_is_due,
        acts=lambda w, f: [expires(w), confirms(w, f["photo"], "c", "trailer")],
        ends={(OK, OK): [(0, 5, 4)]},
    ),
    Race(
        name="expiry against purchase",
        arrange=a_gift_that_is_due,
        acts=lambda w, f: [expires(w), buys(w, 7, "b")],
        ends={(OK, OK): [(12, 0, 4)]},
    ),
    Race(
        name="expiry against settlement",
        arrange=a_gift_that_is_due_at_the_film,
        acts=lambda w, f: [expires(w), completes(w, f["film"])],
        ends={(OK, "succeeded"): [(3, 0, 5)]},
    ),
    Race(
        name="expiry against a payment",
        arrange=lambda w: a_gift_that_is_due(w, an_unpaid_purchase(w)),
        acts=lambda w, f: [expires(w), reconciles(w)],
        ends={(OK, OK): [(15, 0, 4)]},
    ),
    Race(
        name="expiry against an adjustment",
        arrange=a_gift_that_is_due,
        acts=lambda w, f: [expires(w), adjusts(w, -5, "a")],
        ends={(OK, OK): [(0, 0, 4)]},
    ),
    Race(
        name="sweeper and dead letter against completion",
        arrange=a_lost_lease,
        acts=lambda w, f: [
            completes(w, f["film"]),
            sweeps(w),
            lambda: fail_undelivered_task(w.app, job_id=f["job"], key="film", attempt=1),
        ],
        # A task that the sweeper made ready waits for attempt 2; this dead letter is of attempt 1.
        ends={
            ("succeeded", OK, OK): [(3, 0, 3)],
            ("partial", OK, OK): [(4, 0, 4)],
            ("running", OK, OK): [(3, 2, 2)],
        },
    ),
    Race(
        name="expiry twice",
        arrange=a_gift_that_is_due,
        acts=lambda w, f: [expires(w), expires(w)],
        ends={(OK, OK): [(5, 0, 3)]},
    ),
    Race(
        name="two reconciles of one payment",
        arrange=an_unpaid_purchase,
        acts=lambda w, f: [reconciles(w), reconciles(w)],
        ends={(OK, OK): [(15, 0, 2)]},
    ),
    Race(
        name="two reconciles of a refund",
        arrange=a_paid_purchase,
        acts=lambda w, f: [reconciles(w, re_1=1000), reconciles(w, re_1=1000)],
        ends={(OK, OK): [(5, 0, 3)]},
    ),
    Race(
        name="refund against the confirm that spends it",
        arrange=a_paid_purchase,
        acts=lambda w, f: [
            reconciles(w, re_1=1000),
            confirms(w, f["photo"], "c", "trailer", rewriteEnabled=True, rewrite=REWRITE),
        ],
        # Six of the fifteen are spent first: five of the bonus and one that was bought.
        ends={(OK, LOST): [(5, 0, 3)], (OK, OK): [(0, 6, 4)]},
    ),
    Race(
        name="one webhook sent twice",
        arrange=an_unpaid_purchase,
        acts=lambda w, f: [(till := Till(w)).receives("paid"), till.receives("paid")],
        ends={
            ("handled", "handled"): [(15, 0, 2)],
            ("handled", "repeated"): [(15, 0, 2)],
            ("repeated", "handled"): [(15, 0, 2)],
        },
    ),
    Race(
        name="webhook of the payment against webhook of its refund",
        arrange=an_unpaid_purchase,
        acts=lambda w, f: [
            (till := Till(w)).receives("paid"),
            till.receives("refunded", refund=1000),
        ],
        ends={("handled", "handled"): [(5, 0, 3)]},
    ),
    Race(
        name="webhooks of two partial refunds",
        arrange=a_paid_purchase,
        acts=lambda w, f: [
            (till := Till(w)).receives("first", refund=300),
            till.receives("second", refund=700),
        ],
        ends={("handled", "handled"): [(5, 0, 4)]},
    ),
    Race(
        name="sweeper against a worker whose lease ran out",
        arrange=a_lost_lease,
        acts=lambda w, f: [completes(w, f["film"]), sweeps(w)],
        ends={("succeeded", OK): [(3, 0, 3)], ("running", OK): [(3, 2, 2)]},
    ),
    Race(
        name="timeout against completion",
        arrange=out_of_time,
        acts=lambda w, f: [completes(w, f["film"]), sweeps(w)],
        # The sweeper also takes the lease away before it ends the job.
        ends={
            ("succeeded", OK): [(3, 0, 3)],
            ("partial", OK): [(4, 0, 4)],
            ("running", OK): [(4, 0, 4)],
        },
    ),
    Race(
        name="dead letter against completion",
        arrange=at_the_film,
        acts=lambda w, f: [
            completes(w, f["film"]),
            lambda: fail_undelivered_task(w.app, job_id=f["job"], key="film", attempt=1),
        ],
        ends={("succeeded", OK): [(3, 0, 3)], ("partial", OK): [(4, 0, 4)]},
    ),
    Race(
        name="completion reported twice",
        arrange=at_the_film,
        acts=lambda w, f: [completes(w, f["film"]), completes(w, f["film"])],
        ends={("succeeded", "succeeded"): [(3, 0, 3)]},
    ),
    Race(
        name="two workers with one message",
        arrange=a_planned_story,
        acts=lambda w, f: [
            lambda: run_task(w.app, job_id=f["job"], key="kf_1", attempt=1) for _ in range(2)
        ],
        ends={("succeeded", "idle"): [(3, 2, 2)], ("idle", "succeeded"): [(3, 2, 2)]},
        check=provider_called_once,
    ),
    Race(
        name="two plans of one job",
        arrange=a_queued_story,
        acts=lambda w, f: [lambda: plan_job(w.app, f["job"]) for _ in range(2)],
        ends={("queued", "queued"): [(3, 2, 2)]},
        check=each_task_once,
    ),
    Race(
        name="first sight three times",
        arrange=unseen_account,
        acts=lambda w, f: [lambda: ensure_wallet(w.app, USER) for _ in range(3)],
        ends={(OK, OK, OK): [(5, 0, 1)]},
    ),
    Race(
        name="first sight, first confirm and first purchase",
        arrange=unseen_account,
        acts=lambda w, f: [
            lambda: ensure_wallet(w.app, USER),
            confirms(w, f["photo"], "c"),
            buys(w, 7, "b"),
        ],
        ends={(OK, OK, OK): [(10, 2, 3)]},
    ),
    Race(
        name="one adjustment sent twice",
        arrange=new_account,
        acts=lambda w, f: [adjusts(w, 3, "a"), adjusts(w, 3, "a")],
        ends={(OK, OK): [(8, 0, 2)]},
    ),
    Race(
        name="the operator takes what a confirm wants",
        arrange=new_account,
        acts=lambda w, f: [adjusts(w, -4, "a"), confirms(w, f["photo"], "c")],
        ends={(OK, LOST): [(1, 0, 2)], ("VALIDATION_FAILED", OK): [(3, 2, 2)]},
    ),
    Race(
        name="cancel against the last completion",
        arrange=at_the_film,
        acts=lambda w, f: [cancels(w, f["job"]), completes(w, f["film"])],
        # All tasks had ended, so the canceled job succeeded.
        ends={
            ("requested", "succeeded"): [(3, 0, 3)],
            ("already_final", "succeeded"): [(3, 0, 3)],
        },
    ),
    Race(
        name="cancel against completion",
        arrange=at_two_clips,
        acts=lambda w, f: [
            cancels(w, f["one"].job_id),
            completes(w, f["one"]),
            completes(w, f["two"]),
        ],
        ends={
            ("requested", "canceled", "canceling"): [(4, 0, 4)],
            ("requested", "canceling", "canceled"): [(4, 0, 4)],
            ("requested", "running", "canceled"): [(4, 0, 4)],
            ("requested", "canceled", "running"): [(4, 0, 4)],
            ("canceled", "running", "running"): [(4, 0, 4)],
        },
    ),
    Race(
        name="cancel against a passing failure",
        arrange=at_the_film,
        acts=lambda w, f: [
            cancels(w, f["job"]),
            lambda: fail_task(w.app, f["film"], BROKEN, transient=True),
        ],
        ends={("requested", "canceled"): [(4, 0, 4)], ("canceled", "running"): [(4, 0, 4)]},
    ),
    Race(
        name="cancel against failure",
        arrange=at_the_film,
        acts=lambda w, f: [cancels(w, f["job"]), fails(w, f["film"])],
        ends={
            ("requested", "canceled"): [(4, 0, 4)],
            ("already_final", "partial"): [(4, 0, 4)],
        },
    ),
    Race(
        name="cancel against claim",
        arrange=a_planned_story,
        acts=lambda w, f: [
            cancels(w, f["job"]),
            lambda: run_task(w.app, job_id=f["job"], key="kf_1", attempt=1),
        ],
        ends={
            ("canceled", "idle"): [(5, 0, 3)],
            ("canceled", "succeeded"): [(5, 0, 3)],
            ("requested", "succeeded"): [(5, 0, 3)],
        },
    ),
    Race(
        name="cancel against plan",
        arrange=a_queued_story,
        acts=lambda w, f: [cancels(w, f["job"]), lambda: plan_job(w.app, f["job"])],
        ends={("canceled", "queued"): [(5, 0, 3)], ("canceled", "canceled"): [(5, 0, 3)]},
    ),
    Race(
        name="cancel sent twice",
        arrange=a_planned_story,
        acts=lambda w, f: [cancels(w, f["job"]), cancels(w, f["job"])],
        ends={
            ("canceled", "already_final"): [(5, 0, 3)],
            ("already_final", "canceled"): [(5, 0, 3)],
        },
    ),
    Race(
        name="sweeper against the worker of a canceled job",
        arrange=canceling_with_a_lost_lease,
        acts=lambda w, f: [completes(w, f["film"]), sweeps(w)],
        ends={("succeeded", OK): [(3, 0, 3)], ("canceled", OK): [(4, 0, 4)]},
    ),
    Race(
        name="one retry sent twice",
        arrange=a_partial_story,
        acts=lambda w, f: [retries(w, f["parent"], "r"), retries(w, f["parent"], "r")],
        ends={(OK, OK): [(3, 1, 5)]},
        check=lambda w, run: one_job(w, run) or one_child(w, run),
    ),
    Race(
        name="delete against regenerate",
        arrange=a_finished_story,
        acts=lambda w, f: [deletes(w, f["parent"]), regenerates(w, f["parent"], "r")],
        ends={(OK, "NOT_FOUND"): [(3, 0, 3)], ("HAS_CHILDREN", OK): [(2, 1, 4)]},
    ),
    Race(
        name="delete of a family against regenerate",
        arrange=a_story_with_a_child,
        acts=lambda w, f: [
            deletes(w, f["parent"], cascade=True),
            regenerates(w, f["parent"], "r"),
        ],
        # The child is deleted before its parent, and may be gone when the other one comes.
        ends={(OK, "NOT_FOUND"): [(2, 0, 5)], ("JOB_NOT_FINAL", OK): [(1, 1, 6)]},
    ),
    Race(
        name="delete against delete",
        arrange=a_story_with_a_child,
        acts=lambda w, f: [deletes(w, f["child"]), deletes(w, f["child"])],
        ends={(OK, "NOT_FOUND"): [(2, 0, 5)], ("NOT_FOUND", OK): [(2, 0, 5)]},
    ),
    Race(
        name="delete of a family against delete of its child",
        arrange=a_story_with_a_child,
        acts=lambda w, f: [
            deletes(w, f["parent"], cascade=True),
            deletes(w, f["child"]),
        ],
        ends={(OK, OK): [(2, 0, 5)], (OK, "NOT_FOUND"): [(2, 0, 5)]},
    ),
    Race(
        name="patch against confirm",
        arrange=drafted,
        acts=lambda w, f: [
            patches(w, f["draft"], genre="noir"),
            confirms_draft(w, f["draft"], "phone", "phone"),
        ],
        ends={(OK, OK): [(3, 2, 2)], (NOT_DRAFT, OK): [(3, 2, 2)]},
        check=the_change_is_confirmed,
    ),
    Race(
        name="two patches of what both have read",
        arrange=drafted,
        acts=lambda w, f: [
            patches(w, f["draft"], version=1, genre=genre) for genre in ("noir", "comedy")
        ],
        ends={(OK, CHANGED): [(5, 0, 1)], (CHANGED, OK): [(5, 0, 1)]},
    ),
    Race(
        name="confirm with a quote against a new price",
        arrange=quoted,
        acts=lambda w, f: [
            confirms_as_quoted(w, f["photo"], f["quote"]),
            raises_the_price(),
        ],
        ends={(OK, OK): [(3, 2, 2)]},
    ),
    Race(
        name="money back against completion",
        arrange=a_paid_purchase_at_the_film,
        acts=lambda w, f: [reconciles(w, re_1=1000), completes(w, f["film"])],
        ends={(OK, "succeeded"): [(3, 0, 5)]},
    ),
    Race(
        name="money back against cancel",
        arrange=lambda w: {**a_paid_purchase(w), **a_planned_story_beside(w)},
        acts=lambda w, f: [reconciles(w, re_1=1000), cancels(w, f["job"])],
        ends={(OK, "canceled"): [(5, 0, 5)]},
    ),
    Race(
        name="select against completion",
        arrange=at_the_film,
        acts=lambda w, f: [
            selects(w, output_id(f["job"], 1)),
            completes(w, f["film"]),
        ],
        ends={(OK, "succeeded"): [(3, 0, 3)]},
        check=it_is_picked,
    ),
    Race(
        name="select against delete",
        arrange=a_finished_story,
        acts=lambda w, f: [
            selects(w, output_id(f["parent"], 1)),
            deletes(w, f["parent"]),
        ],
        ends={(OK, OK): [(3, 0, 3)], ("NOT_FOUND", OK): [(3, 0, 3)]},
    ),
)
BY_NAME = {race.name: race for race in RACES}


# The track: one world, and each run from the same start


class Track:
    def __init__(self, world: World, race: Race) -> None:
        self.world, self._race = world, race
        self._known: dict[str, list[Any]] | None = None
        self._write({name: [] for name in (*RESTORED, "idempotency")})
        self._facts = race.arrange(world)
        self._known = None
        self._start = self._items()

    def run(self, choose: Choose) -> Run:
        """One interleaving from the start."""
        world = self.world
        self._write(self._start)
        world.studio.requests.clear()
        acts = self._race.acts(world, deepcopy(self._facts))
        self._known = None
        return interleave(acts, choose)

    def problems(self, run: Run) -> list[str]:
        """The problems of an ended run."""
        now = self._items()
        books = read_books(State(tables=now, files=_files(now["jobs"])))
        found = [str(breach) for breach in check_books(books, at_rest=False)]
        found.extend(
            f"{actor.number} raised {actor.error!r}"
            for actor in run.actors
            if actor.error is not None and not isinstance(actor.error, DarkroomError)
        )
        words = tuple(
            result_of(actor.value)
            if actor.error is None
            else getattr(actor.error, "error_code", type(actor.error).__name__)
            for actor in run.actors
        )
        wallet, entries = books.wallets[USER], books.ledger[USER]
        end = (wallet["balance"], wallet["held"], len(entries))
        if end not in self._race.ends.get(words, ()):
            expected = dict(self._race.ends)
            found.append(f"ended as {words} {end}, must be one of {expected}")
        more = self._race.check(self.world, run)
        return found + ([more] if more else [])

    def _items(self) -> dict[str, list[Any]]:
        """The stored items, read once after each run."""
        if self._known is None:
            self._known = {name: self.world.scan(name) for name in RESTORED}
        return self._known

    def _write(self, wanted: Mapping[str, Sequence[Any]]) -> None:
        """Write these items into the tables directly, without the product's stores."""
        client = self.world.client("dynamodb")
        now = self._items()
        for name, items in wanted.items():
            table, keys = self.world.settings.tables[name], KEYS[name]
            present = now[name] if name in now else self.world.scan(name)
            stored = {_key(keys, item): item for item in present}
            then = {_key(keys, item): item for item in items}
            for key in stored.keys() - then.keys():
                raw = {n: stored[key][n] for n in keys}
                client.delete_item(TableName=table, Key=raw)
            for key, item in then.items():
                if stored.get(key) != item:
                    client.put_item(TableName=table, Item=item)


def _key(names: Sequence[str], item: Mapping[str, Any]) -> str:
    return json.dumps([item[name] for name in names])


def _files(items: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Every file of an output: the races do not touch files."""
    outputs = [json.loads(item["outputs"]["S"]) for item in items if "outputs" in item]
    inherited = [json.loads(item["output"]["S"]) for item in items if "output" in item]
    own = [output for of_task in outputs for output in of_task]
    return frozenset(output["storage_key"] for output in [*own, *inherited])


# Orders that once failed, by their seeds

FAILED_ONCE = (
    ("expiry against confirm", 2),
    ("expiry against purchase", 1),
    ("expiry against settlement", 1),
    ("completion reported twice", 0),
    ("dead letter against completion", 0),
    ("sweeper and dead letter against completion", 1),
    ("webhook of the payment against webhook of its refund", 1026),
    ("webhooks of two partial refunds", 1016),
)


# Planted bugs: each race must find its bug


def claim_without_condition(plant: Plant) -> None:
    plant.replace(task_store, "claim_write", unconditional(plant, task_store.claim_write))


def job_without_version(plant: Plant) -> None:
    """The last writer of the job and its tasks wins."""
    _replace_all(plant, "family_writes")


def draft_without_condition(plant: Plant) -> None:
    _replace_all(plant, "replace_draft_writes")


def _replace_all(plant: Plant, name: str) -> None:
    real = getattr(jobs_store, name)

    def writes(*args: Any, **kwargs: Any) -> list[Write]:
        whole = real(*args, **kwargs)
        plant.acts(any(write.condition is not None for write in whole))
        return [replace(write, condition=None) for write in whole]

    plant.replace(jobs_store, name, writes)


def purchase_without_version(plant: Plant) -> None:
    """Each reader that finds a payment pending settles it under its own cause."""
    builders = (
        (payments_store, "save_write"),
        (credits_store, "_entry_write"),
        (credits_store, "_wallet_write"),
    )
    for store, name in builders:
        plant.replace(store, name, unconditional(plant, getattr(store, name)))


def delete_forgets_children(plant: Plant) -> None:
    """A job is deleted as it was read, even if it has a new child."""
    real = tombstone_store.delete_write

    def write(*args: Any, **kwargs: Any) -> Write:
        plant.acts()
        once = JobItem.deleted_at.does_not_exist()
        return replace(real(*args, **kwargs), condition=once)

    plant.replace(tombstone_store, "delete_write", write)


def child_of_a_deleted_parent(plant: Plant) -> None:
    """A child is created even if its parent was deleted."""
    plant.replace(jobs_store, "adopt_write", unconditional(plant, jobs_store.adopt_write))


def pick_without_version(plant: Plant) -> None:
    """A pick is written beside the job's version, so the end of the job overwrites it."""
    real = jobs_store.select_write

    def write(family: JobFamily, *, output_id: str, operation: str) -> Write:
        plant.acts()
        pick = JobItem.selected_output.set(output_id)
        kept = real(family, output_id=output_id, operation=operation)
        return replace(kept, actions=(pick,), condition=None)

    plant.replace(jobs_store, "select_write", write)


PLANTED = (
    (wallet_without_version, "two confirms on a wallet that can afford one"),
    (wallet_without_version, "settlement against confirm"),
    (wallet_without_version, "refund against the settlement of another job"),
    (claim_without_condition, "two workers with one message"),
    (job_without_version, "the last two tasks fail together"),
    (job_without_version, "dead letter against completion"),
    (draft_without_condition, "two devices confirm one draft"),
    (purchase_overwrites, "one purchase sent twice"),
    (purchase_without_version, "two reconciles of one payment"),
    (hold_before_the_job, "two devices confirm one draft"),
    (job_without_version, "cancel against completion"),
    (claim_without_condition, "cancel against claim"),
    (draft_without_condition, "two patches of what both have read"),
    (draft_without_condition, "patch against confirm"),
    (delete_forgets_children, "delete against regenerate"),
    (child_of_a_deleted_parent, "delete against regenerate"),
    (pick_without_version, "select against completion"),
)


# The tests


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """On moto: only one actor runs at a time, so that its tables need not be thread-safe."""
    with moto_world() as world:
        yield world


@pytest.fixture(autouse=True)
def prices() -> Iterator[None]:
    """Restore the prices that a race raised."""
    before = dict(pricing.costs())
    yield
    costs: Any = pricing.costs()
    costs.update(before)


@dataclass
class Tally:
    runs: Counter[str] = field(default_factory=Counter)
    orders: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def add(self, race: Race, run: Run, name: object, problems: Sequence[str]) -> None:
        self.runs[race.name] += 1
        self.orders.setdefault(race.name, set()).add(run.order)
        if problems:
            steps = " ".join(run.order)
            self.failed.append(f"{race.name}, {name}: {'; '.join(problems)} ({steps})")


@pytest.fixture
def total(record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """Adds up what a test did, for the summary of the run."""
    tally = Tally()
    yield tally
    record_property("interleavings", tally.runs.total())
    record_property("different_orders", sum(len(orders) for orders in tally.orders.values()))


def _race(race: Race, runs: Iterator[tuple[str, Run]], track: Track) -> Tally:
    tally = Tally()
    for name, run in runs:
        tally.add(race, run, name, track.problems(run))
    return tally


def _add(total: Tally, tally: Tally) -> None:
    total.runs += tally.runs
    for name, orders in tally.orders.items():
        total.orders.setdefault(name, set()).update(orders)
    total.failed += tally.failed


ALL = [pytest.param(race, id=race.name) for race in RACES]


@pytest.mark.parametrize("race", ALL)
def test_a_race_ends_in_one_of_its_ends_wherever_a_caller_is_preempted(
    race: Race, world: World, total: Tally
) -> None:
    track = Track(world, race)
    at_random = ((f"seed {seed}", track.run(by_seed(seed))) for seed in range(SEEDS))

    tally = _race(race, itertools.chain(every_preemption(track.run), at_random), track)

    _add(total, tally)
    assert tally.failed == []


@pytest.mark.parametrize(("name", "seed"), FAILED_ONCE)
def test_an_order_that_failed_once_passes(name: str, seed: int, world: World, total: Tally) -> None:
    race = BY_NAME[name]
    track = Track(world, race)

    tally = _race(race, iter([(f"seed {seed}", track.run(by_seed(seed)))]), track)

    _add(total, tally)
    assert tally.failed == []


@pytest.mark.parametrize(("bug", "name"), PLANTED)
def test_a_planted_bug_is_found_by_its_race(bug: Bug, name: str, world: World) -> None:
    race = BY_NAME[name]
    track = Track(world, race)

    with Plant(bug) as plant:
        runs = ((seed, track.run(by_seed(seed))) for seed in range(PLANTED_SEEDS))
        found = any(track.problems(run) for _, run in runs)

    plant.require_effect()
    assert found


def test_a_seed_is_one_order(world: World) -> None:
    track = Track(world, BY_NAME["confirm, purchase and settlement"])

    orders = [track.run(by_seed(seed)).order for seed in (5, 5, 6)]

    assert orders[0] == orders[1] != orders[2]


def test_all_orders_of_two_callers_run_once(world: World) -> None:
    """Two callers with two calls each have six orders."""
    track = Track(world, BY_NAME["two reconciles of a refund"])
    app = track.world.app
    looks = [lambda: [ensure_wallet(app, USER) for _ in range(2)]] * 2

    runs = list(every_order(lambda choose: interleave(looks, choose), limit=100))

    assert len(runs) == len({run.order for run in runs}) == runs[0].orders() == 6


@pytest.mark.slow
@pytest.mark.parametrize("race", ALL)
def test_all_or_very_many_orders_of_a_race_end_in_one_of_its_ends(
    race: Race, world: World, total: Tally
) -> None:
    track = Track(world, race)
    few = track.run(by_seed(0)).orders() <= SLOW_RUNS

    if few:
        runs = (("in order", run) for run in every_order(track.run, limit=4 * SLOW_RUNS))
    else:
        seeds = range(1000, 1000 + SLOW_RUNS)
        runs = ((f"seed {seed}", track.run(by_seed(seed))) for seed in seeds)
    tally = _race(race, runs, track)

    _add(total, tally)
    assert tally.failed == []
