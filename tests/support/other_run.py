"""A process of its own that holds a project, as a run that is sending to it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLDER = """
import sys
from pathlib import Path
from importer.operations.guarded import target_lock
from importer.pipeline.running import StopSwitch
runs, base_url, project = sys.argv[1:]
with target_lock(Path(runs), base_url, int(project), wait=0, stop=StopSwitch()):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_run_sending(runs: Path, base_url: str, project: int) -> Iterator[None]:
    """Hold the project until the end of the block, where the holder is killed as a crash kills.

    The lock's file stays behind, and must hold nobody up.
    """
    command = [sys.executable, "-c", _HOLDER, str(runs), base_url, str(project)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            other.kill()
            other.wait()
