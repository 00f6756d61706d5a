"""Bodies of events that clients send."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from darkroom.api.schemas.base import RequestBody
from darkroom.events.names import CLIENT_KINDS
from darkroom.events.props import find_bad_prop
from darkroom.kernel.clock import from_iso
from darkroom.kernel.limits import EVENTS_PER_REQUEST_LIMIT, KEY_LIMIT_CHARS
from darkroom.recipes.fields import broken
from darkroom.views.base import Count, ResponseBody, Words, described


class SentEvent(RequestBody):
    """Which ``props`` an event has depends on its name."""

    name: Annotated[
        str,
        Words("ClientEventName", lambda: CLIENT_KINDS),
        described("What the user did.", "upgrade_clicked"),
    ]
    props: Annotated[
        dict[str, Any],
        described(
            "Facts about it: `upgrade_clicked` has `fromMode` and `toMode`, "
            "`ASSET_MULTISELECT_USED` has `how`, `QUEUE_ADD_CLICKED` and `JOB_RUN_CLICKED` have "
            "`n`, `BULK_OPTIONS_APPLIED` has `options` (a text, a list or an object). "
            "`ASSET_UPLOAD_PROGRESS` may have `assetId`, `percent`, `loadedBytes` and "
            "`totalBytes`, `DOWNLOAD_OUTPUT_CLICKED` may have `outputId`.",
            {"fromMode": "quick", "toMode": "story"},
        ),
    ] = Field(default_factory=dict)
    job_id: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=KEY_LIMIT_CHARS)] | None,
        described(
            "The job that it is about: then it counts for the job's template.",
            "job_01JGTQ4M9R8W3Z5K7N2P6X0A00",
        ),
    ] = None
    occurred_at: Annotated[
        Annotated[str, StringConstraints(max_length=40)] | None,
        described(
            "When it happened by the client's clock, in ISO 8601. The server's time counts.",
            "2026-01-05T09:00:00.000Z",
            format="date-time",
        ),
    ] = None

    @model_validator(mode="after")
    def _is_in_the_table(self) -> SentEvent:
        kind = CLIENT_KINDS.get(self.name)
        if kind is None:
            raise broken("NOT_ALLOWED", "name", allowed=", ".join(CLIENT_KINDS))
        bad = find_bad_prop(kind, self.props)
        if bad is not None:
            raise broken(bad.code, f"props.{bad.name}")
        if self.occurred_at is not None and not _is_time(self.occurred_at):
            raise broken("BAD_TIME", "occurredAt")
        return self


def _is_time(text: str) -> bool:
    try:
        from_iso(text)
    except ValueError:
        return False
    return True


class SendEventsRequest(RequestBody):
    events: Annotated[
        list[SentEvent],
        Field(min_length=1, max_length=EVENTS_PER_REQUEST_LIMIT),
        described("The events, in the order in which they happened."),
    ]


class SendEventsResponse(ResponseBody):
    accepted: Annotated[
        Count,
        described(
            "How many were recorded. Left out are events about jobs that are not the account's, "
            "and all when the account has sent 5,000 today.",
            2,
        ),
    ]


class RebuildProjectionsRequest(RequestBody):
    cursor: Annotated[
        str | None,
        described(
            "The `nextCursor` of the response before; without it, the rebuild starts.",
            "eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c",
        ),
    ] = None


class RebuildProjectionsResponse(ResponseBody):
    counted: Annotated[Count, described("Events that were counted again.", 412)]
    next_cursor: Annotated[
        str | None,
        described(
            "What to send as `cursor` next; null at the end.", "eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c"
        ),
    ]
