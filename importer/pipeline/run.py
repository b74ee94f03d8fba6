"""The whole pipeline: a file is planned, and the plan is sent.

A run that ends before its first request leaves nothing behind.
"""

from __future__ import annotations

from dataclasses import replace

from importer.api.request import base_url_for, checked_base_url
from importer.errors import ImporterError
from importer.mapping.load import LoadedMapping, load_mapping, mapping_of
from importer.mapping.semantics import needed_project
from importer.mapping.spec import mapping_schema
from importer.pipeline.apply import Job, Register, RunResult, send_and_finish
from importer.pipeline.examine import ExaminationOptions
from importer.pipeline.plan import check, planned, preview
from importer.pipeline.preflight import Gate, Refused, fetch_gate
from importer.pipeline.running import Control
from importer.sources.frames import ArrowTable, Frame
from importer.survey.duplicates import Seen

__all__ = [
    "ArrowTable",
    "ExaminationOptions",
    "Frame",
    "Gate",
    "Job",
    "LoadedMapping",
    "Refused",
    "RunResult",
    "Seen",
    "base_url_for",
    "check",
    "checked_base_url",
    "fetch_gate",
    "load_mapping",
    "mapping_of",
    "mapping_schema",
    "needed_project",
    "preview",
    "run",
]


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
