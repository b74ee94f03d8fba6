"""``vcc-import sandbox``, and the sandbox that ``run --sandbox`` starts for itself."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import FILE
from importer.cli.signals import SIGNALS
from importer.errors import ServiceError, UsageError
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, SANDBOX_CREDENTIAL

if TYPE_CHECKING:
    import asyncio

    from importer.sandbox.faults import Faults

READY = "Sandbox ready at "
DATABASE = "sandbox.sqlite3"
PROJECT = "project.yaml"
"""In the folder of a sandbox that a run started."""
_PATIENCE = 10.0
_NEW_PROCESS_GROUP = 0x200
"""Windows' CREATE_NEW_PROCESS_GROUP, which the module subprocess has on Windows only."""


@click.command(
    short_help="Run a local Add record service to try things on.",
    epilog="Example: vcc-import sandbox --project samples/project.yaml --port 8451",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=0,
    help="Port to listen on; any free one where left out.",
)
@click.option(
    "--db",
    type=FILE,
    metavar="FILE",
    help="Keep the records in this file from one start to the next; else they are thrown away.",
)
@click.option(
    "--project",
    "project_file",
    type=FILE,
    metavar="FILE",
    help="YAML file that says which projects there are, with their fields and dispositions.",
)
@click.option(
    "--latency",
    metavar="TIME",
    help="Let every request wait, as 20ms, 0.05 (seconds), or 20ms-80ms for anything between.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Answer 429 to more than N Add records a second.",
)
@click.option(
    "--faults",
    "fault_file",
    type=FILE,
    metavar="FILE",
    help="YAML file that says what goes wrong, and when: docs/sandbox.md lists what can.",
)
@click.option("--log-requests", is_flag=True, hidden=True, help="Log Add records in --db.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input ends.")
def sandbox(  # noqa: PLR0913 (each is an option)
    host: str,
    port: int,
    db: Path | None,
    project_file: Path | None,
    *,
    latency: str | None,
    rate_limit: float | None,
    fault_file: Path | None,
    log_requests: bool,
    with_parent: bool,
) -> None:
    """Run a local Add record service, as the real one but without an account.

    It takes the user and key in VCC_CUSTOMER and VCC_API_KEY, or "sandbox" for both where these
    are not set, and goes on until it is interrupted (Ctrl-C).
    """
    from importer.pipeline.stopping import StopSwitch
    from importer.sandbox.app import serve
    from importer.sandbox.projects import load_projects
    from importer.sending.loop import run_loop

    projects = load_projects(project_file) if project_file is not None else None
    faults = _faults(fault_file, latency, rate_limit)

    async def serve_until_told() -> None:
        with stop.watched() as told:
            if with_parent:
                _end_with_standard_input(told)
            await serve(
                host=host,
                port=port,
                db=db,
                projects=projects,
                customer=os.environ.get(CUSTOMER_VARIABLE) or SANDBOX_CREDENTIAL,
                api_key=os.environ.get(API_KEY_VARIABLE) or SANDBOX_CREDENTIAL,
                faults=faults,
                log_requests=log_requests,
                on_ready=lambda url: click.echo(f"{READY}{url}"),
                until=told,
            )

    stop = StopSwitch()
    # To be stopped is the end of every sandbox: it is no trouble, and worth no word.
    with SIGNALS.stoppable(stop.pull, "", "Stopped at once."):
        run_loop(serve_until_told())


def _faults(path: Path | None, latency: str | None, rate_limit: float | None) -> Faults:
    """What goes wrong: the file's faults, and what the options say in their place."""
    from importer.sandbox import faults
    from importer.sandbox.faults import load_faults

    ordered = load_faults(path) if path is not None else faults.NO_FAULTS
    try:
        wait = faults.parse_latency(latency) if latency is not None else None
    except ValueError as error:
        raise UsageError(
            f"--latency {latency}: {error}", "Write it as 20ms, 0.05 or 20ms-80ms."
        ) from error
    return ordered.but(wait, rate_limit)


def _end_with_standard_input(told: asyncio.Event) -> None:
    """Set the event when standard input ends: the one sign of a parent's death everywhere."""
    import asyncio
    import threading

    loop = asyncio.get_running_loop()

    def watch() -> None:
        sys.stdin.buffer.read()
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(told.set)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def started_sandbox(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Start a sandbox in a process of its own, and give its base URL; it ends with the block.

    `environment` holds its user and key. Ctrl-C does not reach it: what is in flight when a run
    is interrupted is still answered.
    """
    command = [sys.executable, "-m", "importer", "sandbox", "--with-parent"]
    command += ["--db", str(folder / DATABASE), "--project", str(folder / PROJECT)]
    apart: dict[str, Any] = (
        {"creationflags": _NEW_PROCESS_GROUP} if os.name == "nt" else {"start_new_session": True}
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        **apart,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith(READY):
                raise ServiceError(
                    "the sandbox did not start", "What it said stands above this line."
                )
            yield line.removeprefix(READY).strip()
        finally:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _project_text(path: Path) -> str:
    """The text of a project file; raises OSError or UnicodeDecodeError."""
    from importer.files import read_bounded
    from importer.sandbox.document import SIZE_LIMIT

    raw = read_bounded(path, SIZE_LIMIT)
    if len(raw) > SIZE_LIMIT:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return raw.decode("utf-8")


def new_sandbox(runs_dir: Path, project_file: Path | None) -> Path:
    """Make the folder of a sandbox, with its own copy of the project file if one is given."""
    from importer.errors import SourceError
    from importer.files import make_private_folder, write_private
    from importer.pipeline.rundir import new_run_id

    try:
        text = _project_text(project_file) if project_file is not None else None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{project_file}: the project file cannot be read: {error}",
            "Check the path after --sandbox-project.",
        ) from None
    folder = runs_dir / new_run_id("sandbox")
    make_private_folder(folder)
    if text is not None:
        write_private(folder / PROJECT, text)
    return folder


def write_project(folder: Path, project: Mapping[str, Any]) -> None:
    """Write the project of a sandbox, as the service describes one."""
    from importer.files import write_private

    text = json.dumps({"projects": [project]}, ensure_ascii=False, indent=2)
    write_private(folder / PROJECT, text + "\n")
