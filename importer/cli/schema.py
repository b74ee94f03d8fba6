"""``vcc-import schema``."""

from __future__ import annotations

import json

import click


@click.command(
    short_help="Print the JSON Schema of the mapping, for editors.",
    epilog="Example: vcc-import schema > mapping.schema.json",
)
def schema() -> None:
    """Print the JSON Schema of the mapping format.

    An editor that is told of it completes keys and underlines mistakes. In VS Code with the YAML
    extension, the mapping's first line is enough:

    # yaml-language-server: $schema=mapping.schema.json
    """
    from importer.pipeline import mapping_schema

    click.echo(json.dumps(mapping_schema(), ensure_ascii=False, indent=2))
