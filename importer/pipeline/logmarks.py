"""What a line of the log is about: noted where a run or a job begins, read where a line is written.

It follows the work into tasks and threads that are started for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_RUN: ContextVar[str | None] = ContextVar("run", default=None)
_JOB: ContextVar[str | None] = ContextVar("job", default=None)


def note_run(run_id: str) -> None:
    """From here on it is about this run, until the next one begins."""
    _RUN.set(run_id)


@contextlib.contextmanager
def about(job: str | None) -> Iterator[None]:
    """What happens in the block is about this job, and about no run as long as none begins."""
    before = _JOB.set(job), _RUN.set(None)
    try:
        yield
    finally:
        _JOB.reset(before[0])
        _RUN.reset(before[1])


def marks() -> dict[str, str | None]:
    """The run and the job that it is about now."""
    return {"run": _RUN.get(), "job": _JOB.get()}
