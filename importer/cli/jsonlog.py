"""Lines of the log as JSON objects."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from importer.files import shown_within
from importer.pipeline.logmarks import marks


class JsonHandler(logging.StreamHandler):  # type: ignore[type-arg] # not generic at run time
    """Writes to standard error; each record is one line, whatever is in it."""

    takes_json = True

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_JsonFormatter())


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The record with its time in UTC, and the run and job that it is about, null for none."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **marks(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Characters beyond ASCII are escaped: any terminal, pipe and code page takes it.
        return json.dumps(shown_within(line), default=str)
