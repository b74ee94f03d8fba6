"""The text of a file as UTF-8, in pieces of whole lines; memory does not depend on its length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 4 * 2**20
"""Characters of a record, or of a line; a row of 16,384 columns takes far fewer."""


class EndlessLine(Exception):  # noqa: N818 -- a signal to the caller, who knows the row
    """No end of a record within `LONGEST_LINE` characters."""


class Feed:
    """Gives the pieces; what was given and not used can be put back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def piece(self) -> bytes:
        """The next lines, or the file's last one without an end; empty where nothing is left.

        Raises EndlessLine, and whatever reading the file raises.
        """
        while block := next(self._blocks, b""):
            text = self._rest + block
            # A CR that is the last character may be the first half of a CR LF.
            cut = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
            self._rest = text[cut:]
            if len(self._rest) > LONGEST_LINE and _characters(self._rest) > LONGEST_LINE:
                raise EndlessLine
            if cut:
                return text[:cut]
        text, self._rest = self._rest, b""
        return text

    def put_back(self, text: bytes) -> None:
        """Let the end of the last piece, which begins with a line, be given again."""
        self._rest = text + self._rest


def _characters(text: bytes) -> int:
    return len(text.decode(errors="ignore"))
