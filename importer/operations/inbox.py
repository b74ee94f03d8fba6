"""Which files of an inbox have arrived whole, so that they can be imported.

Rules:
- A file is taken when its size and modification time have not changed for `settle` seconds, nor at
  a second look; or at once if its marker (``leads.csv.done`` beside ``leads.csv``) is no older.
- A modification time may lie in the future, where clocks differ: such a file is watched instead.
- Temporary and hidden files, markers and files of this program are ignored.
- Links are not followed out of the inbox: else whoever may write into it could have any file of
  this machine sent. A link to a file is never taken, and is reported; a folder that a wildcard
  matches is searched if it is below the folder that the pattern names, which may itself be a link.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from importer.errors import SourceError

MARKER = ".done"

_UNFINISHED = (
    ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp",
)  # fmt: skip
"""What upload programs add to a name until the file is whole."""
_PASSED_OVER = ("~", MARKER)
_ESCAPED = re.compile(r"\[([*?[])\]")
_NOT_FILES = {"thumbs.db", "desktop.ini"}
_SECOND_LOOK = 0.5
"""Seconds between two looks at a file: clocks of servers run late, and hide that it is written."""
_LONGEST_WATCH = 60.0
"""Seconds for which files are watched at most whose time lies in the future."""
_TRIES = 3
_GRAIN = 2.0
"""Seconds to which the coarsest file systems keep times."""

_MOST_NAMES = 1_000_000
"""Names that a pattern may find: links that lead back to their folder would give names for ever."""

_WRITING = "is still being written"
_LINK = "is a link, and links are not followed: put the file itself here"


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that is not taken in this round; `why` completes a sentence that begins with its name.

    `amiss` marks what time alone does not mend: a link, or a file that cannot be opened.
    """

    path: Path
    why: str
    amiss: bool = False


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The files of an inbox: `ready` ones, oldest first, then by name; and `waiting` ones."""

    ready: tuple[Path, ...]
    waiting: tuple[WaitingFile, ...]


def find_arrivals(
    patterns: Sequence[str],
    settle: float,
    *,
    never: Collection[Path] = (),
    now: Callable[[], float] = time.time,
    pause: Callable[[float], object] = time.sleep,
) -> Arrivals:
    """Find the files of absolute globs and folders that have arrived whole.

    `settle` is how many seconds a file must be unchanged. `never` are paths of this program, left
    out unless a pattern names the very folder. `pause` waits between two looks, at most a minute.
    Raises SourceError where the folder of a pattern is missing: its share may not be mounted.
    """
    states, waiting = _find_files(patterns, never)
    moment = now()
    judged = [_seconds_to_second_look(state, settle, moment) for state in states]
    waiting += [
        WaitingFile(state.path, _WRITING)
        for state, wait in zip(states, judged, strict=True)
        if wait is None
    ]
    taken = [state for state, wait in zip(states, judged, strict=True) if wait is not None]
    if taken:
        pause(max(wait for wait in judged if wait is not None))
    ready, late = _confirm_unchanged(taken, pause)
    return Arrivals(
        tuple(
            state.path for state in sorted(ready, key=lambda state: (state.mtime, str(state.path)))
        ),
        tuple(sorted([*waiting, *late], key=lambda each: str(each.path))),
    )


def is_unfinished(name: str) -> bool:
    """Whether a name is hidden or that of an upload under way."""
    return name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED)


def fixed_part(pattern: str) -> tuple[Path, str]:
    """Split an absolute glob into the folder before its first wildcard, and the rest.

    The rest is empty for a pattern without wildcards, which names a file or a folder.
    """
    parts = Path(pattern).parts
    plain: list[str] = []
    for number, part in enumerate(parts):
        if glob.has_magic(_ESCAPED.sub("", part)):
            return Path(*plain), str(Path(*parts[number:]))
        plain.append(_ESCAPED.sub(r"\1", part))
    return Path(*plain), ""


def folder_of(pattern: str) -> Path:
    """The folder that the files of an absolute glob come from, as far as wildcards leave it open.

    Of a pattern without wildcards, that is the folder it names, or the one that its file is in.
    """
    folder, rest = fixed_part(pattern)
    return folder if rest or folder.is_dir() else folder.parent


@dataclass(frozen=True, slots=True)
class _FileState:
    """A file as it was at one moment; times are nanoseconds since 1970."""

    path: Path
    size: int
    mtime: int
    inode: int
    marked: bool


def _find_files(
    patterns: Sequence[str], never: Collection[Path]
) -> tuple[list[_FileState], list[WaitingFile]]:
    """All files that the patterns name, each once; and those that cannot be taken."""
    roots = {pattern: fixed_part(pattern) for pattern in patterns}
    if missing := [trouble for root in roots.values() if (trouble := _fault_of_folder(*root))]:
        raise SourceError(
            "; ".join(dict.fromkeys(missing)),
            "Check the path, and that its disk or share is mounted.",
        )
    states: dict[str, _FileState] = {}
    waiting: dict[str, WaitingFile] = {}
    for pattern, (root, rest) in roots.items():
        ours = [path for path in never if not root.is_relative_to(path)]
        for path in _files(pattern, root, rest):
            key = os.path.normcase(path)
            if key in states or key in waiting or _is_passed_over(path, ours):
                continue
            if path.is_symlink() and not path.is_dir():
                waiting[key] = WaitingFile(path, _LINK, amiss=True)
                continue
            try:
                state = _state_of(path)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    waiting[key] = WaitingFile(path, _reason_of(error), amiss=True)
                continue
            if state is not None:
                states[key] = state
    return list(states.values()), list(waiting.values())


def _fault_of_folder(folder: Path, rest: str) -> str | None:
    """Why the folder of a pattern cannot be looked into."""
    if not rest and not folder.is_dir():
        folder = folder.parent
    try:
        with os.scandir(folder):
            return None
    except FileNotFoundError:
        return f"{folder}: there is no such folder"
    except OSError as error:
        return f"{folder}: cannot be looked into: {error.strerror}"


def _files(pattern: str, root: Path, rest: str) -> Iterator[Path]:
    """The paths that a pattern names; for a folder, everything directly in it."""
    if not rest and not root.is_dir():
        if os.path.lexists(root):
            yield root
        return
    inside: dict[Path, bool] = {}
    home = root.resolve()
    # Path.glob would find hidden files, too.
    every = glob.iglob(rest or "*", root_dir=root, recursive=True)  # noqa: PTH207
    for number, name in enumerate(every):
        if number == _MOST_NAMES:
            raise SourceError(
                f"{pattern}: more than {_MOST_NAMES:,} files and folders are named like this",
                "Name the folder that the lists are in; links within it may lead back to it.",
            )
        path = root / name
        folder = path.parent
        if folder not in inside:
            inside[folder] = folder.resolve().is_relative_to(home)
        if inside[folder]:
            yield path


def _is_passed_over(path: Path, ours: Collection[Path]) -> bool:
    name = path.name.lower()
    return (
        is_unfinished(name)
        or name.endswith(_PASSED_OVER)
        or name in _NOT_FILES
        or any(path.is_relative_to(own) for own in ours)
    )


def _state_of(path: Path) -> _FileState | None:
    """The file as it is now; None for a folder, a pipe or the like."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return None
    return _FileState(path, found.st_size, found.st_mtime_ns, found.st_ino, _is_marked(path, found))


def _is_marked(path: Path, found: os.stat_result) -> bool:
    """Whether a marker says that the file is whole; an older marker is an earlier file's."""
    try:
        marker = path.with_name(path.name + MARKER).lstat()
    except OSError:
        return False
    return marker.st_mtime >= found.st_mtime - _GRAIN


def _seconds_to_second_look(state: _FileState, settle: float, now: float) -> float | None:
    """Seconds to wait before the second look; None for a file that is still being written."""
    age = now - state.mtime / 1e9
    if state.marked or settle <= 0:
        return 0.0
    if age >= settle:
        return min(settle, _SECOND_LOOK)
    if age < -settle:
        # It will look new for long, if not for ever: so its being still is seen, not reckoned.
        return min(settle, _LONGEST_WATCH)
    return None


def _confirm_unchanged(
    states: Sequence[_FileState], pause: Callable[[float], object]
) -> tuple[list[_FileState], list[WaitingFile]]:
    """The files that are unchanged and can be opened, in up to `_TRIES` looks; and the others."""
    ready: list[_FileState] = []
    waiting: list[WaitingFile] = []
    for attempt in range(1, _TRIES + 1):
        troubled: list[_FileState] = []
        for state in states:
            try:
                same = _state_of(state.path)
                with state.path.open("rb"):
                    pass
            except OSError as error:
                troubled.append(state)
                if attempt == _TRIES:
                    gone = isinstance(error, FileNotFoundError)
                    waiting.append(WaitingFile(state.path, _reason_of(error), amiss=not gone))
                continue
            if same is not None and _is_same(state, same):
                ready.append(state)
            else:
                waiting.append(WaitingFile(state.path, _WRITING))
        states = troubled
        if states and attempt < _TRIES:
            pause(_SECOND_LOOK)
    return ready, waiting


def _is_same(one: _FileState, other: _FileState) -> bool:
    return (one.size, one.mtime, one.inode) == (other.size, other.mtime, other.inode)


def _reason_of(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "was there, and has gone: perhaps somebody takes files away, or replaces it"
    if isinstance(error, PermissionError) or error.errno == errno.EBUSY:
        return (
            "cannot be opened: another program has it open, or its permissions forbid it "
            f"({error.strerror})"
        )
    return f"cannot be read: {error.strerror or type(error).__name__}"
