"""Parameters that several routes have, with their texts in the API's document."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from darkroom.kernel.limits import PAGE_LIMIT

Cursor = Annotated[
    str | None,
    Query(
        description="The `nextCursor` of the previous page, sent with the same filters.",
        examples=["eyJhIjoiMjAyNi0wMS0wNSJ9.5d1c"],
    ),
]
Limit = Annotated[
    int, Query(ge=1, le=PAGE_LIMIT, description="Most items on a page.", examples=[20])
]
JobIdInPath = Annotated[
    str,
    Path(alias="jobId", description="Id of the job.", examples=["job_01JGTQ4M9R8W3Z5K7N2P6X0A00"]),
]
OutputIdInPath = Annotated[
    str,
    Path(
        alias="outputId",
        description="Id of the output.",
        examples=["out_01JGTQ4M9R8W3Z5K7N2P6X0A01"],
    ),
]
