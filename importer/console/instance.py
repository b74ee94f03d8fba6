"""One console for each user: who comes second is given a new link to the one that runs.

In the user's folder of state lie a locked file, which says that a console runs for as long as its
process lives, however it ends; a file that says to this user's processes, and to nobody else, at
which port and with which secret they may ask it for a link; and the opening file.

The opening file is a page, mode 0600, that leads the browser to the link. A browser's command line
stands in the process list, which every user of the machine can read: so it has the name of this
file, never the token.
"""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from importer.console.security import HOST, LINK, OPEN
from importer.errors import OutputError, UsageError
from importer.files import make_private_folder, write_private

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK = "lock"
_CONTACT = "contact.json"
_OPENING = "open.html"
_PATIENCE = 10.0
"""Seconds for a console that has just begun to say where it listens, and to answer."""
_GLANCE = 0.05
_URL = re.compile(rf"http://{re.escape(HOST)}(:\d+)?{OPEN}\?token=[\w-]{{43}}", re.ASCII)
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>vcc-import console</title>
<p><a href="{url}">Open the console</a></p>
</html>
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens the console once; `file` is a page that leads there.

    `new` says that the console is this process's own, not one that ran before.
    """

    url: str
    file: Path
    new: bool


class Instance:
    """The one console of a user, while it runs: until :meth:`end`."""

    def __init__(self, folder: Path, lock: BaseFileLock) -> None:
        self._folder = folder
        self._lock = lock
        self._secret = secrets.token_urlsafe(32)

    @classmethod
    def claim(cls, folder: Path) -> Instance | None:
        """Become the console of this folder; None where another is. Raises OutputError."""
        from filelock import FileLock, Timeout

        make_private_folder(folder)
        path = folder / _LOCK
        lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            return None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or "its drive knows no locks"
            raise OutputError(
                f"{path} cannot be locked: {reason}",
                "Name another folder for what is kept of you in the variable VCC_STATE_DIR.",
            ) from None
        instance = cls(folder, lock)
        # What a console that was killed left here leads to a port that may be anybody's by now.
        instance._remove()
        return instance

    def announce(self, port: int) -> None:
        """Say to this user's processes where the console is; raises OutputError."""
        contact = {"port": port, "secret": self._secret}
        write_private(self._folder / _CONTACT, json.dumps(contact))

    def is_secret(self, given: str) -> bool:
        """Whether who asks for a link has read the file in the user's folder."""
        expected = f"Bearer {self._secret}"
        return given.isascii() and secrets.compare_digest(given, expected)

    def opening(self, url: str) -> Link:
        """Write the opening file for a link; raises OutputError."""
        path = self._folder / _OPENING
        write_private(path, _PAGE.format(url=html.escape(url)))
        return Link(url, path, new=True)

    def opened(self) -> None:
        """A link was opened: the file that leads there is removed."""
        with contextlib.suppress(OSError):
            (self._folder / _OPENING).unlink(missing_ok=True)

    def end(self) -> None:
        """Be the console no more; idempotent."""
        if self._lock.is_locked:
            self._remove()
            self._lock.release()

    def _remove(self) -> None:
        for name in (_CONTACT, _OPENING):
            with contextlib.suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)


def link_to_running(folder: Path, patience: float = _PATIENCE) -> Link:
    """Ask the console that runs for a new link, which spends the one before; blocks.

    Raises UsageError where it does not answer.
    """
    end = time.monotonic() + patience
    while True:
        try:
            contact = json.loads((folder / _CONTACT).read_bytes())
            url = _asked(int(contact["port"]), str(contact["secret"]), patience)
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
            url = None  # it has only begun, or it ends
        if url is not None:
            return Link(url, folder / _OPENING, new=False)
        if time.monotonic() >= end:
            raise UsageError(
                "a console runs already, but it does not answer",
                "Stop the other one (Ctrl-C where it runs, or end its process), then begin again.",
            )
        time.sleep(_GLANCE)


def _asked(port: int, secret: str, patience: float) -> str | None:
    # Not urllib: it would go through a proxy that the environment names.
    connection = http.client.HTTPConnection(HOST, port, timeout=patience)
    try:
        connection.request("POST", LINK, headers={"Authorization": f"Bearer {secret}"})
        answer = connection.getresponse()
        text = answer.read(1000).decode("ascii")
    finally:
        connection.close()
    return text if answer.status == 200 and _URL.fullmatch(text) else None
