"""Files in S3 and what speaks its protocol, by s3fs.

Keys, region, profile and endpoint come from where every tool of AWS looks: ``AWS_…`` variables,
``~/.aws``, the machine's role. A move is a copy, compared with what it was made of, and then the
removal of the original.

fsspec names its coroutines with a leading underscore (``_info``, ``_cp_file``); its page on
asynchronous use documents them as the interface for callers with an event loop of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import s3fs  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from importer.api.request import is_loopback
from importer.errors import UsageError
from importer.operations.remote_origin import (
    BLOCK,
    CONNECT_SECONDS,
    LISTED,
    SILENCE_SECONDS,
    RemoteEntry,
    RemoteURL,
)


class S3Origin:
    """A bucket; what has a slash at the end of its key is a folder."""

    errors: ClassVar[tuple[type[Exception], ...]] = (
        BotoCoreError,
        ClientError,
        OSError,
        ValueError,
    )
    moves: ClassVar[bool] = True

    def __init__(self, url: RemoteURL, variables: Mapping[str, str]) -> None:
        del variables  # boto reads its own
        self._url = url
        self._files: Any = None
        self._session: Any = None

    async def open(self) -> None:
        """Make a client; raises UsageError for an endpoint that is plain http."""
        self._files = s3fs.S3FileSystem(
            asynchronous=True,
            loop=asyncio.get_running_loop(),
            skip_instance_cache=True,
            use_listings_cache=False,
            config_kwargs={"connect_timeout": CONNECT_SECONDS, "read_timeout": SILENCE_SECONDS},
        )
        self._session = await self._files.set_session()
        endpoint = urlsplit(self._session.meta.endpoint_url)
        if endpoint.scheme != "https" and not is_loopback(endpoint.hostname or ""):
            raise UsageError(
                f"plain http to {endpoint.hostname} would carry personal data in the clear",
                "Let AWS_ENDPOINT_URL (or endpoint_url in ~/.aws/config) begin with https://.",
            )

    async def close(self) -> None:
        """Let go of the client's connections."""
        if self._session is not None:
            await self._session.close()

    async def entries(self, folder: str) -> list[RemoteEntry]:
        """What lies under a prefix; none is an empty list, since S3 knows no empty folders."""
        found = await self._files._lsdir(self._key(folder), refresh=True, max_items=LISTED + 1)
        if len(found) > LISTED:
            raise ValueError(f"more than {LISTED:,} files under this prefix")
        entries = (self._entry(item) for item in found)
        # A "folder" that a console made is an empty object with the folder's own name.
        return [entry for entry in entries if entry.base and entry.path != folder]

    async def look(self, path: str) -> RemoteEntry:
        """An object, or a prefix under which there are some."""
        return self._entry(await self._files._info(self._key(path), refresh=True))

    async def blocks(self, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of an object."""
        file = await self._files.open_async(self._key(path), "rb")
        while block := await file.read(BLOCK):
            yield block

    async def move(self, entry: RemoteEntry, path: str) -> None:
        """Copy, compare, and remove the original if it is still what was copied."""
        await self._files._cp_file(self._key(entry.path), self._key(path))
        copied, original = await self.look(path), await self.look(entry.path)
        if copied.size != entry.size or original != entry:
            raise ValueError("changed while it was moved: it stays, beside its copy")
        await self._files._rm_file(self._key(entry.path))

    def explain(self, error: Exception) -> tuple[str, str]:
        """What went wrong, and what to do next."""
        match error:
            case NoCredentialsError() | PartialCredentialsError():
                return (
                    "there are no credentials for S3",
                    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, where this "
                    "is started.",
                )
            case PermissionError():
                return (
                    "S3 forbids it",
                    "The key needs s3:ListBucket and s3:GetObject, and to move files "
                    "s3:PutObject and s3:DeleteObject.",
                )
            case SSLError():
                return (
                    "the server's certificate is not trusted",
                    "Name its CA file in AWS_CA_BUNDLE.",
                )
            case EndpointConnectionError() | ConnectTimeoutError() | ReadTimeoutError():
                return (
                    "S3 cannot be reached",
                    "Check AWS_ENDPOINT_URL, the region and the network, then try again.",
                )
            case ValueError():
                return str(error), "Check the address and the files there."
        reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        return f"S3 fails: {reason}", "Try again; then ask the bucket's owner."

    def _key(self, path: str) -> str:
        return f"{self._url.host}/{path.strip('/')}".rstrip("/")

    def _entry(self, item: Mapping[str, Any]) -> RemoteEntry:
        key = str(item["name"])[len(self._url.host) :]
        modified = item.get("LastModified")
        return RemoteEntry(
            path=key,
            folder=item["type"] == "directory",
            size=item["size"],
            modified=modified.timestamp() if isinstance(modified, datetime) else None,
        )
