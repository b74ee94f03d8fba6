"""The options that say what sends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import click

from importer.errors import UsageError
from importer.settings import DEFAULT_WORKERS, EngineName, RunSettings

MOST_WORKERS = 64
ENGINES = get_args(EngineName)

ENGINE_OPTIONS = (
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=RunSettings().engine,
        show_default=True,
        metavar="|".join(ENGINES),
        help="What sends: this process, several of their own, or a Dask cluster (docs/scaling.md).",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1, MOST_WORKERS),
        metavar="N",
        help="Senders of the other engines. Left out: all workers of a Dask cluster, else "
        f"{DEFAULT_WORKERS}.",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask cluster that sends, as tcp://host:8786; else one is started on this machine.",
    ),
)


def workers_of(options: Mapping[str, Any]) -> int | None:
    """How many senders were asked for; raises UsageError where there is only one."""
    workers: int | None = options["workers"]
    if workers is not None and options["engine"] == "local":
        raise UsageError(
            f"--workers {workers}: the local engine is one process", "Add --engine processes."
        )
    return workers


def scheduler_of(options: Mapping[str, Any]) -> str | None:
    """The cluster that was asked for; raises UsageError where it is of no use."""
    from importlib.util import find_spec

    scheduler: str | None = options["scheduler"]
    if scheduler is not None and options["engine"] != "dask":
        raise UsageError(f"--scheduler {scheduler}: is for Dask", "Add --engine dask.")
    if scheduler is not None and not re.fullmatch(r"[a-z]+://[^\s/]+(/\S*)?", scheduler):
        raise UsageError(f"--scheduler {scheduler}: not an address", "Write it as tcp://host:8786.")
    if options["engine"] == "dask" and find_spec("distributed") is None:
        raise UsageError(
            "the dask engine needs a library that is not installed",
            'Install it: pip install "vcc-importer[cluster]"',
        )
    return scheduler
