"""Every setting of a run and its default, declared here once.

Values are checked where they are made: a dataclass of this module raises SettingError for a number
out of its bounds or a value of the wrong type. A setting of a run has one declaration
(:class:`Setting`), on its field of RunSettings, Pace or RetryPolicy. Everything that passes a
setting on reads the declarations: the options of the command line, the keys of a jobs file,
summary.json, what a resumed run keeps, and what a sender in a process of its own gets.

Nothing here reads the environment or a file: the command line does, and hands over values.
"""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from importer.errors import SettingError, UsageError

CUSTOMER_VARIABLE = "VCC_CUSTOMER"
API_KEY_VARIABLE = "VCC_API_KEY"
RUNS_DIR_VARIABLE = "VCC_RUNS_DIR"
STATE_DIR_VARIABLE = "VCC_STATE_DIR"
"""Names the folder for what is remembered of a user, in place of the platform's."""
SANDBOX_CREDENTIAL = "sandbox"
"""User and key of the sandbox and its clients where the environment names none."""

BASE_URL = "https://{customer}.asp.virtual-call-center.eu/v2"
DEFAULT_RUNS_DIR = Path("runs")

BATCH_ROWS = 12_288
"""Rows that flow together: large enough for column operations, small enough to stay flat."""

PROBLEM_CAP = 1000
"""Problems listed in a report; the counts are never capped."""

Check = Callable[[Any], Any]
"""Takes a value and gives it as it is kept; raises ValueError that says what it should be."""


# The kinds of values that settings have. Each is called as a Check, and has `of_text`, which reads
# what an option says and raises ValueError as the check does.


@dataclass(frozen=True, slots=True)
class Integer:
    """A check for whole numbers from `least` to `most`, both allowed."""

    least: int
    most: int | None = None

    def __call__(self, value: Any) -> int:
        """Give the number; raises ValueError."""
        if not isinstance(value, bool) and isinstance(value, Integral):
            number = int(value)
            if self.least <= number and (self.most is None or number <= self.most):
                return number
        bounds = f"{self.least} or more"
        if self.most is not None:
            bounds = f"from {self.least} to {self.most}"
        raise ValueError(f"is not a whole number {bounds}")

    def of_text(self, text: str) -> int:
        """Give the number that a text says; raises ValueError."""
        return self(int(text) if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else text)


@dataclass(frozen=True, slots=True)
class Number:
    """A check for finite numbers from `least`, or above it where it is `open`, to `most`."""

    least: float
    most: float
    open: bool = False

    def __call__(self, value: Any) -> float:
        """Give the number; raises ValueError."""
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if is_number:
            # Compared before it is converted: a whole number may be too large for a float.
            above = value > self.least if self.open else value >= self.least
            if above and value <= self.most:
                return float(value)
        first = f"above {self.least:g}" if self.open else f"of at least {self.least:g}"
        raise ValueError(f"is not a number {first}, and at most {self.most:,.0f}")

    def of_text(self, text: str) -> float:
        """Give the number that a text says; raises ValueError."""
        try:
            number: object = float(text) if text.isascii() else text
        except ValueError:
            number = text
        return self(number)


class Seconds(Number):
    """A check for lengths of time."""


A_YEAR = 366 * 86400.0
"""Seconds: the longest that any wait may be set to."""

SECONDS = Seconds(0, A_YEAR, open=True)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A check for one of a few texts."""

    choices: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        """Give the text; raises ValueError."""
        if value not in self.choices:
            raise ValueError(f"is none of {', '.join(self.choices)}")
        return str(value)

    def of_text(self, text: str) -> str:
        """Give the text itself; raises ValueError."""
        return self(text)


@dataclass(frozen=True, slots=True)
class Boolean:
    """A check for True and False: such a setting's option is a flag."""

    def __call__(self, value: Any) -> bool:
        """Give the value; raises ValueError."""
        if not isinstance(value, bool):
            raise ValueError("is neither True nor False")  # noqa: TRY004 - as all checks do
        return value

    def of_text(self, text: str) -> bool:
        """Give the value that JSON has for a text; raises ValueError."""
        return self({"true": True, "false": False}.get(text, text))


@dataclass(frozen=True, slots=True)
class FilePath:
    """A check for paths, of files or folders, which need not exist."""

    def __call__(self, value: Any) -> Path:
        """Give the path; raises ValueError."""
        if not isinstance(value, str | os.PathLike) or not os.fspath(value):
            raise ValueError("is not a path")
        return Path(value)

    def of_text(self, text: str) -> Path:
        """Give the path; raises ValueError."""
        return self(text)


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """A check for the address of a Dask scheduler."""

    def __call__(self, value: Any) -> str:
        """Give the address; raises ValueError."""
        if not isinstance(value, str) or not re.fullmatch(r"[a-z]+://[^\s/]+(/\S*)?", value):
            raise ValueError("is no address: write it as tcp://host:8786")
        return value

    def of_text(self, text: str) -> str:
        """Give the address; raises ValueError."""
        return self(text)


@dataclass(frozen=True, slots=True)
class OpenStatuses:
    """A check for HTTP statuses that leave open whether a record was stored."""

    def __call__(self, value: Any) -> frozenset[int]:
        """Give the statuses; raises ValueError."""
        if isinstance(value, Iterable) and not isinstance(value, str):
            found = list(value)
            if all(isinstance(status, int) and status in OPEN_STATUSES for status in found):
                return frozenset(found)
        known = ", ".join(map(str, sorted(OPEN_STATUSES)))
        raise ValueError(f"has a status that cannot be declared safe; those that can are {known}")

    def of_text(self, text: str) -> frozenset[int]:
        """Give the statuses of a list with commas; raises ValueError."""
        parts = [part.strip() for part in text.split(",")]
        return self([int(part) if re.fullmatch("[0-9]{3}", part) else part for part in parts])


OPEN_STATUSES = frozenset({408, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """A check for MaxFailures, or a number or text that says one."""

    def __call__(self, value: Any) -> MaxFailures:
        """Give the limit; raises ValueError."""
        if isinstance(value, MaxFailures):
            return value
        try:
            return parse_max_failures("" if isinstance(value, bool) else str(value))
        except UsageError:
            raise ValueError(
                "is neither a number of rows nor a percentage: write it as 50 or 2%"
            ) from None

    def of_text(self, text: str) -> MaxFailures:
        """Give the limit that a text says; raises ValueError."""
        return self(text)


SettingKind = (
    Integer | Number | OneOf | Boolean | FilePath | ClusterAddress | OpenStatuses | FailureLimit
)


def checked(name: str, value: object, check: Check) -> Any:
    """Give a value as it is kept; raises SettingError that names it."""
    try:
        return check(value)
    except ValueError as error:
        raise SettingError(f"{name} {reprlib.repr(value)} {error}") from None


@dataclass(frozen=True, slots=True)
class Setting:
    """The declaration of a setting of a run; its name is that of its field.

    `kind` checks values, and says how a text or a jobs file writes them; where `auto`, the word
    auto stands for None. `help` is for people; a setting without it has no option, since no user
    has to know of it. `metavar` stands for the value in the option's help, and `variable` is the
    environment's name for it.

    A setting is a key of jobs files where `in_jobs`, an entry of summary.json where `noted`. A
    resumed run keeps what is `kept`. A sender in a process of its own gets it where `sent`.
    """

    kind: SettingKind
    help: str = ""
    metavar: str = "N"
    auto: bool = False
    variable: str | None = None
    in_jobs: bool = False
    noted: bool = True
    kept: bool = True
    sent: bool = False


_SETTING = "setting"


def _declared(kind: SettingKind, help: str = "", metavar: str = "N", **more: Any) -> dict[str, Any]:
    """A declaration as a dataclass field carries it in its metadata."""
    return {_SETTING: Setting(kind, help, metavar, **more)}


def _check_fields(owner: Any) -> None:
    """Check every declared field of a frozen dataclass; None stands where it is the default."""
    for one in fields(owner):
        value = getattr(owner, one.name)
        declared: Setting | None = one.metadata.get(_SETTING)
        if declared is not None and not (value is None and one.default is None):
            object.__setattr__(owner, one.name, checked(one.name, value, declared.kind))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not a text")
    return value


class Secret:
    """Text that shows in no repr, log, pickle or traceback; :meth:`reveal` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself: for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('**********')"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled: read it where it is used")


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go, and as whom.

    `base_url` has no slash at its end and includes ``/v2``. `ca_file` is a PEM bundle to trust
    instead of the system's.
    """

    base_url: str
    project: int
    customer: str
    api_key: Secret
    ca_file: Path | None = None
    api_key_file: Path | None = None
    """Where the key was read, if from a file that was named: for commands that people are told."""

    def __post_init__(self) -> None:
        for name in ("base_url", "customer"):
            checked(name, getattr(self, name), _text)
        checked("project", self.project, Integer(1, 2**53))
        if not isinstance(self.api_key, Secret):
            raise SettingError("api_key is not a Secret", "Write it as Secret(key).")
        for name in ("ca_file", "api_key_file"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, checked(name, value, FilePath()))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where records would go, for what only compares with past runs; no key is needed.

    A `project` that is None is the mapping's. A `base_url` that is None is that of the `customer`,
    and a customer that is None the one whom the environment names.
    """

    project: int | None = None
    base_url: str | None = None
    customer: str | None = None

    def __post_init__(self) -> None:
        if self.project is not None:
            checked("project", self.project, Integer(1, 2**53))
        for name in ("base_url", "customer"):
            if (value := getattr(self, name)) is not None:
                checked(name, value, _text)


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How to read the source; None is found by looking.

    `sheet` is a name or a 1-based number. `header_row` is a 1-based row number. `rows` is an
    inclusive range of row numbers to take.
    """

    sheet: str | int | None = None
    header_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    rows: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.sheet is not None:
            checked("sheet", self.sheet, _text if isinstance(self.sheet, str) else Integer(1))
        if self.header_row is not None:
            checked("header_row", self.header_row, Integer(1))
        if self.rows is not None:
            checked("rows", self.rows, _row_range)


def _row_range(value: object) -> tuple[int, int]:
    if isinstance(value, tuple) and len(value) == 2:
        first, last = Integer(1)(value[0]), Integer(1)(value[1])
        if first <= last:
            return first, last
    raise ValueError("is not a range of rows: (first, last)")


MOST_IN_FLIGHT = 1000
"""The most requests in flight that may be asked for."""

WIDEST = 256
"""The most requests in flight that the run chooses by itself."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard to press: requests in flight over all workers, and seconds allowed to each.

    `concurrency` is None where the run is to find it by itself, up to `WIDEST`. `rate` is the
    most requests that begin in a second; None is any number.
    """

    concurrency: int | None = field(
        default=None,
        metadata=_declared(
            Integer(1, MOST_IN_FLIGHT),
            "Requests in flight; auto finds the number that the service serves best.",
            "N|auto",
            auto=True,
            in_jobs=True,
            sent=True,
        ),
    )
    rate: float | None = field(
        default=None,
        metadata=_declared(
            Number(0, 1e9, open=True), "At most N requests a second.", in_jobs=True, sent=True
        ),
    )
    timeout: float = field(
        default=60.0,
        metadata=_declared(
            Seconds(0.1, A_YEAR),
            "How long one request may take.",
            "SECONDS",
            in_jobs=True,
            sent=True,
        ),
    )
    connect_timeout: float = field(default=10.0, metadata=_declared(SECONDS, sent=True))

    def __post_init__(self) -> None:
        _check_fields(self)


PERCENT_FROM = 100
"""Rows with an answer from which on a percentage of failures means something."""


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many rows may fail before a run stops: a number, or a percentage of rows answered.

    Rejected and uncertain rows are failures; rows that were never sent are not. A percentage
    counts from `PERCENT_FROM` answers on.
    """

    limit: float
    percent: bool = False

    def __post_init__(self) -> None:
        checked("percent", self.percent, Boolean())
        checked("max_failures", self.limit, Number(0, 100) if self.percent else Integer(0))

    def exceeded(self, failed: int, answered: int) -> bool:
        """Whether so many failures among so many answers are too many."""
        if self.percent:
            return answered >= PERCENT_FROM and failed * 100 > self.limit * answered
        return failed > self.limit

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:.0f}"


def parse_max_failures(text: str) -> MaxFailures:
    """Read ``50`` or ``2%``; raises UsageError for anything else."""
    match = re.fullmatch(
        r"(?:([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%)", text.strip(), re.ASCII
    )
    if match is not None:
        if match[1] is not None:
            return MaxFailures(int(match[1]))
        if (percent := float(match[2])) <= 100:
            return MaxFailures(percent, percent=True)
    raise UsageError(
        f"max failures {text!r}: neither a number of rows nor a percentage",
        "Write it as 50 or 2%; 0 stops at the first row that fails.",
    )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is done about trouble: when a row is sent again, and when the run stops.

    `retries` are a row's attempts beyond the first that count: those that were throttled, or for
    which the service could not be reached, do not. Waits double from `base` up to `cap`, in
    seconds. `give_up_after` bounds, in seconds, how long a service may be unreachable, throttle
    everybody, or answer nothing certain, in a row with nothing better in between. `retry_on` are
    HTTP statuses of which the user knows that nothing was stored. `storm_after` uncertain
    answers in a row are a storm. `max_failures` stops a run whose mapping is wrong.
    """

    retries: int = field(
        default=5,
        metadata=_declared(
            Integer(0),
            "Tries beyond the first for a request that surely did not arrive.",
            in_jobs=True,
            sent=True,
        ),
    )
    base: float = field(default=0.5, metadata=_declared(SECONDS, sent=True))
    cap: float = field(default=30.0, metadata=_declared(SECONDS, sent=True))
    give_up_after: float = field(
        default=300.0,
        metadata=_declared(
            SECONDS,
            "Stop when the service has let nothing through for so long.",
            "SECONDS",
            in_jobs=True,
            sent=True,
        ),
    )
    retry_on: frozenset[int] = field(
        default=frozenset(),
        metadata=_declared(
            OpenStatuses(),
            "Statuses of which you know that nothing was stored: such rows are sent again.",
            "502,503",
            in_jobs=True,
            sent=True,
        ),
    )
    storm_after: int = field(default=5, metadata=_declared(Integer(1), sent=True))
    # Not sent: the coordinator counts failures, over all senders.
    max_failures: MaxFailures | None = field(
        default=None,
        metadata=_declared(
            FailureLimit(),
            "Stop when more rows than this were rejected or are uncertain, as 50 or 2%.",
            "N|N%",
            in_jobs=True,
        ),
    )

    def __post_init__(self) -> None:
        _check_fields(self)


EngineName = Literal["local", "processes", "dask"]
ENGINES: tuple[str, ...] = get_args(EngineName)
DEFAULT_WORKERS = 2
"""Senders on this machine where no number was given: beyond it, the coordinator limits."""
MOST_WORKERS = 64
MOST_CANARY = 1000
"""Rows that are sent first: the vendor asks not to synchronise by reading records."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything about a run but its source, mapping and target.

    `out` is the run directory itself; left out, one is made in `runs_dir`. `limit` sends so many
    rows and leaves the others pending; a `canary` sends so many first and reads them back. Without
    `preflight` nothing is compared with the project;
    without `allow_new_values` nothing is sent that would create values the mapping does not list.
    `sandbox` is the folder of the sandbox that stands in for the service, where the run is a
    rehearsal, and `sandbox_project` the project file that it was given, if it was. `scheduler` is
    the address of a Dask cluster whose workers are to send; without it, the dask engine starts a
    cluster on this machine.
    """

    pace: Pace = field(default_factory=Pace)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    runs_dir: Path = field(
        default=DEFAULT_RUNS_DIR,
        metadata=_declared(
            FilePath(),
            "Folder in which runs make theirs.",
            "DIR",
            variable=RUNS_DIR_VARIABLE,
            kept=False,
        ),
    )
    out: Path | None = field(
        default=None,
        metadata=_declared(
            FilePath(),
            "Folder for the results, new or empty; else one in --runs-dir.",
            "DIR",
            noted=False,
            kept=False,
        ),
    )
    limit: int | None = field(
        default=None,
        metadata=_declared(Integer(1), "Send N rows and leave the others pending.", kept=False),
    )
    # Not kept: a canary that was begun is ended by its journal, and one that was shown is passed.
    canary: int | None = field(
        default=None,
        metadata=_declared(
            Integer(1, MOST_CANARY),
            "Send N rows first, chosen for what they cover, read them back, and go on only if all"
            " is as it was sent. Records cannot be deleted: these N stay.",
            in_jobs=True,
            kept=False,
        ),
    )
    preflight: bool = field(
        default=True,
        metadata=_declared(
            Boolean(), "Do not compare with the project before sending.", kept=False
        ),
    )
    engine: EngineName = field(
        default="local",
        metadata=_declared(
            OneOf(ENGINES),
            "What sends: this process, several of their own, or a Dask cluster (docs/scaling.md).",
            "|".join(ENGINES),
            in_jobs=True,
        ),
    )
    workers: int | None = field(
        default=None,
        metadata=_declared(
            Integer(1, MOST_WORKERS),
            "Senders of the other engines. Left out: all workers of a Dask cluster, else "
            f"{DEFAULT_WORKERS}.",
            in_jobs=True,
        ),
    )
    scheduler: str | None = field(
        default=None,
        metadata=_declared(
            ClusterAddress(),
            "Dask cluster that sends, as tcp://host:8786; else one is started on this machine.",
            "ADDRESS",
            in_jobs=True,
        ),
    )
    allow_new_values: bool = field(
        default=False,
        metadata=_declared(
            Boolean(),
            "Let values be created that the project lacks, whether or not the mapping lists them.",
            in_jobs=True,
            kept=False,
        ),
    )
    # No option: it is the command that makes the folder, for --sandbox.
    sandbox: Path | None = field(default=None, metadata=_declared(FilePath(), kept=False))
    sandbox_project: Path | None = field(
        default=None,
        metadata=_declared(
            FilePath(),
            "Project file of that sandbox; else it has the fields that the mapping names.",
            "FILE",
            kept=False,
        ),
    )

    def __post_init__(self) -> None:
        for name, kind in _PARTS.items():
            if not isinstance(getattr(self, name), kind):
                raise SettingError(f"{name} is not a {kind.__name__}")
        _check_fields(self)
        if self.workers is not None and self.engine == "local":
            raise SettingError(
                f"workers {self.workers}: the local engine is one process",
                "Choose the engine processes: --engine processes.",
            )
        if self.scheduler is not None and self.engine != "dask":
            raise SettingError(
                f"scheduler {self.scheduler}: is for Dask", "Choose the engine dask: --engine dask."
            )


_PARTS: dict[str, type[Pace] | type[RetryPolicy]] = {"pace": Pace, "retry": RetryPolicy}
"""The fields of RunSettings that hold settings of their own."""

SETTINGS: dict[str, Setting] = {
    one.name: one.metadata[_SETTING]
    for owner in (Pace, RetryPolicy, RunSettings)
    for one in fields(owner)
    if _SETTING in one.metadata
}
"""Every setting of a run by its name, which is one of its own whatever part it stands in."""


def option_of(name: str) -> str:
    """The option of a setting; a flag says what is not so by default."""
    declared, usual = SETTINGS[name], flat(RunSettings())[name]
    negated = "no-" if isinstance(declared.kind, Boolean) and usual else ""
    return f"--{negated}{name.replace('_', '-')}"


def flat(settings: RunSettings) -> dict[str, Any]:
    """Every setting by its name, whichever dataclass has it; :func:`settings_of` is the inverse."""
    owners = (settings.pace, settings.retry, settings)
    return {
        one.name: getattr(owner, one.name)
        for owner in owners
        for one in fields(owner)
        if _SETTING in one.metadata
    }


def json_value(value: Any) -> Any:
    """A setting's value as JSON has it; a path is absolute."""
    match value:
        case Path():
            return str(value.absolute())
        case frozenset():
            return sorted(value)
        case MaxFailures():
            return str(value)
    return value


def settings_of(values: Mapping[str, Any]) -> RunSettings:
    """The settings of a run from its :func:`flat` form; what is left out is as by default.

    Raises SettingError.
    """
    parts: dict[str, Any] = {
        name: kind(**{f.name: values[f.name] for f in fields(kind) if f.name in values})
        for name, kind in _PARTS.items()
    }
    own = {f.name for f in fields(RunSettings)} - set(_PARTS)
    return RunSettings(**parts, **{name: values[name] for name in own if name in values})


def asked_for(settings: RunSettings) -> dict[str, Any]:
    """The settings that are not as by default, of those that a resumed run keeps."""
    usual = flat(RunSettings())
    return {
        name: value
        for name, value in flat(settings).items()
        if SETTINGS[name].kept and value != usual[name]
    }


def sent_settings(pace: Pace, retry: RetryPolicy) -> dict[str, Any]:
    """The settings that a sender in a process of its own gets, as JSON has them.

    It reads them back by :func:`settings_of`.
    """
    values = flat(RunSettings(pace, retry))
    return {name: json_value(value) for name, value in values.items() if SETTINGS[name].sent}


def resumed_settings(began: Mapping[str, Any], given: Mapping[str, Any]) -> RunSettings:
    """The settings of a resumed run: those it `began` with, and what is `given` anew over them.

    Both are :func:`flat`; `began` may be as summary.json has it. Of what it began with, only what
    is `kept` counts: never the limit. Another engine has workers of its own. Raises SettingError.
    """
    kept = {
        name: began[name] for name, setting in SETTINGS.items() if setting.kept & (name in began)
    }
    if given.get("engine", kept.get("engine")) != kept.get("engine"):
        kept |= {"workers": None, "scheduler": None}
    if (runs_dir := began.get("runs_dir")) is not None:
        kept["runs_dir"] = runs_dir  # whose ledger knows the run
    return settings_of({**kept, **given})


_MARKS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def delimiter_named(text: str) -> str:
    """The character that ``--delimiter`` means: by a word, by its code in hex, or itself."""
    if (code := re.fullmatch(r"\\x([0-9a-f]{2})", text, re.IGNORECASE)) is not None:
        return chr(int(code[1], 16))
    return _MARKS.get(text.lower(), text)


def delimiter_name(mark: str) -> str:
    """How ``--delimiter`` is told a character, so that it can be typed and pasted."""
    if mark == "\t":
        return "tab"
    if mark == " ":
        return "space"
    return mark if mark.isprintable() else f"\\x{ord(mark):02x}"
