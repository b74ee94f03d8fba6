"""The time that calamine needs to parse a sheet into Python's objects; its import is left out."""

import sys
import time

from python_calamine import CalamineWorkbook

began = time.perf_counter()
rows = len(CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).to_python())
print(time.perf_counter() - began, rows)
