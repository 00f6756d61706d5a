"""Every event of the product: its name, what it is about, and its props. One table.

Its readers: what clients may send, what webhooks announce, what analytics count, and the tests that
compare recorded events with it. Names never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Entity = Literal["job", "asset", "account", "purchase", "queue"]
Prop = Literal["text", "word", "mode", "count", "number", "flag", "options"]
"""``text``, a ``word`` (short text), a ``mode`` (name of a recipe), a ``count`` from 0, a
``number``, a ``flag``, or ``options``: a text, a list of texts, or an object of plain values."""


@dataclass(frozen=True, kw_only=True)
class EventKind:
    """A kind of event."""

    name: str
    entity: Entity
    props: Mapping[str, Prop]
    """A value may be null, except of events that clients send."""
    optional: frozenset[str] = frozenset()
    """Props that an event may lack."""
    from_client: bool = False
    """Whether clients may send it. If it names a job, it is about that job."""
    is_public: bool = True
    """Whether its account may see it: webhooks announce it. Other events name no account."""
    is_projected: bool = True
    """Whether something follows from it, so that it is due until that is done."""


def _kind(entity: Entity, name: str, props: str = "", **options: bool) -> EventKind:
    """``props`` as in ``"mode:mode clipNo:count?"``; the question mark: an event may lack it."""
    pairs = [prop.rstrip("?").split(":") for prop in props.split()]
    types: dict[str, Any] = dict(pairs)
    optional = frozenset(prop.split(":")[0] for prop in props.split() if prop.endswith("?"))
    return EventKind(name=name, entity=entity, props=types, optional=optional, **options)


_TEMPLATE = "mode:mode templateId:word"
_UPLOAD = "kind:word mimeType:word sizeBytes:count"

KINDS: Final[Mapping[str, EventKind]] = {
    kind.name: kind
    for kind in (
        # Jobs
        _kind("job", "job_confirmed", f"{_TEMPLATE} stage:word genre:word rewriteEnabled:flag"),
        _kind(
            "job",
            "job_done",
            f"{_TEMPLATE} latencySec:number status:word parentJobId:word? creditsUsed:count? "
            "creditsByProvider:options?",
        ),
        _kind("job", "regen_requested", f"target:word clipNo:count parentJobId:word {_TEMPLATE}"),
        _kind("job", "share_created", _TEMPLATE),
        _kind("job", "share_viewed", _TEMPLATE),
        _kind("job", "JOB_QUEUED"),
        _kind("job", "JOB_RUNNING"),
        _kind("job", "JOB_SUCCEEDED"),
        _kind("job", "JOB_PARTIAL"),
        _kind("job", "JOB_FAILED"),
        _kind("job", "JOB_CANCELED"),
        _kind("job", "JOB_RETRIED", "parentJobId:word"),
        _kind("job", "JOB_FAILED_REASON", "errorCode:word"),
        # What an attempt at a cloud provider cost us, in billionths of a dollar.
        _kind(
            "job",
            "PROVIDER_COST",
            f"{_TEMPLATE} provider:word model:word taskKey:word outcome:word costNanos:count",
            is_public=False,
        ),
        # Files
        _kind("asset", "ASSET_UPLOAD_STARTED", _UPLOAD),
        _kind("asset", "ASSET_UPLOAD_SUCCEEDED", f"{_UPLOAD} latencySec:number"),
        _kind("asset", "ASSET_UPLOAD_FAILED", "kind:word errorCode:word latencySec:number"),
        _kind("asset", "ASSET_GENERATED", f"{_UPLOAD} of:word"),
        # Credits and plans
        _kind("account", "credit_insufficient", "needed:count balance:count"),
        _kind("purchase", "credit_purchase_test", "amount:count"),
        _kind("account", "PLAN_LIMIT_WARNING", "name:word used:number limit:number month:word"),
        _kind("account", "PLAN_LIMIT_EXCEEDED", "name:word used:number limit:number month:word"),
        # What users do in the frontend
        _kind("account", "upgrade_clicked", "fromMode:mode toMode:mode", from_client=True),
        _kind(
            "account",
            "ASSET_UPLOAD_PROGRESS",
            "assetId:word? percent:number? loadedBytes:count? totalBytes:count?",
            from_client=True,
        ),
        _kind("account", "ASSET_MULTISELECT_USED", "how:word", from_client=True),
        _kind("account", "QUEUE_ADD_CLICKED", "n:count", from_client=True),
        _kind("account", "BULK_OPTIONS_APPLIED", "options:options", from_client=True),
        _kind("account", "JOB_RUN_CLICKED", "n:count", from_client=True),
        _kind("account", "DOWNLOAD_OUTPUT_CLICKED", "outputId:word?", from_client=True),
        # For operators
        _kind(
            "queue",
            "DEAD_LETTER",
            "queue:text body:text outcome:word",
            is_public=False,
            is_projected=False,
        ),
    )
}

CLIENT_KINDS: Final = {name: kind for name, kind in KINDS.items() if kind.from_client}
PUBLIC_NAMES: Final = tuple(sorted(name for name, kind in KINDS.items() if kind.is_public))
"""The types of webhooks."""
