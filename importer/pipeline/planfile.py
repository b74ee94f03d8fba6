"""``plan.json``: what a plan is made of, what it would do, and the id that it is approved by.

The id is a hash of the content of all parts: the cells as they came, their edits if any, the
mapping, the do-not-call lists, the records as they will be sent but for their stamps, what they
expect of the project, the target, and whether it is to be sent in spite of past runs. The same
inputs give the same id at any time and place and with any version of a library; the run's name,
times and paths are not in it. plan.json also has the SHA-256 of each file in the folder, which is
verified before anything is sent.

Whoever can write to the folder can write another plan there, with another id. So the id protects
against that only where the person who approved the plan names it (``--plan-id``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson

from importer.errors import SourceError, UsageError
from importer.files import json_safe, quoted
from importer.pipeline.rundir import RunDirectory
from importer.sources import file_sha256

VERSION = 1
_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the plan: its name in the folder, the SHA-256 of its bytes and of its content."""

    path: str
    sha256: str
    content: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """The content of plan.json; all values are as in JSON.

    `parts` are its files by what they hold. `rows` is the number of rows read, `counts` their
    number by status, `left_out` by status and code, and `problem_counts` the number of problems by
    code, warnings too. `expected` is what the records rely on in the project, and what they would
    create there (:class:`importer.survey.expected.Expected`); None without a preflight. `excepted`
    are runs of the same list whose rows are left out, each with `run_id` and `run_dir`. `again` are
    runs that have sent, or begun to send, the same content, in spite of which it is to be sent;
    each also has `sent`, the number of its rows that were, or may have been, in the service. It is
    None unless asked for.
    """

    id: str
    run_id: str
    created_at: str
    parts: Mapping[str, Part]
    do_not_call: Sequence[Mapping[str, Any]]
    source: Mapping[str, Any]
    mapping: Mapping[str, Any]
    target: Mapping[str, Any]
    settings: Mapping[str, Any]
    rows: int
    counts: Mapping[str, int]
    left_out: Sequence[Mapping[str, Any]]
    phones: Sequence[Mapping[str, Any]]
    expected: Mapping[str, Any] | None
    problem_counts: Mapping[str, int] = field(default_factory=dict)
    excepted: Sequence[Mapping[str, Any]] = ()
    again: Sequence[Mapping[str, Any]] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    version: int = VERSION

    @property
    def ready(self) -> int:
        """How many records would be sent."""
        return self.counts["ready"]

    @property
    def made_at(self) -> datetime:
        """When it was made; has an offset."""
        return datetime.fromisoformat(self.created_at)

    @property
    def text(self) -> str:
        """The text of plan.json."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        return orjson.dumps(json_safe(asdict(self)), default=str, option=options).decode()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a plan.json; raises UsageError where it is none that this version knows."""
        try:
            about = orjson.loads(path.read_bytes())
            version = about["version"]
            if version == VERSION:
                parts = {name: Part(**part) for name, part in about["parts"].items()}
                known = {name.name for name in fields(cls)}
                return cls(**{**{k: v for k, v in about.items() if k in known}, "parts": parts})
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be read ({error.strerror or error})",
                "Restore the file, or plan again.",
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{path}: is no plan", "Restore the file, or plan again.") from None
        raise UsageError(
            f"{path}: has layout {version}, and this version knows {VERSION}",
            "Apply it with the version that made it, or plan again.",
        )

    def changed_parts(self, directory: RunDirectory) -> Iterator[str]:
        """The files that differ from those that the plan was made of, a message for each."""
        for part in self.parts.values():
            path = directory.path / part.path
            if not path.exists():
                yield f"{quoted(path)} is gone"
                continue
            try:
                same = hmac.compare_digest(file_sha256(path), part.sha256)
            except SourceError as error:
                yield error.message.rstrip(".")
                continue
            if not same:
                yield f"{quoted(path)} was changed since it was planned"
        named = {part.path for part in self.parts.values()}
        if directory.edits.name not in named and directory.edits.exists():
            # It would change the cells in the result files.
            yield f"{quoted(directory.edits)} is no part of the plan"


def intact_plan(where: RunDirectory, sha256: str) -> tuple[PlanFile | None, list[str]]:
    """The plan in a folder, and a message for each file that is not as it was planned.

    `sha256` is that of plan.json by the journal; the plan is None where the file has another.
    """
    try:
        same = hmac.compare_digest(file_sha256(where.plan), sha256)
    except SourceError:
        same = False
    if not same:
        return None, [f"{quoted(where.plan)} was changed since it was planned, or is gone"]
    plan = PlanFile.read(where.plan)
    return plan, list(plan.changed_parts(where))


def content_id(
    parts: Mapping[str, str],
    do_not_call: Sequence[Mapping[str, Any]],
    expected: str | None,
    target: Mapping[str, Any],
    *,
    rehearsal: bool = False,
    again: bool = False,
) -> str:
    """The id of a plan, 32 hexadecimal digits: a SHA-256 over its content, cut.

    `parts` are the digests of its files' contents by what they hold, and `expected` is that of what
    it expects of the project. In a `rehearsal` the target's address is left out: a sandbox has
    another one at each start. `again` says that it is to be sent in spite of past runs.
    """
    if rehearsal:
        target = {**target, "base_url": None}
    lists = [{key: one[key] for key in ("sha256", "column", "action")} for one in do_not_call]
    content = {
        "version": VERSION,
        "parts": parts,
        "do_not_call": lists,
        "expected": expected,
        "target": target,
        **({"again": True} if again else {}),
    }
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:_ID_DIGITS]
