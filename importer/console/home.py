"""Home: a list is dropped here, drafts are gone on with, and past imports are seen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError

from importer import library
from importer.console.downloads import disposition
from importer.console.drafts import DRAFTS, Continued, Draft
from importer.console.pages import PAGES, STEPS
from importer.console.saved_mappings import SAVED_MAPPINGS
from importer.console.security import CSRF_FIELD, RefusedError, check_csrf
from importer.errors import ImporterError, UsageError
from importer.files import read_bounded
from importer.library import LedgerEntry, PastRun
from importer.model import Status
from importer.reports.content import count

MOST_IMPORTS = 50
"""Past imports that are shown; the command history has them all."""
MOST_REHEARSALS = 20
"""Rehearsals of which it is told what has become of them: the newest."""
UPLOAD_FIELD = "file"
MOST_BYTES_OF_MAPPING = 2**20

_PATIENCE = 1.0
"""Seconds for which the page waits to learn which saved mappings have a mistake."""
_PIECE = 2**20
_LONGEST_TOKEN = 256
_UPLOAD = "upload"
UPLOADS = frozenset({_UPLOAD})
"""Names of the routes that take files."""


@dataclass(frozen=True, slots=True)
class PastImports:
    """The newest imports of the ledgers; `error` says why they cannot be told.

    `run_dirs` are the folders of all imports, of those that are not shown, too.
    """

    entries: list[LedgerEntry]
    run_dirs: frozenset[Path] = frozenset()
    error: ImporterError | None = None


async def _home(request: web.Request) -> web.Response:
    """``GET /``."""
    return await _page(request)


async def _page(
    request: web.Request, status: int = 200, error: ImporterError | None = None
) -> web.Response:
    drafts, past = await asyncio.gather(
        asyncio.to_thread(request.app[DRAFTS].all), asyncio.to_thread(_past_imports)
    )
    saved = request.app[SAVED_MAPPINGS]
    sent = [draft for draft in drafts if draft.run_dir is not None]
    mended = {draft.mends: draft.mended_rows for draft in sent if draft.mends is not None}
    left_behind = await asyncio.to_thread(_left_behind, drafts, sent)
    by_run = {draft.run_dir: draft for draft in sent}
    # What was sent is told of by the ledger; rehearsals are not entered there.
    begun = [draft for draft in drafts if draft.run_dir not in past.run_dirs]

    def left(run_dir: Path, counts: Mapping[str, int]) -> list[str]:
        return left_to_do(counts, mended.get(run_dir, 0), left_behind.get(run_dir))

    return request.app[PAGES].render(
        request,
        "home.html.j2",
        status,
        error=error,
        drafts=begun,
        rehearsals=await asyncio.to_thread(_rehearsals, begun),
        past=past,
        address_of=lambda entry: _address(by_run.get(entry.run_dir), entry),
        step_of=step_of,
        left_to_do=left,
        upload_field=UPLOAD_FIELD,
        saved=await asyncio.to_thread(saved.files),
        faults={one.file.id: one.why for one in await asyncio.to_thread(saved.faults, _PATIENCE)},
    )


def _address(draft: Draft | None, entry: LedgerEntry) -> str:
    """Where the result of a past import is shown."""
    return f"/drafts/{draft.id}/result" if draft is not None else f"/runs/{entry.run_id}"


def step_of(draft: Draft) -> tuple[str, str]:
    """The key of the step to go on with in a draft, and what it is called."""
    titles = dict(STEPS)
    reached = draft.open_steps[-1]
    # Columns can be entered at once, but what was found in the file is looked at first.
    key = {"columns": "file", "plan": "fix"}.get(reached, reached)
    return key, titles[key]


def _past_imports() -> PastImports:
    try:
        runs = library.history(everywhere=True)
    except ImporterError as error:
        return PastImports([], error=error)
    return PastImports(runs[:MOST_IMPORTS], frozenset(run.run_dir for run in runs))


def _rehearsals(drafts: Iterable[Draft]) -> dict[str, PastRun]:
    """How the newest of those stand that were sent, by the draft's id; blocks."""
    found = {}
    sent = (draft for draft in drafts if draft.run_dir is not None)
    for draft in itertools.islice(sent, MOST_REHEARSALS):
        # Its result tells what is wrong with one that cannot be read.
        with contextlib.suppress(ImporterError):
            found[draft.id] = library.past_run(draft.run_dir or "")
    return found


def _left_behind(drafts: Sequence[Draft], sent: Sequence[Draft]) -> dict[Path, int]:
    """Of the imports whose rest was sent, how many rows that one has left behind; blocks."""
    found = {}
    for run_dir in {draft.excepted[-1] for draft in sent if draft.excepted}:
        found[run_dir] = 0
        with contextlib.suppress(ImporterError):
            found[run_dir] = len(Continued.among(drafts, run_dir).left_behind(run_dir))
    return found


def left_to_do(
    counts: Mapping[str, int], mended: int = 0, left_behind: int | None = None
) -> list[str]:
    """What a person still has to do about an import, in words; nothing where it is done.

    `counts` has how many of its rows are in each state; those without any may be missing. So many
    rows that failed were `mended` in an import of their own. Where its rest was sent, all else that
    it has not sent is in that one, but for rows that it has `left_behind`.
    """
    pending, uncertain = counts.get(Status.PENDING, 0), counts.get(Status.UNCERTAIN, 0)
    failed = counts.get(Status.REJECTED, 0) + counts.get(Status.INVALID, 0) - mended
    if left_behind is not None:
        pending, failed = left_behind, 0
    return [
        words
        for number, words in (
            (pending, f"{count(pending, 'row')} not sent yet"),
            (uncertain, f"{count(uncertain, 'row')} may have arrived: to be looked for"),
            (failed, f"{count(failed, 'row')} to be mended"),
        )
        if number
    ]


async def _upload(request: web.Request) -> web.Response:
    """``POST /drafts``: a file, streamed to the disk, becomes a draft."""
    try:
        draft = await _received(request)
    except UsageError as error:
        answer = await _page(request, 422, error)
        answer.force_close()  # there may be gigabytes yet to come
        return answer
    raise web.HTTPSeeOther(f"/drafts/{draft.id}/file")


async def _received(request: web.Request) -> Draft:
    if not request.content_type.startswith("multipart/"):
        raise RefusedError(415, "a file is sent as a form sends it", "Choose it on the first page.")
    try:
        reader = await request.multipart()
        check_csrf(request, await _token(reader))
        part = await reader.next()
        if not isinstance(part, BodyPartReader) or part.name != UPLOAD_FIELD or not part.filename:
            raise UsageError("no file was chosen", "Choose a list, then upload it.")
        with await asyncio.to_thread(request.app[DRAFTS].receive, part.filename) as upload:
            async for piece in _pieces(part):
                await asyncio.to_thread(upload.write, piece)
            # The end of the form: what was cut off has none, and is no list to import.
            if await reader.next() is not None or not reader.at_eof():
                raise _cut_off()
            return await asyncio.to_thread(upload.keep)
    except HttpProcessingError:
        # A browser sends control characters of a name as they are, and a header allows none.
        raise UsageError(
            "the file's name cannot be sent as it is", "Give it a plain name, then upload it again."
        ) from None
    except (ValueError, EOFError, AssertionError, web.RequestPayloadError):
        raise _cut_off() from None


async def _token(reader: MultipartReader) -> str:
    """The first part, which must be the CSRF token: before it is checked no file is taken."""
    part = await reader.next()
    if not isinstance(part, BodyPartReader) or part.name != CSRF_FIELD:
        return ""
    return (await part.read_chunk(_LONGEST_TOKEN)).decode("ascii", "replace")


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    """The file, in pieces that are worth a turn of another thread."""
    piece = bytearray()
    while chunk := await part.read_chunk(2**16):
        piece += chunk
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _cut_off() -> UsageError:
    return UsageError("the file did not arrive whole", "Upload it again.")


async def _remove(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/remove``: the draft and its copy of the file are removed."""
    await asyncio.to_thread(request.app[DRAFTS].remove, request.match_info["id"])
    raise web.HTTPSeeOther("/")


async def _mapping(request: web.Request) -> web.Response:
    """``GET /mappings/{id}``: a saved mapping as a file."""
    saved = request.app[SAVED_MAPPINGS]
    file = await asyncio.to_thread(saved.file, request.match_info["id"])
    try:
        body = await asyncio.to_thread(read_bounded, file.path, MOST_BYTES_OF_MAPPING)
    except OSError as error:
        raise UsageError(f"{file.path.name} cannot be read: {error.strerror}") from None
    if len(body) > MOST_BYTES_OF_MAPPING:
        raise UsageError(
            f"{file.path.name} is too large for a mapping", f"It lies in {file.path.parent}."
        )
    return web.Response(
        body=body,
        content_type="application/yaml",
        headers={"Content-Disposition": disposition(file.path.name)},
    )


async def _remove_mapping(request: web.Request) -> web.Response:
    """``POST /mappings/{id}/remove``."""
    saved = request.app[SAVED_MAPPINGS]
    await asyncio.to_thread(saved.remove, request.match_info["id"])
    raise web.HTTPSeeOther("/")


ROUTES = [
    web.get("/", _home),
    web.post("/drafts", _upload, name=_UPLOAD),
    web.post("/drafts/{id}/remove", _remove),
    web.get("/mappings/{id}", _mapping),
    web.post("/mappings/{id}/remove", _remove_mapping),
]
