"""The files that a command names: globs that the shell left alone, and standard input."""

from __future__ import annotations

import glob
import itertools
import os
import sys
from pathlib import Path

import click

from importer.errors import UsageError
from importer.files import is_of_the_system
from importer.operations.inbox import fixed_part
from importer.shell import STANDARD_INPUT


def named_files(_: click.Context, __: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Expand the globs among the files, as shells on Windows do not; raises UsageError.

    What exists under the name itself is that file. What a glob finds comes in the order of the
    names, without folders and the lock files that spreadsheet programs leave (``~$leads.xlsx``).
    """
    files = [file for path in given for file in _expanded(path)]
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError(
            "standard input (-) can be read once, but is named several times",
            "Name it once, or give files.",
        )
    if STANDARD_INPUT in files and sys.stdin is not None and sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        click.echo(f"Reading the list from the terminal; {end} ends it.", err=True)
    return tuple(files)


def is_given(path: Path) -> bool:
    """Whether there is something to read: a file, or standard input."""
    return path == STANDARD_INPUT or path.exists()


_MOST_NAMES = 100_000


def _expanded(path: Path) -> list[Path]:
    try:
        plain = path == STANDARD_INPUT or path.exists() or not glob.has_magic(str(path))
    except (OSError, ValueError):
        plain = True
    if plain:
        return [path]
    # Unlike pathlib's, this takes a pattern as it was typed, absolute or not, on any system.
    root, _ = fixed_part(str(path.absolute()))
    if is_of_the_system(os.path.realpath(root)):
        raise UsageError(
            f"{path}: {root} shows the operating system, and holds no files",
            "Name the folder that the lists are in.",
        )
    every = glob.iglob(str(path), recursive=True)  # noqa: PTH207
    names = sorted(itertools.islice(every, _MOST_NAMES + 1))
    if len(names) > _MOST_NAMES:
        raise UsageError(
            f"{path}: more than {_MOST_NAMES:,} files and folders are named like this",
            "Name the folder that the lists are in.",
        )
    found = [Path(name) for name in names if not Path(name).name.startswith("~$")]
    files = [file for file in found if not file.is_dir()]
    if not files:
        raise UsageError(f"{path}: no file is named like this", "Check the folder and the pattern.")
    return files
