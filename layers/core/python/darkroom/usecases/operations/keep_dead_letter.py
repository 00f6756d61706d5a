"""Keep dead letters unchanged, and send them again on an operator's request."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from darkroom.adapters.queues import Queue
from darkroom.bootstrap.composition import App
from darkroom.db import commit
from darkroom.db.damage import report_unreadable
from darkroom.events.store import Event, find_event, page_events, record_write
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import Conflict, NotFound, Unreadable

DEAD_LETTERS = "dead-letters"
Ended = Literal["task", "archive", "export", "delivery", "asset", "unreadable", "damaged"]
"""What a dead letter was about and what was ended: a task, an archive, an export, an attempt to
deliver a webhook, or an upload; or nothing, because the message or the item that it names could not
be read."""
_DIED, _QUEUE = "DeadLetters", "Queue"


@dataclass(frozen=True, kw_only=True)
class KeptDeadLetter:
    dead_letter_id: str
    queue: str
    outcome: str
    """One of ``Ended``."""
    body: str
    created_at: datetime


def keep_dead_letter(
    app: App, *, message_id: str, sent_at_ms: int, queue: str, body: str, outcome: Ended
) -> None:
    """Keep a message once, however often it is delivered; it expires like other events."""
    sent_at = datetime.fromtimestamp(sent_at_ms / 1000, UTC)
    event = Event(
        event_id=f"{to_iso(sent_at)}#{message_id}",
        name="DEAD_LETTER",
        entity_type="queue",
        entity_id=DEAD_LETTERS,
        created_at=app.clock.now(),
        props={"queue": queue, "body": body, "outcome": outcome},
    )
    try:
        commit([record_write(event, retention_days=app.settings.event_retention_days)])
    except Conflict:
        return


def list_dead_letters(*, limit: int, before: str | None) -> tuple[list[KeptDeadLetter], str | None]:
    """Dead letters, the latest first, and the position for the next page."""
    events, position = page_events(DEAD_LETTERS, limit=limit, before=before)
    kept = []
    for event in events:
        with suppress(Unreadable):
            kept.append(_kept(event))
    return kept, position


def _kept(event: Event) -> KeptDeadLetter:
    """Raises: Unreadable."""
    names = ("queue", "outcome", "body")
    texts = {name: event.props.get(name) for name in names}
    odd = [name for name, text in texts.items() if not isinstance(text, str)]
    if odd:
        report_unreadable(DEAD_LETTERS, event.event_id, odd)
        raise Unreadable("the dead letter is damaged")
    return KeptDeadLetter(
        dead_letter_id=event.event_id,
        queue=str(texts["queue"]),
        outcome=str(texts["outcome"]),
        body=str(texts["body"]),
        created_at=event.created_at,
    )


def redrive(app: App, dead_letter_id: str) -> None:
    """Send a dead letter to its queue again, unchanged. A task that has ended ignores it.

    Raises:
        NotFound: it was never kept, or has expired; Unreadable.
        Conflict: NOT_REDRIVABLE; its queue no longer exists.
    """
    event = find_event(DEAD_LETTERS, dead_letter_id)
    if event is None:
        raise NotFound("no such dead letter")
    kept = _kept(event)
    _queue_of(app, kept.queue).resend(kept.body)


def _queue_of(app: App, dead_letter_queue: str) -> Queue:
    """The queue of a dead-letter queue. CloudFormation names queues
    ``<stack>-<logical id>-<random>``, and each of ours has a pair."""
    wanted = _logical_id(dead_letter_queue).replace(_DIED, _QUEUE)
    queues = [*app.queues.values(), *app.ingest_queues.values(), app.archive_queue]
    queues.append(app.deliver_queue)
    for queue in queues:
        if wanted.endswith(_QUEUE) and _logical_id(queue.name) == wanted:
            return queue
    raise Conflict("its queue is gone", code="NOT_REDRIVABLE")


def _logical_id(name: str) -> str:
    return name.rpartition("-")[0].rpartition("-")[2]
