"""ZIP archives, unpacked under limits; nothing is ever written to a name that an archive gives.

Each part is unpacked piece by piece to the true end of its stream, so that an archive that lies
about its sizes, or a bomb, is refused by what it *does* unpack to.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Self

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
DIRECTORY_LIMIT = 4 * MIB
"""Bytes of an archive's directory, some 50,000 parts; a part takes far more memory than bytes."""

_PIECE = MIB
_STORED, _DEFLATED = 0, 8
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError)
"""What reading a damaged archive may raise, and RuntimeError and NotImplementedError at opening."""


class _Cautious(io.FileIO):
    """A file of which no more is read at once than an honest directory takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_LIMIT:
            raise zipfile.BadZipFile(f"its directory is larger than {DIRECTORY_LIMIT // MIB} MiB")
        return super().read(size) or b""


def open_zip(file: InputFile) -> zipfile.ZipFile:
    """The archive, its directory read; raises SourceError for damage."""
    raw = _Cautious(file.path)
    try:
        archive = zipfile.ZipFile(raw)
    except (*DAMAGE, NotImplementedError, RuntimeError, ValueError) as error:
        raw.close()
        raise SourceError(
            f"{file}: this workbook or archive is damaged or cut short ({error}).",
            "Copy or download it again, or open it in a spreadsheet program and save it anew.",
        ) from None
    return archive


class Archive:
    """An open ZIP file. A context manager; raises SourceError for damage and limits.

    `file` is the file; `parts` are its entries by name, in lower case and with slashes, which is
    how workbook libraries find them.
    """

    def __init__(self, file: InputFile, size_limit: int = FILE_LIMIT) -> None:
        self.file = file
        if file.path.stat().st_size > size_limit:
            raise self.over("the file is larger", size_limit)
        self._archive = open_zip(file)
        self._raw = self._archive.fp
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
        if self._raw is not None:
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
        except DAMAGE as error:
            raise self.damaged(f"{info.filename}: {error}") from None
        if total != info.file_size:
            raise self.damaged(f"{info.filename} has another size than it says")
        if checksum != info.CRC:
            raise self.damaged(f"{info.filename} has another checksum than it says")

    def _inflated(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """The unpacked bytes to the true end of the stream.

        The zipfile module stops at the size that the directory claims; other readers do not.
        """
        file = self._archive.fp
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


def check_ratio(file: InputFile, part: str, unpacked: int, packed: int) -> None:
    """Raise SourceError where so many bytes came out of so few as only a bomb gives."""
    if unpacked > RATIO_FREE and unpacked > RATIO_LIMIT * packed:
        raise SourceError(
            f"{file}: {part} unpacks to more than {RATIO_LIMIT} times its size, as only files made"
            " to do harm do.",
            "If you trust the file, unpack it yourself, or save the sheet as CSV.",
        )
