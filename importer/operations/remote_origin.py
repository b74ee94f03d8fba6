"""What a server of files can be asked, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import ClassVar, Protocol

BLOCK = 1 << 18
"""Bytes that are read at a time."""

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 120.0
"""The longest that a question may take: a large folder is listed within it."""

SILENCE_SECONDS = 60.0
"""The longest that a file may stand still on its way here."""

LISTED = 100_000
"""Names in a folder beyond which it is not an inbox."""


@dataclass(frozen=True, slots=True)
class RemoteTimes:
    """The longest that each thing may take, in seconds; `fetch` is a whole file."""

    connect: float = CONNECT_SECONDS
    answer: float = ANSWER_SECONDS
    silence: float = SILENCE_SECONDS
    fetch: float = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder as its server describes it; None is what the server does not tell.

    `modified` is in seconds since 1970 by the server's clock.
    """

    path: str
    folder: bool
    size: int | None
    modified: float | None

    @property
    def base(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Origin(Protocol):
    """A connection to a server; paths begin with a slash.

    Methods raise FileNotFoundError for what is not there, and one of `errors` for any other
    trouble, which `explain` puts into words: what it is, and what to do about it.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    moves: ClassVar[bool]

    async def open(self) -> None:
        """Connect and prove who we are."""

    async def close(self) -> None:
        """Let go of the connection."""

    async def entries(self, folder: str) -> list[Entry]:
        """What a folder holds directly."""

    async def look(self, path: str) -> Entry:
        """One file or folder as it is now."""

    def blocks(self, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""

    async def move(self, entry: Entry, path: str) -> None:
        """Give a file another path where nothing is yet; folders on the way are made."""

    def explain(self, error: Exception) -> tuple[str, str]:
        """What went wrong and what to do next, without anything secret."""
