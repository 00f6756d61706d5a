"""The limits of each plan. Pure functions over the catalog."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from darkroom.kernel import catalog
from darkroom.kernel.errors import Forbidden, InvalidInput, TooLarge
from darkroom.kernel.problems import problem

FREE = "free"
STORAGE_BYTES, CONCURRENT_UPLOADS = "storageBytes", "concurrentUploads"
CONCURRENT_TASKS, PROVIDER_COST_USD = "concurrentTasks", "providerCostUsd"
JOBS_PER_MONTH, FREE_JOBS_PER_DAY = "jobsPerMonth", "freeJobsPerDay"
DRAFTS_OPEN, QUEUED_JOBS = "draftsOpen", "queuedJobs"
UPLOAD_SESSIONS_PER_HOUR = "uploadSessionsPerHour"
INGEST_MINUTES_PER_DAY = "ingestMinutesPerDay"
SHORT_FORMS, CHANNELS, LIVE_HOURS = "shortForms", "channels", "liveHours"
TEAMS, TEAM_MEMBERS = "teams", "teamMembers"
LIMIT_NAMES = (
    JOBS_PER_MONTH,
    SHORT_FORMS,
    STORAGE_BYTES,
    PROVIDER_COST_USD,
    CONCURRENT_TASKS,
    CONCURRENT_UPLOADS,
    FREE_JOBS_PER_DAY,
    DRAFTS_OPEN,
    QUEUED_JOBS,
    UPLOAD_SESSIONS_PER_HOUR,
    INGEST_MINUTES_PER_DAY,
    CHANNELS,
    LIVE_HOURS,
    TEAMS,
    TEAM_MEMBERS,
)
"""The limits that plans are compared by, in the order in which they are shown. Queued jobs at the
same time only bound a burst."""
LevelName = Literal["ok", "warning", "exceeded"]
WARNING_PERCENT, EXCEEDED_PERCENT = 80, 100
_MB = 1000**2


class PlanLimit(Forbidden):
    """A limit of the plan is reached; has ``name, limit, used, plan, upgradeTo``."""

    code = "PLAN_LIMIT"


@dataclass(frozen=True, kw_only=True)
class PlanLimits:
    concurrent_tasks: int
    """Tasks of the account that may be in progress at the same time."""
    file_bytes: Mapping[str, int]
    """The largest size of one file, by kind."""
    storage_bytes: int
    """The largest size of all files together, including those that are being uploaded."""
    concurrent_uploads: int
    """Files that may be in upload at the same time."""
    webhooks_per_day: int
    """Events that are sent to one webhook endpoint in a day (UTC)."""
    by_name: Mapping[str, int | None]
    """Every limit that is one number, by its name in the API; None is unlimited."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """How much of one limit is used."""

    name: str
    used: float
    limit: float | None
    """None is unlimited."""

    @property
    def percent(self) -> float:
        """Rounded down to two digits, so that it never shows a level that is not reached; 0 of an
        unlimited amount, 100 of nothing."""
        if not self.limit:
            return 100.0 if self.used > 0 and self.limit is not None else 0.0
        return math.floor(self.used * 10_000 / self.limit) / 100

    @property
    def level(self) -> LevelName:
        if self.percent >= EXCEEDED_PERCENT:
            return "exceeded"
        return "warning" if self.percent >= WARNING_PERCENT else "ok"


def plan_names() -> tuple[str, ...]:
    """From the smallest to the largest."""
    return tuple(catalog.read("plans.json"))


def limit_names() -> tuple[str, ...]:
    """The limits of a plan that are one number, by name."""
    limits: Mapping[str, int | None] = catalog.read("plans.json")[FREE]["limits"]
    return tuple(limits)


def label_of(plan: str) -> Mapping[str, str]:
    """The plan's name for users, by language."""
    label: Mapping[str, str] = catalog.read("plans.json")[plan]["label"]
    return label


def limits_of(plan: str) -> PlanLimits:
    """The plan's limits; a plan that is no longer sold counts as free."""
    plans = catalog.read("plans.json")
    entry = plans.get(plan, plans[FREE])
    limits: Mapping[str, int | None] = entry["limits"]
    return PlanLimits(
        concurrent_tasks=_number(limits, CONCURRENT_TASKS),
        file_bytes={kind: size_mb * _MB for kind, size_mb in entry["fileMb"].items()},
        storage_bytes=_number(limits, STORAGE_BYTES),
        concurrent_uploads=_number(limits, CONCURRENT_UPLOADS),
        webhooks_per_day=entry["webhooksPerDay"],
        by_name=limits,
    )


def _number(limits: Mapping[str, int | None], name: str) -> int:
    """A limit that every plan has."""
    limit = limits[name]
    if limit is None:
        raise ValueError(f"every plan limits {name}")
    return limit


def paid_plan_names() -> tuple[str, ...]:
    """The plans that have a price, from the smallest to the largest."""
    return tuple(name for name in plan_names() if prices_of(name))


def prices_of(plan: str) -> Mapping[str, Decimal]:
    """What the plan costs a month, by currency; empty if it is not sold."""
    plans = catalog.read("plans.json")
    prices = plans[plan]["prices"] if plan in plans else {}
    return {currency: Decimal(amount) for currency, amount in prices.items()}


def price_of(plan: str, currency: str) -> Decimal:
    """What the plan costs a month in this currency.

    Raises:
        InvalidInput: the plan is not sold, or not in this currency.
    """
    sold = paid_plan_names()
    if plan not in sold:
        raise InvalidInput("not sold", fields=[problem("plan", "NOT_ALLOWED", allowed=sold)])
    prices = prices_of(plan)
    if currency not in prices:
        found = problem("currency", "NOT_ALLOWED", allowed=tuple(prices))
        raise InvalidInput("not sold in this currency", fields=[found])
    return prices[currency]


def levels_of(plan: str, used: Mapping[str, float]) -> tuple[Level, ...]:
    """The level of every limit; what ``used`` does not name is 0."""
    limits = limits_of(plan).by_name
    return tuple(
        Level(name=name, used=max(0, used.get(name, 0)), limit=limits[name]) for name in LIMIT_NAMES
    )


def larger_plan(plan: str, fits: Callable[[PlanLimits], bool]) -> str | None:
    """The smallest plan above this one that fits, if any."""
    names = plan_names()
    above = names[names.index(plan) + 1 :] if plan in names else names[1:]
    return next((name for name in above if fits(limits_of(name))), None)


def limit_reached(plan: str, name: str, *, used: float, more: float = 1) -> PlanLimit:
    """The error for a limit that is one number: ``more`` does not fit beside ``used``."""

    def fits(limits: PlanLimits) -> bool:
        limit = limits.by_name[name]
        return limit is None or used + more <= limit

    return PlanLimit(
        f"the limit {name} is reached",
        name=name,
        limit=limits_of(plan).by_name[name],
        used=used,
        plan=plan,
        upgradeTo=larger_plan(plan, fits),
    )


def admit_size(plan: str, *, kind: str, size_bytes: int, at: str = "") -> None:
    """Check the size of one file of this kind. ``at`` is the path of the file in the request.

    Raises:
        TooLarge: over the limit of its kind; names the plan that allows the size.
    """
    limit_bytes = limits_of(plan).file_bytes[kind]
    if size_bytes <= limit_bytes:
        return
    message = f"must be at most {limit_bytes}"
    raise TooLarge(
        f"{at}sizeBytes {message}",
        fields=[problem(f"{at}sizeBytes", "TOO_LARGE", limit=limit_bytes)],
        limit=limit_bytes,
        plan=plan,
        upgradeTo=larger_plan(plan, lambda limits: size_bytes <= limits.file_bytes[kind]),
    )


def storage_limit(plan: str, *, used_bytes: int, more_bytes: int) -> PlanLimit:
    """The error for storage: ``more_bytes`` do not fit into the plan."""
    return limit_reached(plan, STORAGE_BYTES, used=used_bytes, more=more_bytes)


def uploads_limit(plan: str, *, open_uploads: int, more: int) -> PlanLimit:
    """The error for uploads: ``more`` files at the same time exceed the plan."""
    return limit_reached(plan, CONCURRENT_UPLOADS, used=open_uploads, more=more)
