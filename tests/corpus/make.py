"""Write the files of the corpus again: ``python -m tests.corpus.make [NAME…]``.

Text files are the bytes of ``tests/support/corpus_texts.py``; a test holds the files to them.
Workbooks are built by openpyxl, xlsxwriter or, where a format needs it, by LibreOffice out of an
.xlsx: they come out alike, but not byte for byte, with other versions of these. Sidecars are
written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.corpus_books import BOOKS
from tests.support.corpus_texts import TEXTS

FOLDER = Path(__file__).parent


def write(names: list[str]) -> None:
    """Write the files named, or all."""
    for name, content in TEXTS.items():
        if not names or name in names:
            (FOLDER / name).write_bytes(content)
    for name, build in BOOKS.items():
        if not names or name in names:
            build(FOLDER / name)


if __name__ == "__main__":
    write(sys.argv[1:])
