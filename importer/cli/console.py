"""``vcc-import console``: the local web page for people who use no terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from importer.cli.options import port_option, runs_dir_option
from importer.cli.output import log_options, say
from importer.cli.signals import SIGNALS

if TYPE_CHECKING:
    from importer.console.instance import Link


@click.command(
    short_help="Do all this in the browser, without a terminal.",
    epilog="Examples: vcc-import console; vcc-import console --port 8765 --no-open",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on: only this machine's own is taken.",
)
@port_option
@click.option(
    "--no-open",
    is_flag=True,
    help="Open no browser, but print the link: for SSH, or to choose the browser.",
)
@runs_dir_option
@log_options
def console(host: str, port: int, *, no_open: bool, runs_dir: Path) -> None:
    """Import lists in the browser: choose, check, mend, send, and see the results.

    The page is this machine's and this user's alone, and needs no account to try it out. Where a
    console runs already, a new link to it is opened. It goes on until it is interrupted (Ctrl-C):
    what is being sent then stops in order, and drafts stay.
    """
    from importer.console.server import serve
    from importer.pipeline.running import StopSwitch
    from importer.sending.loop import run_loop

    async def serve_until_told() -> None:
        with stop.watched() as told:
            await serve(
                host=host,
                port=port,
                runs_dir=runs_dir,
                on_ready=lambda link: _tell(link, opened=not no_open and _open(link.file)),
                until=told,
            )

    stop = StopSwitch()
    lines = "\nThe console ends. What is being sent stops in order.", "Stopped at once."
    with SIGNALS.stoppable(stop.pull, *lines):
        run_loop(serve_until_told())


def _tell(link: Link, *, opened: bool) -> None:
    """Say where the console is, and how to get in."""
    parts = urlsplit(link.url)
    says = "The console is" if link.new else "A console runs already,"
    how = ", and opens in your browser" if opened else ""
    say(f"{says} at {parts.scheme}://{parts.netloc}{how}.")
    if opened:
        say("If no page opens: vcc-import console --no-open prints a link.")
    else:
        say(
            f"Open this link in a browser of this machine; it is good once, for ten minutes:\n\n"
            f"  {link.url}\n\nor this file, which leads there: {link.file}"
        )
    if link.new:
        say("Ctrl-C ends it.")


def _open(page: Path) -> bool:
    """Open the page that leads to the console; False where there is no window to open it in.

    In a thread that the end of the console does not wait for: some browsers are waited for until
    they are closed. Never with the link itself, which everybody could read in the process list.
    """
    if not _has_window():
        return False
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()
    return True


def _has_window() -> bool:
    # A browser in the terminal would take the console's own terminal from it.
    if sys.platform in {"win32", "darwin"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
