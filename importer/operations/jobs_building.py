"""A jobs file without mistakes as values: defaults merged, paths absolute, addresses filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from importer.operations.drift import DriftBounds
from importer.operations.jobs_merged import MergedJob, merged
from importer.operations.jobs_paths import VARIABLE, absolute_path, absolute_pattern, filled
from importer.operations.jobs_spec import JobsSpec
from importer.operations.jobs_values import JobsFile, JobSpec, NotifyRule
from importer.operations.remote_url import is_remote
from importer.settings import Secret
from importer.shell import quoted

_AS_THEY_ARE = (
    "project", "base_url", "customer", "rate", "timeout", "retries", "give_up_after",
    "max_failures", "allow_new_values", "not_before", "not_after", "settle", "sheet",
    "header_row", "encoding", "delimiter", "engine", "workers", "scheduler",
)  # fmt: skip
"""Keys whose values need nothing done; one that nobody says keeps the default of JobSpec."""


def built(spec: JobsSpec, path: Path, variables: Mapping[str, str]) -> JobsFile:
    """The jobs of a file that :func:`find_mistakes` has nothing to say of."""
    base, jobs = path.parent, merged(spec)
    return JobsFile(
        path=path,
        runs_dir=absolute_path(base, spec.runs_dir),
        jobs=tuple(_job(job, base, variables) for job in jobs),
        metrics=absolute_path(base, spec.metrics) if spec.metrics is not None else None,
        remarks=_remarks(path, jobs),
    )


def _job(job: MergedJob, base: Path, variables: Mapping[str, str]) -> JobSpec:
    values: dict[str, Any] = {
        key: value for key in _AS_THEY_ARE if (value := job.get(key)) is not None
    }
    if (width := job.get("concurrency")) != "auto":
        values["concurrency"] = width
    remote = any(map(is_remote, job.job.files))
    for key in ("done", "failed", "held"):
        text = job.get(key)
        if text is not None:
            values[key] = text if remote else absolute_path(base, text)
    return JobSpec(
        name=job.job.name,
        files=tuple(
            pattern if is_remote(pattern) else absolute_pattern(base, pattern)
            for pattern in job.job.files
        ),
        mapping=absolute_path(base, job.get("mapping")),
        retry_on=frozenset(job.get("retry_on") or ()),
        drift=_drift(job),
        notify=_notify(job, variables),
        **values,
    )


def _drift(job: MergedJob) -> DriftBounds | None:
    # An object without keys asks for all bounds as they are by default.
    if job.get("drift") in (None, False):
        return None
    rows = job.part("drift", "rows")
    fill, phones, headers = (job.part("drift", part) for part in ("fill", "phones", "headers"))
    return DriftBounds(rows.fewer, rows.more, fill, phones, headers)


def _notify(job: MergedJob, variables: Mapping[str, str]) -> NotifyRule | None:
    if job.get("notify") is None:
        return None
    urls = (filled(url.get_secret_value(), variables) for url in job.part("notify", "urls"))
    return NotifyRule(frozenset(job.part("notify", "on")), tuple(map(Secret, urls)))


def _remarks(path: Path, jobs: list[MergedJob]) -> tuple[str, ...]:
    """A word to the owner of a file with passwords that others can read."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ()
    written = any(
        not VARIABLE.fullmatch(url.get_secret_value())
        for job in jobs
        if job.get("notify")
        for url in job.part("notify", "urls")
    )
    if os.name == "posix" and written and mode & 0o077:
        return (f"others can read {path}, which has addresses in it: run chmod 600 {quoted(path)}",)
    return ()
