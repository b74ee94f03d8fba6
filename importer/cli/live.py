"""A run on the terminal: signals that stop it, and its progress."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from importer.cli.outcome import FAILED, say
from importer.model import Status

if TYPE_CHECKING:
    from importer.model import Progress
    from importer.stopping import StopSwitch

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextlib.contextmanager
def stops_on_signals(stop: StopSwitch) -> Iterator[Callable[[], int | None]]:
    """Pull the switch on Ctrl-C and SIGTERM; a second signal ends the program at once.

    Gives a function that tells the exit code of the signal that came, if one did.
    """
    received: list[int] = []

    def code() -> int | None:
        return _EXIT_CODES[signal.Signals(received[0])] if received else None

    def handle(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        say("\nStopping: requests in flight are finished first.", err=True)
        stop.pull(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in _EXIT_CODES}
    try:
        yield code
    except KeyboardInterrupt:
        say("Stopped at once. What was in flight is uncertain until `reconcile`.", err=True)
        raise SystemExit(code() or 130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def progress_bar(name: str, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on standard error; none where that is no terminal, or with -q."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    # A terminal that does not tell its size has no columns and lines: tqdm would draw nothing.
    size = shutil.get_terminal_size()
    with tqdm(desc=f"{name} (reading)", unit=" rows", ncols=size.columns, nrows=size.lines) as bar:

        def show(progress: Progress) -> None:
            if progress.total is None:
                bar.update(progress.read - bar.n)
                return
            if bar.total is None:
                bar.set_description(name, refresh=False)
                bar.reset(progress.total)
            counts = progress.counts
            failed = sum(counts.get(status, 0) for status in FAILED)
            bar.set_postfix(created=counts.get(Status.CREATED, 0), failed=failed, refresh=False)
            bar.update(progress.done - bar.n)

        yield show
