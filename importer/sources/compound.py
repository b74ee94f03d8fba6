"""Compound files ([MS-CFB]), in which old Excel workbooks and encrypted ones are kept.

olefile reads them. It believes the header, though: a count of table sectors that the file has no
room for makes it read without end, so the header is compared with the file's size first.

A workbook that is protected against changes, not against readers, is encrypted all the same
([MS-OFFCRYPTO]), with a password that is the same everywhere; spreadsheet programs try it before
they ask for one. msoffcrypto-tool decrypts it. It, too, believes what a file says of the work to be
done, which is compared with limits first.
"""

from __future__ import annotations

import io
import re
import struct
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from xml.parsers.expat import ExpatError

import olefile

from importer.errors import SourceError
from importer.sources.inputfile import temporary_copy
from importer.sources.package import MIB

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

PASSWORD = "VelvetSweatshop"  # noqa: S105 -- known to all: [MS-OFFCRYPTO] 2.4.2.3
SIZE_LIMIT = 128 * MIB
"""Bytes of a file that is decrypted, which takes some times as much memory."""
OLD_SIZE_LIMIT = 32 * MIB
"""Of an .xls, whose bytes are gone through one by one."""
MOST_SPINS = 1_000_000
"""How often a password may have to be hashed; Excel asks for 100,000 times."""

_SPINS = re.compile(rb"spinCount\s*=\s*[\"']([0-9]{1,20})[\"']")

# [MS-CFB] 2.1 and 2.2: sectors are numbered from the one behind the header. A table (FAT) says of
# each sector which one follows it. Where the table itself is, the header says for its first 109
# sectors, and sectors of further places (DIFAT) for the rest.
_SECTOR = 512
_IN_TABLE = _SECTOR // 4
_IN_HEADER = 109
_FREE, _END, _FAT, _DIFAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
_SHORTEST = 4096
"""Bytes from which on a stream stands in sectors of its own, not in the mini stream."""
_ROOT, _STREAM = 5, 2  # types of entries in the directory


def streams(file: InputFile) -> frozenset[str]:
    """The names of the streams and storages in the container's root, in lower case.

    Raises one of `DAMAGE` where its directory cannot be read.
    """
    with _opened(file) as container:
        return frozenset(
            path[0].lower() for path in container.listdir(streams=True, storages=True) if path
        )


def workbook_stream(file: InputFile) -> tuple[bytes, bool]:
    """The bytes of the workbook's stream, and whether they are as many as the directory says.

    A file that is no container, as the oldest workbooks are, is given whole. Fewer bytes are no
    error here: what is missing may be nothing that is needed, which the reader of the workbook
    finds. Raises ContainerError, or another of `DAMAGE`, where there is no such stream.
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

    A reader that stops after so many bytes would give the beginning of such a chain twice.
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


def as_container(stream: bytes) -> bytes:
    """A container with this workbook's stream and nothing else, for a reader that asks for one.

    Behind the header come the workbook, the directory in one sector, the FAT and the DIFAT. The
    workbook is padded to `_SHORTEST` bytes, so that no mini stream is needed.
    """
    content = stream.ljust(_SHORTEST, b"\0")
    content += bytes(-len(content) % _SECTOR)
    sectors = len(content) // _SECTOR
    tables = extra = 0
    while tables * _IN_TABLE < sectors + 1 + tables + extra:
        tables += 1
        extra = -(-max(tables - _IN_HEADER, 0) // (_IN_TABLE - 1))
    first_table, first_extra = sectors + 1, sectors + 1 + tables
    chain = [*range(1, sectors), _END, _END, *[_FAT] * tables, *[_DIFAT] * extra]
    chain += [_FREE] * (tables * _IN_TABLE - len(chain))
    places = [*range(first_table, first_table + tables)]
    # Versions, byte order, 2^9 bytes a sector and 2^6 a mini sector, how many sectors the FAT has,
    # where the directory is, and from how many bytes on a stream is not in the mini stream.
    header = struct.pack(
        *("<8s16xHHHHH6xIIIII", SIGNATURE, 0x3E, 3, 0xFFFE, 9, 6, 0, tables, sectors, 0, _SHORTEST),
    )
    header += struct.pack("<IIII", _END, 0, first_extra if extra else _END, extra)
    header += _numbers(places[:_IN_HEADER], _IN_HEADER)
    root = _entry("Root Entry", _ROOT, 1, _END, 0)
    book = _entry("Workbook", _STREAM, _FREE, 0, len(content))
    more = b"".join(
        _numbers(places[_IN_HEADER + 127 * n : _IN_HEADER + 127 * (n + 1)], 127)
        + struct.pack("<I", _END if n + 1 == extra else first_extra + n + 1)
        for n in range(extra)
    )
    return b"".join(
        (header, content, root + book + bytes(256), struct.pack(f"<{len(chain)}I", *chain), more)
    )


def _numbers(sectors: list[int], count: int) -> bytes:
    """So many numbers of sectors, the missing ones as free."""
    return struct.pack(f"<{count}I", *sectors, *[_FREE] * (count - len(sectors)))


def _entry(name: str, kind: int, child: int, first: int, size: int) -> bytes:
    """An entry of the directory ([MS-CFB] 2.6.1), 128 bytes: name, type, place and size."""
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
        _check_header(stream)
        container = olefile.OleFileIO(stream)
        try:
            yield container
        finally:
            container.close()


def _check_header(stream: IO[bytes]) -> None:
    """Raise ContainerError for a container whose header has larger sizes than the file."""
    size = stream.seek(0, 2)
    stream.seek(0)
    header = stream.read(76)
    stream.seek(0)
    if len(header) < 76:
        raise ContainerError("it is cut short")
    # [MS-CFB] 2.2: the sizes of sectors and of mini sectors as powers of two; how many sectors the
    # FAT has, the mini FAT and the DIFAT.
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


@contextmanager
def opened_without_password(file: InputFile, limit: int = SIZE_LIMIT) -> Iterator[InputFile]:
    """The workbook as it was before it was encrypted, in a private temporary file.

    Raises SourceError where it was encrypted with a password of somebody's own.
    """
    # Loaded where such a file is met only: it brings a library of ciphers with it.
    import msoffcrypto
    from msoffcrypto import exceptions

    if file.path.stat().st_size > limit:
        raise SourceError(
            f"{file}: this workbook is encrypted, and larger than the limit of {limit // MIB} MiB"
            " for such.",
            "Open it in a spreadsheet program and save it without a password, or as CSV.",
        )
    target = io.BytesIO()
    try:
        _check_spins(file)
        with file.path.open("rb") as stream:
            encrypted = msoffcrypto.OfficeFile(stream)
            encrypted.load_key(password=PASSWORD)
            encrypted.decrypt(target)
    except (
        *(exceptions.InvalidKeyError, exceptions.DecryptionError, exceptions.FileFormatError),
        *(exceptions.ParseError, ExpatError, *DAMAGE),
    ):
        raise SourceError(
            f"{file}: this workbook is protected by a password.",
            "Open it with the password, save it without one, and import that copy.",
        ) from None
    with temporary_copy(_pieces(target), file.name, "it") as copy:
        target.close()
        yield copy


def _check_spins(file: InputFile) -> None:
    """Raise ValueError for a workbook whose key takes hours to derive ([MS-OFFCRYPTO] 2.3.4)."""
    with file.path.open("rb") as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it is in no container")
    info = read_stream(file, "EncryptionInfo")
    if b"<!" in info or len(info) > MIB:
        raise ValueError("what it says of its encryption is not as programs write it")
    for found in _SPINS.findall(info):
        if int(found) > MOST_SPINS:
            raise ValueError("its password would take hours to try")


def _pieces(target: io.BytesIO) -> Iterator[bytes]:
    target.seek(0)
    while piece := target.read(MIB):
        yield piece
