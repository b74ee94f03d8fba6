"""The exception tree: for runs that cannot go on.

A bad row is a value (:class:`importer.model.Problem`), never an exception. Each class
carries the exit code the command line ends with, so that a caller need not know them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class ImporterError(Exception):
    """A run cannot start or cannot go on; the text is written for the user.

    `hint` says what to do next. `exit_code` is what the command line ends with.
    """

    exit_code: int = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ImporterError):
    """Options that contradict each other, or that lack something."""


class SettingError(UsageError, ValueError):
    """A setting has a value that it cannot have, raised where it is made: ``Pace(rate=-1)``."""


class MistakesError(ImporterError):
    """Several things are wrong; `mistakes` holds each of them, as a line of text."""

    def __init__(self, message: str, mistakes: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.mistakes = tuple(mistakes)


class MappingError(MistakesError):
    """A mapping is unusable; `mistakes` holds every mistake found, each a line of text.

    A line reads ``leads.yaml:4:3: form.city.requried: unknown key …``.
    """


class JobsError(MistakesError):
    """A jobs file is unusable; `mistakes` holds every mistake found, each a line of text.

    A line reads ``jobs.yaml:4:3: jobs.0.projct: unknown key …``.
    """


class PreflightError(MistakesError):
    """The project lacks what a file needs: nothing was sent; `mistakes` names everything.

    A line of `mistakes` begins with its place in the mapping where it has one.
    """


class SourceError(ImporterError):
    """A source file is missing, unreadable, empty, or over a limit."""


class OutputError(ImporterError):
    """Results cannot be written where they were asked for."""


class ServiceError(ImporterError):
    """The service refused us or cannot be reached: rows not sent stay pending."""

    exit_code = 3


class NoProjectError(ServiceError):
    """The service knows no such project at that address: a person must mend one of the two."""


class JournalError(ImporterError):
    """The journal cannot be trusted or cannot be written: nothing more may be sent."""

    exit_code = 3


class NoJournalError(JournalError):
    """No run has been where a run's folder is named: nothing was begun that could be resumed."""

    exit_code = 2


class HalfMadeError(JournalError):
    """A plan was cut off while it was made: nothing was sent from its folder, nor can it be."""

    exit_code = 2


class CutJournalError(JournalError):
    """A journal is sound but for its end, which is gone: rows that were sent read as pending."""


class RunInterruptedError(ImporterError):
    """The user stopped a run before its first request: nothing was sent and nothing is kept."""

    exit_code = 130


WORST_FIRST = (130, 143, 3, 2, 4, 1, 0)
"""Exit codes in the order in which one of them speaks for several files."""


def worst(codes: Iterable[int]) -> int:
    """The exit code of several files together; 0 where there are none."""
    return min((0, *codes), key=WORST_FIRST.index)
