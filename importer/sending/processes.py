"""Sender processes: Python programs of our own at the other end of two pipes.

They are started as programs, not forked, so that it is the same on every system and in every
caller's program. They are deaf to Ctrl-C, which reaches all processes of a terminal: the
coordinator has them finish what is in flight. When it is gone, however it went, they are gone
too, by the kernel's word on Linux; elsewhere their standard input ends, and they begin nothing
more. What they need to know, the key too, goes through the pipe: it stands in no command line and
no environment of theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from importer.sending.frames import HEAD, Kind, frame_length, framed
from importer.sending.lease import awake_or_asleep
from importer.sending.remote import Link
from importer.settings import API_KEY_VARIABLE

_COMMAND = (sys.executable, "-m", "importer.sending.sender")
_PATIENCE = 5.0
"""Seconds that a sender has to end by itself once its pipe is closed."""


@dataclass(frozen=True, slots=True)
class ProcessLink:
    """A way to a sender process."""

    name: str
    process: asyncio.subprocess.Process

    @property
    def clock(self) -> float:
        """The clock of this machine, which both ends are on."""
        return awake_or_asleep()

    def send(self, frame: bytes) -> None:
        """Send a frame; the pipe's buffer is bounded by what the coordinator grants."""
        pipe = self.process.stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(frame)

    async def frames(self) -> AsyncIterator[bytes]:
        """What the process says, until it ends."""
        pipe = self.process.stdout
        if pipe is None:
            raise RuntimeError("a sender process without a pipe")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await pipe.readexactly(HEAD)
                yield await pipe.readexactly(frame_length(head))


@contextlib.asynccontextmanager
async def sender_processes(setups: Sequence[bytes]) -> AsyncIterator[Sequence[Link]]:
    """Start a sender for each setup, and end them all when the block ends."""
    links: list[ProcessLink] = []
    try:
        for setup in setups:
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                str(os.getpid()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={k: v for k, v in os.environ.items() if k != API_KEY_VARIABLE},
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                start_new_session=sys.platform != "win32",
            )
            links.append(ProcessLink(f"sender process {process.pid}", process))
            links[-1].send(framed(Kind.SETUP, setup))
        yield links
    finally:
        await asyncio.gather(*(_ended(link.process) for link in links))


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process; its standard input's end tells it to."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
