"""Which small picture shows a job. Pure."""

from __future__ import annotations

from darkroom.jobs.model import JobFamily, Output

_RANKS = {"film": 0, "clip": 1}
"""By type: a film shows more than its clips, and a clip more than its keyframe."""


def cover_of(family: JobFamily) -> str | None:
    """The key of the job's small picture: of its pick, else of the best output, else what the job
    has already, which is that of its first file."""
    shown = [output for output in family.outputs if output.thumbnail_key is not None]
    if not shown:
        return family.job.cover_key
    pick = family.job.selected_output

    def rank(output: Output) -> tuple[bool, int]:
        return output.output_id != pick, _RANKS.get(output.type, len(_RANKS))

    return min(shown, key=rank).thumbnail_key
