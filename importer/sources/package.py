"""The parts of an .xlsx file, unpacked under limits.

An .xlsx file is a ZIP archive of XML parts (ECMA-376). Before the workbook library sees the file,
each part that it will read is unpacked once here, piece by piece and thrown away, so that an
archive that lies about its sizes, or a bomb, is refused by what it *does* unpack to. The limits
leave room for the largest honest sheet, 1,048,576 rows by some 20 columns (about 1 GB of XML).
"""

from __future__ import annotations

import html
import posixpath
import re
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self

from importer.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MIB = 2**20
FILE_LIMIT = 512 * MIB
"""Bytes of the file itself; a million rows by 15 columns take 60 to 100 MiB."""
SHEET_LIMIT = 2048 * MIB
"""Unpacked bytes of a sheet, which is never held whole."""
STRINGS_LIMIT = 1024 * MIB
"""Unpacked bytes of the shared strings, which the workbook library holds."""
STRINGS_MOST = 20_000_000
"""Shared strings; each takes memory however short it is."""
PART_LIMIT = 64 * MIB
"""Unpacked bytes of any other part (styles, relationships)."""
RATIO_LIMIT = 250
"""Unpacked to packed bytes, beyond `RATIO_FREE`; sheets reach 60, bombs a thousand."""
RATIO_FREE = 64 * MIB

_PIECE = MIB
_STORED, _DEFLATED = 0, 8
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError)
_TAG = re.compile(rb"<(?:[\w.-]+:)?(?P<name>sheet|Relationship)\s(?P<rest>[^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SHEET_PART = "/worksheet"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells (not a chart); `part` is where it stands in the archive."""

    name: str
    part: str
    hidden: bool


class Package:
    """An open .xlsx file. A context manager; raises SourceError for damage and limits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size > FILE_LIMIT:
            raise self._over("the file is larger", FILE_LIMIT)
        try:
            self._archive = zipfile.ZipFile(path)
        except (*_DAMAGE, NotImplementedError) as error:
            raise self.damaged(str(error)) from None
        self._parts: dict[str, zipfile.ZipInfo] = {}
        try:
            self._index()
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def _index(self) -> None:
        """Parts by the name the workbook library finds them under: any case, either slash."""
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/").lower()
            if name in self._parts:
                raise self.damaged(f"the part {info.filename!r} is in it twice")
            if info.flag_bits & 1:
                raise SourceError(
                    f"{self.path}: this workbook is protected by a password.",
                    "Save it without a password and import that copy.",
                )
            self._parts[name] = info

    def damaged(self, why: str) -> SourceError:
        """The error for a workbook that is not as it should be."""
        return SourceError(
            f"{self.path}: this workbook is damaged or cut short ({why}).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )

    def _over(self, what: str, limit: int) -> SourceError:
        return SourceError(
            f"{self.path}: {what} than the limit of {limit // MIB:,} MiB.",
            "Divide the list into several files, or save the sheet as CSV, which has no limit.",
        )

    def unpack(self, part: str, limit: int) -> Iterator[bytes]:
        """The bytes of a part, in pieces of at most 1 MiB; a part that is not there has none."""
        info = self._parts.get(part.lower())
        if info is None:
            return
        if info.compress_type not in (_STORED, _DEFLATED):
            raise self.damaged(f"{info.filename} is packed in an unknown way")
        total = 0
        try:
            for piece in _inflated(self._archive, info):
                total += len(piece)
                if total > limit:
                    raise self._over(f"{info.filename} unpacks to more", limit)
                if total > RATIO_FREE and total > RATIO_LIMIT * info.compress_size:
                    raise SourceError(
                        f"{self.path}: {info.filename} unpacks to more than {RATIO_LIMIT} times"
                        " its size, as only files made to do harm do.",
                        "If you trust the file, save the sheet as CSV.",
                    )
                yield piece
        except _DAMAGE as error:
            raise self.damaged(f"{info.filename}: {error}") from None
        if total != info.file_size:
            raise self.damaged(f"{info.filename} has another size than it says")

    def read(self, part: str) -> bytes:
        """A small part, whole; without declarations of entities, which no workbook has."""
        content = b"".join(self.unpack(part, PART_LIMIT))
        if b"<!" in content.replace(b"<!--", b""):
            raise self.damaged(f"{part} holds a document type declaration")
        return content

    def has(self, part: str) -> bool:
        """Whether the archive has this part."""
        return part.lower() in self._parts

    def sheets(self) -> list[Sheet]:
        """The sheets of cells, in the workbook's order."""
        targets = self._relationships()
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
            with zipfile.ZipFile(file, "w", _DEFLATED, compresslevel=1) as copy:
                for other in self._shared_parts() & self._parts.keys():
                    with copy.open(self._parts[other].filename, "w", force_zip64=True) as target:
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
                continue
            count = 0
            for piece in self.unpack(part, STRINGS_LIMIT):
                count += piece.count(b"si>") + piece.count(b"<si/")
                if count > 2 * STRINGS_MOST:
                    raise SourceError(
                        f"{self.path}: this workbook has more than {STRINGS_MOST:,} texts.",
                        "Divide the list into several files, or save the sheet as CSV.",
                    )

    def _shared_parts(self) -> set[str]:
        """Names, in lower case, of the parts read whatever the sheet is."""
        related = {
            part.lower() for kind, part in self._relationships().values() if not _is_sheet(kind)
        }
        fixed = ("_rels/.rels", "[content_types].xml", "xl/workbook.xml")
        more = ("xl/_rels/workbook.xml.rels", "xl/sharedstrings.xml", "xl/styles.xml")
        return related.union(fixed, more)

    def _relationships(self) -> dict[str, tuple[str, str]]:
        """The workbook's relationships: id → (type, part)."""
        found = {}
        for tag in _TAG.finditer(self.read("xl/_rels/workbook.xml.rels")):
            given = _attributes(tag["rest"])
            if tag["name"] == b"Relationship" and given.get("TargetMode") != "External":
                target = given.get("Target", "").replace("\\", "/")
                part = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
                found[given.get("Id", "")] = (given.get("Type", ""), part)
        return found


def _is_sheet(kind: str) -> bool:
    return kind.endswith((_SHEET_PART, "/chartsheet", "/dialogsheet", "/xlMacrosheet"))


def _attributes(tag: bytes) -> dict[str, str]:
    """The attributes of a tag; prefixes are dropped, so that ``r:id`` is ``id``."""
    return {
        name.rpartition(b":")[2].decode("utf-8", "replace"): html.unescape(
            (double or single).decode("utf-8", "replace")
        )
        for name, double, single in _ATTRIBUTE.findall(tag)
    }


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The unpacked bytes to the true end of the stream.

    The zipfile module stops at the size that the directory claims; other readers do not.
    """
    file = archive.fp
    if file is None:
        raise zipfile.BadZipFile("closed")
    file.seek(info.header_offset)
    header = struct.unpack("<4s22xHH", file.read(30))
    if header[0] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no part where the directory says")
    at = info.header_offset + 30 + header[1] + header[2]
    left = info.compress_size
    inflate = zlib.decompressobj(-15) if info.compress_type == _DEFLATED else None
    while left > 0:
        file.seek(at)
        packed = file.read(min(_PIECE // 8, left))
        if not packed:
            raise EOFError("cut short")
        at, left = at + len(packed), left - len(packed)
        if inflate is None:
            yield packed
            continue
        while packed:
            if piece := inflate.decompress(packed, _PIECE):
                yield piece
            packed = inflate.unconsumed_tail
            if inflate.eof:
                return
    if inflate is not None:
        if rest := inflate.flush():
            yield rest
        if not inflate.eof:
            raise EOFError("cut short")
