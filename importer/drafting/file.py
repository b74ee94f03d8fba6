"""Drafting a mapping for a file: read it, look at its columns, ask the project if it is known."""

from __future__ import annotations

from pathlib import Path

from importer.drafting.draft import Sheet, draft_mapping
from importer.drafting.sample import Sampler
from importer.model import Project
from importer.sending.loop import run_loop
from importer.settings import Pace, SourceOptions, Target
from importer.sources import open_source

__all__ = ["draft"]


def draft(
    path: Path, reading: SourceOptions, target: Target | None = None, pace: Pace | None = None
) -> str:
    """Draft a mapping for a file, as YAML text; with a target its project's fields are used.

    The whole file is read, batch by batch. Raises SourceError, and ServiceError where the project
    cannot be had.
    """
    project = run_loop(_project(target, pace or Pace())) if target is not None else None
    with open_source(path, reading) as source:
        sampler = Sampler(source.info.headers)
        for batch in source.batches():
            sampler.add(batch)
        return draft_mapping(Sheet(source.info, reading, sampler.finish()), project)


async def _project(target: Target, pace: Pace) -> Project:
    from importer.api.client import Client

    async with Client(target, pace) as client:
        return await client.project()
