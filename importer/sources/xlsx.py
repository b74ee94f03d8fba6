"""Excel workbooks of XML (.xlsx, .xlsm): one sheet of one, as text.

python-calamine reads the cells. Before that, all parts that it will read are unpacked once, piece
by piece and thrown away, to see that they are within the limits; :mod:`importer.sources.sheetxml`
looks through the sheet on the way.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING

import numpy as np
import python_calamine as calamine

from importer.errors import SourceError
from importer.sources.detect import FileKind
from importer.sources.grid import LONGEST_TEXT, TEXT_LIMIT, too_long_cell, too_much_text
from importer.sources.package import (
    MIB,
    PART_LIMIT,
    SHEET_LIMIT,
    Archive,
    relations_part,
    relationships,
    tag_attributes,
    workbook_part,
)
from importer.sources.sheetxml import scan_sheet, with_known_values
from importer.sources.workbook import (
    DateStyles,
    calamine_rows,
    call_calamine,
    chosen_sheet,
    sheet_reading,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy.typing as npt

    from importer.settings import SourceOptions
    from importer.sources.grid import Scan
    from importer.sources.inputfile import InputFile
    from importer.sources.source import Reading

STRINGS_LIMIT = 1024 * MIB
"""Unpacked bytes of the shared strings, which the workbook library holds."""
STRINGS_MOST = 20_000_000
"""Shared strings; each takes memory however short it is."""

_TAG = re.compile(rb"<(?:[\w.-]+:)?(?P<name>sheet|workbookPr)\s(?P<rest>[^>]*)>")
_NUMBER_FORMAT = re.compile(rb"<(?:[\w.-]+:)?numFmt\s([^<>]*)>")
_CELL_STYLES = re.compile(rb"<(?:[\w.-]+:)?cellXfs[\s>](.*?)</(?:[\w.-]+:)?cellXfs", re.DOTALL)
_STYLE = re.compile(rb"<(?:[\w.-]+:)?xf[\s/]([^<>]*)>")
_FONTS = re.compile(rb"<(?:[\w.-]+:)?fonts[\s>](.*?)</(?:[\w.-]+:)?fonts", re.DOTALL)
_FONT = re.compile(rb"<(?:[\w.-]+:)?font(?:\s*/>|\s*>(.*?)</(?:[\w.-]+:)?font\s*>)", re.DOTALL)
_STRUCK = re.compile(rb"<(?:[\w.-]+:)?strike\s*(?:val\s*=\s*[\"'](?:1|true|on)[\"']\s*)?/>")
_SHARED = re.compile(
    rb"<(?:[\w.-]+:)?c\s(?>[^<>]*?\bt\s*=\s*[\"']s[\"'])[^<>]*>\s*"
    rb"<(?:[\w.-]+:)?v(?:\s[^<>]*)?>\s*([0-9]{1,9})"
)
"""A cell's number of a shared string."""
_STRING_END = re.compile(rb"</(?:[\w.-]+:)?si\s*>|<(?:[\w.-]+:)?si(?:\s[^<>]*)?/>")
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET_PART = "/worksheet"
_NOT_READ = ("/chartsheet", "/dialogsheet", "/xlMacrosheet", "/externalLink")


def open_excel(file: InputFile, options: SourceOptions) -> Reading:
    """Open a sheet of a workbook: the one the options name, or the first visible one."""
    with ExcelPackage(file) as package:
        sheets = package.sheets()
        sheet = chosen_sheet(file, sheets, options.sheet)
        package.check_shared()
        scan = scan_sheet(package.unpack(sheet.part, SHEET_LIMIT), package, package.dates)
        _check_strings(package, sheet, scan)
        cells = call_calamine(file, lambda: load_cells(package, sheets.index(sheet), sheet, scan))
        rows = calamine_rows(cells, scan, file)
        scan.linked = package.has_external_links()
    return sheet_reading(file, FileKind.XLSX, (sheet, sheets), rows, scan, options)


def load_cells(
    package: ExcelPackage, index: int, sheet: Sheet, scan: Scan
) -> calamine.CalamineSheet:
    """The sheet's cells, by calamine: out of a copy where it does not read the workbook itself."""
    has_unknown = scan.unknown_errors or scan.undated
    if package.is_usual and not has_unknown:
        try:
            return _sheet_in(
                calamine.CalamineWorkbook.from_path(str(package.file.path)), index, sheet
            )
        except calamine.CalamineError:
            pass  # over a part, maybe, that has nothing to do with this sheet
    change = partial(with_known_values, archive=package, dates=package.dates)
    with package.with_sheet(sheet.part, change if has_unknown else None) as copy:
        return _sheet_in(calamine.CalamineWorkbook.from_filelike(copy), 0, sheet)


def _sheet_in(
    workbook: calamine.CalamineWorkbook, index: int, sheet: Sheet
) -> calamine.CalamineSheet:
    """The sheet by its name; by its index where calamine decodes the name differently."""
    if sheet.name in workbook.sheet_names:
        return workbook.get_sheet_by_name(sheet.name)
    kind = calamine.SheetTypeEnum.WorkSheet
    names = [given.name for given in workbook.sheets_metadata if given.typ == kind]
    return workbook.get_sheet_by_name(names[index])


def _check_strings(package: ExcelPackage, sheet: Sheet, scan: Scan) -> None:
    """Raise SourceError where a shared string or all cells' strings are over a limit.

    The workbook library gives each cell a copy of its text: one long text that a million cells
    share takes some kilobytes in the file and many gigabytes there. So what the copies come to is
    found out before: from above where that will do; where not, by the sheet's XML, read again.
    """
    longest = count = 0
    for lengths in _string_lengths(package):
        longest = max(longest, int(lengths.max(initial=0)))
        count += len(lengths)
        if count > STRINGS_MOST:
            raise SourceError(
                f"{package.file}: this workbook has more than {STRINGS_MOST:,} texts.",
                "Divide the list into several files, or save the sheet as CSV.",
            )
    if scan.text + longest * scan.shared <= TEXT_LIMIT:
        return
    table = np.concatenate([*_string_lengths(package), np.zeros(1, np.int64)])
    total, unseen, rest = scan.text, scan.shared, b""
    for piece in package.unpack(sheet.part, SHEET_LIMIT):
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


def _string_lengths(package: ExcelPackage) -> Iterator[npt.NDArray[np.int64]]:
    """The bytes of the texts' XML, in order and in parts: never less than those of the text."""
    rest = b""
    for piece in package.unpack(package.strings, STRINGS_LIMIT):
        part = rest + piece
        if b":si" in part or b"<si " in part:
            *whole, rest = _STRING_END.split(part)
        else:
            *whole, rest = part.replace(b"<si/>", b"</si>").split(b"</si>")
        if len(rest) > LONGEST_TEXT:
            raise too_long_cell(str(package.file))
        yield np.fromiter(map(len, whole), np.int64, len(whole))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells (not a chart); `part` is where it stands in the archive."""

    name: str
    part: str
    hidden: bool


class ExcelPackage(Archive):
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

        The workbook library reads only such workbooks.
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
            for given in map(tag_attributes, self._tags("sheet"))
        ]

    def _tags(self, name: str) -> list[bytes]:
        """The insides of the workbook's tags of this name."""
        tags = _TAG.finditer(self.read(self.workbook))
        return [tag["rest"] for tag in tags if tag["name"] == name.encode()]

    @cached_property
    def dates(self) -> DateStyles:
        """The styles of cells that make numbers dates.

        A cell's style is the place of an ``xf`` in ``cellXfs`` (ECMA-376, part 1, 18.8.10), which
        names a format by number; ``numFmt`` says how that is written (18.8.30).
        """
        styles = self.read(self.styles)
        written = {}
        for tag in _NUMBER_FORMAT.finditer(styles):
            given = tag_attributes(tag[1])
            written[_number(given.get("numFmtId"))] = given.get("formatCode", "")
        cells = _CELL_STYLES.search(styles)
        tags = _STYLE.finditer(styles, *cells.span(1)) if cells else ()
        about = [tag_attributes(tag[1]) for tag in tags]
        numbers = [_number(given.get("numFmtId")) for given in about]
        fonts = _FONTS.search(styles)
        written_fonts = _FONT.findall(fonts[1]) if fonts else []
        struck = {number for number, font in enumerate(written_fonts) if _STRUCK.search(font)}
        found = DateStyles.of(numbers, written, since_1904=self.is_since_1904())
        of_cells = (style for style, g in enumerate(about) if _number(g.get("fontId")) in struck)
        return replace(found, struck=frozenset(of_cells))

    def is_since_1904(self) -> bool:
        """Whether days are counted from 1904."""
        about = [tag_attributes(rest) for rest in self._tags("workbookPr")]
        return bool(about) and about[0].get("date1904", "0") in {"1", "true", "on"}

    @contextmanager
    def with_sheet(
        self, part: str, change: Callable[[Iterable[bytes]], Iterable[bytes]] | None = None
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
                for name, content in self._parts_of_one_sheet(related).items():
                    copy.writestr(name, content)
                _put(copy, f"xl/{sheet}", pieces if change is None else change(pieces))
            file.seek(0)
            yield file

    def _parts_of_one_sheet(self, related: Mapping[str, str]) -> dict[str, bytes]:
        """A workbook with one sheet, by the names of its parts; `related` are others by kind."""
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        workbook = (
            f'<workbook xmlns="{main}" xmlns:r="{_RELATION}">'
            f'<workbookPr date1904="{int(self.is_since_1904())}"/>'
            '<sheets><sheet name="Sheet1" sheetId="1" r:id="worksheet"/></sheets></workbook>'
        )
        return {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>'.encode(),
            "_rels/.rels": relations_xml({"officeDocument": "xl/workbook.xml"}),
            "xl/workbook.xml": workbook.encode(),
            "xl/_rels/workbook.xml.rels": relations_xml(related),
        }

    def check_shared(self) -> None:
        """Raise SourceError where a part that calamine reads beside the sheet is over a limit."""
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
        fixed = ("_rels/.rels", "[content_types].xml", self.workbook, relations_part(self.workbook))
        return related.union(map(str.lower, (*fixed, self.strings, self.styles)))

    @cached_property
    def relationships(self) -> dict[str, tuple[str, str]]:
        """The workbook's relationships: id → (type, part)."""
        return relationships(self.read(relations_part(self.workbook)), self.workbook)


def relations_xml(related: Mapping[str, str]) -> bytes:
    """The XML of relationships: their kinds, which are their ids too, and targets."""
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
