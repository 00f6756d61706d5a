"""Any recipe, options, prices and outputs: a run is paid for once.

The engine alone runs the chains, from one state to the next, without stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.api.openapi.document import full_openapi
from darkroom.credits import pricing
from darkroom.jobs import engine
from darkroom.jobs.model import Failure, Job, JobFamily
from darkroom.jobs.states import JobStatus, TaskStatus
from darkroom.kernel.money import PricePart
from darkroom.recipes import REGISTRY, get_recipe
from darkroom.recipes.base import (
    Blueprint,
    Material,
    Recipe,
    Regeneration,
    Target,
    TaskSpec,
)
from darkroom.templates import choice
from darkroom.usecases.jobs.plan_job import outputs_to_inherit
from darkroom.usecases.jobs.retry_job import Attempt, next_attempt, with_options
from tests.support.builders import (
    ASSET_ID,
    REWRITE,
    a_queued_job,
    a_task,
    an_output,
    running,
    scene_inputs,
)
from tests.support.world import START

BROKEN = Failure(code="UNDELIVERABLE", message="It broke.")
REFUSED = Failure(code="PROVIDER_REFUSED", message="Not this.", refused=True)
MAKE, BREAK, REFUSE, STOP = "make", "break", "refuse", "stop"
ATTEMPTS_LIMIT = 4
"""A first run and up to three retries."""


class Patchwork(Recipe):
    """Any number of parts with any costs and outputs, of which options drop and void some."""

    name = "patchwork"
    cost_names = ("a", "b", "c")
    changeable = frozenset({"parts", "void"})

    def validate(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(inputs)

    def material_ids(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    def check(self, inputs: Mapping[str, Any], materials: Sequence[Material]) -> None:
        return None

    def price(
        self, inputs: Mapping[str, Any], costs: Mapping[str, int], materials: Sequence[Material]
    ) -> tuple[PricePart, ...]:
        return tuple(
            PricePart(name=name, credits=costs[name], promised=tuple(keys))
            for name, keys in inputs["parts"].items()
        )

    def plan(self, blueprint: Blueprint) -> Sequence[TaskSpec]:
        keys = dict.fromkeys(key for keys in blueprint.inputs["parts"].values() for key in keys)
        specs = [TaskSpec(key="first", kind="x")]
        specs += [TaskSpec(key=key, kind="x", needs=("first",)) for key in keys]
        wanted = blueprint.only_keys
        return [spec for spec in specs if not wanted or spec.key in wanted]

    def void_keys(
        self, before: Mapping[str, Any], after: Mapping[str, Any], made: frozenset[str]
    ) -> frozenset[str]:
        return frozenset() if before["void"] == after["void"] else made & set(after["void"])

    def regenerate(
        self, inputs: Mapping[str, Any], made: frozenset[str], target: Target
    ) -> Regeneration:
        keys = tuple(sorted({key for keys in inputs["parts"].values() for key in keys}))
        return Regeneration(keys=("first", *keys), promised=keys)


@pytest.fixture(scope="module", autouse=True)
def patchwork() -> Iterator[None]:
    full_openapi()  # The document that responses are compared with has the real recipes.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTRY, "patchwork", Patchwork())
        yield


@dataclass
class Books:
    """The charges for each part of a chain, computed by this test's own arithmetic."""

    whole: dict[str, int] = field(default_factory=dict)
    """The full price of each part; the first price of a part stays."""
    used: dict[str, int] = field(default_factory=dict)
    made: dict[str, set[str]] = field(default_factory=dict)

    def void(self, keys: frozenset[str]) -> None:
        for name, made in self.made.items():
            standing = made - keys
            if len(standing) < len(made):
                share = -(-self.used[name] * len(standing) // len(made))
                self.used[name], self.made[name] = share, standing

    def add(self, family: JobFamily) -> None:
        job, receipt = family.job, family.job.receipt
        assert receipt is not None
        own = {task.key for task in family.tasks if task.status is TaskStatus.SUCCEEDED}
        for part, used in zip(job.price, receipt.parts, strict=True):
            self.used[part.name] = self.used.get(part.name, 0) + used
            self.made.setdefault(part.name, set()).update(own & set(part.promised))


def blueprint_of(job: Job, minutes: int) -> Blueprint:
    recipe = get_recipe(job.recipe)
    combination = recipe.template_combination(job.inputs)
    kind = "audio" if job.recipe == "captions" else "image"
    return Blueprint(
        inputs=job.inputs,
        template=None if combination is None else choice.templates_of(*combination)[0],
        language="en",
        materials=tuple(
            Material(
                id=each,
                kind=kind,
                storage_key=each,
                mime_type="x",
                duration_ms=minutes * 60_000,
                role="self",
            )
            for each in recipe.material_ids(job.inputs)
        ),
    )


def run(job: Job, parent: JobFamily | None, minutes: int, fates: Iterator[str]) -> JobFamily:
    """Plan the job and end its tasks one by one, each with the next fate."""
    blueprint = replace(blueprint_of(job, minutes), only_keys=frozenset(job.only_keys))
    specs = get_recipe(job.recipe).plan(blueprint)
    tasks = [a_task(s.key, *s.needs, number=n) for n, s in enumerate(specs, start=1)]
    inherited = () if parent is None else outputs_to_inherit(parent, job)
    family = engine.plan(job, tasks, inherited, START)
    while not family.job.is_final:
        key = next(task.key for task in family.tasks if task.status is TaskStatus.READY)
        fate = next(fates)
        if fate == STOP:
            family = engine.cancel(family, START)
        elif fate == MAKE:
            output = an_output(key, output_id=f"{job.job_id}-{key}")
            family = engine.succeed(running(family, key), key, [output], START)
        else:
            failure = REFUSED if fate == REFUSE else BROKEN
            family = engine.fail(running(family, key), key, failure, START)
    return family


def first_job(recipe: str, inputs: dict[str, Any], minutes: int) -> Job:
    job = a_queued_job(recipe=recipe, inputs=get_recipe(recipe).validate(inputs))
    costs = pricing.costs_of(get_recipe(recipe).cost_names)
    price = get_recipe(recipe).price(job.inputs, costs, blueprint_of(job, minutes).materials)
    return replace(job, price=price, costs=costs)


def regenerated(parent: JobFamily, target: Target) -> Job:
    made = frozenset(output.key for output in parent.outputs)
    again = get_recipe(parent.job.recipe).regenerate(parent.job.inputs, made, target)
    costs = pricing.costs_of([pricing.REGENERATE])
    part = PricePart(
        name=pricing.REGENERATE, credits=costs[pricing.REGENERATE], promised=again.promised
    )
    return a_queued_job(
        job_id="job_again",
        recipe=parent.job.recipe,
        inputs=parent.job.inputs,
        parent_job_id=parent.job.job_id,
        regen_target=target.name,
        only_keys=again.keys,
        price=(part,),
        costs=costs,
    )


def child_of(job: Job, attempt: Attempt, number: int) -> Job:
    return a_queued_job(
        job_id=f"job_{number}",
        recipe=job.recipe,
        inputs=job.inputs,
        parent_job_id=job.job_id,
        only_keys=attempt.keys,
        price=attempt.price,
        costs=job.costs,
        chain=attempt.chain,
    )


# Strategies

FORMATS = ("srt", "vtt", "txt", "json")
LANGUAGES = ("ko", "ja", "fr")
PORTRAIT = {"mode": "batch", "referencePhotoIds": [ASSET_ID.replace("ast", "ref")]}


def some(values: Sequence[str], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, min_size=least)


@st.composite
def caption_options(draw: st.DrawFn) -> dict[str, Any]:
    options: dict[str, Any] = {"sourceLang": draw(st.sampled_from(["en", "en", "en", "de"]))}
    options["outputFormats"] = draw(some(FORMATS, 1))
    languages = draw(some(LANGUAGES))
    options["translate"] = bool(languages)
    return options | ({"targetLangs": languages} if languages else {})


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    parts = {
        name: draw(some([f"{name}{number}" for number in range(4)] + ["shared"], least))
        for name, least in draw(st.sampled_from([(("a", 1),), (("a", 1), ("b", 0), ("c", 1))]))
    }
    # In half of the cases nothing new becomes void.
    void = draw(st.sampled_from([[], [], ["a0", "b0", "shared"], ["a0", "a1", "a2", "c0"]]))
    return {"parts": parts, "void": void}


SEEDS = st.fixed_dictionaries({"seed": st.integers(0, 9)})
TEXTS = st.sampled_from(["They wave from the pier.", "They never met again."])
REWRITES = st.fixed_dictionaries({"rewrite": st.fixed_dictionaries({"rawText": TEXTS})})
RECIPES: dict[str, tuple[st.SearchStrategy[dict[str, Any]], st.SearchStrategy[dict[str, Any]]]] = {
    "quick": (st.just(scene_inputs()), SEEDS),
    "story": (st.just(scene_inputs(rewriteEnabled=True, rewrite=REWRITE)), SEEDS | REWRITES),
    "trailer": (st.just(scene_inputs()), SEEDS),
    "portraits": (
        st.builds(
            lambda n: PORTRAIT | {"styles": ["CLASSIC"], "totalImages": n}, st.integers(1, 4)
        ),
        SEEDS,
    ),
    "images": (st.builds(lambda n: {"prompt": "a hill", "count": n}, st.integers(1, 4)), SEEDS),
    "captions": (
        st.builds(lambda o: {"assetIds": [ASSET_ID], "options": o}, caption_options()),
        caption_options(),
    ),
    "patchwork": (patches(), patches()),
}
NAMES = sorted({name for recipe in RECIPES for name in ("regenerate", recipe)} | {
    "captionsPerMinute", "translationPerMinute", "portrait", "image", "rewrite", "a", "b", "c",
})  # fmt: skip
COSTS = st.fixed_dictionaries({name: st.integers(0, 9) for name in NAMES})
FATES = st.lists(
    st.sampled_from([MAKE, MAKE, MAKE, MAKE, MAKE, BREAK, REFUSE, STOP]), max_size=12
).flatmap(lambda some: st.sampled_from([MAKE, BREAK, STOP]).map(lambda rest: (tuple(some), rest)))


def fates_of(drawn: tuple[tuple[str, ...], str]) -> Iterator[str]:
    first, rest = drawn
    yield from first
    while True:
        yield rest


@dataclass(frozen=True)
class Chain:
    recipe: str
    inputs: dict[str, Any]
    minutes: int
    is_regeneration: bool
    attempts: tuple[tuple[dict[str, int], dict[str, Any], tuple[tuple[str, ...], str]], ...]
    """Of each: the costs of that day, what options change, and how its tasks end."""


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    recipe = draw(st.sampled_from(sorted(RECIPES)))
    inputs, options = RECIPES[recipe]
    attempt = st.tuples(COSTS, st.just({}) | options, FATES)
    return Chain(
        recipe=recipe,
        inputs=draw(inputs),
        minutes=draw(st.integers(1, 40)),
        is_regeneration=recipe not in ("quick", "captions") and draw(st.booleans()),
        attempts=tuple(draw(st.lists(attempt, min_size=2, max_size=ATTEMPTS_LIMIT))),
    )


TARGETS = {
    "story": Target(name="story_clip", clip_no=2),
    "trailer": Target(name="trailer_scene", clip_no=3),
    "portraits": Target(name="image", key="img_01"),
    "images": Target(name="image", key="img_01"),
    "patchwork": Target(name="all"),
}


def check_chain(chain: Chain) -> None:
    """Run it, and hold every price and receipt against the books of this test."""
    books, family = Books(), None
    with pytest.MonkeyPatch.context() as patch:
        for number, (costs, options, fates) in enumerate(chain.attempts):
            patch.setattr(pricing, "costs", lambda costs=costs: costs)
            parent = family
            if parent is None:
                job = first_job(chain.recipe, chain.inputs, chain.minutes)
                if chain.is_regeneration:
                    whole = run(job, None, chain.minutes, fates_of(((), MAKE)))
                    job = regenerated(whole, TARGETS[chain.recipe])
                    parent = whole
                books.whole = {part.name: part.credits for part in job.price}
                pinned = costs
            else:
                if parent.job.status is JobStatus.SUCCEEDED:
                    return
                following = next_job(parent, options, chain.minutes, number, books, pinned)
                if following is None:
                    continue
                job = following
            family = run(job, parent, chain.minutes, fates_of(fates))
            books.add(family)
            check_end(family, books, is_all_made=fates == ((), MAKE))


def next_job(
    parent: JobFamily,
    options: dict[str, Any],
    minutes: int,
    number: int,
    books: Books,
    pinned: dict[str, int],
) -> Job | None:
    """The retry; None if nothing is missing that could be made."""
    changed = with_options(parent.job, options)
    recipe, blueprint = get_recipe(changed.recipe), blueprint_of(changed, minutes)
    made = frozenset(output.key for output in parent.outputs)
    attempt = next_attempt(parent, changed, blueprint)
    if not attempt.keys:
        return None
    books.void(recipe.void_keys(parent.job.inputs, changed.inputs, made))
    if pricing.REGENERATE not in books.whole:
        for part in recipe.price(changed.inputs, pinned, blueprint.materials):
            books.whole[part.name] = part.credits
    check_attempt(attempt, recipe.plan(blueprint), books)
    return child_of(changed, attempt, number)


def check_attempt(attempt: Attempt, specs: Sequence[TaskSpec], books: Books) -> None:
    """Plan, keys and price agree, and no part costs more than its rest."""
    planned, keys = {spec.key for spec in specs}, set(attempt.keys)
    promised = {key for part in attempt.chain.whole for key in part.promised}
    paid_for = [key for part in attempt.price for key in part.promised]
    assert keys <= planned
    assert keys & promised == set(paid_for)
    for part in attempt.price:
        rest = books.whole[part.name] - books.used.get(part.name, 0)
        assert 0 <= part.credits <= max(0, rest)
    assert {part.name: part.credits for part in attempt.chain.spent} == books.used


def check_end(family: JobFamily, books: Books, *, is_all_made: bool) -> None:
    """The receipt adds up, nothing cost more than the whole, and what is whole cost just that."""
    job, receipt = family.job, family.job.receipt
    assert receipt is not None
    assert receipt.used + receipt.refunded == job.reserved
    assert receipt.used == sum(receipt.parts)
    if is_all_made:
        assert job.status is JobStatus.SUCCEEDED
    standing = {output.key for output in family.outputs}
    charged = {part.name for part in job.price}
    whole = job.chain.whole if job.chain else job.price
    for part in whole:
        used = books.used.get(part.name, 0)
        assert 0 <= used <= part.credits == books.whole[part.name]
        assert books.made.get(part.name, set()) <= standing
        # A part that options complete, by dropping what is missing, costs nothing more.
        if part.name in charged and set(part.promised) <= standing:
            assert used == part.credits


@settings(max_examples=150, deadline=None)
@given(chain=chains())
def test_a_run_is_paid_for_once_however_often_it_is_retried(chain: Chain) -> None:
    check_chain(chain)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None)
@given(chain=chains())
def test_a_run_is_paid_for_once_at_length(chain: Chain) -> None:
    check_chain(chain)


@pytest.mark.parametrize("recipe", sorted(REGISTRY))
def test_every_recipe_reads_only_the_costs_that_it_names(recipe: str) -> None:
    """With any options: what is pinned must be enough for every retry."""

    @settings(max_examples=20, deadline=None)
    @given(inputs=RECIPES[recipe][0])
    def price(inputs: dict[str, Any]) -> None:
        job = a_queued_job(recipe=recipe, inputs=get_recipe(recipe).validate(inputs))
        costs = dict.fromkeys(get_recipe(recipe).cost_names, 1)
        get_recipe(recipe).price(job.inputs, costs, blueprint_of(job, 1).materials)

    price()
