"""The line itself, both halves: a file is planned, and the plan is sent.

Of a run that ends before its first request nothing is kept.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from importer.api.request import base_url_for
from importer.errors import ImporterError
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.semantics import needed_project
from importer.mapping.spec import mapping_schema
from importer.pipeline.apply import Job, Register, RunResult, send_and_finish
from importer.pipeline.examine import Look
from importer.pipeline.plan import check, planned, preview
from importer.pipeline.preflight import Gate, Refused, fetch_gate
from importer.pipeline.running import Listener, StopSwitch
from importer.survey.duplicates import Seen

__all__ = [
    "Gate",
    "Job",
    "LoadedMapping",
    "Look",
    "Refused",
    "RunResult",
    "Seen",
    "base_url_for",
    "check",
    "fetch_gate",
    "load_mapping",
    "mapping_schema",
    "needed_project",
    "preview",
    "run",
]


def run(
    job: Job,
    *,
    seen: Seen | None = None,
    log: Path | None = None,
    stop: StopSwitch | None = None,
    listener: Listener = lambda _: None,
    register: Register | None = None,
) -> RunResult:
    """Import one file: read, check, send, and write the results.

    All problems found on the way go to the file `log`, where one is named. The `register` may
    refuse the run, and is told that it begins to send. Raises ImporterError
    where nothing was sent; a run that stops later is a result that says so. `listener` is called
    from the thread that runs this, at the pace of the replies.
    """
    stop = stop or StopSwitch()
    with planned(job, seen=seen, log=log, stop=stop, listener=listener, register=register) as (
        line,
        checkup,
    ):
        if register is not None:
            try:
                register.begins(line.run, checkup.survey.rows)
            except ImporterError:
                line.run.journal.close()
                line.run.directory.remove_all()
                raise
        result = send_and_finish(line, checkup.survey.rows, stop, listener)
    return replace(result, checkup=checkup)
