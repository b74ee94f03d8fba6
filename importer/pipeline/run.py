"""The whole pipeline: a file is planned, and the plan is sent.

A run that ends before its first request leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import replace

from importer.api.request import base_url_for, checked_base_url
from importer.errors import ImporterError
from importer.mapping.spec import mapping_schema
from importer.pipeline.apply import Job, Register, RunResult, send_and_finish
from importer.pipeline.plan import planned
from importer.pipeline.running import Control
from importer.sources.frames import ArrowTable, Frame
from importer.survey.duplicates import Seen

# The library and the command line import no stages: what they need of these is handed out here.
__all__ = ["ArrowTable", "Frame", "base_url_for", "checked_base_url", "mapping_schema", "run"]


def run(
    job: Job,
    control: Control,
    *,
    seen: Seen | None = None,
    register: Register | None = None,
) -> RunResult:
    """Import one file: read, check, send, and write the results.

    The `register` may refuse the run, and is told that it begins to send. Raises ImporterError
    where nothing was sent; a run that stops later is a result that says so.
    """
    with planned(job, control, seen=seen, register=register, sends=True) as (ready_run, checkup):
        if register is not None:
            try:
                register.begins(ready_run.run, checkup.survey.rows)
            except ImporterError:
                ready_run.run.journal.close()
                ready_run.run.directory.remove_all()
                raise
        result = send_and_finish(ready_run, checkup.survey.rows, control)
    return replace(result, checkup=checkup)
