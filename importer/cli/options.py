"""Options that several commands share, each declared once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from importer.cli.engine_options import ENGINE_OPTIONS, scheduler_of, workers_of
from importer.cli.files import named_files
from importer.errors import UsageError
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    DEFAULT_RUNS_DIR,
    RUNS_DIR_VARIABLE,
    Pace,
    RetryPolicy,
    RunSettings,
    SourceOptions,
    parse_max_failures,
)

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)

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


def _concurrency(_: click.Context, __: click.Parameter, value: str) -> int | None:
    """Read the option: a number, or ``auto``, which is None."""
    if value == "auto":
        return None
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MOST_IN_FLIGHT:
        raise click.BadParameter(f"{value!r} is neither auto nor 1 to {MOST_IN_FLIGHT}")
    return int(value)


MOST_IN_FLIGHT = 1000

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


def reading_options(command: Command) -> Command:
    """Add the options that say how to read a source; they beat the mapping's."""
    return _with(_READING, command)


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
    return _with(_SERVICE, command)


_SENDING = (
    *_SERVICE,
    click.option(
        "--concurrency",
        callback=_concurrency,
        default="auto",
        show_default=True,
        metavar="N|auto",
        help="Requests in flight; auto finds the number that the service serves best.",
    ),
    click.option(
        "--rate", type=click.FloatRange(0.01), metavar="N", help="At most N requests a second."
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0.1),
        default=Pace().timeout,
        show_default=True,
        metavar="SECONDS",
        help="How long one request may take.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(0),
        default=RetryPolicy().retries,
        show_default=True,
        metavar="N",
        help="Tries beyond the first for a request that surely did not arrive.",
    ),
    click.option(
        "--max-failures",
        metavar="N|N%",
        help="Stop when more rows than this were rejected or are uncertain, as 50 or 2%.",
    ),
    click.option(
        "--give-up-after",
        type=click.FloatRange(1),
        default=RetryPolicy().give_up_after,
        show_default=True,
        metavar="SECONDS",
        help="Stop when the service has let nothing through for so long.",
    ),
    click.option(
        "--retry-on",
        metavar="502,503",
        help="Statuses of which you know that nothing was stored: such rows are sent again.",
    ),
    *ENGINE_OPTIONS,
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="Send N rows and leave the others pending.",
    ),
)


def sending_options(command: Command) -> Command:
    """Add the options that say as whom and how to send."""
    return _with(_SENDING, command)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def run_settings(options: Mapping[str, Any]) -> RunSettings:
    """The settings that the sending options ask for."""
    too_many = options["max_failures"]
    return RunSettings(
        pace=Pace(options["concurrency"], options["rate"], timeout=options["timeout"]),
        retry=RetryPolicy(
            retries=options["retries"],
            give_up_after=options["give_up_after"],
            retry_on=_statuses(options["retry_on"]),
            max_failures=parse_max_failures(too_many) if too_many is not None else None,
        ),
        limit=options["limit"],
        engine=options["engine"],
        workers=workers_of(options),
        scheduler=scheduler_of(options),
    )


def _statuses(text: str | None) -> frozenset[int]:
    """HTTP statuses as ``502,503``; only those that leave open whether something was stored."""
    if text is None:
        return frozenset()
    found = {part.strip() for part in text.split(",")}
    if not found <= _OPEN:
        odd = ", ".join(sorted(found - _OPEN))
        raise UsageError(
            f"--retry-on {text}: {odd} cannot be declared safe", "Write it as 502,503."
        )
    return frozenset(map(int, found))


_OPEN = {"408", "500", "502", "503", "504"}


def source_options(
    sheet: str | None,
    header_row: int | None,
    encoding: str | None,
    delimiter: str | None,
    rows: str | None,
) -> SourceOptions:
    """The reading options as the value the pipeline takes; raises UsageError."""
    if delimiter is not None:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter.lower(), delimiter)
        if len(delimiter) != 1:
            raise UsageError(
                f"--delimiter {delimiter}: is one character", "Write tab for a tab, or ; in quotes."
            )
    return SourceOptions(
        sheet=sheet,
        header_row=header_row,
        encoding=encoding,
        delimiter=delimiter,
        rows=_row_range(rows) if rows is not None else None,
    )


def _row_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9})?)?", text.strip())
    if match is not None:
        first = int(match[1])
        last = int(match[2]) if match[2] else (first if "-" not in text else 10**9)
        if 1 <= first <= last:
            return first, last
    raise UsageError(f"--rows {text}: not a range of rows", "Write it as 2-500, 2- or 17.")


def need_mapping(path: Path | None, files: tuple[Path, ...]) -> Path:
    """The mapping's path, or a UsageError that says how to get a mapping."""
    if path is None:
        raise UsageError(
            "a mapping is needed: -m MAPPING",
            f"Draft one from the file: vcc-import init {files[0]} -o my.yaml. "
            "docs/mapping.md says what stands in it.",
        )
    return path


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


runs_dir_option = click.option(
    "--runs-dir",
    type=FILE,
    default=DEFAULT_RUNS_DIR,
    show_default=True,
    envvar=RUNS_DIR_VARIABLE,
    show_envvar=True,
    metavar="DIR",
    help="Folder in which runs make theirs.",
)
again_option = click.option(
    "--again", is_flag=True, help="Send what past runs have sent already, too."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
