"""From files to batches of text.

:func:`open_source` reads CSV and XLSX files; :mod:`importer.sources.snapshot` keeps a run's own
copy of the cells. Nothing else in the package reads spreadsheets or Parquet.
"""

from importer.sources.opening import file_sha256, open_source

__all__ = ["file_sha256", "open_source"]
