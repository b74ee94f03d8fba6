"""A run on the terminal: signals that stop it, and its progress."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from importer.cli.logs import as_json, put_progress
from importer.cli.outcome import say
from importer.cli.signals import SIGNALS
from importer.cli.terminal import shown
from importer.model import Probing, Progress, Resumed, Stage, Status, StrayAnswer, Waiting

if TYPE_CHECKING:
    from importer.model import Event
    from importer.pipeline.stopping import StopSwitch


def stops_on_signals(
    stop: StopSwitch,
) -> contextlib.AbstractContextManager[Callable[[], int | None]]:
    """Pull the switch on Ctrl-C and SIGTERM; a second signal ends the program at once.

    Gives a function that tells the exit code of the signal that came, if one did.
    """
    return SIGNALS.stoppable(stop.pull)


@contextlib.contextmanager
def progress_bar(name: str, *, quiet: bool) -> Iterator[Callable[[Progress | Event], None]]:
    """A progress bar on standard error, and what a run has to tell while it sends.

    There is no bar where that is no terminal, and nothing at all with -q.
    """
    if quiet:
        yield lambda _: None
        return
    if as_json():
        yield put_progress(name, _Teller())
        return
    tell, name = _Teller(), shown(name)
    if not sys.stderr.isatty():
        yield tell
        return
    from tqdm import tqdm

    # A terminal that does not tell its size has no columns and lines: tqdm would draw nothing.
    size = shutil.get_terminal_size()
    reading, stage = _DESCRIPTIONS[Stage.READING].format(name), [Stage.READING]
    with tqdm(desc=reading, unit=" rows", ncols=size.columns, nrows=size.lines) as bar:

        def show(news: Progress | Event) -> None:
            if not isinstance(news, Progress):
                with bar.external_write_mode(sys.stderr):
                    tell(news)
                return
            if news.stage is not stage[0]:
                stage[0] = news.stage
                bar.set_description(_DESCRIPTIONS[news.stage].format(name), refresh=False)
                bar.reset(news.total)
            if news.stage is not Stage.SENDING:
                bar.update(news.passed - bar.n)
            else:
                failed = sum(news.counts.get(status, 0) for status in _FAILED)
                counts = {"created": news.counts.get(Status.CREATED, 0), "failed": failed}
                if uncertain := news.counts.get(Status.UNCERTAIN, 0):
                    counts["uncertain"] = uncertain
                bar.set_postfix(counts, refresh=False)
                bar.update(news.done - bar.n)

        yield show


_DESCRIPTIONS = {
    Stage.READING: "{} (reading)",
    Stage.CHECKING: "{} (checking)",
    Stage.SENDING: "{}",
}


_FAILED = (Status.INVALID, Status.REJECTED)
"""An uncertain row is none of them: it may exist."""


class _Teller:
    """Says what happens to the whole run; how fast it goes is told by the bar.

    Short waits are told once they add up, and an end only of what was told.
    """

    def __init__(self) -> None:
        self._untold = 0.0
        self._told = False

    def __call__(self, news: Progress | Event) -> None:
        match news:
            case Waiting(seconds, reason):
                self._untold += seconds
                if self._untold >= _WORTH_TELLING:
                    say(f"Waiting {self._untold:.0f} s: {reason}", err=True)
                    self._untold, self._told = 0.0, True
            case Probing(reason):
                say(f"Paused: {reason}. Asking whether the service is there …", err=True)
                self._told = True
            case Resumed():
                if self._told:
                    say("Going on.", err=True)
                self._untold, self._told = 0.0, False
            case StrayAnswer(reason):
                say(
                    f"Warning: {reason}. Rows that such an answer may have been taken for are "
                    "uncertain. From now on each connection is used once, which is slower.",
                    err=True,
                )


_WORTH_TELLING = 1.0
"""Seconds; a shorter wait is told by the bar's standing still."""
