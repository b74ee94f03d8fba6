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
from functools import cached_property
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from importer.sources.celltext import DateStyles
from importer.sources.zipped import MIB, Archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

SHEET_LIMIT = 2048 * MIB
"""Unpacked bytes of a sheet, which is never held whole."""
STRINGS_LIMIT = 1024 * MIB
"""Unpacked bytes of the shared strings, which the workbook library holds."""
STRINGS_MOST = 20_000_000
"""Shared strings; each takes memory however short it is."""
PART_LIMIT = 64 * MIB
"""Unpacked bytes of any other part (styles, relationships)."""

STRINGS = "xl/sharedStrings.xml"
_TAG = re.compile(rb"<(?:[\w.-]+:)?(?P<name>sheet|workbookPr|Relationship)\s(?P<rest>[^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_WORKBOOK = re.compile(rb"<(?:[\w.-]+:)?workbook[\s>]")
_NUMBER_FORMAT = re.compile(rb"<(?:[\w.-]+:)?numFmt\s([^<>]*)>")
_CELL_STYLES = re.compile(rb"<(?:[\w.-]+:)?cellXfs[\s>](.*?)</(?:[\w.-]+:)?cellXfs", re.DOTALL)
_STYLE = re.compile(rb"<(?:[\w.-]+:)?xf[\s/]([^<>]*)>")
_HEAD = 4096
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
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

    @cached_property
    def workbook(self) -> str:
        """The part of the workbook; where it is, the package's relationships say."""
        return workbook_part(self) or f"xl/workbook.{self.format}"

    @cached_property
    def strings(self) -> str:
        """The part of the shared strings, which may not be there."""
        return self._related("/sharedStrings", f"sharedStrings.{self.format}")

    @cached_property
    def styles(self) -> str:
        """The part of the formats, which may not be there."""
        return self._related("/styles", f"styles.{self.format}")

    def _related(self, kind: str, usual: str) -> str:
        found = (part for type_, part in self.relationships.values() if type_.endswith(kind))
        return next((part for part in found if self.has(part)), f"xl/{usual}")

    @cached_property
    def is_usual(self) -> bool:
        """Whether parts are named as Excel names them and every sheet is there.

        The workbook library reads no others.
        """
        shape = self.format
        names = (self.workbook, self.strings, self.styles)
        usual = (f"xl/workbook.{shape}", f"xl/sharedstrings.{shape}", f"xl/styles.{shape}")
        found = all(self.has(part) for _, part in self._related_sheets())
        return found and tuple(map(str.lower, names)) == usual

    def sheets(self) -> list[Sheet]:
        """The sheets of cells, in the workbook's order."""
        found = []
        for given, part in self._related_sheets():
            kind, _ = self.relationships.get(given.get("id", ""), ("", ""))
            if kind.endswith(_SHEET_PART) and self.has(part):
                hidden = given.get("state", "visible") != "visible"
                found.append(Sheet(given.get("name", ""), part, hidden))
        return found

    def _related_sheets(self) -> list[tuple[dict[str, str], str]]:
        """The attributes of each sheet of any kind, and its part: none for one without relation."""
        return [
            (given, self.relationships.get(given.get("id", ""), ("", ""))[1])
            for given in map(_attributes, self._tags("sheet"))
        ]

    def _tags(self, name: str) -> list[bytes]:
        """The insides of the workbook's tags of this name."""
        tags = _TAG.finditer(self.read(self.workbook))
        return [tag["rest"] for tag in tags if tag["name"] == name.encode()]

    @cached_property
    def dates(self) -> DateStyles:
        """The styles of cells that make numbers dates, as far as they can be told."""
        styles = self.read(self.styles)
        written = {}
        for tag in _NUMBER_FORMAT.finditer(styles):
            given = _attributes(tag[1])
            written[_number(given.get("numFmtId"))] = given.get("formatCode", "")
        cells = _CELL_STYLES.search(styles)
        tags = _STYLE.finditer(styles, *cells.span(1)) if cells else ()
        numbers = [_number(_attributes(tag[1]).get("numFmtId")) for tag in tags]
        return DateStyles.of(numbers, written, since_1904=self.is_since_1904())

    def is_since_1904(self) -> bool:
        """Whether days are counted from 1904."""
        about = [_attributes(rest) for rest in self._tags("workbookPr")]
        return bool(about) and about[0].get("date1904", "0") in {"1", "true", "on"}

    @contextmanager
    def with_sheet(
        self, part: str, change: Callable[[Iterable[bytes], Package], Iterable[bytes]] | None = None
    ) -> Iterator[IO[bytes]]:
        """A temporary workbook of nothing but one sheet and what the workbook library needs for it.

        Parts have their usual names there. The sheet may be changed on the way.
        """
        sheet = f"worksheets/sheet1.{self.format}"
        pieces = self.unpack(part, SHEET_LIMIT)
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
                related = {"worksheet": sheet}
                for kind, name in (("styles", self.styles), ("sharedStrings", self.strings)):
                    if self.has(name):
                        related[kind] = f"{kind}.{self.format}"
                        _put(copy, f"xl/{related[kind]}", self.unpack(name, STRINGS_LIMIT))
                for name, content in self._one_sheet(related).items():
                    copy.writestr(name, content)
                _put(copy, f"xl/{sheet}", pieces if change is None else change(pieces, self))
            file.seek(0)
            yield file

    def _one_sheet(self, related: Mapping[str, str]) -> dict[str, bytes]:
        """A workbook with one sheet, by the names of its parts; `related` are others by kind."""
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        workbook = (
            f'<workbook xmlns="{main}" xmlns:r="{_RELATION}">'
            f'<workbookPr date1904="{int(self.is_since_1904())}"/>'
            '<sheets><sheet name="Sheet1" sheetId="1" r:id="worksheet"/></sheets></workbook>'
        )
        return {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>'.encode(),
            "_rels/.rels": relations({"officeDocument": "xl/workbook.xml"}),
            "xl/workbook.xml": workbook.encode(),
            "xl/_rels/workbook.xml.rels": relations(related),
        }

    def check_shared(self) -> None:
        """Unpack what the workbook library reads beside the sheet, to see that it is bearable."""
        for part in self._shared_parts() - {self.strings.lower()}:
            for _ in self.unpack(part, PART_LIMIT):
                pass

    def has_external_links(self) -> bool:
        """Whether cells take values from other files; those stored are read, the files never."""
        return any(kind.endswith("/externalLink") for kind, _ in self.relationships.values())

    def _shared_parts(self) -> set[str]:
        """Names, in lower case, of the parts read whatever the sheet is."""
        related = {
            part.lower() for kind, part in self.relationships.values() if not _is_sheet(kind)
        }
        fixed = ("_rels/.rels", "[content_types].xml", self.workbook, _relations_of(self.workbook))
        return related.union(map(str.lower, (*fixed, self.strings, self.styles)))

    @cached_property
    def relationships(self) -> dict[str, tuple[str, str]]:
        """The workbook's relationships: id → (type, part)."""
        return _relationships(self.read(_relations_of(self.workbook)), self.workbook)


def workbook_part(archive: Archive) -> str | None:
    """Where the workbook is in an archive, if the archive is a workbook at all.

    The relationships of the package say it (ECMA-376, part 2, 9.3); where they do not, the usual
    names are looked for.
    """
    relations = b"".join(archive.unpack("_rels/.rels", PART_LIMIT))
    named = [
        part
        for kind, part in _relationships(relations, "").values()
        if kind.endswith("/officeDocument") and archive.has(part)
    ]
    for part in (*named, "xl/workbook.xml", "xl/workbook.bin"):
        if archive.has(part) and (
            part.lower().startswith("xl/workbook.") or _is_workbook(archive, part)
        ):
            return part
    return None


def _is_workbook(archive: Archive, part: str) -> bool:
    """Whether a part is a workbook's by its first tags; a binary one has its own first record."""
    head = next(archive.unpack(part, PART_LIMIT), b"")[:_HEAD]
    if part.lower().endswith(".bin"):
        return head.startswith(b"\x83\x01")  # BrtBeginBook
    return _WORKBOOK.search(head) is not None


def _relationships(content: bytes, source: str) -> dict[str, tuple[str, str]]:
    """Relationships: id → (type, part); targets are seen from the part that they belong to."""
    found = {}
    for tag in _TAG.finditer(content):
        given = _attributes(tag["rest"])
        if tag["name"] == b"Relationship" and given.get("TargetMode") != "External":
            target = unquote(given.get("Target", "")).replace("\\", "/")
            part = posixpath.normpath(posixpath.join("/", posixpath.dirname(source), target))
            found[given.get("Id", "")] = (given.get("Type", ""), part.lstrip("/"))
    return found


def _relations_of(part: str) -> str:
    """The part with the relationships of another."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def relations(related: Mapping[str, str]) -> bytes:
    """A part with relationships: their kinds, which are their ids too, and targets."""
    lines = [
        f'<Relationship Id="{kind}" Type="{_RELATION}/{kind}" Target="{target}"/>'
        for kind, target in related.items()
    ]
    head = f'<Relationships xmlns="{_PACKAGE}/relationships">'
    return f"{head}{''.join(lines)}</Relationships>".encode()


def _put(copy: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> None:
    with copy.open(name, "w", force_zip64=True) as target:
        for piece in pieces:
            target.write(piece)


def _is_sheet(kind: str) -> bool:
    return kind.endswith((_SHEET_PART, *_NOT_READ))


def _number(text: str | None) -> int:
    """A number in an attribute; 0, that of the general format, where there is none."""
    return int(text) if text and len(text) < 10 and text.isascii() and text.isdigit() else 0


def _attributes(tag: bytes) -> dict[str, str]:
    """The attributes of a tag; prefixes are dropped, so that ``r:id`` is ``id``."""
    return {
        name.rpartition(b":")[2].decode("utf-8", "replace"): html.unescape(
            (double or single).decode("utf-8", "replace")
        )
        for name, double, single in _ATTRIBUTE.findall(tag)
    }
