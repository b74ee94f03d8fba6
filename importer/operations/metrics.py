"""Figures for Prometheus, in a file that node_exporter's textfile collector reads.

Each job has its own series. A round tells of the jobs it worked on; what the file says of other
jobs, and the figures of the last round that had something to do, stay as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.errors import UsageError
from importer.files import replacing
from importer.model import Status
from importer.operations.outcome import Fate, JobResult

EXTRA = 'pip install "vcc-importer[notify]"'

Key = tuple[str, tuple[str, ...]]
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
    """Write the figures of a round's jobs; the file is whole at every moment.

    `known` are the jobs that there are: of others nothing is kept. Raises UsageError where
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
        key: value for key, value in _past(path).items() if known is None or key[1][0] in known
    }
    for result in results:
        values.update(_of(result))
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


def _of(result: JobResult) -> Iterator[tuple[Key, float]]:
    """The figures that a round gives for a job; what it says nothing of stays as it was."""
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


def _past(path: Path) -> dict[Key, float]:
    """What the file says so far; a file that is none of ours, or is broken, says nothing."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[Key, float] = {}
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
