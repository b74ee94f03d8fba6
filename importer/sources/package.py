"""ZIP archives, unpacked under limits, and where in one a workbook is.

Workbooks (.xlsx, .xlsb, .ods) are ZIP archives of parts, and lists come in archives, too. A part is
unpacked piece by piece to the true end of its stream, so that an archive that lies about its sizes,
or a bomb, is refused by what it *does* unpack to. Nothing is ever written to a name that an archive
gives.

The parts of an Office Open XML package (ECMA-376, part 2) are found by relationships, which say of
a part what other parts it needs, and where they are.
"""

from __future__ import annotations

import html
import io
import posixpath
import re
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from importer.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.inputfile import InputFile

MIB = 2**20
FILE_LIMIT = 512 * MIB
"""Bytes of a workbook itself; a million rows by 15 columns take 60 to 100 MiB."""
RATIO_LIMIT = 250
"""Unpacked to packed bytes, beyond `RATIO_FREE`; sheets reach 60, bombs a thousand."""
RATIO_FREE = 64 * MIB
SHEET_LIMIT = 2048 * MIB
"""Unpacked bytes of a sheet, which is never held whole. There is room for the largest honest one,
1,048,576 rows by some 20 columns (about 1 GB of XML)."""
PART_LIMIT = 64 * MIB
"""Unpacked bytes of a part that is neither a sheet nor its texts (styles, relationships)."""
DIRECTORY_LIMIT = 4 * MIB
"""Bytes of an archive's directory, some 50,000 parts; a part takes far more memory than bytes."""

_PIECE = MIB
_HEAD = 4096
_STORED, _DEFLATED = 0, 8  # compression methods (APPNOTE.TXT 4.4.5)
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError)
"""What reading a damaged archive may raise, and RuntimeError and NotImplementedError at opening."""

RELATIONSHIP = re.compile(rb"<(?:[\w.-]+:)?Relationship\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_WORKBOOK = re.compile(rb"<(?:[\w.-]+:)?workbook[\s>]")


class _Cautious(io.FileIO):
    """A file of which no more is read at once than an honest directory takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_LIMIT:
            raise zipfile.BadZipFile(f"its directory is larger than {DIRECTORY_LIMIT // MIB} MiB")
        return super().read(size) or b""


def _open_zip(file: InputFile) -> tuple[zipfile.ZipFile, io.FileIO]:
    """The archive, its directory read, and the open file; raises SourceError for damage."""
    raw = _Cautious(file.path)
    try:
        return zipfile.ZipFile(raw), raw
    except (*_DAMAGE, NotImplementedError, RuntimeError, ValueError) as error:
        raw.close()
        raise SourceError(
            f"{file}: this workbook or archive is damaged or cut short ({error}).",
            "Copy or download it again, or open it in a spreadsheet program and save it anew.",
        ) from None


class Archive:
    """An open ZIP file. A context manager; raises SourceError for damage and limits.

    `file` is the file; `parts` are its entries by name, in lower case and with slashes, which is
    how workbook libraries find them.
    """

    def __init__(self, file: InputFile, size_limit: int = FILE_LIMIT) -> None:
        self.file = file
        if file.path.stat().st_size > size_limit:
            raise self.over("the file is larger", size_limit)
        self._archive, self._raw = _open_zip(file)
        self.parts: dict[str, zipfile.ZipInfo] = {}
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._raw.close()

    def _index(self) -> None:
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/").lower()
            if name in self.parts:
                raise self.damaged(f"the part {info.filename!r} is in it twice")
            if info.flag_bits & 1:
                raise SourceError(
                    f"{self.file}: this file is protected by a password.",
                    "Save it without a password and import that copy.",
                )
            self.parts[name] = info

    def damaged(self, why: str) -> SourceError:
        """The error for a file that is not as it should be."""
        return SourceError(
            f"{self.file}: this file is damaged or cut short ({why}).",
            "Open it in a spreadsheet program and save it anew, or save the sheet as CSV.",
        )

    def over(self, what: str, limit: int) -> SourceError:
        """The error for a size, in bytes, over its limit."""
        return SourceError(
            f"{self.file}: {what} than the limit of {limit // MIB:,} MiB.",
            "Divide the list into several files, or save the sheet as CSV, which has no limit.",
        )

    def has(self, part: str) -> bool:
        """Whether the archive has this part."""
        return part.lower() in self.parts

    def unpack(self, part: str, limit: int) -> Iterator[bytes]:
        """The bytes of a part, in pieces of at most 1 MiB; a part that is not there has none."""
        info = self.parts.get(part.lower())
        if info is None:
            return
        if info.compress_type not in (_STORED, _DEFLATED):
            raise self.damaged(f"{info.filename} is packed in an unknown way")
        total = checksum = 0
        try:
            for piece in self._inflated(info):
                total += len(piece)
                checksum = zlib.crc32(piece, checksum)
                if total > limit:
                    raise self.over(f"{info.filename} unpacks to more", limit)
                check_ratio(self.file, info.filename, total, info.compress_size)
                yield piece
        except _DAMAGE as error:
            raise self.damaged(f"{info.filename}: {error}") from None
        if total != info.file_size:
            raise self.damaged(f"{info.filename} has another size than it says")
        if checksum != info.CRC:
            raise self.damaged(f"{info.filename} has another checksum than it says")

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """The unpacked bytes to the true end of the stream.

        The zipfile module stops at the size that the directory claims; other readers do not.
        """
        file = self._raw
        file.seek(info.header_offset)
        # The part's own header (APPNOTE.TXT 4.3.7): its signature, 22 bytes that the directory has,
        # too, and the lengths of its name and of an extra field, behind which its bytes begin.
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


def check_ratio(file: InputFile, part: str, unpacked: int, packed: int) -> None:
    """Raise SourceError where so many bytes came out of so few as only a bomb gives."""
    if unpacked > RATIO_FREE and unpacked > RATIO_LIMIT * packed:
        raise SourceError(
            f"{file}: {part} unpacks to more than {RATIO_LIMIT} times its size, as only files made"
            " to do harm do.",
            "If you trust the file, unpack it yourself, or save the sheet as CSV.",
        )


def workbook_part(archive: Archive) -> str | None:
    """Where the workbook is in an archive, if the archive is a workbook at all.

    The relationships of the package say it (ECMA-376, part 2, 9.3); where they do not, the usual
    names are looked for.
    """
    written = b"".join(archive.unpack("_rels/.rels", PART_LIMIT))
    named = [
        part
        for kind, part in relationships(written, "").values()
        if kind.endswith("/officeDocument") and archive.has(part)
    ]
    for part in (*named, "xl/workbook.xml", "xl/workbook.bin"):
        if archive.has(part) and (
            part.lower().startswith("xl/workbook.") or _is_workbook(archive, part)
        ):
            return part
    return None


def _is_workbook(archive: Archive, part: str) -> bool:
    """Whether a part is a workbook's, by its first tag or, in .xlsb, its first record."""
    head = next(archive.unpack(part, PART_LIMIT), b"")[:_HEAD]
    if part.lower().endswith(".bin"):
        return head.startswith(b"\x83\x01")  # BrtBeginBook
    return _WORKBOOK.search(head) is not None


def relationships(content: bytes, source: str) -> dict[str, tuple[str, str]]:
    """The relationships that a part has, id → (type, part), of which this is the XML.

    Targets are relative to the part `source` (ECMA-376, part 2, 9.3); external ones are left out.
    """
    found = {}
    for tag in RELATIONSHIP.finditer(content):
        given = tag_attributes(tag[1])
        if given.get("TargetMode") != "External":
            target = unquote(given.get("Target", "")).replace("\\", "/")
            part = posixpath.normpath(posixpath.join("/", posixpath.dirname(source), target))
            found[given.get("Id", "")] = (given.get("Type", ""), part.lstrip("/"))
    return found


def relations_part(part: str) -> str:
    """The part in which the relationships of another stand."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def tag_attributes(tag: bytes) -> dict[str, str]:
    """The attributes of a tag; prefixes are dropped, so that ``r:id`` is ``id``."""
    return {
        name.rpartition(b":")[2].decode("utf-8", "replace"): html.unescape(
            (double or single).decode("utf-8", "replace")
        )
        for name, double, single in _ATTRIBUTE.findall(tag)
    }
