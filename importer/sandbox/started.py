"""A sandbox in a process of its own, started by another of our programs and ended with it.

Ctrl-C does not reach it: what is in flight when a run is interrupted is still answered. It ends
when its standard input does, however its parent died.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from importer.errors import ServiceError

READY = "Sandbox ready at "
"""What the sandbox prints before its base URL, once it answers."""
DATABASE, PROJECT = "sandbox.sqlite3", "project.yaml"
"""Its records, and what it serves, in its folder."""
_PATIENCE = 10.0
"""Seconds that a sandbox has to end by itself."""
_NEW_PROCESS_GROUP = 0x200
"""Windows' CREATE_NEW_PROCESS_GROUP, which the module subprocess has on Windows only."""


@dataclass(frozen=True, slots=True)
class StartedSandbox:
    """A sandbox that answers at `base_url`, for as long as it is `alive`."""

    base_url: str
    process: subprocess.Popen[str]

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return self.process.poll() is None


@contextlib.contextmanager
def started_sandbox(
    folder: Path, environment: Mapping[str, str], port: int = 0
) -> Iterator[StartedSandbox]:
    """Start a sandbox on the database and the project file of a folder; it ends with the block.

    `environment` holds its user and key. `port` 0 is any free one. Blocks until it answers; raises
    ServiceError where it does not start.
    """
    command = [sys.executable, "-m", "importer", "sandbox", "--with-parent", "--port", str(port)]
    command += ["--db", str(folder / DATABASE), "--project", str(folder / PROJECT)]
    apart: dict[str, Any] = (
        {"creationflags": _NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        **apart,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith(READY):
                raise ServiceError(
                    "the sandbox did not start", "What it said stands above this line."
                )
            yield StartedSandbox(line.removeprefix(READY).strip(), process)
        finally:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
