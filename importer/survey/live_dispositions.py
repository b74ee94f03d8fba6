"""Dispositions of ready rows, compared with those that the project has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import Disposition, Problem, Project, Severity
from importer.survey.live_values import in_rows, quoted
from importer.survey.nearest import Nearest
from importer.survey.tally import Rows, Tally
from importer.textbytes import held

ID, USER, DATE = "dispositionid", "userid", "next_calldate"
_LISTED = 8


class DispositionsCheck:
    """Takes the columns of the mapping's disposition, of ready rows that have one.

    `headers` are the columns that each part is taken from. Where the project's description does
    not speak of dispositions, or of users, nothing is said of them.
    """

    def __init__(self, project: Project, headers: Mapping[str, str | None]) -> None:
        self._project, self._headers = project, headers
        self._known: dict[str, Disposition] = {
            one.dispositionid: one for one in project.dispositions or ()
        }
        self._callbacks = [i for i, one in self._known.items() if one.callback]
        self._others = [i for i, one in self._known.items() if not one.callback]
        self._unknown = Tally(lambda text: text not in self._known)
        users = project.users or frozenset()
        self._strangers = Tally(lambda text: text not in users)
        self._dateless, self._needless = Tally(lambda _: True), Tally(lambda _: True)

    def add(self, rows: Rows, parts: Mapping[str, Any]) -> None:
        """Take in some rows; every column is an Arrow array as long as `rows`."""
        ids, dates = parts[ID], parts.get(DATE)
        if self._project.users is not None:
            self._strangers.add(rows, parts[USER])
        if self._project.dispositions is None:
            return
        self._unknown.add(rows, ids)
        blank = np.ones(len(ids), dtype=bool)
        if dates is not None:
            blank = ~held(dates)
        for tally, those in (
            (self._dateless, _among(ids, self._callbacks) & blank),
            (self._needless, _among(ids, self._others) & ~blank),
        ):
            if those.any():
                tally.add(rows[those], ids.filter(pa.array(those)))

    def problems(self) -> Iterator[Problem]:
        """All that does not fit."""
        nearest = Nearest(name for one in self._known.values() for name in (one.name, one.label))
        for text, count in self._unknown.by_count():
            message = f"the project has no disposition {quoted(text)}: {in_rows(count)}"
            yield self._problem(ID, "unknown_disposition", message, self._hint(text, nearest), text)
        for text, count in self._strangers.by_count():
            message = f"the project has no user {quoted(text)}: {in_rows(count)}"
            hint = "write the userid of a user of the project"
            yield self._problem(USER, "unknown_user", message, hint, text)
        for text, count in self._dateless.by_count():
            message = f"{self._told(text)} is a call-back and has no date: {in_rows(count)}"
            hint = "fill in next_calldate, or choose a disposition that is no call-back"
            yield self._problem(DATE, "callback_without_date", message, hint, text)
        for text, count in self._needless.by_count():
            message = f"{self._told(text)} is no call-back and has a date: {in_rows(count)}"
            hint = "nobody will be called back then: choose a call-back, or leave the date out"
            yield self._problem(
                DATE, "date_without_callback", message, hint, text, Severity.WARNING
            )

    def _problem(
        self,
        part: str,
        code: str,
        message: str,
        hint: str,
        value: str,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        header = self._headers.get(part)
        return Problem(None, header, f"disposition.{part}", code, message, value, hint, severity)

    def _told(self, dispositionid: str) -> str:
        one = self._known[dispositionid]
        return f"disposition {dispositionid} ({one.label})" if one.label else dispositionid

    def _hint(self, text: str, nearest: Nearest) -> str:
        near = nearest.find(text)
        for one in self._known.values():
            if near is not None and near.name in {one.name, one.label}:
                return f"{quoted(near.name)} is {one.dispositionid}: write that id, or use map"
        listed = [f"{one.dispositionid} {quoted(one.label)}" for one in self._known.values()]
        more = " …" if len(listed) > _LISTED else ""
        has = f"it has {', '.join(listed[:_LISTED])}{more}" if listed else "it has none"
        return f"write the id of one of the project's dispositions: {has}"


def _among(texts: Any, some: list[str]) -> npt.NDArray[np.bool_]:
    """Which texts are among some."""
    found = pc.is_in(texts, pa.array(some, pa.large_string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
