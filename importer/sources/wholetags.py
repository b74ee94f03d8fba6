"""Whether XML that is looked through with patterns can hide anything from them.

The workbook library knows comments and quotes, and reads what a pattern took for a part of one:
a cell that is not seen here is read there without limits. XML that could do that is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.sources.package import Package

_TAG = re.compile(rb"<\?[^<>]*\?>|<[^!?<>\"'][^<>\"']*(?:(?:\"[^\"<>]*\"|'[^'<>]*')[^<>\"']*)*>")
_HIDING = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"))
_FIRST_OF_ANY = re.compile(rb"<!--|<!\[CDATA\[")


def is_whole(part: bytes) -> bool:
    """Whether this is made of whole tags and comments, with neither within the other."""
    outside = []
    at = 0
    while (start := _FIRST_OF_ANY.search(part, at)) is not None:
        outside.append(part[at : start.start()])
        ending = b"-->" if start[0] == b"<!--" else b"]]>"
        if (end := part.find(ending, start.end())) < 0:
            return False
        at = end + len(ending)
    outside.append(part[at:])
    return not any(b"<" in _TAG.sub(b"", piece) for piece in outside)


def check_end(part: bytes, package: Package) -> None:
    """Raise SourceError for a piece that ends in a comment, where no row and no sheet ends."""
    if b"!" in part and b"<!" in part:
        for start, end in _HIDING:
            if part.rfind(start) > part.rfind(end):
                raise package.damaged("the sheet has the end of a row in a comment")
