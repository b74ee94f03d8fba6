"""Files on servers as files of a job: fetched for the time of their import, put away over there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from importer.errors import ImporterError, UsageError
from importer.files import make_private_folder
from importer.operations.batch_fate import Aside, advice, said
from importer.operations.batch_place import Arrived, Found, Parcel
from importer.operations.inbox import MARKER
from importer.operations.jobs import JobSpec
from importer.operations.ledger import Ledger, LedgerEntry
from importer.operations.outcome import Fate, FileOutcome, Trouble
from importer.operations.remote import RemoteFile, RemotePlace, remote_place

FOLDER = "incoming"
_ORIGIN = "origin"
_WRITING = "is still being written"
_GRAIN = 2.0
"""Seconds to which the coarsest file systems keep times."""


class RemoteFolder:
    """The files that the addresses of a job mean.

    `folder` is for what is fetched; nothing of an earlier time is left in it. A connection lasts
    for one thing: an import takes longer than servers keep quiet ones.
    """

    def __init__(
        self,
        job: JobSpec,
        jobs_file: str,
        ledger: Ledger,
        folder: Path,
        now: Callable[[], float],
    ) -> None:
        self._job = job
        self._jobs_file = jobs_file
        self._ledger = ledger
        self._folder = folder
        self._now = now

    def look(self) -> Found:
        """What the servers have; one that is out of reach does not keep the others back."""
        ready: dict[str, Arrived] = {}
        waiting: dict[str, FileOutcome] = {}
        troubles: list[Trouble] = []
        for pattern in self._job.files:
            try:
                with remote_place(pattern) as place:
                    files = place.list()
            except ImporterError as error:
                # What a server does not do today, it may do in the next round.
                code = error.exit_code if isinstance(error, UsageError) else 3
                troubles.append(Trouble(code, said(error), error.message, advice(error)))
                continue
            markers = {file.path: file for file in files if file.name.endswith(MARKER)}
            for file in files:
                if file.path in markers or file.url in ready or file.url in waiting:
                    continue
                marker = markers.get(file.path + MARKER)
                if self._is_still(file, marker):
                    ready[file.url] = _arrived(pattern, file, marker)
                else:
                    waiting[file.url] = FileOutcome(
                        file.url, Fate.WAITING, 0, {}, _WRITING, _WRITING
                    )
        return Found(tuple(ready.values()), tuple(waiting.values()), tuple(troubles))

    def _is_still(self, file: RemoteFile, marker: RemoteFile | None) -> bool:
        if marker is not None and (
            None in (file.modified, marker.modified)
            or (marker.modified or 0.0) >= (file.modified or 0.0) - _GRAIN
        ):
            return True
        quiet = file.quiet_for(self._now())
        return quiet is None or quiet >= self._job.settle

    @contextlib.contextmanager
    def taken(self, file: Arrived) -> Iterator[Path]:
        """A copy of the file, which is gone afterwards."""
        pattern, remote, _ = self._details(file.details)
        shutil.rmtree(self._folder, ignore_errors=True)
        make_private_folder(self._folder)
        try:
            with remote_place(pattern) as place:
                path = place.fetch(remote, self._folder)
            yield path
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def remember(self, file: Arrived, sha256: str) -> None:
        """Note where content came from, so that its file is found when a resumed run ends."""
        self._ledger.note(_ORIGIN, self._key(sha256), file.details)

    def put(self, file: Arrived, aside: Aside, parcel: Parcel) -> str | None:
        """Move the file on its server, where that can be; `parcel` stays here."""
        folder = getattr(self._job, aside)
        if folder is None or aside is Aside.HELD:
            return None
        pattern, remote, marker = self._details(file.details)
        with remote_place(pattern) as place:
            moved = place.move(remote, str(folder))
            if moved is not None and marker is not None:
                _move_marker(place, marker, str(folder))
        return moved

    def of_past(self, entry: LedgerEntry) -> Arrived | None:
        """The file that the content of a run came from, as it was then."""
        noted = self._ledger.noted(_ORIGIN, self._key(entry.sha256))
        if noted is None or json.loads(noted)["address"] not in map(_digest, self._job.files):
            return None
        return _arrived(*self._details(noted))

    def is_unchanged(self, file: Arrived) -> bool:
        """The copy is whole, whatever became of the file."""
        return True

    def has_grown(self, file: Arrived, sha256: str, size: int) -> bool:
        """Not known here: to see it, the file would have to be fetched once more."""
        return False

    def _details(self, text: str) -> tuple[str, RemoteFile, RemoteFile | None]:
        values = json.loads(text)
        marker = values["marker"]
        return (
            next(each for each in self._job.files if _digest(each) == values["address"]),
            RemoteFile(**values["file"]),
            None if marker is None else RemoteFile(**marker),
        )

    def _key(self, sha256: str) -> str:
        return f"{self._jobs_file}\n{self._job.name}\n{sha256}"


def _move_marker(place: RemotePlace, marker: RemoteFile, folder: str) -> None:
    # It says nothing of files that come later, so it may stay.
    with contextlib.suppress(ImporterError):
        place.move(marker, folder)


def _arrived(pattern: str, file: RemoteFile, marker: RemoteFile | None) -> Arrived:
    told = None not in (file.size, file.modified)
    details = json.dumps(
        {
            "address": _digest(pattern),
            "file": asdict(file),
            "marker": None if marker is None else asdict(marker),
        }
    )
    return Arrived(file.url, file.url, f"{file.size}:{file.modified}" if told else None, details)


def _digest(address: str) -> str:
    # What is asked of a web server may hold a token, which the ledger need not keep.
    return hashlib.sha256(address.encode()).hexdigest()
