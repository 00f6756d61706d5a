"""What each event adds to which counter: pure functions of the event alone.

So the counters of the running product and those that are rebuilt from the log are the same. All
counts are integers (milliseconds, nano-dollars), so no order of additions changes a sum.

A rate is of things, not of clicks: a job that is viewed a hundred times was viewed. So besides each
count there is the number of different jobs, and for experiments the number of different accounts:
accounts, not jobs, are assigned to a variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CounterKind = Literal["template", "experiment", "recipe", "provider", "funnel"]
METRICS: Final = ("upgrade", "share", "view", "regenerate")
METRIC_OF: Final[Mapping[str, str]] = {
    "upgrade_clicked": "upgrade",
    "share_created": "share",
    "share_viewed": "view",
    "regen_requested": "regenerate",
}
CLICKS: Final[Mapping[str, str]] = {
    "upgrade": "upgrades",
    "share": "shares",
    "view": "views",
    "regenerate": "regenerations",
}
"""The counter of all events of a metric."""
JOBS: Final[Mapping[str, str]] = {metric: f"{metric}Jobs" for metric in METRICS}
"""The counter of different jobs."""
ACCOUNTS: Final[Mapping[str, str]] = {metric: f"{metric}Accounts" for metric in METRICS}
"""The counter of different accounts, over the whole life of the template."""
_FUNNEL: Final[Mapping[str, str]] = {
    "ASSET_UPLOAD_STARTED": "started",
    "ASSET_UPLOAD_SUCCEEDED": "succeeded",
    "ASSET_UPLOAD_FAILED": "uploadsFailed",
    "JOB_QUEUED": "queued",
    "JOB_RUNNING": "running",
}
_ENDINGS: Final[Mapping[Any, str]] = {
    "succeeded": "done",
    "partial": "done",
    "failed": "failed",
    "canceled": "canceled",
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What analytics read of an event."""

    event_id: str
    """Unique in the log."""
    name: str
    day: str
    """``YYYY-MM-DD`` in UTC."""
    account_id: str | None = None
    job_id: str | None = None
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Count:
    """An addition to the counters of one key and day."""

    kind: CounterKind
    key: str
    day: str | None
    """None for the counters of all time."""
    added: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class FirstTime:
    """An addition that is made once for each unit: the first event of this kind."""

    unit: str
    flag: str
    count: Count


@dataclass(frozen=True, kw_only=True)
class Counts:
    always: tuple[Count, ...] = ()
    first_times: tuple[FirstTime, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.always or self.first_times)


def counts_of(fact: Fact) -> Counts:
    """What the event adds."""
    if fact.name in _FUNNEL:
        return Counts(always=(_count("funnel", "all", fact, {_FUNNEL[fact.name]: 1}),))
    if fact.name == "job_confirmed":
        return _confirmed(fact)
    if fact.name == "job_done":
        return Counts(always=_ended(fact))
    if fact.name == "PROVIDER_COST":
        return Counts(always=_cost(fact))
    if fact.name in METRIC_OF:
        return _outcome(fact, METRIC_OF[fact.name])
    return Counts()


def _confirmed(fact: Fact) -> Counts:
    template = _text(fact, "templateId")
    if template is None:
        return Counts()
    count = _count("template", template, fact, {"confirmed": 1})
    return Counts(always=(count,), first_times=_of_account(fact, template, "accounts", "accounts"))


def _outcome(fact: Fact, metric: str) -> Counts:
    template = _text(fact, "templateId")
    if template is None:
        return Counts()
    # A regeneration is a job of its own; it is an outcome of the job that it was made from.
    job_id = _text(fact, "parentJobId") or fact.job_id
    first_times: tuple[FirstTime, ...] = _of_account(fact, template, metric, ACCOUNTS[metric])
    if job_id is not None:
        count = _count("template", template, fact, {JOBS[metric]: 1})
        first_times = (FirstTime(unit=f"job#{job_id}", flag=metric, count=count), *first_times)
    return Counts(
        always=(_count("template", template, fact, {CLICKS[metric]: 1}),),
        first_times=first_times,
    )


def _of_account(fact: Fact, template: str, flag: str, counter: str) -> tuple[FirstTime, ...]:
    if fact.account_id is None:
        return ()
    count = Count(kind="experiment", key=template, day=None, added={counter: 1})
    unit = f"account#{fact.account_id}#{template}"
    return (FirstTime(unit=unit, flag=flag, count=count),)


def _ended(fact: Fact) -> tuple[Count, ...]:
    """A job that ended. What was made from it in turn earns credits too, but its template was
    confirmed only once."""
    credits: Any = fact.props.get("creditsUsed")
    settled: dict[str, int] = {"jobs": 1, "credits": credits} if _is_count(credits) else {}
    found: list[Count] = []
    template, recipe = _text(fact, "templateId"), _text(fact, "mode")
    if template is not None:
        ended = {} if _text(fact, "parentJobId") else _ending(fact)
        found.append(_count("template", template, fact, {**ended, **settled}))
    if settled and recipe is not None:
        found.append(_count("recipe", recipe, fact, settled))
    by_provider = fact.props.get("creditsByProvider")
    if isinstance(by_provider, Mapping):
        found += [
            _count("provider", str(provider), fact, {"jobs": 1, "credits": part})
            for provider, part in by_provider.items()
            if _is_count(part)
        ]
    return tuple(count for count in found if count.added)


def _ending(fact: Fact) -> dict[str, int]:
    outcome, latency_sec = _ENDINGS.get(fact.props.get("status")), fact.props.get("latencySec")
    if outcome is None:
        return {}
    if outcome != "done" or not isinstance(latency_sec, int | float):
        return {outcome: 1}
    return {outcome: 1, "latencyMs": round(latency_sec * 1000)}


def _cost(fact: Fact) -> tuple[Count, ...]:
    nanos = fact.props.get("costNanos")
    if not _is_count(nanos) or not nanos:
        return ()
    kinds: dict[CounterKind, str | None] = {
        "template": _text(fact, "templateId"),
        "recipe": _text(fact, "mode"),
        "provider": _text(fact, "provider"),
    }
    return tuple(
        _count(kind, key, fact, {"costNanos": nanos})
        for kind, key in kinds.items()
        if key is not None
    )


def _count(kind: CounterKind, key: str, fact: Fact, added: Mapping[str, int]) -> Count:
    return Count(kind=kind, key=key, day=fact.day, added=added)


def _text(fact: Fact, prop: str) -> str | None:
    value = fact.props.get(prop)
    return value if isinstance(value, str) and value else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def split_credits(credits: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide credits in proportion to positive weights into whole numbers that add up to them.

    The largest remainders are rounded up, of equal ones that with the smaller name.
    """
    total = sum(weights.values())
    if total <= 0:
        return {}
    parts = {name: credits * weight // total for name, weight in weights.items()}
    left = credits - sum(parts.values())
    by_remainder = sorted(weights, key=lambda name: (-(credits * weights[name] % total), name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts
