"""The jobs file: what is imported unattended, as values, and every mistake in it at once.

Each mistake is told with line and column. A mapping that is missing or broken is no mistake of the
jobs file: it is found when its job runs, and the other jobs still run. Addresses hold passwords: no
message repeats one.
"""

from __future__ import annotations

import copy
import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importer.errors import JobsError, MappingError, UsageError
from importer.files import is_of_the_system, quoted, read_bounded, similar_file
from importer.mapping.load import KeyPath, YamlReader, mistake_line, shape_mistakes, sorted_mistakes
from importer.mapping.spec import Mistake
from importer.operations.drift import DriftBounds
from importer.operations.inbox import folder_of
from importer.operations.jobs_spec import JobsSpec, MergedJob, merged
from importer.operations.remote_origin import VARIABLE, is_remote, missing_variables, parse
from importer.operations.window import Window
from importer.settings import SETTINGS, RunSettings, Secret, SourceOptions, settings_of

SETTLE = 30.0
"""Seconds that a file must be still, where nothing else is said."""
MAX_BYTES = 1 << 20
_ADDRESS = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*)://[^\s'",]*""")
_CREDENTIALS = {"api_key", "apikey", "key", "password", "secret", "token", "api_key_file"}
_COPIED_KEYS = (
    *("project", "base_url", "customer", "not_before", "not_after", "settle"),
    *("sheet", "header_row", "encoding", "delimiter"),
)
"""Keys whose values need nothing done; one that nobody says keeps the default of JobSpec."""
_PLACES = ("done", "failed", "held")
"""The keys that say where files are put away."""


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """Which events of a job are told (success, failure, held, always), and to which addresses."""

    on: frozenset[str]
    urls: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job.

    `files` are absolute globs or absolute folders, or else addresses; never both. `done`,
    `failed` and `held` are paths for the one, and texts that the server understands for the
    other. Times are of the local clock, `settle` is in seconds. `sending` is how its files are
    sent, but for the runs folder, which is the file's.
    """

    name: str
    files: tuple[str, ...]
    mapping: Path
    project: int | None = None
    base_url: str | None = None
    customer: str | None = None
    sending: RunSettings = field(default_factory=RunSettings)
    not_before: time | None = None
    not_after: time | None = None
    settle: float = SETTLE
    done: Path | str | None = None
    failed: Path | str | None = None
    held: Path | str | None = None
    drift: DriftBounds | None = None
    notify: NotifyRule | None = None
    sheet: str | int | None = None
    header_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None

    @property
    def hours(self) -> Window:
        """The time of day in which it may work."""
        return Window(self.not_before, self.not_after)

    @property
    def reading(self) -> SourceOptions:
        """How its files are read."""
        return SourceOptions(self.sheet, self.header_row, self.encoding, self.delimiter)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of this machine in which its files are put away."""
        found = (self.done, self.failed, self.held)
        return tuple(dict.fromkeys(folder for folder in found if isinstance(folder, Path)))

    def settings(self, runs_dir: Path) -> RunSettings:
        """The settings of its runs."""
        return replace(self.sending, runs_dir=runs_dir)


@dataclass(frozen=True, slots=True)
class JobsFile:
    """A jobs file; `remarks` are advice to its owner about what is allowed but unwise."""

    path: Path
    runs_dir: Path
    jobs: tuple[JobSpec, ...]
    metrics: Path | None = None
    remarks: tuple[str, ...] = field(default=())

    @property
    def identity(self) -> str:
        """The real path of the file: other jobs files may have jobs of the same names."""
        return os.path.realpath(self.path)

    def mark_of(self, job: JobSpec) -> str:
        """A name for a job's own files in the runs folder, which several jobs files may share."""
        # Names of jobs are no longer than names of files may be, and told apart without capitals.
        digest = hashlib.sha256(os.fsencode(os.path.normcase(self.identity))).hexdigest()
        return f"{job.name.casefold()} {digest[:8]}"

    @property
    def own(self) -> tuple[Path, ...]:
        """Files and folders of this program, which are never taken from an inbox."""
        found = [self.path, self.runs_dir, *([self.metrics] if self.metrics else [])]
        for job in self.jobs:
            found += [job.mapping, *job.folders]
        return tuple(dict.fromkeys(found))


def load_jobs(path: Path, variables: Mapping[str, str] | None = None) -> JobsFile:
    """Load a jobs file; raise JobsError with all mistakes where it is unusable.

    `variables` (the environment) hold what ``${NAME}`` stands for in the addresses of `notify`.
    """
    text = _text(path)
    reader = YamlReader(path)
    try:
        data = reader.read(text)
    except MappingError:
        raise JobsError(f"{path}: too large or too deep for a jobs file") from None
    mistakes = [_without_addresses(line) for line in reader.mistakes]
    if not isinstance(data, dict):
        what = "a jobs file is a set of keys: version, runs_dir, jobs …"
        raise _unusable(path, mistakes or [f"{path}:1:1: {what}"])
    spec, found = _validate(data)
    rest = spec if spec is not None else _without(data, [where for where, _ in found])
    known = os.environ if variables is None else variables
    home = path.parent.resolve()
    if rest is not None:
        broken = {where for where, _ in found}
        sense = _find_mistakes(rest, home, known)
        found += [(at, what) for at, what in sense if not _follows(at, broken)]
    mistakes += [mistake_line(path, reader.places, at, what) for at, what in found]
    if mistakes or spec is None:
        raise _unusable(path, sorted_mistakes(mistakes))
    return _built(spec, home / path.name, known)


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
        return None, [_in_words(mistake) for mistake in shape_mistakes(error, data, JobsSpec)]


def _in_words(mistake: Mistake) -> Mistake:
    where, what = mistake
    if where and where[-1].lower() in _CREDENTIALS and what.startswith("unknown key"):
        return where, (
            f'unknown key "{where[-1]}": no key or password stands here; it comes from VCC_API_KEY '
            "or --api-key-file"
        )
    return tuple(map(_without_addresses, where)), _without_addresses(what)


def _without_addresses(text: str) -> str:
    """A text with its addresses cut after the scheme: they may hold passwords."""
    return _ADDRESS.sub(r"\1://…", text)


def _without(data: dict[str, Any], broken: list[KeyPath]) -> JobsSpec | None:
    """What is left without the broken parts, so that its mistakes of sense are found, too.

    Required keys that are missing are filled in. None where there is nothing to look at.
    """
    rest = copy.deepcopy({"version": 1, **data})
    if ("version",) in broken:
        rest["version"] = 1
    for where in broken:
        _remove_key(rest, where)
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


def _remove_key(data: Any, where: KeyPath) -> None:
    """Remove a key from the job, or the object, that it is in."""
    depth = {"jobs": 3, "defaults": 2}.get(where[0], 1) if where else 0
    for part in where[: depth - 1]:
        if isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        elif isinstance(data, dict):
            data = data.get(part)
    if isinstance(data, dict) and len(where) >= depth > 0:
        data.pop(where[depth - 1], None)


def _follows(where: KeyPath, broken: Iterable[KeyPath]) -> bool:
    """Whether a mistake follows from a part that was cut out, of the job or of `defaults`."""
    shared = ("defaults", *where[2:])
    return any(at in (where[: len(at)], shared[: len(at)]) for at in broken if len(at) > 1)


# Mistakes of sense: what no single value shows, what is missing, stands twice or contradicts.


def _find_mistakes(spec: JobsSpec, base: Path, variables: Mapping[str, str]) -> list[Mistake]:
    """All mistakes of sense, each with its path from the top of the file."""
    jobs = merged(spec)
    mistakes = list(_in_names(jobs))
    for job in jobs:
        mistakes += _in_keys(job)
        mistakes += _in_files(job, base)
        mistakes += _in_folders(job, base)
        mistakes += _in_notify(job, variables)
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
        elif is_of_the_system(os.path.realpath(folder_of(_absolute_pattern(base, pattern)))):
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
    inboxes = {
        folder_of(_absolute_pattern(base, pattern)) for pattern in patterns if pattern.strip()
    }
    for key in _PLACES:
        text = job.get(key)
        if text is None:
            continue
        if not text.strip():
            yield job.place(key), "is empty: name a folder, or leave it out"
        elif is_remote(text):
            yield job.place(key), "files of this machine are put away on this machine: name a path"
        else:
            folder = _absolute_path(base, text)
            if any(inbox.is_relative_to(folder) for inbox in inboxes):
                yield (
                    job.place(key),
                    f"{text} is where files come from, or holds it: files in it would be taken "
                    "again; name another folder",
                )


def _in_remote_folders(job: MergedJob) -> Iterator[Mistake]:
    """Mistakes in the job's own keys that servers cannot fulfil; `defaults` may have such keys."""
    web = all(p.lower().startswith(("https://", "http://")) for p in job.job.files)
    for key in _PLACES:
        if job.has_own(key) and job.get(key) is not None:
            if key == "held":
                yield job.place(key), "a held file stays on its server: leave this out"
            elif web:
                yield job.place(key), "files cannot be moved over https: leave this out"


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


# A file without mistakes, as values: defaults merged, paths absolute, addresses filled in.


def _built(spec: JobsSpec, path: Path, variables: Mapping[str, str]) -> JobsFile:
    """The jobs of a file in which :func:`_find_mistakes` has found nothing."""
    base, jobs = path.parent, merged(spec)
    return JobsFile(
        path=path,
        runs_dir=_absolute_path(base, spec.runs_dir),
        jobs=tuple(_job(job, base, variables) for job in jobs),
        metrics=_absolute_path(base, spec.metrics) if spec.metrics is not None else None,
        remarks=_remarks(path, jobs),
    )


def _job(job: MergedJob, base: Path, variables: Mapping[str, str]) -> JobSpec:
    values: dict[str, Any] = {
        key: value for key in _COPIED_KEYS if (value := job.get(key)) is not None
    }
    remote = any(map(is_remote, job.job.files))
    for key in _PLACES:
        text = job.get(key)
        if text is not None:
            values[key] = text if remote else _absolute_path(base, text)
    return JobSpec(
        name=job.job.name,
        files=tuple(
            pattern if is_remote(pattern) else _absolute_pattern(base, pattern)
            for pattern in job.job.files
        ),
        mapping=_absolute_path(base, job.get("mapping")),
        sending=_sending(job),
        drift=_drift(job),
        notify=_notify(job, variables),
        **values,
    )


def _sending(job: MergedJob) -> RunSettings:
    """The settings that a job has, or `defaults`; the word auto stands for the default, None."""
    found = {name: job.get(name) for name, declared in SETTINGS.items() if declared.in_jobs}
    return settings_of({k: v for k, v in found.items() if v is not None and v != "auto"})


def _drift(job: MergedJob) -> DriftBounds | None:
    # An object without keys asks for all bounds as they are by default.
    if job.get("drift") in (None, False):
        return None
    rows = job.part("drift", "rows")
    fill, phones, headers = (job.part("drift", part) for part in ("fill", "phones", "headers"))
    return DriftBounds(rows.fewer, rows.more, fill, phones, headers)


def _notify(job: MergedJob, variables: Mapping[str, str]) -> NotifyRule | None:
    if job.get("notify") is None:
        return None
    urls = (_filled(url.get_secret_value(), variables) for url in job.part("notify", "urls"))
    return NotifyRule(frozenset(job.part("notify", "on")), tuple(map(Secret, urls)))


def _remarks(path: Path, jobs: list[MergedJob]) -> tuple[str, ...]:
    """A remark where others can read a file that holds addresses with passwords."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ()
    written = any(
        not VARIABLE.fullmatch(url.get_secret_value())
        for job in jobs
        if job.get("notify")
        for url in job.part("notify", "urls")
    )
    if os.name == "posix" and written and mode & 0o077:
        return (f"others can read {path}, which has addresses in it: run chmod 600 {quoted(path)}",)
    return ()


# Paths and addresses: relative ones are at home beside the file.


def _absolute_path(base: Path, text: str) -> Path:
    """A path of the jobs file, absolute: relative ones begin at its folder, `base`."""
    return Path(os.path.normpath(base / text))


def _absolute_pattern(base: Path, text: str) -> str:
    """A glob of the jobs file, absolute; wildcards in the name of `base` itself are escaped."""
    if Path(text).is_absolute():
        return os.path.normpath(text)
    return os.path.normpath(Path(glob.escape(str(base))) / text)


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """A text with its variables replaced by their values; those without a value stay."""
    return VARIABLE.sub(lambda match: variables.get(match[1]) or match[0], text)
