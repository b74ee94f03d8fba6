"""Compound files ([MS-CFB]), in which old Excel workbooks and encrypted ones are kept.

olefile reads them. It believes the header, though: a count of table sectors that the file has no
room for makes it read without end, so the header is compared with the file's size first.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import olefile

from importer.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.inputfile import InputFile

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WORKBOOKS = ("Workbook", "Book")
"""The stream of a workbook: of Excel 97 and later, and of Excel 5 and 95."""
ENCRYPTED = ("EncryptionInfo", "EncryptedPackage")
"""The streams of an encrypted .xlsx ([MS-OFFCRYPTO] 2.3)."""


class ContainerError(ValueError):
    """What is wrong with a container, in words."""


DAMAGE = (
    *(OSError, struct.error, AssertionError, LookupError, ValueError, TypeError),
    *(AttributeError, ArithmeticError, RecursionError, MemoryError),
)
"""What olefile raises for damaged files; OSError is its own choice."""

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def streams(file: InputFile) -> frozenset[str]:
    """The names of the streams and storages in the container's root, in lower case.

    Raises one of `DAMAGE` where its directory cannot be read.
    """
    with _opened(file) as container:
        return frozenset(
            path[0].lower() for path in container.listdir(streams=True, storages=True) if path
        )


def workbook_stream(file: InputFile) -> tuple[bytes, bool]:
    """The workbook's bytes, and whether they are known to be all.

    The whole file's if it has no container, as the oldest have none. Where there are fewer than the
    directory says, what is missing may be nothing that is needed, which its reader finds. Raises
    ContainerError, or another of `DAMAGE`, where they cannot be found at all.
    """
    with file.path.open("rb") as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            stream.seek(0)
            return stream.read(), False
    size = file.path.stat().st_size
    with _opened(file) as container:
        for name in WORKBOOKS:
            if container.exists(name):
                if container.get_size(name) > size:
                    raise ContainerError("it is cut short")
                content = bytes(container.openstream(name).read())
                _check_chain(container, name)
                return content, len(content) == container.get_size(name)
    raise ContainerError("it holds no workbook")


def read_stream(file: InputFile, name: str) -> bytes:
    """The bytes of a stream; none where it is not there."""
    size = file.path.stat().st_size
    with _opened(file) as container:
        if not container.exists(name):
            return b""
        if container.get_size(name) > size:
            raise ContainerError("it is cut short")
        return bytes(container.openstream(name).read())


def _check_chain(container: olefile.OleFileIO, name: str) -> None:
    """Raise ContainerError where a stream's sectors come back to one that was there before.

    What reads a chain that long only may have read its beginning twice.
    """
    entry = next(kid for kid in container.root.kids if kid.name.lower() == name.lower())
    small = entry.size < container.minisectorcutoff
    table = container.minifat if small else container.fat
    size = container.minisectorsize if small else container.sectorsize
    sector, seen = entry.isectStart, set()
    for _ in range(-(-entry.size // size)):
        if sector in seen:
            raise ContainerError("a chain of its sectors leads back to itself")
        if not 0 <= sector < len(table):
            return
        seen.add(sector)
        sector = table[sector]


def contained(stream: bytes) -> bytes:
    """A container that holds nothing but this workbook, as whole as one can be.

    The workbook is made at least as long as streams are that stand in sectors of their own.
    """
    content = stream.ljust(4096, b"\0")
    content += bytes(-len(content) % _SECTOR)
    sectors = len(content) // _SECTOR
    tables = extra = 0
    while tables * 128 < sectors + 1 + tables + extra:
        tables += 1
        extra = -(-max(tables - 109, 0) // 127)
    first_table, first_extra = sectors + 1, sectors + 1 + tables
    chain = [*range(1, sectors), _END, _END, *[_FAT] * tables, *[_FAT - 1] * extra]
    chain += [_FREE] * (tables * 128 - len(chain))
    places = [*range(first_table, first_table + tables)]
    header = struct.pack(
        *("<8s16xHHHHH6xIIIII", SIGNATURE, 0x3E, 3, 0xFFFE, 9, 6, 0, tables, sectors, 0, 4096),
    )
    header += struct.pack("<IIII", _END, 0, first_extra if extra else _END, extra)
    header += _numbers(places[:109], 109)
    root = _entry("Root Entry", 5, 1, _END, 0)
    book = _entry("Workbook", 2, _FREE, 0, len(content))
    more = b"".join(
        _numbers(places[109 + 127 * n : 109 + 127 * (n + 1)], 127)
        + struct.pack("<I", _END if n + 1 == extra else first_extra + n + 1)
        for n in range(extra)
    )
    return b"".join(
        (header, content, root + book + bytes(256), struct.pack(f"<{len(chain)}I", *chain), more)
    )


def _numbers(sectors: list[int], count: int) -> bytes:
    return struct.pack(f"<{count}I", *sectors, *[_FREE] * (count - len(sectors)))


def _entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
        + bytes(36)
        + struct.pack("<IQ", first, size)
    )


@contextmanager
def _opened(file: InputFile) -> Iterator[olefile.OleFileIO]:
    with file.path.open("rb") as stream:
        check_container(stream)
        container = olefile.OleFileIO(stream)
        try:
            yield container
        finally:
            container.close()


def check_container(stream: IO[bytes]) -> None:
    """Raise ContainerError for a container whose header speaks of more than the file holds."""
    size = stream.seek(0, 2)
    stream.seek(0)
    header = stream.read(76)
    stream.seek(0)
    if len(header) < 76:
        raise ContainerError("it is cut short")
    shift, mini_shift = struct.unpack_from("<HH", header, 30)
    tables, mini_tables, extra = (struct.unpack_from("<I", header, at)[0] for at in (44, 64, 72))
    if shift not in (9, 12) or mini_shift != 6:
        raise ContainerError("its sectors have an unknown size")
    sectors = size // 2**shift + 1
    # Some writers reserve more sectors than they need; the factor leaves room for these.
    needed = sectors * 4 // 2**shift + 1
    if tables > 4 * needed + 109 or mini_tables > sectors or extra > needed + 1:
        raise ContainerError("its header speaks of more than the file holds")


def damaged(file: InputFile, why: str) -> SourceError:
    """The error for an old workbook that cannot be read."""
    return SourceError(
        f"{file}: this workbook is damaged or cut short ({why}).",
        "Open it in a spreadsheet program and save it anew as .xlsx, or save the sheet as CSV.",
    )
