"""Encrypted workbooks that open without asking ([MS-OFFCRYPTO]).

A workbook that is protected against changes, not against readers, is encrypted all the same, with a
password that is the same everywhere; spreadsheet programs try it before they ask for one.
msoffcrypto-tool decrypts it, into a private temporary file. It believes what a file says of the
work to be done, which is compared with limits first.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

from importer.errors import SourceError
from importer.sources.compound import DAMAGE, SIGNATURE, read_stream
from importer.sources.inputfile import temporary_copy
from importer.sources.zipped import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from importer.sources.inputfile import InputFile

PASSWORD = "VelvetSweatshop"  # noqa: S105 -- known to all: [MS-OFFCRYPTO] 2.4.2.3
SIZE_LIMIT = 128 * MIB
"""Bytes of a file that is decrypted, which takes some times as much memory."""
OLD_SIZE_LIMIT = 32 * MIB
"""Of an .xls, whose bytes are gone through one by one."""
MOST_SPINS = 1_000_000
"""How often a password may have to be hashed; Excel asks for 100,000 times."""

_SPINS = re.compile(rb"spinCount\s*=\s*[\"']([0-9]{1,20})[\"']")


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
