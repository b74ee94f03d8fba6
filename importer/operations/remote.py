"""Files that lie elsewhere: found, fetched whole, and put aside where they came from.

Rules:
- A file is here whole or not at all, its owner's alone, under a name that is safe here.
- A file that changes while it is fetched is still being written: it is left for later.
- Nothing elsewhere is ever deleted or overwritten, and a file is moved only if it is still the
  one that was fetched.
- Every question has a time limit, so that a server that hangs does not hold the night.
- What is said of an address has neither its password nor its query.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import unquote

from importer.errors import SourceError, UsageError
from importer.files import make_private_folder, replacing
from importer.operations.remote_copy import check_room, copied
from importer.operations.remote_names import free_name, numbered, safe_name
from importer.operations.remote_origin import Entry, Origin, RemoteTimes
from importer.operations.remote_search import files_of
from importer.operations.remote_url import RemoteURL, is_remote, parse

__all__ = [
    "RemoteFile",
    "RemotePlace",
    "RemoteTimes",
    "StillArrivingError",
    "is_remote",
    "remote_place",
]

MOVE_SECONDS = 1800.0
"""S3 copies a file in order to move it."""

_NAMESAKES = 1000
_EXTRA = 'pip install "vcc-importer[remote]"'

Result = TypeVar("Result")


class StillArrivingError(SourceError):
    """A remote file is not what it was a moment ago: somebody writes it. It is left for later."""


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
        """For how many seconds nobody has written it, by two clocks; None where nobody knows."""
        return None if self.modified is None else max(0.0, now - self.modified)


class RemotePlace:
    """The files that an address with wildcards means; a context manager, not for a running loop.

    Its methods raise SourceError for what the server does or does not do, and UsageError for
    what the jobs file says.
    """

    def __init__(self, url: RemoteURL, origin: Origin, times: RemoteTimes) -> None:
        self._url = url
        self._origin = origin
        self._times = times
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        try:
            # Twice: to reach the server, and to prove who we are.
            self._ask(self._origin.open(), str(self._url), 2 * self._times.connect)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._leave()

    def list(self) -> list[RemoteFile]:
        """What is there now, by path; hidden and temporary names are left out.

        Raises SourceError where the folder itself is missing; none of its files is an empty list.
        """
        question = files_of(self._origin, self._url.path, self._decoded)
        try:
            entries: Sequence[Entry] = self._ask(question, str(self._url), self._times.answer)
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
        check_room(before.size, folder, file.url)
        target = free_name(folder, file.name)
        with replacing(target) as temporary:
            copying = copied(self._origin, file.path, temporary, self._times.silence, file.url)
            fetched = self._ask(copying, file.url, self._times.fetch)
            if before.size is not None and fetched != before.size:
                self._arriving(file, f"{before.size:,} bytes were there and {fetched:,} came")
            self._unchanged(file, "was fetched")
        return target

    def move(self, file: RemoteFile, folder: str, name: str | None = None) -> str | None:
        """Put a fetched file into another folder of its server; give its new address.

        A folder is relative to the file's own, or a path on the server, or an address on it. A
        name that is taken gets a number. None where the protocol cannot move: then only the
        ledger keeps the file from being imported again. Raises StillArrivingError where another
        file has taken its place meanwhile: that one stays.
        """
        if not self._origin.moves:
            return None
        entry = self._unchanged(file, "was fetched")
        where = self._folder(file, folder)
        base = posixpath.basename(file.path) if name is None else name
        if base in ("", ".", "..") or "/" in base:
            raise UsageError("a file's new name is a path", "Give the folder apart from the name.")
        path = self._ask(self._free(where, base), self._url.at(where), self._times.answer)
        self._ask(self._origin.move(entry, path), file.url, MOVE_SECONDS)
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

    def _unchanged(self, file: RemoteFile, since: str) -> Entry:
        """The file as it is now; raises StillArrivingError if it is not what it was."""
        try:
            entry = self._ask(
                self._origin.look(file.path), file.url, self._times.answer, missing=False
            )
        except FileNotFoundError:
            raise StillArrivingError(
                f"{file.url}: has gone since it {since}",
                "If somebody else takes files from there, agree on one of you.",
            ) from None
        if (entry.size, entry.modified) != (file.size, file.modified) or entry.folder:
            self._arriving(file, f"it is not what it was when it {since}")
        return entry

    def _arriving(self, file: RemoteFile, why: str) -> NoReturn:
        raise StillArrivingError(
            f"{file.url}: is still being written ({why})",
            "It is left where it is, and taken the next time if it is still by then.",
        )

    def _ask(
        self,
        question: Coroutine[Any, Any, Result],
        url: str,
        seconds: float,
        *,
        missing: bool = True,
    ) -> Result:
        """Await an answer within its time, and put trouble into words; `missing` is trouble, too.

        Errors are not chained: those of libraries may hold requests, and with them passwords.
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

    def _leave(self) -> None:
        """Close the connection, which is of no more use, however it takes that."""
        try:
            self._ask(self._origin.close(), str(self._url), self._times.connect)
        except SourceError:
            pass
        finally:
            self._runner.close()

    @property
    def _container(self) -> str:
        return "bucket" if self._url.scheme == "s3" else "folder"

    def _file(self, entry: Entry) -> RemoteFile:
        name = safe_name(self._decoded(entry.base))
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
    """The place that an address of a jobs file means; enter it to connect.

    `variables` (the environment) hold what ``${NAME}`` stands for. Raises UsageError for an
    address that is unusable, and where the extra that its protocol needs is not installed.
    """
    known = os.environ if variables is None else variables
    url = parse(pattern, known)
    return RemotePlace(url, _origin(url, known), RemoteTimes() if times is None else times)


def _origin(url: RemoteURL, variables: Mapping[str, str]) -> Origin:
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
