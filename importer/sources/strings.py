"""The shared strings of an Excel workbook: whether all cells' copies of them are bearable.

The workbook library gives each cell a copy of its text. One long text that a million cells share
takes some kilobytes in the file and many gigabytes there, so what the copies come to is found out
before: from above where that will do, exactly where it will not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from importer.errors import SourceError
from importer.sources.bounds import too_long_cell, too_much_text
from importer.sources.grid import LONGEST_TEXT, TEXT_LIMIT
from importer.sources.package import STRINGS_LIMIT, STRINGS_MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from importer.sources.grid import Scan
    from importer.sources.package import Package, Sheet

_SHARED = re.compile(
    rb"<(?:[\w.-]+:)?c\s(?>[^<>]*?\bt\s*=\s*[\"']s[\"'])[^<>]*>\s*"
    rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?>\s*([0-9]{1,9})"
)
_END_OR_EMPTY = re.compile(rb"</(?:[\w.-]+:)?si\s*>|<(?:[\w.-]+:)?si(?:\s[^<>]*)?/>")


def check_strings(package: Package, sheet: Sheet, scan: Scan, limit: int) -> None:
    """Raise SourceError where a shared string or all cells' strings are over a limit.

    `limit` bounds the sheet's XML, which is read again where a closer look is needed.
    """
    longest = count = 0
    for lengths in _lengths(package):
        longest = max(longest, int(lengths.max(initial=0)))
        count += len(lengths)
        if count > STRINGS_MOST:
            raise SourceError(
                f"{package.file}: this workbook has more than {STRINGS_MOST:,} texts.",
                "Divide the list into several files, or save the sheet as CSV.",
            )
    if scan.text + longest * scan.shared <= TEXT_LIMIT:
        return
    table = np.concatenate([*_lengths(package), np.zeros(1, np.int64)])
    total, unseen, rest = scan.text, scan.shared, b""
    for piece in package.unpack(sheet.part, limit):
        part = rest + piece
        cut = max(part.rfind(b"row"), 0)
        indices = np.array(_SHARED.findall(part[:cut]), dtype=np.bytes_).astype(np.int64)
        total += int(table[np.minimum(indices, len(table) - 1)].sum())
        unseen -= len(indices)
        rest = part[cut:]
        if total > TEXT_LIMIT:
            raise too_much_text(package.file)
    if total + max(unseen, 0) * longest > TEXT_LIMIT:  # cells written in some unusual way
        raise too_much_text(package.file)


def _lengths(package: Package) -> Iterator[npt.NDArray[np.int64]]:
    """The bytes of the texts' XML, in order and in parts: never less than those of the text."""
    rest = b""
    for piece in package.unpack(package.strings, STRINGS_LIMIT):
        part = rest + piece
        if b":si" in part or b"<si " in part:
            *whole, rest = _END_OR_EMPTY.split(part)
        else:
            *whole, rest = part.replace(b"<si/>", b"</si>").split(b"</si>")
        if len(rest) > LONGEST_TEXT:
            raise too_long_cell(str(package.file))
        yield np.fromiter(map(len, whole), np.int64, len(whole))
