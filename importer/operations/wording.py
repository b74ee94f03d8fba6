"""What people are told of a job: the files, the figures, and what to do next.

It goes to mailboxes and chats of others, so it quotes nothing of a file: no cell, no header but
those that past files had, and no message that may hold one. Those stand in the log and in the
results.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping

from importer.model import Status
from importer.operations.notify import Word, WordEvent
from importer.operations.outcome import WORST_FIRST, Fate, FileOutcome, JobResult

MOST_FILES = 20
"""Files that are told of one by one; of the others, only how many they are."""

_MEANINGS = {
    0: "all is well",
    1: "rows failed, or a file is held",
    2: "something is unusable",
    3: "something stopped early",
    4: "rows are uncertain: they may exist",
    130: "interrupted",
    143: "terminated",
}
_NOT_TOLD = {Fate.WAITING, Fate.CLOSED}
_BY_PEOPLE = {130, 143}


def word_of(result: JobResult, rule: Collection[str]) -> Word | None:
    """What is to be told of a job by a rule (`success`, `failure`, `held`, `always`), if anything.

    The worst that the rule asks for decides how it is told.
    """
    for event in _events(result):
        if event in rule or "always" in rule:
            title = f"{result.name}: {_headline(result)} (exit code {result.exit_code})"
            return Word(result.name, event, _plain(title), "\n".join(_lines(result)))
    return None


def fingerprint(result: JobResult) -> str:
    """What is the same for two rounds that met the same trouble with the same files."""
    about = [(file.file, file.fate.value, file.cause, file.exit_code) for file in result.files]
    own = (result.trouble.cause, result.trouble.exit_code) if result.trouble else None
    return hashlib.sha256(repr((own, sorted(about))).encode()).hexdigest()


def _events(result: JobResult) -> Iterator[WordEvent]:
    failed = result.trouble is not None or any(
        file.exit_code and file.exit_code not in _BY_PEOPLE and file.fate is not Fate.HELD
        for file in result.files
    )
    held = any(file.fate is Fate.HELD for file in result.files)
    if failed:
        yield "failure"
    if held:
        yield "held"
    if not failed and not held and any(file.fate not in _NOT_TOLD for file in result.files):
        yield "success"


def _headline(result: JobResult) -> str:
    if result.trouble is not None:
        return result.trouble.cause
    fates = [file.fate for file in result.files]
    return ", ".join(f"{fates.count(fate):,} {fate.value}" for fate in Fate if fate in fates)


def _lines(result: JobResult) -> Iterator[str]:
    yield f"Job {_plain(result.name)}: exit code {result.exit_code}, {_MEANINGS[result.exit_code]}."
    if result.trouble is not None:
        yield f"The job was not worked on to its end: {_plain(result.trouble.cause)}."
        yield f"What to do: {_plain(result.trouble.remedy)}"
    files = sorted(result.files, key=lambda file: WORST_FIRST.index(file.exit_code))
    for file in files[:MOST_FILES]:
        yield ""
        yield from _of_file(file)
    if len(files) > MOST_FILES:
        yield ""
        yield f"And {len(files) - MOST_FILES:,} more files."
    if sum(result.counts.values()):
        yield ""
        yield f"Rows of all files: {figures(result.counts)}."


def _of_file(file: FileOutcome) -> Iterator[str]:
    cause = f": {file.cause}" if file.cause else ""
    yield _plain(f"{file.file}: {file.fate.value}{cause} (exit code {file.exit_code})")
    if any(file.counts.values()):
        yield f"  Rows: {figures(file.counts)}."
    elif file.rows is not None:
        yield f"  Rows: {file.rows:,}, and nothing was sent of them."
    elif file.was_not_sent:
        yield "  Nothing was sent of it."
    for line in file.differences:
        yield _plain(f"  Differs in {line}")
    if file.moved:
        yield _plain(f"  The file is now {file.moved}")
    if file.results:
        yield _plain(f"  Results: {file.results}")
    if file.remedy:
        yield _plain(f"  What to do: {file.remedy}")


def figures(counts: Mapping[Status, int]) -> str:
    """Rows by what became of them, as ``4,980 created, 12 invalid``."""
    return ", ".join(
        f"{counts[status]:,} {status.value}" for status in Status if counts.get(status)
    )


def _plain(text: str) -> str:
    """Without what could break a line or steer whatever shows it: names of files may hold it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", "\ufffd", text)
