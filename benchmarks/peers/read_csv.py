"""The time that pandas needs to read a CSV file as text, in chunks; its import is left out."""

import sys
import time

import pandas as pd

began = time.perf_counter()
rows = sum(
    len(chunk)
    for chunk in pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False, chunksize=50_000)
)
print(time.perf_counter() - began, rows)
