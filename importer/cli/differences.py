"""What reading records back has shown, for people: the differences, and how much is sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from importer.cli.output import table
from importer.reports.content import count

if TYPE_CHECKING:
    from importer.pipeline.apply import RunResult
    from importer.pipeline.canary import ReadBack

_MOST_LINES = 50
"""Differences that are listed; the file has them all."""
_WIDTH = 36
"""Characters of a text that are shown."""
_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What would break a line of the table."""
_BEFORE = 12
"""Characters of what two long texts have in common that are shown before they differ."""


def canary_differences(result: RunResult) -> str:
    """The differences of a canary at which a run stopped, as lines of text; else an empty text.

    A canary without any was told of before the rest was sent.
    """
    if result.canary is None or not result.canary.faults:
        return ""
    return f"Sent first:\n{differences(result.canary.records)}\n\n"


def differences(records: Sequence[ReadBack]) -> str:
    """Counts, then a table of every difference, then what is unverified; lines of text."""
    states = Counter(field.state.value for record in records for field in record.fields)
    wrong = sum(bool(record.differences) for record in records)
    lines = [
        f"Read back {count(len(records), 'record')}: {len(records) - wrong:,} as sent, "
        f"{wrong:,} with differences.",
        f"Of their parts {states['equal']:,} are equal, {states['different']:,} different, "
        f"{states['unverified']:,} unverified.",
    ]
    cells = [
        [str(record.row), record.numberid, field.path, *_side_by_side(field.sent, field.read_back)]
        for record in records
        for field in record.differences
    ]
    if cells:
        headers = ["row", "numberid", "part", "sent", "read back"]
        listed = table(headers, cells[:_MOST_LINES])
        lines += ["", *(f"  {line}" for line in listed.split("\n"))]
    if len(cells) > _MOST_LINES:
        lines.append(f"  … and {len(cells) - _MOST_LINES:,} more")
    unverified = Counter(
        field.path
        for record in records
        for field in record.fields
        if field.state.value == "unverified"
    )
    if unverified:
        named = ", ".join(f"{path} ({number})" for path, number in sorted(unverified.items()))
        lines += ["", f"Unverified, since the service does not give it back: {named}"]
    return "\n".join(lines)


def _side_by_side(sent: str, read_back: str | None) -> tuple[str, str]:
    """Both texts in quotes, on one line, from shortly before they differ where they are long."""
    if read_back is None:
        return _quoted(sent, 0), "nothing"
    pairs = zip(sent, read_back, strict=False)
    same = next((i for i, (one, other) in enumerate(pairs) if one != other), None)
    same = min(len(sent), len(read_back)) if same is None else same
    start = same - _BEFORE if max(len(sent), len(read_back)) > _WIDTH and same > _BEFORE else 0
    return _quoted(sent, start), _quoted(read_back, start)


def _quoted(text: str, start: int) -> str:
    end = start + _WIDTH
    shown = text[start:end].translate(_ESCAPES)
    return f'"{"…" if start else ""}{shown}{"…" if text[end:] else ""}"'
