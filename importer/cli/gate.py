"""Comparing with the project: the options for it, and the target that they name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import FILE
from importer.cli.target import run_target

if TYPE_CHECKING:
    from importer.library import LoadedMapping
    from importer.settings import Target

project_option = click.option(
    "--project", type=click.IntRange(1), metavar="ID", help="Project id; beats the mapping's."
)
online_option = click.option(
    "--online",
    is_flag=True,
    help="Compare with the live project too, as run does before it sends anything.",
)
compared_file_option = click.option(
    "--sandbox-project",
    type=FILE,
    metavar="FILE",
    help="Compare with the project of this file instead of the live one; no account is needed.",
)
allow_option = click.option(
    "--allow-new-values",
    is_flag=True,
    help="Let values be created that the project lacks, whether or not the mapping lists them.",
)


def allows_new_values(options: Mapping[str, Any]) -> bool:
    """Whether values may be created: in a sandbox made for the mapping it does no harm."""
    of_its_own = options.get("sandbox") and options["sandbox_project"] is None
    return bool(options["allow_new_values"] or of_its_own)


def is_online(options: Mapping[str, Any]) -> bool:
    """Whether a check is to be compared with a project."""
    return bool(options["online"] or options["sandbox_project"] is not None)


@contextlib.contextmanager
def compared_with(
    mapping: LoadedMapping, options: Mapping[str, Any] | None, folder: Path
) -> Iterator[Target | None]:
    """Give the target whose project files are compared with; None compares nothing.

    `folder` is for the sandbox, where one is started: nothing of it is kept. Raises UsageError
    where something lacks.
    """
    if options is None:
        yield None
        return
    wanted = {"sandbox": False, **options, "runs_dir": folder, "quiet": True}
    with run_target(mapping, wanted) as (target, _):
        yield target
