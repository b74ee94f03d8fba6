"""Files on SFTP servers, by asyncssh.

Rules:
- A server's key stands in known_hosts, or nothing is said to it. An SSH configuration that turns
  this off (``UserKnownHostsFile none``) is refused.
- Who we are comes from the address, the SSH configuration, its keys and the SSH agent.
- A rename never lands on a file that is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import stat
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar, cast

import asyncssh

from importer.errors import UsageError
from importer.operations.remote_origin import BLOCK, CONNECT_SECONDS, LISTED, RemoteEntry, RemoteURL

SSH_CONFIG_VARIABLE = "VCC_SSH_CONFIG"
"""Names an SSH configuration to use instead of ~/.ssh/config."""

_KEEPALIVE_SECONDS = 15
_HOME = "/~"

_CLOSE_SECONDS = 1.0


class SftpOrigin:
    """An SFTP session; ``/~/inbox`` is a path in the user's home there."""

    errors: ClassVar[tuple[type[Exception], ...]] = (asyncssh.Error, OSError, ValueError)
    moves: ClassVar[bool] = True

    def __init__(self, url: RemoteURL, variables: Mapping[str, str]) -> None:
        self._url = url
        self._config = variables.get(SSH_CONFIG_VARIABLE)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._session: asyncssh.SFTPClient | None = None

    async def open(self) -> None:
        """Connect; raises UsageError where the server's key would not be verified."""
        how = self._how()
        host, port = self._url.host.strip("[]"), self._url.port or ()
        options = asyncssh.SSHClientConnectionOptions(host=host, port=port, **how)
        if options.known_hosts is None:
            raise UsageError(
                f"{self._url}: the SSH configuration turns the check of host keys off",
                "Take `UserKnownHostsFile none` out of it and put the server's key into "
                "known_hosts.",
            )
        self._connection = await asyncssh.connect(host, port, **how)
        self._session = await self._connection.start_sftp_client(path_errors="surrogateescape")

    async def close(self) -> None:
        """End the session and wait until the connection is gone."""
        if self._session is not None:
            self._session.exit()
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()

    async def entries(self, folder: str) -> list[RemoteEntry]:
        """What a folder holds; names that are paths are somebody's trick and left out."""
        found: list[RemoteEntry] = []
        try:
            async for item in self._sftp.scandir(_there(folder)):
                # Text, since the session decodes; typed as either.
                name = str(item.filename)
                if name in ("", ".", "..") or "/" in name:
                    continue
                path = posixpath.join(folder, name)
                mode = item.attrs.permissions
                if mode is None or stat.S_ISLNK(mode):
                    try:
                        found.append(await self.look(path))
                    except FileNotFoundError:
                        continue
                elif stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                    found.append(_entry(path, item.attrs))
                if len(found) > LISTED:
                    raise ValueError(f"the folder holds more than {LISTED:,} files")
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise FileNotFoundError(folder) from error
        return found

    async def look(self, path: str) -> RemoteEntry:
        """A file or folder, links followed."""
        try:
            return _entry(path, await self._sftp.stat(_there(path)))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise FileNotFoundError(path) from error

    async def blocks(self, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""
        file = await self._sftp.open(_there(path), "rb")
        try:
            # Bytes, since the mode says so.
            while block := cast("bytes", await file.read(BLOCK)):
                yield block
        finally:
            # A server that has stopped answering does not answer this either.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await file.close()

    async def move(self, entry: RemoteEntry, path: str) -> None:
        """Rename on the server."""
        await self._sftp.makedirs(_there(posixpath.dirname(path)), exist_ok=True)
        # Not posix_rename: that one replaces what has the name already.
        await self._sftp.rename(_there(entry.path), _there(path))

    def explain(self, error: Exception) -> tuple[str, str]:
        """What went wrong, and what to do next."""
        host = self._url.host
        match error:
            case asyncssh.HostKeyNotVerifiable():
                port = "" if self._url.port is None else f"-p {self._url.port} "
                return (
                    "the server's host key is not known, or is another one than before",
                    f"Ask its owner for the key's fingerprint, compare it with `ssh-keyscan "
                    f"{port}{host}`, and only then add that line to ~/.ssh/known_hosts of the "
                    "user who runs this.",
                )
            case asyncssh.PermissionDenied():
                return (
                    "the server does not let us in",
                    "Check the user, and the key (SSH agent, ~/.ssh or the SSH configuration) or "
                    "the password's variable; the owner of the server has to know the key.",
                )
            case asyncssh.KeyExchangeFailed() | asyncssh.ProtocolNotSupported():
                return "the server and we know no common cipher or protocol", "Ask its owner."
            case asyncssh.SFTPPermissionDenied() | PermissionError():
                return "the server forbids it", "Ask its owner for the right to read and rename."
            case asyncssh.SFTPError():
                return f"the server says {error.reason!r}", "Ask its owner."
            case asyncssh.Error():
                return f"the connection failed: {error.reason!r}", "Try again; then ask its owner."
            case ValueError():
                return str(error), "Check the address and the SSH configuration."
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        return f"cannot be reached: {reason}", "Check host, port and network, then try again."

    @property
    def _sftp(self) -> asyncssh.SFTPClient:
        if self._session is None:
            raise RuntimeError("open() comes first")
        return self._session

    def _how(self) -> dict[str, Any]:
        """What asyncssh should know beyond host and port; all else it finds as ssh does."""
        url, config = self._url, self._config
        if config and not os.access(config, os.R_OK):
            raise UsageError(
                f"{SSH_CONFIG_VARIABLE}: {config} cannot be read",
                "Name an SSH configuration that this user may read.",
            )
        how: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "login_timeout": CONNECT_SECONDS,
            "keepalive_interval": _KEEPALIVE_SECONDS,
        }
        if config:
            how["config"] = [config]
        if url.user is not None:
            how["username"] = url.user
        if url.password is not None:
            how["password"] = url.password.reveal()
        return how


def _there(path: str) -> str:
    """A path as the server takes it: those under ``/~`` are relative to the user's home."""
    if path == _HOME or path.startswith(f"{_HOME}/"):
        return path[len(_HOME) + 1 :] or "."
    return path


def _entry(path: str, attrs: asyncssh.SFTPAttrs) -> RemoteEntry:
    mode = attrs.permissions
    folder = (
        stat.S_ISDIR(mode) if mode is not None else attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY
    )
    return RemoteEntry(
        path, folder, attrs.size, None if attrs.mtime is None else float(attrs.mtime)
    )
