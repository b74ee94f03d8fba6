"""Notifications of a job's result, sent by Apprise to e-mail, chats and webhooks.

A notification leaves this machine, so it quotes nothing of a file: no cell, no header but those
that past files had, and no message that may hold one. Those are in the log and in the results.

The addresses hold passwords and tokens, some of them in the place of a host. So messages name an
address by its number and scheme only, and the log lines of the libraries are dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from importer.errors import WORST_FIRST
from importer.files import escape_surrogates
from importer.operations.batch_report import (
    EXTRA,
    Fate,
    FileOutcome,
    JobResult,
    figures,
)
from importer.settings import Secret

if TYPE_CHECKING:
    from apprise import Apprise, NotifyType


SECONDS = 20.0
"""How long a receiver may take to connect, and again for each answer: mail servers are slow."""
MOST_FILES = 20
"""Files that are listed one by one; of the others only the number is given."""
NotificationEvent = Literal["success", "failure", "held"]
_WORDY = ("apprise", "urllib3", "requests")
"""Loggers of libraries that put addresses into what they say."""
_MEANINGS = {
    0: "all is well",
    1: "rows failed, or a file is held",
    2: "something is unusable",
    3: "something stopped early",
    4: "rows are uncertain: they may exist",
    130: "interrupted",
    143: "terminated",
}
_NOT_TOLD = {Fate.WAITING, Fate.CLOSED}
_BY_PEOPLE = {130, 143}


@dataclass(frozen=True, slots=True)
class Notification:
    """A notification of a job's end; the body is plain text without personal data."""

    job: str
    event: NotificationEvent
    title: str
    body: str


def notification_of(result: JobResult, rule: Collection[str]) -> Notification | None:
    """The notification that a rule (`success`, `failure`, `held`, `always`) asks for, or None.

    Where several events fit the rule, the worst gives its kind.
    """
    for event in _events(result):
        if event in rule or "always" in rule:
            title = f"{result.name}: {_headline(result)} (exit code {result.exit_code})"
            return Notification(result.name, event, _plain(title), "\n".join(_lines(result)))
    return None


def fingerprint(result: JobResult) -> str:
    """A hash that two results share if the same files met the same trouble."""
    about = [(file.file, file.fate.value, file.cause, file.exit_code) for file in result.files]
    own = (result.trouble.cause, result.trouble.exit_code) if result.trouble else None
    return hashlib.sha256(repr((own, sorted(about))).encode()).hexdigest()


def _events(result: JobResult) -> Iterator[NotificationEvent]:
    failed = result.trouble is not None or any(
        file.exit_code and file.exit_code not in _BY_PEOPLE and file.fate is not Fate.HELD
        for file in result.files
    )
    held = any(file.fate is Fate.HELD for file in result.files)
    if failed:
        yield "failure"
    if held:
        yield "held"
    if not failed and not held and any(file.fate not in _NOT_TOLD for file in result.files):
        yield "success"


def _headline(result: JobResult) -> str:
    if result.trouble is not None:
        return result.trouble.cause
    fates = [file.fate for file in result.files]
    return ", ".join(f"{fates.count(fate):,} {fate.value}" for fate in Fate if fate in fates)


def _lines(result: JobResult) -> Iterator[str]:
    yield f"Job {_plain(result.name)}: exit code {result.exit_code}, {_MEANINGS[result.exit_code]}."
    if result.trouble is not None:
        yield f"The job was not worked on to its end: {_plain(result.trouble.cause)}."
        yield f"What to do: {_plain(result.trouble.remedy)}"
    files = sorted(result.files, key=lambda file: WORST_FIRST.index(file.exit_code))
    for file in files[:MOST_FILES]:
        yield ""
        yield from _of_file(file)
    if len(files) > MOST_FILES:
        yield ""
        yield f"And {len(files) - MOST_FILES:,} more files."
    if sum(result.counts.values()):
        yield ""
        yield f"Rows of all files: {figures(result.counts)}."


def _of_file(file: FileOutcome) -> Iterator[str]:
    cause = f": {file.cause}" if file.cause else ""
    yield _plain(f"{file.file}: {file.fate.value}{cause} (exit code {file.exit_code})")
    if any(file.counts.values()):
        yield f"  Rows: {figures(file.counts)}."
    elif file.rows is not None:
        yield f"  Rows: {file.rows:,}, and nothing was sent of them."
    elif file.was_not_sent:
        yield "  Nothing was sent of it."
    for line in file.differences:
        yield _plain(f"  Differs in {line}")
    if file.moved:
        yield _plain(f"  The file is now {file.moved}")
    if file.results:
        yield _plain(f"  Results: {file.results}")
    if file.remedy:
        yield _plain(f"  What to do: {file.remedy}")


def _plain(text: str) -> str:
    """Text with control and direction characters replaced: names of files may hold them."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", "\ufffd", text)


def send_notification(urls: Sequence[Secret], notification: Notification) -> list[str]:
    """Send to every receiver; return a line for each that was not reached.

    Never raises: that nobody could be told must not undo what was imported.
    """
    if not urls:
        return []
    try:
        # Heavy, and an extra: imported only where somebody is to be told.
        import apprise  # noqa: F401
    except ImportError:
        return [
            f"{notification.job}: nobody was told: notifications need Apprise. Install it: {EXTRA}"
        ]
    complaints = []
    for number, url in enumerate(urls, 1):
        trouble = _send_to(url, notification)
        if trouble is not None:
            complaints.append(
                f"{notification.job}: notify.urls, number {number} ({_scheme_of(url)}): {trouble}"
            )
    return complaints


def _send_to(url: Secret, notification: Notification) -> str | None:
    """Send to one receiver; return what went wrong, or None."""
    from apprise import NotifyFormat

    try:
        with _silence():
            receiver = _receiver(url)
            if receiver is None:
                return "is no address that Apprise knows: its documentation lists their forms"
            sent = receiver.notify(
                body=escape_surrogates(notification.body),
                title=escape_surrogates(notification.title),
                notify_type=_type(notification.event),
                body_format=NotifyFormat.TEXT,
            )
    except Exception as error:  # noqa: BLE001 - a hundred plug-ins; any may raise anything
        # Only its type is told: the text of an error may hold the address.
        return f"failed with {type(error).__name__}: check the address, and the receiver"
    return None if sent else "was not reached, or refused: check the address, and the receiver"


def _receiver(url: Secret) -> Apprise | None:
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    # Nothing of an address is to be kept on the disk.
    asset = AppriseAsset(app_id="vcc-import", storage_mode=PersistentStoreMode.MEMORY.value)
    plugin = Apprise.instantiate(url.reveal(), asset=asset)
    if plugin is None:
        return None
    plugin.socket_connect_timeout = max(plugin.socket_connect_timeout, SECONDS)
    plugin.socket_read_timeout = max(plugin.socket_read_timeout, SECONDS)
    receiver = Apprise(asset=asset)
    return receiver if receiver.add(plugin) else None


def _type(event: NotificationEvent) -> NotifyType:
    from apprise import NotifyType

    match event:
        case "success":
            return NotifyType.SUCCESS
        case "failure":
            return NotifyType.FAILURE
        case "held":
            return NotifyType.WARNING


def _scheme_of(url: Secret) -> str:
    """The scheme of an address, the only part of it that is no secret."""
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30})://", url.reveal())
    return f"{match[1].lower()}://" if match is not None else "without a scheme"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop the libraries' log lines and warnings, which hold addresses, even under ``-v``."""
    loggers = [logging.getLogger(name) for name in _WORDY]
    before = [(logger, logger.propagate) for logger in loggers]
    nowhere = logging.NullHandler()
    try:
        for logger in loggers:
            logger.propagate = False
            logger.addHandler(nowhere)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, propagate in before:
            logger.propagate = propagate
            logger.removeHandler(nowhere)
