"""``vcc-import run``: the whole import."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.check import check_files
from importer.cli.options import (
    FILE,
    all_problems_option,
    files_argument,
    mapping_option,
    need_mapping,
    quiet_option,
    reading_options,
    reports_option,
    source_options,
)
from importer.cli.outcome import FAILED, describe_run, each_file
from importer.cli.sandbox import started_sandbox, write_project_file
from importer.cli.target import credentials, environment
from importer.errors import UsageError
from importer.model import Status
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    DEFAULT_RUNS_DIR,
    PROBLEM_CAP,
    RUNS_DIR_VARIABLE,
    SANDBOX_CREDENTIAL,
    Pace,
    RetryPolicy,
    RunSettings,
    Target,
)

if TYPE_CHECKING:
    from importer.model import Progress
    from importer.pipeline import LoadedMapping
    from importer.stopping import StopSwitch

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@click.command(
    short_help="Import files: read, check, send, write results.",
    epilog="Examples: vcc-import run leads.xlsx -m leads.yaml --sandbox    (no account needed); "
    "vcc-import run leads.csv -m leads.yaml --project 134 --limit 5",
)
@files_argument
@mapping_option
@click.option(
    "--project", type=click.IntRange(1), metavar="ID", help="Project id; beats the mapping's."
)
@click.option("--sandbox", is_flag=True, help="Send to a sandbox that is started for this run.")
@click.option(
    "--sandbox-project",
    type=FILE,
    metavar="FILE",
    help="Project file of that sandbox; else it has the fields that the mapping names.",
)
@click.option("--base-url", metavar="URL", help="Where the service is, ending in /v2.")
@click.option("--customer", metavar="NAME", help=f"Customer; else {CUSTOMER_VARIABLE}.")
@click.option(
    "--api-key-file",
    type=FILE,
    metavar="FILE",
    help=f"File that holds the API key; else {API_KEY_VARIABLE}.",
)
@click.option("--ca-file", type=FILE, metavar="FILE", help="PEM file of certificates to trust.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=Pace().concurrency,
    show_default=True,
    metavar="N",
    help="Requests in flight.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1),
    default=Pace().timeout,
    show_default=True,
    metavar="SECONDS",
    help="How long one request may take.",
)
@click.option(
    "--retries",
    type=click.IntRange(0),
    default=RetryPolicy().retries,
    show_default=True,
    metavar="N",
    help="Tries beyond the first for a request that surely did not arrive.",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Send N rows and leave the others pending.",
)
@reading_options
@click.option(
    "--out", type=FILE, metavar="DIR", help="Folder for the results; else one in --runs-dir."
)
@click.option(
    "--runs-dir",
    type=FILE,
    default=DEFAULT_RUNS_DIR,
    show_default=True,
    envvar=RUNS_DIR_VARIABLE,
    show_envvar=True,
    metavar="DIR",
    help="Folder in which runs make theirs.",
)
@click.option("--no-preflight", is_flag=True, help="Do not ask for the project before sending.")
@click.option("--dry-run", is_flag=True, help="Stop before sending: the same as check.")
@reports_option
@all_problems_option
@quiet_option
def run(files: tuple[Path, ...], mapping_path: Path | None, **options: Any) -> int:
    """Import FILES: read, map, check, send, and write a result for every row.

    Each file is a run of its own, with a folder of its own for the results: results.csv has a
    line for every row, failures.csv the rows to mend and import again.

    Ends with 0 where every row was created or skipped, 1 where rows were rejected or invalid, 2
    where nothing could be sent, 3 where the run stopped early, 4 where rows are uncertain, 130
    or 143 where it was interrupted.
    """
    reading = source_options(
        **{name: options[name] for name in ("sheet", "header_row", "encoding", "delimiter", "rows")}
    )
    mapping_file = need_mapping(mapping_path, files)
    if options["dry_run"]:
        cap = None if options["all_problems"] else PROBLEM_CAP
        return check_files(
            files, mapping_file, reading, options["reports"], cap=cap, quiet=options["quiet"]
        )
    if options["reports"]:
        raise UsageError("--report is for check", "Run check first, or add --dry-run.")

    from importer import pipeline
    from importer.stopping import StopSwitch

    mapping = pipeline.load_mapping(mapping_file)
    settings = RunSettings(
        pace=Pace(concurrency=options["concurrency"], timeout=options["timeout"]),
        retry=RetryPolicy(retries=options["retries"]),
        runs_dir=options["runs_dir"],
        limit=options["limit"],
        preflight=not options["no_preflight"],
    )
    stop, seen = StopSwitch(), pipeline.Seen()
    with _target(mapping, options) as target, _stops_on_signals(stop) as received:

        def run_one(path: Path) -> int:
            job = pipeline.Job(
                path,
                mapping,
                target,
                reading,
                dataclasses.replace(settings, out=_folder(options["out"], path, files)),
            )
            with _progress(path, quiet=options["quiet"]) as listener:
                result = pipeline.run(job, seen=seen, stop=stop, listener=listener)
            if not options["quiet"]:
                click.echo(describe_run(result))
            return received() or result.summary.exit_code

        return each_file(files, run_one)


def _folder(out: Path | None, file: Path, files: tuple[Path, ...]) -> Path | None:
    """The run directory that --out asks for: itself, or a folder in it for each of several."""
    if out is None or len(files) == 1:
        return out
    stems = [path.stem for path in files]
    name = file.stem
    if stems.count(name) > 1:
        name = f"{name}-{files.index(file) + 1}"
    return out / name


@contextlib.contextmanager
def _target(mapping: LoadedMapping, options: dict[str, Any]) -> Iterator[Target]:
    """Give the target, and for --sandbox start it; raises UsageError where something lacks."""
    from importer.pipeline import base_url_for

    variables = environment()
    project = options["project"] or mapping.spec.project
    rehearsal = options["sandbox"] or options["sandbox_project"] is not None
    if rehearsal:
        variables = {
            name: variables.get(name) or SANDBOX_CREDENTIAL
            for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE)
        }
        project = project or 1
    if project is None:
        raise UsageError("which project?", "Write project: into the mapping, or give --project ID.")
    customer, api_key = credentials(options["customer"], options["api_key_file"], variables)
    with contextlib.ExitStack() as stack:
        base_url = options["base_url"]
        if rehearsal:
            if base_url is not None:
                raise UsageError("--base-url and --sandbox exclude each other")
            base_url = stack.enter_context(_rehearsal(mapping, project, options, variables))
        yield Target(
            base_url=base_url or base_url_for(customer),
            project=project,
            customer=customer,
            api_key=api_key,
            ca_file=options["ca_file"],
        )


@contextlib.contextmanager
def _rehearsal(
    mapping: LoadedMapping, project: int, options: dict[str, Any], variables: dict[str, str]
) -> Iterator[str]:
    """Start a sandbox that knows the project, and say where its records are kept."""
    from importer.files import make_private_folder
    from importer.pipeline import needed_project
    from importer.rundir import new_run_id

    folder = options["runs_dir"] / new_run_id("sandbox")
    make_private_folder(folder)
    db = folder / "sandbox.sqlite3"
    project_file = options["sandbox_project"]
    if project_file is None:
        project_file = folder / "project.json"
        write_project_file(project_file, needed_project(mapping.spec, project))
    with started_sandbox(db, project_file, variables) as base_url:
        if not options["quiet"]:
            click.echo(f"Sandbox: {base_url}, records in {db}")
        yield base_url


@contextlib.contextmanager
def _stops_on_signals(stop: StopSwitch) -> Iterator[Callable[[], int | None]]:
    """Pull the switch on Ctrl-C and SIGTERM; a second signal ends the program at once.

    Gives a function that tells the exit code of the signal that came, if one did.
    """
    received: list[int] = []

    def handle(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        click.echo("\nStopping: requests in flight are finished first.", err=True)
        stop.pull(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in _EXIT_CODES}
    try:
        yield lambda: _EXIT_CODES[signal.Signals(received[0])] if received else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(path: Path, *, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on standard error; none where that is no terminal, or with -q."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(desc=path.name, unit=" rows", dynamic_ncols=True) as bar:

        def show(progress: Progress) -> None:
            counts = progress.counts
            failed = sum(counts.get(status, 0) for status in FAILED)
            bar.total = progress.total
            bar.set_postfix(created=counts.get(Status.CREATED, 0), failed=failed, refresh=False)
            bar.update(progress.done - bar.n)

        yield show
