"""Compound files ([MS-CFB]) with whatever streams a test needs."""

from __future__ import annotations

import struct
from collections.abc import Mapping

SECTOR = 512
FREE, END, TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
DIRECTORY_SECTORS = 2


def compound_file(streams: Mapping[str, bytes], *, ends: int = END, cut: int = 0) -> bytes:
    """A container of these streams, each in sectors of its own, in a directory like a list.

    `ends` is what stands at the end of each stream's chain; the last `cut` bytes are left out.
    The file ends with the streams, so that what is cut is theirs.
    """
    chain = [TABLE, *range(2, DIRECTORY_SECTORS + 1), END]
    entries = [_entry("Root Entry", 5, 1 if streams else FREE, FREE, END, 0)]
    content = b""
    for number, (name, stream) in enumerate(streams.items(), 1):
        data = stream.ljust(4096, b"\0")
        sectors = -(-len(data) // SECTOR)
        first = len(chain)
        chain += [*range(first + 1, first + sectors), ends]
        following = number + 1 if number < len(streams) else FREE
        entries.append(_entry(name, 2, FREE, following, first, len(data)))
        content += data.ljust(sectors * SECTOR, b"\0")
    assert len(chain) <= SECTOR // 4
    chain += [FREE] * (SECTOR // 4 - len(chain))
    header = struct.pack("<8s16xHHHHH6xIIIII", MAGIC, 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096)
    header += struct.pack("<IIII", END, 0, END, 0) + struct.pack("<109I", 0, *[FREE] * 108)
    directory = b"".join(entries).ljust(DIRECTORY_SECTORS * SECTOR, b"\0")
    whole = header + struct.pack("<128I", *chain) + directory + content
    return whole[: len(whole) - cut]


MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _entry(name: str, kind: int, child: int, right: int, first: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    about = struct.pack("<HBBIII", len(text), kind, 1, FREE, right, child)
    return text.ljust(64, b"\0") + about + bytes(36) + struct.pack("<IQ", first, size)
