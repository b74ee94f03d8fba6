"""``vcc-import sandbox``: a local Add record service."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from importer.cli.options import FILE, port_option
from importer.cli.signals import SIGNALS
from importer.errors import UsageError
from importer.sandbox.started import READY
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, SANDBOX_CREDENTIAL

if TYPE_CHECKING:
    import asyncio

    from importer.sandbox.faults import Faults


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
@port_option
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
    from importer.pipeline.running import StopSwitch
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
    from importer.sandbox.faults import NO_FAULTS, load_faults, parse_latency

    ordered = load_faults(path) if path is not None else NO_FAULTS
    try:
        wait = parse_latency(latency) if latency is not None else None
    except ValueError as error:
        raise UsageError(
            f"--latency {latency}: {error}", "Write it as 20ms, 0.05 or 20ms-80ms."
        ) from error
    return ordered.overridden(wait, rate_limit)


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
