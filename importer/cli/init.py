"""``vcc-import init``: a first mapping for a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.logs import verbose_option
from importer.cli.options import FILE, reading_options, repeated, source_options
from importer.cli.outcome import say
from importer.cli.target import warn
from importer.credentials import credentials, environment
from importer.errors import OutputError, UsageError
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE
from importer.shell import argument, command

if TYPE_CHECKING:
    from importer.settings import Target


@click.command(
    short_help="Draft a mapping from a file's headers and data.",
    epilog="Examples: vcc-import init leads.xlsx -o leads.yaml; "
    "vcc-import init leads.xlsx -o leads.yaml --online --project 134",
)
@click.argument("file", type=FILE)
@click.option(
    "-o",
    "--output",
    type=FILE,
    metavar="MAPPING",
    help="Write the mapping to this file; else it is printed.",
)
@click.option("--force", is_flag=True, help="Replace the mapping file if it is there.")
@click.option(
    "--online", is_flag=True, help="Ask the service for the project, and use its own fields."
)
@click.option("--project", type=click.IntRange(1), metavar="ID", help="Project id, for --online.")
@click.option("--base-url", metavar="URL", help="Where the service is, ending in /v2.")
@click.option("--customer", metavar="NAME", help=f"Customer; else {CUSTOMER_VARIABLE}.")
@click.option(
    "--api-key-file",
    type=FILE,
    metavar="FILE",
    help=f"File that holds the API key; else {API_KEY_VARIABLE}.",
)
@click.option("--ca-file", type=FILE, metavar="FILE", help="PEM file of certificates to trust.")
@reading_options
@verbose_option
def init(file: Path, output: Path | None, force: bool, online: bool, **options: Any) -> int:
    """Draft a commented mapping for FILE: fields, types, contacts, and what makes rows the same.

    Headers are understood in English, German and Hungarian. What is a guess is marked "unsure",
    with figures. Nothing is sent.
    """
    names = ("sheet", "header_row", "encoding", "delimiter", "rows")
    reading = source_options(**{name: options[name] for name in names})
    if output is not None and not force and output.exists():
        raise OutputError(
            f"{output}: there is a file of that name", "Choose another name, or add --force."
        )
    target = _target(options) if online else None
    from importer.drafting.file import draft

    text = draft(file, reading, target)
    if output is None:
        # In a file it is UTF-8, whatever the terminal's code page; the mapping is read so.
        click.echo(text if sys.stdout.isatty() else text.encode(), nl=False)
    else:
        from importer.files import write_private

        write_private(output, text)
        say(f"Mapping: {output}", err=True)
    unsure = text.count("unsure: ")
    if unsure:
        lines = "line" if unsure == 1 else "lines"
        say(f"Look at the {unsure} {lines} marked unsure, and mend what is wrong.", err=True)
    written = argument(output) if output is not None else "MAPPING"
    check = command("check", argument(file), "-m", written, *repeated("check"))
    say(f"Then: {check}", err=True)
    return 0


def _target(options: dict[str, Any]) -> Target:
    """The project that --online asks for; raises UsageError where something lacks."""
    from importer.pipeline.run import base_url_for
    from importer.settings import Target

    if options["project"] is None:
        raise UsageError("no project is named", "Give --project ID with --online.")
    customer, key = credentials(
        options["customer"], options["api_key_file"], environment(warn), warn
    )
    base_url = options["base_url"] or base_url_for(customer)
    return Target(base_url, options["project"], customer, key, options["ca_file"])
