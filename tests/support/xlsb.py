"""A small writer of .xlsb workbooks: records as [MS-XLSB] has them, no more than readers need."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def record(kind: int, content: bytes = b"") -> bytes:
    """One record: its type, its length, its bytes."""
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    length = len(content)
    while length > 127:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + content


def text(value: str) -> bytes:
    """A text after its length."""
    return struct.pack("<I", len(value)) + value.encode("utf-16-le")


def row(number: int, *, hidden: bool = False) -> bytes:
    """The head of a row, from 0."""
    flags = 0x10 if hidden else 0
    return record(0, struct.pack("<IIHBBB", number, 0, 300, 0, flags, 0) + struct.pack("<I", 0))


def cell(column: int, value: str | float | int | bool, style: int = 0) -> bytes:
    """A cell: a text in place, a number, a truth value, or an error by its code."""
    place = struct.pack("<II", column, style)
    match value:
        case bool():
            return record(4, place + bytes([value]))
        case str():
            return record(6, place + text(value))
        case int():
            return record(3, place + bytes([value]))
        case float():
            return record(5, place + struct.pack("<d", value))


def shared(column: int, index: int) -> bytes:
    """A cell that holds a shared string."""
    return record(7, struct.pack("<III", column, 0, index))


def write_xlsb(
    path: Path,
    body: bytes,
    *,
    before: bytes = b"",
    after: bytes = b"",
    strings: Sequence[str] = (),
    since_1904: bool = False,
) -> Path:
    """Write a workbook with a hidden sheet and the one of these records.

    Style 1 is a date, style 2 a number with zeros at its front.
    """
    book = record(131) + record(153, struct.pack("<II", since_1904, 0) + text(""))
    book += record(143)
    for number, (name, state) in enumerate((("Secret", 1), ("Leads", 0)), 1):
        book += record(156, struct.pack("<II", state, number) + text(f"rId{number}") + text(name))
    book += record(144) + record(132)
    dimension = record(148, struct.pack("<IIII", 0, 1, 0, 1))
    sheet = record(129) + dimension + before + record(145) + body + record(146) + after
    styles = record(278) + record(44, struct.pack("<H", 170) + text("00000"))
    styles += record(617, struct.pack("<I", 3))
    styles += record(47, struct.pack("<HHHHHBBI", 0, 0, 0, 0, 0, 0, 0, 0)[:16])
    styles += record(47, struct.pack("<HHHHHBBI", 0, 14, 0, 0, 0, 0, 0, 0)[:16])
    styles += record(47, struct.pack("<HHHHHBBI", 0, 170, 0, 0, 0, 0, 0, 0)[:16])
    styles += record(618) + record(279)
    table = record(159, struct.pack("<II", len(strings), len(strings)))
    table += b"".join(record(19, b"\0" + text(string)) for string in strings) + record(160)
    relations = [("worksheet", "worksheets/sheet1.bin"), ("worksheet", "worksheets/sheet2.bin")]
    relations += [("styles", "styles.bin"), ("sharedStrings", "sharedStrings.bin")]
    rels = "".join(
        f'<Relationship Id="rId{n}" Type="{_TYPES}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(relations, 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{_PACKAGE}/content-types"></Types>')
        archive.writestr("xl/workbook.bin", book)
        archive.writestr(
            "xl/_rels/workbook.bin.rels",
            f'<Relationships xmlns="{_PACKAGE}/relationships">{rels}</Relationships>',
        )
        archive.writestr("xl/worksheets/sheet1.bin", record(129) + record(145) + record(146))
        archive.writestr("xl/worksheets/sheet2.bin", sheet)
        archive.writestr("xl/styles.bin", styles)
        archive.writestr("xl/sharedStrings.bin", table)
    return path
