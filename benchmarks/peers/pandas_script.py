"""A script as people write it: pandas, iterrows, aiohttp, gather, tqdm.

python pandas_script.py URL FILE RESULTS
"""

import asyncio
import sys

import aiohttp
import pandas as pd
from tqdm.asyncio import tqdm

IN_FLIGHT = 64


def body(row):
    """The record of a row."""
    return {
        "form": {
            "name": row["Full name"],
            "city": row["City"],
            "zip": row["Zip"],
            "address": f"{row['Zip']} {row['City']}, {row['Street']}",
            "likes": row["Likes"].replace(";", "|"),
            "plan": {"G": "Gold", "S": "Silver"}[row["Plan"]],
            "signed_on": row["Signed"],
            "source": row["Source"],
        },
        "contacts": {
            "1": {"name": row["Full name"], "phone": row["Phone"], "email": row["Email"]},
            "2": {"phone": row["Mobile"]},
        },
        "premium": {"price": row["Price"], "commission": row["Commission"]},
    }


async def main(url, path, results):
    """Send every row, and write what came back."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    places = asyncio.Semaphore(IN_FLIGHT)
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("sandbox", "sandbox")) as session:

        async def send(index, row):
            async with places, session.post(url, json=body(row)) as response:
                reply = await response.json(content_type=None)
                return index, response.status, reply["response"][0]

        sent = await tqdm.gather(*(send(index, row) for index, row in frame.iterrows()))
    pd.DataFrame(sent, columns=["index", "status", "numberid"]).to_csv(results, index=False)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
