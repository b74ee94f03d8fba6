"""What the command does on Ctrl-C (SIGINT) and SIGTERM: a state machine.

    STARTING   the program's modules are imported: nothing is to be cleaned up, the process ends
    WORKING    a command without a way to stop in order: ENDING, by an exception
    STOPPABLE  there is a switch: it is pulled, STOPPING
    STOPPING   what is in flight is finished: a second signal is ENDING, by an exception
    ENDING     clean-up is under way, which nothing may interrupt: signals are ignored

Each of the first two signals says one line. The exit code is that of the first signal.

The exception is raised at most once, so that no clean-up meets a second one, and never inside an
event loop, which it would leave half closed: there the loop's main task is cancelled, and
:func:`importer.sending.loop.run_loop` raises the exception once the loop is closed. Whatever else
an interrupted program complains of by then (a module half imported, a future that nobody awaited)
is its consequence, and is not shown. Python drops exceptions in finalisers (``__del__``): it is
raised again then. An end that takes longer than `_GRACE` seconds, because some library has dropped
the exception or waits for a thread, is made by ``os._exit``: for the journal that is a kill, which
it is made for; helper processes end with their pipes.

This module is imported first, before the signals are heard: it imports next to nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import enum
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
_GRACE = 8.0
"""Seconds for an end at once: a sender process has 5 to end by itself."""
_AGAIN = 0.01

AT_ONCE = "Stopped at once. What was in flight is uncertain until `reconcile`."
IN_ORDER = "\nStopping: requests in flight are finished first."


class Stopped(SystemExit):
    """Ends the program at once; its code is that of the signal."""


class _Phase(enum.Enum):
    STARTING = enum.auto()
    WORKING = enum.auto()
    STOPPABLE = enum.auto()
    STOPPING = enum.auto()
    ENDING = enum.auto()


class Signals:
    """The signals of this process; there is one object of it, SIGNALS."""

    def __init__(self) -> None:
        self._heard = False
        self._reset(_Phase.WORKING)

    def _reset(self, phase: _Phase) -> None:
        self._phase = phase
        self._swallowed = False
        self._watched = False
        self._pull: Callable[[str], None] = lambda reason: None
        self._lines: tuple[str, str] = ("", "")
        self.code: int | None = None
        """The exit code of the first signal, once one has come."""
        self.at_once = False
        """Whether a signal has ended the work where it stood."""

    def take_over(self) -> None:
        """Hear the signals from now to the end of the process, which has just started."""
        self._phase = _Phase.STARTING
        for number in CODES:
            signal.signal(number, self._handle)
        self._heard = True

    def begin_work(self) -> None:
        """From now on there is something to be cleaned up."""
        if self._phase is _Phase.STARTING:
            self._phase = _Phase.WORKING

    def ignore(self) -> None:
        """The exit code is decided: no signal changes it while Python shuts down."""
        if threading.current_thread() is threading.main_thread():
            for number in CODES:
                signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Hear the signals in a block, unless they are heard already or are not ours to hear.

        A handler of the calling program is left in charge.
        """
        ours = (
            not self._heard
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if not ours:
            yield
            return
        hooks = sys.unraisablehook, threading.excepthook
        self._reset(_Phase.WORKING)  # this process may have had a command before
        self._heard = True
        before = {number: signal.signal(number, self._handle) for number in CODES}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._heard = False
            if self.at_once:
                import logging

                sys.unraisablehook, threading.excepthook = hooks
                logging.disable(logging.NOTSET)

    @contextlib.contextmanager
    def stoppable(
        self, pull: Callable[[str], None], in_order: str = IN_ORDER, at_once: str = AT_ONCE
    ) -> Iterator[Callable[[], int | None]]:
        """A block that a first signal stops in order: `pull` is called with the signal's name.

        `in_order` and `at_once` are what the first and the second signal say; nothing where empty.
        Gives a function that tells the exit code of the signal that came, if one did.
        """
        with self.heard():
            self.begin_work()
            self._pull, self._lines = pull, (in_order, at_once)
            if self._phase is _Phase.WORKING:
                self._phase = _Phase.STOPPABLE
            try:
                yield lambda: self.code
            finally:
                # What is left to do after an end in order is short, and should be whole.
                self._phase = _Phase.WORKING if self.code is None else _Phase.ENDING

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        first = self.code is None
        if first:
            self.code = CODES[signal.Signals(number)]
        match self._phase:
            case _Phase.STARTING:
                _write(_ended(number))
                os._exit(CODES[signal.Signals(number)])
            case _Phase.WORKING:
                self._end(_ended(number))
            case _Phase.STOPPABLE:
                self._phase = _Phase.STOPPING
                _tell(self._lines[0])
                self._pull(signal.Signals(number).name)
            case _Phase.STOPPING:
                self._end(self._lines[1])
            case _Phase.ENDING:
                self._watch()
                if self._swallowed:
                    self._swallowed = False
                    self._interrupt()

    def _end(self, line: str) -> None:
        self._phase = _Phase.ENDING
        self.at_once = True
        self._watch()
        _tell(line)
        sys.unraisablehook = self._unraisable
        threading.excepthook = lambda _: None
        if "logging" in sys.modules:
            import logging

            logging.disable(logging.CRITICAL)
        self._interrupt()

    def _interrupt(self) -> None:
        stopped = Stopped(self.code)
        loops = sys.modules.get("importer.sending.loop")
        interrupt: Callable[[BaseException], bool] | None = getattr(loops, "interrupt", None)
        if interrupt is None or not interrupt(stopped):
            raise stopped

    def _unraisable(self, dropped: Any) -> None:
        """Raise again what was raised within a finaliser, and dropped there."""
        if isinstance(dropped.exc_value, Stopped):
            self._swallowed = True
            _thread.start_new_thread(_signal_again, ())

    def _watch(self) -> None:
        """See to it that the process ends.

        A bare thread: a handler may have interrupted `threading` while it held its lock.
        """
        if not self._watched:
            self._watched = True
            _thread.start_new_thread(self._end_process, ())

    def _end_process(self) -> None:
        time.sleep(_GRACE)
        if self._heard:
            os._exit(self.code or CODES[signal.SIGINT])


def _signal_again() -> None:
    time.sleep(_AGAIN)
    _thread.interrupt_main()


def _ended(number: int) -> str:
    return "Interrupted." if number == signal.SIGINT else "Terminated."


def _tell(line: str) -> None:
    """Say a line, be it that the handler came in the middle of a write or of an import."""
    if not line:
        return
    try:
        from importer.cli.output import say

        say(line, err=True)
    except Exception:  # noqa: BLE001 - the stream is in use, or a module half imported
        _write(line.strip())


def _write(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())


SIGNALS = Signals()
