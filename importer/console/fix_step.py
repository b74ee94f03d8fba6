"""The step that checks and fixes: what keeps rows from being sent, and its mending in place.

A page shows some rows; each has its number in its id, and a mark of what it shows. A request of
htmx names them all, and the answer holds those alone that are others by now: after an edit of this
page or another one, of that row or another. So no page keeps anything on the server.

A cell is named with a digest of the text that it held when it was shown. So nothing is mended that
the person has not seen, and texts with line breaks, which browsers change, are safe.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from importer import library
from importer.console.downloads import send_file, stopped_at_end
from importer.console.drafts import DRAFTS, Draft, open_draft, refuse_sent
from importer.console.pages import PAGES, form_of, is_part
from importer.console.records import part_name, with_part_names
from importer.console.row_names import RowNames, names_in_draft
from importer.console.sent_before import sent_before
from importer.console.telling import Action, Teller, Told, kind_words, why_held_back
from importer.console.work import OPEN_LISTS, TO_MEND, Compared, Found, OpenList, OtherRunError
from importer.errors import ImporterError, RunInterruptedError, UsageError
from importer.files import WorkingFolder
from importer.library import Edit, EditLog, EditRefused, Op, StopSwitch
from importer.model import Problem, Severity, Status, column_letters
from importer.reports.content import (
    conclusion,
    left_out,
    phones_read,
    problem_groups,
    readiness,
    visible,
    whole_file_errors,
    whole_file_warnings,
)
from importer.reports.writing import Reported, write_reports

ROWS = 100
"""Rows of a page."""
MOST_COLUMNS = 60
"""Columns of a row that are shown."""
MOST_REPEATED = 10
"""Wrong values that stand in several rows, of which all can be mended at once."""
LAST_EDITS = 10
"""Edits that can be undone in the page; those before them come when these are undone."""
LONGEST = 1000
"""Characters of a cell that is edited in the table; a row of its own takes any."""
PATIENCE = 1.0
"""Seconds after which a page says that the list is being checked, instead of keeping silent."""

LEFT_OUT = "left_out_by_hand"
"""The kind of rows that a person has left out."""
_OF_NO_VALUE = frozenset(
    {
        *(LEFT_OUT, "do_not_call", "duplicate", "filtered", "no_contact", "sent_before"),
        *("phone_repeated", "phone_twice_in_row", "repaired"),
    }
)
"""Kinds that do not say that a value is wrong: none is to be replaced in all rows for them."""

_REPORTS = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "html": "text/html",
}
_LARGEST_ROW = 2**53
_SENT = "It is sent as it was planned; see its result."
_BLANK, _WAITING = "blank", "waiting"


@dataclass(frozen=True, slots=True)
class View:
    """What of the rows is shown: those of a `kind` from the row number `first` on, or one `row`."""

    kind: str = TO_MEND
    first: int = 0
    row: int | None = None

    def address(self, draft: Draft, part: str = "", **more: object) -> str:
        """The address of the page, or of something that is done in it."""
        named = {"kind": self.kind, "from": self.first or "", "row": self.row or "", **more}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/drafts/{draft.id}/fix{part}{'?' if query else ''}{query}"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a row that is shown, as mended; `key` is a digest of its text.

    `is_wrong` says that an error is mended here, be it of several cells together. `is_open` says
    that it can be edited where it stands, and `repeated` that other cells of its column hold the
    same text: how many is not said, or each edit would change many rows.
    """

    column: int
    text: str
    key: str
    problems: tuple[Problem, ...]
    edited: bool
    is_wrong: bool
    is_open: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is shown; `problems` are those of no single cell, `state` what becomes of it."""

    number: int
    status: Status
    state: str
    problems: tuple[Problem, ...]
    cells: tuple[Cell, ...]
    left_out: bool
    opened: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that is wrong in several rows; it stands in `cells` cells of its column."""

    column: int
    row: int
    text: str
    key: str
    rows: int
    cells: int
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem, as what the rows can be narrowed down to.

    `to_mend` of its `number` problems keep their rows back; 0 where all do, or none.
    """

    key: str
    title: str
    number: int
    tone: str
    to_mend: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a page shows of a list."""

    found: Found
    names: RowNames
    torn: tuple[Problem, ...]
    edits: tuple[Edit, ...]
    columns: tuple[int, ...]
    hidden_columns: int
    rows: tuple[Row, ...]
    wrong: tuple[Wrong, ...]
    kinds: tuple[Kind, ...]
    before: int
    after: int
    previous: int | None
    following: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page of htmx holds already: the mark of each part, by its id, and its columns."""

    marks: Mapping[str, str]
    columns: tuple[int, ...]

    def rows(self) -> list[tuple[int, bool]]:
        """The rows that it shows, and of each whether all its cells are open."""
        found = []
        for name, mark in self.marks.items():
            number = _whole(name.removeprefix("row-"))
            if name.startswith("row-") and number is not None:
                found.append((number, mark.endswith("+")))
        return sorted(found)[: 2 * ROWS]


# What is shown.


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/fix?kind=&from=&row=``."""
    return await _page(request, await open_draft(request), _view(request))


def _view(request: web.Request) -> View:
    query = request.query
    kind = query.get("kind", TO_MEND)[:100]
    return View(kind, _whole(query.get("from", "")) or 0, _whole(query.get("row", "")))


def _whole(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 17):
        return None
    number = int(text)
    return number if 0 < number <= _LARGEST_ROW else None


async def _page(
    request: web.Request, draft: Draft, view: View, told: Told | None = None
) -> web.Response:
    """The whole step, as a page or as the part that htmx asks for."""
    if not draft.mapping.exists():
        return _render(request, draft, view, told, state=_BLANK)
    patience = PATIENCE if told is None else None
    try:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(patience):
                opened = await stack.enter_async_context(request.app[OPEN_LISTS].using(draft))
                found = await opened.found()
            shown = await _shown_of(request, draft, opened, found, view)
    except (TimeoutError, RunInterruptedError):
        # Stopped, since it was read in another way, or mapped anew, meanwhile: it begins again.
        return _render(request, draft, view, state=_WAITING)
    except OtherRunError as error:
        return _render(request, draft, view, _of_another_run(draft, error))
    except UsageError as error:
        return _render(request, draft, view, _of_another_list(draft, error))
    except ImporterError as error:
        return _render(request, draft, view, _teller(draft).told(error))
    if told is None:
        told = await sent_before(request, draft, found.rechecked.checkup.info.sheet)
    return _render(request, draft, view, told, shown)


def _teller(draft: Draft) -> Teller:
    again = Action("Try again", f"/drafts/{draft.id}/fix")
    return Teller(draft, again, again)


def _of_another_run(draft: Draft, error: ImporterError) -> Told:
    """The rows that were sent cannot be left out: the list is read in another way than then."""
    return Told(
        "the list is read in another way than in the import whose rest this is",
        "Read the file as it was read then: else nobody knows which of its rows were sent.",
        (_teller(draft).words(error.message),),
        (Action("To the file", f"/drafts/{draft.id}/file"),),
    )


def _of_another_list(draft: Draft, error: ImporterError) -> Told:
    """The edits cannot be used: the list is read in another way, or their file is damaged."""
    return Told(
        "the cells that were mended are not those of the list as it is read now",
        "Read the file as before, or mend the list anew.",
        (_teller(draft).words(error.message),),
        (
            Action("To the file", f"/drafts/{draft.id}/file"),
            Action(
                "Mend it anew, without those edits", f"/drafts/{draft.id}/fix/anew", {}, "danger"
            ),
        ),
    )


def _render(
    request: web.Request,
    draft: Draft,
    view: View,
    told: Told | None = None,
    shown: Shown | None = None,
    *,
    state: str = "",
) -> web.Response:
    """The step; its `state` is blank without a mapping, and waiting during the first check."""
    part = is_part(request)
    return request.app[PAGES].render(
        request,
        "fix_part.html.j2" if part else "fix.html.j2",
        422 if told is not None and told.tone == "bad" and not part else 200,
        is_blank=state == _BLANK,
        waiting=state == _WAITING,
        passed=request.app[OPEN_LISTS].passed(draft),
        told=told,
        **_values(draft, view, shown),
    )


def _values(
    draft: Draft, view: View, shown: Shown | None, marks: Mapping[str, str] | None = None
) -> dict[str, object]:
    """What the templates are given; the `marks` are those of a page that was shown before."""
    headers = shown.found.rechecked.checkup.info.headers if shown is not None else ()
    names = shown.names if shown is not None else RowNames()
    values: dict[str, object] = {
        "draft": draft,
        "view": view,
        "shown": shown,
        "marks": marks or {},
        "is_fixed": draft.run_dir is not None,
        "name_of": lambda column: name_of(headers, column),
        "row_name": names,
        "told_edit": lambda edit: told_edit(edit, headers, names),
        "words": lambda text: with_part_names(_teller(draft).words(text)),
        "part_name": part_name,
        "mark": _mark,
        "longest": LONGEST,
    }
    if shown is not None:
        checkup = shown.found.rechecked.checkup
        survey = checkup.survey
        values |= {
            "verdict": conclusion(checkup),
            "survey": survey,
            "why_skip": left_out(survey, Status.SKIPPED, 3, why_held_back)
            if survey.skipped
            else "",
            "whole": tuple(whole_file_errors(survey)),
            "readiness": readiness(survey),
            "phones": tuple(map(with_part_names, phones_read(checkup))),
            "remarks": tuple(whole_file_warnings(survey)),
        }
    return values


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def key_of(text: str) -> str:
    """A digest of a cell's text, by which a page says what the cell held when it was shown."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def name_of(headers: tuple[str, ...], column: int) -> str:
    """What a column is called in the page."""
    return visible(headers[column], 80) or f"Column {column_letters(column)}"


def told_edit(edit: Edit, headers: tuple[str, ...], names: RowNames) -> str:
    """An edit in words."""
    row = names(edit.row or 0)
    if edit.op is Op.LEAVE_OUT:
        return f"Row {row} left out"
    change = f"{_quoted(edit.old)} → {_quoted(edit.new)}"
    column = name_of(headers, edit.column)
    if edit.op is Op.REPLACE:
        return f"{column}, wherever it stands: {change}"
    return f"Row {row}, {column}: {change}"


def _quoted(text: str) -> str:
    return f"“{visible(text, 60)}”" if text else "blank"


async def _shown_of(
    request: web.Request,
    draft: Draft,
    opened: OpenList,
    found: Found,
    view: View,
    asked: Asked | None = None,
) -> Shown:
    """What a page shows; what it shows already where it was `asked` for what is another."""

    def work() -> Shown:
        headers = found.rechecked.checkup.info.headers
        names = names_in_draft(request.app[DRAFTS], draft, headers)
        return _shown(opened, found, view, names, asked, may_edit=draft.run_dir is None)

    return await asyncio.to_thread(work)


def _shown(
    opened: OpenList,
    found: Found,
    view: View,
    names: RowNames,
    asked: Asked | None,
    *,
    may_edit: bool,
) -> Shown:
    info = found.rechecked.checkup.info
    listed = found.rows(view.kind)
    if asked is not None:
        numbers = dict(asked.rows())
    elif view.row is not None:
        numbers = {view.row: True}
    else:
        start = bisect.bisect_left(listed, view.first)
        numbers = dict.fromkeys(listed[start : start + ROWS], False)
    used = [label for label in opened.recheck.used if not info.headers[label].startswith("_")]
    place = {header: label for label, header in reversed(list(enumerate(info.headers)))}
    place = {header: label for header, label in place.items() if label in set(used)}
    columns = asked.columns if asked is not None else ()
    if sorted(set(columns)) != sorted(columns) or not set(columns) <= set(used) or not columns:
        columns = _ordered(found, numbers, used, place)
    rows = tuple(_rows(opened, found, numbers, columns, place, may_edit))
    first, last = (min(numbers), max(numbers)) if numbers else (view.first, view.first)
    before = bisect.bisect_left(listed, first)
    until = bisect.bisect_right(listed, last)
    single = view.row is not None
    return Shown(
        found=found,
        names=names,
        torn=opened.log.remarks,
        edits=opened.log.edits[: -LAST_EDITS - 1 : -1],
        columns=columns,
        hidden_columns=len(used) - len(columns),
        rows=rows,
        wrong=tuple(_wrong(opened, found, view, columns, place)) if may_edit and not single else (),
        kinds=tuple(_kinds(found)),
        before=0 if single else before,
        after=0 if single else len(listed) - until,
        previous=listed[max(0, before - ROWS)] if before and not single else None,
        following=listed[until] if until < len(listed) and not single else None,
    )


def _ordered(
    found: Found, numbers: Iterable[int], used: list[int], place: Mapping[str, int]
) -> tuple[int, ...]:
    """The columns that are shown: first those in which something is wrong in these rows."""
    wrong: dict[int, None] = {}
    for number in numbers:
        decision = found.rechecked.decisions.get(number)
        for problem in decision.problems if decision is not None else ():
            wrong |= dict.fromkeys(_columns_of(problem, place))
    return tuple([*sorted(wrong), *(label for label in used if label not in wrong)][:MOST_COLUMNS])


def _columns_of(problem: Problem, place: Mapping[str, int]) -> tuple[int, ...]:
    """The columns in which a problem can be mended: some are of several, joined by commas."""
    named = problem.column or ""
    if named in place:
        return (place[named],)
    found: list[int] = []
    while named:
        # A header may itself have a comma and a blank in it: the longest that fits is meant.
        fits = [name for name in place if named == name or named.startswith(f"{name}, ")]
        if not fits:
            break
        header = max(fits, key=len)
        found.append(place[header])
        named = named[len(header) + 2 :]
    return tuple(found)


def _rows(
    opened: OpenList,
    found: Found,
    numbers: Mapping[int, bool],
    columns: tuple[int, ...],
    place: Mapping[str, int],
    may_edit: bool,
) -> Iterator[Row]:
    batches = list(opened.recheck.rows(numbers, found.edits, columns))
    decisions = found.rechecked.decisions
    texts: dict[int, set[str]] = {}
    for batch in batches:
        for at, number in enumerate(batch.rows.tolist()):
            decision = decisions.get(number)
            for problem in decision.problems if decision is not None else ():
                label = place.get(problem.column or "")
                if label in columns and label is not None:
                    texts.setdefault(label, set()).add(batch.columns[label][at].as_py())
    counts = {
        label: opened.recheck.count(label, those, found.edits) for label, those in texts.items()
    }
    hand = set(found.edits.left_out.tolist())
    for batch in batches:
        every = list(range(len(batch)))
        for at, cells in zip(every, batch.cells(every, columns), strict=True):
            number = int(batch.rows[at])
            decision = decisions.get(number)
            by_column: dict[int | None, list[Problem]] = {}
            for problem in decision.problems if decision is not None else ():
                label = place.get(problem.column or "")
                by_column.setdefault(label if label in columns else None, []).append(problem)
            mends: dict[int, set[Severity]] = {}
            for problem in decision.problems if decision is not None else ():
                for label in _columns_of(problem, place):
                    mends.setdefault(label, set()).add(problem.severity)
            is_left_out = number in hand
            opens = may_edit and not is_left_out
            status = decision.status if decision is not None else Status.PENDING
            yield Row(
                number=number,
                status=status,
                state=_state(status, decision.code if decision is not None else ""),
                problems=tuple(by_column.get(None, ())),
                cells=tuple(
                    Cell(
                        column=label,
                        text=text,
                        key=key_of(text),
                        problems=tuple(by_column.get(label, ())),
                        edited=label in batch.edited and bool(batch.edited[label][at]),
                        is_wrong=Severity.ERROR in mends.get(label, ()),
                        is_open=opens
                        and (numbers[number] or (label in mends and len(text) <= LONGEST)),
                        repeated=bool(text) and counts.get(label, {}).get(text, 0) > 1,
                    )
                    for label, text in zip(columns, cells, strict=True)
                ),
                left_out=is_left_out,
                opened=numbers[number] and opens,
            )


def _state(status: Status, codes: str) -> str:
    if status is not Status.SKIPPED:
        return _STATES[status]
    why = why_held_back(codes.split("|"), status)
    return why if why.startswith("left out") else f"left out: {why}"


def _wrong(
    opened: OpenList,
    found: Found,
    view: View,
    columns: tuple[int, ...],
    place: Mapping[str, int],
) -> Iterator[Wrong]:
    """Values that are wrong in several of the rows of a kind, the most frequent first.

    Blank is none: what lacks in one row, a phone say, is not what lacks in another.
    """
    decisions = found.rechecked.decisions
    rows: dict[int, list[int]] = {}
    for number in found.rows(view.kind):
        there = {
            place.get(problem.column or "")
            for problem in decisions[number].problems
            if _is_of(problem, view.kind)
        }
        for label in there:
            if label is not None:
                rows.setdefault(label, []).append(number)
    repeated = [
        (label, one)
        for label, those in rows.items()
        if label in columns and len(those) > 1
        for one in opened.recheck.repeated(label, those, MOST_REPEATED, found.edits)
        if one.text and len(one.text) <= LONGEST
    ]
    repeated.sort(key=lambda pair: -pair[1].rows)
    top = repeated[:MOST_REPEATED]
    cells: dict[int, dict[str, int]] = {}
    for label in {label for label, _ in top}:
        texts = [one.text for at, one in top if at == label]
        cells[label] = opened.recheck.count(label, texts, found.edits)
    for label, one in top:
        problem = next(
            (
                p
                for p in decisions[one.row].problems
                if place.get(p.column or "") == label and _is_of(p, view.kind)
            ),
            None,
        )
        number = cells[label][one.text]
        yield Wrong(label, one.row, one.text, key_of(one.text), one.rows, number, problem)


def _is_of(problem: Problem, kind: str) -> bool:
    """Whether a value is wrong in the way that the shown rows are."""
    if problem.code in _OF_NO_VALUE:
        return False
    return problem.severity is Severity.ERROR if kind == TO_MEND else problem.code == kind


def _kinds(found: Found) -> Iterator[Kind]:
    survey = found.rechecked.checkup.survey
    yield Kind(TO_MEND, "All to be mended", survey.invalid, "bad" if survey.invalid else "good")
    errors = Counter(
        problem.code
        for decision in found.rechecked.decisions.values()
        for problem in decision.problems
        if problem.severity is Severity.ERROR
    )
    for group in problem_groups(survey):
        if all(problem.row is None for problem in group.examples):
            continue
        title, wrong = kind_words(group.code), errors[group.code]
        if group.code == LEFT_OUT:
            yield Kind(LEFT_OUT, title, group.count, "")
        elif 0 < wrong < group.count:
            yield Kind(group.code, title, group.count, "bad", wrong)
        else:
            yield Kind(group.code, title, group.count, "bad" if wrong else "doubtful")


async def _state_now(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/look``: what is another by now of what the page shows."""
    return await _done(request, await open_draft(request), Done(""))


async def _row(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/fix/row?open=``: a row with all its cells open; ``shut=``: as before."""
    draft, view = await open_draft(request), _view(request)
    columns = _columns(request.query.get("columns", ""))
    async with request.app[OPEN_LISTS].using(draft) as opened:
        opens, shuts = (request.query.get(name, "") for name in ("open", "shut"))
        asked = Asked({f"row-{opens or shuts}": "+" if opens else ""}, columns)
        found = await opened.found()
        shown = await _shown_of(request, draft, opened, found, view, asked)
    values = _values(draft, view, shown)
    return request.app[PAGES].render(request, "fix_row.html.j2", 200, **values)


# What is done.


async def _mend(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/cell``: another text for a cell, or for all that hold the same."""
    form = await form_of(request)
    row, column = _whole(form.get("row", "")), form.get("column", "")
    if row is None or not (column.isascii() and column.isdigit() and len(column) < 6):
        raise UsageError("this cell is not named", "Load the page again.")
    label, new = int(column), form.get("text", "")
    everywhere = form.get("all", "")

    def mend(opened: OpenList, names: RowNames) -> Done:
        headers = opened.recheck.info.headers
        if label >= len(headers):
            raise EditRefused("there is no such column", "Load the page again.")
        edits = opened.log.overlay
        cells = [
            batch.columns[label][0].as_py() for batch in opened.recheck.rows([row], edits, [label])
        ]
        if not cells:
            raise EditRefused(f"the list has no row {row}")
        held = cells[0]
        text = as_typed(new, held)
        where = f"Row {names(row)}, {name_of(headers, label)}"
        if text == held:
            return Done(f"{where}: {_quoted(held)}, as before.")
        if key_of(held) != form.get("key"):
            raise EditRefused(
                f"{where}: the cell holds {_quoted(held)} by now",
                "It was mended in another page. Look at it, and mend it again if it is wrong.",
            )
        if everywhere:
            edit = opened.log.replace_all(label, held, text, count=_whole(everywhere))
            return Done(f"{told_edit(edit, headers, names)}.")
        edit = opened.log.set_cell(row, label, held, text)
        return Done(f"{told_edit(edit, headers, names)}.", row)

    return await _edit(request, mend)


def as_typed(text: str, held: str) -> str:
    """What was typed into a field, with line breaks as the cell has them: forms send CR LF."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    if plain == held.replace("\r\n", "\n").replace("\r", "\n"):
        return held
    return plain.replace("\n", "\r\n") if "\r\n" in held else plain


async def _leave_out(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/leave-out``: a row is not sent."""
    return await _about_row(request, EditLog.leave_out, "Row {} is left out.")


async def _take_back(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/take-back``: a row that was left out is not any more."""
    return await _about_row(request, EditLog.take_back, "Row {} is taken back.")


async def _about_row(
    request: web.Request, change: Callable[[EditLog, int], Edit], words: str
) -> web.Response:
    row = _whole((await form_of(request)).get("row", ""))
    if row is None:
        raise UsageError("this row is not named", "Load the page again.")

    def work(opened: OpenList, names: RowNames) -> Done:
        change(opened.log, row)
        return Done(words.format(names(row)), row)

    return await _edit(request, work)


async def _undo(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/undo``: an edit is undone."""
    number = _whole((await form_of(request)).get("edit", ""))
    if number is None:
        raise UsageError("this edit is not named", "Load the page again.")

    def work(opened: OpenList, names: RowNames) -> Done:
        headers = opened.recheck.info.headers
        made = {edit.number: edit for edit in opened.log.edits}
        if (edit := made.get(number)) is None:
            raise EditRefused("this edit is undone already", "It was undone in another page.")
        later = [each for each in made.values() if each.number > number and each.rests_on(edit)]
        if later:
            raise EditRefused(
                f"“{told_edit(later[-1], headers, names)}”, which was made later, rests on it",
                "Undo that one first.",
            )
        about = None if edit.op is Op.REPLACE else edit.row
        return Done(f"Undone: {told_edit(opened.log.undo(number), headers, names)}.", about)

    return await _edit(request, work)


@dataclass(frozen=True, slots=True)
class Done:
    """What an edit has done, in words, and the row that it was about, if about one."""

    words: str
    row: int | None = None


async def _edit(request: web.Request, work: Callable[[OpenList, RowNames], Done]) -> web.Response:
    """Make an edit, which is on the disk before anything else; then show what it comes to."""
    draft = await open_draft(request)
    refuse_sent(draft, _SENT)
    done, told, before = Done(""), None, None
    try:
        async with request.app[OPEN_LISTS].using(draft) as opened:
            before = opened.last_found
            headers = opened.recheck.info.headers
            names = await asyncio.to_thread(names_in_draft, request.app[DRAFTS], draft, headers)
            done = await asyncio.to_thread(work, opened, names)
    except ImporterError as error:
        told = Told(_teller(draft).words(error.message), _teller(draft).words(error.hint))
    return await _done(request, draft, done, told, before)


def _besides(before: Found, after: Found, edited: int | None, names: RowNames) -> str:
    """What has become of other rows since, in words: one that is the same as the mended one, say.

    Without an `edited` row, of all rows. Takes as long as it takes to compare the rows that are
    not simply ready.
    """
    then, now = before.rechecked.decisions, after.rechecked.decisions
    changed: dict[Status, list[int]] = {}
    for row in {**then, **now}:
        was, decided = then.get(row), now.get(row)
        status = decided.status if decided is not None else Status.PENDING
        if row != edited and status is not (was.status if was is not None else Status.PENDING):
            changed.setdefault(status, []).append(row)
    told = []
    for status, rows in changed.items():
        if len(rows) == 1:
            decided = now.get(rows[0])
            state, _, why = _state(status, decided.code if decided is not None else "").partition(
                ": "
            )
            told.append(f"Row {names(rows[0])} is {state} now{f': {why}' if why else ''}.")
        else:
            others = "other rows" if edited is not None else "rows"
            told.append(f"{len(rows):,} {others} are {_STATES[status]} now.")
    return " ".join(told)


_STATES = {Status.INVALID: "to be mended", Status.PENDING: "ready", Status.SKIPPED: "left out"}


async def _done(
    request: web.Request,
    draft: Draft,
    done: Done,
    told: Told | None = None,
    before: Found | None = None,
) -> web.Response:
    """What of the page is another by now, for htmx; else the page."""
    view = _view(request)
    asked = _asked(await form_of(request))
    if not is_part(request) or asked is None:
        if told is not None:
            return await _page(request, draft, view, told)
        row = _whole((await form_of(request)).get("row", ""))
        raise web.HTTPSeeOther(view.address(draft) + (f"#row-{row}" if row else ""))
    async with request.app[OPEN_LISTS].using(draft) as opened:
        found = await opened.found()
        shown = await _shown_of(request, draft, opened, found, view, asked)
        said = done.words
        if (
            said
            and before is not None
            and (besides := await asyncio.to_thread(_besides, before, found, done.row, shown.names))
        ):
            said += f" {besides}"
    return request.app[PAGES].render(
        request,
        "fix_changes.html.j2",
        200 if told is None else 422,
        said=said,
        told=told,
        **_values(draft, view, shown, asked.marks),
    )


def _asked(form: Mapping[str, str]) -> Asked | None:
    """What a page of htmx says that it holds; None where it does not say so."""
    if "marks" not in form:
        return None
    pairs = (pair.partition("=") for pair in form["marks"].split(",")[: 3 * ROWS])
    return Asked({name: mark for name, _, mark in pairs}, _columns(form.get("columns", "")))


def _columns(text: str) -> tuple[int, ...]:
    found = text.split(",")[:MOST_COLUMNS] if text else []
    return tuple(int(one) for one in found if one.isascii() and one.isdigit() and len(one) < 6)


async def _anew(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/fix/anew``: set aside edits that cannot be used."""
    draft = await open_draft(request)
    refuse_sent(draft, _SENT)
    request.app[OPEN_LISTS].leave(draft.id)

    def set_aside() -> None:
        with contextlib.suppress(FileNotFoundError):
            draft.edits.replace(draft.edits.with_name("edits.before.jsonl"))

    await asyncio.to_thread(set_aside)
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/fix")


# The reports.


async def _report(request: web.Request) -> web.StreamResponse:
    """``GET /drafts/{id}/fix/report.{kind}``: the report of a check, with the cells as mended."""
    draft, kind = await open_draft(request), request.match_info["kind"]
    stop = StopSwitch()
    # One at a time: each is a check from the beginning, and takes the memory of one.
    lists = request.app[OPEN_LISTS]
    async with lists.reporting, stopped_at_end(stop):
        with WorkingFolder() as folder:
            compared = await lists.compared(draft)
            mended = await asyncio.to_thread(request.app[DRAFTS].mended_apart, draft)
            path = await asyncio.to_thread(
                _write_report, draft, compared, mended, Path(folder) / f"report.{kind}", stop
            )
            name = f"{Path(draft.name).stem}-check.{kind}"
            return await send_file(request, path, name, _REPORTS[kind])


def _write_report(
    draft: Draft, compared: Compared, mended: list[Path], report: Path, stop: StopSwitch
) -> Path:
    checkup = library.check(
        draft.file,
        draft.mapping,
        destination=compared.destination,
        settings=compared.settings,
        reading=draft.reading,
        edits=draft.edits if draft.edits.exists() else None,
        excepted=draft.excepted,
        mended=mended,
        log=report.with_name("problems.jsonl"),
        stop=stop,
    )
    checkup = replace(checkup, info=replace(checkup.info, path=draft.name))
    write_reports([report], [Reported(checkup)])
    return report


ROUTES = [
    web.get("/drafts/{id}/fix", _show),
    web.get("/drafts/{id}/fix/row", _row, allow_head=False),
    web.get("/drafts/{id}/fix/report.{kind:csv|xlsx|html}", _report, allow_head=False),
    web.post("/drafts/{id}/fix/look", _state_now),
    web.post("/drafts/{id}/fix/cell", _mend),
    web.post("/drafts/{id}/fix/leave-out", _leave_out),
    web.post("/drafts/{id}/fix/take-back", _take_back),
    web.post("/drafts/{id}/fix/undo", _undo),
    web.post("/drafts/{id}/fix/anew", _anew),
]
