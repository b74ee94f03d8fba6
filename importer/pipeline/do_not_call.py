"""Do-not-call lists: the files that a mapping names, as sorted numbers.

A list that matches nothing because it was misread is worse than none. So a list that cannot be read
stops the run before anything is sent, and entries that are no valid numbers are reported.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from importer.errors import MappingError, RunInterruptedError, SourceError
from importer.mapping.cells import Cells, distinct, not_blank
from importer.mapping.contacts import DoNotCallList
from importer.mapping.load import LoadedMapping
from importer.mapping.program import Headers
from importer.mapping.spec import DoNotCall
from importer.model import Batch, Problem, Severity, SourceInfo
from importer.pipeline.running import StopSwitch
from importer.settings import SourceOptions
from importer.sources import open_source
from importer.sources.source import Source

if TYPE_CHECKING:
    from importer.mapping.conversion import Converter, Fault

EXAMPLES = 5
"""Entries that are no numbers, named by row; the others are counted."""

_Identity = tuple[str, int, int, str | None, str | None]
_MEMO_SIZE = 4
_memo: OrderedDict[_Identity, _ListedNumbers] = OrderedDict()
"""A memo of the lists read by this process, by path, size, modification time, column and region."""


@dataclass(frozen=True, slots=True)
class Lists:
    """A mapping's do-not-call lists, read.

    `about` says of each what summary.json notes. `remarks` are the problems of the lists.
    """

    listed: tuple[DoNotCallList, ...] = ()
    about: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _ListedNumbers:
    numbers: npt.NDArray[np.int64] = field(repr=False)
    sha256: str
    column: str
    unreadable: int
    remarks: tuple[Problem, ...]


class _Unusable(Exception):  # noqa: N818 - it becomes a line of a MappingError
    """A list that cannot be used; `key` is the part of its entry to be mended."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def load_lists(
    mapping: LoadedMapping, stop: StopSwitch | None = None, *, beside: Path | None = None
) -> Lists:
    """Read the lists that a mapping names; their paths are relative to `beside`, or its own folder.

    Raises MappingError, with a line for each that is missing, unreadable, or has no valid number;
    RunInterruptedError where `stop` is set meanwhile.
    """
    listed: list[DoNotCallList] = []
    about: list[Mapping[str, Any]] = []
    remarks: list[Problem] = []
    mistakes: list[str] = []
    folder = beside if beside is not None else mapping.path.parent
    for i, entry in enumerate(mapping.spec.rows.do_not_call):
        region = entry.region or mapping.spec.region
        try:
            found = _read(folder / entry.file, entry, region, stop or StopSwitch())
        except _Unusable as error:
            mistakes.append(_mistake(mapping, i, error))
            continue
        listed.append(DoNotCallList(entry.file, entry.action, found.numbers))
        remarks += found.remarks
        about.append(
            {
                "file": entry.file,
                "sha256": found.sha256,
                "column": found.column,
                "action": entry.action,
                "numbers": len(found.numbers),
                "unreadable": found.unreadable,
            }
        )
    if mistakes:
        raise MappingError(
            f"{mapping.path}: a do-not-call list cannot be used",
            mistakes,
            "Nothing is sent without the lists that a mapping names: mend the list, or its entry.",
        )
    return Lists(tuple(listed), tuple(about), tuple(remarks))


def _mistake(mapping: LoadedMapping, i: int, error: _Unusable) -> str:
    paths = [("rows", "do_not_call", str(i), error.key), ("rows", "do_not_call", error.key)]
    paths += [("rows", "do_not_call", str(i)), ("rows", "do_not_call")]
    path = next((path for path in paths if path in mapping.places), paths[-1])
    return mapping.mistake(path, str(error))


def _read(path: Path, entry: DoNotCall, region: str | None, stop: StopSwitch) -> _ListedNumbers:
    """Read a list, unless this command has done so; a list may serve many files."""
    try:
        stat = path.stat()
        identity = (str(path.absolute()), stat.st_size, stat.st_mtime_ns, entry.column, region)
        found = _memo.get(identity)
        if found is None:
            with open_source(path, SourceOptions()) as source:
                found = _Reading(source.info, entry, region).read(source, stop)
                found = replace(found, sha256=source.sha256)
            # Other threads use the memo, too, and may have dropped this list again by now.
            _memo[identity] = found
            while len(_memo) > _MEMO_SIZE:
                _memo.popitem(last=False)
    except FileNotFoundError:
        raise _Unusable("file", f"there is no file {path}") from None
    except OSError as error:
        raise _Unusable("file", f"{path}: cannot be read ({error.strerror or error})") from None
    except SourceError as error:
        # Its hint names options that are the source's, not the list's.
        raise _Unusable("file", error.message) from None
    return found


class _Reading:
    """One list, batch by batch: 8 bytes are kept of each number."""

    def __init__(self, info: SourceInfo, entry: DoNotCall, region: str | None) -> None:
        from importer.mapping.phones import phone_converter, possible_numbers

        self._info, self._entry = info, entry
        self._column = _column(info, entry)
        # Damage is read where no digit was lost: a number too many harms less than one too few.
        self._convert: Converter = phone_converter(region, "digits", repair=True)
        self._possible_numbers = partial(possible_numbers, region=region)
        self._parts: list[npt.NDArray[np.int64]] = []
        self._examples: list[str] = []
        self._hint: str | None = None
        self._entries = self._unreadable = 0

    def read(self, source: Source, stop: StopSwitch) -> _ListedNumbers:
        """Read it all; raises _Unusable where no entry is a number."""
        headless = self._number(self._info.headers[self._column])
        if isinstance(headless, int):
            self._parts.append(np.array([headless], dtype=np.int64))
        for batch in source.batches():
            if stop.reason is not None:
                raise RunInterruptedError("interrupted while reading: nothing was sent")
            self._add(batch)
        if not self._parts:
            raise _Unusable("file", self._why_none())
        # Not the remarks on the header: a list without one is read whole.
        told = [p for p in self._info.problems if p.code != "header_unsure"]
        remarks = [replace(p, message=f"{self._entry.file}: {p.message}", row=None) for p in told]
        if self._unreadable:
            remarks.append(self._unreadable_remark())
        numbers = np.unique(np.concatenate(self._parts))
        header = self._info.headers[self._column]
        return _ListedNumbers(numbers, "", header, self._unreadable, tuple(remarks))

    def _add(self, batch: Batch) -> None:
        texts = Cells(batch).texts(self._column)
        codes, entries = distinct(texts)
        found = [self._number(text) if text else 0 for text in entries]
        numbers = [number for number in found if isinstance(number, int) and number]
        numbers += [number for text in entries for number in self._possible_numbers(text)]
        if numbers:
            self._parts.append(np.array(numbers, dtype=np.int64))
        self._entries += int(not_blank(texts).sum())
        wrong = np.array([not isinstance(number, int) for number in found], dtype=bool)
        for i in np.flatnonzero(wrong[codes]) if wrong.any() else ():
            self._unreadable += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(f'row {batch.rows[i]} "{entries[codes[i]]:.40}"')
                fault = found[codes[i]]
                self._hint = self._hint or (None if isinstance(fault, int) else fault.hint)

    def _number(self, text: str) -> int | Fault:
        converted = self._convert(text)
        if converted.fault is None or converted.fault.warning:
            return int(converted.value)
        return converted.fault

    def _why_none(self) -> str:
        header = self._info.headers[self._column]
        if not self._entries:
            return f'{self._info.path}: the column "{header}" has no entries'
        hint = f" ({self._hint})" if self._hint else ""
        return (
            f'{self._info.path}: no entry of the column "{header}" is a valid number: '
            f"{', '.join(self._examples)}{hint}"
        )

    def _unreadable_remark(self) -> Problem:
        more = " …" if self._unreadable > len(self._examples) else ""
        return Problem(
            None,
            None,
            "rows.do_not_call",
            "do_not_call_unreadable",
            f"{self._entry.file}: {self._unreadable:,} of {self._entries:,} entries are no valid "
            f"numbers, and keep nobody from being called: {', '.join(self._examples)}{more}",
            None,
            self._hint or "mend these entries of the list",
            Severity.WARNING,
        )


def _column(info: SourceInfo, entry: DoNotCall) -> int:
    headers = Headers(info.headers)
    if entry.column is not None:
        found = headers.find(entry.column)
        if found is None:
            complaint = headers.complain(entry.column).replace("the sheet", entry.file)
            complaint += f" (it has {headers.listing()})"
            raise _Unusable("column", complaint)
        return found
    if len(info.headers) == 1:
        return 0
    listed = ", ".join(f'"{header}"' for header in info.headers[:12] if header)
    raise _Unusable("file", f"{entry.file} has {len(info.headers)} columns: name one ({listed})")
