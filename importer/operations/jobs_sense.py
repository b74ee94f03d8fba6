"""Mistakes in a jobs file that no single value shows: what is missing, double, or contradicts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from importer.errors import UsageError
from importer.files import is_of_the_system
from importer.mapping.rule import Mistake
from importer.operations.jobs_merged import MergedJob, merged
from importer.operations.jobs_paths import (
    VARIABLE,
    absolute_path,
    absolute_pattern,
    fixed_part,
    missing_variables,
)
from importer.operations.jobs_spec import JobsSpec
from importer.operations.remote_url import is_remote, parse

ASIDE = ("done", "failed", "held")
"""The keys that say where files are put away."""


@dataclass(frozen=True, slots=True)
class Given:
    """A jobs file whose parts are each well formed, the folder it is in, and the environment."""

    spec: JobsSpec
    base: Path
    variables: Mapping[str, str]


def find_mistakes(given: Given) -> list[Mistake]:
    """All mistakes of sense; paths are from the file's top."""
    jobs = merged(given.spec)
    mistakes = list(_in_names(jobs))
    for job in jobs:
        mistakes += _in_keys(job)
        mistakes += _in_files(job, given.base)
        mistakes += _in_folders(job, given.base)
        mistakes += _in_notify(job, given.variables)
    return list(dict.fromkeys(mistakes))


def _in_names(jobs: list[MergedJob]) -> Iterator[Mistake]:
    seen: set[str] = set()
    for job in jobs:
        # Names become names of files, which some systems do not tell apart by capitals.
        name = job.job.name.casefold()
        if name in seen:
            yield job.place("name"), f'there is a job "{job.job.name}" already'
        seen.add(name)


def _in_keys(job: MergedJob) -> Iterator[Mistake]:
    if job.get("mapping") is None:
        yield ("jobs", str(job.number), "mapping"), "is missing, here and in defaults"
    first, last = job.get("not_before"), job.get("not_after")
    if first is not None and first == last:
        yield (
            job.place("not_after"),
            "is the same time as not_before: leave out both, where any time is right",
        )
    engine = job.get("engine") or "local"
    if job.get("workers") is not None and engine == "local":
        yield job.place("workers"), "the local engine is one process: add engine: processes"
    if job.get("scheduler") is not None and engine != "dask":
        yield job.place("scheduler"), "is for Dask: add engine: dask"
    if job.get("timeout") == 0:
        yield job.place("timeout"), "must be more than 0"


def _in_files(job: MergedJob, base: Path) -> Iterator[Mistake]:
    patterns = job.job.files
    place = job.place("files")
    for number, pattern in enumerate(patterns):
        if not pattern.strip():
            yield (*place, str(number)), "is empty: name a folder, or files with wildcards"
        elif is_remote(pattern):
            try:
                # What the variables hold is not needed to see whether the address has a form.
                parse(pattern, dict.fromkeys(VARIABLE.findall(pattern), "x"))
            except UsageError as error:
                yield (*place, str(number)), f"{error.message}. {error.hint or ''}".rstrip(" .")
        elif is_of_the_system(os.path.realpath(_inbox(base, pattern))):
            what = "shows the operating system, and holds no files: name the folder of the lists"
            yield (*place, str(number)), what
    remote = [is_remote(pattern) for pattern in patterns]
    if any(remote) and not all(remote):
        yield place, "addresses and folders of this machine stand in one job: make two of it"


def _in_folders(job: MergedJob, base: Path) -> Iterator[Mistake]:
    patterns = job.job.files
    if any(map(is_remote, patterns)):
        yield from _in_remote_folders(job)
        return
    inboxes = {_inbox(base, pattern) for pattern in patterns if pattern.strip()}
    for key in ASIDE:
        text = job.get(key)
        if text is None:
            continue
        if not text.strip():
            yield job.place(key), "is empty: name a folder, or leave it out"
        elif is_remote(text):
            yield job.place(key), "files of this machine are put away on this machine: name a path"
        else:
            folder = absolute_path(base, text)
            if any(inbox.is_relative_to(folder) for inbox in inboxes):
                yield (
                    job.place(key),
                    f"{text} is where files come from, or holds it: files in it would be taken "
                    "again; name another folder",
                )


def _in_remote_folders(job: MergedJob) -> Iterator[Mistake]:
    """What servers cannot do; said only of what the job itself asks for."""
    web = all(p.lower().startswith(("https://", "http://")) for p in job.job.files)
    for key in ASIDE:
        if job.says(key) and job.get(key) is not None:
            if key == "held":
                yield job.place(key), "a held file stays on its server: leave this out"
            elif web:
                yield job.place(key), "files cannot be moved over https: leave this out"


def _inbox(base: Path, pattern: str) -> Path:
    """The folder that files of a pattern come from, as far as its wildcards leave it open."""
    folder, rest = fixed_part(absolute_pattern(base, pattern))
    return folder if rest or folder.is_dir() else folder.parent


def _in_notify(job: MergedJob, variables: Mapping[str, str]) -> Iterator[Mistake]:
    if not job.get("notify"):
        return
    urls = job.part("notify", "urls")
    if urls is None:
        yield job.place("notify"), '"urls" is missing: who is to be told?'
        return
    place = job.place("notify", "urls")
    for number, url in enumerate(urls):
        text = url.get_secret_value()
        if missing := missing_variables(text, variables):
            names = ", ".join(missing)
            yield (
                (*place, str(number)),
                f"the environment lacks {names}: set it where this is started",
            )
        elif "://" not in text and not VARIABLE.search(text):
            yield (
                (*place, str(number)),
                "is no address: it looks like mailtos://user:password@example.com?to=…",
            )
