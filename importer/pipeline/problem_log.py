"""All problems of one check, in a file: there may be more than memory should hold.

One JSON object a line, in the order in which they were found: some of a whole column are known
only when all rows were seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

import orjson

from importer.errors import OutputError
from importer.model import Problem, Severity


class ProblemLog:
    """Writes the problems to `path` (mode 0600), or nowhere where that is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
            try:
                self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb")
            except OSError as error:
                raise _unwritable(self._path, error) from error
        return self

    def add(self, problems: Iterable[Problem]) -> None:
        """Append problems; raises OutputError where the disk fails."""
        if self._file is None or self._path is None:
            return
        try:
            self._file.writelines(
                orjson.dumps(problem, default=str, option=orjson.OPT_APPEND_NEWLINE)
                for problem in problems
            )
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self._path is not None:
            try:
                self._file.close()
            except OSError as error:
                raise _unwritable(self._path, error) from error


def logged_problems(path: Path) -> Iterator[Problem]:
    """Read the problems back, one by one: those of whole columns first, then by row."""
    with path.open("rb") as file:
        for of_file in (True, False):
            file.seek(0)
            for line in file:
                if line.startswith(_OF_FILE) is of_file:
                    about = orjson.loads(line)
                    yield Problem(**{**about, "severity": Severity(about["severity"])})


_OF_FILE = b'{"row":null,'


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: the list of problems cannot be written ({error.strerror or error})",
        "Make room on the disk of temporary files (TMPDIR says where that is).",
    )
