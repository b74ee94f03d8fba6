"""Column programs: one rule of the mapping, bound to the columns of one sheet.

A program takes a batch's cells and gives a column of values and the problems on the way.
Work in Python happens once for each distinct text of a batch, not once for each row.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import EMPTY, Cells, Mask, blanked, error_problem, not_blank, trimmed
from importer.mapping.conversion import NO_FINDING, Fault, Finding
from importer.mapping.damage import escaped, garbled
from importer.mapping.fast_paths import FastPath, fast_path
from importer.mapping.patterns import Pattern
from importer.mapping.spec import TEMPLATE_COLUMN, MappingSpec, PlacedRule, Rule, Type
from importer.mapping.text import as_cell, squeeze, trim
from importer.mapping.values import JOINT, Value, compile_value, longest_first
from importer.model import Problem, Severity, column_letters

MEMO_SIZE = 4096
"""Distinct texts in a program's memo, which is kept from batch to batch."""


@dataclass(frozen=True)
class Column:
    """The result of a program: texts to send (blank for nothing), and which rows had data.

    The texts are an Arrow array of large strings. A constant or a default is no data.
    """

    texts: Any
    data: Mask
    problems: tuple[Problem, ...] = ()


class MissingColumn(Exception):  # noqa: N818 - it says what is missing, and never leaves mapping/
    """The sheet lacks columns that a rule needs; `messages` has a line for each."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True)
class Headers:
    """The headers of one sheet, and how to find a column by the name a mapping gives it.

    A header is found if it is the name, both trimmed and in NFC. Failing that, it is found if it
    is the only one that is the same but for case, white space of any kind and direction marks:
    most of these differences cannot be seen on a screen.
    """

    names: tuple[str, ...]

    def find(self, name: str) -> int | None:
        """The position of a column; None where the sheet lacks it or has it twice."""
        places = self._places(name)
        return places[0] if len(places) == 1 else None

    def exists(self, name: str) -> bool:
        """Whether the sheet has the column, be it twice."""
        return bool(self._places(name))

    def first(self, names: Sequence[str]) -> str:
        """The first of several names that the sheet has, exact matches first; else `names[0]`."""
        exact = next((name for name in names if self._exact(name)), None)
        return exact or next((name for name in names if self._places(name)), names[0])

    def _exact(self, name: str) -> list[int]:
        wanted = as_cell(name)
        return [i for i, header in enumerate(self.names) if header == wanted]

    def _places(self, name: str) -> list[int]:
        return self._exact(name) or self._alike.get(_folded(name), [])

    @cached_property
    def _alike(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for i, header in enumerate(self.names):
            if folded := _folded(header):
                places.setdefault(folded, []).append(i)
        return places

    def complain(self, name: str) -> str:
        """Say why :meth:`find` found no one column, with the nearest headers."""
        if places := self._exact(name):
            letters = " and ".join(column_letters(i) for i in places)
            return (
                f'the header "{printable(name)}" stands twice in the sheet ({letters}): rename one'
            )
        if places := self._places(name):
            alike = " and ".join(
                f'"{printable(self.names[i])}" ({column_letters(i)})' for i in places
            )
            return f'"{printable(name)}" can be {alike}: write the header exactly as one of them'
        folded = {header.casefold(): header for header in self.names if header}
        close = difflib.get_close_matches(trim(name).casefold(), folded, 2, 0.6)
        nearest = ", ".join(f'"{printable(folded[c])}"' for c in close)
        return f'the sheet has no column "{printable(name)}"' + (
            f": nearest: {nearest}" if close else ""
        )

    def listing(self) -> str:
        """The headers that there are, for people."""
        listed = [f'"{printable(header)}"' for header in self.names if header]
        more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
        return ", ".join(listed[:_MOST_LISTED]) + more


def _folded(name: str) -> str:
    """A header without case, white space and direction marks, which people overlook."""
    plain = squeeze(unicodedata.normalize("NFC", name))
    return unicodedata.normalize("NFC", plain.casefold())


def printable(text: str) -> str:
    r"""The text with what cannot be seen written as in double quotes of YAML: ``\xa0``."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_MOST_LISTED = 30


@dataclass(frozen=True)
class Program:
    """One compiled rule; run it batch by batch."""

    target: str
    rule: Rule
    columns: tuple[int, ...]
    names: tuple[str, ...]
    value: Callable[[str], Value] | None = None
    fast: FastPath | None = None
    pattern: Pattern | None = None
    memo: dict[str, Value] = field(default_factory=dict, repr=False)

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
            return Column(cells.constant(rule.value), cells.no_rows)
        problems: list[Problem] = []
        broken = self._broken(cells, problems)
        problems.extend(self._garbled(cells))
        texts = self.fetch(cells)
        data = not_blank(texts)
        texts = blanked(texts, broken)
        faulty = cells.no_rows
        if self.value is not None:
            texts, faulty = self._convert(cells, texts, problems)
            if rule.map is not None and "" in rule.map.values() and rule.default is None:
                # A text that means a blank, such as NULL, is no data.
                data = data & (not_blank(texts) | broken | faulty)
        if rule.default is not None:
            # Cells that are blank because of an error get no default.
            blank = ~(not_blank(texts) | broken | faulty)
            texts = pc.if_else(pa.array(blank), pa.scalar(rule.default, texts.type), texts)
        if rule.required:
            missing = ~(not_blank(texts) | broken)
            for i in np.flatnonzero(missing):
                problems.append(self._missing(int(cells.batch.rows[i])))
        return Column(texts, data, tuple(problems))

    def _broken(self, cells: Cells, problems: list[Problem]) -> Mask:
        broken = cells.no_rows
        for column, name in zip(self.columns, self.names, strict=True):
            errors = cells.errors(column)
            if not errors.any():
                continue
            broken = broken | errors
            for i in np.flatnonzero(errors):
                text = cells.texts(column)[i].as_py()
                code, message, hint = error_problem(text)
                row = int(cells.batch.rows[i])
                problems.append(Problem(row, name, self.target, code, message, text, hint))
        return broken

    def _garbled(self, cells: Cells) -> Iterator[Problem]:
        for column, name in zip(self.columns, self.names, strict=True):
            spoilt, written = cells.garbled(column), cells.escaped(column)
            for i in np.flatnonzero(spoilt | written):
                text = cells.texts(column)[i].as_py()
                fault = garbled(text) if spoilt[i] else None
                if fault is None and written[i]:
                    fault = escaped(text)
                if fault is not None:
                    row = int(cells.batch.rows[i])
                    yield Problem(
                        row,
                        name,
                        self.target,
                        fault.code,
                        fault.message,
                        text,
                        fault.hint,
                        Severity.WARNING,
                    )

    def sound_texts(self, cells: Cells) -> Any:
        """What :meth:`fetch` gives, blank where a cell holds an error."""
        broken = cells.no_rows
        for column in self.columns:
            broken = broken | cells.errors(column)
        return blanked(self.fetch(cells), broken)

    def fetch(self, cells: Cells) -> Any:
        """The texts of a batch that the rule takes from its columns, before anything is done."""
        read = cells.texts if self.rule.trim else cells.raw_texts
        columns = [read(column) for column in self.columns]
        if self.rule.remove_prefix is not None:
            columns = [without_prefix(texts, self.rule) for texts in columns]
        if self.rule.multiple:
            # The character of JOINT in a cell is a blank to people, and divides nothing.
            columns = [pc.replace_substring(column, JOINT, " ") for column in columns]
        if self.rule.template is not None:
            return _fill(self.rule.template, columns)
        if len(columns) == 1:
            return columns[0]
        joint = JOINT if self.rule.multiple else self.rule.join
        return _join(columns, " " if joint is None else joint)

    def _convert(self, cells: Cells, texts: Any, problems: list[Problem]) -> tuple[Any, Mask]:
        """Convert by the fast path what it can, and each other distinct text on its own."""
        settled = None if self.fast is None else self.fast(texts)
        open_ = ~cells.no_rows if settled is None else not_blank(texts) & ~settled.known
        left = np.flatnonzero(open_)
        if settled is not None and not len(left):
            return settled.values, cells.no_rows
        encoded = (texts if settled is None else texts.take(pa.array(left))).dictionary_encode()
        codes = encoded.indices.to_numpy()
        distinct: list[str] = encoded.dictionary.to_pylist()
        if self.pattern is not None and self.value is not None:
            new = [text for text in distinct if text and text not in self.memo]
            self.pattern.match_ahead(self.value, new)
        found = [self._value(text) for text in distinct]
        sent = pa.array([value.text for value in found], pa.large_string()).take(encoded.indices)
        if settled is not None:
            sent = pc.replace_with_mask(settled.values, pa.array(open_), sent)
        faulty = cells.no_rows
        faults = np.array([bool(value.faults) for value in found], dtype=bool)
        if faults.any():
            faulty = faulty.copy()
            faulty[left] = faults[codes]
            for i in np.flatnonzero(faults[codes]):
                row, code = int(cells.batch.rows[left[i]]), int(codes[i])
                text = distinct[code].replace(JOINT, ", ")
                for fault, severity in found[code].faults:
                    problems.append(self._problem(row, text, fault, severity))
        return sent, faulty

    def _problem(self, row: int, text: str, fault: Fault, severity: Severity) -> Problem:
        return Problem(
            row, self.header, self.target, fault.code, fault.message, text, fault.hint, severity
        )

    def _value(self, text: str) -> Value:
        if not text or self.value is None:
            return Value(text)
        value = self.memo.get(text)
        if value is None:
            value = self.value(text)
            if len(self.memo) >= MEMO_SIZE:
                self.memo.clear()
            self.memo[text] = value
        return value

    def _missing(self, row: int) -> Problem:
        # Whoever mends a list knows its headers, and not the mapping's fields.
        what = self.target if self.header is None else "a value"
        return Problem(
            row,
            self.header,
            self.target,
            "required",
            f"{what} is required, and the cell is blank",
            None,
            "fill in the cell",
            Severity.ERROR,
        )


def without_prefix(texts: Any, rule: Rule) -> Any:
    """Arrow texts without the first of a rule's prefixes that fits, the longest tried first."""
    prefixes = longest_first(rule.remove_prefix or ())
    pattern = f"^(?:{'|'.join(map(re.escape, prefixes))})"
    left = pc.replace_substring_regex(texts, pattern, "")
    return trimmed(left) if rule.trim else left


def _join(columns: Sequence[Any], joint: str) -> Any:
    """Join cells, leaving out the blank ones."""
    joined = columns[0]
    for column in columns[1:]:
        both = pa.array(not_blank(joined) & not_blank(column))
        between = pc.if_else(both, pa.scalar(joint, pa.large_string()), EMPTY)
        joined = pc.binary_join_element_wise(joined, between, column, EMPTY)
    return joined


def _fill(template: str, columns: Sequence[Any]) -> Any:
    """Fill a template; it is blank where all its cells are."""
    texts = [pa.scalar(text, pa.large_string()) for text in TEMPLATE_COLUMN.split(template)[::2]]
    parts = [part for pair in zip(texts[:-1], columns, strict=True) for part in pair]
    filled = pc.binary_join_element_wise(*parts, texts[-1], EMPTY)
    some = np.logical_or.reduce([not_blank(column) for column in columns])
    return trimmed(blanked(filled, ~some))


def bind(placed: PlacedRule, headers: Headers, spec: MappingSpec, target: str) -> Program:
    """Bind a rule to a sheet; raise MissingColumn where the sheet lacks what it needs."""
    rule = placed.rule
    if rule.column is not None:
        first = headers.first(rule.column)
        wanted = [first] if headers.exists(first) else rule.column
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
    program: Program, type_: Type, spec: MappingSpec, finding: Finding = NO_FINDING
) -> Program:
    """The program with its rule compiled; `finding` is what the whole column says of its cells."""
    rule = program.rule
    if rule.value is not None:
        return program
    pattern = None if rule.pattern is None else Pattern(rule.pattern)
    return replace(
        program,
        value=compile_value(rule, type_, spec.region, spec.timezone, finding, pattern),
        pattern=pattern,
        fast=fast_path(rule, type_, spec.region, finding),
        memo={},
    )
