"""Files on servers: listed, fetched, and moved on their server.

Rules:
- A fetched file is whole or absent, readable by its owner only, under a name that is safe here.
- A file that changes while it is fetched is still being written: it is left for later.
- Nothing on a server is deleted or overwritten, and a file is moved only if it is still the one
  that was fetched.
- Every request has a time limit, so that a server that hangs does not block the round.
- Messages show addresses without password and query.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import re
import shutil
import unicodedata
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import unquote

from importer.errors import OutputError, SourceError, UsageError
from importer.files import free_name, make_private_folder, numbered, replacing
from importer.operations.inbox import is_unfinished
from importer.operations.remote_origin import (
    Origin,
    RemoteEntry,
    RemoteTimes,
    RemoteURL,
    is_remote,
    parse,
)
from importer.sources.inputfile import SPOOL_LIMIT

MOVE_SECONDS = 1800.0
"""S3 copies a file in order to move it."""
_SPARE = 64 << 20
"""Bytes of a disk that a fetched file leaves free."""
_MIB = 1 << 20
_LONGEST = 150
"""Bytes of a local name: what is put around it on the way must fit into 255."""
_NAMESAKES = 1000
_EXTRA = 'pip install "vcc-importer[remote]"'
_WILD = frozenset("*?[")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\..*)?", re.IGNORECASE
)
Result = TypeVar("Result")


class StillArrivingError(SourceError):
    """A remote file has changed a moment ago: somebody is writing it. It is left for later."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a server, as it was when it was listed.

    `url` and `name` are fit for messages and for a folder here; `path` is the server's own.
    `size` and `modified` (seconds since 1970, by the server's clock) are None where the server
    does not tell.
    """

    url: str
    name: str
    size: int | None
    modified: float | None
    path: str

    def quiet_for(self, now: float) -> float | None:
        """Seconds since it was last written, by its server's clock and ours; None where unknown."""
        return None if self.modified is None else max(0.0, now - self.modified)


class RemotePlace:
    """The files that an address with wildcards names; a context manager, not for a running loop.

    Methods raise SourceError for trouble with the server, UsageError for the jobs file's mistakes.
    """

    def __init__(self, url: RemoteURL, origin: Origin, times: RemoteTimes) -> None:
        self._url = url
        self._origin = origin
        self._times = times
        # Not the event loop that runs everything else: a connection outlasts one question.
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        try:
            # Twice: to reach the server, and to prove who we are.
            self._answer(self._origin.open(), str(self._url), 2 * self._times.connect)
        except BaseException:
            self._disconnect()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._disconnect()

    def list(self) -> list[RemoteFile]:
        """What is there now, by path; hidden and temporary names are left out.

        Raises SourceError where the folder itself is missing; none of its files is an empty list.
        """
        question = _files_of(self._origin, self._url.path, self._decoded)
        try:
            entries: Sequence[RemoteEntry] = self._answer(
                question, str(self._url), self._times.answer
            )
        except IsADirectoryError:
            raise UsageError(
                f"{self._url}: is a folder", f"Write {self._url}/* for the files in it."
            ) from None
        return sorted(map(self._file, entries), key=attrgetter("path"))

    def fetch(self, file: RemoteFile, folder: Path) -> Path:
        """Copy a file into a folder here, mode 0600, under its safe name; whole or not at all.

        A name that is taken gets a number. Raises StillArrivingError for a file that is not what
        was listed, or changes on the way; OutputError where it has no room.
        """
        before = self._unchanged(file, "was listed")
        make_private_folder(folder)
        _check_room(before.size, folder, file.url)
        target = free_name(folder, file.name)
        with replacing(target) as temporary:
            copying = _copy_blocks(
                self._origin, file.path, temporary, self._times.silence, file.url
            )
            fetched = self._answer(copying, file.url, self._times.fetch)
            if before.size is not None and fetched != before.size:
                self._raise_still_arriving(
                    file, f"{before.size:,} bytes were there and {fetched:,} came"
                )
            self._unchanged(file, "was fetched")
        return target

    def move(self, file: RemoteFile, folder: str, name: str | None = None) -> str | None:
        """Move a fetched file into another folder of its server; return its new address.

        A folder is relative to the file's own, or a path on the server, or an address on it. A
        name that is taken gets a number. None where the protocol cannot move: then only the ledger
        keeps the file from being imported again. Raises StillArrivingError where another file has
        taken its place meanwhile: that one stays.
        """
        if not self._origin.moves:
            return None
        entry = self._unchanged(file, "was fetched")
        where = self._folder(file, folder)
        base = posixpath.basename(file.path) if name is None else name
        if base in ("", ".", "..") or "/" in base:
            raise UsageError("a file's new name is a path", "Give the folder apart from the name.")
        path = self._answer(self._free(where, base), self._url.at(where), self._times.answer)
        self._answer(self._origin.move(entry, path), file.url, MOVE_SECONDS)
        return self._url.at(path)

    async def _free(self, folder: str, name: str) -> str:
        """A path in a folder there that nothing has yet."""
        for number in range(1, _NAMESAKES):
            path = posixpath.join(folder, name if number == 1 else numbered(name, number))
            try:
                await self._origin.look(path)
            except FileNotFoundError:
                return path
        raise SourceError(
            f"{self._url.at(folder)}: holds too many files named {name}",
            "Clear the folder, or keep its files elsewhere.",
        )

    def _unchanged(self, file: RemoteFile, since: str) -> RemoteEntry:
        """The file as it is now; raises StillArrivingError if it is not what it was."""
        try:
            entry = self._answer(
                self._origin.look(file.path), file.url, self._times.answer, missing=False
            )
        except FileNotFoundError:
            raise StillArrivingError(
                f"{file.url}: has gone since it {since}",
                "If somebody else takes files from there, agree on one of you.",
            ) from None
        if (entry.size, entry.modified) != (file.size, file.modified) or entry.folder:
            self._raise_still_arriving(file, f"it is not what it was when it {since}")
        return entry

    def _raise_still_arriving(self, file: RemoteFile, why: str) -> NoReturn:
        raise StillArrivingError(
            f"{file.url}: is still being written ({why})",
            "It is left where it is, and taken the next time if it is still by then.",
        )

    def _answer(
        self,
        question: Coroutine[Any, Any, Result],
        url: str,
        seconds: float,
        *,
        missing: bool = True,
    ) -> Result:
        """Await an answer for at most `seconds`, and turn the server's trouble into SourceError.

        Not `missing`, FileNotFoundError is raised as it is. Errors are not chained: those of
        libraries may hold requests, and with them passwords.
        """

        async def within() -> Result:
            async with asyncio.timeout(seconds):
                return await question

        try:
            return self._runner.run(within())
        except TimeoutError:
            raise SourceError(
                f"{url}: the server does not answer in time",
                "It is tried again the next time. If it goes on, ask its owner.",
            ) from None
        except IsADirectoryError:
            raise
        except FileNotFoundError:
            if not missing:
                raise
            raise SourceError(
                f"{url}: there is no such {self._container}", "Check the address, or make it."
            ) from None
        except self._origin.errors as error:
            what, hint = self._origin.explain(error)
            raise SourceError(f"{url}: {what}", hint) from None

    def _disconnect(self) -> None:
        """Close the connection; what goes wrong with that does not matter any more."""
        try:
            self._answer(self._origin.close(), str(self._url), self._times.connect)
        except SourceError:
            pass
        finally:
            self._runner.close()

    @property
    def _container(self) -> str:
        return "bucket" if self._url.scheme == "s3" else "folder"

    def _file(self, entry: RemoteEntry) -> RemoteFile:
        name = _safe_name(self._decoded(entry.base))
        return RemoteFile(self._url.at(entry.path), name, entry.size, entry.modified, entry.path)

    def _decoded(self, part: str) -> str:
        return unquote(part) if self._url.scheme in ("https", "http") else part

    def _folder(self, file: RemoteFile, folder: str) -> str:
        if is_remote(folder):
            scheme, _, rest = folder.partition("://")
            place, slash, path = rest.partition("/")
            own = self._url.at("").partition("://")[2]
            host = own.rpartition("@")[2]
            if scheme.lower() != self._url.scheme or place.rpartition("@")[2].lower() != host:
                raise UsageError(
                    f"{self._url}: files cannot be moved from there to another server",
                    "Name a folder on the same server, or one relative to the file's own.",
                )
            folder = slash + path
        joined = posixpath.join(posixpath.dirname(file.path), folder)
        return posixpath.normpath(joined).replace("//", "/")


def remote_place(
    pattern: str,
    *,
    variables: Mapping[str, str] | None = None,
    times: RemoteTimes | None = None,
) -> RemotePlace:
    """The place that an address of a jobs file names; entering it connects.

    `variables` (the environment) hold what ``${NAME}`` stands for. Raises UsageError for an
    unusable address, and where the extra that its protocol needs is not installed.
    """
    known = os.environ if variables is None else variables
    url = parse(pattern, known)
    return RemotePlace(url, _origin_of(url, known), RemoteTimes() if times is None else times)


def _origin_of(url: RemoteURL, variables: Mapping[str, str]) -> Origin:
    # Each library is heavy, and imported only for an address that needs it.
    try:
        match url.scheme:
            case "sftp":
                from importer.operations.remote_sftp import SftpOrigin

                return SftpOrigin(url, variables)
            case "s3":
                from importer.operations.remote_s3 import S3Origin

                return S3Origin(url, variables)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"files of {url.scheme}:// need {error.name}, which is not installed",
            f"Install it: {_EXTRA}",
        ) from error
    from importer.operations.remote_https import HttpsOrigin

    return HttpsOrigin(url, variables)


# Which files a path with wildcards means.

_Decoded = Callable[[str], str]
"""How a part of a path reads as a name."""


async def _files_of(origin: Origin, path: str, decoded: _Decoded) -> list[RemoteEntry]:
    """Every file that a path names; one that ends with a slash names all files in that folder.

    Hidden and temporary names match no wildcard. Raises FileNotFoundError where the folder before
    the first wildcard is missing, and IsADirectoryError where the path is a folder.
    """
    parts = f"{path}*".split("/") if path.endswith("/") else path.split("/")
    wild = next((n for n, part in enumerate(parts) if _WILD & set(part)), None)
    if wild is not None:
        folder = "/".join(parts[:wild]) or "/"
        return await _matching(origin, await origin.entries(folder), parts[wild:], decoded)
    entry = await _look_or_none(origin, path)
    if entry is not None and entry.folder:
        raise IsADirectoryError(path)
    return [] if entry is None else [entry]


async def _matching(
    origin: Origin, entries: list[RemoteEntry], parts: list[str], decoded: _Decoded
) -> list[RemoteEntry]:
    """The files that fit the parts of a path, of which the first has a wildcard."""
    pattern, rest = decoded(parts[0]), parts[1:]
    found: list[RemoteEntry] = []
    for entry in entries:
        name = decoded(entry.base)
        if is_unfinished(name) or not fnmatchcase(name, pattern) or entry.folder != bool(rest):
            continue
        if rest:
            found += await _files_below(origin, entry.path, rest, decoded)
            continue
        # Pages of links tell neither size nor time.
        told = entry.size is not None or entry.modified is not None
        if (seen := entry if told else await _look_or_none(origin, entry.path)) is not None:
            found.append(seen)
    return found


async def _files_below(
    origin: Origin, folder: str, parts: list[str], decoded: _Decoded
) -> list[RemoteEntry]:
    wild = next((n for n, part in enumerate(parts) if _WILD & set(part)), None)
    if wild is None:
        entry = await _look_or_none(origin, posixpath.join(folder, *parts))
        return [] if entry is None or entry.folder else [entry]
    try:
        entries = await origin.entries(posixpath.join(folder, *parts[:wild]))
    except FileNotFoundError:
        return []
    return await _matching(origin, entries, parts[wild:], decoded)


async def _look_or_none(origin: Origin, path: str) -> RemoteEntry | None:
    try:
        return await origin.look(path)
    except FileNotFoundError:
        return None


# A file's bytes onto the disk, within limits.


async def _copy_blocks(origin: Origin, path: str, target: Path, silence: float, shown: str) -> int:
    """Write a file's bytes to `target`, block by block; return their number.

    Raises TimeoutError where nothing comes for `silence` seconds, SourceError for a file over
    the limit, and OutputError where the disk fails.
    """
    size = 0
    # Nothing is kept back in a buffer, so that a full disk is noticed where it is written to.
    with target.open("r+b", buffering=0) as out:
        async with contextlib.aclosing(origin.blocks(path)) as blocks:
            while True:
                async with asyncio.timeout(silence):
                    block = await anext(blocks, None)
                if block is None:
                    return size
                size += len(block)
                if size > SPOOL_LIMIT:
                    raise _too_large(shown)
                _write(out.fileno(), block, shown, target.parent)


def _check_room(size: int | None, folder: Path, shown: str) -> None:
    """Raise SourceError for a size over the limit, and OutputError for one over what is free."""
    if size is None:
        return
    if size > SPOOL_LIMIT:
        raise _too_large(shown)
    room = max(0, shutil.disk_usage(folder).free - _SPARE)
    if size > room:
        raise OutputError(
            f"{shown}: has {size / _MIB:,.1f} MiB, and the disk of {folder} has room for "
            f"{room / _MIB:,.1f} MiB",
            "Make room on that disk; the file is fetched again then.",
        )


def _write(descriptor: int, block: bytes, shown: str, folder: Path) -> None:
    """Write all of a block; raises OutputError, so that the disk is not taken for the network."""
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{shown}: cannot be kept in {folder}: {reason}",
            "Make room on that disk, or mend the folder's permissions; the file is fetched again "
            "then.",
        ) from error


def _too_large(shown: str) -> SourceError:
    return SourceError(
        f"{shown}: is larger than the limit of {SPOOL_LIMIT // _MIB:,} MiB",
        "Divide it into several files.",
    )


# Names that other people's servers give to files, made fit for a folder of ours.


def _safe_name(name: str) -> str:
    """A plain file name that is valid on every system: no path, never hidden or a device.

    The extension stays, since it tells the kind of file. Two names may become one.
    """
    name = unicodedata.normalize("NFC", name)
    name = "".join(letter if letter.isprintable() else "_" for letter in name)
    name = _FORBIDDEN.sub("_", name).strip().rstrip(". ")
    if name.startswith((".", "-", "~")):
        name = f"_{name[1:]}"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return _shortened(name) or "file"


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or not stem or len(ending.encode()) > 16:
        stem, ending = name, ""
    tail = f".{ending}" if ending else ""
    room = _LONGEST - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + tail
