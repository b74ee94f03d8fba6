"""The result step: what became of every row, its files, and what is still to be done.

The same page shows a draft's own run, under the draft's address, and any past import of the
ledgers, under the id of its run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from importer import library
from importer.console.downloads import send_file, stopped_at_end
from importer.console.drafts import DRAFTS, FAILURES, Continued, Draft, Drafts, Place, open_draft
from importer.console.pages import PAGES, basename, form_of, is_part
from importer.console.records import part_name, with_part_names
from importer.console.row_names import RowNames, names_in_draft, names_in_run
from importer.console.target import TARGETS
from importer.console.telling import (
    Action,
    Teller,
    Told,
    kind_words,
    page_words,
    told_stop,
    words_of_run,
)
from importer.console.under_way import (
    UNDER_WAY,
    Looking,
    Order,
    ReadingBack,
    Searching,
    Sending,
    watch,
)
from importer.console.work import OPEN_LISTS
from importer.errors import CutJournalError, ImporterError, NoJournalError, UsageError
from importer.files import WorkingFolder
from importer.library import (
    PastRun,
    Reconciliation,
    ResultRow,
    RowPage,
    StopSwitch,
    Verification,
)
from importer.model import Status
from importer.reports.content import count, visible
from importer.settings import Target

CREATED, CREATED_WORKBOOK = "created.csv", "created.xlsx"
_WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES = {
    "failures.xlsx": ("The rows to be mended, as a workbook", _WORKBOOK),
    CREATED_WORKBOOK: ("The created rows, with their ids, as a workbook", _WORKBOOK),
    CREATED: ("The created rows, with their ids, as text", "text/csv; charset=utf-8"),
    "uncertain.csv": ("The rows that may have arrived", "text/csv; charset=utf-8"),
    "results.csv": ("What became of every row", "text/csv; charset=utf-8"),
    "failures.csv": ("The rows to be mended, as text", "text/csv; charset=utf-8"),
    "canary.json": ("The first rows, as they were read back", "application/json"),
    "verify.json": ("The sample that was read back", "application/json"),
    "summary.json": ("All figures", "application/json"),
    "mapping.yaml": ("The columns, as they were sent", "application/yaml"),
}
"""The files of a run that can be downloaded: what each is, and its type.

The workbook of created rows is made when it is asked for: of 100,000 rows it takes some twenty
seconds, for which nobody should wait who has no use for it.
"""
_FIRST_FILES: Mapping[str, tuple[Status, ...]] = {
    "failures.xlsx": (Status.REJECTED, Status.INVALID),
    CREATED_WORKBOOK: (Status.CREATED,),
    "uncertain.csv": (Status.UNCERTAIN,),
    "results.csv": tuple(Status),
}
"""The files that whoever imports lists needs, where there are rows in these states."""
MOST_ROWS = 50
"""Uncertain rows, and rows that failed, of a page."""
MOST_CELLS = 6
"""Cells of an uncertain row that are shown, to know the lead by."""
MOST_NAMED = 15
"""Rows that are named one by one where it is told what became of the search for them."""

_RUN_ID = re.compile(r"[\w.-]{1,200}")
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class View:
    """Which rows are shown: of each kind those from a row number on."""

    uncertain: int = 0
    failed: int = 0

    def query(self, **other: int) -> str:
        """What stands behind an address for this view, or for one that is other in something."""
        named = {"uncertain": self.uncertain, "failed": self.failed, **other}
        text = urlencode({name: row for name, row in named.items() if row})
        return f"?{text}" if text else ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A run that is shown under an address; `draft` is that which has sent it, if one has.

    `names` are what its rows are called.
    """

    address: str
    folder: Path
    name: str
    draft: Draft | None
    names: RowNames
    view: View = View()

    @property
    def page(self) -> str:
        """The address with the rows that are shown of it."""
        return f"{self.address}{self.view.query()}"

    def at(self, part: str) -> str:
        """The address of something that is done, of which the page keeps its rows."""
        return f"{self.address}/{part}{self.view.query()}"

    @property
    def stem(self) -> str:
        """The list's name without its ending."""
        return Path(self.name).stem

    @property
    def key(self) -> str:
        """What its work is known by, as :mod:`importer.console.under_way` has it."""
        return self.draft.id if self.draft is not None else str(self.folder)

    def look(self, label: str, *, release: bool = False) -> Action:
        """A button that looks for the rows that may have arrived."""
        fields, tone = ({"release": "yes"}, "danger") if release else ({}, "")
        return Action(label, self.at("reconcile"), fields, tone)

    def told(self, error: ImporterError, retry: Action | None = None) -> Told:
        """What went wrong with it, and what to do."""
        if isinstance(error, NoJournalError):
            return Told(
                "what was sent is not where it was any more: the folder of this import was moved or"
                " removed",
                f"Put it back, as {visible(str(self.folder))}.",
                (),
                (Action("Look again", self.page),),
            )
        if isinstance(error, CutJournalError):
            return Told(
                "the record of what was sent has lost its end, as after a power cut",
                "Of the rows that it has no word of nobody knows whether they were sent. They are"
                " taken as rows that may have arrived, and none is sent again before you know.",
                (),
                (self.look("Take them so, and look for them in the call centre"),),
            )
        again = retry or Action("Look again", self.page)
        if self.draft is not None:
            return Teller(self.draft, again, again).told(error)
        message, hint = (words_of_run(text, self.folder) for text in (error.message, error.hint))
        first, *lines = message.splitlines() or [""]
        return Told(first, hint, tuple(line.strip() for line in lines), (again,))


@dataclass(frozen=True, slots=True)
class Mended:
    """The rows of a run that failed as an import of their own: how many, and what became of them.

    `counts` is None before anything of it was sent.
    """

    draft: Draft
    rows: int
    counts: Mapping[Status, int] | None = None

    @property
    def is_done(self) -> bool:
        """Whether each of them was created, or left out."""
        done = (Status.CREATED, Status.SKIPPED)
        return self.counts is not None and sum(self.counts[one] for one in done) == self.rows

    @property
    def words(self) -> str:
        """What became of them."""
        if self.counts is None:
            return "not sent yet"
        states = ((words.lower(), rows) for words, rows, _ in _figures(self.counts) if rows)
        return ", ".join(f"{rows:,} {words}" for words, rows in states)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run stands; `rows_failed` and `rows_uncertain` are some, a page of each.

    `continued` has the imports in which it is gone on with. The rows `left_behind` are in none of
    them, though they are to be sent.
    """

    past: PastRun
    summary: Mapping[str, Any]
    files: tuple[str, ...]
    rows_failed: RowPage
    rows_uncertain: RowPage
    has_stamp: bool
    plan_id: str | None
    continued: Continued
    mended: Mended | None
    left_behind: tuple[int, ...]

    def count(self, *states: Status) -> int:
        """The number of rows in these states."""
        return sum(self.past.counts[state] for state in states)

    @property
    def first_files(self) -> tuple[str, ...]:
        """The files that are needed first; the others are for those who look into a run."""
        return tuple(
            name for name in self.files if name in _FIRST_FILES and self.count(*_FIRST_FILES[name])
        )

    @property
    def failed(self) -> int:
        """Rows that failed, wherever they are mended."""
        return self.count(Status.REJECTED, Status.INVALID)

    @property
    def to_mend(self) -> int:
        """Rows that failed, and have no import of their own."""
        if self.mended is not None:
            return self.failed - self.mended.rows
        return 0 if self.continued.rest is not None else self.failed

    @property
    def rest(self) -> Draft | None:
        """The import of the rest to go to: that which is still to be sent, else the first."""
        unsent = [draft for draft in self.continued.rests if draft.run_dir is None]
        return unsent[0] if unsent else self.continued.rest

    @property
    def figures(self) -> tuple[tuple[str, int, str], ...]:
        """How many rows are in each state, in words, and how good that is; each row stands once."""
        unsent, to_mend = self.count(Status.PENDING), self.to_mend
        if self.continued.rest is not None:
            unsent = len(self.left_behind)
        apart = self.failed - to_mend + self.count(Status.PENDING) - unsent
        counts = {
            **self.past.counts,
            Status.PENDING: unsent,
            Status.INVALID: to_mend,
            Status.REJECTED: 0,
        }
        others = (("In an import of their own", apart, ""),) if apart else ()
        return (*_figures(counts), *others)


async def _of_draft(request: web.Request) -> Shown | None:
    """The run of the draft that an address names; None where nothing was sent of it."""
    draft = await open_draft(request)
    if draft.run_dir is None:
        return None
    names = await asyncio.to_thread(names_in_draft, request.app[DRAFTS], draft)
    address = f"/drafts/{draft.id}/result"
    return Shown(address, draft.run_dir, draft.name, draft, names, _view(request))


async def _of_run(request: web.Request) -> Shown:
    """The past import that an address names by the id of its run."""
    run_id = request.match_info["run"]
    entry = await asyncio.to_thread(library.find_run, run_id) if _RUN_ID.fullmatch(run_id) else None
    if entry is None:
        raise web.HTTPNotFound
    drafts, folder = request.app[DRAFTS], entry.run_dir
    draft = next((d for d in await asyncio.to_thread(drafts.all) if d.run_dir == folder), None)
    names = await asyncio.to_thread(names_in_run, drafts, folder)
    return Shown(f"/runs/{run_id}", folder, basename(entry.file), draft, names, _view(request))


def _view(request: web.Request) -> View:
    query = request.query
    return View(_from(query.get("uncertain", "")), _from(query.get("failed", "")))


def _from(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


async def _shown(request: web.Request) -> Shown:
    if "run" in request.match_info:
        return await _of_run(request)
    shown = await _of_draft(request)
    if shown is None:
        raise web.HTTPSeeOther(f"/drafts/{request.match_info['id']}/result")
    return shown


async def _show(request: web.Request) -> web.Response:
    """``GET /drafts/{id}/result`` and ``GET /runs/{run}``."""
    if "run" in request.match_info:
        return await _page(request, await _of_run(request))
    if (shown := await _of_draft(request)) is not None:
        return await _page(request, shown)
    draft = await open_draft(request)
    return request.app[PAGES].render(request, "result_none.html.j2", draft=draft)


async def _page(request: web.Request, shown: Shown, told: Told | None = None) -> web.Response:
    refused = told is not None and told.tone == "bad"
    works = request.app[UNDER_WAY]
    # Each is asked once whether it is done: it may end while this is awaited.
    sending, looking = works.last(Sending, shown.key), works.last(Looking, shown.key)
    if looking is not None and looking.done:
        told, looking = told or _ended(looking, shown), None
    if sending is not None and sending.done:
        told, sending = told or _sent(sending, shown), None
    result = None
    work = sending or looking
    try:
        result = await asyncio.to_thread(_read, request.app[DRAFTS], shown, busy=work is not None)
    except ImporterError as error:
        # It is worse than what ended before; but what was refused just now is answered first.
        told, refused = (told if refused else shown.told(error)), True
    ours = {None, request.app[TARGETS].sandbox_dir}
    part = is_part(request)
    return request.app[PAGES].render(
        request,
        "result_part.html.j2" if part else "result.html.j2",
        422 if refused and not part else 200,
        shown=shown,
        draft=shown.draft,
        result=result,
        told=told,
        under_way=sending is not None,
        looking=looking,
        sought=looking.rows if isinstance(looking, Searching) else 0,
        state=work.state() if work is not None else None,
        can_go_on=result is not None and result.past.sandbox in ours,
        all_files=FILES,
        known_by=known_by,
        words=lambda text: with_part_names(page_words(text)),
        kind_words=kind_words,
        words_of_run=lambda text: words_of_run(str(text), shown.folder),
    )


def known_by(row: ResultRow) -> list[tuple[str, str]]:
    """The first cells of a row that hold something, by header: to know the lead by."""
    return [(header, cell) for header, cell in row.cells.items() if cell.strip()][:MOST_CELLS]


def _figures(counts: Mapping[Status, int]) -> tuple[tuple[str, int, str], ...]:
    """The states of rows in words, how many rows are in each, and how good that is."""
    every = (
        ("Created", counts[Status.CREATED], "good"),
        ("To be mended", counts[Status.REJECTED] + counts[Status.INVALID], "bad"),
        ("May have arrived", counts[Status.UNCERTAIN], "doubtful"),
        ("Not sent yet", counts[Status.PENDING], "doubtful"),
        ("Left out", counts[Status.SKIPPED], ""),
    )
    return tuple((words, rows, tone if rows else "") for words, rows, tone in every)


def _mended(draft: Draft | None) -> Mended | None:
    """How the import of rows that failed stands."""
    if draft is None:
        return None
    counts = None
    if draft.run_dir is not None:
        with contextlib.suppress(ImporterError):  # its own page tells what is wrong with it
            counts = library.past_run(draft.run_dir).counts
    return Mended(draft, draft.mended_rows, counts)


def _read(drafts: Drafts, shown: Shown, *, busy: bool) -> Result:
    """How a run stands; its files are written first where a crash kept them away."""
    folder, view = shown.folder, shown.view
    past = library.past_run(folder)
    if past.begun and not busy and not (folder / "summary.json").exists():
        library.report(folder)
        past = library.past_run(folder)
    asked = (
        ((Status.REJECTED, Status.INVALID), view.failed),
        ((Status.UNCERTAIN,), view.uncertain),
    )
    failed, uncertain = library.pages_of_rows(folder, asked, most=MOST_ROWS)
    continued = drafts.continued(folder)
    return Result(
        past,
        _summary(folder),
        tuple(name for name in FILES if (folder / _made_from(name)).is_file()),
        failed,
        uncertain,
        library.has_stamp(folder),
        _plan_id(folder) if past.needs_service else None,
        continued,
        _mended(continued.mended),
        continued.left_behind(folder),
    )


def _made_from(name: str) -> str:
    """The file of a run that a download is, or is made from."""
    return CREATED if name == CREATED_WORKBOOK else name


def _plan_id(folder: Path) -> str | None:
    try:
        return library.read_plan(folder).id
    except UsageError:
        return None


def _summary(folder: Path) -> Mapping[str, Any]:
    try:
        about = json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


# What is done.


async def _download(request: web.Request) -> web.StreamResponse:
    """``GET …/files/{name}``: one of the run's files, to be saved."""
    shown, name = await _shown(request), request.match_info["name"]
    path = shown.folder / _made_from(name)
    if name not in FILES or not await asyncio.to_thread(path.is_file):
        raise web.HTTPNotFound
    title, kind = f"{shown.stem} {name}", FILES[name][1]
    if name != CREATED_WORKBOOK:
        return await send_file(request, path, title, kind)
    stop = StopSwitch()
    async with request.app[OPEN_LISTS].reporting, stopped_at_end(stop):
        with WorkingFolder() as folder:
            workbook = Path(folder) / name
            await asyncio.to_thread(
                lambda: library.created_workbook(shown.folder, workbook, stop=stop)
            )
            return await send_file(request, workbook, title, kind)


async def _mend(request: web.Request) -> web.Response:
    """``POST …/mend``: the rows that failed become a draft of their own, to be mended and sent.

    Once only: where there is one, it is gone on with.
    """
    shown = await _shown(request)
    try:
        draft = await asyncio.to_thread(_draft_of_failures, request, shown)
    except (ImporterError, OSError) as error:
        known = (
            error
            if isinstance(error, ImporterError)
            else UsageError(
                f"failures.csv cannot be read: {error.strerror}", "Look for the files of the run."
            )
        )
        return await _page(request, shown, shown.told(known))
    step = "fix" if draft.run_dir is None else "result"
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/{step}")


def _draft_of_failures(request: web.Request, shown: Shown) -> Draft:
    past = library.past_run(shown.folder)
    mapping = library.with_lists_of(
        (shown.folder / "mapping.yaml").read_text("utf-8-sig"),
        Path(past.description.mapping["path"]).parent,
    )
    # Where the run itself has sent to: not where the mapping, or the account, would lead by now.
    where: dict[str, Any] = (
        {"place": Place.SANDBOX}
        if past.sandbox is not None
        else {"place": Place.SERVICE, "project": past.project, "base_url": past.base_url}
    )
    return request.app[DRAFTS].begin_mending(
        shown.folder,
        f"{shown.stem} failures.csv",
        shown.folder / FAILURES,
        mapping,
        mended_rows=past.counts[Status.REJECTED] + past.counts[Status.INVALID],
        **where,
    )


async def _send_left_behind(request: web.Request) -> web.Response:
    """``POST …/left-behind``: rows that the rest has left out get another import of the rest."""
    shown = await _shown(request)
    try:
        draft = await asyncio.to_thread(_draft_of_left_behind, request, shown)
    except ImporterError as error:
        return await _page(request, shown, shown.told(error))
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/plan" if draft is not None else shown.page)


def _draft_of_left_behind(request: web.Request, shown: Shown) -> Draft | None:
    """It leaves out whatever any import of the list has sent; None where nothing is left behind."""
    continued = request.app[DRAFTS].continued(shown.folder)
    last = continued.rests[-1] if continued.left_behind(shown.folder) else None
    if last is None or last.run_dir is None:
        return None
    if library.past_run(last.run_dir).needs_service:
        raise UsageError(
            "the import of the rest is not finished yet", "Send that first: it is left out there."
        )
    return request.app[DRAFTS].begin_anew(last, last.run_dir)


async def _reconcile(request: web.Request) -> web.Response:
    """``POST …/reconcile``: look for uncertain rows; with ``release``, let others be sent.

    ``first`` is the id of the record to begin at; without one it is known by the run.
    """
    shown = await _shown(request)
    form = await form_of(request)
    release = form.get("release") == "yes"
    try:
        past = await asyncio.to_thread(_past, shown)
        text = form.get("first", "").strip()
        searching = Searching(
            shown.key,
            shown.folder,
            past.counts[Status.UNCERTAIN],
            first=_number(text, "the record's id") if text else None,
            release=release,
        )
        request.app[UNDER_WAY].look(searching, await _target(request, past))
    except ImporterError as error:
        again = shown.look("Look for them again", release=release)
        return await _page(request, shown, shown.told(error, again))
    raise web.HTTPSeeOther(shown.page)


async def _send(request: web.Request) -> web.Response:
    """``POST /runs/{run}/send``: go on with a run that was begun outside of the console."""
    shown = await _shown(request)
    if shown.draft is not None:
        raise web.HTTPSeeOther(f"/drafts/{shown.draft.id}/send")
    order = Order((await form_of(request)).get("plan_id", ""), first=False)
    try:
        if (await asyncio.to_thread(request.app[DRAFTS].continued, shown.folder)).rest is not None:
            raise UsageError(
                "what was not sent of it has an import of its own",
                "Go on with that one: both would send the same rows.",
            )
        past = await asyncio.to_thread(library.past_run, shown.folder)
        target = await _target(request, past)
        sending = Sending(shown.key, shown.name, shown.folder, order, of_draft=False)
        request.app[UNDER_WAY].send(sending, target)
    except ImporterError as error:
        return await _page(request, shown, shown.told(error))
    raise web.HTTPSeeOther(shown.page)


async def _stop_sending(request: web.Request) -> web.Response:
    """``POST /runs/{run}/send/stop``: stop; what is in flight is finished and recorded."""
    shown = await _shown(request)
    if (sending := request.app[UNDER_WAY].last(Sending, shown.key)) is not None:
        sending.ask_to_stop()
    raise web.HTTPSeeOther(shown.page)


async def _events_of_sending(request: web.Request) -> web.StreamResponse:
    """``GET /runs/{run}/send/events?page=…``: how the sending goes."""
    shown = await _shown(request)
    return await watch(request, request.app[UNDER_WAY].last(Sending, shown.key))


def _sent(sending: Sending, shown: Shown) -> Told | None:
    """Why a sending has ended early; that of a draft is told where it is sent."""
    if shown.draft is not None:
        return None
    if sending.error is not None:
        return shown.told(sending.error)
    stop = sending.result.stop if sending.result is not None else None
    if stop is None:
        return None
    return told_stop(stop, lambda text: words_of_run(text, shown.folder), shown.address)


async def _stop(request: web.Request) -> web.Response:
    """``POST …/looking/stop``: stop looking; what was found until then is kept."""
    shown = await _shown(request)
    if (looking := request.app[UNDER_WAY].last(Looking, shown.key)) is not None:
        looking.ask_to_stop()
    raise web.HTTPSeeOther(shown.page)


async def _events(request: web.Request) -> web.StreamResponse:
    """``GET …/looking/events?page=…``: how far it is."""
    shown = await _shown(request)
    return await watch(request, request.app[UNDER_WAY].last(Looking, shown.key))


def _past(shown: Shown) -> PastRun:
    """How a run stands whose rows can be looked for; blocks.

    A journal that has lost its end is made usable first. Raises UsageError for a run without a
    stamp, and JournalError.
    """
    library.restore(shown.folder)
    if not library.has_stamp(shown.folder):
        raise UsageError(
            "the records of this import have no stamp to be found by",
            "Look for each row in the call centre, by name or phone, and say below what you found.",
        )
    return library.past_run(shown.folder)


async def _verify(request: web.Request) -> web.Response:
    """``POST …/verify``: read some created rows back, and compare them with what was sent."""
    shown = await _shown(request)
    try:
        past = await asyncio.to_thread(library.past_run, shown.folder)
        reading = ReadingBack(shown.key, shown.folder)
        request.app[UNDER_WAY].look(reading, await _target(request, past))
    except ImporterError as error:
        return await _page(request, shown, shown.told(error))
    raise web.HTTPSeeOther(shown.page)


def _read_back(verified: Verification, shown: Shown) -> Told:
    """What came of reading created rows back, in words."""
    stopped = "it was stopped: " if verified.stopped else ""
    lines = [
        f"row {shown.names(record.row)}, record {record.numberid}, {part_name(one.path)}:"
        f" sent “{one.sent}”,"
        + (f" now “{one.read_back}”" if one.read_back is not None else " not there now")
        for record in verified.records
        for one in record.differences
    ]
    if lines:
        return Told(
            f"{stopped}{_differ(len(lines))}",
            "Agents may have worked on these records since; else look at them in the call centre.",
            tuple(lines),
            (),
            "doubtful",
        )
    unseen = sum(
        part.state == "unverified" for record in verified.records for part in record.fields
    )
    return Told(
        f"{stopped}{count(len(verified.records), 'row')} of {verified.created:,} created were read"
        " back: what the service shows of them is as it was sent",
        f"It does not show {unseen:,} of the values: these could not be compared."
        if unseen
        else "",
        tone="good",
    )


def _differ(number: int) -> str:
    if number == 1:
        return "1 value is not as it was sent"
    return f"{number:,} values are not as they were sent"


async def _target(request: web.Request, past: PastRun) -> Target | None:
    """Where to look: a rehearsal's sandbox, else where the run was sent (None).

    Raises UsageError where that is not known, and ServiceError where the sandbox does not start.
    """
    targets = request.app[TARGETS]
    if past.sandbox is None:
        account = await targets.account()
        if account.customer is None:
            raise account.error or UsageError(
                "the credentials of your account are not set any more",
                "Set them as before: nothing is lost.",
            )
        customer = past.description.settings.get("customer")
        if customer not in {None, account.customer}:
            raise UsageError(
                f"it was sent as {customer}, and the credentials here are those of"
                f" {account.customer}",
                f"Set those of {customer}: nothing is lost.",
            )
        return None
    if past.sandbox != targets.sandbox_dir:
        raise UsageError(
            "this was a rehearsal in a sandbox of its own, which does not run any more",
            "Nothing of it has reached a call centre.",
        )
    return await targets.sandbox()


def _ended(looking: Looking, shown: Shown) -> Told | None:
    """How a look into the service has ended, in words."""
    match looking:
        case Searching(outcome=Reconciliation() as found):
            return _looked(found, shown)
        case Searching(error=ImporterError() as error):
            return shown.told(error, shown.look("Look for them again", release=looking.release))
        case ReadingBack(result=Verification() as verified):
            return _read_back(verified, shown)
        case ReadingBack(error=ImporterError() as error):
            return shown.told(error, Action("Read some back again", shown.at("verify"), {}))
    return None


def _looked(found: Reconciliation, shown: Shown) -> Told:
    """What came of looking for uncertain rows, in words."""
    if not (found.looked or found.found or found.not_found):
        return Told("no row may have arrived unseen any more", tone="good")
    left = sorted({*found.not_found} - {*found.released})
    lines = []
    if found.found:
        lines.append(f"found, and created: {count(len(found.found), 'row')}")
    if found.released:
        lines.append(f"surely not there, to be sent again: {_named(found.released, shown)}")
    if left:
        so_far = " so far" if found.stopped else ""
        lines.append(f"not found{so_far}: {_named(left, shown)}")
    created = [
        f"row {shown.names(one.row)}: created, as record {one.numberids[0]}" for one in found.found
    ]
    looked = f"{count(found.looked, 'id')} of the service asked for"
    if found.looked:
        looked += f", {found.first} to {found.last}"
    said = f"it was stopped: {looked}" if found.stopped else looked
    hint, actions = _next(found, shown) if left else ("", ())
    settles = found.complete and found.doubt is None and not found.stopped
    wait = math.ceil(found.settles_in) if left and settles else 0
    if shown.draft is not None and found.released:
        actions = (Action("Go on with the sending", f"/drafts/{shown.draft.id}/send"),)
    tone = "doubtful" if left else "good"
    return Told(said, hint, (*lines, *created[:MOST_NAMED]), actions, tone, wait)


def _named(rows: Sequence[int], shown: Shown) -> str:
    """How many rows these are, and which, as far as a line has room for it."""
    more = " …" if len(rows) > MOST_NAMED else ""
    return f"{count(len(rows), 'row')} ({shown.names.several(rows[:MOST_NAMED])}{more})"


def _next(found: Reconciliation, shown: Shown) -> tuple[str, tuple[Action, ...]]:
    """What is to be done about rows that were not found."""
    again = shown.look("Look for them again")
    if found.stopped:
        return "What was found is kept. Nothing is sent again.", (again,)
    if found.doubt is not None:
        return (
            "Not found means nothing here: no record of this import was found this way. Look for"
            " the rows in the call centre, by name or phone, and say below what you found."
        ), ()
    if not found.complete:
        return "Not all records could be looked at: look for the rows in the call centre.", ()
    if found.settles_in:
        hint = "A late request may still arrive: then they can be looked for, and sent, again."
        return hint, (again,)
    release = shown.look("Look once more, and let them be sent again", release=True)
    return "They are surely not there: they can be sent again now.", (release,)


async def _mark(request: web.Request) -> web.Response:
    """``POST …/mark``: what somebody has found out about a row by a look into the service."""
    shown = await _shown(request)
    form = {name: value[:200].strip() for name, value in (await form_of(request)).items()}
    try:
        row = _number(form.get("row", ""), "the row")
        named = shown.names(row)
        if form.get("what") == "undo":
            await asyncio.to_thread(library.unmark, shown.folder, [row])
            told = Told(f"row {named} may have arrived, as before", tone="good")
        elif form.get("what") == _ABSENT:
            await asyncio.to_thread(library.mark, shown.folder, {row: None})
            told = Told(f"row {named} is surely not there: it can be sent again", tone="good")
        else:
            numberid = _number(form.get("numberid", ""), "the record's id")
            await asyncio.to_thread(library.mark, shown.folder, {row: numberid})
            told = Told(f"row {named} was created, as record {numberid}", tone="good")
        # What the search has told is not so any more.
        if request.app[UNDER_WAY].last(Searching, shown.key) is not None:
            request.app[UNDER_WAY].forget(shown.key)
        undo = Action("Take it back", shown.at("mark"), {"row": str(row), "what": "undo"})
        if form.get("what") != "undo":
            told = Told(told.message, "", (), (undo,), "good")
    except ImporterError as error:
        told = shown.told(error)
    return await _page(request, shown, told)


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text)):
        raise UsageError(f"{what} is a number", "Type its digits.")
    return int(text)


_BEGUN_OUTSIDE = (
    web.post("/runs/{run}/send", _send),
    web.post("/runs/{run}/send/stop", _stop_sending),
    web.get("/runs/{run}/send/events", _events_of_sending, allow_head=False),
)
_OF_A_RUN: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", _show),
    ("GET", "/files/{name}", _download),
    ("POST", "/mend", _mend),
    ("POST", "/left-behind", _send_left_behind),
    ("POST", "/reconcile", _reconcile),
    ("POST", "/looking/stop", _stop),
    ("GET", "/looking/events", _events),
    ("POST", "/mark", _mark),
    ("POST", "/verify", _verify),
)
ROUTES = [
    *(
        web.route(method, f"{address}{rest}", handler)
        for address in ("/drafts/{id}/result", "/runs/{run}")
        for method, rest, handler in _OF_A_RUN
    ),
    *_BEGUN_OUTSIDE,
]
