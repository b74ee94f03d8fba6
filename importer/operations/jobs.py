"""Read a jobs file and report every mistake in it at once, with line and column.

A mapping that is missing or broken is no mistake of the jobs file: it is found when its job runs,
and the other jobs still run. Addresses hold passwords: no message repeats one.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importer.errors import ImporterError, MappingError
from importer.files import read_bounded, similar_file
from importer.mapping.complaints import in_order, mistake_line, shape_mistakes
from importer.mapping.reader import KeyPath, Reader
from importer.mapping.rule import Mistake
from importer.operations.jobs_building import built
from importer.operations.jobs_sense import Given, find_mistakes
from importer.operations.jobs_spec import JobsSpec, jobs_schema
from importer.operations.jobs_values import JobsFile, JobSpec, NotifyRule

__all__ = ["JobSpec", "JobsError", "JobsFile", "NotifyRule", "jobs_schema", "load_jobs"]

MAX_BYTES = 1 << 20

_ADDRESS = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*)://[^\s'",]*""")
_CREDENTIALS = {"api_key", "apikey", "key", "password", "secret", "token", "api_key_file"}


class JobsError(ImporterError):
    """A jobs file is unusable; `mistakes` holds every mistake found, each a line of text.

    A line reads ``jobs.yaml:4:3: jobs.0.projct: unknown key …``.
    """

    def __init__(self, message: str, mistakes: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.mistakes = tuple(mistakes)


def load_jobs(path: Path, variables: Mapping[str, str] | None = None) -> JobsFile:
    """Load a jobs file; raise JobsError with all mistakes where it is unusable.

    `variables` (the environment) hold what ``${NAME}`` stands for in the addresses of `notify`.
    """
    text = _text(path)
    reader = Reader(path)
    try:
        data = reader.read(text)
    except MappingError:
        raise JobsError(f"{path}: too large or too deep for a jobs file") from None
    mistakes = [_hidden(line) for line in reader.mistakes]
    if not isinstance(data, dict):
        what = "a jobs file is a set of keys: version, runs_dir, jobs …"
        raise _unusable(path, mistakes or [f"{path}:1:1: {what}"])
    spec, found = _validate(data)
    rest = spec if spec is not None else _rest(data, [where for where, _ in found])
    known = os.environ if variables is None else variables
    home = path.parent.resolve()
    if rest is not None:
        broken = {where for where, _ in found}
        sense = find_mistakes(Given(rest, home, known))
        found += [(at, what) for at, what in sense if not _within(at, broken)]
    mistakes += [mistake_line(path, reader.places, at, what) for at, what in found]
    if mistakes or spec is None:
        raise _unusable(path, in_order(mistakes))
    return built(spec, home / path.name, known)


def _text(path: Path) -> str:
    try:
        raw = read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        raise JobsError(f"{path}: no such jobs file", hint=_similar_file(path)) from None
    except OSError as error:
        raise JobsError(
            f"{path}: the jobs file cannot be read: {error.strerror}",
            hint="Check the path and its permissions.",
        ) from None
    if len(raw) > MAX_BYTES:
        raise JobsError(
            f"{path}: more than 1 MiB is too much for a jobs file",
            hint="Check the path after batch.",
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise JobsError(
            f"{path}: this is not UTF-8 text (line {line})", hint="Save it as UTF-8 in your editor."
        ) from None


def _similar_file(path: Path) -> str:
    close = similar_file(path, {".yaml", ".yml"})
    return f"Did you mean {close}?" if close else "Check the path after batch."


def _unusable(path: Path, mistakes: Iterable[str]) -> JobsError:
    lines = tuple(mistakes)
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return JobsError(
        f"{path}: the jobs file has {count}",
        lines,
        hint="Mend the lines named; docs/nightly.md lists every key.",
    )


def _validate(data: dict[str, Any]) -> tuple[JobsSpec | None, list[Mistake]]:
    try:
        return JobsSpec.model_validate(data), []
    except ValidationError as error:
        return None, [_said(mistake) for mistake in shape_mistakes(error, data, JobsSpec)]


def _said(mistake: Mistake) -> Mistake:
    where, what = mistake
    if where and where[-1].lower() in _CREDENTIALS and what.startswith("unknown key"):
        return where, (
            f'unknown key "{where[-1]}": no key or password stands here; it comes from VCC_API_KEY '
            "or --api-key-file"
        )
    return tuple(map(_hidden, where)), _hidden(what)


def _hidden(text: str) -> str:
    """A text without what addresses in it say: they may hold passwords."""
    return _ADDRESS.sub(r"\1://…", text)


def _rest(data: dict[str, Any], broken: list[KeyPath]) -> JobsSpec | None:
    """What is left when the broken parts are cut out, so that its mistakes of sense are told, too.

    What every file or job must have is put in where it is missing; nobody hears of it.
    """
    rest = copy.deepcopy({"version": 1, **data})
    if ("version",) in broken:
        rest["version"] = 1
    for where in broken:
        _cut(rest, where)
    jobs = rest.get("jobs")
    if not isinstance(jobs, list) or not jobs:
        return None
    rest["jobs"] = [job if isinstance(job, dict) else {} for job in jobs]
    for number, job in enumerate(rest["jobs"]):
        job.setdefault("name", f"unnamed {number}")
        job.setdefault("files", f"unnamed {number}/*")
    try:
        return JobsSpec.model_validate(rest)
    except ValidationError:
        return None


def _cut(data: Any, where: KeyPath) -> None:
    """Take a key out of the job, or of the object, that it stands in."""
    depth = {"jobs": 3, "defaults": 2}.get(where[0], 1) if where else 0
    for part in where[: depth - 1]:
        if isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, dict):
            data = data.get(part)
    if isinstance(data, dict) and len(where) >= depth > 0:
        data.pop(where[depth - 1], None)


def _within(where: KeyPath, broken: Iterable[KeyPath]) -> bool:
    """Whether a mistake follows from a part that was cut out, of the job or of `defaults`."""
    shared = ("defaults", *where[2:])
    return any(at in (where[: len(at)], shared[: len(at)]) for at in broken if len(at) > 1)
