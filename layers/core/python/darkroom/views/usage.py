"""What an account used, month by month."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated

from darkroom.bootstrap.composition import App
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import InvalidInput
from darkroom.kernel.problems import problem
from darkroom.usage import store
from darkroom.usage.model import ENDINGS, UsageRecord, minutes, month_of, start_of_month, usd
from darkroom.usecases.accounts.find_used import find_levels
from darkroom.views.base import (
    AssetId,
    Count,
    Credits,
    JobId,
    NextCursor,
    Omittable,
    ResponseBody,
    Timestamp,
    Words,
    described,
)
from darkroom.views.job_lists import BYTE_ORDER_MARK, safe_cell
from darkroom.views.levels import Amount, LimitLevel, limit_levels, plain

COLUMNS = (
    "date", "jobId", "assetId", "processingMinutes", "translationMinutes", "units", "status",
    "recipe", "outputs",
)  # fmt: skip
Minutes = Annotated[Amount, described("Minutes, to two digits.", 12.5)]
ProcessingMinutes = Annotated[
    Minutes, described("Minutes of media that were made or read, to two digits.", 12.5)
]
TranslationMinutes = Annotated[
    Minutes,
    described("Minutes of media that were translated, once for each language.", 3.25),
]


class UsageSummary(ResponseBody):
    """A job counts in the month in which it ended."""

    month: Annotated[str, described("The month, in UTC.", "2026-11")]
    processing_minutes: ProcessingMinutes
    translation_minutes: TranslationMinutes
    jobs: Annotated[Count, described("Jobs that ended; canceled drafts are none.", 40)]
    outputs: Annotated[Count, described("Promised outputs that were made.", 96)]
    failure_rate: Annotated[
        Amount, described("Failed jobs of all that ended, from 0 to 1.", 0.025, maximum=1)
    ]
    credits_used: Annotated[Credits, described("Credits that jobs used.", 80)]
    provider_cost_usd: Annotated[
        Omittable[Amount],
        described("Paid to providers, in US dollars; only for operators.", 1.25),
    ] = None
    limits: Annotated[list[LimitLevel], described("Every limit of the plan, and its use now.")]


class UsageEntry(ResponseBody):
    """What one job used."""

    date: Annotated[Timestamp, described("When the job ended, in UTC.", "2026-01-05T09:00:00.000Z")]
    job_id: JobId
    recipe: Annotated[
        str, described("Kind of job, which may no longer be in `GET /api/recipes`.", "story")
    ]
    asset_id: Annotated[
        Omittable[AssetId],
        described(
            "Id of the first file that it was made from; absent if there was none.",
            "ast_01JGTQ4M9R8W3Z5K7N2P6X0B00",
        ),
    ] = None
    processing_minutes: ProcessingMinutes
    translation_minutes: TranslationMinutes
    outputs: Annotated[Count, described("Promised outputs that were made.", 4)]
    units: Annotated[Credits, described("Units that it was charged: credits.", 2)]
    status: Annotated[
        str,
        Words("UsageStatus", lambda: ENDINGS),
        described("How the job ended.", "succeeded"),
    ]


class UsagePage(ResponseBody):
    items: Annotated[list[UsageEntry], described("Jobs, the one that ended last first.")]
    next_cursor: NextCursor


def get_summary(app: App, account_id: str, month: str | None, *, shows_cost: bool) -> UsageSummary:
    """The sums of a month; it costs the same however many jobs there were.

    Raises:
        InvalidInput: not a month. Unreadable: the sum is damaged.
    """
    wanted = checked_month(app, month)
    amounts = store.find_month(account_id, wanted)
    return UsageSummary(
        month=wanted,
        processing_minutes=plain(minutes(amounts.processing_ms)),
        translation_minutes=plain(minutes(amounts.translation_ms)),
        jobs=amounts.jobs,
        outputs=amounts.outputs,
        failure_rate=plain(round(amounts.failure_rate, 4)),
        credits_used=amounts.credits,
        provider_cost_usd=plain(usd(amounts.cost_nanos)) if shows_cost else None,
        limits=limit_levels(find_levels(app, account_id)),
    )


def list_records(
    account_id: str, month: str, *, limit: int, before: str | None
) -> tuple[list[UsageEntry], str | None]:
    records, position = store.page_records(account_id, month, limit=limit, before=before)
    return [_entry(record) for record in records], position


def to_csv(entries: Sequence[UsageEntry]) -> str:
    """The entries as CSV for spreadsheets: a header, and one row for each job."""
    text = io.StringIO(newline="")
    # Without a byte order mark spreadsheets do not recognize UTF-8.
    text.write(BYTE_ORDER_MARK)
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for entry in entries:
        shown = entry.model_dump(by_alias=True)
        rows.writerow(safe_cell(str(shown.get(name, ""))) for name in COLUMNS)
    return text.getvalue()


def checked_month(app: App, month: str | None) -> str:
    """The month, by default the current one. Raises: InvalidInput."""
    if month is None:
        return month_of(app.clock.now())
    try:
        start_of_month(month)
    except ValueError as error:
        raise InvalidInput("not a month", fields=[problem("month", "BAD_FORMAT")]) from error
    return month


def _entry(record: UsageRecord) -> UsageEntry:
    amounts = record.amounts
    return UsageEntry(
        date=to_iso(record.ended_at),
        job_id=record.job_id,
        recipe=record.recipe,
        asset_id=record.asset_id,
        processing_minutes=plain(minutes(amounts.processing_ms)),
        translation_minutes=plain(minutes(amounts.translation_ms)),
        outputs=amounts.outputs,
        units=amounts.credits,
        status=record.status,
    )
