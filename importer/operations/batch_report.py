"""The results of a round by job and file, error texts in terms of a jobs file, and metrics.

The log, notifications, exit codes and the metrics for Prometheus are made from these results.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from importer.errors import (
    ImporterError,
    UsageError,
    worst,
)
from importer.files import quoted, replacing
from importer.model import Status
from importer.operations.guarded import AlreadyImported
from importer.settings import SETTINGS

EXTRA = 'pip install "vcc-importer[notify]"'
"""Installs what metrics and notifications need."""


class Fate(StrEnum):
    """What a round did with a file."""

    IMPORTED = "imported"
    DUPLICATE = "duplicate"
    """The project has this content already: nothing was sent."""
    HELD = "held"
    """Far from what the job's last files were like: nothing was sent."""
    FAILED = "failed"
    """Unusable: nothing was sent."""
    STOPPED = "stopped"
    """The run stopped early; the next round goes on with it."""
    CLOSED = "closed"
    """The job's time was over; the next round in its time goes on."""
    WAITING = "waiting"
    """Not taken in this round: still being written, or something else is in the way."""


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """The outcome of one file.

    `message` is for the log, and may quote the file. `cause`, `differences` and `remedy` (what to
    do next) quote nothing but paths, and headers of past files. `moved` is its new path, if it was
    moved; `results` is the folder of its results, if it has one. `rows` is the number of rows of a
    file that was read and not sent.
    """

    file: str
    fate: Fate
    exit_code: int
    counts: Mapping[Status, int] = field(default_factory=dict)
    message: str = ""
    cause: str = ""
    remedy: str = ""
    moved: str | None = None
    results: str | None = None
    run_id: str | None = None
    rows: int | None = None
    differences: tuple[str, ...] = ()

    @property
    def was_not_sent(self) -> bool:
        """Whether it is known that no row of it was sent."""
        return self.results is None and self.fate in {Fate.HELD, Fate.FAILED, Fate.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept a job from being worked on; its texts are those of :class:`FileOutcome`."""

    exit_code: int
    message: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of one job in a round; `left` is the reason if it was not worked on.

    `started_at` is in seconds since 1970.
    """

    name: str
    files: tuple[FileOutcome, ...]
    started_at: float
    elapsed_s: float
    trouble: Trouble | None = None
    left: str = ""

    @property
    def exit_code(self) -> int:
        """The worst exit code of the job and its files."""
        own = self.trouble.exit_code if self.trouble is not None else 0
        return worst([own, *(file.exit_code for file in self.files)])

    @property
    def counts(self) -> dict[Status, int]:
        """The rows of all its files, by status."""
        return {status: sum(file.counts.get(status, 0) for file in self.files) for status in Status}

    @property
    def was_busy(self) -> bool:
        """Whether there was a file to work on, or trouble."""
        return bool(self.trouble) or any(
            file.fate is not Fate.WAITING or file.exit_code for file in self.files
        )


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The results of a round's jobs, and complaints about the round itself."""

    jobs: tuple[JobResult, ...]
    complaints: tuple[str, ...] = ()
    trouble_code: int = 0

    @property
    def exit_code(self) -> int:
        """The worst exit code of the round and its jobs."""
        return worst([self.trouble_code, *(job.exit_code for job in self.jobs)])


def figures(counts: Mapping[Status, int]) -> str:
    """Numbers of rows by status, as ``4,980 created, 12 invalid``."""
    return ", ".join(
        f"{counts[status]:,} {status.value}" for status in Status if counts.get(status)
    )


# Errors in terms of the jobs file, so that its user can act on them.

_KEYS = {
    name.replace("_", "-"): name
    for name in (
        *("project", "base_url", "customer", "sheet", "header_row", "encoding", "delimiter"),
        *(name for name, declared in SETTINGS.items() if declared.in_jobs),
        "runs_dir",
    )
}
"""The options of `run` that are keys of a jobs file."""
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)(?: (?=[\w;,\t]))?")
_OF_BATCH = {"api-key-file", "ca-file", "job", "release", "watch"}


def full_text(error: ImporterError) -> str:
    """An error with its mistakes and advice, for the log: lines that name keys of the jobs file."""
    mistakes = (f"  {_in_keys(mistake)}" for mistake in getattr(error, "mistakes", ()))
    return "\n".join(filter(None, (_in_keys(error.message), *mistakes, advice(error))))


def advice(error: ImporterError) -> str:
    """An error's hint, in terms of the jobs file.

    Hints speak of options of the command line. Those that are keys of the jobs file, too, become
    keys; advice that needs any other option is left out. Whole commands stay as they are.
    """
    match error:
        case AlreadyImported():
            results = quoted(error.entry.run_dir)
            return (
                f"Its results: {results}\nRows that failed are in its failures.xlsx: mend them,"
                " save it, and put it into the inbox. A batch sends the same content once."
            )
        case _:
            lines = (
                line if "vcc-import " in line else _possible(line)
                for line in (error.hint or "").split("\n")
            )
            return "\n".join(filter(None, lines))


def _in_keys(text: str) -> str:
    """A text with the keys of the jobs file in place of the options that mean the same."""

    def key(match: re.Match[str]) -> str:
        option = match[1]
        if option == "allow-new-values":
            return f"allow_new_values: true{match[0][2 + len(option) :]}"
        if option == "out":
            option = "runs-dir"
        if option not in _KEYS:
            return match[0]
        return f"{_KEYS[option]}: " if match[0].endswith(" ") else _KEYS[option]

    return _OPTION.sub(key, text)


def _possible(line: str) -> str:
    """A line without the sentences, or the ways joined by "or", that need an option batch lacks."""
    kept = []
    for sentence in re.split(r"(?<=[.;]) ", _in_keys(line)):
        if _is_possible(sentence):
            kept.append(sentence)
        elif ways := [way for way in re.split(r",? or ", sentence) if _is_possible(way)]:
            kept.append(f"{' or '.join(ways).rstrip('.')}.")
    text = " ".join(kept)
    return f"{text[:-1]}." if text.endswith(";") else text


def _is_possible(way: str) -> bool:
    return all(option in _OF_BATCH for option in _OPTION.findall(way))


# Figures for Prometheus, in a file that node_exporter's textfile collector reads. Each job has its
# own series. A round tells of the jobs it worked on; what the file says of other jobs, and the
# figures of the last round that had something to do, stay as they were.

_Series = tuple[str, tuple[str, ...]]
"""A metric's name, and its labels' values in the order of `_METRICS`."""


@dataclass(frozen=True, slots=True)
class _Metric:
    labels: tuple[str, ...]
    says: str


_METRICS = {
    "vcc_import_last_round_timestamp_seconds": _Metric(
        ("job",), "When the job was last looked after, with or without files."
    ),
    "vcc_import_last_success_timestamp_seconds": _Metric(
        ("job",), "When a file of the job was last imported with exit code 0."
    ),
    "vcc_import_exit_code": _Metric(
        ("job",), "Exit code of the last round that had something to do."
    ),
    "vcc_import_duration_seconds": _Metric(("job",), "How long that round was at work on the job."),
    "vcc_import_rows": _Metric(("job", "status"), "Rows of that round, by what became of them."),
    "vcc_import_files": _Metric(("job", "fate"), "Files of that round, by what became of them."),
    "vcc_import_files_waiting": _Metric(
        ("job",), "Files that were not taken in the last round: still being written, or locked."
    ),
}


def write_metrics(
    path: Path, results: Sequence[JobResult], *, known: Collection[str] | None = None
) -> None:
    """Write the figures of a round's jobs; readers see the old file or the new one.

    `known` are the names of all jobs: figures of others are dropped. Raises UsageError where
    prometheus-client is not installed, and OutputError.
    """
    try:
        from prometheus_client import CollectorRegistry, Gauge
        from prometheus_client.exposition import generate_latest
    except ImportError as error:
        raise UsageError(
            f"{path}: metrics need prometheus-client, which is not installed",
            f"Install it: {EXTRA}",
        ) from error
    values = {
        key: value
        for key, value in _figures_in(path).items()
        if known is None or key[1][0] in known
    }
    for result in results:
        values.update(_figures_of(result))
    registry = CollectorRegistry()
    for name, metric in _METRICS.items():
        gauge = Gauge(name, metric.says, metric.labels, registry=registry)
        for (of, labels), value in sorted(values.items()):
            if of == name:
                gauge.labels(*labels).set(value)
    with replacing(path) as temporary:
        temporary.write_bytes(generate_latest(registry))
        # Figures only: another user's collector reads them.
        temporary.chmod(0o644)


def _figures_of(result: JobResult) -> Iterator[tuple[_Series, float]]:
    """The samples of one job's result. Without an import, only those of the round itself."""
    job, ended = result.name, result.started_at + result.elapsed_s
    waiting = sum(file.fate is Fate.WAITING for file in result.files)
    yield ("vcc_import_last_round_timestamp_seconds", (job,)), ended
    yield ("vcc_import_files_waiting", (job,)), waiting
    if any(file.fate is Fate.IMPORTED and file.exit_code == 0 for file in result.files):
        yield ("vcc_import_last_success_timestamp_seconds", (job,)), ended
    if not result.was_busy:
        return
    yield ("vcc_import_exit_code", (job,)), result.exit_code
    yield ("vcc_import_duration_seconds", (job,)), result.elapsed_s
    counts = result.counts
    for status in Status:
        yield ("vcc_import_rows", (job, status.value)), counts[status]
    for fate in Fate:
        if fate is not Fate.WAITING:
            files = sum(file.fate is fate for file in result.files)
            yield ("vcc_import_files", (job, fate.value)), files


def _figures_in(path: Path) -> dict[_Series, float]:
    """The samples in the present file; none where it is missing, damaged or not of this program."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[_Series, float] = {}
    try:
        for family in text_string_to_metric_families(path.read_text("utf-8")):
            for sample in family.samples:
                if (metric := _METRICS.get(sample.name)) and set(metric.labels) == set(
                    sample.labels
                ):
                    labels = tuple(sample.labels[name] for name in metric.labels)
                    found[sample.name, labels] = sample.value
    except (OSError, ValueError):
        return {}
    return found
