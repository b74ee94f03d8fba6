"""The container of an old Excel workbook ([MS-CFB]): the stream that holds the workbook.

xlrd finds it, too, but follows a chain of short sectors that leads back to itself without end.
"""

from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING, Any, cast

from xlrd.compdoc import SIGNATURE, CompDoc, CompDocError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from importer.sources.inputfile import InputFile

_NAMES = ("Workbook", "Book")


def workbook_stream(file: InputFile) -> bytes:
    """The workbook's bytes; the whole file's if it has no container, as the oldest have none.

    Raises what xlrd raises for damaged files.
    """
    with (
        file.path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        if content[: len(SIGNATURE)] != SIGNATURE:
            return content[:]
        container = _Container(cast("bytes", content), logfile=io.StringIO())
        for name in _NAMES:
            found, start, length = container.locate_named_stream(name)
            if found:
                return bytes(found[start : start + length])
    raise CompDocError("it holds no workbook")


class _Container(CompDoc):
    """A container whose chains end."""

    def _get_stream(
        self,
        mem: Any,
        base: int,
        sat: Sequence[int],
        sec_size: int,
        start_sid: int,
        *more: Any,
        **named: Any,
    ) -> Any:
        sector = start_sid
        for _ in range(len(sat) + 1):
            if not 0 <= sector < len(sat):
                break
            sector = sat[sector]
        else:
            raise CompDocError("a chain of its sectors leads back to itself")
        given = (mem, base, sat, sec_size, start_sid, *more)
        return super()._get_stream(*given, **named)  # type: ignore[misc] # xlrd's types lack it
