"""What stands in a sheet's XML beside its cells: hidden rows and columns, merged cells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from importer.sources.grid import Hidden, Merge, Scan

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROW = re.compile(rb"<(?P<end>/)?(?:[\w.-]+:)?row(?P<attributes>\s[^<>]*)?>")
_HAS_CELL = re.compile(rb"<(?:[\w.-]+:)?(?:v|is)[\s>]")
_COLUMN = re.compile(rb"<(?:[\w.-]+:)?col(?P<attributes>\s[^<>]*)>")
_NUMBERS = re.compile(rb"(?<![\w:.-])(r|min|max)\s*=\s*[\"']([0-9]{1,7})[\"']")
_HIDDEN = re.compile(rb"(?<![\w:.-])hidden\s*=\s*[\"'](?:1|true|on)[\"']")
_MERGE = re.compile(
    rb"<(?:[\w.-]+:)?mergeCell\s[^<>]*?ref\s*=\s*[\"']"
    rb"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})[\"']"
)
_LONGEST_TAG = 4096
LONGEST_TAIL = 8 * 2**20
"""Bytes of XML behind the cells that are kept."""


def hidden_rows(part: bytes, row: int, hidden: Hidden) -> None:
    """Take in the hidden rows that hold something; `row` is the last row before the piece."""
    begin = -1  # of what is in a hidden row
    for tag in _ROW.finditer(part):
        # A row without an end ends where another begins, or each would be looked for to the end.
        if begin >= 0 and _HAS_CELL.search(part, begin, tag.start()):
            hidden.add(row, row)
        begin = -1
        if tag["end"]:
            continue
        attributes = tag["attributes"] or b""
        numbers = dict(_NUMBERS.findall(attributes))
        row = int(numbers[b"r"]) - 1 if b"r" in numbers else row + 1
        if attributes.endswith(b"/") or not _HIDDEN.search(attributes):
            continue
        begin = tag.end()
    if begin >= 0 and _HAS_CELL.search(part, begin):
        hidden.add(row, row)


def before_cells(head: bytes, scan: Scan) -> None:
    """Take in the hidden columns; how far the cells reach is known later."""
    for tag in _COLUMN.finditer(head):
        numbers = dict(_NUMBERS.findall(tag["attributes"]))
        if _HIDDEN.search(tag["attributes"]) and numbers.keys() >= {b"min", b"max"}:
            first, last = int(numbers[b"min"]) - 1, int(numbers[b"max"]) - 1
            if 0 <= first <= last:
                scan.hidden_columns.add(first, last)


def after_cells(rest: bytes, pieces: Iterable[bytes], scan: Scan) -> None:
    """Take in the merged cells, and the XML itself where it is short; all pieces are taken."""
    scan.tail = rest
    rest = _merges(rest, scan)
    for piece in pieces:
        scan.tail = scan.tail + piece if 0 < len(scan.tail) <= LONGEST_TAIL else b""
        rest = _merges(rest + piece, scan)


def _merges(part: bytes, scan: Scan) -> bytes:
    """Take in the merges of a piece; what is left is the beginning of a tag."""
    end = part.rfind(b">") + 1
    if b"mergeCell" in part:
        for left, top, right, bottom in _MERGE.findall(part, 0, end):
            scan.merges.add(Merge(int(top) - 1, _column(left), int(bottom) - 1, _column(right)))
    return part[max(end, len(part) - _LONGEST_TAG) :]


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - 64
    return column - 1
