"""Files that a page lets a person download, under proper names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from importer.library import StopSwitch

_PIECE = 2**18
_MARK = b"\xef\xbb\xbf"
"""The byte-order mark, by which spreadsheet programs know that a text is UTF-8."""


async def send_file(
    request: web.Request, path: Path, name: str, content_type: str
) -> web.StreamResponse:
    """Send a file to be saved as `name`; no browser shows it, whatever it holds.

    A CSV file, which is UTF-8, is sent with a mark that says so: Excel spoils its letters else. The
    file itself has none, and is read alike with one and without.
    """
    file = await asyncio.to_thread(path.open, "rb")
    try:
        size = (await asyncio.to_thread(path.stat)).st_size
        mark = b""
        if content_type.startswith("text/csv"):
            marked = await asyncio.to_thread(file.read, len(_MARK)) == _MARK
            file.seek(0)
            mark = b"" if marked else _MARK
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Content-Disposition": disposition(name),
                "Content-Length": str(len(mark) + size),
            }
        )
        await response.prepare(request)
        if mark:
            await response.write(mark)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await response.write(piece)
        await response.write_eof()
        return response
    finally:
        file.close()


@contextlib.asynccontextmanager
async def stopped_at_end(stop: StopSwitch) -> AsyncIterator[None]:
    """Stop what is made for a download when the block ends: who asked for it may be gone."""
    try:
        yield
    finally:
        stop.pull("nobody waits for it")


def disposition(name: str) -> str:
    """The header that names a file to be saved: RFC 6266, for names of every script."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
