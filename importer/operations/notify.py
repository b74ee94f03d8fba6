"""Word to people, by whatever Apprise can reach: e-mail, chats, webhooks.

The addresses hold passwords and tokens, some of them in the place of a host. So of an address
nothing is ever told but its number and its scheme, and what the libraries log of it is dropped.
"""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from importer.files import shown
from importer.settings import Secret

if TYPE_CHECKING:
    from apprise import Apprise, NotifyType

EXTRA = 'pip install "vcc-importer[notify]"'
SECONDS = 20.0
"""How long a receiver may take to connect, and again for each answer: mail servers are slow."""

WordEvent = Literal["success", "failure", "held"]

_WORDY = ("apprise", "urllib3", "requests")
"""Loggers of libraries that put addresses into what they say."""


@dataclass(frozen=True, slots=True)
class Word:
    """What is told of a job; the body is plain text and holds no personal data."""

    job: str
    event: WordEvent
    title: str
    body: str


def send_word(urls: Sequence[Secret], word: Word) -> list[str]:
    """Tell every receiver; give what went wrong, a line for each that was not reached.

    Never raises: that nobody could be told must not undo what was imported.
    """
    if not urls:
        return []
    try:
        # Heavy, and an extra: imported only where somebody is to be told.
        import apprise  # noqa: F401
    except ImportError:
        return [f"{word.job}: nobody was told: notifications need Apprise. Install it: {EXTRA}"]
    complaints = []
    for number, url in enumerate(urls, 1):
        trouble = _told(url, word)
        if trouble is not None:
            complaints.append(f"{word.job}: notify.urls, number {number} ({_kind(url)}): {trouble}")
    return complaints


def _told(url: Secret, word: Word) -> str | None:
    """Tell one receiver; give what went wrong."""
    from apprise import NotifyFormat

    try:
        with _silence():
            receiver = _receiver(url)
            if receiver is None:
                return "is no address that Apprise knows: its documentation lists their forms"
            sent = receiver.notify(
                body=shown(word.body),
                title=shown(word.title),
                notify_type=_type(word.event),
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


def _type(event: WordEvent) -> NotifyType:
    from apprise import NotifyType

    match event:
        case "success":
            return NotifyType.SUCCESS
        case "failure":
            return NotifyType.FAILURE
        case "held":
            return NotifyType.WARNING


def _kind(url: Secret) -> str:
    """The scheme of an address, which is all of it that is fit to be told."""
    match = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30})://", url.reveal())
    return f"{match[1].lower()}://" if match is not None else "without a scheme"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what the libraries log and warn of, with -v too: addresses, and what is sent there."""
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
