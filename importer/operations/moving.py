"""Files put away, with their results beside them, whatever happens on the way.

Rules:
- What is to be done is on the disk before anything is done (an intent, a hidden file in the folder
  that the file goes to). What a crash cuts short, :func:`finish_moves` completes.
- Nothing is overwritten: a name is claimed by making a file that was not there, then the claim is
  replaced in one step. A name that is taken gets a number.
- Nothing is lost: where a file must be copied, the original goes only after the copy is on the disk
  and has been read back.
- A file is moved only if it is still the one that was meant. Whoever has put another in its place
  finds it where it was put.
- One mover at a time works in a folder: an intent that is found there is one of a crash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from importer.errors import ImporterError, OutputError, SourceError
from importer.files import LONGEST_NAME, make_private_folder, numbered, sync_folder, write_private
from importer.operations.inbox import MARKER
from importer.operations.moving_steps import (
    CLAIM,
    Identity,
    bring,
    copy_results,
    has_arrived,
    is_claim,
    remove_claim,
    remove_tree,
    same_content,
    take_away,
)

LOCK_SECONDS = 60.0
"""How long a mover waits for another one in the same folder."""

_PREFIX = ".moving-"
_RESULTS = ".results"


class ReplacedError(SourceError):
    """A file is not the one that was to be put away: it stays where it is."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be moved into a folder, and under which name; `marker` goes with the file."""

    key: str
    source: Path
    identity: Identity
    marker: Identity | None
    name: str
    results: Path | None
    run_id: str

    def as_json(self) -> str:
        """The intent as a file keeps it; names need not be text in any encoding."""
        values = {
            "source": str(self.source),
            "identity": self.identity,
            "marker": self.marker,
            "name": self.name,
            "results": str(self.results) if self.results is not None else None,
            "run_id": self.run_id,
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, key: str, text: str) -> Self:
        """The intent that a file keeps; raises ValueError, TypeError or KeyError for any other."""
        values: dict[str, Any] = json.loads(text)
        return cls(
            key,
            Path(values["source"]),
            Identity(*values["identity"]),
            Identity(*values["marker"]) if values["marker"] is not None else None,
            values["name"],
            Path(values["results"]) if values["results"] is not None else None,
            values["run_id"],
        )


def move_away(
    file: Path, folder: Path, *, results: Path | None, run_id: str, sha256: str | None = None
) -> Path:
    """Move a file into a folder and give its new path; its marker goes with it.

    `results` is a run's directory, whose result files are copied into a folder beside the file,
    ``leads.xlsx.results``. `sha256` is that of the content which is meant. Raises ReplacedError
    where another file has taken its place, and OutputError where it cannot be moved: then it is
    where it was, and the move is made up for by :func:`finish_moves`.
    """
    file = file.absolute()
    try:
        make_private_folder(folder)
    except OutputError:
        if not folder.is_dir():  # else another mover made it just now
            raise
    with _alone(folder):
        for intent in _intents(folder):
            # Left over from a round that could not move it.
            if intent.source == file and Identity.of(file) == intent.identity:
                return _completed(folder, replace(intent, results=results, run_id=run_id))
        intent = _intended(file, folder, results, run_id)
        if sha256 is not None and not _is(file, sha256, intent.identity):
            raise ReplacedError(
                f"{file}: another file has taken its place since it was read",
                "It stays where it is, and is taken as a new file the next time.",
            )
        _keep(folder, intent)
        return _completed(folder, intent)


def finish_moves(folder: Path) -> tuple[str, ...]:
    """Complete what a crash has cut short in a folder; give what cannot be completed yet, in lines.

    Raises OutputError where the folder cannot be looked after.
    """
    if not folder.is_dir():
        return ()
    complaints = []
    with _alone(folder):
        for intent in _intents(folder):
            try:
                _completed(folder, intent)
            except ImporterError as error:
                complaints.append(f"{error.message} {error.hint or ''}".strip())
        for path in folder.glob(f".{_PREFIX}*.tmp"):
            # Of an intent that was never whole: nothing was done about it yet.
            path.unlink(missing_ok=True)
    return tuple(complaints)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other movers out of the folder."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / f"{_PREFIX}lock", timeout=LOCK_SECONDS, mode=0o600)
    try:
        with lock:
            yield
    except Timeout:
        raise OutputError(
            f"{folder}: another process has been moving files there for {LOCK_SECONDS:.0f} s",
            "The next round moves the file; see whether that process hangs.",
        ) from None
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror or type(error).__name__}",
            "Make room on its disk, or mend the permissions of this folder.",
        ) from error


def _intended(file: Path, folder: Path, results: Path | None, run_id: str) -> Intent:
    identity = Identity.of(file)
    if identity is None or file.is_symlink() or not file.is_file():
        raise ReplacedError(
            f"{file}: has gone before it could be put away",
            "If somebody else takes files from there, agree on one of you.",
        )
    marker = Identity.of(_marker(file))
    name = _free(folder, file.name)
    return Intent(secrets.token_hex(4), file, identity, marker, name, results, run_id)


def _completed(folder: Path, intent: Intent) -> Path:
    """Do all that is left of an intent; each step may have been done before, or half of it."""
    target = folder / intent.name
    there = Identity.of(intent.source) == intent.identity
    taken = os.path.lexists(target) and (
        not is_claim(target) or has_arrived(target, intent.identity)
    )
    if there and taken:
        if same_content(intent.source, target):  # the copy was whole, the original not yet gone
            _put_beside(folder, intent)
            take_away(intent.source, intent.identity)
            return _ended(folder, intent)
        intent = replace(intent, name=_free(folder, intent.source.name))
        _keep(folder, intent)
        return _completed(folder, intent)
    if not there and not taken:
        # Somebody has taken it away, or put another in its place: there is nothing to move.
        remove_claim(target)
        _forget(folder, intent)
        raise ReplacedError(
            f"{intent.source}: has gone, or was replaced, before it could be put away",
            "It is taken as a new file, if it is there.",
        )
    if not there:
        _put_beside(folder, intent)
        return _ended(folder, intent)
    try:
        _claim(target)
        _put_beside(folder, intent)
        bring(intent.source, target, _temporary(folder, intent, ".part"), intent.identity)
    except OutputError:
        remove_claim(target)
        raise
    return _ended(folder, intent)


def _ended(folder: Path, intent: Intent) -> Path:
    """Take the marker along, and forget the intent."""
    target = folder / intent.name
    with contextlib.suppress(OutputError):  # it stays, and says nothing of files that come later
        _bring_marker(folder, intent, _marker(target))
    _forget(folder, intent)
    return target


def _bring_marker(folder: Path, intent: Intent, beside: Path) -> None:
    marker = _marker(intent.source)
    if intent.marker is None or Identity.of(marker) != intent.marker:
        return
    if not os.path.lexists(beside) or is_claim(beside):
        _claim(beside)
        bring(marker, beside, _temporary(folder, intent, ".marker"), intent.marker)
    elif same_content(marker, beside):
        take_away(marker, intent.marker)


def _put_beside(folder: Path, intent: Intent) -> None:
    beside = folder / f"{intent.name}{_RESULTS}"
    if len(os.fsencode(beside.name)) > LONGEST_NAME:
        beside = folder / f"{intent.run_id}{_RESULTS}"
    half = _temporary(folder, intent, _RESULTS)
    remove_tree(half)
    if intent.results is not None and not os.path.lexists(beside):
        copy_results(intent.results, half, beside)


def _claim(target: Path) -> None:
    """Take a name that nothing has; what is there may be our own claim of a moment ago."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, CLAIM)
        finally:
            os.close(descriptor)


def _free(folder: Path, name: str) -> str:
    """A name for a file, its marker and its results that nothing in the folder has."""
    found, number = name, 1
    while any(os.path.lexists(folder / f"{found}{end}") for end in ("", MARKER, _RESULTS)):
        number += 1
        found = numbered(name, number)
    return found


def _intents(folder: Path) -> list[Intent]:
    """What a crash has left to do in a folder; a file that is no intent of ours is passed over."""
    found = []
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        with contextlib.suppress(ValueError, TypeError, KeyError, FileNotFoundError):
            key = path.name.removeprefix(_PREFIX).removesuffix(".json")
            found.append(Intent.from_json(key, path.read_text("utf-8")))
    return found


def _keep(folder: Path, intent: Intent) -> None:
    write_private(_temporary(folder, intent, ".json"), intent.as_json())


def _forget(folder: Path, intent: Intent) -> None:
    _temporary(folder, intent, ".json").unlink(missing_ok=True)
    sync_folder(folder)


def _temporary(folder: Path, intent: Intent, end: str) -> Path:
    return folder / f"{_PREFIX}{intent.key}{end}"


def _marker(path: Path) -> Path:
    return path.with_name(path.name + MARKER)


def _is(file: Path, sha256: str, identity: Identity) -> bool:
    """Whether a file has this content, and had it all the while."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    return found == sha256 and Identity.of(file) == identity
