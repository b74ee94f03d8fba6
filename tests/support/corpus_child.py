"""A process that reads sheets until it is told no more: what kills it or keeps it is seen outside.

Run as a program, it takes the path of a file on each line of its standard input, reads that file
whole, and answers with one line: ``read N``, ``refused``, or ``broke`` and the exception.
"""

from __future__ import annotations

import resource
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = 4 * 2**30
"""Bytes of address space: what a file of some kilobytes takes beyond them is an attack."""


class Reader:
    """The process from outside; it is started when it is needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path, seconds: float) -> str:
        """The answer for a file; ``died`` or ``hung`` where there is none."""
        process = self._process = self._process or _started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{path}\n".encode())
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(seconds)
        answer = process.stdout.readline().decode().strip() if answered else "hung"
        if not answered or not answer:
            self.close()
        return answer or f"died: {process.returncode}"

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.corpus_child"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def reader() -> Iterator[Reader]:
    """A process that is there as long as the block."""
    found = Reader()
    try:
        yield found
    finally:
        found.close()


def _answer(path: Path) -> str:
    from importer.errors import ImporterError
    from importer.settings import SourceOptions
    from importer.sources import open_source

    try:
        with open_source(path, SourceOptions()) as source:
            return f"read {sum(len(batch) for batch in source.batches())}"
    except ImporterError as error:
        return "refused" if error.hint else f"broke: no hint with {error.message!r}"
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is what the test is about
        return f"broke: {error!r}"


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        print(_answer(Path(line.rstrip("\n"))), flush=True)  # noqa: T201 -- the answer


if __name__ == "__main__":
    _main()
