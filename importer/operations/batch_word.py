"""What is told when a job has ended: word to people, and figures for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from importer.errors import ImporterError, UsageError
from importer.operations.batch_round import Round
from importer.operations.guarded import LOCKS, hold_lock
from importer.operations.jobs import JobsFile, JobSpec
from importer.operations.metrics import write_metrics
from importer.operations.notify import send_word
from importer.operations.outcome import JobResult
from importer.operations.wording import fingerprint, word_of
from importer.pipeline.stopping import StopSwitch

QUIET_SECONDS = 20 * 3600.0
"""For how long the same trouble is not told again."""

_TOLD = "told"
_LOCK_SECONDS = 10.0


def spread_word(job: JobSpec, result: JobResult, round_: Round) -> list[str]:
    """Tell of a job by its rule; give whom it did not reach, in lines."""
    rule = job.notify
    if rule is None or (word := word_of(result, rule.on)) is None:
        return []
    now, mark = round_.given.now(), fingerprint(result)
    whose = f"{round_.jobs.identity}\n{job.name}"
    told = _told(round_, whose, now) if word.event != "success" else {}
    if mark in told:
        return []
    complaints = send_word(rule.urls, word)
    if word.event != "success" and len(complaints) < len(rule.urls):
        round_.ledger.note(_TOLD, whose, json.dumps({**told, mark: now}))
    return complaints


def _told(round_: Round, job: str, now: float) -> dict[str, float]:
    """What was told of the job of late, and when."""
    noted = round_.ledger.noted(_TOLD, job)
    found = json.loads(noted) if noted is not None else {}
    return {mark: at for mark, at in found.items() if 0 <= now - at < QUIET_SECONDS}


def keep_figures(jobs: JobsFile, results: Sequence[JobResult]) -> list[str]:
    """Write the metrics of the jobs that were worked on; give complaints, in lines.

    Exit codes tell of imports: what goes wrong with the figures is a warning.
    """
    worked_on = [result for result in results if not result.left]
    if jobs.metrics is None or not worked_on:
        return []
    try:
        _write(jobs.metrics, worked_on, {job.name for job in jobs.jobs}, jobs.runs_dir)
    except ImporterError as error:
        return [f"{error.message}; no metrics were written. {error.hint or ''}".rstrip()]
    return []


def _write(path: Path, results: Sequence[JobResult], known: Collection[str], runs: Path) -> None:
    busy = UsageError(f"{path}: another round has been writing it for {_LOCK_SECONDS:.0f} s")
    lock = runs / LOCKS / "metrics.lock"
    # The file is read first: what it says of other jobs stays.
    with hold_lock(lock, busy, wait=_LOCK_SECONDS, stop=StopSwitch()):
        write_metrics(path, results, known=known)
