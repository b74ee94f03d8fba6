"""The workbook that was read, made ready for openpyxl, by which reports mark it.

openpyxl reads a package whole, into objects that take hundreds of bytes each, and follows what is
written there: one merge over a whole sheet would be 17 billion objects. So each part is unpacked
under the limits of :mod:`importer.sources.package`, what is in it is counted, whatever part it
claims to be, and what is within the limits is written into a package of its own. What openpyxl
would lose or stumble over is left out of that package, and reported.

Counting looks at tags with regular expressions. It may count too many, such as those in a comment,
and never too few.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

from importer.errors import SourceError
from importer.sources.inputfile import InputFile
from importer.sources.package import (
    MIB,
    PART_LIMIT,
    RELATIONSHIP,
    Archive,
    relationships,
    tag_attributes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MOST_CELLS = 300_000
"""Cells of all sheets together, blank ones with a format, merged and linked ones too."""
LARGEST_ORIGINAL = 64 * MIB
"""Bytes of the workbook itself."""
_UNPACKED = 192 * MIB
_MOST_TAGS = 4_000_000
"""Tags of one part, those that end others too; a cell takes up to eight."""
_MOST_OTHERS = 300_000
"""Tags that are neither of cells nor of texts: styles, widths, rules."""
_LONGEST_RUN = 256 * 1024
"""Bytes from one tag to the next; a cell's text has 32,767 characters at most."""
_RULES = 256 * MIB
"""Bytes of ranges that conditional formats make openpyxl go through, at most: all those of a format
for each of its rules."""
_SHARED_FORMULAS = 128 * MIB
"""Bytes of formulas once each cell that shares one has its own."""

_OF_CELLS = frozenset((b"row", b"c", b"v", b"f", b"is", b"si", b"t"))
_TAG_NAME = re.compile(rb"<(?:[^\s<>/:=\"'!?]+:)?([^\s<>/:=\"'!?]+)")
_LONG_RUN = re.compile(rb"<[^<]{%d}" % _LONGEST_RUN)
_AREA_TAG = re.compile(
    rb"<(?:[^\s<>/:=\"'!?]+:)?(?:mergeCell|hyperlink)(?=[\s/>])"
    rb"((?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*)>"
)
_FORMAT_TAG = re.compile(rb"<(?:[^\s<>/:=\"'!?]+:)?conditionalFormatting(?=\s)([^<]*)<")
_AREA = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})(?::\$?([A-Za-z]{1,3})\$?([0-9]{1,7}))?")
_FORMULA_TEXT = re.compile(rb"<(?:[^\s<>/:=\"'!?]+:)?f(?=[\s>])[^<>]*>([^<]*)<")
_SHARED_FORMULA = re.compile(rb"<(?:[^\s<>/:=\"'!?]+:)?f\s[^<>]*\bt\s*=\s*[\"']shared[\"']")
_PIVOT_CACHES = re.compile(
    rb"<(?:[\w.-]+:)?pivotCaches[\s>].*?</(?:[\w.-]+:)?pivotCaches\s*>", re.DOTALL
)

_LOST_PARTS = (
    ("xl/pivottables/pivottable", "pivot table"),
    ("xl/slicers/", "slicer"),
    ("xl/timelines/", "timeline"),
    ("xl/ctrlprops/", "form control"),
    ("xl/activex/activex", "control"),
    ("xl/embeddings/", "embedded object"),
    ("xl/threadedcomments/", "thread of comments (its text stays, as a note)"),
    ("xl/querytables/", "query of outside data"),
    ("xl/model/", "data model"),
    ("xl/diagrams/data", "diagram"),
    ("docmetadata/labelinfo", "sensitivity label"),
    ("customui/", "ribbon of its own"),
    ("_xmlsignatures/sig", "signature"),
)
"""How names of parts begin that openpyxl does not keep, and what people call such a part."""
_LOST_EXTENSIONS = {
    b"sparkline": "sparkline",
    b"cfRule": "conditional format of Excel 2010 or later",
    b"dataValidation": "drop-down list that refers to another sheet",
}
"""What openpyxl does not keep of a sheet's extensions (ECMA-376, part 1, 18.2.10), by its tag."""
_LOST_TAGS = {
    b"protectedRange": "range that may be edited in a protected sheet",
    b"customWorkbookView": "custom view",
    b"fileSharing": "recommendation to open it for reading only",
    b"picture": "picture",  # behind the cells
    b"legacyDrawingHF": "picture",  # at the head or foot of the pages
}
"""What openpyxl does not keep, by its tag in a workbook or a sheet."""
_LOST_LISTS = {
    b"connections": (b"connection", "source of outside data"),
    b"rvData": (b"rv", "linked value of cells (pictures, data types)"),
}
"""The same, by the tag of the part that has them all, and theirs in it."""
_DYNAMIC_FORMULA = "dynamic array formula"
_DYNAMIC_CELL = re.compile(rb"<(?:[^\s<>/:=\"'!?]+:)?c\s(?:[^<>]*\s)?cm\s*=")
_LOST_THINGS = ("picture", "shape", "chart", *_LOST_EXTENSIONS.values())
_SHAPES = (b"sp", b"cxnSp", b"grpSp")


def write_for_openpyxl(path: Path, target: Path) -> tuple[str, ...]:
    """Write those parts of a workbook to `target`, which exists, that openpyxl can read and keep.

    Returns what is left out, in words. Raises SourceError, whose message says why, for a
    workbook that is damaged, too large, or made in a way that openpyxl should not be given.
    """
    with Archive(InputFile(path, "the workbook"), size_limit=LARGEST_ORIGINAL) as archive:
        parts = dict(_parts(archive))
        counts = {name: _counted(archive, name, content) for name, content in parts.items()}
        _check_counts(sum(counts.values(), Counter()), parts)
        dropped = {name.lower() for name in parts if _is_lost_drawing(counts[name])}
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as copy:
            for name, content in parts.items():
                if name.lower() not in dropped:
                    copy.writestr(name, _without_lost(name, content, dropped))
        return tuple(_left_out(archive, parts, counts, dropped))


def _parts(archive: Archive) -> Iterator[tuple[str, bytes]]:
    """The parts that openpyxl reads, those of XML, by their names."""
    total = 0
    for info in archive.parts.values():
        name = info.filename.replace("\\", "/")
        if not name.lower().endswith((".xml", ".rels")):
            continue
        content = b"".join(archive.unpack(name, PART_LIMIT))
        total += len(content)
        if total > _UNPACKED:
            raise archive.over("its parts unpack to more", _UNPACKED)
        # What is written in 16 bits a character would hide its tags, entities multiply.
        if b"\0" in content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise archive.damaged(f"{name} is not XML as spreadsheet programs write it")
        yield name, content


def _counted(archive: Archive, name: str, content: bytes) -> Counter[bytes]:
    """How many tags of each name a part has."""
    if content.count(b"<") > _MOST_TAGS:
        raise _too_large(f"far more than {MOST_CELLS:,} cells, or as much of other things")
    if _LONG_RUN.search(content):
        raise archive.damaged(f"{name} has a tag or a text of more than {_LONGEST_RUN:,} bytes")
    return Counter(tag[1] for tag in _TAG_NAME.finditer(content))


def _too_large(what: str) -> SourceError:
    return SourceError(f"the workbook has {what}.", "Its report is a copy of the text.")


def _check_counts(counts: Counter[bytes], parts: Mapping[str, bytes]) -> None:
    """Raise SourceError where all parts together hold more than openpyxl should be given."""
    areas = [tag_attributes(tag[1]) for part in parts.values() for tag in _AREA_TAG.finditer(part)]
    if len(areas) != counts[b"mergeCell"] + counts[b"hyperlink"]:
        raise _too_large("merged cells or links that no program writes")
    cells = counts[b"c"] + sum(_size(given.get("ref", "")) for given in areas)
    if cells > MOST_CELLS:
        raise _too_large(f"{cells:,} cells, more than the {MOST_CELLS:,} that are marked")
    if any(counts[name] > 2 * MOST_CELLS for name in _OF_CELLS):
        raise _too_large("more rows or texts than cells")
    others = sum(number for name, number in counts.items() if name not in _OF_CELLS)
    if others > _MOST_OTHERS:
        raise _too_large("very many formats")
    longest = max(
        (len(tag[1]) for part in parts.values() for tag in _FORMAT_TAG.finditer(part)), default=0
    )
    if longest * counts[b"cfRule"] > _RULES:
        raise _too_large("very many conditional formats")
    if counts[b"table"] > counts[b"tableColumns"]:
        # openpyxl makes cells of all the table's area, to look for the names of its columns.
        raise _too_large("a table without columns")
    longest = shared = 0
    for part in parts.values():
        if b":f" in part or b"<f" in part:
            longest = max([longest, *(len(found[1]) for found in _FORMULA_TEXT.finditer(part))])
            shared += sum(1 for _ in _SHARED_FORMULA.finditer(part))
    if longest * shared > _SHARED_FORMULAS:
        raise _too_large("very long formulas in very many cells")


def _size(reference: str) -> int:
    """How many cells an area has; raises SourceError for one that is written unusually."""
    area = _AREA.fullmatch(reference)
    if area is None:
        raise _too_large("merged cells or links that no program writes")
    if area[3] is None:
        return 1
    width = abs(_column(area[3]) - _column(area[1])) + 1
    return width * (abs(int(area[4]) - int(area[2])) + 1)


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - 64
    return number


def _is_lost_drawing(counts: Counter[bytes]) -> bool:
    """Whether a part is a drawing that openpyxl may not read: with more than charts and shapes."""
    return counts[b"wsDr"] > 0 and bool(
        counts[b"pic"] or counts[b"AlternateContent"] or not counts[b"chart"]
    )


def _without_lost(name: str, content: bytes, dropped: set[str]) -> bytes:
    """A part without what leads to those that are dropped, and to pivot tables."""
    if name.lower().endswith(".rels"):
        folder, _, file = name.removesuffix(".rels").rpartition("_rels/")
        related = relationships(content, folder + file)

        def kept(tag: re.Match[bytes]) -> bytes:
            given = tag_attributes(tag[1])
            kind, part = related.get(given.get("Id", ""), ("", ""))
            lost = kind.endswith("/pivotTable") or part.lower() in dropped
            return b"" if lost else tag[0]

        return RELATIONSHIP.sub(kept, content)
    if b"pivotCaches" in content:
        return _PIVOT_CACHES.sub(b"", content)
    return content


def _left_out(
    archive: Archive,
    parts: Mapping[str, bytes],
    counts: Mapping[str, Counter[bytes]],
    dropped: set[str],
) -> Iterator[str]:
    """What openpyxl does not keep, each kind with how many there are."""
    found = Counter(dict.fromkeys(_LOST_THINGS, 0))
    for name, of_part in counts.items():
        if of_part[b"wsDr"]:
            found["picture"] += of_part[b"pic"]
            found["shape"] += sum(of_part[shape] for shape in _SHAPES)
            found["chart"] += of_part[b"chart"] if name.lower() in dropped else 0
        for tag, what in _LOST_TAGS.items():
            found[what] += of_part[tag] if of_part[b"sheetData"] or of_part[b"sheets"] else 0
        for root, (tag, what) in _LOST_LISTS.items():
            found[what] += of_part[tag] if of_part[root] else 0
        if of_part[b"sheetData"]:
            content = parts[name]
            found[_DYNAMIC_FORMULA] += sum(1 for _ in _DYNAMIC_CELL.finditer(content))
            at = content.rfind(b"<extLst")
            # Those within a conditional format belong to it, and are followed by others.
            if at >= 0 and content.find(b"</conditionalFormatting", at) < 0:
                beyond = Counter(tag[1] for tag in _TAG_NAME.finditer(content, at))
                for tag, what in _LOST_EXTENSIONS.items():
                    found[what] += beyond[tag]
    for part in archive.parts:
        for begin, what in _LOST_PARTS:
            found[what] += part.startswith(begin) and "/_rels/" not in part
    for what, number in found.items():
        if number:
            yield f"{number:,} {_plural(what) if number > 1 else what}"
    if any(part.rpartition("/")[2] == "vbaproject.bin" for part in archive.parts):
        yield "macros"


def _plural(what: str) -> str:
    noun, mark, rest = what.partition(" of ")
    if not mark:
        noun, mark, rest = what.partition(" that ")
    return f"{noun}s{mark}{rest}".replace("querys", "queries").replace(" refers ", " refer ")
