"""The parts of an Excel workbook (.xlsx, .xlsm, .xlsb), unpacked under limits.

Such a workbook is a ZIP archive of parts (ECMA-376). Before the workbook library sees the file,
each part that it will read is unpacked once here, piece by piece and thrown away. The limits leave
room for the largest honest sheet, 1,048,576 rows by some 20 columns (about 1 GB of XML).
"""

from __future__ import annotations

import html
import posixpath
import re
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from importer.sources.zipped import MIB, Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHEET_LIMIT = 2048 * MIB
"""Unpacked bytes of a sheet, which is never held whole."""
STRINGS_LIMIT = 1024 * MIB
"""Unpacked bytes of the shared strings, which the workbook library holds."""
STRINGS_MOST = 20_000_000
"""Shared strings; each takes memory however short it is."""
PART_LIMIT = 64 * MIB
"""Unpacked bytes of any other part (styles, relationships)."""

STRINGS = "xl/sharedStrings.xml"
_TAG = re.compile(rb"<(?:[\w.-]+:)?(?P<name>sheet|Relationship)\s(?P<rest>[^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SHEET_PART = "/worksheet"
_NOT_READ = ("/chartsheet", "/dialogsheet", "/xlMacrosheet", "/externalLink")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells (not a chart); `part` is where it stands in the archive."""

    name: str
    part: str
    hidden: bool


class Package(Archive):
    """An open Excel workbook; `format` is how its parts are written, ``xml`` or ``bin``."""

    format = "xml"

    def read(self, part: str) -> bytes:
        """A small part, whole; without declarations of entities, which no workbook has."""
        content = b"".join(self.unpack(part, PART_LIMIT))
        if b"<!" in content.replace(b"<!--", b""):
            raise self.damaged(f"{part} holds a document type declaration")
        return content

    def sheets(self) -> list[Sheet]:
        """The sheets of cells, in the workbook's order."""
        targets = self.relationships()
        found = []
        for tag in _TAG.finditer(self.read("xl/workbook.xml")):
            if tag["name"] != b"sheet":
                continue
            given = _attributes(tag["rest"])
            kind, part = targets.get(given.get("id", ""), ("", ""))
            if kind.endswith(_SHEET_PART) and self.has(part):
                hidden = given.get("state", "visible") != "visible"
                found.append(Sheet(given.get("name", ""), part, hidden))
        return found

    @contextmanager
    def with_sheet(
        self, part: str, change: Callable[[Iterable[bytes], Package], Iterable[bytes]]
    ) -> Iterator[IO[bytes]]:
        """A temporary workbook with one sheet, changed, and what the workbook library needs."""
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
                for other in self._shared_parts() & self.parts.keys():
                    with copy.open(self.parts[other].filename, "w", force_zip64=True) as target:
                        for piece in self.unpack(other, STRINGS_LIMIT):
                            target.write(piece)
                with copy.open(part, "w", force_zip64=True) as target:
                    for piece in change(self.unpack(part, SHEET_LIMIT), self):
                        target.write(piece)
            file.seek(0)
            yield file

    def check_shared(self) -> None:
        """Unpack what the workbook library reads beside the sheet, to see that it is bearable."""
        for part in self._shared_parts():
            if "sharedstrings" not in part:
                for _ in self.unpack(part, PART_LIMIT):
                    pass

    def fixed_parts(self, limit: int) -> dict[str, bytes] | None:
        """What the workbook library reads beside the sheet and its strings, by name.

        None where that is more than so many bytes.
        """
        found, size = {}, 0
        for part in self._shared_parts() & self.parts.keys():
            if "sharedstrings" in part:
                continue
            pieces = []
            for piece in self.unpack(part, PART_LIMIT):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    return None
            found[self.parts[part].filename] = b"".join(pieces)
        return found

    def has_external_links(self) -> bool:
        """Whether cells take values from other files; those stored are read, the files never."""
        return any(kind.endswith("/externalLink") for kind, _ in self.relationships().values())

    def _shared_parts(self) -> set[str]:
        """Names, in lower case, of the parts read whatever the sheet is."""
        related = {
            part.lower() for kind, part in self.relationships().values() if not _is_sheet(kind)
        }
        shape = self.format
        fixed = ("_rels/.rels", "[content_types].xml", f"xl/workbook.{shape}")
        more = (
            f"xl/_rels/workbook.{shape}.rels",
            f"xl/sharedstrings.{shape}",
            f"xl/styles.{shape}",
        )
        return related.union(fixed, more)

    def relationships(self) -> dict[str, tuple[str, str]]:
        """The workbook's relationships: id → (type, part)."""
        found = {}
        for tag in _TAG.finditer(self.read(f"xl/_rels/workbook.{self.format}.rels")):
            given = _attributes(tag["rest"])
            if tag["name"] == b"Relationship" and given.get("TargetMode") != "External":
                target = given.get("Target", "").replace("\\", "/")
                part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
                found[given.get("Id", "")] = (given.get("Type", ""), part)
        return found


def _is_sheet(kind: str) -> bool:
    return kind.endswith((_SHEET_PART, *_NOT_READ))


def _attributes(tag: bytes) -> dict[str, str]:
    """The attributes of a tag; prefixes are dropped, so that ``r:id`` is ``id``."""
    return {
        name.rpartition(b":")[2].decode("utf-8", "replace"): html.unescape(
            (double or single).decode("utf-8", "replace")
        )
        for name, double, single in _ATTRIBUTE.findall(tag)
    }
