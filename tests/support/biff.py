"""A small writer of old workbooks' streams: records as [MS-XLS] has them, no more than is read."""

from __future__ import annotations

import struct
from collections.abc import Sequence

STYLES = (0, 14, 20, 46, 164)
"""The number formats of the styles: none, a date, a time, a length of time, a date written out."""


def record(kind: int, content: bytes = b"") -> bytes:
    """One record: its type, its length, its bytes."""
    return struct.pack("<HH", kind, len(content)) + content


def text(value: str, length: str = "<H") -> bytes:
    """A text after its length and a flag that says UTF-16."""
    return struct.pack(length, len(value)) + b"\1" + value.encode("utf-16-le")


def label(row: int, column: int, value: str) -> bytes:
    """A cell with a text of its own."""
    return record(0x204, struct.pack("<HHH", row, column, 0) + text(value))


def shared(row: int, column: int, index: int) -> bytes:
    """A cell that holds a shared string."""
    return record(0xFD, struct.pack("<HHHI", row, column, 0, index))


def number(row: int, column: int, value: float, style: int = 0) -> bytes:
    """A cell that holds a number."""
    return record(0x203, struct.pack("<HHHd", row, column, style, value))


def error(row: int, column: int, code: int) -> bytes:
    """An error cell."""
    return record(0x205, struct.pack("<HHHBB", row, column, 0, code, 1))


def hidden_row(row: int) -> bytes:
    """The head of a row that is hidden."""
    return record(0x208, struct.pack("<HHHHHHHH", row, 0, 256, 255, 0, 0, 0x20, 0))


def merge(top: int, bottom: int, left: int, right: int) -> bytes:
    """A merge of cells."""
    return record(0xE5, struct.pack("<HHHHH", 1, top, bottom, left, right))


BOF, EOF = 0x809, record(0x0A)


def strings(*values: str, claimed: int | None = None) -> bytes:
    """The table of shared strings, which may claim to have more."""
    count = len(values) if claimed is None else claimed
    return record(0xFC, struct.pack("<II", count, count) + b"".join(map(text, values)))


def stream(
    cells: bytes,
    *,
    more: bytes = b"",
    end: bytes = EOF,
    since_1904: bool = False,
    styles: Sequence[int] = STYLES,
) -> bytes:
    """A workbook with one sheet, Leads, of these cells; `more` stands in the workbook's globals."""
    head = record(BOF, struct.pack("<HHHHII", 0x600, 5, 0, 1996, 0, 0))
    head += record(0x42, struct.pack("<H", 1200)) + record(0x22, struct.pack("<H", since_1904))
    font = struct.pack("<HHHHHBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0) + text("Arial", "<B")
    head += record(0x31, font) * 4
    head += record(0x41E, struct.pack("<H", 164) + text("yyyy. mm. dd."))
    head += b"".join(record(0xE0, struct.pack("<HH", 0, style) + bytes(16)) for style in styles)
    name = text("Leads", "<B")
    place = len(head) + 4 + 6 + len(name) + len(more) + len(EOF)
    head += record(0x85, struct.pack("<IBB", place, 0, 0) + name) + more + EOF
    sheet = record(BOF, struct.pack("<HHHHII", 0x600, 0x10, 0, 1996, 0, 0))
    return head + sheet + cells + end
