"""The runs folders that this user has used, wherever they are, and the ledgers in them.

The guard against sending a list twice must not depend on the folder one stands in, so each folder
in which a run is entered is remembered in the platform's place for a user's state: a small file for
each, named by a hash of the folder's path. So two processes at once never write the same file
differently, and a damaged file is the loss of one folder, until a run is entered there again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from importer.errors import OutputError
from importer.files import make_private_folder, write_private
from importer.operations.ledger import Entry, Ledger
from importer.settings import STATE_DIR_VARIABLE

_FOLDER = "runs-folders"
_log = logging.getLogger(__name__)


def state_dir() -> Path | None:
    """Where this user's state is kept, absolute: ``VCC_STATE_DIR``, or the platform's place.

    None where there is no such place, as for a user without a home. The folder may not exist.
    """
    if named := os.environ.get(STATE_DIR_VARIABLE):
        return Path(named).absolute()
    import platformdirs

    try:
        place = platformdirs.user_state_path("vcc-import", appauthor=False)
    except RuntimeError:  # a user whom the system does not know, and who has no HOME
        return None
    # Older releases give "~" as it stands then: no folder to make here.
    return place if place.is_absolute() else None


def remember(runs_dir: Path) -> None:
    """Remember a folder that exists. Where that cannot be written, it is logged, and no more."""
    state = state_dir()
    if state is None:
        _log.info("This user has no place for state: %s is not remembered.", runs_dir.absolute())
        return
    folder = os.path.realpath(runs_dir)
    path = state / _FOLDER / _name(folder)
    try:
        text = json.dumps({"folder": folder, "device": Path(folder).stat().st_dev})
        if not (path.is_file() and path.read_bytes() == text.encode()):
            make_private_folder(state)
            make_private_folder(path.parent)
            write_private(path, text)
    except (OutputError, OSError) as error:
        _log.info("%s is not remembered, so runs elsewhere do not see it: %s", folder, error)


def remembered() -> list[Path]:
    """The folders that are there now, absolute, each once; those that are gone are forgotten."""
    state = state_dir()
    found: dict[tuple[int, int], Path] = {}
    try:
        paths = sorted((state / _FOLDER).glob("*.json")) if state is not None else []
    except OSError as error:
        _log.info("%s cannot be read: %s", state, error)
        return []
    for path in paths:
        entry = _read(path)
        if entry is None:
            continue
        folder, device = entry
        try:
            status = folder.stat()
        except FileNotFoundError:
            if _device_above(folder) == device:
                _forget(path, f"{folder} is gone")
            else:
                _log.info("%s is not there now: its drive may not be mounted.", folder)
        except OSError as error:
            _log.warning("%s cannot be looked at: what was sent from there is not known.", error)
        else:
            # Two paths may lead to one folder: bind mounts, or names that differ in case.
            found.setdefault((status.st_dev, status.st_ino), folder)
    return list(found.values())


@contextlib.contextmanager
def ledgers_beside(own: Ledger | None) -> Iterator[list[Ledger]]:
    """A ledger, and those of all other folders of its user, to be read; None has all folders'.

    One that cannot be read is warned of and passed over: it must not keep all imports back.
    """
    with contextlib.ExitStack() as opened:
        ledgers = [] if own is None else [own]
        for folder in remembered():
            if own is not None and _same(folder, own.path.parent):
                continue
            try:
                ledger = Ledger.look(folder)
            except OutputError as error:
                _log.warning("%s. What was sent from there is not known.", error)
                continue
            if ledger is not None:
                ledgers.append(opened.enter_context(ledger))
        yield ledgers


def newest_first(entries: list[Entry]) -> list[Entry]:
    """Runs of several ledgers as one list, each run once."""
    each = {entry.run_id: entry for entry in reversed(entries)}
    return sorted(each.values(), key=lambda entry: (entry.started_at, entry.run_id), reverse=True)


def _name(folder: str) -> str:
    return f"{hashlib.sha256(os.fsencode(os.path.normcase(folder))).hexdigest()[:32]}.json"


def _read(path: Path) -> tuple[Path, int] | None:
    """A folder and the device it was on; a file that is none of ours or damaged is removed."""
    try:
        entry = json.loads(path.read_bytes())
        folder, device = entry["folder"], entry["device"]
        if _name(folder) == path.name and isinstance(device, int):
            return Path(folder), device
    except OSError as error:
        _log.info("%s cannot be read: %s", path, error)
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    _log.warning("%s was damaged: a runs folder is forgotten until it is used again.", path)
    _forget(path, "it is damaged")
    return None


def _forget(path: Path, why: str) -> None:
    _log.info("%s is forgotten: %s", path.name, why)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _device_above(folder: Path) -> int | None:
    """The device of the nearest folder above that exists."""
    for above in folder.parents:
        with contextlib.suppress(OSError):
            return above.stat().st_dev
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
