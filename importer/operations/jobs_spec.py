"""The jobs file's format, declared once: validation and JSON Schema come from here.

What `defaults` says holds for every job that does not say otherwise; :class:`MergedJob` reads a job
so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    WithJsonSchema,
    create_model,
)

from importer.mapping.load import KeyPath
from importer.mapping.spec import Strict, Text, Texts, as_list, schema_of
from importer.settings import (
    OPEN_STATUSES,
    SETTINGS,
    ClusterAddress,
    FailureLimit,
    FilePath,
    Integer,
    MaxFailures,
    Number,
    OneOf,
    OpenStatuses,
    Seconds,
    Setting,
)

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(s|m|min|h|)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_SHARE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%", re.ASCII)
_NUMBER_OR_TEXT = {"type": ["string", "number"]}
_PERCENTAGE = {"anyOf": [{"type": "string", "pattern": r"^[0-9.]+ ?%$"}, {"const": False}]}


def _time(value: Any) -> time:
    """Read a time of day; 24:00 is the midnight at a day's end."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return time(int(match[1]), int(match[2]))
    if value == "24:00":
        return time()
    raise ValueError('is no time of day: write it as "22:00"')


def _seconds(value: Any) -> float:
    match = None if isinstance(value, bool) else _SPAN.fullmatch(str(value))
    if match is None:
        raise ValueError("is no length of time: write it as 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def _share(value: Any) -> float | None:
    """Read a percentage; false is None: not looked at."""
    if value is False or value == "off":
        return None
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no percentage: write it as 20%, or false to leave it out")
    return float(match[1]) / 100


def _rows(value: Any) -> Any:
    """Take one percentage as the bound in both directions."""
    return value if isinstance(value, dict) else {"fewer": value, "more": value}


def _drift(value: Any) -> Any:
    """Take true as all bounds as they are by default, false as none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def _matching(pattern: str, otherwise: str) -> AfterValidator:
    """A validator that requires a match of the pattern, and else says `otherwise`."""

    def check(value: str) -> str:
        if re.search(pattern, value) is None:
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


TimeOfDay = Annotated[
    time,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "pattern": "^([01]?[0-9]|2[0-4]):[0-5][0-9]$"}),
]
Span = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_NUMBER_OR_TEXT)]
Share = Annotated[float | None, BeforeValidator(_share), WithJsonSchema(_PERCENTAGE)]
On = Literal["success", "failure", "held", "always"]


class RowDrift(Strict):
    """How many rows are too few or too many, as shares of the usual number."""

    fewer: Share = Field(default_factory=lambda: 0.5, description="So much less than usual passes.")
    more: Share = Field(default_factory=lambda: 1.0, description="So much more than usual passes.")


class Drift(Strict):
    """How far a file may be from the job's last ones; `false` does not look at a figure."""

    rows: Annotated[
        RowDrift,
        BeforeValidator(_rows, json_schema_input_type=Share | RowDrift),
    ] = Field(
        default=RowDrift(),
        description="Number of rows, more or fewer than usual; 50% fewer, 100% more by default.",
    )
    fill: Share = Field(
        default_factory=lambda: 0.2, description="Difference in how full a column is, in points."
    )
    phones: Share = Field(
        default_factory=lambda: 0.1,
        description="Difference in the share of valid phones, in points.",
    )
    headers: bool = Field(default=True, description="Whether headers that come or go are drift.")


class Notify(Strict):
    """Who is told of a job's end, and of which."""

    on: Annotated[
        list[On],
        BeforeValidator(as_list, json_schema_input_type=On | list[On]),
        Field(min_length=1),
    ] = Field(default=["failure", "held"], description="What is told.")
    urls: (
        Annotated[
            list[SecretStr],
            BeforeValidator(as_list, json_schema_input_type=str | list[str]),
            Field(min_length=1),
        ]
        | None
    ) = Field(
        None,
        description="Addresses as Apprise has them; `${NAME}` comes from the environment.",
    )


class _Destination(Strict):
    """Where a job's records go."""

    mapping: Text | None = Field(None, description="The mapping's path.")
    project: int | None = Field(None, ge=1, le=2**53, description="Beats the mapping's.")
    base_url: Annotated[str, _matching("^https?://[^/]", "is no address: https://…")] | None = (
        Field(None, description="Where the service is, ending in /v2.")
    )
    customer: Text | None = Field(None, description="Customer; else VCC_CUSTOMER.")


def _field_type(declared: Setting) -> Any:
    """How a jobs file writes a setting, with the bounds of its declaration, or null."""
    kind = declared.kind
    form: Any = bool
    match kind:
        case Seconds():
            form = Annotated[Span, AfterValidator(kind)]
        case Integer():
            form = Annotated[int, Field(ge=kind.least, le=kind.most)]
        case Number() if kind.open:
            form = Annotated[float, Field(gt=kind.least, le=kind.most)]
        case Number():
            form = Annotated[float, Field(ge=kind.least, le=kind.most)]
        case OneOf():
            form = Literal[kind.choices]
        case OpenStatuses():
            each: Any = Literal[tuple(sorted(OPEN_STATUSES))]
            several = GenericAlias(list, each)
            form = Annotated[
                several, BeforeValidator(as_list, json_schema_input_type=each | several)
            ]
        case FailureLimit():
            form = Annotated[MaxFailures, BeforeValidator(kind), WithJsonSchema(_NUMBER_OR_TEXT)]
        case ClusterAddress() | FilePath():
            form = Annotated[str, AfterValidator(kind)]
    return form | Literal["auto"] | None if declared.auto else form | None


if TYPE_CHECKING:
    _Sending = _Destination
else:
    _Sending = create_model(
        "_Sending",
        __base__=_Destination,
        **{
            name: (_field_type(declared), Field(None, description=declared.help))
            for name, declared in SETTINGS.items()
            if declared.in_jobs
        },
    )
    """The settings of runs that a job may have, as they are declared."""


class JobKeys(_Sending):
    """What a job says of its own or takes from `defaults`; what a job says beats them."""

    not_before: TimeOfDay | None = Field(None, description='Begin no earlier, as "22:00".')
    not_after: TimeOfDay | None = Field(None, description='Stop then, as "06:30".')
    settle: Span | None = Field(
        None, description="How long a file must be still before it is taken; 30s by default."
    )
    done: Text | None = Field(None, description="Where imported files go; left out: they stay.")
    failed: Text | None = Field(None, description="Where unusable files go.")
    held: Text | None = Field(None, description="Where files go that are unlike the last ones.")
    drift: Annotated[
        Drift | None,
        BeforeValidator(_drift, json_schema_input_type=Drift | bool | None),
    ] = Field(None, description="Bounds of the comparison with the job's last files.")
    notify: Notify | None = Field(None, description="Who is told of the job's end.")
    sheet: str | int | None = Field(None, description="A sheet's name, or its 1-based number.")
    header_row: int | None = Field(None, ge=1, description="The row of the column headers.")
    encoding: str | None = Field(None, description="A text file's encoding, as `cp1250`.")
    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="What stands between a text file's cells."
    )


class Job(JobKeys):
    """Files that are imported in the same way."""

    name: Annotated[
        Text,
        _matching(
            r"^\w[\w .-]{0,59}$", "is no name: up to 60 letters, digits, blanks, dots and dashes"
        ),
    ] = Field(description="What the job is called: in logs, metrics and the ledger.")
    files: Texts = Field(
        description="Paths with wildcards, folders, or addresses (sftp, s3, https)."
    )


class JobsSpec(Strict):
    """What is imported unattended."""

    version: Literal[1] = Field(description="The version of this format.")
    runs_dir: Text = Field("runs", description="Where runs and the ledger are kept.")
    metrics: (
        Annotated[Text, _matching(r"\.prom$", "must end in .prom: others are not read")] | None
    ) = Field(None, description="A file for Prometheus; its name ends in .prom.")
    defaults: JobKeys = Field(
        default=JobKeys(), description="What holds for every job that does not say otherwise."
    )
    jobs: Annotated[list[Job], Field(min_length=1)] = Field(description="The jobs, in their order.")


def jobs_schema() -> dict[str, Any]:
    """The JSON Schema, draft 2020-12; a null takes back what `defaults` says."""
    return schema_of(JobsSpec, "vcc-importer jobs", nulls=True)


@dataclass(frozen=True, slots=True)
class MergedJob:
    """One job with its defaults; `number` is its place in the list, from 0."""

    number: int
    job: Job
    defaults: JobKeys

    def get(self, key: str) -> Any:
        """The value of a key: the job's own, else that of `defaults`; an own null means none."""
        return getattr(self.job if self.has_own(key) else self.defaults, key)

    def has_own(self, key: str) -> bool:
        """Whether the job itself has the key."""
        return key in self.job.model_fields_set

    def part(self, key: str, part: str) -> Any:
        """The value of a key within an object, whose keys are merged one by one."""
        value = None
        for model in (self.job, self.defaults):
            found = getattr(model, key)
            if isinstance(found, BaseModel):
                if part in found.model_fields_set:
                    return getattr(found, part)
                value = getattr(found, part) if value is None else value
        return value

    def place(self, key: str, part: str | None = None) -> KeyPath:
        """The path in the file from which the value comes, for messages."""
        own, shared = getattr(self.job, key), getattr(self.defaults, key, None)
        at: KeyPath = ("jobs", str(self.number), key)
        if part is None:
            return at if self.has_own(key) or shared is None else ("defaults", key)
        for found, path in ((own, at), (shared, ("defaults", key))):
            if isinstance(found, BaseModel) and part in found.model_fields_set:
                return (*path, part)
        return self.place(key)


def merged(spec: JobsSpec) -> list[MergedJob]:
    """The jobs of a file, in its order."""
    return [MergedJob(number, job, spec.defaults) for number, job in enumerate(spec.jobs)]
