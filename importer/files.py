"""Files and their names: written whole or not at all, and named so that people can use the names.

Files are complete or absent, and their owner's alone, since they hold personal data. The names of
files may be no text at all, as bytes of POSIX are: :func:`escape_surrogates` makes them text, and
:func:`command` puts them into a command line that can be pasted.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import itertools
import os
import re
import secrets
import shlex
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from importer.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give an empty temporary file beside `path`, mode 0600, that takes its name at the end.

    It is on the disk before it is renamed. Where the block raises, it is removed and `path`
    stays as it was. Raises OutputError where the folder cannot be written or the disk is full.
    """
    # The longest names leave no room for more beside them.
    stem = path.name if len(os.fsencode(path.name)) <= _LONGEST_STEM else "vcc-import"
    temporary = path.with_name(f".{stem}.{secrets.token_hex(4)}.tmp")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a text file whole or not at all, UTF-8, mode 0600; raises OutputError."""
    with replacing(path) as temporary:
        temporary.write_text(escape_surrogates(text), encoding="utf-8", newline="")


class WorkingFolder:
    """A private folder for what lasts no longer than the command; a context manager.

    It has a locked file in it for as long as this process lives. The system lets go of the lock
    when the process ends, however it ends: so :func:`remove_left_behind` knows what nobody uses,
    and a process number that is given again to another misleads nobody.

    The first one of a process removes those that killed processes have left behind.
    """

    def __init__(self) -> None:
        _remove_left_behind_once()
        while True:
            self.name = tempfile.mkdtemp(prefix=_WORKING)
            self._lock = _try_lock(Path(self.name) / _LOCK, os.O_CREAT | os.O_EXCL)
            if self._lock is not None:
                break
        self._remove = weakref.finalize(self, _remove_folder, self.name, self._lock)

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Remove the folder and all that is in it; idempotent."""
        self._remove()


def remove_left_behind() -> int:
    """Remove working folders of this user that no living process holds; say how many.

    Another user's folder, and what a link leads to, is never touched. Raises nothing.
    """
    count = 0
    try:
        with os.scandir(tempfile.gettempdir()) as entries:
            found = [Path(entry.path) for entry in entries if entry.name.startswith(_WORKING)]
    except OSError:
        return 0
    for folder in found:
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode):
                continue
            if hasattr(os, "getuid") and status.st_uid != os.getuid():
                continue
            lock = _try_lock(folder / _LOCK, 0)
            if lock is not None:
                _remove_folder(str(folder), lock)
                count += 1
    return count


_remove_left_behind_once = functools.cache(remove_left_behind)


def _try_lock(path: Path, flags: int) -> int | None:
    """A descriptor of a file that this process has locked now; None where another has it.

    Raises OSError where the file is not there.
    """
    flags |= os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        if flags & os.O_CREAT:
            return None  # the folder was taken for one left behind, just now
        raise
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between opening and locking it, another may have removed it.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove_folder(folder: str, lock: int) -> None:
    """Remove a folder whose lock this process has: what is in it first, then the lock."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name == _LOCK:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()
    if os.name == "nt":  # where an open file cannot be removed
        os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
    if os.name != "nt":
        with contextlib.suppress(OSError):
            os.close(lock)


_WORKING = "vcc-import-"
_LOCK = ".in-use"
_LONGEST_STEM = 255 - len("..01234567.tmp")


def make_private_folder(path: Path) -> bool:
    """Make a folder, its owner's alone, and those above it; say whether it is new."""
    try:
        if path.is_dir():
            return False
        if not path.parent.exists():
            make_private_folder(path.parent)
        path.mkdir(mode=0o700)
        path.chmod(0o700)  # a umask may take rights from the owner, too
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, FileExistsError) and path.is_dir():
            return False  # another process was faster
        raise _unwritable(path, error) from error
    return True


def sync_folder(path: Path) -> None:
    """Make what was made or renamed in a folder durable, where the system has such a thing."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def escape_surrogates(name: str | os.PathLike[str]) -> str:
    r"""A name as text that can be stored and shown: bytes that are no UTF-8 as ``\xfc``.

    On POSIX names of files are bytes, which Python holds as lone surrogates.
    """
    return _raw(os.fspath(name)).decode("utf-8", "backslashreplace")


def json_safe(value: object) -> Any:
    """A value for JSON, with every text and path in it as :func:`escape_surrogates` gives it."""
    match value:
        case str() | os.PathLike():
            return escape_surrogates(value)
        case Mapping():
            return {json_safe(key): json_safe(each) for key, each in value.items()}
        case list() | tuple():
            return [json_safe(each) for each in value]
    return value


def _raw(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which Windows allows in names
        return text.encode("utf-8", "surrogatepass")


LONGEST_NAME = 255
"""Bytes of a name on the usual file systems."""
_LONGEST_ENDING = 16


def free_name(folder: Path, name: str) -> Path:
    """A path in the folder that nothing has yet: the name, or with a number before its ending."""
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = numbered(name, 1)
    path = folder / name
    number = 2
    while path.exists() or path.is_symlink():
        path = folder / numbered(name, number)
        number += 1
    return path


def numbered(name: str, number: int) -> str:
    """``leads-2.csv`` for ``leads.csv`` and 2."""
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(os.fsencode(ending)) > _LONGEST_ENDING:
        stem, tail = name, f"-{number}"
    else:
        tail = f"-{number}.{ending}"
    room = LONGEST_NAME - len(os.fsencode(tail))
    return os.fsdecode(os.fsencode(stem)[:room]) + tail


class IrregularFileError(OSError):
    """What a path names is no regular file: a device, a named pipe or the like."""


def is_shell_pipe(path: Path) -> bool:
    """Whether it is an open pipe of this process, as a shell makes for ``<(…)`` or /dev/stdin.

    No other pipe: a named one in a folder waits for ever where nobody writes into it.
    """
    try:
        return str(path.absolute()).startswith(_DESCRIPTORS) and stat.S_ISFIFO(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def refuse_irregular(path: Path) -> None:
    """Raise IrregularFileError where a path names neither a regular file nor a folder.

    Nothing is opened: a pipe waits for its writer, and opening a device may do something. What a
    path names in vain raises nothing here.
    """
    try:
        mode = path.stat().st_mode
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(mode) and is_of_the_system(real):
        # Their sizes are none, or invented; some wait for ever.
        raise _irregular("a view into the operating system, not a file on a disk")
    if stat.S_ISFIFO(mode) and not is_shell_pipe(path):
        raise _irregular("a named pipe, not a file")
    for is_kind, what in _KINDS:
        if is_kind(mode):
            raise _irregular(what)


def is_of_the_system(path: str | os.PathLike[str]) -> bool:
    """Whether an absolute path without links lies in a file system that holds no files."""
    text = os.fspath(path)
    return os.name == "posix" and any(text == at or text.startswith(f"{at}/") for at in _SYSTEM)


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a small file or of a shell's pipe, at most one more than `limit`.

    Raises OSError: IrregularFileError for a device or a named pipe, before anything is read.
    """
    refuse_irregular(path)
    with path.open("rb") as file:
        return file.read(limit + 1)


def _irregular(what: str) -> IrregularFileError:
    return IrregularFileError(
        errno.EINVAL, f"it is {what}: copy what it gives into a file, and name that"
    )


_DESCRIPTORS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/", f"/proc/{os.getpid()}/fd/")
_SYSTEM = ("/proc", "/sys")
_KINDS = (
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
)


def similar_file(path: Path, suffixes: Collection[str] = ()) -> Path | None:
    """The file beside a missing one that is likely meant, if any: of these suffixes, where given.

    Names are compared without their suffix, which all have in common: that `nowhere.xlsx` and
    `r.xlsx` end alike says nothing.
    """
    stem, best = path.stem.casefold(), (_LIKE, "")
    try:
        with os.scandir(path.parent) as found:
            for entry in itertools.islice(found, _LOOK_AT):
                name = Path(entry.name)
                if entry.name.startswith(("~$", ".")) or not entry.is_file():
                    continue
                if suffixes and name.suffix.lower() not in suffixes:
                    continue
                like = difflib.SequenceMatcher(None, stem, name.stem.casefold()).ratio()
                same_kind = name.suffix.lower() == path.suffix.lower()
                best = max(best, (like + 0.001 * same_kind, entry.name))
    except (OSError, ValueError):
        return None
    return path.with_name(best[1]) if best[1] else None


_LIKE = 0.7
"""How alike two names are that may be meant for each other: one letter in four may differ."""
_LOOK_AT = 2000


def _unwritable(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or type(error).__name__
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        reason = "there is a file of that name, not a folder"
    if error.errno == errno.ENOSPC:
        return OutputError(f"{path}: the disk is full", "Make room, then run the command again.")
    hint = "Choose another folder, or mend the permissions of this one."
    return OutputError(f"{path}: cannot be written: {reason}", hint)


# Commands of ours as they are typed: one line, quoted for this system's shell. Every command that a
# message tells people to type is put together here, so that it can be pasted as it stands.

PROGRAM = "vcc-import"
STANDARD_INPUT = Path("-")

_SAFE_ON_WINDOWS = re.compile(r"[\w.,:\\/+@=~-]+")


_NO_TEXT = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f]")
_ESCAPED = re.compile(r"[\ud800-\udfff\x00-\x1f\x7f'\\]")


def _in_octal(found: re.Match[str]) -> str:
    """A byte of a name as ``$'…'`` of POSIX takes it, which bash, zsh and ksh know."""
    if found[0] in "'\\":
        return f"\\{found[0]}"
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(found[0]))


def quoted(word: str | os.PathLike[str]) -> str:
    """A word as the shell takes it for one: of POSIX, or cmd and PowerShell on Windows."""
    text = os.fspath(word)
    if os.name == "posix" and _NO_TEXT.search(text):
        return f"$'{_ESCAPED.sub(_in_octal, text)}'"
    if os.name != "nt":
        return shlex.quote(text)
    if _SAFE_ON_WINDOWS.fullmatch(text):
        return text
    # As programs on Windows read their command line: a backslash counts only before a quote.
    return '"' + re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + ('\\"' if m[2] else ""), text) + '"'


def command(*words: str | os.PathLike[str]) -> str:
    """A command of ours on one line, however long, since it is there to be copied."""
    return " ".join([PROGRAM, *map(quoted, words)])


def argument(path: Path) -> str:
    """A path as a word of a command line, which is not taken for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") and path != STANDARD_INPUT else text


def nearby(path: str | Path) -> str:
    """A path as an argument, short where it lies below the working directory."""
    try:
        return argument(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return argument(Path(path))


def value_word(value: object) -> str:
    """An option's value as it is typed."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Sequence | frozenset) and not isinstance(value, str):
        return ",".join(map(value_word, sorted(value)))
    return str(value)
