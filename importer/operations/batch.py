"""One round of unattended imports: every job looked after once, and told of.

Rules:
- Whatever goes wrong with a file is that file's, and with a job that job's: the others go on. Only
  a full disk, and a signal, end the round.
- A file is put away when its run has ended, never before; what was cut off, a later round ends.
- Two rounds at once do no harm: a job is worked on by one of them, and a project imported into by
  one run at a time. All locks are the system's, and none outlives its process.
"""

from __future__ import annotations

import difflib

from importer.errors import UsageError
from importer.files import make_private_folder
from importer.operations.batch_fate import code_of_stop
from importer.operations.batch_job import work_on
from importer.operations.batch_round import Given, Round
from importer.operations.batch_word import keep_figures, spread_word
from importer.operations.jobs import JobsFile, JobSpec
from importer.operations.ledger import Ledger
from importer.operations.outcome import BatchResult, JobResult, worst
from importer.pipeline.logmarks import about


def run_batch(given: Given, *, only: str | None = None) -> BatchResult:
    """Look after every job once, or after the one named `only`.

    Raises UsageError for a name that no job has, and OutputError where the runs folder or its
    ledger cannot be used. Everything else is in the result.
    """
    chosen = _chosen(given.jobs, only)
    make_private_folder(given.jobs.runs_dir)
    results: list[JobResult] = []
    complaints: list[str] = []
    with Ledger.open(given.jobs.runs_dir) as ledger:
        round_ = Round(given, ledger)
        for number, job in enumerate(chosen):
            if given.stop.reason is not None:
                break
            if round_.ended_by is not None:
                names = ", ".join(each.name for each in chosen[number:])
                complaints.append(f"{round_.ended_by}: not looked after: {names}")
                break
            with about(job.name):
                result = work_on(job, round_)
                results.append(result)
                given.telling.job(result)
                complaints += spread_word(job, result, round_)
    complaints += keep_figures(given.jobs, results)
    return BatchResult(
        tuple(results),
        tuple(complaints),
        worst([code_of_stop(given.stop), 3 if round_.ended_by is not None else 0]),
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


__all__ = ["BatchResult", "Given", "run_batch"]
