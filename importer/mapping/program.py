"""Column programs: one rule of the mapping, bound to the columns of one sheet.

A program takes a batch's cells and gives a column of values and the problems on the way.
Work in Python happens once for each distinct text of a batch, not once for each row.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import (
    JOINT,
    TEXT,
    Cells,
    Mask,
    arrow_texts,
    error_problem,
    text_series,
)
from importer.mapping.fast import FastPath, fast_path
from importer.mapping.faults import Fault
from importer.mapping.finding import NOTHING, Finding
from importer.mapping.rule import TEMPLATE_COLUMN, Rule, Type
from importer.mapping.spec import MappingSpec, PlacedRule
from importer.mapping.text import BLANKS, trim
from importer.mapping.values import Value, compile_value
from importer.model import Problem, Severity

REMEMBERED = 4096
"""Distinct texts whose values are kept from batch to batch, a program."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a program gives: texts to send (blank where nothing is), and which rows had data.

    A constant or a default is no data.
    """

    values: pd.Series[str]
    data: Mask
    problems: tuple[Problem, ...] = ()


class MissingColumn(Exception):  # noqa: N818 - it says what is missing, and never leaves mapping/
    """The sheet lacks columns that a rule needs; `messages` has a line for each."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of one sheet, and how to find a column by the name a mapping gives it."""

    names: tuple[str, ...]

    def find(self, name: str) -> int | None:
        """The position of a column; None where the sheet lacks it or has it twice."""
        places = self._places(name)
        return places[0] if len(places) == 1 else None

    def exists(self, name: str) -> bool:
        """Whether the sheet has the column, be it twice."""
        return bool(self._places(name))

    def _places(self, name: str) -> list[int]:
        wanted = unicodedata.normalize("NFC", trim(name))
        return [i for i, header in enumerate(self.names) if header == wanted]

    def complain(self, name: str) -> str:
        """Say why :meth:`find` found no one column, with the nearest headers."""
        if places := self._places(name):
            letters = " and ".join(column_letter(i) for i in places)
            return f'the header "{name}" stands twice in the sheet ({letters}): rename one'
        folded = {header.casefold(): header for header in self.names if header}
        close = difflib.get_close_matches(trim(name).casefold(), folded, 2, 0.6)
        nearest = ": nearest: " + ", ".join(f'"{folded[c]}"' for c in close) if close else ""
        return f'the sheet has no column "{name}"{nearest}'

    def told(self) -> str:
        """The headers that there are, for people."""
        listed = [f'"{header}"' for header in self.names if header]
        more = f" and {len(listed) - _TOLD} more" if len(listed) > _TOLD else ""
        return ", ".join(listed[:_TOLD]) + more


_TOLD = 30


def column_letter(index: int) -> str:
    """A column's letters as a spreadsheet program shows them: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@dataclass(frozen=True)
class Program:
    """One compiled rule; run it batch by batch."""

    target: str
    rule: Rule
    columns: tuple[int, ...]
    names: tuple[str, ...]
    value: Callable[[str], Value] | None = None
    fast: FastPath | None = None
    remembered: dict[str, Value] = field(default_factory=dict, repr=False)

    @property
    def header(self) -> str | None:
        """The headers it reads, for people."""
        return ", ".join(self.names) or None

    @property
    def constant(self) -> bool:
        """Whether the rule takes nothing from the sheet."""
        return self.rule.value is not None

    def run(self, cells: Cells) -> Column:
        """Compute the column for one batch."""
        rule = self.rule
        if rule.value is not None:
            return Column(cells.constant(rule.value), cells.nothing)
        problems: list[Problem] = []
        broken = self._broken(cells, problems)
        values = self.fetch(cells)
        data = (values != "").to_numpy(dtype=bool)
        if broken.any():
            values = values.mask(broken, "")
        faulty = cells.nothing
        if self.value is not None:
            values, faulty = self._convert(cells, values, problems)
        if rule.default is not None:
            # What an error has blanked stays blank.
            blank = (values == "").to_numpy(dtype=bool) & ~broken & ~faulty
            values = values.mask(blank, rule.default)
        if rule.required:
            missing = (values == "").to_numpy(dtype=bool) & ~broken
            for i in np.flatnonzero(missing):
                problems.append(self._missing(int(cells.batch.rows[i])))
        return Column(values, data, tuple(problems))

    def _broken(self, cells: Cells, problems: list[Problem]) -> Mask:
        broken = cells.nothing
        for column, name in zip(self.columns, self.names, strict=True):
            errors = cells.errors(column)
            if not errors.any():
                continue
            broken = broken | errors
            for i in np.flatnonzero(errors):
                text = cells.trimmed(column).iloc[i]
                code, message, hint = error_problem(text)
                row = int(cells.batch.rows[i])
                problems.append(Problem(row, name, self.target, code, message, text, hint))
        return broken

    def fetch(self, cells: Cells) -> pd.Series[str]:
        """The texts of a batch that the rule takes from its columns, before anything is done."""
        read = cells.trimmed if self.rule.trim else cells.raw
        columns = [read(column) for column in self.columns]
        if self.rule.multiple:
            # A cell's own joint is white space to people, and divides nothing.
            columns = [column.str.replace(JOINT, " ", regex=False) for column in columns]
        if self.rule.template is not None:
            return _fill(self.rule.template, columns, cells)
        if len(columns) == 1:
            return columns[0]
        joint = JOINT if self.rule.multiple else self.rule.join
        return _join(columns, " " if joint is None else joint)

    def _convert(
        self, cells: Cells, values: pd.Series[str], problems: list[Problem]
    ) -> tuple[pd.Series[str], Mask]:
        codes, distinct = pd.factorize(values)
        texts = arrow_texts(distinct)
        settled = None if self.fast is None else self.fast(texts)
        known = np.zeros(len(texts), dtype=bool) if settled is None else settled.known
        left = np.flatnonzero(~known)
        found = [self._value(text) for text in texts.take(pa.array(left)).to_pylist()]
        sent = pa.array([value.text for value in found], pa.large_string())
        if settled is not None:
            sent = pc.replace_with_mask(settled.values, pa.array(~known), sent)
        converted = text_series(sent.take(pa.array(codes)), values.index)
        faulty = np.zeros(len(texts), dtype=bool)
        faulty[left] = [bool(value.faults) for value in found]
        if faulty.any():
            values_left = dict(zip(left.tolist(), found, strict=True))
            for i in np.flatnonzero(faulty[codes]):
                row, code = int(cells.batch.rows[i]), int(codes[i])
                text = texts[code].as_py().replace(JOINT, ", ")
                for fault, severity in values_left[code].faults:
                    problems.append(self._problem(row, text, fault, severity))
        return converted, faulty[codes]

    def _problem(self, row: int, text: str, fault: Fault, severity: Severity) -> Problem:
        return Problem(
            row,
            self.header,
            self.target,
            fault.code,
            fault.message,
            text,
            fault.hint,
            severity,
        )

    def _value(self, text: str) -> Value:
        if not text or self.value is None:
            return Value(text)
        value = self.remembered.get(text)
        if value is None:
            value = self.value(text)
            if len(self.remembered) >= REMEMBERED:
                self.remembered.clear()
            self.remembered[text] = value
        return value

    def _missing(self, row: int) -> Problem:
        return Problem(
            row,
            self.header,
            self.target,
            "required",
            f"{self.target} is required, and the cell is blank",
            None,
            "fill in the cell",
            Severity.ERROR,
        )


def _join(columns: Sequence[pd.Series[str]], joint: str) -> pd.Series[str]:
    """Join cells, leaving out the blank ones."""
    joined = columns[0]
    for column in columns[1:]:
        both = (joined != "") & (column != "")
        joined = joined + pd.Series(np.where(both, joint, ""), dtype=TEXT) + column
    return joined


def _fill(template: str, columns: Sequence[pd.Series[str]], cells: Cells) -> pd.Series[str]:
    """Fill a template; it is blank where all its cells are."""
    parts = TEMPLATE_COLUMN.split(template)
    filled = cells.constant(parts[0])
    blank = ~cells.nothing
    for column, text in zip(columns, parts[2::2], strict=True):
        filled = filled + column + text
        blank &= (column == "").to_numpy(dtype=bool)
    return filled.mask(blank, "").str.strip(BLANKS)


def bind(placed: PlacedRule, headers: Headers, spec: MappingSpec, target: str) -> Program:
    """Bind a rule to a sheet; raise MissingColumn where the sheet lacks what it needs."""
    rule = placed.rule
    if rule.column is not None:
        existing = [name for name in rule.column if headers.exists(name)]
        wanted = existing[:1] or rule.column
    else:
        wanted = rule.named_columns()
    found = {name: headers.find(name) for name in wanted}
    missing = [name for name, column in found.items() if column is None]
    if missing:
        raise MissingColumn([headers.complain(name) for name in missing])
    columns = tuple(column for name in wanted if (column := found[name]) is not None)
    names = tuple(headers.names[column] for column in columns)
    return compiled(Program(target, rule, columns, names), placed.type, spec)


def compiled(
    program: Program, type_: Type, spec: MappingSpec, finding: Finding = NOTHING
) -> Program:
    """The program with its rule compiled; `finding` is what the whole column says of its cells."""
    rule = program.rule
    if rule.value is not None:
        return program
    return replace(
        program,
        value=compile_value(rule, type_, spec.region, spec.timezone, finding),
        fast=fast_path(rule, type_, spec.region, finding),
        remembered={},
    )
