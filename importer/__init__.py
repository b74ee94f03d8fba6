"""Bulk importer for call-centre lead lists: spreadsheets in, Add record calls out.

The names of `__all__` are the library, for programs; docs/library.md shows its use. They are
imported when they are first used, since the command line starts faster without most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importer.credentials import target_for
    from importer.errors import (
        CutJournalError,
        HalfMadeError,
        ImporterError,
        JobsError,
        JournalError,
        MappingError,
        MistakesError,
        NoJournalError,
        NoProjectError,
        OutputError,
        PreflightError,
        RunInterruptedError,
        ServiceError,
        SettingError,
        SourceError,
        UsageError,
    )
    from importer.library import (
        AlreadyImported,
        Approval,
        BegunByEarlierVersion,
        EditRefused,
        Frame,
        Guard,
        LedgerEntry,
        Listener,
        LoadedMapping,
        PastRun,
        PlanDiffers,
        PlanResult,
        Reconciliation,
        Refused,
        ResultRow,
        Running,
        RunResult,
        Search,
        Seen,
        StopSwitch,
        TargetBusy,
        Unfinished,
        Verification,
        apply,
        apply_async,
        base_url_for,
        check,
        check_async,
        history,
        init,
        load_mapping,
        mark,
        past_run,
        plan,
        plan_async,
        preview,
        reconcile,
        report,
        resume,
        resume_async,
        run,
        run_async,
        start,
        unmark,
        verify,
    )
    from importer.model import (
        CanaryBegins,
        CanaryEqual,
        Checkup,
        Event,
        Looked,
        Outcome,
        PaceChanged,
        PhoneReading,
        Preview,
        Probing,
        Problem,
        Progress,
        Resumed,
        Severity,
        Stage,
        Status,
        StrayAnswer,
        Summary,
        Survey,
        Waiting,
    )
    from importer.operations.batch import batch
    from importer.operations.batch_report import (
        BatchResult,
        Fate,
        FileOutcome,
        JobResult,
    )
    from importer.settings import (
        Destination,
        MaxFailures,
        Pace,
        RetryPolicy,
        RunSettings,
        Secret,
        SourceOptions,
        Target,
    )

__version__ = "0.1.0"

__all__ = [
    "AlreadyImported",
    "Approval",
    "BatchResult",
    "BegunByEarlierVersion",
    "CanaryBegins",
    "CanaryEqual",
    "Checkup",
    "CutJournalError",
    "Destination",
    "EditRefused",
    "Event",
    "Fate",
    "FileOutcome",
    "Frame",
    "Guard",
    "HalfMadeError",
    "ImporterError",
    "JobResult",
    "JobsError",
    "JournalError",
    "LedgerEntry",
    "Listener",
    "LoadedMapping",
    "Looked",
    "MappingError",
    "MaxFailures",
    "MistakesError",
    "NoJournalError",
    "NoProjectError",
    "Outcome",
    "OutputError",
    "Pace",
    "PaceChanged",
    "PastRun",
    "PhoneReading",
    "PlanDiffers",
    "PlanResult",
    "PreflightError",
    "Preview",
    "Probing",
    "Problem",
    "Progress",
    "Reconciliation",
    "Refused",
    "ResultRow",
    "Resumed",
    "RetryPolicy",
    "RunInterruptedError",
    "RunResult",
    "RunSettings",
    "Running",
    "Search",
    "Secret",
    "Seen",
    "ServiceError",
    "SettingError",
    "Severity",
    "SourceError",
    "SourceOptions",
    "Stage",
    "Status",
    "StopSwitch",
    "StrayAnswer",
    "Summary",
    "Survey",
    "Target",
    "TargetBusy",
    "Unfinished",
    "UsageError",
    "Verification",
    "Waiting",
    "__version__",
    "apply",
    "apply_async",
    "base_url_for",
    "batch",
    "check",
    "check_async",
    "history",
    "init",
    "load_mapping",
    "mark",
    "past_run",
    "plan",
    "plan_async",
    "preview",
    "reconcile",
    "report",
    "resume",
    "resume_async",
    "run",
    "run_async",
    "start",
    "target_for",
    "unmark",
    "verify",
]

_LIGHT = ("errors", "model", "settings", "credentials")
"""Modules with public names that import nothing heavy; most other names are the library's."""

if not TYPE_CHECKING:  # a type checker would take every misspelt name for one of these

    def __getattr__(name: str) -> object:
        """Import a public name where it is first used."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        for home in (*_LIGHT, "library", "operations.batch", "operations.batch_report"):
            module = import_module(f"{__name__}.{home}")
            if name in vars(module):
                return globals().setdefault(name, getattr(module, name))
        raise AssertionError(name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
