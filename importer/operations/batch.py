"""Rounds of unattended imports: each job is worked on once and reported; and when a round is due.

Rules:
- An error with a file affects that file only, and one with a job that job. Only a full disk or a
  signal ends the round.
- A file is put away when its run has ended, never before; an interrupted run is ended by a later
  round.
- Two rounds at once do no harm: a job is worked on by one of them, and a project is imported into
  by one run at a time. All locks are the operating system's, and end with their process.
- A watch begins a round when a file arrives, when one has settled, and once a minute: network
  shares and servers send no events, and neither does the beginning of a job's hours.
"""

from __future__ import annotations

import difflib
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import ImporterError, UsageError, worst
from importer.files import make_private_folder
from importer.operations.batch_file import code_of_stop
from importer.operations.batch_job import look_after
from importer.operations.batch_report import (
    BatchResult,
    Fate,
    JobResult,
    write_metrics,
)
from importer.operations.batch_round import Round, RoundContext, RoundListeners
from importer.operations.guarded import LOCKS, hold_lock
from importer.operations.inbox import MARKER, folder_of, is_unfinished
from importer.operations.jobs import JobsFile, JobSpec, load_jobs
from importer.operations.ledger import Ledger
from importer.operations.notify import fingerprint, notification_of, send_notification
from importer.operations.remote_origin import is_remote
from importer.pipeline.rundir import log_about_job
from importer.pipeline.running import StopSwitch, run_until_stopped

if TYPE_CHECKING:
    from watchfiles import Change


EXTRA = 'pip install "vcc-importer[watch]"'
ROUND_SECONDS = 60.0
"""Seconds between two rounds where no file arrives."""
QUIET_SECONDS = 20 * 3600.0
"""Seconds in which the same trouble is not notified again."""
_NOTIFIED = "told"
_LOCK_SECONDS = 10.0
_POLL_MS = 500
_DEBOUNCE_MS = 400


def batch(
    jobs: str | os.PathLike[str],
    *,
    only: str | None = None,
    stop: StopSwitch | None = None,
    listeners: RoundListeners | None = None,
) -> BatchResult:
    """Work once on every job of a jobs file, or on the one named `only`.

    What went wrong with a file or a job is in the result, whose `exit_code` is that of the command.
    A first Ctrl-C, or `stop`, ends it in order. Raises JobsError for an unusable jobs file,
    UsageError for a name that no job has, and OutputError where the runs folder cannot be used.
    """
    loaded = load_jobs(Path(jobs))

    def work(*, stop: StopSwitch, **_: object) -> BatchResult:
        told = listeners or RoundListeners()
        return run_batch(RoundContext(loaded, stop, listeners=told), only=only)

    return run_until_stopped(work, **({} if stop is None else {"stop": stop}))


def run_batch(context: RoundContext, *, only: str | None = None) -> BatchResult:
    """Work on every job once, or on the one named `only` (capitals do not matter).

    Raises UsageError for a name that no job has, and OutputError where the runs folder or its
    ledger cannot be used. Everything else that goes wrong is in the result.
    """
    chosen = _chosen(context.jobs, only)
    make_private_folder(context.jobs.runs_dir)
    results: list[JobResult] = []
    complaints: list[str] = []
    with Ledger.open(context.jobs.runs_dir) as ledger:
        round_ = Round(context, ledger)
        for number, job in enumerate(chosen):
            if context.stop.reason is not None:
                break
            if round_.ended_by is not None:
                names = ", ".join(each.name for each in chosen[number:])
                complaints.append(f"{round_.ended_by}: not looked after: {names}")
                break
            with log_about_job(job.name):
                result = look_after(job, round_)
                results.append(result)
                context.listeners.job(result)
                complaints += _notify(job, result, round_)
    complaints += _write_metrics_of(context.jobs, results)
    return BatchResult(
        tuple(results),
        tuple(complaints),
        worst([code_of_stop(context.stop), 3 if round_.ended_by is not None else 0]),
    )


def _chosen(jobs: JobsFile, only: str | None) -> tuple[JobSpec, ...]:
    if only is None:
        return jobs.jobs
    found = tuple(job for job in jobs.jobs if job.name.casefold() == only.casefold())
    if not found:
        names = [job.name for job in jobs.jobs]
        close = difflib.get_close_matches(only, names, 1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"{jobs.path}: there is no job {only!r}", f"{hint}There are: {', '.join(names)}."
        )
    return found


# When a job has ended: notifications, and figures for Prometheus.


def _notify(job: JobSpec, result: JobResult, round_: Round) -> list[str]:
    """Notify the job's receivers, if its rule asks for it; return complaints, a line each.

    The same trouble with the same files is notified once in `QUIET_SECONDS`, a success each time.
    """
    rule = job.notify
    if rule is None or (notification := notification_of(result, rule.on)) is None:
        return []
    now, mark = round_.context.now(), fingerprint(result)
    whose = f"{round_.jobs.identity}\n{job.name}"
    told = _recent_notifications(round_, whose, now) if notification.event != "success" else {}
    if mark in told:
        return []
    complaints = send_notification(rule.urls, notification)
    if notification.event != "success" and len(complaints) < len(rule.urls):
        round_.ledger.note(_NOTIFIED, whose, json.dumps({**told, mark: now}))
    return complaints


def _recent_notifications(round_: Round, job: str, now: float) -> dict[str, float]:
    """The fingerprints notified of a job within `QUIET_SECONDS`, and when (seconds since 1970)."""
    noted = round_.ledger.noted(_NOTIFIED, job)
    found = json.loads(noted) if noted is not None else {}
    return {mark: at for mark, at in found.items() if 0 <= now - at < QUIET_SECONDS}


def _write_metrics_of(jobs: JobsFile, results: Sequence[JobResult]) -> list[str]:
    """Write the metrics of the jobs that were worked on; return complaints, one line each.

    Exit codes speak of imports: a file of metrics that cannot be written is a warning only.
    """
    worked_on = [result for result in results if not result.left]
    if jobs.metrics is None or not worked_on:
        return []
    try:
        _write_locked(jobs.metrics, worked_on, {job.name for job in jobs.jobs}, jobs.runs_dir)
    except ImporterError as error:
        return [f"{error.message}; no metrics were written. {error.hint or ''}".rstrip()]
    return []


def _write_locked(
    path: Path, results: Sequence[JobResult], known: Collection[str], runs: Path
) -> None:
    busy = UsageError(f"{path}: another round has been writing it for {_LOCK_SECONDS:.0f} s")
    lock = runs / LOCKS / "metrics.lock"
    # The file is read first: what it says of other jobs stays.
    with hold_lock(lock, busy, wait=_LOCK_SECONDS, stop=StopSwitch()):
        write_metrics(path, results, known=known)


# When the next round is due.


def keep_watch(jobs: JobsFile, work: Callable[[], BatchResult], stop: StopSwitch) -> None:
    """Run `work` now and whenever a round is due, until the switch is pulled.

    Raises UsageError where folders cannot be watched, and whatever `work` raises.
    """
    pulled = _Pulled(stop)
    while not pulled.is_set():
        folders, due = _folders(jobs), time.monotonic()
        for found in _changes(folders, _Relevant(jobs.own), pulled):
            if pulled.is_set():
                return
            if found or time.monotonic() >= due:
                due = time.monotonic() + _seconds_to_next_round(jobs, work())
                if _folders(jobs) != folders:
                    break  # one has come, or gone: it is to be watched, or not any more


class _Pulled:
    """A stop switch as the event that watchfiles polls."""

    def __init__(self, stop: StopSwitch) -> None:
        self._stop = stop

    def is_set(self) -> bool:
        return self._stop.reason is not None


def _changes(
    folders: Sequence[Path], relevant: _Relevant, pulled: _Pulled
) -> Iterator[set[tuple[Change, str]]]:
    """Yield each set of changes, and an empty set every `_POLL_MS` without one.

    watchfiles collects what changes between two calls, so that nothing is missed during a round.
    """
    try:
        from watchfiles import watch
    except ImportError as error:
        raise UsageError(
            "--watch needs watchfiles, which is not installed", f"Install it: {EXTRA}"
        ) from error
    try:
        yield from watch(
            *folders,
            watch_filter=relevant,
            stop_event=pulled,
            debounce=_DEBOUNCE_MS,
            rust_timeout=_POLL_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
    except OSError as error:
        raise UsageError(
            f"the inboxes cannot be watched: {error}",
            "Raise the system's limit of watched files, or start a round every few minutes.",
        ) from error


class _Relevant:
    """The filter of watchfiles: leaves out temporary files and what this program writes itself."""

    def __init__(self, ours: Collection[Path]) -> None:
        self._ours = ours

    def __call__(self, _: Change, path: str) -> bool:
        name = os.path.basename(path)  # noqa: PTH119 - it is called for each event
        if is_unfinished(name.removesuffix(MARKER)):
            return False
        return not any(Path(path).is_relative_to(own) for own in self._ours)


def _seconds_to_next_round(jobs: JobsFile, result: BatchResult) -> float:
    """Seconds until the next regular round: sooner where files wait for their `settle` to pass."""
    settle = {job.name: job.settle for job in jobs.jobs}
    waiting = (
        settle[job.name]
        for job in result.jobs
        for file in job.files
        if file.fate is Fate.WAITING and file.exit_code == 0
    )
    return max(1.0, min((ROUND_SECONDS, *waiting)))


def _folders(jobs: JobsFile) -> tuple[Path, ...]:
    """The existing folders of this machine that files come from."""
    found = []
    for job in jobs.jobs:
        for pattern in job.files:
            if not is_remote(pattern):
                found.append(folder_of(pattern))
    return tuple(sorted({folder for folder in found if folder.is_dir()}))
