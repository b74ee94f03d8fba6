"""The command line: which commands there are, and how exceptions become exit codes.

It is imported at every start, for `--version` and for completion too: what only a command or an
error needs is imported there.
"""

from __future__ import annotations

import codecs
import importlib
import io
import os
import sys

import click

from importer import __version__
from importer.cli.signals import SIGNALS
from importer.errors import ImporterError

COMMANDS = {
    "run": ("run", "Import files: read, check, send, write results."),
    "check": ("check", "Check files without sending anything (dry run)."),
    "preview": ("check", "Show the records that would be sent, as JSON lines."),
    "init": ("check", "Draft a mapping from a file's headers and data."),
    "plan": ("plan", "Check a file and keep what would be sent, to be looked at."),
    "apply": ("past_runs", "Send what a plan holds, and nothing else."),
    "resume": ("past_runs", "Go on with a run that stopped or was cut off."),
    "reconcile": ("past_runs", "Look for uncertain rows in the service."),
    "mark": ("past_runs", "Settle uncertain rows by hand."),
    "verify": ("past_runs", "Read some created rows back and compare them with what was sent."),
    "report": ("past_runs", "Write the result files of a run again."),
    "history": ("past_runs", "Show past runs, and remove the old ones' data."),
    "batch": ("batch", "Import what has arrived, unattended, as a jobs file says."),
    "console": ("console", "Do all this in the browser, without a terminal."),
    "sandbox": ("sandbox", "Run a local Add record service to try things on."),
    "schema": ("check", "Print the JSON Schema of the mapping, for editors."),
}
"""Commands: the module of this package that holds each, imported when it is used, and its
`short_help`, so that listing them imports none."""

_INTERRUPTED = 130
_UNUSABLE = 2
_BUG = 3
"""An error of ours stops a run early; what was sent is in the journal."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"importer.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        SIGNALS.begin_work()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: vcc-import run leads.xlsx -m leads.yaml --sandbox",
)
@click.version_option(__version__, prog_name="vcc-import", message="%(prog)s %(version)s")
def cli() -> None:
    """Import lead lists (CSV, Excel) into a dialler, record by record.

    A YAML mapping says which column becomes which field. Every row is accounted for: created,
    rejected, invalid, skipped, uncertain or pending.
    """


def _show_surrogates(error: UnicodeError) -> tuple[str, int]:
    """How a stream writes what it cannot encode: as `files.escape_surrogates` does, else ``?``.

    An error handler for :func:`codecs.register_error`.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    texts = [
        f"\\x{ord(letter) - 0xDC00:02x}" if "\udc80" <= letter <= "\udcff" else "?"
        for letter in error.object[error.start : error.end]
    ]
    return "".join(texts), error.end


def run_cli(arguments: list[str] | None = None) -> int:
    """Run a command line (the program's own where None) and give its exit code."""
    # Arrow's own allocator keeps what it was given: a fifth more memory, and no faster here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    codecs.register_error("vcc-import", _show_surrogates)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's code page lacks must not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="vcc-import")
    with SIGNALS.heard():
        code = _run(arguments)
    # What an interrupted program complained of is its consequence.
    return SIGNALS.code or _INTERRUPTED if SIGNALS.at_once else code


def _run(arguments: list[str] | None) -> int:
    try:
        result = cli.main(args=arguments, prog_name="vcc-import", standalone_mode=False)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the program's last boundary
        if SIGNALS.at_once:
            return _INTERRUPTED
        return _failed(error)
    return result if isinstance(result, int) else 0


def _failed(error: BaseException) -> int:
    """Say what ended a command, while it is handled, and give the exit code."""
    match error:
        case click.Abort():
            return _INTERRUPTED
        case click.ClickException():
            _show(error)
            return _UNUSABLE
        case ImporterError():
            from importer.cli.output import tell

            tell(error)
            return error.exit_code
        case KeyboardInterrupt():
            from importer.cli.output import say

            say("Interrupted.", err=True)
            return _INTERRUPTED
        case Exception():
            from importer.cli.output import tell_bug

            tell_bug()
            return _BUG
        case _:
            raise error


def _show(error: click.ClickException) -> None:
    """Say what is wrong with a command line."""
    from importer.cli.output import as_json, log_json, say

    if as_json():
        log_json("error", error.format_message(), exit_code=_UNUSABLE)
        return
    # The words of a command line may come from a pattern, that is, from file names.
    context = getattr(error, "ctx", None)
    if context is not None:
        say(context.get_usage(), err=True)
        if context.command.get_help_option(context) is not None:
            names = f"{context.command_path} {context.help_option_names[0]}"
            say(f"Try '{names}' for help.\n", err=True)
    say(f"Error: {error.format_message()}", err=True)
