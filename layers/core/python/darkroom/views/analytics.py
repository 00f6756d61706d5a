"""Template analytics, the funnel and the margin, as operators see them: read from counters.

How much is read depends on the templates and days of the period, and not on how many events there
were.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from darkroom.analytics import statistics, store
from darkroom.analytics.model import ACCOUNTS, CLICKS, JOBS, METRICS
from darkroom.analytics.statistics import Count as Trials
from darkroom.credits import pricing
from darkroom.templates.choice import list_templates
from darkroom.views.base import Count, Credits, ResponseBody, Words, described
from darkroom.views.job_lists import BYTE_ORDER_MARK, safe_cell

GroupBy = Literal["recipe", "template", "provider"]
_NANOS = Decimal(10**9)
_SHOWN_DIGITS = 6

Share = Annotated[float, described("Between 0 and 1.", 0.25, minimum=0, maximum=1)]
Usd = Annotated[float, described("In US dollars.", 1.25)]
TemplateId = Annotated[str, described("Id of the template.", "story-together-comedy-1")]
TemplateMode = Annotated[str, described("Kind of film; empty for a retired template.", "story")]
Stage = Annotated[
    str, described("Stage of the relationship; empty for a retired template.", "together")
]
Genre = Annotated[str, described("Genre; empty for a retired template.", "comedy")]
Metric = Annotated[
    str,
    Words("Metric", lambda: METRICS),
    described("What is compared: the rate of this.", "share"),
]


class Rate(ResponseBody):
    """The part of the confirmed jobs, each counted once, with its 95 % Wilson interval."""

    value: Annotated[Share, described("The rate; 0 without confirmed jobs.")]
    low: Annotated[Share, described("Lower end of the interval.", 0.11)]
    high: Annotated[Share, described("Upper end of the interval.", 0.46)]


class Rates(ResponseBody):
    upgrade: Annotated[Rate, described("Jobs from which an upgrade was clicked.")]
    share: Annotated[Rate, described("Jobs that were shared.")]
    view: Annotated[Rate, described("Jobs whose shared link was viewed.")]
    regenerate: Annotated[Rate, described("Jobs of which something was made again.")]


class TemplateMargin(ResponseBody):
    credits_settled: Annotated[
        Credits, described("Credits that its jobs used, with regenerations.")
    ]
    provider_cost_usd: Annotated[Usd, described("What providers charged for them.", 0.42)]


class TemplateRow(ResponseBody):
    """Counts of the period; a job that ended in it may have been confirmed before."""

    template_id: TemplateId
    mode: TemplateMode
    stage: Stage
    genre: Genre
    confirmed: Annotated[Count, described("Jobs that were confirmed.", 40)]
    done: Annotated[Count, described("Jobs that succeeded, at least in part.", 37)]
    failed: Annotated[Count, described("Jobs that failed.", 2)]
    canceled: Annotated[Count, described("Jobs that were canceled.", 1)]
    mean_latency_sec: Annotated[
        float | None,
        described("Mean time from confirmation to the end of done jobs; null without any.", 31.5),
    ]
    upgrades: Annotated[Count, described("Clicks on an upgrade.", 6)]
    shares: Annotated[Count, described("Links that were made.", 9)]
    views: Annotated[Count, described("Views of links: one for each link, visitor and day.", 120)]
    regenerations: Annotated[Count, described("Regenerations that were requested.", 4)]
    rates: Annotated[Rates, described("The same, of the confirmed jobs.")]
    margin: Annotated[TemplateMargin, described("What its jobs earned and cost.")]


class Anytime(ResponseBody):
    """A comparison that may be read every day: it counts accounts from the first day of the
    template on, whatever the period."""

    leader: Annotated[
        TemplateId | None,
        described(
            "The variant that is proven better than every other one; null if none is. With equal "
            "variants, one is ever named in at most 5 % of experiments."
        ),
    ]
    low: Annotated[
        float, described("Least difference of the rates of `leader` and `runnerUp`.", -0.02)
    ]
    high: Annotated[float, described("Largest difference of these rates.", 0.11)]


class Comparison(ResponseBody):
    """The variants of a combination. The one with the highest rate in the period is not yet better:
    only `anytime.leader` is. `pValue` holds for a single look at a planned number of jobs."""

    mode: TemplateMode
    stage: Stage
    genre: Genre
    metric: Metric
    leader: Annotated[TemplateId, described("The variant with the highest rate.")]
    runner_up: Annotated[TemplateId, described("The variant with the next rate.")]
    p_value: Annotated[
        Share,
        described("Two-sided p-value of equal rates of both: the pooled z-test.", 0.031),
    ]
    anytime: Annotated[Anytime, described("The same, at any moment and as often as it is read.")]
    sample_ratio_ok: Annotated[
        bool,
        described(
            "Whether the variants may have got equal shares of the accounts; if not, do not trust "
            "the comparison."
        ),
    ]


class TemplateReport(ResponseBody):
    items: Annotated[list[TemplateRow], described("Every template of the filters, by id.")]
    comparisons: Annotated[
        list[Comparison], described("One for each combination with confirmed jobs, and metric.")
    ]


class FunnelRates(ResponseBody):
    """Each of the step before; null if that was empty. A file may be used by several jobs."""

    succeeded: Annotated[float | None, described("`succeeded` of `started`.", 0.97)]
    queued: Annotated[float | None, described("`queued` of `succeeded`.", 0.6)]
    run: Annotated[float | None, described("`run` of `queued`.", 0.99)]


class FunnelReport(ResponseBody):
    started: Annotated[Count, described("Uploads that were started.", 120)]
    succeeded: Annotated[
        Count, described("Uploads that ended well, however many attempts they took.", 117)
    ]
    failed: Annotated[Count, described("Uploads that failed.", 2)]
    queued: Annotated[Count, described("Jobs that were queued.", 70)]
    run: Annotated[Count, described("Jobs of which a task began.", 69)]
    rates: Annotated[FunnelRates, described("From step to step.")]


class MarginRow(ResponseBody):
    key: Annotated[str, described("The recipe, template or provider.", "story")]
    jobs: Annotated[Count, described("Jobs that ended.", 37)]
    credits_settled: Annotated[Credits, described("Credits that they used.", 74)]
    revenue_usd: Annotated[
        Usd, described("These credits at the lowest price of one in a pack.", 19.73)
    ]
    provider_cost_usd: Annotated[Usd, described("What providers charged for them.", 4.1)]
    margin_usd: Annotated[Usd, described("The revenue without the cost.", 15.63)]


class MarginReport(ResponseBody):
    items: Annotated[list[MarginRow], described("One for each key, by key.")]


@dataclass(frozen=True, kw_only=True)
class Period:
    """Whole days in UTC, both included."""

    first: date
    last: date


@dataclass(frozen=True, kw_only=True)
class TemplateFilters:
    mode: str | None = None
    stage: str | None = None
    genre: str | None = None

    @property
    def are_empty(self) -> bool:
        return self.mode is None and self.stage is None and self.genre is None


def template_report(period: Period, filters: TemplateFilters) -> TemplateReport:
    """Every template that matches the filters, and the comparisons of its combination."""
    epoch = store.find_epoch()
    counted = _sums("template", period, epoch)
    templates = {
        template["templateId"]: template
        for template in list_templates(filters.mode, filters.stage, filters.genre)
    }
    if filters.are_empty:
        # A retired template has no place in the catalog any more, but still its counters.
        for key in counted.keys() - templates.keys():
            templates[key] = {"templateId": key, "mode": "", "stage": "", "genre": ""}
    rows = [_template_row(templates[key], counted.get(key, Counter())) for key in sorted(templates)]
    totals = {row.key: Counter(row.counts) for row in store.list_totals("experiment", epoch=epoch)}
    return TemplateReport(items=rows, comparisons=list(_comparisons(rows, counted, totals)))


def _template_row(template: Mapping[str, Any], counts: Mapping[str, int]) -> TemplateRow:
    done = counts["done"]
    return TemplateRow(
        template_id=template["templateId"],
        mode=template["mode"],
        stage=template["stage"],
        genre=template["genre"],
        confirmed=counts["confirmed"],
        done=done,
        failed=counts["failed"],
        canceled=counts["canceled"],
        mean_latency_sec=round(counts["latencyMs"] / done / 1000, 3) if done else None,
        upgrades=counts[CLICKS["upgrade"]],
        shares=counts[CLICKS["share"]],
        views=counts[CLICKS["view"]],
        regenerations=counts[CLICKS["regenerate"]],
        rates=Rates(**{metric: _rate(_jobs(counts, metric)) for metric in METRICS}),
        margin=TemplateMargin(
            credits_settled=counts["credits"], provider_cost_usd=_usd(counts["costNanos"])
        ),
    )


def _jobs(counts: Mapping[str, int], metric: str) -> Trials:
    """How many of the confirmed jobs had such an event."""
    # Jobs that were confirmed before the period may have one in it.
    return Trials(min(counts[JOBS[metric]], counts["confirmed"]), counts["confirmed"])


def _accounts(counts: Mapping[str, int], metric: str) -> Trials:
    return Trials(min(counts[ACCOUNTS[metric]], counts["accounts"]), counts["accounts"])


def _rate(trials: Trials) -> Rate:
    interval = statistics.wilson(trials)
    return Rate(value=_shown(trials.rate), low=_shown(interval.low), high=_shown(interval.high))


def _comparisons(
    rows: Sequence[TemplateRow],
    counted: Mapping[str, Counter[str]],
    totals: Mapping[str, Counter[str]],
) -> Iterator[Comparison]:
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.mode:
            groups[row.mode, row.stage, row.genre].append(row.template_id)
    for combination, variants in groups.items():
        if len(variants) < 2 or not any(counted.get(each, Counter()) for each in variants):
            continue
        of_all_time = {each: totals.get(each, Counter()) for each in variants}
        is_sound = statistics.is_ratio_sound([of_all_time[each]["accounts"] for each in variants])
        in_period = {each: counted.get(each, Counter()) for each in variants}
        for metric in METRICS:
            yield _comparison(
                combination,
                metric,
                in_period=in_period,
                of_all_time=of_all_time,
                is_sound=is_sound,
            )


def _comparison(
    combination: tuple[str, str, str],
    metric: str,
    *,
    in_period: Mapping[str, Counter[str]],
    of_all_time: Mapping[str, Counter[str]],
    is_sound: bool,
) -> Comparison:
    jobs = {each: _jobs(counts, metric) for each, counts in in_period.items()}
    by_rate = sorted(jobs, key=lambda each: (-jobs[each].rate, -jobs[each].trials, each))
    leader, runner_up = by_rate[:2]
    accounts = {each: _accounts(counts, metric) for each, counts in of_all_time.items()}
    interval = statistics.difference_sequence(
        accounts[leader], accounts[runner_up], alpha=statistics.pair_alpha(len(accounts))
    )
    mode, stage, genre = combination
    return Comparison(
        mode=mode,
        stage=stage,
        genre=genre,
        metric=metric,
        leader=leader,
        runner_up=runner_up,
        p_value=statistics.p_value(jobs[leader], jobs[runner_up]),
        anytime=Anytime(
            leader=statistics.proven_leader(accounts) if is_sound else None,
            low=_shown(interval.low),
            high=_shown(interval.high),
        ),
        sample_ratio_ok=is_sound,
    )


def funnel_report(period: Period) -> FunnelReport:
    counts = _sums("funnel", period, store.find_epoch()).get("all", Counter())
    started, succeeded = counts["started"], counts["succeeded"]
    queued, running = counts["queued"], counts["running"]
    return FunnelReport(
        started=started,
        succeeded=succeeded,
        failed=counts["uploadsFailed"],
        queued=queued,
        run=running,
        rates=FunnelRates(
            succeeded=_ratio(succeeded, started),
            queued=_ratio(queued, succeeded),
            run=_ratio(running, queued),
        ),
    )


def margin_report(period: Period, group_by: GroupBy) -> MarginReport:
    """What jobs earned and cost, by recipe, by template (a variant each), or by provider."""
    counted = _sums(group_by, period, store.find_epoch())
    credit_usd = pricing.credit_usd()
    return MarginReport(
        items=[
            _margin_row(key, counted[key], credit_usd)
            for key in sorted(counted)
            if counted[key]["jobs"] or counted[key]["costNanos"]
        ]
    )


def _margin_row(key: str, counts: Mapping[str, int], credit_usd: Decimal) -> MarginRow:
    revenue = counts["credits"] * credit_usd
    cost = counts["costNanos"] / _NANOS
    return MarginRow(
        key=key,
        jobs=counts["jobs"],
        credits_settled=counts["credits"],
        revenue_usd=_shown(float(revenue)),
        provider_cost_usd=_shown(float(cost)),
        margin_usd=_shown(float(revenue - cost)),
    )


def _sums(kind: Any, period: Period, epoch: int) -> dict[str, Counter[str]]:
    """The counters of each key, added up over the days."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in store.list_rows(kind, first=period.first, last=period.last, epoch=epoch):
        sums[row.key].update(row.counts)
    return dict(sums)


TEMPLATE_COLUMNS = (
    "templateId", "mode", "stage", "genre", "confirmed", "done", "failed", "canceled",
    "meanLatencySec", "upgrades", "shares", "views", "regenerations",
    *(f"{metric}{part}" for metric in METRICS for part in ("Rate", "Low", "High")),
    "creditsSettled", "providerCostUsd",
)  # fmt: skip
MARGIN_COLUMNS = ("key", "jobs", "creditsSettled", "revenueUsd", "providerCostUsd", "marginUsd")


def templates_csv(report: TemplateReport) -> str:
    """The rows of the report for spreadsheets."""
    return _to_csv(TEMPLATE_COLUMNS, (_template_cells(row) for row in report.items))


def margin_csv(report: MarginReport) -> str:
    rows = (row.model_dump(by_alias=True) for row in report.items)
    return _to_csv(MARGIN_COLUMNS, ([row[name] for name in MARGIN_COLUMNS] for row in rows))


def _template_cells(row: TemplateRow) -> list[Any]:
    shown = row.model_dump(by_alias=True)
    rates = shown["rates"].values()
    return [
        *(shown[name] for name in TEMPLATE_COLUMNS[:13]),
        *(rate[part] for rate in rates for part in ("value", "low", "high")),
        *shown["margin"].values(),
    ]


def _to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return safe_cell(value)
    return "" if value is None else str(value)


def _ratio(part: int, whole: int) -> float | None:
    return _shown(part / whole) if whole else None


def _usd(nanos: int) -> float:
    return _shown(float(nanos / _NANOS))


def _shown(number: float) -> float:
    return round(number, _SHOWN_DIGITS)
