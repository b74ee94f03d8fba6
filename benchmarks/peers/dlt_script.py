"""A pipeline of dlt with a destination of one's own, as its documentation has them.

python dlt_script.py URL FILE PIPELINES_FOLDER
"""

import csv
import sys

import dlt
from dlt.sources.helpers import requests


@dlt.resource(name="leads")
def leads(path):
    """The rows of the file."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
        yield from csv.DictReader(file)


def main(url, path, folder):
    """Load every row into the service."""
    session = requests.Client(raise_for_status=True).session
    session.auth = ("sandbox", "sandbox")

    @dlt.destination(batch_size=100, name="dialler")
    def dialler(items, table):
        for item in items:
            session.post(url, json={"form": item})

    pipeline = dlt.pipeline("leads", destination=dialler, pipelines_dir=folder)
    print(pipeline.run(leads(path)))


if __name__ == "__main__":
    main(*sys.argv[1:])
