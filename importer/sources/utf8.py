"""Text that is in UTF-8 already: checked block by block, and not decoded to be encoded again."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotUtf8(Exception):  # noqa: N818 -- a signal to the caller, who knows the file
    """Bytes that are no UTF-8; `at` says where, from the first of all."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


def whole_characters(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes in blocks that begin and end with a character, none of them empty.

    Raises NotUtf8 before it gives a block that is not.
    """
    start, rest = 0, b""
    for block in chain(blocks, (b"",)):
        text = rest + block
        begun = _begun(text) if block else 0
        text, rest = text[: len(text) - begun], text[len(text) - begun :]
        if not _is_valid(text):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                raise NotUtf8(start + error.start) from None
        start += len(text)
        if text:
            yield text


def _begun(text: bytes) -> int:
    """How many bytes there are of a character that the text does not end."""
    for back in range(1, min(4, len(text) + 1)):
        byte = text[-back]
        if byte >= 0xC0:
            whole = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < whole else 0
        if byte < 0x80:
            break
    return 0


def _is_valid(text: bytes) -> bool:
    ends = pa.py_buffer(np.array([0, len(text)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(text)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
