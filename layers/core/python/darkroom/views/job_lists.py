"""Lists of an account's jobs: pages and a spreadsheet."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Sequence

from darkroom.bootstrap.composition import App
from darkroom.jobs.lists import pages as listing
from darkroom.jobs.lists.facets import duration_ms
from darkroom.jobs.lists.pages import Filters, Page, Position
from darkroom.jobs.model import Job
from darkroom.kernel.clock import to_iso
from darkroom.usecases.jobs.find_file_names import find_files
from darkroom.usecases.jobs.price_drafts import find_lengths, price_of_draft
from darkroom.views.jobs import JobSummary, cover_link, job_summary

COLUMNS = (
    "jobId", "recipe", "status", "created", "started", "finished", "durationSeconds",
    "creditsReserved", "creditsUsed", "creditsRefunded", "progress", "fileNames", "errorCode",
)  # fmt: skip
BYTE_ORDER_MARK = "\ufeff"
_RUNS = frozenset("=+-@\t\r\n")
_SKIPPED_STARTS = frozenset("\"'`‘’“”\ufeff\u200b\u200c\u200d\u2060")


def list_jobs(
    app: App,
    account_id: str,
    filters: Filters,
    *,
    limit: int,
    after: Position | None,
    language: str,
) -> tuple[list[JobSummary], Position | None]:
    """A page of jobs without tasks, outputs, timelines and actions, and where the next page starts.

    Actions depend on tasks and outputs, which a list does not read.
    """
    page = listing.read_page(account_id, filters, limit=limit, after=after)
    lengths = find_lengths(account_id, page.jobs)
    items = [
        job_summary(
            job,
            language=language,
            price=price_of_draft(job, lengths),
            cover=cover_link(app, job),
        )
        for job in page.jobs
    ]
    return items, page.position


def to_csv(account_id: str, page: Page) -> str:
    """The jobs of a page as CSV for spreadsheets: a header, and one row for each job."""
    files = find_files(account_id, page.jobs)
    text = io.StringIO(newline="")
    # Without a byte order mark spreadsheets do not recognize UTF-8.
    text.write(BYTE_ORDER_MARK)
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for job in page.jobs:
        names = "; ".join(safe_cell(file.name) for file in files[job.job_id])
        rows.writerow(_cells(job, names))
    return text.getvalue()


def _cells(job: Job, names: str) -> Sequence[str]:
    lasted_ms = duration_ms(job)
    used, refunded = (job.receipt.used, job.receipt.refunded) if job.receipt else (0, 0)
    cells = (
        job.job_id,
        job.recipe,
        job.status.value,
        to_iso(job.created_at),
        to_iso(job.started_at) if job.started_at else None,
        to_iso(job.finished_at) if job.finished_at else None,
        None if lasted_ms is None else lasted_ms / 1000,
        job.reserved,
        used,
        refunded,
        job.progress.percent,
        names,
        _reason(job),
    )
    return ["" if cell is None else str(cell) for cell in cells]


def _reason(job: Job) -> str | None:
    reason = job.receipt.reason if job.receipt else None
    return None if reason is None else safe_cell(reason)


def safe_cell(text: str) -> str:
    """The text, prefixed with an apostrophe if a spreadsheet would read it as a formula.

    Spreadsheets skip blanks and quotes, and read full-width signs as the plain ones
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    for sign in unicodedata.normalize("NFKC", text):
        if sign in _RUNS:
            return f"'{text}"
        if not _is_skipped(sign):
            break
    return text


def _is_skipped(sign: str) -> bool:
    return sign.isspace() or sign in _SKIPPED_STARTS or unicodedata.category(sign) in ("Cc", "Cf")
