"""The entries of an account's export: its items as JSON, and its files.

Items are shown as they are stored, without what only the machinery needs, so an export has whatever
the product stores, and damaged items too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from darkroom.assets import store as assets_store
from darkroom.bootstrap.composition import App
from darkroom.db.items import BaseItem
from darkroom.db.raw import query_raw
from darkroom.db.writes import RawItem
from darkroom.jobs import store as jobs_store
from darkroom.jobs.items import JobItem, TaskItem
from darkroom.kernel.limits import PAGE_LIMIT
from darkroom.usecases.accounts.erasure.steps import account_key
from darkroom.usecases.archives.archive_job import entry_names

INTERNAL = frozenset(
    {
        "accountId", "by", "checkFailures", "claim", "due", "dueShard", "fk", "fs", "fsk",
        "leaseUntil", "listKey", "mk", "nameShard", "nextCheckAt", "op", "order", "ownerTag", "sv",
        TaskItem.queue_account.attr_name, TaskItem.queue_key.attr_name, "worker",
    }
)  # fmt: skip
"""Attributes that serve the machinery only, and the account's own id in each of its items."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of the zip."""

    name: str
    chunks: Callable[[], Iterable[bytes]]
    """Raises NotFound for a file that is gone."""
    size_bytes: int = 0
    """Of a stored file; what is written here is not counted."""


Export = Callable[[App, str, str], Iterator[Entry]]
"""Of an account's id and the name of the table."""


def records(
    item_class: type[BaseItem],
    key_of: Callable[[App, str], str] = account_key,
    *,
    index_name: str | None = None,
) -> Export:
    """``<table>.json``: all items under this key of the account."""

    def export(app: App, account_id: str, table: str) -> Iterator[Entry]:
        def chunks() -> Iterator[bytes]:
            raw = query_raw(item_class, key_of(app, account_id), index_name=index_name)
            return json_list(map(plain, raw))

        yield Entry(name=f"{table}.json", chunks=chunks)

    return export


def jobs(_app: App, account_id: str, table: str) -> Iterator[Entry]:
    """``jobs.json``: each job with its inputs, tasks and outputs."""

    def shown() -> Iterator[dict[str, Any]]:
        for job_id in jobs_store.iter_owned(account_id):
            yield {"jobId": job_id, "items": [plain(raw) for raw in query_raw(JobItem, job_id)]}

    yield Entry(name=f"{table}.json", chunks=lambda: json_list(shown()))


def files_of_jobs(app: App, account_id: str, _table: str) -> Iterator[Entry]:
    """``outputs/<job>/…``: what the account's jobs have made, each file once."""
    for job_id in jobs_store.iter_owned(account_id):
        family = jobs_store.find_family(job_id)
        if family is None:
            continue
        names = entry_names(family.job, family.outputs)
        for name, output in zip(names, family.outputs, strict=True):
            if output.inherited_from is None:
                yield _file(app, f"outputs/{job_id}/{name}", output.storage_key, output.size_bytes)


def files_of_assets(app: App, account_id: str, _table: str) -> Iterator[Entry]:
    """``files/…``: the checked copies of the account's files."""
    after: str | None = None
    while True:
        page, after = assets_store.list_assets(account_id, limit=PAGE_LIMIT, after=after)
        for asset in page:
            if asset.clean_key is not None:
                name = f"files/{asset.asset_id}-{asset.filename.replace('/', '_')}"
                yield _file(app, name, asset.clean_key, asset.size_bytes or 0)
        if after is None:
            return


def user(app: App, account_id: str, table: str) -> Iterator[Entry]:
    """``user.json``: what the stack's own user pool knows."""
    found = app.users.find(account_id) if app.users is not None else None
    shown = {"accountId": account_id, **(found.attributes if found is not None else {})}
    yield Entry(name=f"{table}.json", chunks=lambda: [to_text(shown)])


def json_list(values: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A JSON list, one value after the other."""
    mark = b"[\n"
    for value in values:
        yield mark + to_text(value)
        mark = b",\n"
    yield b"[]\n" if mark == b"[\n" else b"\n]\n"


def to_text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def plain(item: RawItem) -> dict[str, Any]:
    """An item as plain JSON values; JSON texts inside of it are unfolded."""
    return {name: _value(held) for name, held in sorted(item.items()) if name not in INTERNAL}


def _value(held: Mapping[str, Any]) -> Any:
    [(kind, value)] = held.items()
    if kind == "N":
        number = Decimal(value)
        return int(number) if number == number.to_integral_value() else float(number)
    if kind == "L":
        return [_value(each) for each in value]
    if kind == "M":
        return {name: _value(each) for name, each in value.items()}
    if kind == "NULL":
        return None
    if kind == "S" and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return sorted(value) if isinstance(value, set | frozenset | list) else value


def _file(app: App, name: str, key: str, size_bytes: int) -> Entry:
    return Entry(name=name, chunks=lambda: app.storage.chunks(key), size_bytes=size_bytes)
