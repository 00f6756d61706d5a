"""The values of jobs, tasks and outputs. They are frozen; ``jobs.engine`` makes new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from darkroom.jobs.states import FINAL_JOB, FINAL_TASK, JobStatus, TaskStatus
from darkroom.kernel.money import PricePart, RetryChain, total_credits
from darkroom.kernel.object_keys import jpeg_key_of, thumbnail_key_of


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file a task produced, or one a child job inherited."""

    output_id: str
    key: str
    type: str
    mime_type: str
    storage_key: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    style: str | None = None
    role: str | None = None
    language: str | None = None
    note: str | None = None
    """A remark of the provider about the output, as a code."""
    inherited_from: str | None = None
    has_thumbnail: bool = False
    """A small JPEG of it is stored beside it: a thumbnail, or the poster of a video."""
    has_jpeg: bool = False
    """A JPEG of the same size is stored beside it."""

    @property
    def thumbnail_key(self) -> str | None:
        return thumbnail_key_of(self.storage_key) if self.has_thumbnail else None

    @property
    def jpeg_key(self) -> str | None:
        return jpeg_key_of(self.storage_key) if self.has_jpeg else None


FileKind = Literal["image", "video", "audio"]


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """A file that a job is made from, as its row in a list shows it.

    Name and length are those of the time when the job was drafted or queued.
    """

    filename: str
    kind: FileKind
    duration_ms: int | None = None
    asset_id: str | None = None
    """None if it is the id that the job's inputs have at this place."""


@dataclass(frozen=True, kw_only=True)
class InputFiles:
    """The first files of a job, and how many it has."""

    shown: tuple[InputFile, ...] = ()
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """An input file of a task: ``key`` is ``photo_1`` … or the task that made it."""

    key: str
    storage_key: str
    mime_type: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task or a job did not deliver; ``jobs.failures`` has the sentence for its code."""

    code: str
    message: str = ""
    """In items of the previous version: the provider's own message. It is not shown."""
    refused: bool = False
    """The request itself was refused: only other inputs can succeed."""


@dataclass(frozen=True, kw_only=True)
class ProviderRun:
    """An accepted or pending request at an asynchronous provider."""

    ref: str | None
    """The provider's id of the run; None while it is unknown whether it accepted the request."""
    until: datetime
    """The deadline, after which the attempt fails."""
    poll: int = 1
    """Number of the next poll; the message of an earlier one does nothing."""
    has_called_back: bool = False
    """The provider has called back."""


@dataclass(frozen=True, kw_only=True)
class Task:
    job_id: str
    account_id: str
    key: str
    kind: str
    number: int
    """Position in the plan, from 1; names the output."""
    owner_tag: str | None = None
    """The owner tag of its job."""
    status: TaskStatus
    needs: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    language: str = "en"
    provider: str = ""
    """The provider of the current or next attempt."""
    providers: tuple[str, ...] = ()
    """The providers that may run it, in order of preference, if there are several."""
    fault: str | None = None
    turn: str = ""
    """Its job's place in the account queue: the smaller, the sooner."""
    is_sent: bool = False
    """Its message was sent, so it counts among the account's concurrent tasks."""
    attempts: int = 0
    """Attempts begun; the number of the running one is its fence."""
    claim: str | None = None
    """Id of the worker call that holds the lease."""
    lease_until: datetime | None = None
    not_before: datetime | None = None
    """When the next attempt may begin; for a waiting task, when the next poll is due."""
    run: ProviderRun | None = None
    """The awaited run. An ended task keeps it while the run at the provider has to be canceled."""
    failure: Failure | None = None
    outputs: tuple[Output, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_check_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_TASK

    @property
    def owner(self) -> str:
        """The second part of its outputs' object keys."""
        return self.owner_tag or self.account_id


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the job cost in the end."""

    used: int
    refunded: int
    parts: tuple[int, ...]
    """Credits used of each part of the price, in its order; they add up to ``used``."""
    reason: str | None = None
    note: str | None = None
    """A remark about a succeeded job, as a code: ``NO_SPEECH``."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    completed: int = 0
    failed: int = 0
    total: int = 0

    @property
    def percent(self) -> int:
        return (self.completed + self.failed) * 100 // self.total if self.total else 0


@dataclass(frozen=True, kw_only=True)
class Job:
    job_id: str
    account_id: str
    recipe: str
    status: JobStatus
    inputs: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    version: int = 1
    language: str = "en"
    owner_tag: str | None = None
    """The account's tag in the keys of its files; None if they contain the account id itself."""
    source_name: str | None = None
    """The name of the source file when the job was queued, if the recipe names outputs after
    it."""
    files: InputFiles | None = None
    """Its files as lists show them; None for a job of the previous version."""
    cover_key: str | None = None
    """The key of its small picture: of the best output, or else of its first file."""
    device_id: str = ""
    template_id: str | None = None
    combination: str | None = None
    """``mode|stage|genre`` of the template, where the recipe has templates."""
    price: tuple[PricePart, ...] = ()
    costs: Mapping[str, int] = field(default_factory=dict)
    """The catalog's costs from which the price was computed, by name. Its retries use them too."""
    chain: RetryChain | None = None
    """For a retry: the chain from which its price was computed."""
    hold: str | None = None
    """The hold, as serialized by ``credits`` (opaque here)."""
    parent_job_id: str | None = None
    regen_target: str | None = None
    regen_clip_no: int | None = None
    only_keys: tuple[str, ...] = ()
    """Keys a child makes; empty means all of the recipe's."""
    priority: int = 0
    """0..9 within the account; the larger, the sooner."""
    planned: bool = False
    progress: Progress = Progress()
    receipt: Receipt | None = None
    created_by: str | None = None
    """The operation that created the job: it recognizes a repeated request forever."""
    operation: str | None = None
    """The operation that queued the job, for the same purpose."""
    counted: str | None = None
    """What it counts for among the account's limits, as serialized by ``limits`` (opaque here)."""
    balance_then: int | None = None
    """For a free job: the balance in its response. Other jobs have it in their ledger entry."""
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_check_at: datetime | None = None
    selected_output: str | None = None
    """The output that its owner picked."""
    children: frozenset[str] = frozenset()
    """Existing jobs that were made from this one."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_JOB

    @property
    def owner(self) -> str:
        """The second part of its files' object keys."""
        return self.owner_tag or self.account_id

    @property
    def reserved(self) -> int:
        return total_credits(self.price)

    @property
    def promised(self) -> frozenset[str]:
        return frozenset(key for part in self.price for key in part.promised)


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """An item of a job's collection that is damaged."""

    sort_key: str
    attributes: frozenset[str]
    """Stored names of what could not be read."""
    evidence: str = ""
    """JSON of the stored values of these attributes, up to a limit."""


@dataclass(frozen=True, kw_only=True)
class JobFamily:
    """A job with everything in its collection: the unit that the engine works on."""

    job: Job
    tasks: tuple[Task, ...] = ()
    inherited: tuple[Output, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    """Its damaged items. What could be read of them is in the fields above."""

    def task(self, key: str) -> Task | None:
        return next((task for task in self.tasks if task.key == key), None)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Own outputs in the order of the plan, then inherited ones."""
        own = [output for task in self.tasks for output in task.outputs]
        return (*own, *self.inherited)
