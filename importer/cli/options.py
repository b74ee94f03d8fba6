"""Arguments and options that several commands share, each declared once."""

from __future__ import annotations

import glob
import itertools
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from importer.errors import UsageError
from importer.files import STANDARD_INPUT, argument, command, is_of_the_system, value_word
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    SETTINGS,
    Boolean,
    FilePath,
    OneOf,
    RunSettings,
    SourceOptions,
    delimiter_named,
    flat,
    option_of,
    settings_of,
)

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def _decorated(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


# The files that a command names: globs that the shell left alone, and standard input.

_MOST_NAMES = 100_000


def named_files(_: click.Context, __: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    """Expand the globs among the files, as shells on Windows do not; raises UsageError.

    What exists under the name itself is that file. What a glob finds comes in the order of the
    names, without folders and the lock files that spreadsheet programs leave (``~$leads.xlsx``).
    """
    files = [file for path in given for file in _expanded(path)]
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError(
            "standard input (-) can be read once, but is named several times",
            "Name it once, or give files.",
        )
    if STANDARD_INPUT in files and sys.stdin is not None and sys.stdin.isatty():
        end = "Ctrl-Z and Enter" if sys.platform == "win32" else "Ctrl-D"
        click.echo(f"Reading the list from the terminal; {end} ends it.", err=True)
    return tuple(files)


def is_given(path: Path) -> bool:
    """Whether there is something to read: a file, or standard input."""
    return path == STANDARD_INPUT or path.exists()


def _expanded(path: Path) -> list[Path]:
    try:
        plain = path == STANDARD_INPUT or path.exists() or not glob.has_magic(str(path))
    except (OSError, ValueError):
        plain = True
    if plain:
        return [path]
    from importer.operations.inbox import fixed_part

    # Unlike pathlib's, this takes a pattern as it was typed, absolute or not, on any system.
    root, _ = fixed_part(str(path.absolute()))
    if is_of_the_system(os.path.realpath(root)):
        raise UsageError(
            f"{path}: {root} shows the operating system, and holds no files",
            "Name the folder that the lists are in.",
        )
    every = glob.iglob(str(path), recursive=True)  # noqa: PTH207
    names = sorted(itertools.islice(every, _MOST_NAMES + 1))
    if len(names) > _MOST_NAMES:
        raise UsageError(
            f"{path}: more than {_MOST_NAMES:,} files and folders are named like this",
            "Name the folder that the lists are in.",
        )
    found = [Path(name) for name in names if not Path(name).name.startswith("~$")]
    files = [file for file in found if not file.is_dir()]
    if not files:
        raise UsageError(f"{path}: no file is named like this", "Check the folder and the pattern.")
    return files


files_argument = click.argument(
    "files", nargs=-1, required=True, type=FILE, metavar="FILE...", callback=named_files
)

mapping_option = click.option(
    "-m",
    "--mapping",
    "mapping_path",
    type=FILE,
    metavar="MAPPING",
    help="The YAML mapping: which column becomes which field.",
)


_READING = (
    click.option("--sheet", metavar="NAME", help="Sheet to read: its name, or its number from 1."),
    click.option(
        "--header-row", type=click.IntRange(1), metavar="N", help="Row of the column headers."
    ),
    click.option("--encoding", metavar="NAME", help="Encoding of a text file, as utf-8 or cp1250."),
    click.option(
        "--delimiter",
        metavar="CHAR",
        help="What stands between a text file's cells; tab for a tab.",
    ),
    click.option("--rows", metavar="2-500", help="Take only these rows, numbered as in the sheet."),
)


READING = ("sheet", "header_row", "encoding", "delimiter", "rows")
"""The options that say how to read a source, by name."""


def reading_options(command: Command) -> Command:
    """Add the options that say how to read a source; they beat the mapping's."""
    return _decorated(_READING, command)


def source_options(options: Mapping[str, Any]) -> SourceOptions:
    """The reading options of a command as the value the pipeline takes; raises UsageError."""
    named = {name: options[name] for name in READING}
    if (delimiter := named["delimiter"]) is not None:
        named["delimiter"] = delimiter_named(delimiter)
        if len(named["delimiter"]) != 1:
            raise UsageError(
                f"--delimiter {named['delimiter']}: is one character",
                'Write tab for a tab, a character in quotes (--delimiter ";"), or its code, as in'
                ' --delimiter "\\x1f".',
            )
    if named["rows"] is not None:
        named["rows"] = _row_range(named["rows"])
    return SourceOptions(**named)


def _row_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9})?)?", text.strip())
    if match is not None:
        first = int(match[1])
        last = int(match[2]) if match[2] else (first if "-" not in text else 10**9)
        if 1 <= first <= last:
            return first, last
    raise UsageError(f"--rows {text}: not a range of rows", "Write it as 2-500, 2- or 17.")


_SERVICE = (
    click.option("--base-url", metavar="URL", help="Where the service is, ending in /v2."),
    click.option("--customer", metavar="NAME", help=f"Customer; else {CUSTOMER_VARIABLE}."),
    click.option(
        "--api-key-file",
        type=FILE,
        metavar="FILE",
        help=f"File that holds the API key; else {API_KEY_VARIABLE}.",
    ),
    click.option("--ca-file", type=FILE, metavar="FILE", help="PEM file of certificates to trust."),
)


def service_options(command: Command) -> Command:
    """Add the options that say where the service is, and as whom to speak to it."""
    return _decorated(_SERVICE, command)


def where_options(command: Command) -> Command:
    """Add those that say where a run would go, for what only compares with past runs."""
    return _decorated(_SERVICE[:2], command)


def credential_options(command: Command) -> Command:
    """Add those that say as whom to speak to a service that is known."""
    return _decorated(_SERVICE[1:], command)


def key_options(command: Command) -> Command:
    """Add those that no jobs file takes: files of the key and of certificates."""
    return _decorated(_SERVICE[2:], command)


_PLACED_BY_COMMANDS = {
    "canary",
    "runs_dir",
    "out",
    "preflight",
    "allow_new_values",
    "sandbox_project",
}
"""Settings whose options each command places by itself: not every command that sends has them."""

SENDING = tuple(
    name for name, declared in SETTINGS.items() if declared.help and name not in _PLACED_BY_COMMANDS
)
"""The settings that are options of every command that sends, by name."""


def setting_option(name: str, *, resumed: bool = False) -> Callable[[Command], Command]:
    """The option of a setting, as it is declared; of a resumed run it is by default what it was."""
    declared, usual = SETTINGS[name], flat(RunSettings())[name]
    if isinstance(declared.kind, Boolean):
        return click.option(
            option_of(name),
            name,
            is_flag=True,
            callback=(lambda _, __, given: not given) if usual else None,
            help=declared.help,
        )
    default = None if resumed else "auto" if declared.auto else usual or None
    kind = declared.kind
    return click.option(
        option_of(name),
        type=click.Choice(kind.choices)
        if isinstance(kind, OneOf)
        else FILE
        if isinstance(kind, FilePath)
        else click.UNPROCESSED,
        callback=None if isinstance(kind, FilePath) else _read_setting,
        default=default,
        show_default="as the run began" if resumed and declared.kept else default is not None,
        envvar=declared.variable,
        show_envvar=declared.variable is not None,
        metavar=declared.metavar,
        help=declared.help,
    )


def _read_setting(_: click.Context, parameter: click.Parameter, text: Any) -> Any:
    """A setting's value as its declaration reads and checks it; what is no text is a default."""
    declared = SETTINGS[str(parameter.name)]
    if not isinstance(text, str):
        return text
    text = text.strip()
    if declared.auto and text == "auto":
        return None
    try:
        return declared.kind.of_text(text)
    except ValueError as error:
        what = str(error)
        if declared.auto:
            what = what.replace("is not a whole number from", "is neither auto nor", 1)
        raise click.BadParameter(f"{text!r} {what}") from None


def sending_options(command: Command) -> Command:
    """Add the options that say as whom and how to send."""
    options = (setting_option(name) for name in SENDING)
    return _decorated((*_SERVICE, *options), command)


def resuming_options(command: Command) -> Command:
    """Add the same options for a run of the past, which keeps what is not given anew."""
    options = (setting_option(name, resumed=True) for name in (*SENDING, "canary"))
    return _decorated((*_SERVICE, *options), command)


def run_settings(options: Mapping[str, Any]) -> RunSettings:
    """The settings that a command's options ask for; raises SettingError."""
    given = {name: options.get(name) for name, declared in SETTINGS.items() if declared.help}
    named = {name: value for name, value in given.items() if value is not None}
    _need_dask(named)
    return settings_of(named)


def given_settings(context: click.Context) -> dict[str, Any]:
    """The settings that stand on the command line, by name: what a resumed run does anew."""
    line = ParameterSource.COMMANDLINE
    given = {
        name: context.params[name]
        for name in (*SENDING, "canary")
        if context.get_parameter_source(name) is line
    }
    _need_dask(given)
    return given


def _need_dask(given: Mapping[str, Any]) -> None:
    from importlib.util import find_spec

    if given.get("engine") == "dask" and find_spec("distributed") is None:
        raise UsageError(
            "the dask engine needs a library that is not installed",
            'Install it: pip install "vcc-importer[cluster]"',
        )


reports_option = click.option(
    "--report",
    "reports",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="Write the report of the check to this file; its suffix (.txt, .json, .csv, .html, .xlsx) "
    "says as what. May be given several times.",
)
all_problems_option = click.option(
    "--all-problems", is_flag=True, help="List every problem, not only the first 1,000."
)


runs_dir_option = setting_option("runs_dir")
port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=0,
    help="Port to listen on; any free one where left out.",
)
again_option = click.option(
    "--again", is_flag=True, help="Send what past runs have sent already, too."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")


_NOT_REPEATED = {"reports", "all_problems", "quiet", "dry_run", "force", "output", "mapping_path"}


def repeated_options(name: str, only: Collection[str] | None = None) -> list[str]:
    """The options of this command line that the command of that name has too, to be typed again.

    Of them those in `only`, where it is given. What a message adds itself is left out: the
    mapping, reports, and what asks for this command rather than for that one.
    """
    context = click.get_current_context()
    group = context.find_root().command
    other = group.get_command(context, name) if isinstance(group, click.Group) else None
    known = {option.name for option in other.params} if other is not None else set()
    words: list[str] = []
    for option in context.command.params:
        if (
            isinstance(option, click.Option)
            and option.name in known - _NOT_REPEATED
            and (only is None or option.name in only)
            and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
            and option.expose_value
        ):
            value = context.params[option.name]
            words.append(max(option.opts, key=len))
            if isinstance(value, Path):
                words.append(argument(value))
            elif not option.is_flag:
                words.append("auto" if value is None else value_word(value))
    return words


def redirection(file: Path) -> str:
    """What stands behind a command that reads the file, for the shell, if that was piped in."""
    return " < FILE" if file == STANDARD_INPUT else ""


def need_mapping(path: Path | None, files: tuple[Path, ...]) -> Path:
    """The mapping's path, or a UsageError that says how to get a mapping."""
    if path is None:
        init = command(
            "init", argument(files[0]), "-o", "my.yaml", *repeated_options("init", READING)
        )
        init += redirection(files[0])
        raise UsageError(
            "a mapping is needed: -m MAPPING",
            f"Draft one from the file: {init}\ndocs/mapping.md says what stands in it.",
        )
    return path
