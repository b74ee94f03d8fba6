"""From files to batches of text.

:func:`open_source` reads text files and workbooks, packed or piped in too;
:mod:`importer.sources.snapshot` keeps a run's own copy of the cells.
Nothing else in the package reads spreadsheets or Parquet.
"""

from importer.sources.inputfile import file_sha256
from importer.sources.opening import open_source

__all__ = ["file_sha256", "open_source"]
