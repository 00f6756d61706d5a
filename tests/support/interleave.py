"""Interleavings: several callers at once, one AWS call at a time, in a chosen order.

Each actor is a thread, but only one of them runs at a time: it makes its next call to AWS, goes on
to the one after, and yields. What happens between two calls touches nothing shared, so every
behavior of real concurrency is one of these orders. The order follows from a seed (or from a
path through the tree of all orders), so a finding can be reproduced.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

Act = Callable[[], Any]
Choose = Callable[[Sequence[int]], int]
"""Numbers of the actors that wait → the place in this list of the one that goes next."""

PATIENCE_SECONDS = 60
SDK: Any = BaseClient
"""Every call passes its private function, which stubs do not declare."""


class Stuck(AssertionError):
    """An actor neither made a call nor ended."""


@dataclass
class Actor:
    """One caller: what it does, and how it ended."""

    number: int
    act: Act
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    done: bool = False
    value: Any = None
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One interleaving: how each actor ended, and in which order they made which calls."""

    actors: Sequence[Actor]
    order: tuple[str, ...]
    choices: tuple[tuple[int, int], ...]
    """At each step: which of the waiting actors was chosen, out of how many."""

    def orders(self) -> int:
        """How many orders there are of as many calls by each actor."""
        count = math.factorial(sum(len(actor.calls) for actor in self.actors))
        for actor in self.actors:
            count //= math.factorial(len(actor.calls))
        return count


class _Gate:
    """Where actors wait for their turn, and hand it back."""

    def __init__(self) -> None:
        self._current = threading.local()
        self._back = threading.Semaphore(0)
        self.order: list[str] = []

    def perform(self, actor: Actor) -> None:
        """The thread of one actor, from its first turn to its end."""
        self._current.actor = actor
        self._wait_for_turn(actor)
        try:
            actor.value = actor.act()
        except Exception as error:  # noqa: BLE001 - reported with the run
            actor.error = error
        finally:
            actor.done = True
            self._back.release()

    def pause(self, name: str) -> None:
        """Before a call: the actors that are chosen first make their calls."""
        actor: Actor | None = getattr(self._current, "actor", None)
        if actor is None:
            return
        self._back.release()
        self._wait_for_turn(actor)
        actor.calls.append(name)
        self.order.append(f"{actor.number}:{name}")

    def let(self, actor: Actor) -> None:
        """Give the actor its turn until it hands it back."""
        actor.turn.release()
        if not self._back.acquire(timeout=PATIENCE_SECONDS):
            raise Stuck(f"actor {actor.number} after {actor.calls}")

    def _wait_for_turn(self, actor: Actor) -> None:
        if not actor.turn.acquire(timeout=PATIENCE_SECONDS):
            raise Stuck(f"actor {actor.number} never got its turn")


_gate: _Gate | None = None


def pause(name: str) -> None:
    """For calls of fakes that do not go through AWS: other actors may act before them."""
    if _gate is not None:
        _gate.pause(name)


def interleave(acts: Sequence[Act], choose: Choose) -> Run:
    """Run the acts to their ends, one call at a time, in the order that ``choose`` makes."""
    global _gate
    gate = _gate = _Gate()
    real = SDK._make_api_call

    def call(client: Any, operation: str, params: Any) -> Any:
        gate.pause(operation)
        return real(client, operation, params)

    actors = [Actor(number, act) for number, act in enumerate(acts)]
    threads = [threading.Thread(target=gate.perform, args=[actor], daemon=True) for actor in actors]
    at_once = patch("time.sleep", lambda seconds: None)
    try:
        with patch.object(BaseClient, "_make_api_call", call), at_once:
            choices = _direct(gate, actors, threads, choose)
    finally:
        _gate = None
    return Run(actors, tuple(gate.order), tuple(choices))


def _direct(
    gate: _Gate, actors: Sequence[Actor], threads: Sequence[threading.Thread], choose: Choose
) -> list[tuple[int, int]]:
    """Give turns until all actors are done; returns what was chosen, out of how many."""
    choices = []
    for thread in threads:
        thread.start()
    # Actors cannot affect each other before their first call.
    for actor in actors:
        gate.let(actor)
    while waiting := [actor for actor in actors if not actor.done]:
        chosen = choose([actor.number for actor in waiting])
        choices.append((chosen, len(waiting)))
        gate.let(waiting[chosen])
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return choices


def by_seed(seed: object) -> Choose:
    rng = random.Random(str(seed))
    return lambda waiting: rng.randrange(len(waiting))


def preempted(victim: int, after: int) -> Choose:
    """The victim makes ``after`` calls, then all others run to their ends, then it goes on."""
    steps = 0

    def choose(waiting: Sequence[int]) -> int:
        nonlocal steps
        if victim in waiting and steps < after:
            steps += 1
            return waiting.index(victim)
        others = (place for place, number in enumerate(waiting) if number != victim)
        return next(others, 0)

    return choose


def every_preemption(run: Callable[[Choose], Run]) -> Iterator[tuple[str, Run]]:
    """Each actor preempted by all others before each of its calls: this finds most bugs soonest."""
    victim = count = 0
    while victim <= count:
        done = run(preempted(victim, 0))
        yield f"{victim} comes last", done
        count = len(done.actors) - 1
        # Preempting it after its last call is the order in which it comes first.
        after = 1
        while after <= len(done.actors[victim].calls):
            done = run(preempted(victim, after))
            yield f"{victim} is preempted after {after}", done
            after += 1
        victim += 1


def every_order(run: Callable[[Choose], Run], *, limit: int) -> Iterator[Run]:
    """All interleavings, depth first; no more than ``limit`` of them."""
    path: list[int] = []
    for _ in range(limit):
        ahead = iter(path)
        done = run(lambda waiting, ahead=ahead: next(ahead, 0))  # type: ignore[misc]
        yield done
        taken = list(done.choices)
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        path = [chosen for chosen, _ in taken[:-1]] + [taken[-1][0] + 1]
