"""Shared jobs, for visitors without an account: outputs, and nothing that identifies the owner."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from darkroom.bootstrap.composition import App
from darkroom.jobs.model import JobFamily, Output
from darkroom.jobs.naming import file_name_of, shown_type
from darkroom.kernel import catalog
from darkroom.kernel.clock import to_iso
from darkroom.kernel.errors import NotFound
from darkroom.views.base import ResponseBody, Timestamp, described
from darkroom.views.jobs import OutputFile, output_file
from darkroom.views.words import RecipeName

# Intermediate files of captions, which are of use to their owner only.
_STEPS = frozenset({"transcript", "audio"})
_PLACE = re.compile(r"_0*([0-9]+)$")


class SharedJob(ResponseBody):
    outputs: Annotated[list[OutputFile], described("The job's outputs, in the order of the job.")]
    recipe: Annotated[RecipeName, described("The recipe that made them.")]
    created_at: Annotated[Timestamp, described("When the job was created.")]


@dataclass(frozen=True, kw_only=True)
class SharedFile:
    """One output as the public page shows it."""

    number: int
    """Its position among all outputs of the job, from 1; links contain it."""
    kind: str
    """``video``, ``image``, ``audio`` or ``file``."""
    type: str
    place: int | None
    """The number in its key: 2 for ``clip_2``."""
    file_name: str
    mime_type: str
    size_bytes: int
    width: int | None
    height: int | None
    duration_ms: int | None


def shared_job(app: App, family: JobFamily) -> SharedJob:
    return SharedJob(
        outputs=[output_file(app, family.job, output) for output in family.outputs],
        recipe=family.job.recipe,
        created_at=to_iso(family.job.created_at),
    )


def shared_files(family: JobFamily) -> Iterator[SharedFile]:
    """The outputs to show, in the order of the job."""
    has_documents = any(_kind(output) == "file" for output in family.outputs)
    for number, output in enumerate(family.outputs, start=1):
        if has_documents and shown_type(output) in _STEPS:
            continue
        place = _PLACE.search(output.key)
        yield SharedFile(
            number=number,
            kind=_kind(output),
            type=output.type,
            place=int(place[1]) if place else None,
            file_name=file_name_of(family.job, output),
            mime_type=output.mime_type,
            size_bytes=output.size_bytes,
            width=output.width,
            height=output.height,
            duration_ms=output.duration_ms,
        )


def shared_link(app: App, family: JobFamily, number: int, *, inline: bool) -> str:
    """A short-lived link to the output of this number.

    Raises:
        NotFound.
    """
    if not 1 <= number <= len(family.outputs):
        raise NotFound("no such file")
    output = family.outputs[number - 1]
    return app.storage.download_link(
        output.storage_key,
        file_name=file_name_of(family.job, output),
        mime_type=output.mime_type,
        inline=inline,
    ).url


def share_title(family: JobFamily, language: str) -> str:
    """The label of the job's recipe, as the title of the page."""
    labels = catalog.read("recipes.json")["modes"]
    label: str = labels.get(family.job.recipe, {}).get(language, family.job.recipe)
    return label


def _kind(output: Output) -> str:
    kind = output.mime_type.partition("/")[0]
    return kind if kind in ("video", "image", "audio") else "file"
