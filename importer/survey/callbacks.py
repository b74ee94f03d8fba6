"""Call-back dates that are over before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Problem, Severity
from importer.survey.tally import Rows
from importer.textbytes import held

_SORTABLE = frozenset({"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"})
"""Formats whose texts are in the order of the moments that they mean."""


def past_callbacks(
    rows: Rows,
    dates: Any,
    given: npt.NDArray[np.bool_],
    *,
    format_: str,
    now: datetime,
    header: str | None,
) -> Iterator[Problem]:
    """Warn of each row, among the `given`, whose date lies before `now`.

    `dates`, an Arrow array, are as they are sent, in `format_`; what is not in that form is passed
    over. `now` is in the dates' own time, without an offset.
    """
    current = now.strftime(format_)
    suspects = given & (held(dates))
    if format_ in _SORTABLE:
        earlier = pc.less(dates, pa.scalar(current, dates.type))
        suspects &= earlier.to_numpy(zero_copy_only=False)
    for place in np.flatnonzero(suspects):
        text = dates[place].as_py()
        try:
            moment = datetime.strptime(text, format_)  # noqa: DTZ007 - the service's local time
        except ValueError:
            continue
        # As exact as the format is: a date without a time is over when its day is.
        if moment < datetime.strptime(current, format_):  # noqa: DTZ007
            yield Problem(
                int(rows[place]),
                header,
                "disposition.next_calldate",
                "callback_in_past",
                f'"{text}" is in the past',
                text,
                "correct the date, or expect the call at once",
                Severity.WARNING,
            )
