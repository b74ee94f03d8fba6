"""A sample of a run's created rows read back from the service, and compared with what was sent.

The bodies are those of ``ready.parquet``, byte for byte what was sent. The sample is chosen by a
hash of the row number and the run's name, so it is the same each time. Agents may have worked on a
record since: a difference says that it is not as it was sent, not why.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from importer.errors import UsageError
from importer.files import write_private
from importer.journal.journal import Journal
from importer.mapping.load import load_mapping
from importer.model import Looked, Status
from importer.pipeline.canary import (
    CreatedRecord,
    FieldComparison,
    ReadBack,
    RowSample,
    created_records,
    read_back,
    read_back_json,
)
from importer.pipeline.planfile import intact_plan
from importer.pipeline.ready import ReadyFile
from importer.pipeline.recover import PastRun, past_run
from importer.pipeline.rundir import VERIFIED, RunDirectory
from importer.pipeline.running import Control, ended_unless_stopped
from importer.sending.loop import run_loop
from importer.settings import Pace, Target

SAMPLE = 20
"""Rows that are read back where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of reading a sample back; `created` is how many rows it was drawn from.

    Where somebody has `stopped` it, `records` are those that were compared until then. `path` is
    the file that has all of it, ``verify.json``; None where no row was created.
    """

    run_id: str
    created: int
    records: tuple[ReadBack, ...]
    path: Path | None = None
    stopped: bool = False

    @property
    def differences(self) -> tuple[FieldComparison, ...]:
        """Everything that is not as it was sent."""
        return tuple(found for record in self.records for found in record.differences)

    @property
    def exit_code(self) -> int:
        """What ``vcc-import verify`` ends with: 1 where anything differs."""
        return 1 if self.differences else 0


def verify(
    path: Path, target: Target, sample: int = SAMPLE, *, control: Control | None = None
) -> Verification:
    """Read `sample` created rows of a run back, compare them, and write ``verify.json``.

    No more records are asked for in a second than the run sent. The listener of `control` is told
    how far it is, as :class:`Looked`; where it is stopped, what was compared is kept. Raises
    UsageError for a run that kept no ready records or went elsewhere, ServiceError where the
    service cannot be asked.
    """
    directory = RunDirectory(path)
    past = past_run(path)
    _refuse_if_not_comparable(past, target)
    sample_rows = RowSample(sample, past.description.run_id)
    count = 0
    with Journal.read(directory.journal) as journal:
        for row in journal.rows_in(Status.CREATED):
            sample_rows.add(row)
            count += 1
        rows = sorted(sample_rows.rows())
        outcomes = journal.entries(rows)
    if not rows:
        return Verification(past.description.run_id, 0, ())
    with ReadyFile(directory.ready) as ready:
        created = tuple(created_records(ready.requests(), [outcomes[row] for row in rows]))
    pace = past.settings.pace
    stamp = load_mapping(directory.mapping).spec.stamp
    records, stopped = run_loop(
        _read_sample_back(target, pace, created, stamp, control or Control())
    )
    verification = Verification(past.description.run_id, count, records, path / VERIFIED, stopped)
    write_private(path / VERIFIED, _json(verification, target))
    return verification


def _refuse_if_not_comparable(past: PastRun, target: Target) -> None:
    """Raise UsageError where what was sent is not known, or the target is another than then."""
    folder = past.directory.path
    if past.plan_sha256 is None:
        raise UsageError(
            f"{folder}: an earlier version made this run and kept no ready records: "
            "there is nothing to compare with",
            "Look at some of its rows in the service by the numberids in results.csv.",
        )
    # A rehearsal's sandbox is started again, at another port.
    elsewhere = past.sandbox is None and target.base_url != past.base_url
    if elsewhere or target.project != past.project:
        raise UsageError(
            f"{folder}: this run went to project {past.project} at {past.base_url}, not to project "
            f"{target.project} at {target.base_url}",
            "Ask there: records are known by their numberids.",
        )
    _, changed = intact_plan(past.directory, past.plan_sha256)
    if changed:
        raise UsageError(
            f"{folder}: what was sent is not known any more: {'; '.join(changed)}",
            "Restore what was changed.",
        )


async def _read_sample_back(
    target: Target,
    pace: Pace,
    created: tuple[CreatedRecord, ...],
    stamp: str | None,
    control: Control,
) -> tuple[tuple[ReadBack, ...], bool]:
    """The records that were compared, by row, and whether it was stopped before all were."""
    from importer.api.client import Client

    total, compared = len(created), list[ReadBack]()

    def tell(record: ReadBack) -> None:
        compared.append(record)
        control.listener(Looked(len(compared), total, len(compared), total))

    async def ask() -> None:
        async with Client(target, replace(pace, concurrency=1)) as client:
            await read_back(client, created, stamp=stamp, rate=pace.rate, listener=tell)

    control.listener(Looked(0, total, 0, total))
    stopped = await ended_unless_stopped(ask(), control.stop)
    return tuple(sorted(compared, key=lambda record: (record.row, record.numberid))), stopped


def _json(verification: Verification, target: Target) -> str:
    found: dict[str, Any] = {
        "run_id": verification.run_id,
        "verified_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "base_url": target.base_url,
        "project": target.project,
        "created": verification.created,
        **({"stopped": True} if verification.stopped else {}),
        **read_back_json(verification.records),
    }
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"
