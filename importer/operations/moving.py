"""Moving files and their results into a folder, by a write-ahead log of intents.

Rules:
- An intent, a hidden file in the target folder, is on the disk before anything is done. A move that
  a crash interrupts is completed by :func:`finish_moves`.
- Nothing is overwritten: a name is claimed by creating a file exclusively, then the claim is
  replaced in one step. A name that is taken gets a number.
- Nothing is lost: where a file must be copied (to another drive), the original is removed only
  after the copy is on the disk and has been read back.
- A file is moved only if it is still the one that was meant. One that was put in its place stays.
- One mover at a time works in a folder, by a lock: an intent found there is left by a crash.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

from importer.errors import ImporterError, OutputError, SourceError
from importer.files import LONGEST_NAME, make_private_folder, numbered, sync_folder, write_private
from importer.operations.inbox import MARKER
from importer.pipeline.rundir import RESULT_FILES

LOCK_SECONDS = 60.0
"""How long a mover waits for another one in the same folder."""
CLAIM = b"vcc-import: a file is being moved here\n"
"""The content of a claim; a power cut may leave only its beginning."""
_PREFIX = ".moving-"
_RESULTS = ".results"
_TRIES = 4
_PAUSE = 0.25
_BLOCK = 1 << 20


class ReplacedError(SourceError):
    """Another file has taken the place of the one to be put away; it stays where it is."""


class Identity(NamedTuple):
    """Size in bytes, modification time in nanoseconds, inode: a successor differs in one."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """The identity of the file at a path now; None where there is none."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # a marker beside the longest name
                return None
            raise
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


@dataclass(frozen=True, slots=True)
class Intent:
    """A move that was begun: the file, its name in the folder, its marker, and its results."""

    key: str
    source: Path
    identity: Identity
    marker: Identity | None
    name: str
    results: Path | None
    run_id: str

    def as_json(self) -> str:
        """The intent as JSON for its file; surrogates stand for bytes that are no UTF-8."""
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
    """Move a file and its marker into a folder; return its new path.

    `results` is a run's directory, whose result files are copied into a folder beside the file,
    ``leads.xlsx.results``. `sha256` is the hash of the content that is meant. Raises ReplacedError
    where another file has taken its place, and OutputError where it cannot be moved: then it is
    where it was, and :func:`finish_moves` completes the move later.
    """
    file = file.absolute()
    try:
        make_private_folder(folder)
    except OutputError:
        if not folder.is_dir():  # else another mover made it just now
            raise
    with _folder_lock(folder):
        for intent in _intents(folder):
            # Left over from a round that could not move it.
            if intent.source == file and Identity.of(file) == intent.identity:
                return _complete(folder, replace(intent, results=results, run_id=run_id))
        intent = _new_intent(file, folder, results, run_id)
        if sha256 is not None and not _has_content(file, sha256, intent.identity):
            raise ReplacedError(
                f"{file}: another file has taken its place since it was read",
                "It stays where it is, and is taken as a new file the next time.",
            )
        _write_intent(folder, intent)
        return _complete(folder, intent)


def finish_moves(folder: Path) -> tuple[str, ...]:
    """Complete the moves that a crash cut short in a folder; return complaints, a line each.

    Raises OutputError where the folder cannot be locked or read.
    """
    if not folder.is_dir():
        return ()
    complaints = []
    with _folder_lock(folder):
        for intent in _intents(folder):
            try:
                _complete(folder, intent)
            except ImporterError as error:
                complaints.append(f"{error.message} {error.hint or ''}".strip())
        for path in folder.glob(f".{_PREFIX}*.tmp"):
            # Of an intent that was never whole: nothing was done about it yet.
            path.unlink(missing_ok=True)
    return tuple(complaints)


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock for the block; raises OutputError after `LOCK_SECONDS`."""
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


def _new_intent(file: Path, folder: Path, results: Path | None, run_id: str) -> Intent:
    identity = Identity.of(file)
    if identity is None or file.is_symlink() or not file.is_file():
        raise ReplacedError(
            f"{file}: has gone before it could be put away",
            "If somebody else takes files from there, agree on one of you.",
        )
    marker = Identity.of(_marker(file))
    name = _free_name(folder, file.name)
    return Intent(secrets.token_hex(4), file, identity, marker, name, results, run_id)


def _complete(folder: Path, intent: Intent) -> Path:
    """Complete a move; each step may have been done already, wholly or in part."""
    target = folder / intent.name
    there = Identity.of(intent.source) == intent.identity
    taken = os.path.lexists(target) and (
        not is_claim(target) or _has_arrived(target, intent.identity)
    )
    match there, taken:
        case True, True if _same_content(intent.source, target):
            # Across drives: the copy was whole, and the original not yet removed.
            _put_results_beside(folder, intent)
            _remove_original(intent.source, intent.identity)
        case True, True:
            # Somebody has put a file of that name into the folder meanwhile.
            intent = replace(intent, name=_free_name(folder, intent.source.name))
            _write_intent(folder, intent)
            return _complete(folder, intent)
        case False, True:
            # Moved; the power may have gone before its results and its marker followed.
            _put_results_beside(folder, intent)
        case False, False:
            # Somebody has taken it away, or put another in its place: there is nothing to move.
            _remove_claim(target)
            _remove_intent(folder, intent)
            raise ReplacedError(
                f"{intent.source}: has gone, or was replaced, before it could be put away",
                "It is taken as a new file, if it is there.",
            )
        case _:
            # The results come first: whoever sees the file in the folder finds them beside it.
            try:
                _claim(target)
                _put_results_beside(folder, intent)
                _move_onto_claim(
                    intent.source, target, _temporary(folder, intent, ".part"), intent.identity
                )
            except OutputError:
                _remove_claim(target)
                raise
    return _finish(folder, intent)


def _finish(folder: Path, intent: Intent) -> Path:
    """Move the marker, too, and remove the intent."""
    target = folder / intent.name
    with contextlib.suppress(OutputError):  # it stays, and says nothing of files that come later
        _move_marker(folder, intent, _marker(target))
    _remove_intent(folder, intent)
    return target


def _move_marker(folder: Path, intent: Intent, beside: Path) -> None:
    marker = _marker(intent.source)
    if intent.marker is None or Identity.of(marker) != intent.marker:
        return
    if not os.path.lexists(beside) or is_claim(beside):
        _claim(beside)
        _move_onto_claim(marker, beside, _temporary(folder, intent, ".marker"), intent.marker)
    elif _same_content(marker, beside):
        _remove_original(marker, intent.marker)


def _put_results_beside(folder: Path, intent: Intent) -> None:
    beside = folder / f"{intent.name}{_RESULTS}"
    if len(os.fsencode(beside.name)) > LONGEST_NAME:
        beside = folder / f"{intent.run_id}{_RESULTS}"
    half = _temporary(folder, intent, _RESULTS)
    _remove_tree(half)
    if intent.results is not None and not os.path.lexists(beside):
        _copy_results(intent.results, half, beside)


def _claim(target: Path) -> None:
    """Create a file of the name, which must not exist; our own claim of a moment ago may."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, CLAIM)
        finally:
            os.close(descriptor)


def _free_name(folder: Path, name: str) -> str:
    """A name that neither a file nor its marker nor its results have in the folder."""
    found, number = name, 1
    while any(os.path.lexists(folder / f"{found}{end}") for end in ("", MARKER, _RESULTS)):
        number += 1
        found = numbered(name, number)
    return found


def _intents(folder: Path) -> list[Intent]:
    """The intents in a folder; a file that is none is passed over."""
    # Thousands of files may have been put away here, and this is asked for each one that follows:
    # the names alone take a tenth of the time of a glob.
    names = [name for name in os.listdir(folder) if name.startswith(_PREFIX)]  # noqa: PTH208
    found = []
    for name in sorted(name for name in names if name.endswith(".json")):
        with contextlib.suppress(ValueError, TypeError, KeyError, FileNotFoundError):
            key = name.removeprefix(_PREFIX).removesuffix(".json")
            found.append(Intent.from_json(key, (folder / name).read_text("utf-8")))
    return found


def _write_intent(folder: Path, intent: Intent) -> None:
    write_private(_temporary(folder, intent, ".json"), intent.as_json())


def _remove_intent(folder: Path, intent: Intent) -> None:
    _temporary(folder, intent, ".json").unlink(missing_ok=True)
    sync_folder(folder)


def _temporary(folder: Path, intent: Intent, end: str) -> Path:
    return folder / f"{_PREFIX}{intent.key}{end}"


def _marker(path: Path) -> Path:
    return path.with_name(path.name + MARKER)


def _has_content(file: Path, sha256: str, identity: Identity) -> bool:
    """Whether a file has this content, and did not change while it was read."""
    with file.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    return found == sha256 and Identity.of(file) == identity


# The steps of a move: each leaves the old state or the new one, and may be taken again.


def is_claim(path: Path) -> bool:
    """Whether a path holds nothing but a claim of ours, or half of one after a power cut."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > len(CLAIM):
            return False
        return CLAIM.startswith(path.read_bytes())
    except OSError:
        return False


def _has_arrived(target: Path, identity: Identity) -> bool:
    """Whether the file itself is at the target; it may be as short as a claim."""
    found = Identity.of(target)
    return found is not None and found[:2] == identity[:2]


def _remove_claim(path: Path) -> None:
    """Remove a claim; anything else at that path stays."""
    if is_claim(path):
        path.unlink(missing_ok=True)


def _move_onto_claim(source: Path, target: Path, half: Path, identity: Identity) -> None:
    """Move a file onto its claim at `target`; across drives, it is copied to `half` first.

    Raises OutputError; then the claim is gone and the file is where it was.
    """
    try:
        half.unlink(missing_ok=True)
        _refuse_another(source, identity)
        try:
            _rename_patiently(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_verified(source, half)
            half.replace(target)
            sync_folder(target.parent)
            _remove_original(source, identity)
        else:
            sync_folder(target.parent)
            sync_folder(source.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
            _remove_claim(target)
        raise _immovable(source, target.parent, error) from error


def _remove_original(source: Path, identity: Identity) -> None:
    """Remove the original after its copy is safely on the disk; raises OutputError."""
    try:
        _refuse_another(source, identity)
        source.unlink()
        sync_folder(source.parent)
    except OSError as error:
        raise _immovable(source, source.parent, error) from error


def _refuse_another(source: Path, identity: Identity) -> None:
    if Identity.of(source) != identity:
        raise OSError(errno.EBUSY, "another file has taken its place just now")


def _same_content(one: Path, other: Path) -> bool:
    """Whether two files have the same content; False where either cannot be read."""
    try:
        if not other.is_file() or one.stat().st_size != other.stat().st_size:
            return False
        return _digest(one) == _digest(other)
    except OSError:
        return False


def _copy_results(run: Path, half: Path, beside: Path) -> None:
    """Copy a run's result files into a folder of the owner's alone, which is whole or absent.

    Raises OutputError. A run whose directory has gone has no results.
    """
    names = [name for name in RESULT_FILES if (run / name).is_file()]
    if not names:
        return
    try:
        make_private_folder(half)
        for name in names:
            _copy_verified(run / name, half / name)
        sync_folder(half)
        half.rename(beside)
        sync_folder(beside.parent)
    except OSError as error:
        _remove_tree(half)
        raise _immovable(run, beside.parent, error, "its results cannot be copied") from error


def _remove_tree(folder: Path) -> None:
    """Remove a half-made folder of copies."""
    shutil.rmtree(folder, ignore_errors=True)


def _rename_patiently(source: Path, target: Path) -> None:
    """Rename, several times on Windows: a virus scanner may have the file open for a moment."""
    for attempt in range(1, _TRIES + 1):
        try:
            source.replace(target)
        except PermissionError:
            if attempt == _TRIES or os.name != "nt":
                raise
            time.sleep(_PAUSE)
        else:
            return


def _copy_verified(source: Path, target: Path) -> None:
    """Copy a file, mode 0600, and compare the copy by reading it; raises OSError."""
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with source.open("rb") as content, os.fdopen(descriptor, "wb") as copy:
        before = os.fstat(content.fileno())
        while block := content.read(_BLOCK):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
        after = source.stat()
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not unchanged or _digest(target) != digest.digest():
        raise OSError(errno.EIO, "the copy is not what was copied")


def _digest(path: Path) -> bytes:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _immovable(
    source: Path, folder: Path, error: OSError, what: str = "cannot be moved"
) -> OutputError:
    reason = error.strerror or type(error).__name__
    hint = "Close the program that has it open, or mend the permissions of both folders."
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason, hint = "the disk is full", "Make room on that disk."
    return OutputError(
        f"{source}: {what} to {folder}: {reason}", f"{hint} The next round moves it."
    )
