"""``vcc-import batch``: unattended imports."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import FILE, key_options, quiet_option
from importer.cli.output import as_json, log_json, log_options, progress_bar, say
from importer.cli.signals import SIGNALS
from importer.errors import UsageError

if TYPE_CHECKING:
    from importer.cli.output import Level
    from importer.operations.batch_report import BatchResult, FileOutcome, JobResult
    from importer.operations.jobs import JobsFile


@click.command(
    short_help="Import what has arrived, unattended, as a jobs file says.",
    epilog="Examples: vcc-import batch jobs.yaml; vcc-import batch jobs.yaml --job vienna --watch; "
    "vcc-import batch jobs.yaml --release held/vienna_1.xlsx",
)
@click.argument("jobs_path", type=FILE, metavar="JOBS")
@click.option("--job", "only", metavar="NAME", help="Look after this job only.")
@click.option(
    "--watch",
    is_flag=True,
    help="Stay in the foreground: a round whenever files arrive, and once a minute.",
)
@click.option(
    "--release",
    "released",
    multiple=True,
    metavar="FILE",
    help="Let a held file pass: it goes back to its inbox, and the next round takes it.",
)
@key_options
@log_options
@quiet_option
def batch(jobs_path: Path, released: tuple[str, ...], **options: Any) -> int:
    """Import what has arrived, as the jobs file JOBS says, and put it away.

    One round looks after every job once and ends: it goes on with what was left, takes the files
    that are whole, and leaves the others to the next round. Start it as often as you like.

    Ends with the worst of all files' exit codes, which are those of run; 1 also means that a file
    is held, 2 that a job, its mapping or a file is unusable, 3 that something stopped early.
    """
    from importer.operations.jobs import load_jobs

    jobs = load_jobs(jobs_path)
    if not released:
        return _work(jobs, options)
    if options["watch"] or options["only"] is not None:
        raise UsageError("--release stands alone", "Release the file, then start the round.")
    from importer.operations.batch_file import release

    for file in released:
        place = release(jobs, file)
        where = f", and is back as {place}" if place is not None else ""
        if not options["quiet"]:
            say(f"{file}: may pass{where}. The next round takes it.")
    return 0


def _work(jobs: JobsFile, options: dict[str, Any]) -> int:
    from importer.operations.batch import run_batch
    from importer.operations.batch_round import Access, RoundContext, RoundListeners
    from importer.pipeline.running import StopSwitch

    stop, quiet = StopSwitch(), options["quiet"]
    teller = _RoundTeller(quiet=quiet, once=options["watch"])
    context = RoundContext(
        jobs,
        stop,
        Access(options["api_key_file"], options["ca_file"]),
        RoundListeners(teller.file, teller.job, lambda name: progress_bar(name, quiet=quiet)),
    )
    teller.warn(jobs.remarks)
    codes: list[int] = [0]

    def work() -> BatchResult:
        result = run_batch(context, only=options["only"])
        teller.end(result)
        codes[:] = [result.exit_code]
        return result

    with SIGNALS.stoppable(stop.pull) as received:
        if not options["watch"]:
            work()
            return received() or codes[0]
        from importer.operations.batch import keep_watch

        keep_watch(jobs, work, stop)
    # To be stopped is the end of every watch: only what it has cut short is worth a word.
    return codes[0] if codes[0] in {130, 143} else 0


class _RoundTeller:
    """Tells of a round; where rounds follow each other, of the same trouble only `once`."""

    def __init__(self, *, quiet: bool, once: bool) -> None:
        self._quiet = quiet
        self._once = once
        self._told: set[object] = set()
        self._before: set[object] = set()

    def file(self, job: str, file: FileOutcome) -> None:
        """Tell what became of a file."""
        line, more = _line(job, file), _details(file)
        if self._is_old((job, file)):
            return
        if as_json():
            log_json(
                _level(file.exit_code),
                line,
                run=file.run_id,
                file=file.file,
                fate=file.fate.value,
                exit_code=file.exit_code,
                counts={status.value: count for status, count in file.counts.items()},
                details=more or None,
                moved=file.moved,
                results=file.results,
            )
            if not self._quiet:
                say(line)
            return
        if not self._quiet or file.exit_code:
            say(line, err=self._quiet)
        if file.exit_code and more:
            say(more, err=True)
        elif file.fate.value == "imported" and file.message and not self._quiet:
            say(f"  {file.message}".replace("\n", "\n  "))

    def job(self, result: JobResult) -> None:
        """Tell what kept a job from being worked on, if anything did."""
        trouble = result.trouble
        if trouble is not None and not self._is_old((result.name, trouble)):
            if as_json():
                log_json("error", f"{result.name}: {trouble.message}", exit_code=trouble.exit_code)
            else:
                say(f"Error: {result.name}: {trouble.message}", err=True)
        if result.left and not self._quiet and not self._is_old((result.name, result.left)):
            say(f"{result.name}  {result.left}")

    def end(self, result: BatchResult) -> None:
        """Tell of the round as a whole."""
        self.warn(result.complaints)
        if not self._quiet and not (self._once and not self._has_news(result)):
            say(_totals(result))
        self._before, self._told = self._told, set()

    def warn(self, lines: tuple[str, ...]) -> None:
        """Tell what is amiss without being in the way."""
        for line in lines:
            if self._is_old(line):
                continue
            if as_json():
                log_json("warning", line)
            else:
                say(f"Warning: {line}", err=True)

    def _is_old(self, what: object) -> bool:
        mark = repr(what)
        self._told.add(mark)
        return self._once and mark in self._before

    def _has_news(self, result: BatchResult) -> bool:
        return any(job.was_busy for job in result.jobs) and bool(self._told - self._before)


def _line(job: str, file: FileOutcome) -> str:
    """What became of a file, in one line without anything of its content."""
    from importer.operations.batch_report import figures

    cause = "" if file.fate.value == "imported" and file.counts else file.cause
    told = "; ".join(filter(None, (cause, figures(file.counts))))
    code = f" (exit code {file.exit_code})" if file.exit_code else ""
    return f"{job}  {file.file}: {file.fate.value}{': ' if told else ''}{told}{code}"


def _details(file: FileOutcome) -> str:
    """What more there is to say to whoever reads the log, indented."""
    lines = [] if file.message == file.cause else file.message.splitlines()
    if file.moved is not None:
        lines.append(f"The file is now {file.moved}")
    if file.results is not None:
        lines.append(f"Results: {file.results}")
    if file.remedy and file.remedy not in file.message:
        lines.append(file.remedy)
    return "\n".join(f"  {line}" for line in lines)


def _level(code: int) -> Level:
    return "error" if code in {2, 3} else "warning" if code else "info"


def _totals(result: BatchResult) -> str:
    fates = Counter(file.fate.value for job in result.jobs for file in job.files)
    files = sum(fates.values())
    jobs = "1 job" if len(result.jobs) == 1 else f"{len(result.jobs):,} jobs"
    told = "1 file" if files == 1 else f"{files:,} files"
    each = ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
    return f"{jobs}, {told}{': ' if each else ''}{each}. Exit code {result.exit_code}."
