"""The yardstick: the least that aiohttp needs to send records, with nothing kept and no care taken.

    python benchmarks/peers/bare_loop.py URL FILE IN_FLIGHT [PROCESSES]

Bodies are encoded on the fly from records that are in memory already. Of a reply only the bytes
are read. Prints the seconds of the loop alone; with several processes, of the slowest.
"""

from __future__ import annotations

import asyncio
import csv
import multiprocessing
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvloop

Record = dict[str, Any]


def records(path: Path) -> Iterator[Record]:
    """The rows of a leads file, in the shape that Add record takes."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            form = {
                "name": row["Full name"],
                "city": row["City"],
                "zip": row["Zip"],
                "address": f"{row['Zip']} {row['City']}, {row['Street']}",
                "likes": row["Likes"].replace(";", "|"),
                "plan": row["Plan"],
                "signed_on": row["Signed"],
                "source": row["Source"],
            }
            contacts = {
                "1": {"name": row["Full name"], "phone": row["Phone"], "email": row["Email"]},
                "2": {"phone": row["Mobile"]},
            }
            premium = {"price": row["Price"], "commission": row["Commission"]}
            yield {"form": form, "contacts": contacts, "premium": premium}


async def send(url: str, work: Iterator[Record], in_flight: int) -> None:
    """Send all, so many at a time."""
    headers = {
        "Authorization": aiohttp.BasicAuth("sandbox", "sandbox").encode(),
        "Content-Type": "application/json",
    }
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers=headers,
        auto_decompress=False,
    ) as session:

        async def one_after_the_other() -> None:
            for record in work:
                async with session.post(url, data=orjson.dumps(record)) as response:
                    await response.read()

        await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))


def timed(url: str, work: list[Record], in_flight: int) -> float:
    """Seconds of the loop."""
    began = time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send(url, iter(work), in_flight))
    return time.perf_counter() - began


def main() -> None:
    """Read, then send and tell how long that took."""
    url, path, in_flight, *processes = sys.argv[1:]
    work, parts = list(records(Path(path))), int(processes[0]) if processes else 1
    if parts == 1:
        print(timed(url, work, int(in_flight)))
        return
    shares = [(url, work[part::parts], int(in_flight)) for part in range(parts)]
    with multiprocessing.get_context("fork").Pool(parts) as pool:
        print(max(pool.starmap(timed, shares, chunksize=1)))


if __name__ == "__main__":
    main()
