"""Cells mended by hand, as an overlay on a list: the list itself stays as it came.

``edits.jsonl`` is an append-only log, one JSON object a line: a cell is set, a text is replaced
wherever it stands in a column, a row is left out, or an edit that was made before is undone. An
edit's number is that of its line. An undo is a line, too, so that nothing is rewritten.

The text of a cell is that of the source with all edits applied in order that were not undone. An
edit names the text that it replaces. So it is noticed when two pages mend one cell, or when the
edits are those of another list.

An edit can be undone only if no later one depends on it: else a later replacement would match other
cells than those that the person saw.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from importer.errors import JournalError, OutputError, UsageError
from importer.files import quoted, read_bounded, sync_folder
from importer.model import Batch, Problem, Severity, column_letters
from importer.pipeline.planfile import PlanFile
from importer.pipeline.rundir import RunDirectory
from importer.sources.grid import LONGEST_CELL
from importer.sources.snapshot import Snapshot

EDITS = "edits"
"""The name of this part of a plan."""
LEFT_OUT = Problem(
    row=None,
    column=None,
    target=None,
    code="left_out_by_hand",
    message="left out in the console",
    severity=Severity.WARNING,
)
"""The problem of each row that an edit leaves out."""
MOST_EDITS = 100_000
MOST_BYTES = 64 << 20
"""The most lines and bytes of an ``edits.jsonl``."""
_SHOWN = 40
_LARGEST_ROW = 2**53

RowNumbers = npt.NDArray[np.int64]


class EditRefused(UsageError):  # noqa: N818 - it says what is the case, and is caught as such
    """An edit cannot be made, since the list is not as the edit expects."""


class Op(StrEnum):
    """What an edit does."""

    SET = "set"
    """One cell, which holds `old`, gets the text `new`."""
    REPLACE = "replace"
    """Every cell of a column that holds `old` gets the text `new`."""
    LEAVE_OUT = "leave_out"
    """A row is not sent."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit. `number` is that of its line, `at` when it was made, with an offset.

    `row` is None for one that replaces a text in a whole column. `column`, an index, `header`,
    `old` and `new` are as they are by default for a row that is left out.
    """

    number: int
    op: Op
    at: str
    row: int | None = None
    column: int = -1
    header: str = ""
    old: str = ""
    new: str = ""

    def over(self, row: int, column: int, text: str) -> str:
        """The text of a cell that holds `text`, after this edit."""
        here = column == self.column and self.row in {None, row}
        return self.new if here and text == self.old else text

    def rests_on(self, earlier: Edit) -> bool:
        """Whether this edit depends on an earlier one, which can then not be undone first."""
        if self.op is Op.LEAVE_OUT or self.column != earlier.column:
            return False
        if self.row is not None and earlier.row is not None:
            return self.row == earlier.row
        # One of them is about the whole column. This one depends on the earlier one if it replaces
        # the text that the earlier one wrote, or, in the whole column, the text that it replaced.
        return self.old == earlier.new or (self.row is None and self.old == earlier.old)

    def as_json(self) -> dict[str, Any]:
        """The edit as in its line."""
        about: dict[str, Any] = {"op": self.op.value}
        if self.row is not None:
            about["row"] = self.row
        if self.op is not Op.LEAVE_OUT:
            about |= {"column": self.header, "index": self.column, "old": self.old, "new": self.new}
        return about | {"at": self.at}


class _CellEdits(NamedTuple):
    """Edits of single cells of a column, at most one for each cell, in row order."""

    rows: RowNumbers
    olds: Any
    news: Any

    def over(self, rows: RowNumbers, texts: Any) -> Any:
        start, end = np.searchsorted(self.rows, (rows[0], rows[-1] + 1)) if len(rows) else (0, 0)
        if start == end:
            return texts
        places = np.searchsorted(rows, self.rows[start:end])
        there = rows[places] == self.rows[start:end]
        places, which = places[there], pa.array(np.arange(start, end)[there])
        held = texts.take(pa.array(places))
        differs = np.flatnonzero(pc.not_equal(held, self.olds.take(which)))
        if len(differs):
            raise _CellDiffersError(int(rows[places[differs[0]]]), held[int(differs[0])].as_py())
        mask = np.zeros(len(rows), np.bool_)
        mask[places] = True
        return pc.replace_with_mask(texts, pa.array(mask), self.news.take(which))


class _TextReplacements(NamedTuple):
    """Texts that are replaced in a whole column."""

    olds: Any
    news: Any

    def over(self, rows: RowNumbers, texts: Any) -> Any:
        del rows
        which = pc.index_in(texts, value_set=self.olds)
        if which.null_count == len(which):
            return texts
        return pc.coalesce(self.news.take(which), texts)


class _CellDiffersError(Exception):
    """A cell does not hold what an edit says that it holds."""

    def __init__(self, row: int, text: str) -> None:
        super().__init__(row)
        self.row, self.text = row, text


class Overlay:
    """The edits of a list, to apply to its batches; `left_out` are the rows left out, ascending."""

    def __init__(self, headers: Sequence[str] = (), edits: Iterable[Edit] = ()) -> None:
        self.edits = tuple(edits)
        self._headers = tuple(headers)
        by_column: dict[int, list[Edit]] = {}
        for edit in self.edits:
            if edit.op is not Op.LEAVE_OUT:
                by_column.setdefault(edit.column, []).append(edit)
        self._by_column = {label: tuple(edits) for label, edits in by_column.items()}
        self._steps = {label: _steps(edits) for label, edits in self._by_column.items()}
        left_out = {e.row for e in self.edits if e.op is Op.LEAVE_OUT and e.row is not None}
        self.left_out = np.array(sorted(left_out), np.int64)

    def __bool__(self) -> bool:
        return bool(self.edits)

    @property
    def rows(self) -> RowNumbers:
        """All rows that are named by an edit, ascending, each once."""
        named = {edit.row for edit in self.edits if edit.row is not None}
        return np.array(sorted(named), np.int64)

    @property
    def digest(self) -> str:
        """A SHA-256 of the edits, without their times, and without undone ones."""
        content = [[e.op.value, e.row, e.column, e.header, e.old, e.new] for e in self.edits]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()

    def differing(self, other: Overlay) -> list[int]:
        """The columns, by index, whose edits differ from those of another overlay."""
        labels = sorted({*self._by_column, *other._by_column})
        return [n for n in labels if self._by_column.get(n) != other._by_column.get(n)]

    def over(self, batch: Batch) -> Batch:
        """A batch with the edits of its columns applied.

        The source's problems with an edited cell are dropped. Raises EditRefused where a cell does
        not hold the text that an edit replaces: it was made on another list.
        """
        columns, edited = dict(batch.columns), dict[int, npt.NDArray[np.bool_]]()
        for label, steps in self._steps.items():
            if label not in columns:
                continue
            texts = before = columns[label]
            try:
                for step in steps:
                    texts = step.over(batch.rows, texts)
            except _CellDiffersError as error:
                raise self._differs(label, error) from None
            if texts is before:
                continue
            which = pc.not_equal(before, texts).to_numpy(zero_copy_only=False)
            if which.any():
                columns[label], edited[label] = texts, which
        if not edited:
            return batch
        fractions = {
            label: which & ~edited[label] if label in edited else which
            for label, which in batch.fractions.items()
        }
        fractions = {label: which for label, which in fractions.items() if which.any()}
        problems = batch.problems
        if problems:
            mended = {
                (row, self._headers[label])
                for label, which in edited.items()
                for row in batch.rows[which].tolist()
            }
            problems = tuple(p for p in problems if (p.row, p.column) not in mended)
        return replace(
            batch, columns=columns, fractions=fractions, problems=problems, edited=edited
        )

    def without_left_out(self, batch: Batch) -> Batch:
        """A batch without the rows that are left out, nor what the source found wrong."""
        if not len(self.left_out):
            return batch
        return batch.where(~np.isin(batch.rows, self.left_out))

    def _differs(self, label: int, error: _CellDiffersError) -> EditRefused:
        named = _column_named(label, self._headers[label])
        return EditRefused(
            f"row {error.row}, {named}: the cell holds {_quoted(error.text)}, and not what the edit"
            " of it names: the edits are those of another list",
            _ANOTHER,
        )


NO_EDITS = Overlay()
"""The overlay without edits."""


def _steps(edits: Iterable[Edit]) -> tuple[_CellEdits | _TextReplacements, ...]:
    """The edits of a column, combined into as few steps as their order allows."""
    steps: list[_CellEdits | _TextReplacements] = []
    cells: dict[int, Edit] = {}
    texts = _ChainedReplacements()

    def close() -> None:
        nonlocal texts
        if cells:
            listed = sorted(cells.items())
            olds, news = ([e.old for _, e in listed], [e.new for _, e in listed])
            steps.append(
                _CellEdits(np.array([row for row, _ in listed]), _array(olds), _array(news))
            )
            cells.clear()
        if texts.before:
            pairs = list(texts.pairs())
            steps.append(
                _TextReplacements(_array([old for old, _ in pairs]), _array([n for _, n in pairs]))
            )
            texts = _ChainedReplacements()

    for edit in edits:
        if edit.row is None:
            if cells:
                close()
            texts.add(edit.old, edit.new)
        else:
            if texts.before or edit.row in cells:
                close()
            cells[edit.row] = edit
    close()
    return tuple(steps)


@dataclass(slots=True)
class _ChainedReplacements:
    """A sequence of replacements combined into one: from each first text to its last one."""

    before: set[str] = field(default_factory=set)
    _after: dict[str, list[str]] = field(default_factory=dict)

    def add(self, old: str, new: str) -> None:
        came = self._after.pop(old, [])
        if old not in self.before:
            self.before.add(old)
            came.append(old)
        there = self._after.get(new, [])
        # The shorter list is added to the longer one: a chain of replacements stays linear.
        longer, shorter = (there, came) if len(there) >= len(came) else (came, there)
        longer.extend(shorter)
        self._after[new] = longer

    def pairs(self) -> Iterator[tuple[str, str]]:
        for new, olds in self._after.items():
            yield from ((old, new) for old in olds)


def _array(texts: Sequence[str]) -> Any:
    return pa.array(texts, pa.large_string())


@dataclass(frozen=True, slots=True)
class Edits:
    """An ``edits.jsonl`` as it was read.

    `content` is all of its complete lines, `lines` their number, `overlay` the edits in effect.
    `torn` says that an incomplete line follows: the program ended while it was written.
    """

    path: Path
    content: bytes = b""
    lines: int = 0
    overlay: Overlay = NO_EDITS
    torn: bool = False

    @property
    def remarks(self) -> tuple[Problem, ...]:
        """Problems with the file itself."""
        if not self.torn:
            return ()
        message = (
            f"the last edit in {self.path.name} was not written to its end, since the program"
            " ended before: it is not made"
        )
        hint = "look at the cell that was mended last, and mend it again"
        return (Problem(None, None, None, "edit_torn", message, None, hint, Severity.WARNING),)


def read_edits(path: Path, headers: Sequence[str]) -> Edits:
    """Read the edits of a list with these headers; raises UsageError where they cannot be used."""
    try:
        content = read_bounded(path, MOST_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error})",
            "Name the edits.jsonl of the list, or leave it out.",
        ) from None
    if len(content) > MOST_BYTES:
        raise UsageError(
            f"{path}: is larger than {MOST_BYTES >> 20} MB, which no log of edits is",
            "Name the edits.jsonl of the list, or leave it out.",
        )
    return _parsed(path, content, headers)


def _parsed(path: Path, content: bytes, headers: Sequence[str]) -> Edits:
    whole, _, rest = content.rpartition(b"\n")
    made: dict[int, Edit] = {}
    lines = whole.split(b"\n") if whole or content[:1] == b"\n" else []
    if len(lines) > MOST_EDITS:
        raise UsageError(f"{path}: has more than {MOST_EDITS:,} edits", _ANEW)
    for number, line in enumerate(lines, 1):
        try:
            _apply_line(made, number, orjson.loads(line), headers)
        except _BadEditError as error:
            raise UsageError(f"{path}: line {number}: {error}", _ANEW) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{path}: line {number} is no edit", _ANEW) from None
    kept = content[: len(content) - len(rest)]
    return Edits(path, kept, len(lines), Overlay(headers, made.values()), torn=bool(rest))


_ANOTHER = "Take the file that was mended, or begin its edits anew."
_ANEW = "Restore the file, or mend the list anew."


class _BadEditError(Exception):
    """A line is no edit of the list; the text says why."""


def _apply_line(
    made: dict[int, Edit], number: int, about: Mapping[str, Any], headers: Sequence[str]
) -> None:
    """Apply a line of a log to the edits `made`: an edit, or the undo of one."""
    if about["op"] == "undo":
        undone = _checked_integer(about["edit"])
        _refuse_undo(made, undone)
        del made[undone]
        return
    op, at = Op(about["op"]), about["at"]
    if not isinstance(at, str):
        raise TypeError
    if op is Op.LEAVE_OUT:
        made[number] = Edit(number, op, at, _checked_integer(about["row"]))
        return
    row = _checked_integer(about["row"]) if op is Op.SET else None
    column, header = _checked_integer(about["index"], least=0), about["column"]
    if column >= len(headers) or headers[column] != header:
        raise _BadEditError(
            f"is about {_column_named(column, header)}, which the list does not have there: it is"
            " another list"
        )
    old, new = about["old"], about["new"]
    if not isinstance(old, str) or (wrong := _fault_of_text(new)) is not None:
        raise _BadEditError("is no edit" if not isinstance(new, str) else f"its text {wrong}")
    made[number] = Edit(number, op, at, row, column, header, old, new)


def _checked_integer(value: object, least: int = 1) -> int:
    if type(value) is not int or not least <= value <= _LARGEST_ROW:
        raise TypeError
    return value


def _fault_of_text(text: object) -> str | None:
    """Why no cell can hold a text, for people; None where one can."""
    if not isinstance(text, str):
        return "is no text"
    if len(text) > LONGEST_CELL:
        return f"is longer than {LONGEST_CELL:,} characters, which is the most that a cell can have"
    if "\0" in text:
        return "holds a NUL character, which no text has"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a character (a lone surrogate)"
    return None


def _refuse_undo(made: Mapping[int, Edit], number: int) -> None:
    """Raise _Unfit where an edit was not made, is undone already, or a later one rests on it."""
    if (edit := made.get(number)) is None:
        raise _BadEditError(f"edit {number} was not made, or is undone already")
    later = [each for each in made.values() if each.number > number and each.rests_on(edit)]
    if later:
        raise _BadEditError(
            f"edit {later[-1].number}, which was made later, rests on edit {number}"
        )


class EditLog:
    """The edits of a list, kept in a file of mode 0600; each is on the disk when it is made.

    `batches` gives the list as it came, with the columns that are asked for by index, as often as
    it is called. One process at a time keeps the log of a list; its threads may share it. A line
    that a killed process has left half written is dropped when the next edit is made; `remarks`
    tell of it.
    """

    def __init__(
        self,
        path: Path,
        headers: Sequence[str],
        batches: Callable[[Sequence[int]], Iterator[Batch]],
    ) -> None:
        self._headers, self._batches = tuple(headers), batches
        self._lock = threading.Lock()
        self._edits = read_edits(path, headers) if path.exists() else Edits(path)
        self.remarks = self._edits.remarks
        self._path = path

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that are made and not undone, in their order."""
        return self._edits.overlay.edits

    @property
    def overlay(self) -> Overlay:
        """The edits as an overlay."""
        return self._edits.overlay

    def set_cell(self, row: int, column: int, old: str, new: str) -> Edit:
        """Replace the text `old` of a cell; raises EditRefused where the cell holds another."""
        with self._lock:
            self._refuse_text(column, old, new)
            held = self._cell(row, column)
            if held != old:
                raise EditRefused(
                    f"row {row}, {self._named(column)}: the cell holds {_quoted(held)} by now, and"
                    f" not {_quoted(old)}",
                    "Look at the row again: somebody else has mended it, or another page has.",
                )
            return self._add(Op.SET, row=row, column=column, old=old, new=new)

    def replace_all(self, column: int, old: str, new: str, *, count: int | None = None) -> Edit:
        """Replace the text of every cell of a column that holds `old`.

        Raises EditRefused where no cell holds it, or, with `count`, another number of cells does.
        """
        with self._lock:
            self._refuse_text(column, old, new)
            mended = map(self.overlay.over, self._batches([column]))
            found = sum(pc.sum(pc.equal(b.columns[column], old)).as_py() or 0 for b in mended)
            if not found or count not in {None, found}:
                cells = "no cell" if not found else f"{found:,} cell{'s' if found > 1 else ''}"
                raise EditRefused(
                    f"{self._named(column)}: {cells} hold{'' if found > 1 else 's'} {_quoted(old)}"
                    + (f", and not {count:,}" if found else ""),
                    "Look at the list again: it was mended since it was shown.",
                )
            return self._add(Op.REPLACE, column=column, old=old, new=new)

    def leave_out(self, row: int) -> Edit:
        """Have a row not sent; raises EditRefused where it is left out already, or not there."""
        with self._lock:
            if self._left_out(row) is not None:
                raise EditRefused(f"row {row} is left out already")
            self._cell(row, None)
            return self._add(Op.LEAVE_OUT, row=row)

    def take_back(self, row: int) -> Edit:
        """Undo that a row is left out; returns that edit. Raises EditRefused where it is not."""
        with self._lock:
            edit = self._left_out(row)
            if edit is None:
                raise EditRefused(f"row {row} is not left out")
            return self._undo(edit.number)

    def undo(self, number: int | None = None) -> Edit:
        """Undo an edit, by default the last one; returns it.

        Raises EditRefused where there is none, and where a later edit rests on it: one of the same
        cell, or one that replaces the text that it has put there or taken away.
        """
        with self._lock:
            if number is None:
                if not self.edits:
                    raise EditRefused("there is no edit that could be undone")
                number = self.edits[-1].number
            return self._undo(number)

    def _undo(self, number: int) -> Edit:
        made = {edit.number: edit for edit in self.edits}
        try:
            _refuse_undo(made, number)
        except _BadEditError as error:
            raise EditRefused(f"{error}", "Undo later edits first.") from None
        edit = made.pop(number)
        self._append({"op": "undo", "edit": number, "at": _now()}, made.values())
        return edit

    def _add(self, op: Op, **about: Any) -> Edit:
        header = self._headers[about["column"]] if "column" in about else ""
        edit = Edit(self._edits.lines + 1, op, _now(), header=header, **about)
        self._append(edit.as_json(), (*self.edits, edit))
        return edit

    def _append(self, about: Mapping[str, Any], edits: Iterable[Edit]) -> None:
        """Write a line, and have it on the disk; raises OutputError, and the edit is not made."""
        before = self._edits
        line = orjson.dumps(about, option=orjson.OPT_APPEND_NEWLINE)
        content = before.content + line
        if before.lines >= MOST_EDITS or len(content) > MOST_BYTES:
            raise EditRefused(
                f"there are {before.lines:,} edits, and no more are kept",
                "Mend the list itself, in a spreadsheet program, and import it anew.",
            )
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
        flags |= getattr(os, "O_NOFOLLOW", 0)
        try:
            is_new = not self._path.exists()
            descriptor = os.open(self._path, flags, 0o600)
            try:
                start = len(before.content)
                self._refuse_another(os.fstat(descriptor).st_size, before)
                try:
                    os.ftruncate(descriptor, start)  # a torn line
                    os.lseek(descriptor, start, os.SEEK_SET)
                    _write_all(descriptor, line)
                    os.fsync(descriptor)
                except OSError:
                    # Nobody is told that it was made, so it must not be there later.
                    with contextlib.suppress(OSError):
                        os.ftruncate(descriptor, start)
                    raise
            finally:
                os.close(descriptor)
            if is_new:
                sync_folder(self._path.parent)
        except OSError as error:
            raise OutputError(
                f"{self._path}: the edit cannot be written ({error.strerror or error})",
                "Make room, or mend the permissions of the folder; then mend the cell again.",
            ) from error
        overlay = Overlay(self._headers, edits)
        self._edits = Edits(self._path, content, before.lines + 1, overlay)

    def _refuse_another(self, size: int, before: Edits) -> None:
        """Raise EditRefused where another process has written to the file since it was read."""
        if size != len(before.content) and not before.torn:
            raise EditRefused(
                f"{quoted(self._path)} was changed by another program since it was opened",
                "Open the list again.",
            )

    def _refuse_text(self, column: int, old: str, new: str) -> None:
        if not 0 <= column < len(self._headers):
            raise EditRefused(f"the list has no column {column}")
        if (wrong := _fault_of_text(new)) is not None:
            raise EditRefused(f"{self._named(column)}: the text {wrong}")
        try:
            old.encode()
        except UnicodeEncodeError:
            raise EditRefused(f"{self._named(column)}: no cell holds {_quoted(old)}") from None
        if old == new:
            raise EditRefused(f"{self._named(column)}: {_quoted(old)} is what stands there")

    def _cell(self, row: int, column: int | None) -> str:
        """The text of a cell now; raises EditRefused where the list has no such row."""
        for batch in self._batches([] if column is None else [column]):
            place = int(np.searchsorted(batch.rows, row))
            if place < len(batch) and batch.rows[place] == row:
                if column is None:
                    return ""
                text: str = batch.columns[column][place].as_py()
                for edit in self.edits:
                    text = edit.over(row, column, text)
                return text
        raise EditRefused(f"the list has no row {row}, or it is blank")

    def _left_out(self, row: int) -> Edit | None:
        found = (e for e in self.edits if e.op is Op.LEAVE_OUT and e.row == row)
        return next(found, None)

    def _named(self, column: int) -> str:
        return _column_named(column, self._headers[column])


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def refuse_unknown_rows(overlay: Overlay, copy: Path) -> None:
    """Raise EditRefused where edits name rows that the copy of a list does not have."""
    with Snapshot.open(copy) as snapshot:
        unknown = np.setdiff1d(overlay.rows, snapshot.row_numbers())
    if len(unknown):
        raise EditRefused(
            f"the edits name row {unknown[0]}, which the list does not have: they are those of"
            " another list",
            _ANOTHER,
        )


def mended_batches(
    directory: RunDirectory,
    snapshot: Snapshot,
    columns: Sequence[int] | None = None,
    only: Sequence[int] | None = None,
) -> Iterator[Batch]:
    """The batches of a run's own copy with its edits applied; see :meth:`Snapshot.batches`.

    Raises JournalError where its edits cannot be used, or are gone.
    """
    try:
        overlay = _overlay_of(directory, snapshot.headers)
        yield from map(overlay.over, snapshot.batches(columns, only))
    except UsageError as error:
        hint = "Restore edits.jsonl in the run's folder: the cells were mended by it."
        raise JournalError(error.message, hint) from None


def _overlay_of(directory: RunDirectory, headers: Sequence[str]) -> Overlay:
    if directory.edits.exists():
        return read_edits(directory.edits, headers).overlay
    if directory.plan.exists() and EDITS in PlanFile.read(directory.plan).parts:
        raise UsageError(f"{directory.edits} is gone")
    return NO_EDITS


def _column_named(column: int, header: object) -> str:
    name = header if isinstance(header, str) and header else None
    return f"column {column_letters(column)}" if name is None else _quoted(name)


def _quoted(text: str) -> str:
    """A text in quotes, cut where it is long; without what is not to be printed."""
    shown = "".join(c if c.isprintable() else " " for c in text[:_SHOWN])
    return f'"{shown}{"…" if len(text) > _SHOWN else ""}"'


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
