"""Lists of words that responses about jobs have, each from where the code has it."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, get_args

from darkroom.jobs.failures import SENTENCES
from darkroom.jobs.naming import OUTPUT_TYPES
from darkroom.jobs.states import CancelOutcome, JobStatus, TaskStatus
from darkroom.recipes import REGISTRY
from darkroom.recipes.portraits import STYLES
from darkroom.views.base import Words, described

TIMELINE = ("created", "queued", "running", "done")
RECIPES = Words("Recipe", lambda: REGISTRY)
RecipeName = Annotated[str, RECIPES, described("Kind of job; decides its `inputs`.", "story")]
Mode = Annotated[
    str,
    Words("Mode", lambda: [name for name, recipe in REGISTRY.items() if recipe.is_mode]),
    described("Kind of film.", "story"),
]
JobState = Annotated[
    str, Words("JobStatus", lambda: JobStatus), described("State of the job.", "running")
]
TaskState = Annotated[
    str, Words("TaskStatus", lambda: TaskStatus), described("State of the task.", "succeeded")
]
TaskKind = Annotated[
    str,
    Words(
        "TaskKind",
        lambda: dict.fromkeys(chain.from_iterable(each.task_kinds for each in REGISTRY.values())),
    ),
    described("What the task does.", "keyframe"),
]
TARGETS = Words(
    "RegenerationTarget",
    lambda: dict.fromkeys(chain.from_iterable(each.target_names for each in REGISTRY.values())),
)
TargetName = Annotated[str, TARGETS, described("What is made again.", "story_clip")]
OutputType = Annotated[
    str, Words("OutputType", lambda: OUTPUT_TYPES), described("What the output is.", "clip")
]
StyleName = Annotated[str, STYLES, described("Style of the picture.", "CLASSIC")]
FailureCode = Annotated[
    str,
    Words("FailureCode", lambda: SENTENCES),
    described("Why it could not be made; it never changes.", "PROVIDER_TIMEOUT"),
]
ARCHIVE_STATUSES = ("building", "ready")
BulkStatus = Annotated[
    str,
    Words("BulkStatus", lambda: (*JobStatus, *ARCHIVE_STATUSES)),
    described("State of the job or of its zip.", "queued"),
]
ReceiptNote = Annotated[str, Words("ReceiptNote", lambda: ("NO_SPEECH",))]
ShortfallCode = Annotated[
    str, Words("ShortfallCode", lambda: ("CREDITS_INSUFFICIENT", "CREDITS_DEBT", "PLAN_LIMIT"))
]
CancelOutcomeName = Annotated[
    str,
    Words("CancelOutcome", lambda: get_args(CancelOutcome)),
    described(
        "`canceled`: the job has ended. `requested`: it ends as soon as its running tasks do. "
        "`already_final`: it had ended before.",
        "canceled",
    ),
]
TimelineName = Annotated[
    str,
    Words("TimelineName", lambda: TIMELINE),
    described(
        "`created`, `queued` when it was confirmed, `running` when its first task began, `done` "
        "when it ended.",
        "queued",
    ),
]
