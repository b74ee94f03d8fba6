"""Files that a page lets a person download, under proper names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

_PIECE = 2**18


async def send_file(
    request: web.Request, path: Path, name: str, content_type: str
) -> web.StreamResponse:
    """Send a file to be saved as `name`; no browser shows it, whatever it holds."""
    file = await asyncio.to_thread(path.open, "rb")
    size = (await asyncio.to_thread(path.stat)).st_size
    try:
        response = web.StreamResponse(
            headers={
                "Content-Type": content_type,
                "Content-Disposition": disposition(name),
                "Content-Length": str(size),
            }
        )
        await response.prepare(request)
        while piece := await asyncio.to_thread(file.read, _PIECE):
            await response.write(piece)
        await response.write_eof()
        return response
    finally:
        file.close()


def disposition(name: str) -> str:
    """The header that names a file to be saved: RFC 6266, for names of every script."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%;' else "_" for c in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
