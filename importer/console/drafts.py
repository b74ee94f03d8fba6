"""Drafts: imports that are being made ready, each a folder on the disk.

    drafts/<id>/
      draft.json      what was chosen, by name, and where its plan and run are
      file/<name>     the list as it was uploaded, never changed, under its own name
      mapping.yaml    the mapping, once there is one
      edits.jsonl     the mended cells, once there are any

A draft is there whole or not at all: an upload is written into a folder of another name, which
takes the draft's at the end; a file of it is replaced, never rewritten; one that is removed loses
its name first. So a crash at any point leaves drafts that can be used, and what
:meth:`Drafts.remove_left_behind` removes.

Everything here blocks, and may be called from several threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Self

from aiohttp import web

from importer import library
from importer.errors import ImporterError, OutputError, UsageError
from importer.files import make_private_folder, sync_folder, write_private
from importer.library import LoadedMapping
from importer.model import Status
from importer.settings import SourceOptions

MAPPING = "mapping.yaml"
EDITS = "edits.jsonl"
FAILURES = "failures.csv"
"""The file of a run with the rows that failed: the list of who mends them."""
MOST_BYTES = 4096 * 2**20
"""The most bytes of an upload: what the sources take for a copy."""

_ABOUT = "draft.json"
_PIECE = 2**20
_FILE = "file"
_VERSION = 1
_ID = re.compile(r"[0-9a-f]{32}")
_COMING, _GOING = ".coming-", ".going-"


class Place(StrEnum):
    """Where a draft's records go."""

    SERVICE = "service"
    SANDBOX = "sandbox"


class NoDraftError(UsageError):
    """There is no draft of that id, or what is there cannot be used."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft import as it was when it was opened; :meth:`Drafts.change` changes it.

    `name` is what the uploaded file was called, as far as a file can be called so here. `reading`
    is how to read it; `plan_dir` and `run_dir` are where it was planned, and sent, to. `place` is
    where its records go, once that was chosen; at the service to `project` instead of the one that
    the mapping names, and to `base_url` instead of the customer's own. `planned_from` says what its
    plan was made of, so that it shows when a part is another. With `again`, what was sent by past
    imports is sent once more. What the runs `excepted` have sent is left out: the last of them is
    that of which this is the rest. `mends` is the run whose failed rows are its list, `mended_rows`
    of them: more of its rows may have failed since.
    """

    id: str
    folder: Path
    name: str
    size: int
    created_at: datetime
    reading: SourceOptions = field(default_factory=SourceOptions)
    plan_dir: Path | None = None
    run_dir: Path | None = None
    place: Place | None = None
    project: int | None = None
    base_url: str | None = None
    planned_from: Mapping[str, str] = field(default_factory=dict)
    again: bool = False
    excepted: tuple[Path, ...] = ()
    mends: Path | None = None
    mended_rows: int = 0

    @property
    def file(self) -> Path:
        """The list as it was uploaded."""
        return self.folder / _FILE / self.name

    @property
    def mapping(self) -> Path:
        """The mapping; there may be none yet."""
        return self.folder / MAPPING

    @property
    def edits(self) -> Path:
        """The mended cells; there may be none yet."""
        return self.folder / EDITS

    @property
    def open_steps(self) -> tuple[str, ...]:
        """The keys of the steps that can be entered."""
        mapped = ("fix", "plan") if self.mapping.exists() else ()
        planned = ("send",) if self.plan_dir is not None else ()
        sent = ("result",) if self.run_dir is not None else ()
        return ("file", "columns", *mapped, *planned, *sent)

    def sent_before(self) -> str:
        """How many rows the runs that are left out have sent, or may have; blocks.

        A text, by which it shows that it has changed: such rows are settled later.
        """
        return " ".join(str(_sent(run_dir)) for run_dir in self.excepted)

    def changed_at(self) -> datetime:
        """When anything of it was last chosen, mapped or mended; blocks."""
        times = [self.created_at]
        for path in (self.folder / _ABOUT, self.mapping, self.edits):
            with contextlib.suppress(OSError):
                times.append(datetime.fromtimestamp(path.stat().st_mtime, UTC))
        return max(times)

    def _about(self) -> str:
        about = {
            "version": _VERSION,
            "name": self.name,
            "size": self.size,
            "created_at": self.created_at.isoformat(),
            "reading": asdict(self.reading),
            "plan_dir": str(self.plan_dir) if self.plan_dir is not None else None,
            "run_dir": str(self.run_dir) if self.run_dir is not None else None,
            "place": self.place,
            "project": self.project,
            "base_url": self.base_url,
            "planned_from": dict(self.planned_from),
            "again": self.again,
            "excepted": [str(path) for path in self.excepted],
            "mends": str(self.mends) if self.mends is not None else None,
            "mended_rows": self.mended_rows,
        }
        return json.dumps(about, ensure_ascii=False, indent=1)

    def save(self) -> None:
        """Write what is chosen, whole or not at all; for this module."""
        write_private(self.folder / _ABOUT, self._about())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The draft in a folder; raises NoDraftError."""
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            planned_from = about["planned_from"]
            draft = cls(
                id=folder.name,
                folder=folder,
                name=str(about["name"]),
                size=int(about["size"]),
                created_at=datetime.fromisoformat(about["created_at"]),
                reading=_reading(about["reading"]),
                plan_dir=_path(about["plan_dir"]),
                run_dir=_path(about["run_dir"]),
                place=Place(place) if (place := about["place"]) is not None else None,
                project=about["project"],
                base_url=about["base_url"],
                planned_from={str(key): str(value) for key, value in planned_from.items()},
                again=bool(about["again"]),
                excepted=tuple(map(Path, about["excepted"])),
                # Drafts of earlier versions have none of these.
                mends=_path(about.get("mends")),
                mended_rows=int(about.get("mended_rows", 0)),
            )
            usable = about["version"] == _VERSION and draft.name == cleaned_name(draft.name)
            if usable and draft.file.is_file():
                return draft
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        raise _no_draft()


def _sent(run_dir: Path) -> int | None:
    try:
        counts = library.past_run(run_dir).counts
    except ImporterError:
        return None
    return counts[Status.CREATED] + counts[Status.UNCERTAIN]


def _reading(about: dict[str, Any]) -> SourceOptions:
    rows = about["rows"]
    return SourceOptions(**{**about, "rows": None if rows is None else tuple(rows)})


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _no_draft() -> NoDraftError:
    return NoDraftError(
        "there is no such draft", "It was removed, or its address is not whole: begin at the start."
    )


class Drafts:
    """All drafts of a user, in one folder, which is made when the first one comes."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        # Two pages may change one draft: neither must lose what the other has just chosen.
        self._changing = threading.Lock()
        # A button that is pressed twice, or in two pages, must not begin the same twice.
        self._continuing = threading.Lock()

    def receive(self, name: str) -> Upload:
        """Begin a draft of an upload that calls itself so; raises OutputError."""
        make_private_folder(self.folder)
        draft_id = secrets.token_hex(16)
        return Upload(self.folder, draft_id, cleaned_name(name), self._most_bytes)

    def begin_anew(self, draft: Draft, excepted: Path) -> Draft:
        """The draft of the same list, read and mended as that one, for what a run has not sent.

        It is made unless there is one. Raises OutputError.
        """
        with self._continuing:
            if (rest := self.continued(excepted).rest) is not None:
                return rest
            with self.receive(draft.name) as upload, draft.file.open("rb") as file:
                upload.copy(file)
                upload.take_over(replace(draft, excepted=(*draft.excepted, excepted)))
                return upload.keep()

    def begin_mending(
        self, run_dir: Path, name: str, failures: Path, mapping: str, **chosen: Any
    ) -> Draft:
        """The draft of the rows of a run that failed; it is made unless there is one.

        Where the rest of the run has a draft, and they have none, they are among it. `chosen` are
        other fields of the draft. Raises OutputError, and OSError for the file of the rows.
        """
        with self._continuing:
            continued = self.continued(run_dir)
            if (there := continued.mended or continued.rest) is not None:
                return there
            with self.receive(name) as upload, failures.open("rb") as file:
                upload.copy(file)
                upload.choose(mapping, mends=run_dir, **chosen)
                return upload.keep()

    def continued(self, run_dir: Path) -> Continued:
        """The drafts in which a run is gone on with."""
        return Continued.among(self.all(), run_dir)

    def mended_apart(self, draft: Draft) -> list[Path]:
        """Of the runs that a draft leaves out, those whose failed rows have another draft."""
        drafts = self.all() if draft.excepted else []
        return [run_dir for run_dir in draft.excepted if any(d.mends == run_dir for d in drafts)]

    def all(self) -> list[Draft]:
        """The drafts that can be used, newest first."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.folder):
                if _ID.fullmatch(entry.name):
                    with contextlib.suppress(NoDraftError):
                        found.append(Draft.load(Path(entry.path)))
        return sorted(found, key=lambda draft: (draft.created_at, draft.id), reverse=True)

    def open(self, draft_id: str) -> Draft:
        """The draft of that id; raises NoDraftError."""
        if _ID.fullmatch(draft_id) is None:
            raise _no_draft()
        return Draft.load(self.folder / draft_id)

    def change(self, draft_id: str, **changes: Any) -> Draft:
        """Replace fields of a draft (`reading`, `place`, `plan_dir` …); durable on return.

        Raises NoDraftError and OutputError.
        """
        with self._changing:
            draft = replace(self.open(draft_id), **changes)
            draft.save()
        return draft

    def set_mapping(self, draft_id: str, text: str) -> Draft:
        """Write the mapping of a draft, whole or not at all; raises NoDraftError, OutputError."""
        with self._changing:
            draft = self.open(draft_id)
            write_private(draft.mapping, text)
        return draft

    def change_mapping(self, draft_id: str, work: Callable[[Draft], str]) -> Draft:
        """Write what `work` makes of the mapping of a draft; no other change comes in between.

        Raises as :meth:`set_mapping`, and what `work` raises: then nothing is changed.
        """
        with self._changing:
            draft = self.open(draft_id)
            write_private(draft.mapping, work(draft))
        return draft

    def remove(self, draft_id: str) -> None:
        """Remove a draft with its file; its plan and its run stay. Raises as `change` does."""
        with self._changing:
            draft = self.open(draft_id)
            going = self.folder / f"{_GOING}{draft_id}"
            try:
                draft.folder.rename(going)
                sync_folder(self.folder)
            except OSError as error:
                raise OutputError(
                    f"the draft of {draft.name} cannot be removed: {error.strerror}",
                    "Close the program that holds its file open, then try again.",
                ) from None
        shutil.rmtree(going, ignore_errors=True)

    def remove_left_behind(self) -> None:
        """Remove uploads that never came to an end, and the rest of drafts that were removed.

        For a console that begins: there is one at a time, so nobody is at work on them.
        """
        for prefix in (_COMING, _GOING):
            for path in _listed(self.folder, prefix):
                shutil.rmtree(path, ignore_errors=True)

    def prune(self, before: datetime, needed: Callable[[Path], str | None]) -> PrunedDrafts:
        """Remove drafts that were not changed since that time, and what was left behind.

        `needed` says why the run in a folder is still needed, if it is: its draft is kept then.
        Only while no console runs, whose pages may have a draft open. Raises OutputError.
        """
        self.remove_left_behind()
        removed, kept = [], []
        for draft in self.all():
            if draft.changed_at() >= before:
                continue
            if draft.run_dir is not None and (reason := needed(draft.run_dir)):
                kept.append((draft, reason))
            else:
                self.remove(draft.id)
                removed.append(draft)
        return PrunedDrafts(tuple(removed), tuple(kept))


@dataclass(frozen=True, slots=True)
class Continued:
    """The drafts in which a run is gone on with.

    `mended` has its failed rows. The first of the `rests` has all that it has not sent, without
    those; each other one has what the one before has not sent.
    """

    mended: Draft | None = None
    rests: tuple[Draft, ...] = ()

    @classmethod
    def among(cls, drafts: Sequence[Draft], run_dir: Path) -> Self:
        """Those of some drafts."""
        rests = {draft.excepted[-1]: draft for draft in drafts if draft.excepted}
        found: list[Draft] = []
        last: Path | None = run_dir
        while last is not None and last in rests:
            found.append(rests.pop(last))
            last = found[-1].run_dir
        mended = next((draft for draft in drafts if draft.mends == run_dir), None)
        return cls(mended, tuple(found))

    @property
    def rest(self) -> Draft | None:
        """The import of all that the run has not sent."""
        return self.rests[0] if self.rests else None

    def left_behind(self, run_dir: Path) -> tuple[int, ...]:
        """Rows of the run that are to be sent, and that no import of the rest has; blocks.

        They may have arrived when the last one was planned, and surely have not, as is known since.
        None are told where the last one can still be planned anew: it has them then.
        """
        sent = [draft.run_dir for draft in self.rests if draft.run_dir is not None]
        if not sent or len(sent) < len(self.rests):
            return ()
        return library.left_behind(run_dir, sent)


@dataclass(frozen=True, slots=True)
class PrunedDrafts:
    """The drafts that were removed, and the old ones that were kept, with the reason."""

    removed: tuple[Draft, ...]
    kept: tuple[tuple[Draft, str], ...]


DRAFTS = web.AppKey("DRAFTS", Drafts)


async def open_draft(request: web.Request) -> Draft:
    """The draft that an address names, as it is now; 404 where there is none."""
    try:
        return await asyncio.to_thread(request.app[DRAFTS].open, request.match_info["id"])
    except NoDraftError:
        raise web.HTTPNotFound from None


def loaded_mapping(draft: Draft) -> LoadedMapping:
    """The mapping of a draft; raises MappingError.

    What a text means is remembered: to load it takes a second for each 200,000 characters, and one
    change in a page would load it five times.
    """
    try:
        text = draft.mapping.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return library.load_mapping(draft.mapping)  # which says what is wrong with it
    return mapping_in(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), draft.mapping)


mapping_in = lru_cache(maxsize=8)(library.mapping_in)
"""The mapping in a text, by the text and the path that it would have."""


def refuse_sent(draft: Draft, hint: str = "It is sent as it was planned.") -> None:
    """Raise UsageError where a draft is being sent, or was: nothing of it can be changed then."""
    if draft.run_dir is not None:
        raise UsageError("this import is being sent already", hint)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file of a draft, by which it is known whether it has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(folder: Path, prefix: str) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        yield from [Path(e.path) for e in os.scandir(folder) if e.name.startswith(prefix)]


class Upload:
    """A file that is coming in; a context manager, which removes what :meth:`keep` did not keep.

    Raises OutputError where the disk is full, and UsageError for more bytes than are taken.
    """

    def __init__(self, folder: Path, draft_id: str, name: str, most_bytes: int) -> None:
        self._folder = folder / f"{_COMING}{draft_id}"
        self._draft = Draft(draft_id, folder / draft_id, name, 0, datetime.now(UTC))
        self._most_bytes = most_bytes
        self._size = 0
        make_private_folder(self._folder / _FILE)
        path = self._folder / _FILE / name
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        with self._translated():
            self._target: BinaryIO = os.fdopen(os.open(path, flags, 0o600), "wb")

    def write(self, piece: bytes) -> None:
        """Append bytes to the file."""
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise UsageError(
                f"{self._draft.name} is larger than {self._most_bytes:,} bytes, the most that is"
                " taken",
                "Divide the list, and import one part after the other.",
            )
        with self._translated():
            self._target.write(piece)

    def copy(self, file: BinaryIO) -> None:
        """Append all of another file."""
        while piece := file.read(_PIECE):
            self.write(piece)

    def choose(self, mapping: str, **chosen: Any) -> None:
        """Give it a mapping, and other fields of a draft; raises OutputError."""
        self._draft = replace(self._draft, **chosen)
        write_private(self._folder / MAPPING, mapping)

    def take_over(self, other: Draft) -> None:
        """Take the choices, the mapping and the edits of another draft; raises OutputError."""
        self._draft = replace(
            self._draft,
            reading=other.reading,
            place=other.place,
            project=other.project,
            base_url=other.base_url,
            excepted=other.excepted,
        )
        for path in (other.mapping, other.edits):
            if path.exists():
                write_private(self._folder / path.name, path.read_text("utf-8"))

    def keep(self) -> Draft:
        """Make the draft, on the disk and under its id; raises UsageError for an empty file."""
        if not self._size:
            raise UsageError(
                f"{self._draft.name} is empty", "Was it saved or downloaded completely?"
            )
        with self._translated():
            self._target.flush()
            os.fsync(self._target.fileno())
            self._target.close()
        replace(self._draft, folder=self._folder, size=self._size).save()
        with self._translated():
            sync_folder(self._folder / _FILE)
            self._folder.rename(self._draft.folder)
            sync_folder(self._draft.folder.parent)
        return Draft.load(self._draft.folder)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._draft.name} cannot be kept: {error.strerror}",
                "Make room on the disk, or let the folder of drafts be written, then try again.",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._target.close()
        shutil.rmtree(self._folder, ignore_errors=True)


_LONGEST = 255
"""Bytes of a name on the usual file systems."""
_FORBIDDEN = re.compile(r'[<>:"|?*]')
"""Windows allows none of these in a name."""
_END = "." + "".join(char for char in map(chr, range(0x3001)) if char.isspace())
"""Windows drops points and blanks at the end of a name."""
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)
"""To Windows these are devices, whatever stands after the first point."""
_NAMELESS = "list"


def cleaned_name(given: str) -> str:
    """A name that a stranger gave, as a file may be called in a folder on every system.

    Folders before it are dropped, with characters that cannot be seen (controls, and those that
    turn the writing round); what Windows forbids becomes ``_``. At most 255 bytes in UTF-8, its
    ending is kept. Cleaning a clean name changes nothing.
    """
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", given)[-1])
    name = "".join(char for char in name if unicodedata.category(char) not in _UNSEEN)
    name = _shortened(_FORBIDDEN.sub("_", name).strip().rstrip(_END))
    if not name.strip("."):
        return _NAMELESS
    return _shortened(f"_{name}") if _DEVICES.fullmatch(name.split(".")[0].rstrip()) else name


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = f".{ending}" if dot and len(ending.encode()) <= 16 else ""
    stem = stem if tail else name
    room = _LONGEST - len(tail.encode())
    cut = stem.encode()[:room].decode(errors="ignore")
    return (cut.rstrip(_END) or _NAMELESS) + tail
