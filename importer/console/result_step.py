"""The result step: what became of every row, its files, and what is still to be done.

The same page shows a draft's own run, under the draft's address, and any past import of the
ledgers, under the id of its run.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from importer import library
from importer.console.downloads import send_file
from importer.console.drafts import DRAFTS, Draft, Place, open_draft
from importer.console.pages import PAGES, basename, form_of, is_part
from importer.console.send_step import part_name
from importer.console.target import TARGETS
from importer.console.telling import Action, Teller, Told, page_words
from importer.console.under_way import UNDER_WAY
from importer.errors import ImporterError, UsageError
from importer.library import PastRun, Reconciliation, ResultRow, Verification
from importer.model import Status
from importer.reports.content import count
from importer.settings import Target

FILES = {
    "results.csv": ("What became of every row", "text/csv; charset=utf-8"),
    "created.csv": ("The created rows, with their ids", "text/csv; charset=utf-8"),
    "failures.xlsx": (
        "The rows to be mended, as a workbook",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "failures.csv": ("The rows to be mended, as text", "text/csv; charset=utf-8"),
    "uncertain.csv": ("The rows that may have arrived", "text/csv; charset=utf-8"),
    "canary.json": ("The first rows, as they were read back", "application/json"),
    "verify.json": ("The sample that was read back", "application/json"),
    "summary.json": ("All figures", "application/json"),
    "mapping.yaml": ("The columns, as they were sent", "application/yaml"),
}
"""The files of a run that can be downloaded: what each is, and its type."""
MOST_ROWS = 50
"""Uncertain rows, and rows that failed, that are shown at once."""
MOST_CELLS = 6
"""Cells of an uncertain row that are shown, to know the lead by."""

_RUN_ID = re.compile(r"[\w.-]{1,200}")
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Shown:
    """A run that is shown under an address; `draft` is that which has sent it, if one has."""

    address: str
    folder: Path
    name: str
    draft: Draft | None

    @property
    def stem(self) -> str:
        """The list's name without its ending."""
        return Path(self.name).stem

    def told(self, error: ImporterError) -> Told:
        """What went wrong with it, and what to do."""
        again = Action("Look again", self.address)
        if self.draft is not None:
            return Teller(self.draft, again, again).told(error)
        return Told(page_words(error.message), page_words(error.hint), (), (again,))


@dataclass(frozen=True, slots=True)
class Result:
    """How a run stands; `rows_failed` and `rows_uncertain` are the first ones."""

    past: PastRun
    summary: Mapping[str, Any]
    files: tuple[str, ...]
    rows_failed: list[ResultRow]
    rows_uncertain: list[ResultRow]
    has_stamp: bool

    def count(self, *states: Status) -> int:
        """The number of rows in these states."""
        return sum(self.past.counts[state] for state in states)

    @property
    def failed(self) -> int:
        """Rows to be mended."""
        return self.count(Status.REJECTED, Status.INVALID)


async def _of_draft(request: web.Request) -> Shown | None:
    """The run of the draft that an address names; None where nothing was sent of it."""
    draft = await open_draft(request)
    if draft.run_dir is None:
        return None
    return Shown(f"/drafts/{draft.id}/result", draft.run_dir, draft.name, draft)


async def _of_run(request: web.Request) -> Shown:
    """The past import that an address names by the id of its run."""
    run_id = request.match_info["run"]
    entry = await asyncio.to_thread(library.find_run, run_id) if _RUN_ID.fullmatch(run_id) else None
    if entry is None:
        raise web.HTTPNotFound
    drafts = await asyncio.to_thread(request.app[DRAFTS].all)
    draft = next((one for one in drafts if one.run_dir == entry.run_dir), None)
    return Shown(f"/runs/{run_id}", entry.run_dir, basename(entry.file), draft)


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
    result, sending = None, None
    if shown.draft is not None:
        sending = request.app[UNDER_WAY].sending(shown.draft.id)
    under_way = sending is not None and not sending.done
    try:
        result = await asyncio.to_thread(_read, shown.folder, under_way=under_way)
    except ImporterError as error:
        told = told or shown.told(error)
    part = is_part(request)
    return request.app[PAGES].render(
        request,
        "result_part.html.j2" if part else "result.html.j2",
        422 if told is not None and told.tone == "bad" and not part else 200,
        shown=shown,
        draft=shown.draft,
        result=result,
        told=told,
        under_way=under_way,
        all_files=FILES,
        counts=_counts(result) if result is not None else (),
        known_by=known_by,
    )


def known_by(row: ResultRow) -> list[tuple[str, str]]:
    """The first cells of a row that hold something, by header: to know the lead by."""
    return [(header, cell) for header, cell in row.cells.items() if cell.strip()][:MOST_CELLS]


def _counts(result: Result) -> tuple[tuple[str, int, str], ...]:
    """The states of rows in words, how many rows are in each, and how good that is."""
    every = (
        ("Created", result.count(Status.CREATED), "good"),
        ("To be mended", result.failed, "bad"),
        ("May have arrived", result.count(Status.UNCERTAIN), "doubtful"),
        ("Not sent yet", result.count(Status.PENDING), "doubtful"),
        ("Left out by a rule", result.count(Status.SKIPPED), ""),
    )
    return tuple((words, rows, tone if rows else "") for words, rows, tone in every)


def _read(folder: Path, *, under_way: bool) -> Result:
    """How the run in a folder stands; its files are written first where a crash kept them away."""
    past = library.past_run(folder)
    if past.begun and not under_way and not (folder / "summary.json").exists():
        library.report(folder)
        past = library.past_run(folder)
    return Result(
        past,
        _summary(folder),
        tuple(name for name in FILES if (folder / name).is_file()),
        library.first_rows(folder, Status.REJECTED, Status.INVALID, most=MOST_ROWS),
        library.first_rows(folder, Status.UNCERTAIN, most=MOST_ROWS),
        library.has_stamp(folder),
    )


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
    path = shown.folder / name
    if name not in FILES or not await asyncio.to_thread(path.is_file):
        raise web.HTTPNotFound
    return await send_file(request, path, f"{shown.stem} {name}", FILES[name][1])


async def _mend(request: web.Request) -> web.Response:
    """``POST …/mend``: the rows that failed become a draft of their own, to be mended and sent."""
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
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/fix")


def _draft_of_failures(request: web.Request, shown: Shown) -> Draft:
    drafts = request.app[DRAFTS]
    past = library.past_run(shown.folder)
    mapping = library.with_lists_of(
        (shown.folder / "mapping.yaml").read_text("utf-8-sig"),
        Path(past.description.mapping["path"]).parent,
    )
    with (
        (shown.folder / "failures.csv").open("rb") as source,
        drafts.receive(f"{shown.stem} failures.csv") as upload,
    ):
        while piece := source.read(2**20):
            upload.write(piece)
        draft = upload.keep()
    # Where the run itself has sent to: not where the mapping, or the account, would lead by now.
    if past.sandbox is not None:
        drafts.change(draft.id, place=Place.SANDBOX)
    else:
        drafts.change(draft.id, place=Place.SERVICE, project=past.project, base_url=past.base_url)
    return drafts.set_mapping(draft.id, mapping)


async def _reconcile(request: web.Request) -> web.Response:
    """``POST …/reconcile``: look for uncertain rows; with ``release``, let others be sent."""
    shown = await _shown(request)
    form = await form_of(request)
    try:
        target = await _target(request, shown)
        release = form.get("release") == "yes"
        found = await asyncio.to_thread(
            lambda: library.reconcile(shown.folder, target=target, release=release)
        )
    except ImporterError as error:
        return await _page(request, shown, shown.told(error))
    return await _page(request, shown, _looked(found))


async def _verify(request: web.Request) -> web.Response:
    """``POST …/verify``: read some created rows back, and compare them with what was sent."""
    shown = await _shown(request)
    try:
        target = await _target(request, shown)
        verified = await asyncio.to_thread(lambda: library.verify(shown.folder, target=target))
    except ImporterError as error:
        return await _page(request, shown, shown.told(error))
    return await _page(request, shown, _read_back(verified))


def _read_back(verified: Verification) -> Told:
    """What came of reading created rows back, in words."""
    lines = [
        f"row {record.row}, record {record.numberid}, {part_name(one.path)}: sent “{one.sent}”,"
        + (f" now “{one.read_back}”" if one.read_back is not None else " not there now")
        for record in verified.records
        for one in record.differences
    ]
    if lines:
        return Told(
            _differ(len(lines)),
            "Agents may have worked on these records since; else look at them in the call centre.",
            tuple(lines),
            (),
            "doubtful",
        )
    unseen = sum(
        part.state == "unverified" for record in verified.records for part in record.fields
    )
    return Told(
        f"{count(len(verified.records), 'row')} of {verified.created:,} created were read back:"
        " what the service shows of them is as it was sent",
        f"It does not show {unseen:,} of the values: these could not be compared."
        if unseen
        else "",
        tone="good",
    )


def _differ(number: int) -> str:
    if number == 1:
        return "1 value is not as it was sent"
    return f"{number:,} values are not as they were sent"


async def _target(request: web.Request, shown: Shown) -> Target | None:
    """Where to look: a rehearsal's sandbox, else where the run was sent (None)."""
    past = await asyncio.to_thread(library.past_run, shown.folder)
    targets = request.app[TARGETS]
    if past.sandbox is None:
        return None
    if past.sandbox != targets.sandbox_dir:
        raise UsageError(
            "this was a rehearsal in a sandbox of its own, which does not run any more",
            "Nothing of it has reached a call centre.",
        )
    return await targets.sandbox()


def _looked(found: Reconciliation) -> Told:
    """What came of looking for uncertain rows, in words."""
    lines = []
    if found.found:
        lines.append(f"found, and created: {count(len(found.found), 'row')}")
    if found.released:
        lines.append(f"surely not there, to be sent again: {count(len(found.released), 'row')}")
    elif found.not_found:
        lines.append(f"not found: {count(len(found.not_found), 'row')}")
    hint = ""
    if found.not_found and not found.released:
        if found.doubt is not None:
            hint = (
                "Not found means nothing here: no record of this import was found this way. Look"
                " for the rows in the call centre, by name or phone, and say below what you found."
            )
        elif found.settles_in:
            hint = f"A late request may still arrive. Look again in {found.settles_in:.0f} seconds."
        elif not found.complete:
            hint = "Not all records could be looked at: look for the rows in the call centre."
        else:
            hint = "They can be sent again now."
    looked = f"{found.looked:,} records of the service were looked at"
    tone = "good" if not found.not_found or found.released else "doubtful"
    return Told(looked, hint, tuple(lines), (), tone)


async def _mark(request: web.Request) -> web.Response:
    """``POST …/mark``: what somebody has found out about a row by a look into the service."""
    shown = await _shown(request)
    form = {name: value[:200].strip() for name, value in (await form_of(request)).items()}
    try:
        row = _number(form.get("row", ""), "the row")
        if form.get("what") == "undo":
            await asyncio.to_thread(library.unmark, shown.folder, [row])
            told = Told(f"row {row} may have arrived, as before", tone="good")
        elif form.get("what") == _ABSENT:
            await asyncio.to_thread(library.mark, shown.folder, {row: None})
            told = Told(f"row {row} is surely not there: it can be sent again", tone="good")
        else:
            numberid = _number(form.get("numberid", ""), "the record's id")
            await asyncio.to_thread(library.mark, shown.folder, {row: numberid})
            told = Told(f"row {row} was created, as record {numberid}", tone="good")
        undo = Action("Take it back", f"{shown.address}/mark", {"row": str(row), "what": "undo"})
        if form.get("what") != "undo":
            told = Told(told.message, "", (), (undo,), "good")
    except ImporterError as error:
        told = shown.told(error)
    return await _page(request, shown, told)


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19 and int(text)):
        raise UsageError(f"{what} is a number", "Type its digits.")
    return int(text)


_OF_A_RUN = (
    ("GET", "", _show),
    ("GET", "/files/{name}", _download),
    ("POST", "/mend", _mend),
    ("POST", "/reconcile", _reconcile),
    ("POST", "/mark", _mark),
    ("POST", "/verify", _verify),
)
ROUTES = [
    web.route(method, f"{address}{rest}", handler)
    for address in ("/drafts/{id}/result", "/runs/{run}")
    for method, rest, handler in _OF_A_RUN
]
